//! Answers that are filtered: the envelope is edited in place, and what cannot be edited does not pass.

use prom_label_filter::config::parse;
use prom_label_filter::response::{ResponseHead, ResponseHeaders, ResponsePlan};
use prom_label_filter::route::{Endpoint, Method};
use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Pattern, Scope, TenantScope};

fn scope(scope: Scope) -> TenantScope {
    TenantScope::new(vec![LabelScope { name: LabelName::new("tenant").expect("a name"), scope }]).expect("a scope")
}

fn fruit() -> TenantScope {
    scope(Scope::Values(LabelValues::new(vec![LabelValue::new("fruit").expect("a value")]).expect("a value")))
}

/// What happens to the answer to a GET.
fn plan(endpoint: Endpoint, scope: &TenantScope) -> ResponsePlan {
    let policy = parse(br#"{"labels":[{"name":"tenant","values":["fruit"]}]}"#).expect("a policy");
    ResponsePlan::new(&policy, endpoint, Method::Get, scope)
}

fn filtered(head: ResponseHead, body: &str) -> Option<String> {
    filtered_for(&fruit(), head, body)
}

fn filtered_for(tenant: &TenantScope, head: ResponseHead, body: &str) -> Option<String> {
    let ResponsePlan::Filter(filter) = plan(Endpoint::QueryExemplars, tenant) else {
        panic!("exemplars are filtered");
    };
    filter.filter(head, body.as_bytes()).ok().map(|body| String::from_utf8(body).expect("UTF-8"))
}

const WARNING: &str = r#"["the upstream reported warnings; they are not shown on this endpoint"]"#;

#[test]
fn only_exemplars_of_a_restricted_tenant_are_filtered() {
    assert_eq!(plan(Endpoint::QueryExemplars, &scope(Scope::Unrestricted)), ResponsePlan::Verbatim);
    assert_eq!(plan(Endpoint::Query, &fruit()), ResponsePlan::Verbatim);
}

#[test]
fn everything_but_foreign_entries_and_foreign_texts_survives() {
    let body = r#" { "status" : "success", "x":{"y":[1e3,0.10]}, "data":[ {"seriesLabels":{"tenant":"fruit"}}, {"seriesLabels":{"tenant":"veggie"}} ],
        "warnings":["store veggie-1 is down"], "infos":[], "Infos":["veggie"], "z":null }"#;
    let expected = body
        .replace(
            r#"[ {"seriesLabels":{"tenant":"fruit"}}, {"seriesLabels":{"tenant":"veggie"}} ]"#,
            r#"[ {"seriesLabels":{"tenant":"fruit"}} ]"#,
        )
        .replace(r#"["store veggie-1 is down"]"#, WARNING)
        .replace(r#"["veggie"]"#, WARNING);
    assert_eq!(filtered(ResponseHead::Success, body), Some(expected));
}

#[test]
fn a_pattern_decides_about_entries_as_values_do() {
    let pattern = Pattern::new(LabelValue::new("team-(fruit|v.*)").expect("a value")).expect("a pattern");
    let entry = |tenant: &str| format!(r#"{{"seriesLabels":{{"tenant":"{tenant}"}}}}"#);
    let all = ["team-fruit", "team-fruit2", "my-team-fruit", "team-veggie", "team-fruit\\nx", "", "team-v", "Team-v"]
        .map(entry);
    let kept = ["team-fruit", "team-veggie", "team-v"].map(entry);
    let body = |entries: &[String]| format!(r#"{{"data":[{}]}}"#, entries.join(","));
    let answer = filtered_for(&scope(Scope::Pattern(pattern)), ResponseHead::Success, &body(&all));
    assert_eq!(answer, Some(body(&kept)));
}

#[test]
fn an_error_keeps_its_type_and_loses_its_text_and_data() {
    let body = r#"{"status":"error","errorType":"execution","error":"store veggie-1: gone","data":[{"seriesLabels":{"tenant":"fruit"}}]}"#;
    assert_eq!(
        filtered(ResponseHead::Failure, body).as_deref(),
        Some(
            r#"{"status":"error","errorType":"execution","error":"the upstream reported an error; its text is not shown on this endpoint","data":null}"#
        )
    );
}

#[test]
fn every_repeat_of_a_member_is_filtered() {
    let body = r#"{"data":[{"seriesLabels":{"tenant":"veggie"}}],"d\u0061ta":[{"seriesLabels":{"tenant":"veggie"}}]}"#;
    assert_eq!(filtered(ResponseHead::Success, body).as_deref(), Some(r#"{"data":[],"d\u0061ta":[]}"#));
}

#[test]
fn what_is_not_the_envelope_does_not_pass() {
    for body in [
        "",
        "null",
        "[]",
        "1",
        "x",
        "{}",
        r#"{"status":"success","other":[]}"#,
        r#"{"data":1}"#,
        r#"{"data":[}"#,
        r#"{"data":[]"#,
        r#"{"data":[]} x"#,
        "{\"a\":\"\x01\"}",
    ] {
        assert_eq!(filtered(ResponseHead::Success, body), None, "{body}");
    }
    let ResponsePlan::Filter(filter) = plan(Endpoint::QueryExemplars, &fruit()) else { panic!() };
    assert!(filter.filter(ResponseHead::Success, b"{\"a\":\"\xff\"}").is_err());
    let deep = format!(r#"{{"data":[],"x":{}}}"#, "[".repeat(100_000));
    assert_eq!(filtered(ResponseHead::Success, &deep), None);
}

#[test]
fn every_truncation_of_an_answer_is_noticed() {
    let body = r#"{"status":"success","data":[{"seriesLabels":{"tenant":"fruit"},"exemplars":[{"value":"1"}]}],"warnings":["x"]}"#;
    for end in 0..body.len() {
        let cut = body.get(..end).expect("ASCII");
        assert_eq!(filtered(ResponseHead::Success, cut), None, "{cut}");
    }
}

#[test]
fn headers_show_what_cannot_be_filtered() {
    let good = ResponseHeaders {
        status: 200,
        content_type: Some(b"application/json"),
        content_encoding: None,
        content_length: Some(5),
    };
    let seen = |headers: ResponseHeaders<'_>| headers.inspect(10).map_err(|denial| denial.status());
    assert_eq!(seen(good), Ok(ResponseHead::Success));
    assert_eq!(
        seen(ResponseHeaders { content_type: Some(b"Application/JSON; charset=utf-8"), ..good }),
        Ok(ResponseHead::Success)
    );
    assert_eq!(seen(ResponseHeaders { status: 422, ..good }), Ok(ResponseHead::Failure));
    for status in [100, 101, 103, 199, 304] {
        assert_eq!(seen(ResponseHeaders { status, ..good }), Err(502), "nobody reads a body behind {status}");
    }
    assert_eq!(seen(ResponseHeaders { status: 204, content_type: None, ..good }), Ok(ResponseHead::NoContent));
    assert_eq!(seen(ResponseHeaders { content_type: Some(b"text/plain"), ..good }), Err(502));
    assert_eq!(seen(ResponseHeaders { content_type: None, ..good }), Err(502));
    assert_eq!(seen(ResponseHeaders { content_encoding: Some(b"gzip"), ..good }), Err(502));
    assert_eq!(seen(ResponseHeaders { content_length: Some(11), ..good }), Err(502));
    assert_eq!(seen(ResponseHeaders { content_length: Some(u64::MAX), ..good }), Err(502));
    assert_eq!(
        seen(ResponseHeaders { status: 503, content_type: Some(b"text/html"), ..good }),
        Ok(ResponseHead::ForeignFailure)
    );
    assert_eq!(
        seen(ResponseHeaders { status: 500, content_encoding: Some(b"gzip"), ..good }),
        Ok(ResponseHead::ForeignFailure)
    );
}
