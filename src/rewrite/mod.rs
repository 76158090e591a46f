//! Endpoint × scope × parameters → what goes upstream: the only place that makes an [`Enforced`].
//!
//! Parameters are written to the place that the method uses, bodies as their endpoint reads them. Must not know hosts,
//! statuses or how an answer is filtered.

mod explanation;
mod parameters;

pub use explanation::Explanation;

use crate::alertmanager::silence::{self, SilenceId, SilenceWrite};
use crate::config::policy::{Conflicts, Policy, Source};
use crate::denial::Denial;
use crate::form;
use crate::identity::{Identity, IdentityError};
use crate::observe::Record;
use crate::promql::Agreement;
use crate::remote_read::{self, ReadLimits};
use crate::request::{Only, RequestHead};
use crate::response::ResponsePlan;
use crate::route::{Payload, Route};
use crate::scope::{LabelValue, Scope, TenantScope};
use std::borrow::Cow;

/// A thing that has been narrowed to the tenant, and so may go upstream.
///
/// The host forwards nothing else, and nobody outside this module can make one:
///
/// ```compile_fail,E0423
/// use prom_label_filter::rewrite::{Enforced, OutboundBody};
/// fn forward(_: Enforced<OutboundBody>) {}
/// forward(Enforced(OutboundBody::Empty));
/// ```
///
/// What `admit` hands out passes:
///
/// ```
/// use prom_label_filter::rewrite::{Enforced, OutboundBody};
/// fn forward(_: Enforced<OutboundBody>) {}
/// let _: fn(Enforced<OutboundBody>) = forward;
/// ```
#[must_use = "what is enforced must be forwarded, or the request hangs"]
#[derive(Debug, PartialEq, Eq)]
pub struct Enforced<T>(T);

