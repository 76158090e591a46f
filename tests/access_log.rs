//! The access log as the examples ship it: whose a request was, what became of it and why, and nothing else of it.

use crate::docs::{bootstraps, plugin_configurations};
use crate::support::bench::Bench;
use crate::support::client::{Request, get, post};
use crate::support::envoy::Listener;
use crate::support::eventually;
use crate::support::tokens::{forged_token, token};
use crate::support::upstream::Answer;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An example.
fn shipped() -> Value {
    serde_norway::from_str(include_str!("../envoy/examples/jwt.yaml")).expect("YAML")
}

/// The loggers of every listener that has the filter.
fn loggers(bootstrap: &Value) -> Vec<Value> {
    let listeners = bootstrap["static_resources"]["listeners"].as_array().expect("listeners");
    let filtered = listeners.iter().filter(|listener| !plugin_configurations(listener).is_empty());
    let manager = |listener: &Value| listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"].clone();
    filtered.map(manager).collect()
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let claim = json!({"name": "tenant", "jwt_claim": "tenants", "danger_unrestricted": ["sre"]});
    let listeners = [
        Listener::new("jwt", json!({"labels": [claim]})).jwt(),
        Listener::new("audit", json!({"labels": [claim], "audit_query": true})).jwt(),
        Listener::new("header", json!({"labels": [{"name": "tenant", "header": "x-tenant"}]})),
        Listener::new(
            "several",
            json!({"labels": [
                {"name": "tenant", "values": ["b", "a"]},
                {"name": "cluster", "values": ["eu"]},
                {"name": "zone", "values": ["z-.*"], "regex_match": true},
            ]}),
        ),
    ];
    Bench::start(listeners.map(|listener| listener.access_log(loggers(&shipped()).remove(0))))
});

/// Sends a request and gives its line.
#[track_caller]
fn line(listener: &str, request: Request) -> Map<String, Value> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let id = format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    BENCH.send(listener, &request.header("x-request-id", &id));
    line_of(&id)
}

