//! The chains that are compared: from the port that a client asks to the one that the upstream listens on.

use super::TENANT;
use super::support::envoy::{Envoy, Listener, bootstrap, cluster, virtual_host};
use super::support::process::{Process, directory};
use super::support::{parts, prom_label_proxy};
use serde_json::json;
use std::fs;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Envoy, whose client narrows what it asks itself: what a hop costs.
    Alone,
    /// Envoy with the filter, the tenant in the listener's metadata.
    Filter,
    /// Envoy, then prom-label-proxy with a static tenant.
    EnvoyProxy,
    /// Caddy, which puts the tenant into the URL, then prom-label-proxy.
    CaddyProxy,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Alone, Self::Filter, Self::EnvoyProxy, Self::CaddyProxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alone => "Envoy alone",
            Self::Filter => "Envoy with the filter",
            Self::EnvoyProxy => "Envoy → prom-label-proxy",
            Self::CaddyProxy => "Caddy → prom-label-proxy",
        }
    }
}

/// A chain that runs. Each has processes of its own, so that their time is its own.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    envoy: Option<Envoy>,
    processes: Vec<Process>,
}

impl Chain {
    /// Starts one before the upstream on this port.
    pub(crate) fn start(kind: Kind, upstream: u16) -> Self {
        let proxy = |tenant: String| {
            prom_label_proxy::start(&[
                "-label=tenant".to_owned(),
                tenant,
                format!("-upstream=http://127.0.0.1:{upstream}"),
                "-enable-label-apis".to_owned(),
            ])
        };
        let envoy = |listener: Listener, upstream: u16| {
            let envoy = Envoy::start(&bootstrap(&[listener], vec![cluster("upstream", upstream, false)]));
            (envoy.port("chain"), Some(envoy))
        };
        let ((port, envoy), processes) = match kind {
            Kind::Alone => (envoy(Listener::bare("chain"), upstream), vec![]),
            Kind::Filter => {
                let configuration = json!({"labels": [{"name": "tenant", "route_metadata": "tenant"}]});
                let listener = Listener::new("chain", configuration).metadata(json!({"tenant": TENANT}));
                (envoy(listener, upstream), vec![])
            }
            Kind::EnvoyProxy => {
                let (port, process) = proxy(format!("-label-value={TENANT}"));
                (envoy(Listener::bare("chain"), port), vec![process])
            }
            Kind::CaddyProxy => {
                let (port, process) = proxy("-query-param=tenant".to_owned());
                let (port, caddy) = caddy(port);
                ((port, None), vec![caddy, process])
            }
        };
        Self { kind, port, envoy, processes }
    }

    pub(crate) fn envoy(&self) -> Option<&Envoy> {
        self.envoy.as_ref()
    }

    /// The time that processors have spent on all of the chain.
    pub(crate) fn processor_time(&self) -> Duration {
        let envoy = self.envoy.as_ref().map(Envoy::processor_time).unwrap_or_default();
        envoy + self.processes.iter().map(Process::processor_time).sum::<Duration>()
    }
}

/// Caddy as the tutorial has it: it adds the tenant to the URL of whatever comes.
fn caddy(upstream: u16) -> (u16, Process) {
    let home = directory("caddy");
    let file = home.join("Caddyfile");
    let arguments = |port: u16| {
        let text = format!(
            "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{port} {{\n\tbind 127.0.0.1\n\trespond /ready 200\n\
             \trewrite * ?{{query}}&tenant={TENANT}\n\treverse_proxy http://127.0.0.1:{upstream}\n}}\n"
        );
        fs::write(&file, text).expect("the Caddyfile is written");
        ["run", "--adapter", "caddyfile", "--config"]
            .map(Into::into)
            .into_iter()
            .chain([file.display().to_string()])
            .collect()
    };
    Process::serve(&parts::program("CADDY", &["caddy"]), arguments, &home.join("caddy.log"), "/ready")
}

/// An Envoy that answers every request by itself. It reads a request to its end first: an answer before that closes the
/// connection, and connecting would be most of what is measured.
pub(crate) fn answering() -> Envoy {
    let series = json!({"metric": {"__name__": "up", "tenant": TENANT}, "value": [1_700_000_000, "1"]});
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": vec![series; 10]}}).to_string();
    let route = json!({
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": body}},
        "response_headers_to_add": [{
            "header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }],
    });
    let reader = json!({
        "name": "envoy.filters.http.buffer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": 1 << 20,
        },
    });
    let virtual_hosts = json!([virtual_host("all", "*", json!([route]))]);
    let listener = Listener::bare("static").behind(reader).virtual_hosts(virtual_hosts);
    Envoy::start(&bootstrap(&[listener], vec![]))
}
