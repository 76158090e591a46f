//! prom-label-proxy and the filter side by side, before the same upstream, told the same: the filter's configuration is what
//! `migrate` makes of prom-label-proxy's flags.

use super::way::LABEL;
use crate::companion;
use crate::support::client::{Connection, Request, Response, request};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::parts;
use crate::support::process::{Process, directory};
use crate::support::upstream::{End, Recorded, Upstream};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// PromQL as the filter takes it in these tests.
const PROMQL: [&str; 4] = [
    "-enable-promql-duration-expression-parsing",
    "-enable-promql-experimental-functions",
    "-enable-promql-extended-range-selectors",
    "-enable-promql-binop-fill-modifiers",
];

/// A prom-label-proxy for each set of flags, and one Envoy with a listener for each.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) envoy: Envoy,
    pub(super) upstream: Upstream,
    proxies: BTreeMap<&'static str, (u16, Process)>,
}

impl Pairs {
    /// Each of these by its name, before `upstream`.
    pub(super) fn start(upstream: Upstream, wanted: &[(&'static str, &[&str])]) -> Self {
        let cluster = cluster("upstream", upstream.port, false);
        let flags = |own: &[&str]| -> Vec<String> {
            let label = format!("-label={LABEL}");
            let all = [label.as_str(), "-enable-label-apis"].into_iter().chain(PROMQL).chain(own.iter().copied());
            all.map(Into::into).chain([format!("-upstream=http://127.0.0.1:{}", upstream.port)]).collect()
        };
        let proxies = wanted.iter().map(|(name, own)| (*name, proxy(&flags(own)))).collect();
        let listeners: Vec<_> = wanted.iter().map(|(name, own)| Listener::new(name, migrated(&flags(own)))).collect();
        Self { envoy: Envoy::start(&bootstrap(&listeners, vec![cluster])), upstream, proxies }
    }

    /// Two connections to the pair of this name.
    pub(super) fn pair(&self, name: &str) -> Pair<'_> {
        let (port, _) = self.proxies.get(name).unwrap_or_else(|| panic!("no prom-label-proxy {name}"));
        let (theirs, ours) = (Connection::open(*port), Connection::open(self.envoy.port(name)));
        Pair { theirs, ours, upstream: &self.upstream }
    }
}

fn proxy(flags: &[String]) -> (u16, Process) {
    let arguments =
        |port| flags.iter().cloned().chain([format!("-insecure-listen-address=127.0.0.1:{port}")]).collect::<Vec<_>>();
    let log = directory("prom-label-proxy").join("prom-label-proxy.log");
    Process::serve(&parts::peer("prom-label-proxy"), arguments, &log, "/healthz")
}

/// The configuration that `migrate` makes of the flags, with Alertmanager as its notes say.
fn migrated(flags: &[String]) -> Value {
    let run = companion::run(["migrate", "--format", "json", "--"].map(Into::into).iter().chain(flags));
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut configuration = run.json();
    configuration["alertmanager"] = json!({"enabled": true, "silence_writes": "allow", "cluster": "upstream"});
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
