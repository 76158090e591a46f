//! One party asks: its own Prometheus, and the shared one through the filter; and says what differs.
//!
//! Owns the comparison and which differences are expected. Must not know what is asked.

use super::Extent;
use super::essence::{Essence, Texts, essence, values_only, without_values};
use super::generator::Generator;
use super::questions::{Question, about, lookups};
use super::shrink::shrink;
use crate::support::client::{Connection, Request, Response, get, post};
use std::collections::BTreeMap;

/// A difference that the README names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// Without a matcher of its own it reads the info series of everybody.
    Info,
    /// What Prometheus 2 overlooks in a text, such as the `x` in `up[5m x]`.
    Grammar,
    /// Refusals are JSON, also on `/federate`, where Prometheus writes plain text.
    FederateText,
    /// `/api/v1/series` without `match[]` is refused by Prometheus, and answered by the filter.
    SeriesOfAll,
    /// Prometheus looks labels up by block, and the blocks of a shared one cover the times of everybody's samples.
    Blocks,
    /// What Prometheus refuses is refused before a Thanos too, which answers otherwise.
    Thanos,
}

impl Named {
    pub(crate) const ALL: [Self; 6] =
        [Self::Info, Self::Grammar, Self::FederateText, Self::SeriesOfAll, Self::Blocks, Self::Thanos];

    /// How the README begins to tell it.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Info => "- `info()` needs a second argument",
            Self::Grammar => "- PromQL is Prometheus 3.16's, also before an older upstream",
            Self::FederateText => "- Refusals of the filter's own are JSON on `/federate` too",
            Self::SeriesOfAll => "- `/api/v1/series` without `match[]` answers",
            Self::Blocks => "- Labels between two times are looked up in all of a block",
            Self::Thanos => "- Before a Thanos too, a selector that selects everything is a 400",
        }
    }

    /// What these answers show, when it is one of them.
    fn of(question: &Question, wanted: &Response, got: &Response) -> Option<Self> {
        let local = !by_upstream(got);
        let refusal = got.text();
        match (wanted.status, got.status) {
            (400, 400) if local && question.path == "/federate" => Some(Self::FederateText),
            (200 | 400 | 422, 400) if local && refusal.contains("info series") => Some(Self::Info),
            (200, 400) if local && refusal.contains("parse error: unexpected character") => Some(Self::Grammar),
            (200 | 422, 400) if local && refusal.contains("must contain at least one non-empty matcher") => {
                Some(Self::Thanos)
            }
            (404, 400) if local && question.path == "/federate" => Some(Self::Thanos),
            // The team's matcher in it drops series without an info series.
            (200, 200) if question.query.contains("info(") && is_part(got, wanted) => Some(Self::Info),
            (400, 200) if question.path == "/api/v1/series" && question.parameters.is_empty() => {
                Some(Self::SeriesOfAll)
            }
            _ => None,
        }
    }
}

/// How often a question is asked again, to see whether its answer varies.
const OPEN_TRIES: usize = 12;

/// How many differences of a party are made smaller: where everything differs, a few say it.
const MOST_SHRUNK: usize = 10;

/// What came of the questions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) expressions: usize,
    pub(crate) requests: usize,
    /// Answers through the filter.
    pub(crate) compared: usize,
    /// Of them, those with something in them.
    pub(crate) telling: usize,
    /// Errors that both sides had.
    pub(crate) errors: usize,
    pub(crate) named: BTreeMap<Named, usize>,
    /// Answers that Prometheus chooses among several, which are compared with all of them.
    pub(crate) open: usize,
    pub(crate) differences: Vec<String>,
}

/// One party, with its two ways to ask.
#[derive(Debug)]
pub(crate) struct Party {
    own: Connection,
    filtered: Connection,
    bearer: String,
    /// Parameters that say how to answer, and do not change whose data it is. Each question has one of these in turn.
    manners: Vec<&'static str>,
    manner: &'static str,
    tally: Tally,
}

