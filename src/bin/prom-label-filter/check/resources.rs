//! Resources of Kubernetes: what makes Istio, Higress or Envoy Gateway put the filter into their Envoys, and what verifies tokens there.
//!
//! Knows in what each of these products differs from an Envoy that is configured by hand. Must not guess which pods or routes a
//! resource is for: that takes a cluster to know.

use super::envoy::Filter;
use super::finding::Findings;
use super::jwt;
use super::node::Node;
use super::plugin::{self, Plugin};
use super::settings::{Settings, SourceKind};
use prom_label_filter::value::Value;

/// A resource; its path is its kind and its name.
#[derive(Debug)]
struct Resource<'v> {
    group: &'v str,
    kind: &'v str,
    node: Node<'v>,
}

/// Who makes an Envoy's configuration of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Istio,
    Higress,
    EnvoyGateway,
}

/// A use of the filter in a product's own words.
#[derive(Debug)]
struct Use<'v> {
    product: Product,
    spec: Node<'v>,
    /// The part of `spec` that is about the module.
    plugin: Node<'v>,
    settings: Settings,
}

/// Whether a document is a resource, whoever reads it.
pub(crate) fn is_resource(document: &Value) -> bool {
    ["apiVersion", "kind"].iter().all(|key| document.get(key).and_then(Value::as_str).is_some())
}

/// Checks all resources in a file, and says how often the filter is in them.
pub(crate) fn check(documents: &[Value], findings: &mut Findings) -> usize {
    let resources: Vec<_> = documents.iter().flat_map(items).map(Resource::read).collect();
    let uses: Vec<_> = resources.iter().flat_map(Resource::uses).collect();
    for one in &uses {
        one.settings.check(findings);
        one.failure(findings);
        one.origin(findings);
        one.place(findings);
        one.sources(&resources, findings);
    }
    let patched: usize = resources.iter().map(|resource| resource.patches(findings)).sum();
    let found = uses.len().saturating_add(patched);
    if found == 0 {
        // Most resources of a cluster are about something else.
        findings.note("", "no prom-label-filter in it");
    }
    found
}

/// The document, or what a list of resources has in it.
fn items(document: &Value) -> Vec<&Value> {
    match document.get("items") {
        Some(Value::List(items)) if document.get("kind").and_then(Value::as_str) == Some("List") => {
            items.iter().collect()
        }
        _ => vec![document],
    }
}

impl<'v> Resource<'v> {
    fn read(document: &'v Value) -> Self {
        let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
        let (group, _) = text("apiVersion").split_once('/').unwrap_or_default();
        let kind = text("kind");
        let name = document.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
        let path = format!("{} {}: ", kind.escape_debug(), name.unwrap_or("without a name").escape_debug());
        Self { group, kind, node: Node::new(path, document) }
    }

    fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    fn uses(&self) -> Vec<Use<'v>> {
        let Some(spec) = self.node.get("spec") else { return Vec::new() };
        let one = |product, plugin: Option<Node<'v>>, key| {
            plugin.and_then(|plugin| Use::find(product, &spec, plugin, key)).into_iter().collect()
        };
        match (self.group, self.kind) {
            ("extensions.istio.io", "WasmPlugin") => one(Product::Istio, Some(spec.clone()), "pluginConfig"),
            ("extensions.istio.io", "TrafficExtension") => one(Product::Istio, spec.get("wasm"), "pluginConfig"),
            // Higress: where this is written, `defaultConfig` is not read.
            ("extensions.higress.io", "WasmPlugin") if spec.get("pluginConfig").is_some() => {
                one(Product::Higress, Some(spec.clone()), "pluginConfig")
            }
            ("extensions.higress.io", "WasmPlugin") => one(Product::Higress, Some(spec.clone()), "defaultConfig"),
            ("gateway.envoyproxy.io", "EnvoyExtensionPolicy") => {
                let plugins = spec.items("wasm").into_iter();
                plugins.filter_map(|plugin| Use::find(Product::EnvoyGateway, &spec, plugin, "config")).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Checks what an `EnvoyFilter` says in Envoy's own words, and how often the filter is in it.
    fn patches(&self, findings: &mut Findings) -> usize {
        if !self.is("networking.istio.io", "EnvoyFilter") {
            return 0;
        }
        let patches = self.node.get("spec").map(|spec| spec.items("configPatches")).unwrap_or_default();
        patches.iter().for_each(|patch| virtual_host(patch, findings));
        let values = patches.iter().filter_map(|patch| patch.at("patch.value"));
        let filters: Vec<_> = values.filter_map(|value| Filter::read(&value)).collect();
        // One patch may bring what another says is to be discovered.
        let is_brought = |name: &str| filters.iter().any(|filter| filter.name == name && !filter.is_discovered());
        let whole = filters.iter().filter(|filter| !filter.is_discovered() || !is_brought(filter.name));
        let plugins: Vec<_> = whole.filter_map(|filter| Plugin::find(filter, findings)).collect();
        plugins.iter().for_each(|plugin| plugin.check(findings));
        plugins.len()
    }
}

impl<'v> Use<'v> {
    fn find(product: Product, spec: &Node<'v>, plugin: Node<'v>, key: &str) -> Option<Self> {
        let settings = Settings::new(format!("{}: ", plugin.below(key)), configuration(&plugin, key));
        let is_ours = plugin::is_named(plugin.text("name"))
            || plugin::is_named(plugin.text("url"))
            || plugin
                .get("code")
                .is_some_and(|code| code.within().iter().any(|node| plugin::is_named(node.value.as_str())))
            || settings.has_labels();
        is_ours.then(|| Self { product, spec: spec.clone(), plugin, settings })
    }

    /// What becomes of requests when the module crashes.
    fn failure(&self, findings: &mut Findings) {
        const OPEN: &str = "when the module crashes or does not come, requests pass without a tenant's matcher";
        let strategy = self.plugin.get("failStrategy");
        let path = strategy.as_ref().map_or(&self.plugin.path, |strategy| &strategy.path);
        match (self.product, strategy.as_ref().and_then(|strategy| strategy.value.as_str())) {
            (Product::EnvoyGateway, _) => {
                if let Some(open) = self.plugin.get("failOpen").filter(|open| *open.value == Value::Bool(true)) {
                    findings.error(&open.path, format!("{OPEN}; use `failOpen: false`"));
                }
            }
            (Product::Istio, Some("FAIL_OPEN")) => {
                findings.error(path, format!("{OPEN}; use `failStrategy: FAIL_RELOAD`"));
            }
            (Product::Higress, Some("FAIL_OPEN")) => findings.error(path, format!("{OPEN}; use `failStrategy: FAIL_CLOSE`")),
            // It has no other that is closed.
            (Product::Higress, _) | (Product::Istio, Some("FAIL_RELOAD")) => {}
            (Product::Istio, _) => findings.warning(
                path,
                "when the module crashes once, every request is a 503 until the proxy is restarted; use `failStrategy: FAIL_RELOAD`, \
                 which Istio has from 1.27 on",
            ),
        }
    }

    /// Where the module comes from.
    fn origin(&self, findings: &mut Findings) {
        let holder = match self.product {
            Product::Istio | Product::Higress => Some(self.plugin.clone()),
            Product::EnvoyGateway => {
                self.plugin.get("code").and_then(|code| code.get("image").or_else(|| code.get("http")))
            }
        };
        let Some(holder) = holder else { return };
        let is_fixed = |url: &str| url.contains("@sha256:") || url.starts_with("file://");
        if holder.get("sha256").is_none() && !holder.text("url").is_some_and(is_fixed) {
            findings.warning(
                &holder.path,
                "has no `sha256`: whoever can write to the registry can put another module in the filter's place",
            );
        }
    }

    /// What the filter runs on, and when.
    fn place(&self, findings: &mut Findings) {
        if let Some(path) = self.settings.holds_response_headers() {
            findings.error(
                &path,
                "answers that are filtered hang: this resource cannot say `allow_on_headers_stop_iteration`; use an EnvoyFilter, or \
                 leave this out",
            );
        }
        if self.product != Product::Istio {
            return;
        }
        for ports in self.spec.items("match").iter().filter_map(|matched| matched.get("ports")) {
            findings.warning(&ports.path, "a request to any other port goes around the filter; leave `ports` out");
        }
    }

    /// What each source of an identity asks of the other resources.
    fn sources(&self, resources: &[Resource<'_>], findings: &mut Findings) {
        for source in self.settings.sources() {
            match source.kind {
                SourceKind::JwtClaim => self.token(&source.path, resources, findings),
                SourceKind::Header(name) => findings.note(
                    &source.path,
                    format!("what sets `{name}` is not known to this check: see yourself that no client can send it"),
                ),
                SourceKind::QueryParam(_)
                | SourceKind::RouteMetadata(_)
                | SourceKind::PathParam
                | SourceKind::PeerCertificate => {}
            }
        }
    }

    /// Whether a verified token is where the filter looks for it, and then.
    fn token(&self, path: &str, resources: &[Resource<'_>], findings: &mut Findings) {
        if let Some(phase) = self.spec.get("phase").filter(|phase| phase.value.as_str() == Some("AUTHN")) {
            findings.error(
                &phase.path,
                "runs before the token is verified: every request is a 401; use `AUTHZ` (Higress: `UNSPECIFIED_PHASE`)",
            );
        }
        let namespace = self.settings.jwt_namespace();
        if namespace != jwt::NAMESPACE {
            findings.error(
                &format!("{}jwt.metadata_namespace", self.settings.path()),
                format!("tokens are left under `{}`, and every request is a 401; leave this out", jwt::NAMESPACE),
            );
        }
        match self.product {
            Product::Istio => {
                let key = self.settings.payload_key();
                // Istio: pilot/pkg/security/authn/policy_applier.go
                if key != "payload" {
                    findings.error(
                        &format!("{}jwt.payload_key", self.settings.path()),
                        "Istio leaves every token under `payload`, and every request is a 401; leave this out",
                    );
                }
                if !resources.iter().any(|one| one.is("security.istio.io", "RequestAuthentication")) {
                    findings.note(
                        path,
                        "no RequestAuthentication in this file: see that one is for the same proxies; without it every request is a 401",
                    );
                }
            }
            Product::EnvoyGateway => self.providers(path, resources, findings),
            // An EnvoyFilter, in Envoy's own words.
            Product::Higress => {}
        }
    }

    // Envoy Gateway: internal/xds/translator/jwt.go: the payload is named after the provider.
    fn providers(&self, path: &str, resources: &[Resource<'_>], findings: &mut Findings) {
        let key = self.settings.payload_key();
        let policies = resources.iter().filter(|one| one.is("gateway.envoyproxy.io", "SecurityPolicy"));
        let jwts: Vec<_> = policies.filter_map(|policy| policy.node.at("spec.jwt")).collect();
        if jwts.is_empty() {
            findings.note(
                path,
                format!(
                    "no SecurityPolicy with `jwt` in this file: see that one is for the same routes, with a provider called `{key}` \
                     (`jwt.payload_key`); without it every request is a 401"
                ),
            );
        }
        for jwt in jwts {
            for provider in jwt.items("providers") {
                if let Some(name) = provider.text("name").filter(|name| *name != key) {
                    findings.error(
                        &provider.path,
                        format!(
                            "its tokens are left under `{name}`, and the filter looks for `{key}`: every request with one is a 401; set \
                             `jwt: {{payload_key: {name}}}`"
                        ),
                    );
                }
            }
            if let Some(open) = jwt.get("failOpen").filter(|open| *open.value == Value::Bool(true)) {
                findings.warning(
                    &open.path,
                    "a request with a forged or expired token goes on as if it had none; the filter refuses it, but its user is not told \
                     why; use `optional: true`, or nothing",
                );
            }
        }
    }
}

/// Whether a patch names a tenant where Istio may put several together.
// Istio: pilot/pkg/networking/core/gateway.go, collapseDuplicateRoutes
fn virtual_host(patch: &Node<'_>, findings: &mut Findings) {
    let metadata =
        patch.at("patch.value.metadata.filter_metadata").filter(|_| patch.text("applyTo") == Some("VIRTUAL_HOST"));
    if let Some(metadata) = metadata {
        findings.warning(
            &metadata.path,
            "of a VirtualService for several hosts Istio makes one virtual host, and a tenant that is named here would be that of all of \
             them; use `applyTo: HTTP_ROUTE`, and match the route's name",
        );
    }
}

/// What the plugin gets of the settings under `key`.
// Higress: pkg/ingress/config/ingress_config.go, convertIstioWasmPlugin
fn configuration(plugin: &Node<'_>, key: &str) -> Value {
    let written = plugin.get(key).filter(|_| !plugin.is_true("defaultConfigDisable"));
    let written = written.map_or(Value::Null, |written| written.value.clone());
    let rules = plugin.items("matchRules");
    if key != "defaultConfig" || rules.is_empty() {
        return written;
    }
    let mut entries = match written {
        Value::Object(entries) => entries,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => Vec::new(),
    };
    entries.push(("_rules_".to_owned(), Value::List(rules.iter().map(|rule| rule.value.clone()).collect())));
    Value::Object(entries)
}
