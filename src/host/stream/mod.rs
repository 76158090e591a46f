//! One request and its answer: carries out what the core has decided.
//!
//! [`Stream::forward_head`] and [`Stream::forward_body`] are the only ways to `Action::Continue` on the request path,
//! and take nothing that is not enforced.

mod answer;

use super::calls::{self, Buffer, Failed, Map};
use crate::admission::{Admission, Admitted, Answer, Finished, PendingBody};
use crate::alertmanager::ownership::{LOOKUP_TIME, Lookup, Said, Unproven};
use crate::config::policy::{CertificatePart, Policy};
use crate::denial::Denial;
use crate::host::meters;
use crate::identity::{Credentials, Place};
use crate::observe::{Line, LogBudget, Record, loggable};
use crate::request::{Body, Headers, RequestHead};
use crate::rewrite::{Enforced, OutboundBody, OutboundHead};
use answer::{Reply, read_headers};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Stream {
    policy: Option<Rc<Policy>>,
    /// The path as it was sent, for the log: Envoy tells it while it has the head, and not later.
    path: Vec<u8>,
    /// What is known of the request, for metrics and access logs.
    record: Record,
    /// When the present step began, in nanoseconds since 1970.
    now: u64,
    /// How long deciding on it has taken.
    took: Duration,
    request: Request,
    answer: Reply,
}

/// How far the request has come.
#[derive(Debug)]
enum Request {
    /// Nothing of it has been read.
    New,
    /// Its head has gone on at this time, in nanoseconds since 1970; its body is held by Envoy.
    AwaitsBody(PendingBody, u64),
    /// It waits until Alertmanager has said whose a silence is.
    Asked(Waiting),
    /// All of it has gone on.
    Forwarded(Admitted),
    /// It was answered here, or refused: nothing more of it passes.
    Ended,
}

/// What waits for Alertmanager.
#[derive(Debug)]
enum Waiting {
    /// All of the request; nothing of it has gone on.
    Head(Unproven<Box<Admission>>),
    /// Its body; the head has gone on.
    Body(Unproven<(Enforced<OutboundBody>, Admitted)>),
}

/// What Envoy vouches for.
struct Host;

impl Credentials for Host {
    fn dynamic_metadata(&self) -> Option<Vec<u8>> {
        calls::property(&["metadata"])
    }

    fn place_metadata(&self, place: Place) -> Option<Vec<u8>> {
        calls::property(match place {
            Place::Route => &["xds", "route_metadata"],
            Place::VirtualHost => &["xds", "virtual_host_metadata"],
            Place::Listener => &["xds", "listener_metadata"],
        })
    }

    fn peer_certificate(&self, part: CertificatePart) -> Option<Vec<u8>> {
        // True when one was shown. Whether it was verified Envoy does not tell: it must not let others in.
        calls::property(&["connection", "mtls"]).filter(|shown| shown == &[1])?;
        let property = match part {
            CertificatePart::UriSan => "uri_san_peer_certificate",
            CertificatePart::DnsSan => "dns_san_peer_certificate",
            CertificatePart::SubjectCn | CertificatePart::SubjectOu | CertificatePart::SubjectO => {
                "subject_peer_certificate"
            }
        };
        Some(calls::property(&["connection", property]).unwrap_or_default())
    }
}

impl From<Failed> for Denial {
    fn from(failed: Failed) -> Self {
        Self::Host { call: failed.0 }
    }
}

// === the request ===

impl Stream {
    pub(super) fn new(policy: Option<Rc<Policy>>) -> Self {
        Self {
            policy,
            path: Vec::new(),
            record: Record::default(),
            now: 0,
            took: Duration::ZERO,
            request: Request::New,
            answer: Reply::Untouched,
        }
    }

    fn policy(&self) -> Result<Rc<Policy>, Denial> {
        self.policy.clone().ok_or(Denial::Host { call: "configure" })
    }

