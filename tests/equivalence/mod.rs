//! Soft tenancy that cannot be told from hard tenancy: a tenant's answers through the filter, from a Prometheus that all
//! share, are those of a Prometheus that holds only that tenant's data.
//!
//! `make test` asks the corpus and some random expressions; `make equivalence` asks everything and prints a table.
//! PLF_SEED repeats a run.

pub(crate) mod duties;
pub(crate) mod essence;
pub(crate) mod generator;
pub(crate) mod party;
mod questions;
mod semantics;
mod shrink;
mod silences;

use crate::support::client::{Connection, chunk, request};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::prometheus::Prometheus;
use crate::support::tokens::token;
use generator::{Age, Generator};
use party::{Named, Party, Tally};
use questions::PROBES;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who asks. Every name has neighbours in the shared data that a slip in quoting would let in.
const PARTIES: [(Holding, &[&str]); 13] = [
    (Holding::Tenants, &["team-fruit"]),
    (Holding::Tenants, &["team-veggie"]),
    (Holding::Tenants, &["team-fruit", "team-veggie"]),
    (Holding::Tenants, &["a|b"]),
    (Holding::Tenants, &["a.b"]),
    (Holding::Tenants, &["a\"b"]),
    (Holding::Tenants, &["a\\b"]),
    (Holding::Tenants, &["é"]),
    (Holding::Tenants, &[".*"]),
    (Holding::Tenants, &[".*", "a|b", "a.b", "a\\b"]),
    (Holding::TenantsOfJob, &["a", "b"]),
    (Holding::Everything, &["sre"]),
    (Holding::TenantsOfPattern, &["team-fruit", "team-veggie", "a.b"]),
];

/// The pattern that is the token's in [`Holding::TenantsOfPattern`]. Of the other tenants it just misses `team-fruit2` and
/// `axb`.
const PATTERN: &str = r"team-(fruit|veg.*)|a\.b";

/// The job in the second rule of [`Holding::TenantsOfJob`].
const JOB: &str = "api";

/// What a party may read, and its own Prometheus holds. Each has a listener with its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    /// The series of its tenants.
    Tenants,
    /// The same, and its token says so by [`PATTERN`].
    TenantsOfPattern,
    /// Those of them that also have [`JOB`].
    TenantsOfJob,
    /// All there are: its rule is lifted, and the shared Prometheus is its own.
    Everything,
}

impl Holding {
    const ALL: [Self; 4] = [Self::Tenants, Self::TenantsOfPattern, Self::TenantsOfJob, Self::Everything];

    fn listener(self) -> Listener {
        let regex_match = self == Self::TenantsOfPattern;
        let tenant = json!({
            "name": "tenant",
            "jwt_claim": "tenants",
            "danger_unrestricted": ["sre"],
            "regex_match": regex_match,
        });
        let rules = match self {
            Self::Tenants | Self::TenantsOfPattern | Self::Everything => json!([tenant]),
            Self::TenantsOfJob => json!([tenant, {"name": "job", "values": [JOB]}]),
        };
        let promql = json!({
            "experimental_functions": true,
            "extended_range_selectors": true,
            "binop_fill_modifiers": true,
        });
        Listener::new(self.name(), json!({"labels": rules, "promql": promql})).jwt()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::TenantsOfPattern => "pattern",
            Self::TenantsOfJob => "tenants of a job",
            Self::Everything => "everything",
        }
    }

    /// What the party's token says.
    fn claim(self, tenants: &[&str]) -> Value {
        match self {
            Self::Tenants | Self::TenantsOfJob | Self::Everything => json!(tenants),
            Self::TenantsOfPattern => json!(PATTERN),
        }
    }

    /// A Prometheus that holds this and nothing else; `None` when that is the shared one.
    fn own(self, tenants: &[&str]) -> Option<Prometheus> {
        match self {
            Self::Tenants | Self::TenantsOfPattern => Some(Prometheus::own(tenants, |_| true)),
            Self::TenantsOfJob => Some(Prometheus::own(tenants, |series| series.has("job", JOB))),
            Self::Everything => None,
        }
    }
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Random expressions for each party.
    pub(crate) random: usize,
    /// Of the four questions about an expression, how many.
    pub(crate) questions: usize,
    /// Whether every question is asked by GET and by POST, or by one of them in turn.
    pub(crate) both_methods: bool,
    pub(crate) seed: u64,
}