impl Party {
    /// A party whose own Prometheus listens on one port, and the filter on the other.
    pub(crate) fn new(own: u16, filtered: u16, bearer: String) -> Self {
        let (own, filtered) = (Connection::open(own), Connection::open(filtered));
        Self { own, filtered, bearer, manners: vec![""], manner: "", tally: Tally::default() }
    }

    /// The same, and it asks in these manners.
    pub(crate) fn in_manners(self, manners: &[&'static str]) -> Self {
        Self { manners: manners.into(), ..self }
    }

    pub(crate) fn ask_all(mut self, extent: &Extent, corpus: &[String], generator: &mut Generator) -> Tally {
        let random = (0..extent.random).map(|_| generator.expression()).collect::<Vec<_>>();
        for expression in corpus.iter().chain(&random) {
            self.tally.expressions += 1;
            for (index, question) in about(expression).into_iter().take(extent.questions).enumerate() {
                self.manner = self.manners[(self.tally.expressions + index) % self.manners.len()];
                let mut ways = self.ways(&question);
                if !extent.both_methods {
                    // Each method has its turn at both endpoints.
                    ways = vec![ways.swap_remove((self.tally.expressions + index) % ways.len())];
                }
                self.ask(&question, ways);
            }
        }
        for (index, question) in lookups(generator, extent.random / 2).iter().enumerate() {
            self.manner = self.manners[index % self.manners.len()];
            let ways = self.ways(question);
            self.ask(question, ways);
        }
        self.tally
    }

    fn ask(&mut self, question: &Question, ways: Vec<Request>) {
        let wanted = self.own(question);
        for request in ways {
            let method = request.method.clone();
            match self.compare(question, &wanted, request) {
                Verdict::Same => {}
                Verdict::Named(named) => *self.tally.named.entry(named).or_default() += 1,
                Verdict::Different(mut text) => {
                    if !question.query.is_empty() && self.tally.differences.len() < MOST_SHRUNK {
                        text += &self.smallest(question, &method);
                    }
                    self.tally.differences.push(format!(
                        "{method} {}?{}\n{text}",
                        question.path,
                        self.parameters(question)
                    ));
                }
            }
        }
    }

    /// The smallest expression that makes a difference in the same place.
    fn smallest(&mut self, question: &Question, method: &str) -> String {
        let at = about(&question.query).iter().position(|each| each == question).expect("one of them");
        let mut difference = String::new();
        let small = shrink(&question.query, |text| {
            let smaller = &about(text)[at];
            let way = self.ways(smaller).into_iter().find(|request| request.method == method).expect("this way");
            let wanted = self.own(smaller);
            let verdict = self.compare(smaller, &wanted, way);
            if let Verdict::Different(text) = &verdict {
                difference.clone_from(text);
            }
            matches!(verdict, Verdict::Different(_))
        });
        format!("    of {:?}, and the smallest is {small:?}\n{difference}", question.query)
    }

    /// What the party's own Prometheus answers.
    fn own(&mut self, question: &Question) -> Response {
        self.tally.requests += 1;
        self.own.send(&self.directly(question))
    }

    fn parameters(&self, question: &Question) -> String {
        match (question.parameters.as_str(), self.manner) {
            (parameters, "") => parameters.to_owned(),
            ("", manner) => manner.to_owned(),
            (parameters, manner) => format!("{parameters}&{manner}"),
        }
    }

    fn directly(&self, question: &Question) -> Request {
        get(format!("{}?{}", question.path, self.parameters(question)))
    }

    /// The ways to ask a question.
    fn ways(&self, question: &Question) -> Vec<Request> {
        let mut ways = vec![self.directly(question)];
        if !question.path.starts_with("/api/v1/label/") && question.path != "/federate" {
            ways.push(post(question.path, &self.parameters(question)));
        }
        ways
    }

    /// Whether one side does not always answer this alike (Prometheus may choose which of several equal series `topk` takes,
    /// or what rounding leaves of a difference of nothing), and some answer of the one is an answer of the other too, in its
    /// values or its series at least.
    fn is_open(&mut self, question: &Question, request: &Request, wanted: &Response, got: &Response) -> bool {
        let direct = self.directly(question);
        let mut ask = |connection: &mut Connection, request: &Request, first: &Response| -> Vec<Essence> {
            self.tally.requests += OPEN_TRIES;
            let again = (0..OPEN_TRIES).map(|_| connection.send(request));
            let answers = std::iter::once(first.clone()).chain(again);
            answers.map(|answer| essence(&question.query, &answer, Texts::Compared)).collect()
        };
        let (wanted, got) = (ask(&mut self.own, &direct, wanted), ask(&mut self.filtered, request, got));
        let varies = |answers: &[Essence]| answers.iter().any(|answer| *answer != answers[0]);
        let meets = |one: &Essence, other: &Essence| {
            one == other || values_only(one) == values_only(other) || without_values(one) == without_values(other)
        };
        (varies(&wanted) || varies(&got)) && wanted.iter().any(|one| got.iter().any(|other| meets(one, other)))
    }

    /// Whether labels were found that are the party's own, and that its own Prometheus has at another time.
    fn is_by_block(&mut self, question: &Question, wanted: &Response, got: &Response) -> bool {
        if !question.path.starts_with("/api/v1/label") || tells(wanted) || got.status != 200 {
            return false;
        }
        let timed = |parameter: &&str| parameter.starts_with("start=") || parameter.starts_with("end=");
        let (times, others): (Vec<&str>, Vec<&str>) = question.parameters.split('&').partition(timed);
        let at_any_time = Question { parameters: others.join("&"), ..question.clone() };
        !times.is_empty() && self.own(&at_any_time).json() == got.json()
    }

    fn compare(&mut self, question: &Question, wanted: &Response, request: Request) -> Verdict {
        self.tally.requests += 1;
        self.tally.compared += 1;
        let request = request.bearer(&self.bearer);
        let got = self.filtered.send(&request);
        let texts = if by_upstream(&got) { Texts::Compared } else { Texts::Apart };
        let (wanted_essence, got_essence) =
            (essence(&question.query, wanted, texts), essence(&question.query, &got, texts));
        if wanted_essence == got_essence {
            self.tally.errors += usize::from(wanted.status >= 400);
            self.tally.telling += usize::from(wanted.status < 400 && tells(wanted));
            return Verdict::Same;
        }
        let named = Named::of(question, wanted, &got)
            .or_else(|| self.is_by_block(question, wanted, &got).then_some(Named::Blocks));
        if let Some(named) = named {
            return Verdict::Named(named);
        }
        if self.is_open(question, &request, wanted, &got) {
            self.tally.open += 1;
            return Verdict::Same;
        }
        let short = |response: &Response| response.text().chars().take(600).collect::<String>();
        Verdict::Different(format!(
            "    wanted {} {}\n    got    {} {}\n",
            wanted.status,
            short(wanted),
            got.status,
            short(&got)
        ))
    }
}

/// Whether a result holds nothing but what the other holds.
fn is_part(part: &Response, whole: &Response) -> bool {
    let entries = |response: &Response| response.json()["data"]["result"].as_array().cloned().unwrap_or_default();
    let whole = entries(whole);
    entries(part).iter().all(|entry| whole.contains(entry))
}

/// Envoy writes this header on answers of the upstream, and on no others.
fn by_upstream(response: &Response) -> bool {
    response.header("x-envoy-upstream-service-time").is_some()
}

#[derive(Debug)]
enum Verdict {
    Same,
    Named(Named),
    Different(String),
}

/// Whether there is something in an answer that could be wrong.
fn tells(response: &Response) -> bool {
    let text = response.text();
    !["\"result\":[]", "\"data\":[]"].iter().any(|empty| text.contains(empty)) && !text.is_empty()
}
