//! Who asks: every source of identity, what makes it unusable, and that none of it goes on to the upstream.

use super::matchers::{Matcher, any_of, enforced, exactly, read};
use crate::support::bench::{Bench, InUse, OURS, assert_refusal, only, pairs};
use crate::support::client::{Connection, Ending, Request, get, post, send_h2};
use crate::support::envoy::{Listener, filter_metadata, route, virtual_host};
use crate::support::tokens::{forged_token, token};
use crate::support::upstream::Recorded;
use serde_json::{Value, json};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let claim = |claim: Value| json!({"labels": [{"name": "tenant", "jwt_claim": claim}]});
    let metadata = json!({"labels": [{"name": "tenant", "route_metadata": "tenant"}]});
    let mapped = json!({"values_map": {"tomato": ["team-fruit", "team-veggie"], "boss": ["sre"]}, "danger_unrestricted": ["sre"]});
    let rule = |further: &Value| {
        let mut rule = json!({"name": "tenant", "header": "x-tenant"});
        for (key, value) in further.as_object().expect("settings") {
            rule[key] = value.clone();
        }
        json!({"labels": [rule]})
    };
    Bench::start([
        Listener::new("claim", claim(json!("tenants"))).jwt(),
        Listener::new("lenient", claim(json!("tenants"))).lenient_jwt(),
        Listener::new("nested", claim(json!(["realm_access", "tenants"]))).jwt(),
        Listener::new("slashes", claim(json!("https://example.com/tenants"))).jwt(),
        Listener::new("dots", claim(json!("org.tenants"))).jwt(),
        Listener::new("header", rule(&json!({}))),
        Listener::new("list", rule(&json!({"header_uses_list_syntax": true}))),
        Listener::new("map", rule(&mapped)),
        Listener::new("map-only", rule(&json!({"values_map": {"tomato": ["team-fruit"]}, "values_map_only": true}))),
        Listener::new("static", json!({"labels": [{"name": "tenant", "values": ["b", "a", "b"]}]})),
        Listener::new("quoted-label", json!({"labels": [{"name": "my.tenant", "values": ["a"]}]})),
        Listener::new(
            "several",
            json!({"labels": [
                {"name": "tenant", "jwt_claim": "tenants"},
                {"name": "cluster", "header": "x-cluster", "danger_unrestricted": ["every"]},
                {"name": "stage", "values": ["live"]},
            ]}),
        )
        .jwt(),
        Listener::new("metadata", metadata.clone()).metadata(json!({"tenant": "of-listener"})).virtual_hosts(routes()),
        Listener::new("fickle-route", metadata.clone()).virtual_hosts(fickle_routes()),
        Listener::new("no-metadata", metadata),
        Listener::new(
            "deep-metadata",
            json!({"labels": [{"name": "tenant", "route_metadata": ["team", "names"]}], "route_metadata_namespace": "prom-label-filter"}),
        )
        .metadata(json!({"team": {"names": ["a", "b"]}})),
    ])
});

/// Routes and virtual hosts that have the metadata, lack it, and have it wrong.
fn routes() -> Value {
    let with = |path: &str, value: Value| {
        let mut route = route("upstream");
        route["match"] = json!({"prefix": path});
        route["metadata"] = filter_metadata(json!({"tenant": value}));
        route
    };
    let bare = |path: &str| json!({"match": {"prefix": path}, "route": {"cluster": "upstream"}});
    let mut host = virtual_host(
        "host",
        "host.example",
        json!([
            with("/api/v1/query_range", json!(["of-route", "second"])),
            with("/api/v1/series", json!(7)),
            with("/api/v1/query", json!("of-route")),
            bare("/"),
        ]),
    );
    host["metadata"] = filter_metadata(json!({"tenant": "of-host"}));
    let other = virtual_host("other", "*", json!([with("/api/v1/query", json!("of-route")), bare("/api/v1/labels")]));
    json!([host, other])
}

/// A route that is chosen by a parameter that the module removes: what goes on is routed by the other one.
fn fickle_routes() -> Value {
    let named = |tenant: &str| {
        let mut route = route("upstream");
        route["metadata"] = filter_metadata(json!({"tenant": tenant}));
        route
    };
    let mut by_parameter = named("a");
    by_parameter["match"]["query_parameters"] = json!([{"name": "custom", "present_match": true}]);
    json!([virtual_host("all", "*", json!([by_parameter, named("b")]))])
}

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn up() -> Request {
    get("/api/v1/query?query=up")
}

