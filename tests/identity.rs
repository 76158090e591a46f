//! Identity from what Envoy vouches for: claims of a verified token, and metadata of route, virtual host and listener.

use crate::support::protobuf;
use prom_label_filter::config::{
    self,
    policy::{CertificatePart, Policy},
};
use prom_label_filter::denial::Denial;
use prom_label_filter::identity::{Credentials, IdentityCause, Place, identify, route_still_agrees};
use prom_label_filter::observe::Record;
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::scope::{InvalidLabel, Scope};
use prom_label_filter::value::Value;

/// What Envoy would answer, as JSON: a token's payload, and the metadata at each place.
#[derive(Default)]
struct Known {
    payload: Option<Value>,
    route: Option<Value>,
    virtual_host: Option<Value>,
    listener: Option<Value>,
    /// What any part of the client's certificate holds.
    certificate: Option<Vec<u8>>,
}

impl Credentials for Known {
    fn dynamic_metadata(&self) -> Option<Vec<u8>> {
        let payload = self.payload.clone()?;
        let namespace = Value::Object(vec![("payload".to_owned(), payload)]);
        let other = json(r#"{"payload":{"tenants":"other"}}"#);
        Some(protobuf::metadata(&[("other", &other), ("envoy.filters.http.jwt_authn", &namespace)]))
    }

    fn place_metadata(&self, place: Place) -> Option<Vec<u8>> {
        let value = match place {
            Place::Route => &self.route,
            Place::VirtualHost => &self.virtual_host,
            Place::Listener => &self.listener,
        };
        value.as_ref().map(|value| protobuf::metadata(&[("prom-label-filter", value)]))
    }

    fn peer_certificate(&self, _: CertificatePart) -> Option<Vec<u8>> {
        self.certificate.clone()
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

fn policy(rule: &str) -> Policy {
    config::parse(format!(r#"{{"labels":[{{"name":"tenant",{rule}}}]}}"#).as_bytes()).expect("a good configuration")
}

/// The values that a request may read, or why it may not.
fn values(policy: &Policy, known: &Known) -> Result<Vec<String>, IdentityCause> {
    let identity = identify(policy, &Headers::default(), None, known).map_err(|error| error.cause)?;
    Ok(match identity.first(policy).map_err(|error| error.cause)? {
        Scope::Values(values) => values.as_slice().iter().map(|value| value.as_str().to_owned()).collect(),
        Scope::Pattern(pattern) => vec![format!("=~{}", pattern.as_str())],
        Scope::Unrestricted => vec!["<all>".to_owned()],
    })
}

fn claim(rule: &str, payload: &str) -> Result<Vec<String>, IdentityCause> {
    values(&policy(rule), &Known { payload: Some(json(payload)), ..Known::default() })
}

#[test]
fn a_claim_is_a_text_or_a_list_of_texts() {
    for (rule, payload, expected) in [
        (r#""jwt_claim":"tenants""#, r#"{"tenants":"a"}"#, &["a"][..]),
        (r#""jwt_claim":"tenants""#, r#"{"x":null,"tenants":["b","a","b"]}"#, &["a", "b"]),
        (r#""jwt_claim":["realm_access","tenants"]"#, r#"{"realm_access":{"tenants":["a"]}}"#, &["a"]),
        (r#""jwt_claim":"realm.tenants""#, r#"{"realm.tenants":"a","realm":{"tenants":"b"}}"#, &["a"]),
        (r#""jwt_claim":"https://example.com/t""#, r#"{"https://example.com/t":["a"]}"#, &["a"]),
        (r#""jwt_claim":"tenants""#, r#"{"tenants":" a "}"#, &[" a "]),
        (r#""jwt_claim":"tenants","danger_unrestricted":["sre"]"#, r#"{"tenants":["a","sre"]}"#, &["<all>"]),
    ] {
        assert_eq!(
            claim(rule, payload).as_deref(),
            Ok(&expected.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()[..]),
            "{payload}"
        );
    }
}

/// A rule whose values are patterns.
const PATTERN: &str =
    r#""jwt_claim":"tenants","regex_match":true,"values_map":{"tomato":["team-(a|b)"]},"danger_unrestricted":["*"]"#;

#[test]
fn a_value_can_be_a_pattern() {
    for (payload, expected) in [
        (r#"{"tenants":"team-.*"}"#, "=~team-.*"),
        (r#"{"tenants":["team-.*"]}"#, "=~team-.*"),
        (r#"{"tenants":["team-.*","team-.*"]}"#, "=~team-.*"),
        (r#"{"tenants":"team-a"}"#, "=~team-a"),
        // The map and what lifts the rule come first, and are compared as they are.
        (r#"{"tenants":"tomato"}"#, "=~team-(a|b)"),
        (r#"{"tenants":["tomato","team-(a|b)"]}"#, "=~team-(a|b)"),
        (r#"{"tenants":"*"}"#, "<all>"),
        (r#"{"tenants":["team-a","team-b","*"]}"#, "<all>"),
    ] {
        assert_eq!(claim(PATTERN, payload), Ok(vec![expected.to_owned()]), "{payload}");
    }
    let fixed = policy(r#""values":["team-.*"],"regex_match":true"#);
    assert_eq!(values(&fixed, &Known::default()), Ok(vec!["=~team-.*".to_owned()]));
}

#[test]
fn a_value_that_cannot_be_the_pattern_refuses() {
    for (payload, message) in [
        (r#"["team-a","team-b"]"#, "has several patterns, and `regex_match` takes one"),
        (r#"["tomato","team-a"]"#, "has several patterns"),
        (r#"".*""#, "is a pattern that matches the empty string"),
        (r#""team-a|""#, "is a pattern that matches the empty string"),
        (r#""(?i)team-a""#, "is no pattern that upstream and filter read alike: at character 1, "),
        (r#""team-[[:alpha:]]+""#, "is no pattern that upstream and filter read alike: at character 7, "),
        (r#""team-(a""#, "is no pattern that upstream and filter read alike: at character 7, "),
        (r#""(a{100}){11}""#, "is too large a pattern"),
        (r#"["team-.*",""]"#, "must not be empty"),
    ] {
        let known = Known { payload: Some(json(&format!(r#"{{"tenants":{payload}}}"#))), ..Known::default() };
        let error = identify(&policy(PATTERN), &Headers::default(), None, &known).expect_err(payload);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(Denial::Identity(error).status(), 403);
    }
    assert!(claim(PATTERN, &format!(r#"{{"tenants":"{}"}}"#, "a".repeat(1001))).is_err());
    let only = PATTERN.to_owned() + r#","values_map_only":true"#;
    assert_eq!(claim(&only, r#"{"tenants":"team-.*"}"#), Err(IdentityCause::NotInMap));
}

#[test]
fn a_claim_in_doubt_refuses_the_whole_request() {
    let rule = r#""jwt_claim":"tenants","danger_unrestricted":["sre"]"#;
    for payload in [
        "null",
        "42",
        "true",
        r#""""#,
        "{}",
        "[]",
        r#"{"a":"b"}"#,
        r#"["a",null]"#,
        r#"["a",1]"#,
        r#"["a",["b"]]"#,
        r#"["a",""]"#,
        r#"["sre",""]"#,
        r#"["sre",null]"#,
        r#""a\nb""#,
        r#""\u0000""#,
        r#""\u0085""#,
    ] {
        let payload = format!(r#"{{"tenants":{payload}}}"#);
        let cause = claim(rule, &payload).expect_err(&payload);
        assert!(!matches!(cause, IdentityCause::NoToken | IdentityCause::NoHeader { .. }), "{payload}: {cause:?}");
    }
    let many = format!(r#"{{"tenants":["{}"]}}"#, (0..5000).map(|n| n.to_string()).collect::<Vec<_>>().join(r#"",""#));
    assert_eq!(claim(rule, &many), Err(IdentityCause::TooMany { limit: 1000 }));
}

#[test]
fn a_missing_token_is_told_from_a_missing_claim() {
    let policy = policy(r#""jwt_claim":["a","b"]"#);
    assert_eq!(values(&policy, &Known::default()), Err(IdentityCause::NoToken));
    for payload in ["{}", r#"{"a":{}}"#, r#"{"a":"b"}"#, r#"{"a":["b"]}"#, r#"{"a":null}"#, r#"{"tenants":"x"}"#] {
        let known = Known { payload: Some(json(payload)), ..Known::default() };
        assert!(matches!(values(&policy, &known), Err(IdentityCause::NoClaim { .. })), "{payload}");
    }
}

#[test]
fn the_most_specific_place_that_has_the_key_decides() {
    let policy = policy(r#""route_metadata":"tenant""#);
    let tenant = |name: &str| Some(json(&format!(r#"{{"tenant":"{name}"}}"#)));
    let known =
        |route, virtual_host, listener| Known { payload: None, route, virtual_host, listener, certificate: None };
    assert_eq!(values(&policy, &known(tenant("r"), tenant("v"), tenant("l"))), Ok(vec!["r".to_owned()]));
    assert_eq!(values(&policy, &known(Some(json("{}")), tenant("v"), tenant("l"))), Ok(vec!["v".to_owned()]));
    assert_eq!(values(&policy, &known(None, None, tenant("l"))), Ok(vec!["l".to_owned()]));
    let nowhere = values(&policy, &known(None, Some(json(r#"{"other":"x"}"#)), None));
    assert!(matches!(nowhere, Err(IdentityCause::NoRouteMetadata { .. })));
}

#[test]
fn a_bad_value_at_one_place_is_not_passed_over() {
    let by_name = policy(r#""route_metadata":"tenant""#);
    let listener = Some(json(r#"{"tenant":"l","a":{"b":"l"}}"#));
    for bad in ["null", "1", "[]", r#""""#, r#"{"x":"y"}"#, r#"["a",2]"#] {
        let route = Some(json(&format!(r#"{{"tenant":{bad}}}"#)));
        let known = Known { route, listener: listener.clone(), ..Known::default() };
        assert!(values(&by_name, &known).is_err(), "{bad}");
    }
    let nested = policy(r#""route_metadata":["a","b"]"#);
    let known = Known { route: Some(json(r#"{"a":"scalar"}"#)), listener, ..Known::default() };
    assert!(values(&nested, &known).is_err());
}

#[test]
fn a_route_that_names_another_tenant_afterwards_is_noticed() {
    let policy = policy(r#""route_metadata":"tenant""#);
    let at = |name: &str| Known { route: Some(json(&format!(r#"{{"tenant":"{name}"}}"#))), ..Known::default() };
    let identity = identify(&policy, &Headers::default(), None, &at("a")).expect("a tenant");
    let (_, before) = identity.complete(&policy).expect("nothing is missing");
    assert!(route_still_agrees(&policy, &before, &at("a")));
    assert!(!route_still_agrees(&policy, &before, &at("b")));
    assert!(!route_still_agrees(&policy, &before, &Known::default()));
}

#[test]
fn metadata_that_cannot_be_decoded_refuses() {
    struct Broken;
    impl Credentials for Broken {
        fn dynamic_metadata(&self) -> Option<Vec<u8>> {
            Some(b"\x0a\xff".to_vec())
        }
        fn place_metadata(&self, _: Place) -> Option<Vec<u8>> {
            Some(b"\x0a\xff".to_vec())
        }
        fn peer_certificate(&self, _: CertificatePart) -> Option<Vec<u8>> {
            Some(b"CN".to_vec())
        }
    }
    for rule in [r#""jwt_claim":"tenants""#, r#""route_metadata":"tenant""#, r#""peer_certificate":"subject_ou""#] {
        let error = identify(&policy(rule), &Headers::default(), None, &Broken).expect_err(rule);
        assert_eq!(error.cause, IdentityCause::Undecodable);
    }
}

#[test]
fn a_part_of_the_certificate_is_the_identity() {
    let read = |rule: &str, certificate: &str| {
        values(&policy(rule), &Known { certificate: Some(certificate.as_bytes().to_vec()), ..Known::default() })
    };
    let part = |part: &str| format!(r#""peer_certificate":"{part}""#);
    let captured = |part: &str| format!(r#""peer_certificate":"{part}","pattern":"team-([a-z]+)""#);
    let ok = |values: &[&str]| Ok(values.iter().map(|value| (*value).to_owned()).collect());
    assert_eq!(read(&part("uri_san"), "spiffe://td/fruit"), ok(&["spiffe://td/fruit"]));
    assert_eq!(read(&part("dns_san"), "fruit.example.com"), ok(&["fruit.example.com"]));
    assert_eq!(read(&part("subject_ou"), "CN=x,OU=b,OU=a,O=o"), ok(&["a", "b"]));
    assert_eq!(read(&captured("subject_ou"), "CN=x,OU=team-b,OU=team-a"), ok(&["a", "b"]));
    assert_eq!(read(&captured("uri_san"), "team-a"), ok(&["a"]));
    for (rule, certificate, cause) in [
        (captured("subject_ou"), "CN=x,OU=team-b,OU=other", IdentityCause::NotAsPattern),
        (captured("uri_san"), "team-", IdentityCause::NotAsPattern),
        (part("subject_ou"), "CN=x", IdentityCause::NoCertificatePart { part: CertificatePart::SubjectOu }),
        (part("uri_san"), "", IdentityCause::NoCertificatePart { part: CertificatePart::UriSan }),
        (part("subject_o"), "", IdentityCause::NoCertificatePart { part: CertificatePart::SubjectO }),
        // Where Envoy cannot write a value it ends the subject there.
        (part("subject_ou"), "OU=a,CN=", IdentityCause::Undecodable),
        (part("subject_cn"), r"CN=a\0A", IdentityCause::Invalid(InvalidLabel::ControlCharacter)),
        (part("dns_san"), "a\0b", IdentityCause::Invalid(InvalidLabel::ControlCharacter)),
        (part("subject_cn"), "CN=a;O=b", IdentityCause::Undecodable),
        (part("subject_cn"), "CN=#0C0161", IdentityCause::Undecodable),
    ] {
        assert_eq!(read(&rule, certificate), Err(cause), "{rule} {certificate}");
    }
    let none = values(&policy(&part("uri_san")), &Known::default());
    assert_eq!(none, Err(IdentityCause::NoCertificate));
}

/// What a source is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    Empty,
    Control,
    /// More than `limits.values`.
    TooMany,
    /// Two where `regex_match` takes one.
    TwoPatterns,
}

/// The refusal of a request whose identity has `fault`, by `source`.
fn refusal(source: &str, fault: Fault) -> Denial {
    let values: &[&str] = match fault {
        Fault::Nothing => &[],
        Fault::Empty => &[""],
        Fault::Control => &["a\nb"],
        Fault::TooMany => &["a", "b", "c"],
        Fault::TwoPatterns => &["a", "b"],
    };
    let list = || json(&serde_json::to_string(values).expect("JSON"));
    let payload = |values: Value| Some(Value::Object(vec![("tenants".to_owned(), values)]));
    let subject = || {
        let units = values.iter().map(|value| format!(",OU={}", value.replace('\n', "\\0A"))).collect::<String>();
        format!("CN=x{units}").into_bytes()
    };
    let mut known = Known::default();
    let mut headers = vec![(":method", "GET".to_owned()), (":path", "/api/v1/query?query=up".to_owned())];
    match source {
        "jwt_claim" if fault == Fault::Nothing => {}
        "jwt_claim" => known.payload = payload(list()),
        "route_metadata" if fault == Fault::Nothing => {}
        "route_metadata" => known.route = payload(list()),
        "peer_certificate" if fault == Fault::Nothing => {}
        "peer_certificate" => known.certificate = Some(subject()),
        "header" => headers.extend(values.iter().map(|value| ("x-tenant", (*value).to_owned()))),
        "query_param" => {
            for value in values {
                headers[1].1.push_str(&format!("&tenant={}", value.replace('\n', "%0A")));
            }
        }
        other => panic!("{other} is no source"),
    }
    let written = match source {
        "header" => "x-tenant",
        "peer_certificate" => "subject_ou",
        "query_param" => "tenant",
        _ => "tenants",
    };
    let policy = config::parse(
        format!(
            r#"{{"labels":[{{"name":"tenant","{source}":"{written}","regex_match":{}}}],"limits":{{"values":2}}}}"#,
            fault == Fault::TwoPatterns
        )
        .as_bytes(),
    )
    .expect("a good configuration");
    let pairs = headers.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()));
    let headers = Headers::new(pairs.collect());
    let head = RequestHead::new(&headers, Body::None).expect("a head");
    policy.admit(&head, &known, &mut Record::default()).expect_err("it is refused")
}

#[test]
fn every_source_refuses_what_is_no_tenant_and_says_what_to_do() {
    let nothing = [
        ("jwt_claim", 401, "Forward OAuth Identity"),
        ("header", 401, "the proxy that authenticates must set it"),
        ("query_param", 401, "the proxy that authenticates must add it to the URL"),
        ("peer_certificate", 401, "connect with mutual TLS"),
        ("route_metadata", 403, "route, virtual host and listener lack the metadata key `tenants`"),
    ];
    for (source, status, advice) in nothing {
        let faults = [
            (Fault::Nothing, status, advice),
            // Envoy writes an empty value of a subject where it could not write one.
            (Fault::Empty, 403, if source == "peer_certificate" { "cannot be decoded" } else { "must not be empty" }),
            (Fault::Control, 403, "must not hold control characters"),
            (Fault::TooMany, 403, "has more than 2 values (`limits.values`)"),
            (Fault::TwoPatterns, 403, "must join them, as in `a|b`"),
        ];
        for (fault, status, advice) in faults {
            let denial = refusal(source, fault);
            let message = denial.to_string();
            assert_eq!((denial.status(), denial.error_type()), (status, "prom-label-filter"), "{source} {fault:?}");
            assert!(message.contains(advice), "{source} {fault:?}: {message}");
            let names_it = message.contains("`tenant`") || fault == Fault::Nothing && source == "jwt_claim";
            assert!(names_it, "{source} {fault:?} does not name the label: {message}");
        }
    }
}
