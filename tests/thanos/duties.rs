//! Rules, alerts and targets, of real Prometheus servers through their sidecars.

use super::world::bearer;
use crate::equivalence::duties::{essence, settled};
use crate::support::client::{get, send};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::form::encode;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::thanos::{Querier, Store};
use serde_json::{Value, json};

/// The servers: whose they are, and which replica. `nobody` has rules whose labels say nothing.
const SERVERS: [(&str, &str); 4] = [("team-fruit", "a"), ("team-veggie", "a"), ("team-veggie", "b"), ("nobody", "a")];

const PARTIES: [&[&str]; 3] = [&["team-fruit"], &["team-veggie"], &["team-fruit", "team-veggie"]];

/// A server with rules and targets, on which only the sidecar puts the tenant.
fn server(tenant: &str, replica: &str, exporter: u16) -> Prometheus {
    let rules = json!([
        {"name": format!("of {tenant}"), "rules": [
            {"record": format!("recorded:{tenant}").replace('-', "_"), "expr": "vector(1)"},
            {"alert": "Firing", "expr": "label_replace(vector(7), \"by\", \"rule\", \"\", \"\")", "labels": {"severity": "page"},
                "annotations": {"summary": format!("{tenant} has {{{{ $value }}}}")}},
            {"alert": "Templated", "expr": "vector(2)", "labels": {"severity": "{{ if true }}warn{{ end }}"}},
            {"alert": "Pending", "expr": "vector(1)", "for": "1h", "labels": {"severity": "warn"}},
            {"alert": "Inactive", "expr": "vector(1) > 2", "labels": {"severity": "warn"}}]},
        {"name": "everybody", "rules": [{"record": "same:name", "expr": "vector(4)"}]}]);
    let target = |port: u16| format!("127.0.0.1:{port}");
    let scrape_configs = json!([{"job_name": "exporter", "static_configs": [
        {"targets": [target(exporter), target(1)], "labels": {"shape": tenant}}]}]);
    let external_labels = json!({"tenant": tenant, "cluster": "eu-1", "replica": replica});
    let rules = vec![(format!("{tenant}.json"), rules)];
    Prometheus::with(&[], &Duties { rules, scrape_configs, external_labels, ..Duties::default() }, &[])
}

fn questions() -> Vec<String> {
    let selectors = [
        "{severity=\"page\"}",
        "{severity=~\"page|warn\",tenant!=\"x\"}",
        "{tenant=\"team-veggie\"}",
        "{cluster=\"eu-1\"}",
    ];
    let named = selectors.map(|selector| format!("/api/v1/rules?match[]={}", encode(selector)));
    let asked = [
        "/api/v1/rules",
        "/api/v1/rules?dedup=false",
        "/api/v1/rules?type=alert",
        "/api/v1/rules?type=record&dedup=false",
        "/api/v1/rules?type=wrong",
        "/api/v1/rules?rule_name[]=Firing&rule_name[]=same:name",
        "/api/v1/rules?rule_group[]=everybody",
        "/api/v1/rules?rule_group[]=of%20nobody",
        "/api/v1/rules?partial_response=false",
        "/api/v1/alerts",
        "/api/v1/alerts?dedup=false",
        "/api/v1/targets",
        "/api/v1/targets?state=active",
        "/api/v1/targets?state=dropped",
        "/api/v1/targets?dedup=false",
    ];
    asked.into_iter().map(Into::into).chain(named).collect()
}

#[test]
#[ignore = "needs the peers: make test-peers"]
fn rules_alerts_and_targets_are_those_of_a_querier_over_ones_own_stores() {
    let exporter = Prometheus::holding(&[], &[]);
    let servers = SERVERS.map(|(tenant, replica)| server(tenant, replica, exporter.port));
    for server in &servers {
        settled(server.port, &["one"]);
    }
    let stores = servers.iter().map(Store::sidecar).collect::<Vec<_>>();
    let of = |tenants: &[&str]| -> Vec<&Store> {
        let both = SERVERS.iter().zip(&stores);
        both.filter(|((tenant, _), _)| tenants.contains(tenant)).map(|(_, store)| store).collect()
    };
    let shared = Querier::over(&stores, &[]);
    let configuration = |more: &[(&str, Value)]| {
        let labels = json!([{"name": "tenant", "jwt_claim": "tenants"}]);
        let mut all = json!({"labels": labels, "targets": "filter", "alerts_from_rules": true});
        more.iter().for_each(|(name, value)| all[name] = value.clone());
        all
    };
    let listeners = [
        Listener::new("plain", configuration(&[])).jwt(),
        Listener::new("source", configuration(&[("enable_label_matchers_for_rules_api", json!(true))])).jwt(),
    ];
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    let mut telling = 0;
    for tenants in PARTIES {
        let own = Querier::over(of(tenants), &[]);
        for question in questions() {
            let wanted = essence(&send(own.port, &get(&question)));
            for listener in ["plain", "source"] {
                let got = essence(&send(envoy.port(listener), &get(&question).bearer(&bearer(tenants))));
                assert_eq!(got, wanted, "{tenants:?} asked {listener} for {question}");
            }
            telling += usize::from(wanted.to_string().contains("tenant"));
        }
    }
    assert!(telling > 30, "only {telling} answers tell anything");
    assert_eq!(envoy.reloads(), 0);
}

#[test]
#[ignore = "needs the peers: make test-peers"]
fn an_alert_that_claims_another_team_is_shown_to_neither() {
    let rules = json!([{"name": "stray", "rules": [
        {"alert": "Stray", "expr": "vector(3)", "labels": {"tenant": "team-fruit"}},
        {"alert": "Own", "expr": "vector(3)"}]}]);
    let external_labels = json!({"tenant": "team-veggie", "replica": "a"});
    let rules = vec![("stray.json".to_owned(), rules)];
    let server = Prometheus::with(&[], &Duties { rules, external_labels, ..Duties::default() }, &[]);
    let store = Store::sidecar(&server);
    let shared = Querier::over([&store], &[]);
    let configuration = json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}], "alerts_from_rules": true});
    let listeners = [Listener::new("token", configuration).jwt()];
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    let alerts = |port: u16, tenant: &str| {
        let answer = send(port, &get("/api/v1/alerts").bearer(&bearer(&[tenant]))).json();
        let alerts = answer["data"]["alerts"].as_array().expect("alerts").iter();
        let mut names: Vec<_> = alerts.map(|alert| alert["labels"]["alertname"].to_string()).collect();
        names.sort();
        names
    };
    crate::support::eventually("both alerts", || (alerts(shared.port, "") == ["\"Own\"", "\"Stray\""]).then_some(()));
    assert_eq!(alerts(envoy.port("token"), "team-veggie"), ["\"Own\""]);
    assert_eq!(alerts(envoy.port("token"), "team-fruit"), [""; 0]);
}
