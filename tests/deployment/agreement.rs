//! What all of the resources have in common: none opens where it fails, and each says the same as the examples.

use super::{files, of_kind, resources, text};
use crate::docs::{checkout, yaml};
use serde_json::{Value, json};
use std::fs;

/// Every value of this key, wherever it stands.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(entries) => {
            found.extend(entries.get(key));
            entries.values().for_each(|value| all(value, key, found));
        }
        Value::Array(items) => items.iter().for_each(|value| all(value, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every value of this key in all of the resources.
fn everywhere(key: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for resource in files().iter().flat_map(|file| resources(file)) {
        let mut here = Vec::new();
        all(&resource, key, &mut here);
        found.extend(here.into_iter().cloned());
    }
    found
}

#[test]
fn none_lets_a_request_pass_when_it_fails() {
    let strategies = everywhere("failStrategy");
    assert_eq!(strategies.len(), 3);
    assert!(strategies.iter().all(|one| *one == "FAIL_RELOAD" || *one == "FAIL_CLOSE"), "{strategies:?}");
    assert_eq!(everywhere("failure_policy"), ["FAIL_RELOAD"]);
    assert_eq!(everywhere("failOpen"), [json!(false)]);
    assert_eq!(everywhere("fail_open"), Vec::<Value>::new());
    assert_eq!(everywhere("allow_missing_or_failed"), Vec::<Value>::new());
}

#[test]
fn each_names_this_version_of_the_image_by_digest() {
    let image = concat!("registry.example.com/prom-label-filter:", env!("CARGO_PKG_VERSION"));
    let with_scheme = format!("oci://{image}");
    let named: Vec<Value> = ["url", "uri", "reference"]
        .iter()
        .flat_map(|key| everywhere(key))
        .filter(|one| one.as_str().is_some_and(|one| one.contains("prom-label-filter")))
        .collect();
    assert_eq!(named.len(), 6);
    assert!(named.iter().all(|one| *one == image || *one == with_scheme.as_str()), "{named:?}");
    // One that no image has, so that nothing runs by accident.
    let digests = everywhere("sha256");
    assert!(digests.len() == 5 && digests.iter().all(|digest| *digest == "0".repeat(64)), "{digests:?}");
}

#[test]
fn access_log_and_labels_of_metrics_are_those_of_the_examples() {
    let example = fs::read_to_string(checkout().join("envoy/examples/jwt.yaml")).expect("the example");
    let example = yaml(&example);
    let one = |value: &Value, key: &str| {
        let mut found = Vec::new();
        all(value, key, &mut found);
        assert_eq!(found.len(), 1, "{key}");
        found[0].clone()
    };
    let gateway = of_kind(&resources("gateway/envoy-gateway.yaml"), "EnvoyProxy").clone();
    let its_bootstrap = yaml(gateway["spec"]["bootstrap"]["value"].as_str().expect("a text"));
    let [sidecar, istio] = ["sidecar/envoy.yaml", "istio/observe.yaml"].map(|file| yaml(&text(file)));
    let format = one(&example, "json_format");
    for found in [one(&sidecar, "json_format"), one(&istio, "json_format"), one(&gateway, "json")] {
        assert_eq!(found, format);
    }
    let tags = one(&example, "stats_tags");
    for found in [&sidecar, &istio, &its_bootstrap] {
        assert_eq!(one(found, "stats_tags"), tags);
    }
}

#[test]
fn istio_closes_what_no_filter_sees() {
    let resources = resources("istio/querier.yaml");
    let port = of_kind(&resources, "Service")["spec"]["ports"][0].clone();
    // What Istio took for TCP would have no HTTP filter in front.
    assert_eq!(port["appProtocol"], "http");

    // A list of ports would leave the chain of all other ports without the filter.
    let plugin = &of_kind(&resources, "WasmPlugin")["spec"];
    assert_eq!(plugin["match"], json!([{"mode": "SERVER"}]));

    let rules = |name: &str| {
        let mut policies = resources.iter().filter(|one| one["kind"] == "AuthorizationPolicy");
        let policy = policies.find(|one| one["metadata"]["name"] == name).expect("the policy");
        assert_eq!(policy["spec"]["action"], "ALLOW");
        let [rule] = policy["spec"]["rules"].as_array().expect("rules").as_slice() else { panic!("one rule") };
        (policy["spec"]["selector"].clone(), rule.clone())
    };
    let (selector, rule) = rules("thanos-querier");
    assert_eq!(selector, plugin["selector"]);
    let operation = &rule["to"][0]["operation"];
    assert_eq!(operation["ports"], json!([port["targetPort"].to_string()]));
    // Named, so that the rule never matches TCP.
    assert!(operation["methods"].as_array().is_some_and(|methods| !methods.is_empty()));
    let issuer = &of_kind(&resources, "RequestAuthentication")["spec"]["jwtRules"][0]["issuer"];
    assert_eq!(rule["when"], json!([{"key": "request.auth.claims[iss]", "values": [issuer]}]));

    let (selector, rule) = rules("thanos-stores");
    assert_ne!(selector, plugin["selector"]);
    assert_eq!(rule["from"][0]["source"]["principals"], json!(["cluster.local/ns/metrics/sa/thanos-querier"]));
    assert_eq!(rule["to"], json!([{"operation": {"ports": ["10901"]}}]));
}

#[test]
fn every_resource_is_told_of() {
    let readme = text("README.md");
    for file in files().iter().filter(|file| !file.starts_with("sidecar/")) {
        assert!(readme.contains(&format!("]({file})")), "envoy/README.md does not tell of {file}");
    }
    assert!(readme.contains("](sidecar/kustomization.yaml)"));
}
