//! Whether a user's pattern can match the empty string.
//!
//! Owns the decision and its cost: what one text may have compiled is bounded. Must not know selectors.
//! Nothing here protects a tenant. It decides whether a selector is refused as Prometheus refuses it.

use regex_lite::RegexBuilder;

// A request may hold hundreds of texts, and one pattern of 600 bytes in groups took a millisecond at 64 KiB: its cost is
// the number of its groups times that of its states.
/// Patterns that one text may have compiled; a text with more has them taken as rejecting.
const PATTERNS: usize = 16;
/// Bytes of one such pattern.
const PATTERN_BYTES: usize = 256;
/// Opening parentheses in one such pattern.
const PATTERN_GROUPS: usize = 8;
/// Bytes of one compiled pattern.
const COMPILED_BYTES: usize = 16 * 1_024;

/// Decides for the patterns of one text.
#[derive(Debug)]
pub(super) struct Patterns {
    left: usize,
}

impl Patterns {
    pub(super) fn new() -> Self {
        Self { left: PATTERNS }
    }

    /// Whether `pattern`, anchored as Prometheus does it, matches the empty string. A pattern that cannot be compiled
    /// counts as rejecting: the upstream has the last word on it.
    pub(super) fn matches_empty(&mut self, pattern: &[u8]) -> bool {
        match at_first_sight(pattern) {
            Some(answer) => answer,
            None => self.compiled_matches_empty(pattern),
        }
    }

    #[cold]
    fn compiled_matches_empty(&mut self, pattern: &[u8]) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let groups = pattern.iter().filter(|&&b| b == b'(').count();
        if pattern.len() > PATTERN_BYTES || groups > PATTERN_GROUPS {
            return false;
        }
        let Ok(pattern) = std::str::from_utf8(pattern) else { return false };
        RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(COMPILED_BYTES)
            .build()
            .is_ok_and(|regex| regex.is_match(""))
    }
}

/// The answer for what most patterns look like: they begin with a character that must be there, in every alternative.
fn at_first_sight(pattern: &[u8]) -> Option<bool> {
    if matches!(pattern, b"" | b".*") {
        return Some(true);
    }
    let alternatives = pattern.contains(&b'|');
    // A bar may be quoted, in a class or in a group: those patterns are compiled.
    if alternatives && pattern.iter().any(|b| matches!(b, b'(' | b'[' | b'\\')) {
        return None;
    }
    let mut all_reject = true;
    for alternative in pattern.split(|&b| b == b'|') {
        match alternative {
            [] => return Some(true),
            [first, rest @ ..] => {
                let plain = *first == b'.' || !is_special(*first);
                all_reject &= plain && !matches!(rest.first(), Some(b'?' | b'*' | b'{'));
            }
        }
    }
    all_reject.then_some(false)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'.' | b'+' | b'*' | b'?' | b'(' | b')' | b'|' | b'[' | b']' | b'{' | b'}' | b'^' | b'$')
        || !byte.is_ascii()
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
            ("a*", true),
            ("a{0,3}", true),
            ("a{2}", false),
            ("(a|)", true),
            ("(a|b)", false),
            ("[|]", false),
            (r"\|", false),
            ("()", true),
            ("^$", true),
            ("^", true),
            ("(?i)a*", true),
            ("a*|b", true),
            (".?|b", true),
            ("é?", true),
            ("é", false),
            (r"\d*", true),
            ("a.*", false),
            ("x*y*", true),
        ] {
            assert_eq!(Patterns::new().matches_empty(pattern.as_bytes()), empty, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_compiled_counts_as_rejecting() {
        for pattern in ["(", r"\p{L}*", r"\pN*", "((((a{1000}){1000}){1000}){0}){1000}b?", "(?=a)?"] {
            assert!(!Patterns::new().matches_empty(pattern.as_bytes()), "{pattern}");
        }
        assert!(!Patterns::new().matches_empty(b"\xff*"));
        assert!(!Patterns::new().matches_empty(&b"a?".repeat(PATTERN_BYTES)));
    }

    #[test]
    fn one_text_has_so_many_patterns_compiled_and_no_more() {
        let mut patterns = Patterns::new();
        assert!((0..PATTERNS).all(|_| patterns.matches_empty(b"(a?)")));
        assert!(!patterns.matches_empty(b"(a?)"));
    }
}
