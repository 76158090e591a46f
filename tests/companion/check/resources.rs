//! Resources of Kubernetes: each finding in one that is shipped, after it is spoiled.

use super::{check, damage};
use crate::companion::{path, run};
use crate::deployment::{files, resources};
use serde_json::{Value, json};

const ISTIO: &str = "istio/querier.yaml";
const HOSTS: &str = "istio/hosts.yaml";
const PATCH: &str = "istio/filter.yaml";
const GATEWAY: &str = "gateway/envoy-gateway.yaml";
const HIGRESS: &str = "gateway/higress.yaml";

/// Resources of a file, the kind of one, what is changed in it (`null` takes it away), and the finding: severity, the end of its
/// path, a part of its message.
type Case = (&'static str, &'static str, &'static str, Value, &'static str, &'static str, &'static str);

/// What is found: severity, path, message.
fn found(resources: &[Value]) -> Vec<[String; 3]> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": resources});
    let found = check(&list, &["--format", "json"]).json();
    let text = |one: &Value, key: &str| one[key].as_str().expect("a text").to_owned();
    let each = |one: &Value| ["severity", "path", "message"].map(|key| text(one, key));
    found.as_array().expect("a list").iter().map(each).collect()
}

/// Sets what stands at a pointer, or takes it away.
fn set(resource: &mut Value, pointer: &str, value: Value) {
    let (place, key) = pointer.rsplit_once('/').expect("a pointer");
    let place = resource.pointer_mut(place).unwrap_or_else(|| panic!("nothing at {place}"));
    if value.is_null() {
        place.as_object_mut().expect("an object").remove(key).expect("what is taken away");
    } else {
        place[key] = value;
    }
}

fn spoiled(file: &str, kind: &str, pointer: &str, value: Value) -> Vec<Value> {
    let mut all = resources(file);
    let one = all.iter_mut().find(|one| one["kind"] == kind).expect("a resource of the kind");
    set(one, pointer, value);
    all
}

#[test]
fn everything_risky_in_resources_is_found() {
    let by_header = json!([{"name": "tenant", "header": "x-tenant"}]);
    let cases: [Case; 24] = [
        (ISTIO, "WasmPlugin", "/spec/failStrategy", json!("FAIL_OPEN"), "error", "failStrategy", "pass without"),
        (ISTIO, "WasmPlugin", "/spec/failStrategy", json!("FAIL_CLOSE"), "warning", "failStrategy", "FAIL_RELOAD"),
        (ISTIO, "WasmPlugin", "/spec/failStrategy", json!(null), "warning", ": spec", "FAIL_RELOAD"),
        (ISTIO, "WasmPlugin", "/spec/phase", json!("AUTHN"), "error", "spec.phase", "every request is a 401"),
        (ISTIO, "WasmPlugin", "/spec/sha256", json!(null), "warning", ": spec", "another module"),
        (ISTIO, "WasmPlugin", "/spec/match/0/ports", json!([{"number": 9090}]), "warning", "match[0].ports", "around"),
        (ISTIO, "WasmPlugin", "/spec/pluginConfig", json!(null), "error", "spec.pluginConfig: labels", "is needed"),
        (
            ISTIO,
            "WasmPlugin",
            "/spec/pluginConfig/labelz",
            json!(1),
            "error",
            "pluginConfig: labelz",
            "unknown setting",
        ),
        (
            ISTIO,
            "WasmPlugin",
            "/spec/pluginConfig/jwt",
            json!({"payload_key": "idp"}),
            "error",
            "pluginConfig: jwt.payload_key",
            "leave this out",
        ),
        (
            ISTIO,
            "WasmPlugin",
            "/spec/pluginConfig/jwt",
            json!({"metadata_namespace": "idp"}),
            "error",
            "pluginConfig: jwt.metadata_namespace",
            "leave this out",
        ),
        (
            ISTIO,
            "WasmPlugin",
            "/spec/pluginConfig/hold_response_headers",
            json!(true),
            "error",
            "pluginConfig: hold_response_headers",
            "EnvoyFilter",
        ),
        (
            ISTIO,
            "WasmPlugin",
            "/spec/pluginConfig/labels",
            by_header,
            "note",
            "labels[0].header",
            "no client can send it",
        ),
        (
            ISTIO,
            "RequestAuthentication",
            "/kind",
            json!("Other"),
            "note",
            "labels[0].jwt_claim",
            "RequestAuthentication",
        ),
        (
            PATCH,
            "EnvoyFilter",
            "/spec/configPatches/0/patch/value/typed_config/config/failure_policy",
            json!("FAIL_OPEN"),
            "error",
            "EnvoyFilter prom-label-filter: spec.configPatches[0].patch.value.typed_config.config.failure_policy",
            "pass without",
        ),
        (
            PATCH,
            "EnvoyFilter",
            "/spec/configPatches/0/patch/value/name",
            json!("other"),
            "note",
            "[1].patch.value",
            "ECDS",
        ),
        (
            HOSTS,
            "EnvoyFilter",
            "/spec/configPatches/0/applyTo",
            json!("VIRTUAL_HOST"),
            "warning",
            "metadata.filter_metadata",
            "several hosts",
        ),
        (
            GATEWAY,
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/failOpen",
            json!(true),
            "error",
            "wasm[0].failOpen",
            "pass without",
        ),
        (
            GATEWAY,
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/code/image/sha256",
            json!(null),
            "warning",
            "wasm[0].code.image",
            "another module",
        ),
        (
            GATEWAY,
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/config/jwt",
            json!(null),
            "error",
            "SecurityPolicy metrics: spec.jwt.providers[0]",
            "jwt: {payload_key: idp}",
        ),
        (
            GATEWAY,
            "SecurityPolicy",
            "/spec/jwt/failOpen",
            json!(true),
            "warning",
            "spec.jwt.failOpen",
            "forged or expired",
        ),
        (GATEWAY, "SecurityPolicy", "/spec/jwt", json!(null), "note", "labels[0].jwt_claim", "called `idp`"),
        (HIGRESS, "WasmPlugin", "/spec/failStrategy", json!("FAIL_OPEN"), "error", "failStrategy", "FAIL_CLOSE"),
        (
            HIGRESS,
            "WasmPlugin",
            "/spec/matchRules",
            json!([{"domain": ["a"], "config": {}}]),
            "error",
            "spec.defaultConfig: _rules_",
            "comes from `matchRules`",
        ),
        (
            HIGRESS,
            "WasmPlugin",
            "/spec/defaultConfigDisable",
            json!(true),
            "error",
            "spec.defaultConfig: labels",
            "is needed",
        ),
    ];
    for (file, kind, pointer, value, severity, at, says) in cases {
        let hit =
            |[found, path, message]: &[String; 3]| found == severity && path.ends_with(at) && message.contains(says);
        let shown = found(&spoiled(file, kind, pointer, value));
        assert!(shown.iter().any(hit), "{pointer}, `{says}`, is not found: {shown:#?}");
        let shown = found(&resources(file));
        assert!(!shown.iter().any(hit), "`{says}` is found where it should not be: {shown:#?}");
    }
}

