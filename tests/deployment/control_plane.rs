//! What Envoy Gateway and Higress make of their resources, as far as a request to the filter meets it: the listener that they hand to
//! Envoy, written after their sources, with the lab's keys for the identity provider's and the lab's module for the image's.

use super::of_kind;
use crate::support::envoy::{Envoy, Listener, cluster};
use crate::support::upstream::Upstream;
use crate::support::{bench::Bench, parts, process, tokens};
use serde_json::{Value, json};
use std::fs;

const JWT: &str = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
const WASM: &str = crate::support::envoy::WASM;

/// What a control plane hands over, before a listener is made of it.
#[derive(Debug)]
pub(super) struct Chain {
    /// In front of the router.
    pub(super) filters: Vec<Value>,
    pub(super) virtual_hosts: Value,
    pub(super) buffer_limit: Option<u64>,
    /// Merged into the connection manager, and into the bootstrap.
    pub(super) manager: Value,
    pub(super) bootstrap: Value,
}

impl Chain {
    fn new(filters: Vec<Value>) -> Self {
        let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream"}});
        Self {
            filters,
            virtual_hosts: json!([{"name": "inbound|http|9090", "domains": ["*"], "routes": [route]}]),
            buffer_limit: None,
            manager: json!({}),
            bootstrap: json!({}),
        }
    }

    /// An Envoy with this chain in its listener `metrics`, before a recording upstream.
    pub(super) fn serve(self) -> Bench {
        let mut listener = Listener::bare("metrics").resource();
        if let Some(bytes) = self.buffer_limit {
            listener["per_connection_buffer_limit_bytes"] = json!(bytes);
        }
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array_mut().expect("filters");
        filters.splice(0..0, self.filters);
        manager["route_config"]["virtual_hosts"] = self.virtual_hosts;
        merge(manager, &self.manager);

        let upstream = Upstream::start();
        let mut bootstrap = json!({
            "node": {"id": "lab", "cluster": "lab"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "static_resources": {"listeners": [listener], "clusters": [cluster("upstream", upstream.port, false)]},
        });
        merge(&mut bootstrap, &self.bootstrap);
        Bench { envoy: Envoy::start(&bootstrap), upstream }
    }
}

/// As protobuf merges messages: lists grow.
pub(super) fn merge(into: &mut Value, further: &Value) {
    match (into, further) {
        (Value::Object(into), Value::Object(further)) => {
            for (name, value) in further {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(further)) => into.extend(further.iter().cloned()),
        (into, further) => *into = further.clone(),
    }
}

/// A filter whose configuration comes by itself, as Istio sends what holds a module; here in a file.
pub(super) fn discovered(name: &str, typed_config: &Value) -> Value {
    let path = process::directory("extension").join("extension.json");
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name, "typed_config": typed_config,
    });
    fs::write(&path, json!({"version_info": "1", "resources": [resource]}).to_string()).expect("a file");
    json!({
        "name": name,
        "config_discovery": {
            "config_source": {"path_config_source": {"path": path}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"},
            "type_urls": [WASM, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
        },
    })
}

/// The module, where a product would name an image.
pub(super) fn module() -> Value {
    json!({"local": {"filename": parts::module()}})
}

/// `name` of the resource, with its namespace.
fn named(resource: &Value) -> [&str; 2] {
    ["namespace", "name"].map(|key| resource["metadata"][key].as_str().expect("a name"))
}

/// The key of the identity provider, which the lab has instead.
fn keys() -> Value {
    json!({"inline_string": tokens::key_set()})
}

// --- Envoy Gateway ---

/// Its chain for the first rule of the route: `SecurityPolicy`, `EnvoyExtensionPolicy`, `ClientTrafficPolicy`.
// Envoy Gateway: internal/xds/translator/{jwt,wasm}.go
pub(super) fn envoy_gateway(resources: &[Value]) -> Chain {
    let jwt = &of_kind(resources, "SecurityPolicy")["spec"]["jwt"];
    let [provider] = jwt["providers"].as_array().expect("providers").as_slice() else { panic!("one provider") };
    let headers = provider["extractFrom"]["headers"].as_array().expect("headers");
    let headers: Vec<Value> =
        headers.iter().map(|header| json!({"name": header["name"], "value_prefix": header["valuePrefix"]})).collect();
    let key = format!("{}_0123456789", provider["name"].as_str().expect("a name"));
    let mut requirements = vec![json!({"provider_name": key})];
    for (setting, requirement) in [("optional", "allow_missing"), ("failOpen", "allow_missing_or_failed")] {
        if jwt[setting] == true {
            requirements.push(json!({requirement: {}}));
        }
    }
    let authentication = json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": JWT,
        "providers": {&key: {
            "issuer": provider["issuer"],
            "audiences": provider["audiences"],
            "payload_in_metadata": provider["name"],
            "forward": true,
            "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "scp"]},
            "from_headers": headers,
            "local_jwks": keys(),
        }},
        "requirement_map": {"idp": {"requires_any": {"requirements": requirements}}},
    }});

    let policy = of_kind(resources, "EnvoyExtensionPolicy");
    let [wasm] = policy["spec"]["wasm"].as_array().expect("plugins").as_slice() else { panic!("one plugin") };
    let name = format!("envoyextensionpolicy/{}/wasm/0", named(policy).join("/"));
    let filter = format!("envoy.filters.http.wasm/{name}");
    let plugin = json!({"name": filter, "disabled": true, "typed_config": {"@type": WASM, "config": {
        "name": wasm["name"],
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": wasm["config"].to_string()},
        "fail_open": wasm["failOpen"],
        "vm_config": {"vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": module()},
    }}});

    let mut chain = Chain::new(vec![authentication, plugin]);
    let [rule] = of_kind(resources, "HTTPRoute")["spec"]["rules"].as_array().expect("rules").as_slice() else {
        panic!("one rule")
    };
    let [matched] = rule["matches"].as_array().expect("matches").as_slice() else { panic!("one match") };
    assert_eq!(matched["path"]["type"], "PathPrefix");
    let host = &of_kind(resources, "HTTPRoute")["spec"]["hostnames"][0];
    chain.virtual_hosts = json!([{"name": "metrics", "domains": [host], "routes": [{
        "match": {"prefix": matched["path"]["value"]},
        "route": {"cluster": "upstream", "timeout": rule["timeouts"]["request"]},
        "typed_per_filter_config": {
            "envoy.filters.http.jwt_authn": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
                "requirement_name": "idp",
            },
            filter: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}},
        },
    }]}]);
    let limit = of_kind(resources, "ClientTrafficPolicy")["spec"]["connection"]["bufferLimit"].as_str();
    let mebibytes = limit.and_then(|limit| limit.strip_suffix("Mi")).expect("a limit in MiB");
    chain.buffer_limit = Some(mebibytes.parse::<u64>().expect("a number") << 20);

    let proxy = &of_kind(resources, "EnvoyProxy")["spec"];
    chain.bootstrap = crate::docs::yaml(proxy["bootstrap"]["value"].as_str().expect("a text"));
    let format = &proxy["telemetry"]["accessLog"]["settings"][0]["format"]["json"];
    chain.manager = json!({"access_log": [{"name": "envoy.access_loggers.stdout", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {"json_format": format},
    }}]});
    chain
}

