//! Every hazard at one Envoy, in a row and all at once: whatever comes through is enforced, and the next tenant is served.

use super::matchers::{any_of, exactly, read};
use crate::support::bench::Bench;
use crate::support::client::{Body, Connection, Ending, Request, get, post, request, send_h2};
use crate::support::envoy::Listener;
use crate::support::form::encode;
use crate::support::tokens::token;
use crate::support::upstream::End;
use serde_json::{Value, json};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let configuration =
        json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}, {"name": "cluster", "header": "x-cluster"}]});
    Bench::start([
        Listener::new("plain", configuration.clone()).jwt().http1_trailers().websocket(),
        Listener::new("h2", configuration).jwt().cluster("upstream-h2"),
    ])
});

/// A request of each kind that once ended a VM, an Envoy or a promise.
fn hazards() -> Vec<Request> {
    let claims: [Value; 9] = [
        json!("team-fruit"),
        json!(["team-fruit"]),
        json!(null),
        json!(7),
        json!(""),
        json!([]),
        json!({"a": null}),
        json!("a\nb"),
        json!((0..5000).map(|number| number.to_string()).collect::<Vec<_>>()),
    ];
    let identified =
        |request: Request| request.bearer(&token(&json!({"tenants": "team-fruit"}))).header("x-cluster", "c");
    let deep = encode(&format!("{}up{}", "(".repeat(4000), ")".repeat(4000)));
    let flat = ["up"; 10_000].join("%2B");
    let form = |content_type: &str, text: &str| {
        request("POST", "/api/v1/query?limit=1").header("content-type", content_type).body(Body::Length(text.into()))
    };
    let urlencoded = "application/x-www-form-urlencoded";
    let mut all: Vec<Request> = claims
        .iter()
        .map(|claim| get("/api/v1/query?query=up").bearer(&token(&json!({"tenants": claim}))).header("x-cluster", "c"))
        .collect();
    all.extend([get("/api/v1/query?query=up"), get("/api/v1/query?query=up").header("x-cluster", b"\xff")]);
    all.extend(
        [
            get("/api/v1/query?query=up").header("x-bin", b"\xff\xfe"),
            get("/api/v1/query?query=up").header("x-tenant", "other").header("x-cluster", "d"),
            get(format!("/api/v1/query?query={deep}")),
            get("/api/v1/query?query=up%5B1e30%5D"),
            get("/api/v1/query?query=up&query=down"),
            get("/api/v1/query?query=up;x"),
            get("/api/v1/query?query=%zz"),
            get("/api/v1/query?query=%00"),
            get("/api/v1/%71uery?%71uery=up"),
            get("//api/v1/query?query=up"),
            get("/api/v1/./query?query=up"),
            get("/api/v1%2Fquery?query=up"),
            get("/api/v1/query/?query=up"),
            get("/api/v1/Query?query=up"),
            get("/api/v1/query?query=up").body(Body::Length(b"query=down".to_vec())),
            get("/api/v1/query?query=up").header("connection", "upgrade").header("upgrade", "websocket"),
            request("HEAD", "/api/v1/query?query=up"),
            request("PUT", "/api/v1/query?query=up"),
            request("get", "/api/v1/query?query=up"),
            request("OPTIONS", "/api/v1/query"),
            request("POST", "/api/v1/query?query=up"),
            post("/api/v1/query", format!("query={flat}")),
            post("/api/v1/query", format!("query=up&x={}", "y".repeat(2_000_000))),
            post("/api/v1/query?query=up", "query=down"),
            post("/api/v1/query", "query=up").header("expect", "100-continue"),
            post("/api/v1/query", "query=up").header("content-encoding", "gzip"),
            form("multipart/form-data; boundary=x", "--x\r\n\r\n--x--"),
            form("text/plain", "query=up"),
            form(urlencoded, &format!("query=up%23{}", "x".repeat(5000))),
            form(urlencoded, "query=up%2Bup%2Bup"),
            request("POST", "/api/v1/query?limit=1")
                .header("content-type", urlencoded)
                .body(Body::Chunked(vec![b"query=".to_vec(), b"up".to_vec()], vec![("x-end".into(), "1".into())])),
            get("/api/v1/query_exemplars?query=up"),
        ]
        .map(identified),
    );
    all
}

/// Whatever the verdict was: the upstream saw nothing, or a head without a query, or an enforced query.
#[track_caller]
fn assert_nothing_passed_unenforced(bench: &Bench, request: &Request) {
    if bench.upstream.peek(request).is_none() {
        return;
    }
    let recorded = bench.upstream.ended(request);
    assert!(!recorded.has("x-cluster") && !recorded.has("x-tenant-spoofed"), "{recorded:?}");
    let mut parameters = recorded.url_parameters();
    if recorded.end == End::Cut {
        assert!(parameters.is_empty() && recorded.body.is_empty(), "{recorded:?}");
        return;
    }
    parameters.extend(recorded.form_parameters());
    let queries: Vec<_> = parameters.iter().filter(|(name, _)| name == "query").collect();
    assert_eq!(queries.len(), 1, "{recorded:?}");
    for selector in queries[0].1.split('+') {
        let found = read(selector.trim());
        assert_eq!(found[0], exactly("tenant", "team-fruit"), "{recorded:?}");
        assert!([exactly("cluster", "c"), any_of("cluster", &["c", "d"])].contains(&found[1]), "{recorded:?}");
    }
}

#[test]
fn one_envoy_survives_everything_in_a_row_and_serves_the_next_tenant() {
    for listener in ["plain", "h2"] {
        for request in hazards() {
            let bench = BENCH.in_use();
            let mut connection = Connection::open(bench.port(listener));
            connection.write(&request.bytes());
            connection.read_head();
            assert_nothing_passed_unenforced(&bench, &request);
        }
    }
}

#[test]
fn one_envoy_survives_everything_at_once_over_both_protocols() {
    let bench = BENCH.in_use();
    std::thread::scope(|scope| {
        for ending in [Ending::OnLast, Ending::EmptyData] {
            for listener in ["plain", "h2"] {
                scope.spawn({
                    let bench = &bench;
                    move || {
                        for request in hazards() {
                            // A header that speaks of the connection is no header of HTTP/2.
                            if !request.headers.iter().any(|(name, _)| name == "connection") {
                                drop(send_h2(bench.port(listener), &request, ending));
                                assert_nothing_passed_unenforced(bench, &request);
                            }
                        }
                    }
                });
            }
        }
        scope.spawn(|| {
            for request in hazards() {
                let mut connection = Connection::open(bench.port("plain"));
                let bytes = request.bytes();
                // Every other client leaves in the middle.
                connection.write(&bytes[..bytes.len() / 2]);
            }
        });
    });
}
