//! What each tenant has: the same shapes under the same names, so that only the tenant's label tells them apart, with values
//! of its own, so that a series of somebody else's changes every result.

use super::remote_write::{Exemplar, Histogram, Points, Series};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tenants whose names look like parts of patterns and strings, each with a neighbour that a mistake would let in.
pub(crate) const TENANTS: [&str; 12] =
    ["team-fruit", "team-veggie", "a|b", "a", "b", "a.b", "axb", "a\"b", "a\\b", "é", ".*", "team-fruit2"];

/// When the data ends, in Unix seconds: the same for every Prometheus of this run.
pub(crate) static END: LazyLock<u64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    now / 60 * 60
});

/// Minutes from the first sample to the last. Prometheus takes an hour at most into a new head.
pub(crate) const MINUTES: u64 = 40;

/// Everything that a shared Prometheus holds: the series of all tenants, and series that carry no tenant at all.
pub(crate) fn all() -> Vec<Series> {
    let mut all: Vec<Series> = TENANTS.into_iter().flat_map(of_tenant).collect();
    for name in ["up", "http_requests_total", "nobody_total"] {
        all.push(series(name, &[("job", "nobody")], 0..=MINUTES, |minute| minute * 7.0));
        all.push(series(name, &[("job", "empty"), ("team", "team-fruit")], 0..=MINUTES, |minute| minute * 9.0));
    }
    all
}

/// One tenant's series.
pub(crate) fn of_tenant(tenant: &str) -> Vec<Series> {
    let number = TENANTS.iter().position(|each| *each == tenant).expect("a known tenant") + 2;
    let own = f64::from(u8::try_from(number).expect("a small number"));
    // Not everybody's data covers the whole time.
    let time = match tenant {
        ".*" => 12..=MINUTES,
        "a\\b" => 0..=33,
        _ => 0..=MINUTES,
    };
    let mut all = Vec::new();
    let mut add = |name: &str, labels: &[(&str, &str)], value: &dyn Fn(f64) -> f64| {
        let labels = [&[("tenant", tenant)], labels].concat();
        all.push(series(name, &labels, time.clone(), value));
    };
    for (job, instance) in [("api", "1"), ("api", "2"), ("db", "1"), ("db", "2")] {
        let labels = [("job", job), ("instance", instance)];
        let place = own + if job == "db" { 0.5 } else { 0.0 } + if instance == "2" { 0.25 } else { 0.0 };
        add("up", &labels, &|minute| f64::from(minute % own != 0.0));
        // A counter of the databases starts again in between.
        let since = if job == "db" { 21.0 } else { 1000.0 };
        add("http_requests_total", &labels, &|minute| (minute % since) * place);
        add("temperature", &labels, &|minute| match (instance, minute % 13.0) {
            ("2", 4.0) => f64::NAN,
            ("2", 9.0) => f64::NEG_INFINITY,
            _ => 20.0 + (minute * place) % 17.0,
        });
        for (le, share) in [("0.1", 1.0), ("0.5", 2.0), ("1", 3.0), ("+Inf", 4.0)] {
            add("latency_bucket", &[labels[0], labels[1], ("le", le)], &|minute| minute * own * share);
        }
        add("target_info", &[labels[0], labels[1], ("version", tenant)], &|_| 1.0);
    }
    // A name and a label that only this tenant has: they must not show anywhere else.
    add(&format!("secret_{number}_total"), &[(&format!("only_{number}"), "x")], &|minute| minute);
    let labels = [("tenant", tenant), ("job", "api"), ("instance", "1")];
    let histogram = |minute| Histogram { counts: [minute * 3, minute, minute * u64::from(number > 5)] };
    let durations = time.map(|minute| (at(minute), histogram(minute))).collect();
    all.push(Series::new("request_duration", &labels, Points::Histograms(durations)));
    // Some series end before the others do: Prometheus writes it down when a target is gone.
    for gone in all.iter_mut().filter(|each| each.has("job", "db") && each.has("instance", "2")) {
        if let Points::Floats(points) = &mut gone.points
            && number % 2 == 1
        {
            points.truncate(30);
            points.push((at(31), f64::from_bits(STALE)));
        }
    }
    for counter in all.iter_mut().filter(|each| each.has("__name__", "http_requests_total")) {
        counter.exemplars = (3..MINUTES)
            .step_by(7)
            .map(|minute| Exemplar { trace: format!("trace-{number}-{minute}"), value: own, at: at(minute) })
            .collect();
    }
    all
}

/// The value that ends a series.
// Prometheus: model/value/value.go, StaleNaN
const STALE: u64 = 0x7ff0_0000_0000_0002;

fn series(
    name: &str,
    labels: &[(&str, &str)],
    minutes: std::ops::RangeInclusive<u64>,
    value: impl Fn(f64) -> f64,
) -> Series {
    let points = minutes.map(|minute| (at(minute), value(f64::from(u32::try_from(minute).expect("some minutes")))));
    Series::new(name, labels, Points::Floats(points.collect()))
}

/// The time of a minute of the data, in Unix milliseconds.
fn at(minute: u64) -> u64 {
    (*END - (MINUTES - minute) * 60) * 1000
}
