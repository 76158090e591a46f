//! The core for Alertmanager against a real one: what its filters select, and what silences it takes.

mod attempt;

use crate::promql::tenant_scope;
use crate::support::alertmanager::{Alertmanager, Grammar};
use crate::support::data::TENANTS;
use crate::support::eventually;
use attempt::Attempt;
use prom_label_filter::alertmanager::matcher::filters;
use prom_label_filter::alertmanager::silence::{SilenceId, is_own, narrow_write};
use prom_label_filter::config::parse;
use prom_label_filter::response::{ResponseHead, ResponsePlan};
use prom_label_filter::route::{Endpoint, Method};
use prom_label_filter::scope::TenantScope;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Values that some reader of quotes, escapes, patterns, lists, braces or URLs could take for something else, each with a
/// neighbour that a mistake would let in.
const HOSTILE: [&str; 62] = [
    "\"",
    "\\",
    "\\\\",
    "\\\"",
    "\\\\\"",
    "a\\",
    "a\\\\",
    "\"a\"",
    "'",
    "`",
    "'a'",
    "\\n",
    "\\\\n",
    "n",
    "\\t",
    "\\x41",
    "\\u0041",
    "\\101",
    "A",
    "\u{fffd}",
    "\\ufffd",
    "\u{2028}",
    "\u{a0}",
    "\u{feff}",
    " ",
    "  ",
    " a",
    "a ",
    " a ",
    "\u{3000}a",
    "a,b",
    ",",
    "{",
    "}",
    "{a}",
    "{}",
    "=",
    "=~",
    "!=",
    "~",
    "a=\"b\"",
    "tenant=\"a\"",
    "a\",tenant=~\".+",
    "(",
    ")",
    "(a)",
    "[a",
    "^",
    "$",
    "^a$",
    ".",
    ".+",
    "a|",
    "|",
    "||",
    "\\Qa\\E",
    "\\d",
    "%61",
    "a+b",
    "a&b",
    "e\u{301}",
    "\u{1f345}",
];

/// What a tenant reads of an answer; `None` when not a byte of it passes.
fn filtered(endpoint: Endpoint, text: &str, scope: &TenantScope) -> Option<String> {
    let policy = parse(br#"{"labels":[{"name":"tenant","values":["x"]}],"alertmanager":{"enabled":true}}"#);
    match ResponsePlan::new(&policy.expect("a policy"), endpoint, Method::Get, scope) {
        ResponsePlan::Filter(filter) => filter
            .filter(ResponseHead::Success, text.as_bytes())
            .ok()
            .map(|passed| String::from_utf8(passed).expect("what passes is text")),
        plan @ (ResponsePlan::Verbatim | ResponsePlan::Scrub) => panic!("{plan:?}"),
    }
}

fn tenants() -> impl Iterator<Item = &'static str> + Clone {
    TENANTS.into_iter().chain(HOSTILE)
}

/// Two alerts of each tenant, and some that are nobody's.
fn fire(alertmanager: &Alertmanager) {
    let mut alerts: Vec<_> = tenants()
        .flat_map(|tenant| ["api", "db"].map(|job| json!({"tenant": tenant, "job": job, "env": "prod"})))
        .collect();
    alerts.extend([json!({"job": "api"}), json!({"job": "api", "Tenant": "a"}), json!({"job": "api", "tenants": "a"})]);
    alertmanager.fire(&alerts);
}

static LAB: LazyLock<Vec<(Grammar, Alertmanager)>> = LazyLock::new(|| {
    let all = Alertmanager::of_each_grammar();
    all.iter().for_each(|(_, alertmanager)| fire(alertmanager));
    all
});

/// The tenants and jobs of the alerts in an answer.
fn alerts(answer: &Value) -> BTreeSet<(String, String)> {
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or("(none)").to_owned();
    let alerts = answer.as_array().expect("a list of alerts");
    alerts.iter().map(|alert| (label(alert, "tenant"), label(alert, "job"))).collect()
}

fn of(tenants: &[&str]) -> BTreeSet<(String, String)> {
    let jobs = |tenant: &&str| ["api", "db"].map(|job| ((*tenant).to_owned(), job.to_owned()));
    tenants.iter().flat_map(jobs).collect()
}

