//! Which patterns RE2, which reads them upstream, and `regex-lite`, which reads them here, take for the same.
//!
//! Owns that decision: what is on the list below means the same to both, and everything else is refused, also where both
//! may agree. So are, among others, `\s` (a vertical tab is white space to one of them), `(?i)` (Unicode or ASCII), `\<`,
//! `\b{start}`, `\Q`, `\101`, `{01}`, `{,2}`, `a**`, `[[a]]`, `[a&&b]` and `[--a]`.
//! One pass, in memory for the groups that are open. Must not know tenants, nor what a pattern is for.
// Go: regexp/syntax/parse.go; regex-lite: src/hir/parse.rs

use super::pattern::InvalidPattern;
use std::str::Chars;

/// Characters of a pattern whose counts are written out. RE2 counts no further than this, however counts are nested.
// Go: regexp/syntax/parse.go, repeatIsValid
pub(super) const MOST_CHARACTERS: usize = 1_000;
/// Groups in each other. `regex-lite` takes 50 levels, of which a group needs up to four.
pub(super) const MOST_NESTED: usize = 10;

const GROUP: &str = "a group is `(…)` or `(?:…)`, without flags and without a name";
const UNOPENED: &str = "no group is open; write `\\)` for the character itself";
const UNCLOSED: &str = "something is open that does not end: a group, brackets or an escape";
const ANCHOR: &str =
    "`^` can stand only first, and `$` only last; neither is needed, and a backslash makes them characters";
const LOOSE: &str = "write `\\]` or `\\}` for the character itself";
const REPEATED: &str = "there is nothing here to repeat: a repetition follows a character, brackets or a group, once";
const COUNT: &str = "a count is `{n}`, `{n,}` or `{n,m}`, up to 1000; write `\\{` for the character itself";
const MEMBER: &str = "in brackets, `[`, `]`, `^`, `&`, `~` and a `-` in the middle need a backslash in front";
const RANGE: &str = "a range in brackets goes from one character up to another";
const ESCAPE: &str =
    "the escapes are `\\d`, `\\D`, `\\w`, `\\W`, and punctuation such as `\\.`, but for `\\<` and `\\>`";

/// A pattern that both read alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Common {
    /// The pattern without captures.
    pub(super) pattern: String,
    /// Characters in it, its counts written out: what it costs to run.
    pub(super) characters: usize,
}

/// Writes `pattern` again without captures, of which `regex-lite` would keep account in memory that grows as their square.
///
/// # Errors
/// Where it is not on the list, or larger than `regex-lite` may take.
pub(super) fn common(pattern: &str) -> Result<Common, InvalidPattern> {
    let out = String::with_capacity(pattern.len());
    Reader { rest: pattern.chars(), read: 0, out, group: Group::default(), around: Vec::new() }.pattern()
}

/// What has been read of a group.
#[derive(Default)]
struct Group {
    /// Characters in it, less the last item's.
    characters: usize,
    /// Those of the last item, when it can be repeated.
    last: Option<usize>,
}

impl Group {
    fn item(&mut self, characters: usize) {
        self.end_item();
        self.last = Some(characters);
    }

    fn end_item(&mut self) {
        self.characters = self.all();
        self.last = None;
    }

    fn end_alternative(&mut self) {
        self.end_item();
        // It costs as much as a character does, also where nothing stands between two.
        self.characters = self.characters.saturating_add(1);
    }

    fn all(&self) -> usize {
        self.characters.saturating_add(self.last.unwrap_or(0))
    }
}

struct Reader<'p> {
    rest: Chars<'p>,
    /// How many characters have been read.
    read: usize,
    /// What has been read, with groups that do not capture.
    out: String,
    group: Group,
    /// The groups around it, the innermost last.
    around: Vec<Group>,
}

