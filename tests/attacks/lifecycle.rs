//! The life of connections and streams: what comes too early, too slowly, in parts, all at once, or not at all.

use super::ALL;
use super::field::{EVE, FIELD, SCRIPTED, VICTIM, open};
use super::hop::objection;
use super::owner::Owner;
use super::secrets;
use crate::support::bench::Bench;
use crate::support::client::{Body, Connection, Request, chunk, get, post, request};
use crate::support::envoy::Listener;
use crate::support::form::encode;
use crate::support::upstream::{Answer, End, Framing, Step};
use crate::support::{PATIENCE, RUNTIME, eventually};
use serde_json::json;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use tokio::sync::Notify;

const FORM: &str = "application/x-www-form-urlencoded";

/// What each tries, and how.
const ATTACKS: [(&str, fn()); 19] = [
    ("two tenants in turn on one connection", two_tenants_on_one_connection),
    ("two tenants at once on one connection, by HTTP/2", two_tenants_at_once),
    ("a request of another tenant behind a refused one", another_tenant_behind_a_refusal),
    ("a request of another tenant behind a slow form", another_tenant_behind_a_slow_form),
    ("a form byte by byte", a_form_byte_by_byte),
    ("a client that leaves in the middle of its form", a_client_that_leaves),
    ("a client that leaves behind its head", a_client_that_leaves_behind_its_head),
    ("a form that is announced and refused", a_form_that_waits_to_go_on),
    ("a form that goes on without being asked to", a_form_that_does_not_wait),
    ("an answer in front of the form", an_answer_in_front_of_the_form),
    ("a filtered answer in front of the form", a_filtered_answer_in_front_of_the_form),
    ("an upstream that hangs up", an_upstream_that_hangs_up),
    ("an upstream that hangs up in its answer", an_upstream_that_hangs_up_in_its_answer),
    ("clients that leave in large answers", clients_that_leave_in_large_answers),
    ("a hundred streams that are reset", streams_that_are_reset),
    ("a hundred heads without an end", heads_without_an_end),
    ("forty large answers at once", forty_large_answers),
    ("an answer of 200 MB", an_answer_of_200_megabytes),
    ("an answer of 50 MB without its warnings", a_large_answer_that_is_scrubbed),
];

/// How many there are.
pub(super) const COUNT: usize = ATTACKS.len();

fn everything(bearer: &str) -> Request {
    get(format!("/api/v1/query?query={}", encode(ALL))).bearer(bearer)
}

fn form() -> Request {
    request("POST", "/api/v1/labels?limit=7").bearer(&EVE).header("content-type", FORM)
}

/// Nothing of `request` went on, or what may.
#[track_caller]
fn assert_harmless(bench: &Bench, request: &Request) {
    for recorded in bench.upstream.all_of(request) {
        assert_eq!(objection(&recorded, &Owner::eve()), None);
    }
}

/// What came back holds nothing of the victim's.
#[track_caller]
fn assert_silent(bytes: &[u8]) {
    assert_eq!(secrets::find(bytes), None);
}

fn two_tenants_on_one_connection() {
    let mut connection = Connection::open(FIELD.bench.port("jwt"));
    let all: Vec<Request> = [&*EVE, &*VICTIM].into_iter().cycle().take(8).map(|bearer| everything(bearer)).collect();
    connection.write(&all.iter().flat_map(Request::bytes).collect::<Vec<_>>());
    for (place, request) in all.iter().enumerate() {
        let answer = connection.read("GET");
        assert_eq!(answer.status, 200);
        let found = secrets::find(&answer.body);
        assert_eq!(found.is_some(), place % 2 == 1, "answer {place}: {found:?}");
        assert!(place % 2 == 1 || answer.text().contains("eves"), "{}", answer.text());
        assert_eq!(FIELD.bench.upstream.all_of(request).len(), 1);
    }
}

fn two_tenants_at_once() {
    let exchange = async {
        let stream =
            tokio::net::TcpStream::connect(("127.0.0.1", FIELD.bench.port("jwt"))).await.expect("a connection");
        // Answers are read one by one, and must not wait for each other.
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(64 << 20);
        let (client, connection) = builder.handshake::<_, bytes::Bytes>(stream).await.expect("a handshake");
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for place in 0..40 {
            let bearer = if place % 2 == 0 { &EVE } else { &VICTIM };
            let head = http::Request::builder()
                .uri(format!("http://lab/api/v1/query?query={}", encode(ALL)))
                .header("x-lab-id", format!("lab-both-{place}"))
                .header("authorization", format!("Bearer {}", **bearer));
            let mut client = client.clone().ready().await.expect("a stream");
            answers.push(client.send_request(head.body(()).expect("a request"), true).expect("it goes out").0);
        }
        for (place, answer) in answers.into_iter().enumerate() {
            let (head, mut body) = answer.await.expect("an answer").into_parts();
            let mut bytes = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.expect("a frame");
                drop(body.flow_control().release_capacity(data.len()));
                bytes.extend_from_slice(&data);
            }
            assert_eq!(head.status, 200);
            assert_eq!(secrets::find(&bytes).is_some(), place % 2 == 1, "answer {place}");
        }
    };
    RUNTIME.block_on(async { tokio::time::timeout(PATIENCE, exchange).await.expect("answers in time") });
}

