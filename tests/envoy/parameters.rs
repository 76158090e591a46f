//! How parameters may be written, and that what is doubtful is refused: the next hop must not read them differently.

use super::matchers::{exactly, read};
use crate::support::bench::{BAD_DATA, Bench, InUse, by_header, only, pairs};
use crate::support::client::{Request, get, post};
use crate::support::envoy::Listener;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| Bench::start([Listener::new("plain", by_header())]));

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn tenant(request: Request) -> Request {
    request.header("x-tenant", "a")
}

#[test]
fn a_scalar_parameter_given_twice_in_one_place_is_400() {
    let bench = bench();
    for twice in [
        "query=up&query=down",
        "query=up&query=up",
        "query=up&time=1&time=2",
        "query=up&%71uery=down",
        "query=up&query=",
    ] {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?{twice}"))), 400, BAD_DATA);
        bench.refused_in_body("plain", &tenant(post("/api/v1/query", twice)), 400, BAD_DATA);
        bench.refused_in_body("plain", &tenant(post(format!("/api/v1/query?{twice}"), "limit=1")), 400, BAD_DATA);
    }
}

#[test]
fn a_scalar_in_url_and_form_must_agree() {
    let bench = bench();
    bench.refused_in_body("plain", &tenant(post("/api/v1/query?query=up", "query=down")), 400, BAD_DATA);
    bench.refused_in_body("plain", &tenant(post("/api/v1/query?time=1", "query=up&time=2")), 400, BAD_DATA);
    let recorded =
        bench.forwarded("plain", &tenant(post("/api/v1/query?%71uery=%75p&time=1", "query=up&time=1&limit=2")));
    let mut parameters = recorded.form_parameters();
    parameters.sort();
    assert_eq!(parameters, pairs([("limit", "2"), ("query", r#"up{tenant="a"}"#), ("time", "1")]));
    assert_eq!(recorded.raw_query(), "");
}

#[test]
fn a_semicolon_is_no_separator_and_refuses() {
    let bench = bench();
    for bad in ["query=up;limit=1", "query=up&x=1;query=down", "a;b=c&query=up"] {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?{bad}"))), 400, BAD_DATA);
        bench.refused_in_body("plain", &tenant(post("/api/v1/query", bad)), 400, BAD_DATA);
    }
    // Encoded it is text, here inside a string.
    let recorded = bench.forwarded("plain", &tenant(get("/api/v1/query?query=up%7Bx%3D%22a%3Bb%22%7D")));
    assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("x", "a;b"), exactly("tenant", "a")]);
}

#[test]
fn percent_encoding_that_is_broken_refuses() {
    let bench = bench();
    for bad in ["query=up%", "query=up%2", "query=up%zz", "que%ry=up", "query=up&x=%", "query=up&%=1", "query=up&x=%g0"]
    {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?{bad}"))), 400, BAD_DATA);
        bench.refused_in_body("plain", &tenant(post("/api/v1/query", bad)), 400, BAD_DATA);
    }
}

#[test]
fn nul_refuses_wherever_it_stands() {
    let bench = bench();
    for bad in ["query=up%00", "query=up&time=%00", "que%00ry=up", "query=up&x%00=1", "query=up&x=%00"] {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?{bad}"))), 400, BAD_DATA);
        bench.refused_in_body("plain", &tenant(post("/api/v1/query", bad)), 400, BAD_DATA);
    }
    bench.refused_in_body("plain", &tenant(post("/api/v1/query", b"query=up\0")), 400, BAD_DATA);
}

#[test]
fn encoded_keys_are_the_keys_that_they_decode_to() {
    let bench = bench();
    let recorded = bench.forwarded("plain", &tenant(get("/api/v1/query?%71%75%65%72%79=up")));
    assert_eq!(recorded.url_parameters(), pairs([("query", r#"up{tenant="a"}"#)]));
    let recorded = bench.forwarded("plain", &tenant(post("/api/v1/series", "m%61tch%5b%5D=up")));
    assert_eq!(recorded.form_parameters(), pairs([("match[]", r#"up{tenant="a"}"#)]));
    // Case is not folded: this is some other parameter, which is removed.
    let recorded = bench.forwarded("plain", &tenant(get("/api/v1/query?query=up&QUERY=down&Query=down")));
    assert_eq!(recorded.url_parameters(), pairs([("query", r#"up{tenant="a"}"#)]));
}

#[test]
fn everything_that_goes_on_is_encoded_again() {
    let bench = bench();
    let recorded =
        bench.forwarded("plain", &tenant(get("/api/v1/query?query=up%7Bx%3D%60%26query%3Ddown%23%25+%0A%C3%A9%60%7D")));
    let raw = recorded.raw_query();
    assert!(raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{raw}");
    assert_eq!(raw.matches('&').count(), 0, "{raw}");
    assert_eq!(
        read(&only(&recorded.url_parameters(), "query")),
        [exactly("x", "&query=down#% \né"), exactly("tenant", "a")]
    );
}

#[test]
fn white_space_is_a_plus_or_encoded() {
    let bench = bench();
    for (text, wanted) in [("up+%2B+up", 2), ("up%20%2b%20up", 2), ("up%2Bup", 2)] {
        let recorded = bench.forwarded("plain", &tenant(post("/api/v1/query", format!("query={text}"))));
        let query = only(&recorded.form_parameters(), "query");
        assert_eq!(query.matches(r#"up{tenant="a"}"#).count(), wanted, "{query}");
        assert!(query.contains('+'), "{query}");
    }
}

#[test]
fn promql_that_is_not_utf_8_refuses() {
    let bench = bench();
    for bad in ["query=up%ff", "query=%C3%28"] {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?{bad}"))), 400, BAD_DATA);
    }
    bench.refused_in_body("plain", &tenant(post("/api/v1/query", b"query=up\xff")), 400, BAD_DATA);
}

#[test]
fn empty_pairs_are_nothing() {
    let recorded = bench().forwarded("plain", &tenant(get("/api/v1/query?&&query=up&&")));
    assert_eq!(recorded.url_parameters(), pairs([("query", r#"up{tenant="a"}"#)]));
}