#[track_caller]
fn claims(bench: &Bench, listener: &str, claims: &Value) -> Vec<Matcher> {
    enforced(bench, listener, &up().bearer(&token(claims)))
}

#[test]
fn a_string_claim_is_one_value() {
    assert_eq!(claims(&bench(), "claim", &json!({"tenants": "team-fruit"})), [exactly("tenant", "team-fruit")]);
}

#[test]
fn a_list_claim_is_several_values_sorted_and_without_repeats() {
    let bench = bench();
    let found = claims(&bench, "claim", &json!({"tenants": ["team-veggie", "team-fruit", "team-veggie"]}));
    assert_eq!(found, [any_of("tenant", &["team-fruit", "team-veggie"])]);
    assert_eq!(claims(&bench, "claim", &json!({"tenants": ["one", "one"]})), [exactly("tenant", "one")]);
}

#[test]
fn claims_are_found_in_nested_objects_and_under_names_with_dots_and_slashes() {
    let bench = bench();
    let one = [exactly("tenant", "a")];
    assert_eq!(claims(&bench, "nested", &json!({"realm_access": {"tenants": ["a"]}})), one);
    assert_eq!(claims(&bench, "slashes", &json!({"https://example.com/tenants": "a"})), one);
    assert_eq!(claims(&bench, "dots", &json!({"org.tenants": "a", "org": {"tenants": "b"}})), one);
    for wrong in [json!({"realm_access": "a"}), json!({"realm_access": ["a"]}), json!({"realm_access.tenants": "a"})] {
        bench.refused("nested", &up().bearer(&token(&wrong)), 403, OURS);
    }
}

#[test]
fn a_claim_that_is_not_a_string_or_a_list_of_strings_refuses() {
    let bench = bench();
    let five_thousand: Vec<String> = (0..5000).map(|number| format!("tenant-{number}")).collect();
    for claim in [
        json!(null),
        json!(42),
        json!(1.5),
        json!(true),
        json!(""),
        json!([]),
        json!({}),
        json!({"a": "b"}),
        json!([null]),
        json!(["a", null]),
        json!(["a", ""]),
        json!(["a", 1]),
        json!([["a"]]),
        json!(["a", {"b": null}]),
        json!("a\nb"),
        json!("a\u{0}"),
        json!(five_thousand),
    ] {
        let response =
            bench.refused("claim", &up().bearer(&token(&json!({"tenants": claim, "null_beside": null}))), 403, OURS);
        assert!(!response.text().contains("tenant-1"), "a refusal names values: {}", response.text());
    }
    bench.refused("claim", &up().bearer(&token(&json!({"other": "a"}))), 403, OURS);
}

#[test]
fn a_null_beside_the_claim_does_no_harm() {
    let found = claims(&bench(), "claim", &json!({"tenants": "a", "x": null, "y": {"z": [null]}}));
    assert_eq!(found, [exactly("tenant", "a")]);
}

#[test]
fn a_string_made_to_look_like_a_serialised_list_is_one_value_or_refused() {
    let bench = bench();
    // How Envoy writes the list ["a", "b"] as a single property.
    let request =
        up().bearer(&token(&json!({"tenants": "\u{2}\0\0\0\u{1}\0\0\0\0\0\0\0\u{1}\0\0\0\0\0\0\0a\0\0b\0\0"})));
    bench.refused("claim", &request, 403, OURS);
}

