//! Which endpoints there are, by which methods, and what is enforced on each.

use super::matchers::{exactly, read};
use crate::support::bench::{BAD_DATA, Bench, InUse, OURS, by_header, only, pairs};
use crate::support::client::{Request, get, post, request};
use crate::support::envoy::Listener;
use crate::support::upstream::Answer;
use serde_json::json;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let with = |key: &str, value: serde_json::Value| {
        let mut configuration = by_header();
        configuration[key] = value;
        configuration
    };
    Bench::start([
        Listener::new("plain", by_header()),
        Listener::new("prefix", with("path_prefix", json!("/prometheus"))),
        Listener::new("extra", with("extra_parameters", json!(["custom"]))),
        Listener::new("deny-metadata", with("metadata", json!("deny"))),
        Listener::new("pass-metadata", with("metadata", json!("danger_pass"))),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn tenant(request: Request) -> Request {
    request.header("x-tenant", "a")
}

/// The endpoints that take parameters in the URL and as a form: path, the parameter that is enforced, further parameters.
const BOTH: [(&str, &str, &str); 5] = [
    ("/api/v1/query", "query", "time=1&timeout=5s&limit=3&lookback_delta=1m&stats=all"),
    ("/api/v1/query_range", "query", "start=1&end=2&step=15&timeout=5s&limit=3&lookback_delta=1m&stats=all"),
    ("/api/v1/query_exemplars", "query", "start=1&end=2"),
    ("/api/v1/series", "match[]", "start=1&end=2&limit=3"),
    ("/api/v1/labels", "match[]", "start=1&end=2&limit=3"),
];

/// The same for those that take them in the URL only.
const GET_ONLY: [(&str, &str, &str); 2] =
    [("/api/v1/label/job/values", "match[]", "start=1&end=2&limit=3"), ("/federate", "match[]", "")];

#[track_caller]
fn assert_enforced(parameters: &[(String, String)], name: &str, rest: &str) {
    assert_eq!(read(&only(parameters, name)), [exactly("tenant", "a")]);
    let mut others: Vec<_> = parameters.iter().filter(|(each, _)| each != name).cloned().collect();
    others.sort();
    let mut wanted = crate::support::form::decode(rest.as_bytes());
    wanted.sort();
    assert_eq!(others, wanted);
}

#[test]
fn a_get_is_enforced_in_its_url() {
    let bench = bench();
    for (path, name, rest) in BOTH.into_iter().chain(GET_ONLY) {
        let recorded = bench.forwarded("plain", &tenant(get(format!("{path}?{name}=up&{rest}"))));
        assert_eq!((recorded.method.as_str(), recorded.path()), ("GET", path.to_owned()));
        assert_enforced(&recorded.url_parameters(), name, rest);
        assert!(recorded.body.is_empty() && !recorded.has("content-type"), "{recorded:?}");
    }
}

#[test]
fn a_post_is_enforced_in_its_form_and_its_url_is_emptied() {
    let bench = bench();
    for (path, name, rest) in BOTH {
        for sent in [
            post(path, format!("{name}=up&{rest}")),
            post(format!("{path}?{rest}"), format!("{name}=up")),
            post(format!("{path}?{name}=up"), if rest.is_empty() { "limit=1".into() } else { rest.to_owned() }),
        ] {
            let recorded = bench.forwarded("plain", &tenant(sent));
            assert_eq!(
                (recorded.method.as_str(), recorded.path(), recorded.raw_query()),
                ("POST", path.into(), String::new())
            );
            assert_enforced(&recorded.form_parameters(), name, rest);
            assert_eq!(recorded.all("content-type"), ["application/x-www-form-urlencoded"]);
        }
    }
}

#[test]
fn every_selector_of_a_repeated_parameter_is_enforced() {
    let bench = bench();
    for path in ["/api/v1/series", "/api/v1/labels", "/api/v1/label/x/values", "/federate"] {
        let recorded =
            bench.forwarded("plain", &tenant(get(format!("{path}?match[]=up&match%5B%5D=down%7Bx%3D%22y%22%7D"))));
        let parameters = recorded.url_parameters();
        assert_eq!(parameters.len(), 2, "{parameters:?}");
        assert_eq!(read(&parameters[0].1), [exactly("tenant", "a")]);
        assert_eq!(read(&parameters[1].1), [exactly("x", "y"), exactly("tenant", "a")]);
    }
    let recorded = bench.forwarded("plain", &tenant(post("/api/v1/series?match[]=up", "match[]=down")));
    let names: Vec<String> = recorded.form_parameters().into_iter().map(|(_, value)| value).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|selector| read(selector) == [exactly("tenant", "a")]), "{names:?}");
}

