//! A configuration that changes while clients keep asking: each answer is that of the old or of the new policy, and none
//! fails.

use super::matchers::read;
use crate::support::bench::only;
use crate::support::client::{Connection, Request, chunk, get, post, request, send};
use crate::support::envoy::{Listener, PLUGIN};
use crate::support::eventually;
use crate::support::updated::{Discovery, UPDATED, Updated};
use crate::support::upstream::{Answer, End, Recorded, Step, Upstream};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// So many answers between two changes.
const ENOUGH: usize = 60;

/// How many policies take each other's place under load.
const POLICIES: usize = 4;

/// No two enforce the same label, so nothing that is half of one and half of another looks like a third.
pub(super) fn policy(number: usize) -> Value {
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
            let draining =
                ["listener_manager.total_filter_chains_draining", "listener_manager.total_listeners_draining"];
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

pub(super) fn policy_of(recorded: &Recorded) -> usize {
    author(&only(&[recorded.url_parameters(), recorded.form_parameters()].concat(), "query"))
}

/// Since when a policy may be seen, and since when nothing before it may.
#[derive(Debug)]
struct Change {
    begun: Instant,
    settled: Instant,
}

/// Every policy after the other under load, with files in between that are refused.
fn change_under_load(discovery: Discovery, listener: fn(usize) -> Listener, workers: &str) {
    // What a client has open at the end of the drain is cut, so a slow machine must not keep it from an answer for so long.
    let arguments = ["--concurrency", workers, "--drain-time-s", "3", "--drain-strategy", "immediate"];
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
fn a_filter_chain_that_changes_under_load_fails_no_request() {
    for workers in ["1", "2"] {
        change_under_load(Discovery::Listener, listener, workers);
    }
}

#[test]
fn a_listener_that_changes_as_a_whole_under_load_fails_no_request() {
    // Envoy puts a new listener in the place of one whose metadata changes.
    let listener = |number: usize| {
        let rule = json!({"name": format!("tenant{number}"), "route_metadata": "team"});
        Listener::new(UPDATED, json!({"labels": [rule]})).metadata(json!({"team": "only", "number": number}))
    };
    for workers in ["1", "2"] {
        change_under_load(Discovery::Listener, listener, workers);
    }
}

#[test]
fn a_filter_that_changes_under_load_fails_no_request() {
    for workers in ["1", "2"] {
        change_under_load(Discovery::Filter, listener, workers);
    }
}

/// The policy of the next request on a new connection.
fn now(lab: &Updated) -> usize {
    ask(&mut Connection::open(lab.envoy.port(UPDATED)), &lab.upstream, 0).0
}

#[test]
fn whatever_is_wrong_with_a_file_the_old_policy_goes_on_and_a_good_one_is_taken() {
    let unknown = json!({"labels": [{"name": "tenant", "values": ["a"]}], "no_such_setting": 1}).to_string();
    for discovery in [Discovery::Listener, Discovery::Filter] {
        let mut lab = Updated::by(discovery, &listener(0), &[]);
        for (turn, text) in ["", "{", r#"{"labels": []}"#, &unknown].into_iter().enumerate() {
            lab.update(&Listener::text(UPDATED, text), &discovery.refused());
            assert_eq!(now(&lab), turn, "after {text}");
            lab.update(&listener(turn + 1), &discovery.taken());
            eventually("the good policy", || (now(&lab) == turn + 1).then_some(()));
        }
        // The same policy after a refused one.
        lab.update(&Listener::text(UPDATED, ""), &discovery.refused());
        lab.update(&listener(4), &discovery.taken());
        // A file that nobody can read.
        let failures = discovery.refused().replace("config_fail", "update_failure");
        lab.update_text(r#"{"resources": ["#, &failures.replace("update_rejected", "update_failure"));
        assert_eq!(now(&lab), 4);
        lab.update(&listener(5), &discovery.taken());
        eventually("the good policy", || (now(&lab) == 5).then_some(()));
    }
}

#[test]
fn a_file_without_a_filter_is_refused_and_the_statistics_of_a_refused_filter_are_as_the_readme_says() {
    let mut lab = Updated::by(Discovery::Filter, &listener(0), &[]);
    let statistic = |name: &str| format!("extension_config_discovery.http_filter.{PLUGIN}.{name}");
    lab.update_text(r#"{"resources": []}"#, &statistic("config_fail"));
    assert_eq!(now(&lab), 0);
    let names = ["update_success", "update_rejected", "config_fail", "config_reload"].map(statistic);
    let mut changes = |listener: &Listener, last: &str| {
        let before = lab.envoy.statistics();
        lab.update(listener, &statistic(last));
        let after = lab.envoy.statistics();
        (names.clone().map(|name| after[&name] - before[&name]), now(&lab))
    };
    let bad = Listener::text(UPDATED, "{");
    assert_eq!(changes(&bad, "config_reload"), ([0, 1, 1, 1], 0), "refused");
    assert_eq!(changes(&bad, "update_success"), ([1, 0, 0, 0], 0), "refused, and sent again");
    assert_eq!(changes(&listener(1), "config_reload"), ([1, 0, 0, 1], 1), "taken");
    lab.update(&bad, &statistic("config_fail"));
    let dump = lab.envoy.admin("/config_dump?resource=ecds_filters");
    assert!(dump.contains(r#""value": "{""#), "{dump}");
}

/// A form and two answers that come late: of one answer all is still to come, of the other the body.
pub(super) struct Late {
    form: Request,
    posting: Connection,
    asking: Vec<(Connection, Arc<Notify>)>,
}

impl Late {
    /// Has their requests' heads on `port` read.
    pub(super) fn start(upstream: &Upstream, port: u16) -> Self {
        let form = request("POST", "/api/v1/query?limit=1")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("transfer-encoding", "chunked");
        let mut posting = Connection::open(port);
        posting.write(&form.head_bytes());
        upstream.begun(&form);
        let asking = [true, false].map(|all| {
            let rules = get("/api/v1/rules");
            let (gate, data) = (Arc::new(Notify::new()), rules_of(&[&[0], &[1], &[]]));
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length";
            let head = Step::Data(format!("{head}: {}\r\n\r\n", data.len()).into_bytes());
            let (wait, data) = (Step::Wait(Arc::clone(&gate)), Step::Data(data.into_bytes()));
            let steps = if all { vec![wait, head, data] } else { vec![head, wait, data] };
            upstream.answer(&rules, Answer { steps, ..Answer::raw(Vec::new()) });
            let mut asking = Connection::open(port);
            asking.write(&rules.bytes());
            upstream.ended(&rules);
            (asking, gate)
        });
        Self { form, posting, asking: asking.into() }
    }

    /// Sends the rest, all of which `policy` must have treated. Gives the connections.
    #[track_caller]
    pub(super) fn finish(mut self, upstream: &Upstream, policy: usize) -> Vec<Connection> {
        self.posting.write(&[chunk(b"query=up"), b"0\r\n\r\n".to_vec()].concat());
        assert_eq!(self.posting.read("POST").status, 200);
        assert_eq!(policy_of(&upstream.ended(&self.form)), policy);
        let mut connections = vec![self.posting];
        for (mut asking, gate) in self.asking {
            gate.notify_one();
            assert_eq!(kept(&asking.read("GET").json()), [vec![format!("tenant{policy}")]]);
            connections.push(asking);
        }
        connections
    }
}

/// An answer to `rules`, each with these policies' labels.
pub(super) fn rules_of(policies: &[&[usize]]) -> String {
    let labels = |each: &[usize]| each.iter().map(|number| (format!("tenant{number}"), json!("only"))).collect();
    let rules: Vec<Value> =
        policies.iter().map(|each| json!({"name": "r", "labels": Value::Object(labels(each))})).collect();
    json!({"status": "success", "data": {"groups": [{"name": "g", "file": "f", "rules": rules}]}}).to_string()
}

/// The label names of each rule in an answer.
pub(super) fn kept(answer: &Value) -> Vec<Vec<String>> {
    let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap_or_else(|| panic!("no rules: {answer}"));
    rules.iter().map(|rule| rule["labels"].as_object().expect("labels").keys().cloned().collect()).collect()
}

#[test]
fn what_outlives_a_change_keeps_its_policy_and_what_follows_on_its_connection_depends_on_the_change() {
    for (discovery, next) in [(Discovery::Listener, 0), (Discovery::Filter, 1)] {
        // The drain of a listener is long, so that its connections are still open.
        let mut lab = Updated::by(discovery, &listener(0), &["--drain-time-s", "100000"]);
        let late = Late::start(&lab.upstream, lab.envoy.port(UPDATED));
        lab.update(&listener(1), &discovery.taken());
        eventually("the new policy", || (now(&lab) == 1).then_some(()));
        for mut connection in late.finish(&lab.upstream, 0) {
            assert_eq!(ask(&mut connection, &lab.upstream, 2).0, next, "{discovery:?}");
        }
        assert_eq!(lab.envoy.reloads(), 0);
    }
}

#[test]
fn a_filter_whose_first_file_is_refused_serves_nobody_until_a_good_one_comes() {
    let mut lab = Updated::by(Discovery::Filter, &Listener::text(UPDATED, "{"), &[]);
    for request in [get("/api/v1/query?query=up"), post("/api/v1/query", "query=up"), get("/-/ready")] {
        let response = send(lab.envoy.port(UPDATED), &request);
        assert_eq!(response.status, 500, "{response:?}");
        assert!(lab.upstream.peek(&request).is_none(), "a request passed without a policy");
    }
    lab.update(&listener(0), &Discovery::Filter.taken());
    assert_eq!(now(&lab), 0);
}

#[test]
fn a_vm_that_is_made_again_after_a_change_has_the_policy_that_is_in_force() {
    for discovery in [Discovery::Listener, Discovery::Filter] {
        let mut lab = Updated::by(discovery, &listener(0).trapping(), &[]);
        lab.update(&listener(1).trapping(), &discovery.taken());
        eventually("the new policy", || (now(&lab) == 1).then_some(()));
        lab.update(&Listener::text(UPDATED, "{").trapping(), &discovery.refused());
        let port = lab.envoy.port(UPDATED);
        let trap = get("/api/v1/query?query=up").header("x-danger-test-trap", "1");
        assert!(send(port, &trap).status >= 500);
        // A fresh VM may wait for its backoff.
        eventually("the next request to be served", || {
            let next = get("/api/v1/query?query=up");
            let response = send(port, &next);
            assert!(response.status == 200 || response.status >= 500, "{response:?}");
            (response.status == 200).then(|| assert_eq!(policy_of(&lab.upstream.ended(&next)), 1))
        });
        assert!(lab.envoy.reloads() > 0, "the trap did not end the VM, so this test shows nothing");
    }
}
