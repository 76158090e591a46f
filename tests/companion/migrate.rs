//! `migrate`: what comes of prom-label-proxy's flags is a configuration, and says what it leaves out.

use super::{Run, path, run};
use fastrand::Rng;
use prom_label_filter::config;
use serde_json::{Value, json};

/// Every flag of prom-label-proxy, and whether it takes a text.
// prom-label-proxy: main.go (0.14.0)
pub(crate) const FLAGS: [(&str, bool); 23] = [
    ("insecure-listen-address", true),
    ("internal-listen-address", true),
    ("query-param", true),
    ("header-name", true),
    ("upstream", true),
    ("upstream-ca-cert", true),
    ("upstream-client-cert", true),
    ("upstream-client-key", true),
    ("upstream-server-name", true),
    ("label", true),
    ("label-value", true),
    ("enable-label-apis", false),
    ("unsafe-passthrough-paths", true),
    ("insecure-skip-verify", false),
    ("error-on-replace", false),
    ("regex-match", false),
    ("header-uses-list-syntax", false),
    ("rules-with-active-alerts", false),
    ("enable-label-matchers-for-rules-api", false),
    ("enable-promql-duration-expression-parsing", false),
    ("enable-promql-experimental-functions", false),
    ("enable-promql-extended-range-selectors", false),
    ("enable-promql-binop-fill-modifiers", false),
];

fn migrate(flags: &str) -> Run {
    run(["migrate", "--"].into_iter().chain(flags.split_whitespace()))
}

