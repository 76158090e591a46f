//! Random URLs and forms of pieces that name tenants, or almost do: whose a request is must be what a reader of its own finds, and
//! what names it never goes on.

use crate::pipeline::Nothing;
use crate::support::form;
use fastrand::Rng;
use prom_label_filter::admission::{Admission, Finished};
use prom_label_filter::config::{self, policy::Policy};
use prom_label_filter::denial::Denial;
use prom_label_filter::observe::Record;
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::rewrite::OutboundBody;
use std::collections::BTreeSet;

const PIECES: [&str; 16] = [
    "tenant=a",
    "tenant=b",
    "tenant=c",
    "ten%61nt=a",
    "%74%65nant=%62",
    "tenant=a+b",
    "tenant=a%26tenant%3Db",
    "tenant",
    "tenant=",
    "Tenant=b",
    "tenant%5B%5D=b",
    "tenant+=b",
    "time=1",
    "",
    "x=tenant",
    "tenant=%00",
];

/// Pieces, with the one thing that every query needs.
fn parameters(random: &mut Rng, with_query: bool) -> String {
    let mut pieces: Vec<&str> = (0..random.usize(..4)).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
    if with_query {
        pieces.insert(random.usize(..=pieces.len()), "query=up");
    }
    pieces.join("&")
}

/// The tenants that `text` names; `None` when it cannot be read.
fn named(text: &str) -> Option<Vec<String>> {
    let pairs = form::read(text.as_bytes()).ok()?;
    if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return None;
    }
    Some(pairs.into_iter().filter(|(name, _)| name == "tenant").map(|(_, value)| value).collect())
}

/// The status that a request must come to, or its tenants.
fn expected(url: &str, form: &str) -> Result<BTreeSet<String>, u32> {
    // What the URL shows is decided before the form is there.
    let url = named(url).ok_or(400_u32)?;
    if url.iter().any(String::is_empty) {
        return Err(403);
    }
    let form = named(form).ok_or(400_u32)?;
    match if url.is_empty() { &form } else { &url }.as_slice() {
        [] => Err(401),
        values if values.iter().any(String::is_empty) => Err(403),
        _ if !url.is_empty() && form.iter().any(|value| !url.contains(value)) => Err(403),
        values => Ok(values.iter().cloned().collect()),
    }
}

fn sent_on(policy: &Policy, url: &str, form: Option<&str>) -> Result<String, Denial> {
    let target = format!("/api/v1/query?{url}");
    let method = if form.is_some() { "POST" } else { "GET" };
    let pairs = [(":method", method), (":path", &target), ("content-type", "application/x-www-form-urlencoded")];
    let headers =
        Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect());
    let framing = if form.is_some() { Body::Announced } else { Body::None };
    let head = RequestHead::new(&headers, framing).expect("a head");
    match policy.admit(&head, &Nothing, &mut Record::default())? {
        Admission::Forward(head, _) => {
            let path = String::from_utf8(head.into_inner().path).expect("ASCII");
            Ok(path.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default())
        }
        Admission::AwaitBody(head, pending) => {
            assert_eq!(head.into_inner().path, b"/api/v1/query", "a head before its form has no parameters");
            assert!(pending.admitted().is_none(), "what a form decides is not decided before it");
            match pending.finish(policy, form.unwrap_or_default().as_bytes(), &mut Record::default())? {
                Finished::Forward(body, _) => match body.into_inner() {
                    OutboundBody::Form(text) => Ok(text),
                    other @ (OutboundBody::RemoteRead(_) | OutboundBody::Silence(_) | OutboundBody::Empty) => {
                        panic!("a form became {other:?}")
                    }
                },
                Finished::Ask(_) => panic!("nothing is to be asked"),
            }
        }
        other @ (Admission::Answer(_) | Admission::Ask(_)) => panic!("{other:?}"),
    }
}

#[test]
fn whose_a_request_is_is_what_another_reader_finds() {
    let policy =
        config::parse(br#"{"labels":[{"name":"tenant","query_param":"tenant"}]}"#).expect("a good configuration");
    let mut random = Rng::with_seed(0x007e_4a47);
    let mut met = BTreeSet::new();
    for _ in 0..20_000 {
        let in_url = random.bool();
        let url = parameters(&mut random, in_url);
        let form = random.bool().then(|| parameters(&mut random, !in_url));
        let expected = expected(&url, form.as_deref().unwrap_or_default());
        let found = sent_on(&policy, &url, form.as_deref());
        let what = format!("{url:?} {form:?}: {found:?}, not {expected:?}");
        met.insert(expected.as_ref().map_or_else(|status| *status, |tenants| u32::from(tenants.len() > 1)));
        match (&expected, &found) {
            (Ok(tenants), Ok(text)) => {
                let pairs = form::decode(text.as_bytes());
                assert!(!pairs.iter().any(|(name, _)| name == "tenant"), "{what}");
                let joined = tenants.iter().map(String::as_str).collect::<Vec<_>>().join("|");
                let query = if tenants.len() == 1 {
                    format!("up{{tenant={joined:?}}}")
                } else {
                    format!("up{{tenant=~{joined:?}}}")
                };
                let written: Vec<_> = pairs.iter().filter(|(name, _)| name == "query").collect();
                assert_eq!(written, [&("query".to_owned(), query)], "{what}");
            }
            // What names nobody may lack a query, or repeat a time, as well.
            (Err(status), Err(denial)) => assert!(denial.status() == *status || denial.status() == 400, "{what}"),
            (Ok(_), Err(denial)) => {
                assert!(matches!(denial, Denial::Repeated { .. } | Denial::Missing { .. }), "{what}")
            }
            (Err(_), Ok(_)) => panic!("{what}"),
        }
    }
    assert_eq!(met, BTreeSet::from([0, 1, 400, 401, 403]), "not every outcome was met");
}
