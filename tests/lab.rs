//! The lab tests itself: what it records and sends is what the other tests believe.

use crate::support::bench::pairs;
use crate::support::client::{Body, Connection, Ending, get, post, request, send, send_h2};
use crate::support::data::END;
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster, validate};
use crate::support::prometheus::Prometheus;
use crate::support::upstream::{Answer, End, Framing, Step, Upstream};
use crate::support::{eventually, form, tokens};
use serde_json::json;
use std::sync::LazyLock;

static PLAIN: LazyLock<(Envoy, Upstream)> = LazyLock::new(|| {
    let upstream = Upstream::start();
    let listeners = [
        Listener::bare("plain"),
        Listener::bare("h2").cluster("upstream-h2"),
        Listener::bare("trailers").http1_trailers(),
        Listener::bare("jwt").jwt(),
        Listener::bare("lenient").lenient_jwt(),
    ];
    let clusters = vec![cluster("upstream", upstream.port, false), cluster("upstream-h2", upstream.port, true)];
    (Envoy::start(&bootstrap(&listeners, clusters)), upstream)
});

#[test]
fn the_upstream_records_a_post_byte_for_byte() {
    let (envoy, upstream) = &*PLAIN;
    for listener in ["plain", "h2"] {
        let sent = post("/a/b?x=%31", "query=up%7B%7D&y=1+2").header("x-bin", b"\xff\xfe");
        let response = send(envoy.port(listener), &sent);
        assert_eq!(response.status, 200);
        let seen = upstream.ended(&sent);
        assert_eq!((seen.method.as_str(), seen.path(), seen.raw_query()), ("POST", "/a/b".into(), "x=%31".into()));
        assert_eq!(seen.form_parameters(), pairs([("query", "up{}"), ("y", "1 2")]));
        assert_eq!(seen.end, End::Clean);
        assert!(seen.headers.contains(&("x-bin".into(), b"\xff\xfe".to_vec())), "{seen:?}");
    }
}

#[test]
fn trailers_and_chunks_arrive_over_http_1_and_2() {
    let (envoy, upstream) = &*PLAIN;
    let body = Body::Chunked(vec![b"que".to_vec(), b"ry=up".to_vec()], vec![("x-end".into(), "yes".into())]);
    for (port, over_http2) in [(envoy.port("trailers"), false), (envoy.port("plain"), true)] {
        let sent = request("POST", "/x").body(body.clone());
        let status = if over_http2 {
            send_h2(port, &sent, Ending::OnLast).expect("an answer").status
        } else {
            send(port, &sent).status
        };
        assert_eq!(status, 200);
        let seen = upstream.ended(&sent);
        assert_eq!(seen.body, b"query=up");
        assert_eq!(seen.trailers, [("x-end".to_owned(), b"yes".to_vec())]);
    }
}

#[test]
fn a_cut_request_is_recorded_as_cut() {
    let (envoy, upstream) = &*PLAIN;
    let sent = post("/cut", "0123456789");
    let mut connection = Connection::open(envoy.port("plain"));
    let bytes = sent.bytes();
    connection.write(&bytes[..bytes.len() - 4]);
    assert_eq!(upstream.begun(&sent).path(), "/cut");
    drop(connection);
    assert_eq!(upstream.ended(&sent).end, End::Cut);
    let reset = request("POST", "/reset").body(Body::Chunked(vec![b"abc".to_vec()], vec![]));
    drop(send_h2(envoy.port("plain"), &reset, Ending::Reset));
    if upstream.peek(&reset).is_some() {
        assert_eq!(upstream.ended(&reset).end, End::Cut);
    }
}

#[test]
fn the_upstream_answers_as_scripted() {
    let (envoy, upstream) = &*PLAIN;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let sent = get("/slow");
    let steps = vec![Step::Data(b"one".to_vec()), Step::Wait(gate.clone()), Step::Data(b"two".to_vec())];
    upstream.answer(&sent, Answer::json(200, "").chunked(steps));
    let mut connection = Connection::open(envoy.port("plain"));
    connection.write(&sent.bytes());
    let head = connection.read_head();
    gate.notify_one();
    let response = connection.read_body(head, "GET");
    assert_eq!((response.body.as_slice(), response.complete), (b"onetwo".as_slice(), true));

    let lie = get("/lie");
    upstream.answer(&lie, Answer::json(200, "short").framing(Framing::Claimed(50)));
    assert!(!send(envoy.port("plain"), &lie).complete);
    let cut = get("/cut-answer");
    upstream.answer(&cut, Answer::json(200, "").chunked(vec![Step::Data(b"one".to_vec()), Step::Cut]));
    assert!(!send(envoy.port("plain"), &cut).complete);
}

#[test]
fn envoy_accepts_our_tokens_and_no_others() {
    let (envoy, _) = &*PLAIN;
    let claims = json!({"tenants": ["a", null, 3]});
    let ask = |listener, token: &str| send(envoy.port(listener), &get("/").bearer(token)).status;
    assert_eq!(ask("jwt", &tokens::token(&claims)), 200);
    assert_eq!(ask("jwt", &tokens::forged_token(&claims)), 401);
    assert_eq!(ask("lenient", &tokens::forged_token(&claims)), 200);
    assert_eq!(send(envoy.port("jwt"), &get("/")).status, 200);
}

#[test]
fn processors_spend_their_time_on_who_works() {
    let (envoy, _) = &*PLAIN;
    let before = envoy.processor_time();
    eventually("a hundredth of a second of work", || {
        assert_eq!(send(envoy.port("plain"), &get("/")).status, 200);
        (envoy.processor_time() > before).then_some(())
    });
}

#[test]
fn validation_tells_a_good_bootstrap_from_a_bad_one() {
    let good = bootstrap(&[Listener::bare("plain")], vec![cluster("upstream", 1, false)]);
    validate(&good).expect("a good bootstrap");
    let mut bad = good;
    bad["static_resources"]["listeners"][0]["no_such_field"] = json!(1);
    assert!(validate(&bad).unwrap_err().contains("no_such_field"));
}

#[test]
fn prometheus_holds_what_was_written() {
    let own = Prometheus::own(&["a\"b", "é"], |_| true);
    let query = form::encode(r#"count by (tenant) ({tenant=~".+"})"#);
    let answer = send(own.port, &get(format!("/api/v1/query?query={query}&time={}", *END)));
    let tenants: Vec<_> = answer.json()["data"]["result"]
        .as_array()
        .unwrap_or_else(|| panic!("{}", own.log_tail()))
        .iter()
        .map(|series| series["metric"]["tenant"].clone())
        .collect();
    assert_eq!(tenants, ["a\"b", "é"]);
}
