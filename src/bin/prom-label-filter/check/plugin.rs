//! The filter in a chain of HTTP filters: whether it is ours, what its configuration says, how it fails, what follows it.
//!
//! Must not know where identities come from, nor routes.

use super::envoy::{Filter, Manager, type_of};
use super::finding::Findings;
use super::node::Node;
use super::settings::Settings;
use prom_label_filter::value::Value;

/// One use of prom-label-filter.
#[derive(Debug)]
pub(crate) struct Plugin<'m, 'v> {
    pub(crate) filter: &'m Filter<'v>,
    /// What it is configured with; none where that does not stand in the document, or cannot be read.
    pub(crate) settings: Option<Settings>,
}

/// What a module of ours is called, in a path or a name.
const NAMES: [&str; 2] = ["prom-label-filter", "prom_label_filter"];

/// Whether a text names a module of ours.
pub(crate) fn is_named(text: Option<&str>) -> bool {
    NAMES.iter().any(|name| text.is_some_and(|text| text.contains(name)))
}

impl<'m, 'v> Plugin<'m, 'v> {
    /// The filter as ours, if it is. A configuration that cannot be read is a finding.
    pub(crate) fn find(filter: &'m Filter<'v>, findings: &mut Findings) -> Option<Self> {
        if filter.is_discovered() {
            return is_named(Some(filter.name)).then_some(Self { filter, settings: None });
        }
        let plugin = filter.settings.get("config").filter(|_| filter.kind == "Wasm")?;
        let code = plugin.at("vm_config.code");
        let mut ours = is_named(Some(filter.name))
            || is_named(plugin.text("name"))
            || is_named(plugin.at("vm_config").and_then(|vm| vm.text("vm_id")))
            || code.is_some_and(|code| code.within().iter().any(|node| is_named(node.value.as_str())));
        let configuration = plugin.get("configuration");
        let read = configuration.as_ref().map(configured);
        ours |= matches!(&read, Some(Ok(settings)) if settings.has_labels());
        if !ours {
            return None;
        }
        let settings = match read {
            Some(Ok(settings)) => Some(settings),
            Some(Err((path, message))) => {
                findings.error(&path, message);
                None
            }
            // The library says what is needed.
            None => Some(Settings::new(format!("{}.configuration: ", plugin.path), Value::Null)),
        };
        Some(Self { filter, settings })
    }

    /// What can be said of the filter itself.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let Some(settings) = &self.settings else {
            if self.filter.is_discovered() {
                findings.note(
                    &self.filter.node.path,
                    "its configuration is discovered (ECDS) and does not stand here; check that file as well",
                );
            }
            return;
        };
        settings.check(findings);
        let Some(plugin) = self.filter.settings.get("config") else { return };
        failure(&plugin, findings);
        if let Some(path) = settings.holds_response_headers()
            && !plugin.is_true("allow_on_headers_stop_iteration")
        {
            findings.error(
                &path,
                "answers that are filtered hang: set `allow_on_headers_stop_iteration: true` in the plugin's `config`, or leave \
                 this out",
            );
        }
    }

    /// What stands between the filter and the router.
    pub(crate) fn check_position(&self, manager: &Manager<'_>, findings: &mut Findings) {
        let after = manager.filters.iter().skip_while(|filter| filter.node.path != self.filter.node.path).skip(1);
        for later in after.filter(|later| !later.is_router() && !later.is_disabled()) {
            findings.warning(
                &later.node.path,
                format!(
                    "runs after `{}`: what it changes is not checked again; put the filter last before the router",
                    self.filter.name
                ),
            );
        }
    }
}

/// What becomes of requests when the module crashes.
fn failure(plugin: &Node<'_>, findings: &mut Findings) {
    if let Some(open) = plugin.get("fail_open").filter(|open| *open.value == Value::Bool(true)) {
        findings.error(
            &open.path,
            "when the module crashes, requests pass without a tenant's matcher; remove it and use `failure_policy: FAIL_RELOAD`",
        );
        return;
    }
    let policy = plugin.get("failure_policy");
    let (path, written) = match &policy {
        Some(policy) => (policy.path.as_str(), word(policy.value)),
        None => (plugin.path.as_str(), None),
    };
    match written {
        Some("FAIL_RELOAD") => {}
        Some("FAIL_OPEN") => findings.error(
            path,
            "when the module crashes, requests pass without a tenant's matcher; use `failure_policy: FAIL_RELOAD`",
        ),
        _ => findings.warning(
            path,
            "when the module crashes once, every request is a 503 until Envoy is restarted; use `failure_policy: FAIL_RELOAD`",
        ),
    }
}

/// A failure policy's name, which protobuf's JSON may also write as its number.
// Envoy: api/envoy/extensions/wasm/v3/wasm.proto (FailurePolicy)
fn word(policy: &Value) -> Option<&str> {
    match policy {
        Value::String(word) => Some(word),
        Value::Number(number) if number.to_bits() == 1_f64.to_bits() => Some("FAIL_RELOAD"),
        Value::Number(number) if number.to_bits() == 3_f64.to_bits() => Some("FAIL_OPEN"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => None,
    }
}

/// The settings in the plugin's `configuration`, or why they cannot be read, and where.
fn configured(any: &Node<'_>) -> Result<Settings, (String, String)> {
    let Some(kind) = type_of(any) else {
        return Err((
            any.path.clone(),
            "needs an `@type`: `type.googleapis.com/google.protobuf.StringValue`".to_owned(),
        ));
    };
    let value = any.get("value");
    let path = value.as_ref().map_or_else(|| format!("{}.value", any.path), |node| node.path.clone());
    let settings = |value: Value| Ok(Settings::new(format!("{path}: "), value));
    match (kind, value.map(|node| node.value)) {
        ("StringValue", Some(Value::String(text))) if text.trim().is_empty() => settings(Value::Null),
        ("StringValue", Some(Value::String(text))) => match serde_json::from_str(text) {
            Ok(read) => settings(read),
            Err(error) => Err((path, format!("not valid JSON: {error}; YAML must be converted"))),
        },
        ("Struct", Some(read @ Value::Object(_))) => settings(read.clone()),
        ("StringValue" | "Struct", None) => settings(Value::Null),
        ("StringValue", Some(other)) => Err((path, format!("must be a string with JSON, not {}", other.kind()))),
        ("Struct", Some(other)) => Err((path, format!("must be an object, not {}", other.kind()))),
        _ => Err((path, format!("cannot read a `{kind}`; write a StringValue with JSON, or a Struct"))),
    }
}
