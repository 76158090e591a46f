//! A configuration that changes while clients keep asking: each answer is that of the old or of the new policy, and none
//! fails. Two plugins in one VM keep theirs.

use super::matchers::{Matcher, exactly, read};
use crate::support::bench::{Bench, OURS, assert_refusal, only};
use crate::support::client::{Body, Connection, Request, chunk, get, post, request, send};
use crate::support::envoy::{Listener, PLUGIN};
use crate::support::eventually;
use crate::support::updated::{Discovery, UPDATED, Updated};
use crate::support::upstream::{Answer, End, Framing, Recorded, Step, Upstream};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A query is long, or slow, before so many requests have been answered.
const ENOUGH: usize = 60;

/// How many policies take each other's place under load.
const POLICIES: usize = 5;

/// No two enforce the same label, so nothing that is half of one and half of another looks like a third.
fn policy(number: usize) -> Value {
    json!({"labels": [{"name": format!("tenant{number}"), "values": ["only"]}]})
}

fn listener(number: usize) -> Listener {
    Listener::new(UPDATED, policy(number))
}

/// The policy that wrote the one matcher of this expression.
#[track_caller]
fn author(expression: &str) -> usize {
    let matchers = read(expression);
    let [(label, _, _)] = matchers.as_slice() else { panic!("not one policy's: {expression}") };
    label.strip_prefix("tenant").and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("whose? {expression}"))
}

/// An answer to `query_exemplars` with one entry for each policy.
fn everybodys_exemplars() -> Answer {
    let entry = |number| json!({"seriesLabels": {format!("tenant{number}"): "only"}, "exemplars": []});
    let data: Vec<Value> = (0..POLICIES).map(entry).collect();
    Answer::json(200, json!({"status": "success", "data": data}).to_string())
}

/// How Envoy learns of a change, and how it shows that it has.
impl Discovery {
    /// The statistic that rises when a file is taken.
    fn taken(self) -> String {
        match self {
            Self::Listener => "listener_manager.lds.update_success".into(),
            Self::Filter => format!("extension_config_discovery.http_filter.{PLUGIN}.config_reload"),
        }
    }

    /// The statistic that rises when a file is refused.
    fn refused(self) -> String {
        match self {
            Self::Listener => "listener_manager.lds.update_rejected".into(),
            Self::Filter => format!("extension_config_discovery.http_filter.{PLUGIN}.config_fail"),
        }
    }

    /// Returns when the file that was taken is all that is served, on connections old and new.
    fn settle(self, lab: &Updated) {
        if self == Self::Listener {
            let draining = ["listener_manager.total_filter_chains_draining", "listener_manager.total_listeners_draining"];
            eventually("the old listener to be gone", || {
                draining.iter().all(|name| lab.statistic(name) == 0).then_some(())
            });
        }
    }
}

/// One answer that a client got.
#[derive(Debug)]
struct Seen {
    policy: usize,
    sent: Instant,
    answered: Instant,
    /// Which of the client's connections.
    connection: usize,
}

/// Clients that keep sending until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Seen>>>,
}

impl Load {
    /// Four clients that keep their connections, and two that open one for each request.
    fn start(lab: &Updated) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = [true, true, true, true, false, false].map(|keeps| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let (upstream, port) = (lab.upstream.clone(), lab.envoy.port(UPDATED));
            thread::spawn(move || {
                let mut connection = Connection::open(port);
                let (mut number, mut seen) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let (policy, closes) = ask(&mut connection, &upstream, seen.len());
                    seen.push(Seen { policy, sent, answered: Instant::now(), connection: number });
                    answered.fetch_add(1, Ordering::Relaxed);
                    number += usize::from(closes || !keeps);
                    if !keeps {
                        connection = Connection::open(port);
                    }
                    thread::sleep(Duration::from_millis(3));
                }
                seen
            })
        });
        Self { stop, answered, clients: clients.into() }
    }

    /// Lets the clients get some answers more.
    fn go_on(&self) {
        let enough = self.answered.load(Ordering::Relaxed) + ENOUGH;
        eventually("clients to be answered", || {
            assert!(self.clients.iter().all(|client| !client.is_finished()), "a client has failed");
            (self.answered.load(Ordering::Relaxed) >= enough).then_some(())
        });
    }

    /// What each client has seen.
    fn end(self) -> Vec<Vec<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().expect("no request fails")).collect()
    }
}

