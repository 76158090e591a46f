//! Whether a user's pattern can match the empty string.
//!
//! Owns the decision. It needs no compiled pattern: what can be empty shows in the syntax, in one pass and in memory for the
//! groups that are open. Compiling a form's patterns took a quarter of a second. Must not know selectors.
//! Nothing here protects a tenant. It decides whether a selector is refused as Prometheus refuses it.
// Go: regexp/syntax/parse.go; Prometheus: model/labels/regexp.go, NewFastRegexMatcher

/// Whether `pattern`, anchored as Prometheus does it, matches the empty string. One that is no pattern counts as rejecting:
/// the upstream has the last word on it, and better ones.
pub(crate) fn matches_empty(pattern: &[u8]) -> bool {
    std::str::from_utf8(pattern).is_ok() && read(pattern).unwrap_or(false)
}

/// What has been read of a group.
#[derive(Debug)]
struct Group {
    /// Whether one of the alternatives that are complete can be empty.
    earlier: bool,
    /// Whether everything can that has been read of the current alternative, less its last item.
    before: bool,
    /// Whether that item can, operators included; `None` when there is none yet.
    last: Option<bool>,
    /// Whether an operator stands right in front, which another one cannot follow.
    repeated: bool,
}

impl Group {
    const NEW: Self = Self { earlier: false, before: true, last: None, repeated: false };

    fn can_be_empty(&self) -> bool {
        self.earlier || (self.before && self.last.unwrap_or(true))
    }

    fn item(&mut self, can_be_empty: bool) {
        self.before &= self.last.unwrap_or(true);
        self.last = Some(can_be_empty);
        self.repeated = false;
    }

    /// An operator repeats the last item, perhaps not at all. Gives what stands behind the operator.
    fn repeat<'p>(&mut self, perhaps_not_at_all: bool, rest: &'p [u8]) -> Option<&'p [u8]> {
        if self.repeated {
            return None;
        }
        self.last = Some(self.last? || perhaps_not_at_all);
        self.repeated = true;
        // As few as possible can still be as few.
        Some(rest.strip_prefix(b"?").unwrap_or(rest))
    }
}

/// `None` when it is no pattern, as far as that shows.
fn read(pattern: &[u8]) -> Option<bool> {
    // Prometheus reads `^(?s:…)$`: a pattern is a group in a group, and may even close the inner one.
    let mut around = vec![Group::NEW];
    let mut group = Group::NEW;
    let mut rest = pattern;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'|' => group = Group { earlier: group.can_be_empty(), ..Group::NEW },
            b'(' => match opening(rest)? {
                Opening::Group(tail) => {
                    around.push(std::mem::replace(&mut group, Group::NEW));
                    rest = tail;
                }
                Opening::Flags(tail) => {
                    group.repeated = false;
                    rest = tail;
                }
            },
            b')' => {
                let inner = group.can_be_empty();
                group = around.pop()?;
                group.item(inner);
            }
            b'*' | b'?' => rest = group.repeat(true, rest)?,
            b'+' => rest = group.repeat(false, rest)?,
            b'{' => match count(rest) {
                Some((perhaps_not_at_all, tail)) => rest = group.repeat(perhaps_not_at_all, tail)?,
                None => group.item(false),
            },
            b'^' | b'$' => group.item(true),
            b'[' => {
                rest = class(rest)?;
                group.item(false);
            }
            b'\\' => rest = escape(&mut group, rest)?,
            _ if is_continued(byte) => {}
            _ => group.item(false),
        }
    }
    let inner = group.can_be_empty();
    let mut outer = around.pop()?;
    outer.item(inner);
    around.is_empty().then(|| outer.can_be_empty())
}

enum Opening<'p> {
    /// What stands in the group.
    Group(&'p [u8]),
    /// What stands behind flags that hold from there on.
    Flags(&'p [u8]),
}

/// What a `(` opens.
fn opening(rest: &[u8]) -> Option<Opening<'_>> {
    let Some(rest) = rest.strip_prefix(b"?") else { return Some(Opening::Group(rest)) };
    if let Some(name) = rest.strip_prefix(b"P<").or_else(|| rest.strip_prefix(b"<")) {
        return behind(name, b'>').map(Opening::Group);
    }
    let flags = rest.iter().take_while(|b| b"imsU-".contains(b)).count();
    match rest.get(flags..)? {
        [b':', tail @ ..] => Some(Opening::Group(tail)),
        [b')', tail @ ..] => Some(Opening::Flags(tail)),
        _ => None,
    }
}

/// Whether a count in braces allows none, and what stands behind it; `None` when the brace is a character.
fn count(rest: &[u8]) -> Option<(bool, &[u8])> {
    fn number(rest: &[u8]) -> Option<(&[u8], &[u8])> {
        let (digits, rest) = rest.split_at_checked(rest.iter().take_while(|b| b.is_ascii_digit()).count())?;
        (digits.len() < 2 || !digits.starts_with(b"0")).then_some((digits, rest))
    }
    let (least, mut rest) = number(rest)?;
    if least.is_empty() {
        return None;
    }
    if let Some(most) = rest.strip_prefix(b",") {
        rest = number(most)?.1;
    }
    Some((least == b"0", rest.strip_prefix(b"}")?))
}

