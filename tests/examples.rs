//! The examples under `envoy/examples/`, each started as it is shipped but for ports and folders: who is let through, with
//! which query, and who is not.

use crate::docs::blocks_of;
use crate::envoy::matchers::{any_of, exactly, read};
use crate::support::bench::{Bench, OURS, only};
use crate::support::certificates::{self, Certificate, STRANGER};
use crate::support::client::{Request, get, post};
use crate::support::envoy::Envoy;
use crate::support::tokens::forged_token;
use crate::support::upstream::{Answer, Upstream};
use crate::support::{parts, process};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const README: &str = include_str!("../envoy/README.md");

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy")
}

/// A folder like the checkout in which a reader has followed `envoy/README.md`: the module is built and the files are made.
pub(crate) static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = process::directory("examples");
    fs::create_dir_all(home.join("target")).expect("a directory");
    symlink(parts::module(), home.join("target/prom-label-filter.wasm")).expect("a link to the module");
    symlink(shipped(), home.join("envoy")).expect("a link to the examples");
    // As the image has it, in its container.
    fs::create_dir_all(home.join("module")).expect("a directory");
    symlink(parts::module(), home.join("module/plugin.wasm")).expect("a link to the module");
    for commands in blocks_of(README, "sh") {
        let output = Command::new("bash").current_dir(&home).args(["-euo", "pipefail", "-c", &commands]).output();
        let output = output.expect("bash runs");
        assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    home
});

/// The example in a real Envoy: listeners on free ports, `clusters` on those of the lab.
fn start(example: &str, clusters: &[(&str, &Upstream)]) -> Envoy {
    let text = fs::read_to_string(shipped().join(format!("examples/{example}.yaml"))).expect("the example");
    let text = text.replace("filename: ", &format!("filename: {}/", HOME.display()));
    let mut bootstrap: Value = serde_norway::from_str(&text).expect("YAML");

    let resources = &mut bootstrap["static_resources"];
    for listener in resources["listeners"].as_array_mut().expect("listeners") {
        let address = &mut listener["address"]["socket_address"];
        assert_eq!(address["address"], "127.0.0.1", "what is copied must not be open to the world");
        address["port_value"] = json!(0);
    }
    for cluster in resources["clusters"].as_array_mut().expect("clusters") {
        let (_, upstream) = clusters.iter().find(|(name, _)| cluster["name"] == *name).expect("a known cluster");
        let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        endpoint["address"]["socket_address"]["port_value"] = json!(upstream.port);
    }
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(0);
    Envoy::start(&bootstrap)
}

fn bench(example: &str) -> Bench {
    let upstream = Upstream::start();
    Bench { envoy: start(example, &[("prometheus", &upstream)]), upstream }
}

/// One of the tokens that the reader has made.
fn token(name: &str) -> String {
    fs::read_to_string(HOME.join(format!(".cache/examples/{name}.jwt"))).expect("the token")
}

fn query() -> Request {
    get("/api/v1/query?query=up")
}

/// The query that the upstream gets, from the URL or the form.
#[track_caller]
fn forwarded(bench: &Bench, listener: &str, request: &Request) -> String {
    let recorded = bench.forwarded(listener, request);
    only(&[recorded.url_parameters(), recorded.form_parameters()].concat(), "query")
}

/// The matchers of that query.
#[track_caller]
fn enforced(bench: &Bench, listener: &str, request: &Request) -> Vec<(String, String, String)> {
    read(&forwarded(bench, listener, request))
}

/// Envoy refuses by itself, before the filter, in its own words.
#[track_caller]
fn refused_by_envoy(bench: &Bench, listener: &str, request: &Request, status: u16, words: &str) {
    let response = bench.send(listener, request);
    assert_eq!((response.status, response.text().as_str()), (status, words), "{request:?}");
    bench.never_arrived(request);
}

fn fruit() -> (String, String, String) {
    exactly("tenant", "team-fruit")
}

fn veggie() -> (String, String, String) {
    exactly("tenant", "team-veggie")
}

fn tomato() -> (String, String, String) {
    any_of("tenant", &["team-fruit", "team-veggie"])
}

