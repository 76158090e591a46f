use super::super::{Dialect, ErrorClass, Matchers, TextLimits, scope_any_selector, scope_expression};
use super::*;
use crate::scope::{LabelScope, LabelValue, LabelValues, Pattern};

fn value(text: &str) -> LabelValue {
    LabelValue::new(text).expect("a value")
}

fn of_values(values: &[&str]) -> Scope {
    LabelValues::new(values.iter().map(|text| value(text)).collect()).map_or(Scope::Unrestricted, Scope::Values)
}

fn of_pattern(pattern: &str) -> Scope {
    Scope::Pattern(Pattern::new(value(pattern)).expect("a pattern"))
}

fn matchers(labels: &[(&str, Scope)]) -> Matchers {
    let label = |(name, scope): &(&str, Scope)| LabelScope {
        name: LabelName::new(*name).expect("a name"),
        scope: scope.clone(),
    };
    let scope = TenantScope::new(labels.iter().map(label).collect()).expect("a scope");
    Matchers::new(&scope).agreeing(Some(Agreement::new(&scope)))
}

/// Why `selector` is refused.
fn said(matchers: &Matchers, selector: &str) -> Option<String> {
    let limits = TextLimits { query_bytes: 1 << 20, output_bytes: 8 << 20, ..TextLimits::default() };
    match scope_any_selector(selector.as_bytes(), matchers, &Dialect::default(), &limits) {
        Ok(_) => None,
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::Conflict, "{selector}: {error}");
            Some(error.to_string())
        }
    }
}

/// Whether the matchers `asked` for `tenant` conflict with `scope`.
fn conflict(scope: &Scope, asked: &str) -> bool {
    said(&matchers(&[("tenant", scope.clone())]), &format!("{{{asked}}}")).is_some()
}

