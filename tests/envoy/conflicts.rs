//! `error_on_replace`: a matcher that holds for none of the tenant's values is a 400 wherever it stands, one that may hold
//! goes on beside the tenant's, and without the setting both go on.

use crate::support::bench::{Bench, InUse, OURS, by_header};
use crate::support::client::{Body, Request, get, post, request};
use crate::support::envoy::Listener;
use crate::support::form::encode;
use crate::support::remote_read::{EQ, Matcher, Query, ReadRequest};
use serde_json::{Value, json};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let everything = |mut rule: Value, more: Value| {
        rule["name"] = json!("tenant");
        let mut all = json!({
            "labels": [rule], "targets": "filter", "remote_read": "rewrite",
            "alertmanager": {"enabled": true, "silence_writes": "allow"}});
        all.as_object_mut().expect("an object").extend(more.as_object().expect("settings").clone());
        all
    };
    let header = || by_header()["labels"][0].clone();
    let mut lifted = header();
    lifted["danger_unrestricted"] = json!(["sre"]);
    let pattern = json!({"values": ["team-.*"], "regex_match": true});
    let on = || json!({"error_on_replace": true});
    Bench::start([
        Listener::new("off", everything(header(), json!({}))),
        Listener::new("on", everything(lifted, on())),
        Listener::new("pattern", everything(pattern, on())),
        Listener::new(
            "source",
            everything(header(), json!({"error_on_replace": true, "enable_label_matchers_for_rules_api": true})),
        ),
        Listener::new(
            "active",
            everything(header(), json!({"error_on_replace": true, "rules_with_active_alerts": true})),
        ),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

/// A remote read of two queries, the second with this matcher.
fn remote_read(value: &str) -> Request {
    let query = |name: &str, value: &str| Query { matchers: vec![Matcher::new(EQ, name, value)], ..Query::default() };
    let read = ReadRequest { queries: vec![query("job", "x"), query("tenant", value)], ..ReadRequest::default() };
    request("POST", "/api/v1/read")
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .body(Body::Length(snap::raw::Encoder::new().compress_vec(&read.bytes()).expect("a block")))
}

/// A request to every place where a tenant may be asked for, for the one of this name.
fn places(value: &str) -> Vec<Request> {
    let selector = encode(&format!("up{{tenant=\"{value}\"}}"));
    let filter = encode(&format!("tenant=\"{value}\""));
    let ranges = "start=1&end=2&step=1";
    let mut all = Vec::new();
    for (path, parameters) in [
        ("query", format!("query=1%2Bsum(rate({selector}[5m]))")),
        ("query_range", format!("query={selector}&{ranges}")),
        ("query_exemplars", format!("query={selector}&{ranges}")),
        ("series", format!("match[]=up&match[]={selector}")),
        ("labels", format!("match[]={selector}")),
        ("search/metric_names", format!("match[]={selector}")),
        ("search/label_values", format!("match[]={selector}&label=job")),
    ] {
        all.push(get(format!("/api/v1/{path}?{parameters}")));
        all.push(post(format!("/api/v1/{path}"), &parameters));
        all.push(post(format!("/api/v1/{path}?{parameters}"), "limit=1"));
    }
    for target in [
        format!("/api/v1/label/job/values?match[]={selector}"),
        format!("/federate?match[]=down&match[]={selector}"),
        format!("/api/v1/rules?match[]={selector}"),
        format!("/api/v1/targets/metadata?match_target={selector}"),
        format!("/api/v2/alerts?filter=job%3Dx&filter={filter}"),
        format!("/api/v2/alerts/groups?filter={filter}"),
        format!("/api/v2/silences?filter={filter}"),
    ] {
        all.push(get(target));
    }
    all.push(remote_read(value));
    all
}

fn of(tenant: &str, request: &Request) -> Request {
    request.clone().header("x-tenant", tenant)
}

/// Sends a request that must go on. What comes of the upstream's answer is not told here.
#[track_caller]
fn passes(bench: &Bench, listener: &str, request: &Request) {
    let answer = bench.send(listener, request);
    assert_ne!(answer.status, 400, "{request:?}: {}", answer.text());
    bench.arrived(request);
}

/// Sends a request that must be refused, and gives the words.
#[track_caller]
fn refused(bench: &Bench, listener: &str, request: &Request) -> String {
    let answer = match request.method.as_str() {
        "POST" => bench.refused_in_body(listener, request, 400, OURS),
        _ => bench.refused(listener, request, 400, OURS),
    };
    answer.json()["error"].as_str().expect("a message").to_owned()
}

#[test]
fn another_tenant_is_refused_wherever_it_stands_and_both_matchers_are_named() {
    let bench = bench();
    for request in places("b") {
        let said = refused(&bench, "on", &of("a", &request));
        let both = r#"label matcher `tenant="b"` conflicts with the enforced matcher `tenant="a"`"#;
        assert!(said.ends_with(both), "{request:?}: {said}");
    }
}

#[test]
fn ones_own_and_every_tenant_of_a_lifted_rule_go_on() {
    let bench = bench();
    for (own, others) in places("a").into_iter().zip(places("b")) {
        passes(&bench, "on", &of("a", &own));
        passes(&bench, "on", &of("sre", &others));
    }
}

#[test]
fn without_the_setting_another_tenant_goes_on() {
    let bench = bench();
    for request in places("b") {
        passes(&bench, "off", &of("a", &request));
    }
}

#[test]
fn with_a_pattern_a_value_that_it_does_not_match_is_refused() {
    let bench = bench();
    for (inside, outside) in places("team-x").iter().zip(places("x-team")) {
        passes(&bench, "pattern", inside);
        let said = refused(&bench, "pattern", &outside);
        assert!(
            said.ends_with(r#"`tenant="x-team"` conflicts with the enforced matcher `tenant=~"team-.*"`"#),
            "{said}"
        );
    }
    let may_agree = encode(r#"up{tenant=~"x.*",tenant!="team-x"}"#);
    passes(&bench, "pattern", &get(format!("/api/v1/query?query={may_agree}")));
}

#[test]
fn several_values_are_refused_when_none_of_them_passes() {
    let bench = bench();
    let asked = |matchers: &str| {
        let query = encode(&format!("up{{{matchers}}}"));
        get(format!("/api/v1/query?query={query}")).header("x-tenant", "a").header("x-tenant", "b")
    };
    for matchers in [r#"tenant="b""#, r#"tenant!="a""#, r#"tenant=~"b|c""#, r#"tenant=~"[^a]""#, r#"tenant!~"a|c""#] {
        passes(&bench, "on", &asked(matchers));
    }
    for (matchers, named) in [
        (r#"tenant="c""#, r#"tenant="c""#),
        (r#"tenant="""#, r#"tenant="""#),
        (r#""ten\x61nt"='c'"#, r#"tenant="c""#),
        (r#"tenant=~"[^ab]""#, r#"tenant=~"[^ab]""#),
        (r#"tenant!~"a|b|c""#, r#"tenant!~"a|b|c""#),
        (r#"tenant!="a",job="x",tenant!="b""#, r#"tenant!="a",tenant!="b""#),
    ] {
        let said = refused(&bench, "on", &asked(matchers));
        assert!(said.contains(&format!("`{named}`")) && said.ends_with(r#"`tenant=~"a|b"`"#), "{said}");
    }
}

#[test]
fn what_is_only_looked_at_does_not_conflict() {
    let bench = bench();
    let foreign = encode(r#"up{tenant="b"}"#);
    for path in ["format_query", "parse_query"] {
        passes(&bench, "on", &get(format!("/api/v1/{path}?query={foreign}")).header("x-tenant", "a"));
        passes(&bench, "on", &post(format!("/api/v1/{path}"), format!("query={foreign}")).header("x-tenant", "a"));
    }
    // Receivers have labels of their own.
    passes(&bench, "on", &get("/api/v2/alerts?receiver_matchers=tenant%3Db").header("x-tenant", "a"));
}

#[test]
fn rules_are_compared_unless_those_of_others_may_be_kept() {
    let bench = bench();
    let rules = |value: &str| {
        get(format!("/api/v1/rules?match[]={}", encode(&format!("{{tenant=\"{value}\"}}")))).header("x-tenant", "a")
    };
    for listener in ["on", "source"] {
        refused(&bench, listener, &rules("b"));
        passes(&bench, listener, &rules("a"));
    }
    passes(&bench, "active", &rules("b"));
}

#[test]
fn a_silence_is_written_as_ever() {
    let bench = bench();
    let matcher = |name: &str, value: &str| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
    let silence = json!({
        "matchers": [matcher("job", "x"), matcher("tenant", "b")], "startsAt": "2001-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z", "createdBy": "me", "comment": "quiet"});
    let body = Body::Length(silence.to_string().into_bytes());
    let write = request("POST", "/api/v2/silences").header("content-type", "application/json").body(body);
    let write = write.header("x-tenant", "a");
    passes(&bench, "on", &write);
    let recorded = String::from_utf8(bench.arrived(&write).body).expect("JSON");
    assert!(recorded.contains(r#""value":"a""#) && !recorded.contains(r#""value":"b""#), "{recorded}");
}