fn another_tenant_behind_a_refusal() {
    let mut connection = Connection::open(FIELD.bench.port("jwt"));
    for refused in ["/api/v1/status/config", "/api/v1/query?query=up%7B", "/api/v1/query?query=up&query=down"] {
        let answers = [get(refused).bearer(&VICTIM), everything(&EVE)].map(|request| connection.send(&request));
        assert!(answers[0].status >= 400 && answers[1].status == 200, "{answers:?}");
    }
    assert_silent(connection.received());
}

fn another_tenant_behind_a_slow_form() {
    let bench = &FIELD.bench;
    let victims = post("/api/v1/query", "query=up").bearer(&VICTIM).bytes();
    let (start, end) = victims.split_at(victims.len() - 2);
    let mut slow = Connection::open(bench.port("jwt"));
    slow.write(start);
    let mut other = Connection::open(bench.port("jwt"));
    assert_silent(&other.send(&everything(&EVE)).body);
    // What is behind the form on its connection is a request of its own.
    let behind = everything(&EVE);
    slow.write(&[end, &behind.bytes()].concat());
    assert!(secrets::find(&slow.read("POST").body).is_some(), "the victim is answered");
    assert_silent(&slow.read("GET").body);
    assert_harmless(bench, &behind);
}

fn a_form_byte_by_byte() {
    let bench = &FIELD.bench;
    let text = format!("match[]={}", encode(r#"{tenant="victim"}"#));
    let request = form().header("content-length", text.len().to_string());
    let mut connection = Connection::open(bench.port("jwt"));
    request.head_bytes().chunks(1).chain(text.as_bytes().chunks(1)).for_each(|byte| connection.write(byte));
    assert_eq!(connection.read("POST").status, 200);
    assert_silent(connection.received());
    assert_harmless(bench, &request);
}

fn a_client_that_leaves() {
    let bench = &FIELD.bench;
    for part in [&b"match[]"[..], b"match[]=up", b"match[]=up&", b""] {
        let request = form().header("content-length", "40");
        let mut connection = Connection::open(bench.port("jwt"));
        connection.write(&[&request.head_bytes(), part].concat());
        // The head is there, so the rest is under way.
        bench.upstream.begun(&request);
        drop(connection);
        assert_harmless(bench, &request);
        assert_eq!(bench.upstream.ended(&request).end, End::Cut);
    }
}

fn a_client_that_leaves_behind_its_head() {
    let bench = &FIELD.bench;
    for request in [everything(&EVE), get("/api/v1/rules").bearer(&EVE), get("/api/v1/targets").bearer(&EVE)] {
        Connection::open(bench.port("jwt")).write(&request.bytes());
        assert_harmless(bench, &request);
    }
}

fn a_form_that_waits_to_go_on() {
    let bench = &FIELD.bench;
    let request = form().header("expect", "100-continue").header("content-length", "11");
    let mut connection = Connection::open(bench.port("jwt"));
    connection.write(&request.head_bytes());
    assert!(connection.read_interim().starts_with("HTTP/1.1 100"));
    connection.write(b"match[]=up{");
    assert_eq!(connection.read("POST").status, 400);
    assert_silent(connection.received());
    assert_harmless(bench, &request);
}

fn a_form_that_does_not_wait() {
    let bench = &FIELD.bench;
    for path in ["/api/v1/labels", "/api/v1/status/config"] {
        let request = request("POST", path).bearer(&EVE).header("content-type", FORM).header("expect", "100-continue");
        let request = request.body(Body::Length(b"match[]=up".to_vec()));
        let mut connection = Connection::open(bench.port("jwt"));
        connection.write(&request.bytes());
        connection.read_head();
        assert_silent(connection.received());
        assert_harmless(bench, &request);
    }
}

/// The upstream answers as soon as it has the head, with everything of everybody's.
fn an_early_answer(target: &str, listener: &str) {
    let bench = &*SCRIPTED;
    let request =
        request("POST", target).bearer(&EVE).header("content-type", FORM).header("transfer-encoding", "chunked");
    let answer = Answer::json(200, r#"{"status":"success","data":["xhushqzx_early"]}"#);
    bench.upstream.answer(&request, Answer { early: true, ..answer });
    let mut connection = Connection::open(bench.port(listener));
    connection.write(&[request.head_bytes(), chunk(b"match[]=")].concat());
    let answer = connection.read("POST");
    assert!(answer.status >= 500, "{answer:?}");
    connection.write(&[chunk(b"up"), b"0\r\n\r\n".to_vec()].concat());
    assert_silent(connection.received());
    assert_harmless(bench, &request);
}

fn an_answer_in_front_of_the_form() {
    ["jwt", "hold", "scrub"].into_iter().for_each(|listener| an_early_answer("/api/v1/labels", listener));
}

fn a_filtered_answer_in_front_of_the_form() {
    ["jwt", "hold"].into_iter().for_each(|listener| an_early_answer("/api/v1/query_exemplars", listener));
}

fn an_upstream_that_hangs_up() {
    let bench = &*SCRIPTED;
    for target in ["/api/v1/query?query=up", "/api/v1/rules"] {
        for listener in ["jwt", "hold", "h2"] {
            let request = get(target).bearer(&EVE);
            bench
                .upstream
                .answer(&request, Answer { framing: Framing::Raw, steps: vec![Step::Cut], ..Answer::nothing() });
            let answer = Connection::open(bench.port(listener)).send(&request);
            // Over HTTP/2 there is a head, and nothing behind it.
            assert!(answer.status >= 500 || !answer.complete || answer.body.is_empty(), "{answer:?}");
            assert_harmless(bench, &request);
        }
    }
}

fn an_upstream_that_hangs_up_in_its_answer() {
    let bench = &*SCRIPTED;
    let text = r#"{"status":"success","data":{"groups":[{"name":"xhushqzx_cut","rules":["#;
    for listener in ["jwt", "hold", "h2", "shared-rules"] {
        let request = get("/api/v1/rules").bearer(&EVE);
        let steps = vec![Step::Data(text.into()), Step::Again(b"{\"labels\":{}},".to_vec(), 1_000), Step::Cut];
        bench.upstream.answer(&request, Answer::json(200, "").chunked(steps));
        let mut connection = Connection::open(bench.port(listener));
        connection.write(&request.bytes());
        let head = connection.read_head();
        connection.read_body(head, "GET");
        assert_silent(connection.received());
    }
}

/// A rule of the attacker's behind `times` of the victim's, each of 64 KiB.
fn large_rules(times: usize) -> Vec<Step> {
    let rule = |tenant: &str, word: &str| format!(r#"{{"labels":{{"tenant":"{tenant}"}},"query":"{word}"}}"#);
    let long = rule("victim", &format!("xhushqzx_{}", "x".repeat(1 << 16))) + ",";
    vec![
        Step::Data(br#"{"status":"success","data":{"groups":[{"name":"g","file":"f","rules":["#.to_vec()),
        Step::Again(long.into_bytes(), times),
        Step::Data(format!("{}]}}]}}}}", rule("eve", "eves-own")).into_bytes()),
    ]
}

/// Envoys of their own, because memory is measured, or is not given back.
static LARGE: LazyLock<Bench> = LazyLock::new(|| {
    let limits = json!({"response_bytes": 4 << 20, "buffered_bytes": 64 << 20});
    Bench::start([
        Listener::new("jwt", open(json!({"limits": limits}))).jwt().close_soon(),
        Listener::new("scrub", open(json!({"warnings": "scrub"}))).jwt().close_soon(),
    ])
});

fn clients_that_leave_in_large_answers() {
    let bench = LARGE.in_use();
    // Together they would hold more than may be held.
    for _ in 0..100 {
        let request = get("/api/v1/rules").bearer(&EVE);
        let mut steps = large_rules(40);
        steps.insert(2, Step::Wait(Arc::new(Notify::new())));
        bench.upstream.answer(&request, Answer { steps, ..Answer::json(200, "") });
        let mut connection = Connection::open(bench.port("jwt"));
        connection.write(&request.bytes());
        assert_eq!(connection.read_head().status, 200);
    }
    eventually("all to have left", || {
        (bench.envoy.statistics().get("http.jwt.downstream_rq_active") == Some(&0)).then_some(())
    });
    let request = get("/api/v1/rules").bearer(&EVE);
    bench.upstream.answer(&request, Answer { steps: large_rules(40), ..Answer::json(200, "") });
    let answer = bench.send("jwt", &request);
    assert!(answer.text().contains("eves-own"), "what others left is still counted: {}", answer.text());
    assert_silent(&answer.body);
}

fn streams_that_are_reset() {
    let bench = FIELD.bench.in_use();
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", bench.port("jwt"))).await.expect("a connection");
        let (client, connection) = h2::client::handshake(stream).await.expect("a handshake");
        tokio::spawn(connection);
        for place in 0..100 {
            let Ok(mut client) = client.clone().ready().await else { break };
            let path = if place % 2 == 0 { "/api/v1/rules" } else { "/api/v1/labels" };
            let head = http::Request::builder()
                .method(if place % 2 == 0 { "GET" } else { "POST" })
                .uri(format!("http://lab{path}"))
                .header("x-lab-id", "lab-reset")
                .header("content-type", FORM)
                .header("authorization", format!("Bearer {}", *EVE));
            let Ok((_, mut body)) = client.send_request(head.body(()).expect("a request"), false) else { break };
            body.send_reset(h2::Reason::CANCEL);
        }
    };
    RUNTIME.block_on(exchange);
    let asked = Request { id: "lab-reset".into(), ..get("/") };
    assert_harmless(&bench, &asked);
}

fn heads_without_an_end() {
    let bench = FIELD.bench.in_use();
    let open: Vec<Connection> = (0..100)
        .map(|_| {
            let mut connection = Connection::open(bench.port("jwt"));
            connection.write(b"POST /api/v1/query HTTP/1.1\r\nhost: lab\r\nx-lab-id: lab-head\r\nx: ");
            connection
        })
        .collect();
    assert_eq!(bench.send("jwt", &everything(&EVE)).status, 200);
    drop(open);
    let asked = Request { id: "lab-head".into(), ..get("/") };
    assert!(bench.upstream.all_of(&asked).is_empty());
}

fn forty_large_answers() {
    let bench = LARGE.in_use();
    let gate = || Arc::new(Notify::new());
    // 2 MiB each, of which 32 fit into 64 MiB and a little less.
    let requests: Vec<(Request, Arc<Notify>)> = (0..40).map(|_| (get("/api/v1/rules").bearer(&EVE), gate())).collect();
    let (busy, full) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (request, gate) in &requests {
            let mut steps = large_rules(32);
            steps.insert(2, Step::Wait(Arc::clone(gate)));
            bench.upstream.answer(request, Answer { steps, ..Answer::json(200, "") });
            scope.spawn(|| {
                let answer = bench.send("jwt", request);
                assert_silent(&answer.body);
                match answer.status {
                    503 => busy.fetch_add(1, Ordering::Relaxed),
                    _ => full.fetch_add(usize::from(answer.text().contains("eves-own")), Ordering::Relaxed),
                };
            });
        }
        eventually("those that do not fit to be refused", || (busy.load(Ordering::Relaxed) >= 9).then_some(()));
        requests.iter().for_each(|(_, gate)| gate.notify_one());
    });
    assert_eq!((full.into_inner(), busy.into_inner()), (31, 9));
}

/// Streams so many chunks of 1 MiB and looks at Envoy's memory meanwhile.
fn stream(listener: &str, start: &str, megabyte: Vec<u8>, times: usize, end: &str) {
    let bench = LARGE.in_use();
    let request = get("/api/v1/query?query=up").bearer(&EVE).header("connection", "close");
    let steps = vec![Step::Data(start.into()), Step::Again(megabyte, times), Step::Data(end.into())];
    bench.upstream.answer(&request, Answer { steps, ..Answer::json(200, "") });
    let before = bench.envoy.resident();
    let mut connection = Connection::open(bench.port(listener));
    connection.write(&request.bytes());
    let mut most = 0;
    let total = connection.count_to_end(|total| {
        if total >> 24 > most >> 24 {
            let more = bench.envoy.resident().saturating_sub(before);
            assert!(more < 32 << 20, "{more} bytes more after {total}");
        }
        most = total;
    });
    assert!(total > times << 20, "{total}");
}

fn an_answer_of_200_megabytes() {
    stream("jwt", r#"{"status":"success","data":[""#, vec![b'x'; 1 << 20], 200, r#""]}"#);
}

fn a_large_answer_that_is_scrubbed() {
    let part = [b"\"".to_vec(), vec![b'x'; (1 << 20) - 3], b"\",".to_vec()].concat();
    stream("scrub", r#"{"status":"success","warnings":["xhushqzx"],"data":["#, part, 50, r#"""]}"#);
}

#[test]
fn life_cycle() {
    let failures: Vec<String> = ATTACKS
        .iter()
        .filter_map(|(name, attack)| {
            let panic = catch_unwind(attack).err()?;
            let told = panic.downcast_ref::<String>().cloned();
            Some(format!(
                "\n- {name}: {}",
                told.or_else(|| Some((*panic.downcast_ref::<&str>()?).into())).unwrap_or_default()
            ))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {COUNT} attacks:{}", failures.len(), failures.concat());
    for bench in [&FIELD.bench, &*SCRIPTED, &*LARGE] {
        drop(bench.in_use());
    }
}
