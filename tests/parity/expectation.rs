//! Cases whose outcome is written down for each of the two: what the upstream is asked, or what the client is told.

use super::asked::Asked;
use super::asker::{Asker, different};
use super::named::Named;
use super::pair::{Both, Outcome};
use super::tally::Verdict;
use crate::support::client::Request;
use crate::support::upstream::{Answer, Recorded, Upstream};
use serde_json::{Value, json};

/// What one of the two does with a request.
#[derive(Clone, Debug)]
pub(super) enum Side {
    /// The upstream is asked this: `GET /path?name=value`, decoded.
    Asks(String),
    /// The upstream is asked so, and its answer, which passes, has this text.
    Shows(String, &'static str),
    /// The upstream is asked, and sees the tenant's header or does not.
    SendsHeader(bool),
    /// The upstream gets this silence, or the like.
    Writes(Value),
    /// The upstream is asked nothing, and this is the answer's status.
    Status(u16),
    /// The same, with this text in the answer.
    Says(u16, &'static str),
    /// An empty 200.
    Nothing,
    /// What comes back, whatever the upstream was asked: this JSON, or this text where it is a string.
    Answers(u16, Value),
    /// The same, with this text in it.
    Tells(u16, &'static str),
}

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The row of the table that it belongs to.
    pub(super) endpoint: &'static str,
    /// The difference that it shows; none when both do the same.
    pub(super) named: Option<Named>,
    pub(super) request: Request,
    /// What a scripted upstream answers.
    pub(super) answer: Option<Answer>,
    pub(super) theirs: Side,
    pub(super) ours: Side,
}

impl Case {
    pub(super) fn new(endpoint: &'static str, named: Named, request: Request, theirs: Side, ours: Side) -> Self {
        Self { endpoint, named: Some(named), request, answer: None, theirs, ours }
    }

    /// One where both do the same.
    pub(super) fn same(endpoint: &'static str, request: Request, side: Side) -> Self {
        Self { endpoint, named: None, request, answer: None, theirs: side.clone(), ours: side }
    }

    pub(super) fn answered(self, answer: Answer) -> Self {
        Self { answer: Some(answer), ..self }
    }
}

pub(super) fn asks(text: &str) -> Side {
    Side::Asks(text.to_owned())
}

impl Asker<'_> {
    /// Tries a case.
    pub(super) fn expect(&mut self, case: &Case) {
        let prepare = |upstream: &Upstream, request: &Request| {
            if let Some(answer) = &case.answer {
                upstream.answer(request, answer.clone());
            }
        };
        let both = self.pair.ask(&case.request, prepare);
        let verdict = self.judge_case(case, &both);
        let what = String::from_utf8_lossy(&case.request.target).into_owned();
        self.tally.add(case.endpoint, self.way, verdict, &format!("{} {what} {:?}", case.request.method, case.named));
    }

    fn judge_case(&mut self, case: &Case, both: &Both) -> Verdict {
        for (who, side, outcome) in
            [("prom-label-proxy", &case.theirs, &both.theirs), ("the filter", &case.ours, &both.ours)]
        {
            if !self.is_as(side, outcome) {
                return different(&format!("{who} should have done {side:?}"), both);
            }
        }
        if let Some(named) = case.named {
            return Verdict::named(named);
        }
        let is_same = match (both.theirs.response.status, both.ours.response.status) {
            (theirs, ours) if theirs != ours => false,
            // The id of a silence, and the words of a refusal, are each one's own.
            _ if case.request.method != "GET" => true,
            _ if both.theirs.received.is_none() || both.ours.received.is_none() => true,
            _ => sorted(both.theirs.response.json()) == sorted(both.ours.response.json()),
        };
        if is_same { Verdict::Same } else { different("the answers differ", both) }
    }

    fn is_as(&mut self, side: &Side, outcome: &Outcome) -> bool {
        let (status, text) = (outcome.response.status, outcome.response.text());
        let mut asked = |wanted: &str| {
            let received = outcome.received.as_ref();
            received
                .is_some_and(|recorded| Asked::of(recorded, &mut self.judge) == Asked::written(wanted, &mut self.judge))
        };
        match side {
            Side::Asks(wanted) => asked(wanted),
            Side::Shows(wanted, shown) => asked(wanted) && text.contains(shown),
            Side::SendsHeader(is_sent) => {
                outcome.received.as_ref().is_some_and(|recorded| recorded.has("x-tenant") == *is_sent)
            }
            Side::Writes(wanted) => {
                outcome.received.as_ref().is_some_and(|recorded| written(recorded) == silence(wanted.clone()))
            }
            Side::Status(wanted) => outcome.received.is_none() && status == *wanted,
            Side::Says(wanted, shown) => outcome.received.is_none() && status == *wanted && text.contains(shown),
            Side::Nothing => outcome.received.is_none() && status == 200 && text.is_empty(),
            Side::Tells(wanted, shown) => status == *wanted && text.contains(shown),
            Side::Answers(wanted, body) => {
                status == *wanted
                    && (*body == text || serde_json::from_str::<Value>(&text).is_ok_and(|found| found == *body))
            }
        }
    }
}

/// Alertmanager's lists have no order.
fn sorted(mut answer: Value) -> Value {
    if let Some(list) = answer.as_array_mut() {
        list.sort_by_cached_key(ToString::to_string);
    }
    answer
}

fn written(recorded: &Recorded) -> Value {
    serde_json::from_slice(&recorded.body).map_or(Value::Null, silence)
}

/// A silence without what may differ: the order of matchers, what is there by default, how times are written.
fn silence(mut silence: Value) -> Value {
    let matchers = silence["matchers"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut matchers: Vec<Value> = matchers
        .into_iter()
        .map(|mut matcher| {
            if matcher["isEqual"].is_null() {
                matcher["isEqual"] = json!(true);
            }
            matcher
        })
        .collect();
    matchers.sort_by_cached_key(ToString::to_string);
    silence["matchers"] = json!(matchers);
    for time in ["startsAt", "endsAt"] {
        silence[time] = json!(silence[time].as_str().map(|text| text.replace(".000Z", "Z")));
    }
    silence
}