#[test]
fn a_filter_selects_the_tenants_alerts_and_no_others() {
    let all: Vec<_> = tenants().collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a value is there twice");
    let mut scopes: Vec<Vec<&str>> = all.iter().map(|tenant| vec![*tenant]).collect();
    scopes.extend(all.windows(2).map(<[_]>::to_vec));
    scopes.push(all.clone());
    for (grammar, alertmanager) in &*LAB {
        for values in &scopes {
            let filters = filters(&tenant_scope(&[("tenant", values)]));
            let answer = alertmanager.alerts(&filters);
            assert_eq!(answer.status, 200, "{grammar:?} {filters:?}: {}", answer.text());
            assert_eq!(alerts(&answer.json()), of(values), "{grammar:?} {filters:?}");
        }
    }
}

#[test]
fn every_rule_is_a_filter_of_its_own() {
    for (_, alertmanager) in &*LAB {
        for (rules, tenants) in [
            (&[("tenant", &["a", "b"][..]), ("env", &["prod"])][..], &["a", "b"][..]),
            (&[("tenant", &["a"]), ("env", &["dev"])], &[]),
            (&[("tenant", &["a"]), ("env", &[])], &["a"]),
            (&[("env", &["prod"]), ("tenant", &["a"])], &["a"]),
        ] {
            let answer = alertmanager.alerts(&filters(&tenant_scope(rules)));
            assert_eq!(alerts(&answer.json()), of(tenants), "{rules:?}");
        }
    }
}

#[test]
fn groups_without_a_selected_alert_are_not_shown() {
    for (_, alertmanager) in &*LAB {
        for tenant in tenants() {
            let filters = filters(&tenant_scope(&[("tenant", &[tenant])]));
            let groups = eventually("the alerts to be grouped", || {
                let groups = alertmanager.groups(&filters).json();
                (groups[0]["alerts"].as_array().map(Vec::len) == Some(2)).then_some(groups)
            });
            assert_eq!(groups.as_array().map(Vec::len), Some(1), "{groups}");
            assert_eq!(groups[0]["labels"], json!({ "tenant": tenant }));
            assert_eq!(alerts(&groups[0]["alerts"]), of(&[tenant]));
        }
    }
}

#[test]
fn a_name_that_is_not_classic_selects_as_well_or_is_refused() {
    let names =
        ["a.b", "a:b", "a b", " a", "1a", "é", "a\"b", "a\\b", "a\\", "\"", "a,b", "{a}", "=", "a=~b", "\u{fffd}", "~"];
    for (grammar, alertmanager) in Alertmanager::of_each_grammar() {
        for name in names {
            let alert = |value: &str| json!({"odd": name, "job": value, name: value});
            if grammar == Grammar::Utf8 {
                alertmanager.fire(&[alert("x"), alert("\""), alert("z"), json!({"odd": name, "job": "none"})]);
            }
            let mut filters = filters(&tenant_scope(&[(name, &["x", "\""])]));
            filters.push(format!("odd={}", json!(name)));
            let answer = alertmanager.alerts(&filters);
            if grammar == Grammar::Classic {
                assert_eq!(answer.status, 400, "{filters:?}: {}", answer.text());
                continue;
            }
            let jobs: BTreeSet<_> = alerts(&answer.json()).into_iter().map(|(_, job)| job).collect();
            assert_eq!(jobs, BTreeSet::from(["x".to_owned(), "\"".to_owned()]), "{filters:?}");
        }
    }
}

/// A silence from now on, with these members and matchers.
fn silence(members: &str, matchers: &str) -> String {
    format!(
        r#"{{{members} "matchers": [{matchers}], "startsAt":"2001-01-01T00:00:00Z","endsAt":"2999-01-02T00:00:00Z","createdBy":"me","comment":"é \u0022 <"}}"#
    )
}

const API: &str = r#"{"name":"job","value":"api","isRegex":false}"#;

fn narrowed(body: &str, scope: &TenantScope) -> String {
    narrow_write(body.as_bytes(), scope).unwrap_or_else(|error| panic!("{body}: {error}")).body
}