/// Sends one request, and gives the policy by which it was treated, and whether Envoy ends the connection.
fn ask(connection: &mut Connection, upstream: &Upstream, number: usize) -> (usize, bool) {
    let request = match number % 3 {
        0 => get("/api/v1/query?query=up"),
        1 => post("/api/v1/query?limit=1", "query=up"),
        _ => get("/api/v1/query_exemplars?query=up"),
    };
    let filtered = number % 3 == 2;
    if filtered {
        upstream.answer(&request, everybodys_exemplars());
    }
    let response = connection.send(&request);
    assert!(response.status == 200 && response.complete, "{response:?}");
    let recorded = upstream.ended(&request);
    assert_eq!(recorded.end, End::Clean, "{recorded:?}");
    let policy = policy_of(&recorded);
    if filtered {
        let kept = json!([{"seriesLabels": {format!("tenant{policy}"): "only"}, "exemplars": []}]);
        assert_eq!(response.json()["data"], kept, "asked by one policy and answered by another");
    }
    (policy, response.header("connection") == Some("close"))
}

fn policy_of(recorded: &Recorded) -> usize {
    author(&only(&[recorded.url_parameters(), recorded.form_parameters()].concat(), "query"))
}

/// Since when a policy may be seen, and since when nothing before it may.
#[derive(Debug)]
struct Change {
    begun: Instant,
    settled: Instant,
}

/// Every policy after the other under load, with files in between that are refused.
fn change_under_load(discovery: Discovery, workers: &str) {
    let arguments = ["--concurrency", workers, "--drain-time-s", "2", "--drain-strategy", "immediate"];
    let mut lab = Updated::by(discovery, &listener(0), &arguments);
    let load = Load::start(&lab);
    let mut changes = vec![Change { begun: Instant::now(), settled: Instant::now() }];
    changes[0].begun -= Duration::from_secs(60);
    for number in 1..POLICIES {
        load.go_on();
        lab.update(&Listener::new(UPDATED, json!({"labels": []})), &discovery.refused());
        load.go_on();
        let begun = Instant::now();
        lab.update(&listener(number), &discovery.taken());
        discovery.settle(&lab);
        changes.push(Change { begun, settled: Instant::now() });
    }
    load.go_on();
    let clients = load.end();
    for seen in clients.iter().flatten() {
        assert!(changes[seen.policy].begun <= seen.answered, "too early: {seen:?} {changes:?}");
        if let Some(next) = changes.get(seen.policy + 1) {
            assert!(seen.sent <= next.settled, "too late: {seen:?} {changes:?}");
        }
    }
    for seen in &clients {
        for pair in seen.windows(2).filter(|pair| pair[0].connection == pair[1].connection) {
            assert!(pair[0].policy <= pair[1].policy, "an old policy came back on a connection: {pair:?}");
        }
    }
    for number in 0..POLICIES {
        assert!(clients.iter().flatten().any(|seen| seen.policy == number), "policy {number} was never seen");
    }
    let statistics = lab.envoy.statistics();
    let served = |worker: &str| {
        let of = |name: &str| name.contains(&format!(".worker_{worker}.")) && name.ends_with(".downstream_cx_total");
        statistics.iter().filter(|(name, _)| of(name)).map(|(_, count)| count).sum::<u64>()
    };
    assert!(served("0") > 0 && (workers == "1" || served("1") > 0), "a worker was idle: {statistics:?}");
    assert_eq!(lab.envoy.reloads(), 0);
    assert_eq!(lab.upstream.garbage(), Vec::<String>::new());
}

#[test]
fn a_listener_that_changes_under_load_on_one_worker_fails_no_request() {
    change_under_load(Discovery::Listener, "1");
}

