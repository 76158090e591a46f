//! The load: wrk, closed loop, a few connections that stay open.

use super::TENANT;
use super::chain::{Chain, Kind};
use super::queries::{GRAFANA, burn_rate};
use super::support::client::{Request, get, post};
use super::support::form::encode;
use super::support::parts;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections at a time: enough that a worker is never idle, few enough that none waits for long.
const CONNECTIONS: &str = "8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// `up`, by GET.
    Small,
    /// A dashboard's panel, by POST.
    Panel,
    /// A dozen burn-rate alerts in one text, by POST.
    Large,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    size: Size,
    /// Whether each request has a text that was never sent before.
    is_fresh: bool,
}

const LABEL: &str = "tenant";

/// What stands in a fresh text where a number comes.
const NUMBER: &str = "%N%";

impl Asked {
    pub(crate) const ALL: [Self; 6] = [
        Self { size: Size::Small, is_fresh: false },
        Self { size: Size::Small, is_fresh: true },
        Self { size: Size::Panel, is_fresh: false },
        Self { size: Size::Panel, is_fresh: true },
        Self { size: Size::Large, is_fresh: false },
        Self { size: Size::Large, is_fresh: true },
    ];

    pub(crate) fn name(self) -> String {
        let size = match self.size {
            Size::Small => "`up`",
            Size::Panel => "a panel",
            Size::Large => "12 KB",
        };
        format!("{size}, {}", if self.is_fresh { "fresh" } else { "repeated" })
    }

    /// Whether an answer of Prometheus names its tenant.
    pub(crate) fn tells(self) -> bool {
        self.size == Size::Small
    }

    /// What a client of this chain asks. Where nobody narrows it, it asks for the tenant's series itself: all upstreams have
    /// the same to do.
    fn query(self, kind: Kind) -> String {
        // A matcher that holds for every series, so that fresh texts ask for the same.
        let matcher = if self.is_fresh { format!("instance!=\"{NUMBER}\"") } else { "instance!=\"0\"".to_owned() };
        let query = match self.size {
            Size::Small => format!("up{{{matcher}}}"),
            Size::Panel => GRAFANA.replacen("job=\"api\"", &format!("job=\"api\", {matcher}"), 1),
            Size::Large => {
                vec![burn_rate(); 12].join(" or ").replacen("job=\"api\"", &format!("job=\"api\",{matcher}"), 1)
            }
        };
        match kind {
            Kind::Alone => query.replace('{', &format!("{{{LABEL}=\"{TENANT}\",")),
            Kind::Filter | Kind::EnvoyProxy | Kind::CaddyProxy => query,
        }
    }

    /// The target, and the form if there is one; percent-encoded, but for the place of the number.
    fn parts(self, kind: Kind) -> (String, Option<String>) {
        let query = encode(&self.query(kind)).replace(&encode(NUMBER), NUMBER);
        match self.size {
            Size::Small => (format!("/api/v1/query?query={query}"), None),
            Size::Panel | Size::Large => ("/api/v1/query".to_owned(), Some(format!("query={query}"))),
        }
    }

    /// One such request.
    pub(crate) fn request(self, kind: Kind) -> Request {
        let number = |text: String| text.replace(NUMBER, "0");
        match self.parts(kind) {
            (target, None) => get(number(target)),
            (target, Some(form)) => post(target, number(form)),
        }
    }
}

/// What one run of wrk found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) requests_a_second: f64,
    /// Microseconds that processors spent on the chain for a request.
    pub(crate) processor: f64,
    /// Latencies in microseconds.
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

/// Asks a chain for some seconds.
pub(crate) fn measure(chain: &Chain, asked: Asked, seconds: u64) -> Figures {
    let before = chain.processor_time();
    let figures = {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // No number is used twice, whatever the runs before have used.
        let first = NEXT.fetch_add(1, Ordering::Relaxed) * 100_000_000;
        let (target, form) = asked.parts(chain.kind);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/peers/wrk.lua");
        let output = Command::new(parts::program("WRK", &["wrk"]))
            .args(["-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s"), "--timeout", "30s", "-s"])
            .arg(script)
            .args([&format!("http://127.0.0.1:{}", chain.port), "--", &first.to_string(), &target])
            .args(form)
            .output()
            .expect("wrk starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().rev().find_map(|line| line.strip_prefix("figures ")).map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("wrk says:\n{text}{}", String::from_utf8_lossy(&output.stderr)));
        line.split(' ').map(|number| number.parse::<f64>().expect("a number")).collect::<Vec<f64>>()
    };
    let spent = (chain.processor_time() - before).as_secs_f64() * 1e6;
    let [requests, microseconds, failed, median, p90, p99] = figures[..] else { panic!("figures of wrk: {figures:?}") };
    assert!(failed == 0.0 && requests > 0.0, "{}, {}: {failed} of {requests} failed", chain.kind.name(), asked.name());
    Figures { requests_a_second: requests / microseconds * 1e6, processor: spent / requests, median, p90, p99 }
}
