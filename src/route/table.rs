//! Everything that is served, a row each. A path that is not here is a 404.
// Prometheus: web/api/v1/api.go, web/api/v1/search.go, web/federate.go · Thanos: pkg/api/query/v1.go
// Alertmanager: api/v2/openapi.yaml

use super::{Common, Endpoint, Filters, Methods, Nothing, ParameterKind, Payload, Place, Route, WithoutSelector};

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

/// Of all three searches; `include_metadata` adds everybody's help texts and is left out.
const SEARCH: &[(&str, ParameterKind)] = &[
    ("match[]", ParameterKind::Selector),
    ("search[]", ParameterKind::List),
    ("label", ParameterKind::Scalar),
    ("start", ParameterKind::Scalar),
    ("end", ParameterKind::Scalar),
    ("limit", ParameterKind::Scalar),
    ("batch_size", ParameterKind::Scalar),
    ("fuzz_alg", ParameterKind::Scalar),
    ("fuzz_threshold", ParameterKind::Scalar),
    ("case_sensitive", ParameterKind::Scalar),
    ("include_score", ParameterKind::Scalar),
    ("sort_by", ParameterKind::Scalar),
    ("sort_dir", ParameterKind::Scalar),
];

/// Of alerts, and of the groups they are in.
const ALERTS: &[(&str, ParameterKind)] = &[
    ("filter", ParameterKind::AlertMatcher),
    ("receiver", ParameterKind::Scalar),
    ("receiver_matchers", ParameterKind::List),
    ("active", ParameterKind::Scalar),
    ("silenced", ParameterKind::Scalar),
    ("inhibited", ParameterKind::Scalar),
    ("muted", ParameterKind::Scalar),
    ("unprocessed", ParameterKind::Scalar),
];

/// What most rows share: a GET without parameters behind `path_prefix`, by a tenant.
const GET: Route = Route {
    endpoint: Endpoint::BuildInfo,
    place: Place::Api,
    path: "",
    methods: Methods::Get,
    payload: Payload::Form,
    parameters: &[],
    common: Common::NotRead,
    without_selector: WithoutSelector::ReadsNothing,
    filters: Filters::None,
};

const READS_EVERYTHING: WithoutSelector = WithoutSelector::ReadsEverything("match[]");

