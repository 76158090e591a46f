//! `explain: true`: a tenant sees what became of its own query, and nothing else of anybody.

use crate::support::bench::{BAD_DATA, Bench, InUse, OURS};
use crate::support::client::{get, post, request};
use crate::support::envoy::Listener;
use crate::support::upstream::Answer;
use serde_json::json;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let rule = json!([{"name": "tenant", "header": "x-tenant", "danger_unrestricted": ["sre"]}]);
    Bench::start([
        Listener::new("on", json!({"labels": rule, "explain": true})),
        Listener::new("held", json!({"labels": rule, "explain": true, "hold_response_headers": true})).stop_iteration(),
        Listener::new("prefixed", json!({"labels": rule, "explain": true, "path_prefix": "/prom"})),
        Listener::new("off", json!({"labels": rule})),
    ])
});

const HEADER: &str = "x-prom-label-filter-query";

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

#[test]
fn answers_carry_the_query_that_went_on() {
    let bench = bench();
    let encoded = "sum%28up%7Bjob%3D%22a%20b%22%2Ctenant%3D%22fruit%22%7D%29";
    for request in [
        get("/api/v1/query?query=sum(up{job=%22a+b%22})"),
        post("/api/v1/query", "query=sum(up{job='a b'})"),
        post("/api/v1/query_range", "query=sum(up{job='a b'})&start=1&end=2&step=1"),
    ] {
        let request = request.header("x-tenant", "fruit");
        for listener in ["on", "held"] {
            assert_eq!(bench.send(listener, &request).header(HEADER), Some(encoded), "{request:?}");
        }
        assert_eq!(bench.send("off", &request).header(HEADER), None);
    }
}

#[test]
fn selectors_are_listed_and_what_was_put_in_is_among_them() {
    let bench = bench();
    for (target, text) in [
        ("/api/v1/series?match[]=a&match[]=b", "a%7Btenant%3D%22fruit%22%7D,b%7Btenant%3D%22fruit%22%7D"),
        ("/api/v1/labels", "%7Btenant%3D%22fruit%22%7D"),
    ] {
        assert_eq!(bench.send("on", &get(target).header("x-tenant", "fruit")).header(HEADER), Some(text), "{target}");
    }
    for target in ["/api/v1/status/buildinfo", "/api/v1/format_query?query=up", "/api/v1/metadata"] {
        assert_eq!(bench.send("on", &get(target).header("x-tenant", "fruit")).header(HEADER), None, "{target}");
    }
}

#[test]
fn filtered_answers_and_errors_of_the_upstream_carry_it_too() {
    let bench = bench();
    for listener in ["on", "held"] {
        let exemplars = get("/api/v1/query_exemplars?query=up&start=1&end=2").header("x-tenant", "fruit");
        bench.upstream.answer(&exemplars, Answer::json(200, r#"{"status":"success","data":[]}"#));
        let response = bench.send(listener, &exemplars);
        assert_eq!((response.status, response.header(HEADER)), (200, Some("up%7Btenant%3D%22fruit%22%7D")));
        let failing = get("/api/v1/query?query=up").header("x-tenant", "fruit");
        bench.upstream.answer(&failing, Answer::json(422, r#"{"status":"error","errorType":"execution","error":"x"}"#));
        assert_eq!(bench.send(listener, &failing).header(HEADER), Some("up%7Btenant%3D%22fruit%22%7D"));
    }
}

#[test]
fn an_upstream_cannot_put_its_own_text_there() {
    let bench = bench();
    let request = get("/api/v1/query?query=up").header("x-tenant", "fruit");
    bench.upstream.answer(&request, Answer::json(200, "{}").header(HEADER, "of-the-upstream"));
    assert_eq!(bench.send("on", &request).header(HEADER), Some("up%7Btenant%3D%22fruit%22%7D"));
}

#[test]
fn a_long_query_is_cut_at_four_kibibytes() {
    let bench = bench();
    let request =
        post("/api/v1/query", format!("query={}", ["{a='é€'}"; 1000].join("%2B"))).header("x-tenant", "fruit");
    let response = bench.send("on", &request);
    let value = response.header(HEADER).expect("the header");
    assert!(value.len() <= 4096 && value.len() > 4070 && value.ends_with("%E2%80%A6"), "{}", value.len());
    assert!(percent_encoding::percent_decode_str(value).decode_utf8().is_ok());
}

#[test]
fn a_query_is_explained_without_being_asked() {
    let bench = bench();
    for (listener, path) in [("on", "/-/explain"), ("held", "/-/explain"), ("prefixed", "/prom/-/explain")] {
        let request = get(format!("{path}?query=sum(rate(x[5m]))%20/%20y")).header("x-tenant", "fruit");
        let response = bench.send(listener, &request);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.text(), r#"sum(rate(x{tenant="fruit"}[5m])) / y{tenant="fruit"}"#);
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        bench.never_arrived(&request);
    }
    let everything = get("/-/explain?query=up").header("x-tenant", "sre");
    assert_eq!(bench.send("on", &everything).text(), "up");
}

#[test]
fn nobody_is_told_anything_without_an_identity_or_where_it_is_off() {
    let bench = bench();
    bench.refused("on", &get("/-/explain?query=up"), 401, OURS);
    bench.refused("on", &get("/-/explain?query=up").header("x-tenant", ""), 403, OURS);
    bench.refused("off", &get("/-/explain?query=up").header("x-tenant", "fruit"), 404, OURS);
    bench.refused("prefixed", &get("/-/explain?query=up").header("x-tenant", "fruit"), 404, OURS);
    bench.refused("on", &get("/-/explain").header("x-tenant", "fruit"), 400, BAD_DATA);
    bench.refused("on", &get("/-/explain?query=up(").header("x-tenant", "fruit"), 400, BAD_DATA);
    bench.refused("on", &get("/-/explain?query=up&query=down").header("x-tenant", "fruit"), 400, BAD_DATA);
    let post = post("/-/explain", "query=up").header("x-tenant", "fruit");
    assert_eq!(bench.refused("on", &post, 405, OURS).header("allow"), Some("GET, OPTIONS"));
    assert_eq!(bench.send("on", &request("OPTIONS", "/-/explain")).status, 204);
}
