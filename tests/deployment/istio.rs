//! Istio's resources as Istio's own code hands them to Envoy: recorded in `tests/golden/istio` and served by a real one. `make
//! control-planes` asks Istio again.
//!
//! What is the lab's in a recording: the identity provider's keys, the module in place of the image (as Istio's agent puts it there), the
//! port, the clusters, and no filter that only Istio's Envoy has.

use super::control_plane::{discovered, merge, module};
use super::served::{Missing, Token, assert_narrows, assert_observed, claims};
use super::{of_kind, resources, text};
use crate::docs::checkout;
use crate::envoy::matchers::{exactly, read};
use crate::support::bench::{Bench, OURS, only};
use crate::support::client::{Request, get};
use crate::support::envoy::{Envoy, cluster};
use crate::support::parts;
use crate::support::process::{directory, free_port};
use crate::support::tokens::{self, token};
use crate::support::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The port of the Service that the resources are for.
const PORT: u64 = 9090;

/// What was recorded, by name: the proxy, the files under `envoy/` that it is for, and a kind of resource that is left out of them.
const RECORDINGS: [(&str, &str, &[&str], &str); 3] = [
    ("plugin", "sidecar", &["istio/observe.yaml", "istio/querier.yaml"], ""),
    ("filter", "sidecar", &["istio/filter.yaml", "istio/querier.yaml"], "WasmPlugin"),
    ("hosts", "gateway", &["istio/hosts.yaml"], ""),
];

fn recording(name: &str) -> PathBuf {
    checkout().join("tests/golden/istio").join(format!("{name}.json"))
}

/// What Istio hands over: the filters of each chain, and of the port's connection manager everything.
#[derive(Debug)]
struct HandedOver(Value);

impl HandedOver {
    fn read(name: &str) -> Self {
        Self(serde_json::from_slice(&fs::read(recording(name)).expect("a recording")).expect("JSON"))
    }

    /// The names of the HTTP filters of each chain that has any.
    fn chains(&self) -> Vec<Vec<&str>> {
        let chains =
            self.0["chains"].as_array().expect("chains").iter().filter_map(|chain| chain["http_filters"].as_array());
        chains.map(|filters| filters.iter().filter_map(Value::as_str).collect()).collect()
    }

