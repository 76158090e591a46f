//! `error_on_replace`: what conflicts selects nothing, and what does not may select something. Prometheus and Alertmanager
//! are the judges.

use crate::pipeline::Nothing;
use crate::promql::tenant_scope;
use crate::support::alertmanager::Alertmanager;
use crate::support::form::encode;
use crate::support::remote_read::{EQ, Matcher, NEQ, NRE, Query, RE, ReadRequest};
use crate::support::{parts, process};
use crate::tenant_patterns::{PARTS, VALUES, grown};
use fastrand::Rng;
use prom_label_filter::config::{Policy, parse};
use prom_label_filter::denial::Denial;
use prom_label_filter::observe::Record;
use prom_label_filter::promql::{Agreement, Dialect, ErrorClass, Matchers, TextLimits, scope_selector};
use prom_label_filter::remote_read::{ReadError, ReadLimits, narrow};
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::scope::pattern::InvalidPattern;
use prom_label_filter::scope::{InvalidLabel, LabelName, LabelScope, LabelValue, Pattern, Scope, TenantScope};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// A policy for the tenant of `rule`.
fn policy(rule: &Value) -> Policy {
    let mut rule = rule.clone();
    rule["name"] = json!("tenant");
    let all = json!({"labels": [rule], "alertmanager": {"enabled": true}, "error_on_replace": true});
    parse(all.to_string().as_bytes()).expect("a policy")
}

/// Why a GET is refused.
fn refused(policy: &Policy, target: &str) -> Option<Denial> {
    let pairs = [(":method", "GET"), (":path", target)];
    let headers = Headers::new(pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).into());
    policy.admit(&RequestHead::new(&headers, Body::None).expect("a head"), &Nothing, &mut Record::default()).err()
}

/// A selector of a user's, and what came of it.
struct Case {
    /// What went upstream, or would have.
    narrowed: String,
    conflicts: bool,
    /// Whether each of its patterns can be decided.
    is_plain: bool,
}

fn quoted(text: &str) -> String {
    json!(text).to_string().replace('\u{fffd}', r"\ufffd")
}

/// Whether a pattern means the same upstream and here.
fn is_common(pattern: &str) -> bool {
    let read = LabelValue::new(pattern).map(Pattern::new);
    matches!(read, Err(InvalidLabel::Empty) | Ok(Ok(_) | Err(InvalidPattern::MatchesEmpty)))
}

/// One to three matchers on the enforced label, and whether all that they say can be decided.
fn asked(random: &mut Rng, values: &[&str]) -> (String, bool) {
    let mut is_plain = true;
    let matchers = (0..random.usize(1..4)).map(|_| {
        let sign = ["=", "!=", "=~", "!~"][random.usize(..4)];
        let value = |random: &mut Rng| values[random.usize(..values.len())].to_owned();
        let text = match (sign, random.usize(..8)) {
            ("=" | "!=", 0) => String::new(),
            ("=" | "!=", _) => value(random),
            (_, 0..=3) => grown(random, 2),
            (_, 4 | 5) => (0..random.usize(1..4)).map(|_| value(random)).collect::<Vec<_>>().join("|"),
            (_, 6) => [".*", ".+", "", "(a|b)", "(?:a|)"][random.usize(..5)].to_owned(),
            _ => (0..random.usize(1..4)).map(|_| PARTS[random.usize(..PARTS.len())]).collect(),
        };
        is_plain &= matches!(sign, "=" | "!=") || is_common(&text);
        format!("x{sign}{}", quoted(&text))
    });
    let text = matchers.collect::<Vec<_>>().join(",");
    (text, is_plain)
}

fn cases(count: usize) -> Vec<Case> {
    let mut random = Rng::with_seed(1);
    let (dialect, limits) = (Dialect::default(), TextLimits::default());
    let usual: Vec<&str> = VALUES.into_iter().filter(|value| !value.contains(char::is_control)).collect();
    let mut cases = Vec::new();
    while cases.len() < count {
        let mut values = usual.clone();
        random.shuffle(&mut values);
        values.truncate(random.usize(1..5));
        let near: Vec<&str> = values.iter().chain(&usual[..8]).copied().collect();
        let scope = tenant_scope(&[("x", &values)]);
        let (asked, is_plain) = asked(&mut random, &near);
        let selector = format!("m{{{asked}}}");
        let narrowed = scope_selector(selector.as_bytes(), &Matchers::new(&scope), &dialect, &limits);
        let agreeing = Matchers::new(&scope).agreeing(Some(Agreement::new(&scope)));
        let decided = scope_selector(selector.as_bytes(), &agreeing, &dialect, &limits);
        let Ok(narrowed) = narrowed else { continue };
        let conflicts = match decided {
            Ok(same) => {
                assert_eq!(same, narrowed, "what agrees is narrowed as ever");
                false
            }
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
                true
            }
        };
        cases.push(Case { narrowed: narrowed.as_str().to_owned(), conflicts, is_plain });
    }
    cases
}