/// Everything that is served to tenants.
pub const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::Query,
        path: "/api/v1/query",
        methods: Methods::GetAndPost,
        parameters: &[("query", ParameterKind::Expression), ("time", ParameterKind::Scalar)],
        common: Common::Read,
        ..GET
    },
    Route {
        endpoint: Endpoint::QueryRange,
        path: "/api/v1/query_range",
        methods: Methods::GetAndPost,
        parameters: RANGE,
        common: Common::Read,
        ..GET
    },
    Route {
        endpoint: Endpoint::QueryExemplars,
        path: "/api/v1/query_exemplars",
        methods: Methods::GetAndPost,
        parameters: RANGE,
        common: Common::Read,
        ..GET
    },
    Route {
        endpoint: Endpoint::Series,
        path: "/api/v1/series",
        methods: Methods::GetAndPost,
        parameters: SELECTORS,
        common: Common::Read,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route {
        endpoint: Endpoint::Labels,
        path: "/api/v1/labels",
        methods: Methods::GetAndPost,
        parameters: SELECTORS,
        common: Common::Read,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route {
        endpoint: Endpoint::LabelValues,
        path: "/api/v1/label/<name>/values",
        parameters: SELECTORS,
        common: Common::Read,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route {
        endpoint: Endpoint::Federate,
        path: "/federate",
        parameters: &[("match[]", ParameterKind::AnySelector)],
        ..GET
    },
    Route {
        endpoint: Endpoint::FormatQuery,
        path: "/api/v1/format_query",
        methods: Methods::GetAndPost,
        parameters: TEXT,
        ..GET
    },
    Route {
        endpoint: Endpoint::ParseQuery,
        path: "/api/v1/parse_query",
        methods: Methods::GetAndPost,
        parameters: TEXT,
        ..GET
    },
    Route {
        endpoint: Endpoint::Metadata,
        path: "/api/v1/metadata",
        parameters: &[
            ("metric", ParameterKind::Scalar),
            ("limit", ParameterKind::Scalar),
            ("limit_per_metric", ParameterKind::Scalar),
        ],
        ..GET
    },
    Route { endpoint: Endpoint::BuildInfo, path: "/api/v1/status/buildinfo", ..GET },
    Route { endpoint: Endpoint::Features, path: "/api/v1/features", ..GET },
    Route {
        endpoint: Endpoint::OpenApi,
        path: "/api/v1/openapi.yaml",
        parameters: &[("openapi_version", ParameterKind::Scalar)],
        ..GET
    },
    Route {
        endpoint: Endpoint::Rules,
        path: "/api/v1/rules",
        // `group_limit` and `group_next_token` count and hash the groups of others.
        parameters: &[
            ("match[]", ParameterKind::Selector),
            ("type", ParameterKind::Scalar),
            ("rule_name[]", ParameterKind::List),
            ("rule_group[]", ParameterKind::List),
            ("file[]", ParameterKind::List),
            ("exclude_alerts", ParameterKind::Scalar),
        ],
        common: Common::Read,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route { endpoint: Endpoint::Alerts, path: "/api/v1/alerts", common: Common::Read, ..GET },
    Route {
        endpoint: Endpoint::Targets,
        path: "/api/v1/targets",
        parameters: &[("scrapePool", ParameterKind::Scalar), ("state", ParameterKind::Scalar)],
        common: Common::Read,
        ..GET
    },
    Route {
        endpoint: Endpoint::TargetsMetadata,
        path: "/api/v1/targets/metadata",
        parameters: &[
            ("match_target", ParameterKind::TargetSelector),
            ("metric", ParameterKind::Scalar),
            ("limit", ParameterKind::Scalar),
        ],
        without_selector: WithoutSelector::ReadsEverything("match_target"),
        ..GET
    },
    Route {
        endpoint: Endpoint::Search,
        path: "/api/v1/search/metric_names",
        methods: Methods::GetAndPost,
        parameters: SEARCH,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route {
        endpoint: Endpoint::Search,
        path: "/api/v1/search/label_names",
        methods: Methods::GetAndPost,
        parameters: SEARCH,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route {
        endpoint: Endpoint::Search,
        path: "/api/v1/search/label_values",
        methods: Methods::GetAndPost,
        parameters: SEARCH,
        without_selector: READS_EVERYTHING,
        ..GET
    },
    Route {
        endpoint: Endpoint::RemoteRead,
        path: "/api/v1/read",
        methods: Methods::Post,
        payload: Payload::RemoteRead,
        ..GET
    },
    // What Thanos's and Prometheus's pages ask for to be drawn.
    Route { endpoint: Endpoint::NothingForPages(Nothing::Object), path: "/api/v1/status/flags", ..GET },
    Route { endpoint: Endpoint::NothingForPages(Nothing::Object), path: "/api/v1/stores", ..GET },
    Route { endpoint: Endpoint::NothingForPages(Nothing::Object), path: "/api/v1/status/runtimeinfo", ..GET },
    Route { endpoint: Endpoint::NothingForPages(Nothing::List), path: "/api/v1/notifications", ..GET },
    Route { endpoint: Endpoint::NothingForPages(Nothing::Stream), path: "/api/v1/notifications/live", ..GET },
    Route {
        endpoint: Endpoint::Explain,
        path: "/-/explain",
        parameters: &[("query", ParameterKind::Expression)],
        ..GET
    },
    Route {
        endpoint: Endpoint::AlertmanagerAlerts,
        place: Place::Alertmanager,
        path: "/api/v2/alerts",
        parameters: ALERTS,
        filters: Filters::Alerts,
        ..GET
    },
    Route {
        endpoint: Endpoint::AlertmanagerAlerts,
        place: Place::Alertmanager,
        path: "/api/v2/alerts/groups",
        parameters: ALERTS,
        filters: Filters::Alerts,
        ..GET
    },
    Route {
        endpoint: Endpoint::Silences,
        place: Place::Alertmanager,
        path: "/api/v2/silences",
        methods: Methods::GetAndPost,
        payload: Payload::Silence,
        parameters: &[
            ("filter", ParameterKind::AlertMatcher),
            ("active", ParameterKind::Scalar),
            ("pending", ParameterKind::Scalar),
            ("expired", ParameterKind::Scalar),
        ],
        filters: Filters::Silences,
        ..GET
    },
    Route {
        endpoint: Endpoint::Silence,
        place: Place::Alertmanager,
        path: "/api/v2/silence/<name>",
        methods: Methods::GetAndDelete,
        ..GET
    },
];

/// The web interfaces: static files, and shells that fetch their data through the API. Pages that the server fills with
/// data are not among them (`/classic/alerts` and its like, `/consoles/…`).
// Prometheus: web/web.go · Thanos: pkg/ui/query.go
pub const PAGES: &[&str] = &[
    "/",
    "/graph",
    // Where Debian's leads to `/classic/graph`.
    "/graph/",
    "/query",
    "/alerts",
    "/rules",
    "/targets",
    "/config",
    "/flags",
    "/status",
    "/tsdb-status",
    "/service-discovery",
    "/alertmanager-discovery",
    "/agent",
    "/blocks",
    "/global",
    "/loaded",
    "/stores",
    "/classic/graph",
    "/classic/static/*",
    "/assets/*",
    "/static/*",
    "/favicon.svg",
    "/favicon.ico",
    "/manifest.json",
];

/// A page of a web interface; its query is for the browser.
pub(super) const PAGE: Route =
    Route { endpoint: Endpoint::Page, place: Place::Open, path: "", methods: Methods::GetAndHead, ..GET };

/// Whether the upstream is ready: for pages, and for whoever checks it.
pub(super) const READY: Route = Route { endpoint: Endpoint::Ready, path: "/-/ready", ..PAGE };

/// A path of `danger_passthrough_paths`.
pub(super) const PASSTHROUGH: Route = Route { endpoint: Endpoint::Passthrough, ..PAGE };