    /// An Envoy with the connection manager, before a recording upstream. `10.1.0.0/16` is where the lab is.
    fn serve(mut self, further: &Value) -> Bench {
        let port = free_port();
        let extensions = self.0["extensions"].take();
        let mut manager = self.0["manager"].take();
        manager["@type"] = json!(MANAGER);
        if let Some(routes) =
            manager.as_object_mut().and_then(|manager| manager.remove("rds").map(|_| self.0["routes"][0].take()))
        {
            manager["routeConfig"] = routes;
        }
        let filters = manager["httpFilters"].as_array_mut().expect("filters");
        filters.retain(|filter| !filter["name"].as_str().is_some_and(|name| name.starts_with("istio.")));
        for filter in filters {
            if filter.get("configDiscovery").is_some() {
                let extension =
                    extensions.as_array().and_then(|all| all.iter().find(|one| one["name"] == filter["name"]));
                let mut config = extension.expect("the extension of that name")["typedConfig"].clone();
                config["config"]["vmConfig"]["code"] = module();
                *filter = discovered(filter["name"].as_str().expect("a name"), &config);
            }
        }
        change(&mut manager, &mut |key, value| match key {
            "localJwks" => *value = json!({"inlineString": tokens::key_set()}),
            "destinationPort" if *value == PORT => *value = json!(port),
            "directRemoteIp" if value["addressPrefix"] == "10.1.0.0" => {
                *value = json!({"addressPrefix": "127.0.0.0", "prefixLen": 8});
            }
            _ => {}
        });

        let upstream = Upstream::start();
        let mut names = BTreeSet::new();
        change(&mut manager["routeConfig"], &mut |key, value| {
            names.extend(value.as_str().filter(|_| key == "cluster").map(str::to_owned));
        });
        let clusters: Vec<Value> = names.iter().map(|name| cluster(name, upstream.port, false)).collect();
        let listener = json!({
            "name": "metrics",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
        });
        let mut bootstrap = json!({
            "node": {"id": "lab", "cluster": "lab"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "static_resources": {"listeners": [listener], "clusters": clusters},
        });
        merge(&mut bootstrap, further);
        Bench { envoy: Envoy::start(&bootstrap), upstream }
    }
}

/// Calls `with` for every entry of every object in here.
fn change(value: &mut Value, with: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                with(key, value);
                change(value, with);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const HOST: &str = "thanos-querier.metrics:9090";

#[test]
fn the_plugin_narrows() {
    assert_narrows(&HandedOver::read("plugin").serve(&json!({})), HOST, Token::Stays, Missing::Filter);
}

#[test]
fn the_filter_narrows_in_its_place() {
    // Behind the policy for who may come, which refuses who has no token.
    assert_narrows(&HandedOver::read("filter").serve(&json!({})), HOST, Token::Stays, Missing::Policy);
}

#[test]
fn log_and_metrics_tell_tenants_and_endpoints() {
    let observe = of_kind(&resources("istio/observe.yaml"), "EnvoyFilter").clone();
    let patches = observe["spec"]["configPatches"].as_array().expect("patches");
    let bootstrap = patches.iter().find(|patch| patch["applyTo"] == "BOOTSTRAP").expect("a patch of the bootstrap");
    assert_observed(&HandedOver::read("plugin").serve(&bootstrap["patch"]["value"]), HOST);
}

#[test]
fn each_chain_has_the_filter_behind_the_token_and_the_rest_is_closed() {
    for (name, filter) in [("plugin", "trafficextension/metrics.prom-label-filter"), ("filter", "prom-label-filter")] {
        let handed_over = HandedOver::read(name);
        let chains = handed_over.chains();
        assert_eq!(chains.len(), 4, "{name}: with TLS and without, the Service's port and all others");
        for filters in chains {
            let place = |wanted: &str| {
                filters.iter().position(|found| found.contains(wanted)).unwrap_or_else(|| panic!("{name}: {filters:?}"))
            };
            assert!(place("jwt_authn") < place(filter) && place(filter) < place("router"), "{name}: {filters:?}");
        }
        // What Istio takes for mere TCP no filter sees: nobody may send it.
        let mut closed = 0;
        for chain in handed_over.0["chains"].as_array().expect("chains") {
            let filters = chain["filters"].as_array().expect("filters");
            let Some(proxy) = filters.iter().find(|filter| filter["name"] == "envoy.filters.network.tcp_proxy") else {
                continue;
            };
            let is_nowhere = proxy["typedConfig"]["cluster"] == "BlackHoleCluster";
            let nobody = filters.iter().any(|filter| {
                filter["name"] == "envoy.filters.network.rbac" && filter["typedConfig"]["rules"] == json!({})
            });
            assert!(is_nowhere || nobody, "{name}: {chain}");
            closed += 1;
        }
        assert_eq!(closed, 4, "{name}");
    }
}

fn at(host: &str) -> Request {
    get(format!("http://{host}/api/v1/query?query=up"))
}

#[test]
fn hosts_are_teams_for_whom_the_policy_lets_in() {
    let bench = HandedOver::read("hosts").serve(&json!({}));
    for host in ["fruit.metrics.example", "fruit.metrics.example:8443"] {
        let asked = bench.forwarded("metrics", &at(host).header("x-tenant", "team-other"));
        assert_eq!(read(&only(&asked.url_parameters(), "query")), [exactly("tenant", "team-fruit")]);
    }
    // From Fruit's network, whatever Veggie's name looks like, and wherever the request says that it comes from.
    for host in
        ["veggie.metrics.example", "VEGGIE.metrics.example", "veggie.metrics.example:443", "veggie.metrics.example:"]
    {
        let request =
            at(host).header("x-forwarded-for", "10.2.0.1").header("x-forwarded-host", "fruit.metrics.example");
        let status = bench.send("metrics", &request).status;
        assert!((400..500).contains(&status), "{host}: {status}");
        bench.never_arrived(&request);
    }
    for host in ["other.metrics.example", "veggie.metrics.example.", "fruit.metrics.example:veggie.metrics.example"] {
        let request = at(host);
        let status = bench.send("metrics", &request).status;
        assert!((400..500).contains(&status), "{host}: {status}");
        bench.never_arrived(&request);
    }
    bench.refused("metrics", &at("other.metrics.example"), 403, OURS);
}

#[test]
fn a_route_that_nobody_has_named_is_refused() {
    let mut handed_over = HandedOver::read("hosts");
    let veggie = &mut handed_over.0["routes"][0]["virtualHosts"][1]["routes"][0]["metadata"]["filterMetadata"];
    veggie.as_object_mut().expect("metadata").remove("prom-label-filter").expect("the tenant's name");
    let bench = handed_over.serve(&json!({}));
    bench.refused("metrics", &at("veggie.metrics.example"), 403, OURS);
}

#[test]
fn without_the_filter_nothing_is_narrowed() {
    // What the tests above would see if they saw nothing: the filter is what makes the difference.
    let mut handed_over = HandedOver::read("plugin");
    let filters = handed_over.0["manager"]["httpFilters"].as_array_mut().expect("filters");
    filters.retain(|filter| filter.get("configDiscovery").is_none());
    let bench = handed_over.serve(&json!({}));
    let request = at(HOST).bearer(&token(&claims(&json!("team-fruit"))));
    let asked = bench.forwarded("metrics", &request);
    assert_eq!(only(&asked.url_parameters(), "query"), "up");
}

// --- what Istio itself says ---

/// Asks Istio's code what a proxy gets of these resources.
fn hand_over(proxy: &str, resources: &str) -> Value {
    let home = directory("istio");
    let (given, got) = (home.join("resources.yaml"), home.join("handed-over.json"));
    fs::write(&given, resources).expect("a file");
    let output = Command::new(parts::peer("istio"))
        .current_dir(&home)
        .args(["-test.run", "^TestHandedOver$"])
        .env("PLF_PROXY", proxy)
        .env("PLF_RESOURCES", &given)
        .env("PLF_OUT", &got)
        .output()
        .expect("Istio starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let mut found: Value = serde_json::from_slice(&fs::read(got).expect("an answer")).expect("JSON");
    change(&mut found, &mut |key, value| match key {
        // The keys that Istio takes where it reaches no identity provider; and the time.
        "localJwks" => *value = json!({"inlineString": ""}),
        "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION" => *value = json!("1"),
        _ => {}
    });
    found
}

/// The resources in a file, as they are written.
fn written(file: &str) -> Vec<String> {
    text(file).split("\n---\n").map(str::to_owned).collect()
}

#[test]
#[ignore = "needs Istio's code: make control-planes"]
fn istio_hands_over_what_is_recorded() {
    for (name, proxy, files, without) in RECORDINGS {
        let all = files.iter().flat_map(|file| written(file));
        let all = all.filter(|one| without.is_empty() || !one.contains(&format!("kind: {without}\n")));
        let found = hand_over(proxy, &all.collect::<Vec<_>>().join("\n---\n"));
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::write(recording(name), format!("{found:#}\n")).expect("the recording can be written");
        }
        assert!(
            found == HandedOver::read(name).0,
            "Istio hands over something else than {}; where that is meant, UPDATE_GOLDEN=1 rewrites it:\n{found:#}",
            recording(name).display()
        );
    }
}

/// The hosts of two teams at one route, in Istio's own words.
const SHARED: &str = r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shared, namespace: metrics}
spec:
  selector: {gateway.networking.k8s.io/gateway-name: metrics}
  servers: [{port: {number: 443, name: http, protocol: HTTP}, hosts: ["*.metrics.example"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: teams, namespace: metrics}
spec:
  hosts: [fruit.metrics.example, veggie.metrics.example]
  gateways: [shared]
  http: [{route: [{destination: {host: thanos-querier.metrics.svc.cluster.local, port: {number: 9090}}}]}]
"#;

#[test]
#[ignore = "needs Istio's code: make control-planes"]
fn istio_gives_no_tenant_to_a_route_of_several_teams() {
    let of = |kinds: &[&str]| {
        let all = written("istio/hosts.yaml").into_iter();
        all.filter(|one| kinds.iter().any(|kind| one.contains(&format!("kind: {kind}\n")))).collect::<Vec<_>>()
    };
    let (fruit, both) = ("[fruit.metrics.example]", "[fruit.metrics.example, veggie.metrics.example]");
    let mut by_gateway_api = of(&["Gateway", "HTTPRoute", "EnvoyFilter"]);
    by_gateway_api.retain(|one| !one.contains("  name: veggie\n"));
    for one in &mut by_gateway_api {
        *one = one.replace("  name: fruit\n", "  name: teams\n").replace(fruit, both);
    }
    let mut by_istio = of(&["EnvoyFilter"]);
    by_istio.push(SHARED.to_owned());
    // Of the second Istio makes one virtual host, which has the name of the first of them: whoever named teams by that would give
    // both the same.
    for (resources, virtual_hosts) in [(by_gateway_api, 2), (by_istio, 1)] {
        let routes = hand_over("gateway", &resources.join("\n---\n"))["routes"].take();
        assert_eq!(routes[0]["virtualHosts"].as_array().map(Vec::len), Some(virtual_hosts), "{routes}");
        let text = routes.to_string();
        assert!(text.contains("veggie.metrics.example") && text.contains("thanos-querier"), "{routes}");
        assert!(!text.contains("prom-label-filter"), "{routes}");
    }
}