/// What stands behind a class whose `[` has been read.
fn class(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_prefix(b"^").unwrap_or(rest);
    // A bracket that stands first is a member.
    let mut rest = rest.strip_prefix(b"]").unwrap_or(rest);
    loop {
        rest = match rest {
            [b']', tail @ ..] => return Some(tail),
            [b'\\', _, tail @ ..] => tail,
            [b'[', b':', tail @ ..] => behind_name(tail).unwrap_or(tail),
            [_, tail @ ..] => tail,
            [] => return None,
        }
    }
}

/// What stands behind the name of a class, as in `[[:alpha:]]`.
fn behind_name(rest: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = b"^xdigit:]".len();
    let end = rest.get(..LONGEST).unwrap_or(rest).windows(2).position(|two| two == b":]")?;
    rest.get(end.saturating_add(2)..)
}

/// What stands behind an escape whose backslash has been read.
fn escape<'p>(group: &mut Group, rest: &'p [u8]) -> Option<&'p [u8]> {
    let (&byte, rest) = rest.split_first()?;
    if byte == b'Q' {
        let end = rest.windows(2).position(|two| two == br"\E");
        let (quoted, behind) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        // No more than the last one is repeated.
        quoted.iter().filter(|b| !is_continued(**b)).take(2).for_each(|_| group.item(false));
        return Some(behind.strip_prefix(br"\E").unwrap_or(behind));
    }
    group.item(matches!(byte, b'A' | b'z' | b'B'));
    match (byte, rest) {
        (b'p' | b'P' | b'x', [b'{', name @ ..]) => behind(name, b'}'),
        (b'p' | b'P', [_, tail @ ..]) => Some(tail),
        (b'x', [_, _, tail @ ..]) => Some(tail),
        (b'p' | b'P' | b'x', _) => None,
        (b'0'..=b'7', _) => rest.get(rest.iter().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count()..),
        _ => Some(rest),
    }
}

/// What stands behind the first `end`.
fn behind(rest: &[u8], end: u8) -> Option<&[u8]> {
    rest.get(rest.iter().position(|&b| b == end)?.saturating_add(1)..)
}

/// Whether the byte goes on with a character.
fn is_continued(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_decided_as_prometheus_does() {
        for (pattern, empty) in [
            ("", true),
            (".*", true),
            (".+", false),
            ("a", false),
            ("5..", false),
            ("a|b", false),
            ("a|", true),
            ("|a", true),
            ("a||b", true),
            ("a?", true),
            ("a?b", false),
            ("ab?", false),
            ("a*", true),
            ("a+", false),
            ("a+?", false),
            ("a*?", true),
            ("a??", true),
            ("a{0,3}", true),
            ("a{0}", true),
            ("a{0,}?", true),
            ("a{2}", false),
            ("a{2}?", false),
            ("a{10}", false),
            ("a{,3}", false),
            ("a{00}", false),
            ("a{", false),
            ("{}?a*", false),
            ("(a|)", true),
            ("(a|b)", false),
            ("(a?|b)+", true),
            ("((a)*)(b*)", true),
            ("((a)*)(b)", false),
            ("[|]", false),
            ("[]|]", false),
            ("[^]|]?", true),
            (r"[\]|]", false),
            ("[[:alpha:]|]", false),
            ("[[:alpha:]]*", true),
            ("[[:]*|a", true),
            (r"\|", false),
            ("()", true),
            ("^$", true),
            ("^", true),
            ("^a$", false),
            (r"\A\z", true),
            (r"\B", true),
            (r"\b", false),
            ("(?i)a*", true),
            ("(?i)a", false),
            ("a*(?i)+", true),
            ("a+(?i)?", true),
            ("(?i-s:a*)", true),
            ("(?P<n>a)?", true),
            ("(?<n>a|)", true),
            ("a*|b", true),
            (".?|b", true),
            ("é?", true),
            ("é", false),
            ("aé?", false),
            (r"\d*", true),
            (r"\p{L}*", true),
            (r"\pN*", true),
            (r"\pN", false),
            (r"\x{e9}?", true),
            (r"\xe9?", true),
            (r"\101*", true),
            (r"\Qa|\E", false),
            (r"\Q\E", true),
            (r"\Qa\E*", true),
            (r"\Qéa\E*", false),
            (r"\Q*", false),
            ("a.*", false),
            ("x*y*", true),
            ("a)|(b", false),
            ("a)|(b?", true),
            ("a)|", false),
        ] {
            assert_eq!(matches_empty(pattern.as_bytes()), empty, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_counts_as_rejecting() {
        for pattern in [
            "(", "(()", "())", "*", "|*", "a**", "(?=a)?", "(?P=n)?", "[a", r"\", r"\p", r"\x", r"\p{L", "(?i", "(?P<n",
        ] {
            assert!(!matches_empty(pattern.as_bytes()), "{pattern}");
        }
        assert!(!matches_empty(b"\xff*"));
    }
}
