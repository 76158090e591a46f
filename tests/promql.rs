//! The PromQL core: what it writes, what it refuses, and that nothing gets past it.

use prom_label_filter::promql::{
    Dialect, ErrorClass, Feature, Matchers, PromqlError, ScopedExpr, ScopedSelector, TextLimits, scope_expression,
    scope_selector,
};
use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope, TenantScope};

pub(crate) const ACCEPTED: &str = include_str!("corpus/promql.tsv");
pub(crate) const SWITCHED: &str = include_str!("corpus/promql-switched.tsv");
const REFUSED: &str = include_str!("corpus/promql-refused.tsv");
const SWITCHED_REFUSED: &str = include_str!("corpus/promql-switched-refused.tsv");

/// A tenant's scope: each label with its values, or with none when its rule is lifted.
pub(crate) fn tenant_scope(labels: &[(&str, &[&str])]) -> TenantScope {
    let label = |(name, values): &(&str, &[&str])| LabelScope {
        name: LabelName::new(*name).expect("a label's name"),
        scope: LabelValues::new(values.iter().map(|v| LabelValue::new(*v).expect("a value")).collect())
            .map_or(Scope::Unrestricted, Scope::Values),
    };
    TenantScope::new(labels.iter().map(label).collect()).expect("a scope")
}

pub(crate) fn matchers(labels: &[(&str, &[&str])]) -> Matchers {
    Matchers::new(&tenant_scope(labels))
}

pub(crate) fn tenant() -> Matchers {
    matchers(&[("tenant", &["v"])])
}

fn unrestricted() -> Matchers {
    matchers(&[("tenant", &[])])
}

pub(crate) fn everything_on() -> Dialect {
    Dialect {
        experimental_functions: Feature::On,
        duration_expressions: Feature::On,
        extended_range_selectors: Feature::On,
        binop_fill_modifiers: Feature::On,
        ..Dialect::default()
    }
}

pub(crate) fn scope(text: impl AsRef<[u8]>) -> Result<ScopedExpr, PromqlError> {
    scope_expression(text.as_ref(), &tenant(), &Dialect::default(), &TextLimits::default())
}

pub(crate) fn scope_all_on(text: impl AsRef<[u8]>) -> Result<ScopedExpr, PromqlError> {
    scope_expression(text.as_ref(), &tenant(), &everything_on(), &TextLimits::default())
}

fn selector(text: impl AsRef<[u8]>) -> Result<ScopedSelector, PromqlError> {
    scope_selector(text.as_ref(), &tenant(), &Dialect::default(), &TextLimits::default())
}

/// The rows of a table: two columns, comments begin with `# `.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(|line| line.split_once('\t').unwrap_or_else(|| panic!("two columns: {line}")))
}

#[test]
fn every_position_and_every_spelling_is_written_as_the_table_says() {
    for (input, output) in rows(ACCEPTED) {
        assert_eq!(scope(input).as_ref().map(ScopedExpr::as_str), Ok(output), "{input}");
        assert_eq!(scope_all_on(input).as_ref().map(ScopedExpr::as_str), Ok(output), "{input}");
    }
    for (input, output) in rows(SWITCHED) {
        assert_eq!(scope_all_on(input).as_ref().map(ScopedExpr::as_str), Ok(output), "{input}");
    }
}

