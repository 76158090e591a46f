//! Which endpoint a request is for: the table of everything that is served, and deny by default.
//!
//! Owns paths, methods and the parameters that each endpoint reads. A path is decoded once and compared exactly; what
//! another reader could take for a different path is not served. Must not know tenants.
// Prometheus: web/api/v1/api.go, web/federate.go · Thanos: pkg/api/query/v1.go

use crate::config::policy::{Metadata, Policy};
use crate::form::percent_decode_strict;

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/api/v1/query`
    Query,
    /// `/api/v1/query_range`
    QueryRange,
    /// `/api/v1/query_exemplars`
    QueryExemplars,
    /// `/api/v1/series`
    Series,
    /// `/api/v1/labels`
    Labels,
    /// `/api/v1/label/<name>/values`
    LabelValues,
    /// `/federate`
    Federate,
    /// `/api/v1/format_query`: works on the text alone
    FormatQuery,
    /// `/api/v1/parse_query`: works on the text alone
    ParseQuery,
    /// `/api/v1/metadata`
    Metadata,
    /// `/api/v1/status/buildinfo`
    BuildInfo,
    /// `/api/v1/features`
    Features,
}

/// The methods of an endpoint, as the upstream has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// GET only.
    Get,
    /// GET, and POST with a form.
    GetAndPost,
}

impl Methods {
    /// The value of an `allow` header.
    #[must_use]
    pub fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, OPTIONS",
            Self::GetAndPost => "GET, POST, OPTIONS",
        }
    }
}

/// What a request asks of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Parameters stand in the URL.
    Get,
    /// Parameters stand in the URL, in a form, or in both.
    Post,
    /// Answered here.
    Options,
}

/// What a parameter holds, which decides what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A PromQL expression that reads series: every selector is narrowed. At most one.
    Expression,
    /// A series selector: narrowed. Any number.
    Selector,
    /// A selector as `/federate` takes it: it may select everything there is, and without a matcher selects nothing.
    AnySelector,
    /// A PromQL expression that the endpoint only looks at as text: reads nothing, passes. At most one.
    PureText,
    /// A single value without tenant data. At most one.
    Scalar,
    /// Names of labels that the upstream removes from its answer: enforced ones are taken out. Any number.
    RemovedLabels,
}

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The path behind the prefix; `<name>` stands for one segment.
    pub path: &'static str,
    /// Its methods.
    pub methods: Methods,
    /// The parameters that pass, beyond those that `common` lets in; all others are removed.
    pub parameters: &'static [(&'static str, ParameterKind)],
    /// Whether the parameters of [`COMMON`] pass too.
    pub common: Common,
    /// Whether a bare matcher is put in where no selector came.
    pub without_selector: WithoutSelector,
}

/// Whether an endpoint reads the parameters of [`COMMON`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Common {
    /// It does.
    Read,
    /// It does not, so they are removed.
    NotRead,
}

/// What an endpoint with optional selectors does without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutSelector {
    /// It reads everything: the tenant's bare matcher is put in, as this parameter.
    ReadsEverything(&'static str),
    /// It reads nothing, or takes no selectors.
    ReadsNothing,
}

/// Options of Prometheus and Thanos that only shape an answer.
pub const COMMON: &[(&str, ParameterKind)] = &[
    ("limit", ParameterKind::Scalar),
    ("timeout", ParameterKind::Scalar),
    ("lookback_delta", ParameterKind::Scalar),
    ("stats", ParameterKind::Scalar),
    ("step", ParameterKind::Scalar),
    ("dedup", ParameterKind::Scalar),
    ("partial_response", ParameterKind::Scalar),
    ("max_source_resolution", ParameterKind::Scalar),
    ("engine", ParameterKind::Scalar),
    ("replicaLabels[]", ParameterKind::RemovedLabels),
];

const SELECTORS: &[(&str, ParameterKind)] =
    &[("match[]", ParameterKind::Selector), ("start", ParameterKind::Scalar), ("end", ParameterKind::Scalar)];

const RANGE: &[(&str, ParameterKind)] =
    &[("query", ParameterKind::Expression), ("start", ParameterKind::Scalar), ("end", ParameterKind::Scalar)];

const TEXT: &[(&str, ParameterKind)] = &[("query", ParameterKind::PureText)];

/// Everything that is served. A path that is not here is a 404.
pub const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::Query,
        path: "/api/v1/query",
        methods: Methods::GetAndPost,
        parameters: &[("query", ParameterKind::Expression), ("time", ParameterKind::Scalar)],
        common: Common::Read,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::QueryRange,
        path: "/api/v1/query_range",
        methods: Methods::GetAndPost,
        parameters: RANGE,
        common: Common::Read,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::QueryExemplars,
        path: "/api/v1/query_exemplars",
        methods: Methods::GetAndPost,
        parameters: RANGE,
        common: Common::Read,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::Series,
        path: "/api/v1/series",
        methods: Methods::GetAndPost,
        parameters: SELECTORS,
        common: Common::Read,
        without_selector: WithoutSelector::ReadsEverything("match[]"),
    },
    Route {
        endpoint: Endpoint::Labels,
        path: "/api/v1/labels",
        methods: Methods::GetAndPost,
        parameters: SELECTORS,
        common: Common::Read,
        without_selector: WithoutSelector::ReadsEverything("match[]"),
    },
    Route {
        endpoint: Endpoint::LabelValues,
        path: "/api/v1/label/<name>/values",
        methods: Methods::Get,
        parameters: SELECTORS,
        common: Common::Read,
        without_selector: WithoutSelector::ReadsEverything("match[]"),
    },
    Route {
        endpoint: Endpoint::Federate,
        path: "/federate",
        methods: Methods::Get,
        parameters: &[("match[]", ParameterKind::AnySelector)],
        common: Common::NotRead,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::FormatQuery,
        path: "/api/v1/format_query",
        methods: Methods::GetAndPost,
        parameters: TEXT,
        common: Common::NotRead,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::ParseQuery,
        path: "/api/v1/parse_query",
        methods: Methods::GetAndPost,
        parameters: TEXT,
        common: Common::NotRead,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::Metadata,
        path: "/api/v1/metadata",
        methods: Methods::Get,
        parameters: &[
            ("metric", ParameterKind::Scalar),
            ("limit", ParameterKind::Scalar),
            ("limit_per_metric", ParameterKind::Scalar),
        ],
        common: Common::NotRead,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::BuildInfo,
        path: "/api/v1/status/buildinfo",
        methods: Methods::Get,
        parameters: &[],
        common: Common::NotRead,
        without_selector: WithoutSelector::ReadsNothing,
    },
    Route {
        endpoint: Endpoint::Features,
        path: "/api/v1/features",
        methods: Methods::Get,
        parameters: &[],
        common: Common::NotRead,
        without_selector: WithoutSelector::ReadsNothing,
    },
];

impl Route {
    /// The parameter `name` and what it holds; `None` when the endpoint does not read it.
    #[must_use]
    pub fn parameter(&self, name: &[u8]) -> Option<(&'static str, ParameterKind)> {
        let common: &'static [_] = match self.common {
            Common::Read => COMMON,
            Common::NotRead => &[],
        };
        self.parameters.iter().chain(common).find(|(n, _)| n.as_bytes() == name).copied()
    }

    /// The parameter that holds the expression without which the endpoint has nothing to do.
    #[must_use]
    pub fn expression(&self) -> Option<&'static str> {
        self.parameters.iter().find(|(_, kind)| *kind == ParameterKind::Expression).map(|(name, _)| *name)
    }

    /// Which of the endpoint's methods `method` is; `None` when it has no such method.
    #[must_use]
    pub fn method(&self, method: &[u8]) -> Option<Method> {
        match (method, self.methods) {
            (b"GET", _) => Some(Method::Get),
            (b"POST", Methods::GetAndPost) => Some(Method::Post),
            (b"OPTIONS", _) => Some(Method::Options),
            (_, Methods::Get | Methods::GetAndPost) => None,
        }
    }
}

/// The row for `path` as it was sent; `None` when it is not served.
#[must_use]
pub fn find(path: &[u8], policy: &Policy) -> Option<&'static Route> {
    let path = canonical(path)?;
    let path = path.strip_prefix(policy.path_prefix.as_str())?;
    let route = ROUTES.iter().find(|route| matches(route.path, path))?;
    let denied = route.endpoint == Endpoint::Metadata && policy.metadata == Metadata::Deny;
    (!denied).then_some(route)
}

/// `path` decoded once, when nobody behind us can take it for another path.
fn canonical(path: &[u8]) -> Option<String> {
    // An encoded separator or percent sign is one path here and another for whoever decodes again.
    let encoded = percent_decode_strict(path)?;
    let separators = |text: &[u8]| text.iter().filter(|&&b| b == b'/').count();
    if separators(&encoded) != separators(path) {
        return None;
    }
    let text = String::from_utf8(encoded.into_owned()).ok()?;
    let safe = !text.chars().any(|c| c.is_control() || matches!(c, '\\' | '%' | '\u{fffd}'))
        && text.strip_prefix('/')?.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    safe.then_some(text)
}

/// Whether `path` is `pattern`, in which `<name>` stands for one segment of any text; all other text is ASCII.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once("<name>") {
        None => pattern == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|name| !name.is_empty() && !name.contains('/')),
    }
}
