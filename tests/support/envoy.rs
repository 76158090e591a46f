//! A real Envoy, from a bootstrap that is built in code.

use super::client::{get, send, status_of};
use super::process::{Process, directory};
use super::{eventually, parts, tokens};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The plugin's name, which its statistics carry.
pub(crate) const PLUGIN: &str = "prom-label-filter";

/// The type of Envoy's filter that runs it.
pub(crate) const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// One listener with its connection manager and filters.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    name: String,
    module: PathBuf,
    configuration: Option<Value>,
    authentication: Option<Value>,
    metadata: Value,
    virtual_hosts: Value,
    http1_trailers: bool,
    stop_iteration: bool,
    buffer_limit: Option<u32>,
    upgrades: Value,
    close_after: &'static str,
    transport_socket: Option<Value>,
    forward_client_certificates: Option<&'static str>,
    access_log: Value,
}

impl Listener {
    /// A listener without the module: what it gets goes to the cluster `upstream`.
    pub(crate) fn bare(name: &str) -> Self {
        Self {
            name: name.into(),
            module: PathBuf::new(),
            configuration: None,
            authentication: None,
            metadata: json!({}),
            virtual_hosts: json!([virtual_host("all", "*", json!([route("upstream")]))]),
            http1_trailers: false,
            stop_iteration: false,
            buffer_limit: None,
            upgrades: json!([]),
            close_after: "1s",
            transport_socket: None,
            forward_client_certificates: None,
            access_log: json!([]),
        }
    }

    /// A listener with the module and this configuration, sent as JSON text.
    pub(crate) fn new(name: &str, configuration: Value) -> Self {
        Self::text(name, &configuration.to_string())
    }

