//! Soft tenancy that cannot be told from hard tenancy: a tenant's answers through the filter, from a Prometheus that all
//! share, are those of a Prometheus that holds only that tenant's data.
//!
//! `make test` asks the corpus and some random expressions; `make equivalence` asks everything and prints a table.
//! PLF_SEED repeats a run.

mod essence;
mod generator;
mod questions;
mod semantics;
mod shrink;

use crate::support::client::{Connection, Request, Response, chunk, get, post, request};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::prometheus::Prometheus;
use crate::support::tokens::token;
use essence::{Essence, Texts, essence, values_only, without_values};
use generator::{Age, Generator};
use questions::{PROBES, Question, about, lookups};
use serde_json::{Value, json};
use shrink::shrink;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who asks. Every name has neighbours in the shared data that a slip in quoting would let in.
const PARTIES: [&[&str]; 10] = [
    &["team-fruit"],
    &["team-veggie"],
    &["team-fruit", "team-veggie"],
    &["a|b"],
    &["a.b"],
    &["a\"b"],
    &["a\\b"],
    &["é"],
    &[".*"],
    &[".*", "a|b", "a\\b"],
];

/// A difference that the README names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// Without a matcher of its own it reads the info series of everybody.
    Info,
    /// An older upstream takes `up @ start()[5m]`, which Prometheus 3.14 does not.
    Grammar,
    /// Refusals are JSON, also on `/federate`, where Prometheus writes plain text.
    FederateText,
    /// `/api/v1/series` without `match[]` is refused by Prometheus, and answered by the filter.
    SeriesOfAll,
    /// Prometheus looks labels up by block, and the blocks of a shared one cover the times of everybody's samples.
    Blocks,
}

