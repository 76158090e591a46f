//! What the filter would do with a request, asked of the filter's own core and written down as facts.
//!
//! The one place of the companion that calls [`Policy::admit`]. Decides nothing; must not know how facts are shown.

use super::credentials::Said;
use super::facts::{
    AnswerPlan, Answered, Decision, Header, Label, Parameter, ParameterPlace, Question, Reads, Refused, Upstream,
    Verdict,
};
use super::request::Request;
use super::verify::{self, Reading};
use prom_label_filter::admission::{Admission, Admitted, Answer, Finished, PendingBody};
use prom_label_filter::config::Policy;
use prom_label_filter::denial::Denial;
use prom_label_filter::form;
use prom_label_filter::observe::Record;
use prom_label_filter::request::RequestHead;
use prom_label_filter::response::ResponsePlan;
use prom_label_filter::rewrite::{Enforced, OutboundBody, OutboundHead};
use prom_label_filter::route::{self, Endpoint, ParameterKind, Payload, Place, Route};
use prom_label_filter::scope::{LabelScope, LabelValue, Scope, TenantScope};

/// What the filter does with `request` under `policy`, by whom Envoy vouches for as `said`. `None` when it is no request.
pub(crate) fn decide(policy: &Policy, request: &Request, said: &Said) -> Option<Decision> {
    let head = request.head()?;
    let credentials = said.under(policy);
    let route = route::find(head.path, policy).map(|found| found.route);
    let admission = policy.admit(&head, &credentials, &mut Record::default());
    // Whom a request for nobody's data is from is not asked.
    let asks_who = !matches!(&admission, Ok(Admission::Answer(Answer::Allowed(_))))
        && route.is_none_or(|route| route.place != Place::Open);
    let is_form = route.is_some_and(|route| route.payload == Payload::Form) && head.method == b"POST";
    let form = request.body.as_deref().filter(|_| is_form).unwrap_or_default();
    let scope = policy.tenant(&head, form.as_bytes(), &credentials).ok().filter(|_| asks_who);
    let seen = Seen { request, head: &head, route, scope: scope.as_ref() };
    Some(Decision {
        verdict: admission.map_or_else(|denial| refused(&denial, false), |admission| seen.admitted(policy, admission)),
        endpoint: route.map(name),
        tenant: scope.as_ref().map(|scope| scope.labels().iter().map(label).collect()),
    })
}

/// What is known of the request that is decided on.
struct Seen<'a> {
    request: &'a Request,
    head: &'a RequestHead<'a>,
    route: Option<&'static Route>,
    scope: Option<&'a TenantScope>,
}

