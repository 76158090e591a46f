//! Selectors that select everything: refused exactly where Prometheus refuses them, which it finds out by compiling patterns.

use crate::promql::matchers;
use crate::support::{parts, process};
use prom_label_filter::promql::{Dialect, TextLimits, scope_expression};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

const PARTS: [&str; 61] = [
    "a",
    "b",
    "é",
    "|",
    "(",
    ")",
    "*",
    "?",
    "+",
    "{0}",
    "{2}",
    "{0,}",
    "{0,3}",
    "{,2}",
    "{00}",
    "{01}",
    "{",
    "}",
    "^",
    "$",
    ".",
    r"\d",
    r"\b",
    r"\B",
    r"\A",
    r"\z",
    r"\Z",
    r"\Q",
    r"\E",
    "[a]",
    "[^a]",
    "[]",
    "[^]a]",
    "[[:alpha:]]",
    "[[:^digit:]]",
    "[:",
    "[",
    "]",
    r"\pL",
    r"\p{Greek}",
    r"\P{^L}",
    "(?i)",
    "(?s-m:",
    "(?P<n>",
    "(?:",
    "(?",
    r"\x41",
    r"\x{e9}",
    r"\101",
    r"\0",
    r"\7",
    r"\12",
    "-",
    "1",
    ",",
    "\\",
    "/",
    ":",
    "[]]",
    "()",
    "(a|",
];

/// All patterns of one or two parts, and many of up to seven.
fn patterns() -> BTreeSet<String> {
    let mut patterns: BTreeSet<String> = PARTS.iter().map(|&part| part.to_owned()).collect();
    patterns.extend(PARTS.iter().flat_map(|first| PARTS.iter().map(move |second| format!("{first}{second}"))));
    // Every run tries the same.
    let mut random = fastrand::Rng::with_seed(1);
    while patterns.len() < 20_000 {
        let length = random.usize(3..8);
        patterns.insert((0..length).map(|_| PARTS[random.usize(..PARTS.len())]).collect());
    }
    patterns
}

/// What is said of a selector, by those who refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    SelectsEverything,
    NoPattern,
}

const EVERYTHING: &str = "must contain at least one non-empty matcher";

fn said_by_promtool(patterns: &BTreeSet<String>) -> BTreeMap<usize, Said> {
    let mut rules = "groups:\n- name: g\n  rules:\n".to_owned();
    for pattern in patterns {
        let expression = serde_json::json!(format!("{{x=~{}}}", serde_json::json!(pattern)));
        rules += &format!("  - {{record: r, expr: {expression}}}\n");
    }
    let path = process::directory("patterns").join("rules.yml");
    fs::write(&path, rules).expect("the rules are written");
    let output = Command::new(parts::promtool()).args(["check", "rules"]).arg(&path).output().expect("promtool runs");
    let mut said = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let Some((_, line)) = line.split_once("rule ") else { continue };
        let Some((number, line)) = line.split_once(',') else { continue };
        let rule: usize = number.parse().expect("a rule's number");
        let what = if line.contains(EVERYTHING) {
            Said::SelectsEverything
        } else {
            assert!(line.contains("error parsing regexp"), "{line}");
            Said::NoPattern
        };
        said.insert(rule - 1, what);
    }
    said
}

#[test]
fn a_pattern_selects_everything_where_prometheus_says_so() {
    let matchers = matchers(&[("tenant", &["a"])]);
    let (dialect, limits) = (Dialect::default(), TextLimits::default());
    let patterns = patterns();
    let said = said_by_promtool(&patterns);
    for what in [Said::SelectsEverything, Said::NoPattern] {
        let count = said.values().filter(|said| **said == what).count();
        assert!(count > 500, "promtool said {what:?} {count} times only");
    }
    let mut mistaken = Vec::new();
    for (place, pattern) in patterns.iter().enumerate() {
        let text = format!("{{x=~{}}}", serde_json::json!(pattern));
        let refused = match scope_expression(text.as_bytes(), &matchers, &dialect, &limits) {
            Ok(_) => false,
            Err(error) => {
                assert!(error.to_string().contains(EVERYTHING), "{error}: {text}");
                true
            }
        };
        // What is no pattern is refused in either case, by us or in the upstream's words.
        match said.get(&place) {
            Some(Said::NoPattern) => {}
            told => {
                if refused != told.is_some() {
                    mistaken.push((pattern, told));
                }
            }
        }
    }
    assert!(mistaken.is_empty(), "{} mistaken: {:?}", mistaken.len(), &mistaken[..mistaken.len().min(20)]);
}
