//! Envoy beside a Querier: that its parts fit each other, that nothing leads around the filter, and that it serves.

use super::served::{Missing, Token, assert_narrows, assert_observed};
use super::{of_kind, resources, text};
use crate::docs::yaml;
use crate::support::bench::Bench;
use crate::support::client::get;
use crate::support::envoy::Envoy;
use crate::support::process::{Process, directory, free_port};
use crate::support::upstream::{Answer, Upstream};
use crate::support::{eventually, parts, tokens};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn deployment() -> Value {
    of_kind(&resources("sidecar/deployment.yaml"), "Deployment").clone()
}

fn pod() -> Value {
    deployment()["spec"]["template"]["spec"].clone()
}

fn container(name: &str) -> Value {
    let pod = pod();
    let mut containers = pod["containers"].as_array().expect("containers").iter();
    containers.find(|container| container["name"] == name).expect("the container").clone()
}

fn bootstrap() -> Value {
    yaml(&text("sidecar/envoy.yaml"))
}

/// The Envoy as it is shipped, but for ports, the module's place, the identity provider's keys, and how long it waits.
fn start() -> Bench {
    let upstream = Upstream::start();
    let mut bootstrap = bootstrap();
    let administration = free_port();
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(administration);
    let resources = &mut bootstrap["static_resources"];
    for listener in resources["listeners"].as_array_mut().expect("listeners") {
        listener["address"]["socket_address"] = json!({"address": "127.0.0.1", "port_value": 0});
    }
    let clusters = resources["clusters"].as_array_mut().expect("clusters");
    clusters.retain(|cluster| cluster["name"] != "idp");
    for interval in ["interval", "no_traffic_interval"] {
        clusters[0]["health_checks"][0][interval] = json!("0.1s");
    }
    for (cluster, (name, port)) in
        clusters.iter_mut().zip([("querier", upstream.port), ("administration", administration)])
    {
        assert_eq!(cluster["name"], name);
        let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        endpoint["address"]["socket_address"]["port_value"] = json!(port);
    }
    let filters = &mut resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let provider = filters[0]["typed_config"]["providers"]["idp"].as_object_mut().expect("the provider");
    provider.remove("remote_jwks").expect("remote keys");
    provider.insert("local_jwks".to_owned(), json!({"inline_string": tokens::key_set()}));
    filters[1]["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] = json!(parts::module());
    Bench { envoy: Envoy::start(&bootstrap), upstream }
}

#[test]
fn envoy_narrows_and_shows_its_operators_little() {
    let bench = start();
    assert_narrows(&bench, "thanos-querier.metrics:9090", Token::Stays, Missing::Filter);
    assert_observed(&bench, "thanos-querier.metrics:9090");

    for path in ["/ready", "/stats/prometheus"] {
        assert_eq!(bench.send("operations", &get(path)).status, 200, "{path}");
    }
    for path in [
        "/",
        "/stats",
        "/config_dump",
        "/quitquitquit",
        "/ready/../config_dump",
        "/api/v1/query?query=up",
        "/-/healthy",
    ] {
        let request = get(path);
        assert_eq!(bench.send("operations", &request).status, 404, "{path}");
        bench.never_arrived(&request);
    }
}

#[test]
fn the_kubelet_hears_of_the_querier_without_reaching_it() {
    let bench = start();
    let querier = container("querier");
    let path = querier["readinessProbe"]["httpGet"]["path"].as_str().expect("a path");
    let hears = |status: u16| {
        eventually("what the Querier's health is", || {
            let request = get(path);
            let heard = bench.send("operations", &request).status;
            bench.never_arrived(&request);
            (heard == status).then_some(())
        });
    };
    hears(200);
    bench.upstream.answer_others(Answer::json(503, "{}"));
    hears(503);
}

#[test]
fn the_parts_fit_each_other() {
    let (pod, envoy, querier) = (pod(), container("envoy"), container("querier"));
    let bootstrap = bootstrap();

    // The module is where Envoy looks for it.
    let mount = |name: &str| {
        let mounts = envoy["volumeMounts"].as_array().expect("mounts");
        mounts.iter().find(|mount| mount["name"] == name).expect("the mount")["mountPath"].as_str().expect("a path")
    };
    let code = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/1/typed_config/config/vm_config/code";
    let file = bootstrap.pointer(code).expect("the code")["local"]["filename"].as_str().expect("a path");
    let directory = envoy["workingDir"].as_str().expect("a directory");
    assert_eq!(format!("{directory}{file}"), format!("{}/plugin.wasm", mount("module")));
    let volumes = pod["volumes"].as_array().expect("volumes");
    let module = volumes.iter().find(|volume| volume["name"] == "module").expect("the volume");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(module["image"]["reference"], format!("registry.example.com/prom-label-filter:{version}"));

    // So is its configuration, which kustomize makes a config map of.
    let kustomization = yaml(&text("sidecar/kustomization.yaml"));
    let map = volumes.iter().find(|volume| volume["name"] == "configuration").expect("the volume");
    let expected = json!([{"name": map["configMap"]["name"], "files": ["envoy.yaml"]}]);
    assert_eq!(kustomization["configMapGenerator"], expected);
    assert_eq!(envoy["args"][1], format!("{}/envoy.yaml", mount("configuration")));
    let listed: BTreeSet<String> = kustomization["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|name| format!("sidecar/{}", name.as_str().expect("a name")))
        .collect();
    let shipped: BTreeSet<String> = super::files().into_iter().filter(|file| file.starts_with("sidecar/")).collect();
    assert_eq!(listed, shipped);

    // Its ports are those of its listeners, and the Querier is where Envoy asks for it.
    let ports = |of: &Value, name: &str, number: &str| -> Vec<(Value, Value)> {
        of.as_array()
            .expect("a list")
            .iter()
            .map(|one| (one[name].clone(), one.pointer(number).expect("a port").clone()))
            .collect()
    };
    let listeners = &bootstrap["static_resources"]["listeners"];
    assert_eq!(
        ports(&envoy["ports"], "name", "/containerPort"),
        ports(listeners, "name", "/address/socket_address/port_value")
    );
    let address = &bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        ["address"]["socket_address"];
    let address = format!("--http-address={}:{}", address["address"].as_str().expect("text"), address["port_value"]);
    assert!(querier["args"].as_array().expect("arguments").contains(&json!(address)), "{address}");
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(querier[probe]["httpGet"]["port"], envoy["ports"][1]["containerPort"], "{probe}");
        assert_eq!(envoy[probe]["httpGet"]["port"], "operations", "{probe}");
    }
}

#[test]
fn nothing_is_reached_around_the_filter() {
    // The Querier's two ports are its pod's alone, and no administration of Envoy's is anybody's.
    let querier = container("querier");
    let arguments: Vec<&str> =
        querier["args"].as_array().expect("arguments").iter().filter_map(Value::as_str).collect();
    for name in ["--http-address=", "--grpc-address="] {
        let given = arguments.iter().find_map(|argument| argument.strip_prefix(name)).expect("an address");
        assert!(given.starts_with("127.0.0.1:"), "{name}{given}");
    }
    assert_eq!(querier.get("ports"), None);
    assert_eq!(bootstrap()["admin"]["address"]["socket_address"]["address"], "127.0.0.1");

    // The Service has Envoy's port, and the policy lets nothing else in.
    let services = resources("sidecar/services.yaml");
    let labels = deployment()["spec"]["template"]["metadata"]["labels"].clone();
    let service = services.iter().find(|service| service["spec"]["selector"] == labels).expect("the Service");
    let targets: Vec<&Value> =
        service["spec"]["ports"].as_array().expect("ports").iter().map(|port| &port["targetPort"]).collect();
    assert_eq!(targets, ["metrics"]);
    let policies = resources("sidecar/network-policies.yaml");
    let policy = |labels: &Value| {
        let found = policies.iter().find(|policy| policy["spec"]["podSelector"]["matchLabels"] == *labels);
        let spec = &found.expect("a policy")["spec"];
        assert_eq!(spec["policyTypes"], json!(["Ingress"]));
        spec["ingress"].as_array().expect("rules").clone()
    };
    let [anybody, operators] = policy(&labels).try_into().expect("two rules");
    assert_eq!(anybody, json!({"ports": [{"port": "metrics"}]}));
    assert_eq!(operators["ports"], json!([{"port": "operations"}]));
    assert_eq!(operators["from"].as_array().expect("sources").len(), 1);

    // The stores answer the Querier, on the port that it asks.
    let stores = services.iter().find(|service| service["metadata"]["name"] == "thanos-stores").expect("the Service");
    let [rule] = policy(&stores["spec"]["selector"]).try_into().expect("one rule");
    assert_eq!(
        rule,
        json!({"from": [{"podSelector": {"matchLabels": labels}}], "ports": [{"port": stores["spec"]["ports"][0]["targetPort"]}]})
    );
    assert!(
        arguments.contains(&"--endpoint=dnssrv+_grpc._tcp.thanos-stores")
            && stores["spec"]["ports"][0]["name"] == "grpc"
    );
}

#[test]
fn no_container_has_more_than_it_needs() {
    let pod = pod();
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"], json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
    for key in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        assert_eq!(pod.get(key), None, "{key}");
    }
    for container in pod["containers"].as_array().expect("containers") {
        let context = &container["securityContext"];
        assert!(context["runAsUser"].as_u64().is_some_and(|user| user > 0), "{container}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{container}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
    }
}

#[test]
#[ignore = "needs Thanos: make test-peers"]
fn the_querier_takes_its_arguments() {
    let querier = container("querier");
    let home = directory("querier");
    let arguments = |http: u16| -> Vec<String> {
        let given = querier["args"].as_array().expect("arguments").iter().filter_map(Value::as_str);
        given
            .map(|argument| match argument.split_once('=') {
                Some(("--http-address", _)) => format!("--http-address=127.0.0.1:{http}"),
                Some(("--grpc-address", _)) => format!("--grpc-address=127.0.0.1:{}", free_port()),
                Some(("--query.active-query-path", _)) => format!("--query.active-query-path={}", home.display()),
                _ => argument.to_owned(),
            })
            .collect()
    };
    let (_, _querier) = Process::serve(&parts::peer("thanos"), arguments, &home.join("querier.log"), "/-/ready");
}
