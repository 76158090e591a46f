//! What two answers to the same question must have in common.
//!
//! Owns what may differ: the order where PromQL leaves it open, positions inside texts, and times that were measured.

use crate::support::client::Response;
use promql_parser::parser::{Expr, parse};
use regex_lite::Regex;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Line and column in the text of a query, as Prometheus and its parser write them.
static POSITION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d+:\d+\b|\bchar \d+\b").expect("a pattern"));

/// A piece of the query in the words of a parser, which may have been cut off, or a character of it.
static PIECE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""(\\.|[^"\\])*"(\.\.\.)?|'.'"#).expect("a pattern"));

/// Series that an error names.
static SERIES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{.*?\}").expect("a pattern"));

/// An answer without what may differ.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Essence {
    pub(super) status: u16,
    pub(crate) content: Value,
}

/// Whose words an error is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// The upstream's on both sides: they must be the same.
    Compared,
    /// Ours on one side: type and status must be the same.
    Apart,
}

/// What must be the same in the answer to a question about `query` (empty when it is about none).
pub(crate) fn essence(query: &str, response: &Response, texts: Texts) -> Essence {
    let status = response.status;
    let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else {
        // The federation's own format, or its errors.
        let text = if status == 200 { response.text() } else { without_places(&response.text()) };
        return Essence { status, content: json!(text) };
    };
    if body["status"] == "error" {
        let text = body["error"].as_str().filter(|_| texts == Texts::Compared).map(without_places);
        return Essence { status, content: json!({"errorType": body["errorType"], "error": text}) };
    }
    for notes in ["/warnings", "/infos"] {
        if let Some(notes) = body.pointer_mut(notes) {
            let mut texts: Vec<String> =
                notes.as_array().into_iter().flatten().filter_map(Value::as_str).map(without_places).collect();
            texts.sort();
            // Of more than ten, Prometheus shows any ten.
            // Prometheus: util/annotations/annotations.go, AsStrings
            let omitted = texts.iter().find(|text| text.ends_with("annotations omitted")).cloned();
            *notes = omitted.map_or_else(|| json!(texts), |omitted| json!([omitted]));
        }
    }
    if let Some(statistics) = body.pointer_mut("/data/stats/timings") {
        statistics.take();
    }
    if let Some(result) = body.pointer_mut("/data/result") {
        round(result);
    }
    if body.pointer("/data/resultType") == Some(&json!("vector"))
        && let Some(entries) = body.pointer_mut("/data/result").and_then(Value::as_array_mut)
    {
        let values: Vec<Value> = entries.iter().map(|entry| entry["value"][1].clone()).collect();
        entries.sort_by_cached_key(ToString::to_string);
        if is_sorted(query) {
            body["order"] = json!(values);
        }
    }
    Essence { status, content: body }
}

/// Rounds the values of samples: floating-point numbers that are added in another order differ in their last digits, and the
/// order is Go's choice.
fn round(result: &mut Value) {
    match result {
        Value::Array(items) => match items.as_mut_slice() {
            [Value::Number(_), Value::String(text)] => {
                if let Ok(number) = text.parse::<f64>() {
                    *text = format!("{number:.11e}");
                }
            }
            items => items.iter_mut().for_each(round),
        },
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| *name != "metric").for_each(|(_, each)| round(each))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text without what it says about the way in which the query was written.
fn without_places(text: &str) -> String {
    let text = POSITION.replace_all(text, "");
    if text.contains("parse error") { PIECE.replace_all(&text, "_").into_owned() } else { text.into_owned() }
}

/// The answer to a question whose result Prometheus may choose among several: the values without the series that have them.
pub(super) fn values_only(essence: &Essence) -> Essence {
    let mut content = essence.content.clone();
    if let Some(entries) = content.pointer_mut("/data/result").and_then(Value::as_array_mut) {
        let mut values: Vec<Value> = entries
            .iter()
            .flat_map(|entry| entry["values"].as_array().cloned().unwrap_or_else(|| vec![entry["value"].clone()]))
            .collect();
        values.sort_by_cached_key(ToString::to_string);
        content["data"]["result"] = json!(values);
    }
    Essence { status: essence.status, content }
}

/// The answer to a question whose values come out of rounding errors: which series there are at which times. Of an error that
/// names some of several series: what it says about them.
pub(super) fn without_values(essence: &Essence) -> Essence {
    fn erase(result: &mut Value) {
        match result {
            Value::Array(items) => match items.as_mut_slice() {
                [Value::Number(_), value @ Value::String(_)] => *value = Value::Null,
                items => items.iter_mut().for_each(erase),
            },
            Value::Object(members) => members.values_mut().for_each(erase),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut content = essence.content.clone();
    content.as_object_mut().map(|members| members.remove("order"));
    content.pointer_mut("/data/result").into_iter().for_each(erase);
    if let Some(text) = content["error"].as_str() {
        content["error"] = json!(SERIES.replace_all(text, "{}"));
    }
    Essence { status: essence.status, content }
}

/// Whether PromQL promises an order of the values of an instant query.
fn is_sorted(query: &str) -> bool {
    let mut tree = parse(query);
    while let Ok(Expr::Paren(node)) = tree {
        tree = Ok(*node.expr);
    }
    match tree {
        Ok(Expr::Call(node)) => matches!(node.func.name, "sort" | "sort_desc"),
        Ok(Expr::Aggregate(node)) => {
            node.modifier.is_none() && matches!(node.op.to_string().as_str(), "topk" | "bottomk")
        }
        _ => false,
    }
}