#[test]
fn no_token_is_401_with_a_challenge() {
    let bench = bench();
    for request in [up(), post("/api/v1/query", "query=up"), get("/api/v1/status/buildinfo"), get("/api/v1/metadata")] {
        let response = bench.refused("claim", &request, 401, OURS);
        assert!(response.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{response:?}");
    }
}

#[test]
fn a_forged_token_never_becomes_an_identity() {
    let bench = bench();
    let forged = forged_token(&json!({"tenants": "team-fruit"}));
    bench.refused("lenient", &up().bearer(&forged), 401, OURS);
    let request = up().bearer(&forged);
    assert_eq!(bench.send("claim", &request).status, 401);
    bench.never_arrived(&request);
}

#[test]
fn a_spoofed_identity_header_has_no_say_where_the_token_decides() {
    let bench = bench();
    let request = up()
        .bearer(&token(&json!({"tenants": "team-fruit"})))
        .header("X-Tenant", "team-veggie")
        .header("x-cluster", "c1")
        .header("X-CLUSTER", "c2");
    let recorded = bench.forwarded("several", &request);
    let found = read(&only(&recorded.url_parameters(), "query"));
    assert_eq!(found, [exactly("tenant", "team-fruit"), any_of("cluster", &["c1", "c2"]), exactly("stage", "live")]);
    assert!(!recorded.has("x-cluster"), "{recorded:?}");
    bench.refused("claim", &up().header("x-tenant", "team-fruit"), 401, OURS);
}

#[test]
fn identity_and_foreign_tenant_headers_never_reach_the_upstream() {
    let bench = bench();
    for request in [up(), post("/api/v1/query", "query=up")] {
        let request = request
            .header("x-tenant", "secret-identity")
            .header("THANOS-TENANT", "spoofed")
            .header("X-Scope-OrgID", "spoofed")
            .header("X-Prom-Label-Policy", "spoofed")
            .header("X-HTTP-Method-Override", "DELETE")
            .header("x-unrelated", "stays");
        let recorded = bench.forwarded("header", &request);
        for name in ["x-tenant", "thanos-tenant", "x-scope-orgid", "x-prom-label-policy", "x-http-method-override"] {
            assert!(!recorded.has(name), "{name}: {recorded:?}");
        }
        assert_eq!(recorded.all("x-unrelated"), ["stays"]);
        assert!(!recorded.everything().contains("spoofed"));
    }
}

#[test]
fn header_lines_are_values_and_commas_are_not_special() {
    let bench = bench();
    assert_eq!(enforced(&bench, "header", &up().header("X-Tenant", "a, b")), [exactly("tenant", "a, b")]);
    let two = up().header("x-tenant", "b").header("x-tenant", "a");
    assert_eq!(enforced(&bench, "header", &two), [any_of("tenant", &["a", "b"])]);
}

#[test]
fn list_syntax_splits_on_commas_and_trims() {
    let bench = bench();
    let request = up().header("x-tenant", "b , a").header("x-tenant", "c");
    assert_eq!(enforced(&bench, "list", &request), [any_of("tenant", &["a", "b", "c"])]);
    for bad in ["", ",", "a,,b", "a,", " "] {
        bench.refused("list", &up().header("x-tenant", bad), 403, OURS);
    }
}

#[test]
fn an_identity_header_that_is_missing_is_401_and_one_that_is_unusable_403() {
    let bench = bench();
    bench.refused("header", &up(), 401, OURS);
    for bad in [b"".as_slice(), b"\xff\xfe", b"a\xc3"] {
        bench.refused("header", &up().header("x-tenant", bad), 403, OURS);
        bench.refused("header", &up().header("x-tenant", "a").header("x-tenant", bad), 403, OURS);
    }
}

#[test]
fn tenants_with_hostile_names_stay_one_exact_value() {
    let bench = bench();
    for name in [
        "a\"b",
        "a\\b",
        "a|b",
        ".*",
        "a.b",
        "é",
        "日本",
        "a'b",
        "a`b",
        "a}b",
        "x\"} or up{tenant=\"b",
        "$1",
        "%41",
        "a+b",
        "a&b=c",
        "#",
    ] {
        assert_eq!(claims(&bench, "claim", &json!({"tenants": name})), [exactly("tenant", name)]);
        assert_eq!(enforced(&bench, "header", &up().header("x-tenant", name)), [exactly("tenant", name)]);
        let mut both = [name, "other"];
        both.sort_unstable();
        assert_eq!(claims(&bench, "claim", &json!({"tenants": both})), [any_of("tenant", &both)]);
        let form = post("/api/v1/query", "query=up").header("x-tenant", name);
        let recorded = bench.forwarded("header", &form);
        assert_eq!(read(&only(&recorded.form_parameters(), "query")), [exactly("tenant", name)]);
    }
}

#[test]
fn metadata_is_taken_from_the_route_then_the_virtual_host_then_the_listener() {
    let bench = bench();
    let at = |host: &str, target: &str| with_host(get(target), host);
    let query = |host, target: &str| {
        let (request, bytes) = at(host, target);
        let mut connection = Connection::open(bench.port("metadata"));
        connection.write(&bytes);
        assert_eq!(connection.read("GET").status, 200);
        bench.arrived(&request)
    };
    let one = |value: &str| vec![exactly("tenant", value)];
    let matchers = |recorded: Recorded, name: &str| read(&only(&recorded.url_parameters(), name));
    assert_eq!(matchers(query("host.example", "/api/v1/query?query=up"), "query"), one("of-route"));
    assert_eq!(
        matchers(query("host.example", "/api/v1/query_range?query=up&start=1&end=2&step=1"), "query"),
        [any_of("tenant", &["of-route", "second"])]
    );
    assert_eq!(matchers(query("host.example", "/api/v1/labels"), "match[]"), one("of-host"));
    assert_eq!(matchers(query("elsewhere", "/api/v1/labels"), "match[]"), one("of-listener"));
    // The first place that has the key decides, also when what it has is wrong.
    let (request, bytes) = at("host.example", "/api/v1/series?match[]=up");
    let mut connection = Connection::open(bench.port("metadata"));
    connection.write(&bytes);
    assert_refusal(&connection.read("GET"), 403, OURS, "a number on the route");
    bench.never_arrived(&request);
}

/// The bytes of `request` for another host.
fn with_host(request: Request, host: &str) -> (Request, Vec<u8>) {
    let text = String::from_utf8(request.bytes()).expect("text").replace("host: lab\r\n", &format!("host: {host}\r\n"));
    (request, text.into_bytes())
}

#[test]
fn metadata_that_is_nowhere_refuses() {
    let bench = bench();
    bench.refused("no-metadata", &up(), 403, OURS);
    bench.refused("no-metadata", &post("/api/v1/query", "query=up"), 403, OURS);
}

#[test]
fn an_answer_from_a_route_that_names_another_tenant_is_502() {
    let bench = bench();
    let ask = |request: Request| {
        let response = bench.send("fickle-route", &request);
        (response, bench.arrived(&request))
    };
    let (response, recorded) = ask(get("/api/v1/query?query=up&custom=1"));
    assert_refusal(&response, 502, OURS, "another route");
    assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
    let (response, recorded) = ask(post("/api/v1/query?custom=1", "query=up"));
    assert_refusal(&response, 502, OURS, "another route for a form");
    assert_eq!(read(&only(&recorded.form_parameters(), "query")), [exactly("tenant", "a")]);
    let (response, recorded) = ask(get("/api/v1/query?query=up"));
    assert_eq!(response.status, 200);
    assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "b")]);
}