// --- Higress ---

// Istio, of which Higress is made: pilot/pkg/model/extensions.go, buildWasmConfig
fn wasm(plugin: &Value, configuration: &Value) -> Value {
    let name = named(plugin).join(".");
    let policy = match plugin["spec"]["failStrategy"].as_str() {
        Some("FAIL_CLOSE") | None => "FAIL_CLOSED",
        Some(other) => other,
    };
    discovered(
        &name,
        &json!({"@type": WASM, "config": {
            "name": name,
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()},
            "failure_policy": policy,
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": module(),
                "environment_variables": {"key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"}},
            },
        }}),
    )
}

/// What the plugin gets: Higress's own fields become entries of Istio's `pluginConfig`.
// Higress: pkg/ingress/config/ingress_config.go, convertIstioWasmPlugin
pub(super) fn higress_configuration(plugin: &Value) -> Value {
    let spec = &plugin["spec"];
    if spec.get("pluginConfig").is_some() {
        return spec["pluginConfig"].clone();
    }
    let mut configuration =
        if spec["defaultConfigDisable"] == true { json!({}) } else { spec["defaultConfig"].clone() };
    let rules: Vec<Value> = spec["matchRules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| {
            let mut one = rule["config"].clone();
            for (name, key) in
                [("ingress", "_match_route_"), ("service", "_match_service_"), ("domain", "_match_domain_")]
            {
                if let Some(matched) = rule.get(name) {
                    one[key] = matched.clone();
                }
            }
            one
        })
        .collect();
    if !rules.is_empty() {
        configuration["_rules_"] = json!(rules);
    }
    configuration
}

/// `WasmPlugin`, with an `EnvoyFilter` for tokens.
pub(super) fn higress(resources: &[Value]) -> Chain {
    let plugin = of_kind(resources, "WasmPlugin");
    assert_ne!(plugin["spec"]["phase"], "AUTHN", "nothing verifies tokens before that");
    let [patch] = of_kind(resources, "EnvoyFilter")["spec"]["configPatches"].as_array().expect("patches").as_slice()
    else {
        panic!("one patch")
    };
    assert_eq!((&patch["applyTo"], &patch["patch"]["operation"]), (&json!("HTTP_FILTER"), &json!("INSERT_FIRST")));
    let mut authentication = patch["patch"]["value"].clone();
    for provider in authentication["typed_config"]["providers"].as_object_mut().expect("providers").values_mut() {
        provider.as_object_mut().expect("a provider").remove("remote_jwks").expect("remote keys");
        provider["local_jwks"] = keys();
    }
    Chain::new(vec![authentication, wasm(plugin, &higress_configuration(plugin))])
}
