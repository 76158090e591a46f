//! Tenants that the URL or the form names: `query_param` and `path_param`. What names them never goes on, and what a client adds to
//! what a proxy has set gains nothing.

use super::matchers::{Matcher, any_of, exactly, read};
use crate::support::bench::{BAD_DATA, Bench, InUse, OURS, assert_refusal, only};
use crate::support::client::{Body, Request, get, post, request};
use crate::support::envoy::{Listener, route, virtual_host};
use crate::support::tokens::{ISSUER, key_set, token};
use crate::support::upstream::{Answer, Recorded};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Exemplars of two tenants, as a store that overlooks matchers answers.
const EVERYBODYS: &str = r#"{"status":"success","data":[{"seriesLabels":{"tenant":"fruit"},"exemplars":[]},{"seriesLabels":{"tenant":"veggie"},"exemplars":[]}]}"#;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let parameter = json!({"labels": [{"name": "tenant", "query_param": "tenant"}]});
    let with = |key: &str, value: Value| {
        let mut configuration = parameter.clone();
        configuration[key] = value;
        configuration
    };
    let path = |prefix: &str| json!({"labels": [{"name": "tenant", "path_param": "team"}], "path_prefix": prefix});
    let mut stripping = route("upstream");
    stripping["route"]["regex_rewrite"] = json!({"pattern": {"regex": "^/tenants/[^/]+(/.*)$"}, "substitution": "\\1"});
    Bench::start([
        Listener::new("parameter", parameter.clone()),
        Listener::new("accounted", with("tenant_header", json!("THANOS-TENANT"))),
        Listener::new("open", with("danger_passthrough_paths", json!(["/status"]))),
        Listener::new(
            "all",
            json!({"labels": [{"name": "tenant", "query_param": "tenant"}], "remote_read": "rewrite", "targets": "filter"}),
        ),
        Listener::new(
            "mapped",
            json!({"labels": [{"name": "tenant", "query_param": "tenant", "values_map": {"tomato": ["fruit", "veggie"]},
                "values_map_only": true, "danger_unrestricted": ["sre"]}]}),
        ),
        Listener::new("answered-by-envoy", parameter.clone()).virtual_hosts(json!([virtual_host(
            "all",
            "*",
            json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": EVERYBODYS}}}])
        )])),
        Listener::new("pattern", json!({"labels": [{"name": "tenant", "query_param": "tenant", "regex_match": true}]})),
        Listener::new(
            "mixed",
            json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}, {"name": "cluster", "query_param": "cluster"},
                {"name": "stage", "query_param": "cluster"}]}),
        )
        .jwt(),
        Listener::new("path", path("/tenants/{team}")).virtual_hosts(json!([virtual_host(
            "all",
            "*",
            json!([stripping])
        )])),
        Listener::new("guarded", path("/tenants/{team}")).behind(json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"own": {"issuer": ISSUER, "local_jwks": {"inline_string": key_set()}}},
                "rules": [
                    {"match": {"prefix": "/tenants/fruit/"}, "requires": {"provider_name": "own"}},
                    {"match": {"prefix": "/tenants/veggie/"}, "requires": {"provider_name": "own"}},
                ],
            },
        })),
        Listener::new("replaced", parameter.clone()).behind(json!({
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"query_parameter_mutations": [
                    {"remove": "tenant"},
                    {"append": {"record": {"key": "tenant", "value": "fruit"}, "action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
                ]},
            },
        })),
        Listener::new("inner", path("/t/{team}/prom/")),
        Listener::new(
            "path-ui",
            json!({"labels": [{"name": "tenant", "path_param": "team"}], "path_prefix": "/tenants/{team}", "ui": "pass",
                "alertmanager": {"enabled": true, "path_prefix": "/am/{team}", "cluster_path_prefix": "/"}}),
        ),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

/// The matchers of the query that went on, in the URL or the form; and that nothing names a tenant there.
#[track_caller]
fn enforced(bench: &Bench, listener: &str, request: &Request) -> Vec<Matcher> {
    let recorded = bench.forwarded(listener, request);
    assert_nameless(&recorded);
    let parameters = [recorded.url_parameters(), recorded.form_parameters()].concat();
    read(&only(&parameters, "query"))
}

#[track_caller]
fn assert_nameless(recorded: &Recorded) {
    for parameters in [recorded.url_parameters(), recorded.form_parameters()] {
        assert!(!parameters.iter().any(|(name, _)| name == "tenant"), "{recorded:?}");
    }
}

