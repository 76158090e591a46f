//! One line for each thing that was done: what came of it, and what it cost.

use super::clients::{Kind, Seen};
use crate::support::envoy::Envoy;
use std::time::{Duration, Instant};

const HEAD: &str = "what                                    s  asked   /s answered again failed leaks   p50 ms   p99 ms  CPU µs  MiB pages reloads";

pub(crate) fn head() {
    eprintln!("{HEAD}");
}

/// What an Envoy has spent when something begins.
#[derive(Debug)]
pub(crate) struct Meter {
    start: Instant,
    spent: Duration,
    reloads: u64,
}

/// What it has when that is over.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) mebibytes: usize,
    pub(crate) pages: usize,
    pub(crate) reloads: u64,
}

impl Meter {
    pub(crate) fn start(envoy: &Envoy) -> Self {
        Self { start: Instant::now(), spent: envoy.processor_time(), reloads: envoy.reloads() }
    }

    /// Prints the line.
    pub(crate) fn line(&self, envoy: &Envoy, what: &str, seen: &mut Seen) -> Cost {
        seen.took.sort_unstable();
        let at = |share: usize| seen.took.get(seen.took.len() * share / 100).map_or(0.0, |took| f64::from(*took) / 1e3);
        let asked = usize::try_from(seen.answered).expect("a count") + seen.failed.len();
        let seconds = self.start.elapsed().as_secs_f64();
        let spent = envoy.processor_time().saturating_sub(self.spent);
        let each =
            |total: f64| if asked == 0 { 0.0 } else { total / f64::from(u32::try_from(asked).expect("a count")) };
        let cost = Cost {
            mebibytes: envoy.resident() >> 20,
            pages: envoy.wasm_pages(),
            reloads: envoy.reloads().saturating_sub(self.reloads),
        };
        let Cost { mebibytes, pages, reloads } = cost;
        eprintln!(
            "{what:36} {seconds:4.0} {asked:6} {:4.0} {:8} {:5} {:6} {:5} {:8.1} {:8.1} {:7.0} {mebibytes:4} {pages:5} {reloads:7}",
            1.0 / each(seconds),
            seen.answered,
            seen.repeated,
            seen.failed.len(),
            seen.leaks.len(),
            at(50),
            at(99),
            each(spent.as_secs_f64() * 1e6),
        );
        cost
    }
}

/// Ends the run where somebody's data, or an answer that had to come, was lost.
pub(crate) fn judge(what: &str, seen: &Seen, may_fail: impl Fn(Kind) -> bool) {
    assert!(seen.leaks.is_empty(), "{what}: {} leaks: {:?}", seen.leaks.len(), seen.leaks.first());
    let failed: Vec<_> = seen.failed.iter().filter(|(kind, _)| !may_fail(*kind)).collect();
    assert!(failed.is_empty(), "{what}: {} requests failed: {:?}", failed.len(), failed.first());
    assert!(seen.answered > 0, "{what}: nothing was answered: {:?}", seen.failed.first());
}
