//! The part of a text that names the tenant: what the one group of a pattern captures.
//!
//! Runs here alone, so its syntax is that of `regex-lite`. Must not know where the text comes from.

use regex_lite::{Regex, RegexBuilder};
use std::fmt;

/// Bytes of a pattern.
const MOST_BYTES: usize = 1_000;
/// Bytes of a compiled one: clients decide with how long a text it runs.
const MOST_COMPILED: usize = 16 << 10;
/// Bytes of the longest text that is looked at.
// SPIFFE-ID, 2.3: Maximum SPIFFE ID Length
const LONGEST_TEXT: usize = 2_048;

/// A pattern for the whole of a text, with one group.
#[derive(Clone, Debug)]
pub struct Capture {
    text: String,
    regex: Regex,
}

impl Capture {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Says what is wrong: no pattern, too large, or not with one group.
    pub fn new(text: &str) -> Result<Self, InvalidCapture> {
        if text.len() > MOST_BYTES {
            return Err(InvalidCapture::TooLarge);
        }
        // By itself first: in the group around it a stray parenthesis could find its other half.
        let compile = |text: &str| RegexBuilder::new(text).size_limit(MOST_COMPILED).build();
        compile(text).map_err(|error| InvalidCapture::NotAPattern(error.to_string()))?;
        let regex = compile(&format!("^(?:{text})$")).map_err(|_| InvalidCapture::TooLarge)?;
        match regex.captures_len() {
            2 => Ok(Self { text: text.to_owned(), regex }),
            groups => Err(InvalidCapture::Groups(groups.saturating_sub(1))),
        }
    }

    /// What the group captures in `value`; `None` when the pattern does not match all of it, the group has no part in that,
    /// or it is over 2 KiB.
    #[must_use]
    pub fn part(&self, value: &str) -> Option<String> {
        if value.len() > LONGEST_TEXT {
            return None;
        }
        self.regex.captures(value)?.get(1).map(|part| part.as_str().to_owned())
    }
}

impl PartialEq for Capture {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Capture {}

/// Why a text cannot be a pattern with one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidCapture {
    /// It is none, for this reason.
    NotAPattern(String),
    /// It is too long, or too large when it is compiled.
    TooLarge,
    /// It has this many groups that capture.
    Groups(usize),
}

impl fmt::Display for InvalidCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPattern(why) => write!(f, "is no pattern: {why}"),
            Self::TooLarge => f.write_str("is too large a pattern"),
            Self::Groups(groups) => write!(
                f,
                "must have one group, for the part that names the tenant, not {groups}: `spiffe://[^/]+/ns/([^/]+)/sa/.+`, with `(?:…)` for \
                 other groups"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_whole_match_is_the_part() {
        for (pattern, value, part) in [
            ("spiffe://[^/]+/ns/([^/]+)/sa/.+", "spiffe://td/ns/fruit/sa/web", Some("fruit")),
            ("spiffe://[^/]+/ns/([^/]+)/sa/.+", "x spiffe://td/ns/fruit/sa/web", None),
            ("spiffe://[^/]+/ns/([^/]+)/sa/.+", "spiffe://td/ns/fruit/sa/", None),
            ("team-(a|b)", "team-a", Some("a")),
            ("team-(a)|b", "b", None),
            ("team-(a)|b", "xb", None),
            ("(a)$", "a\n", None),
            ("(.*)", "", Some("")),
            ("(?i)TEAM-(.+)", "team-A", Some("A")),
        ] {
            assert_eq!(
                Capture::new(pattern).expect("a pattern").part(value).as_deref(),
                part,
                "{pattern} in {value:?}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_with_one_group_is_refused() {
        for (pattern, groups) in [("a", 0), ("(?:a)", 0), ("(a)(b)", 2), ("((a))", 2)] {
            assert_eq!(Capture::new(pattern), Err(InvalidCapture::Groups(groups)), "{pattern}");
        }
        for pattern in ["(a", "a)|(b", "(a)\\", "(?P<a", "[", "(?x)(a)#)"] {
            assert!(
                matches!(Capture::new(pattern), Err(InvalidCapture::NotAPattern(_) | InvalidCapture::TooLarge)),
                "{pattern}"
            );
        }
        for pattern in ["(a{1000}{1000})", &format!("({})", "a".repeat(1000))] {
            assert!(Capture::new(pattern).is_err(), "{pattern}");
        }
    }
}