#[test]
fn a_bare_matcher_stands_in_where_no_selector_came_but_not_on_federate() {
    let bench = bench();
    for path in ["/api/v1/series", "/api/v1/labels", "/api/v1/label/job/values"] {
        let recorded = bench.forwarded("plain", &tenant(get(path)));
        assert_eq!(only(&recorded.url_parameters(), "match[]"), r#"{tenant="a"}"#);
    }
    for path in ["/api/v1/series", "/api/v1/labels"] {
        let recorded = bench.forwarded("plain", &tenant(post(path, "start=1")));
        assert_eq!(only(&recorded.form_parameters(), "match[]"), r#"{tenant="a"}"#);
    }
    assert_eq!(bench.forwarded("plain", &tenant(get("/federate"))).url_parameters(), pairs([]));
}

#[test]
fn what_a_federation_answers_passes_untouched_in_every_format() {
    let bench = bench();
    for (format, body) in [
        ("text/plain; version=0.0.4; charset=utf-8", &b"up{tenant=\"a\"} 1 2\n"[..]),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", b"up{tenant=\"a\"} 1.0 2\n# EOF\n"),
        (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            b"\x0a\x00\xff\xfe\x1f\x8b",
        ),
    ] {
        let request = tenant(get("/federate?match[]=up")).header("accept", format).header("accept-encoding", "gzip");
        let answer = Answer::json(200, body).header("content-type", format).header("content-encoding", "gzip");
        bench.upstream.answer(&request, answer);
        let response = bench.send("plain", &request);
        assert_eq!((response.body.as_slice(), response.header("content-type")), (body, Some(format)));
        let recorded = bench.arrived(&request);
        assert_eq!(
            (recorded.all("accept"), recorded.all("accept-encoding")),
            (vec![format.into()], vec!["gzip".into()])
        );
    }
}

#[test]
fn text_endpoints_pass_the_query_as_it_is() {
    let bench = bench();
    for path in ["/api/v1/format_query", "/api/v1/parse_query"] {
        let recorded = bench.forwarded("plain", &tenant(get(format!("{path}?query=sum(up)+by+(x)&x=1"))));
        assert_eq!(recorded.url_parameters(), pairs([("query", "sum(up) by (x)")]));
        let recorded = bench.forwarded("plain", &tenant(post(path, "query=foo%7B")));
        assert_eq!(recorded.form_parameters(), pairs([("query", "foo{")]));
    }
}

#[test]
fn endpoints_without_tenant_data_pass_without_parameters() {
    let bench = bench();
    for path in ["/api/v1/status/buildinfo", "/api/v1/features"] {
        let recorded = bench.forwarded("plain", &tenant(get(format!("{path}?query=up&x=1"))));
        assert_eq!((recorded.path(), recorded.url_parameters()), (path.to_owned(), pairs([])));
    }
}

#[test]
fn metadata_is_answered_empty_or_denied_or_passed_as_configured() {
    let bench = bench();
    let ask = || tenant(get("/api/v1/metadata?metric=up&limit=5"));
    let request = ask();
    let response = bench.send("plain", &request);
    assert_eq!((response.status, response.json()), (200, json!({"status": "success", "data": {}})));
    assert_eq!(response.header("content-type"), Some("application/json"));
    bench.never_arrived(&request);
    bench.refused("deny-metadata", &ask(), 404, OURS);
    assert_eq!(bench.forwarded("pass-metadata", &ask()).path(), "/api/v1/metadata");
}

#[test]
fn a_method_that_an_endpoint_lacks_is_405_with_what_it_has() {
    let bench = bench();
    for (path, _, _) in BOTH {
        for method in ["PUT", "DELETE", "PATCH"] {
            let response = bench.refused("plain", &tenant(request(method, format!("{path}?query=up"))), 405, OURS);
            let allow = response.header("allow").expect("allow").to_owned();
            assert!(allow.contains("GET") && allow.contains("POST") && !allow.contains(method), "{allow}");
        }
    }
    for path in
        ["/api/v1/label/job/values", "/federate", "/api/v1/metadata", "/api/v1/status/buildinfo", "/api/v1/features"]
    {
        let response = bench.refused("plain", &tenant(post(path, "match[]=up")), 405, OURS);
        let allow = response.header("allow").expect("allow");
        assert!(allow.contains("GET") && !allow.contains("POST"), "{allow}");
    }
}

#[test]
fn head_is_405_without_a_body() {
    let bench = bench();
    for path in ["/api/v1/query?query=up", "/api/v1/labels", "/federate", "/api/v1/label/job/values"] {
        let head = tenant(request("HEAD", path));
        let response = bench.send("plain", &head);
        assert_eq!((response.status, response.body.len()), (405, 0));
        bench.never_arrived(&head);
    }
}

#[test]
fn options_is_answered_here_without_an_identity() {
    let bench = bench();
    for path in ["/api/v1/query", "/api/v1/series", "/api/v1/label/job/values", "/federate", "/api/v1/metadata"] {
        let ask = request("OPTIONS", path);
        let response = bench.send("plain", &ask);
        assert_eq!((response.status, response.body.len()), (204, 0), "{path}");
        assert!(response.header("allow").is_some_and(|allow| allow.contains("GET")), "{response:?}");
        bench.never_arrived(&ask);
    }
    for path in ["/", "/api/v1/status/config", "/nowhere"] {
        bench.refused("plain", &request("OPTIONS", path), 404, OURS);
    }
}

#[test]
fn what_is_not_served_is_404() {
    let bench = bench();
    for path in [
        "/",
        "/graph",
        "/metrics",
        "/api/v1",
        "/api/v1/",
        "/api/v1/alertmanagers",
        "/api/v1/targets",
        "/api/v1/targets/metadata",
        "/api/v1/targets/relabel_steps",
        "/api/v1/scrape_pools",
        "/api/v1/scrape_pools/config",
        "/api/v1/status/config",
        "/api/v1/status/flags",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/tsdb",
        "/api/v1/status/tsdb/blocks",
        "/api/v1/status/walreplay",
        "/api/v1/notifications",
        "/api/v1/notifications/live",
        "/api/v1/query_explain",
        "/api/v1/query_range_explain",
        "/api/v1/stores",
        "/consoles/index.html",
        "/user/x",
        "/debug/pprof/heap",
        "/-/config",
        "/api/v2/alerts",
        "/api/v1/query_rang",
        "/api/v1/label//values",
        "/api/v1/label/values",
        "/x/api/v1/query",
    ] {
        bench.refused("plain", &tenant(get(format!("{path}?query=up"))), 404, OURS);
    }
    for (method, path) in [
        ("POST", "/api/v1/read"),
        ("POST", "/api/v1/write"),
        ("POST", "/api/v1/otlp/v1/metrics"),
        ("POST", "/api/v1/admin/tsdb/delete_series"),
        ("PUT", "/api/v1/admin/tsdb/snapshot"),
        ("POST", "/-/reload"),
        ("POST", "/-/quit"),
    ] {
        bench.refused("plain", &tenant(request(method, path)), 404, OURS);
    }
}

#[test]
fn a_path_prefix_stands_in_front_of_every_endpoint() {
    let bench = bench();
    for path in ["/prometheus/api/v1/query?query=up", "/prometheus/api/v1/query_range?query=up&start=1&end=2&step=1"] {
        let recorded = bench.forwarded("prefix", &tenant(get(path)));
        assert!(path.starts_with(&recorded.path()));
        assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
    }
    assert_eq!(bench.forwarded("prefix", &tenant(get("/prometheus/federate"))).path(), "/prometheus/federate");
    for path in [
        "/api/v1/query?query=up",
        "/federate",
        "/prometheusapi/v1/query?query=up",
        "/prometheus/prometheus/api/v1/query",
    ] {
        bench.refused("prefix", &tenant(get(path)), 404, OURS);
    }
}

#[test]
fn parameters_that_an_endpoint_does_not_name_are_removed() {
    let bench = bench();
    let foreign = "storeMatch[]=x&shard_info=%7B%7D&analyze=true&extra_label=tenant%3Db&extra_filters=x&extra_filters[]=x&match=up&custom=1";
    let recorded = bench.forwarded("plain", &tenant(get(format!("/api/v1/query?query=up&{foreign}"))));
    assert_eq!(recorded.url_parameters(), pairs([("query", r#"up{tenant="a"}"#)]));
    let recorded =
        bench.forwarded("plain", &tenant(post(format!("/api/v1/query?{foreign}"), format!("{foreign}&query=up"))));
    assert_eq!(recorded.form_parameters(), pairs([("query", r#"up{tenant="a"}"#)]));
    let recorded = bench.forwarded("extra", &tenant(get(format!("/api/v1/labels?match[]=up&{foreign}"))));
    assert_eq!(only(&recorded.url_parameters(), "custom"), "1");
    assert_eq!(recorded.url_parameters().len(), 2);
}

#[test]
fn thanos_parameters_pass_and_the_enforced_label_is_no_replica_label() {
    let bench = bench();
    let target = "/api/v1/query?query=up&dedup=true&partial_response=false&engine=thanos&max_source_resolution=5m\
        &replicaLabels[]=replica&replicaLabels[]=tenant";
    let parameters = bench.forwarded("plain", &tenant(get(target))).url_parameters();
    for (name, value) in [
        ("dedup", "true"),
        ("partial_response", "false"),
        ("engine", "thanos"),
        ("max_source_resolution", "5m"),
        ("replicaLabels[]", "replica"),
    ] {
        assert_eq!(only(&parameters, name), value);
    }
    let parameters =
        bench.forwarded("plain", &tenant(get("/api/v1/query?query=up&replicaLabels[]=tenant"))).url_parameters();
    assert_eq!(parameters, pairs([("query", r#"up{tenant="a"}"#)]));
}

#[test]
fn a_parameter_that_must_be_there_and_is_not_is_400() {
    let bench = bench();
    for path in
        ["/api/v1/query", "/api/v1/query_range?start=1&end=2&step=1", "/api/v1/query_exemplars", "/api/v1/query?query="]
    {
        bench.refused("plain", &tenant(get(path)), 400, BAD_DATA);
    }
    bench.refused_in_body("plain", &tenant(post("/api/v1/query", "time=1")), 400, BAD_DATA);
}

#[test]
fn a_selector_parameter_takes_a_selector_and_nothing_else() {
    let bench = bench();
    for bad in [
        "sum(up)",
        "up%5B5m%5D",
        "up+or+down",
        "1",
        "",
        "%7B%7D",
        "%7Bx%3D%22%22%7D",
        "%7Bx%3D~%22.*%22%7D",
        "up+offset+5m",
        "%7Ba%3D%22b%22+or+c%3D%22d%22%7D",
    ] {
        bench.refused("plain", &tenant(get(format!("/api/v1/series?match[]=up&match[]={bad}"))), 400, BAD_DATA);
    }
}

#[test]
fn promql_that_prometheus_would_refuse_is_refused_as_bad_data() {
    let bench = bench();
    for bad in [
        "up%7B",
        "up%5B1e30%5D",
        "nosuch(up)",
        "%7B%7D",
        "up%7Btenant%3D%22a",
        "sum(",
        "%22",
        "up+%26%26+up",
        "%ff",
        "up%00",
    ] {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?query={bad}"))), 400, BAD_DATA);
        bench.refused_in_body("plain", &tenant(post("/api/v1/query", format!("query={bad}"))), 400, BAD_DATA);
    }
}
