//! Requests to Prometheus with which the two do different things.

use super::expectation::{Case, Side, asks};
use super::named::Named;
use super::questions::{Endpoint, Question};
use super::way::Way;
use crate::support::client::{Body, Request, get, post, request};
use crate::support::data::END;
use crate::support::form::encode;
use Side::{Nothing, Says, Shows, Status};

/// The cases of a way.
pub(super) fn of(way: Way) -> Vec<Case> {
    match way {
        Way::Header => {
            [without_identity(way), of_header(), methods(), queries(), forms(), selectors(), paths()].concat()
        }
        Way::Parameter => [without_identity(way), of_parameter()].concat(),
        Way::List => of_list(),
        Way::Pattern => of_pattern(),
        Way::Fixed | Way::Several | Way::FixedSeveral | Way::Strict | Way::StrictSeveral | Way::StrictPattern => {
            Vec::new()
        }
    }
}

fn fruit(request: Request) -> Request {
    request.header("x-tenant", "team-fruit")
}

const FRUIT_UP: &str = "GET /api/v1/query?query=up{tenant=\"team-fruit\"}";

fn without_identity(way: Way) -> Vec<Case> {
    let endpoints = [&Endpoint::EXPRESSIONS[..], &Endpoint::SELECTORS, &[Endpoint::Rules, Endpoint::Alerts]].concat();
    let anonymous = |endpoint: Endpoint| {
        let mut asked = Question::new(endpoint, "GET", &["up"]).request(Way::Fixed);
        asked.headers.clear();
        Case::new(endpoint.name(), Named::NoIdentity, asked, Status(400), Status(401))
    };
    assert!(matches!(way, Way::Header | Way::Parameter));
    endpoints.into_iter().map(anonymous).collect()
}

