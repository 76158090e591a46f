//! prom-label-proxy's flags, read as Go's `flag` package reads them.
//!
//! Must not know what they come to here.
// prom-label-proxy: main.go (0.14.0); Go: flag/flag.go (parseOne), strconv/atob.go

use super::Refused;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Nothing, or `=true` and the like.
    Boolean,
    /// `=text`, or the next argument.
    Text,
}
use Takes::{Boolean, Text};

/// Every flag there is.
const FLAGS: [(&str, Takes); 23] = [
    ("enable-label-apis", Boolean),
    ("enable-label-matchers-for-rules-api", Boolean),
    ("enable-promql-binop-fill-modifiers", Boolean),
    ("enable-promql-duration-expression-parsing", Boolean),
    ("enable-promql-experimental-functions", Boolean),
    ("enable-promql-extended-range-selectors", Boolean),
    ("error-on-replace", Boolean),
    ("header-name", Text),
    ("header-uses-list-syntax", Boolean),
    ("insecure-listen-address", Text),
    ("insecure-skip-verify", Boolean),
    ("internal-listen-address", Text),
    ("label", Text),
    ("label-value", Text),
    ("query-param", Text),
    ("regex-match", Boolean),
    ("rules-with-active-alerts", Boolean),
    ("unsafe-passthrough-paths", Text),
    ("upstream", Text),
    ("upstream-ca-cert", Text),
    ("upstream-client-cert", Text),
    ("upstream-client-key", Text),
    ("upstream-server-name", Text),
];

/// The flags of one command line, in their order.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<(&'static str, String)>);

impl Flags {
    pub(crate) fn read(arguments: &[String]) -> Result<Self, Refused> {
        let mut given = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let stripped = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).unwrap_or_default();
            if stripped.is_empty() {
                // Go stops reading here, silently.
                return Err(Refused::NoFlag { argument: argument.clone() });
            }
            if stripped.starts_with(['-', '=']) {
                return Err(Refused::BadSyntax { argument: argument.clone() });
            }
            let (written, value) =
                stripped.split_once('=').map_or((stripped, None), |(name, value)| (name, Some(value.to_owned())));
            let Some(&(name, takes)) = FLAGS.iter().find(|(name, _)| *name == written) else {
                return Err(Refused::Unknown { name: written.to_owned() });
            };
            let value = match (takes, value) {
                (Boolean, None) => "true".to_owned(),
                (Boolean, Some(value)) => truth(&value).ok_or(Refused::NotBoolean { name, value })?.to_string(),
                (Text, Some(value)) => value,
                (Text, None) => rest.next().ok_or(Refused::NeedsValue { name })?.clone(),
            };
            given.push((name, value));
        }
        Ok(Self(given))
    }

    /// The text of a flag; of several the last counts. Empty when it is not given, which means the same.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.all(name).last().copied().unwrap_or_default()
    }

    /// Every value of a flag.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(given, _)| *given == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a boolean flag is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
