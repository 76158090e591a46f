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
use essence::{Essence, Texts, essence, values_only};
use generator::Generator;
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

/// The README names these; each is what both sides must answer then, no more and no less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// `info()` without a matcher of its own reads the info series of everybody.
    Info,
    /// The grammar is that of Prometheus 3.14; an older upstream takes `up @ start()[5m]`.
    AtBeforeRange,
    /// The filter's refusals are JSON, also on `/federate`, where Prometheus writes plain text.
    FederateText,
}

/// How often a question is asked again, to see whether its answer varies.
const OPEN_TRIES: usize = 12;

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
    /// Answers with something in them.
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
            for (index, question) in about(expression).iter().take(extent.questions).enumerate() {
                let ways = ways(question);
                // Each method has its turn at both endpoints.
                let turn = (self.tally.expressions + index) % ways.len();
                for (way, request) in ways.into_iter().enumerate() {
                    if extent.both_methods || way == turn {
                        self.ask(question, request);
                    }
                }
            }
        }
        for question in lookups(generator, extent.random / 2) {
            for request in ways(&question) {
                self.ask(&question, request);
            }
        }
        self.tally
    }

    fn ask(&mut self, question: &Question, request: Request) {
        let method = request.method.clone();
        match self.compare(question, request) {
            Verdict::Same => {}
            Verdict::Named(named) => *self.tally.named.entry(named).or_default() += 1,
            Verdict::Different(mut text) => {
                if !question.query.is_empty() && self.tally.differences.len() < 20 {
                    text += &self.smallest(question, &method);
                }
                self.tally.differences.push(format!("{method} {}?{}\n{text}", question.path, question.parameters));
            }
        }
    }

    /// The smallest expression that makes the same difference.
    fn smallest(&mut self, question: &Question, method: &str) -> String {
        let at = about(&question.query).iter().position(|each| each == question).expect("one of them");
        let small = shrink(&question.query, |text| {
            let smaller = &about(text)[at];
            ways(smaller)
                .into_iter()
                .filter(|request| request.method == method)
                .any(|request| matches!(self.compare(smaller, request), Verdict::Different(_)))
        });
        let smaller = &about(&small)[at];
        let request = ways(smaller).into_iter().find(|request| request.method == method).expect("this way");
        match self.compare(smaller, request) {
            Verdict::Different(text) => format!("    of {:?}, and the smallest is {small:?}\n{text}", question.query),
            Verdict::Same | Verdict::Named(_) => String::new(),
        }
    }

    /// Whether one side does not always answer this alike (Prometheus may choose which of several equal series `topk` takes),
    /// and some answer of the one is an answer of the other too, or has its values at least.
    fn is_open(&mut self, question: &Question, request: &Request) -> bool {
        let direct = get(format!("{}?{}", question.path, question.parameters));
        let mut ask = |connection: &mut Connection, request: &Request| -> Vec<Essence> {
            self.tally.requests += OPEN_TRIES;
            let answers = (0..OPEN_TRIES).map(|_| connection.send(request));
            answers.map(|answer| essence(&question.query, &answer, Texts::Compared)).collect()
        };
        let (wanted, got) = (ask(&mut self.own, &direct), ask(&mut self.filtered, request));
        let varies = |answers: &[Essence]| answers.iter().any(|answer| *answer != answers[0]);
        let meets = |one: &Essence, other: &Essence| one == other || values_only(one) == values_only(other);
        (varies(&wanted) || varies(&got)) && wanted.iter().any(|one| got.iter().any(|other| meets(one, other)))
    }

    fn compare(&mut self, question: &Question, request: Request) -> Verdict {
        self.tally.requests += 2;
        let wanted = self.own.send(&get(format!("{}?{}", question.path, question.parameters)));
        let request = request.bearer(&self.bearer);
        let got = self.filtered.send(&request);
        // Envoy writes this header on answers of the upstream.
        let by_upstream = got.header("x-envoy-upstream-service-time").is_some();
        let texts = if by_upstream { Texts::Compared } else { Texts::Apart };
        let (wanted_essence, got_essence) =
            (essence(&question.query, &wanted, texts), essence(&question.query, &got, texts));
        if wanted_essence == got_essence {
            self.tally.errors += usize::from(wanted.status >= 400);
            self.tally.telling += usize::from(wanted.status < 400 && tells(&wanted));
            return Verdict::Same;
        }
        if !by_upstream && let Some(named) = named(question, &wanted, &got) {
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
            short(&wanted),
            got.status,
            short(&got)
        ))
    }
}

/// The deviation that the README names and that these answers show.
fn named(question: &Question, wanted: &Response, got: &Response) -> Option<Named> {
    let refusal = got.text();
    match (wanted.status, got.status) {
        (400, 400) if question.path == "/federate" => Some(Named::FederateText),
        (_, 400) if refusal.contains("info series") => Some(Named::Info),
        (200, 400) if refusal.contains("no @ modifiers allowed before range") => Some(Named::AtBeforeRange),
        _ => None,
    }
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
                let mut generator = Generator::new(extent.seed + u64::try_from(index).expect("a small number"));
                (tenants.join(", "), party.ask_all(&extent, corpus, &mut generator))
            })
        };
        let parties: Vec<_> = PARTIES.into_iter().enumerate().map(ask).collect();
        parties.into_iter().map(|party| party.join().expect("a party")).collect()
    });
    eprintln!("{}", table(&tallies, extent.seed));
    let all: Vec<String> = tallies
        .iter()
        .flat_map(|(tenants, tally)| tally.differences.iter().map(move |text| format!("{tenants}: {text}")))
        .collect();
    assert!(all.is_empty(), "{} answers differ (PLF_SEED={}):\n{}", all.len(), extent.seed, all.join("\n"));
    for (tenants, tally) in &tallies {
        // The comparison means something only where there is something to see.
        assert!(tally.telling * 5 > tally.requests / 2, "{tenants}: {} of {} tell", tally.telling, tally.requests / 2);
    }
    assert_eq!(envoy.reloads(), 0);
}

/// A summary for people.
fn table(tallies: &[(String, Tally)], seed: u64) -> String {
    let mut text = format!(
        "\nseed {seed}\n{:<24} {:>11} {:>9} {:>9} {:>7} {:>6} {:>6} {:>12}\n",
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

