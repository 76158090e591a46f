//! Exemplars: of sidecars, and of a Receive, which overlooks the matchers on its external labels.

use super::world::bearer;
use crate::support::client::{get, post, send};
use crate::support::data::{self, END};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::form::encode;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::remote_write::Series;
use crate::support::thanos::{Querier, Store};
use serde_json::{Value, json};

fn series(tenant: &str) -> Vec<Series> {
    data::of_tenant(tenant).into_iter().map(|each| each.without("tenant")).collect()
}

/// A Prometheus and its sidecar.
fn server(tenant: &str) -> (Prometheus, Store) {
    let external_labels = json!({"tenant": tenant, "replica": "a"});
    let server = Prometheus::with(&series(tenant), &Duties { external_labels, ..Duties::default() }, &[]);
    let store = Store::sidecar(&server);
    (server, store)
}

// Not here: `tenant!="team-fruit"`, of which the Receive overlooks all, so that a Querier of Fruit's own shows what it was told not
// to. Through the filter there is nothing, as it should be.
const QUERIES: [&str; 5] = [
    "http_requests_total",
    "http_requests_total{job=\"api\"}",
    "rate(http_requests_total{tenant=\"team-veggie\"}[5m])",
    "{__name__=~\".+\"}",
    "up + http_requests_total",
];

fn sorted(mut json: Value) -> Value {
    if let Some(entries) = json["data"].as_array_mut() {
        entries.sort_by_cached_key(Value::to_string);
    }
    json
}

#[test]
#[ignore = "needs the peers: make test-peers"]
fn exemplars_are_those_of_ones_own_stores_also_where_a_store_overlooks_matchers() {
    let (_fruit_server, fruit) = server("team-fruit");
    let (_veggie_server, veggie) = server("team-veggie");
    let receive = |tenants: &[&str]| {
        let kept: Vec<_> = tenants.iter().map(|tenant| (*tenant, series(tenant))).collect();
        Store::receive("receive=\"r\"", &kept)
    };
    let both = receive(&["team-fruit", "team-veggie"]);
    let fruit_receive = receive(&["team-fruit"]);
    let shared = Querier::over([&fruit, &veggie, &both], &[]);
    let own = Querier::over([&fruit, &fruit_receive], &[]);
    let configuration = json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}]});
    let listeners = [Listener::new("token", configuration).jwt()];
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    let mut telling = 0;
    for query in QUERIES {
        let parameters = format!("query={}&start={}&end={}", encode(query), *END - 2400, *END);
        let target = format!("/api/v1/query_exemplars?{parameters}");
        let wanted = sorted(send(own.port, &get(&target)).json());
        for request in [get(&target), post("/api/v1/query_exemplars", &parameters)] {
            let got = send(envoy.port("token"), &request.bearer(&bearer(&["team-fruit"])));
            assert_eq!(got.status, 200, "{}", got.text());
            assert_eq!(sorted(got.json()), wanted, "{query}");
        }
        telling += usize::from(wanted.to_string().contains("trace_id"));
    }
    assert!(telling >= 3, "{telling}");
    // The reason why the answer is filtered: the narrowed query alone brings the other team's.
    let narrowed = encode("http_requests_total{tenant=\"team-fruit\"}");
    let direct = format!("/api/v1/query_exemplars?query={narrowed}&start={}&end={}", *END - 2400, *END);
    let direct = send(shared.port, &get(&direct)).text();
    assert!(direct.contains("team-fruit") && direct.contains("team-veggie"), "{direct}");
    assert_eq!(envoy.reloads(), 0);
}