#[test]
fn what_no_table_can_hold_is_written_as_well() {
    for (input, output) in [
        (&b"\tup\t+\r\n up"[..], r#"up{tenant="v"} + up{tenant="v"}"#),
        (b"up # a \"comment\" { ' `\n", r#"up{tenant="v"}"#),
        (b"up{ # }\n  job=\"a\" # ,\n}", r#"up{job="a",tenant="v"}"#),
        (b"up # ends at a carriage return\r+ down", r#"up{tenant="v"} + down{tenant="v"}"#),
        (b"up # \r\n # \xff\xc3 again\n", r#"up{tenant="v"}"#),
        (b"up[5m # range\n]", r#"up{tenant="v"}[5m]"#),
        (b"up{a=`b\nc`}", r#"up{a="b\nc",tenant="v"}"#),
        (b"up{a='b\tc\r'}", r#"up{a="b\tc\r",tenant="v"}"#),
        (b"sum # c\n by # d\n (job) (up)", r#"sum by (job) (up{tenant="v"})"#),
        (b"fill # c\n + fill", r#"fill{tenant="v"} + fill{tenant="v"}"#),
    ] {
        assert_eq!(scope(input).as_ref().map(ScopedExpr::as_str), Ok(output), "{input:?}");
    }
}

#[test]
fn a_number_that_must_not_end_a_text_does_not_end_it() {
    // Prometheus takes the `e` for an exponent, and minds when nothing at all follows.
    for text in ["0x1e", "up * 0X_ae", "up offset 0x1e", "up @ 0x1E", "1 - -0xee"] {
        assert!(scope(text).is_err(), "{text}");
        for end in ["\n", " ", "# c", "\t# c\n"] {
            let once = scope(format!("{text}{end}")).expect(text);
            assert_eq!(scope(once.as_str()).map(|twice| twice.selectors()), Ok(once.selectors()), "{text}");
            assert!(once.as_str().ends_with(' '), "{once:?}");
        }
    }
    for text in ["0xe", "0x12e", "0x_1f", "0x1e + 1", "up[0x1e]", "(0x1e)", "up_0x1e", "up:0x1e", "\"0x1e\"", "1e1"] {
        assert!(!scope(format!("{text} ")).expect(text).as_str().ends_with(' '), "{text}");
    }
}

#[test]
fn what_is_not_promql_is_refused_in_the_words_of_prometheus() {
    for (input, message) in rows(REFUSED) {
        let error = scope(input).expect_err(input);
        assert_eq!(error.to_string(), message, "{input}");
        assert_eq!(error.class(), ErrorClass::BadData, "{input}");
    }
    for (input, message) in rows(SWITCHED_REFUSED) {
        assert_eq!(scope_all_on(input).expect_err(input).to_string(), message, "{input}");
    }
    for (input, message) in [
        (&b""[..], "unknown position: parse error: no expression found in input"),
        (b" ", "1:2: parse error: no expression found in input"),
        (b"# only a comment", "1:17: parse error: no expression found in input"),
        (b"up\xff", "1:3: parse error: unexpected character: '\u{fffd}'"),
        (b"{a=\"\xff\"}", "1:4: parse error: invalid UTF-8 rune"),
        (b"{a=`\xc3`}", "1:4: parse error: invalid UTF-8 rune"),
        (b"{a=\"b\n\"}", "1:4: parse error: unterminated quoted string"),
        (b"up\n  [\n5m # c\n] +", "4:4: parse error: unexpected end of input"),
        (b"up[ # c\n 5m]", "1:5: parse error: unexpected character in duration expression: '#'"),
        (b"\xef\xbb\xbfup", "1:1: parse error: unexpected character: '\\u{feff}'"),
    ] {
        assert_eq!(scope(input).expect_err("not PromQL").to_string(), message, "{input:?}");
    }
}

#[test]
fn several_values_and_labels_are_written_in_order() {
    let matchers = matchers(&[("tenant", &["v2", "v.1"]), ("a.b", &["x\""])]);
    let scoped = |text: &str| {
        let limits = TextLimits::default();
        scope_expression(text.as_bytes(), &matchers, &Dialect::default(), &limits).expect(text).as_str().to_owned()
    };
    assert_eq!(scoped("up"), r#"up{tenant=~"v\\.1|v2","a.b"="x\""}"#);
    assert_eq!(scoped("absent(up{a='b'})"), r#"absent(up{tenant=~"v\\.1|v2","a.b"=~"x\"",a="b"})"#);
}

#[test]
fn without_a_restriction_everything_is_checked_and_nothing_put_in() {
    let scoped = |text: &str| {
        let limits = TextLimits::default();
        scope_expression(text.as_bytes(), &unrestricted(), &everything_on(), &limits)
    };
    for (input, output) in [
        ("up", "up"),
        ("up{}", "up"),
        (" sum by(a)(up{a='b'}) ", r#"sum by (a) (up{a="b"})"#),
        ("absent(up{a='b'})", r#"absent(up{a="b"})"#),
        ("info(up)", "info(up)"),
        ("info(up, {})", "info(up, {})"),
        ("info(up, {__name__='x'})", r#"info(up, {__name__="x"})"#),
    ] {
        assert_eq!(scoped(input).as_ref().map(ScopedExpr::as_str), Ok(output), "{input}");
    }
    for text in ["{}", "{a=''}", "up up", "info(up, down)", "info(up, ({a='b'}))", "info(up, {a='b'}, 1)", "nofunc(up)"]
    {
        assert!(scoped(text).is_err(), "{text}");
    }
    assert_eq!(ScopedSelector::bare(&unrestricted()), None);
}

#[test]
fn info_is_refused_unless_its_second_argument_restricts_it() {
    for text in [
        "info(up)",
        "info()",
        "info(up, {__name__='target_info'})",
        "info(up, {'target_info'})",
        "info(up, {})",
        "info(up, target_info{a='b'})",
        "info(up, ({a='b'}))",
        "info(up, +{a='b'})",
        "info(up, {a='b'} or {a='c'})",
        "info(up, {a='b'}[5m])",
        "info(up, {a='b'}, {a='b'})",
        "info(up, 'a')",
    ] {
        assert_eq!(scope_all_on(text).expect_err(text).class(), ErrorClass::BadData, "{text}");
    }
}

#[test]
fn functions_are_an_allow_list_that_the_operator_extends() {
    let mut dialect = Dialect::default();
    dialect.extra_functions.extend(["median_of".to_owned(), "mad_over_time".to_owned(), "info".to_owned()]);
    let scoped = |text: &str| scope_expression(text.as_bytes(), &tenant(), &dialect, &TextLimits::default());
    assert_eq!(scoped("median_of(up)").expect("known").as_str(), r#"median_of(up{tenant="v"})"#);
    assert!(scoped("mad_over_time(up[5m])").is_ok());
    assert!(scoped("info(up, {a='b'})").is_ok());
    assert!(scoped("info(up)").is_err(), "its rule holds however it was switched on");
    assert!(scoped("Median_of(up)").is_err());
    assert!(scoped("sort_by_label(up, 'a')").is_err());
}

#[test]
fn expressions_of_durations_can_be_switched_off() {
    let dialect = Dialect { duration_expressions: Feature::Off, ..Dialect::default() };
    let scoped = |text: &str| scope_expression(text.as_bytes(), &tenant(), &dialect, &TextLimits::default());
    for text in ["up[5m]", "up[300:+5]", "up offset -5m"] {
        assert!(scoped(text).is_ok(), "{text}");
    }
    for text in ["up[5m*2]", "up[(5m)]", "up[step()]", "up offset (5m)", "up offset max_of(1m, 2m)", "up[5m:range()]"] {
        assert!(scoped(text).is_err(), "{text}");
    }
}

#[test]
fn match_takes_one_selector_and_nothing_else() {
    for (input, output) in [
        ("up", r#"up{tenant="v"}"#),
        (" {job='a'} # c", r#"{job="a",tenant="v"}"#),
        ("{'metric.name'}", r#"{"metric.name",tenant="v"}"#),
        ("sum{a='b'}", r#"sum{a="b",tenant="v"}"#),
        ("by", r#"by{tenant="v"}"#),
        // Only expressions mind a second name.
        ("up{__name__='down'}", r#"up{__name__="down",tenant="v"}"#),
        ("up{'down'}", r#"up{"down",tenant="v"}"#),
    ] {
        let scoped = selector(input).expect(input);
        assert_eq!(scoped.as_str(), output);
        assert_eq!(scoped.selectors(), 1);
    }
    for text in [
        "",
        "up[5m]",
        "(up)",
        "up offset 5m",
        "up @ 1",
        "-up",
        "up + up",
        "up up",
        "1",
        "'a'",
        "sum(up)",
        "rate(up[5m])",
        "up,down",
        "up{a='b'}{c='d'}",
        "up)",
        "bool",
        "on",
        "{a='b' or c='d'}",
    ] {
        assert!(selector(text).is_err(), "{text}");
    }
    for text in ["{}", "{x=''}", "{x=~'.*'}", "{x!='a'}", "{''}"] {
        let error = selector(text).expect_err(text);
        assert_eq!(error.to_string(), "match[] must contain at least one non-empty matcher");
        assert_eq!(error.class(), ErrorClass::BadData);
    }
    assert_eq!(selector("").expect_err("empty").to_string(), "unknown position: parse error: unexpected end of input");
    let bare = ScopedSelector::bare(&tenant()).expect("a restriction");
    assert_eq!((bare.as_str(), bare.selectors()), (r#"{tenant="v"}"#, 1));
}

fn with_limits(text: &str, limits: TextLimits) -> Result<ScopedExpr, PromqlError> {
    scope_expression(text.as_bytes(), &tenant(), &everything_on(), &limits)
}

fn assert_limit(result: Result<ScopedExpr, PromqlError>, key: &str, number: usize) {
    let error = result.expect_err(key);
    assert_eq!(error.class(), ErrorClass::Limit);
    assert!(error.to_string().ends_with(&format!("exceeds `limits.{key}` of {number}")), "{error}");
}

#[test]
fn limits_hold_at_their_edges_and_name_themselves() {
    let default = TextLimits::default();
    let limits = TextLimits { query_bytes: 5, ..default };
    assert!(with_limits("up+up", limits).is_ok());
    assert_limit(with_limits("up+ up", limits), "query_bytes", 5);

    let limits = TextLimits { output_bytes: 14, ..default };
    assert!(with_limits("up", limits).is_ok());
    assert_limit(with_limits("upp", limits), "output_bytes", 14);
    assert_limit(with_limits(r#""123456789 123456""#, limits), "output_bytes", 14);

    let limits = TextLimits { selectors: 3, ..default };
    assert!(with_limits("a+b+c", limits).is_ok());
    assert_limit(with_limits("a+b+c+d", limits), "selectors", 3);
}

#[test]
fn every_kind_of_nesting_counts() {
    let limits = TextLimits { nesting: 3, ..TextLimits::default() };
    for (three, four) in [
        ("(((up)))", "((((up))))"),
        ("abs(abs(abs(up)))", "abs(abs(abs(abs(up))))"),
        ("sum(sum(sum(up)))", "sum(sum(sum(sum(up))))"),
        ("---up", "----up"),
        ("up[5m:][5m:][5m:]", "up[5m:][5m:][5m:][5m:]"),
        ("up[(((5m)))]", "up[((((5m))))]"),
        ("up[---5m*-1]", "up[----5m]"),
        ("up[max_of(1, (-1))]", "up[max_of(1, ((-1)))]"),
        ("-(up)[5m:]", "-(-up)[5m:][5m:]"),
        ("up offset (((1m)))", "up offset ((((1m))))"),
        ("topk(1, sum(-up))", "topk(1, sum(-(up)))"),
    ] {
        // Whether a range must be positive is not the matter here.
        let three = with_limits(three, limits);
        assert!(!matches!(three, Err(PromqlError::TooLarge { .. })), "{three:?}");
        assert_limit(with_limits(four, limits), "nesting", 3);
    }
    // Levels close again: what stands side by side is not inside each other.
    let flat = vec!["-(((up)))[5m:]"; 100].join(" + ");
    assert!(with_limits(&flat, TextLimits { nesting: 5, ..limits }).is_ok());
    let arguments = format!("label_join(--up, {})", vec!["((('a')))"; 100].join(", "));
    assert!(with_limits(&arguments, TextLimits { nesting: 4, ..limits }).is_ok());
}

#[test]
fn long_chains_are_flat() {
    let wide = TextLimits { query_bytes: usize::MAX, output_bytes: usize::MAX, selectors: usize::MAX, nesting: 200 };
    for operator in ["+", "^", " and ", "== bool ", "*-"] {
        let text = vec!["up"; 10_000].join(operator);
        assert_eq!(with_limits(&text, wide).expect(operator).selectors(), 10_000);
    }
    let labels = vec!["a"; 10_000].join(",");
    assert!(with_limits(&format!("sum by ({labels}) (up)"), wide).is_ok());
    let matchers = vec!["a=\"b\""; 10_000].join(",");
    assert!(with_limits(&format!("up{{{matchers}}}"), wide).is_ok());
    let arguments = vec!["up"; 10_000].join(",");
    assert!(with_limits(&format!("label_join({arguments})"), wide).is_ok());
    assert!(with_limits(&format!("up[1{}]", "+1".repeat(10_000)), wide).is_ok());
    assert!(with_limits(&format!("up{}", " offset 0s".repeat(10_000)), wide).is_ok());
    assert!(with_limits(&"#\n".repeat(10_000), wide).is_err());
    assert!(with_limits(&format!("{}up", " ".repeat(60_000)), wide).is_ok());
}

#[test]
fn what_nests_too_deeply_is_refused_however_deep() {
    let wide = TextLimits { query_bytes: usize::MAX, output_bytes: usize::MAX, ..TextLimits::default() };
    for (open, close) in
        [("(", ")"), ("abs(", ")"), ("sum by (a) (", ")"), ("-", ""), ("", "[5m:]"), ("(-", ")[5m:] offset 1m")]
    {
        let text = format!("{}up{}", open.repeat(4_000), close.repeat(4_000));
        assert_limit(with_limits(&text, wide), "nesting", 200);
    }
    for (open, close) in [("(", ")"), ("-", ""), ("max_of(1,", ")"), ("-(", ")")] {
        let text = format!("up[{}1{}]", open.repeat(4_000), close.repeat(4_000));
        assert_limit(with_limits(&text, wide), "nesting", 200);
    }
    let deep = TextLimits { nesting: 1_000, ..wide };
    assert!(with_limits(&format!("up[{}1{}]", "(".repeat(1_000), ")".repeat(1_000)), deep).is_ok());
}

#[test]
fn many_patterns_cost_no_more_than_a_few() {
    let matchers = vec![r#"a=~"(\\w?){500}""#; 2_000].join(",");
    let limits = TextLimits { query_bytes: usize::MAX, ..TextLimits::default() };
    let error = with_limits(&format!("{{{matchers}}}"), limits).expect_err("each of them matches everything");
    assert!(error.to_string().contains("at least one non-empty matcher"), "{error}");
}

#[test]
fn no_bytes_make_it_panic() {
    let wide = TextLimits::default();
    for byte in 0..=255_u8 {
        for text in
            [vec![byte; 65_536], [&b"up{a=\""[..], &[byte; 100], b"\"}"].concat(), [b"up", &[byte; 3][..]].concat()]
        {
            let _ = scope_expression(&text, &tenant(), &everything_on(), &wide);
            let _ = scope_selector(&text, &tenant(), &everything_on(), &wide);
        }
    }
    for piece in ["up[", "{a=", "sum by(", "\\\"", "\"\\", "`", "#", "0x", "1_", "1e", "- ", "@ ", "offset ", "[5m:"] {
        let _ = scope_all_on(piece.repeat(4_000));
    }
}

#[test]
fn no_truncation_makes_it_panic() {
    for (input, _) in rows(ACCEPTED).chain(rows(SWITCHED)).chain(rows(REFUSED)) {
        for end in 0..input.len() {
            let _ = scope_all_on(&input.as_bytes()[..end]);
            let _ = selector(&input.as_bytes()[..end]);
        }
    }
}
