//! What a text of PromQL means: Prometheus's own parser reads it, and two readings are the same when their trees are, with
//! matchers as sets. What each proxy makes of a tree is said here too.
//!
//! Must not know requests or answers.

use super::named::Named;
use super::way::{LABEL, Tenant};
use crate::support::client::{Connection, post};
use crate::support::form::encode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Prometheus's parser, which every feature is switched on for.
// Prometheus: web/api/v1/translate_ast.go
#[derive(Debug)]
pub(super) struct Judge {
    connection: Connection,
    known: BTreeMap<String, Option<Value>>,
}

impl Judge {
    pub(super) fn new(port: u16) -> Self {
        Self { connection: Connection::open(port), known: BTreeMap::new() }
    }

    /// The tree of an expression or a selector; `None` when Prometheus does not take it.
    pub(super) fn tree(&mut self, text: &str) -> Option<Value> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let answer = self.connection.send(&post("/api/v1/parse_query", format!("query={}", encode(text))));
        assert!(matches!(answer.status, 200 | 400), "the parser of Prometheus 3 is needed: {answer:?}");
        let tree = (answer.status == 200).then(|| answer.json()["data"].take());
        self.known.insert(text.to_owned(), tree.clone());
        tree
    }

    /// What a text means, to be compared; the text itself when it is not PromQL.
    pub(super) fn meaning(&mut self, text: &str) -> Value {
        self.tree(text).map_or_else(|| json!({"not PromQL": text}), |tree| meaning(&tree))
    }
}

/// The meaning of a tree.
pub(super) fn meaning(tree: &Value) -> Value {
    let mut tree = tree.clone();
    fold_durations(&mut tree);
    each_selector(&mut tree, &mut |selector, place| {
        let matchers = std::mem::take(matchers(selector));
        if place == Place::Absent {
            selector.insert("echoed".to_owned(), echoed(&matchers));
        }
        let sets: BTreeSet<String> = matchers.iter().map(|matcher| set(matcher).to_string()).collect();
        selector["matchers"] = json!(sets);
        // It is among the matchers as well.
        selector.remove("name");
    });
    tree
}

/// What a matcher selects.
fn set(matcher: &Value) -> Value {
    let (name, value) = (&matcher["name"], matcher["value"].as_str().expect("a value"));
    let literals = || literals(value).map_or_else(|| json!({ "pattern": value }), |literals| json!(literals));
    match matcher["type"].as_str() {
        Some("=") => json!([name, "in", [value]]),
        Some("!=") => json!([name, "not in", [value]]),
        Some("=~") => json!([name, "in", literals()]),
        Some("!~") => json!([name, "not in", literals()]),
        other => panic!("no type of a matcher: {other:?}"),
    }
}

/// The labels that `absent()` answers with: those of equalities, unless another matcher of their label follows.
// Prometheus: promql/functions.go, createLabelsForAbsentFunction
fn echoed(matchers: &[Value]) -> Value {
    let mut seen = BTreeSet::new();
    let mut labels = Map::new();
    for matcher in matchers {
        let name = matcher["name"].as_str().expect("a name");
        if matcher["type"] == "=" && name != "__name__" && seen.insert(name) {
            labels.insert(name.to_owned(), matcher["value"].clone());
        } else {
            labels.remove(name);
        }
    }
    Value::Object(labels)
}

/// Durations that are computed from numbers alone become what they come to.
fn fold_durations(tree: &mut Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(fold_durations),
        Value::Object(node) => {
            for (given, computed) in [("range", "rangeExpr"), ("offset", "offsetExpr"), ("step", "stepExpr")] {
                if let Some(seconds) = node.get(computed).and_then(seconds) {
                    node.insert(given.to_owned(), json!((seconds * 1000.0).round()));
                    node.insert(computed.to_owned(), Value::Null);
                } else if let Some(milliseconds) = node.get(given).and_then(Value::as_f64) {
                    node.insert(given.to_owned(), json!(milliseconds));
                }
            }
            node.values_mut().for_each(fold_durations);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn seconds(duration: &Value) -> Option<f64> {
    if duration["type"] == "numberLiteral" {
        return duration["val"].as_str()?.parse().ok();
    }
    let right = seconds(duration.get("rhs")?)?;
    let left = duration["lhs"].is_object().then(|| seconds(&duration["lhs"]));
    Some(match (duration["op"].as_str()?, left) {
        ("-", None) => -right,
        (" " | "+", None) => right,
        ("+", Some(left)) => left? + right,
        ("-", Some(left)) => left? - right,
        ("*", Some(left)) => left? * right,
        ("/", Some(left)) => left? / right,
        _ => return None,
    })
}

/// The values that a pattern stands for, when it is nothing but values.
fn literals(pattern: &str) -> Option<BTreeSet<String>> {
    let (mut all, mut value) = (BTreeSet::new(), String::new());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '|' => drop(all.insert(std::mem::take(&mut value))),
            '\\' => value.push(letters.next().filter(|quoted| quoted.is_ascii_punctuation())?),
            _ if ".+*?()[]{}^$".contains(letter) => return None,
            plain => value.push(plain),
        }
    }
    all.insert(value);
    Some(all)
}

