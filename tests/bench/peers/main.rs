//! What the filter costs, beside what it takes the place of: Envoy alone, Envoy with the filter, Envoy before prom-label-proxy,
//! and the tutorial's Caddy before prom-label-proxy.
//!
//! Figures, never a test. All chains are measured in turn, round by round, so that a machine that is busy is busy for all of
//! them; what counts are ratios, and medians of them. `make bench-peers` runs it and says where the report is.
//! PLF_BENCH_SECONDS and PLF_BENCH_ROUNDS say how long.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints figures, and a failure is its way to say that there are none"
)]

mod chain;
mod load;
#[path = "../queries.rs"]
mod queries;
mod report;
#[expect(dead_code, reason = "the bench needs a part of the lab")]
#[path = "../../support/mod.rs"]
mod support;

use chain::{Chain, Kind};
use load::{Asked, Figures};
use support::client::send;
use support::envoy::Envoy;
use support::prometheus::Prometheus;

/// The one tenant of all chains.
const TENANT: &str = "team-fruit";

/// What stands behind the chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// An Envoy that answers by itself, always the same.
    Static,
    /// A Prometheus with the series of all tenants.
    Prometheus,
}

/// One chain's figures for one kind of request, a set for each round.
#[derive(Debug)]
struct Measured {
    behind: Behind,
    asked: Asked,
    kind: Kind,
    rounds: Vec<Figures>,
}

fn main() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number, in PLF_BENCH_…"))
    };
    let (seconds, rounds) = (number("PLF_BENCH_SECONDS", 2), number("PLF_BENCH_ROUNDS", 3));
    let prometheus = Prometheus::shared();
    let answering = chain::answering();
    let version = prometheus.version();
    let mut all = Vec::new();
    for (behind, port) in [(Behind::Static, answering.port("static")), (Behind::Prometheus, prometheus.port)] {
        let chains = Kind::ALL.map(|kind| Chain::start(kind, port));
        for asked in Asked::ALL {
            for chain in &chains {
                assert_narrows(chain, behind, asked);
            }
        }
        let mut measured: Vec<Measured> = Asked::ALL
            .into_iter()
            .flat_map(|asked| Kind::ALL.map(|kind| Measured { behind, asked, kind, rounds: Vec::new() }))
            .collect();
        // What a process does for the first time does not count.
        for chain in &chains {
            load::measure(chain, Asked::ALL[0], 1);
        }
        for round in 0..rounds {
            println!("{behind:?}: round {} of {rounds}", round + 1);
            for one in &mut measured {
                let chain = chains.iter().find(|chain| chain.kind == one.kind).expect("each kind");
                one.rounds.push(load::measure(chain, one.asked, seconds));
            }
        }
        assert_eq!(chains.iter().map(|chain| chain.envoy().map_or(0, Envoy::reloads)).sum::<u64>(), 0);
        all.extend(measured);
    }
    let text = report::markdown(&all, &version, seconds, rounds);
    println!("\n{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-peers.md");
    std::fs::write(path, text).expect("the report is written");
    println!("written to target/bench-peers.md");
}

/// Each chain answers, with the tenant's series alone.
fn assert_narrows(chain: &Chain, behind: Behind, asked: Asked) {
    let response = send(chain.port, &asked.request(chain.kind));
    assert_eq!(response.status, 200, "{:?}: {}", chain.kind, response.text());
    let text = response.text();
    assert!(text.contains("\"success\""), "{:?}, {asked:?}: {text}", chain.kind);
    if behind == Behind::Prometheus && asked.tells() {
        assert!(text.contains(TENANT), "{:?}, {asked:?}: {text}", chain.kind);
        assert!(!text.contains("team-veggie"), "{:?}, {asked:?}: {text}", chain.kind);
    }
}
