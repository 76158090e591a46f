//! Why `explain` and `test` have nothing to work on, and the policy that they work with.

use super::input::{self, InputError};
use super::request::Unsendable;
use prom_label_filter::config::{self, ConfigError, Policy};
use std::fmt;
use std::path::Path;

/// Why there is nothing to explain or to test.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// A file.
    Input(InputError),
    /// The configuration in a file.
    Config { name: String, error: ConfigError },
    /// The request.
    Request(Unsendable),
    /// An option that holds JSON does not.
    Json { option: &'static str, error: serde_json::Error },
    /// It holds JSON, but no object.
    NoObject { option: &'static str },
    /// A token that is none.
    Token,
    /// A parameter without a name.
    NoParameter,
    /// Two methods.
    TwoMethods,
    /// No request.
    NoRequest,
    /// A file of policy tests that cannot be understood.
    Tests { name: String, problem: String },
    /// No test has the name that was asked for.
    NoSuchTest { filter: String },
    /// The result cannot be written as JSON.
    Unwritable(serde_json::Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::Config { name, error } => write!(f, "the configuration in `{name}` is refused:\n{error}"),
            Self::Request(error) => error.fmt(f),
            Self::Json { option, error } => write!(f, "{option} is not valid JSON: {error}; for a file write `@FILE`"),
            Self::NoObject { option } => {
                write!(f, "{option} must be an object, such as {{\"tenants\": [\"team-fruit\"]}}")
            }
            // What it is instead may be a secret.
            Self::Token => {
                f.write_str("--bearer is no JSON Web Token: three parts with dots between them, the second an object")
            }
            Self::NoParameter => f.write_str("--data-urlencode is written as NAME=VALUE"),
            Self::TwoMethods => f.write_str("two methods: leave one out of --method and --request"),
            Self::NoRequest => f.write_str("no request: give an expression, or --request"),
            Self::Tests { name, problem } => write!(f, "`{name}`: {problem}"),
            Self::NoSuchTest { filter } => write!(f, "no test has `{filter}` in its name"),
            Self::Unwritable(error) => write!(f, "the result cannot be written: {error}"),
        }
    }
}

impl From<InputError> for Unusable {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

impl From<Unsendable> for Unusable {
    fn from(error: Unsendable) -> Self {
        Self::Request(error)
    }
}

/// The policy that the file at `path` configures.
pub(crate) fn policy(path: &Path) -> Result<Policy, Unusable> {
    let document = input::document(path)?;
    config::policy(&document).map_err(|error| Unusable::Config { name: path.display().to_string(), error })
}
