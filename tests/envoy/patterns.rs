//! Tenants by pattern (`regex_match`): the token's text goes upstream as it is, and decides about answers here.

use super::matchers::read;
use crate::support::bench::{Bench, InUse, OURS, only};
use crate::support::client::{Request, get, post};
use crate::support::envoy::Listener;
use crate::support::tokens::token;
use crate::support::upstream::Answer;
use serde_json::{Value, json};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let rule = json!({
        "name": "tenant", "jwt_claim": "tenants", "regex_match": true,
        "values_map": {"tomato": ["team-(fruit|veggie)"]}, "danger_unrestricted": ["*"],
    });
    let fixed = json!({"name": "tenant", "values": [r#"a\.("|b){1,2}"#], "regex_match": true});
    Bench::start([
        Listener::new("claim", json!({"labels": [rule]})).jwt(),
        Listener::new("fixed", json!({"labels": [fixed]})),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

/// A request with this claim.
fn of(tenants: Value, request: Request) -> Request {
    request.bearer(&token(&json!({"tenants": tenants})))
}

const DEEP: &str = "((((((((((é|a)+|b)+|c)+|d)+|e)+|f)+|g)+|h)+|i)+|j)+";

fn matches(pattern: &str) -> (String, String, String) {
    ("tenant".into(), "=~".into(), pattern.into())
}

#[test]
fn the_pattern_of_a_token_goes_upstream_as_it_is() {
    let bench = bench();
    for (claim, pattern) in [
        (json!("team-.*"), "team-.*"),
        (json!(["team-.*"]), "team-.*"),
        (json!(r"(?:é|a\.b|[\w-]+)\d{2,}"), r"(?:é|a\.b|[\w-]+)\d{2,}"),
        (json!("tomato"), "team-(fruit|veggie)"),
        // As deep and as large as one may be.
        (json!(DEEP), DEEP),
        (json!("(|a){0,499}b"), "(|a){0,499}b"),
    ] {
        let asked = bench.forwarded("claim", &of(claim.clone(), get("/api/v1/query?query=up")));
        assert_eq!(read(&only(&asked.url_parameters(), "query")), [matches(pattern)]);
        let asked = bench.forwarded("claim", &of(claim, post("/api/v1/series", "limit=1")));
        assert_eq!(read(&only(&asked.form_parameters(), "match[]")), [matches(pattern)]);
    }
    let asked = bench.forwarded("fixed", &get("/api/v1/query?query=up"));
    assert_eq!(read(&only(&asked.url_parameters(), "query")), [matches(r#"a\.("|b){1,2}"#)]);
    let asked = bench.forwarded("claim", &of(json!(["x", "*"]), get("/api/v1/query?query=up")));
    assert_eq!(only(&asked.url_parameters(), "query"), "up");
}

#[test]
fn a_claim_that_is_not_one_pattern_is_403() {
    let bench = bench();
    for (claim, said) in [
        (json!(["team-a", "team-b"]), "several patterns"),
        (json!(".*"), "the empty string"),
        (json!("(?i)team-a"), "at character 1, a group"),
        (json!("team-(a"), "at character 7, something is open"),
        (json!("a".repeat(1001)), "1000 bytes"),
        (json!("(((a{1000}){1000}){1000}){1000}"), "too large"),
    ] {
        let refusal = bench.refused("claim", &of(claim, get("/api/v1/query?query=up")), 403, OURS);
        assert!(refusal.text().contains(said), "{}", refusal.text());
    }
}

#[test]
fn exemplars_are_filtered_by_the_pattern() {
    let bench = bench();
    let entry = |tenant: &str| json!({"seriesLabels": {"__name__": "up", "tenant": tenant}, "exemplars": []});
    let all = ["team-fruit", "team-fruit2", "team-veggie", "my-team-fruit", "", "team-\u{e9}", "other"];
    let body = json!({"status": "success", "data": all.map(entry)}).to_string();
    for (claim, kept) in [
        ("team-.*", &["team-fruit", "team-fruit2", "team-veggie", "team-\u{e9}"][..]),
        ("tomato", &["team-fruit", "team-veggie"]),
        ("team-.", &["team-\u{e9}"]),
        ("team", &[]),
        (".+", &["team-fruit", "team-fruit2", "team-veggie", "my-team-fruit", "team-\u{e9}", "other"]),
    ] {
        let request = of(json!(claim), get("/api/v1/query_exemplars?query=up"));
        bench.upstream.answer(&request, Answer::json(200, &body));
        let answer = bench.send("claim", &request).json();
        let shown: Vec<&Value> = answer["data"].as_array().expect("a list").iter().collect();
        let shown: Vec<&str> = shown.iter().filter_map(|entry| entry["seriesLabels"]["tenant"].as_str()).collect();
        assert_eq!(shown, kept, "{claim}");
    }
}