    fn admit(&mut self, end_of_stream: bool) -> Result<Action, Denial> {
        let policy = self.policy()?;
        let headers = Headers::new(calls::headers(Map::RequestHeaders)?);
        #[cfg(feature = "danger_test_trap")]
        trap(&headers);
        let head = RequestHead::new(&headers, body(&headers, end_of_stream)).ok_or(Denial::NotServed)?;
        self.path = head.path.to_vec();
        let admission = policy.admit(&head, &Host, &mut self.record)?;
        self.carry_out(admission)
    }

    fn carry_out(&mut self, admission: Admission) -> Result<Action, Denial> {
        match admission {
            Admission::Answer(answer) => self.answer_here(&answer),
            Admission::Forward(head, admitted) => {
                self.request = Request::Forwarded(admitted);
                Self::forward_head(head)
            }
            Admission::AwaitBody(head, pending) => {
                self.request = Request::AwaitsBody(pending, self.now);
                Self::forward_head(head)
            }
            Admission::Ask(unproven) => {
                ask(unproven.lookup())?;
                self.request = Request::Asked(Waiting::Head(unproven));
                Ok(Action::Pause)
            }
        }
    }

    /// Sends a head on.
    fn forward_head(head: Enforced<OutboundHead>) -> Result<Action, Denial> {
        let head = head.into_inner();
        for name in &head.remove {
            calls::remove_header(Map::RequestHeaders, name)?;
        }
        for (name, value) in head.set {
            calls::set_header(Map::RequestHeaders, &name, value.as_bytes())?;
        }
        calls::set_header(Map::RequestHeaders, ":path", &head.path)?;
        Ok(Action::Continue)
    }

    /// Sends a body on.
    fn forward_body(body: Enforced<OutboundBody>) -> Result<Action, Denial> {
        match body.into_inner() {
            OutboundBody::Form(text) | OutboundBody::Silence(text) => {
                calls::replace_buffer(Buffer::RequestBody, text.as_bytes())?;
            }
            OutboundBody::RemoteRead(bytes) => calls::replace_buffer(Buffer::RequestBody, &bytes)?,
            OutboundBody::Empty => {}
        }
        Ok(Action::Continue)
    }

    /// Decides on a body that is complete: `at_end` of the stream, or where its trailers begin.
    fn finish_body(&mut self) -> Result<Action, Denial> {
        match std::mem::replace(&mut self.request, Request::Ended) {
            Request::AwaitsBody(pending, since) => {
                let policy = self.policy()?;
                pending.in_time(Duration::from_nanos(self.now.saturating_sub(since)))?;
                // One byte beyond the limit is enough to see that it is passed.
                let body = calls::buffer(Buffer::RequestBody, pending.limit(&policy).saturating_add(1))?;
                match pending.finish(&policy, &body, &mut self.record)? {
                    Finished::Forward(body, admitted) => {
                        self.request = Request::Forwarded(admitted);
                        Self::forward_body(body)
                    }
                    Finished::Ask(unproven) => {
                        ask(unproven.lookup())?;
                        self.request = Request::Asked(Waiting::Body(unproven));
                        Ok(Action::Pause)
                    }
                }
            }
            Request::Asked(_) | Request::Forwarded(_) | Request::New | Request::Ended => {
                Err(Denial::Host { call: "body after its end" })
            }
        }
    }

    /// Carries on with what has waited for Alertmanager's answer.
    fn answered(&mut self, headers: usize, body: usize) -> Result<(), Denial> {
        // Without headers there was no answer: a timeout, or no connection.
        let (mut status, mut text) = (0, Vec::new());
        if headers > 0 {
            status = read_headers(&Headers::new(calls::headers(Map::CallResponseHeaders)?)).status;
            text = calls::buffer(Buffer::CallResponseBody, body.min(LONGEST_SILENCE))?;
        }
        let said = Said { status, body: &text };
        match std::mem::replace(&mut self.request, Request::Ended) {
            Request::Asked(Waiting::Head(unproven)) => {
                let admission = unproven.decide(said)?;
                self.carry_out(*admission)?;
            }
            Request::Asked(Waiting::Body(unproven)) => {
                let (body, admitted) = unproven.decide(said)?;
                self.request = Request::Forwarded(admitted);
                Self::forward_body(body)?;
            }
            // It was refused meanwhile.
            ended @ (Request::New | Request::AwaitsBody(..) | Request::Forwarded(_) | Request::Ended) => {
                self.request = ended;
                return Ok(());
            }
        }
        Ok(calls::resume_request()?)
    }

