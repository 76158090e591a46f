//! Endpoint × scope × parameters → what goes upstream: the only place that makes an [`Enforced`].
//!
//! One canonical list of parameters comes out of URL and form; each is narrowed, passed or removed by its kind; the list
//! is written to the place that the method uses. Must not know hosts, statuses or how an answer is filtered.

use crate::config::policy::{Policy, Source};
use crate::denial::Denial;
use crate::form::{self, FormWriter, Parameter};
use crate::promql::{self, Matchers, ScopedExpr, ScopedSelector};
use crate::request::RequestHead;
use crate::response::ResponsePlan;
use crate::route::{ParameterKind, Route, WithoutSelector};
use crate::scope::TenantScope;
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

/// The changes that make a request's head fit to go upstream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OutboundHead {
    /// The new `:path`; its part in front of the `?` is the one received.
    pub path: Vec<u8>,
    /// Headers to remove; all of them are there.
    pub remove: Vec<String>,
    /// Headers to set, in place of whatever was sent under their name.
    pub set: Vec<(&'static str, &'static str)>,
}

/// What goes upstream as a request's body.
#[derive(Debug, PartialEq, Eq)]
pub enum OutboundBody {
    /// The form.
    Form(String),
    /// Nothing.
    Empty,
}

/// Headers that a client must not send past us, whatever the identity's source: they select tenants, or widen what is
/// read, in products that may stand behind.
const NEVER_FORWARDED: &[&str] = &[
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

/// The content type of every form that we write.
pub const FORM: &str = "application/x-www-form-urlencoded";

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
) -> Result<Enforced<OutboundHead>, Denial> {
    let query = parameters(policy, route, scope, head.query, b"")?;
    let mut out = opening(policy, head, plan);
    for name in ["content-type", "content-encoding"] {
        remove(&mut out, head, name);
    }
    if !query.is_empty() {
        out.path.push(b'?');
        out.path.extend_from_slice(query.as_bytes());
    }
    Ok(Enforced(out))
}

/// The head of a request whose form is still to come: it goes on without a single parameter.
pub(crate) fn head_before_form(policy: &Policy, head: &RequestHead<'_>, plan: &ResponsePlan) -> Enforced<OutboundHead> {
    let mut out = opening(policy, head, plan);
    // The length of the form that we will write is not known yet.
    for name in ["content-length", "content-encoding"] {
        remove(&mut out, head, name);
    }
    out.set.push(("content-type", FORM));
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
) -> Result<Enforced<OutboundBody>, Denial> {
    parameters(policy, route, scope, url, form).map(|text| Enforced(OutboundBody::Form(text)))
}

/// The body of a request that has none.
pub(crate) fn no_body() -> Enforced<OutboundBody> {
    Enforced(OutboundBody::Empty)
}

/// What all heads have in common.
fn opening(policy: &Policy, head: &RequestHead<'_>, plan: &ResponsePlan) -> OutboundHead {
    let mut out = OutboundHead { path: head.path.to_vec(), ..OutboundHead::default() };
    for name in NEVER_FORWARDED {
        remove(&mut out, head, name);
    }
    for rule in &policy.rules {
        if let Source::Header { name, .. } = &rule.source {
            remove(&mut out, head, name);
        }
    }
    if let ResponsePlan::Filter(_) = plan {
        for name in NARROWING_THE_ANSWER {
            remove(&mut out, head, name);
        }
        out.set.push(("accept-encoding", "identity"));
    }
    out
}

fn remove(out: &mut OutboundHead, head: &RequestHead<'_>, name: &str) {
    if head.headers.contains(name) {
        out.remove.push(name.to_owned());
    }
}

