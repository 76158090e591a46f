//! Where a token's payload can stand, as control planes set it up: other keys and namespaces, several providers, tokens that may be
//! missing. Without a payload where the filter looks there is no tenant.

use super::matchers::{any_of, enforced, exactly};
use crate::support::bench::{Bench, InUse, OURS};
use crate::support::client::{Request, get};
use crate::support::envoy::Listener;
use crate::support::tokens::{ISSUER, PARTNER, forged_token, key_set, partners_key_set, partners_token, token};
use serde_json::{Value, json};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let configuration = |jwt: Value| json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}], "jwt": jwt});
    let provider = |issuer: &str, keys: String, payload: &str| json!({"issuer": issuer, "local_jwks": {"inline_string": keys}, "payload_in_metadata": payload});
    let own = || provider(ISSUER, key_set(), "payload");
    let either = |partners: &str| json!({"own": own(), "partner": provider(PARTNER, partners_key_set(), partners)});
    let any = |names: &[&str]| {
        let requirements: Vec<Value> = names
            .iter()
            .map(|name| if name.starts_with("allow") { json!({*name: {}}) } else { json!({"provider_name": name}) })
            .collect();
        json!({"requires_any": {"requirements": requirements}})
    };
    let mut failing = own();
    failing["failed_status_in_metadata"] = json!("payload");
    let mut scopes = own();
    scopes["normalize_payload_in_metadata"] = json!({"space_delimited_claims": ["tenants"]});
    // Envoy Gateway calls the payload as the provider is called.
    let gateway = json!({"securitypolicy/prom/idp": provider(ISSUER, key_set(), "securitypolicy/prom/idp")});
    let set_metadata = json!({
        "name": "envoy.filters.http.set_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
            "metadata": [{"metadata_namespace": "example.authn", "value": {"who": {"tenants": ["of-authn"]}}}],
        },
    });
    Bench::start([
        Listener::new("two", configuration(json!({}))).jwt_authn(either("payload"), any(&["own", "partner"])),
        Listener::new("two-keys", configuration(json!({}))).jwt_authn(either("partner"), any(&["own", "partner"])),
        Listener::new("missing", configuration(json!({})))
            .jwt_authn(json!({"own": own()}), any(&["own", "allow_missing"])),
        Listener::new("failing", configuration(json!({})))
            .jwt_authn(json!({"own": failing}), any(&["own", "allow_missing_or_failed"])),
        Listener::new("scopes", configuration(json!({})))
            .jwt_authn(json!({"own": scopes}), json!({"provider_name": "own"})),
        Listener::new("gateway", configuration(json!({"payload_key": "securitypolicy/prom/idp"})))
            .jwt_authn(gateway.clone(), json!({"provider_name": "securitypolicy/prom/idp"})),
        Listener::new("gateway-mistaken", configuration(json!({})))
            .jwt_authn(gateway, json!({"provider_name": "securitypolicy/prom/idp"})),
        Listener::new("namespace", configuration(json!({"metadata_namespace": "example.authn", "payload_key": "who"})))
            .behind(set_metadata),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn up() -> Request {
    get("/api/v1/query?query=up")
}

#[test]
fn either_of_two_providers_vouches_for_a_tenant() {
    let bench = bench();
    let claims = json!({"tenants": "fruit"});
    assert_eq!(enforced(&bench, "two", &up().bearer(&token(&claims))), [exactly("tenant", "fruit")]);
    assert_eq!(enforced(&bench, "two", &up().bearer(&partners_token(&claims))), [exactly("tenant", "fruit")]);
    for forged in [forged_token(&claims), String::from("a.b.c")] {
        let request = up().bearer(&forged);
        assert_eq!(bench.send("two", &request).status, 401);
        bench.never_arrived(&request);
    }
}

#[test]
fn a_provider_whose_payload_stands_elsewhere_vouches_for_nobody() {
    let bench = bench();
    let claims = json!({"tenants": "fruit"});
    assert_eq!(enforced(&bench, "two-keys", &up().bearer(&token(&claims))), [exactly("tenant", "fruit")]);
    bench.refused("two-keys", &up().bearer(&partners_token(&claims)), 401, OURS);
    bench.refused("gateway-mistaken", &up().bearer(&token(&claims)), 401, OURS);
}

#[test]
fn a_token_that_may_be_missing_is_still_needed() {
    let bench = bench();
    bench.refused("missing", &up(), 401, OURS);
    let forged = up().bearer(&forged_token(&json!({"tenants": "fruit"})));
    assert_eq!(bench.send("missing", &forged).status, 401);
    bench.never_arrived(&forged);
    // Why there is no good token may stand where its payload would: a code and a message, and no claim.
    for request in [up(), up().bearer(&forged_token(&json!({"tenants": "fruit"})))] {
        bench.refused("failing", &request, 403, OURS);
    }
}

#[test]
fn a_claim_may_be_a_text_with_spaces_that_the_provider_makes_a_list() {
    let bench = bench();
    let found = enforced(&bench, "scopes", &up().bearer(&token(&json!({"tenants": "fruit veggie"}))));
    assert_eq!(found, [any_of("tenant", &["fruit", "veggie"])]);
    // Where nobody splits it, it is one value.
    let whole = enforced(&bench, "two", &up().bearer(&token(&json!({"tenants": "fruit veggie"}))));
    assert_eq!(whole, [exactly("tenant", "fruit veggie")]);
}

#[test]
fn the_payload_is_found_by_the_name_that_a_control_plane_gives_it() {
    let bench = bench();
    let found = enforced(&bench, "gateway", &up().bearer(&token(&json!({"tenants": ["fruit"]}))));
    assert_eq!(found, [exactly("tenant", "fruit")]);
    assert_eq!(enforced(&bench, "namespace", &up()), [exactly("tenant", "of-authn")]);
}
