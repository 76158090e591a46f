//! The PromQL core against other readers: Prometheus's own expressions, another parser, and a tokenizer that shares
//! nothing with it. What none of them can tell stands in reviewed files, and is a failure once they can.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use prom_label_filter::promql::{ScopedExpr, TextLimits, scope_expression, scope_selector};
use promql_parser::parser::parse;
use serde_json::Value;

use crate::promql::{ACCEPTED, SWITCHED, everything_on, matchers, rows, scope, scope_all_on};
use crate::support::reading::{Ours, Reading, Role, check, compare};
use crate::support::verifier::{verify, without};

const DEVIATIONS: &str = include_str!("corpus/promql-deviations.tsv");
const UNREAD: &str = include_str!("corpus/promql-unread.tsv");
const UNREAD_EXTERNAL: &str = include_str!("corpus/prometheus-unread.tsv");
const DIGESTS: &str = include_str!("corpus/prometheus-outputs.txt");

fn ours() -> Ours {
    Ours::new(r#"tenant="v""#, r#"tenant=~"v""#)
}

/// What the tokenizer has to say against `output` as what `input` has become; nothing is good.
fn complaint(input: &str, output: &ScopedExpr) -> Option<String> {
    let agrees = |count| match count {
        Ok(count) if count == output.selectors() => None,
        Ok(count) => Some(format!("{count} selectors, not {}: {input}", output.selectors())),
        Err(complaint) => Some(complaint),
    };
    // A request that names our label itself may well have the same matcher twice.
    let alone = if input.contains("tenant") { None } else { agrees(check(output.as_str(), &ours())) };
    alone.or_else(|| agrees(compare(input, output.as_str(), &ours())))
}

/// A reviewed file of expressions as JSON strings: the expression, and the columns behind it.
fn reviewed(file: &'static str) -> Vec<(String, Vec<&'static str>)> {
    file.lines()
        .filter(|line| !line.starts_with("# ") && !line.is_empty())
        .map(|line| {
            let mut columns = line.split('\t');
            let expression = columns.next().and_then(|c| serde_json::from_str(c).ok()).expect("a JSON string");
            let rest: Vec<&str> = columns.collect();
            assert!(rest.last().is_some_and(|reason| !reason.is_empty()), "no reason: {line}");
            (expression, rest)
        })
        .collect()
}

/// Prometheus's own expressions, and whether it accepts them; nothing where `PLF_CORPUS` does not name their folder.
fn external() -> Vec<(String, String)> {
    let Ok(folder) = std::env::var("PLF_CORPUS") else { return Vec::new() };
    let corpus = fs::read_to_string(Path::new(&folder).join("prometheus-3.14.jsonl")).expect("the corpus");
    let entry = |line| {
        let entry: Value = serde_json::from_str(line).expect("JSON");
        let text = |key: &str| entry[key].as_str().expect(key).to_owned();
        (text("expr"), text("expect"))
    };
    corpus.lines().map(entry).collect()
}

/// What the other parser has to say against `output` as what `input` has become: nothing, that it cannot read it
/// (`unread`), or that it reads something else in it (`misread`); and in which words.
fn objection(input: &str, output: &ScopedExpr) -> Option<(&'static str, String)> {
    let Some(seen) = verify(output.as_str(), "tenant", "v") else {
        return Some(("unread", parse(output.as_str()).expect_err("not read")));
    };
    // A request that names our label itself is for the tokenizer, which compares it with what it was.
    if input.contains("tenant") {
        return None;
    }
    if !seen.wrong.is_empty() || seen.selectors != output.selectors() {
        return Some(("misread", format!("{seen:?}")));
    }
    let plain = parse(input).ok()?.to_string();
    let left = without(output.as_str(), "tenant", "v").filter(|left| *left != plain)?;
    Some(("misread", format!("{left:?}, not {plain:?}")))
}

/// What the other parser objects to must be what a reviewed file says, with the reason.
fn assert_objections<'a>(outputs: impl Iterator<Item = (&'a str, ScopedExpr)>, file: &'static str) {
    let mut known: BTreeMap<String, &str> = reviewed(file).into_iter().map(|(e, columns)| (e, columns[0])).collect();
    let mut new = String::new();
    for (input, output) in outputs {
        let (kind, words) = objection(input, &output).unwrap_or_default();
        if known.remove(input).unwrap_or_default() != kind {
            writeln!(new, "{}\t{kind}\t{words}", serde_json::to_string(input).expect("JSON")).expect("a line");
        }
    }
    assert!(new.is_empty(), "the other parser objects, or no longer does, and the file does not say so:\n{new}");
    assert!(known.is_empty(), "no such expression, or twice: {known:#?}");
}