    /// The same with a text that need not be JSON.
    pub(crate) fn text(name: &str, configuration: &str) -> Self {
        Self::any(name, json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration}))
    }

    /// The same with the configuration as a protobuf `Struct`.
    pub(crate) fn structured(name: &str, configuration: Value) -> Self {
        Self::any(name, json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration}))
    }

    fn any(name: &str, configuration: Value) -> Self {
        Self { module: parts::module(), configuration: Some(configuration), ..Self::bare(name) }
    }

    /// The module in another file.
    pub(crate) fn module(mut self, file: &Path) -> Self {
        self.module = file.to_owned();
        self
    }

    /// The module's test build that traps.
    pub(crate) fn trapping(self) -> Self {
        self.module(&parts::trap_module())
    }

    /// jwt_authn in front. A request without a token goes on without a payload, so that the module's refusal is seen.
    pub(crate) fn jwt(self) -> Self {
        let requirement = json!({"requires_any": {"requirements": [{"provider_name": "lab"}, {"allow_missing": {}}]}});
        self.jwt_requiring(requirement)
    }

    /// The same where a token that is not valid goes on too, without a payload.
    pub(crate) fn lenient_jwt(self) -> Self {
        self.jwt_requiring(
            json!({"requires_any": {"requirements": [{"provider_name": "lab"}, {"allow_missing_or_failed": {}}]}}),
        )
    }

    fn jwt_requiring(self, requirement: Value) -> Self {
        let provider = json!({
            "issuer": tokens::ISSUER,
            "local_jwks": {"inline_string": tokens::key_set()},
            "payload_in_metadata": "payload",
        });
        self.jwt_authn(json!({"lab": provider}), requirement)
    }

    /// jwt_authn in front, with these providers.
    pub(crate) fn jwt_authn(self, providers: Value, requirement: Value) -> Self {
        self.behind(json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": providers,
                "rules": [{"match": {"prefix": "/"}, "requires": requirement}],
            },
        }))
    }

    /// This filter in front.
    pub(crate) fn behind(mut self, filter: Value) -> Self {
        self.authentication = Some(filter);
        self
    }

    /// Metadata of the listener in the module's namespace.
    pub(crate) fn metadata(mut self, values: Value) -> Self {
        self.metadata = filter_metadata(values);
        self
    }

    pub(crate) fn virtual_hosts(mut self, virtual_hosts: Value) -> Self {
        self.virtual_hosts = virtual_hosts;
        self
    }

    /// Everything to this cluster.
    pub(crate) fn cluster(self, cluster: &str) -> Self {
        self.virtual_hosts(json!([virtual_host("all", "*", json!([route(cluster)]))]))
    }

    /// HTTP/1.1 trailers reach the filters (Envoy drops them otherwise).
    pub(crate) fn http1_trailers(mut self) -> Self {
        self.http1_trailers = true;
        self
    }

    /// What `hold_response_headers` needs.
    pub(crate) fn stop_iteration(mut self) -> Self {
        self.stop_iteration = true;
        self
    }

    /// Envoy's own limit of what it buffers.
    pub(crate) fn buffer_limit(mut self, bytes: u32) -> Self {
        self.buffer_limit = Some(bytes);
        self
    }

    /// Envoy lets a client turn the connection into a websocket.
    pub(crate) fn websocket(mut self) -> Self {
        self.upgrades = json!([{"upgrade_type": "websocket"}]);
        self
    }

    /// A connection that must end ends soon, also when the client does not end it.
    pub(crate) fn close_soon(mut self) -> Self {
        self.close_after = "0.02s";
        self
    }

    /// TLS.
    pub(crate) fn transport_socket(mut self, socket: Value) -> Self {
        self.transport_socket = Some(socket);
        self
    }

    /// What Envoy makes of what a client says of certificates.
    pub(crate) fn forward_client_certificates(mut self, how: &'static str) -> Self {
        self.forward_client_certificates = Some(how);
        self
    }

    /// Who logs requests.
    pub(crate) fn access_log(mut self, loggers: Value) -> Self {
        self.access_log = loggers;
        self
    }

    /// The module's filter as Envoy reads it, where the listener has one.
    pub(crate) fn filter(&self) -> Option<Value> {
        let configuration = self.configuration.as_ref()?;
        Some(json!({
            "name": PLUGIN,
            "typed_config": {
                "@type": WASM,
                "config": {
                    "name": PLUGIN,
                    "failure_policy": "FAIL_RELOAD",
                    "reload_config": {"backoff": {"base_interval": "0.1s", "max_interval": "0.5s"}},
                    "allow_on_headers_stop_iteration": self.stop_iteration,
                    "vm_config": {
                        "vm_id": PLUGIN,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": self.module}},
                    },
                    "configuration": configuration,
                },
            },
        }))
    }

    /// The resource as Envoy reads it.
    pub(crate) fn resource(&self) -> Value {
        let mut filters: Vec<Value> = self.authentication.iter().cloned().chain(self.filter()).collect();
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }));
        let mut listener = json!({
            "name": self.name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "metadata": self.metadata,
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": self.name,
                    "codec_type": "AUTO",
                    // A token with thousands of values must come as far as the module.
                    "max_request_headers_kb": 512,
                    "delayed_close_timeout": self.close_after,
                    "http_protocol_options": {"enable_trailers": self.http1_trailers},
                    "upgrade_configs": self.upgrades,
                    "access_log": self.access_log,
                    "route_config": {"name": self.name, "virtual_hosts": self.virtual_hosts},
                    "http_filters": filters,
                },
            }]}],
        });
        if let Some(socket) = &self.transport_socket {
            listener["filter_chains"][0]["transport_socket"] = socket.clone();
        }
        if let Some(forward) = self.forward_client_certificates {
            listener["filter_chains"][0]["filters"][0]["typed_config"]["forward_client_cert_details"] = json!(forward);
        }
        if let Some(bytes) = self.buffer_limit {
            listener["per_connection_buffer_limit_bytes"] = json!(bytes);
        }
        listener
    }
}

/// A route that takes everything to `cluster`.
pub(crate) fn route(cluster: &str) -> Value {
    json!({"name": format!("to-{cluster}"), "match": {"prefix": "/"}, "route": {"cluster": cluster}})
}

/// A virtual host.
pub(crate) fn virtual_host(name: &str, domain: &str, routes: Value) -> Value {
    json!({"name": name, "domains": [domain], "routes": routes})
}

/// Metadata in the module's default namespace.
pub(crate) fn filter_metadata(values: Value) -> Value {
    json!({"filter_metadata": {PLUGIN: values}})
}

/// A cluster of one local port, over HTTP/1.1 or HTTP/2.
pub(crate) fn cluster(name: &str, port: u16, http2: bool) -> Value {
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    json!({
        "name": name,
        "connect_timeout": "10s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}},
        ]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {protocol: if http2 { json!({}) } else { json!({"enable_trailers": true}) }},
        }},
    })
}

