//! Envoy's metrics: defined once for a VM, counted by number.
//!
//! Owns their names. A label has a fixed few values, so nothing that a client sends makes another series.

use super::calls::{Kind, Metric};
use crate::denial::{Denial, REASONS};
use crate::observe::Record;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

thread_local! {
    static METERS: OnceCell<Meters> = const { OnceCell::new() };
}

/// Makes all that can be made before the first request: who watches a counter wants to see its zero.
pub(super) fn define() {
    with(|meters| REASONS.iter().for_each(|reason| meters.rejected.of(reason).add(0)));
}

/// Counts a request when what becomes of it is known, and the time that took.
pub(super) fn decided(record: &Record, took: Duration) {
    with(|meters| {
        meters.requests.of(record.endpoint_name()).add(1);
        meters.selectors.add(record.selectors);
        meters.hits.add(record.remembered);
        meters.misses.add(record.written);
        meters.duration.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    });
}

/// Counts a refusal, of a request or of the answer to it.
pub(super) fn rejected(denial: &Denial) {
    with(|meters| meters.rejected.of(denial.reason()).add(1));
}

/// Counts an answer that was narrowed.
pub(super) fn filtered(record: &Record) {
    with(|meters| meters.filtered.of(record.endpoint_name()).add(1));
}

fn with(count: impl FnOnce(&Meters)) {
    METERS.with(|meters| count(meters.get_or_init(Meters::new)));
}

#[derive(Debug)]
struct Meters {
    requests: Labelled,
    rejected: Labelled,
    filtered: Labelled,
    selectors: Metric,
    hits: Metric,
    misses: Metric,
    /// In microseconds: Envoy's histograms hold whole numbers.
    duration: Metric,
}

impl Meters {
    fn new() -> Self {
        let counter = |name| Metric::define(Kind::Counter, &format!("prom_label_filter.{name}"));
        Self {
            requests: Labelled::new("endpoint", "requests_total"),
            rejected: Labelled::new("reason", "rejected_total"),
            filtered: Labelled::new("endpoint", "filtered_responses_total"),
            selectors: counter("rewritten_selectors_total"),
            hits: counter("cache_hits_total"),
            misses: counter("cache_misses_total"),
            duration: Metric::define(Kind::Histogram, "prom_label_filter.rewrite_duration"),
        }
    }
}

/// A counter with one label. Envoy takes the label out of the name, by the `stats_tags` of the examples.
#[derive(Debug)]
struct Labelled {
    label: &'static str,
    name: &'static str,
    by_value: RefCell<HashMap<&'static str, Metric>>,
}

impl Labelled {
    fn new(label: &'static str, name: &'static str) -> Self {
        Self { label, name, by_value: RefCell::default() }
    }

    fn of(&self, value: &'static str) -> Metric {
        let Self { label, name, by_value } = self;
        let define = || Metric::define(Kind::Counter, &format!("prom_label_filter.{label}={value}.{name}"));
        *by_value.borrow_mut().entry(value).or_insert_with(define)
    }
}