impl Seen<'_> {
    fn admitted(&self, policy: &Policy, admission: Admission) -> Verdict {
        match admission {
            Admission::Answer(answer) => Verdict::Answered(answered(&answer)),
            Admission::Forward(head, admitted) => {
                Verdict::Forwarded { upstream: Box::new(self.upstream(head, None)), answer: answer_plan(&admitted) }
            }
            Admission::AwaitBody(head, pending) => self.with_body(policy, head, pending),
            Admission::Ask(unproven) => {
                let lookup = unproven.lookup();
                let asked = Question { cluster: lookup.cluster.clone(), path: lookup.path.clone() };
                Verdict::Depends { asked, upstream: None }
            }
        }
    }

    fn with_body(&self, policy: &Policy, head: Enforced<OutboundHead>, pending: PendingBody) -> Verdict {
        let body = self.request.body.as_deref().unwrap_or_default();
        match pending.finish(policy, body.as_bytes(), &mut Record::default()) {
            Err(denial) => refused(&denial, true),
            Ok(Finished::Forward(body, admitted)) => Verdict::Forwarded {
                upstream: Box::new(self.upstream(head, Some(body.into_inner()))),
                answer: answer_plan(&admitted),
            },
            Ok(Finished::Ask(unproven)) => {
                let lookup = unproven.lookup();
                let asked = Question { cluster: lookup.cluster.clone(), path: lookup.path.clone() };
                Verdict::Depends { asked, upstream: Some(Box::new(self.upstream(head, None))) }
            }
        }
    }

    fn upstream(&self, head: Enforced<OutboundHead>, body: Option<OutboundBody>) -> Upstream {
        let OutboundHead { path, remove, set } = head.into_inner();
        let mut halves = path.splitn(2, |&b| b == b'?');
        let mut target = text(halves.next().unwrap_or_default());
        let mut parameters = Vec::new();
        let query = halves.next().unwrap_or_default();
        if !self.parameters(query, ParameterPlace::Url, &mut parameters) {
            // Of an open path the query passes as it is.
            target = text(&path);
        }
        let body = match body {
            Some(OutboundBody::Form(form)) => {
                self.parameters(form.as_bytes(), ParameterPlace::Form, &mut parameters);
                None
            }
            Some(OutboundBody::Silence(json)) => Some(json),
            Some(OutboundBody::RemoteRead(bytes)) => {
                Some(format!("a remote read of {} bytes, compressed", bytes.len()))
            }
            Some(OutboundBody::Empty) | None => None,
        };
        Upstream {
            method: text(self.head.method),
            path: target,
            parameters,
            headers_removed: remove,
            headers_set: set.into_iter().map(|(name, value)| header(&name, &value)).collect(),
            body,
        }
    }

    /// Reads what the filter has written; whether it can be read.
    fn parameters(&self, written: &[u8], place: ParameterPlace, out: &mut Vec<Parameter>) -> bool {
        let mut found = Vec::new();
        let readable = form::read(written, usize::MAX, &mut found).is_ok();
        for form::Parameter { name, value } in found.iter().filter(|_| readable) {
            let value = text(value);
            let promql_parser = self.second_opinion(name, &value);
            out.push(Parameter { place, name: text(name), value, promql_parser });
        }
        readable
    }

    /// What another parser says about a parameter that is narrowed, where there is anything to narrow to.
    fn second_opinion(&self, name: &[u8], value: &str) -> Option<Reading> {
        let scope = self.scope.filter(|scope| !scope.is_unrestricted() && self.is_narrowed(name))?;
        let reading = verify::read(value, scope);
        // Selectors of rules go on as they were asked, unless a setting says otherwise: the answer is filtered.
        let is_as_asked =
            self.route.is_some_and(|route| route.endpoint == Endpoint::Rules) && reading.is_contradiction();
        (!is_as_asked).then_some(reading)
    }

    fn is_narrowed(&self, name: &[u8]) -> bool {
        let Some((_, kind)) = self.route.and_then(|route| route.parameter(name)) else { return false };
        match kind {
            ParameterKind::Expression
            | ParameterKind::Selector
            | ParameterKind::AnySelector
            | ParameterKind::TargetSelector => true,
            ParameterKind::PureText
            | ParameterKind::Scalar
            | ParameterKind::List
            | ParameterKind::AlertMatcher
            | ParameterKind::RemovedLabels => false,
        }
    }
}

/// What a route is called: its path, where it has one of its own.
fn name(route: &Route) -> &'static str {
    if route.endpoint == Endpoint::Page {
        "a page (ui)"
    } else if route.endpoint == Endpoint::Passthrough {
        "danger_passthrough_paths"
    } else {
        route.path
    }
}

fn label(LabelScope { name, scope }: &LabelScope) -> Label {
    let reads = match scope {
        Scope::Values(values) => {
            Reads::Values(values.as_slice().iter().map(LabelValue::as_str).map(str::to_owned).collect())
        }
        Scope::Pattern(pattern) => Reads::Pattern(pattern.as_str().to_owned()),
        Scope::Unrestricted => Reads::Lifted(true),
    };
    Label { label: name.to_string(), reads }
}

fn answer_plan(admitted: &Admitted) -> AnswerPlan {
    match admitted.plan {
        ResponsePlan::Verbatim => AnswerPlan::Passes,
        ResponsePlan::Scrub => AnswerPlan::Scrubbed,
        ResponsePlan::Filter(_) => AnswerPlan::Filtered,
    }
}

fn answered(answer: &Answer) -> Answered {
    let allow = match answer.header() {
        ("allow", methods) => Some(methods),
        _ => None,
    };
    Answered { status: answer.status(), allow, body: answer.body() }
}

fn refused(denial: &Denial, head_was_sent: bool) -> Verdict {
    Verdict::Refused(Refused {
        status: denial.status(),
        error_type: denial.error_type(),
        reason: denial.reason(),
        message: denial.to_string(),
        header: denial.header().map(|(name, value)| header(name, value)),
        body: denial.body(),
        head_was_sent,
    })
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
