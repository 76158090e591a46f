//! A real Prometheus over data of several tenants, and for each tenant one that holds nothing else.

use super::client::{Connection, get};
use super::process::{Process, directory};
use super::remote_write::{self, Series};
use super::{data, parts};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Everything that changes what PromQL means or what a Prometheus keeps. An older one does not know all of it, and says so in its log.
const FEATURES: &str = "exemplar-storage,native-histograms,promql-experimental-functions,promql-duration-expr,\
                        promql-extended-range-selectors,promql-binop-fill-modifiers,\
                        promql-per-step-stats,query-cost,search-api,type-and-unit-labels,use-start-timestamps";

/// What takes dots and letters beyond the classic ones for parts of a name; without it a label may hold a colon.
const UNQUOTED_NAMES: &str = "--enable-feature=promql-unquoted-utf8-names";

/// What a Prometheus has beside its samples.
#[derive(Clone, Debug)]
pub(crate) struct Duties {
    /// Groups of rules, each file under its name.
    pub(crate) rules: Vec<(String, Value)>,
    pub(crate) scrape_configs: Value,
    pub(crate) remote_read: Value,
    /// What Thanos's sidecar puts on everything.
    pub(crate) external_labels: Value,
    /// Where it is started, to serve the pages that it finds there.
    pub(crate) pages: Option<PathBuf>,
}

impl Default for Duties {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            scrape_configs: json!([]),
            remote_read: json!([]),
            external_labels: json!({}),
            pages: None,
        }
    }
}

/// A running Prometheus; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) port: u16,
    /// Where its blocks are.
    pub(crate) data: PathBuf,
    process: Process,
}

impl Prometheus {
    /// One that many share: every tenant's series, and series that carry no tenant at all.
    pub(crate) fn shared() -> Self {
        Self::holding(&data::all(), &[UNQUOTED_NAMES])
    }

    /// The same, and it gives up on a request that has not come whole within a second.
    pub(crate) fn impatient() -> Self {
        Self::holding(&data::all(), &["--web.read-timeout=1s"])
    }

    /// One that holds those series of these tenants that `may` be read, and nothing else.
    pub(crate) fn own(tenants: &[&str], may: impl Fn(&Series) -> bool) -> Self {
        // In the order of the shared one: what PromQL leaves open may follow the order in which series came.
        let tenants = data::TENANTS.into_iter().filter(|each| tenants.contains(each));
        Self::holding(&tenants.flat_map(data::of_tenant).filter(may).collect::<Vec<_>>(), &[UNQUOTED_NAMES])
    }

    /// One that holds `series`.
    pub(crate) fn holding(series: &[Series], more: &[&str]) -> Self {
        Self::with(series, &Duties::default(), more)
    }

    /// One that holds `series` and has something to do.
    pub(crate) fn with(series: &[Series], duties: &Duties, more: &[&str]) -> Self {
        let home = directory("prometheus");
        let (data, configuration) = (home.join("data"), home.join("prometheus.yml"));
        for (name, groups) in &duties.rules {
            fs::write(home.join(name), json!({"groups": groups}).to_string()).expect("the rules are written");
        }
        let written = json!({
            "global": {
                "evaluation_interval": "1s",
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "external_labels": duties.external_labels,
            },
            "rule_files": duties.rules.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "scrape_configs": duties.scrape_configs,
            "remote_read": duties.remote_read,
            "storage": {"exemplars": {"max_exemplars": 10000}},
        });
        // JSON is YAML too.
        fs::write(&configuration, written.to_string()).expect("the configuration is written");
        let program = parts::prometheus();
        let (start, first) = match &duties.pages {
            None => (program, Vec::new()),
            Some(folder) => {
                ("env".into(), vec!["-C".into(), folder.display().to_string(), program.display().to_string()])
            }
        };
        let arguments = |port| {
            let mut arguments = first.clone();
            arguments.extend([
                format!("--config.file={}", configuration.display()),
                format!("--storage.tsdb.path={}", data.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--web.enable-remote-write-receiver".to_owned(),
                format!("--enable-feature={FEATURES}"),
                // /federate answers as of now: with this it answers the last samples for as long as the tests run.
                "--query.lookback-delta=1h".to_owned(),
            ]);
            arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
            arguments
        };
        let log = home.join("prometheus.log");
        let (port, process) = Process::serve(&start, arguments, &log, "/-/ready");
        let found = Self { port, data, process };
        if series.is_empty() {
            return found;
        }
        let answer = Connection::open(found.port).send(&remote_write::request("/api/v1/write", series));
        assert_eq!(answer.status, 204, "{}\n{}", answer.text(), found.log_tail());
        found
    }

    pub(crate) fn version(&self) -> String {
        let answer = Connection::open(self.port).send(&get("/api/v1/status/buildinfo")).json();
        answer["data"]["version"].as_str().expect("a version").to_owned()
    }

    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}