#[test]
fn refusals_are_logged_without_tokens_and_queries() {
    let bench = bench();
    let secret = token(&json!({"tenants": 7, "name": "somebody"}));
    bench.refused("claim", &get("/api/v1/query?query=confidential").bearer(&secret), 403, OURS);
    bench.refused("header", &get("/api/v1/query?query=confidential").header("x-tenant", b"hush\xff"), 403, OURS);
    let log = bench.envoy.log();
    assert!(log.contains("refused"), "{log}");
    for word in secret.split('.').chain(["confidential", "hush"]) {
        assert!(!log.contains(word), "`{word}` is in the log");
    }
}

#[test]
fn metadata_is_found_below_a_list_of_segments() {
    assert_eq!(enforced(&bench(), "deep-metadata", &up()), [any_of("tenant", &["a", "b"])]);
}

#[test]
fn values_map_turns_identities_into_label_values() {
    let bench = bench();
    let found = enforced(&bench, "map", &up().header("x-tenant", "tomato"));
    assert_eq!(found, [any_of("tenant", &["team-fruit", "team-veggie"])]);
    let found = enforced(&bench, "map", &up().header("x-tenant", "unknown").header("x-tenant", "tomato"));
    assert_eq!(found, [any_of("tenant", &["team-fruit", "team-veggie", "unknown"])]);
}

#[test]
fn values_map_only_refuses_what_the_map_lacks() {
    let bench = bench();
    assert_eq!(enforced(&bench, "map-only", &up().header("x-tenant", "tomato")), [exactly("tenant", "team-fruit")]);
    bench.refused("map-only", &up().header("x-tenant", "team-fruit"), 403, OURS);
    bench.refused("map-only", &up().header("x-tenant", "tomato").header("x-tenant", "other"), 403, OURS);
}

