//! A real Prometheus over data of several tenants, and for each tenant one that holds nothing else.

use super::client::status_of;
use super::process::{Process, directory};
use super::{eventually, parts};
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
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

/// Samples of each series, one a minute.
const SAMPLES: u64 = 41;

/// A running Prometheus; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) port: u16,
    process: Process,
}

impl Prometheus {
    /// One that many share: every tenant's series, and series that carry no tenant at all.
    pub(crate) fn shared() -> Self {
        Self::start(&Self::shared_text(), &[])
    }

    /// The same, and it gives up on a request that has not come whole within a second.
    pub(crate) fn impatient() -> Self {
        Self::start(&Self::shared_text(), &["--web.read-timeout=1s"])
    }

    fn shared_text() -> String {
        let mut text = String::new();
        for tenant in TENANTS {
            write_tenant(&mut text, tenant);
        }
        for name in ["up", "http_requests_total", "nobody_total"] {
            write_series(&mut text, name, &[("job", "nobody")], |minute| minute * 7);
            write_series(&mut text, name, &[("job", "empty"), ("team", "team-fruit")], |minute| minute * 9);
        }
        text
    }

    /// One that holds these tenants' series and nothing else.
    pub(crate) fn own(tenants: &[&str]) -> Self {
        let mut text = String::new();
        for tenant in TENANTS {
            if tenants.contains(&tenant) {
                write_tenant(&mut text, tenant);
            }
        }
        Self::start(&text, &[])
    }

    fn start(text: &str, more: &[&str]) -> Self {
        let home = directory("prometheus");
        let (input, data, configuration) = (home.join("data.om"), home.join("data"), home.join("prometheus.yml"));
        fs::write(&input, format!("{text}# EOF\n")).expect("the data is written");
        fs::write(&configuration, "global: {}\n").expect("the configuration is written");
        let output = Command::new(parts::promtool())
            .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
            .args([&input, &data])
            .output()
            .expect("promtool starts");
        assert!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
        // Prometheus cannot say which port it got, so one is found for it; another process may take it in between.
        (0..5).find_map(|_| Self::run(&home, &data, &configuration, more)).expect("Prometheus starts")
    }

    fn run(home: &Path, data: &Path, configuration: &Path, more: &[&str]) -> Option<Self> {
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
        let mut arguments = vec![
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            // /federate answers as of now: with this it answers the last samples for as long as the tests run.
            "--query.lookback-delta=1h".to_owned(),
        ];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let mut process = Process::start(&parts::prometheus(), &arguments, home.join("prometheus.log"));
        let ready = eventually("Prometheus to be ready", || {
            if process.ended().is_some() {
                return Some(false);
            }
            (status_of(port, "/-/ready") == Some(200)).then_some(true)
        });
        ready.then_some(Self { port, process })
    }

    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// A tenant's series: the same shapes for all, values of its own.
fn write_tenant(text: &mut String, tenant: &str) {
    let own = u64::try_from(TENANTS.iter().position(|each| *each == tenant).expect("a known tenant"))
        .expect("a small number")
        + 2;
    for job in ["api", "db"] {
        for instance in ["1", "2"] {
            let labels = [("tenant", tenant), ("job", job), ("instance", instance)];
            write_series(text, "up", &labels, |minute| u64::from(minute % own != 0));
            write_series(text, "http_requests_total", &labels, |minute| minute * own);
            write_series(text, "temperature", &labels, |minute| 20 + (minute * own) % 17);
            for (le, share) in [("0.1", 1), ("0.5", 2), ("1", 3), ("+Inf", 4)] {
                let labels = [("tenant", tenant), ("job", job), ("instance", instance), ("le", le)];
                write_series(text, "latency_bucket", &labels, |minute| minute * own * share);
            }
        }
    }
    // A name and a label that only this tenant has: they must not show anywhere else.
    write_series(
        text,
        &format!("secret_{own}_total"),
        &[("tenant", tenant), (&format!("only_{own}"), "x")],
        |minute| minute,
    );
}

fn write_series(text: &mut String, name: &str, labels: &[(&str, &str)], value: impl Fn(u64) -> u64) {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    for minute in 0..SAMPLES {
        let at = *END - (SAMPLES - 1 - minute) * 60;
        writeln!(text, "{name}{{{}}} {} {at}", labels.join(","), value(minute)).expect("a line");
    }
}
