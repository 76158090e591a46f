//! Identity spoofing: another tenant by a header, a parameter, a token, or by what a hop does to them.

use super::ALL;
use super::attack::{Attack, anonymous, attack, carry_out, raw};
use super::field::{EVE, FIELD};
use super::owner::Owner;
use crate::support::client::{Body, Request, get, post, request};
use crate::support::form::encode;
use crate::support::tokens::{forged_token, token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

fn everything() -> Request {
    get(format!("/api/v1/query?query={}", encode(ALL)))
}

/// Headers that some product takes a tenant, a user, a path or a scheme from.
const HEADERS: [(&str, &str); 36] = [
    ("x-tenant", "victim"),
    ("thanos-tenant", "victim"),
    ("x-scope-orgid", "victim"),
    ("x-prom-label-policy", r#"[{"name":"tenant","value":"victim"}]"#),
    ("x-forwarded-prefix", "/victim"),
    ("x-tenant-id", "victim"),
    ("x-org-id", "victim"),
    ("x-user", "victim"),
    ("x-webauth-user", "victim"),
    ("x-grafana-user", "victim"),
    ("x-forwarded-user", "victim"),
    ("x-forwarded-email", "victim@example.com"),
    ("x-forwarded-groups", "victim"),
    ("x-remote-user", "victim"),
    ("remote-user", "victim"),
    ("x-auth-request-user", "victim"),
    ("x-id-token", "victim"),
    ("x-amzn-oidc-data", "victim"),
    ("x-goog-iap-jwt-assertion", "victim"),
    ("x-forwarded-client-cert", "URI=spiffe://victim"),
    ("x-ssl-client-s-dn", "CN=victim"),
    ("x-forwarded-host", "victim.example"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-real-ip", "127.0.0.1"),
    ("forwarded", "for=127.0.0.1;host=victim.example"),
    ("x-original-url", "/api/v1/status/config"),
    ("x-rewrite-url", "/api/v1/status/config"),
    ("x-envoy-original-path", "/api/v1/status/config"),
    ("x-envoy-decorator-operation", "victim"),
    ("x-envoy-internal", "true"),
    ("x-envoy-peer-metadata", "victim"),
    ("x-istio-attributes", "victim"),
    ("x-jwt-payload", "eyJ0ZW5hbnRzIjoidmljdGltIn0"),
    ("cookie", "tenant=victim; access_token=victim"),
    ("proxy-authorization", "Bearer victim"),
    ("x-prom-label-filter", "victim"),
];

fn headers() -> Vec<Attack> {
    let mut all: Vec<Attack> = HEADERS
        .map(|(name, value)| attack(format!("a tenant by `{name}`"), everything().header(name, value)).shows("eves"))
        .into();
    for (name, sent) in [
        ("a header twice", everything().header("thanos-tenant", "eve").header("thanos-tenant", "victim")),
        ("a header in upper case", everything().header("THANOS-TENANT", "victim").header("X-Scope-OrgID", "victim")),
        ("a header of the victim's beside Mimir's join", everything().header("x-scope-orgid", "eve|victim")),
    ] {
        all.push(attack(format!("a tenant by {name}"), sent).shows("eves"));
    }
    // Bytes that HTTP/2 forbids, or that a hop takes away.
    for (name, line) in [
        ("with an underscore", "thanos_tenant: victim"),
        ("with a space in front of the colon", "thanos-tenant : victim"),
        ("on a folded line", "x: y\r\n thanos-tenant: victim"),
        ("behind a bare line feed", "x: y\nthanos-tenant: victim"),
        ("behind a bare carriage return", "x: y\rthanos-tenant: victim"),
        ("with a NUL in its name", "thanos-tenant\0: victim"),
        ("that the connection is to drop", "connection: authorization"),
        ("when the connection drops the form's type", "connection: content-type, content-length"),
        ("when the connection drops the filter's headers", "connection: x-lab, accept-encoding"),
    ] {
        let bytes = format!("GET /api/v1/labels HTTP/1.1\r\n{{me}}{line}\r\n\r\n");
        all.push(raw(format!("a tenant by a header {name}"), bytes));
    }
    let form = Body::Chunked(
        vec![b"start=1".to_vec()],
        vec![("thanos-tenant".into(), "victim".into()), ("x-tenant".into(), "victim".into())],
    );
    let trailing =
        request("POST", "/api/v1/labels").header("content-type", "application/x-www-form-urlencoded").body(form);
    all.push(attack("a tenant by trailers", trailing).on("trailers").narrowed());
    let announced = |name: &str, sent: Request| {
        attack(name, sent).on("announce").owner(Owner::eve().announced_as("thanos-tenant", "eve")).shows("eves")
    };
    all.push(announced("a tenant in the header that is the filter's", everything().header("thanos-tenant", "victim")));
    all.push(announced(
        "a tenant in many headers that are the filter's",
        everything()
            .header("thanos-tenant", "victim")
            .header("Thanos-Tenant", "eve|victim")
            .header("THANOS-TENANT", ""),
    ));
    all
}

fn tokens() -> Vec<Attack> {
    let claims = json!({"tenants": "victim"});
    let none = |alg: &str| {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.",
            part(json!({"alg": alg}).to_string()),
            part(json!({"iss": "https://idp.example.com/", "tenants": "victim"}).to_string())
        )
    };
    let good: Vec<&str> = EVE.split('.').collect();
    let victims = token(&json!({"tenants": "victim", "exp": 1}));
    let mixed = format!("{}.{}.{}", good[0], victims.split('.').nth(1).expect("claims"), good[2]);
    let mut all = Vec::new();
    for (name, sent) in [
        ("signed by a stranger", everything().bearer(&forged_token(&claims))),
        ("that has run out", everything().bearer(&victims)),
        (
            "of another issuer",
            everything().bearer(&token(&json!({"tenants": "victim", "iss": "https://evil.example/"}))),
        ),
        ("of a later day", everything().bearer(&token(&json!({"tenants": "victim", "nbf": 4_000_000_000_u64})))),
        ("without a signature", everything().bearer(&none("none"))),
        ("without a signature, in another case", everything().bearer(&none("NoNe"))),
        ("with a symmetric algorithm", everything().bearer(&(none("HS256") + "x"))),
        ("with another's claims under an own signature", everything().bearer(&mixed)),
        ("that is empty", everything().bearer("")),
        ("that is no token", everything().bearer("victim")),
        ("by another scheme", everything().header("authorization", "Basic dmljdGltOng=")),
        ("in lower case", everything().header("authorization", format!("bearer {}", forged_token(&claims)))),
        ("as a parameter", get(format!("/api/v1/query?query=up&access_token={}", forged_token(&claims)))),
        ("none at all", everything()),
        ("none, and the payload as a header", everything().header("x-jwt-payload", "eyJ0ZW5hbnRzIjoidmljdGltIn0")),
        ("none, and one in a form", post("/api/v1/query", format!("query=up&access_token={}", forged_token(&claims)))),
    ] {
        all.push(anonymous(format!("a token {name}"), sent.clone()).refused(&[401]));
        // Where Envoy lets bad tokens by, the filter must not.
        all.push(anonymous(format!("a token {name}, where Envoy is lenient"), sent).on("lenient").refused(&[401]));
    }
    let both = [EVE.as_str(), &forged_token(&claims)];
    for (name, first, second) in [("first", both[1], both[0]), ("second", both[0], both[1])] {
        let sent = everything().bearer(first).bearer(second);
        all.push(anonymous(format!("two tokens, the forged one {name}"), sent.clone()));
        all.push(anonymous(format!("two tokens, the forged one {name}, where Envoy is lenient"), sent).on("lenient"));
    }
    let joined = format!("Bearer {}, Bearer {}", both[0], both[1]);
    all.push(anonymous("two tokens in one line", everything().header("authorization", &joined)).refused(&[401]));
    for (name, listener) in [("a static tenant", "static"), ("a tenant of the route's", "route")] {
        let sent = everything().bearer(&token(&claims)).header("x-tenant", "victim").header("thanos-tenant", "victim");
        all.push(anonymous(format!("a token where there is {name}"), sent).on(listener).shows("eves"));
    }
    // What the filter takes a tenant from, and others do not: it does not go on.
    let sent = get("/api/v1/series").header("x-tenant", "eve").header("X-Tenant", "zoe");
    let owner = Owner::of(&["eve", "zoe"]).known_by("x-tenant");
    all.push(anonymous("a trusted header in two cases", sent).on("header").owner(owner).narrowed());
    all
}

pub(super) fn attacks() -> Vec<Attack> {
    [headers(), tokens()].concat()
}

#[test]
fn identity_spoofing() {
    carry_out(&FIELD.bench, &attacks());
}
