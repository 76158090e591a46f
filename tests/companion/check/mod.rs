//! `check`: each finding has a bootstrap that shows it, and one that does not.

mod bootstrap;
mod cases;
mod resources;

use super::{Run, path, run};
use crate::support::{parts, process};
use bootstrap::{Bootstrap, Edit, LISTENER, by_route, header, nothing, switch};
use cases::{Case, PLUGIN, ROUTES, SOURCES, TOKENS};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

fn check(document: &Value, arguments: &[&str]) -> Run {
    let file = path("checked.json", &document.to_string());
    run(["check"].into_iter().chain(arguments.iter().copied()).chain([file.as_str()]))
}

/// What is found: severity, path, message.
fn findings(document: &Value) -> Vec<(String, String, String)> {
    let found = check(document, &["--format", "json"]).json();
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
    let each = |one: &Value| (text(one, "severity"), text(one, "path"), text(one, "message"));
    found.as_array().expect("a list").iter().map(each).collect()
}

fn assert_cases(cases: &[Case]) {
    for (index, (shows, spares, severity, at, says)) in cases.iter().enumerate() {
        let holds = |edit: &Edit| {
            let mut bootstrap = Bootstrap::new();
            edit(&mut bootstrap);
            let found = findings(&bootstrap.0);
            let hit = |(found, path, message): &(String, String, String)| {
                found == severity && path.ends_with(at) && message.contains(says)
            };
            (found.iter().any(hit), found)
        };
        let (shown, found) = holds(shows);
        assert!(shown, "case {index}, `{says}`, is not found; {found:#?}");
        let (shown, found) = holds(spares);
        assert!(!shown, "case {index}, `{says}`, is found where it should not be; {found:#?}");
    }
}

#[test]
fn everything_risky_in_the_plugin_is_found() {
    assert_cases(PLUGIN);
}

#[test]
fn everything_risky_in_a_source_is_found() {
    assert_cases(SOURCES);
}

#[test]
fn everything_risky_in_tokens_is_found() {
    assert_cases(TOKENS);
}

#[test]
fn everything_risky_in_routes_is_found() {
    assert_cases(ROUTES);
}

#[test]
fn a_bootstrap_without_findings_gets_one_line() {
    let run = check(&Bootstrap::new().0, &["--strict"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.ends_with(": Envoy bootstrap, prom-label-filter in 1 place, 1 route: no findings\n"), "{run:?}");
    assert_eq!(run.out.lines().count(), 1, "{run:?}");
}

#[test]
fn errors_fail_warnings_only_when_strict_and_notes_never() {
    let code = |edit: Edit, arguments: &[&str]| {
        let mut bootstrap = Bootstrap::new();
        edit(&mut bootstrap);
        check(&bootstrap.0, arguments).code
    };
    let error: Edit = |b| b.plugin("failure_policy", json!("FAIL_OPEN"));
    let warning: Edit = |b| b.plugin("failure_policy", json!("FAIL_CLOSED"));
    let note: Edit =
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "metadata": "danger_pass"}));
    for (edit, plain, strict) in [(error, 1, 1), (warning, 0, 1), (note, 0, 0)] {
        assert_eq!((code(edit, &[]), code(edit, &["--strict"])), (Some(plain), Some(strict)));
    }
}

