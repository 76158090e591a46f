//! What the upstream is told for its accounting.

use crate::support::bench::{Bench, InUse, OURS};
use crate::support::client::{get, post};
use crate::support::envoy::Listener;
use serde_json::json;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    Bench::start([
        Listener::new(
            "told",
            json!({"labels": [
                {"name": "tenant", "header": "x-tenant", "danger_unrestricted": ["sre"]},
                {"name": "cluster", "values": ["c1"]}], "tenant_header": "THANOS-TENANT", "ui": "pass"}),
        ),
        Listener::new(
            "own",
            json!({"labels": [{"name": "tenant", "header": "x-tenant"}], "tenant_header": "x-accounting"}),
        ),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

#[test]
fn the_upstream_is_told_the_values_of_the_first_rule() {
    let bench = bench();
    let requests = || [get("/api/v1/query?query=up"), post("/api/v1/query", "query=up"), get("/federate")];
    for (one, several) in requests().into_iter().zip(requests()) {
        let one = bench.forwarded("told", &one.header("x-tenant", "a"));
        assert_eq!(one.all("thanos-tenant"), ["a"]);
        let several = bench.forwarded("told", &several.header("x-tenant", "b").header("x-tenant", "a/b"));
        assert_eq!(several.all("thanos-tenant"), ["a/b|b"]);
    }
}

#[test]
fn a_client_never_tells_the_upstream_anything() {
    let bench = bench();
    let lying = |path| get(path).header("thanos-tenant", "b").header("THANOS-TENANT", "c").header("x-accounting", "b");
    let told = bench.forwarded("told", &lying("/api/v1/query?query=up").header("x-tenant", "a"));
    assert_eq!(told.all("thanos-tenant"), ["a"]);
    let lifted = bench.forwarded("told", &lying("/api/v1/query?query=up").header("x-tenant", "sre"));
    assert!(!lifted.has("thanos-tenant"), "{lifted:?}");
    let page = bench.forwarded("told", &lying("/graph"));
    assert!(!page.has("thanos-tenant"), "{page:?}");
    let own = bench.forwarded("own", &lying("/api/v1/query?query=up").header("x-tenant", "a"));
    assert_eq!((own.all("x-accounting"), own.has("thanos-tenant")), (vec!["a".to_owned()], false));
}

#[test]
fn a_value_that_no_header_holds_alike_everywhere_is_refused() {
    let bench = bench();
    for value in ["a b", "é", "a\u{a0}b"] {
        bench.refused("told", &get("/api/v1/query?query=up").header("x-tenant", value), 403, OURS);
        bench.refused("told", &post("/api/v1/query", "query=up").header("x-tenant", value), 403, OURS);
    }
}
