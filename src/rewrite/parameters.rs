//! One canonical list of parameters out of URL and form: each is narrowed, passed or removed by its kind.
//!
//! Owns what may be written where PromQL is read: what the core has scoped, and nothing else. Must not know where the list
//! is sent.

use super::{Explanation, MOST_WRITTEN, agreement};
use crate::alertmanager::matcher::{self, Comparison, TenantMatcher};
use crate::config::policy::{AtSource, Audit, Explain, Policy, RulesApi, RulesOfOthers, Ui};
use crate::denial::Denial;
use crate::form::{self, FormWriter, Parameter};
use crate::observe::{self, Record};
use crate::promql::{Matchers, ScopedExpr, ScopedSelector};
use crate::request::RequestHead;
use crate::route::{Endpoint, Filters, ParameterKind, Route, WithoutSelector};
use crate::scope::TenantScope;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The parameters of a request whose body holds none: what the operator lets through.
pub(super) fn unread(policy: &Policy, head: &RequestHead<'_>) -> Result<String, Denial> {
    let mut sent = Vec::new();
    form::read(head.query, policy.limits.parameters, &mut sent)?;
    let mut form = FormWriter::default();
    for Parameter { name, value } in sent {
        if policy.extra_parameters.iter().any(|extra| extra.as_bytes() == &*name) {
            form.push(&name, &value);
        }
    }
    Ok(form.into_string())
}

/// A query that nobody reads here, as it was sent, less the parameters that name tenants.
pub(super) fn without_identity(policy: &Policy, query: &[u8]) -> Vec<u8> {
    if policy.identity_parameters().next().is_none() {
        return query.to_vec();
    }
    let names_tenant = |pair: &&[u8]| {
        let name = pair.split(|&b| b == b'=').next().unwrap_or_default();
        let spaced: Vec<u8> = name.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
        let name: Vec<u8> = percent_decode(&spaced).collect();
        policy.identity_parameters().any(|parameter| parameter.as_bytes() == name)
    };
    // Older readers separate by semicolons as well.
    let kept: Vec<_> = query.split(|b| matches!(b, b'&' | b';')).filter(|pair| !names_tenant(pair)).collect();
    kept.join(&b'&')
}

/// The canonical parameters out of URL and form, narrowed and written down; and what was narrowed, where tenants may see it.
/// `record` gets how much that was.
pub(super) fn narrowed(
    policy: &Policy,
    route: &Route,
    scope: &TenantScope,
    url: &[u8],
    form: &[u8],
    record: &mut Record,
) -> Result<(String, Option<Explanation>), Denial> {
    let matchers = matchers(policy, route, scope);
    let promql = &policy.promql;
    let explanation = match policy.explain {
        Explain::Off => None,
        Explain::On => Some(Explanation::default()),
    };
    let narrows = !matchers.is_empty();
    let mut out = OutboundParameters { form: FormWriter::default(), explanation, narrows, record };
    let mut expressions = 0_usize;
    let mut selectors = 0_usize;
    let merged = merge(policy, route, url, form)?;
    if policy.audit == Audit::WithQueries {
        out.record.query = observe::audited(merged.iter().filter_map(Merged::promql));
    }
    if let Some(agreement) = matchers.agreement() {
        let filters = merged.iter().filter_map(Merged::alert_matcher);
        let asked: Vec<_> = filters.filter_map(matcher::asked).collect();
        agreement.check(&asked).map_err(Denial::Filter)?;
    }
    for parameter in merged {
        let value = &*parameter.value;
        match parameter.name {
            Name::Known(name, kind) => {
                let refuse = |error| Denial::Promql { parameter: name, error };
                match kind {
                    ParameterKind::Expression => {
                        expressions = expressions.saturating_add(1);
                        out.expression(name, &promql.expression(value, &matchers).map_err(refuse)?);
                    }
                    ParameterKind::Selector => {
                        selectors = selectors.saturating_add(1);
                        out.selector(name, &promql.selector(value, &matchers).map_err(refuse)?);
                    }
                    ParameterKind::AnySelector => {
                        let scoped = promql.any_selector(value, &matchers).map_err(refuse)?;
                        if let Some(selector) = scoped {
                            out.selector(name, &selector);
                        }
                    }
                    ParameterKind::TargetSelector if value.is_empty() => {}
                    ParameterKind::TargetSelector => {
                        let scoped = promql.any_selector(value, &matchers).map_err(refuse)?;
                        // Without a matcher it selects every target, and the bare matchers stand in its place.
                        if let Some(selector) = scoped {
                            selectors = selectors.saturating_add(1);
                            out.selector(name, &selector);
                        }
                    }
                    ParameterKind::PureText if value.len() > policy.limits.text.query_bytes => {
                        return Err(Denial::TextTooLong { parameter: name, limit: policy.limits.text.query_bytes });
                    }
                    ParameterKind::RemovedLabels if is_enforced(policy, value) => {}
                    // Thanos's page goes by the server's flags, and is told of none: without an engine it asks for this one.
                    // Thanos: pkg/ui/react-app/src/pages/graph/PanelList.tsx
                    ParameterKind::Scalar
                        if policy.ui == Ui::Pass && (name, value) == ("engine", b"undefined".as_slice()) => {}
                    ParameterKind::PureText
                    | ParameterKind::Scalar
                    | ParameterKind::AlertMatcher
                    | ParameterKind::List
                    | ParameterKind::RemovedLabels => {
                        out.plain(name.as_bytes(), value);
                    }
                }
            }
            Name::Extra(name) => out.plain(&name, value),
        }
        if out.form.len() > MOST_WRITTEN {
            return Err(Denial::FormTooLarge { limit: MOST_WRITTEN });
        }
    }
    if let (0, Some(name)) = (expressions, route.expression()) {
        return Err(Denial::Missing { name });
    }
    if let (0, WithoutSelector::ReadsEverything(name)) = (selectors, route.without_selector)
        && let Some(bare) = ScopedSelector::bare(&matchers)
    {
        out.bare(name, &bare);
    }
    for matcher in matcher::of(scope) {
        match route.filters {
            Filters::Alerts => out.alert_filter(&matcher),
            Filters::Silences if matcher.comparison == Comparison::Equal => out.alert_filter(&matcher),
            Filters::None | Filters::Silences => {}
        }
    }
    Ok((out.form.into_string(), out.explanation))
}

