//! `peer_certificate`: tenants by the certificates that real clients show a real Envoy, and by nothing that a client says of them.

use super::matchers::{Matcher, any_of, exactly, read};
use crate::support::bench::{Bench, InUse, OURS, only};
use crate::support::certificates::{Certificate, STRANGER, TRUSTED, send, transport_socket};
use crate::support::client::{Request, get};
use crate::support::envoy::Listener;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// What Envoy can make of `x-forwarded-client-cert`.
const FORWARDING: [&str; 5] = ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"];

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let by = |further: Value| {
        let mut rule = json!({"name": "tenant"});
        for (key, value) in further.as_object().expect("settings") {
            rule[key] = value.clone();
        }
        json!({"labels": [rule]})
    };
    let part = |part: &str| by(json!({"peer_certificate": part}));
    let verified = || transport_socket(true, TRUSTED.trusted_ca());
    let mut unverified = TRUSTED.trusted_ca();
    unverified["trust_chain_verification"] = json!("ACCEPT_UNTRUSTED");
    let mut listeners: Vec<Listener> = ["uri_san", "dns_san", "subject_cn", "subject_ou", "subject_o"]
        .into_iter()
        .map(|name| Listener::new(name, part(name)).transport_socket(verified()))
        .collect();
    listeners.extend([
        Listener::new(
            "spiffe",
            by(json!({"peer_certificate": "uri_san", "pattern": "spiffe://[^/]+/ns/([^/]+)/sa/.+"})),
        )
        .transport_socket(verified()),
        Listener::new("optional", part("subject_cn")).transport_socket(transport_socket(false, TRUSTED.trusted_ca())),
        Listener::new("unverified", part("subject_cn")).transport_socket(transport_socket(false, unverified)),
        Listener::new("no-context", part("subject_cn")).transport_socket(transport_socket(false, Value::Null)),
        Listener::new("plain", part("subject_cn")),
    ]);
    let forwarding =
        |how| Listener::new(how, part("uri_san")).transport_socket(verified()).forward_client_certificates(how);
    listeners.extend(FORWARDING.map(forwarding));
    Bench::start(listeners)
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn up() -> Request {
    get("/api/v1/query?query=up")
}

/// The matchers that a client with `certificate` gets.
#[track_caller]
fn enforced(bench: &Bench, listener: &str, request: &Request, certificate: &Certificate) -> Vec<Matcher> {
    let (status, body) = send(bench.port(listener), request, Some(certificate)).expect("an answer");
    assert_eq!(status, 200, "{body}");
    read(&only(&bench.arrived(request).url_parameters(), "query"))
}

#[track_caller]
fn refused(bench: &Bench, listener: &str, certificate: Option<&Certificate>, status: u16, words: &str) {
    let request = up()
        .header("x-forwarded-client-cert", "Hash=00;Subject=\"CN=fruit\";URI=spiffe://td/ns/fruit/sa/web;DNS=fruit");
    let (found, body) = send(bench.port(listener), &request, certificate).expect("an answer");
    let error: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((found, error["errorType"].as_str()), (status, Some(OURS)), "{body}");
    assert!(error["error"].as_str().is_some_and(|error| error.contains(words)), "{body}");
    bench.never_arrived(&request);
}

#[test]
fn each_part_of_a_certificate_names_the_tenant() {
    let bench = bench();
    let certificate = TRUSTED.issue(
        "all",
        "/O=o-one/OU=ou-two/OU=ou-one/CN=cn-one",
        "URI:spiffe://td/ns/fruit/sa/web,DNS:dns-one,URI:spiffe://td/ns/veggie/sa/web,DNS:dns-two",
    );
    for (listener, matcher) in [
        // Of several alternative names Envoy shows the first.
        ("uri_san", exactly("tenant", "spiffe://td/ns/fruit/sa/web")),
        ("dns_san", exactly("tenant", "dns-one")),
        ("subject_cn", exactly("tenant", "cn-one")),
        ("subject_ou", any_of("tenant", &["ou-one", "ou-two"])),
        ("subject_o", exactly("tenant", "o-one")),
        ("spiffe", exactly("tenant", "fruit")),
        ("optional", exactly("tenant", "cn-one")),
    ] {
        assert_eq!(enforced(&bench, listener, &up(), &certificate), [matcher], "{listener}");
    }
}