#[test]
fn jwt_takes_the_tenants_from_a_claim() {
    let bench = bench("jwt");
    assert_eq!(enforced(&bench, "metrics", &query().bearer(&token("fruit"))), [fruit()]);
    // Again, from the cache of verified tokens.
    assert_eq!(enforced(&bench, "metrics", &query().bearer(&token("fruit"))), [fruit()]);
    assert_eq!(enforced(&bench, "metrics", &post("/api/v1/query", "query=up").bearer(&token("tomato"))), [tomato()]);

    bench.refused("metrics", &query(), 401, OURS);
    let forged = query().bearer(&forged_token(&json!({"tenants": "team-fruit"})));
    refused_by_envoy(&bench, "metrics", &forged, 401, "Jwt issuer is not configured");
    // A token in the URL is none.
    bench.refused("metrics", &get(format!("/api/v1/query?query=up&access_token={}", token("fruit"))), 401, OURS);
    let tampered = query().bearer(&with_payload_of(&token("fruit"), &token("veggie")));
    refused_by_envoy(&bench, "metrics", &tampered, 401, "Jwt verification fails");
}

#[test]
fn hardened_refuses_more_before_the_filter_and_serves_the_same() {
    let bench = bench("hardened");
    let fruits = || query().bearer(&token("fruit"));
    assert_eq!(enforced(&bench, "metrics", &fruits()), [fruit()]);
    assert_eq!(enforced(&bench, "metrics", &post("/api/v1/query", "query=up").bearer(&token("tomato"))), [tomato()]);
    let slashes = get("//api//v1/./query?query=up").bearer(&token("fruit"));
    assert_eq!(enforced(&bench, "metrics", &slashes), [fruit()]);
    bench.refused("metrics", &query(), 401, OURS);

    for (request, status) in [
        (fruits().header("x_tenant", "team-veggie"), 400),
        (get("/api/v1/x%2F..%2Fquery?query=up").bearer(&token("fruit")), 400),
        (fruits().header("x-long", "x".repeat(61 * 1024)), 431),
        ((0..60).fold(fruits(), |request, number| request.header(&format!("x-{number}"), "x")), 431),
    ] {
        let response = bench.send("metrics", &request);
        assert_eq!(response.status, status, "{}", response.text());
        bench.never_arrived(&request);
    }
}

/// The checklist's settings, and those of the example.
#[test]
fn hardened_has_what_the_checklist_names() {
    let checklist =
        include_str!("../SECURITY.md").split("\n## ").find(|part| part.starts_with("Checklist")).expect("it");
    let rows = checklist.lines().filter(|line| line.starts_with("| `"));
    let settings: Vec<&str> =
        rows.flat_map(|row| row.split(" | ").next().expect("a cell").split('`').skip(1).step_by(2)).collect();
    assert!(settings.len() > 20, "{settings:?}");
    let example = fs::read_to_string(shipped().join("examples/hardened.yaml")).expect("the example");
    for setting in settings {
        assert!(example.contains(&format!("{setting}:")), "{setting} is not in it");
    }
}

/// Somebody's token with the claims of another.
fn with_payload_of(token: &str, other: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = other.split('.').nth(1).expect("a payload");
    [parts[0], payload, parts[2]].join(".")
}

#[test]
fn administrator_reads_everything_and_nobody_else_does() {
    let bench = bench("administrator");
    assert_eq!(forwarded(&bench, "metrics", &query().bearer(&token("admin"))), "up");
    assert_eq!(enforced(&bench, "metrics", &query().bearer(&token("tomato"))), [tomato()]);

    bench.refused("metrics", &query(), 401, OURS);
    let tampered = query().bearer(&with_payload_of(&token("fruit"), &token("admin")));
    refused_by_envoy(&bench, "metrics", &tampered, 401, "Jwt verification fails");
}

#[test]
fn several_labels_are_all_enforced() {
    let bench = bench("several-labels");
    let production = exactly("environment", "production");
    assert_eq!(enforced(&bench, "metrics", &query().bearer(&token("fruit"))), [fruit(), production]);
    // What a query says of a label is not taken for it.
    let foreign = get("/api/v1/query?query=up%7Benvironment%3D%22staging%22%7D").bearer(&token("fruit"));
    let [staging, production] = ["staging", "production"].map(|value| exactly("environment", value));
    assert_eq!(enforced(&bench, "metrics", &foreign), [staging, fruit(), production]);

    bench.refused("metrics", &query(), 401, OURS);
}