#[test]
fn a_listener_that_changes_under_load_on_two_workers_fails_no_request() {
    change_under_load(Discovery::Listener, "2");
}

#[test]
fn a_filter_that_changes_under_load_on_one_worker_fails_no_request() {
    change_under_load(Discovery::Filter, "1");
}

#[test]
fn a_filter_that_changes_under_load_on_two_workers_fails_no_request() {
    change_under_load(Discovery::Filter, "2");
}

/// The policy of the next request on a new connection.
fn now(lab: &Updated) -> usize {
    ask(&mut Connection::open(lab.envoy.port(UPDATED)), &lab.upstream, 0).0
}

#[test]
fn whatever_is_wrong_with_a_file_the_old_policy_goes_on_and_a_good_one_is_taken() {
    for discovery in [Discovery::Listener, Discovery::Filter] {
        let mut lab = Updated::by(discovery, &listener(0), &[]);
        for (turn, text) in ["", "{", r#"{"labels":[]}"#, r#"{"labels":[{"name":"a","values":["b"]}],"x":1}"#].iter().enumerate() {
            lab.update(&Listener::text(UPDATED, text), &discovery.refused());
            assert_eq!(now(&lab), turn, "after {text}");
            lab.update(&listener(turn + 1), &discovery.taken());
            eventually("the good policy", || (now(&lab) == turn + 1).then_some(()));
        }
        lab.update_text("{\"resources\": [", "nothing yet");
    }
}

/// A form and an answer that come after the change belong to requests from before it.
fn outlive_a_change(discovery: Discovery) {
    let mut lab = Updated::by(discovery, &listener(0), &[]);
    let port = lab.envoy.port(UPDATED);
    let form = request("POST", "/api/v1/query?limit=1")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("transfer-encoding", "chunked");
    let mut posting = Connection::open(port);
    posting.write(&form.head_bytes());
    lab.upstream.begun(&form);

    let slow = ["head", "body"].map(|held| {
        let rule = |number: usize| json!({"name": format!("r{number}"), "labels": {format!("tenant{number}"): "only"}});
        let group = json!({"name": "g", "file": "f", "rules": [rule(0), rule(1), {"name": "nobody", "labels": {}}]});
        let body = json!({"status": "success", "data": {"groups": [group]}}).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let gate = Arc::new(Notify::new());
        let wait = Step::Wait(Arc::clone(&gate));
        let (head, body) = (Step::Data(head.into_bytes()), Step::Data(body.into_bytes()));
        let steps = if held == "head" { vec![wait, head, body] } else { vec![head, wait, body] };
        let rules = get("/api/v1/rules");
        lab.upstream.answer(&rules, Answer { steps, ..Answer::raw(Vec::new()) });
        let mut asking = Connection::open(port);
        asking.write(&rules.bytes());
        lab.upstream.ended(&rules);
        (asking, gate)
    });

    lab.update(&listener(1), &discovery.taken());
    eventually("the new policy", || (now(&lab) == 1).then_some(()));

    posting.write(&[chunk(b"query=up"), b"0\r\n\r\n".to_vec()].concat());
    assert_eq!(posting.read("POST").status, 200);
    assert_eq!(policy_of(&lab.upstream.ended(&form)), 0);
    for (mut asking, gate) in slow {
        gate.notify_one();
        let answer = asking.read("GET").json();
        let kept = &answer["data"]["groups"][0]["rules"];
        assert_eq!(kept, &json!([{"name": "r0", "labels": {"tenant0": "only"}}]), "{answer}");
        // What follows on the connection is by the new policy, unless the connection belongs to the listener that was.
        let next = ask(&mut asking, &lab.upstream, 2).0;
        assert_eq!(next, if discovery == Discovery::Filter { 1 } else { 0 });
    }
    assert_eq!(lab.envoy.reloads(), 0);
}

#[test]
fn requests_that_outlive_a_change_of_their_listener_keep_their_policy() {
    outlive_a_change(Discovery::Listener);
}

#[test]
fn requests_that_outlive_a_change_of_their_filter_keep_their_policy() {
    outlive_a_change(Discovery::Filter);
}
