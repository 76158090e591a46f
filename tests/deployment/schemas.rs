//! Schemas as an API server applies them. `.ci/setup schemas` brings those of Kubernetes, Istio and Envoy Gateway; Higress's is
//! written from its documentation.

use crate::docs::{checkout, yaml};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Where they are.
fn brought(name: &str) -> PathBuf {
    let path = checkout().join(".cache/schemas").join(name);
    assert!(path.exists(), "{} is missing: run make manifests", path.display());
    path
}

/// A resource's group, version and kind.
fn kind_of(resource: &Value) -> (&str, &str, &str) {
    let text = |key: &str| resource[key].as_str().unwrap_or_else(|| panic!("no {key} in {resource}"));
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    (group, version, text("kind"))
}

/// Whether the kind is one of Kubernetes's own.
pub(super) fn is_kubernetes_own(resource: &Value) -> bool {
    let (group, _, _) = kind_of(resource);
    ["", "apps", "networking.k8s.io"].contains(&group)
}

/// Kubernetes's own, strict: nothing that they do not know passes.
#[derive(Debug)]
pub(super) struct Kubernetes {
    definitions: Value,
}

impl Kubernetes {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(brought("kubernetes/definitions.json")).expect("the schemas");
        // Each refers to the others by where it was published.
        let text = text.replace("/api/_definitions.json#", "#");
        let mut definitions: Value = serde_json::from_str(&text).expect("JSON");
        definitions.as_object_mut().expect("an object").remove("$id");
        Self { definitions }
    }

    pub(super) fn problems(&self, resource: &Value) -> Vec<String> {
        let (group, version, kind) = kind_of(resource);
        let wanted = json!({"group": group, "version": version, "kind": kind});
        let all = self.definitions["$defs"].as_object().expect("definitions");
        let (name, _) = all
            .iter()
            .find(|(_, one)| {
                one["x-kubernetes-group-version-kind"].as_array().is_some_and(|kinds| kinds.contains(&wanted))
            })
            .unwrap_or_else(|| panic!("Kubernetes has no {wanted}"));
        let mut schema = self.definitions.clone();
        schema["$ref"] = json!(format!("#/$defs/{name}"));
        found(&jsonschema::draft202012::new(&schema).expect("the schema is a schema"), resource)
    }
}

/// The products' custom resource definitions.
#[derive(Debug)]
pub(super) struct Products {
    /// The texts of the definitions: parsing all of them would take longer than everything else here.
    texts: Vec<String>,
}

impl Products {
    pub(super) fn read() -> Self {
        let mut files: Vec<PathBuf> = fs::read_dir(brought("crds"))
            .expect("the schemas")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/higress.yaml"));
        let read = |file: &PathBuf| fs::read_to_string(file).expect("the schemas");
        let split = |text: String| text.split("\n---\n").map(str::to_owned).collect::<Vec<_>>();
        Self { texts: files.iter().map(read).flat_map(split).collect() }
    }

    pub(super) fn problems(&self, resource: &Value) -> Vec<String> {
        let (group, version, kind) = kind_of(resource);
        let (group_line, kind_text) = (format!("  group: {group}\n"), format!("kind: {kind}"));
        let definition = self
            .texts
            .iter()
            .filter(|text| text.contains(&group_line) && text.contains(&kind_text))
            .map(|text| yaml(text))
            .find(|definition| definition["spec"]["names"]["kind"] == kind)
            .unwrap_or_else(|| panic!("no product defines {kind} of {group}"));
        let versions = definition["spec"]["versions"].as_array().expect("versions");
        let served = versions
            .iter()
            .find(|one| one["name"] == version && one["served"] == true)
            .unwrap_or_else(|| panic!("{kind} of {group} is not served as {version}"));
        let mut schema = served["schema"]["openAPIV3Schema"].clone();
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            schema["properties"][name] = json!({"type": kind, "x-kubernetes-preserve-unknown-fields": true});
        }
        as_json_schema(&mut schema);
        found(&jsonschema::draft4::new(&schema).expect("the schema is a schema"), resource)
    }
}

/// Makes of a structural schema what refuses each field that an API server would drop or refuse.
// Kubernetes: apiextensions.k8s.io, "Specifying a structural schema", "Field pruning"
fn as_json_schema(schema: &mut Value) {
    let Value::Object(entries) = schema else { return };
    if entries.remove("x-kubernetes-int-or-string") == Some(json!(true)) {
        entries.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if entries.remove("nullable") == Some(json!(true))
        && let Some(kind) = entries.get("type").cloned()
    {
        entries.insert("type".to_owned(), json!([kind, "null"]));
    }
    let keeps = entries.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    if !keeps && entries.contains_key("properties") && !entries.contains_key("additionalProperties") {
        entries.insert("additionalProperties".to_owned(), json!(false));
    }
    // Not what stands under `allOf` and its like: that checks values, and tells of no field.
    if let Some(Value::Object(properties)) = entries.get_mut("properties") {
        properties.values_mut().for_each(as_json_schema);
    }
    for name in ["items", "additionalProperties"] {
        entries.get_mut(name).map(as_json_schema);
    }
}

fn found(validator: &jsonschema::Validator, resource: &Value) -> Vec<String> {
    validator.iter_errors(resource).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
