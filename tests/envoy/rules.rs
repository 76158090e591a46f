//! Rules, alerts, targets and searches: what goes on, and what comes back.

use super::matchers::{exactly, read};
use crate::support::bench::{BAD_DATA, Bench, InUse, OURS, by_header, only, pairs};
use crate::support::client::{Request, get, post};
use crate::support::envoy::Listener;
use crate::support::upstream::Answer;
use serde_json::{Value, json};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let with = |settings: Value| {
        let mut configuration = by_header();
        for (key, value) in settings.as_object().expect("settings") {
            configuration[key] = value.clone();
        }
        configuration
    };
    Bench::start([
        Listener::new("plain", with(json!({"targets": "filter"}))),
        Listener::new("deny", by_header()),
        Listener::new("source", with(json!({"enable_label_matchers_for_rules_api": true}))),
        Listener::new("active", with(json!({"rules_with_active_alerts": true}))),
        Listener::new(
            "both",
            with(json!({"rules_with_active_alerts": true, "enable_label_matchers_for_rules_api": true})),
        ),
        Listener::new("from rules", with(json!({"alerts_from_rules": true, "path_prefix": "/shared"}))),
        Listener::new(
            "lifted",
            json!({"labels": [{"name": "tenant", "header": "x-tenant", "danger_unrestricted": ["sre"]}],
                "targets": "filter", "alerts_from_rules": true}),
        ),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn tenant(request: Request) -> Request {
    request.header("x-tenant", "a")
}

/// What a client gets of this answer.
fn answered(bench: &Bench, listener: &str, request: &Request, data: &Value) -> Value {
    bench.upstream.answer(request, Answer::json(200, json!({"status": "success", "data": data}).to_string()));
    let response = bench.send(listener, request);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["data"].clone()
}

#[test]
fn rules_are_asked_for_without_pages_and_filtered_by_their_labels() {
    let bench = bench();
    let target = "/api/v1/rules?type=alert&rule_name[]=A&rule_name[]=B&rule_group[]=g&file[]=f&exclude_alerts=true\
        &group_limit=1&group_next_token=x&match[]=%7Bseverity%3D%22page%22%7D&dedup=false&partial_response=true&x=1";
    let data = json!({"groups": [
        {"name": "g", "file": "f", "rules": [{"labels": {"tenant": "a"}}, {"labels": {"tenant": "b"}}]},
        {"name": "foreign", "file": "foreign", "rules": [{"labels": {}}]}], "groupNextToken": "foreign"});
    let request = tenant(get(target)).header("accept-encoding", "gzip").header("if-none-match", "\"x\"");
    let left = json!({"groups": [{"name": "g", "file": "f", "rules": [{"labels": {"tenant": "a"}}]}]});
    assert_eq!(answered(&bench, "plain", &request, &data), left);
    let recorded = bench.arrived(&request);
    let parameters = pairs([
        ("type", "alert"),
        ("rule_name[]", "A"),
        ("rule_name[]", "B"),
        ("rule_group[]", "g"),
        ("file[]", "f"),
        ("exclude_alerts", "true"),
        ("match[]", "{severity=\"page\"}"),
        ("dedup", "false"),
        ("partial_response", "true"),
    ]);
    assert_eq!(recorded.url_parameters(), parameters);
    assert_eq!((recorded.all("accept-encoding"), recorded.has("if-none-match")), (vec!["identity".to_owned()], false));
}

#[test]
fn rules_are_narrowed_at_their_source_where_that_loses_nothing() {
    let bench = bench();
    let asked = |listener| {
        let request = tenant(get("/api/v1/rules"));
        let _ = answered(&bench, listener, &request, &json!({"groups": []}));
        bench.arrived(&request).url_parameters()
    };
    assert_eq!(asked("plain"), pairs([]));
    assert_eq!(asked("source"), pairs([("match[]", r#"{tenant="a"}"#)]));
    assert_eq!(asked("active"), pairs([]));
    assert_eq!(asked("both"), pairs([]));
    let request = tenant(get("/api/v1/rules?match[]=%7Bx%3D%22y%22%7D&match[]=up"));
    let _ = answered(&bench, "source", &request, &json!({"groups": []}));
    for (_, selector) in bench.arrived(&request).url_parameters() {
        assert!(read(&selector).contains(&exactly("tenant", "a")), "{selector}");
    }
}

#[test]
fn shared_rules_stay_while_they_have_own_alerts() {
    let bench = bench();
    let alert = |tenant: &str, state: &str| json!({"labels": {"tenant": tenant}, "state": state});
    let data = json!({"groups": [{"name": "g", "rules": [
        {"labels": {}, "state": "firing", "lastError": "", "alerts": [alert("b", "firing"), alert("a", "pending")]},
        {"labels": {}, "state": "firing", "lastError": "", "alerts": [alert("b", "firing")]}]}]});
    let left = json!({"groups": [{"name": "g", "rules": [
        {"labels": {}, "state": "pending", "lastError": "", "alerts": [alert("a", "pending")]}]}]});
    for listener in ["active", "both"] {
        assert_eq!(answered(&bench, listener, &tenant(get("/api/v1/rules")), &data), left);
    }
    assert_eq!(answered(&bench, "plain", &tenant(get("/api/v1/rules")), &data), json!({"groups": []}));
}

#[test]
fn alerts_come_from_the_rules_where_only_those_carry_the_label() {
    let bench = bench();
    let alert = |tenant: &Value| json!({"labels": {"alertname": "A", "tenant": tenant}, "state": "firing"});
    let silent = json!({"labels": {"alertname": "A"}, "state": "firing", "value": "1e+00"});
    let own_rule = json!({"labels": {"tenant": "a"}, "alerts": [silent, alert(&json!("b"))]});
    let foreign_rule = json!({"labels": {"tenant": "b"}, "alerts": [silent, alert(&json!("a"))]});
    let shared_rule = json!({"labels": {}, "alerts": [silent, alert(&json!("b")), alert(&json!("a"))]});
    let data = json!({"groups": [{"name": "g", "rules": [foreign_rule, own_rule]}, {"rules": [shared_rule]}]});
    for (asked, parameters) in [
        ("", pairs([("type", "alert")])),
        ("?dedup=false&type=record&match[]=up", pairs([("type", "alert"), ("dedup", "false")])),
    ] {
        let request = tenant(get(format!("/shared/api/v1/alerts{asked}")));
        let alerts = answered(&bench, "from rules", &request, &data);
        assert_eq!(alerts, json!({"alerts": [silent, alert(&json!("a"))]}));
        let recorded = bench.arrived(&request);
        assert_eq!((recorded.path(), recorded.url_parameters()), ("/shared/api/v1/rules".into(), parameters));
    }
    // There is nothing that could take the place of another spelling.
    bench.refused("from rules", &tenant(get("/shared/api/v1/%61lerts")), 404, OURS);
    // Nothing is hidden from whom nothing is restricted.
    let request = get("/api/v1/alerts").header("x-tenant", "sre");
    assert_eq!(answered(&bench, "lifted", &request, &json!({"alerts": [silent]})), json!({"alerts": [silent]}));
    assert_eq!(bench.arrived(&request).path(), "/api/v1/alerts");
    // The alerts themselves are no answer to what was asked.
    let request = tenant(get("/shared/api/v1/alerts"));
    bench.upstream.answer(&request, Answer::json(200, r#"{"status":"success","data":{"alerts":[]}}"#));
    assert_eq!(bench.send("from rules", &request).json()["errorType"], OURS);
}

#[test]
fn alerts_and_targets_are_filtered_by_their_labels() {
    let bench = bench();
    let own = json!({"labels": {"tenant": "a"}});
    let foreign = json!({"labels": {"tenant": "b"}});
    let alerts = answered(&bench, "plain", &tenant(get("/api/v1/alerts")), &json!({"alerts": [foreign, own]}));
    assert_eq!(alerts, json!({"alerts": [own]}));
    let data = json!({"activeTargets": [own, foreign], "droppedTargets": [{"discoveredLabels": {"tenant": "a"}}],
        "droppedTargetCounts": {"foreign": 3}});
    let request = tenant(get("/api/v1/targets?state=any&scrapePool=p&x=1"));
    let left = json!({"activeTargets": [own], "droppedTargets": [], "droppedTargetCounts": {}});
    assert_eq!(answered(&bench, "plain", &request, &data), left);
    assert_eq!(bench.arrived(&request).url_parameters(), pairs([("state", "any"), ("scrapePool", "p")]));
    for path in ["/api/v1/targets", "/api/v1/targets/metadata"] {
        bench.refused("deny", &tenant(get(path)), 404, OURS);
    }
    let unrestricted = get("/api/v1/targets").header("x-tenant", "sre");
    assert_eq!(answered(&bench, "lifted", &unrestricted, &data), data);
}

#[test]
fn metadata_of_targets_is_that_of_the_tenants() {
    let bench = bench();
    for (asked, wanted) in [
        ("", r#"{tenant="a"}"#),
        ("match_target=", r#"{tenant="a"}"#),
        ("match_target=%7B%7D", r#"{tenant="a"}"#),
        ("match_target=%7Bjob%3D%22x%22%7D", r#"{job="x",tenant="a"}"#),
        ("match_target=%7Bjob!%3D%22x%22%7D", r#"{job!="x",tenant="a"}"#),
    ] {
        let target = format!("/api/v1/targets/metadata?{asked}&metric=up&limit=3&x=1");
        let parameters = bench.forwarded("plain", &tenant(get(target))).url_parameters();
        assert_eq!(only(&parameters, "match_target"), wanted);
        assert_eq!(
            (only(&parameters, "metric"), only(&parameters, "limit"), parameters.len()),
            ("up".into(), "3".into(), 3)
        );
    }
    for bad in [
        "match_target=up%7B",
        "match_target=a&match_target=b",
        "match_target=sum(up)",
        "match_target=a&metric=b&metric=c",
    ] {
        bench.refused("plain", &tenant(get(format!("/api/v1/targets/metadata?{bad}"))), 400, BAD_DATA);
    }
    let unrestricted = get("/api/v1/targets/metadata?match_target=").header("x-tenant", "sre");
    assert_eq!(bench.forwarded("lifted", &unrestricted).url_parameters(), pairs([]));
}

#[test]
fn searches_are_narrowed_and_show_no_help_texts_of_others() {
    let bench = bench();
    for path in ["metric_names", "label_names", "label_values"] {
        let path = format!("/api/v1/search/{path}");
        let parameters = "search[]=u&search[]=p&label=job&include_metadata=true&include_score=true&limit=5";
        let passed =
            [("search[]", "u"), ("search[]", "p"), ("label", "job"), ("include_score", "true"), ("limit", "5")];
        let mut wanted = pairs(passed);
        wanted.extend(pairs([("match[]", r#"{tenant="a"}"#)]));
        let recorded = bench.forwarded("deny", &tenant(get(format!("{path}?{parameters}"))));
        assert_eq!(recorded.url_parameters(), wanted);
        assert_eq!(bench.forwarded("deny", &tenant(post(&path, parameters))).form_parameters(), wanted);
        let recorded = bench.forwarded("deny", &tenant(post(format!("{path}?match[]=up"), "match[]=down")));
        let selectors = pairs([("match[]", r#"up{tenant="a"}"#), ("match[]", r#"down{tenant="a"}"#)]);
        let mut found = recorded.form_parameters();
        found.sort();
        let mut wanted = selectors;
        wanted.sort();
        assert_eq!(found, wanted);
        bench.refused("deny", &tenant(get(format!("{path}?match[]=%7B%7D"))), 400, BAD_DATA);
    }
}
