//! Prometheus 3's own pages.

use super::thanos::explore;
use super::tour::{Known, Tour};
use super::world::World;

/// The field for expressions, and what runs them.
const FIELD: &str = ".cm-content";
const EXECUTE: &str = "//button[normalize-space()='Execute']";

const KNOWN: &[Known] = &[];

#[test]
#[ignore = "needs the peers, their pages and a browser: make browser"]
fn prometheus_shows_a_team_what_a_prometheus_of_its_own_would() {
    let mut tour = Tour::new("prometheus", World::prometheus(), "[role=alert], [aria-label=Notifications]", KNOWN);
    let table = tour.page("table", "/query", |browser| {
        browser.type_into(FIELD, "up");
        browser.click(EXECUTE);
    });
    explore("table", &table);
    let graph = tour.page("graph", "/query", |browser| {
        browser.click("//button[@role='tab' and normalize-space()='Graph']");
        browser.type_into(FIELD, "up");
        browser.click(EXECUTE);
    });
    explore("graph", &graph);
    let explain = tour.page("explain", "/query", |browser| {
        browser.click("//button[@role='tab' and normalize-space()='Explain']");
        browser.type_into(FIELD, "up");
        browser.click(EXECUTE);
    });
    explore("explain", &explain);
    let completion = tour.page("completion", "/query", |browser| browser.type_into(FIELD, "sec"));
    explore("completion", &completion);
    let explorer = tour.page("explorer", "/query", |browser| {
        browser.click("[aria-label='Show query options']");
        browser.click("//*[@role='menuitem' and normalize-space()='Explore metrics']");
        browser.type_into("[placeholder^='Enter text to filter']", "secret");
    });
    explore("explorer", &explorer);
    let explored = tour.page("explored", "/query", |browser| {
        browser.click("[aria-label='Show query options']");
        browser.click("//*[@role='menuitem' and normalize-space()='Explore metrics']");
        browser.type_into("[placeholder^='Enter text to filter']", "secret");
        browser.click("[title='Explore metric']");
    });
    explore("explored", &explored);
    tour.end();
}