    fn more_body(&mut self, size: usize, end_of_stream: bool) -> Result<Action, Denial> {
        match &self.request {
            Request::AwaitsBody(pending, _) => {
                let policy = self.policy()?;
                if size > pending.limit(&policy) {
                    return Err(pending.too_large(&policy));
                }
                if end_of_stream { self.finish_body() } else { Ok(Action::Pause) }
            }
            Request::Ended => Ok(Action::Pause),
            // Where headers can wait, an empty end comes while they do.
            Request::Asked(Waiting::Head(_)) if size == 0 => Ok(Action::Pause),
            Request::Asked(Waiting::Head(_)) => Err(Denial::BodyOnGet),
            Request::Asked(Waiting::Body(..)) => Ok(Action::Pause),
            // A body behind a head that ended the request, or before any head: nobody has read it.
            Request::Forwarded(_) | Request::New => Err(Denial::BodyOnGet),
        }
    }

    fn trailers(&mut self) -> Result<Action, Denial> {
        // Nothing that is served reads trailers; what nobody here reads, nobody behind shall.
        match &self.request {
            // Behind trailers nothing can be put into a body that has not begun, and a head without its form reads all.
            Request::AwaitsBody(pending, _)
                if pending.must_come() && calls::buffer(Buffer::RequestBody, 1)?.is_empty() =>
            {
                Err(Denial::TrailersWithoutBody)
            }
            Request::AwaitsBody(..) => {
                let action = self.finish_body()?;
                calls::clear_headers(Map::RequestTrailers)?;
                Ok(action)
            }
            Request::Ended => Ok(Action::Pause),
            Request::Asked(_) | Request::Forwarded(_) | Request::New => Err(Denial::BodyOnGet),
        }
    }

    fn answer_here(&mut self, answer: &Answer) -> Result<Action, Denial> {
        self.request = Request::Ended;
        self.answer = Reply::Ended;
        self.tell("answered", Some(answer.reason()));
        let (name, value) = answer.header();
        let details = format!("prom-label-filter_{}", answer.reason());
        let headers = [(name.as_bytes(), value.as_bytes())];
        calls::answer_client(answer.status(), &details, &headers, answer.body().as_bytes())?;
        Ok(Action::Pause)
    }

    /// Refuses the request, or the answer to it: nothing more of either passes.
    fn refuse(&mut self, denial: &Denial) -> Action {
        self.request = Request::Ended;
        self.answer = Reply::Ended;
        self.note_refusal(denial);
        let details = format!("prom-label-filter_denied{{{}}}", denial.reason());
        let mut headers = vec![JSON];
        headers.extend(denial.header().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        if let Err(failed) = calls::answer_client(denial.status(), &details, &headers, denial.body().as_bytes()) {
            // The stream stays paused, so nothing passes; the route's timeout ends it.
            log::error!("a refusal could not be sent: {}", failed.0);
        }
        Action::Pause
    }
}

// === what an operator sees ===

impl Stream {
    /// Takes the request a step further, and notes when that decides on it.
    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<Action, Denial>) -> Action {
        if self.is_decided() {
            return step(self).unwrap_or_else(|denial| self.refuse(&denial));
        }
        self.now = calls::now();
        let action = step(self).unwrap_or_else(|denial| self.refuse(&denial));
        self.took = self.took.saturating_add(Duration::from_nanos(calls::now().saturating_sub(self.now)));
        if self.is_decided() {
            meters::decided(&self.record, self.took);
        }
        if matches!(self.request, Request::Forwarded(_)) {
            self.tell("forwarded", None);
        }
        action
    }

