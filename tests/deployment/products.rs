//! What Istio, Envoy Gateway, the Gateway API and Higress read. Ignored but for `make manifests`, which brings the schemas. The rules
//! in CEL that some of them hold are not run.

use super::schemas::{Kubernetes, Products, is_kubernetes_own};
use super::{documents, files, of_kind, resources, text};
use crate::docs::checkout;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

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

#[test]
#[ignore = "needs the kustomize that make manifests brings"]
fn kustomize_makes_of_the_sidecar_what_kubernetes_takes() {
    let kustomize = checkout().join(".cache/bin/kustomize");
    let output = Command::new(kustomize).current_dir(checkout()).args(["build", "envoy/sidecar"]).output();
    let output = output.expect("kustomize starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = documents(&String::from_utf8(output.stdout).expect("text"));
    let kubernetes = Kubernetes::read();
    for resource in &made {
        assert_eq!(kubernetes.problems(resource), Vec::<String>::new(), "{resource}");
        assert_eq!(resource["metadata"]["namespace"], "metrics", "{resource}");
    }
    assert_eq!(made.len(), 6);

    // The configuration is the file's, and the pods have it by the name of its content: a change of it is a rollout.
    let map = of_kind(&made, "ConfigMap");
    assert_eq!(map["data"], json!({"envoy.yaml": text("sidecar/envoy.yaml")}));
    let name = map["metadata"]["name"].as_str().expect("a name");
    assert!(name.strip_prefix("prom-label-filter-").is_some_and(|hash| hash.len() == 10), "{name}");
    let volumes = of_kind(&made, "Deployment")["spec"]["template"]["spec"]["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().any(|volume| volume["configMap"]["name"] == name), "{volumes:?}");
}
