//! Every row of `routes.tsv` in a real Envoy: what happens without any setting, and what each setting makes of it.

use crate::routes::{Change, Decision, Row, rows};
use crate::support::bench::{Bench, by_header};
use crate::support::client::{Body, Request, get, post, request};
use crate::support::envoy::Listener;
use crate::support::remote_read::{Query, ReadRequest};
use crate::support::upstream::Answer;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The configuration with these settings, which may be nested.
pub(crate) fn configuration(settings: &[(&str, &str)]) -> Value {
    let mut all = by_header();
    all["alertmanager"] = json!({"cluster": "upstream"});
    for (name, value) in settings {
        let value = match *value {
            "true" => json!(true),
            text => json!(text),
        };
        match name.split_once('.') {
            Some((section, name)) => all[section][name] = value,
            None => all[*name] = value,
        }
    }
    all
}

pub(crate) fn listener(settings: &[(&str, &str)]) -> String {
    settings.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("+")
}

const SILENCE: &str = "761cc032-7f67-4e36-bb92-0c1548d49b08";

/// A request that the row's endpoint takes.
pub(crate) fn ask(row: &Row, method: &str) -> Request {
    let name = if row.path.contains("silence/") { SILENCE } else { "job" };
    let path = row.path.replace("<name>", name).replace('*', "x");
    let asked = if method == "*" { "GET" } else { method };
    let asks = ["query", "explain", "query_range", "exemplars"].iter().any(|end| path.ends_with(end));
    let parameters = if asks && path.starts_with("/api/v1/") { "query=up" } else { "" };
    let sent = match (asked, row.path) {
        ("POST", "/api/v1/read") => {
            let read = ReadRequest { queries: vec![Query::default()], ..ReadRequest::default() };
            let body = snap::raw::Encoder::new().compress_vec(&read.bytes()).expect("a small request");
            request("POST", path).header("content-type", "application/x-protobuf").body(Body::Length(body))
        }
        ("POST", "/api/v2/silences") => {
            let matcher = json!({"name": "job", "value": "api", "isRegex": false});
            let body = json!({"matchers": [matcher], "comment": "c", "createdBy": "me"}).to_string();
            request("POST", path).header("content-type", "application/json").body(Body::Length(body.into()))
        }
        ("POST", _) => post(path, if parameters.is_empty() { "start=1" } else { parameters }),
        ("GET", _) => get(format!("{path}?{parameters}")),
        _ => request(asked, format!("{path}?{parameters}")),
    };
    sent.header("x-tenant", "tenant-a")
}

/// What went on, with what is compressed in it.
fn told(bench: &Bench, sent: &Request) -> String {
    let recorded = bench.arrived(sent);
    let body = snap::raw::Decoder::new().decompress_vec(&recorded.body).unwrap_or_default();
    recorded.everything() + &String::from_utf8_lossy(&body)
}

fn check(bench: &Bench, listener: &str, row: &Row, method: &str, decision: Decision) {
    let sent = ask(row, method);
    let what = format!("{method} {} with {listener:?}, which must {decision:?}", row.path);
    let foreign = json!({"status": "success", "data": "foreign"}).to_string();
    bench.upstream.answer(&sent, Answer::json(200, foreign));
    let answer = bench.send(listener, &sent);
    match decision {
        Decision::Deny => {
            assert!([404, 405].contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
            bench.never_arrived(&sent);
        }
        Decision::Answer if method == "OPTIONS" => {
            // Only paths that are served have methods.
            assert!([204, 404].contains(&answer.status), "{what}");
            bench.never_arrived(&sent);
        }
        Decision::Answer => {
            let nothing = match row.path {
                "/api/v1/notifications/live" => "",
                "/api/v1/notifications" => r#"{"status":"success","data":[]}"#,
                _ => r#"{"status":"success","data":{}}"#,
            };
            assert_eq!(answer.text(), nothing, "{what}");
            bench.never_arrived(&sent);
        }
        // The upstream does not say that the silence is the tenant's.
        Decision::Check => {
            assert_eq!(answer.status, 404, "{what}: {}", answer.text());
            bench.never_arrived(&sent);
        }
        Decision::Pass => assert_eq!((answer.status, bench.arrived(&sent).method), (200, method.to_owned()), "{what}"),
        Decision::Narrow => {
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            // Without a selector a federation reads nothing.
            assert!(
                told(bench, &sent).contains("tenant-a") || row.path == "/federate",
                "{what}: {}",
                told(bench, &sent)
            );
        }
        // It must be asked for as the tenant's own first, which it is not.
        Decision::Filter if row.path.contains("silence/") => {
            assert_eq!(answer.status, 404, "{what}: {}", answer.text());
            bench.never_arrived(&sent);
        }
        Decision::Filter | Decision::NarrowAndFilter => {
            assert!(!answer.text().contains("foreign"), "{what}: {}", answer.text());
            assert_eq!(bench.arrived(&sent).all("accept-encoding"), ["identity"], "{what}");
            assert_eq!(told(bench, &sent).contains("tenant-a"), decision == Decision::NarrowAndFilter, "{what}");
        }
    }
}

#[test]
fn every_route_is_treated_as_its_row_says() {
    let rows = rows();
    let changes: BTreeSet<&[(&str, &str)]> =
        rows.iter().flat_map(|row| &row.with).map(|change| change.settings.as_slice()).collect();
    let listeners = changes.iter().map(|settings| Listener::new(&listener(settings), configuration(settings)));
    let bench = Bench::start(listeners.chain([Listener::new("plain", configuration(&[]))]));
    let in_use = bench.in_use();
    let mut asked = 0;
    for row in &rows {
        let head = row.is_page().then_some("HEAD");
        for method in row.methods.iter().copied().chain(head.filter(|head| !row.methods.contains(head))) {
            check(&in_use, "plain", row, method, row.default);
            for Change { settings, decision } in &row.with {
                check(&in_use, &listener(settings), row, method, *decision);
            }
            asked += 1 + row.with.len();
        }
    }
    assert!(asked > 200, "{asked}");
}
