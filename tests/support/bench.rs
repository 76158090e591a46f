//! One Envoy for a group of tests, before a recording upstream, with the questions that every test asks.

use super::client::{Request, Response, get, send};
use super::envoy::{Envoy, Listener, bootstrap, cluster};
use super::upstream::{End, Recorded, Upstream};
use serde_json::{Value, json};
use std::ops::Deref;

/// The listener that every bench has beside its own, in the same VM: it serves the next tenant.
const NEXT: &str = "next";

/// The error type of refusals for tenancy, limits and paths.
pub(crate) const OURS: &str = "prom-label-filter";

/// The error type of what Prometheus itself would refuse.
pub(crate) const BAD_DATA: &str = "bad_data";

/// For refusals of which the contract gives the status only.
pub(crate) const ANY_TYPE: &str = "either";

/// An Envoy with listeners that share one VM, and the upstream behind them: as `upstream` over HTTP/1.1 and as
/// `upstream-h2` over HTTP/2.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
}

impl Bench {
    pub(crate) fn start(listeners: impl IntoIterator<Item = Listener>) -> Self {
        Self::before(Upstream::start(), listeners)
    }

    /// One before this upstream.
    pub(crate) fn before(upstream: Upstream, listeners: impl IntoIterator<Item = Listener>) -> Self {
        Self::beside(Vec::new(), upstream, listeners)
    }

    /// One that has these clusters, too.
    pub(crate) fn beside(
        further: Vec<Value>,
        upstream: Upstream,
        listeners: impl IntoIterator<Item = Listener>,
    ) -> Self {
        let mut all: Vec<Listener> = listeners.into_iter().collect();
        all.push(Listener::new(NEXT, json!({"labels": [{"name": "tenant", "values": ["next-tenant"]}]})));
        let mut clusters = vec![cluster("upstream", upstream.port, false), cluster("upstream-h2", upstream.port, true)];
        clusters.extend(further);
        Self { envoy: Envoy::start(&bootstrap(&all, clusters)), upstream }
    }

    /// The bench for one test: when the test ends well, the next tenant is still served as it should be.
    pub(crate) fn in_use(&self) -> InUse<'_> {
        InUse(self)
    }

    pub(crate) fn port(&self, listener: &str) -> u16 {
        self.envoy.port(listener)
    }

    pub(crate) fn send(&self, listener: &str, request: &Request) -> Response {
        send(self.port(listener), request)
    }

    /// Sends a request that must go on, and gives what the upstream saw.
    #[track_caller]
    pub(crate) fn forwarded(&self, listener: &str, request: &Request) -> Recorded {
        let response = self.send(listener, request);
        assert_eq!(response.status, 200, "{} refused: {}", describe(request), response.text());
        self.arrived(request)
    }

    /// What the upstream saw of a request that went on.
    #[track_caller]
    pub(crate) fn arrived(&self, request: &Request) -> Recorded {
        let recorded = self.upstream.ended(request);
        assert_eq!(recorded.end, End::Clean, "{recorded:?}");
        assert_sane(&recorded);
        recorded
    }

    /// Sends a request that must be refused by what its headers show: the upstream sees nothing at all.
    #[track_caller]
    pub(crate) fn refused(&self, listener: &str, request: &Request, status: u16, error_type: &str) -> Response {
        let response = self.send(listener, request);
        assert_refusal(&response, status, error_type, &describe(request));
        self.never_arrived(request);
        response
    }

    /// Sends a POST that must be refused by what its body shows: of it the upstream sees a head without a query at most.
    #[track_caller]
    pub(crate) fn refused_in_body(&self, listener: &str, request: &Request, status: u16, error_type: &str) -> Response {
        let response = self.send(listener, request);
        assert_refusal(&response, status, error_type, &describe(request));
        self.nothing_told(request);
        response
    }

    #[track_caller]
    pub(crate) fn never_arrived(&self, request: &Request) {
        let seen = self.upstream.peek(request);
        assert!(seen.is_none(), "{} reached the upstream: {seen:?}", describe(request));
    }

    /// The upstream saw nothing of this refused request, or a head without a query and then a cut.
    #[track_caller]
    pub(crate) fn nothing_told(&self, request: &Request) {
        if self.upstream.peek(request).is_some() {
            let recorded = self.upstream.ended(request);
            assert_eq!(recorded.end, End::Cut, "{recorded:?}");
            assert_eq!(recorded.raw_query(), "", "{recorded:?}");
            assert!(recorded.body.is_empty() && recorded.trailers.is_empty(), "{recorded:?}");
            assert_sane(&recorded);
        }
    }
}