impl<T> Enforced<T> {
    /// Takes the thing out, to send it.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// What goes upstream, and what to tell of it.
#[derive(Debug)]
pub(crate) struct Narrowed<T> {
    pub(crate) out: Enforced<T>,
    /// Only where the operator lets tenants see it.
    pub(crate) explanation: Option<Explanation>,
}

/// The changes that make a request's head fit to go upstream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OutboundHead {
    /// The new `:path`; its part in front of the `?` is the one received, but for alerts that come from the rules.
    pub path: Vec<u8>,
    /// Headers to remove; all of them are there.
    pub remove: Vec<String>,
    /// Headers to set, in place of whatever was sent under their name; none is as it was sent.
    pub set: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl OutboundHead {
    fn set(&mut self, head: &RequestHead<'_>, name: &'static str, value: &'static str) {
        if head.headers.only(name) != Only::One(value.as_bytes()) {
            self.set.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
    }

    fn remove(&mut self, head: &RequestHead<'_>, name: &str) {
        if head.headers.contains(name) {
            self.remove.push(name.to_owned());
        }
    }

    fn query(&mut self, query: &[u8]) {
        if !query.is_empty() {
            self.path.push(b'?');
            self.path.extend_from_slice(query);
        }
    }
}

/// What goes upstream as a request's body.
#[derive(Debug, PartialEq, Eq)]
pub enum OutboundBody {
    /// The form.
    Form(String),
    /// A remote read, compressed.
    RemoteRead(Vec<u8>),
    /// A silence in JSON.
    Silence(String),
    /// Nothing.
    Empty,
}

/// Headers that a client must not send past us, whatever the identity's source: they select tenants, or widen what is
/// read, in products that may stand behind.
pub const NEVER_FORWARDED: &[&str] = &[
    "thanos-tenant",
    "x-scope-orgid",
    "x-prom-label-policy",
    // Thanos builds its redirects from it.
    "x-forwarded-prefix",
    // The method that was checked is the method that counts.
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Headers that would make an answer partial, empty or compressed; removed where the answer is filtered.
const NARROWING_THE_ANSWER: &[&str] =
    &["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// The most bytes that are written for one request. Go reads no longer form and ignores that it did not: what would be left
/// is a request without a selector.
// Go: net/http/request.go, parsePostForm (10 MiB)
const MOST_WRITTEN: usize = 9 << 20;

/// The path of the alerts, and of the rules that they may come from: of those, the alerting ones.
const ALERTS: &[u8] = b"/api/v1/alerts";
const RULES: &[u8] = b"/api/v1/rules";
const ALERTING: &str = "type=alert";

/// The content type of every form that we write.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The content type of a remote read.
// Prometheus: storage/remote/client.go
pub const PROTOBUF: &str = "application/x-protobuf";

/// The content type of a silence.
pub const JSON: &str = "application/json";

/// The head of a request whose parameters all stand in its URL, narrowed.
///
/// # Errors
/// Parameters that cannot be read in one way, or PromQL that cannot be narrowed.
pub(crate) fn head(
    policy: &Policy,
    route: &Route,
    head: &RequestHead<'_>,
    scope: &TenantScope,
    plan: &ResponsePlan,
    record: &mut Record,
) -> Result<Narrowed<OutboundHead>, Denial> {
    let mut out = opening(policy, head, Some(plan));
    if let Some(first) = scope.labels().first() {
        announce(policy, Ok(&first.scope), &mut out)?;
    }
    for name in ["content-type", "content-encoding"] {
        out.remove(head, name);
    }
    let (mut query, explanation) = parameters::narrowed(policy, route, scope, head.query, b"", record)?;
    if plan.takes_alerts_from_rules() {
        // A path that is spelled in another way is not served: there is no telling what would take its place.
        let prefix = head.path.strip_suffix(ALERTS).ok_or(Denial::NotServed)?;
        out.path = [prefix, RULES].concat();
        query = if query.is_empty() { ALERTING.to_owned() } else { format!("{ALERTING}&{query}") };
    }
    out.query(query.as_bytes());
    Ok(Narrowed { out: Enforced(out), explanation })
}

/// The head of a request whose body is still to come. Of its parameters, those of a form go with the form: not one is in
/// the URL. `plan` is not known while the form may name the tenant.
///
/// # Errors
/// The URL's parameters cannot be read in one way, or the upstream is to be told a tenant that the form names.
pub(crate) fn head_before_body(
    policy: &Policy,
    route: &Route,
    head: &RequestHead<'_>,
    identity: &Identity,
    plan: Option<&ResponsePlan>,
) -> Result<Enforced<OutboundHead>, Denial> {
    let mut out = opening(policy, head, plan);
    announce(policy, identity.first(policy), &mut out)?;
    // The length of the body that we will write is not known yet.
    out.remove(head, "content-length");
    match route.payload {
        Payload::Form => {
            form::read(head.query, policy.limits.parameters, &mut Vec::new())?;
            out.remove(head, "content-encoding");
            out.set(head, "content-type", FORM);
        }
        Payload::RemoteRead => {
            out.query(parameters::unread(policy, head)?.as_bytes());
            out.set(head, "content-encoding", "snappy");
            out.set(head, "content-type", PROTOBUF);
        }
        Payload::Silence => {
            out.query(parameters::unread(policy, head)?.as_bytes());
            out.remove(head, "content-encoding");
            out.set(head, "content-type", JSON);
        }
    }
    Ok(Enforced(out))
}

/// The head of a request for what is nobody's: the query is for the browser, or the operator has let it through.
pub(crate) fn open_head(policy: &Policy, head: &RequestHead<'_>) -> Enforced<OutboundHead> {
    let mut out = opening(policy, head, Some(&ResponsePlan::Verbatim));
    for name in ["content-type", "content-encoding"] {
        out.remove(head, name);
    }
    out.query(&parameters::without_identity(policy, head.query));
    Enforced(out)
}

/// The form of a request, its URL's parameters merged in, narrowed.
///
/// # Errors
/// Parameters that cannot be read in one way, or PromQL that cannot be narrowed.
pub(crate) fn form(
    policy: &Policy,
    route: &Route,
    scope: &TenantScope,
    url: &[u8],
    form: &[u8],
    record: &mut Record,
) -> Result<Narrowed<OutboundBody>, Denial> {
    let (text, explanation) = parameters::narrowed(policy, route, scope, url, form, record)?;
    Ok(Narrowed { out: Enforced(OutboundBody::Form(text)), explanation })
}

/// A remote read with the tenant's matchers in every query.
///
/// # Errors
/// What cannot be read in one way, or is too large.
pub(crate) fn remote_read(policy: &Policy, scope: &TenantScope, body: &[u8]) -> Result<Enforced<OutboundBody>, Denial> {
    let limits = ReadLimits {
        request_bytes: policy.limits.form_bytes,
        queries: policy.limits.text.selectors,
        output_bytes: policy.limits.text.output_bytes,
    };
    let narrowed = remote_read::narrow(body, scope, agreement(policy, scope).as_ref(), &limits)?;
    Ok(Enforced(OutboundBody::RemoteRead(narrowed)))
}

/// A silence with the tenant's matchers, and which one it takes the place of.
///
/// # Errors
/// What is no silence, or one of everything.
pub(crate) fn silence(scope: &TenantScope, body: &[u8]) -> Result<(Option<SilenceId>, Enforced<OutboundBody>), Denial> {
    let SilenceWrite { id, body } = silence::narrow_write(body, scope)?;
    Ok((id, Enforced(OutboundBody::Silence(body))))
}

/// The body of a request that has none.
pub(crate) fn no_body() -> Enforced<OutboundBody> {
    Enforced(OutboundBody::Empty)
}

/// What the request's own matchers must agree with, where the operator wants it told that they do not.
fn agreement(policy: &Policy, scope: &TenantScope) -> Option<Agreement> {
    match policy.conflicts {
        Conflicts::SelectNothing => None,
        Conflicts::Refused => Some(Agreement::new(scope)),
    }
}

/// What all heads have in common.
fn opening(policy: &Policy, head: &RequestHead<'_>, plan: Option<&ResponsePlan>) -> OutboundHead {
    let mut out = OutboundHead { path: head.path.to_vec(), ..OutboundHead::default() };
    for name in NEVER_FORWARDED {
        out.remove(head, name);
    }
    for rule in &policy.rules {
        if let Source::Header { name, .. } = &rule.source {
            out.remove(head, name);
        }
    }
    if let Some(name) = policy.tenant_header.as_deref().filter(|name| !NEVER_FORWARDED.contains(name)) {
        out.remove(head, name);
    }
    match plan {
        Some(ResponsePlan::Verbatim) => {}
        Some(ResponsePlan::Scrub | ResponsePlan::Filter(_)) | None => {
            for name in NARROWING_THE_ANSWER {
                out.remove(head, name);
            }
            out.set(head, "accept-encoding", "identity");
        }
    }
    out
}

/// Tells the upstream whose request this is, where it wants to know. A lifted rule names nobody.
fn announce(policy: &Policy, first: Result<&Scope, IdentityError>, out: &mut OutboundHead) -> Result<(), Denial> {
    let Some(header) = &policy.tenant_header else { return Ok(()) };
    let value = match first? {
        Scope::Values(values) => values.as_slice().iter().map(LabelValue::as_str).collect::<Vec<_>>().join("|"),
        Scope::Pattern(pattern) => pattern.as_str().to_owned(),
        Scope::Unrestricted => return Ok(()),
    };
    // What else a header can hold is read differently by each hop.
    if !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Denial::TenantHeader { header: header.clone() });
    }
    out.set.push((Cow::Owned(header.clone()), Cow::Owned(value)));
    Ok(())
}
