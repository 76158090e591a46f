//! A pattern in the place of values: the tenants are those whose label it matches.
//!
//! Owns what it matches here, which must be what it matches upstream, byte for byte the operator's text. Must not know how
//! a matcher is written.

use super::LabelValue;
use super::syntax::{self, Common, MOST_CHARACTERS, MOST_NESTED};
use regex_lite::{Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a pattern: it is written at every selector, of which a query may have hundreds.
const MOST_BYTES: usize = 1_000;
/// Bytes of a compiled one. What [`syntax`] lets through needs less; a test has the largest.
const MOST_COMPILED: usize = 256 << 10;
/// Patterns that are kept. The largest takes some 200 KiB, one that people write 1 or 2.
const MOST_PATTERNS: usize = 64;
/// Values that a pattern remembers.
const MOST_VALUES: usize = 256;
/// Bytes of the longest that it does.
const LONGEST_VALUE: usize = 100;

/// An RE2 pattern for the whole of a label's value. It never matches the empty string, which is a label that is missing.
// Prometheus: model/labels/regexp.go, NewFastRegexMatcher
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: LabelValue,
    whole: Whole,
    /// An answer has thousands of series of a few tenants, and to run a long pattern takes as long as to read a series.
    matched: Kept<bool, MOST_VALUES>,
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Says what is wrong: not of the syntax that means the same upstream, too large, or something that can be empty.
    pub fn new(text: LabelValue) -> Result<Self, InvalidPattern> {
        let whole = Whole::new(text.as_str(), MOST_COMPILED)?;
        if whole.matches("") {
            return Err(InvalidPattern::MatchesEmpty);
        }
        Ok(Self(Arc::new(Compiled { text, whole, matched: Kept::default() })))
    }

    /// The operator's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.text.as_str()
    }

    /// Whether it matches the whole of `value`.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let run = || self.0.whole.matches(value);
        if value.len() > LONGEST_VALUE { run() } else { self.0.matched.get(value, run) }
    }

    /// The steps of running it on `value`, at most.
    pub(crate) fn steps(&self, value: &str) -> usize {
        self.0.whole.steps(value)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// A pattern that means the same upstream and here, for the whole of a label's value.
#[derive(Debug)]
pub(crate) struct Whole {
    regex: Regex,
    /// Characters with counts written out.
    characters: usize,
}

impl Whole {
    /// Compiles `text` into `most` bytes.
    ///
    /// # Errors
    /// Says what is wrong: not of the syntax that means the same upstream, or too large.
    pub(crate) fn new(text: &str, most: usize) -> Result<Self, InvalidPattern> {
        if text.len() > MOST_BYTES {
            return Err(InvalidPattern::TooLong);
        }
        let Common { pattern, characters } = syntax::common(text)?;
        let compiled = RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(most).build();
        Ok(Self { regex: compiled.map_err(|_| InvalidPattern::TooComplex)?, characters })
    }

    /// Whether it matches the whole of `value`.
    pub(crate) fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// The steps of running it on `value`, at most: each of its characters may be looked for at each of the value's.
    pub(crate) fn steps(&self, value: &str) -> usize {
        self.characters.saturating_add(1).saturating_mul(value.len().saturating_add(1))
    }
}

/// Why a text cannot be a tenant's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPattern {
    /// More bytes than may be written at every selector.
    TooLong,
    /// It is no pattern, or one that another reader may understand differently.
    NotCommon {
        /// Which character, from 1.
        character: usize,
        /// What can be written there.
        why: &'static str,
    },
    /// Too large once it is compiled.
    TooComplex,
    /// It matches the empty string: series without the label, which belong to nobody.
    MatchesEmpty,
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "is longer than the {MOST_BYTES} bytes of a pattern, which is written at every selector")
            }
            Self::NotCommon { character, why } => {
                write!(f, "is no pattern that upstream and filter read alike: at character {character}, {why}")
            }
            Self::TooComplex => write!(
                f,
                "is too large a pattern: it may have {MOST_CHARACTERS} characters with its counts written out, and \
                 {MOST_NESTED} groups in each other"
            ),
            Self::MatchesEmpty => f.write_str(
                "is a pattern that matches the empty string, as a label that is missing does; try `.+` for `.*`",
            ),
        }
    }
}

/// The patterns of late, compiled: an identity comes again with every request.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Arc<Kept<Result<Pattern, InvalidPattern>, MOST_PATTERNS>>);

impl Patterns {
    /// The pattern that `text` is.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn get(&self, text: &LabelValue) -> Result<Pattern, InvalidPattern> {
        let new = || Pattern::new(text.clone());
        if text.as_str().len() > MOST_BYTES { new() } else { self.0.get(text.as_str(), new) }
    }
}

