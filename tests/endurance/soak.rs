//! A long time under load, before a real Prometheus: nothing fails, nothing grows.

use super::clients::{Clients, TEAMS, team};
use super::table::{Cost, Meter, head, judge};
use crate::support::data::END;
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::process::directory;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::remote_write::{Points, Series};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// How much more memory Envoy may have at the end than when it was warm, in MiB: Prometheus's answers differ in size, and an allocator
/// is no accountant.
const MORE: usize = 12;

/// A Prometheus with two series and a rule of each team's.
fn prometheus() -> Prometheus {
    let series = (0..TEAMS).flat_map(|number| {
        let team = team(number);
        ["up", "http_requests_total"].map(|name| {
            let points = (0..30)
                .map(|minute| ((*END - minute * 60) * 1000, 1000.0 - f64::from(u8::try_from(minute).expect("small"))));
            let mut points: Vec<_> = points.collect();
            points.reverse();
            Series::new(name, &[("tenant", &team), ("client", &team)], Points::Floats(points))
        })
    });
    let rules = (0..TEAMS).map(|number| json!({"record": "a", "expr": "1", "labels": {"tenant": team(number)}}));
    let groups = json!([{"name": "g", "rules": rules.collect::<Vec<_>>()}]);
    let duties = Duties { rules: vec![("rules.yml".to_owned(), groups)], ..Duties::default() };
    Prometheus::with(&series.collect::<Vec<_>>(), &duties, &[])
}

pub(crate) fn run(minutes: u64) {
    let prometheus = prometheus();
    let listener = Listener::new("soak", json!({"labels": [{"name": "tenant", "header": "x-tenant"}]}));
    let bootstrap = bootstrap(&[listener], vec![cluster("upstream", prometheus.port, false)]);
    let envoy = Envoy::start_in(&directory("soak"), &bootstrap, &["--concurrency", "2"]);
    let clients = Clients::start(envoy.port("soak"));
    clients.recover();
    head();
    let mut costs: Vec<Cost> = Vec::new();
    for minute in 1..=minutes {
        let meter = Meter::start(&envoy);
        let start = Instant::now();
        clients.seen();
        thread::sleep(Duration::from_secs(60).saturating_sub(start.elapsed()));
        let mut seen = clients.seen();
        let what = format!("minute {minute} of {minutes}");
        let cost = meter.line(&envoy, &what, &mut seen);
        judge(&what, &seen, |_| false);
        assert_eq!(cost.reloads, 0, "a request ended the VM: see {}", envoy.log_tail());
        costs.push(cost);
    }
    // What is remembered fills up, and memory is divided among what comes and goes, for a quarter of an hour. Then it stays as it is.
    let (warm, later) = costs.split_at(costs.len() * 2 / 3);
    does_not_grow("MiB of memory", warm, later, |cost| cost.mebibytes, MORE);
    does_not_grow("pages", warm, later, |cost| cost.pages, 0);
}

fn does_not_grow(what: &str, warm: &[Cost], later: &[Cost], of: impl Fn(&Cost) -> usize, more: usize) {
    let most = |costs: &[Cost]| costs.iter().map(&of).max().unwrap_or_default();
    eprintln!("{what}: {} when warm, {} at most later", most(warm), most(later));
    assert!(most(later) <= most(warm) + more, "{what} grow");
}
