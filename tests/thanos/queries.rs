//! The corpus, random expressions, series, labels and their values.

use super::world::{PARTIES, WORLD, bearer};
use crate::equivalence::generator::{Age, Generator};
use crate::equivalence::party::{Party, Tally};
use crate::equivalence::{Extent, corpus, table};

/// Thanos's own parameters: both engines, with and without deduplication, with and without partial answers.
const MANNERS: [&str; 6] = [
    "",
    "dedup=false",
    "engine=thanos",
    "engine=thanos&dedup=false&partial_response=false",
    "dedup=true&partial_response=true&engine=prometheus",
    "dedup=false&replicaLabels[]=replica&max_source_resolution=0s",
];

#[test]
#[ignore = "needs the peers: make test-peers"]
#[expect(clippy::print_stderr, reason = "`make test-peers` shows the table, and a failure the seed")]
fn a_tenant_sees_through_the_filter_what_a_querier_over_its_own_stores_would_answer() {
    let mut extent = Extent::from_environment();
    if !extent.both_methods {
        extent.questions = 1;
    }
    let corpus = corpus(&extent);
    let world = &*WORLD;
    let everything: (&str, &[&str]) = ("administrator", &["sre"]);
    let tallies: Vec<(String, Tally)> = std::thread::scope(|scope| {
        let (corpus, extent) = (&corpus, &extent);
        let ask = |(index, (name, tenants)): (u64, (&'static str, &'static [&'static str]))| {
            scope.spawn(move || {
                let filtered = world.envoy.port("token");
                let own = if name == everything.0 { world.shared.port } else { world.ports(name).0 };
                let party = Party::new(own, filtered, bearer(tenants)).in_manners(&MANNERS);
                let mut generator = Generator::new(extent.seed + index, Age::Modern);
                (name.to_owned(), party.ask_all(extent, corpus, &mut generator))
            })
        };
        let parties: Vec<_> = (0..).zip(PARTIES.into_iter().chain([everything])).map(ask).collect();
        parties.into_iter().map(|party| party.join().expect("a party")).collect()
    });
    eprintln!("{}", table(&tallies, "Thanos", extent.seed));
    let all: Vec<String> = tallies
        .iter()
        .flat_map(|(party, tally)| tally.differences.iter().map(move |text| format!("{party}: {text}")))
        .collect();
    assert!(all.is_empty(), "{} answers differ (PLF_SEED={}):\n{}", all.len(), extent.seed, all.join("\n"));
    for (party, tally) in &tallies {
        assert!(tally.telling * 6 > tally.compared, "{party}: {} of {} tell", tally.telling, tally.compared);
    }
    assert_eq!(world.envoy.reloads(), 0, "{}", world.shared.log_tail());
}
