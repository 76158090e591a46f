//! Answers: what is filtered, what is streamed, and that an answer which cannot be filtered never passes.

use crate::support::bench::{Bench, InUse, OURS, assert_refusal, by_header};
use crate::support::client::{Connection, Ending, Request, Response, get, post, send_h2};
use crate::support::envoy::Listener;
use crate::support::upstream::{Answer, Framing, Step};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use tokio::sync::Notify;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let with = |settings: Value| {
        let mut configuration = by_header();
        for (key, value) in settings.as_object().expect("settings") {
            configuration[key] = value.clone();
        }
        configuration
    };
    Bench::start([
        Listener::new("plain", by_header()),
        Listener::new("h2", by_header()).cluster("upstream-h2"),
        Listener::new("hold", with(json!({"hold_response_headers": true}))).stop_iteration(),
        Listener::new("small", with(json!({"limits": {"response_bytes": 2000}}))),
        Listener::new("small-hold", with(json!({"limits": {"response_bytes": 2000}, "hold_response_headers": true})))
            .stop_iteration(),
        Listener::new(
            "two-rules",
            json!({"labels": [{"name": "tenant", "header": "x-tenant"}, {"name": "cluster", "values": ["c1", "c2"]}]}),
        ),
        Listener::new(
            "lifted",
            json!({"labels": [{"name": "tenant", "header": "x-tenant", "danger_unrestricted": ["sre"]}]}),
        ),
        Listener::new("envoy-limit", by_header()).buffer_limit(4096),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn exemplars() -> Request {
    get("/api/v1/query_exemplars?query=up").header("x-tenant", "a")
}

/// One entry of an answer, of this tenant.
fn entry(tenant: &str, trace: &str) -> String {
    format!(
        r#"{{"seriesLabels":{{"__name__":"up","tenant":"{tenant}"}},"exemplars":[{{"labels":{{"trace_id":"{trace}"}},"value":"6","timestamp":1600096945.479}}]}}"#
    )
}

fn body(entries: &[String]) -> String {
    format!(r#"{{"status":"success","data":[{}]}}"#, entries.join(","))
}

/// Asks with this answer scripted.
fn ask(bench: &Bench, listener: &str, answer: Answer) -> Response {
    let request = exemplars();
    bench.upstream.answer(&request, answer);
    let response = bench.send(listener, &request);
    assert!(!response.text().contains("foreign"), "another tenant's data passed: {}", response.text());
    response
}

fn traces(response: &Response) -> Vec<String> {
    let json = response.json();
    let entries = json["data"].as_array().expect("a list").clone();
    entries
        .iter()
        .map(|entry| entry["exemplars"][0]["labels"]["trace_id"].as_str().expect("a trace").to_owned())
        .collect()
}

#[test]
fn exemplars_of_others_and_of_nobody_are_taken_out() {
    let bench = bench();
    let nobody = r#"{"seriesLabels":{"__name__":"up"},"exemplars":[{"labels":{"trace_id":"foreign"},"value":"1","timestamp":1}]}"#.to_owned();
    let text = body(&[
        entry("b", "foreign-1"),
        entry("a", "own-1"),
        nobody,
        entry("aa", "foreign-2"),
        entry("a", "own-2"),
        entry("", "foreign-3"),
    ]);
    for listener in ["plain", "h2", "hold", "small", "envoy-limit"] {
        let response = ask(&bench, listener, Answer::json(200, &text));
        assert_eq!(
            (response.status, response.complete, traces(&response)),
            (200, true, vec!["own-1".into(), "own-2".into()])
        );
        assert_eq!(response.json()["status"], "success");
    }
    for nothing in [body(&[]), body(&[entry("b", "foreign")]), r#"{"status":"success","data":null}"#.to_owned()] {
        let response = ask(&bench, "plain", Answer::json(200, nothing));
        assert_eq!(response.status, 200);
        assert!(response.json()["data"].as_array().is_none_or(Vec::is_empty), "{}", response.text());
    }
}

#[test]
fn every_rule_decides_about_an_entry() {
    let bench = bench();
    let with = |cluster: &str, trace: &str| {
        entry("a", trace).replace(r#""tenant":"a""#, &format!(r#""tenant":"a","cluster":"{cluster}""#))
    };
    let text = body(&[with("c1", "own-1"), with("c3", "foreign-1"), entry("a", "foreign-2"), with("c2", "own-2")]);
    assert_eq!(traces(&ask(&bench, "two-rules", Answer::json(200, text))), ["own-1", "own-2"]);
}

#[test]
fn a_label_given_twice_or_escaped_hides_nothing() {
    let bench = bench();
    let twice = entry("b", "foreign-1").replace(r#""tenant":"b""#, r#""tenant":"a","tenant":"b""#);
    let text = body(&[
        entry("a", "own").replace("tenant", "te\\u006eant"),
        entry("b", "foreign-2").replace("tenant", "te\\u006eant"),
        twice,
    ]);
    let response = ask(&bench, "plain", Answer::json(200, text));
    assert!([200, 502].contains(&response.status));
}

#[test]
fn an_answer_is_edited_and_not_rebuilt() {
    let bench = bench();
    let own = r#"{"unknown":1e3,"seriesLabels":{"tenant":"a","__name__":"up"},"exemplars":[{"value":"1","timestamp":1.50,"labels":{}}]}"#;
    let text = format!(r#"{{"zeta":12345678901234567890,"status":"success","data":[{own}],"alpha":1.0}}"#);
    let response = ask(&bench, "plain", Answer::json(200, &text));
    assert_eq!(response.text(), text);
}

#[test]
fn the_upstream_is_asked_for_an_answer_that_can_be_read() {
    let bench = bench();
    let recorded = bench.forwarded("plain", &exemplars().header("accept-encoding", "gzip, br"));
    assert!(recorded.all("accept-encoding").iter().all(|value| value == "identity"), "{recorded:?}");
}

#[test]
fn warnings_and_error_texts_of_a_filtered_endpoint_are_constant() {
    let bench = bench();
    let text = format!(
        r#"{{"status":"success","data":[{}],"warnings":["store foreign-1 is down"],"infos":["foreign-2"]}}"#,
        entry("a", "own")
    );
    let response = ask(&bench, "plain", Answer::json(200, text));
    assert_eq!(traces(&response), ["own"]);
    let error = r#"{"status":"error","errorType":"execution","error":"store foreign says no"}"#;
    for status in [400, 422, 500, 503] {
        let response = ask(&bench, "plain", Answer::json(status, error));
        assert_eq!(response.status, status);
        assert_eq!((&response.json()["status"], &response.json()["errorType"]), (&json!("error"), &json!("execution")));
    }
}

#[test]
fn an_answer_without_content_passes() {
    let bench = bench();
    for listener in ["plain", "hold", "h2"] {
        let response = ask(&bench, listener, Answer::nothing());
        assert_eq!((response.status, response.text().as_str()), (204, ""), "{listener}");
    }
    // HTTP/2 lets a body follow all the same.
    let more = Answer { status: 204, ..Answer::json(200, body(&[entry("b", "foreign")])) };
    let response = ask(&bench, "h2", more);
    assert!(!response.text().contains("foreign"), "{response:?}");
}

#[test]
fn an_answer_whose_headers_show_that_it_cannot_be_filtered_is_502() {
    let bench = bench();
    let text = body(&[entry("b", "foreign")]);
    for answer in [
        Answer::json(200, &text).header("content-encoding", "gzip"),
        Answer::json(200, &text).header("content-type", "text/html"),
        Answer::json(200, &text).header("content-type", "application/x-protobuf"),
    ] {
        for listener in ["plain", "hold", "h2"] {
            assert_refusal(&ask(&bench, listener, answer.clone()), 502, OURS, "an answer that cannot be filtered");
        }
    }
    let long = body(&[entry("b", &format!("foreign{}", "x".repeat(3000)))]);
    assert_refusal(&ask(&bench, "small", Answer::json(200, &long)), 502, OURS, "an answer over the limit");
}

#[test]
fn an_answer_whose_body_cannot_be_filtered_is_replaced_whole() {
    let bench = bench();
    let good = body(&[entry("b", "foreign")]);
    let mut cut = good.clone();
    cut.truncate(good.len() - 3);
    for text in [
        "foreign",
        "",
        "[]",
        "{}x",
        r#"{"status":"success","data":"foreign"}"#,
        r#"{"status":"success","data":{"foreign":1}}"#,
        cut.as_str(),
        "{\"data\":[\"foreign\"]}",
        "\u{feff}{}",
        "null",
    ] {
        let answer = Answer::json(200, "").chunked(vec![Step::Data(text.as_bytes().to_vec())]);
        let answer = if text.is_empty() { Answer::json(200, "").chunked(Vec::new()) } else { answer };
        let response = ask(&bench, "plain", answer.clone());
        assert_eq!(response.status, 200, "{text}");
        assert_eq!(
            (&response.json()["status"], &response.json()["errorType"]),
            (&json!("error"), &json!(OURS)),
            "{text}"
        );
        assert_refusal(&ask(&bench, "hold", answer), 502, OURS, text);
    }
}

#[test]
fn an_answer_that_grows_over_the_limit_is_replaced_whole() {
    let bench = bench();
    let steps: Vec<Step> = (0..50).map(|_| Step::Data(entry("b", "foreign").into_bytes())).collect();
    let answer = Answer::json(200, "").chunked(steps);
    let response = ask(&bench, "small", answer.clone());
    assert_eq!((response.status, &response.json()["errorType"]), (200, &json!(OURS)));
    assert_refusal(&ask(&bench, "small-hold", answer), 502, OURS, "over the limit while it is held");
}

#[test]
fn an_answer_larger_than_envoys_buffer_is_filtered() {
    let bench = bench();
    let entries: Vec<String> =
        (0..5000).map(|number| if number % 2 == 0 { entry("a", "own") } else { entry("b", "foreign") }).collect();
    for listener in ["envoy-limit", "plain"] {
        let response = ask(&bench, listener, Answer::json(200, body(&entries)));
        assert_eq!(traces(&response).len(), 2500);
    }
}

#[test]
fn an_answer_that_is_cut_never_passes_in_part() {
    let bench = bench();
    let text = body(&[entry("a", "own"), entry("b", "foreign")]);
    for listener in ["plain", "h2", "hold"] {
        for answer in [
            Answer::json(200, "").chunked(vec![Step::Data(text.clone().into_bytes()), Step::Cut]),
            Answer::json(200, &text).framing(Framing::Claimed(5000)),
        ] {
            let request = exemplars();
            bench.upstream.answer(&request, answer);
            let mut connection = Connection::open(bench.port(listener));
            connection.write(&request.bytes());
            let everything = {
                let head = connection.read_head();
                let response = connection.read_body(head, "GET");
                format!("{response:?} {}", response.text())
            };
            assert!(!everything.contains("foreign"), "{everything}");
        }
    }
}

#[test]
fn an_answer_with_trailers_is_filtered_or_fails_but_never_passes() {
    let bench = bench();
    let text = body(&[entry("a", "own"), entry("b", "foreign")]);
    for listener in ["plain", "h2", "hold"] {
        let mut answer = Answer::json(200, "").chunked(vec![Step::Data(text.clone().into_bytes())]);
        answer.trailers = vec![("x-foot".into(), "1".into())];
        let request = exemplars();
        bench.upstream.answer(&request, answer);
        let response = send_h2(bench.port(listener), &request, Ending::OnLast).expect("an answer");
        assert!(!response.text().contains("foreign"), "{listener}: {}", response.text());
        assert_eq!(response.trailers, [], "{listener}: nobody has read what they say");
    }
}

#[test]
fn an_answer_of_which_nobody_reads_a_body_gets_none_of_ours() {
    let bench = bench();
    for listener in ["plain", "hold", "h2"] {
        let request = exemplars();
        let answer = Answer { status: 304, framing: Framing::Nothing, ..Answer::json(304, "") };
        bench.upstream.answer(&request, answer);
        let mut connection = Connection::open(bench.port(listener));
        assert_refusal(&connection.send(&request), 502, OURS, "an answer to a condition that nobody made");
        let next = exemplars();
        bench.upstream.answer(&next, Answer::json(200, body(&[entry("a", "own")])));
        assert_eq!(traces(&connection.send(&next)), ["own"], "{listener}: the next answer on the connection");
    }
}

#[test]
fn a_lifted_rule_filters_nothing() {
    let bench = bench();
    let text = body(&[entry("a", "one"), entry("b", "two")]);
    let request = get("/api/v1/query_exemplars?query=up").header("x-tenant", "sre");
    bench.upstream.answer(&request, Answer::json(200, &text));
    assert_eq!(bench.send("lifted", &request).text(), text);
}

#[test]
fn the_filter_is_bound_to_the_request_also_for_a_post() {
    let bench = bench();
    let request = post("/api/v1/query_exemplars", "query=up").header("x-tenant", "a");
    bench.upstream.answer(&request, Answer::json(200, body(&[entry("b", "foreign"), entry("a", "own")])));
    assert_eq!(traces(&bench.send("plain", &request)), ["own"]);
    let request = get("/api/v1/%71uery_exemplars?query=up").header("x-tenant", "a");
    bench.upstream.answer(&request, Answer::json(200, body(&[entry("b", "foreign"), entry("a", "own")])));
    assert_eq!(traces(&bench.send("plain", &request)), ["own"]);
}

#[test]
fn other_answers_are_streamed_as_they_come() {
    let bench = bench();
    for listener in ["plain", "hold", "h2"] {
        let gate = Arc::new(Notify::new());
        let request = get("/api/v1/query?query=up").header("x-tenant", "a").header("accept-encoding", "gzip");
        let steps = vec![Step::Data(b"first ".to_vec()), Step::Wait(Arc::clone(&gate)), Step::Data(b"second".to_vec())];
        let answer = Answer::json(422, "").chunked(steps).header("content-encoding", "gzip").header("x-own", "1");
        bench.upstream.answer(&request, answer);
        let mut connection = Connection::open(bench.port(listener));
        connection.write(&request.bytes());
        // The head comes while the upstream still waits.
        let head = connection.read_head();
        assert_eq!(
            (head.status, head.header("content-encoding"), head.header("x-own")),
            (422, Some("gzip"), Some("1"))
        );
        gate.notify_one();
        assert_eq!(connection.read_body(head, "GET").text(), "first second");
    }
}

#[test]
fn errors_of_the_upstream_on_other_endpoints_pass_as_they_are() {
    let bench = bench();
    let error = r#"{"status":"error","errorType":"execution","error":"query timed out","warnings":["w"]}"#;
    let request = get("/api/v1/query?query=up").header("x-tenant", "a");
    bench.upstream.answer(&request, Answer::json(503, error));
    let response = bench.send("plain", &request);
    assert_eq!((response.status, response.text()), (503, error.to_owned()));
}

#[test]
fn the_limits_of_answers_hold_at_their_edges() {
    let mut raised = by_header();
    raised["limits"] = json!({"response_bytes": 128 << 20, "buffered_bytes": 384 << 20});
    for (configuration, response_bytes, held) in [(by_header(), 64 << 20, 4), (raised, 128 << 20, 3)] {
        // Its own Envoy: the count belongs to the VM, and its memory is not given back before it ends.
        let own = Bench::start([Listener::new("plain", configuration)]);
        let bench = own.in_use();
        // An answer that fits just so, and one of a byte more.
        let frame = body(&[entry("a", "")]).len();
        let whole = body(&[entry("a", &"x".repeat(response_bytes - frame))]);
        let response = ask(&bench, "plain", Answer::json(200, &whole));
        assert_eq!((response.status, response.body.len()), (200, response_bytes));
        let longer = Answer::json(200, "").framing(Framing::Claimed(response_bytes + 1));
        let refusal = ask(&bench, "plain", longer);
        assert_refusal(&refusal, 502, OURS, "an answer of one byte too many");
        assert!(refusal.text().contains("limits.response_bytes"), "{}", refusal.text());
        // So many such answers are announced, which is all that may be held, and one more of a few bytes.
        let gate = Arc::new(Notify::new());
        let slow = || {
            let request = exemplars();
            let steps = vec![Step::Data(b"{".to_vec()), Step::Wait(Arc::clone(&gate))];
            let framing = Framing::Claimed(response_bytes);
            bench.upstream.answer(&request, Answer { framing, ..Answer::json(200, "").chunked(steps) });
            let mut connection = Connection::open(bench.port("plain"));
            connection.write(&request.bytes());
            assert_eq!(connection.read_head().status, 200);
            connection
        };
        let mut connections: Vec<Connection> = (0..held).map(|_| slow()).collect();
        let small = || ask(&bench, "plain", Answer::json(200, body(&[entry("a", "own")])));
        let refusal = small();
        assert_refusal(&refusal, 503, OURS, "an answer beyond what may be held");
        assert!(refusal.text().contains("limits.buffered_bytes"), "{}", refusal.text());
        connections.pop();
        crate::support::eventually("room for a small answer", || (small().status == 200).then_some(()));
    }
}

#[test]
fn what_is_held_for_filtering_is_counted_for_all_streams_and_given_back() {
    // Its own Envoy: the count belongs to the VM.
    let mut configuration = by_header();
    configuration["limits"] = json!({"response_bytes": 100_000, "buffered_bytes": 100_000});
    let own = Bench::start([Listener::new("plain", configuration)]);
    let bench = own.in_use();
    let text = body(&[entry("a", &"x".repeat(70_000))]);
    let gate = Arc::new(Notify::new());
    let (start, rest) = text.split_at(60_000);
    let slow = |gate: &Arc<Notify>| {
        let steps = vec![Step::Data(start.into()), Step::Wait(Arc::clone(gate)), Step::Data(rest.into())];
        Answer { framing: Framing::Length, ..Answer::json(200, "").chunked(steps) }
    };
    let first = exemplars();
    bench.upstream.answer(&first, slow(&gate));
    let mut connection = Connection::open(bench.port("plain"));
    connection.write(&first.bytes());
    let head = connection.read_head();
    assert_eq!(head.status, 200);
    // Its length was announced, so there is no room for a second one.
    assert_refusal(&ask(&bench, "plain", Answer::json(200, &text)), 503, OURS, "the second of two large answers");
    gate.notify_one();
    assert_eq!(traces(&connection.read_body(head, "GET")).len(), 1);
    assert_eq!(ask(&bench, "plain", Answer::json(200, &text)).status, 200);
    // A client that leaves gives back what was held for it.
    for _ in 0..3 {
        let request = exemplars();
        bench.upstream.answer(&request, slow(&Arc::new(Notify::new())));
        let mut leaving = Connection::open(bench.port("plain"));
        leaving.write(&request.bytes());
        assert_eq!(leaving.read_head().status, 200);
        drop(leaving);
        crate::support::eventually("the memory of a client that left", || {
            (ask(&bench, "plain", Answer::json(200, &text)).status == 200).then_some(())
        });
    }
}
