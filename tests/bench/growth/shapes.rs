//! The requests: what grows, and how.

use crate::queries::{GRAFANA, burn_rate};
use serde_json::{Value, json};
use std::fmt::Write as _;
use url::form_urlencoded::byte_serialize;

/// A request with a form.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Bytes of PromQL.
    pub(crate) size: usize,
    pub(crate) configuration: Value,
    pub(crate) path: &'static str,
    pub(crate) form: String,
}

pub(crate) const SIZES: [usize; 7] = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// Patterns that cost the most where patterns are compiled, none of which rejects the empty string.
const HOSTILE: [&str; 6] = [
    "(a?|b?)a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?",
    "(a|b?)(a|b?)(a|b?)(a|b?)(a|b?)(a|b?)(a|b?)(a|b?)a?b?c?a?b?c?a?b?c?a?b?c?a?b?c?a?b?c?a?b?c?a?b?c?a?b?c?a?b?c?",
    "(?i)[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?",
    r"\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?\\w?",
    "()|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|a?|",
    "((a?){5}){5}|(((b*)*)*)*",
];

/// One selector of so many bytes whose patterns all have to be decided.
fn patterns(size: usize) -> String {
    const LAST: &str = r#"b="x"}"#;
    let mut text = String::from("{");
    for pattern in HOSTILE.iter().cycle() {
        let matcher = format!(r#"a=~"{pattern}","#);
        if text.len() + matcher.len() + LAST.len() > size {
            break;
        }
        text += &matcher;
    }
    text + LAST
}

/// `unit` again and again between `open` and `close`, with `between` in between.
fn repeated(size: usize, open: &str, unit: &str, between: &str, close: &str) -> String {
    let room = size - open.len() - close.len() + between.len();
    let times = room / (unit.len() + between.len());
    format!("{open}{}{close}", vec![unit; times].join(between))
}

/// A chain of expressions, each as deep as the limit allows.
fn nesting(size: usize) -> String {
    const DEEPEST: usize = 1_000;
    let mut text = String::new();
    while text.len() + 8 < size {
        let depth = DEEPEST.min((size - text.len() - 3) / 2);
        let plus = if text.is_empty() { "" } else { "+" };
        write!(text, "{plus}{}a{}", "(".repeat(depth), ")".repeat(depth)).expect("a string takes everything");
    }
    text
}

/// Limits as far up as they go. Without `cache_bytes`: the same is asked again and again, and what it costs to read it is what is asked for.
fn raised(values: &[String]) -> Value {
    json!({
        "labels": [{"name": "tenant", "values": values}],
        "limits": {"nesting": 1_000, "selectors": 100_000, "output_bytes": 8 << 20, "parameters": 9_999,
            "query_bytes": 1 << 20, "form_bytes": 10 << 20, "cache_bytes": 0},
    })
}

/// The limits that are the default, but for the cache.
fn default(values: &[String]) -> Value {
    json!({"labels": [{"name": "tenant", "values": values}], "limits": {"cache_bytes": 0}})
}

/// All as it is by default.
fn remembered(values: &[String]) -> Value {
    json!({"labels": [{"name": "tenant", "values": values}]})
}

fn query(name: impl Into<String>, configuration: Value, text: &str) -> Case {
    let form = format!("query={}", byte_serialize(text.as_bytes()).collect::<String>());
    Case { name: name.into(), size: text.len(), configuration, path: "/api/v1/query", form }
}

fn selectors(name: &str, configuration: Value, texts: &[String]) -> Case {
    // Hardly anything need be encoded, so that more fits into a form.
    assert!(texts.iter().all(|text| !text.contains(['%', '&', '+', ';'])), "{name} must be encoded");
    let form = texts.iter().map(|text| format!("match[]={text}")).collect::<Vec<_>>().join("&");
    let size = texts.iter().map(String::len).sum();
    Case { name: name.to_owned(), size, configuration, path: "/api/v1/series", form }
}

/// Each shape in each size.
pub(crate) fn growing() -> Vec<Case> {
    type Text = fn(usize) -> String;
    let fruit = [String::from("team-fruit")];
    let thousand: Vec<String> = (0..1_000).map(|number| format!("team-{number}")).collect();
    let texts: [(&str, Value, Text); 16] = [
        ("operators between numbers", raised(&fruit), |size| repeated(size, "", "1", "+", "")),
        ("operators between selectors", raised(&fruit), |size| repeated(size, "", "up", "+", "")),
        ("nesting, 1,000 deep", raised(&fruit), nesting),
        ("matchers of one selector", raised(&fruit), |size| repeated(size, "up{", r#"a="b""#, ",", "}")),
        ("arguments of one call", raised(&fruit), |size| repeated(size, "label_join(", "up", ",", ")")),
        ("labels of one grouping", raised(&fruit), |size| repeated(size, "sum by (", "job", ",", ") (up)")),
        ("absent() of selectors", raised(&fruit), |size| repeated(size, "", r#"absent(up{a="b"})"#, "+", "")),
        ("one string", raised(&fruit), |size| repeated(size, "\"", "a", "", "\"")),
        ("one string of escapes", raised(&fruit), |size| repeated(size, "\"", r"\u00e9\x01", "", "\"")),
        ("one string of quotes", raised(&fruit), |size| repeated(size, "'", "\"", "", "'")),
        ("one comment", raised(&fruit), |size| repeated(size, "up#", "a", "", "")),
        ("hostile patterns", raised(&fruit), patterns),
        ("a dashboard's queries", raised(&fruit), |size| repeated(size, "", GRAFANA, " or ", "")),
        ("the most output", raised(&["t".repeat(200)]), |size| repeated(size, "", "a", "+", "")),
        ("1,000 values, refused", default(&thousand), |size| repeated(size, "", "up", "+", "")),
        ("refused at its end", raised(&fruit), |size| repeated(size, "", "up\n", "+", ")")),
    ];
    let mut cases = Vec::new();
    for (name, configuration, text) in texts {
        cases.extend(SIZES.map(|size| query(name, configuration.clone(), &text(size))));
    }
    cases
        .extend(SIZES.map(|size| selectors("selectors of match[]", raised(&fruit), &vec!["node_up".into(); size / 7])));
    cases
}

/// Requests by themselves: three that are usual, and the worst that one request may hold.
pub(crate) fn single() -> Vec<Case> {
    let fruit = [String::from("team-fruit")];
    // So many of so many bytes are what a form may hold by default.
    let (number, bytes) = (200, 5_200);
    vec![
        query("up", default(&fruit), "up"),
        query("a dashboard's query", default(&fruit), GRAFANA),
        query("a burn-rate alert", default(&fruit), &burn_rate()),
        query("up, remembered", remembered(&fruit), "up"),
        query("a dashboard's query, remembered", remembered(&fruit), GRAFANA),
        query("a burn-rate alert, remembered", remembered(&fruit), &burn_rate()),
        query("200 levels", default(&fruit), &format!("{}up{}", "(".repeat(200), ")".repeat(200))),
        selectors("200 match[] of hostile patterns", default(&fruit), &vec![patterns(bytes); number]),
        selectors(
            "200 match[] of 5 KB of quotes",
            default(&fruit),
            &vec![repeated(bytes, "{a='", "\"", "", "'}"); number],
        ),
        query("a query of 1 MiB", raised(&fruit), &repeated(1 << 20, "{b='", "\"", "", "'}")),
    ]
}