#[test]
fn the_shipped_bootstraps_have_no_findings_but_two_notes() {
    has_two_notes(concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/quickstart/envoy.yaml"));
    has_two_notes(concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/thanos/envoy.yaml"));
}

fn has_two_notes(file: &str) {
    let found = run(["check", "--strict", "--format", "json", file]);
    assert_eq!(found.code, Some(0), "{found:?}");
    let found = found.json();
    let paths: Vec<_> = found.as_array().expect("a list").iter().map(|one| (&one["severity"], &one["path"])).collect();
    let at = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters";
    assert_eq!(
        paths,
        [
            (
                &json!("note"),
                &json!(format!("{at}[1].typed_config.config.configuration.value: labels[0].danger_unrestricted"))
            ),
            (
                &json!("note"),
                &json!(format!("{at}[0].typed_config.rules[0].requires.requires_any.requirements[1].allow_missing"))
            ),
        ]
    );
}

#[test]
fn each_kind_of_document_is_recognised_and_searched() {
    let mut open = Bootstrap::new();
    open.plugin("failure_policy", json!("FAIL_OPEN"));
    let mut listener = open.at(LISTENER).clone();
    let extension = open.at("http_filters/1").clone();
    let table = open.at("route_config").clone();
    let typed = |value: &Value, kind: &str| {
        let mut value = value.clone();
        value["@type"] = json!(format!("type.googleapis.com/envoy.config.{kind}"));
        value
    };
    let lds = typed(&listener, "listener.v3.Listener");
    let ecds = typed(&extension, "core.v3.TypedExtensionConfig");
    let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config").expect("a manager");
    manager.as_object_mut().expect("an object").remove("route_config");
    manager["rds"] = json!({"route_config_name": "tenants", "config_source": {"ads": {}}});
    let with_rds = typed(&listener, "listener.v3.Listener");
    let rds = typed(&table, "route.v3.RouteConfiguration");
    for (document, words) in [
        (open.0.clone(), "Envoy bootstrap, prom-label-filter in 1 place, 1 route"),
        (open.at(LISTENER).clone(), "Envoy listener, prom-label-filter in 1 place, 1 route"),
        (json!({"resources": [lds]}), "Envoy discovery response, prom-label-filter in 1 place, 1 route"),
        (json!({"resources": [with_rds, rds]}), "Envoy discovery response, prom-label-filter in 1 place, 1 route"),
        (
            json!({"version_info": "1", "resources": [ecds]}),
            "Envoy discovery response, prom-label-filter in 1 place, 0 routes",
        ),
        (extension, "Envoy extension, prom-label-filter in 1 place, 0 routes"),
    ] {
        let run = check(&document, &[]);
        assert!(
            run.code == Some(1) && run.out.contains(words) && run.out.contains("use `failure_policy"),
            "{words}: {run:?}"
        );
    }
    let plugin = check(&json!({"labels": [{"name": "tenant", "values": ["a"], "valeus": 1}]}), &[]);
    assert!(
        plugin.out.contains(": configuration of the filter: 1 error\n  error: labels[0].valeus: unknown"),
        "{plugin:?}"
    );
    let neither = check(&json!({"lables": []}), &[]);
    assert!(neither.out.contains("lables: unknown setting; did you mean `labels`?"), "{neither:?}");
}

#[test]
fn the_filter_is_recognised_by_any_of_its_names_and_by_its_configuration() {
    let anonymous = |b: &mut Bootstrap| {
        b.set("http_filters/1", "name", json!("a"))
            .plugin("name", json!("b"))
            .plugin("vm_config", json!({"code": {"local": {"filename": "c.wasm"}}, "runtime": "envoy.wasm.runtime.v8"}))
            .configured(json!({"x": 1}));
    };
    let names: [(Edit, bool); 6] = [
        (|b| b.set("http_filters/1", "name", json!("my-prom-label-filter")), true),
        (|b| b.plugin("name", json!("prom-label-filter-a")), true),
        (|b| b.plugin("vm_config", json!({"vm_id": "prom-label-filter"})), true),
        (|b| b.plugin("vm_config", json!({"code": {"local": {"filename": "/prom_label_filter.wasm"}}})), true),
        (|b| b.configured(json!({"labels": 1})), true),
        (nothing, false),
    ];
    for (index, (edit, expected)) in names.iter().enumerate() {
        let mut bootstrap = Bootstrap::new();
        anonymous(&mut bootstrap);
        edit(&mut bootstrap);
        let found = findings(&bootstrap.0);
        assert_eq!(
            !found.iter().any(|(_, _, message)| message.contains("no prom-label-filter")),
            *expected,
            "{index}: {found:?}"
        );
    }
}

#[test]
fn a_configuration_as_a_struct_and_a_filter_as_a_typed_struct_are_read() {
    let mut plain = Bootstrap::new();
    let configuration = "http_filters/1/typed_config/config/configuration";
    let wrong =
        json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"labels": [{"name": "tenant"}]}});
    *plain.at(configuration) = wrong;
    let found = findings(&plain.0);
    let needs = |(_, path, message): &(String, String, String)| {
        path.ends_with("configuration.value: labels[0]") && message.contains("needs a source")
    };
    assert!(found.iter().any(needs), "{found:?}");

    let mut config = plain.at("http_filters/1/typed_config").clone();
    let kind = config.as_object_mut().expect("an object").remove("@type").expect("a type");
    *plain.at("http_filters/1/typed_config") =
        json!({"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": kind, "value": config});
    let found = findings(&plain.0);
    assert!(found.iter().any(needs), "{found:?}");
}