/// What the filter makes of a tree: the tenant's matcher at every selector, beside those that are there.
pub(super) fn narrowed(tree: &Value, tenant: Tenant) -> Value {
    let mut tree = tree.clone();
    each_selector(&mut tree, &mut |selector, place| narrow(selector, place, tenant));
    tree
}

fn narrow(selector: &mut Map<String, Value>, place: Place, tenant: Tenant) {
    let (kind, value) = tenant.matcher();
    // In front and as a pattern it is not echoed, and an equality of the request's own still is.
    let (kind, at) = if place == Place::Absent { ("=~", 0) } else { (kind, matchers(selector).len()) };
    add(selector, kind, &value, at);
}

/// What prom-label-proxy makes of it, and by which differences that is something else.
// prom-label-proxy: injectproxy/enforce.go, EnforceNode and EnforceMatchers
pub(super) fn replaced(tree: &Value, tenant: Tenant) -> (Value, BTreeSet<Named>) {
    let (mut tree, mut named) = (tree.clone(), BTreeSet::new());
    let (kind, value) = tenant.matcher();
    each_selector(&mut tree, &mut |selector, place| {
        if place == Place::Parameter {
            named.insert(Named::AggregationParameter);
            return;
        }
        let mut ours = selector.clone();
        narrow(&mut ours, place, tenant);
        if kind == "=" {
            matchers(selector).retain(|matcher| matcher["name"] != LABEL);
        }
        let last = matchers(selector).len();
        add(selector, kind, &value, last);
        if meaning(&json!(selector)) != meaning(&json!(ours)) {
            named.insert(Named::OwnMatcher);
        }
        if place == Place::Absent && echoed(matchers(selector)) != echoed(matchers(&mut ours)) {
            named.insert(Named::Absent);
        }
    });
    (tree, named)
}

fn matchers(selector: &mut Map<String, Value>) -> &mut Vec<Value> {
    selector.get_mut("matchers").and_then(Value::as_array_mut).expect("matchers")
}

fn add(selector: &mut Map<String, Value>, kind: &str, value: &str, at: usize) {
    matchers(selector).insert(at, json!({"name": LABEL, "type": kind, "value": value}));
}

/// The matchers on the tenant's label at each selector, as type and value. prom-label-proxy does not look everywhere.
pub(super) fn own_matchers(tree: &Value) -> Vec<(Place, Vec<(String, String)>)> {
    let mut all = Vec::new();
    each_selector(&mut tree.clone(), &mut |selector, place| {
        let matchers = selector["matchers"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let own = matchers.filter(|matcher| matcher["name"] == LABEL);
        all.push((place, own.map(|matcher| (text(&matcher["type"]), text(&matcher["value"]))).collect()));
    });
    all
}

/// Where a selector stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In `absent()` or `absent_over_time()`, in any parentheses.
    Absent,
    /// In the parameter of an aggregation.
    Parameter,
    Elsewhere,
}

fn each_selector(tree: &mut Value, look: &mut impl FnMut(&mut Map<String, Value>, Place)) {
    walk(tree, Place::Elsewhere, look);
}

fn walk(tree: &mut Value, place: Place, look: &mut impl FnMut(&mut Map<String, Value>, Place)) {
    let below = if place == Place::Parameter { place } else { Place::Elsewhere };
    match tree {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, place, look)),
        Value::Object(node) => {
            let kind = node.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            let called = node.get("func").map(|function| function["name"].clone());
            match kind.as_str() {
                "vectorSelector" | "matrixSelector" => look(node, place),
                "parenExpr" => walk(&mut node["expr"], place, look),
                "call"
                    if below == Place::Elsewhere
                        && called.is_some_and(|name| name == "absent" || name == "absent_over_time") =>
                {
                    walk(&mut node["args"], Place::Absent, look);
                }
                "aggregation" => {
                    walk(&mut node["expr"], below, look);
                    walk(&mut node["param"], Place::Parameter, look);
                }
                _ => node.values_mut().for_each(|value| walk(value, below, look)),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
