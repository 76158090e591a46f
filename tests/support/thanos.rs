//! A real Thanos: sidecars, Receives, Queriers and a Query Frontend.
//!
//! Needs the peers (`make test-peers`).

use super::client::{get, send};
use super::parts;
use super::process::{Process, directory, free_port};
use super::prometheus::Prometheus;
use super::remote_write::{self, Series};
use std::cell::Cell;
use std::path::Path;

/// Something that a Querier asks; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Store {
    grpc: u16,
    process: Process,
}

impl Store {
    /// The sidecar of a Prometheus that has external labels.
    pub(crate) fn sidecar(prometheus: &Prometheus) -> Self {
        let arguments = [
            format!("--prometheus.url=http://127.0.0.1:{}", prometheus.port),
            format!("--tsdb.path={}", prometheus.data.display()),
        ];
        Self::start("sidecar", &directory("thanos-sidecar"), &arguments)
    }

    /// A Receive that keeps series and exemplars for each tenant, and puts `tenant` and `labels` on them.
    pub(crate) fn receive(labels: &str, tenants: &[(&str, Vec<Series>)]) -> Self {
        let home = directory("thanos-receive");
        let write = free_port();
        let arguments = [
            format!("--tsdb.path={}", home.join("data").display()),
            format!("--label={labels}"),
            format!("--remote-write.address=127.0.0.1:{write}"),
            format!("--receive.capnproto-address=127.0.0.1:{}", free_port()),
            "--receive.tenant-label-name=tenant".to_owned(),
            "--tsdb.max-exemplars=10000".to_owned(),
        ];
        let receive = Self::start("receive", &home, &arguments);
        for (tenant, series) in tenants {
            let write_to = remote_write::request("/api/v1/receive", series).header("thanos-tenant", tenant);
            let answer = send(write, &write_to);
            assert_eq!(answer.status, 200, "{}\n{}", answer.text(), receive.process.log_tail());
        }
        receive
    }

    fn start(component: &str, home: &Path, arguments: &[String]) -> Self {
        let (grpc, _, process) = serve(component, home, true, arguments);
        Self { grpc, process }
    }
}

/// What answers queries; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Querier {
    pub(crate) port: u16,
    process: Process,
}

impl Querier {
    /// One over `stores`, when it has found each of them.
    pub(crate) fn over<'a>(stores: impl IntoIterator<Item = &'a Store>, more: &[&str]) -> Self {
        let stores: Vec<_> = stores.into_iter().map(|store| format!("--endpoint=127.0.0.1:{}", store.grpc)).collect();
        let count = stores.len();
        let arguments: Vec<_> = ["--query.replica-label=replica", "--enable-feature=promql-at-modifier"]
            .iter()
            .chain(more)
            .map(|&argument| argument.to_owned())
            .chain(stores)
            .collect();
        let (_, port, process) = serve("query", &directory("thanos-query"), true, &arguments);
        let querier = Self { port, process };
        super::eventually("a Querier to find its stores", || (querier.stores() == count).then_some(()));
        querier
    }

    /// How many stores answer.
    pub(crate) fn stores(&self) -> usize {
        let found = send(self.port, &get("/api/v1/stores")).json();
        let kinds = found["data"].as_object().expect("stores by kind");
        let stores = kinds.values().filter_map(|kind| kind.as_array()).flatten();
        stores.filter(|store| store["lastError"].is_null()).count()
    }

    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// What caches and splits in front of a Querier; dropping it ends it.
#[derive(Debug)]
pub(crate) struct QueryFrontend {
    pub(crate) port: u16,
    _process: Process,
}

impl QueryFrontend {
    pub(crate) fn before(querier: &Querier, more: &[&str]) -> Self {
        let cache = "{type: IN-MEMORY, config: {max_size: 50MB, validity: 1h}}";
        let arguments: Vec<_> = [
            format!("--query-frontend.downstream-url=http://127.0.0.1:{}", querier.port),
            format!("--query-range.response-cache-config={cache}"),
            format!("--labels.response-cache-config={cache}"),
        ]
        .into_iter()
        .chain(more.iter().map(|&argument| argument.to_owned()))
        .collect();
        let (_, port, process) = serve("query-frontend", &directory("thanos-query-frontend"), false, &arguments);
        Self { port, _process: process }
    }

    /// The sum of a counter of its own, over all labels.
    pub(crate) fn counter(&self, name: &str) -> f64 {
        let page = send(self.port, &get("/metrics")).text();
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// Starts a component: its ports for gRPC (0 when it has none) and HTTP.
fn serve(component: &str, home: &Path, grpc: bool, more: &[String]) -> (u16, u16, Process) {
    let used = Cell::new(0);
    let arguments = |port| {
        let mut arguments = vec![component.to_owned(), format!("--http-address=127.0.0.1:{port}")];
        if grpc {
            used.set(free_port());
            arguments.push(format!("--grpc-address=127.0.0.1:{}", used.get()));
        }
        arguments.extend_from_slice(more);
        arguments
    };
    let (port, process) = Process::serve(&parts::peer("thanos"), arguments, &home.join("thanos.log"), "/-/ready");
    (used.get(), port, process)
}
