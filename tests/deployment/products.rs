//! What Istio, Envoy Gateway, the Gateway API and Higress read. Ignored but for `make manifests`, which brings the schemas. The rules
//! in CEL that some of them hold are not run.

use super::schemas::{Products, is_kubernetes_own};
use super::{files, resources};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
#[ignore = "needs the schemas that make manifests brings"]
fn the_products_take_their_resources() {
    let products = Products::read();
    let mut kinds = BTreeSet::new();
    for file in files() {
        for resource in resources(&file).iter().filter(|resource| !is_kubernetes_own(resource)) {
            assert_eq!(products.problems(resource), Vec::<String>::new(), "{file}: {}", resource["kind"]);
            kinds.insert(format!("{} {}", resource["kind"], resource["apiVersion"]).replace('"', ""));
        }
    }
    assert!(kinds.len() >= 10, "{kinds:?}");
}

#[test]
#[ignore = "needs the schemas that make manifests brings"]
fn the_products_find_what_is_wrong() {
    let products = Products::read();
    let spoil = |file: &str, kind: &str, pointer: &str, key: &str, value: Value| {
        let mut resource =
            resources(file).into_iter().find(|resource| resource["kind"] == kind).expect("a resource of the kind");
        resource.pointer_mut(pointer).expect("a place")[key] = value;
        products.problems(&resource)
    };
    for (file, kind, pointer, key, value) in [
        ("istio/querier.yaml", "WasmPlugin", "/spec", "failPolicy", json!("FAIL_CLOSE")),
        ("istio/querier.yaml", "WasmPlugin", "/spec", "phase", json!("AUTHORISATION")),
        ("istio/querier.yaml", "RequestAuthentication", "/spec/jwtRules/0", "jwksURL", json!("https://x")),
        ("istio/querier.yaml", "AuthorizationPolicy", "/spec", "action", json!("PERMIT")),
        ("istio/observe.yaml", "EnvoyFilter", "/spec/configPatches/0", "applyto", json!("BOOTSTRAP")),
        ("gateway/envoy-gateway.yaml", "EnvoyExtensionPolicy", "/spec/wasm/0", "failStrategy", json!("FAIL_CLOSE")),
        ("gateway/envoy-gateway.yaml", "SecurityPolicy", "/spec/jwt", "optional", json!("yes")),
        ("gateway/envoy-gateway.yaml", "HTTPRoute", "/spec/rules/0", "timeout", json!("1s")),
        ("gateway/envoy-gateway.yaml", "Gateway", "/spec/listeners/0", "port", json!(0)),
        ("gateway/higress.yaml", "WasmPlugin", "/spec", "failStrategy", json!("FAIL_RELOAD")),
    ] {
        assert!(!spoil(file, kind, pointer, key, value).is_empty(), "{kind} in {file} takes {key}");
    }
}