#[test]
fn mtls_takes_the_tenant_from_the_clients_certificate() {
    let bench = bench("mtls");
    let file = |name: String| HOME.join(".cache/examples").join(name);
    let made = |name: &str| Certificate { certificate: file(format!("{name}.pem")), key: file(format!("{name}.key")) };
    let send = |request: &Request, certificate: Option<&Certificate>| {
        certificates::send(bench.port("metrics"), request, certificate)
    };
    for (name, matcher) in [("fruit", fruit()), ("veggie", veggie())] {
        let request = query().header("x-forwarded-client-cert", "URI=spiffe://metrics.example/team-other");
        let (status, body) = send(&request, Some(&made(name))).expect("a connection");
        assert_eq!(status, 200, "{body}");
        assert_eq!(read(&only(&bench.arrived(&request).url_parameters(), "query")), [matcher]);
    }

    // The authority has signed it, and it names no team.
    let request = query();
    let (status, body) = send(&request, Some(&made("server"))).expect("a connection");
    assert!(status == 403 && body.contains(OURS), "{status} {body}");
    bench.never_arrived(&request);

    // It names a team, and another authority has signed it; or there is none.
    let forged = STRANGER.issue("example", "/CN=fruit", "URI:spiffe://metrics.example/team-fruit");
    for certificate in [None, Some(&forged)] {
        let request = query();
        assert_eq!(send(&request, certificate), None, "{certificate:?}");
        bench.never_arrived(&request);
    }
}

#[test]
fn port_per_tenant_tells_tenants_by_their_ports() {
    let bench = bench("port-per-tenant");
    assert_eq!(enforced(&bench, "fruit", &query()), [fruit()]);
    assert_eq!(enforced(&bench, "veggie", &post("/api/v1/query", "query=up")), [veggie()]);
    // Nothing in a request makes it another team's.
    let foreign = get("/api/v1/query?query=up%7Btenant%3D%22team-veggie%22%7D&tenant=team-veggie")
        .header("x-tenant", "team-veggie")
        .header("host", "veggie");
    assert_eq!(enforced(&bench, "fruit", &foreign), [veggie(), fruit()]);
    bench.refused("fruit", &get("/api/v1/status/config"), 404, OURS);
}

#[test]
fn route_metadata_answers_a_team_at_its_host_name_from_its_network() {
    let bench = bench("route-metadata");
    let at = |host: &str| get(format!("http://{host}/api/v1/query?query=up"));
    // As curl and Grafana name it, which say the port, and without.
    for host in ["fruit.metrics.example:39090", "fruit.metrics.example"] {
        assert_eq!(enforced(&bench, "metrics", &at(host)), [fruit()], "{host}");
    }

    // Another team's network, whatever the request says of where it comes from.
    for request in [
        at("veggie.metrics.example"),
        at("veggie.metrics.example:39090"),
        at("veggie.metrics.example").header("x-forwarded-for", "10.2.0.1"),
        at("metrics"),
    ] {
        refused_by_envoy(&bench, "metrics", &request, 403, "RBAC: access denied");
    }
}

#[test]
fn header_comes_from_the_service_that_authenticates() {
    let (upstream, service) = (Upstream::start(), Upstream::start());
    let envoy = start("header", &[("prometheus", &upstream), ("authenticator", &service)]);
    let bench = Bench { envoy, upstream };
    let request = || post("/api/v1/query", "query=up").bearer("a-token").header("x-tenant", "team-veggie");

    service.answer_others(Answer::json(200, "{}").header("x-tenant", "team-fruit"));
    assert_eq!(enforced(&bench, "metrics", &request()), [fruit()]);
    let asked = service.all().pop().expect("the service is asked");
    assert_eq!((asked.all("authorization"), asked.has("x-tenant")), (vec!["Bearer a-token".to_owned()], false));

    // The client's own header is nothing, also where the service names nobody.
    service.answer_others(Answer::json(200, "{}"));
    bench.refused("metrics", &request(), 401, OURS);
    service.answer_others(Answer::json(403, "no"));
    refused_by_envoy(&bench, "metrics", &request(), 403, "no");
}

