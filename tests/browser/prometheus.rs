//! Prometheus 3's own pages.

use super::tour::{FIELD, Known, Tour, run};
use super::world::World;
use crate::support::webdriver::Browser;

const KNOWN: &[Known] = &[
    Known {
        page: "targets",
        problems: &["404 /api/v1/scrape_pools", "console: refused", "shown: refused"],
        why: "the page asks for everybody's scrape pools before it asks for targets",
    },
    Known {
        page: "service-discovery",
        problems: &["404 /api/v1/scrape_pools", "console: refused", "shown: refused"],
        why: "the page asks for everybody's scrape pools before it asks for targets",
    },
    Known { page: "status", problems: &[], why: "the state of the server is nobody's: the build alone is shown" },
    Known { page: "flags", problems: &[], why: "flags are the operator's: there are none" },
    Known {
        page: "config",
        problems: &["404 /api/v1/status/config", "console: refused", "shown: refused"],
        why: "it shows the configuration",
    },
    Known {
        page: "tsdb-status",
        problems: &["404 /api/v1/status/tsdb", "console: refused", "shown: refused"],
        why: "it counts everybody's series",
    },
    Known {
        page: "alertmanager-discovery",
        problems: &["404 /api/v1/alertmanagers", "console: refused", "shown: refused"],
        why: "it shows where Alertmanagers are",
    },
];

/// What runs an expression.
const EXECUTE: &str = "//button[normalize-space() = 'Execute']";

const ALERTS: &[&str] = &["fruit-is-ripe", "fruit-is-growing", "fruit-is-rotten", "FIRING (1)"];
const RULES: &[&str] = &["fruit group", "fruit:up:sum", "fruit-is-ripe", "fruit-is-rotten"];

#[test]
#[ignore = "needs the peers, their pages and a browser: make browser"]
fn prometheus_shows_a_team_what_a_prometheus_of_its_own_would() {
    // The icon of notifications shows when there are some, or when they cannot be had.
    let messages = "[role=alert], [aria-label=Notifications]";
    let mut tour = Tour::new("prometheus", World::prometheus(), messages, KNOWN);
    tour.page("start", "/", &["No data queried yet"], |_| {});
    tour.page("table", "/query", &["Result series: 6", "tenant=\"team-fruit\""], |browser| {
        run(browser, "up", EXECUTE);
    });
    for (name, tab, shows) in [("graph", "Graph", "tenant=\"team-fruit\""), ("explain", "Explain", "Explain view")] {
        tour.page(name, "/query", &[shows], |browser| {
            browser.click(&format!("//button[@role = 'tab' and normalize-space() = '{tab}']"));
            run(browser, "up", EXECUTE);
        });
    }
    tour.page("tree", "/query", &["6 results"], |browser| {
        option(browser, "Show tree view");
        run(browser, "sum(up)", EXECUTE);
    });
    tour.page("completion", "/query", &["secret_2_total"], |browser| browser.type_into(FIELD, "sec"));
    tour.page("completion-label", "/query", &["tenant"], |browser| browser.type_into(FIELD, "up{t"));
    tour.page("explorer", "/query", &["secret_2_total"], |browser| {
        option(browser, "Explore metrics");
        browser.type_into("[placeholder^='Enter text to filter']", "secret");
    });
    tour.page("explored", "/query", &["\"team-fruit\" (1 series)"], |browser| {
        option(browser, "Explore metrics");
        browser.click("//tr[contains(., 'secret_2_total')]//*[@title = 'Explore metric']");
    });
    tour.page("alerts", "/alerts", ALERTS, |_| {});
    tour.page("rules", "/rules", RULES, |_| {});
    tour.page("targets", "/targets", &[], |_| {});
    tour.page("service-discovery", "/service-discovery", &[], |_| {});
    tour.page("status", "/status", &["Build information", "3."], |_| {});
    tour.page("flags", "/flags", &[], |_| {});
    tour.page("config", "/config", &[], |_| {});
    tour.page("tsdb-status", "/tsdb-status", &[], |_| {});
    tour.page("alertmanager-discovery", "/alertmanager-discovery", &[], |_| {});
    tour.end();
}

/// Chooses an option of the query.
fn option(browser: &mut Browser, name: &str) {
    browser.click("[aria-label='Show query options']");
    browser.click(&format!("//*[@role = 'menuitem' and normalize-space() = '{name}']"));
}