#[test]
fn an_unrestricted_identity_lifts_its_rule_and_only_by_its_raw_value() {
    let bench = bench();
    let query = |request: &Request| only(&bench.forwarded("map", request).url_parameters(), "query");
    assert_eq!(query(&up().header("x-tenant", "sre")), "up");
    assert_eq!(query(&up().header("x-tenant", "team-fruit").header("x-tenant", "sre")), "up");
    // The map leads to the word; it is no identity of the administrator's.
    assert_eq!(read(&query(&up().header("x-tenant", "boss"))), [exactly("tenant", "sre")]);
    let labels = get("/api/v1/labels").header("x-tenant", "sre");
    assert_eq!(bench.forwarded("map", &labels).url_parameters(), pairs([]));
    // All else stays: parameters, endpoints, headers.
    let further =
        get("/api/v1/query?query=up&storeMatch[]=x&unknown=1").header("x-tenant", "sre").header("thanos-tenant", "x");
    let recorded = bench.forwarded("map", &further);
    assert_eq!(recorded.url_parameters(), pairs([("query", "up")]));
    assert!(!recorded.has("x-tenant") && !recorded.has("thanos-tenant"));
    bench.refused("map", &get("/api/v1/status/config").header("x-tenant", "sre"), 404, OURS);
}

#[test]
fn several_rules_are_enforced_together() {
    let bench = bench();
    let authorised = || up().bearer(&token(&json!({"tenants": ["t"]})));
    let found = enforced(&bench, "several", &authorised().header("x-cluster", "c"));
    assert_eq!(found, [exactly("tenant", "t"), exactly("cluster", "c"), exactly("stage", "live")]);
    let lifted = enforced(&bench, "several", &authorised().header("x-cluster", "every"));
    assert_eq!(lifted, [exactly("tenant", "t"), exactly("stage", "live")]);
    bench.refused("several", &authorised(), 401, OURS);
    bench.refused("several", &up().header("x-cluster", "c"), 401, OURS);
    bench.refused("several", &authorised().header("x-cluster", ""), 403, OURS);
}

#[test]
fn static_values_need_no_identity_of_the_client() {
    let bench = bench();
    assert_eq!(enforced(&bench, "static", &up()), [any_of("tenant", &["a", "b"])]);
    assert_eq!(enforced(&bench, "quoted-label", &up()), [exactly("my.tenant", "a")]);
}

#[test]
fn the_clients_own_matcher_on_the_label_is_kept_and_ours_added() {
    let request = get("/api/v1/query?query=up%7Btenant%3D%22team-veggie%22%7D").header("x-tenant", "team-fruit");
    assert_eq!(
        enforced(&bench(), "header", &request),
        [exactly("tenant", "team-veggie"), exactly("tenant", "team-fruit")]
    );
}

#[test]
fn every_endpoint_needs_an_identity() {
    let bench = bench();
    for path in [
        "query?query=up",
        "query_range?query=up&start=1&end=2&step=1",
        "query_exemplars?query=up",
        "series?match[]=up",
        "labels",
        "label/job/values",
        "format_query?query=up",
        "parse_query?query=up",
        "status/buildinfo",
        "features",
        "metadata",
    ] {
        bench.refused("header", &get(format!("/api/v1/{path}")), 401, OURS);
    }
    bench.refused("header", &get("/federate?match[]=up"), 401, OURS);
}

#[test]
fn header_bytes_that_are_not_utf_8_pass_and_end_nothing() {
    let bench = bench();
    let request = up().header("x-tenant", "a").header("x-bin", b"\xff\x80\xfe").header("user-agent", b"\xc3(");
    let recorded = bench.forwarded("header", &request);
    assert!(recorded.headers.contains(&("x-bin".into(), b"\xff\x80\xfe".to_vec())), "{recorded:?}");
    bench.refused("claim", &up().header("x-bin", b"\xff"), 401, OURS);
}

#[test]
fn identity_works_the_same_over_http_2() {
    let bench = bench();
    let request = up().bearer(&token(&json!({"tenants": "team-fruit"})));
    assert_eq!(send_h2(bench.port("claim"), &request, Ending::OnLast).expect("an answer").status, 200);
    assert_eq!(read(&only(&bench.arrived(&request).url_parameters(), "query")), [exactly("tenant", "team-fruit")]);
    let response = send_h2(bench.port("claim"), &up(), Ending::OnLast).expect("an answer");
    assert_refusal(&response, 401, OURS, "no token over HTTP/2");
}