#[test]
fn path_chooses_among_the_tenants_of_the_token() {
    let bench = bench("path");
    let at = |team: &str, token: &str| get(format!("/tenants/{team}/api/v1/query?query=up")).bearer(token);
    for (team, holder, matcher) in [
        ("team-fruit", "fruit", fruit()),
        ("team-fruit", "tomato", fruit()),
        ("team-veggie", "tomato", veggie()),
        ("team-veggie", "veggie", veggie()),
    ] {
        let recorded = bench.forwarded("metrics", &at(team, &token(holder)));
        assert_eq!(recorded.path(), "/api/v1/query");
        assert_eq!(read(&only(&recorded.url_parameters(), "query")), [matcher], "{team} as {holder}");
    }

    refused_by_envoy(&bench, "metrics", &get("/tenants/team-fruit/api/v1/query?query=up"), 401, "Jwt is missing");
    for path in [
        "team-veggie",
        "team%2Dveggie",
        "team-fruit/../team-veggie",
        "team-fruit/%2e%2e/team-veggie",
        "team-fruit/..\\team-veggie",
        "team-fru",
        "",
        ".*",
    ] {
        refused_by_envoy(&bench, "metrics", &at(path, &token("fruit")), 403, "RBAC: access denied");
    }
    let no_prefix = query().bearer(&token("fruit"));
    refused_by_envoy(&bench, "metrics", &no_prefix, 403, "RBAC: access denied");
}

#[test]
fn query_param_is_what_the_proxy_in_front_has_set() {
    let bench = bench("query-param");
    assert_eq!(enforced(&bench, "metrics", &get("/api/v1/query?query=up&team=team-fruit")), [fruit()]);
    assert_eq!(enforced(&bench, "metrics", &post("/api/v1/query?team=team-fruit", "query=up")), [fruit()]);

    bench.refused("metrics", &query(), 401, OURS);
    // The proxy leaves forms to the client.
    let forged = post("/api/v1/query?team=team-fruit", "query=up&team=team-veggie");
    bench.refused_in_body("metrics", &forged, 403, OURS);
}

#[test]
fn grafana_asks_for_its_users_by_token_and_for_alert_rules_by_port() {
    let bench = bench("../grafana/envoy");
    let question = || post("/api/v1/query_range", "query=up&start=1&end=2&step=1");
    assert_eq!(enforced(&bench, "users", &question().bearer(&token("veggie"))), [veggie()]);
    assert_eq!(enforced(&bench, "alert-rules", &question()), [fruit()]);

    bench.refused("users", &question(), 401, OURS);
    // A user's token is nothing there.
    assert_eq!(enforced(&bench, "alert-rules", &question().bearer(&token("admin"))), [fruit()]);
}

#[test]
fn grafanas_data_sources_lead_to_the_listeners() {
    let text = |name: &str| fs::read_to_string(shipped().join("grafana").join(name)).expect("the file");
    let [bootstrap, sources] =
        ["envoy.yaml", "datasources.yaml"].map(|name| serde_norway::from_str::<Value>(&text(name)).expect("YAML"));
    let urls: Vec<String> = bootstrap["static_resources"]["listeners"]
        .as_array()
        .expect("listeners")
        .iter()
        .map(|listener| &listener["address"]["socket_address"])
        .map(|address| format!("http://{}:{}", address["address"].as_str().expect("text"), address["port_value"]))
        .collect();
    let told: Vec<(&Value, Option<bool>, Option<bool>)> = sources["datasources"]
        .as_array()
        .expect("data sources")
        .iter()
        .map(|source| (source, &source["jsonData"]))
        .map(|(source, more)| (&source["url"], more["oauthPassThru"].as_bool(), more["manageAlerts"].as_bool()))
        .collect();
    assert_eq!(told, [(&json!(urls[0]), Some(true), Some(false)), (&json!(urls[1]), None, None)]);
}

#[test]
fn every_example_is_told_of() {
    for entry in fs::read_dir(shipped().join("examples")).expect("the examples") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        assert!(README.contains(&format!("](examples/{name}")), "envoy/README.md does not tell of {name}");
    }
}
