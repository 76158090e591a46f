//! A Query Frontend between the filter and the Querier: its cache mixes nobody's answers.

use super::world::{WORLD, bearer};
use crate::support::client::{Response, get, post, send};
use crate::support::data::END;
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::form::encode;
use crate::support::thanos::QueryFrontend;
use serde_json::{Value, json};

/// What it cached, and how often that was found.
const HITS: &str = "cortex_cache_hits";

fn result(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    let mut json = response.json();
    if let Some(entries) = json.pointer_mut("/data/result").and_then(Value::as_array_mut) {
        entries.sort_by_cached_key(|entry| entry["metric"].to_string());
    }
    // Empty in two ways: a Query Frontend writes its members.
    json.pointer_mut("/data/analysis").map(Value::take);
    json["data"].take()
}

#[test]
#[ignore = "needs the peers: make test-peers"]
fn two_tenants_with_the_same_query_have_a_cache_entry_each() {
    let world = &*WORLD;
    let frontend = QueryFrontend::before(&world.shared, &["--query-range.response-cache-max-freshness=0s"]);
    let configuration = json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}]});
    let tenant_header =
        json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}], "tenant_header": "THANOS-TENANT"});
    let listeners = [Listener::new("token", configuration).jwt(), Listener::new("tenant", tenant_header).jwt()];
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", frontend.port, false)]));
    let range = format!("start={}&end={}&step=60", *END - 2400, *END - 600);
    for listener in ["token", "tenant"] {
        for query in ["sum by (job) (rate(http_requests_total[5m]))", "temperature", "count({__name__=~\".+\"})"] {
            let parameters = format!("query={}&{range}", encode(query));
            let target = format!("/api/v1/query_range?{parameters}");
            for round in 0..3 {
                for (party, tenants) in [("fruit", "team-fruit"), ("veggie", "team-veggie"), ("fruit", "team-fruit")] {
                    let wanted = result(&send(world.ports(party).0, &get(&target)));
                    assert!(wanted["result"].as_array().is_some_and(|series| !series.is_empty()), "{wanted}");
                    let before = frontend.counter(HITS);
                    for request in [get(&target), post("/api/v1/query_range", &parameters)] {
                        let got = send(envoy.port(listener), &request.bearer(&bearer(&[tenants])));
                        assert_eq!(result(&got), wanted, "{party} by {listener}: {query}");
                    }
                    let hits = frontend.counter(HITS) - before;
                    assert!(round == 0 || hits >= 2.0, "{party} by {listener}: {query} is found {hits} times");
                }
            }
        }
        for path in ["/api/v1/labels", "/api/v1/label/__name__/values", "/api/v1/series"] {
            let selector = if path == "/api/v1/series" { "match[]=up&" } else { "" };
            let target = format!("{path}?{selector}start={}&end={}", *END - 2400, *END);
            for _ in 0..3 {
                for (party, tenants) in [("fruit", "team-fruit"), ("veggie", "team-veggie")] {
                    let wanted = result(&send(world.ports(party).0, &get(&target)));
                    let got = send(envoy.port(listener), &get(&target).bearer(&bearer(&[tenants])));
                    assert_eq!(result(&got), wanted, "{party} by {listener}: {target}");
                }
            }
        }
    }
    assert_eq!(envoy.reloads(), 0);
}