#[test]
fn a_parameter_of_url_or_form_names_the_tenant_and_does_not_go_on() {
    let bench = bench();
    for request in [
        get("/api/v1/query?query=up&tenant=fruit"),
        get("/api/v1/query?tenant=fruit&query=up"),
        get("/api/v1/query?%74enant=fru%69t&query=up"),
        post("/api/v1/query", "query=up&tenant=fruit"),
        post("/api/v1/query?tenant=fruit", "query=up"),
        post("/api/v1/query?tenant=fruit&query=up", ""),
        post("/api/v1/query?query=up", "tenant=fruit"),
        // The form may say what the URL says.
        post("/api/v1/query?tenant=fruit", "query=up&tenant=fruit"),
        post("/api/v1/query_range?tenant=fruit", "query=up&start=1&end=2&step=1"),
        request("POST", "/api/v1/query?query=up&tenant=fruit"),
    ] {
        assert_eq!(enforced(&bench, "parameter", &request), [exactly("tenant", "fruit")], "{request:?}");
    }
}

#[test]
fn several_parameters_are_several_tenants() {
    let bench = bench();
    let both = [any_of("tenant", &["fruit", "veggie"])];
    for request in [
        get("/api/v1/query?tenant=veggie&query=up&tenant=fruit&tenant=veggie"),
        post("/api/v1/query", "tenant=veggie&tenant=fruit&query=up"),
        post("/api/v1/query?tenant=veggie&tenant=fruit", "query=up&tenant=fruit"),
    ] {
        assert_eq!(enforced(&bench, "parameter", &request), both, "{request:?}");
    }
}

#[test]
fn a_form_gains_nothing_beside_a_url_that_names_the_tenant() {
    let bench = bench();
    for form in ["query=up&tenant=veggie", "query=up&tenant=fruit&tenant=veggie", "query=up&tenant="] {
        let request = post("/api/v1/query?tenant=fruit", form);
        let response = bench.refused_in_body("parameter", &request, 403, OURS);
        assert!(!response.text().contains("veggie"), "{}", response.text());
        assert!(response.text().contains("leave it out of the form"), "{}", response.text());
    }
}

