//! Thanos's own pages.

use super::tour::{Known, Tour};
use super::world::World;

const KNOWN: &[Known] = &[];

#[test]
#[ignore = "needs the peers, their pages and a browser: make browser"]
fn thanos_shows_a_team_what_a_thanos_of_its_own_would() {
    let mut tour = Tour::new("thanos", World::thanos(), ".alert", KNOWN);
    for (name, path) in [
        ("start", "/"),
        ("graph", "/graph"),
        ("alerts", "/alerts"),
        ("rules", "/rules"),
        ("stores", "/stores"),
        ("targets", "/targets"),
        ("status", "/status"),
        ("flags", "/flags"),
        ("config", "/config"),
        ("tsdb-status", "/tsdb-status"),
        ("service-discovery", "/service-discovery"),
    ] {
        let pair = tour.page(name, path, |_| {});
        explore(name, &pair);
    }
    tour.end();
}

pub(super) fn explore(name: &str, pair: &super::tour::Pair) {
    for (side, v) in [("hard", &pair.hard), ("soft", &pair.soft)] {
        println!("=== {name} {side}\nproblems {:#?}", v.problems);
        for e in &v.exchanges {
            println!("  {e:.200?}");
        }
        println!("--- text\n{}", v.text);
    }
}