fn of_header() -> Vec<Case> {
    let encoded = fruit(get(format!("/api/v1/%71uery?query=up&time={}", *END)));
    vec![
        Case::new("query", Named::EmptyValue, by_lines(&["", "team-fruit"]), up("tenant=\"team-fruit\""), Status(403)),
        Case::new("query", Named::EmptyValue, by_lines(&[""]), Status(400), Status(403)),
        Case::new(
            "query",
            Named::IdentityHeader,
            by_lines(&["team-fruit"]),
            Side::SendsHeader(true),
            Side::SendsHeader(false),
        ),
        Case::same("query", by_lines(&["team-fruit", "team-fruit"]), up("tenant=\"team-fruit\"")),
        // No list: one value with a comma in it.
        Case::same("query", by_lines(&["a,b"]), up("tenant=\"a,b\"")),
        Case::same("query", by_lines(&["a|b"]), up("tenant=\"a|b\"")),
        Case::same("query", by_lines(&["a|b", "a.b"]), up(r#"tenant=~"a\\|b|a\\.b""#)),
        Case::same("query", by_lines(&[r#"a\"b"#]), up(r#"tenant="a\\\"b""#)),
        Case::same(
            "query",
            encoded,
            Side::Asks(format!("GET /api/v1/%71uery?query=up{{tenant=\"team-fruit\"}}&time={}", *END)),
        ),
        Case::same("query", by_lines(&[r"a\b"]), up(r#"tenant="a\\b""#)),
    ]
}

fn of_list() -> Vec<Case> {
    vec![
        Case::new("query", Named::EmptyValue, by_lines(&["team-fruit, ,"]), up("tenant=\"team-fruit\""), Status(403)),
        Case::same("query", by_lines(&["a b ,a b"]), up("tenant=\"a b\"")),
        Case::same("query", by_lines(&["a.b,b", "a"]), up(r#"tenant=~"a|a\\.b|b""#)),
    ]
}

/// A query at the end of the data, and these lines of the tenant's header.
fn by_lines(lines: &[&str]) -> Request {
    let asked = get(format!("/api/v1/query?query=up&time={}", *END));
    lines.iter().fold(asked, |asked, line| asked.header("x-tenant", line))
}

/// The same with this matcher.
fn up(matcher: &str) -> Side {
    Side::Asks(format!("GET /api/v1/query?query=up{{{matcher}}}&time={}", *END))
}

fn of_parameter() -> Vec<Case> {
    let two = "POST /api/v1/query?query=up{tenant=~\"team-fruit|team-veggie\"}";
    let in_url = "/api/v1/query?tenant=team-fruit";
    vec![
        Case::same("query", post(in_url, "query=up"), asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}")),
        Case::same(
            "query",
            post(in_url, "query=up&tenant=team-fruit"),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}"),
        ),
        Case::new("query", Named::TwoPlaces, post(in_url, "query=up&tenant=team-veggie"), asks(two), Status(403)),
        Case::same("query", post("/api/v1/query", "query=up&tenant=team-veggie&tenant=team-fruit"), asks(two)),
        Case::new(
            "query",
            Named::EmptyValue,
            get("/api/v1/query?query=up&tenant=&tenant=team-fruit"),
            asks(FRUIT_UP),
            Status(403),
        ),
    ]
}

fn of_pattern() -> Vec<Case> {
    let refused = |lines: &[&str]| Case::new("query", Named::BadPattern, by_lines(lines), Status(400), Status(403));
    vec![
        refused(&["("]),
        refused(&[".*"]),
        refused(&["a?"]),
        refused(&["a", "b"]),
        Case::same("query", by_lines(&["a|b"]), up("tenant=~\"a|b\"")),
        Case::same("query", by_lines(&[r"a\.b+"]), up(r#"tenant=~"a\\.b+""#)),
    ]
}

fn methods() -> Vec<Case> {
    let mut all = Vec::new();
    let mut method = |endpoint: Endpoint, method: &str, ours: u16| {
        let asked = fruit(request(method, endpoint.path()));
        all.push(Case::new(endpoint.name(), Named::Method, asked, Status(404), Status(ours)));
    };
    for endpoint in [&Endpoint::EXPRESSIONS[..], &Endpoint::SELECTORS, &[Endpoint::Rules, Endpoint::Alerts]].concat() {
        for other in ["PUT", "DELETE", "HEAD", "PATCH"] {
            method(endpoint, other, 405);
        }
        method(endpoint, "OPTIONS", 204);
        if !endpoint.takes_post() {
            method(endpoint, "POST", 405);
        }
    }
    all
}

fn queries() -> Vec<Case> {
    let url = |parameters: &str| fruit(get(format!("/api/v1/query?{parameters}")));
    let form = |url: &str, form: &str| fruit(post(format!("/api/v1/query{url}"), form));
    let mut all = vec![
        Case::new("query", Named::NoQuery, url("query="), Nothing, Status(400)),
        Case::new("query", Named::NoQuery, form("", "time=1"), Nothing, Status(400)),
        Case::new("query", Named::Twice, url("query=up&query=temperature"), asks(FRUIT_UP), Status(400)),
        Case::new(
            "query",
            Named::Twice,
            url("query=up&time=1&time=2"),
            asks(&format!("{FRUIT_UP}&time=1&time=2")),
            Status(400),
        ),
        Case::new(
            "query",
            Named::Twice,
            form("?query=up", "query=temperature"),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}&query=temperature{tenant=\"team-fruit\"}"),
            Status(400),
        ),
        Case::new(
            "query",
            Named::Twice,
            form("?query=up", "query=up"),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}&query=up{tenant=\"team-fruit\"}"),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}"),
        ),
        Case::same(
            "query",
            form("?query=up", "time=1"),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}&time=1"),
        ),
        Case::same(
            "query",
            form("?time=1", "query=up"),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}&time=1"),
        ),
        Case::new("query", Named::BadEncoding, url("query=up&time=%zz"), asks(FRUIT_UP), Status(400)),
        Case::new("query", Named::BadEncoding, url("query=up&a;b"), asks(FRUIT_UP), Status(400)),
        Case::new("query", Named::BadEncoding, url("query=up;x"), Nothing, Status(400)),
        // Prometheus 2 has it.
        Case::new(
            "query",
            Named::OldFunction,
            url(&format!("query={}", encode("holt_winters(up[5m], 0.5, 0.5)"))),
            Status(400),
            asks("GET /api/v1/query?query=holt_winters(up{tenant=\"team-fruit\"}[5m], 0.5, 0.5)"),
        ),
        Case::new(
            "query",
            Named::Refusals,
            url("query=up%7B"),
            Says(400, r#""errorType":"prom-label-proxy""#),
            Says(400, r#""errorType":"bad_data""#),
        ),
    ];
    for endpoint in Endpoint::EXPRESSIONS {
        all.push(Case::new(endpoint.name(), Named::NoQuery, fruit(get(endpoint.path())), Nothing, Status(400)));
    }
    // Other tenants' data, told by a value that the tenant has chosen the place for.
    let foreign = "quantile(scalar(min(temperature{tenant=\"team-veggie\"})), up)";
    let narrowed =
        "quantile(scalar(min(temperature{tenant=\"team-veggie\",tenant=\"team-fruit\"})), up{tenant=\"team-fruit\"})";
    let theirs = "quantile(scalar(min(temperature{tenant=\"team-veggie\"})), up{tenant=\"team-fruit\"})";
    all.push(Case::new(
        "query",
        Named::AggregationParameter,
        url(&format!("query={}", encode(foreign))),
        Shows(format!("GET /api/v1/query?query={theirs}"), "quantile value should be between 0 and 1, got 2"),
        Shows(format!("GET /api/v1/query?query={narrowed}"), "got NaN"),
    ));
    all
}

fn forms() -> Vec<Case> {
    let multipart =
        "--b\r\ncontent-disposition: form-data; name=\"match[]\"\r\n\r\n{tenant=\"team-veggie\"}\r\n--b--\r\n";
    let with_body = |request: Request, kind: &str, body: &str| {
        fruit(request.header("content-type", kind).body(Body::Length(body.as_bytes().to_vec())))
    };
    let bare = "{tenant=\"team-fruit\"}";
    vec![
        // The label that only Veggie has.
        Case::new(
            "labels",
            Named::BodyOfGet,
            with_body(get("/api/v1/labels"), "multipart/form-data; boundary=b", multipart),
            Shows(format!("GET /api/v1/labels?match[]={bare}"), "\"only_3\""),
            Status(400),
        ),
        Case::new(
            "query",
            Named::OtherBody,
            with_body(request("POST", "/api/v1/query"), "application/json", "{\"query\":\"up\"}"),
            Nothing,
            Status(415),
        ),
        Case::new(
            "query",
            Named::OtherBody,
            with_body(request("POST", "/api/v1/query?query=up"), "multipart/form-data; boundary=b", multipart),
            asks("POST /api/v1/query?query=up{tenant=\"team-fruit\"}"),
            Status(415),
        ),
    ]
}

fn selectors() -> Vec<Case> {
    let everything = |(endpoint, selector, sent): (Endpoint, &str, &str)| {
        let asked = fruit(get(format!("{}?match[]={}", endpoint.path(), encode(selector))));
        let theirs = format!("GET {}?match[]={sent}", endpoint.path());
        Case::new(endpoint.name(), Named::EmptySelector, asked, Side::Asks(theirs), Status(400))
    };
    [
        (Endpoint::Series, "{}", "{tenant=\"team-fruit\"}"),
        (Endpoint::Series, "{job=~\".*\"}", "{job=~\".*\",tenant=\"team-fruit\"}"),
        (Endpoint::Labels, "{tenant!=\"team-veggie\"}", "{tenant!=\"team-veggie\",tenant=\"team-fruit\"}"),
        (Endpoint::LabelValues, "{job=\"\"}", "{job=\"\",tenant=\"team-fruit\"}"),
    ]
    .map(everything)
    .into()
}

fn paths() -> Vec<Case> {
    let path = |path: &str| fruit(get(path));
    let beneath = |endpoint, target: &str, theirs: &str| {
        Case::new(endpoint, Named::Beneath, path(target), Side::Asks(format!("GET {theirs}")), Status(404))
    };
    let more =
        |target: &'static str, ours: Side| Case::new("others", Named::MoreEndpoints, path(target), Status(404), ours);
    vec![
        beneath("query", "/api/v1/query/?query=up", "/api/v1/query/?query=up{tenant=\"team-fruit\"}"),
        beneath("query", "/api/v1/query/a/b?query=up", "/api/v1/query/a/b?query=up{tenant=\"team-fruit\"}"),
        beneath("label/job/values", "/api/v1/label/job", "/api/v1/label/job?match[]={tenant=\"team-fruit\"}"),
        more("/api/v1/status/buildinfo", asks("GET /api/v1/status/buildinfo")),
        more("/api/v1/features", asks("GET /api/v1/features")),
        more("/api/v1/format_query?query=up", Shows("GET /api/v1/format_query?query=up".to_owned(), "\"up\"")),
        more("/api/v1/parse_query?query=up", asks("GET /api/v1/parse_query?query=up")),
        more("/api/v1/metadata", Side::Says(200, "\"data\":{}")),
        Case::new("others", Named::Health, path("/healthz"), Side::Says(200, "ok"), Status(404)),
        Case::new(
            "others",
            Named::Refusals,
            path("/api/v1/targets"),
            Says(404, "404 page not found"),
            Says(404, r#""errorType":"prom-label-filter""#),
        ),
    ]
}
