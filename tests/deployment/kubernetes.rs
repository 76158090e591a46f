//! What Kubernetes itself reads. Ignored but for `make manifests`, which brings the schemas.

use super::schemas::{Kubernetes, is_kubernetes_own};
use super::{files, of_kind, resources};
use serde_json::{Value, json};

#[test]
#[ignore = "needs the schemas that make manifests brings"]
fn kubernetes_takes_its_own_resources() {
    let kubernetes = Kubernetes::read();
    let mut looked_at = 0;
    for file in files() {
        for resource in resources(&file).iter().filter(|resource| is_kubernetes_own(resource)) {
            assert_eq!(kubernetes.problems(resource), Vec::<String>::new(), "{file}");
            looked_at += 1;
        }
    }
    assert!(looked_at >= 6, "{looked_at}");
}

#[test]
#[ignore = "needs the schemas that make manifests brings"]
fn kubernetes_finds_what_is_wrong() {
    let kubernetes = Kubernetes::read();
    let deployment = resources("sidecar/deployment.yaml");
    let spoil = |pointer: &str, key: &str, value: Value| {
        let mut deployment = of_kind(&deployment, "Deployment").clone();
        deployment.pointer_mut(pointer).expect("a place")[key] = value;
        kubernetes.problems(&deployment)
    };
    for (pointer, key, value) in [
        ("/spec", "replica", json!(2)),
        ("/spec/template/spec/containers/0", "imagePullPolice", json!("Always")),
        ("/spec/template/spec/containers/0/securityContext", "runAsUser", json!("nobody")),
        ("/spec/template/spec/volumes/1/image", "url", json!("x")),
    ] {
        assert!(!spoil(pointer, key, value).is_empty(), "{pointer} takes {key}");
    }
}