/// A whole bootstrap of static listeners.
pub(crate) fn bootstrap(listeners: &[Listener], clusters: Vec<Value>) -> Value {
    json!({
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": listeners.iter().map(Listener::resource).collect::<Vec<_>>(),
            "clusters": clusters,
        },
    })
}

/// Has Envoy read `bootstrap` and say what is wrong: all of its log.
pub(crate) fn validate(bootstrap: &Value) -> Result<(), String> {
    let path = directory("validate").join("envoy.json");
    fs::write(&path, bootstrap.to_string()).expect("the bootstrap is written");
    let output = Command::new(parts::envoy())
        .args(["--mode", "validate", "--config-path"])
        .arg(&path)
        .output()
        .expect("envoy starts");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// A running Envoy; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Envoy {
    process: Process,
    admin: u16,
    ports: BTreeMap<String, u16>,
}

impl Envoy {
    /// Starts with `bootstrap` and waits until every listener takes requests.
    pub(crate) fn start(bootstrap: &Value) -> Self {
        Self::start_in(&directory("envoy"), bootstrap, &[])
    }

    /// The same in a directory of the caller, with further arguments.
    pub(crate) fn start_in(home: &Path, bootstrap: &Value, further: &[&str]) -> Self {
        let (path, address) = (home.join("envoy.json"), home.join("admin"));
        fs::write(&path, bootstrap.to_string()).expect("the bootstrap is written");
        let mut arguments: Vec<String> =
            ["--disable-hot-restart", "--log-level", "warn", "--component-log-level", "wasm:info"]
                .map(Into::into)
                .into();
        // Lines of requests would come after ten seconds.
        arguments.extend(["--file-flush-interval-msec", "20"].map(Into::into));
        if !further.contains(&"--concurrency") {
            arguments.extend(["--concurrency", "1"].map(Into::into));
        }
        for (name, path) in [("--config-path", &path), ("--admin-address-path", &address)] {
            arguments.extend([name.to_owned(), path.display().to_string()]);
        }
        arguments.extend(further.iter().map(|&argument| argument.to_owned()));
        let mut process = Process::start(&parts::envoy(), &arguments, home.join("envoy.log"));
        let admin = eventually("Envoy's admin address", || {
            assert!(process.ended().is_none(), "Envoy has ended: {}", process.log_tail());
            let text = fs::read_to_string(&address).ok()?;
            text.rsplit(':').next()?.trim().parse::<u16>().ok()
        });
        let mut envoy = Self { process, admin, ports: BTreeMap::new() };
        eventually("Envoy to be ready", || {
            assert!(envoy.process.ended().is_none(), "Envoy has ended: {}", envoy.process.log_tail());
            (status_of(admin, "/ready") == Some(200)).then_some(())
        });
        envoy.read_ports();
        envoy
    }

    /// Reads the listeners' ports, again after an update.
    pub(crate) fn read_ports(&mut self) {
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json")).expect("listeners as JSON");
        for listener in listeners["listener_statuses"].as_array().into_iter().flatten() {
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64().expect("a port");
            let name = listener["name"].as_str().expect("a name").to_owned();
            self.ports.insert(name, u16::try_from(port).expect("a port"));
        }
    }

    pub(crate) fn port(&self, listener: &str) -> u16 {
        *self.ports.get(listener).unwrap_or_else(|| panic!("no listener {listener}: {:?}", self.ports))
    }

    /// Where its statistics are.
    pub(crate) fn admin_port(&self) -> u16 {
        self.admin
    }

    /// The text of a page of the admin interface.
    pub(crate) fn admin(&self, page: &str) -> String {
        send(self.admin, &get(page).header("connection", "close")).text()
    }

    /// Counters and gauges.
    pub(crate) fn statistics(&self) -> BTreeMap<String, u64> {
        let page = self.admin("/stats");
        page.lines()
            .filter_map(|line| line.rsplit_once(": "))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// How often a VM had to be made again: above 0 some input ended it.
    pub(crate) fn reloads(&self) -> u64 {
        self.statistics().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, value)| value).sum()
    }

    /// The time that processors have spent on it.
    pub(crate) fn processor_time(&self) -> Duration {
        self.process.processor_time()
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident(&self) -> usize {
        self.process.resident()
    }

    /// Pages of 64 KiB that all VMs have.
    pub(crate) fn wasm_pages(&self) -> usize {
        self.process.wasm_pages()
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}
