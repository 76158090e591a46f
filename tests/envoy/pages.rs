//! What is served to everybody: pages of the web interfaces, `/-/ready`, and the paths that the operator lets through.

use crate::support::bench::{Bench, InUse, OURS, by_header};
use crate::support::client::{Body, get, post, request};
use crate::support::envoy::Listener;
use serde_json::json;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let with = |settings: serde_json::Value| {
        let mut configuration = by_header();
        for (key, value) in settings.as_object().expect("settings") {
            configuration[key] = value.clone();
        }
        configuration
    };
    Bench::start([
        Listener::new("plain", by_header()),
        Listener::new("ui", with(json!({"ui": "pass"}))),
        Listener::new("ui-prefix", with(json!({"ui": "pass", "path_prefix": "/prom"}))),
        Listener::new("ui-mistaken", with(json!({"ui": "pass", "path_prefix": "/api/v1"}))),
        Listener::new("open", with(json!({"danger_passthrough_paths": ["/-/healthy", "/prom/metrics"]}))),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

const PAGES: [&str; 14] = [
    "/",
    "/graph",
    "/query",
    "/alerts",
    "/rules",
    "/targets",
    "/stores",
    "/classic/graph",
    "/classic/static/js/graph/index.js",
    "/assets/index-1.js",
    "/static/css/main.css",
    "/favicon.ico",
    "/manifest.json",
    "/-/ready",
];

#[test]
fn pages_are_served_to_everybody_when_the_operator_says_so() {
    let bench = bench();
    for path in PAGES {
        for method in ["GET", "HEAD"] {
            let recorded = bench.forwarded("ui", &request(method, path));
            assert_eq!((recorded.method.as_str(), recorded.path()), (method, path.to_owned()));
            bench.forwarded("ui-prefix", &request(method, format!("/prom{path}")));
            let refused = bench.send("plain", &request(method, path));
            assert_eq!(refused.status, 404, "{method} {path}");
            assert_eq!(bench.send("ui-prefix", &request(method, path)).status, 404, "{method} {path}");
        }
        bench.refused("ui", &post(path, "x=1"), 405, OURS);
        bench.refused("ui", &get(path).body(Body::Length(b"x".to_vec())), 400, "bad_data");
    }
    let options = bench.send("ui", &request("OPTIONS", "/graph"));
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn a_page_keeps_its_query_and_loses_what_would_be_an_identity() {
    let bench = bench();
    let asked =
        get("/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1;x").header("x-tenant", "b").header("thanos-tenant", "b");
    let recorded = bench.forwarded("ui", &asked);
    assert_eq!(recorded.raw_query(), "g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1;x");
    assert!(!recorded.has("x-tenant") && !recorded.has("thanos-tenant"), "{recorded:?}");
}

#[test]
fn pages_that_the_server_fills_with_data_are_not_served() {
    let bench = bench();
    for path in [
        "/classic/alerts",
        "/classic/rules",
        "/classic/targets",
        "/classic/config",
        "/classic/status",
        "/classic/static/",
        "/classic/static/../alerts",
        "/classic/static/%2e%2e/alerts",
        "/static/..%2f..%2fmetrics",
        "/static//x",
        "/consoles/index.html",
        "/user/x",
        "/metrics",
        "/version",
        "/-/healthy",
        "/-/reload",
        "/debug/pprof/heap",
        "/api/v1/status/config",
        "/api/v1/status/tsdb",
        "/new/graph",
        "/alerts/",
        "/Graph",
    ] {
        bench.refused("ui", &get(path).header("x-tenant", "a"), 404, OURS);
    }
}

#[test]
fn no_page_ends_like_what_is_served_to_tenants_only() {
    let bench = bench();
    // A prefix that was mistaken makes endpoints of pages: `/api/v1` and `/alerts`.
    for path in ["/api/v1/alerts", "/api/v1/rules", "/api/v1/targets", "/api/v1/query?query=up", "/api/v1/stores"] {
        bench.refused("ui-mistaken", &get(path), 404, OURS);
    }
    // Thanos's Query Frontend looks at the end of a path alone.
    for path in ["/static/api/v1/query_range?query=up", "/assets/x/api/v1/labels", "/static/federate"] {
        bench.refused("ui", &get(path), 404, OURS);
    }
}

#[test]
fn what_pages_ask_for_is_answered_here_to_tenants() {
    let bench = bench();
    for (path, status, body) in [
        ("/api/v1/stores", 200, r#"{"status":"success","data":{}}"#),
        ("/api/v1/status/flags", 200, r#"{"status":"success","data":{}}"#),
        ("/api/v1/status/runtimeinfo", 200, r#"{"status":"success","data":{}}"#),
        ("/api/v1/notifications/live", 204, ""),
        ("/api/v1/notifications", 200, r#"{"status":"success","data":[]}"#),
    ] {
        let asked = get(path).header("x-tenant", "a");
        let response = bench.send("ui", &asked);
        assert_eq!((response.status, response.text().as_str()), (status, body), "{path}");
        bench.never_arrived(&asked);
        bench.refused("ui", &get(path), 401, OURS);
        bench.refused("plain", &get(path).header("x-tenant", "a"), 404, OURS);
    }
}

#[test]
fn a_path_that_is_let_through_is_let_through_exactly() {
    let bench = bench();
    for path in ["/-/healthy", "/prom/metrics"] {
        for method in ["GET", "HEAD"] {
            let recorded = bench.forwarded("open", &request(method, format!("{path}?a=b&a=c")).header("x-tenant", "b"));
            assert_eq!((recorded.path(), recorded.raw_query()), (path.to_owned(), "a=b&a=c".to_owned()));
            assert!(!recorded.has("x-tenant"), "{recorded:?}");
        }
        bench.refused("open", &post(path, "x=1"), 405, OURS);
        bench.refused("plain", &get(path), 404, OURS);
    }
    for path in
        ["/-/healthy/", "/-/healthyx", "/-/Healthy", "//-/healthy", "/metrics", "/prom/metrics/x", "/prom/x/../metrics"]
    {
        bench.refused("open", &get(path), 404, OURS);
    }
}

#[test]
fn a_page_without_flags_asks_for_no_engine() {
    let bench = bench();
    let asked = |listener, engine: &str| {
        let request = get(format!("/api/v1/query?query=up&engine={engine}")).header("x-tenant", "a");
        assert_eq!(bench.send(listener, &request).status, 200);
        let parameters = bench.arrived(&request).url_parameters();
        parameters.into_iter().find(|(name, _)| name == "engine").map(|(_, value)| value)
    };
    assert_eq!(asked("ui", "undefined"), None);
    assert_eq!(asked("ui", "thanos").as_deref(), Some("thanos"));
    assert_eq!(asked("plain", "undefined").as_deref(), Some("undefined"));
}