/// What is put into each selector of an endpoint.
fn matchers(policy: &Policy, route: &Route, scope: &TenantScope) -> Matchers {
    let RulesApi { others, at_source, alerts: _ } = policy.rules_api;
    let is_rules = route.endpoint == Endpoint::Rules;
    // A rule of another's that has alerts of the tenant's must come, so that it can be kept: what is asked may hold for it.
    if is_rules && others == RulesOfOthers::KeptWithOwnAlerts {
        return Matchers::none();
    }
    let as_asked = is_rules && at_source == AtSource::AsAsked;
    let matchers = if as_asked { Matchers::none() } else { Matchers::new(scope) };
    matchers.agreeing(agreement(policy, scope))
}

fn is_enforced(policy: &Policy, label: &[u8]) -> bool {
    policy.rules.iter().any(|rule| rule.name.as_str().as_bytes() == label)
}

/// The only writer of parameters: PromQL gets in as what the core has scoped, and in no other form.
#[derive(Debug)]
struct OutboundParameters<'a> {
    form: FormWriter,
    explanation: Option<Explanation>,
    /// Whether selectors get matchers at all.
    narrows: bool,
    record: &'a mut Record,
}

impl OutboundParameters<'_> {
    fn expression(&mut self, name: &'static str, expression: &ScopedExpr) {
        self.form.push(name.as_bytes(), expression.as_str().as_bytes());
        self.record.count_text(expression.origin());
        self.count(expression.selectors());
        if let Some(explanation) = &mut self.explanation {
            explanation.expression(expression);
        }
    }

    fn selector(&mut self, name: &'static str, selector: &ScopedSelector) {
        self.record.count_text(selector.origin());
        self.bare(name, selector);
    }

    /// Writes a selector that nobody has sent.
    fn bare(&mut self, name: &'static str, selector: &ScopedSelector) {
        self.form.push(name.as_bytes(), selector.as_str().as_bytes());
        self.count(selector.selectors());
        if let Some(explanation) = &mut self.explanation {
            explanation.selector(selector);
        }
    }

    fn count(&mut self, selectors: usize) {
        if self.narrows {
            self.record.selectors = self.record.selectors.saturating_add(selectors);
        }
    }

    fn alert_filter(&mut self, matcher: &TenantMatcher<'_>) {
        self.form.push(b"filter", matcher.to_string().as_bytes());
    }

    /// Writes a parameter from which the upstream reads no series.
    fn plain(&mut self, name: &[u8], value: &[u8]) {
        self.form.push(name, value);
    }
}

/// A parameter that stays, and once.
struct Merged<'a> {
    name: Name<'a>,
    value: Cow<'a, [u8]>,
}

impl Merged<'_> {
    /// Its value, where it is a matcher that Alertmanager reads.
    fn alert_matcher(&self) -> Option<&[u8]> {
        matches!(self.name, Name::Known(_, ParameterKind::AlertMatcher)).then_some(&*self.value)
    }

    /// Its value, where it is PromQL.
    fn promql(&self) -> Option<&[u8]> {
        match self.name {
            Name::Known(
                _,
                ParameterKind::Expression
                | ParameterKind::Selector
                | ParameterKind::AnySelector
                | ParameterKind::TargetSelector
                | ParameterKind::PureText,
            ) => Some(&self.value),
            Name::Known(
                _,
                ParameterKind::AlertMatcher
                | ParameterKind::Scalar
                | ParameterKind::List
                | ParameterKind::RemovedLabels,
            )
            | Name::Extra(_) => None,
        }
    }
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
            ParameterKind::Expression
            | ParameterKind::PureText
            | ParameterKind::TargetSelector
            | ParameterKind::Scalar => {
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
            ParameterKind::Selector
            | ParameterKind::AnySelector
            | ParameterKind::AlertMatcher
            | ParameterKind::List
            | ParameterKind::RemovedLabels => {}
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
