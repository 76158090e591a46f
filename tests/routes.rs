//! Every route that an upstream registers, and what is decided about it: the tables in `corpus/`, against each other and
//! against a running Prometheus.
//!
//! Owns their reading and README's table of endpoints. Must not know how the filter carries a decision out.

use crate::support::client::{Connection, get, request};
use crate::support::data;
use crate::support::prometheus::Prometheus;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const ROUTES: &str = include_str!("corpus/routes.tsv");
const UPSTREAM: &str = include_str!("corpus/upstream-routes.tsv");
const PARAMETERS: &str = include_str!("corpus/parameters.tsv");
const SCHEMA: &str = include_str!("../envoy/config.schema.json");

const PRODUCTS: [&str; 4] = ["prometheus", "thanos-query", "thanos-query-frontend", "alertmanager"];
/// Alertmanager's parameters that may come several times; those of the others end with `[]`.
const LISTS: [&str; 2] = ["filter", "receiver_matchers"];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "*"];

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Decision {
    /// Its parameters or its body are narrowed.
    Narrow,
    /// Its answer is filtered.
    Filter,
    /// Both.
    NarrowAndFilter,
    /// The filter answers itself.
    Answer,
    /// It passes when what it names is the tenant's own.
    Check,
    /// It passes.
    Pass,
    /// 404, or 405 where another method of the path is served.
    Deny,
}

impl Decision {
    fn read(word: &str) -> Self {
        match word {
            "narrow" => Self::Narrow,
            "filter" => Self::Filter,
            "narrow+filter" => Self::NarrowAndFilter,
            "answer" => Self::Answer,
            "check" => Self::Check,
            "pass" => Self::Pass,
            "deny" => Self::Deny,
            other => panic!("{other} is no decision"),
        }
    }

    /// As README says it.
    fn words(self) -> &'static str {
        match self {
            Self::Narrow => "narrowed",
            Self::Filter => "answer filtered",
            Self::NarrowAndFilter => "narrowed, answer filtered",
            Self::Answer => "answered here",
            Self::Check => "passes if the tenant's own",
            Self::Pass => "passes",
            Self::Deny => "refused",
        }
    }
}

/// What settings make of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// Settings and their values; all of them are needed.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
    pub(crate) decision: Decision,
}

/// One row of `routes.tsv`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The heading above it.
    pub(crate) section: &'static str,
    /// Who registers the route.
    pub(crate) products: Vec<&'static str>,
    /// As they register them; `*` is any.
    pub(crate) methods: Vec<&'static str>,
    /// `<name>` is one segment, `*` at the end the rest of a path.
    pub(crate) path: &'static str,
    /// What happens without any setting.
    pub(crate) default: Decision,
    pub(crate) with: Vec<Change>,
    pub(crate) why: &'static str,
}

impl Row {
    /// Whether it is a page of a web interface or a file for one.
    pub(crate) fn is_page(&self) -> bool {
        let opens = |change: &Change| change.settings == [("ui", "pass")] && change.decision == Decision::Pass;
        self.with.iter().any(opens)
    }

    /// Whether a request ever gets further than a refusal.
    pub(crate) fn is_served(&self) -> bool {
        self.default != Decision::Deny || !self.with.is_empty()
    }
}

/// One row of `parameters.tsv`, for one of its paths.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// A path of `routes.tsv`.
    pub(crate) path: &'static str,
    /// `None`: the upstreams read none.
    pub(crate) name: Option<&'static str>,
    /// `form`, `url` or `body`.
    pub(crate) from: &'static str,
    /// `one` or `many`.
    pub(crate) times: &'static str,
    /// `pass`, `narrow`, `remove` or `clean`.
    pub(crate) what: &'static str,
}

fn columns<const N: usize>(line: &'static str) -> [&'static str; N] {
    let columns: Vec<&str> = line.split('\t').collect();
    assert!(columns.iter().all(|column| !column.is_empty() && column.trim() == *column), "{line:?}");
    columns.try_into().unwrap_or_else(|_| panic!("{N} columns: {line:?}"))
}

fn words(list: &'static str, known: &[&str]) -> Vec<&'static str> {
    let words: Vec<&str> = list.split(',').collect();
    assert!(words.iter().all(|word| known.contains(word)), "{list:?} is not of {known:?}");
    words
}

fn change(text: &'static str) -> Change {
    let (settings, decision) = text.rsplit_once(':').expect("setting=value:decision");
    let setting = |text: &'static str| text.split_once('=').expect("setting=value");
    Change { settings: settings.split('+').map(setting).collect(), decision: Decision::read(decision) }
}

/// The rows of `routes.tsv`, in its order.
pub(crate) fn rows() -> Vec<Row> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in ROUTES.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        } else if !line.starts_with('#') {
            let [products, methods, path, default, with, why] = columns(line);
            let with = if with == "-" { Vec::new() } else { with.split(' ').map(change).collect() };
            rows.push(Row {
                section,
                products: words(products, &PRODUCTS),
                methods: words(methods, &METHODS),
                path,
                default: Decision::read(default),
                with,
                why,
            });
        }
    }
    rows
}

