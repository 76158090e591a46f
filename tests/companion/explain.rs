//! `explain` says what the filter does: compared with the module in a real Envoy, for every route, and by its words.

use super::{Run, path, run};
use crate::envoy::routes::{ask, configuration, listener};
use crate::routes::rows;
use crate::support::bench::Bench;
use crate::support::client::{Body, Request, get, post, request};
use crate::support::envoy::{Listener, filter_metadata, route, virtual_host};
use crate::support::tokens::token;
use crate::support::upstream::{Answer, Recorded};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BY_CLAIM: &str = "labels: [{name: tenant, jwt_claim: tenants, danger_unrestricted: [sre]}]";

#[track_caller]
fn explain(config: &str, arguments: &[&str]) -> Run {
    run(["explain", "--config", &path("filter.yaml", config)].iter().chain(arguments))
}

/// By a team's token.
#[track_caller]
fn fruit(arguments: &[&str]) -> Run {
    explain(BY_CLAIM, &[&["--claims", r#"{"tenants": "team-fruit"}"#], arguments].concat())
}

/// `sent` as arguments.
fn arguments(sent: &Request) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut arguments = vec!["--request".to_owned(), format!("{} {}", sent.method, text(&sent.target))];
    let mut body_option = "--data";
    for (name, value) in &sent.headers {
        if name == "content-type" && value == b"application/json" {
            body_option = "--json";
        }
        arguments.extend(["-H".to_owned(), format!("{name}: {}", text(value))]);
    }
    match &sent.body {
        Body::None => {}
        Body::Length(bytes) => arguments.extend([body_option.to_owned(), text(bytes)]),
        Body::Chunked(..) => panic!("explain knows no chunks"),
    }
    arguments
}

fn pairs(list: &Value, keep: impl Fn(&Value) -> bool) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = list.as_array().expect("a list").iter().filter(|each| keep(each));
    list.map(|each| (text(&each["name"]), text(&each["value"]))).collect()
}

/// What was explained is what arrived.
#[track_caller]
fn assert_upstream(upstream: &Value, arrived: &Recorded, what: &str) {
    assert_eq!(upstream["method"], arrived.method, "{what}");
    assert_eq!(upstream["path"], arrived.path(), "{what}");
    assert_eq!(pairs(&upstream["parameters"], |each| each["in"] == "url"), arrived.url_parameters(), "{what}");
    let form = pairs(&upstream["parameters"], |each| each["in"] == "form");
    match upstream["body"].as_str() {
        Some(body) => assert_eq!(body.as_bytes(), arrived.body, "{what}"),
        None => assert_eq!(form, arrived.form_parameters(), "{what}"),
    }
    let set = pairs(&upstream["headers_set"], |_| true);
    for (name, value) in &set {
        assert_eq!(arrived.all(name), [value.as_str()], "{what}: {name}");
    }
    for name in upstream["headers_removed"].as_array().expect("a list") {
        let name = name.as_str().expect("a name");
        // Envoy gives a body that has changed its own length.
        let is_again = name == "content-length" || set.iter().any(|(known, _)| known == name);
        assert!(is_again || !arrived.has(name), "{what}: {name}");
    }
}

/// Sends `sent` through Envoy and compares what comes of it with `explained`.
#[track_caller]
fn assert_true(bench: &Bench, listener: &str, sent: &Request, explained: &Run) {
    let what = format!("{listener}: {explained:?}");
    let facts = explained.json();
    let foreign = json!({"status": "success", "data": "foreign"}).to_string();
    bench.upstream.answer(sent, Answer::json(200, foreign.clone()));
    let answer = bench.send(listener, sent);
    let status = facts["status"].as_u64();
    match facts["verdict"].as_str().expect("a verdict") {
        "refused" => {
            assert_eq!((Some(u64::from(answer.status)), explained.code), (status, Some(1)), "{what}");
            assert!(facts["body"] == answer.text() || sent.method == "HEAD", "{what}: {}", answer.text());
            if let Some(name) = facts["header"]["name"].as_str() {
                assert_eq!(facts["header"]["value"].as_str(), answer.header(name), "{what}");
            }
            if facts["head_was_sent"] == true { bench.nothing_told(sent) } else { bench.never_arrived(sent) }
        }
        "answered" => {
            assert_eq!((Some(u64::from(answer.status)), explained.code), (status, Some(0)), "{what}");
            assert_eq!(facts["body"], answer.text(), "{what}");
            assert_eq!(facts["allow"].as_str(), answer.header("allow"), "{what}");
            bench.never_arrived(sent);
        }
        "depends" => {
            // The upstream does not say that the silence is the tenant's.
            assert_eq!((answer.status, explained.code), (404, Some(0)), "{what}");
            let asked = facts["asked"]["path"].as_str().expect("a path");
            assert!(bench.upstream.all().iter().any(|recorded| recorded.path() == asked), "{what}");
        }
        "forwarded" => {
            assert_upstream(&facts["upstream"], &bench.arrived(sent), &what);
            let passed = answer.text() == foreign || sent.method == "HEAD";
            let passes = facts["answer"] != "filtered";
            assert_eq!((passed, explained.code), (passes, Some(0)), "{what}: {}", answer.text());
        }
        other => panic!("{other}: {what}"),
    }
}

/// The name of the listener with these settings.
fn called(settings: &[(&str, &str)]) -> String {
    if settings.is_empty() { "plain".to_owned() } else { listener(settings) }
}

#[test]
fn every_route_is_explained_as_envoy_treats_it() {
    let rows = rows();
    let settings: BTreeSet<&[(&str, &str)]> =
        rows.iter().flat_map(|row| &row.with).map(|change| change.settings.as_slice()).chain([&[][..]]).collect();
    let bench = Bench::start(settings.iter().map(|settings| Listener::new(&called(settings), configuration(settings))));
    let in_use = bench.in_use();
    let mut verdicts = BTreeSet::new();
    for row in &rows {
        let with = row.with.iter().map(|change| change.settings.as_slice());
        // A remote read is no text.
        let methods = row.methods.iter().filter(|method| (row.path, **method) != ("/api/v1/read", "POST"));
        for method in methods.chain(row.is_page().then_some(&"HEAD")) {
            for settings in with.clone().chain([&[][..]]) {
                let sent = ask(row, method);
                let given = arguments(&sent);
                let given: Vec<&str> = given.iter().map(String::as_str).chain(["--format", "json"]).collect();
                let explained = explain(&configuration(settings).to_string(), &given);
                assert_true(&in_use, &called(settings), &sent, &explained);
                verdicts.insert(explained.json()["verdict"].to_string());
            }
        }
    }
    assert_eq!(verdicts.len(), 4, "{verdicts:?}");
}

#[test]
fn every_source_of_identity_is_explained_as_envoy_reads_it() {
    let claim = json!({"labels": [{"name": "tenant", "jwt_claim": ["realm", "tenants"], "values_map": {"tomato": ["a", "b"]}}],
        "tenant_header": "THANOS-TENANT", "warnings": "scrub"});
    let metadata = json!({"labels": [{"name": "tenant", "route_metadata": "tenant"}]});
    let several = json!({"labels": [{"name": "tenant", "header": "x-tenant", "header_uses_list_syntax": true},
        {"name": "stage", "values": ["live"]}]});
    let of_route = |content: Value| {
        let mut route = route("upstream");
        route["metadata"] = filter_metadata(content);
        let mut host = virtual_host("all", "*", json!([route]));
        host["metadata"] = filter_metadata(json!({"tenant": "of-host"}));
        json!([host])
    };
    let bench = Bench::start([
        Listener::new("claim", claim.clone()).jwt(),
        Listener::new("route", metadata.clone())
            .metadata(json!({"tenant": "of-listener"}))
            .virtual_hosts(of_route(json!({"tenant": ["r", "s"]}))),
        Listener::new("host", metadata.clone())
            .metadata(json!({"tenant": "of-listener"}))
            .virtual_hosts(of_route(json!({"other": 1}))),
        Listener::new("listener", metadata.clone()).metadata(json!({"tenant": {"deep": 1}})),
        Listener::new("several", several.clone()),
    ]);
    let in_use = bench.in_use();
    let tomato = token(&json!({"realm": {"tenants": ["tomato", "c"]}}));
    let number = token(&json!({"realm": {"tenants": 7}}));
    let up = || get("/api/v1/query?query=up%20offset%201m&time=1&unknown=x");
    let series = || post("/api/v1/series", "match[]=up&match[]=%7Ba%3D%22b%22%7D").header("x-scope-orgid", "z");
    let (host, listener) = (r#"{"tenant":"of-host"}"#, r#"{"tenant":"of-listener"}"#);
    let of_places = ["--virtual-host-metadata", host, "--listener-metadata", listener, "--route-metadata"];
    for (name, config, sent, given) in [
        ("claim", &claim, up().bearer(&tomato), &["--bearer", &tomato][..]),
        ("claim", &claim, series().bearer(&tomato), &["--bearer", &tomato]),
        ("claim", &claim, up().bearer(&number), &["--bearer", &number]),
        ("claim", &claim, up(), &[]),
        ("route", &metadata, up(), &[&of_places[..], &[r#"{"tenant":["r","s"]}"#]].concat()),
        ("host", &metadata, series(), &[&of_places[..], &[r#"{"other":1}"#]].concat()),
        ("listener", &metadata, up(), &["--listener-metadata", r#"{"tenant":{"deep":1}}"#]),
        ("several", &several, series().header("X-Tenant", "a , b"), &[]),
        ("several", &several, up(), &[]),
        ("several", &several, get("/api/v1/query?query=up%7B").header("x-tenant", "a"), &[]),
        ("several", &several, post("/api/v1/query", "query=up%7B").header("x-tenant", "a"), &[]),
        ("several", &several, post("/api/v1/query", "query=a;b").header("x-tenant", "a"), &[]),
        ("several", &several, request("POST", "/api/v1/query").header("x-tenant", "a"), &[]),
    ] {
        let given = [arguments(&sent), given.iter().map(|text| (*text).to_owned()).collect()].concat();
        let given: Vec<&str> = given.iter().map(String::as_str).chain(["--format", "json"]).collect();
        assert_true(&in_use, name, &sent, &explain(&config.to_string(), &given));
    }
}

#[test]
fn a_bare_query_is_explained_in_words() {
    let run = fruit(&[r#"sum by (job) (rate(a[5m])) / on (job) sum by (job) (rate(b{code="500"}[5m] offset 1h))"#]);
    assert_eq!(run.code, Some(0));
    for line in [
        "endpoint  /api/v1/query",
        "tenant    tenant is team-fruit",
        r#"  in the URL      query=sum by (job) (rate(a{tenant="team-fruit"}[5m])) / on (job) sum by (job) (rate(b{code="500",tenant="team-fruit"}[5m] offset 1h))"#,
        "query, printed by promql-parser:",
        "verified  by promql-parser: 2 of 2 selectors of query carry the tenant's matchers",
        "answer    passes untouched",
    ] {
        assert!(run.out.lines().any(|each| each == line), "{line} is not in\n{}", run.out);
    }
}

#[test]
fn what_the_verifier_does_not_take_is_said() {
    let chain = vec!["1"; 8100].join("+");
    for query in ["up[5m + 1m]", &chain] {
        let run = fruit(&[query]);
        assert_eq!(run.code, Some(0));
        assert!(run.out.contains("verified  not: promql-parser does not take query"), "{}", run.out);
    }
}

#[test]
fn several_values_and_patterns_are_verified_by_what_they_match() {
    let config = |rule: &str| format!("labels: [{{name: tenant, {rule}}}, {{name: '9-é', values: ['a\"|.b', x]}}]");
    for (rule, tenant) in [
        (r#"values: ["a|b", "c.d", "\\e"]"#, r"tenant is one of \e, a|b, c.d"),
        ("values: ['team-.+'], regex_match: true", "tenant matches team-.+"),
        ("values: [sre], danger_unrestricted: [sre]", "tenant is lifted: everything is read (danger_unrestricted)"),
    ] {
        let run = explain(&config(rule), &[r#"absent(up{job="x"}) or topk(scalar(max(a)), b offset 1m)"#]);
        assert!(run.out.contains(tenant), "{}", run.out);
        assert!(run.out.contains("3 of 3 selectors of query carry"), "{}", run.out);
        assert_eq!(run.code, Some(0));
    }
}

#[test]
fn a_refusal_is_told_as_the_filter_would_answer() {
    let run = fruit(&["up{"]);
    assert_eq!(run.code, Some(1));
    for line in ["verdict   refused with 400", "type      bad_data", "reason    promql"] {
        assert!(run.out.lines().any(|each| each == line), "{line} is not in\n{}", run.out);
    }
    let facts = fruit(&["up{", "--format", "json"]).json();
    let body: Value = serde_json::from_str(facts["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!((&body["error"], &body["errorType"]), (&facts["message"], &facts["error_type"]));
}

#[test]
fn parameters_are_encoded_for_people() {
    let expected = json!([
        {"in": "url", "name": "match[]", "value": r#"up{a="b c",é=~"x|y",tenant="team-fruit"}"#},
        {"in": "url", "name": "start", "value": "1"},
    ]);
    let encoded = "/api/v1/series?match%5B%5D=up%7Ba%3D%22b+c%22%2C%22%C3%A9%22%3D~%22x%7Cy%22%7D&start=1";
    let mut expected = expected;
    expected[0]["value"] = json!(r#"up{a="b c","é"=~"x|y",tenant="team-fruit"}"#);
    for given in [
        &["--request", encoded][..],
        &["--request", r#"GET /api/v1/series?match[]=up{a="b c","é"=~"x|y"}&start=1 HTTP/1.1"#],
        &["--request", r#"https://prometheus.example/api/v1/series?match[]=up{a="b c","é"=~"x|y"}&start=1"#],
        &[
            "--request",
            "/api/v1/series",
            "-G",
            "--data-urlencode",
            r#"match[]=up{a="b c","é"=~"x|y"}"#,
            "-d",
            "start=1",
        ],
        &["--request", "GET /api/v1/series", "-d", "start=1", "--data-urlencode", r#"match[]=up{a="b c","é"=~"x|y"}"#],
    ] {
        let facts = fruit(&[given, &["--format", "json"]].concat()).json();
        let mut found = facts["upstream"]["parameters"].clone();
        for parameter in found.as_array_mut().expect("a list") {
            parameter.as_object_mut().expect("an object").remove("promql_parser");
        }
        found.as_array_mut().expect("a list").sort_by_key(|each| each["name"].to_string());
        assert_eq!(found, expected, "{given:?}");
    }
}

#[test]
fn no_token_is_ever_printed() {
    let secret = token(&json!({"tenants": "team-fruit"}));
    let broken = secret.replace('.', "-");
    let header = format!("Authorization: Bearer {secret}");
    let bad_header = format!("Authorization: Bearer {secret}\nx");
    let token_file = path("token", &secret);
    let at_file = format!("@{token_file}");
    let bearer = format!("Bearer {secret}");
    for format in ["text", "json"] {
        for (given, code) in [
            (&["--bearer", &secret, "up"][..], 0),
            (&["--bearer", &at_file, "up"], 0),
            (&["--bearer", &bearer, "up"], 0),
            (&["--bearer", &secret, "up{"], 1),
            (&["--bearer", &broken, "up"], 2),
            (&["-H", &header, "up"], 1),
            (&["-H", &bad_header, "up"], 2),
            (&["--claims", &secret, "up"], 2),
            (&["--bearer", &secret, "--request", "/api/v1/query", "-d", "query=up", "-H", &header], 0),
        ] {
            let run = explain(BY_CLAIM, &[given, &["--format", format]].concat());
            assert_eq!(run.code, Some(code), "{run:?}");
            let said = run.out + &run.errors;
            assert!(secret.split('.').all(|part| !said.contains(part)), "{said}");
            if code < 2 && given[0] == "--bearer" {
                assert!(said.contains("the signature of the token is not checked"), "{said}");
            }
        }
    }
}

#[test]
fn what_makes_no_request_is_said_and_exits_with_2() {
    for (config, given, words) in [
        (BY_CLAIM, &[][..], "required arguments were not provided"),
        (BY_CLAIM, &["up", "--request", "/x"], "cannot be used with"),
        (BY_CLAIM, &["--claims", "{", "up"], "--claims is not valid JSON"),
        (BY_CLAIM, &["--claims", "7", "up"], "--claims must be an object"),
        (BY_CLAIM, &["--claims", "@/nowhere", "up"], "cannot read `/nowhere`"),
        (BY_CLAIM, &["--route-metadata", "[]", "up"], "--route-metadata must be an object"),
        (BY_CLAIM, &["--bearer", "x", "up"], "no JSON Web Token"),
        (BY_CLAIM, &["--bearer", "a.b.c.d", "up"], "no JSON Web Token"),
        (BY_CLAIM, &["-H", "x", "up"], "written as `Name: value`"),
        (BY_CLAIM, &["-H", ":path: /x", "up"], "written as `Name: value`"),
        (BY_CLAIM, &["-H", "a b: x", "up"], "written as `Name: value`"),
        (BY_CLAIM, &["-X", "G T", "up"], "`G T` is no method"),
        (BY_CLAIM, &["--request", "api/v1/query"], "is no request"),
        (BY_CLAIM, &["--request", "https://host"], "is no request"),
        (BY_CLAIM, &["--request", "GET /a", "-X", "POST"], "two methods"),
        (BY_CLAIM, &["--request", "/a", "--data-urlencode", "x"], "NAME=VALUE"),
        (BY_CLAIM, &["--request", "/a", "--json", "{}", "-d", "a=b"], "cannot be used with"),
        ("labels: []\nfoo: 1", &["up"], "foo: unknown setting"),
        ("a: [", &["up"], "neither YAML nor JSON"),
    ] {
        let run = explain(config, given);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.out.is_empty() && run.errors.contains(words), "{words}: {run:?}");
    }
}
