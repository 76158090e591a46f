//! A real Prometheus over data of several tenants, and for each tenant one that holds nothing else.

use super::client::{Body, Connection, get, request, status_of};
use super::process::{Process, directory};
use super::remote_write::{self, Series};
use super::{data, eventually, parts};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// Everything that changes what PromQL means or what a Prometheus keeps. An older one does not know all of it, and says so in its log.
const FEATURES: &str = "exemplar-storage,native-histograms,promql-experimental-functions,promql-duration-expr,\
                        promql-extended-range-selectors,promql-binop-fill-modifiers";

/// A running Prometheus; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) port: u16,
    process: Process,
}

impl Prometheus {
    /// One that many share: every tenant's series, and series that carry no tenant at all.
    pub(crate) fn shared() -> Self {
        Self::holding(&data::all(), &[])
    }

    /// The same, and it gives up on a request that has not come whole within a second.
    pub(crate) fn impatient() -> Self {
        Self::holding(&data::all(), &["--web.read-timeout=1s"])
    }

    /// One that holds those series of these tenants that `may` be read, and nothing else.
    pub(crate) fn own(tenants: &[&str], may: impl Fn(&Series) -> bool) -> Self {
        // In the order of the shared one: what PromQL leaves open may follow the order in which series came.
        let tenants = data::TENANTS.into_iter().filter(|each| tenants.contains(each));
        Self::holding(&tenants.flat_map(data::of_tenant).filter(may).collect::<Vec<_>>(), &[])
    }

    /// One that holds `series`.
    pub(crate) fn holding(series: &[Series], more: &[&str]) -> Self {
        Self::configured(series, &[], "", more)
    }

    /// One that holds `series`, with `files` beside its configuration, to which `configuration` is added.
    pub(crate) fn configured(series: &[Series], files: &[(&str, &str)], configuration: &str, more: &[&str]) -> Self {
        let home = directory("prometheus");
        let text = format!("storage: {{exemplars: {{max_exemplars: 10000}}}}\n{configuration}");
        for (name, text) in files.iter().chain(&[("prometheus.yml", text.as_str())]) {
            fs::write(home.join(name), text).expect("a file is written");
        }
        let (data, configuration) = (home.join("data"), home.join("prometheus.yml"));
        // Prometheus cannot say which port it got, so one is found for it; another process may take it in between.
        let found = (0..5).find_map(|_| Self::run(&home, &data, &configuration, more)).expect("Prometheus starts");
        let write = request("POST", "/api/v1/write")
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .body(Body::Length(remote_write::body(series)));
        let answer = Connection::open(found.port).send(&write);
        assert_eq!(answer.status, 204, "{}\n{}", answer.text(), found.log_tail());
        found
    }

    fn run(home: &Path, data: &Path, configuration: &Path, more: &[&str]) -> Option<Self> {
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
        let mut arguments = vec![
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--web.enable-remote-write-receiver".to_owned(),
            format!("--enable-feature={FEATURES}"),
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

    pub(crate) fn version(&self) -> String {
        let answer = Connection::open(self.port).send(&get("/api/v1/status/buildinfo")).json();
        answer["data"]["version"].as_str().expect("a version").to_owned()
    }

    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}