/// The rows of `parameters.tsv`, one for each path.
pub(crate) fn parameters() -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for line in PARAMETERS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [paths, name, products, from, times, what, _] = columns(line);
        let name = (name != "-").then_some(name);
        if name.is_some() {
            words(products, &PRODUCTS);
            words(from, &["form", "url", "body"]);
            words(times, &["one", "many"]);
            words(what, &["pass", "narrow", "remove", "clean"]);
        }
        parameters.extend(paths.split(' ').map(|path| Parameter { path, name, from, times, what }));
    }
    parameters
}

/// What is registered: product, its versions, method, path.
fn registered() -> Vec<[&'static str; 4]> {
    UPSTREAM.lines().filter(|line| !line.starts_with('#')).map(columns).collect()
}

/// README's tables of endpoints, a heading above each.
pub(crate) fn readme_table() -> String {
    let same = |a: &Row, b: &Row| (a.section, a.default, &a.with, a.why) == (b.section, b.default, &b.with, b.why);
    // Neighbours that share everything but who registers which method are one route, and routes that share everything but the
    // path share a line.
    let mut routes: Vec<Row> = Vec::new();
    for row in rows() {
        match routes.last_mut() {
            Some(last) if last.path == row.path && same(last, &row) => last.methods.extend(row.methods),
            _ => routes.push(row),
        }
    }
    let mut text = String::new();
    let mut section = "";
    for line in routes.chunk_by(|a, b| methods(a) == methods(b) && same(a, b)) {
        let [row, ..] = line else { continue };
        if row.section != section {
            section = row.section;
            let above = if text.is_empty() { "" } else { "\n" };
            text +=
                &format!("{above}### {section}\n\n| Path | Methods | What happens | With a setting | Why, or how |\n");
            text += "| --- | --- | --- | --- | --- |\n";
        }
        let paths: Vec<String> = line.iter().map(|row| format!("`{}`", row.path)).collect();
        let changes: Vec<String> = row.with.iter().map(change_in_words).collect();
        let cells = [&paths.join(", "), &methods(row), row.default.words(), &changes.join("; "), row.why];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

/// The methods by which a route is asked for: a page, as any file, also by HEAD.
fn methods(row: &Row) -> String {
    let asked = |method: &&&str| row.methods.contains(method) || row.is_page() && **method == "HEAD";
    let methods: Vec<&str> = METHODS.iter().filter(asked).copied().collect();
    methods.join(", ").replace('*', "any")
}

fn change_in_words(change: &Change) -> String {
    let settings: Vec<String> = change.settings.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
    format!("{}: {}", settings.join(" and "), change.decision.words())
}

#[test]
fn no_method_of_a_path_has_two_rows_or_two_decisions() {
    let rows = rows();
    for (place, row) in rows.iter().enumerate() {
        assert!(!row.section.is_empty() && row.path.starts_with('/') && !row.why.contains('|'), "{row:?}");
        for other in rows[place + 1..].iter().filter(|other| other.path == row.path) {
            let shared = |method: &&str| other.methods.contains(method) || other.methods.contains(&"*");
            let shared = row.methods.iter().any(|method| shared(method) || *method == "*");
            assert!(!shared, "{row:?} and {other:?}");
        }
    }
}

#[test]
fn a_setting_that_changes_a_route_is_one_and_not_its_default() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    for row in rows() {
        for (name, value) in row.with.iter().flat_map(|change| &change.settings) {
            let place = format!("/properties/{}", name.replace('.', "/properties/"));
            let setting = schema.pointer(&place).unwrap_or_else(|| panic!("{name} is no setting"));
            let known = if let Value::Array(values) = &setting["enum"] {
                values.iter().any(|each| each == value)
            } else {
                setting["type"] == "boolean" && matches!(*value, "true" | "false")
            };
            let default = &setting["default"];
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            assert!(known && default != *value, "{name}={value}");
        }
        assert!(row.with.iter().all(|change| change.decision != row.default), "{row:?} changes nothing");
    }
}

#[test]
fn every_route_that_is_registered_is_in_the_table_and_no_other() {
    let rows = rows();
    let in_row = |row: &Row, [product, _, method, path]: &[&'static str; 4]| {
        row.path == *path
            && row.products.contains(product)
            && (*method == "*" || row.methods.contains(method) || row.methods == ["*"])
    };
    let registered = registered();
    let missing: Vec<_> = registered.iter().filter(|route| !rows.iter().any(|row| in_row(row, route))).collect();
    assert!(missing.is_empty(), "without a row: {missing:#?}");

    let is_registered = |product, method, path| {
        registered.iter().any(|[by, _, known, at]| (*by, *at) == (product, path) && (*known == "*" || *known == method))
    };
    for row in rows {
        for product in &row.products {
            for method in &row.methods {
                assert!(is_registered(*product, *method, row.path), "invented: {product} {method} {}", row.path);
            }
        }
    }
}

#[test]
fn every_endpoint_that_is_served_has_its_parameters_and_no_other() {
    let rows = rows();
    let parameters = parameters();
    let mut seen = BTreeSet::new();
    for parameter in &parameters {
        assert!(seen.insert((parameter.path, parameter.name, parameter.from == "body")), "twice: {parameter:?}");
        let served = rows.iter().any(|row| row.path == parameter.path && row.is_served() && !row.is_page());
        assert!(served, "no such endpoint: {parameter:?}");
        let Some(name) = parameter.name else { continue };
        let is_list = name.ends_with("[]") || parameter.path.starts_with("/api/v2/") && LISTS.contains(&name);
        assert_eq!(parameter.times == "many", is_list, "{parameter:?}");
    }
    for row in rows.iter().filter(|row| row.is_served() && !row.is_page() && row.methods != ["OPTIONS"]) {
        let its: Vec<&Parameter> = parameters.iter().filter(|parameter| parameter.path == row.path).collect();
        assert!(!its.is_empty(), "nothing is said of {row:?}");
        assert!(its.len() == 1 || its.iter().all(|parameter| parameter.name.is_some()), "{its:?}");
        // Rules are the one endpoint that is narrowed in addition, when a setting says so.
        let narrows = matches!(row.default, Decision::Narrow | Decision::NarrowAndFilter)
            || row.default == Decision::Deny && row.with.iter().any(|change| change.decision == Decision::Narrow);
        let narrowed = its.iter().any(|parameter| parameter.what == "narrow");
        assert!(narrowed || !narrows, "{row:?} narrows nothing");
    }
}

#[test]
fn the_table_for_the_readme_has_each_route_in_one_line() {
    let table = readme_table();
    let lines: Vec<Vec<&str>> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .collect();
    for row in rows() {
        let path = format!("`{}`", row.path);
        let asked = methods(&row);
        let is_its = |cells: &&Vec<&str>| {
            let methods: Vec<&str> = cells[1].split(", ").collect();
            cells[0].split(", ").any(|each| each == path) && asked.split(", ").all(|method| methods.contains(&method))
        };
        let [cells] = &lines.iter().filter(is_its).collect::<Vec<_>>()[..] else {
            panic!("not one line for {row:?} in\n{table}")
        };
        assert_eq!((cells.len(), cells[2], cells[4]), (5, row.default.words(), row.why));
    }
}

/// A path that `pattern` stands for.
fn example(pattern: &str) -> String {
    pattern.replace("<name>", "x").replace('*', "x")
}

/// What a Prometheus registers only when a flag says so.
const NEED_FLAGS: [&str; 3] = ["/agent", "/static/*", "/user/*"];

#[test]
fn a_running_prometheus_registers_what_the_listing_says() {
    let prometheus = Prometheus::shared();
    let version = prometheus.version();
    let mut of_path: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for [_, versions, method, path] in registered().into_iter().filter(|[product, ..]| *product == "prometheus") {
        let (own, all) = of_path.entry(path).or_default();
        all.insert(method);
        if versions.split(',').any(|each| each == version) {
            own.insert(method);
        }
    }
    let is_listed = of_path.values().any(|(own, _)| !own.is_empty());
    let mut connection = Connection::open(prometheus.port);
    let mut found = 0;
    for (path, (own, all)) in of_path {
        // Its router answers a method that a path does not have with those that it has.
        let answer = connection.send(&request("TRACE", example(path)));
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        let allow: BTreeSet<&str> = allow.split(", ").filter(|method| !matches!(*method, "" | "OPTIONS")).collect();
        assert!(allow.is_subset(if is_listed { &own } else { &all }), "{version} {path}: {allow:?}");
        let is_there = own.iter().all(|method| *method == "OPTIONS" || allow.contains(method));
        assert!(is_there || NEED_FLAGS.contains(&path), "{version} {path}: {allow:?}, not {own:?}");
        found += allow.len();
    }
    assert!(found > 40, "the router says what a path has: {found}");
}

#[test]
fn what_passes_for_pages_shows_nothing_of_anybody() {
    let prometheus = Prometheus::holding(&data::all(), &["--alertmanager.notification-queue-capacity=76543"]);
    let mut connection = Connection::open(prometheus.port);
    let mut ask = |target: String| connection.send(&get(target));
    // A tenant, a metric, the configuration, a flag; each where it is sure to be found.
    let secrets = ["team-fruit", "nobody_total", "max_exemplars", "76543"];
    let shown = ["/federate?match[]=%7Bjob!=%22%22%7D", "/api/v1/status/config", "/api/v1/status/flags"];
    let shown = shown.map(|target| ask(target.to_owned()).text()).concat();
    assert!(secrets.iter().all(|secret| shown.contains(secret)), "{shown}");

    let mut pages = 0;
    for row in rows().iter().filter(|row| row.is_page()) {
        for query in ["", "?g0.expr=%7Bjob!=%22%22%7D&g0.tab=1", "?query=%7Bjob!=%22%22%7D&match[]=up&search=fruit"] {
            let answer = ask(example(row.path) + query);
            let body = answer.text();
            assert!(!secrets.iter().any(|secret| body.contains(secret)), "{}{query} shows {body}", row.path);
            pages += usize::from(answer.status != 404 && row.path != "/-/ready");
        }
    }
    assert!(pages > 0, "this Prometheus has no page");
}