#[test]
fn a_silence_is_of_the_tenants_alerts_and_of_no_others() {
    for (_, alertmanager) in Alertmanager::of_each_grammar() {
        fire(&alertmanager);
        let all: Vec<_> = tenants().collect();
        let mut ids = Vec::new();
        for tenant in &all {
            let scope = tenant_scope(&[("tenant", &[tenant])]);
            let id = alertmanager.silenced(&narrowed(&silence("", API), &scope));
            let path = format!("/api/v2/silence/{}", SilenceId::parse(&id).expect("an id"));
            let answer = alertmanager.get(&path);
            let read = answer.json();
            assert_eq!(
                read["matchers"],
                json!([
                    {"name": "job", "value": "api", "isRegex": false, "isEqual": true},
                    {"name": "tenant", "value": tenant, "isRegex": false, "isEqual": true}
                ])
            );
            assert_eq!((&read["comment"], &read["createdBy"]), (&json!("é \" <"), &json!("me")));
            for other in &all {
                let reads = tenant_scope(&[("tenant", &[other])]);
                assert_eq!(
                    filtered(Endpoint::Silence, &answer.text(), &reads).is_some(),
                    other == tenant,
                    "{tenant} {other}"
                );
            }
            // What is read is written again without its own additions, and stays the silence that it is.
            let mut again = read.clone();
            let members = again.as_object_mut().expect("an object");
            members.retain(|name, _| !matches!(name.as_str(), "status" | "updatedAt"));
            let write = narrow_write(again.to_string().as_bytes(), &scope).expect("a silence");
            assert_eq!(write.id.as_ref().map(SilenceId::as_str), Some(id.as_str()));
            assert_eq!(alertmanager.silenced(&write.body), id);
            ids.push(id);
        }
        // Each silences what it is for.
        let answer = alertmanager.alerts(&[]).json();
        for alert in answer.as_array().expect("a list") {
            let tenant = alert["labels"]["tenant"].as_str();
            let place = all.iter().position(|each| Some(*each) == tenant).filter(|_| alert["labels"]["job"] == "api");
            let expected: Vec<_> = place.into_iter().map(|place| &ids[place]).collect();
            assert_eq!(alert["status"]["silencedBy"], json!(expected), "{alert}");
        }
        // Everybody reads their own.
        let list = alertmanager.get("/api/v2/silences").text();
        for (tenant, id) in all.iter().zip(&ids) {
            let own = filtered(Endpoint::Silences, &list, &tenant_scope(&[("tenant", &[tenant])])).expect("a list");
            let own: Value = serde_json::from_str(&own).expect("JSON");
            assert_eq!(own.as_array().map(Vec::len), Some(1), "{tenant}: {own}");
            assert_eq!(own[0]["id"], json!(id), "{tenant}");
        }
        assert_eq!(alertmanager.delete(&format!("/api/v2/silence/{}", ids[0])).status, 200);
    }
}

