//! `warnings: scrub`: answers that are not filtered stream through without what names stores.

use crate::support::bench::{Bench, InUse, OURS};
use crate::support::client::{Connection, get};
use crate::support::envoy::Listener;
use crate::support::upstream::{Answer, Step};
use serde_json::json;
use std::sync::{Arc, LazyLock};
use tokio::sync::Notify;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let labels = json!([{"name": "tenant", "header": "x-tenant", "danger_unrestricted": ["sre"]}]);
    Bench::start([
        Listener::new("scrub", json!({"labels": labels, "warnings": "scrub"})),
        Listener::new("scrub-hold", json!({"labels": labels, "warnings": "scrub", "hold_response_headers": true}))
            .stop_iteration(),
        Listener::new("pass", json!({"labels": labels})),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

const ANSWER: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"warnings":"stays"},"value":[1,"1e3"]}]},"warnings":["fetch series for {tenant=\"foreign\"} 10.0.0.1:10901"],"infos":["foreign"]}"#;

#[test]
fn warnings_are_scrubbed_where_the_operator_says_so() {
    let bench = bench();
    for path in ["/api/v1/query?query=up", "/api/v1/series", "/api/v1/labels", "/api/v1/label/job/values"] {
        for listener in ["scrub", "scrub-hold"] {
            let request = get(path).header("x-tenant", "a").header("accept-encoding", "gzip");
            bench.upstream.answer(&request, Answer::json(200, ANSWER).header("etag", "\"x\""));
            let response = bench.send(listener, &request);
            assert!(
                !response.text().contains("foreign") && !response.text().contains("10.0.0.1"),
                "{}",
                response.text()
            );
            let json = response.json();
            assert_eq!(json["data"]["result"][0]["metric"]["warnings"], "stays");
            assert_eq!(
                json["warnings"],
                json!(["the upstream reported warnings; they are not shown on this endpoint"])
            );
            assert!(response.text().contains(r#"[1,"1e3"]"#) && response.header("etag").is_none());
            assert_eq!(bench.arrived(&request).all("accept-encoding"), ["identity"]);
        }
        for (listener, tenant) in [("pass", "a"), ("scrub", "sre")] {
            let request = get(path).header("x-tenant", tenant);
            bench.upstream.answer(&request, Answer::json(200, ANSWER));
            assert_eq!(bench.send(listener, &request).text(), ANSWER);
        }
    }
}

#[test]
fn errors_are_scrubbed_and_keep_their_status() {
    let bench = bench();
    let body = r#"{"status":"error","errorType":"execution","error":"receive series from foreign"}"#;
    let html = Answer::json(502, "<html>foreign</html>").header("content-type", "text/html");
    for (answer, status) in [(Answer::json(422, body), 422), (Answer::json(503, "foreign"), 503), (html, 502)] {
        let request = get("/api/v1/query?query=up").header("x-tenant", "a");
        bench.upstream.answer(&request, answer);
        let response = bench.send("scrub", &request);
        assert!(
            response.status == status && !response.text().contains("foreign"),
            "{} {}",
            response.status,
            response.text()
        );
    }
    let request = get("/api/v1/query?query=up").header("x-tenant", "a");
    bench.upstream.answer(&request, Answer::json(422, body));
    assert_eq!(bench.send("scrub", &request).json()["errorType"], "execution");
}

#[test]
fn an_answer_that_cannot_be_read_as_it_passes_does_not_pass() {
    let bench = bench();
    for (name, value) in [("content-type", "text/html"), ("content-encoding", "gzip")] {
        let request = get("/api/v1/query?query=up").header("x-tenant", "a");
        bench.upstream.answer(&request, Answer::json(200, ANSWER).header(name, value));
        let response = bench.send("scrub", &request);
        assert_eq!((response.status, response.json()["errorType"].clone()), (502, json!(OURS)));
    }
}

#[test]
fn a_scrubbed_answer_streams() {
    let bench = bench();
    let gate = Arc::new(Notify::new());
    let (begin, rest) = ANSWER.split_at(ANSWER.find("foreign").expect("a store"));
    let request = get("/api/v1/query?query=up").header("x-tenant", "a");
    let steps = vec![Step::Data(begin.into()), Step::Wait(gate.clone()), Step::Data(rest.into())];
    bench.upstream.answer(&request, Answer::json(200, "").chunked(steps));
    let mut connection = Connection::open(bench.port("scrub"));
    connection.write(&request.bytes());
    // Headers and the data come before the upstream has said everything.
    let head = connection.read_head();
    assert_eq!(head.status, 200);
    gate.notify_one();
    let response = connection.read_body(head, "GET");
    assert!(response.complete && !response.text().contains("foreign"), "{}", response.text());
    assert_eq!(response.json()["status"], "success");
}

#[test]
fn searches_are_scrubbed_line_by_line() {
    let bench = bench();
    let lines =
        "{\"results\":[{\"name\":\"up\"}]}\n{\"status\":\"success\",\"has_more\":false,\"warnings\":[\"foreign\"]}\n";
    let request = get("/api/v1/search/metric_names").header("x-tenant", "a");
    let answer = Answer::json(200, lines).header("content-type", "application/x-ndjson; charset=utf-8");
    bench.upstream.answer(&request, answer);
    let response = bench.send("scrub", &request);
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(response.text().starts_with("{\"results\":[{\"name\":\"up\"}]}\n") && !response.text().contains("foreign"));
}