#[test]
fn a_name_that_looks_like_another_attribute_gains_nothing() {
    let bench = bench();
    for (number, (subject, cn, ou)) in [
        (r"/CN=x,OU=admin/OU=users", "x,OU=admin", "users"),
        (r"/CN=x\+OU=admin/OU=users", "x+OU=admin", "users"),
        ("/CN=a\"b<c>;d/OU=users", "a\"b<c>;d", "users"),
        (r"/CN=#0C0161/OU=users", "#0C0161", "users"),
        ("/CN= a /OU=users", " a ", "users"),
        ("/CN=café 日本/OU=users", "café 日本", "users"),
        (r"/CN=back\\slash/OU=users", r"back\slash", "users"),
        ("/CN=both+OU=users", "both", "users"),
        ("/1.2.3.4=x,OU=admin/CN=y/OU=users", "y", "users"),
    ]
    .into_iter()
    .enumerate()
    {
        let certificate = TRUSTED.issue(&format!("odd-{number}"), subject, "");
        assert_eq!(enforced(&bench, "subject_cn", &up(), &certificate), [exactly("tenant", cn)], "{subject}");
        assert_eq!(enforced(&bench, "subject_ou", &up(), &certificate), [exactly("tenant", ou)], "{subject}");
    }
}

#[test]
fn no_certificate_is_401_and_one_that_names_nobody_403() {
    let bench = bench();
    refused(&bench, "optional", None, 401, "connect with mutual TLS");
    let bare = TRUSTED.issue("bare", "/CN=cn-one", "DNS:dns-one");
    refused(&bench, "uri_san", Some(&bare), 403, "has no URI among its alternative names");
    refused(&bench, "spiffe", Some(&bare), 403, "has no URI");
    refused(&bench, "subject_ou", Some(&bare), 403, "has no organizational unit (OU)");
    refused(&bench, "subject_o", Some(&bare), 403, "has no organization (O)");
    let other = TRUSTED.issue("other", "/O=o-one", "URI:https://td/ns/fruit/sa/web");
    refused(&bench, "spiffe", Some(&other), 403, "it is not as `pattern` says");
    refused(&bench, "subject_cn", Some(&other), 403, "has no common name (CN)");
    refused(&bench, "dns_san", Some(&other), 403, "has no DNS name");
}

#[test]
fn without_tls_there_is_no_certificate_whatever_a_header_says() {
    let bench = bench();
    let request = up().header("x-forwarded-client-cert", "Subject=\"CN=fruit\";URI=fruit");
    let response = bench.refused("plain", &request, 401, OURS);
    assert!(response.text().contains("mutual TLS"), "{}", response.text());
}

#[test]
fn a_header_about_certificates_has_no_effect() {
    let bench = bench();
    let certificate = TRUSTED.issue("fruit", "/CN=fruit", "URI:fruit,DNS:fruit");
    for listener in ["uri_san", "dns_san", "subject_cn"].into_iter().chain(FORWARDING) {
        let request = up().header("x-forwarded-client-cert", "Subject=\"CN=veggie\";URI=veggie;DNS=veggie");
        assert_eq!(enforced(&bench, listener, &request, &certificate), [exactly("tenant", "fruit")], "{listener}");
    }
}

#[test]
fn envoy_lets_nobody_in_whom_it_does_not_trust() {
    let bench = bench();
    let stranger = STRANGER.issue("stranger", "/CN=fruit", "URI:fruit");
    for listener in ["subject_cn", "optional"] {
        assert_eq!(send(bench.port(listener), &up(), Some(&stranger)), None, "{listener}");
    }
    assert_eq!(send(bench.port("subject_cn"), &up(), None), None);
}

/// What README warns of: Envoy shows a certificate that it has not verified like any other.
#[test]
fn a_listener_that_verifies_nothing_believes_everybody() {
    let bench = bench();
    let stranger = STRANGER.issue("anybody", "/CN=fruit", "");
    assert_eq!(enforced(&bench, "unverified", &up(), &stranger), [exactly("tenant", "fruit")]);
    // Where no certificate is asked for, none is shown.
    refused(&bench, "no-context", Some(&stranger), 401, "connect with mutual TLS");
}