impl Extent {
    pub(crate) fn from_environment() -> Self {
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
pub(crate) fn corpus(extent: &Extent) -> Vec<String> {
    let tables = [
        include_str!("../corpus/promql.tsv"),
        include_str!("../corpus/promql-switched.tsv"),
        include_str!("../corpus/promql-refused.tsv"),
        include_str!("../corpus/promql-switched-refused.tsv"),
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

#[test]
#[expect(clippy::print_stderr, reason = "`make equivalence` shows the table, and a failure the seed")]
fn a_tenant_sees_through_the_filter_what_its_own_prometheus_would_answer() {
    let extent = Extent::from_environment();
    let shared = Prometheus::shared();
    let listeners = Holding::ALL.map(Holding::listener);
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    let corpus = corpus(&extent);
    let age = if shared.version().starts_with("2.") { Age::Classic } else { Age::Modern };
    let tallies: Vec<(String, Tally)> = std::thread::scope(|scope| {
        let (corpus, shared, envoy) = (&corpus, &shared, &envoy);
        let ask = |(index, (holding, tenants)): (usize, (Holding, &'static [&str]))| {
            scope.spawn(move || {
                let own = holding.own(tenants);
                let own_port = own.as_ref().map_or(shared.port, |own| own.port);
                let bearer = token(&json!({"tenants": holding.claim(tenants)}));
                let party = Party::new(own_port, envoy.port(holding.name()), bearer);
                let mut generator = Generator::new(extent.seed + u64::try_from(index).expect("a small number"), age);
                let name = format!("{} ({})", tenants.join(", "), holding.name());
                (name, party.ask_all(&extent, corpus, &mut generator))
            })
        };
        let parties: Vec<_> = PARTIES.into_iter().enumerate().map(ask).collect();
        parties.into_iter().map(|party| party.join().expect("a party")).collect()
    });
    eprintln!("{}", table(&tallies, &format!("Prometheus {}", shared.version()), extent.seed));
    let all: Vec<String> = tallies
        .iter()
        .flat_map(|(tenants, tally)| tally.differences.iter().map(move |text| format!("{tenants}: {text}")))
        .collect();
    assert!(all.is_empty(), "{} answers differ (PLF_SEED={}):\n{}", all.len(), extent.seed, all.join("\n"));
    for (tenants, tally) in &tallies {
        // The comparison means something only where there is something to see.
        assert!(tally.telling * 5 > tally.compared, "{tenants}: {} of {} tell", tally.telling, tally.compared);
    }
    assert_eq!(envoy.reloads(), 0);
}

#[test]
fn the_readme_names_every_difference_that_is_expected() {
    for named in Named::ALL {
        assert!(include_str!("../../README.md").contains(named.told()), "{named:?}");
    }
}

/// A summary for people.
pub(crate) fn table(tallies: &[(String, Tally)], version: &str, seed: u64) -> String {
    let mut text = format!(
        "\n{version}, PLF_SEED={seed}\n{:<40} {:>11} {:>9} {:>9} {:>7} {:>6} {:>6} {:>12}\n",
        "who (reads what)", "expressions", "requests", "not empty", "errors", "open", "named", "differences"
    );
    let mut row = |name: &str, counts: [usize; 7]| {
        let [expressions, requests, telling, errors, open, named, differences] = counts;
        writeln!(
            text,
            "{name:<40} {expressions:>11} {requests:>9} {telling:>9} {errors:>7} {open:>6} {named:>6} {differences:>12}"
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