/// The line of the request with this `x-request-id`.
#[track_caller]
fn line_of(id: &str) -> Map<String, Value> {
    let lines = eventually("the line of a request", || {
        let lines: Vec<_> = lines().into_iter().filter(|line| line["request_id"] == id).collect();
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().expect("one")
}

/// All lines of requests. What is none is Envoy's own log, which begins with its time.
fn lines() -> Vec<Map<String, Value>> {
    let log = BENCH.envoy.log();
    let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
    let requests = whole.lines().filter(|line| !line.starts_with('['));
    requests.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// What the filter tells, less what it does not.
fn told(line: &Map<String, Value>) -> Value {
    let names = ["tenant", "endpoint", "verdict", "reason", "selectors", "cache", "query"];
    names.iter().filter(|name| !line[**name].is_null()).map(|name| ((*name).to_owned(), line[*name].clone())).collect()
}

fn of(tenants: &Value, request: Request) -> Request {
    request.bearer(&token(&json!({"tenants": tenants})))
}

fn fruit(request: Request) -> Request {
    of(&json!("fruit"), request)
}

#[test]
fn every_envoy_that_is_shipped_logs_the_same_and_has_the_same_labels() {
    let shipped = shipped();
    let log = loggers(&shipped).remove(0);
    assert_eq!(shipped["stats_config"]["stats_tags"].as_array().map(Vec::len), Some(2));
    for (file, text) in bootstraps() {
        let bootstrap: Value = serde_norway::from_str(&text).expect("YAML");
        assert_eq!(bootstrap["stats_config"], shipped["stats_config"], "{}", file.display());
        assert!(loggers(&bootstrap).iter().all(|each| *each == log), "{}", file.display());
    }
}

#[test]
fn a_line_tells_whose_a_request_was_and_what_became_of_it() {
    let bench = BENCH.in_use();
    let rules = fruit(get("/api/v1/rules"));
    bench.upstream.answer(&rules, Answer::json(200, r#"{"status":"success","data":{"groups":[]}}"#));
    let forwarded = |tenant: &str, endpoint: &str, selectors: &str, cache: &str| json!({"tenant": tenant, "endpoint": endpoint, "verdict": "forwarded", "selectors": selectors, "cache": cache});
    for (listener, request, expected) in [
        ("jwt", fruit(get("/api/v1/query?query=log_a%2Blog_b")), forwarded("fruit", "query", "2", "miss")),
        ("jwt", fruit(get("/api/v1/query?query=log_a%2Blog_b")), forwarded("fruit", "query", "2", "hit")),
        (
            "jwt",
            fruit(post("/api/v1/query_range", "query=log_a%2Blog_b")),
            forwarded("fruit", "query_range", "2", "hit"),
        ),
        ("jwt", fruit(get("/api/v1/series?match[]=log_a&match[]=log_c")), forwarded("fruit", "series", "2", "miss")),
        ("jwt", of(&json!(["b", "a"]), get("/api/v1/query?query=log_a")), forwarded("a|b", "query", "1", "miss")),
        ("jwt", of(&json!("sre"), get("/api/v1/query?query=log_a")), forwarded("*", "query", "0", "miss")),
        (
            "several",
            get("/api/v1/query?query=log_a"),
            forwarded("tenant=a|b,cluster=eu,zone=z-.*", "query", "1", "miss"),
        ),
        ("jwt", rules, json!({"tenant": "fruit", "endpoint": "rules", "verdict": "forwarded"})),
        (
            "jwt",
            fruit(get("/api/v1/metadata")),
            json!({"tenant": "fruit", "endpoint": "metadata", "verdict": "answered", "reason": "empty"}),
        ),
        (
            "jwt",
            fruit(get("/api/v1/query?query=up%7B")),
            json!({"tenant": "fruit", "endpoint": "query", "verdict": "refused", "reason": "promql"}),
        ),
        (
            "jwt",
            fruit(post("/api/v1/query", "query=up%7B")),
            json!({"tenant": "fruit", "endpoint": "query", "verdict": "refused", "reason": "promql"}),
        ),
        (
            "jwt",
            get("/api/v1/query?query=up"),
            json!({"endpoint": "query", "verdict": "refused", "reason": "identity_missing"}),
        ),
        (
            "jwt",
            fruit(get("/api/v1/admin/tsdb/snapshot")),
            json!({"endpoint": "none", "verdict": "refused", "reason": "path"}),
        ),
        // Envoy's own filter, in front.
        ("jwt", get("/api/v1/query?query=up").bearer(&forged_token(&json!({"tenants": "fruit"}))), json!({})),
    ] {
        let shown = format!("{} {:?}", listener, String::from_utf8_lossy(&request.head_bytes()));
        assert_eq!(told(&line(listener, request)), expected, "{shown}");
    }
}

#[test]
fn a_refused_answer_is_refused_and_not_forwarded() {
    let bench = BENCH.in_use();
    let request = fruit(get("/api/v1/rules?type=alert"));
    bench.upstream.answer(&request, Answer::json(200, "{"));
    let line = line("jwt", request);
    let expected = json!({"tenant": "fruit", "endpoint": "rules", "verdict": "refused", "reason": "response"});
    assert_eq!((told(&line), &line["status"]), (expected, &json!(200)));
}

#[test]
fn nothing_that_is_secret_or_a_tenants_business_is_logged() {
    let _bench = BENCH.in_use();
    let token = token(&json!({"tenants": "fruit", "email": "tomato@example.com"}));
    for request in [
        get("/api/v1/query?query=my_secret_metric&token=my_secret_token").header("cookie", "session=my_secret_cookie"),
        post("/api/v1/query", "query=my_secret_metric{"),
        get("/api/v1/query?query=my_secret_metric{").header("x-tenant", "my_secret_header"),
        get("/api/v1/query/my_secret_metric"),
    ] {
        let line = json!(line("jwt", request.bearer(&token))).to_string();
        let path_only = line.replace("/api/v1/query/my_secret_metric", "");
        assert!(!path_only.contains("my_secret") && !line.contains("tomato"), "{line}");
        assert!(token.split('.').all(|part| !line.contains(part)), "{line}");
    }
    let log = BENCH.envoy.log();
    assert!(token.split('.').all(|part| !log.contains(part)), "in Envoy's own log");
}

#[test]
fn the_query_is_logged_where_the_operator_wants_it() {
    let _bench = BENCH.in_use();
    for (request, expected) in [
        (get("/api/v1/query?query=up%7Bjob%3D%22a%22%7D"), r#"up{job="a"}"#),
        (post("/api/v1/query", "query=up%7Bjob%3D%22a%22%7D&time=1"), r#"up{job="a"}"#),
        // Also where it is refused.
        (get("/api/v1/query?query=up%7B"), "up{"),
        (get("/api/v1/series?match[]=a&match[]=b&start=1"), "a b"),
        (
            get("/api/v1/query?query=up%0A%23%20a%09%1b%5B1m%0D%0A%7B%22request_id%22%3A1%7D"),
            r#"up\n# a\t\u{1b}[1m\r\n{"request_id":1}"#,
        ),
        (
            get("/api/v1/query?query=a%5Cn%7F%C2%85%E2%80%A8%E2%80%AE%EF%BB%BF"),
            r"a\\n\u{7f}\u{85}\u{2028}\u{202e}\u{feff}",
        ),
        (get("/api/v1/query?query=%7B%22temp%C3%A9rature%22%7D"), r#"{"température"}"#),
    ] {
        let line = line("audit", fruit(request));
        assert_eq!(line["query"], expected);
    }
    let long = line("audit", fruit(post("/api/v1/query", format!("query={}", "x%2B".repeat(20_000)))));
    let text = long["query"].as_str().expect("a text");
    assert_eq!(text, format!("{}…", "x+".repeat(512)), "{} bytes", text.len());
    let tiny = line("audit", fruit(post("/api/v1/query", format!("query={}", "%0A".repeat(2_000)))));
    assert_eq!(tiny["query"], format!("{}…", r"\n".repeat(512)));
    let many = line("audit", fruit(post("/api/v1/series", "match[]=aaaaaaa&".repeat(150))));
    assert_eq!(many["query"], format!("{}…", "aaaaaaa ".repeat(128)));
    assert_eq!(told(&line("audit", fruit(get("/api/v1/rules"))))["query"], Value::Null);
}

#[test]
fn nothing_that_is_sent_makes_a_line_or_a_field() {
    let bench = BENCH.in_use();
    let hostile = r#"x","verdict":"forwarded","tenant":"veggie"}"#;
    let keys: Vec<String> = line("jwt", fruit(get("/api/v1/query?query=up"))).keys().cloned().collect();
    let shaped = |line: &Map<String, Value>| assert!(line.keys().eq(keys.iter()), "{line:?}");
    for request in [
        get(format!("/api/v1/{hostile}")),
        get(format!("/api/v1/query?query={hostile}")),
        get("/api/v1/query%0A%7B%22tenant%22:%22veggie%22%7D"),
        get("/api/v1/query\t").header("user-agent", hostile),
        get("/api/v1/query?query=up").header("x-forwarded-for", hostile),
    ] {
        let line = line("jwt", fruit(request));
        shaped(&line);
        assert_ne!(line["tenant"], "veggie");
    }
    // A name that a client may choose is a value of its field and nothing more.
    for name in [hostile, "a b", "%FILTER_STATE(wasm.prom_label_filter.verdict:PLAIN)%", "\u{2028}é", "<script>"] {
        let line = line("header", get("/api/v1/query?query=up").header("x-tenant", name));
        shaped(&line);
        assert_eq!(line["tenant"], name);
    }
    let id = r#"id","tenant":"veggie"#;
    bench.send("jwt", &fruit(get("/api/v1/query?query=up").header("x-request-id", id)));
    shaped(&line_of(id));
    let wide = "v".repeat(5000);
    let wide_line = line("header", get("/api/v1/query?query=up").header("x-tenant", &wide));
    assert_eq!(wide_line["tenant"], format!("{}…", "v".repeat(1024)));
}
