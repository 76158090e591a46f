//! Why a text is refused.
//!
//! Owns the wording, which follows Prometheus's so that a client reads what it is used to. Must not know how the text
//! was read, nor what a tenant may see: a message quotes the request's own text and nothing else.

use super::conflict::Conflict;
use std::fmt;

/// How a refusal is reported to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The text is at fault, and Prometheus (with the same switches) would say so too: `bad_data`.
    BadData,
    /// The text is larger than this filter takes, whatever Prometheus would say.
    Limit,
    /// The text is good, but selects nothing that the tenant may read, and the operator wants that to be told.
    Conflict,
}

/// Why an expression or a selector is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromqlError {
    /// The text is not PromQL, or not the part of it that is switched on.
    Parse {
        /// Where in the text; `None` when it is empty.
        position: Option<Position>,
        /// What is wrong there.
        problem: Problem,
    },
    /// A selector of `match[]` selects everything.
    EmptyMatch,
    /// The text or what would be written for it is too large.
    TooLarge {
        /// The key of the limit in the configuration.
        limit: LimitKey,
        /// Its number.
        allowed: usize,
    },
    /// A selector cannot hold for anything that the tenant may read.
    Conflict(Conflict),
}

impl PromqlError {
    /// How the refusal is reported.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Parse { .. } | Self::EmptyMatch => ErrorClass::BadData,
            Self::TooLarge { .. } => ErrorClass::Limit,
            Self::Conflict(_) => ErrorClass::Conflict,
        }
    }
}

impl fmt::Display for PromqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse { position: Some(Position { line, column }), problem } => {
                write!(f, "{line}:{column}: parse error: {problem}")
            }
            Self::Parse { position: None, problem } => write!(f, "unknown position: parse error: {problem}"),
            Self::EmptyMatch => f.write_str("match[] must contain at least one non-empty matcher"),
            Self::TooLarge { limit, allowed } => {
                write!(f, "{} exceeds `limits.{}` of {allowed}", limit.what(), limit.key())
            }
            Self::Conflict(conflict) => conflict.fmt(f),
        }
    }
}

impl std::error::Error for PromqlError {}

/// A place in the text, as Prometheus counts: lines from 1, columns from 1 and in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The place of the byte at `offset`. Reads the text up to there, so it is for the one error of a text only.
    pub(super) fn of(text: &[u8], offset: usize) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let before = text.get(..offset).unwrap_or(text);
        let line = before.iter().filter(|&&b| b == b'\n').count().saturating_add(1);
        let column = before.iter().rev().take_while(|&&b| b != b'\n').count().saturating_add(1);
        Some(Self { line, column })
    }
}

/// A limit on one text, by its key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKey {
    /// Bytes of the text.
    QueryBytes,
    /// Bytes of what is written.
    OutputBytes,
    /// Levels inside each other.
    Nesting,
    /// Selectors.
    Selectors,
}

impl LimitKey {
    /// The key below `limits`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::QueryBytes => "query_bytes",
            Self::OutputBytes => "output_bytes",
            Self::Nesting => "nesting",
            Self::Selectors => "selectors",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::QueryBytes => "the text in bytes",
            Self::OutputBytes => "the text with the enforced matchers in bytes",
            Self::Nesting => "the nesting of the expression",
            Self::Selectors => "the number of selectors",
        }
    }
}

