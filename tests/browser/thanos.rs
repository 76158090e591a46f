//! Thanos's own pages.

use super::tour::{FIELD, Known, Tour, run};
use super::world::World;

const KNOWN: &[Known] = &[
    Known {
        page: "stores",
        problems: &["shown: × No stores registered."],
        why: "stores are everybody's: the filter answers that there are none",
    },
    Known { page: "status", problems: &[], why: "the state of the server is nobody's: the build alone is shown" },
    Known { page: "flags", problems: &[], why: "flags are the operator's: there are none" },
    Known {
        page: "tsdb-status",
        problems: &["404 /api/v1/status/tsdb", "shown: × Error: Error fetching TSDB Status information: Not Found"],
        why: "it counts everybody's series",
    },
];

/// What runs an expression.
const EXECUTE: &str = ".execute-btn";

const ALERTS: &[&str] = &["fruit-is-ripe (1 active)", "fruit-is-growing (1 active)", "fruit-is-rotten (0 active)"];
const RULES: &[&str] = &["fruit group", "fruit:up:sum", "fruit-is-ripe", "fruit-is-rotten"];

#[test]
#[ignore = "needs the peers, their pages and a browser: make browser"]
fn thanos_shows_a_team_what_a_thanos_of_its_own_would() {
    let mut tour = Tour::new("thanos", World::thanos(), ".alert", KNOWN);
    tour.page("start", "/", &["No data queried yet"], |_| {});
    tour.page("table", "/graph", &["Result series: 6", "tenant=\"team-fruit\""], |browser| {
        run(browser, "up", EXECUTE);
    });
    tour.page("graph", "/graph", &["tenant=\"team-fruit\""], |browser| {
        browser.click("//a[contains(@class, 'nav-link') and not(@href) and normalize-space() = 'Graph']");
        run(browser, "up", EXECUTE);
    });
    tour.page("completion", "/graph", &["secret_2_total"], |browser| browser.type_into(FIELD, "sec"));
    tour.page("completion-label", "/graph", &["tenant"], |browser| browser.type_into(FIELD, "up{t"));
    tour.page("alerts", "/alerts", ALERTS, |_| {});
    tour.page("rules", "/rules", RULES, |_| {});
    tour.page("targets", "/targets", &["fruit-exporter (1/2 up)", "crop=\"fruit\""], |_| {});
    tour.page("service-discovery", "/service-discovery", &["fruit-exporter (2 / 2 active targets)"], |_| {});
    tour.page("stores", "/stores", &[], |_| {});
    tour.page("status", "/status", &["Build Information", "0.42"], |_| {});
    tour.page("flags", "/flags", &[], |_| {});
    tour.page("tsdb-status", "/tsdb-status", &[], |_| {});
    tour.end();
}
