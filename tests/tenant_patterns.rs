//! Patterns that stand for tenants (`regex_match`): here they match what they match in Prometheus, which is the judge.

use crate::support::{parts, process};
use fastrand::Rng;
use prom_label_filter::scope::{LabelValue, Pattern};
use serde_json::json;
use std::fs;
use std::process::Command;

/// Values for which patterns may be mistaken. At most 52, because the sum of what is selected must be exact.
#[rustfmt::skip]
pub(crate) const VALUES: [&str; 52] = [
    "a", "b", "aa", "ab", "ba", "bb", "aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb", "aaaa", "abab", "1", "a1",
    "1a", "-", "a-b", "a-1", "_", " ", "a b", "A", "B", "aB", "K", "\u{212a}", "k", "s", "\u{17f}", "é", "aé", "😀",
    "\u{fffd}", "\u{a0}", ".", "a.b", "a|b", "{", "a{2}", "[", "]", "\\", "^", "$", "^a$", "&&", "\u{b}", "\t",
];

/// What a pattern may hold: what both readers understand alike, and what they may not.
#[rustfmt::skip]
pub(crate) const PARTS: [&str; 96] = [
    "a", "b", "ab", "é", "1", "-", ".", "|", "(", "(?:", ")", "*", "+", "?", "{2}", "{0}", "{0,1}", "{1,3}", "{2,}",
    "[ab]", "[^a]", "[a-c]", "[-a]", "[a-]", "[^-a]", r"[\d_]", r"[\w]", r"[^\w]", r"[\D\d]", r"[^\D\d]", r"\d", r"\D",
    r"\w", r"\W", r"\.", r"\|", r"\-", r"\_", r"\&", r"\[", r"\]", r"\{", r"\\", r"\^", r"\$", "^", "$", ".*", ".+",
    "(a|b)", "(|a)", "()", "_", " ", "{", "}",
    r"\s", r"\S", r"\b", r"\B", r"\b{start}", r"\<", r"\>", r"\A", r"\z", r"\Z", r"\Q", r"\E", r"\pL", r"\p{Greek}",
    r"\x41", r"\x{41}", r"\101", r"\0", r"\C", r"\a", r"\t", r"\u0041", "{,2}", "{01}", "{2", "{1001}", "{ 1}", "[]a]",
    "[[:alpha:]]", "[[a]]", "[a&&b]", "[a--b]", "[--a]", "[a~~b]", r"[\d-a]", "[b-a]", "(?i)", "(?P<n>", "(?<n>",
    "(?s-m:",
];

fn pattern(text: &str) -> Option<Pattern> {
    Pattern::new(LabelValue::new(text).ok()?).ok()
}

/// A pattern of the syntax that is taken, `depth` groups deep at most.
pub(crate) fn grown(random: &mut Rng, depth: usize) -> String {
    #[rustfmt::skip]
    const ITEMS: [&str; 19] = [
        "a", "b", "a", "b", "1", "-", "é", ".", "[ab]", "[^a]", "[a-c]", r"[\d-]", r"\w", r"\W", r"\d", r"\D", r"\.", r"\$", "K",
    ];
    const REPEATED: [&str; 11] = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,2}", "{1,}", "{0,2}?"];
    let mut text = String::new();
    for alternative in 0..random.usize(1..4) {
        if alternative > 0 {
            text.push('|');
        }
        for _ in 0..random.usize(if depth == 3 { 1..4 } else { 0..4 }) {
            match random.usize(..4) {
                0 if depth > 0 => {
                    text += if random.bool() { "(" } else { "(?:" };
                    text += &grown(random, depth - 1);
                    text.push(')');
                }
                _ => text += ITEMS[random.usize(..ITEMS.len())],
            }
            if random.usize(..3) == 0 {
                text += REPEATED[random.usize(..REPEATED.len())];
            }
        }
    }
    text
}

/// The patterns that are taken, out of some that are tried; every run tries the same.
fn taken() -> Vec<Pattern> {
    let mut random = Rng::with_seed(1);
    let pairs = PARTS.iter().flat_map(|first| PARTS.iter().map(move |second| format!("{first}{second}")));
    let mut texts: Vec<String> = PARTS.iter().map(|part| (*part).to_owned()).chain(pairs).collect();
    for _ in 0..20_000 {
        let length = random.usize(3..7);
        texts.push((0..length).map(|_| PARTS[random.usize(..PARTS.len())]).collect());
    }
    for _ in 0..3_000 {
        texts.push(grown(&mut random, 3));
    }
    texts.sort_unstable();
    texts.dedup();
    texts.iter().filter_map(|text| pattern(text)).collect()
}

/// A test for promtool: what each pattern selects, as a sum of powers of two.
fn test_file(patterns: &[Pattern], selects: impl Fn(&Pattern, &str) -> bool) -> String {
    // PromQL takes the replacement character only as an escape.
    let quoted = |text: &str| json!(text).to_string().replace('\u{fffd}', r"\ufffd");
    let power = |place: usize| 1_u64 << place;
    let series: Vec<_> = VALUES
        .iter()
        .enumerate()
        .map(
            |(place, value)| json!({"series": format!("m{{x={}}}", quoted(value)), "values": power(place).to_string()}),
        )
        .collect();
    let cases: Vec<_> = patterns
        .iter()
        .map(|pattern| {
            let selected = VALUES.iter().enumerate().filter(|(_, value)| selects(pattern, value));
            let sum: u64 = selected.map(|(place, _)| power(place)).sum();
            let samples = if sum == 0 { json!([]) } else { json!([{"labels": "{}", "value": sum}]) };
            json!({"expr": format!("sum(m{{x=~{}}})", quoted(pattern.as_str())), "eval_time": "0m", "exp_samples": samples})
        })
        .collect();
    json!({"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": cases}]}).to_string()
}

/// What promtool finds wrong with it; `None` when nothing is.
fn judged(file: &str) -> Option<String> {
    let path = process::directory("tenant-patterns").join("test.yml");
    fs::write(&path, file).expect("the file is written");
    let output = Command::new(parts::promtool()).args(["test", "rules"]).arg(&path).output().expect("promtool runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let lines = said.lines().filter(|line| !line.is_empty()).take(60);
    (!output.status.success()).then(|| lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_tenants_pattern_matches_what_prometheus_matches() {
    let patterns = taken();
    assert!(patterns.len() > 3_000, "{}", patterns.len());
    let matches = |pattern: &&Pattern| VALUES.iter().filter(|value| pattern.matches(value)).count();
    let telling = patterns.iter().filter(|pattern| (1..VALUES.len()).contains(&matches(pattern))).count();
    assert!(telling * 2 > patterns.len(), "{telling} of {} tell", patterns.len());
    assert_eq!(judged(&test_file(&patterns, |pattern, value| pattern.matches(value))), None);
    // It would say so.
    let wrong = test_file(&patterns[..10], |pattern, value| pattern.matches(value) != (value == "a.b"));
    assert!(judged(&wrong).is_some());
}
