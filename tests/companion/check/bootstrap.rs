//! A bootstrap without findings, and ways to spoil it.

use serde_json::{Value, json};

/// A bootstrap without findings: one listener, a token, a route.
pub(super) const BASE: &str = r#"
static_resources:
  listeners:
    - name: tenants
      address: {socket_address: {address: 127.0.0.1, port_value: 0}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: tenants
                route_config:
                  name: tenants
                  virtual_hosts:
                    - name: prometheus
                      domains: ["*"]
                      routes:
                        - match: {prefix: /}
                          route: {cluster: prometheus}
                http_filters:
                  - name: envoy.filters.http.jwt_authn
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
                      providers:
                        idp: {issuer: https://idp.example, local_jwks: {inline_string: '{"keys":[{"kty":"oct","alg":"HS256","k":"AAAA"}]}'}, payload_in_metadata: payload}
                      rules:
                        - match: {prefix: /}
                          requires: {provider_name: idp}
                  - name: prom-label-filter
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: prom-label-filter
                        failure_policy: FAIL_RELOAD
                        configuration:
                          "@type": type.googleapis.com/google.protobuf.StringValue
                          value: '{"labels": [{"name": "tenant", "jwt_claim": "tenants"}]}'
                        vm_config:
                          vm_id: prom-label-filter
                          runtime: envoy.wasm.runtime.v8
                          code: {local: {filename: target/prom-label-filter.wasm}}
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
    - name: prometheus
      type: STATIC
      load_assignment: {cluster_name: prometheus, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9090}}}}]}]}
"#;

pub(super) const LISTENER: &str = "/static_resources/listeners/0";
pub(super) const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

/// A bootstrap while it is changed.
#[derive(Debug)]
pub(super) struct Bootstrap(pub(super) Value);

impl Bootstrap {
    pub(super) fn new() -> Self {
        Self(serde_norway::from_str(BASE).expect("YAML"))
    }

    /// The value at a path, which begins at the connection manager unless it begins with a slash.
    pub(super) fn at(&mut self, place: &str) -> &mut Value {
        let pointer = match place {
            "" => MANAGER.to_owned(),
            _ if place.starts_with('/') => place.to_owned(),
            _ => format!("{MANAGER}/{place}"),
        };
        self.0.pointer_mut(&pointer).unwrap_or_else(|| panic!("nothing at {pointer}"))
    }

    /// Sets `key` in the object at `place`.
    pub(super) fn set(&mut self, place: &str, key: &str, value: Value) -> &mut Self {
        self.at(place)[key] = value;
        self
    }

    pub(super) fn remove(&mut self, place: &str, key: &str) -> &mut Self {
        self.at(place).as_object_mut().expect("an object").remove(key).expect("it is there");
        self
    }

    pub(super) fn push(&mut self, place: &str, value: Value) -> &mut Self {
        self.at(place).as_array_mut().expect("a list").push(value);
        self
    }

    pub(super) fn insert(&mut self, place: &str, index: usize, value: Value) -> &mut Self {
        self.at(place).as_array_mut().expect("a list").insert(index, value);
        self
    }

    pub(super) fn plugin(&mut self, key: &str, value: Value) -> &mut Self {
        self.set("http_filters/1/typed_config/config", key, value)
    }

    pub(super) fn route(&mut self, key: &str, value: Value) -> &mut Self {
        self.set("route_config/virtual_hosts/0/routes/0", key, value)
    }

    pub(super) fn jwt(&mut self, key: &str, value: Value) -> &mut Self {
        self.set("http_filters/0/typed_config", key, value)
    }

    pub(super) fn without_filter(&mut self, index: usize) -> &mut Self {
        self.at("http_filters").as_array_mut().expect("a list").remove(index);
        self
    }

    /// The same with a cluster of another name, which has an endpoint at `port`.
    pub(super) fn second_listener_to(&mut self, port: u16) -> &mut Self {
        let mut cluster = self.at("/static_resources/clusters/0").clone();
        cluster["name"] = json!("another");
        *cluster
            .pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value")
            .expect("a port") = json!(port);
        let route = "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/route";
        self.second_listener()
            .set(&format!("/static_resources/listeners/1{route}"), "cluster", json!("another"))
            .push("/static_resources/clusters", cluster)
    }

    /// Gives the plugin another configuration.
    pub(super) fn configured(&mut self, configuration: Value) -> &mut Self {
        self.set("http_filters/1/typed_config/config/configuration", "value", json!(configuration.to_string()))
    }

    /// Gives the rule another source.
    pub(super) fn source(&mut self, key: &str, value: Value) -> &mut Self {
        self.configured(json!({"labels": [{"name": "tenant", key: value}]}))
    }

    /// Adds a listener that is a copy of the first, and takes the filter out of it.
    pub(super) fn second_listener(&mut self) -> &mut Self {
        let mut copy = self.at(LISTENER).clone();
        copy["name"] = json!("second");
        let filters = copy.pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters");
        filters.and_then(Value::as_array_mut).expect("a list").remove(1);
        self.push("/static_resources/listeners", copy)
    }
}

pub(super) fn filter(name: &str, kind: &str) -> Value {
    json!({"name": name, "typed_config": {"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")}})
}

pub(super) fn tls(context: Value) -> Value {
    let mut typed =
        json!({"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"});
    typed.as_object_mut().expect("an object").extend(context.as_object().expect("an object").clone());
    json!({"name": "tls", "typed_config": typed})
}

pub(super) fn switch(disabled: bool) -> Value {
    json!({"prom-label-filter": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": disabled, "config": {}}})
}

pub(super) fn certificate(bootstrap: &mut Bootstrap, require: bool, validation: Value) -> &mut Bootstrap {
    let context =
        json!({"require_client_certificate": require, "common_tls_context": {"validation_context": validation}});
    bootstrap.source("peer_certificate", json!("uri_san")).set(
        &format!("{LISTENER}/filter_chains/0"),
        "transport_socket",
        tls(context),
    )
}

pub(super) fn trusted(bootstrap: &mut Bootstrap) -> &mut Bootstrap {
    certificate(bootstrap, true, json!({"trusted_ca": {"filename": "ca.pem"}}))
}

pub(super) fn early_removal(name: &str) -> Value {
    json!([{"name": "remove", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": [{"remove": name}]}}])
}

pub(super) fn header(bootstrap: &mut Bootstrap) -> &mut Bootstrap {
    bootstrap.source("header", json!("X-Tenant")).set("", "early_header_mutation_extensions", early_removal("x-tenant"))
}

pub(super) fn by_route(bootstrap: &mut Bootstrap) -> &mut Bootstrap {
    bootstrap
        .source("route_metadata", json!("tenant"))
        .route("metadata", json!({"filter_metadata": {"prom-label-filter": {"tenant": "team-fruit"}}}))
}

pub(super) fn nothing(bootstrap: &mut Bootstrap) -> &mut Bootstrap {
    bootstrap
}

/// A way to change the bootstrap.
pub(super) type Edit = fn(&mut Bootstrap) -> &mut Bootstrap;
