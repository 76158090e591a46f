//! Which endpoint a request is for: the table of everything that is served, and deny by default.
//!
//! Owns paths, methods and the parameters that each endpoint reads. Must not know tenants.

mod path;
mod table;

pub use table::{COMMON, PAGES, ROUTES};

use crate::config::policy::{Explain, Metadata, PathPrefix, Policy, RemoteRead, SilenceWrites, Targets, Ui};

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
    /// `/api/v1/openapi.yaml`
    OpenApi,
    /// `/api/v1/rules`
    Rules,
    /// `/api/v1/alerts`
    Alerts,
    /// `/api/v1/targets`
    Targets,
    /// `/api/v1/targets/metadata`
    TargetsMetadata,
    /// `/api/v1/search/…`
    Search,
    /// `/api/v1/read`
    RemoteRead,
    /// What pages ask for, and no tenant is told.
    NothingForPages(Nothing),
    /// Alertmanager's alerts, and the groups they are in.
    AlertmanagerAlerts,
    /// Alertmanager's silences.
    Silences,
    /// One silence.
    Silence,
    /// A page of a web interface, or a file that it needs.
    Page,
    /// `/-/explain`: what a query becomes, answered here
    Explain,
    /// `/-/ready`
    Ready,
    /// A path that the operator lets through unread.
    Passthrough,
}

impl Endpoint {
    /// A word for metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::QueryRange => "query_range",
            Self::QueryExemplars => "query_exemplars",
            Self::Series => "series",
            Self::Labels => "labels",
            Self::LabelValues => "label_values",
            Self::Federate => "federate",
            Self::FormatQuery => "format_query",
            Self::ParseQuery => "parse_query",
            Self::Metadata => "metadata",
            Self::BuildInfo => "buildinfo",
            Self::Features => "features",
            Self::OpenApi => "openapi",
            Self::Rules => "rules",
            Self::Alerts => "alerts",
            Self::Targets => "targets",
            Self::TargetsMetadata => "targets_metadata",
            Self::Search => "search",
            Self::RemoteRead => "remote_read",
            Self::NothingForPages(_) => "status",
            Self::AlertmanagerAlerts => "alertmanager_alerts",
            Self::Silences => "silences",
            Self::Silence => "silence",
            Self::Page => "page",
            Self::Explain => "explain",
            Self::Ready => "ready",
            Self::Passthrough => "passthrough",
        }
    }
}

/// What stands for what no tenant is told, so that a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// `data` is an empty object.
    Object,
    /// `data` is an empty list.
    List,
    /// There is nothing to listen to: a page that gets a 404 here warns, and asks again every five seconds.
    // Prometheus: web/api/v1/api.go, notificationsSSE, where too many listen; mantine-ui/src/components/NotificationsProvider.tsx
    Stream,
}

/// The methods of an endpoint, as the upstream has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// GET only.
    Get,
    /// GET, and HEAD as for any file.
    GetAndHead,
    /// GET, and POST with a body.
    GetAndPost,
    /// GET and DELETE.
    GetAndDelete,
    /// POST only.
    Post,
}

impl Methods {
    /// The value of an `allow` header.
    #[must_use]
    pub fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, OPTIONS",
            Self::GetAndHead => "GET, HEAD, OPTIONS",
            Self::GetAndPost => "GET, POST, OPTIONS",
            Self::GetAndDelete => "GET, DELETE, OPTIONS",
            Self::Post => "POST, OPTIONS",
        }
    }

    /// Which of these methods `method` is; `None` when it is none of them.
    #[must_use]
    pub fn find(self, method: &[u8]) -> Option<Method> {
        match (method, self) {
            (b"GET", Self::Get | Self::GetAndHead | Self::GetAndPost | Self::GetAndDelete) => Some(Method::Get),
            (b"HEAD", Self::GetAndHead) => Some(Method::Head),
            (b"POST", Self::GetAndPost | Self::Post) => Some(Method::Post),
            (b"DELETE", Self::GetAndDelete) => Some(Method::Delete),
            (b"OPTIONS", _) => Some(Method::Options),
            (_, Self::Get | Self::GetAndHead | Self::GetAndPost | Self::GetAndDelete | Self::Post) => None,
        }
    }
}

/// What a request asks of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Parameters stand in the URL.
    Get,
    /// As GET, without the answer's body.
    Head,
    /// Parameters stand in the URL, in the body, or in both.
    Post,
    /// Ends what the path names.
    Delete,
    /// Answered here.
    Options,
}

/// What the body of a POST is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Parameters.
    Form,
    /// A `prometheus.ReadRequest`, compressed.
    RemoteRead,
    /// A silence in JSON.
    Silence,
}

