//! The same requests from a client's end: a real Envoy, with the filter and without it, and the memory that it has.

use super::Row;
use super::support::client::{Connection, post};
use super::support::envoy::{Envoy, Listener, bootstrap, cluster};
use super::support::upstream::Upstream;
use std::time::{Duration, Instant};

/// For how long each request is sent, with and without the filter together.
const TIME: Duration = Duration::from_secs(2);
/// And how often at most: the upstream remembers what it saw.
const MOST: usize = 400;

/// Prints medians, side by side.
pub(crate) fn compare(rows: &[Row]) {
    let upstream = Upstream::start();
    let mut listeners = vec![Listener::bare("without")];
    listeners.extend(rows.iter().map(|row| Listener::new(&row.case.name, row.case.configuration.clone())));
    // Forms become larger when they are rewritten.
    let listeners: Vec<Listener> = listeners.into_iter().map(|listener| listener.buffer_limit(16 << 20)).collect();
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", upstream.port, false)]));
    let mebibytes = || envoy.resident() >> 20;
    println!(
        "\n{:32} {:>9} {:>7} {:>12} {:>12} {:>9} {:>6} {:>12}",
        "request", "text B", "status", "without µs", "with µs", "more µs", "ratio", "Envoy MiB"
    );
    println!("{:95} {:12}", "before", mebibytes());
    for Row { case, .. } in rows {
        let (mut without, mut with) =
            (Connection::open(envoy.port("without")), Connection::open(envoy.port(&case.name)));
        let request = || post(case.path, &case.form);
        let time = |connection: &mut Connection| {
            let request = request();
            let start = Instant::now();
            let response = connection.send(&request);
            (start.elapsed().as_secs_f64() * 1e9, response.status)
        };
        let status = time(&mut with).1;
        time(&mut without);
        let (mut slow, mut fast) = (Vec::new(), Vec::new());
        let start = Instant::now();
        while slow.len() < 3 || (start.elapsed() < TIME && slow.len() < MOST) {
            fast.push(time(&mut without).0);
            slow.push(time(&mut with).0);
        }
        let (fast, slow) = (median(&mut fast), median(&mut slow));
        println!(
            "{:32} {:9} {status:7} {:12.1} {:12.1} {:9.1} {:6.2} {:12}",
            case.name,
            case.size,
            fast / 1e3,
            slow / 1e3,
            (slow - fast) / 1e3,
            slow / fast,
            mebibytes()
        );
    }
    assert_eq!(envoy.reloads(), 0, "a request ended the VM");
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