/// The configuration that was printed.
#[track_caller]
fn configuration(run: &Run) -> Value {
    assert!(matches!(run.code, Some(0 | 1)), "{run:?}");
    serde_norway::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// What the library has against a configuration.
fn problems(configuration: &Value) -> Vec<String> {
    let problems = config::parse(configuration.to_string().as_bytes()).err();
    problems.iter().flat_map(|error| error.problems()).map(ToString::to_string).collect()
}

#[test]
fn each_flag_becomes_its_setting() {
    for (flags, expected) in [
        ("-label tenant", json!({"labels": [{"name": "tenant", "query_param": "tenant"}]})),
        ("-label tenant -query-param=t", json!({"labels": [{"name": "tenant", "query_param": "t"}]})),
        ("--label=tenant --header-name X-Tenant", json!({"labels": [{"name": "tenant", "header": "X-Tenant"}]})),
        (
            "--label=a -header-name X -header-uses-list-syntax",
            json!({"labels": [{"name": "a", "header": "X", "header_uses_list_syntax": true}]}),
        ),
        ("-label a -label-value b --label-value=c", json!({"labels": [{"name": "a", "values": ["b", "c"]}]})),
        ("-label a -label-value b -label-value=", json!({"labels": [{"name": "a", "values": ["b"]}]})),
        // What is empty counts for nothing, and then the parameter has the label's name.
        ("-label a -label-value=", json!({"labels": [{"name": "a", "query_param": "a"}]})),
        ("-label a -query-param= -header-name b", json!({"labels": [{"name": "a", "header": "b"}]})),
        ("-label a -label b -label-value c", json!({"labels": [{"name": "b", "values": ["c"]}]})),
        (
            "-label a -regex-match -label-value ^foo-.+$",
            json!({"labels": [{"name": "a", "values": ["foo-.+"], "regex_match": true}]}),
        ),
        (
            r"-label a -regex-match -label-value a\$$",
            json!({"labels": [{"name": "a", "values": [r"a\$"], "regex_match": true}]}),
        ),
        (
            "-label a -label-value b -error-on-replace=1 -regex-match=F",
            json!({"labels": [{"name": "a", "values": ["b"]}], "error_on_replace": true}),
        ),
        (
            "-label a -label-value b -rules-with-active-alerts",
            json!({"labels": [{"name": "a", "values": ["b"]}], "rules_with_active_alerts": true}),
        ),
        (
            "-label a -label-value b -rules-with-active-alerts -enable-label-matchers-for-rules-api",
            json!({"labels": [{"name": "a", "values": ["b"]}], "enable_label_matchers_for_rules_api": true}),
        ),
        (
            "-label a -label-value b -unsafe-passthrough-paths /x,/y/z/",
            json!({"labels": [{"name": "a", "values": ["b"]}], "danger_passthrough_paths": ["/x", "/y/z"]}),
        ),
        (
            "-label a -label-value b -enable-promql-experimental-functions -enable-promql-duration-expression-parsing \
             -enable-promql-extended-range-selectors -enable-promql-binop-fill-modifiers",
            json!({"labels": [{"name": "a", "values": ["b"]}], "promql": {"experimental_functions": true,
                "duration_expressions": true, "extended_range_selectors": true, "binop_fill_modifiers": true}}),
        ),
    ] {
        let run = migrate(flags);
        assert_eq!(configuration(&run), expected, "{flags}: {run:?}");
    }
}

#[test]
fn what_has_no_setting_is_said_in_a_comment() {
    for (flags, says) in [
        (
            "-insecure-listen-address :8080",
            "-insecure-listen-address: `:8080` becomes the `address` of Envoy's listener",
        ),
        ("-internal-listen-address :8081", "`admin`"),
        ("-upstream http://prometheus:9090", "`http://prometheus:9090` becomes the cluster"),
        ("-upstream-ca-cert ca.pem", "`trusted_ca`"),
        ("-upstream-client-cert a -upstream-client-key b", "`certificate_chain`"),
        ("-upstream-client-cert a -upstream-client-key b", "`private_key`"),
        ("-upstream-server-name x", "`sni`"),
        ("-insecure-skip-verify", "without a `validation_context`"),
        ("-enable-label-apis=false", "always serves labels"),
        ("-unsafe-passthrough-paths /x", "GET and HEAD"),
        ("-header-uses-list-syntax", "has no effect without"),
        ("-rules-with-active-alerts -enable-label-matchers-for-rules-api", "has no effect beside"),
        ("-label-value=", "counts for nothing"),
        ("-label x", "takes the last"),
        ("", "`alertmanager:"),
    ] {
        let run = migrate(&format!("-label a -label-value b {flags}"));
        let comments: Vec<&str> = run.out.lines().filter_map(|line| line.strip_prefix('#')).collect();
        let comments = comments.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        assert!(comments.contains(says), "{flags} does not say {says}: {run:?}");
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    for (flags, says) in [("-label a -header-name b", "anyone can send it"), ("-label a", "It belongs in the URL")] {
        assert!(migrate(flags).out.replace("\n#  ", "").contains(says), "{flags}");
    }
}

#[test]
fn what_prom_label_proxy_refuses_is_refused_with_the_reason() {
    for (flags, says) in [
        ("", "`-label` is needed"),
        ("-label=", "`-label` is needed"),
        ("-upstream http://a", "`-label` is needed"),
        ("-label", "`-label` needs a value"),
        ("-label a -tenant b", "no flag `-tenant`"),
        ("-label a -Label-value b", "no flag `-Label-value`"),
        ("-label a -regex-match true", "`true` is no flag"),
        ("prom-label-proxy -label a", "`prom-label-proxy` is no flag"),
        ("-label a -- -header-name b", "`--` is no flag"),
        ("-label a - -header-name b", "`-` is no flag"),
        ("---label a", "`---label` is no flag"),
        ("-label a -=b", "`-=b` is no flag"),
        ("-label a -regex-match=yes", "`yes` is neither"),
        ("-label a -query-param b -header-name c", "at most one of"),
        ("-label a -query-param b -label-value c", "at most one of"),
        ("-label a -header-name b -label-value c", "at most one of"),
        ("-label a -regex-match -label-value b -label-value c", "takes one `-label-value`"),
        ("-label a -upstream prometheus:9090", "must begin with"),
        ("-label a -upstream-client-cert b", "one is missing"),
        ("-label a -upstream-client-key b", "one is missing"),
        ("-label a -unsafe-passthrough-paths /", "stands for everything"),
        ("-label a -unsafe-passthrough-paths /x,", "stands for everything"),
        ("-label a -unsafe-passthrough-paths x", "is no plain path"),
        ("-label a -unsafe-passthrough-paths /x?y", "is no plain path"),
        ("-label a -unsafe-passthrough-paths /api/v1/query", "is served already"),
        ("-label a -unsafe-passthrough-paths /api/v1/rules/x", "is served already"),
        ("-label a -enable-label-apis -unsafe-passthrough-paths /api/v1/labels", "is served already"),
        ("-label a -unsafe-passthrough-paths /x,/x/", "is served already"),
    ] {
        let run = migrate(flags);
        assert_eq!(run.code, Some(2), "{flags}: {run:?}");
        assert!(run.errors.contains(says) && run.out.is_empty(), "{flags}: {run:?}");
    }
}

#[test]
fn what_only_the_filter_refuses_is_told_beside_the_configuration() {
    for (flags, says) in [
        ("-label __name__ -label-value a", "labels[0].name"),
        ("-label a -label-value (?i)b -regex-match", "labels[0].values[0]"),
        ("-label a -label-value b -unsafe-passthrough-paths /api/v1/labels", "danger_passthrough_paths[0]"),
        ("-label a -header-name Cookie", "labels[0].header"),
    ] {
        let run = migrate(flags);
        let told = run.out.contains(&format!("# To be mended before the filter takes it: {says}"));
        assert!(run.code == Some(1) && told, "{flags}: {run:?}");
        assert!(!problems(&configuration(&run)).is_empty());
    }
}

#[test]
fn json_is_the_configuration_alone() {
    let run = run(["migrate", "--format", "json", "--", "-label", "a", "-label-value", "b", "-upstream", "http://c"]);
    assert_eq!(run.json(), json!({"labels": [{"name": "a", "values": ["b"]}]}));
    assert!(run.errors.contains("# -upstream: `http://c`"), "{run:?}");
}

#[test]
fn a_file_of_labels_is_taken_as_it_is() {
    let text = "labels:\n- name: tenant\n  header: X-Tenant\n- name: cluster\n  values:\n  - eu\n  - us\n";
    let file = path("labels.yaml", text);
    let plain = run(["migrate", "--file", &file]);
    assert_eq!(plain.code, Some(0), "{plain:?}");
    assert!(plain.out.ends_with(text), "{plain:?}");

    let with_flags = run(["migrate", "--file", &file, "--", "-header-uses-list-syntax", "-error-on-replace"]);
    let expected = json!({"labels": [
        {"name": "tenant", "header": "X-Tenant", "header_uses_list_syntax": true},
        {"name": "cluster", "values": ["eu", "us"]}], "error_on_replace": true});
    assert_eq!(configuration(&with_flags), expected);

    let parameter = run(["migrate", "--file", &path("labels.yaml", "labels: [{name: tenant, query_param: t}]")]);
    assert_eq!(configuration(&parameter), json!({"labels": [{"name": "tenant", "query_param": "t"}]}));

    for (text, flags, code, says) in [
        (text, &["--", "-label", "a"][..], 2, "leave one of them out"),
        (text, &["--", "-label-value", "a"], 2, "leave one of them out"),
        ("- a", &[], 2, "the file holds a list"),
        ("", &[], 2, "the file holds null"),
        ("{", &[], 2, "neither YAML nor JSON"),
        ("labels: [{name: a, heeder: b}]", &[], 1, "did you mean `header`?"),
        ("labels: 7", &[], 1, "labels: must be a list of objects"),
    ] {
        let run = run(["migrate", "--file", &path("labels.yaml", text)].iter().chain(flags));
        let said = (run.errors.clone() + &run.out).replace("\n#  ", "");
        assert!(run.code == Some(code) && said.contains(says), "{text}: {run:?}");
    }
}

#[test]
fn whatever_is_printed_is_taken_unless_it_says_why_not() {
    let mut random = Rng::with_seed(7);
    let mut printed = 0;
    for _ in 0..400 {
        let mut arguments =
            vec!["migrate".to_owned(), "--".to_owned(), format!("-label={}", value("label", &mut random))];
        for _ in 0..random.usize(0..6) {
            let (flag, takes_text) = FLAGS[random.usize(0..FLAGS.len())];
            let dashes = if random.bool() { "-" } else { "--" };
            arguments.push(match (takes_text, random.bool()) {
                (true, _) => format!("{dashes}{flag}={}", value(flag, &mut random)),
                (false, true) => format!("{dashes}{flag}"),
                (false, false) => format!("{dashes}{flag}={}", random.bool()),
            });
        }
        let run = run(&arguments);
        if run.code == Some(2) {
            assert!(run.errors.starts_with("error: ") && run.out.is_empty(), "{arguments:?}: {run:?}");
            continue;
        }
        let problems = problems(&configuration(&run));
        assert_eq!(problems.is_empty(), run.code == Some(0), "{arguments:?}: {problems:?}: {run:?}");
        printed += 1;
    }
    assert!(printed > 100, "only {printed} are printed");
}

/// A text for a flag, mostly a good one.
fn value(flag: &str, random: &mut Rng) -> &'static str {
    let texts: &[&str] = match flag {
        "upstream" => &["http://a", "https://b:9090/c", "a", ""],
        "unsafe-passthrough-paths" => &["/x", "/x,/y", "/graph", "/", "x", "/api/v1/query", "", "/api/v1/labels"],
        "label" => &["tenant", "tenant", "namespace", "a-b", "__name__", ""],
        "label-value" => &["a", "b", "^a.+$", "(", "", "a|", "\n"],
        _ => &["tenant", "X-Tenant", "a", "a b", "", "é", "host"],
    };
    texts[random.usize(0..texts.len())]
}