/// What stands in front of a row's path, and who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind `path_prefix`, for tenants.
    Api,
    /// Behind `alertmanager.path_prefix`, for tenants.
    Alertmanager,
    /// For everybody, tenants or not: nothing there is anybody's.
    Open,
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
    /// A selector of targets: it may select everything there is, and does so when it is empty. At most one.
    TargetSelector,
    /// A single value without tenant data. At most one.
    Scalar,
    /// A matcher as Alertmanager reads it, which narrows further. Any number.
    AlertMatcher,
    /// Values without tenant data, which narrow further. Any number.
    List,
    /// Names of labels that the upstream removes from its answer: enforced ones are taken out. Any number.
    RemovedLabels,
}

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What stands in front of its path.
    pub place: Place,
    /// The path behind the prefix; `<name>` stands for one segment.
    pub path: &'static str,
    /// Its methods.
    pub methods: Methods,
    /// What a POST carries.
    pub payload: Payload,
    /// The parameters that pass, beyond those that `common` lets in; all others are removed.
    pub parameters: &'static [(&'static str, ParameterKind)],
    /// Whether the parameters of [`COMMON`] pass too.
    pub common: Common,
    /// Whether a bare matcher is put in where no selector came.
    pub without_selector: WithoutSelector,
    /// What Alertmanager is asked to narrow by.
    pub filters: Filters,
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

    /// The methods that are served under `policy`.
    #[must_use]
    pub fn methods(&self, policy: &Policy) -> Methods {
        let read_only = matches!(self.endpoint, Endpoint::Silences | Endpoint::Silence)
            && policy.alertmanager.as_ref().is_none_or(|served| served.silence_writes == SilenceWrites::Deny);
        if read_only { Methods::Get } else { self.methods }
    }

    /// Whether the endpoint is switched on.
    fn is_served(&self, policy: &Policy) -> bool {
        match self.endpoint {
            Endpoint::Metadata => policy.metadata != Metadata::Deny,
            Endpoint::Targets | Endpoint::TargetsMetadata => policy.targets == Targets::Filter,
            Endpoint::RemoteRead => policy.remote_read == RemoteRead::Rewrite,
            Endpoint::NothingForPages(_) | Endpoint::Page | Endpoint::Ready => policy.ui == Ui::Pass,
            Endpoint::AlertmanagerAlerts | Endpoint::Silences | Endpoint::Silence => policy.alertmanager.is_some(),
            Endpoint::Explain => policy.explain == Explain::On,
            Endpoint::Query
            | Endpoint::QueryRange
            | Endpoint::QueryExemplars
            | Endpoint::Series
            | Endpoint::Labels
            | Endpoint::LabelValues
            | Endpoint::Federate
            | Endpoint::FormatQuery
            | Endpoint::ParseQuery
            | Endpoint::BuildInfo
            | Endpoint::Features
            | Endpoint::OpenApi
            | Endpoint::Rules
            | Endpoint::Alerts
            | Endpoint::Search
            | Endpoint::Passthrough => true,
        }
    }
}

/// The `filter` parameters that are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filters {
    /// None.
    None,
    /// One a rule: alerts are compared with it.
    Alerts,
    /// One for each rule with one value: of silences come those that have the very same matcher, so of several values none
    /// would. The filter of the answer finds the tenant's.
    Silences,
}

/// What a path leads to.
#[derive(Debug)]
pub struct Found {
    /// The row.
    pub route: &'static Route,
    /// The text of the segment that the prefix names, decoded.
    pub path_param: Option<String>,
}

/// What `path`, as it was sent, leads to; `None` when it is not served.
#[must_use]
pub fn find(path: &[u8], policy: &Policy) -> Option<Found> {
    let sent = path;
    let path = path::canonical(sent)?;
    let strip = |prefix: &PathPrefix| {
        // Whoever guards tenants by their paths in front, as jwt_authn or RBAC, compares what was sent, undecoded.
        let stripped = prefix.strip(&path)?;
        let sent = stripped.1.and_then(|_| prefix.strip(str::from_utf8(sent).ok()?)?.1);
        (sent == stripped.1.map(path::spelled).as_deref()).then_some(stripped)
    };
    let in_api = strip(&policy.path_prefix);
    let in_alertmanager = policy.alertmanager.as_ref().and_then(|served| strip(&served.path_prefix));
    let row = ROUTES.iter().find_map(|route| {
        let (path, path_param) = match route.place {
            Place::Api => in_api,
            Place::Alertmanager => in_alertmanager,
            Place::Open => None,
        }?;
        path::matches(route.path, path).then(|| Found { route, path_param: path_param.map(str::to_owned) })
    });
    let open = |route| Some(Found { route, path_param: None });
    let found = row.or_else(|| {
        if policy.danger_passthrough_paths.contains(&path) {
            return open(&table::PASSTHROUGH);
        }
        // `/api/v1` as a mistaken prefix would make `/api/v1/alerts` a page, and some products look at the end of a path alone.
        if enforced_end(&path).is_some() {
            return None;
        }
        let (path, _) = in_api?;
        if path == table::READY.path {
            return open(&table::READY);
        }
        if PAGES.iter().any(|page| path::matches(page, path)) { open(&table::PAGE) } else { None }
    })?;
    found.route.is_served(policy).then_some(found)
}

/// Every parameter that some endpoint reads.
pub fn parameters() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().flat_map(|route| route.parameters).chain(COMMON).map(|(name, _)| *name)
}

/// The row whose path `path`, or an end of it, is.
#[must_use]
pub fn enforced_end(path: &str) -> Option<&'static str> {
    let ends = path.match_indices('/').filter_map(|(start, _)| path.get(start..));
    let row = |end| ROUTES.iter().find(|route| path::matches(route.path, end));
    ends.into_iter().find_map(row).map(|route| route.path)
}
