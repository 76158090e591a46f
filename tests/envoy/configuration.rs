//! What starts and what refuses to start, and that `--mode validate` says why.

use super::matchers::{exactly, read};
use crate::support::bench::{Bench, by_header, only};
use crate::support::client::{get, send};
use crate::support::envoy::{Listener, bootstrap, cluster, validate};
use crate::support::updated::{UPDATED, Updated};
use serde_json::{Value, json};

/// What Envoy says about this plugin configuration.
fn verdict(listener: Listener) -> Result<(), String> {
    validate(&bootstrap(&[listener], vec![cluster("upstream", 1, false)]))
}

#[track_caller]
fn assert_names_all(log: &str, words: &[&str]) {
    for word in words {
        assert!(log.contains(word), "`{word}` is not in the log:\n{log}");
    }
}

#[test]
fn json_text_and_a_struct_say_the_same() {
    let configuration = json!({
        "labels": [{"name": "tenant", "header": "x-tenant", "values_map": {"tomato": ["a", "b"]}}],
        "limits": {"query_bytes": 20},
    });
    let bench = Bench::start([
        Listener::new("text", configuration.clone()),
        Listener::structured("struct", configuration),
        Listener::text("spaced", &format!("\n{}\n", serde_json::to_string_pretty(&by_header()).expect("JSON"))),
    ]);
    let bench = bench.in_use();
    for listener in ["text", "struct", "spaced"] {
        let recorded = bench.forwarded(listener, &get("/api/v1/query?query=up").header("x-tenant", "é"));
        assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "é")]);
    }
    for listener in ["text", "struct"] {
        let long = get("/api/v1/query?query=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").header("x-tenant", "a");
        bench.refused(listener, &long, 400, "prom-label-filter");
    }
}

#[test]
fn envoy_starts_with_a_good_configuration_and_not_without_one() {
    assert!(verdict(Listener::text("plain", "")).is_err(), "started without a configuration");
    verdict(Listener::new("plain", by_header())).expect("a good configuration");
}

#[test]
fn every_problem_is_reported_at_once_with_its_path() {
    let configuration = json!({
        "labels": [
            {"name": "__name__", "values": ["a"]},
            {"name": "tenant", "jwt_claim": "a", "header": "x-tenant"},
            {"name": "cluster"},
            {"name": "stage", "values": []},
            {"name": "zone", "values": [""]},
            {"name": "twice", "values": ["a"]},
            {"name": "twice", "values": ["b"]},
        ],
        "metadata": "sometimes",
        "limits": {"query_bytes": "many"},
        "no_such_setting": 1,
    });
    let words = [
        "labels[0]",
        "labels[1]",
        "labels[2]",
        "labels[3]",
        "labels[4]",
        "labels[6]",
        "twice",
        "metadata",
        "limits.query_bytes",
        "no_such_setting",
    ];
    let log = verdict(Listener::new("plain", configuration.clone())).expect_err("a bad configuration");
    assert_names_all(&log, &words);
    let mut lab = Updated::start(&Listener::new(UPDATED, by_header()), &[]);
    assert_names_all(&rejection(&mut lab, &Listener::structured(UPDATED, configuration)), &words);
}

/// What Envoy logs about an update that it must reject. The good listener goes on serving.
#[track_caller]
fn rejection(lab: &mut Updated, listener: &Listener) -> String {
    let before = lab.envoy.log().len();
    lab.update(listener, "listener_manager.lds.update_rejected");
    let request = get("/api/v1/query?query=up").header("x-tenant", "a");
    assert_eq!(send(lab.envoy.port(UPDATED), &request).status, 200);
    lab.envoy.log().split_off(before)
}

#[test]
fn settings_that_mean_nothing_are_refused_each_by_its_place() {
    let mut lab = Updated::start(&Listener::new(UPDATED, by_header()), &[]);
    let rules = json!([
        {"name": "tenant", "values": "a"},
        {"name": "tenant", "values": [1]},
        {"values": ["a"]},
        {"name": "", "values": ["a"]},
        {"name": "a", "header": "not a header"},
        {"name": "b", "header": ":path"},
        {"name": "c", "values": ["a\nb"]},
        {"name": "d", "jwt_claim": []},
    ]);
    let nine: Vec<Value> = (0..9).map(|number| json!({"name": format!("l{number}"), "values": ["a"]})).collect();
    let places: Vec<String> = (0..8).map(|number| format!("labels[{number}]")).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    for (configuration, words) in [
        (json!({"labels": rules}), places.as_slice()),
        (json!({"labels": nine}), &["labels"]),
        (json!({"labels": {"name": "tenant", "values": ["a"]}}), &["labels"]),
        (json!({"labels": [{"name": "tenant", "header": "x", "values_map": {"a": []}}]}), &["labels[0].values_map"]),
        (json!({}), &["labels"]),
        (json!([]), &[]),
        (json!(null), &[]),
        (
            json!({
                "labels": [{"name": "tenant", "values": ["a"], "vaules_map": {}}],
                "Limits": {},
                "limits": {"query_byte": 1},
                "jwt": {"key": "a"},
                "promql": {"danger": true},
            }),
            &["vaules_map", "Limits", "query_byte", "jwt", "danger"],
        ),
    ] {
        let log = rejection(&mut lab, &Listener::new(UPDATED, configuration));
        assert_names_all(&log, words);
    }
    for text in ["", "{", "labels: []", "{} {}"] {
        rejection(&mut lab, &Listener::text(UPDATED, text));
    }
}