#[test]
fn a_tenant_of_several_values_silences_one_of_them() {
    let (_, alertmanager) = &LAB[0];
    let scope = tenant_scope(&[("tenant", &["a\"b", "a\\b"])]);
    let own = r#"{"name":"tenant","value":"a\u0022b","isRegex":false}"#;
    let body = silence(r#""id":"","#, &format!("{own},{API}"));
    assert_eq!(narrowed(&body, &scope), body);
    let id = alertmanager.silenced(&body);
    let answer = alertmanager.alerts(&[]).json();
    let silenced: Vec<_> = answer
        .as_array()
        .expect("a list")
        .iter()
        .filter(|alert| alert["status"]["silencedBy"].as_array().is_some_and(|ids| ids.contains(&json!(id))))
        .map(|alert| alert["labels"]["tenant"].clone())
        .collect();
    assert_eq!(silenced, ["a\"b"]);
    assert!(is_own(&alertmanager.get(&format!("/api/v2/silence/{id}")).text(), &scope));
}

/// Patterns with and without a match for the empty string, and some that are none.
const PATTERNS: [&str; 33] = [
    "", ".*", ".+", "a", "a*", "a?", "a+", "a|", "|a", "(a|)", "()", "^$", "^", "$", "a{0}", "a{0,2}", "a{1,}", "[a]",
    "[a]*", "\\d*", "\\b", "\\B", "\\Qa\\E*", "(?i)a*", "(?s:.*)", "(?:)", "(", ")", "*", "a)|(b?", "[a", "\\", "é?",
];

#[test]
fn what_a_silence_must_select_is_what_an_alertmanager_of_ones_own_demands() {
    let (_, alertmanager) = &LAB[0];
    let scope = tenant_scope(&[("tenant", &["nobody there"])]);
    let mut taken = [0, 0];
    for pattern in PATTERNS {
        for flags in [
            r#""isRegex":true"#,
            r#""isRegex":false"#,
            r#""isRegex":true,"isEqual":false"#,
            r#""isRegex":false,"isEqual":false"#,
        ] {
            for beside in ["", r#",{"name":"b","value":".*","isRegex":true}"#] {
                let matcher = format!(r#"{{"name":"nowhere","value":{},{flags}}}{beside}"#, json!(pattern));
                let body = silence("", &matcher);
                let hard = alertmanager.silence(&body).status == 200;
                let soft = narrow_write(body.as_bytes(), &scope)
                    .is_ok_and(|write| alertmanager.silence(&write.body).status == 200);
                assert_eq!(soft, hard, "{matcher}");
                taken[usize::from(hard)] += 1;
            }
        }
    }
    assert!(taken.iter().all(|count| *count > 30), "{taken:?}");
}

#[test]
fn whatever_is_written_alertmanager_reads_as_the_tenants_own() {
    let (_, alertmanager) = &LAB[0];
    let scopes = [tenant_scope(&[("tenant", &["a"])]), tenant_scope(&[("tenant", &["a", "b"])])];
    let mut attempt = Attempt::new();
    let (mut own, mut widened) = (0, 0);
    for _ in 0..2000 {
        let body = attempt.body();
        let read = |text: &str| {
            let answer = alertmanager.silence(text);
            let id = (answer.status == 200).then(|| answer.json()["silenceID"].as_str().map(str::to_owned));
            id.flatten().map(|id| alertmanager.get(&format!("/api/v2/silence/{id}")).text())
        };
        for scope in &scopes {
            match narrow_write(body.as_bytes(), scope) {
                Ok(write) => {
                    if let Some(silence) = read(&write.body) {
                        assert!(is_own(&silence, scope), "{body}\n{}\n{silence}", write.body);
                        own += 1;
                    }
                }
                // What is refused would be somebody else's here and there.
                Err(_) => widened += usize::from(read(&body).is_some_and(|silence| !is_own(&silence, scope))),
            }
        }
    }
    assert!(own > 200 && widened > 200, "{own} {widened}");
}

#[test]
fn an_id_written_otherwise_is_one_that_alertmanager_does_not_know() {
    let (_, alertmanager) = &LAB[0];
    let scope = tenant_scope(&[("tenant", &["ids"])]);
    let id = alertmanager.silenced(&narrowed(&silence("", API), &scope));
    for other in [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        format!("{id}%20"),
        format!("{id}%00"),
        format!("{id}%2F"),
        "00000000-0000-4000-8000-000000000000".to_owned(),
    ] {
        // One of digits alone has no upper case.
        if other != id {
            let status = alertmanager.get(&format!("/api/v2/silence/{other}")).status;
            assert!(matches!(status, 404 | 422), "{other}: {status}");
        }
    }
}

#[test]
fn an_id_that_nobody_has_is_answered_in_these_words() {
    let (_, alertmanager) = &LAB[0];
    let (id, not_found) = ("00000000-0000-4000-8000-000000000000", "\"silence not found\"\n");
    let path = format!("/api/v2/silence/{id}");
    let answer = |response: crate::support::client::Response| (response.status, response.text());
    assert_eq!(answer(alertmanager.get(&path)), (404, String::new()));
    // Alertmanager 0.25 says so with a 500.
    let deleted = answer(alertmanager.delete(&path));
    assert!(deleted == (404, String::new()) || deleted == (500, not_found.to_owned()), "{deleted:?}");
    for id in [id, "x"] {
        let written = answer(alertmanager.silence(&silence(&format!("\"id\":{id:?},"), API)));
        assert_eq!(written, (404, not_found.to_owned()));
    }
}
