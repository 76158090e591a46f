//! The resources under `envoy/sidecar`, `envoy/istio` and `envoy/gateway`: against the schemas of those who will read them, and served
//! by a real Envoy as their control planes hand them over.

mod agreement;
mod control_plane;
mod istio;
mod kubernetes;
mod products;
mod schemas;
mod served;
mod sidecar;

use crate::companion;
use crate::docs::{checkout, yaml};
use crate::support::envoy::WASM;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// The folders, each with its resources.
const FOLDERS: [&str; 3] = ["sidecar", "istio", "gateway"];

/// A file under `envoy/`.
fn text(path: &str) -> String {
    fs::read_to_string(checkout().join("envoy").join(path)).expect("the file")
}

/// The resources in a file under `envoy/`.
pub(crate) fn resources(path: &str) -> Vec<Value> {
    documents(&text(path))
}

/// The documents in a text of YAML.
fn documents(text: &str) -> Vec<Value> {
    serde_norway::Deserializer::from_str(text).map(|one| Value::deserialize(one).expect("YAML")).collect()
}

/// Every file of resources, by its path under `envoy/`.
pub(crate) fn files() -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(checkout().join("envoy").join(folder)).expect("the folder") {
            let path: PathBuf = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            assert!(name.ends_with(".yaml"), "{name} is none that is looked at");
            // Not a resource but what a resource holds, and what makes the resources.
            if !["envoy.yaml", "kustomization.yaml"].contains(&name.as_str()) {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(found.len() >= 8, "{found:?}");
    found.sort();
    found
}

/// The one resource of this kind.
fn of_kind<'r>(resources: &'r [Value], kind: &str) -> &'r Value {
    let mut found = resources.iter().filter(|resource| resource["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    one
}

/// The configurations of the filter that a value holds, wherever they stand in it.
fn policies(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(entries) => {
            if entries.get("labels").is_some_and(Value::is_array) {
                found.push(value.clone());
            }
            if entries.get("@type").is_some_and(|kind| kind == WASM) {
                found.push(yaml(value["config"]["configuration"]["value"].as_str().expect("a text")));
            }
            entries.values().for_each(|value| policies(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| policies(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_same_policy_is_in_each_and_the_companion_finds_nothing() {
    let mut paths = files();
    paths.push("sidecar/envoy.yaml".to_owned());
    let mut with_policy = Vec::new();
    for path in paths {
        // As a whole, with what the products make of it.
        let file = checkout().join("envoy").join(&path).display().to_string();
        let run = companion::run(["check", "--strict", &file]);
        assert_eq!(run.code, Some(0), "{path}: {run:?}");

        let mut found = Vec::new();
        resources(&path).iter().for_each(|resource| policies(resource, &mut found));
        for mut policy in found {
            let run = companion::run(["check", "--strict", &companion::path("filter.json", &policy.to_string())]);
            assert!(run.code == Some(0) && run.out.contains("no findings"), "{path}: {run:?}");

            // What a product's way to name the payload, and hosts in place of tokens, make different.
            let entries = policy.as_object_mut().expect("an object");
            let payload = entries.remove("jwt");
            assert_eq!(
                payload,
                (path == "gateway/envoy-gateway.yaml").then(|| json!({"payload_key": "idp"})),
                "{path}"
            );
            let source = if path == "istio/hosts.yaml" { "route_metadata" } else { "jwt_claim" };
            let claim = if path == "istio/hosts.yaml" { "tenant" } else { "tenants" };
            let expected = json!({
                "labels": [{"name": "tenant", source: claim}],
                "warnings": "scrub", "alerts_from_rules": true, "targets": "filter", "tenant_header": "THANOS-TENANT",
            });
            assert_eq!(policy, expected, "{path}");
            with_policy.push(path.clone());
        }
    }
    let expected = [
        "gateway/envoy-gateway.yaml",
        "gateway/higress.yaml",
        "istio/filter.yaml",
        "istio/hosts.yaml",
        "istio/querier.yaml",
        "sidecar/envoy.yaml",
    ];
    assert_eq!(with_policy, expected);
}
