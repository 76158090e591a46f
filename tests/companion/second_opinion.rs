//! The second opinion of `explain` notices what it is there for.

use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Pattern, Scope, TenantScope};

#[path = "../../src/bin/prom-label-filter/verify.rs"]
mod verify;

use verify::{Reading, canonical, read};

fn value(text: &str) -> LabelValue {
    LabelValue::new(text).expect("a value")
}

fn values(texts: &[&str]) -> Scope {
    Scope::Values(LabelValues::new(texts.iter().map(|text| value(text)).collect()).expect("some"))
}

fn scope(labels: Vec<(&str, Scope)>) -> TenantScope {
    let label = |(name, scope)| LabelScope { name: LabelName::new(name).expect("a name"), scope };
    TenantScope::new(labels.into_iter().map(label).collect()).expect("a scope")
}

#[test]
fn a_selector_without_the_tenants_matchers_is_found_wherever_it_stands() {
    let one = || scope(vec![("t", values(&["a"]))]);
    let several = || scope(vec![("t", values(&["a", "b|c", "d.e"])), ("u", values(&["x"]))]);
    let pattern = || scope(vec![("t", Scope::Pattern(Pattern::new(value("a.+")).expect("a pattern")))]);
    for (scope, text, selectors, lacking) in [
        (one(), r#"up{t="a"}"#, 1, 0),
        (one(), r#"up{t=~"a",x="y"}"#, 1, 0),
        (one(), "up", 1, 1),
        (one(), r#"up{t="b"}"#, 1, 1),
        (one(), r#"up{t!="a"}"#, 1, 1),
        (one(), r#"up{t!~"a"}"#, 1, 1),
        (one(), r#"up{u="a"}"#, 1, 1),
        (one(), r#"up{t=~"a|b"}"#, 1, 1),
        (one(), r#"up{t=~"a.*"}"#, 1, 1),
        (one(), r#"up{t="a" or x="y"}"#, 1, 1),
        (several(), r#"up{t=~"a|b\\|c|d\\.e",u="x"}"#, 1, 0),
        (several(), r#"up{t=~"a|b\\|c|d\\.e"}"#, 1, 1),
        (several(), r#"up{t=~"a|b|c|d\\.e",u="x"}"#, 1, 1),
        (several(), r#"up{t=~"a|b\\|c|d.e",u="x"}"#, 1, 1),
        (pattern(), r#"up{t=~"a.+"}"#, 1, 0),
        (pattern(), r#"up{t=~"a.*"}"#, 1, 1),
        (pattern(), r#"up{t="a.+"}"#, 1, 1),
        // In every place that a selector can have.
        (one(), r#"topk(scalar(a), b{t="a"})"#, 2, 1),
        (one(), r#"sum by (x) (-(rate(a[5m])))"#, 1, 1),
        (one(), r#"max_over_time(rate(a[5m])[1h:1m])"#, 1, 1),
        (one(), r#"a{t="a"} + on (x) group_left b * c"#, 3, 2),
        (one(), r#"count_values("v", a) unless absent(b)"#, 2, 2),
        (one(), "vector(1) + 1", 0, 0),
    ] {
        let Reading::Read { selectors: found, without_tenant, .. } = read(text, &scope) else { panic!("{text}") };
        assert_eq!((found, without_tenant.len()), (selectors, lacking), "{text}: {without_tenant:?}");
        assert_eq!(read(text, &scope).is_contradiction(), lacking > 0, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_neither_right_nor_wrong() {
    let scope = scope(vec![("t", values(&["a"]))]);
    for text in ["up[5m + 1m]".to_owned(), "up{".to_owned(), "1+".repeat(10_000) + "1"] {
        assert!(matches!(read(&text, &scope), Reading::Unread { .. }), "{}", &text[..10]);
        assert_eq!(canonical(&text), None);
    }
}

#[test]
fn two_ways_to_write_the_same_are_alike_and_no_others() {
    for (one, other, alike) in [
        ("sum(up) by (a)", "sum by(a)( up )", true),
        ("up{a='b'}", "up { a = \"b\" }", true),
        ("up{a='b'}", "up{a=~'b'}", false),
        ("up{a='b'}", "up{a='c'}", false),
        ("up", "up offset 1m", false),
        ("up @ 1", "up @ 2", false),
        ("rate(up[5m])", "rate(up[6m])", false),
        ("a or b", "a and b", false),
        ("a > b", "a > bool b", false),
        ("sum by (a) (b)", "sum without (a) (b)", false),
        ("a / on (x) b", "a / ignoring (x) b", false),
        ("a / on (x) group_left b", "a / on (x) b", false),
        ("topk(1, a)", "topk(2, a)", false),
        ("a[1h:1m]", "a[1h:2m]", false),
        ("-a", "a", false),
        ("(a + b) * c", "a + b * c", false),
    ] {
        let printed = (canonical(one), canonical(other));
        assert!(printed.0.is_some() && printed.1.is_some(), "{printed:?}");
        assert_eq!(printed.0 == printed.1, alike, "{printed:?}");
    }
}
