//! Tenant values: identities that a matcher, a pattern or a list could take for more than their name.

use super::attack::{Attack, anonymous, attack, carry_out};
use super::field::{EVE, FIELD};
use super::owner::Owner;
use super::{ALL, ask};
use crate::support::client::{Body, Ending, Request, get, request};
use crate::support::remote_read::{Matcher, Query, RE, ReadRequest};
use crate::support::tokens::token;
use serde_json::{Value, json};

const NO: &[u16] = &[401, 403];

/// What each of them asks: all there is, in every way that its name is written down.
fn questions() -> Vec<(&'static str, Request)> {
    let all = Query { end: i64::MAX, matchers: vec![Matcher::new(RE, "__name__", ".+")], ..Query::default() };
    let body = ReadRequest { queries: vec![all], ..ReadRequest::default() }.bytes();
    let body = snap::raw::Encoder::new().compress_vec(&body).expect("a short block");
    let read =
        request("POST", "/api/v1/read").header("content-type", "application/x-protobuf").body(Body::Length(body));
    vec![
        ("a query", ask("/api/v1/query", &[("query", ALL)])),
        ("an absent one", ask("/api/v1/query", &[("query", r#"absent({word="x"}) or {__name__=~".+"}"#)])),
        ("all series", get("/api/v1/series")),
        ("all rules", get("/api/v1/rules")),
        ("a remote read", read),
    ]
}

/// Names that are good, and what they try to be.
const NAMES: [(&str, &str); 33] = [
    ("a pattern of everything", ".*"),
    ("a pattern of one or more", ".+"),
    ("an alternative", "eve|victim"),
    ("an alternative that is empty", "eve|"),
    ("an empty pattern in parentheses", "()"),
    ("a pattern in parentheses", "(eve|victim)"),
    ("a class of letters", "[a-z]+"),
    ("a class that is negated", "[^e].*"),
    ("a pattern that folds case", "(?i)VICTIM"),
    ("a pattern that ends its quoting", r"\Eeve|victim\Q"),
    ("a pattern that begins quoting", r"\Qeve"),
    ("anchors", "^victim$"),
    ("a dollar sign", "$victim"),
    ("a letter that any letter is", "v.ctim"),
    ("a letter that may be missing", "victims?"),
    ("a class of Unicode", r"\pL+"),
    ("a code point", r"\x76ictim"),
    ("a quote", r#"eve""#),
    ("a matcher behind a quote", r#"eve",tenant="victim"#),
    ("a selector behind a quote", r#"eve"} or {tenant="victim"#),
    ("a comment behind a quote", r##"eve"} or up #"##),
    ("a backslash at the end", r"eve\"),
    ("a backslash in front of a quote", r#"eve\","#),
    ("a backtick", "`eve`"),
    ("braces", "{eve}"),
    ("a template", "{{ $value }}"),
    ("a separator of parameters", "eve&query=up"),
    ("an encoded quote", "eve%22%7D"),
    ("a plus", "eve+victim"),
    ("an escape of JSON", r"\u0076ictim"),
    ("a space behind", "victim "),
    ("a space in front", " victim"),
    ("a space alone", " "),
];

/// Names that look alike and are others.
const LOOK_ALIKES: [(&str, &str); 10] = [
    ("another case", "EVE"),
    ("a letter of another script", "\u{435}ve"),
    ("letters of full width", "\u{ff45}\u{ff56}\u{ff45}"),
    ("a joiner between letters", "e\u{200d}ve"),
    ("an accent apart", "e\u{301}ve"),
    ("an accent in one", "\u{e9}ve"),
    ("a dot below", "eve\u{323}"),
    ("letters from right to left", "\u{202e}mitciv"),
    ("the last code point", "eve\u{10ffff}"),
    ("a private code point", "\u{e000}"),
];

/// Claims that name nobody.
fn no_names() -> Vec<(&'static str, Value)> {
    vec![
        ("an empty name", json!("")),
        ("an empty name among others", json!(["eve", ""])),
        ("no names", json!([])),
        ("null", json!(null)),
        ("null among others", json!(["eve", null])),
        ("a number", json!(7)),
        ("a number among others", json!(["eve", 7])),
        ("a bit", json!(true)),
        ("an object", json!({"eve": "victim"})),
        ("a list in a list", json!([["eve", "victim"]])),
        ("a line end", json!("eve\nvictim")),
        ("a line end with a header", json!("eve\r\nx-tenant: victim")),
        ("a NUL", json!("eve\u{0}victim")),
        ("a tab", json!("eve\t")),
        ("a control character of Latin", json!("eve\u{85}")),
        ("a delete", json!("eve\u{7f}")),
        ("a thousand and one names", json!((0..1001).map(|n| n.to_string()).collect::<Vec<_>>())),
    ]
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, value) in NAMES.into_iter().chain(LOOK_ALIKES) {
        // Alone it is compared with, among others it stands in a pattern.
        for (how, claim, most) in [("", vec![value], 5), (" among others", vec![value, "zoe"], 2)] {
            let bearer = token(&json!({"tenants": claim}));
            for (question, request) in questions().into_iter().take(most) {
                let told = format!("{name}{how} for a tenant, and {question}");
                all.push(anonymous(told, request.bearer(&bearer)).owner(Owner::of(&claim)).narrowed().http1());
            }
        }
    }
    for (name, claim) in no_names() {
        let sent = get("/api/v1/series").bearer(&token(&json!({"tenants": claim})));
        all.push(anonymous(format!("{name} for a tenant"), sent).refused(NO));
    }
    let series = || get("/api/v1/series");
    let bearing = |claims: Value| series().bearer(&token(&claims));
    for (name, claims) in [
        ("the claim under another case", json!({"Tenants": "eve"})),
        ("the claim as a path", json!({"tenants.0": "eve"})),
        ("the claim in an object", json!({"claims": {"tenants": "eve"}})),
    ] {
        all.push(anonymous(format!("{name} for a tenant"), bearing(claims)).refused(NO));
    }
    // Longer than any name: what is written is still one matcher.
    let long = "e".repeat(60_000);
    all.push(anonymous("a very long name for a tenant", bearing(json!({"tenants": long}))).owner(Owner::of(&[&long])));
    for (name, identity) in [("another case", "SRE"), ("a space", "sre "), ("a comma", "sre,eve"), ("a pattern", "sr.")]
    {
        let sent = bearing(json!({"tenants": identity}));
        all.push(
            anonymous(format!("an administrator's name with {name}"), sent.clone())
                .owner(Owner::of(&[identity]))
                .narrowed(),
        );
        all.push(
            anonymous(format!("an administrator's name with {name}, where a map decides"), sent).on("map").refused(NO),
        );
    }
    for identity in ["victim", "Admin", "admin ", "eve"] {
        let sent = bearing(json!({"tenants": identity}));
        all.push(anonymous(format!("`{identity}`, which the map lacks"), sent).on("map").refused(NO));
    }
    let by_header =
        |name: &str, value: &[u8]| anonymous(format!("a header with {name}"), series().header("x-tenant", value));
    for (name, value) in [
        ("a comma", "eve,victim"),
        ("a comma and a space", "eve, victim"),
        ("quotes", r#""eve""#),
        ("a semicolon", "eve;victim"),
        ("a bar", "eve|victim"),
    ] {
        all.push(
            by_header(name, value.as_bytes()).on("header").owner(Owner::of(&[value]).known_by("x-tenant")).narrowed(),
        );
    }
    for (name, value, names) in [
        ("a list", "eve,zoe", &["eve", "zoe"][..]),
        ("a list with spaces", " eve ,\tzoe ", &["eve", "zoe"]),
        ("a quoted list", r#""eve,zoe""#, &["\"eve", "zoe\""]),
        ("a list of patterns", ".*,a|b", &[".*", "a|b"]),
    ] {
        all.push(by_header(name, value.as_bytes()).on("list").owner(Owner::of(names).known_by("x-tenant")).narrowed());
    }
    for (name, value) in [
        ("nothing", &b""[..]),
        ("an empty name in a list", b"eve,"),
        ("a comma alone", b","),
        ("no UTF-8", b"eve\xff"),
        ("a delete", b"eve\x7f"),
    ] {
        all.push(by_header(name, value).on("list"));
    }
    for (name, value) in [("nothing", &b""[..]), ("no UTF-8", b"\xff\xfe"), ("an overlong letter", b"\xc1\xa5ve")] {
        all.push(by_header(&format!("{name} alone"), value).on("header").refused(NO));
    }
    // HTTP/2 takes no space away.
    all.push(by_header("spaces alone", b"   ").on("header").http1().refused(NO));
    all.push(
        by_header("spaces alone, by HTTP/2", b"   ").on("header").owner(Owner::of(&["   "])).http2(Ending::OnLast),
    );
    let two = Owner::with(&[("tenant", &["eve"]), ("job", &["api", "web"])]);
    for (question, request) in questions().into_iter().filter(|(question, _)| *question != "all rules") {
        all.push(attack(format!("two rules, and {question}"), request).on("two").owner(two.clone()).narrowed());
    }
    let twice = series().bearer(&EVE).bearer(&EVE);
    all.push(anonymous("the same token twice", twice));
    all
}

#[test]
fn tenant_values() {
    carry_out(&FIELD.bench, &attacks());
}
