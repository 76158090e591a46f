//! What every product's Envoy must do, and the resources of Envoy Gateway and Higress served by a real one, in the shape in which their
//! control planes hand them over.

use super::control_plane::{Chain, envoy_gateway, higress, higress_configuration};
use super::{of_kind, resources};
use crate::envoy::matchers::{any_of, exactly, read};
use crate::support::bench::{Bench, OURS, only};
use crate::support::client::{get, post};
use crate::support::eventually;
use crate::support::tokens::{forged_token, token};
use prom_label_filter::config::parse;
use serde_json::{Value, json};

/// A token for this service that says whose it is.
pub(super) fn claims(tenants: &Value) -> Value {
    json!({"aud": "prometheus", "tenants": tenants})
}

/// Whether the upstream sees the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Stays,
    GoesOn,
}

/// Who refuses a request without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The filter, in Prometheus's JSON.
    Filter,
    /// A policy in front of it.
    Policy,
}

/// What every one of them promises: a query is narrowed to the tenants of its token, and without one it is refused.
pub(super) fn assert_narrows(bench: &Bench, host: &str, sees: Token, missing: Missing) {
    let at = |path: &str| get(format!("http://{host}{path}"));
    let fruit = token(&claims(&json!("team-fruit")));

    let asked = bench.forwarded("metrics", &at("/api/v1/query?query=up").bearer(&fruit));
    assert_eq!(read(&only(&asked.url_parameters(), "query")), [exactly("tenant", "team-fruit")]);
    assert_eq!(asked.all("thanos-tenant"), ["team-fruit"]);
    assert_eq!(asked.has("authorization"), sees == Token::GoesOn);

    let tomato = token(&claims(&json!(["team-fruit", "team-veggie"])));
    let form = post(format!("http://{host}/api/v1/query"), "query=up").bearer(&tomato);
    let asked = bench.forwarded("metrics", &form);
    assert_eq!(read(&only(&asked.form_parameters(), "query")), [any_of("tenant", &["team-fruit", "team-veggie"])]);

    // Only a header names whose a request is.
    for request in [at("/api/v1/query?query=up"), at(&format!("/api/v1/query?query=up&access_token={fruit}"))] {
        match missing {
            Missing::Filter => drop(bench.refused("metrics", &request, 401, OURS)),
            Missing::Policy => {
                assert_eq!(bench.send("metrics", &request).status, 403);
                bench.never_arrived(&request);
            }
        }
    }
    bench.refused("metrics", &at("/api/v1/query?query=up").bearer(&token(&json!({"aud": "prometheus"}))), 403, OURS);
    bench.refused("metrics", &at("/api/v1/status/config").bearer(&fruit), 404, OURS);
    for bad in [forged_token(&claims(&json!("team-fruit"))), token(&json!({"aud": "other", "tenants": "team-fruit"}))] {
        let request = at("/api/v1/query?query=up").bearer(&bad);
        let status = bench.send("metrics", &request).status;
        assert!([401, 403].contains(&status), "{status}");
        bench.never_arrived(&request);
    }
    assert_eq!(bench.envoy.reloads(), 0, "some input ended the VM");
}

/// The access log has whose a request was, and the metrics have the labels that the shipped rules for tags make.
pub(super) fn assert_observed(bench: &Bench, host: &str) {
    let request = get(format!("http://{host}/api/v1/query?query=up"));
    bench.forwarded("metrics", &request.bearer(&token(&claims(&json!("team-veggie")))));
    eventually("a line in the access log", || {
        let log = bench.envoy.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| {
            line["tenant"] == "team-veggie" && line["verdict"] == "forwarded" && line["path"] == "/api/v1/query"
        })
    });
    let metrics = bench.envoy.admin("/stats/prometheus");
    assert!(metrics.contains("prom_label_filter_requests_total{endpoint=\"query\"}"), "{metrics}");
}

#[test]
fn envoy_gateway_narrows() {
    let resources = resources("gateway/envoy-gateway.yaml");
    let bench = envoy_gateway(&resources).serve();
    assert_narrows(&bench, "metrics.example.com", Token::GoesOn, Missing::Filter);
    assert_observed(&bench, "metrics.example.com");

    // A form that is longer than what Envoy Gateway lets Envoy hold without the policy for clients.
    let long = format!("query=up{}", "%20".repeat(20_000));
    let form = || post("http://metrics.example.com/api/v1/query", &long).bearer(&token(&claims(&json!("team-fruit"))));
    bench.forwarded("metrics", &form());
    let without = Chain { buffer_limit: Some(32 << 10), ..envoy_gateway(&resources) }.serve();
    assert_eq!(without.send("metrics", &form()).status, 413);
}

#[test]
fn higress_narrows() {
    assert_narrows(
        &higress(&resources("gateway/higress.yaml")).serve(),
        "metrics.example.com",
        Token::Stays,
        Missing::Filter,
    );
}

#[test]
fn higress_rules_for_routes_are_refused_with_what_to_do() {
    let resources = resources("gateway/higress.yaml");
    let mut plugin = of_kind(&resources, "WasmPlugin").clone();
    plugin["spec"]["matchRules"] = json!([
        {"ingress": ["metrics/fruit"], "config": {"labels": [{"name": "tenant", "values": ["team-fruit"]}]}},
        {"domain": ["veggie.metrics.example"], "config": {"labels": [{"name": "tenant", "values": ["team-veggie"]}]}},
    ]);
    let refused =
        |plugin: &Value| parse(higress_configuration(plugin).to_string().as_bytes()).expect_err("refused").to_string();
    assert!(refused(&plugin).starts_with("_rules_: comes from `matchRules`"), "{}", refused(&plugin));
    // The rules alone.
    plugin["spec"]["defaultConfigDisable"] = json!(true);
    assert!(refused(&plugin).contains("_rules_: comes from `matchRules`"), "{}", refused(&plugin));
}