#[test]
fn a_parameter_that_is_missing_is_401_and_one_that_is_unusable_403() {
    let bench = bench();
    for target in
        ["/api/v1/query?query=up", "/api/v1/query?query=up&Tenant=fruit", "/api/v1/query?query=up&tenant[]=fruit"]
    {
        let response = bench.refused("parameter", &get(target), 401, OURS);
        assert!(response.header("www-authenticate").is_none(), "{response:?}");
        assert!(response.text().contains("the parameter `tenant`"), "{}", response.text());
    }
    bench.refused("parameter", &get("/api/v1/metadata"), 401, OURS);
    bench.refused("parameter", &request("POST", "/api/v1/query?query=up"), 401, OURS);
    bench.refused_in_body("parameter", &post("/api/v1/query?query=up", "time=1"), 401, OURS);
    bench.refused_in_body("parameter", &post("/api/v1/query", ""), 401, OURS);
    for bad in ["", "%ff", "a%0Ab", "%7F", "a&tenant="] {
        bench.refused("parameter", &get(format!("/api/v1/query?query=up&tenant={bad}")), 403, OURS);
        bench.refused("parameter", &post(format!("/api/v1/query?tenant={bad}"), "query=up"), 403, OURS);
        bench.refused_in_body("parameter", &post("/api/v1/query", format!("query=up&tenant={bad}")), 403, OURS);
    }
    let many: String = (0..1001).map(|n| format!("&tenant=t{n}")).collect();
    // More parameters than `limits.parameters`, and more values than `limits.values` by an item or two.
    bench.refused("parameter", &get(format!("/api/v1/query?query=up{many}")), 400, OURS);
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused_before_the_tenant() {
    let bench = bench();
    for target in [
        "/api/v1/query?query=up;tenant=fruit",
        "/api/v1/query?query=up&tenant=%zz",
        "/api/v1/query?tenant=%00&query=up",
    ] {
        bench.refused("parameter", &get(target), 400, BAD_DATA);
        bench.refused("parameter", &post(target, ""), 400, BAD_DATA);
    }
    bench.refused_in_body("parameter", &post("/api/v1/query", "query=up;tenant=fruit"), 400, BAD_DATA);
    bench.refused_in_body("parameter", &post("/api/v1/query?tenant=fruit", "query=up&x=%"), 400, BAD_DATA);
}

#[test]
fn every_endpoint_takes_its_tenant_from_the_parameter() {
    let bench = bench();
    for (target, name) in [
        ("/api/v1/series?match[]=up", "match[]"),
        ("/api/v1/labels?", "match[]"),
        ("/api/v1/label/job/values?", "match[]"),
        ("/federate?match[]=up", "match[]"),
        ("/api/v1/targets/metadata?", "match_target"),
    ] {
        let recorded = bench.forwarded("all", &get(format!("{target}&tenant=fruit")));
        assert_nameless(&recorded);
        assert_eq!(read(&only(&recorded.url_parameters(), name)), [exactly("tenant", "fruit")], "{target}");
    }
    for target in ["/api/v1/status/buildinfo", "/api/v1/format_query?query=up"] {
        bench.refused("all", &get(target), 401, OURS);
    }
    // A remote read is no form: its URL must name the tenant.
    let read = request("POST", "/api/v1/read")
        .header("content-type", "application/x-protobuf")
        .body(Body::Length(b"tenant=fruit".to_vec()));
    bench.refused("all", &read, 401, OURS);
}

#[test]
fn names_are_mapped_and_lifted_from_parameters_too() {
    let bench = bench();
    let tomato = any_of("tenant", &["fruit", "veggie"]);
    assert_eq!(enforced(&bench, "mapped", &post("/api/v1/query", "query=up&tenant=tomato")), [tomato]);
    let lifted = bench.forwarded("mapped", &post("/api/v1/query", "query=up&tenant=sre"));
    assert_eq!((only(&lifted.form_parameters(), "query").as_str(), lifted.form_parameters().len()), ("up", 1));
    bench.refused("mapped", &get("/api/v1/query?query=up&tenant=fruit"), 403, OURS);
    bench.refused_in_body("mapped", &post("/api/v1/query", "query=up&tenant=fruit"), 403, OURS);
    bench.refused("pattern", &get("/api/v1/query?query=up&tenant=a.%2B&tenant=b"), 403, OURS);
    bench.refused_in_body("pattern", &post("/api/v1/query", "query=up&tenant=.*"), 403, OURS);
}

#[test]
fn an_answer_is_filtered_for_the_tenant_that_the_form_names() {
    let bench = bench();
    let ask = |tenant: &str| {
        let request = post("/api/v1/query_exemplars", format!("query=up&start=1&end=2&tenant={tenant}"));
        bench.upstream.answer(&request, Answer::json(200, EVERYBODYS));
        let response = bench.send("mapped", &request);
        assert_eq!(bench.arrived(&request).all("accept-encoding"), ["identity"]);
        (response.status, response.text())
    };
    assert_eq!(ask("sre"), (200, EVERYBODYS.to_owned()));
    let (status, both) = ask("tomato");
    assert!(status == 200 && both.contains("fruit") && both.contains("veggie"), "{status} {both}");
    let request = post("/api/v1/query_exemplars", "query=up&start=1&end=2&tenant=fruit");
    bench.upstream.answer(&request, Answer::json(200, EVERYBODYS));
    let text = bench.send("parameter", &request).text();
    assert!(text.contains("fruit") && !text.contains("veggie"), "{text}");
}

#[test]
fn a_success_that_comes_before_the_form_is_nobodys_answer() {
    let bench = bench();
    for target in ["/api/v1/query_exemplars", "/api/v1/query", "/api/v1/query_exemplars?tenant=fruit"] {
        let response = bench.send("answered-by-envoy", &post(target, "query=up&start=1&end=2&tenant=fruit"));
        assert_refusal(&response, 502, OURS, target);
        assert!(!response.text().contains("veggie"), "{}", response.text());
    }
}

#[test]
fn labels_of_several_sources_are_all_enforced() {
    let bench = bench();
    let bearer = token(&json!({"tenants": ["fruit"]}));
    let all = [exactly("tenant", "fruit"), exactly("cluster", "c1"), exactly("stage", "c1")];
    assert_eq!(enforced(&bench, "mixed", &get("/api/v1/query?query=up&cluster=c1").bearer(&bearer)), all);
    assert_eq!(enforced(&bench, "mixed", &post("/api/v1/query", "query=up&cluster=c1").bearer(&bearer)), all);
    // What the headers show is decided first.
    bench.refused("mixed", &post("/api/v1/query", "query=up;cluster=c1"), 401, OURS);
    bench.refused_in_body("mixed", &post("/api/v1/query", "query=up").bearer(&bearer), 401, OURS);
}

#[test]
fn the_upstream_is_told_the_tenant_that_the_url_names() {
    let bench = bench();
    let recorded = bench.forwarded("accounted", &post("/api/v1/query?tenant=fruit", "query=up"));
    assert_eq!(recorded.all("thanos-tenant"), ["fruit"]);
    // Headers go on before the form comes, so a form is too late to say it.
    bench.refused("accounted", &post("/api/v1/query", "query=up&tenant=fruit"), 401, OURS);
}

#[test]
fn paths_that_pass_unread_lose_the_parameter() {
    let bench = bench();
    for (sent, left) in [
        ("/status?a=1&tenant=x&b=%zz", "a=1&b=%zz"),
        ("/status?%74enant=x", ""),
        ("/status?a;tenant=x;b", "a&b"),
        ("/status?ten+ant&tenant", "ten+ant"),
    ] {
        assert_eq!(bench.forwarded("open", &get(sent)).raw_query(), left, "{sent}");
    }
}

#[test]
fn a_segment_of_the_path_names_the_tenant() {
    let bench = bench();
    for (listener, target, path) in [
        ("path", "/tenants/fruit/api/v1/query?query=up", "/api/v1/query"),
        ("path", "/tenants/fruit/api/v1/%71uery?query=up", "/api/v1/%71uery"),
        ("inner", "/t/fruit/prom/api/v1/query?query=up", "/t/fruit/prom/api/v1/query"),
    ] {
        let recorded = bench.forwarded(listener, &get(target));
        assert_eq!(recorded.path(), path);
        assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "fruit")]);
    }
    let recorded = bench.forwarded("path", &post("/tenants/caf%C3%A9/api/v1/query", "query=up"));
    assert_eq!(read(&only(&recorded.form_parameters(), "query")), [exactly("tenant", "café")]);
    assert_eq!(recorded.path(), "/api/v1/query");
}