#[test]
fn a_matcher_conflicts_when_it_holds_for_no_value() {
    let one = of_values(&["team-fruit"]);
    let two = of_values(&["team-fruit", "team-veggie"]);
    for (asked, of_one, of_two) in [
        (r#"tenant="team-fruit""#, false, false),
        (r#"tenant="team-veggie""#, true, false),
        (r#"tenant="team-nuts""#, true, true),
        (r#"tenant="team""#, true, true),
        (r#"tenant="Team-Fruit""#, true, true),
        (r#"tenant="""#, true, true),
        (r#"tenant="team\x2dfruit""#, false, false),
        (r#"tenant="team\055veggie""#, true, false),
        (r"tenant='team-fruit'", false, false),
        (r"tenant=`team\x2dfruit`", true, true),
        (r#"tenant="\xff""#, true, true),
        (r#"tenant!="team-fruit""#, true, false),
        (r#"tenant!="team-veggie""#, false, false),
        (r#"tenant!="""#, false, false),
        (r#"tenant!="\xff""#, false, false),
        (r#"tenant=~"team-fruit""#, false, false),
        (r#"tenant=~"team-fruit|team-nuts""#, false, false),
        (r#"tenant=~"(team-veggie|team-nuts)""#, true, false),
        (r#"tenant=~"(?:team-nuts|)""#, true, true),
        (r#"tenant=~"""#, true, true),
        (r#"tenant=~".*""#, false, false),
        (r#"tenant=~".+""#, false, false),
        (r#"tenant=~"team""#, true, true),
        (r#"tenant=~"team.*""#, false, false),
        (r#"tenant=~".*veggie""#, true, false),
        (r#"tenant=~"team.veggie""#, true, false),
        (r#"tenant=~"team\\.fruit""#, true, true),
        (r#"tenant=~"team\\-fruit""#, false, false),
        (r#"tenant=~"^team-fruit$""#, false, false),
        (r#"tenant=~"^(team-nuts)$""#, true, true),
        (r#"tenant=~"team-[a-f].*""#, false, false),
        (r#"tenant=~"team-[g-z].*""#, true, false),
        (r#"tenant!~"team-fruit""#, true, false),
        (r#"tenant!~"team-veggie|team-nuts""#, false, false),
        (r#"tenant!~"team-veggie|team-fruit""#, true, true),
        (r#"tenant!~"team-.*""#, true, true),
        (r#"tenant!~".+""#, true, true),
        (r#"tenant!~".*""#, true, true),
        (r#"tenant!~"""#, false, false),
        // What only the upstream can say.
        (r#"tenant=~"(?i)TEAM-NUTS""#, false, false),
        (r#"tenant=~"\\x41""#, false, false),
        (r#"tenant=~"team-\\pL+|\\s""#, false, false),
        (r#"tenant=~"[[:digit:]]+""#, false, false),
        (r#"tenant=~"(""#, false, false),
        (r#"tenant=~"\xff""#, false, false),
        (r#"tenant!~"(?s:.*)""#, false, false),
        // Other labels.
        (r#"tenants="x",Tenant="x",job="x""#, false, false),
        ("", false, false),
    ] {
        assert_eq!((conflict(&one, asked), conflict(&two, asked)), (of_one, of_two), "{asked}");
        assert!(!conflict(&Scope::Unrestricted, asked), "{asked}");
    }
}

#[test]
fn matchers_on_one_label_conflict_together() {
    let scope = of_values(&["a", "b", "c"]);
    for (asked, conflicts) in [
        (r#"tenant!="a",tenant!="b""#, false),
        (r#"tenant!="a",tenant!="b",tenant!="c""#, true),
        (r#"tenant!="a",job="c",tenant!~"b|c""#, true),
        (r#"tenant=~"a|b",tenant=~"b|c""#, false),
        (r#"tenant=~"a|b",tenant="c""#, true),
        (r#"tenant=~"[ab]",tenant=~"[bc]""#, false),
        (r#"tenant=~"[ab]",tenant=~"[c]""#, true),
        (r#"tenant=~"[ab]",tenant!~"[abd]""#, true),
        (r#"tenant="a",tenant="b""#, true),
        (r#"tenant="a",tenant="a""#, false),
        (r#"tenant="a",tenant!="a""#, true),
        (r#"tenant=~"(?i)A",tenant!="a",tenant!="b",tenant!="c""#, true),
        (r#"tenant=~"(?i)A",tenant!="a",tenant!="b""#, false),
    ] {
        assert_eq!(conflict(&scope, asked), conflicts, "{asked}");
    }
}

#[test]
fn with_a_pattern_only_what_is_disjoint_conflicts() {
    let scope = of_pattern("team-.*");
    for (asked, conflicts) in [
        (r#"tenant="team-fruit""#, false),
        (r#"tenant="fruit""#, true),
        (r#"tenant="""#, true),
        (r#"tenant="\xff""#, true),
        (r#"tenant=~"team-a|fruit""#, false),
        (r#"tenant=~"(fruit|veggie)""#, true),
        (r#"tenant=~"fruit|""#, true),
        (r#"tenant="team-a",tenant!="team-a""#, true),
        (r#"tenant=~"team-a|team-b",tenant!~"team-[ab]""#, true),
        (r#"tenant=~"team-a|team-b",tenant!~"team-[bc]""#, false),
        // These may agree, for all that is known of the values.
        (r#"tenant=~"fruit.*""#, false),
        (r#"tenant!~"team-.*""#, false),
        (r#"tenant!~".+""#, false),
        (r#"tenant!="team-a""#, false),
        (r#"tenant!="""#, false),
        (r#"tenant=~".*""#, false),
    ] {
        assert_eq!(conflict(&scope, asked), conflicts, "{asked}");
    }
}

#[test]
fn each_enforced_label_must_agree() {
    let both =
        matchers(&[("tenant", of_values(&["a"])), ("k8s.env", of_values(&["prod"])), ("lifted", Scope::Unrestricted)]);
    for (selector, conflicts) in [
        (r#"{tenant="a","k8s.env"="prod",lifted="x"}"#, false),
        (r#"{tenant="a","k8s.env"="dev"}"#, true),
        (r#"{tenant="a","k8s\x2eenv"=~"dev|test"}"#, true),
        (r#"{'tenant'="b"}"#, true),
        (r#"{"tenant"="a","up"}"#, false),
        (r#"up{lifted=""}"#, false),
    ] {
        assert_eq!(said(&both, selector).is_some(), conflicts, "{selector}");
    }
}

#[test]
fn both_matchers_are_named_and_cut_where_they_are_long() {
    let one = matchers(&[("tenant", of_values(&["team-fruit"]))]);
    let two = matchers(&[("a.b", of_values(&["x.y", "\""]))]);
    let some = matchers(&[("tenant", of_pattern("team-.+"))]);
    for (matchers, selector, message) in [
        (
            &one,
            r#"up{job="x",'tenant'="team\x2dveggie"}"#,
            r#"label matcher `tenant="team-veggie"` conflicts with the enforced matcher `tenant="team-fruit"`"#,
        ),
        (
            &two,
            r#"{"a.b"!~`.+`}"#,
            r#"label matcher `"a.b"!~".+"` conflicts with the enforced matcher `"a.b"=~"\"|x\\.y"`"#,
        ),
        // Of several, the one that does it alone, wherever it stands.
        (
            &two,
            r#"{"a.b"!="z","a.b"="z"}"#,
            r#"label matcher `"a.b"="z"` conflicts with the enforced matcher `"a.b"=~"\"|x\\.y"`"#,
        ),
        (
            &two,
            r#"{"a.b"!="x.y",job="z","a.b"!="\""}"#,
            r#"label matchers `"a.b"!="x.y","a.b"!="\""` together conflict with the enforced matcher `"a.b"=~"\"|x\\.y"`"#,
        ),
        (
            &some,
            "{tenant=\"\\xff\n\"}".replace('\n', r"\n").as_str(),
            r#"label matcher `tenant="\xff\n"` conflicts with the enforced matcher `tenant=~"team-.+"`"#,
        ),
    ] {
        assert_eq!(said(matchers, selector).as_deref(), Some(message), "{selector}");
    }
    let long: Vec<String> = (0..1_000).map(|number| format!("é{number}")).collect();
    let many = matchers(&[("tenant", of_values(&long.iter().map(String::as_str).collect::<Vec<_>>()))]);
    let message = said(&many, &format!("{{tenant=\"{}\"}}", "é".repeat(10_000))).expect("a conflict");
    assert!(message.len() < 550 && message.matches("…`").count() == 2, "{message}");
}

#[test]
fn each_selector_of_an_expression_is_compared() {
    let matchers = matchers(&[("tenant", of_values(&["a"]))]);
    for (expression, conflicts) in [
        (r#"sum(up{tenant="a"}) / on() rate(down{tenant!="b"}[5m])"#, false),
        (r#"up + down{tenant="b"}"#, true),
        (r#"sum by (x) (rate(up{tenant="b"}[5m]))"#, true),
        (r#"max_over_time((up{tenant="b"})[1h:5m] offset 1d)"#, true),
        (r#"topk(scalar(up{tenant="b"}), up)"#, true),
        (r#"quantile(scalar(x{tenant=~"b|c"}), up)"#, true),
        (r#"absent(up{tenant="b"})"#, true),
        (r#"label_replace(up, "tenant", "b", "tenant", "b")"#, false),
        (r#"info(up, {tenant="b",data=~".+"})"#, true),
        (r#"info(up, {tenant="a",data=~".+"})"#, false),
    ] {
        let dialect = Dialect { experimental_functions: super::super::Feature::On, ..Dialect::default() };
        let scoped = scope_expression(expression.as_bytes(), &matchers, &dialect, &TextLimits::default());
        let class = scoped.as_ref().map_err(|error| error.class()).err();
        assert_eq!(class, conflicts.then_some(ErrorClass::Conflict), "{expression}: {scoped:?}");
    }
}

#[test]
fn without_the_setting_nothing_conflicts() {
    let scope = TenantScope::new(vec![LabelScope {
        name: LabelName::new("tenant").expect("a name"),
        scope: of_values(&["a"]),
    }]);
    let matchers = Matchers::new(&scope.expect("a scope"));
    assert_eq!(said(&matchers, r#"{tenant="b",tenant!~".*"}"#), None);
}

#[test]
fn plain_alternatives_are_known_without_running_them() {
    for (pattern, texts) in [
        ("a", Some(&["a"][..])),
        ("b|a|b", Some(&["a", "b"])),
        ("", Some(&[""])),
        ("a|", Some(&["", "a"])),
        ("(a|b)", Some(&["a", "b"])),
        ("(?:a|b)", Some(&["a", "b"])),
        (r"a\.b|c\|d|\\|\-\_\<", Some(&["-_<", "\\", "a.b", "c|d"])),
        (r"\(a\)", Some(&["(a)"])),
        ("é -/&~#\n", Some(&["é -/&~#\n"])),
        ("(a)|(b)", None),
        ("((a|b))", None),
        (r"(a\)", None),
        ("a.b", None),
        ("a?", None),
        ("a{2}", None),
        ("[a]", None),
        ("^a$", None),
        (r"\d", None),
        (r"\n", None),
        (r"\Qa\E", None),
        (r"\é", None),
        ("a\\", None),
        ("(?i)a", None),
        ("(?i:a)", None),
        ("(?P<n>a)", None),
    ] {
        let read = literals(pattern);
        let read = read.as_ref().map(|read| read.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(read.as_deref(), texts, "{pattern}");
    }
}

#[test]
fn work_beyond_what_a_request_may_take_is_not_done() {
    let selectors = |count: usize, pattern: &dyn Fn(usize) -> String| {
        let each = |number| format!("up{{tenant=~\"{}\"}}", pattern(number));
        (0..count).map(each).collect::<Vec<_>>().join(" or ")
    };
    let last = |values: &[&str], pattern: &str, before: &str| {
        let text = format!("{before} or up{{tenant=~\"{pattern}\"}}");
        let limits = TextLimits { query_bytes: 1 << 20, output_bytes: 8 << 20, ..TextLimits::default() };
        scope_expression(text.as_bytes(), &matchers(&[("tenant", of_values(values))]), &Dialect::default(), &limits)
            .is_err()
    };
    // As many patterns as are compiled; the same ones once.
    assert!(last(&["a"], "[^a]", &selectors(60, &|number| format!("a{{1,{}}}", number + 1))));
    assert!(!last(&["a"], "[^a]", &selectors(64, &|number| format!("a{{1,{}}}", number + 1))));
    assert!(last(&["a"], "[^a]", &selectors(900, &|number| format!("a{{1,{}}}", number % 2 + 1))));
    // Values are compared without.
    assert!(last(&["a"], "b|c", &selectors(64, &|number| format!("a{{1,{}}}", number + 1))));
    // A pattern that is compiled, and values for which it would run too long.
    let long: Vec<String> = (0..6).map(|number| format!("{}{number}", "a".repeat(1_000))).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    assert!(last(&long[..5], "(a?){200}b", "up"));
    assert!(!last(&long, "(a?){200}b", "up"));
    // A pattern that is too large.
    assert!(!last(&["a"], "(b?){900}b", "up") && last(&["a"], "b{100}", "up"));
    // The operator's own pattern is not run on everything either.
    let some = of_pattern("(a?){499}b");
    assert!(conflict(&some, &format!("tenant=\"{}\"", "a".repeat(1_000))));
    assert!(!conflict(&some, &format!("tenant=\"{}\"", "a".repeat(60_000))));
}