/// What was found for the texts of late, `MOST` of them.
// A lock, for a policy to be one that threads can share: a VM has one thread, and it costs nothing there.
#[derive(Debug)]
struct Kept<V, const MOST: usize>(Mutex<BTreeMap<String, V>>);

impl<V, const MOST: usize> Default for Kept<V, MOST> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone, const MOST: usize> Kept<V, MOST> {
    fn get(&self, text: &str, find: impl FnOnce() -> V) -> V {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(text) {
            return value.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        let value = find();
        known.insert(text.to_owned(), value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, InvalidPattern> {
        Pattern::new(LabelValue::new(text).expect("a value"))
    }

    #[test]
    fn a_pattern_matches_the_whole_of_a_value() {
        for (text, value, matches) in [
            ("team-.*", "team-fruit", true),
            ("team-.*", "team-", true),
            ("team-.*", "my-team-fruit", false),
            ("team-.*", "team-a\nb", true),
            ("a|b", "a", true),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("^a|b$", "ab", false),
            ("a.b", "a\u{fffd}b", true),
            ("A", "a", false),
        ] {
            assert_eq!(pattern(text).expect("a pattern").matches(value), matches, "{text} on {value:?}");
        }
    }

    #[test]
    fn what_can_be_empty_is_refused() {
        for text in [".*", "a*", "a?", "|a", "a|", "()", "(a|b*)", "a{0}", "^$", "^", "(a?)+", "[a]*?"] {
            assert_eq!(pattern(text), Err(InvalidPattern::MatchesEmpty), "{text}");
        }
        assert!(pattern(".+").is_ok_and(|pattern| !pattern.matches("")));
    }

    #[test]
    fn the_largest_patterns_compile_and_larger_ones_are_refused() {
        let long = "a".repeat(MOST_BYTES);
        for text in [
            long.as_str(),
            &"a|".repeat(499),
            r"\W{0,1000}",
            "(|a){0,500}",
            r"(|\W){0,500}",
            r"([^\d-]{0,25}){0,20}",
            r"((((((((((\W|a?)+|b?)+|c?)+|d?)+|e?)+|f?)+|g?)+|h?)+|i?)+|j?){0,30}",
        ] {
            let whole = format!("^(?s:{})$", syntax::common(text).expect("in the syntax").pattern);
            assert!(RegexBuilder::new(&whole).size_limit(MOST_COMPILED).build().is_ok(), "{text}");
        }
        assert!(pattern(&long).is_ok());
        assert_eq!(pattern(&format!("{long}a")), Err(InvalidPattern::TooLong));
        assert_eq!(pattern("a{1000}a"), Err(InvalidPattern::TooComplex));
    }

    #[test]
    fn a_pattern_is_compiled_once() {
        let patterns = Patterns::default();
        let get = |text: &str| patterns.get(&LabelValue::new(text).expect("a value"));
        let first = get("a+").expect("a pattern");
        assert!(Arc::ptr_eq(&first.0, &get("a+").expect("the same").0));
        assert!(get("a**").is_err() && get("a**").is_err());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::<usize, 3>::default();
        for number in [1, 2, 3, 4, 5, 1, 2, 3, 4] {
            assert_eq!(kept.get(&number.to_string(), || number), number);
            assert_eq!(kept.get(&number.to_string(), || 0), number);
            assert!(kept.0.lock().expect("unpoisoned").len() <= 3);
        }
    }

    #[test]
    fn what_a_pattern_matched_before_it_matches_again() {
        let even = pattern("(..)+").expect("a pattern");
        for length in (1..3 * MOST_VALUES).chain(1..3 * MOST_VALUES) {
            assert_eq!(even.matches(&"x".repeat(length)), length % 2 == 0, "{length}");
        }
    }

    #[test]
    fn a_problem_says_what_to_write_instead() {
        for (text, said) in [
            (
                "(?i)a",
                "is no pattern that upstream and filter read alike: at character 1, a group is `(…)` or `(?:…)`, without flags and without a name",
            ),
            (".*", "is a pattern that matches the empty string, as a label that is missing does; try `.+` for `.*`"),
            (
                "a{1000}b",
                "is too large a pattern: it may have 1000 characters with its counts written out, and 10 groups in each other",
            ),
            (&"a".repeat(1001), "is longer than the 1000 bytes of a pattern, which is written at every selector"),
        ] {
            assert_eq!(pattern(text).expect_err(text).to_string(), said);
        }
    }
}