impl Reader<'_> {
    fn pattern(mut self) -> Result<Common, InvalidPattern> {
        while let Some(c) = self.next() {
            match c {
                '|' => self.group.end_alternative(),
                '(' => self.open()?,
                ')' => {
                    let inner = self.group.all().max(1);
                    self.group = self.around.pop().ok_or(self.wrong(UNOPENED))?;
                    self.group.item(inner);
                }
                '*' | '+' | '?' => self.repeat(1)?,
                '{' => {
                    let times = self.count()?;
                    self.repeat(times)?;
                }
                '[' => {
                    let members = self.class()?;
                    self.group.item(members);
                }
                '\\' => {
                    self.escape()?;
                    self.group.item(1);
                }
                '^' if self.read == 1 => {}
                '$' if self.rest.as_str().is_empty() => {}
                '^' | '$' => return Err(self.wrong(ANCHOR)),
                ']' | '}' => return Err(self.wrong(LOOSE)),
                _ => self.group.item(1),
            }
        }
        if !self.around.is_empty() {
            return Err(self.wrong(UNCLOSED));
        }
        let characters = self.group.all();
        if characters > MOST_CHARACTERS {
            return Err(InvalidPattern::TooComplex);
        }
        Ok(Common { pattern: self.out, characters })
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.read = self.read.saturating_add(1);
        self.out.push(c);
        Some(c)
    }

    fn next_of_open(&mut self) -> Result<char, InvalidPattern> {
        self.next().ok_or(self.wrong(UNCLOSED))
    }

    /// Reads `text` where it stands next.
    fn eat(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.as_str().strip_prefix(text) else { return false };
        self.rest = rest.chars();
        self.read = self.read.saturating_add(text.chars().count());
        self.out.push_str(text);
        true
    }

    /// What is wrong with the character that was read last.
    fn wrong(&self, why: &'static str) -> InvalidPattern {
        InvalidPattern::NotCommon { character: self.read, why }
    }

    fn open(&mut self) -> Result<(), InvalidPattern> {
        if !self.eat("?:") {
            if self.rest.as_str().starts_with('?') {
                return Err(self.wrong(GROUP));
            }
            self.out.push_str("?:");
        }
        self.around.push(std::mem::take(&mut self.group));
        if self.around.len() > MOST_NESTED { Err(InvalidPattern::TooComplex) } else { Ok(()) }
    }

    /// The last item is repeated, at most `times` where that is bounded.
    fn repeat(&mut self, times: usize) -> Result<(), InvalidPattern> {
        let last = self.group.last.take().ok_or(self.wrong(REPEATED))?;
        self.group.characters = self.group.characters.saturating_add(last.saturating_mul(times.max(1)));
        // As few as possible: all or nothing has to match, so it is all the same.
        self.eat("?");
        Ok(())
    }

    /// What stands behind an opening brace: how often the item is written out.
    fn count(&mut self) -> Result<usize, InvalidPattern> {
        let least = self.number()?;
        let most = if self.eat(",") && !self.rest.as_str().starts_with('}') { self.number()? } else { least };
        if most < least || !self.eat("}") {
            return Err(self.wrong(COUNT));
        }
        Ok(most)
    }

    /// A number without zeros in front: with them RE2 takes the brace for a character.
    fn number(&mut self) -> Result<usize, InvalidPattern> {
        let mut digits = String::new();
        while self.rest.as_str().starts_with(|c: char| c.is_ascii_digit()) {
            digits.extend(self.next());
        }
        let plain = digits.len() == 1 || !digits.starts_with('0');
        let number = digits.parse().ok().filter(|number| plain && *number <= MOST_CHARACTERS);
        number.ok_or(self.wrong(COUNT))
    }

    /// What stands behind an opening bracket: how many members it has.
    fn class(&mut self) -> Result<usize, InvalidPattern> {
        self.eat("^");
        let mut members = 0_usize;
        loop {
            let c = self.next_of_open()?;
            let rest = self.rest.as_str();
            match c {
                ']' if members > 0 => return Ok(members),
                '-' if members == 0 || rest.starts_with(']') => {}
                _ => self.members(c)?,
            }
            members = members.saturating_add(1);
        }
    }

    /// A member of a class that starts with `c`, or a range of them.
    fn members(&mut self, c: char) -> Result<(), InvalidPattern> {
        let first = self.member(c)?;
        let rest = self.rest.as_str();
        if rest.starts_with("-]") || !self.eat("-") {
            return Ok(());
        }
        let c = self.next_of_open()?;
        match (first, self.member(c)?) {
            (Some(first), Some(last)) if first <= last => Ok(()),
            (None | Some(_), _) => Err(self.wrong(RANGE)),
        }
    }

    /// The character that a member of a class is; `None` where it is a class itself.
    fn member(&mut self, c: char) -> Result<Option<char>, InvalidPattern> {
        match c {
            '\\' => self.escape(),
            '[' | ']' | '^' | '&' | '~' | '-' => Err(self.wrong(MEMBER)),
            _ => Ok(Some(c)),
        }
    }

    /// The character that an escape stands for; `None` where it is a class.
    fn escape(&mut self) -> Result<Option<char>, InvalidPattern> {
        match self.next_of_open()? {
            'd' | 'D' | 'w' | 'W' => Ok(None),
            c if c.is_ascii_punctuation() && !matches!(c, '<' | '>') => Ok(Some(c)),
            _ => Err(self.wrong(ESCAPE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_read_alike_is_taken_and_captures_nothing() {
        for (pattern, written) in [
            ("team-.*", "team-.*"),
            ("team-(fruit|veggie)", "team-(?:fruit|veggie)"),
            ("((a)(?:b))", "(?:(?:a)(?:b))"),
            ("^a|b$", "^a|b$"),
            ("|a", "|a"),
            ("()", "(?:)"),
            ("a*b+c?d*?e+?f??", "a*b+c?d*?e+?f??"),
            ("a{0}b{2}c{2,}d{2,3}e{900}?", "a{0}b{2}c{2,}d{2,3}e{900}?"),
            (r"\.\(\)\[\]\{\}\|\*\+\?\^\$\\\-\_\/\&\~\#\@", r"\.\(\)\[\]\{\}\|\*\+\?\^\$\\\-\_\/\&\~\#\@"),
            (r"\d\D\w\W", r"\d\D\w\W"),
            ("[a-z0-9_é]", "[a-z0-9_é]"),
            ("[^a][-a][a-][-][--][^-]", "[^a][-a][a-][-][--][^-]"),
            (r"[\]\[\^\-\\\d\W\.][.*+?(){}|$]", r"[\]\[\^\-\\\d\W\.][.*+?(){}|$]"),
            (r"[!-\/\.-9]", r"[!-\/\.-9]"),
            ("é 😀\u{fffd}<>&&~~--#", "é 😀\u{fffd}<>&&~~--#"),
        ] {
            assert_eq!(common(pattern).map(|read| read.pattern).as_deref(), Ok(written), "{pattern}");
        }
    }

    #[test]
    fn what_they_may_read_differently_is_refused_at_its_place() {
        for (pattern, character, why) in [
            // Flags, names, and what only one of them has.
            ("(?i)a", 1, GROUP),
            ("a(?i:b)", 2, GROUP),
            ("(?P<n>a)", 1, GROUP),
            ("(?<n>a)", 1, GROUP),
            ("(?=a)", 1, GROUP),
            ("(?", 1, GROUP),
            // Escapes.
            (r"\s", 2, ESCAPE),
            (r"é\S", 3, ESCAPE),
            (r"\b", 2, ESCAPE),
            (r"\b{start}", 2, ESCAPE),
            (r"\B", 2, ESCAPE),
            (r"\<", 2, ESCAPE),
            (r"\>", 2, ESCAPE),
            (r"\A", 2, ESCAPE),
            (r"\z", 2, ESCAPE),
            (r"\Z", 2, ESCAPE),
            (r"\Qa\E", 2, ESCAPE),
            (r"\pL", 2, ESCAPE),
            (r"\x41", 2, ESCAPE),
            (r"\101", 2, ESCAPE),
            (r"\n", 2, ESCAPE),
            (r"\é", 2, ESCAPE),
            (r"\ ", 2, ESCAPE),
            (r"[\s]", 3, ESCAPE),
            // Counts.
            ("a{,2}", 2, COUNT),
            ("a{01}", 4, COUNT),
            ("a{1,02}", 6, COUNT),
            ("a{ 1}", 2, COUNT),
            ("a{1 }", 3, COUNT),
            ("a{2,1}", 5, COUNT),
            ("a{1001}", 6, COUNT),
            ("a{99999999999999999999}", 22, COUNT),
            ("a{", 2, COUNT),
            ("a{b}", 2, COUNT),
            ("a{1", 3, COUNT),
            // Repetitions.
            ("*", 1, REPEATED),
            ("a|*", 3, REPEATED),
            ("(*a)", 2, REPEATED),
            ("^*", 2, REPEATED),
            ("a**", 3, REPEATED),
            ("a*??", 4, REPEATED),
            ("a{2}{3}", 7, REPEATED),
            // Anchors within.
            ("a^", 2, ANCHOR),
            ("(^a)", 2, ANCHOR),
            ("$a", 1, ANCHOR),
            ("(a$)", 3, ANCHOR),
            ("a$$", 2, ANCHOR),
            // Brackets.
            ("a]", 2, LOOSE),
            ("a}", 2, LOOSE),
            ("[]a]", 2, MEMBER),
            ("[^]a]", 3, MEMBER),
            ("[[a]]", 2, MEMBER),
            ("[[:alpha:]]", 2, MEMBER),
            ("[a&&b]", 3, MEMBER),
            ("[a~~b]", 3, MEMBER),
            ("[a--b]", 4, MEMBER),
            ("[--a]", 3, MEMBER),
            ("[a-c-e]", 5, MEMBER),
            ("[a^]", 3, MEMBER),
            ("[^^]", 3, MEMBER),
            ("[b-a]", 4, RANGE),
            (r"[\d-a]", 5, RANGE),
            (r"[a-\d]", 5, RANGE),
            // Ends.
            ("a)", 2, UNOPENED),
            ("a)|(b", 2, UNOPENED),
            ("(a", 2, UNCLOSED),
            ("[a", 2, UNCLOSED),
            ("[", 1, UNCLOSED),
            ("[a-", 3, UNCLOSED),
            (r"a\", 2, UNCLOSED),
            (r"[\", 2, UNCLOSED),
        ] {
            assert_eq!(common(pattern), Err(InvalidPattern::NotCommon { character, why }), "{pattern}");
        }
    }

    #[test]
    fn counts_multiply_and_have_an_end() {
        let nested = |groups: usize| format!("{}a{}", "(".repeat(groups), ")".repeat(groups));
        for (pattern, fits) in [
            ("a{1000}".to_owned(), true),
            ("ba{1000}".to_owned(), false),
            ("(a{100}){10}".to_owned(), true),
            ("(a{100}){11}".to_owned(), false),
            ("(a{0,100}){0,11}".to_owned(), false),
            ("((){100}){11}".to_owned(), false),
            ("([ab]{50}){10}".to_owned(), true),
            ("([ab]{50}){11}".to_owned(), false),
            ("(|a){500}".to_owned(), true),
            ("(||){501}".to_owned(), false),
            ("((((a{1000}){1000}){1000}){1000}){1000}".to_owned(), false),
            (nested(10), true),
            (nested(11), false),
        ] {
            assert_eq!(common(&pattern).is_ok(), fits, "{pattern}");
        }
    }
}