#[test]
fn whatever_brings_the_filter_is_known_and_the_rest_is_none_of_its_business() {
    let plugin = || {
        let one = resources(ISTIO).into_iter().find(|one| one["kind"] == "WasmPlugin").expect("the plugin");
        one["spec"].clone()
    };
    let successor = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "TrafficExtension",
        "metadata": {"name": "tenants"},
        "spec": {"phase": "AUTHN", "wasm": plugin()},
    });
    let paths: Vec<_> =
        found(&[successor]).into_iter().map(|[severity, path, _]| format!("{severity}: {path}")).collect();
    assert_eq!(
        paths,
        [
            "error: TrafficExtension tenants: spec.phase",
            "note: TrafficExtension tenants: spec.wasm.pluginConfig: labels[0].jwt_claim"
        ]
    );
    // Another plugin; one that only its settings tell; one of another group.
    let named = |version: &str, url: &str, settings: Value| json!({"apiVersion": version, "kind": "WasmPlugin", "spec": {"url": url, "sha256": "0", "pluginConfig": settings}});
    for (resource, is_known) in [
        (named("extensions.istio.io/v1alpha1", "oci://a/other:1", json!({})), false),
        (named("extensions.istio.io/v1alpha1", "oci://a/mirror:1", json!({"labels": []})), true),
        (named("extensions.istio.io/v1alpha1", "oci://a/prom-label-filter:1", json!({})), true),
        (named("extensions.example/v1", "oci://a/prom-label-filter:1", json!({"labels": []})), false),
        (json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "prom-label-filter"}}), false),
    ] {
        let shown = found(std::slice::from_ref(&resource));
        assert_ne!(shown.iter().any(|[_, _, message]| message == "no prom-label-filter in it"), is_known, "{resource}");
    }
}

#[test]
fn a_file_holds_resources_or_one_document() {
    let resource = "{apiVersion: v1, kind: Service, metadata: {name: a}}";
    for (text, said) in [
        (resource.to_owned(), ": 1 resource, prom-label-filter in 0 places: 1 note"),
        (
            format!("---\n{resource}\n---\n# nothing\n---\n{resource}\n"),
            ": 2 resources, prom-label-filter in 0 places: 1 note",
        ),
    ] {
        let run = run(["check", "--strict", &path("resources.yaml", &text)]);
        assert!(run.code == Some(0) && run.out.contains(said), "{text}: {run:?}");
    }
    for other in ["labels: []", "a", "- a", "kind: Service"] {
        let run = run(["check", &path("resources.yaml", &format!("{resource}\n---\n{other}\n"))]);
        assert!(run.code == Some(2) && run.errors.contains("holds 2 documents"), "{other}: {run:?}");
    }
}

#[test]
fn whatever_stands_in_resources_is_no_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    let shipped: Vec<_> = files().iter().map(|file| resources(file)).collect();
    for _ in 0..200 {
        let mut all = json!({"apiVersion": "v1", "kind": "List", "items": shipped[random.usize(..shipped.len())]});
        for _ in 0..random.usize(1..4) {
            damage(&mut all["items"], &mut random);
        }
        check(&all, &[]);
    }
}
