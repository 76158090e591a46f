//! Prometheus 3's own pages.

use super::tour::{Known, Tour};
use super::world::World;

const KNOWN: &[Known] = &[];

#[test]
#[ignore = "needs the peers, their pages and a browser: make browser"]
fn prometheus_shows_a_team_what_a_prometheus_of_its_own_would() {
    let mut tour = Tour::new("prometheus", World::prometheus(), "[role=alert], [aria-label=Notifications]", KNOWN);
    for (name, path) in [
        ("start", "/"),
        ("alerts", "/alerts"),
        ("rules", "/rules"),
        ("targets", "/targets"),
        ("status", "/status"),
        ("flags", "/flags"),
        ("config", "/config"),
        ("tsdb-status", "/tsdb-status"),
        ("service-discovery", "/service-discovery"),
        ("alertmanager-discovery", "/alertmanager-discovery"),
    ] {
        let pair = tour.page(name, path, |_| {});
        super::thanos::explore(name, &pair);
    }
    tour.end();
}