    fn is_decided(&self) -> bool {
        match self.request {
            Request::New | Request::AwaitsBody(..) | Request::Asked(_) => false,
            Request::Forwarded(_) | Request::Ended => true,
        }
    }

    /// Tells Envoy's access log, as `wasm.prom_label_filter.NAME` in the filter state.
    fn tell(&self, verdict: &str, reason: Option<&str>) {
        let record = &self.record;
        let selectors = record.selectors.to_string();
        let known = [
            ("prom_label_filter.verdict", Some(verdict)),
            ("prom_label_filter.reason", reason),
            ("prom_label_filter.endpoint", Some(record.endpoint_name())),
            ("prom_label_filter.tenant", record.tenant.as_deref()),
            ("prom_label_filter.selectors", record.has_promql().then_some(selectors.as_str())),
            ("prom_label_filter.cache", record.cache()),
            ("prom_label_filter.query", record.query.as_deref()),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                calls::tell(name, value);
            }
        }
    }

    /// Counts, logs and tells a refusal.
    fn note_refusal(&self, denial: &Denial) {
        meters::rejected(denial);
        self.tell("refused", Some(denial.reason()));
        self.log_refusal(denial);
    }

    fn log_refusal(&self, denial: &Denial) {
        thread_local! {
            static BUDGET: RefCell<LogBudget> = RefCell::default();
        }
        let line = BUDGET.with_borrow_mut(|budget| budget.spend(calls::now()));
        if let Line::WriteAfter { left_out } = line {
            log::info!("refused: {left_out} more requests");
        }
        // What a client asked is its own business: a text that may quote it is for debugging.
        let error = if denial.quotes_the_request() {
            "quotes the query: logged at debug".to_owned()
        } else {
            denial.to_string()
        };
        log::debug!("refused: {}", loggable(denial.to_string().as_bytes()));
        if line != Line::LeaveOut {
            log::info!(
                "refused: status={} reason={} path=\"{}\" error=\"{}\"",
                denial.status(),
                denial.reason(),
                loggable(&self.path),
                loggable(error.as_bytes())
            );
        }
    }
}

const JSON: (&[u8], &[u8]) = (b"content-type", b"application/json");

/// The most bytes of a silence that are looked at; a longer one is nobody's.
const LONGEST_SILENCE: usize = 1 << 20;

fn ask(lookup: &Lookup) -> Result<(), Denial> {
    calls::ask(&lookup.cluster, &lookup.path, LOOKUP_TIME).map_err(|_| Denial::SilenceUnknown)
}

/// Whether a body follows. A length says so, and the framing of HTTP/1; a stream of HTTP/2 or later just stays open.
fn body(headers: &Headers, end_of_stream: bool) -> Body {
    let is_http_1 =
        || calls::property(&["request", "protocol"]).is_some_and(|protocol| protocol.starts_with(b"HTTP/1"));
    if end_of_stream {
        Body::None
    } else if headers.values("content-length").any(|length| length != b"0") || is_http_1() {
        Body::Announced
    } else {
        Body::Possible
    }
}

/// Ends the VM on request, so that tests see what becomes of everybody else's streams.
#[cfg(feature = "danger_test_trap")]
#[expect(clippy::panic, reason = "the panic is what the test build is for")]
fn trap(headers: &Headers) {
    if headers.contains("x-danger-test-trap") {
        panic!("trapped on request");
    }
}

// === Envoy's calls ===

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, _: usize) {
        self.step(|stream| stream.answered(headers, body).map(|()| Action::Pause));
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.step(|stream| stream.admit(end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.step(|stream| stream.more_body(size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.step(Self::trailers)
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        if matches!(self.answer, Reply::Ended) {
            // Our own answer comes by here on its way to the client.
            return Action::Continue;
        }
        self.inspect_answer(end_of_stream).unwrap_or_else(|denial| self.refuse(&denial))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.collect(size, end_of_stream).unwrap_or_else(|denial| self.refuse(&denial))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.answer_trailers().unwrap_or_else(|denial| self.refuse(&denial))
    }
}