/// The canonical parameters out of URL and form, narrowed and written down.
fn parameters(policy: &Policy, route: &Route, scope: &TenantScope, url: &[u8], form: &[u8]) -> Result<String, Denial> {
    let matchers = Matchers::new(scope);
    let (dialect, limits) = (&policy.dialect, &policy.limits.text);
    let mut out = OutboundParameters::default();
    let mut expressions = 0_usize;
    let mut selectors = 0_usize;
    for parameter in merge(policy, route, url, form)? {
        let value = &*parameter.value;
        match parameter.name {
            Name::Known(name, kind) => {
                let refuse = |error| Denial::Promql { parameter: name, error };
                match kind {
                    ParameterKind::Expression => {
                        expressions = expressions.saturating_add(1);
                        out.expression(
                            name,
                            &promql::scope_expression(value, &matchers, dialect, limits).map_err(refuse)?,
                        );
                    }
                    ParameterKind::Selector => {
                        selectors = selectors.saturating_add(1);
                        out.selector(name, &promql::scope_selector(value, &matchers, dialect, limits).map_err(refuse)?);
                    }
                    ParameterKind::AnySelector => {
                        let scoped = promql::scope_any_selector(value, &matchers, dialect, limits).map_err(refuse)?;
                        if let Some(selector) = scoped {
                            out.selector(name, &selector);
                        }
                    }
                    ParameterKind::PureText if value.len() > limits.query_bytes => {
                        return Err(Denial::TextTooLong { parameter: name, limit: limits.query_bytes });
                    }
                    ParameterKind::RemovedLabels if is_enforced(policy, value) => {}
                    ParameterKind::PureText | ParameterKind::Scalar | ParameterKind::RemovedLabels => {
                        out.plain(name.as_bytes(), value);
                    }
                }
            }
            Name::Extra(name) => out.plain(&name, value),
        }
        if out.0.len() > MOST_WRITTEN {
            return Err(Denial::FormTooLarge { limit: MOST_WRITTEN });
        }
    }
    if let (0, Some(name)) = (expressions, route.expression()) {
        return Err(Denial::Missing { name });
    }
    if let (0, WithoutSelector::ReadsEverything(name)) = (selectors, route.without_selector)
        && let Some(bare) = ScopedSelector::bare(&matchers)
    {
        out.selector(name, &bare);
    }
    Ok(out.0.into_string())
}

fn is_enforced(policy: &Policy, label: &[u8]) -> bool {
    policy.rules.iter().any(|rule| rule.name.as_str().as_bytes() == label)
}

/// The only writer of parameters: PromQL gets in as what the core has scoped, and in no other form.
#[derive(Debug, Default)]
struct OutboundParameters(FormWriter);

impl OutboundParameters {
    fn expression(&mut self, name: &'static str, expression: &ScopedExpr) {
        self.0.push(name.as_bytes(), expression.as_str().as_bytes());
    }

    fn selector(&mut self, name: &'static str, selector: &ScopedSelector) {
        self.0.push(name.as_bytes(), selector.as_str().as_bytes());
    }

    /// Writes a parameter from which the upstream reads no series.
    fn plain(&mut self, name: &[u8], value: &[u8]) {
        self.0.push(name, value);
    }
}

/// A parameter that stays, and once.
struct Merged<'a> {
    name: Name<'a>,
    value: Cow<'a, [u8]>,
}

enum Name<'a> {
    /// The endpoint's row has it.
    Known(&'static str, ParameterKind),
    /// The operator lets it through.
    Extra(Cow<'a, [u8]>),
}

/// One list out of URL and form. What the endpoint does not read is dropped: the next hop might.
///
/// # Errors
/// A parameter that may come once came twice in one place, or with two values: upstreams differ in which one wins.
fn merge<'a>(policy: &Policy, route: &Route, url: &'a [u8], form: &'a [u8]) -> Result<Vec<Merged<'a>>, Denial> {
    let mut sent = Vec::new();
    form::read(url, policy.limits.parameters, &mut sent)?;
    let in_url = sent.len();
    form::read(form, policy.limits.parameters, &mut sent)?;
    let mut merged: Vec<Merged<'a>> = Vec::with_capacity(sent.len());
    let mut once: Vec<(&'static str, Place)> = Vec::new();
    for (position, Parameter { name, value }) in sent.into_iter().enumerate() {
        let Some((name, kind)) = route.parameter(&name) else {
            if policy.extra_parameters.iter().any(|extra| extra.as_bytes() == &*name) {
                merged.push(Merged { name: Name::Extra(name), value });
            }
            continue;
        };
        match kind {
            ParameterKind::Expression | ParameterKind::PureText | ParameterKind::Scalar => {
                let place = if position < in_url { Place::Url } else { Place::Form };
                let same = |known: &&Merged<'_>| matches!(known.name, Name::Known(other, _) if other == name);
                let earlier = merged.iter().find(same);
                if once.contains(&(name, place)) || earlier.is_some_and(|earlier| earlier.value != value) {
                    return Err(Denial::Repeated { name });
                }
                once.push((name, place));
                if earlier.is_some() {
                    continue;
                }
            }
            ParameterKind::Selector | ParameterKind::AnySelector | ParameterKind::RemovedLabels => {}
        }
        merged.push(Merged { name: Name::Known(name, kind), value });
    }
    Ok(merged)
}

/// Where a parameter stood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Url,
    Form,
}
