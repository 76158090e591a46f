//! Everything around the filter goes wrong, one after the other, while eight teams keep asking.

use super::clients::{Clients, Kind};
use super::table::{Meter, head, judge};
use super::upstream::{Fault, Upstream};
use crate::support::client::{get, send};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::process::directory;
use crate::support::updated::{Discovery, UPDATED, write};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Two workers, and listeners that go soon.
const TWO_WORKERS: &[&str] = &["--concurrency", "2", "--drain-time-s", "1"];

/// An Envoy whose listener comes from a file, between the teams and an upstream that misbehaves.
struct Chaos {
    envoy: Envoy,
    file: PathBuf,
    upstream: Upstream,
    clients: Clients,
    seconds: u64,
}

/// Whose policies differ in what no request comes near.
fn listener(number: usize) -> Listener {
    let labels = json!([{"name": "tenant", "header": "x-tenant"}]);
    Listener::new(UPDATED, json!({"labels": labels, "limits": {"nesting": 100 + number % 2}}))
}

pub(crate) fn run(seconds: u64) {
    let (upstream, home) = (Upstream::start(), directory("chaos"));
    let file = home.join("discovery").join("listener.json");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory for the file");
    write(&file, &Discovery::Listener.text(&listener(0)));
    let envoy = Envoy::start_in(&home, &Discovery::Listener.bootstrap(&file, upstream.port), TWO_WORKERS);
    let clients = Clients::start(envoy.port(UPDATED));
    let mut chaos = Chaos { envoy, file, upstream, clients, seconds };
    head();
    let nothing = |_: &mut Chaos, _: usize| thread::sleep(Duration::from_millis(100));
    let nobody = |_: Kind| false;
    // What goes to the upstream at all.
    let forwarded = |kind: Kind| !matches!(kind, Kind::NotServed | Kind::Nobody);
    chaos.phase("nothing", Fault::Nothing, nothing, nobody);
    chaos.phase("the policy is replaced", Fault::Nothing, replace, nobody);
    chaos.phase("clients go away half-way", Fault::Nothing, go_away, nobody);
    chaos.phase("the upstream is slow", Fault::Slow, nothing, nobody);
    chaos.phase("the upstream answers garbage", Fault::Garbage, nothing, |kind| kind == Kind::Rules);
    chaos.phase("the upstream cuts its answers", Fault::Cut, nothing, forwarded);
    chaos.phase("the upstream restarts", Fault::Nothing, restart, forwarded);
    chaos.phase("nothing, again", Fault::Nothing, nothing, nobody);
    assert_eq!(chaos.envoy.reloads(), 0, "a request ended the VM: see {}", chaos.envoy.log_tail());
    let Chaos { upstream, clients, .. } = chaos;
    drop(clients);
    trapped(&upstream, seconds);
}

impl Chaos {
    /// Does something wrong again and again, and sees that what may not fail does not, and that all is well behind it.
    fn phase(
        &mut self,
        what: &str,
        fault: Fault,
        mut wrong: impl FnMut(&mut Self, usize),
        may_fail: impl Fn(Kind) -> bool,
    ) {
        self.upstream.misbehave(fault);
        self.clients.seen();
        let meter = Meter::start(&self.envoy);
        let start = Instant::now();
        let mut number = 0;
        while start.elapsed() < Duration::from_secs(self.seconds) {
            number += 1;
            wrong(self, number);
        }
        let mut seen = self.clients.seen();
        seen.leaks.extend(self.upstream.leaks());
        meter.line(&self.envoy, what, &mut seen);
        judge(what, &seen, may_fail);
        self.upstream.misbehave(Fault::Nothing);
        if !seen.failed.is_empty() {
            self.clients.recover();
        }
    }
}

/// Another policy comes, on the same port.
fn replace(chaos: &mut Chaos, number: usize) {
    write(&chaos.file, &Discovery::Listener.text(&listener(number)));
    thread::sleep(Duration::from_millis(500));
}

/// The upstream is gone for a while.
fn restart(chaos: &mut Chaos, _: usize) {
    chaos.upstream.restart(Duration::from_millis(300));
    thread::sleep(Duration::from_secs(1));
}

/// A client leaves in its head, its form, or before its answer.
fn go_away(chaos: &mut Chaos, number: usize) {
    let head = "POST /api/v1/query HTTP/1.1\r\nhost: lab\r\nx-tenant: team-0\r\ncontent-length: 37\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\n";
    let whole = format!("{head}query=up%7Bclient%3D%22team-0%22%7D&t=1");
    let ends = [30, head.len(), head.len() + 20, whole.len()];
    let rules = "GET /api/v1/rules HTTP/1.1\r\nhost: lab\r\nx-tenant: team-0\r\n\r\n";
    let bytes = if number.is_multiple_of(5) { rules } else { &whole[..ends[number % 5 - 1]] };
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", chaos.envoy.port(UPDATED))) {
        drop(stream.write_all(bytes.as_bytes()));
    }
    thread::sleep(Duration::from_millis(2));
}

/// A module that ends its VM when it is told to: who was in it gets a 5xx, and the next is served.
fn trapped(upstream: &Upstream, seconds: u64) {
    let listener = Listener::new("trap", json!({"labels": [{"name": "tenant", "header": "x-tenant"}]})).trapping();
    let bootstrap = bootstrap(&[listener], vec![cluster("upstream", upstream.port, false)]);
    let envoy = Envoy::start_in(&directory("chaos-trap"), &bootstrap, TWO_WORKERS);
    let clients = Clients::start(envoy.port("trap"));
    clients.recover();
    let meter = Meter::start(&envoy);
    let (start, mut traps) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        let trap = get("/api/v1/query?query=up").header("x-tenant", "team-0");
        let answer = send(envoy.port("trap"), &trap.header("x-danger-test-trap", "1"));
        assert!(answer.status >= 500, "the request that traps: {}", answer.status);
        traps += 1;
        thread::sleep(Duration::from_secs(1));
    }
    let mut seen = clients.seen();
    seen.leaks.extend(upstream.leaks());
    let cost = meter.line(&envoy, &format!("the module traps, {traps} times"), &mut seen);
    judge("the module traps", &seen, |_| true);
    assert!(cost.reloads > 0, "no VM was made again, so this shows nothing");
    clients.recover();
}