/// A bench during one test.
#[derive(Debug)]
pub(crate) struct InUse<'a>(&'a Bench);

impl Deref for InUse<'_> {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        self.0
    }
}

impl Drop for InUse<'_> {
    #[expect(clippy::print_stderr, reason = "a failed test shows what Envoy said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.envoy.log_tail());
            return;
        }
        let request = get("/api/v1/query?query=up");
        let recorded = self.forwarded(NEXT, &request);
        assert_eq!(recorded.url_parameters(), pairs([("query", r#"up{tenant="next-tenant"}"#)]));
        assert_eq!(self.envoy.reloads(), 0, "some input ended the VM");
        assert_eq!(self.upstream.garbage(), Vec::<String>::new(), "a request was cut wrongly");
    }
}

/// What holds for everything that reaches the upstream.
#[track_caller]
fn assert_sane(recorded: &Recorded) {
    for name in ["content-type", "content-length", "transfer-encoding", "host"] {
        assert!(recorded.all(name).len() <= 1, "{name} more than once: {recorded:?}");
    }
    assert!(!(recorded.has("content-length") && recorded.has("transfer-encoding")), "two lengths: {recorded:?}");
    if !recorded.body.is_empty() {
        let form = ["application/x-www-form-urlencoded"];
        let types = recorded.all("content-type");
        assert!(types == form || types == ["application/json"] || types == ["application/x-protobuf"], "{recorded:?}");
    }
}

/// A refusal as Prometheus would word it.
#[track_caller]
pub(crate) fn assert_refusal(response: &Response, status: u16, error_type: &str, what: &str) {
    assert_eq!(response.status, status, "{what}: {}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"), "{what}: {response:?}");
    let body = response.json();
    let keys: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 3, "{what}: {body}");
    assert_eq!(body["status"], "error", "{what}: {body}");
    if error_type == ANY_TYPE {
        assert!(
            ["bad_data", "prom-label-filter"].contains(&body["errorType"].as_str().unwrap_or_default()),
            "{what}: {body}"
        );
    } else {
        assert_eq!(body["errorType"], error_type, "{what}: {body}");
    }
    let message = body["error"].as_str().unwrap_or_default();
    assert!(!message.is_empty() && !message.ends_with('.'), "{what}: a message without a full stop: {body}");
}

/// Owned pairs, for comparisons with what was decoded.
pub(crate) fn pairs<const N: usize>(given: [(&str, &str); N]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The value of the one parameter of this name.
#[track_caller]
pub(crate) fn only(parameters: &[(String, String)], name: &str) -> String {
    let values: Vec<&String> = parameters.iter().filter(|(each, _)| each == name).map(|(_, value)| value).collect();
    assert_eq!(values.len(), 1, "{name} in {parameters:?}");
    values[0].clone()
}

/// A configuration whose tenant comes in a trusted header.
pub(crate) fn by_header() -> Value {
    json!({"labels": [{"name": "tenant", "header": "x-tenant"}]})
}

fn describe(request: &Request) -> String {
    let bytes = [request.head_bytes(), b"...".to_vec()].concat();
    String::from_utf8_lossy(&bytes).chars().take(400).collect::<String>().replace("\r\n", " | ")
}
