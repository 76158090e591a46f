//! The core without a host: a head and credentials in, what goes upstream or a refusal out.
//!
//! Real Envoy has its own tests; these hold every decision in a form that reads as a table.

use prom_label_filter::admission::{Admission, Answer, FORM_TIME, Finished};
use prom_label_filter::alertmanager::ownership::Lookup;
use prom_label_filter::config::{
    self,
    policy::{CertificatePart, Policy},
};
use prom_label_filter::denial::Denial;
use prom_label_filter::identity::{Credentials, Place};
use prom_label_filter::observe::Record;
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::rewrite::{OutboundBody, OutboundHead};
use std::fmt::Write as _;
use std::time::Duration;

/// No metadata at all: the tenant is static or in a header.
pub(crate) struct Nothing;

impl Credentials for Nothing {
    fn dynamic_metadata(&self) -> Option<Vec<u8>> {
        None
    }

    fn place_metadata(&self, _: Place) -> Option<Vec<u8>> {
        None
    }

    fn peer_certificate(&self, _: CertificatePart) -> Option<Vec<u8>> {
        None
    }
}

fn policy(json: &str) -> Policy {
    config::parse(json.as_bytes()).expect("a good configuration")
}

fn fruit() -> Policy {
    policy(r#"{"labels":[{"name":"tenant","values":["fruit"]}]}"#)
}

fn by_header() -> Policy {
    policy(r#"{"labels":[{"name":"tenant","header":"x-tenant"}]}"#)
}

fn headers(method: &str, target: &str, more: &[(&str, &str)]) -> Headers {
    let pseudo = [(":method", method), (":path", target)];
    Headers::new(pseudo.iter().chain(more).map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect())
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn decoded(text: &str) -> String {
    let text: Vec<u8> = percent_encoding::percent_decode(text.replace('+', " ").as_bytes()).collect();
    String::from_utf8_lossy(&text).into_owned()
}

/// What a request comes to, in one line.
fn outcome(policy: &Policy, method: &str, target: &str, more: &[(&str, &str)], body: Option<&str>) -> String {
    let headers = headers(method, target, more);
    let framing = if body.is_some() { Body::Possible } else { Body::None };
    let head = RequestHead::new(&headers, framing).expect("a head");
    let refusal = |denial: Denial| format!("{} {} {denial}", denial.status(), denial.error_type());
    let head_line = |head: &OutboundHead| {
        let mut line = decoded(&String::from_utf8_lossy(&head.path));
        for name in &head.remove {
            write!(line, " -{name}").expect("a string takes everything");
        }
        for (name, value) in &head.set {
            write!(line, " {name}={value}").expect("a string takes everything");
        }
        line
    };
    match policy.admit(&head, &Nothing, &mut Record::default()) {
        Err(denial) => refusal(denial),
        Ok(Admission::Answer(Answer::Allowed(methods))) => format!("204 {methods}"),
        Ok(Admission::Answer(answer @ Answer::Nothing(_))) => format!("{} empty", answer.status()),
        Ok(Admission::Answer(Answer::Explained(explanation))) => format!("200 {}", explanation.text()),
        Ok(Admission::Forward(head, _)) => head_line(&head.into_inner()),
        Ok(Admission::AwaitBody(head, pending)) => {
            match pending.finish(policy, body.unwrap_or_default().as_bytes(), &mut Record::default()) {
                Err(denial) => refusal(denial),
                Ok(Finished::Ask(unproven)) => {
                    format!("{} | asks {}", head_line(&head.into_inner()), asked(unproven.lookup()))
                }
                Ok(Finished::Forward(body, _)) => match body.into_inner() {
                    OutboundBody::Form(form) => format!("{} | {}", head_line(&head.into_inner()), decoded(&form)),
                    OutboundBody::Silence(text) => format!("{} | {text}", head_line(&head.into_inner())),
                    OutboundBody::RemoteRead(bytes) => format!("{} | {bytes:?}", head_line(&head.into_inner())),
                    OutboundBody::Empty => format!("{} |", head_line(&head.into_inner())),
                },
            }
        }
        Ok(Admission::Ask(unproven)) => format!("asks {}", asked(unproven.lookup())),
    }
}

/// Where the question goes, whose a silence is.
fn asked(lookup: &Lookup) -> String {
    format!("{}{}", lookup.cluster, lookup.path)
}

fn get(target: &str) -> String {
    outcome(&fruit(), "GET", target, &[], None)
}

fn post(target: &str, body: &str) -> String {
    outcome(&fruit(), "POST", target, &[FORM], Some(body))
}

#[test]
fn a_get_carries_its_parameters_in_the_url() {
    for (target, expected) in [
        ("/api/v1/query?query=up", r#"/api/v1/query?query=up{tenant="fruit"}"#),
        ("/api/v1/query?time=1&query=up&step=5", r#"/api/v1/query?time=1&query=up{tenant="fruit"}&step=5"#),
        ("/api/v1/%71uery?qu%65ry=up", r#"/api/v1/query?query=up{tenant="fruit"}"#),
        (
            "/api/v1/series?match[]=a&match%5B%5D=b",
            r#"/api/v1/series?match[]=a{tenant="fruit"}&match[]=b{tenant="fruit"}"#,
        ),
        ("/api/v1/series", r#"/api/v1/series?match[]={tenant="fruit"}"#),
        ("/api/v1/labels?start=1", r#"/api/v1/labels?start=1&match[]={tenant="fruit"}"#),
        ("/api/v1/label/job/values", r#"/api/v1/label/job/values?match[]={tenant="fruit"}"#),
        ("/federate?match[]=up", r#"/federate?match[]=up{tenant="fruit"}"#),
        ("/federate", "/federate"),
        // Prometheus minds selectors of everything elsewhere only; one without a matcher selects nothing here.
        ("/federate?match[]={job!='a'}", r#"/federate?match[]={job!="a",tenant="fruit"}"#),
        ("/federate?match[]={}&match[]=up", r#"/federate?match[]=up{tenant="fruit"}"#),
        ("/federate?match[]={+%23%0A}", "/federate"),
        ("/api/v1/format_query?query=up", "/api/v1/format_query?query=up"),
        ("/api/v1/status/buildinfo?x=1", "/api/v1/status/buildinfo"),
        ("/api/v1/features", "/api/v1/features"),
        ("/api/v1/metadata", "200 empty"),
    ] {
        assert_eq!(get(target), expected, "{target}");
    }
}

#[test]
fn the_path_goes_on_as_it_came() {
    let headers = headers("GET", "/api/v1/%71uery?query=up", &[]);
    let head = RequestHead::new(&headers, Body::None).expect("a head");
    let Ok(Admission::Forward(out, _)) = fruit().admit(&head, &Nothing, &mut Record::default()) else {
        panic!("not forwarded")
    };
    assert_eq!(out.into_inner().path, br#"/api/v1/%71uery?query=up%7Btenant%3D%22fruit%22%7D"#.to_vec());
}

#[test]
fn a_post_carries_everything_in_its_form() {
    for (target, body, expected) in [
        ("/api/v1/query", "query=up", r#"query=up{tenant="fruit"}"#),
        ("/api/v1/query?query=up", "query=up&time=1", r#"query=up{tenant="fruit"}&time=1"#),
        ("/api/v1/query?query=up&timeout=3", "", r#"query=up{tenant="fruit"}&timeout=3"#),
    ] {
        assert_eq!(post(target, body), format!("/api/v1/query | {expected}"), "{target} {body}");
    }
}

#[test]
fn a_form_goes_on_with_the_type_that_everybody_reads_alike() {
    for content_type in ["application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-Urlencoded"] {
        assert_eq!(
            outcome(&fruit(), "POST", "/api/v1/query", &[("content-type", content_type)], Some("query=1")),
            "/api/v1/query content-type=application/x-www-form-urlencoded | query=1"
        );
    }
}

#[test]
fn a_post_without_a_body_is_a_get_in_all_but_name() {
    for more in [&[][..], &[("content-type", "multipart/form-data")]] {
        let out = outcome(&fruit(), "POST", "/api/v1/query?query=up", more, None);
        assert!(out.starts_with(r#"/api/v1/query?query=up{tenant="fruit"}"#), "{out}");
    }
}

#[test]
fn parameters_that_the_endpoint_does_not_read_are_removed() {
    for name in ["storeMatch[]", "shard_info", "analyze", "extra_label", "extra_filters[]", "match", "Query", "foo", ""]
    {
        assert_eq!(get(&format!("/api/v1/query?{name}=x&query=1")), "/api/v1/query?query=1", "{name}");
    }
    let policy = policy(r#"{"labels":[{"name":"tenant","values":["fruit"]}],"extra_parameters":["foo"]}"#);
    let out = outcome(&policy, "GET", "/api/v1/query?foo=1&foo=%3B&bar=3&query=1", &[], None);
    assert_eq!(out, "/api/v1/query?foo=1&foo=;&query=1");
}

#[test]
fn enforced_labels_are_not_removed_from_answers() {
    let out = get("/api/v1/query?query=1&replicaLabels[]=tenant&replicaLabels[]=replica");
    assert_eq!(out, "/api/v1/query?query=1&replicaLabels[]=replica");
    assert_eq!(get("/api/v1/query?query=1&replicaLabels[]=tenant"), "/api/v1/query?query=1");
}

#[test]
fn what_may_come_once_comes_once() {
    for (target, body) in [
        ("/api/v1/query?query=a&query=a", None),
        ("/api/v1/query?query=a", Some("query=b")),
        ("/api/v1/query", Some("query=a&query=a")),
        ("/api/v1/query?query=a", Some("query=a&query=a")),
        ("/api/v1/query?query=a&time=1", Some("time=2")),
        ("/api/v1/query?query=a&qu%65ry=b", None),
    ] {
        let out = match body {
            None => get(target),
            Some(body) => post(target, body),
        };
        assert!(out.starts_with("400 bad_data invalid parameter"), "{target} {body:?}: {out}");
    }
}

#[test]
fn parameters_that_two_readers_read_in_two_ways_are_refused() {
    for target in [
        "/api/v1/query?query=a;query=b",
        "/api/v1/query?query=%",
        "/api/v1/query?query=a%00",
        "/api/v1/series?match[]=%zz",
    ] {
        assert!(get(target).starts_with("400 bad_data "), "{target}");
    }
    assert!(post("/api/v1/query", "query=a;b").starts_with("400 bad_data "));
    let many = "a&".repeat(201);
    assert!(get(&format!("/api/v1/query?{many}")).starts_with("400 prom-label-filter more than 200 parameters"));
    assert!(
        post(&format!("/api/v1/query?{}", "a&".repeat(150)), &"b&".repeat(51)).starts_with("400 prom-label-filter")
    );
}

#[test]
fn an_expression_is_required() {
    assert_eq!(get("/api/v1/query"), r#"400 bad_data invalid parameter "query": it is missing"#);
    assert!(get("/api/v1/query?query=").starts_with(r#"400 bad_data invalid parameter "query": "#));
    assert!(get("/api/v1/series?match[]=").starts_with(r#"400 bad_data invalid parameter "match[]": "#));
}

#[test]
fn what_is_not_in_the_table_is_not_served() {
    for target in [
        "/",
        "",
        "*",
        "/api/v1/query/",
        "/api/v1/Query",
        "//api/v1/query",
        "/api//v1/query",
        "/api/./v1/query",
        "/api/v1/../v1/query",
        "/api/v1/%2e%2e/v1/query",
        "/api%2Fv1/query",
        "/api/v1/query%2F",
        "/api/v1/query%00",
        "/api/v1/query%3F",
        "/api/v1\\query",
        "/api/v1%5Cquery",
        "/api/v1/query%",
        "/api/v1/%2571uery",
        "/api/v1/query;x=1",
        "/x/api/v1/query",
        "/api/v1/label//values",
        "/api/v1/label/a/b/values",
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label/a%25b/values",
        "/api/v1/label/%ff/values",
        "/api/v1/label/../values",
        "/api/v1/label/a%0a/values",
        "/api/v1/targets",
        "/api/v1/read",
        "/api/v1/write",
        "/api/v1/status/config",
        "/api/v1/status/flags",
        "/api/v1/admin/tsdb/delete_series",
        "/metrics",
        "/graph",
        "/-/quit",
        "/debug/pprof/heap",
    ] {
        assert!(get(target).starts_with("404 prom-label-filter"), "{target}: {}", get(target));
        assert!(outcome(&fruit(), "OPTIONS", target, &[], None).starts_with("404 "), "{target}");
    }
    assert!(get("/api/v1/label/h%C3%A9 llo/values").starts_with("/api/v1/label/h"), "a name is any text");
}

#[test]
fn methods_are_those_of_the_upstream() {
    for (method, target) in [
        ("HEAD", "/api/v1/query"),
        ("PUT", "/api/v1/query"),
        ("get", "/api/v1/query"),
        ("DELETE", "/api/v1/series"),
        ("POST", "/federate"),
        ("POST", "/api/v1/label/a/values"),
        ("POST", "/api/v1/status/buildinfo"),
    ] {
        assert!(outcome(&fruit(), method, target, &[], None).starts_with("405 "), "{method} {target}");
    }
    assert_eq!(outcome(&by_header(), "OPTIONS", "/api/v1/query", &[], None), "204 GET, POST, OPTIONS");
    assert_eq!(outcome(&by_header(), "OPTIONS", "/federate", &[], None), "204 GET, OPTIONS");
}

#[test]
fn a_body_is_exactly_one_form() {
    let query = "/api/v1/query";
    for (more, body, status) in [
        (&[("content-type", "multipart/form-data; boundary=x")][..], "x", "415 "),
        (&[("content-type", "text/plain")], "", "415 "),
        (&[("content-type", "application/x-www-form-urlencoded-not")], "", "415 "),
        (&[FORM, FORM], "query=1", "415 "),
        (&[FORM, ("content-encoding", "gzip")], "x", "415 "),
        (&[FORM, ("content-encoding", "identity"), ("content-encoding", "gzip")], "x", "415 "),
        (&[("content-length", "7")], "query=1", "415 "),
        (&[], "query=1", "415 "),
        (&[FORM, ("content-length", "1048577")], "", "413 "),
        (&[FORM, ("content-length", "99999999999999999999")], "query=1", "/api/v1/query "),
        (&[("content-type", "Application/X-WWW-Form-URLEncoded ; charset=utf-8")], "query=1", "/api/v1/query "),
        (&[FORM, ("content-encoding", "Identity")], "query=1", "/api/v1/query "),
        (&[], "", "400 bad_data invalid parameter \"query\": it is missing"),
    ] {
        let out = outcome(&fruit(), "POST", query, more, Some(body));
        assert!(out.starts_with(status), "{more:?}: {out}");
    }
    let large = format!("query=1&x={}", "a".repeat(1_048_576));
    assert!(outcome(&fruit(), "POST", query, &[FORM], Some(&large)).starts_with("413 prom-label-filter"));
}

#[test]
fn a_form_that_comes_too_late_is_refused() {
    let headers = headers("POST", "/api/v1/labels", &[FORM]);
    let head = RequestHead::new(&headers, Body::Possible).expect("a head");
    let Ok(Admission::AwaitBody(_, pending)) = fruit().admit(&head, &Nothing, &mut Record::default()) else {
        panic!("not awaited")
    };
    assert_eq!(pending.in_time(FORM_TIME), Ok(()));
    assert_eq!(pending.in_time(FORM_TIME + Duration::from_nanos(1)), Err(Denial::FormTooSlow));
    assert_eq!(Denial::FormTooSlow.status(), 408);
}

#[test]
fn no_form_is_written_that_go_would_not_read() {
    let tenants: Vec<String> = (0..1000).map(|n| format!("{n:0>240}")).collect();
    let policy = policy(&format!(
        r#"{{"labels":[{{"name":"tenant","values":{tenants:?}}}],"limits":{{"output_bytes":8388608}}}}"#
    ));
    let out = outcome(&policy, "POST", "/api/v1/labels", &[FORM], Some(&"match[]=up&".repeat(60)));
    assert!(out.starts_with("413 prom-label-filter"), "{}", out.chars().take(200).collect::<String>());
}

#[test]
fn a_get_has_no_body() {
    let query = "/api/v1/query?query=1";
    assert!(outcome(&fruit(), "GET", query, &[], Some("a")).starts_with("400 bad_data"));
    assert_eq!(outcome(&fruit(), "GET", query, &[("content-length", "0")], Some("")), "/api/v1/query?query=1 |");
    let out = outcome(&fruit(), "GET", query, &[FORM, ("content-encoding", "gzip")], None);
    assert_eq!(out, "/api/v1/query?query=1 -content-type -content-encoding");
}

#[test]
fn a_change_of_protocol_is_refused() {
    assert!(outcome(&fruit(), "GET", "/api/v1/query?query=1", &[("upgrade", "websocket")], None).starts_with("400 "));
}

#[test]
fn headers_that_choose_tenants_elsewhere_do_not_go_on() {
    let more = [
        ("x-tenant", "fruit"),
        ("thanos-tenant", "veggie"),
        ("x-scope-orgid", "veggie"),
        ("x-prom-label-policy", "x"),
        ("x-http-method-override", "POST"),
        ("accept", "*/*"),
    ];
    assert_eq!(
        outcome(&by_header(), "GET", "/api/v1/query?query=up", &more, None),
        r#"/api/v1/query?query=up{tenant="fruit"} -thanos-tenant -x-scope-orgid -x-prom-label-policy -x-http-method-override -x-tenant"#
    );
}

#[test]
fn an_answer_that_is_filtered_is_asked_for_whole_and_plain() {
    let more = [("range", "bytes=0-1"), ("if-none-match", "x"), ("accept-encoding", "gzip")];
    assert_eq!(
        outcome(&fruit(), "GET", "/api/v1/query_exemplars?query=up", &more, None),
        r#"/api/v1/query_exemplars?query=up{tenant="fruit"} -range -if-none-match accept-encoding=identity"#
    );
}

#[test]
fn identity_is_decided_before_parameters_and_after_the_path() {
    let policy = by_header();
    assert!(outcome(&policy, "GET", "/nowhere?%", &[], None).starts_with("404 "));
    assert!(outcome(&policy, "GET", "/api/v1/query?%", &[], None).starts_with("401 "));
    assert!(outcome(&policy, "GET", "/api/v1/query?%", &[("x-tenant", "")], None).starts_with("403 "));
    assert!(outcome(&policy, "GET", "/api/v1/query?%", &[("x-tenant", "a")], None).starts_with("400 "));
    assert!(outcome(&policy, "GET", "/api/v1/metadata", &[], None).starts_with("401 "));
    assert!(outcome(&policy, "GET", "/api/v1/format_query", &[], None).starts_with("401 "));
}

#[test]
fn several_lines_of_a_header_are_several_values() {
    let two = [("x-tenant", "b"), ("x-tenant", "a"), ("x-tenant", "b")];
    let query = "/api/v1/query?query=up";
    assert_eq!(outcome(&by_header(), "GET", query, &two, None), r#"/api/v1/query?query=up{tenant=~"a|b"} -x-tenant"#);
    let list = policy(r#"{"labels":[{"name":"tenant","header":"X-Tenant","header_uses_list_syntax":true}]}"#);
    let out = outcome(&list, "GET", query, &[("x-tenant", " b ,a"), ("x-tenant", "c")], None);
    assert_eq!(out, r#"/api/v1/query?query=up{tenant=~"a|b|c"} -x-tenant"#);
    for bad in ["", " ", "a,", ",a", "a,,b"] {
        assert!(outcome(&list, "GET", query, &[("x-tenant", bad)], None).starts_with("403 "), "{bad:?}");
    }
    // Nothing is trimmed or split without list syntax: it is one tenant of that name.
    let out = outcome(&by_header(), "GET", query, &[("x-tenant", "a, b")], None);
    assert_eq!(out, r#"/api/v1/query?query=up{tenant="a, b"} -x-tenant"#);
}

#[test]
fn values_are_mapped_and_rules_are_lifted_by_the_raw_value() {
    let policy = policy(
        r#"{"labels":[{"name":"tenant","header":"x-tenant","values_map":{"tomato":["fruit","veggie"],"sre2":["none"]},
            "values_map_only":true,"danger_unrestricted":["sre","sre2"]}]}"#,
    );
    for (values, expected) in [
        (&["tomato"][..], r#"/api/v1/query?query=up{tenant=~"fruit|veggie"}"#),
        (&["sre"], "/api/v1/query?query=up"),
        (&["sre2"], "/api/v1/query?query=up"),
        (&["tomato", "sre"], "/api/v1/query?query=up"),
        (&["none"], "403 "),
        (&["fruit"], "403 "),
        (&["sre", ""], "403 "),
    ] {
        let more: Vec<_> = values.iter().map(|value| ("x-tenant", *value)).collect();
        let out = outcome(&policy, "GET", "/api/v1/query?query=up", &more, None);
        assert!(
            out.strip_suffix(" -x-tenant").map_or(out.starts_with(expected) && expected == "403 ", |out| {
                out.trim_end_matches(" -x-tenant") == expected
            }),
            "{values:?}: {out}"
        );
    }
    // Lifted, and still with a table of parameters: nothing is put in, and nothing else changes.
    assert_eq!(outcome(&policy, "GET", "/api/v1/series?a=b", &[("x-tenant", "sre")], None), "/api/v1/series -x-tenant");
}

#[test]
fn a_listener_of_its_own_may_be_the_administrators_view() {
    let policy = policy(r#"{"labels":[{"name":"tenant","values":["sre"],"danger_unrestricted":["sre"]}]}"#);
    assert_eq!(outcome(&policy, "GET", "/api/v1/query?query=up", &[], None), "/api/v1/query?query=up");
}

#[test]
fn all_rules_hold_together() {
    let policy = policy(r#"{"labels":[{"name":"tenant","header":"x-tenant"},{"name":"env","values":["b","a"]}]}"#);
    let out = outcome(&policy, "GET", "/api/v1/query?query=up", &[("x-tenant", "t")], None);
    assert_eq!(out, r#"/api/v1/query?query=up{tenant="t",env=~"a|b"} -x-tenant"#);
}

#[test]
fn a_prefix_is_part_of_every_path() {
    let policy = policy(r#"{"labels":[{"name":"tenant","values":["fruit"]}],"path_prefix":"/prometheus"}"#);
    let out = outcome(&policy, "GET", "/prometheus/api/v1/query?query=1", &[], None);
    assert_eq!(out, "/prometheus/api/v1/query?query=1");
    for target in ["/api/v1/query?query=1", "/prometheus", "/prometheusapi/v1/query", "/prometheus/prometheus/federate"]
    {
        assert!(outcome(&policy, "GET", target, &[], None).starts_with("404 "), "{target}");
    }
}

#[test]
fn metadata_is_answered_denied_or_passed() {
    let mode = |mode: &str| {
        let policy = policy(&format!(r#"{{"labels":[{{"name":"tenant","values":["fruit"]}}],"metadata":"{mode}"}}"#));
        outcome(&policy, "GET", "/api/v1/metadata?metric=up&x=1", &[], None)
    };
    assert_eq!(mode("empty"), "200 empty");
    assert!(mode("deny").starts_with("404 "));
    assert_eq!(mode("danger_pass"), "/api/v1/metadata?metric=up");
}

#[test]
fn refusals_are_written_as_prometheus_writes_errors() {
    let body = Denial::Missing { name: "query" }.body();
    assert_eq!(
        body,
        r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": it is missing"}"#
    );
}