/// Asks promtool whether each case selects nothing just if it is said to.
fn judged(cases: &[&Case], conflicts: impl Fn(&Case) -> bool) -> Option<String> {
    let series = VALUES.map(|value| json!({"series": format!("m{{x={}}}", quoted(value)), "values": "1"}));
    let tests = cases.iter().map(|case| {
        let value = u8::from(!conflicts(case));
        json!({"expr": format!("(count({}) > bool 0) or vector(0)", case.narrowed), "eval_time": "0m",
            "exp_samples": [{"labels": "{}", "value": value}]})
    });
    let tests: Vec<_> = tests.collect();
    let file = json!({"tests": [{"interval": "1m", "input_series": series.as_slice(), "promql_expr_test": tests}]});
    let path = process::directory("conflicts").join("test.yml");
    fs::write(&path, file.to_string()).expect("the file is written");
    let output = Command::new(parts::promtool()).args(["test", "rules"]).arg(&path).output().expect("promtool runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // What conflicts by one matcher may hold another one that is no pattern.
    let is_wrong = |line: &&str| line.contains("expr:") && !line.contains("error parsing regexp");
    let wrong: Vec<_> = said.lines().filter(is_wrong).take(40).collect();
    assert!(output.status.success() || said.contains("expr:"), "{said}");
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

#[test]
fn a_selector_conflicts_when_prometheus_finds_nothing_for_it() {
    let cases = cases(6_000);
    // What cannot be decided may be no pattern at all; what conflicts has been understood.
    let known: Vec<&Case> = cases.iter().filter(|case| case.is_plain || case.conflicts).collect();
    let conflicts = known.iter().filter(|case| case.conflicts).count();
    assert!(known.len() > 5_000 && conflicts > 1_500 && known.len() - conflicts > 1_500, "{} {conflicts}", known.len());
    assert_eq!(judged(&known, |case| case.conflicts), None);
    // It would say so.
    assert!(judged(&known[..20], |case| !case.conflicts).is_some());
}

#[test]
fn a_filter_conflicts_only_when_alertmanager_finds_nothing_for_it() {
    let values = ["fruit", "a b", "a\"", r"a\", r"\n", "veggie", "a,b", "{a}", "é"];
    let alerts: Vec<Value> = values.iter().map(|value| json!({"tenant": value})).collect();
    let names = ["tenant", r#""tenant""#, " tenant ", "'tenant'", "{tenant", "ten ant", "\u{a0}tenant", "\"te\\nant\""];
    let signs = ["=", "!=", "=~", "!~", " = ", "= ~", "==", "\t=", "=\u{a0}", "!"];
    #[rustfmt::skip]
    let texts = [
        "fruit", r#""fruit""#, r#""fruit" "#, " fruit ", "veggie", r#""veggie""#, "'fruit'", "`fruit`", "", r#""""#,
        "a b", r#""a b""#, r#""a\"""#, r#""a"""#, r#""a\\""#, r#""a\""#, r#""\n""#, r#""\\n""#, r#""\x66ruit""#, r#""\u0066ruit""#,
        "fr.*", r#""fr.*""#, "fruit|x", r#""a.b|x""#, r#""(a\\\\|x)""#, r#""a\\b""#, r#"".+""#, ".*", "{a}", r#""{a}""#, r#""{a}","#,
        r#""fruit","#, r#""fruit"}"#, r#""a,b""#, "a,b", "é", r#""é""#, r#""fruit",tenant="x""#, "~fruit", "fru\\it", "\u{a0}fruit",
        "\"fruit\"\u{a0}", "\"fruit\n\"",
    ];
    let mut filters = Vec::new();
    for name in names {
        for sign in signs {
            filters.extend(texts.iter().map(|text| format!("{name}{sign}{text}")));
        }
    }
    let mut seen = [0; 2];
    for (_, alertmanager) in Alertmanager::of_each_grammar() {
        alertmanager.fire(&alerts);
        for value in &values[..4] {
            let policy = policy(&json!({"values": [value]}));
            for filter in &filters {
                let refused = refused(&policy, &format!("/api/v2/alerts?filter={}", encode(filter)));
                let conflicts = match refused {
                    Some(Denial::Filter(_)) => true,
                    Some(other) => panic!("{filter}: {other}"),
                    None => false,
                };
                let ours = format!("tenant={}", json!(value));
                let answer = alertmanager.alerts(&[filter.clone(), ours]);
                let found = if answer.status == 200 { answer.json().as_array().map_or(0, Vec::len) } else { 0 };
                assert!(!(conflicts && found > 0), "{value:?} {filter:?}: {}", answer.text());
                // Plainly written it is decided.
                let is_plain = filter.starts_with("tenant=\"") && !filter.contains([',', '\n', '\u{a0}']);
                let is_plain = is_plain && !filter.contains(r"\x") && !filter.contains(r"\u");
                assert!(conflicts || !is_plain || answer.status != 200 || found > 0, "{value:?} {filter:?}");
                seen[usize::from(conflicts)] += 1;
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
}

#[test]
fn several_filters_conflict_together() {
    let two = policy(&json!({"values": ["a", "b"]}));
    let some = policy(&json!({"values": ["team-.*"], "regex_match": true}));
    for (policy, filters, said) in [
        (&two, &[r#"tenant="a""#][..], None),
        (&two, &["tenant!=a", "job=x", "tenant!=b"], Some(r#"`tenant!="a",tenant!="b"` together conflict"#)),
        (&two, &["tenant!=a", r#"tenant=~"c|d""#], Some(r#"label matcher `tenant=~"c|d"` conflicts"#)),
        (&two, &["tenant!=a", "tenant!~a"], None),
        (&some, &["tenant=team-a"], None),
        (&some, &["tenant=a"], Some(r#"`tenant="a"` conflicts with the enforced matcher `tenant=~"team-.*"`"#)),
    ] {
        let query: Vec<_> = filters.iter().map(|filter| format!("filter={}", encode(filter))).collect();
        for path in ["alerts", "alerts/groups", "silences"] {
            let denial = refused(policy, &format!("/api/v2/{path}?{}", query.join("&")));
            let text = denial.as_ref().map(ToString::to_string);
            assert_eq!(text.is_some(), said.is_some(), "{filters:?}: {text:?}");
            assert!(text.unwrap_or_default().contains(said.unwrap_or_default()), "{filters:?}");
            if let Some(denial) = denial {
                assert_eq!(
                    (denial.status(), denial.error_type(), denial.reason()),
                    (400, "prom-label-filter", "conflict")
                );
                assert!(denial.quotes_the_request());
            }
        }
        // Receivers have labels of their own.
        assert_eq!(refused(policy, "/api/v2/alerts?receiver_matchers=tenant%3Dc"), None);
    }
}

#[test]
fn each_query_of_a_remote_read_is_compared() {
    let read = |scope: &TenantScope, queries: &[&[(i32, &str, &str)]]| {
        let query = |matchers: &&[(i32, &str, &str)]| Query {
            matchers: matchers.iter().map(|(kind, name, value)| Matcher::new(*kind, name, value)).collect(),
            ..Query::default()
        };
        let request = ReadRequest { queries: queries.iter().map(query).collect(), ..ReadRequest::default() };
        let body = snap::raw::Encoder::new().compress_vec(&request.bytes()).expect("a block");
        let limits = ReadLimits { request_bytes: 1 << 20, queries: 10, output_bytes: 1 << 20 };
        let off = narrow(&body, scope, None, &limits).expect("without the setting all of it passes");
        match narrow(&body, scope, Some(&Agreement::new(scope)), &limits) {
            Ok(on) => {
                assert_eq!(on, off);
                None
            }
            Err(ReadError::Conflict(conflict)) => Some(conflict.to_string()),
            Err(other) => panic!("{other}"),
        }
    };
    let one = tenant_scope(&[("tenant", &["a"])]);
    let pattern = Pattern::new(LabelValue::new("a.*").expect("a value")).expect("a pattern");
    let name = LabelName::new("tenant").expect("a name");
    let some = TenantScope::new(vec![LabelScope { name, scope: Scope::Pattern(pattern) }]).expect("a scope");
    for (queries, of_one, of_some) in [
        (&[&[(EQ, "tenant", "a")][..]][..], false, false),
        (&[&[(EQ, "tenant", "b")]], true, true),
        (&[&[(EQ, "tenant", "")]], true, true),
        (&[&[(NEQ, "tenant", "a")]], true, false),
        (&[&[(NEQ, "tenant", "")]], false, false),
        (&[&[(RE, "tenant", "a|b")]], false, false),
        (&[&[(RE, "tenant", "b|c")]], true, true),
        (&[&[(RE, "tenant", "[^a]")]], true, false),
        (&[&[(NRE, "tenant", "a|b")]], true, false),
        (&[&[(NRE, "tenant", "b")]], false, false),
        (&[&[(EQ, "job", "b"), (EQ, "tenants", "b")]], false, false),
        (&[&[(EQ, "job", "b")], &[(EQ, "tenant", "a"), (EQ, "tenant", "b")]], true, true),
        (&[&[(RE, "tenant", "b|a")], &[(RE, "tenant", "a|c")]], false, false),
        (&[&[]], false, false),
        (&[], false, false),
    ] {
        assert_eq!((read(&one, queries).is_some(), read(&some, queries).is_some()), (of_one, of_some), "{queries:?}");
        assert_eq!(read(&tenant_scope(&[("tenant", &[])]), queries), None, "{queries:?}");
    }
    assert_eq!(
        read(&one, &[&[(RE, "tenant", "b|c")]]).as_deref(),
        Some(r#"label matcher `tenant=~"b|c"` conflicts with the enforced matcher `tenant="a"`"#)
    );
}

#[test]
fn the_values_of_other_tenants_are_not_told() {
    let policy = policy(&json!({"values": ["a"], "values_map": {"a": ["mine"], "b": ["theirs"]}}));
    let denial = refused(&policy, "/api/v1/query?query=up%7Btenant%3D%22b%22%7D").expect("a conflict");
    let words: BTreeSet<&str> = denial.body().leak().split(|c: char| !c.is_alphanumeric()).collect();
    assert!(words.contains("mine") && !words.contains("theirs"), "{words:?}");
}