#[test]
fn another_parser_finds_what_was_asked_and_the_matcher_but_where_the_file_says_why_not() {
    let outputs = rows(ACCEPTED).chain(rows(SWITCHED)).map(|(input, _)| (input, scope_all_on(input).expect(input)));
    assert_objections(outputs, UNREAD);
}

#[test]
fn another_tokenizer_finds_the_tokens_of_the_input_and_the_matcher_at_every_selector() {
    let wrong: Vec<String> = rows(ACCEPTED)
        .chain(rows(SWITCHED))
        .filter_map(|(input, _)| complaint(input, &scope_all_on(input).expect(input)))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn another_tokenizer_finds_several_labels_or_none_just_as_well() {
    let several = matchers(&[("tenant", &["v2", "v.1"]), ("a.b", &["x\""])]);
    let plain = r#"tenant=~"v\\.1|v2","a.b"="x\"""#;
    let unechoed = r#"tenant=~"v\\.1|v2","a.b"=~"x\"""#;
    for (matchers, ours) in [(several, Ours::new(plain, unechoed)), (matchers(&[("tenant", &[])]), Ours::new("", ""))] {
        for (input, _) in rows(ACCEPTED).chain(rows(SWITCHED)) {
            let limits = TextLimits::default();
            let output = scope_expression(input.as_bytes(), &matchers, &everything_on(), &limits).expect(input);
            assert_eq!(compare(input, output.as_str(), &ours), Ok(output.selectors()));
            if let Ok(selector) = scope_selector(input.as_bytes(), &matchers, &everything_on(), &limits) {
                assert_eq!(compare(input, selector.as_str(), &ours), Ok(1));
            }
        }
    }
}

#[test]
fn another_tokenizer_finds_the_matcher_twice_in_what_is_scoped_twice() {
    for (input, _) in rows(ACCEPTED).chain(rows(SWITCHED)) {
        let once = scope_all_on(input).expect(input);
        let twice = scope_all_on(once.as_str()).expect(input);
        assert_eq!(compare(once.as_str(), twice.as_str(), &ours()), Ok(once.selectors()));
    }
}

#[test]
fn the_verifier_sees_what_is_wrong() {
    for (text, wrong) in [
        ("up", 1),
        (r#"up{a="b"}"#, 1),
        (r#"up{tenant="w"}"#, 1),
        (r#"up{tenant!="v"}"#, 1),
        (r#"up{tenant=~"v"}"#, 1),
        (r#"up{tenant="v",a="b"}"#, 1),
        (r#"up{tenant="v",tenant="v"}"#, 1),
        (r#"up{tenant=~"v",tenant="v"}"#, 1),
        (r#"up{a="b" or tenant="v"}"#, 1),
        (r#"up{a="tenant=\"v\""}"#, 1),
        (r#"topk(scalar(up), up{tenant="v"})"#, 1),
        (r#"quantile(scalar(up) / 2, down)"#, 2),
        (r#"absent(up{tenant="v"})"#, 1),
        (r#"absent(up{a="b",tenant=~"v"})"#, 1),
        (r#"absent(-up{tenant=~"v"})"#, 1),
        (r#"absent_over_time(up{tenant=~"v"}[5m:])"#, 1),
        (r#"rate(up[5m]) + -up - max_over_time((up)[5m:]) * up{tenant="v"}"#, 3),
    ] {
        assert_eq!(verify(text, "tenant", "v").expect(text).wrong.len(), wrong, "{text}");
    }
}

#[test]
fn the_tokenizer_sees_a_selector_without_the_matcher() {
    for text in [
        "up",
        "up # {tenant=\"v\"}",
        "up{a='tenant=\"v\"'}",
        r#"up{a="b"}"#,
        r#"up{a="tenant=\"v\""}"#,
        r#"up{tenant="w"}"#,
        r#"up{tenant!="v"}"#,
        r#"up{tenant=~"v"}"#,
        r#"up{tenant="v",a="b"}"#,
        r#"up{tenant="v",tenant="v"}"#,
        r#"up{tenant=~"v",tenant="v"}"#,
        r#"up{"tenant",a="tenant",b="v"}"#,
        r#"up{a="b" or tenant="v"}"#,
        r#"{a="b"} or up{tenant="v"}"#,
        r#""{tenant=\"v\"}" + up"#,
        r#"topk(scalar(up), up{tenant="v"})"#,
        r#"quantile(scalar(down), up{tenant="v"})"#,
        r#"sum by (tenant) (up)"#,
        r#"sum(up) by (job)"#,
        r#"sum + up{tenant="v"}"#,
        r#"by + up{tenant="v"}"#,
        r#"offset offset 5m"#,
        r#"up{tenant="v"} offset (5m) + on (a) down"#,
        r#"up{tenant="v"} and and"#,
        r#"up{tenant="v"} == bool on (a) group_left () down"#,
        r#"up{tenant="v"} + fill (0) down"#,
        r#"up{tenant="v"} @ start() - end"#,
        r#"up[5m]"#,
        r#"up[5m:step()]"#,
        r#"absent(up{tenant="v"})"#,
        r#"absent(up{a="b",tenant=~"v"})"#,
        r#"absent((up{tenant="v"} offset 5m))"#,
        r#"absent(-up{tenant=~"v"})"#,
        r#"absent(up{tenant=~"v"} + 1)"#,
        r#"absent(up{tenant=~"v"} offset 5m + 1)"#,
        r#"absent_over_time(up{tenant=~"v"}[5m:])"#,
        r#"abs(up{tenant=~"v"})"#,
    ] {
        assert!(check(text, &ours()).is_err(), "{text}");
    }
}

#[test]
fn the_tokenizer_sees_a_spelling_that_is_not_canonical() {
    for text in [
        "up{tenant='v'}",
        "up{tenant=`v`}",
        "up{ tenant=\"v\"}  + 1",
        "up{tenant=\"v\"}\n",
        "up{tenant=\"v\"} # comment",
        "up{tenant=\"v\"}\t+ 1",
        "up{tenant=\"v\"",
        "(up{tenant=\"v\"}",
        "up{tenant=\"v\"})",
        "up{tenant=\"v\"} up{tenant=\"v\"}",
        "up{a=\"\u{fffd}\",tenant=\"v\"}",
        "up{a=\"\n\",tenant=\"v\"}",
        r#"up{a="\'",tenant="v"}"#,
        r#"up{a="\400",tenant="v"}"#,
        r#"up{a="\ud800",tenant="v"}"#,
        r#"up{tenant="v"};"#,
    ] {
        assert!(check(text, &ours()).is_err(), "{text}");
    }
}

#[test]
fn the_tokenizer_sees_what_was_lost_or_changed_on_the_way() {
    for (input, output) in [
        ("up", "down"),
        ("up", "UP"),
        ("up + down", "up"),
        ("up", "up + up"),
        ("up + 1", "up - 1"),
        ("up + 1", "up + 1.0"),
        ("up{a='b'}", "up"),
        ("up{a='b'}", r#"up{a="c"}"#),
        (r"up{a='\x41'}", r#"up{a="\\x41"}"#),
        ("up{a=`\\n`}", r#"up{a="\n"}"#),
        ("up{a='b'}", r#"up{a=~"b"}"#),
        ("up{A='b'}", r#"up{a="b"}"#),
        ("sum(up)", "SUM(up)"),
        ("SUM{}", "sum"),
        ("sum by (BY) (up)", "sum by (by) (up)"),
        ("sum by (a,) (up)", "sum by (a,) (up)"),
        ("a + on (b) group_left c", "a + on (b) group_left c"),
        ("up # + down", "up + down"),
        ("up # \r + down", "up"),
        ("up offset 5m", "up offset 5 m"),
        ("up offset -5m", "up offset 5m"),
        ("up[5m]", "up[5m:]"),
        ("(up)", "up"),
    ] {
        assert!(compare(input, output, &Ours::new("", "")).is_err(), "{input} is not {output}");
        assert!(compare(input, input, &ours()).is_err(), "{input} has no matcher");
    }
}

#[test]
fn every_function_of_prometheus_is_called_in_the_tables() {
    let Ok(folder) = std::env::var("PLF_CORPUS") else { return };
    let table = fs::read_to_string(Path::new(&folder).join("promql-functions.tsv")).expect("the functions");
    let called = |table: &'static str| {
        let mut names = BTreeSet::new();
        for (input, _) in rows(table) {
            let reading = Reading::new(input).expect(input);
            names.extend(reading.words().filter(|(role, _)| *role == Role::Function).map(|(_, name)| name.to_owned()));
        }
        names
    };
    let (plain, switched) = (called(ACCEPTED), called(SWITCHED));
    for line in table.lines().skip(1) {
        let (name, rest) = line.split_once('\t').expect("columns");
        let experimental = rest.ends_with("true");
        assert!((if experimental { &switched } else { &plain }).contains(name), "{name}");
        assert!(!experimental || !plain.contains(name), "{name}");
    }
}

#[test]
fn the_deviations_are_what_they_are_said_to_be() {
    for (expression, columns) in reviewed(DEVIATIONS) {
        assert!(matches!(columns[..], ["accepted" | "refused", _]), "{expression}");
        assert_eq!(scope_all_on(&expression).is_ok(), columns[0] == "accepted", "{expression}");
    }
}

#[test]
fn prometheus_own_expressions_are_accepted_or_refused_as_there() {
    let deviations = reviewed(DEVIATIONS);
    let mut met = BTreeSet::new();
    let mut wrong = Vec::new();
    let corpus = external();
    for (expression, expected) in &corpus {
        let scoped = scope_all_on(expression);
        let deviates = deviations.iter().find(|(e, _)| e == expression).map(|(_, columns)| columns[0]);
        met.extend(deviates.map(|_| expression));
        match (expected.as_str(), &scoped, deviates) {
            ("ok", Ok(_), None) | ("err", Err(_), None) | ("unknown", _, None) => {}
            ("ok", Err(_), Some("refused")) | ("err", Ok(_), Some("accepted")) => {}
            _ => wrong.push(format!("{expected}: {expression}: {scoped:?}")),
        }
        for end in 0..expression.len() {
            let _ = scope_all_on(&expression.as_bytes()[..end]);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(corpus.is_empty() || met.len() == deviations.len(), "a deviation is not in the corpus");
}

/// A number that changes with the text. A few bits are enough: nobody forges a failure.
// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
fn digest(text: &str) -> String {
    let mix = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    format!("{:08x}", text.bytes().fold(0x811c_9dc5, mix))
}

#[test]
fn prometheus_own_expressions_become_what_they_became_before() {
    let corpus = external();
    let mut now =
        String::from("# A digest of what each of Prometheus's expressions becomes, in their order; - is refused.\n");
    let mut outputs = String::new();
    for (expression, _) in &corpus {
        let output = scope_all_on(expression).map_or("-".to_owned(), |scoped| scoped.as_str().to_owned());
        let line = if output == "-" { output.clone() } else { digest(&format!("{expression}\t{output}")) };
        writeln!(now, "{line}").expect("a line");
        writeln!(outputs, "{expression:?}\t{output}").expect("a line");
    }
    if corpus.is_empty() || now == DIGESTS {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(folder.join("prometheus-outputs.txt"), &now).expect("the digests");
    fs::write(folder.join("prometheus-outputs.tsv"), &outputs).expect("the outputs");
    let changed = now.lines().skip(1).zip(DIGESTS.lines().skip(1)).zip(outputs.lines());
    let changed: Vec<&str> = changed.filter(|((now, before), _)| now != before).map(|(_, output)| output).collect();
    panic!(
        "{} of {} outputs are others than those of tests/corpus/prometheus-outputs.txt; if they are right, take over \
         the file of that name from {}, where all outputs stand as well: {changed:#?}",
        changed.len(),
        corpus.len(),
        folder.display()
    );
}

#[test]
fn other_readers_find_the_matcher_in_prometheus_own_expressions() {
    let mut outputs = BTreeMap::new();
    for (expression, _) in external() {
        if let Ok(scoped) = scope_all_on(&expression) {
            outputs.insert(expression, scoped);
        }
    }
    let wrong: Vec<String> = outputs.iter().filter_map(|(input, output)| complaint(input, output)).collect();
    assert_eq!(wrong, Vec::<String>::new());
    if !outputs.is_empty() {
        assert_objections(outputs.iter().map(|(input, output)| (input.as_str(), output.clone())), UNREAD_EXTERNAL);
    }
}

/// Whether an expression needs a switch that is off by default.
fn needs_a_switch(expression: &str) -> bool {
    const KEYWORDS: [&str; 7] = ["anchored", "smoothed", "fill", "fill_left", "fill_right", "limitk", "limit_ratio"];
    // Prometheus: promql/parser/functions.go, Experimental
    const FUNCTIONS: [&str; 18] = [
        "double_exponential_smoothing",
        "end",
        "histogram_quantiles",
        "info",
        "integral",
        "mad_over_time",
        "max_of",
        "min_of",
        "range",
        "sort_by_label",
        "sort_by_label_desc",
        "start",
        "start_timestamp",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    ];
    let reading = Reading::new(expression).expect(expression);
    reading.words().any(|(role, word)| {
        role == Role::Keyword && KEYWORDS.contains(&word.to_ascii_lowercase().as_str())
            || role == Role::Function && FUNCTIONS.contains(&word)
    })
}

#[test]
fn what_needs_a_switch_is_refused_without_it_and_nothing_else_is() {
    for (input, _) in rows(ACCEPTED) {
        assert!(!needs_a_switch(input), "{input}");
    }
    for (input, _) in rows(SWITCHED) {
        assert!(needs_a_switch(input), "{input}");
        assert!(scope(input).is_err(), "{input}");
    }
    for (expression, _) in external() {
        if let Ok(all_on) = scope_all_on(&expression) {
            let default = scope(&expression);
            assert_eq!(default.is_err(), needs_a_switch(&expression), "{expression}: {default:?}");
            assert!(default.is_err() || default == Ok(all_on), "{expression}");
        }
    }
}
