//! prom-label-proxy and the filter side by side, before the same upstream, told the same: the filter's configuration is what
//! `migrate` makes of prom-label-proxy's flags.

use super::way::LABEL;
use crate::companion;
use crate::support::client::{Connection, Request, Response, request};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::process::Process;
use crate::support::prom_label_proxy;
use crate::support::upstream::{End, Recorded, Upstream};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// Everything that there is to switch on.
const SWITCHES: [&str; 5] = [
    "-enable-label-apis",
    "-enable-promql-duration-expression-parsing",
    "-enable-promql-experimental-functions",
    "-enable-promql-extended-range-selectors",
    "-enable-promql-binop-fill-modifiers",
];

/// For each set of flags a prom-label-proxy and a listener of one Envoy, before an upstream of their own.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) envoy: Envoy,
    proxies: BTreeMap<&'static str, Proxy>,
}

/// A prom-label-proxy and what stands behind it.
#[derive(Debug)]
struct Proxy {
    port: u16,
    upstream: Upstream,
    _process: Process,
}

impl Pairs {
    /// Each of these by its name.
    pub(super) fn start(upstream: impl Fn() -> Upstream, wanted: &[(&'static str, &[&str])]) -> Self {
        let mut pairs = (Vec::new(), Vec::new(), BTreeMap::new());
        for (name, own) in wanted {
            let upstream = upstream();
            let flags = flags(own, upstream.port);
            pairs.0.push(Listener::new(name, migrated(&flags, name)).cluster(name));
            pairs.1.push(cluster(name, upstream.port, false));
            let (port, process) = prom_label_proxy::start(&flags);
            pairs.2.insert(*name, Proxy { port, upstream, _process: process });
        }
        let (listeners, clusters, proxies) = pairs;
        Self { envoy: Envoy::start(&bootstrap(&listeners, clusters)), proxies }
    }

    /// Two connections to the pair of this name.
    pub(super) fn pair(&self, name: &str) -> Pair<'_> {
        let proxy = self.proxies.get(name).unwrap_or_else(|| panic!("no prom-label-proxy {name}"));
        let (theirs, ours) = (Connection::open(proxy.port), Connection::open(self.envoy.port(name)));
        Pair { theirs, ours, upstream: &proxy.upstream }
    }
}

/// The flags of both, but for the address to listen on.
fn flags(own: &[&str], upstream: u16) -> Vec<String> {
    let always = [format!("-label={LABEL}"), format!("-upstream=http://127.0.0.1:{upstream}")];
    always.into_iter().chain(SWITCHES.iter().chain(own).map(|&flag| flag.to_owned())).collect()
}

/// The configuration that `migrate` makes of the flags, with Alertmanager as its notes say.
fn migrated(flags: &[String], cluster: &str) -> Value {
    let run = companion::run(["migrate", "--format", "json", "--"].map(Into::into).iter().chain(flags));
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut configuration = run.json();
    configuration["alertmanager"] = json!({"enabled": true, "silence_writes": "allow", "cluster": cluster});
    configuration
}

/// A connection to each of the two.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    theirs: Connection,
    ours: Connection,
    pub(super) upstream: &'a Upstream,
}

/// What came of a request on one side.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// What the upstream was asked, if it was.
    pub(super) received: Option<Recorded>,
    pub(super) response: Response,
}

/// What came of it on both.
#[derive(Debug)]
pub(super) struct Both {
    pub(super) theirs: Outcome,
    pub(super) ours: Outcome,
}

impl Pair<'_> {
    /// Sends `asked` through both. `prepare` sees each of the two requests before it goes.
    pub(super) fn ask(&mut self, asked: &Request, prepare: impl Fn(&Upstream, &Request)) -> Both {
        let twin = Request { id: request("GET", "").id, ..asked.clone() };
        for each in [asked, &twin] {
            prepare(self.upstream, each);
        }
        let response = self.theirs.send(asked);
        let theirs = Outcome { received: received(self.upstream, asked, &response), response };
        let response = self.ours.send(&twin);
        let ours = Outcome { received: received(self.upstream, &twin, &response), response };
        Both { theirs, ours }
    }
}

/// What the upstream saw. A real one may answer a moment before it is written down what it was asked.
fn received(upstream: &Upstream, asked: &Request, response: &Response) -> Option<Recorded> {
    let refused = ["prom-label-proxy", "prom-label-filter"].iter().any(|name| response.text().contains(name));
    let tries = if refused || matches!(response.status, 404 | 405) { 1 } else { 10 };
    for _ in 0..tries {
        if upstream.peek(asked).is_some() {
            // A filter that refuses a form leaves a head without a query.
            return Some(upstream.ended(asked)).filter(|recorded| recorded.end == End::Clean);
        }
        thread::sleep(Duration::from_millis(tries - 1));
    }
    None
}
