//! Several plugins in one VM: each keeps its own policy, beside another's and behind it.

use super::live::{Late, kept, policy, policy_of, rules_of};
use super::matchers::{exactly, read};
use crate::support::bench::{Bench, OURS, only};
use crate::support::client::{get, post};
use crate::support::envoy::Listener;
use crate::support::upstream::Answer;
use serde_json::{Value, json};

/// A policy with further settings.
fn policy_with(number: usize, settings: Value) -> Value {
    let mut policy = policy(number);
    policy.as_object_mut().expect("settings").extend(settings.as_object().expect("settings").clone());
    policy
}

#[test]
fn plugins_of_two_listeners_in_one_vm_do_not_share_policy() {
    let short = json!({"limits": {"query_bytes": 20}});
    let bench = Bench::start([Listener::new("one", policy(0)), Listener::new("two", policy_with(1, short))]);
    let bench = bench.in_use();
    // The worker's, the main thread's, and the one that they are made from.
    assert_eq!(
        bench.envoy.statistics().get("wasm.envoy.wasm.runtime.v8.active"),
        Some(&3),
        "the plugins do not share a VM"
    );
    let late = [("one", 0), ("two", 1)].map(|(name, number)| (Late::start(&bench.upstream, bench.port(name)), number));
    for _ in 0..20 {
        for (name, number) in [("one", 0), ("two", 1)] {
            let recorded = bench.forwarded(name, &get("/api/v1/query?query=up"));
            assert_eq!(policy_of(&recorded), number);
        }
    }
    let long = "/api/v1/query?query=up%7Bjob%3D%22a-long-name%22%7D";
    bench.forwarded("one", &get(long));
    bench.refused("two", &get(long), 400, OURS);
    for (late, number) in late {
        late.finish(&bench.upstream, number);
    }
}

#[test]
fn two_plugins_in_one_chain_both_hold() {
    let inner = policy_with(1, json!({"limits": {"query_bytes": 60}}));
    let outer = Listener::new("outer", policy_with(0, json!({"targets": "filter"})));
    let bench = Bench::start([Listener::new("chain", inner).behind(outer.filter().expect("a filter"))]);
    let bench = bench.in_use();
    let both = [exactly("tenant0", "only"), exactly("tenant1", "only")];
    for request in [get("/api/v1/query?query=up"), post("/api/v1/query?limit=1", "query=up")] {
        let recorded = bench.forwarded("chain", &request);
        let parameters = [recorded.url_parameters(), recorded.form_parameters()].concat();
        assert_eq!(read(&only(&parameters, "query")), both);
    }
    let rules = get("/api/v1/rules");
    bench.upstream.answer(&rules, Answer::json(200, rules_of(&[&[0], &[1], &[], &[0, 1]])));
    assert_eq!(kept(&bench.send("chain", &rules).json()), [["tenant0", "tenant1"]]);
    // Each refuses for itself, the inner one also where the outer one would filter the answer.
    bench.refused("chain", &get("/api/v1/status/config"), 404, OURS);
    let long = format!("/api/v1/query?query={}", "a".repeat(50));
    bench.refused("chain", &get(long), 400, OURS);
    bench.refused("chain", &get("/api/v1/targets"), 404, OURS);
}
