//! Why a silence is not written.
//!
//! Owns the wording, as its user reads it. A message quotes the request's own text and names enforced labels, never values.

use crate::scope::LabelName;
use std::fmt;

/// Why a silence is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SilenceError {
    /// The body is not one JSON object, or a matcher is none.
    NotJson,
    /// A member that no silence or matcher has, as far as is known here.
    Unknown {
        /// Its name, cut when it is long.
        name: Box<str>,
    },
    /// A member that is there twice.
    Repeated {
        /// Its name.
        name: &'static str,
    },
    /// A member that must be there is not, or is `null`.
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A member's value is of another type.
    Mistyped {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// `id` can name no silence. Alertmanager answers as for any id that it does not know.
    Id,
    /// A matcher selects what an enforced label is *not*.
    Negated {
        /// The label.
        label: LabelName,
    },
    /// The tenant has several values, and the matchers do not say which one is meant.
    Ambiguous {
        /// The label.
        label: LabelName,
    },
    /// But for the enforced labels no matcher selects anything.
    Everything {
        /// The labels.
        enforced: Box<[LabelName]>,
    },
}

impl SilenceError {
    /// A member that is called `name` is not known.
    pub(super) fn unknown(name: &str) -> Self {
        /// Longer names are cut: a message is no place for a whole body.
        const LONGEST: usize = 40;
        Self::Unknown { name: name.chars().take(LONGEST).collect() }
    }
}

impl fmt::Display for SilenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => f.write_str(
                "the body must be one silence: a JSON object in UTF-8 whose `matchers` are objects, and nothing behind it",
            ),
            Self::Unknown { name } => {
                write!(f, "`{name}` is not written to a silence or a matcher: leave it out (what is read has more members)")
            }
            Self::Repeated { name } => write!(f, "`{name}` is there twice (its case does not count): send it once"),
            Self::Missing { name } => write!(f, "`{name}` is missing: send it"),
            Self::Mistyped { name, expected } => write!(f, "`{name}` must be {expected}"),
            Self::Id => f.write_str("`id` names no silence: leave it out to create one"),
            Self::Negated { label } => write!(
                f,
                "a matcher on `{label}` must not be negative: leave `{label}` out, or set `isEqual` to true"
            ),
            Self::Ambiguous { label } => write!(
                f,
                "the silence must say which of your values of `{label}` it is for: send exactly one matcher on \
                 `{label}`, with one of them as `value`, `isRegex` false and `isEqual` true"
            ),
            Self::Everything { enforced } => {
                f.write_str("at least one matcher on a label other than ")?;
                for (place, label) in enforced.iter().enumerate() {
                    write!(f, "{}`{label}`", if place == 0 { "" } else { ", " })?;
                }
                f.write_str(" must not match the empty string: this would be a silence of everything")
            }
        }
    }
}

impl std::error::Error for SilenceError {}
