//! Thanos's own pages.

use super::tour::{Known, Tour};
use super::world::World;

const KNOWN: &[Known] = &[];

/// The field for expressions, and what runs them.
const FIELD: &str = ".cm-content";
const EXECUTE: &str = ".execute-btn";

#[test]
#[ignore = "needs the peers, their pages and a browser: make browser"]
fn thanos_shows_a_team_what_a_thanos_of_its_own_would() {
    let mut tour = Tour::new("thanos", World::thanos(), ".alert", KNOWN);
    explore("start", &tour.page("start", "/", |_| {}));
    let table = tour.page("table", "/graph", |browser| {
        browser.type_into(FIELD, "up");
        browser.click(EXECUTE);
    });
    explore("table", &table);
    let graph = tour.page("graph", "/graph", |browser| {
        browser.click("//a[normalize-space()='Graph' and contains(@class,'nav-link') and not(@href)]");
        browser.type_into(FIELD, "up");
        browser.click(EXECUTE);
    });
    explore("graph", &graph);
    let completion = tour.page("completion", "/graph", |browser| browser.type_into(FIELD, "sec"));
    explore("completion", &completion);
    for (name, path) in [
        ("alerts", "/alerts"),
        ("rules", "/rules"),
        ("stores", "/stores"),
        ("targets", "/targets"),
        ("status", "/status"),
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
            if !e.target.starts_with("/static") && !e.target.starts_with("/assets") {
                println!("  {} {}", e.target, e.body.chars().take(300).collect::<String>());
            }
        }
        println!("--- text\n{}", v.text);
    }
}