#[test]
fn a_path_without_the_segment_is_not_served() {
    let bench = bench();
    for target in [
        "/api/v1/query?query=up",
        "/tenants/api/v1/query?query=up",
        "/tenants//api/v1/query?query=up",
        "/tenants/a/b/api/v1/query?query=up",
        "/tenants/a%2Fb/api/v1/query?query=up",
        "/tenants/%2e%2e/api/v1/query?query=up",
        "/tenants/../api/v1/query?query=up",
        "/tenants/a%0Ab/api/v1/query?query=up",
        "/tenants/a%ff/api/v1/query?query=up",
        "/tenants/a%25/api/v1/query?query=up",
        "/Tenants/a/api/v1/query?query=up",
        "/tenants/fruit/federate/?match[]=up",
    ] {
        bench.refused("path", &get(target), 404, OURS);
    }
    for target in
        ["/t/fruit/api/v1/query?query=up", "/t/fruit/promx/api/v1/query?query=up", "/t/prom/api/v1/query?query=up"]
    {
        bench.refused("inner", &get(target), 404, OURS);
    }
}

#[test]
fn pages_and_alertmanager_stand_behind_their_named_prefix() {
    let bench = bench();
    assert_eq!(bench.forwarded("path-ui", &get("/tenants/fruit/graph")).path(), "/tenants/fruit/graph");
    bench.refused("path-ui", &get("/graph"), 404, OURS);
    let alerts = bench.forwarded("path-ui", &get("/am/fruit/api/v2/alerts"));
    assert_eq!(only(&alerts.url_parameters(), "filter"), r#"tenant="fruit""#);
    bench.refused("path-ui", &get("/am/api/v2/alerts"), 404, OURS);
}

#[test]
fn a_tenants_path_has_one_spelling_so_whoever_guards_it_in_front_reads_the_same() {
    let bench = bench();
    assert_eq!(bench.send("guarded", &get("/tenants/veggie/api/v1/query?query=up")).status, 401);
    for target in [
        "/tenants/veg%67ie/api/v1/query?query=up",
        "/tenants/%76%65%67%67%69%65/api/v1/query?query=up",
        "/%74enants/veggie/api/v1/query?query=up",
        "/tenants/veggie%2D/api/v1/query?query=up",
        "/tenants/caf%c3%a9/api/v1/query?query=up",
    ] {
        bench.refused("guarded", &get(target), 404, OURS);
    }
}

/// Why `check` calls this set-up an error.
#[test]
fn what_envoy_itself_replaces_a_client_can_add_to() {
    let bench = bench();
    let plain = get("/api/v1/query?tenant=veggie&%74enant=sre&query=up");
    assert_eq!(enforced(&bench, "replaced", &plain), [exactly("tenant", "fruit")]);
    let added = get("/api/v1/query?x=1%26tenant=veggie&query=up");
    assert_eq!(enforced(&bench, "replaced", &added), [any_of("tenant", &["fruit", "veggie"])]);
}
