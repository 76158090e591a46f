//! Why a command line is not taken: prom-label-proxy would not start with it, or would not do what it seems to say.
//!
//! Must not know what flags come to here.

use super::flags::Flags;
use crate::input::InputError;
use std::fmt;

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The file of labels cannot be read.
    Input(InputError),
    /// The file of labels holds no object.
    NoObject { kind: &'static str },
    /// An argument that is no flag: prom-label-proxy ignores it and all that follows.
    NoFlag { argument: String },
    /// `---label`, `-=x`.
    BadSyntax { argument: String },
    /// A flag that it does not have.
    Unknown { name: String },
    /// A flag without its value.
    NeedsValue { name: &'static str },
    /// `-regex-match=maybe`.
    NotBoolean { name: &'static str, value: String },
    /// No label.
    NoLabel,
    /// More than one source.
    TwoSources,
    /// A source beside a file of labels.
    BesideFile { name: &'static str },
    /// More than one pattern.
    TwoPatterns,
    /// An upstream that is neither http nor https.
    Scheme { upstream: String },
    /// A client certificate without its key, or the other way round.
    HalfPair,
    /// A path that may not pass.
    Passthrough { path: String, why: &'static str },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::NoObject { kind } => write!(f, "the file holds {kind}, not an object with `labels`"),
            Self::NoFlag { argument } => write!(
                f,
                "`{argument}` is no flag: prom-label-proxy ignores it and everything after it; a boolean takes its value as \
                 `-flag=false`"
            ),
            Self::BadSyntax { argument } => write!(f, "`{argument}` is no flag: write `-flag` or `--flag`, with `=value`"),
            Self::Unknown { name } => write!(f, "prom-label-proxy has no flag `-{name}`"),
            Self::NeedsValue { name } => write!(f, "`-{name}` needs a value"),
            Self::NotBoolean { name, value } => {
                write!(f, "`-{name}` is on or off, and `{value}` is neither: write `-{name}=true` or `-{name}=false`")
            }
            Self::NoLabel => f.write_str("`-label` is needed, the label to enforce: prom-label-proxy does not start without it"),
            Self::TwoSources => f.write_str(
                "at most one of `-query-param`, `-header-name` and `-label-value` may be given: prom-label-proxy does not start with \
                 more",
            ),
            Self::BesideFile { name } => {
                write!(f, "`-{name}` says what the file of labels says as well; leave one of them out")
            }
            Self::TwoPatterns => f.write_str(
                "`-regex-match` takes one `-label-value`: prom-label-proxy does not start with more; join them as `a|b`",
            ),
            Self::Scheme { upstream } => {
                write!(f, "`-upstream` must begin with `http://` or `https://`, not `{upstream}`")
            }
            Self::HalfPair => f.write_str("`-upstream-client-cert` and `-upstream-client-key` go together; one is missing"),
            Self::Passthrough { path, why } => write!(f, "`-unsafe-passthrough-paths`: `{path}` {why}"),
        }
    }
}

/// What prom-label-proxy registers before the paths that pass.
// prom-label-proxy: injectproxy/routes.go, NewRoutes
const ENFORCED: [&str; 12] = [
    "/federate",
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/alerts",
    "/api/v1/series",
    "/api/v1/query_exemplars",
    "/api/v1/rules",
    "/api/v2/silences",
    "/api/v2/silence",
    "/api/v2/alerts/groups",
    "/api/v2/alerts",
    "/healthz",
];

/// Looks for what keeps prom-label-proxy from starting.
// prom-label-proxy: main.go (main), injectproxy/routes.go (NewRoutes, strictMux)
pub(crate) fn check(flags: &Flags, has_file: bool) -> Result<(), Refused> {
    let sources = ["label-value", "query-param", "header-name"];
    let given: Vec<_> =
        sources.into_iter().filter(|name| flags.all(name).iter().any(|value| !value.is_empty())).collect();
    if has_file {
        if let Some(name) = ["label"].into_iter().chain(sources).find(|name| !flags.all(name).is_empty()) {
            return Err(Refused::BesideFile { name });
        }
    } else if flags.text("label").is_empty() {
        return Err(Refused::NoLabel);
    }
    // An empty text counts as not given, and `-query-param=a -query-param=` ends as an empty text.
    let counted = given.iter().filter(|name| **name == "label-value" || !flags.text(name).is_empty()).count();
    if counted > 1 {
        return Err(Refused::TwoSources);
    }
    if flags.is_on("regex-match") && flags.all("label-value").iter().filter(|value| !value.is_empty()).count() > 1 {
        return Err(Refused::TwoPatterns);
    }
    let upstream = flags.text("upstream").to_ascii_lowercase();
    if !upstream.is_empty() && !["http://", "https://"].iter().any(|scheme| upstream.starts_with(scheme)) {
        return Err(Refused::Scheme { upstream });
    }
    if flags.text("upstream-client-cert").is_empty() != flags.text("upstream-client-key").is_empty() {
        return Err(Refused::HalfPair);
    }
    passthrough(flags)
}

fn passthrough(flags: &Flags) -> Result<(), Refused> {
    let paths = passthrough_paths(flags);
    let mut registered = ENFORCED.to_vec();
    if flags.is_on("enable-label-apis") {
        registered.extend(["/api/v1/labels", "/api/v1/label"]);
    }
    for path in paths {
        let refused = |why| Err(Refused::Passthrough { path: path.to_owned(), why });
        if matches!(path, "" | "/") {
            return refused("stands for everything: prom-label-proxy does not start with it");
        }
        if !path.starts_with('/') || path.contains(['?', '#', '%']) {
            return refused("is no plain path: prom-label-proxy does not start with it");
        }
        let sanitized = path.strip_suffix('/').unwrap_or(path);
        if registered.iter().any(|other| format!("{sanitized}/").starts_with(&format!("{other}/"))) {
            return refused("is served already, or lies beneath what is: prom-label-proxy does not start with it");
        }
        registered.push(sanitized);
    }
    Ok(())
}

/// The paths of `-unsafe-passthrough-paths`, as they are written.
pub(crate) fn passthrough_paths(flags: &Flags) -> Vec<&str> {
    let written = flags.text("unsafe-passthrough-paths");
    if written.is_empty() { Vec::new() } else { written.split(',').collect() }
}
