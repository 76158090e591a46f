//! `test` runs policy tests, and no test passes that should fail.

use super::{Run, file, path, run};
use serde_json::{Value, json};

/// Runs a file with one test, by team `a`.
#[track_caller]
fn one(request: &Value, expect: &Value) -> Run {
    let tests = json!({
        "config": {"labels": [{"name": "tenant", "header": "x-tenant"}], "alertmanager": {"enabled": true, "silence_writes": "allow"}},
        "tests": [{"name": "it", "identity": {"headers": {"X-Tenant": "a"}}, "request": request, "expect": expect}],
    });
    run(["test", &path("tests.json", &tests.to_string())])
}

#[test]
fn the_example_passes_and_tests_the_quickstart() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/policy-tests.yaml");
    let run = run(["test", example]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.ends_with("11 passed, 0 failed\n"), "{}", run.out);

    let tests: Value = serde_norway::from_str(include_str!("../../envoy/policy-tests.yaml")).expect("YAML");
    let quickstart = include_str!("../../envoy/quickstart/envoy.yaml");
    let shipped = quickstart.lines().filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
    assert!(shipped.filter(|found| *found == tests["config"]).count() == 1, "{}", tests["config"]);
}

#[test]
fn each_expectation_can_hold_and_can_fail() {
    let up = json!({"query": "up"});
    let uuid = "761cc032-7f67-4e36-bb92-0c1548d49b08";
    let delete = json!({"path": format!("/api/v2/silence/{uuid}"), "method": "DELETE"});
    let silence =
        json!({"matchers": [{"name": "job", "value": "x", "isRegex": false}], "comment": "c", "createdBy": "me"});
    let silence = json!({"path": "/api/v2/silences", "json": silence.to_string()});
    for (request, holds, fails, words) in [
        (&up, json!({"query": r#"up{tenant="a"}"#}), json!({"query": r#"up{tenant="b"}"#}), r#"up{tenant="a"}"#),
        // Two ways to write the same.
        (&up, json!({"query": "up { tenant = 'a' }"}), json!({"query": "up { tenant =~ 'a' }"}), "got"),
        (&up, json!({"answer": "passes"}), json!({"answer": "filtered"}), "got       passes"),
        (&up, json!({"parameters": {"time": null}}), json!({"parameters": {"time": 1}}), "got       nothing"),
        (
            &json!({"path": "/api/v1/series", "query": {"match[]": ["b", "c"], "limit": 10}}),
            json!({"parameters": {"match[]": [r#"b{tenant="a"}"#, r#"c{tenant="a"}"#], "limit": "10"}}),
            json!({"parameters": {"match[]": r#"b{tenant="a"}"#}}),
            r#"got       b{tenant="a"} and c{tenant="a"}"#,
        ),
        (
            &json!({"query": "up", "headers": {"X-Scope-OrgID": "z", "x-other": ["1", "2"]}}),
            json!({"headers": {"x-tenant": null, "X-Scope-OrgID": [], "X-Other": [1, 2]}}),
            json!({"headers": {"x-tenant": "a"}}),
            "header x-tenant",
        ),
        (
            &json!({"form": {"query": "up"}}),
            json!({"headers": {"content-type": "application/x-www-form-urlencoded"}, "query": r#"up{tenant="a"}"#}),
            json!({"refused": {"status": 415}}),
            r#"got       goes upstream with query up{tenant="a"}"#,
        ),
        (
            &json!({"path": "/api/v1/metadata"}),
            json!({"answered": {"status": 200}}),
            json!({"answered": {"status": 204}}),
            "got       answered here with 200",
        ),
        (&silence, json!({"answer": "passes"}), json!({"asks": "/x"}), "got       goes upstream"),
        (
            &delete,
            json!({"asks": format!("/api/v2/silence/{uuid}")}),
            json!({"answer": "passes"}),
            "got       first asks for /api/v2/silence/",
        ),
        (
            &json!({"query": "up{"}),
            json!({"refused": {"status": 400, "reason": "promql", "error_type": "bad_data", "message": "inside braces"}}),
            json!({"refused": {"status": 400, "reason": "path"}}),
            "got       promql",
        ),
        (
            &json!({"query": "up{"}),
            json!({"refused": {"status": 400}}),
            json!({"query": "up{"}),
            "refused with 400 (promql)",
        ),
        (
            &json!({"query": "up{"}),
            json!({"refused": {"status": 400}}),
            json!({"refused": {"status": 403}}),
            "refused with 400",
        ),
        (
            &json!({"query": "up{"}),
            json!({"refused": {"status": 400}}),
            json!({"refused": {"status": 400, "message": "nonsense"}}),
            "…nonsense…",
        ),
        (
            &json!({"query": "up{"}),
            json!({"refused": {"status": 400}}),
            json!({"refused": {"status": 400, "error_type": "x"}}),
            "got       bad_data",
        ),
    ] {
        let run = one(request, &holds);
        assert_eq!((run.code, run.out.ends_with("1 passed, 0 failed\n")), (Some(0), true), "{holds}: {run:?}");
        let run = one(request, &fails);
        assert_eq!((run.code, run.out.ends_with("0 passed, 1 failed\n")), (Some(1), true), "{fails}: {run:?}");
        assert!(run.out.contains("expected  ") && run.out.contains(words), "{words} is not in\n{}", run.out);
    }
}

#[test]
fn every_identity_of_a_test_counts() {
    for (source, identity) in [
        ("jwt_claim", r#"{"claims": {"x": ["a", "b"]}}"#),
        ("header", r#"{"headers": {"X": ["a", "b"]}}"#),
        ("route_metadata", r#"{"route_metadata": {"x": ["a", "b"]}, "listener_metadata": {"x": "c"}}"#),
        ("route_metadata", r#"{"virtual_host_metadata": {"x": ["a", "b"]}, "listener_metadata": {"x": "c"}}"#),
        ("route_metadata", r#"{"listener_metadata": {"x": ["a", "b"]}}"#),
    ] {
        let tests = format!(
            "config: {{labels: [{{name: tenant, {source}: x}}]}}\ntests:\n- name: it\n  identity: {identity}\n  \
             request: {{query: up}}\n  expect: {{query: 'up{{tenant=~\"a|b\"}}'}}\n"
        );
        let run = run(["test", &path("tests.yaml", &tests)]);
        assert_eq!(run.code, Some(0), "{identity}: {run:?}");
    }
}

const TWO: &str = "
config: filter.json
tests:
- name: first of two
  request: {query: up}
  expect: {query: 'up{tenant=\"a\"}'}
- name: second of two
  request: {query: up}
  expect: {query: up}
";

#[test]
fn a_configuration_is_found_beside_its_tests_and_tests_by_their_names() {
    let tests = file("tests.yaml", TWO);
    let config = tests.with_file_name("filter.json");
    std::fs::write(config, r#"{"labels": [{"name": "tenant", "values": ["a"]}]}"#).expect("a file");
    let tests = tests.to_str().expect("a path in UTF-8");
    for (given, code, passed, failed) in [
        (&[][..], 1, 1, 1),
        (&["--filter", "first"], 0, 1, 0),
        (&["--filter", "second"], 1, 0, 1),
        (&["--filter", "of two"], 1, 1, 1),
    ] {
        let found = run([&["test", tests, "--format", "json"], given].concat());
        assert_eq!(found.code, Some(code), "{found:?}");
        let facts = found.json();
        assert_eq!((&facts["passed"], &facts["failed"]), (&json!(passed), &json!(failed)), "{facts}");
        let failing = facts["files"][0]["tests"].as_array().expect("tests").iter().find(|test| test["passed"] == false);
        if let Some(failing) = failing {
            let difference = json!([{"what": "query", "expected": "up", "got": r#"up{tenant="a"}"#}]);
            assert_eq!((&failing["name"], &failing["differences"]), (&json!("second of two"), &difference));
        }
    }
    // A run without a test is no success.
    let none = run(["test", tests, "--filter", "third"]);
    assert_eq!((none.code, none.errors.contains("no test has `third` in its name")), (Some(2), true), "{none:?}");
}

#[test]
fn what_cannot_be_understood_is_said_with_its_place_and_exits_with_2() {
    let config = "config: {labels: [{name: tenant, values: [a]}]}\n";
    let test = "tests:\n- name: it\n  request: {query: up}\n";
    for (text, words) in [
        (String::new(), "missing field `config`"),
        ("config: [".to_owned(), "did not find expected"),
        (config.to_owned(), "missing field `tests`"),
        (format!("{config}tests: []\n"), "tests: there is none"),
        (format!("{config}{test}"), "missing field `expect`"),
        (format!("{config}{test}  expect: {{}}\n"), "tests[0] (it): nothing is expected"),
        (format!("{config}{test}  expect: {{qury: up}}\n"), "tests[0].expect: unknown field `qury`"),
        (format!("{config}{test}  expect: {{query: up}}\n  identiy: {{}}\n"), "tests[0]: unknown field `identiy`"),
        (
            format!("{config}{test}  identity: {{claim: {{}}}}\n  expect: {{query: up}}\n"),
            "tests[0].identity: unknown field",
        ),
        (
            format!("{config}{test}  identity: {{claims: [a]}}\n  expect: {{query: up}}\n"),
            "must be an object, not a list",
        ),
        (format!("{config}{test}  expect: {{query: up}}\nfoo: 1\n"), "unknown field `foo`"),
        (format!("{config}{test}  expect: {{query: up, query: up}}\n"), "duplicate field `query`"),
        (format!("{config}{test}  expect: {{answer: streams}}\n"), "unknown variant `streams`"),
        (format!("{config}{test}  expect: {{refused: {{}}}}\n"), "missing field `status`"),
        (
            format!("{config}{test}  expect: {{refused: {{status: 400, why: x}}}}\n"),
            "tests[0].expect.refused: unknown field `why`",
        ),
        (format!("{config}{test}  expect: {{query: up, refused: {{status: 400}}}}\n"), "keep one"),
        (format!("{config}{test}  expect: {{parameters: {{a: {{}}}}}}\n"), "`a` must be a text"),
        (
            format!(
                "{config}tests:\n- name: it\n  request: {{form: {{a: b}}, method: GET}}\n  expect: {{query: up}}\n"
            ),
            "needs the method POST",
        ),
        (
            format!("{config}tests:\n- name: it\n  request: {{path: up}}\n  expect: {{query: up}}\n"),
            "`up` is no request",
        ),
        (format!("config: {{labels: []}}\n{test}  expect: {{query: up}}\n"), "labels: "),
        (format!("config: nowhere.yaml\n{test}  expect: {{query: up}}\n"), "cannot read `"),
        (format!("config: 7\n{test}  expect: {{query: up}}\n"), "must be a file name or a configuration"),
    ] {
        let run = run(["test", &path("tests.yaml", &text)]);
        assert_eq!(run.code, Some(2), "{text}: {run:?}");
        assert!(run.out.is_empty() && run.errors.contains(words), "{words}: {run:?}");
    }
}
