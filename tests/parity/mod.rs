//! The same requests through prom-label-proxy and through the filter: what the upstream receives is compared by meaning, what
//! comes back as JSON, and every difference is one that `envoy/prom-label-proxy.md` tells, or a failure.
//!
//! `make parity` prints the table.

mod answers;
mod asked;
mod asker;
mod cases;
mod conflicts;
mod expectation;
mod judge;
mod named;
mod pair;
mod questions;
mod silences;
mod tally;
mod way;

use crate::support::data;
use crate::support::prometheus::Prometheus;
use crate::support::upstream::Upstream;
use asker::Asker;
use judge::Judge;
use named::Named;
use pair::Pairs;
use tally::Tally;
use way::Way;

#[test]
#[ignore = "needs the peers: make test-peers"]
#[expect(clippy::print_stderr, reason = "`make parity` shows the table")]
fn what_differs_from_prom_label_proxy_is_what_the_page_tells() {
    // Without the names that it would take without quotes: prom-label-proxy does not know them.
    let prometheus = Prometheus::holding(&data::all(), &[]);
    let mut tally = ways(&prometheus);
    tally.merge(answers::compare(&prometheus));
    tally.merge(silences::compare(&prometheus));
    eprintln!("{}", tally.table());
    let failures = &tally.failures;
    assert!(failures.is_empty(), "{} other differences:\n{}", failures.len(), failures.join("\n"));
    // The comparison means something only where there is something to see.
    assert!(tally.telling > 1000, "{} answers tell", tally.telling);
    let gone: Vec<Named> = Named::ALL.into_iter().filter(|named| !tally.named.contains_key(named)).collect();
    assert!(gone.is_empty(), "no longer different: {gone:?}");
}

/// What is asked of Prometheus, in every way.
fn ways(prometheus: &Prometheus) -> Tally {
    let wanted = Way::ALL.map(|way| (way.name(), way.flags()));
    let pairs = Pairs::start(|| Upstream::in_front_of(prometheus.port), &wanted);
    let (questions, corpus) = (questions::in_every_way(), questions::corpus());
    let ask = |way: Way| {
        let mut asker = Asker::new(way, pairs.pair(way.name()), Judge::new(prometheus.port));
        questions.iter().for_each(|question| asker.ask(question));
        if matches!(way, Way::Header | Way::Several) {
            corpus.iter().for_each(|question| asker.ask(question));
        }
        cases::of(way).iter().for_each(|case| asker.expect(case));
        asker.tally
    };
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let all: Vec<_> = Way::ALL.into_iter().map(|way| scope.spawn(move || ask(way))).collect();
        all.into_iter().for_each(|each| tally.merge(each.join().expect("a way")));
    });
    assert_eq!(pairs.envoy.reloads(), 0);
    tally
}

#[test]
fn the_page_tells_every_difference_that_there_may_be() {
    const PAGE: &str = include_str!("../../envoy/prom-label-proxy.md");
    for named in Named::ALL {
        assert_eq!(PAGE.matches(&format!("\n| {} |", named.told())).count(), 1, "{named:?}");
    }
}