#[test]
fn broken_input_is_told_and_never_a_panic() {
    let bomb: String = (1..10).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("{text}a{level}: &a{level} [{aliases}]\n")
    });
    for (text, says) in [
        ("", "holds nothing"),
        ("# only a comment\n", "holds nothing"),
        ("null", "holds nothing"),
        ("[]", "holds a list"),
        ("- a\n- b\n", "holds a list"),
        ("text", "holds a string"),
        ("{", "neither YAML nor JSON"),
        ("a: b: c", "neither YAML nor JSON"),
        ("a: *nowhere", "neither YAML nor JSON"),
        ("a: &a [1, *a]", "neither YAML nor JSON"),
        ("a: 1\n---\nb: 2\n", "holds 2 documents"),
        ("a: 1\n---\n{", "neither YAML nor JSON"),
        ("\u{1}", "neither YAML nor JSON"),
        (&"[".repeat(3_000), "neither YAML nor JSON"),
        (&format!("{}{}", "{\"a\":".repeat(3_000), "}".repeat(3_000)), "neither YAML nor JSON"),
        (&bomb, "neither YAML nor JSON"),
    ] {
        let run = run(["check", &path("broken.yaml", text)]);
        assert_eq!(run.code, Some(2), "{text:.40}: {run:?}");
        assert!(run.errors.contains(says), "{text:.40}: {run:?}");
    }
    let missing = run(["check", "/nowhere/at-all.yaml"]);
    assert!(missing.code == Some(2) && missing.errors.contains("cannot read"), "{missing:?}");
}

#[test]
fn whatever_stands_where_something_else_is_expected_is_no_panic() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..300 {
        let mut bootstrap = Bootstrap::new();
        for _ in 0..random.usize(1..4) {
            damage(&mut bootstrap.0, &mut random);
        }
        let run = check(&bootstrap.0, &[]);
        assert_ne!(run.code, None, "{run:?}");
    }
}

/// Puts something unexpected into a random place.
fn damage(value: &mut Value, random: &mut fastrand::Rng) {
    let odd =
        [json!(null), json!([]), json!({}), json!("x"), json!(-1.5), json!([[[]]]), json!({"@type": 1}), json!(true)];
    let inner = match value {
        Value::Object(map) => {
            let index = random.usize(..map.len().max(1));
            map.values_mut().nth(index)
        }
        Value::Array(items) => {
            let index = random.usize(..items.len().max(1));
            items.get_mut(index)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    match inner {
        Some(inner) if random.u8(0..10) > 0 => damage(inner, random),
        _ => *value = odd[random.usize(0..odd.len())].clone(),
    }
}

#[test]
fn envoy_takes_the_bootstraps_that_are_meant_to_be_right() {
    let edits: [Edit; 6] = [
        nothing,
        header,
        by_route,
        |b| b.plugin("failure_policy", json!(1)),
        |b| b.set("http_filters/1", "disabled", json!(true)).route("typed_per_filter_config", switch(false)),
        |b| {
            let configuration = json!({"labels": [{"name": "tenant", "jwt_claim": "t"}]});
            *b.at("http_filters/1/typed_config/config/configuration") =
                json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration});
            b
        },
    ];
    for (index, edit) in edits.iter().enumerate() {
        let mut bootstrap = Bootstrap::new();
        edit(&mut bootstrap);
        *bootstrap.at("http_filters/1/typed_config/config/vm_config/code/local/filename") = json!(parts::module());
        let file = process::directory("checked").join("envoy.json");
        fs::write(&file, bootstrap.0.to_string()).expect("a file");
        let output =
            Command::new(parts::envoy()).args(["--mode", "validate", "-c"]).arg(&file).output().expect("Envoy runs");
        assert!(output.status.success(), "{index}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
