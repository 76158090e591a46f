//! A store that is gone: what the answers say about it.

use super::world::bearer;
use crate::support::client::{get, send};
use crate::support::data::{self, END};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::eventually;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::thanos::{Querier, Store};
use serde_json::json;

#[test]
#[ignore = "needs the peers: make test-peers"]
fn a_stopped_store_leaves_no_trace_of_whose_it_was() {
    let server = |tenant: &str| {
        let external_labels = json!({"tenant": tenant, "replica": "a"});
        let series: Vec<_> = data::of_tenant(tenant).into_iter().map(|each| each.without("tenant")).collect();
        Prometheus::with(&series, &Duties { external_labels, ..Duties::default() }, &[])
    };
    let (fruit_server, veggie_server) = (server("team-fruit"), server("team-veggie"));
    let (fruit, veggie) = (Store::sidecar(&fruit_server), Store::sidecar(&veggie_server));
    let shared = Querier::over([&fruit, &veggie], &[]);
    let configuration = |warnings: &str| {
        json!({
            "labels": [{"name": "tenant", "jwt_claim": "tenants", "danger_unrestricted": ["sre"]}],
            "targets": "filter",
            "alerts_from_rules": true,
            "warnings": warnings,
        })
    };
    let listeners =
        [Listener::new("scrub", configuration("scrub")).jwt(), Listener::new("pass", configuration("pass")).jwt()];
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    // Its Prometheus has gone: the sidecar is still there, and every request to it fails.
    drop(veggie_server);
    let own = Querier::over([&fruit], &[]);
    let ask = |listener: &str, target: &str, tenants: &[&str]| {
        send(envoy.port(listener), &get(target).bearer(&bearer(tenants)))
    };
    // The administrator is told: there is something to hide.
    eventually("the Querier to miss the store", || {
        let told = ask("pass", "/api/v1/query?query=up", &["sre"]).text();
        told.contains(r#""warnings":["#).then_some(())
    });
    let mut warned = 0;
    for target in NARROWED.map(timed) {
        let target = &target;
        // Thanos does not even ask the other team's store.
        let wanted = send(own.port, &get(target));
        for listener in ["scrub", "pass"] {
            let answer = ask(listener, target, &["team-fruit"]);
            assert_eq!((answer.status, answer.json()), (wanted.status, wanted.json()), "{target} at {listener}");
        }
        // The team whose store it is sees that something is missing, and not where it is.
        let told = ask("scrub", target, &["team-veggie"]).text();
        assert!(!told.contains("127.0.0.1"), "{target}: {told}");
        let passed = ask("pass", target, &["team-veggie"]).text().contains("127.0.0.1");
        assert_eq!(told.contains("the upstream reported"), passed, "{target}: {told}");
        warned += usize::from(passed);
    }
    assert!(warned > 7, "{warned}");
    for target in FILTERED.map(timed) {
        let target = &target;
        for listener in ["scrub", "pass"] {
            for tenant in ["team-fruit", "team-veggie"] {
                let answer = ask(listener, target, &[tenant]);
                let text = answer.text();
                assert!(!text.contains("127.0.0.1"), "{target}: {text}");
                // Exemplars are narrowed as well.
                let is_asked = tenant == "team-veggie" || !target.contains("exemplars");
                assert_eq!(text.contains("the upstream reported"), is_asked, "{target}: {text}");
            }
        }
        assert!(send(shared.port, &get(target)).text().contains("127.0.0.1"), "{target}");
    }
}

fn timed(target: &str) -> String {
    target.replace("{end}", &END.to_string())
}

/// What the query narrows.
const NARROWED: [&str; 11] = [
    "/api/v1/query?query=up&time={end}",
    "/api/v1/query?query=up&time={end}&partial_response=false",
    "/api/v1/query?query=up&time={end}&engine=thanos",
    "/api/v1/query?query=up&time={end}&engine=thanos&partial_response=false",
    "/api/v1/query_range?query=up&start={end}&end={end}&step=60",
    "/api/v1/series?match[]=up",
    "/api/v1/series?match[]=up&partial_response=false",
    "/api/v1/labels",
    "/api/v1/labels?partial_response=false",
    "/api/v1/label/tenant/values",
    "/api/v1/label/__name__/values?partial_response=false",
];

/// What Thanos asks all stores for.
const FILTERED: [&str; 7] = [
    "/api/v1/query_exemplars?query=up&start={end}&end={end}",
    "/api/v1/query_exemplars?query=up&start={end}&end={end}&partial_response=false",
    "/api/v1/rules",
    "/api/v1/rules?partial_response=false",
    "/api/v1/alerts",
    "/api/v1/targets",
    "/api/v1/targets?partial_response=false",
];