impl Named {
    /// What these answers show, when it is one of them.
    fn of(question: &Question, wanted: &Response, got: &Response) -> Option<Self> {
        let local = !by_upstream(got);
        let refusal = got.text();
        match (wanted.status, got.status) {
            (400, 400) if local && question.path == "/federate" => Some(Self::FederateText),
            (200 | 400 | 422, 400) if local && refusal.contains("info series") => Some(Self::Info),
            (200, 400) if local && refusal.contains("no @ modifiers allowed before range") => Some(Self::Grammar),
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

/// How much is asked.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Random expressions for each party.
    random: usize,
    /// Of the four questions about an expression, how many.
    questions: usize,
    /// Whether every question is asked by GET and by POST, or by one of them in turn.
    both_methods: bool,
    seed: u64,
}

impl Extent {
    fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
        let seed = number("PLF_SEED").unwrap_or_else(now);
        match number("PLF_EQUIVALENCE") {
            None => Self { random: 120, questions: 2, both_methods: false, seed },
            Some(random) => {
                Self { random: usize::try_from(random).expect("a number"), questions: 4, both_methods: true, seed }
            }
        }
    }
}

/// The expressions that everybody is asked.
fn corpus(extent: &Extent) -> Vec<String> {
    let tables = [
        include_str!("../corpus/promql.tsv"),
        include_str!("../corpus/promql-switched.tsv"),
        include_str!("../corpus/promql-refused.tsv"),
    ];
    let rows = tables.into_iter().flat_map(str::lines).filter(|line| !line.is_empty() && !line.starts_with("# "));
    let mut all: Vec<String> = rows.filter_map(|line| line.split('\t').next()).map(Into::into).collect();
    all.extend(PROBES.map(Into::into));
    if let Some(folder) = std::env::var_os("PLF_CORPUS").filter(|_| extent.both_methods) {
        let path = std::path::Path::new(&folder).join("prometheus-3.14.jsonl");
        let text = std::fs::read_to_string(path).expect("the corpus");
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        all.extend(entries.filter_map(|entry| entry["expr"].as_str().map(Into::into)));
    }
    all
}

/// What came of the questions.
#[derive(Debug, Default)]
struct Tally {
    expressions: usize,
    requests: usize,
    /// Answers through the filter.
    compared: usize,
    /// Of them, those with something in them.
    telling: usize,
    /// Errors that both sides had.
    errors: usize,
    named: BTreeMap<Named, usize>,
    /// Answers that Prometheus chooses among several, which are compared with all of them.
    open: usize,
    differences: Vec<String>,
}

/// One party, with its two ways to ask.
#[derive(Debug)]
struct Party {
    own: Connection,
    filtered: Connection,
    bearer: String,
    tally: Tally,
}

impl Party {
    fn ask_all(mut self, extent: &Extent, corpus: &[String], generator: &mut Generator) -> Tally {
        let random = (0..extent.random).map(|_| generator.expression()).collect::<Vec<_>>();
        for expression in corpus.iter().chain(&random) {
            self.tally.expressions += 1;
            for (index, question) in about(expression).into_iter().take(extent.questions).enumerate() {
                let mut ways = ways(&question);
                if !extent.both_methods {
                    // Each method has its turn at both endpoints.
                    ways = vec![ways.swap_remove((self.tally.expressions + index) % ways.len())];
                }
                self.ask(&question, ways);
            }
        }
        for question in lookups(generator, extent.random / 2) {
            let ways = ways(&question);
            self.ask(&question, ways);
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
                    self.tally.differences.push(format!("{method} {}?{}\n{text}", question.path, question.parameters));
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
            let way = ways(smaller).into_iter().find(|request| request.method == method).expect("this way");
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
        self.own.send(&get(format!("{}?{}", question.path, question.parameters)))
    }

    /// Whether one side does not always answer this alike (Prometheus may choose which of several equal series `topk` takes,
    /// or what rounding leaves of a difference of nothing), and some answer of the one is an answer of the other too, in its
    /// values or its series at least.
    fn is_open(&mut self, question: &Question, request: &Request) -> bool {
        let direct = get(format!("{}?{}", question.path, question.parameters));
        let mut ask = |connection: &mut Connection, request: &Request| -> Vec<Essence> {
            self.tally.requests += OPEN_TRIES;
            let answers = (0..OPEN_TRIES).map(|_| connection.send(request));
            answers.map(|answer| essence(&question.query, &answer, Texts::Compared)).collect()
        };
        let (wanted, got) = (ask(&mut self.own, &direct), ask(&mut self.filtered, request));
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
        if self.is_open(question, &request) {
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

/// The ways to ask a question.
fn ways(question: &Question) -> Vec<Request> {
    let Question { path, parameters, .. } = question;
    let mut ways = vec![get(format!("{path}?{parameters}"))];
    if !path.starts_with("/api/v1/label/") && *path != "/federate" {
        ways.push(post(path, parameters));
    }
    ways
}

#[test]
#[expect(clippy::print_stderr, reason = "`make equivalence` shows the table, and a failure the seed")]
fn a_tenant_sees_through_the_filter_what_its_own_prometheus_would_answer() {
    let extent = Extent::from_environment();
    let shared = Prometheus::shared();
    let configuration = json!({
        "labels": [{"name": "tenant", "jwt_claim": "tenants"}],
        "promql": {"experimental_functions": true, "extended_range_selectors": true, "binop_fill_modifiers": true},
    });
    let envoy = Envoy::start(&bootstrap(
        &[Listener::new("plain", configuration).jwt()],
        vec![cluster("upstream", shared.port, false)],
    ));
    let (port, corpus) = (envoy.port("plain"), corpus(&extent));
    let age = if shared.version().starts_with("2.") { Age::Classic } else { Age::Modern };
    let tallies: Vec<(String, Tally)> = std::thread::scope(|scope| {
        let corpus = &corpus;
        let ask = |(index, tenants): (usize, &'static [&str])| {
            scope.spawn(move || {
                let own = Prometheus::own(tenants);
                let party = Party {
                    own: Connection::open(own.port),
                    filtered: Connection::open(port),
                    bearer: token(&json!({"tenants": tenants})),
                    tally: Tally::default(),
                };
                let mut generator = Generator::new(extent.seed + u64::try_from(index).expect("a small number"), age);
                (tenants.join(", "), party.ask_all(&extent, corpus, &mut generator))
            })
        };
        let parties: Vec<_> = PARTIES.into_iter().enumerate().map(ask).collect();
        parties.into_iter().map(|party| party.join().expect("a party")).collect()
    });
    eprintln!("{}", table(&tallies, &shared.version(), extent.seed));
    let all: Vec<String> = tallies
        .iter()
        .flat_map(|(tenants, tally)| tally.differences.iter().map(move |text| format!("{tenants}: {text}")))
        .collect();
    assert!(all.is_empty(), "{} answers differ (PLF_SEED={}):\n{}", all.len(), extent.seed, all.join("\n"));
    for (tenants, tally) in &tallies {
        // The comparison means something only where there is something to see.
        assert!(tally.telling * 4 > tally.compared, "{tenants}: {} of {} tell", tally.telling, tally.compared);
    }
    assert_eq!(envoy.reloads(), 0);
}

/// A summary for people.
fn table(tallies: &[(String, Tally)], version: &str, seed: u64) -> String {
    let mut text = format!(
        "\nPrometheus {version}, PLF_SEED={seed}\n{:<24} {:>11} {:>9} {:>9} {:>7} {:>6} {:>6} {:>12}\n",
        "tenants", "expressions", "requests", "not empty", "errors", "open", "named", "differences"
    );
    let mut row = |name: &str, counts: [usize; 7]| {
        let [expressions, requests, telling, errors, open, named, differences] = counts;
        writeln!(
            text,
            "{name:<24} {expressions:>11} {requests:>9} {telling:>9} {errors:>7} {open:>6} {named:>6} {differences:>12}"
        )
        .expect("a line");
    };
    let mut all = [0; 7];
    for (tenants, tally) in tallies {
        let counts = [
            tally.expressions,
            tally.requests,
            tally.telling,
            tally.errors,
            tally.open,
            tally.named.values().sum(),
            tally.differences.len(),
        ];
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        row(tenants, counts);
    }
    row("all", all);
    text
}

#[test]
fn an_upstream_that_gives_up_on_a_form_gives_nothing_away() {
    let upstream = Prometheus::impatient();
    let configuration = json!({"labels": [{"name": "tenant", "values": ["team-fruit"]}]});
    let clusters = vec![cluster("upstream", upstream.port, false)];
    let envoy = Envoy::start(&bootstrap(&[Listener::new("plain", configuration)], clusters));
    let never_ending_form = |port| {
        let form = request("POST", "/api/v1/labels")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("transfer-encoding", "chunked");
        let mut connection = Connection::open(port);
        connection.write(&form.head_bytes());
        connection.write(&chunk(b"match[]=up"));
        connection.read("POST")
    };
    // What Prometheus does: the form that it could not read is no form, and no selector is all of them.
    let direct = never_ending_form(upstream.port);
    assert!(direct.status == 200 && direct.text().contains("team"), "{direct:?}");
    let filtered = never_ending_form(envoy.port("plain"));
    assert!(filtered.status == 502 && !filtered.text().contains("team"), "{filtered:?}");
}