/// What is wrong at a place of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is nothing in the text.
    NoExpression,
    /// The text has a form that is wrong whatever it holds.
    Form(&'static str),
    /// Something stands where it cannot.
    Unexpected {
        /// What stands there.
        found: Box<str>,
        /// The part of an expression that was being read; empty at the top.
        context: &'static str,
        /// What could stand there; empty when too much could.
        expected: &'static str,
    },
    /// A character that begins nothing here.
    Character {
        /// What is wrong.
        what: &'static str,
        /// The character.
        found: char,
    },
    /// A form that is wrong, and the piece of text in question.
    Quoted {
        /// What is wrong.
        what: &'static str,
        /// The piece of text.
        text: Box<str>,
    },
    /// A unit that no duration has.
    UnknownUnit {
        /// The unit.
        unit: Box<str>,
        /// The duration.
        duration: Box<str>,
    },
    /// A function that is known, but not switched on.
    FunctionNotEnabled(Box<str>),
    /// An aggregation that is known, but not switched on.
    AggregationNotEnabled(&'static str),
    /// An aggregation with too many or too few arguments.
    AggregationArguments {
        /// How many it takes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// `info()` with more than two arguments.
    TooManyInfoArguments(usize),
    /// `info()` in a form that reads series of every tenant.
    UnrestrictedInfo,
    /// A metric has two names.
    TwoNames {
        /// The name in front of the braces.
        outside: Box<str>,
        /// The name in the braces.
        inside: Box<str>,
    },
}

impl Problem {
    /// `what`, with the piece of text in question.
    pub(super) fn quoted(what: &'static str, text: &[u8]) -> Self {
        Self::Quoted { what, text: shown(text) }
    }
}

/// A piece of the request's text as it can stand in a message.
pub(super) fn shown(text: &[u8]) -> Box<str> {
    /// Longer pieces are cut: a message is no place for a whole query.
    const LONGEST: usize = 120;
    let shown = String::from_utf8_lossy(text.get(..LONGEST).unwrap_or(text)).into_owned();
    shown.into_boxed_str()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoExpression => f.write_str("no expression found in input"),
            Self::Form(what) => f.write_str(what),
            Self::Unexpected { found, context, expected } => {
                write!(f, "unexpected {found}")?;
                if !context.is_empty() {
                    write!(f, " in {context}")?;
                }
                if !expected.is_empty() {
                    write!(f, ", expected {expected}")?;
                }
                Ok(())
            }
            Self::Character { what, found } => write!(f, "{what} {found:?}"),
            Self::Quoted { what, text } => write!(f, "{what} {text:?}"),
            Self::UnknownUnit { unit, duration } => write!(f, "unknown unit {unit:?} in duration {duration:?}"),
            Self::FunctionNotEnabled(name) => write!(f, "function {name:?} is not enabled"),
            Self::AggregationNotEnabled(name) => write!(
                f,
                "{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
            ),
            Self::AggregationArguments { found: 0, .. } => {
                f.write_str("no arguments for aggregate expression provided")
            }
            Self::AggregationArguments { expected, found } => write!(
                f,
                "wrong number of arguments for aggregate expression provided, expected {expected}, got {found}"
            ),
            Self::TooManyInfoArguments(found) => {
                write!(f, "expected at most 2 argument(s) in call to \"info\", got {found}")
            }
            Self::UnrestrictedInfo => f.write_str(
                "info() needs a second argument with a matcher besides __name__, because without one it reads the info \
                 series of every tenant",
            ),
            Self::TwoNames { outside, inside } => {
                write!(f, "metric name must not be set twice: {outside:?} or {inside:?}")
            }
        }
    }
}

/// What the reading code returns. It is one pointer, so that a result fits a register: results are returned for every
/// token, and nearly all of them are good.
#[derive(Debug)]
pub(super) struct Refusal(Box<Reason>);

#[derive(Debug)]
enum Reason {
    /// A problem at a byte of the text.
    At(usize, Problem),
    /// A selector of `match[]` selects everything.
    EmptyMatch,
    /// Something is too large.
    TooLarge(LimitKey, usize),
    /// A selector holds for nothing that may be read.
    Conflict(Conflict),
}

impl Refusal {
    /// A problem at the byte at `offset`.
    #[cold]
    pub(super) fn at(offset: usize, problem: Problem) -> Self {
        Self(Box::new(Reason::At(offset, problem)))
    }

    /// A form that is wrong at the byte at `offset`.
    #[cold]
    pub(super) fn form(offset: usize, what: &'static str) -> Self {
        Self::at(offset, Problem::Form(what))
    }

    /// A selector of `match[]` selects everything.
    #[cold]
    pub(super) fn empty_match() -> Self {
        Self(Box::new(Reason::EmptyMatch))
    }

    /// Something is larger than `limit` allows.
    #[cold]
    pub(super) fn too_large(limit: LimitKey, allowed: usize) -> Self {
        Self(Box::new(Reason::TooLarge(limit, allowed)))
    }

    /// A selector holds for nothing that may be read.
    #[cold]
    pub(super) fn conflict(conflict: Conflict) -> Self {
        Self(Box::new(Reason::Conflict(conflict)))
    }

    /// The error for the client, with the place in `text`.
    pub(super) fn into_error(self, text: &[u8]) -> PromqlError {
        match *self.0 {
            Reason::At(offset, problem) => PromqlError::Parse { position: Position::of(text, offset), problem },
            Reason::EmptyMatch => PromqlError::EmptyMatch,
            Reason::TooLarge(limit, allowed) => PromqlError::TooLarge { limit, allowed },
            Reason::Conflict(conflict) => PromqlError::Conflict(conflict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_bytes() {
        assert_eq!(Position::of(b"", 0), None);
        assert_eq!(Position::of(b"up", 0), Some(Position { line: 1, column: 1 }));
        assert_eq!(Position::of("é\nab".as_bytes(), 4), Some(Position { line: 2, column: 2 }));
        assert_eq!(Position::of(b"up", 99), Some(Position { line: 1, column: 3 }));
    }

    #[test]
    fn limits_name_their_key_and_number() {
        let error = PromqlError::TooLarge { limit: LimitKey::Nesting, allowed: 200 };
        assert_eq!(error.to_string(), "the nesting of the expression exceeds `limits.nesting` of 200");
        assert_eq!(error.class(), ErrorClass::Limit);
    }
}
