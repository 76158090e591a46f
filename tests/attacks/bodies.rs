//! Bodies, content types and framing: a form that some reader takes for something else, or cuts elsewhere.

use super::VICTIMS;
use super::attack::{Attack, attack, carry_out, raw};
use super::field::FIELD;
use crate::support::client::{Body, Ending, Request, get, post, request};

const FORM: &str = "application/x-www-form-urlencoded";

/// Of a request that is no HTTP at all Envoy says so itself, or hangs up.
const MALFORMED: &[u16] = &[400, 404, 426, 431, 501];

fn typed(method: &str, target: &str, content_type: &str, body: &[u8]) -> Request {
    request(method, target).header("content-type", content_type).body(Body::Length(body.to_vec()))
}

fn chunked(target: &str, chunks: &[&str], trailers: &[(&str, &str)]) -> Request {
    let trailers = trailers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let chunks = chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect();
    request("POST", target).header("content-type", FORM).body(Body::Chunked(chunks, trailers))
}

fn content_types() -> Vec<Attack> {
    let part = b"--x\r\ncontent-disposition: form-data; name=\"match[]\"\r\n\r\nup\r\n--x--\r\n";
    let json = br#"{"query":"up"}"#;
    let form = format!("match[]={VICTIMS}");
    let mut all = Vec::new();
    for (name, sent) in [
        ("a form in parts", typed("POST", "/api/v1/labels", "multipart/form-data; boundary=x", part)),
        (
            "a form in parts and a selector in the URL",
            typed("POST", "/api/v1/series?match[]=up", "multipart/form-data; boundary=x", part),
        ),
        ("a form in mixed parts", typed("POST", "/api/v1/labels", "multipart/mixed; boundary=x", part)),
        (
            "parts that are announced as a form beside",
            typed("POST", "/api/v1/labels", "application/x-www-form-urlencoded, multipart/form-data; boundary=x", part),
        ),
        ("a query in JSON", typed("POST", "/api/v1/query", "application/json", json)),
        ("a form as plain text", typed("POST", "/api/v1/labels", "text/plain", form.as_bytes())),
        ("a form as bytes", typed("POST", "/api/v1/labels", "application/octet-stream", form.as_bytes())),
        ("a form whose type is empty", typed("POST", "/api/v1/labels", "", form.as_bytes())),
        (
            "a type with a letter more",
            typed("POST", "/api/v1/labels", "application/x-www-form-urlencodedx", form.as_bytes()),
        ),
        (
            "a type that a slash ends",
            typed("POST", "/api/v1/labels", "application/x-www-form-urlencoded/", form.as_bytes()),
        ),
        ("a form without a type", request("POST", "/api/v1/labels?match[]=up").body(Body::Length(form.clone().into()))),
        (
            "two types, the form first",
            post("/api/v1/labels", &form).header("content-type", "multipart/form-data; boundary=x"),
        ),
        (
            "two types, the form last",
            typed("POST", "/api/v1/labels", "multipart/form-data; boundary=x", part).header("content-type", FORM),
        ),
        ("a packed form", post("/api/v1/query", b"\x1f\x8b\x08\0\0\0\0\0\0\x03").header("content-encoding", "gzip")),
        ("a form packed twice", post("/api/v1/query", "query=up").header("content-encoding", "identity, gzip")),
        (
            "a form with two encodings",
            post("/api/v1/query", "query=up").header("content-encoding", "identity").header("content-encoding", "br"),
        ),
        ("a form with an empty encoding", post("/api/v1/query", "query=up").header("content-encoding", "")),
        (
            "a remote read where a form is read",
            typed("POST", "/api/v1/query", "application/x-protobuf", b"\x02\x04\x0a\x00"),
        ),
    ] {
        all.push(attack(name, sent).refused(&[415]));
    }
    for (name, content_type) in [
        ("a form with another character set", "application/x-www-form-urlencoded; charset=utf-16"),
        ("a form with a boundary", "application/x-www-form-urlencoded; boundary=x; multipart/form-data"),
        ("a form whose type is in upper case", "APPLICATION/X-WWW-FORM-URLENCODED"),
        ("a form with an empty parameter of its type", "application/x-www-form-urlencoded;;;"),
    ] {
        all.push(attack(name, typed("POST", "/api/v1/labels", content_type, form.as_bytes())).narrowed());
    }
    for (name, sent) in [
        (
            "a body behind a GET",
            get("/api/v1/labels").header("content-type", FORM).body(Body::Length(form.clone().into())),
        ),
        ("parts behind a GET", typed("GET", "/api/v1/series?match[]=up", "multipart/form-data; boundary=x", part)),
        ("chunks behind a GET", get("/api/v1/labels").body(Body::Chunked(vec![form.clone().into()], vec![]))),
        ("a body behind a GET for a page's name", get("/api/v1/label/word/values").body(Body::Length(b"x".to_vec()))),
    ] {
        all.push(attack(name, sent).refused(&[400]));
    }
    for (name, method) in [("a form by PUT", "PUT"), ("a form by PATCH", "PATCH"), ("a form by DELETE", "DELETE")] {
        all.push(attack(name, typed(method, "/api/v1/labels", FORM, form.as_bytes())).refused(&[405]));
    }
    // A method that Envoy knows from 1.40 on.
    all.push(attack("a form by QUERY", typed("QUERY", "/api/v1/labels", FORM, form.as_bytes())).refused(&[400, 405]));
    all.push(
        attack(
            "a form's type without a form",
            get("/api/v1/labels").header("content-type", "multipart/form-data; boundary=x"),
        )
        .narrowed(),
    );
    all.push(attack("a form where only a GET is served", post("/api/v1/label/word/values", &form)).refused(&[405]));
    all.push(attack("a form for a federation", post("/federate", &form)).refused(&[405]));
    all.push(attack("a form for rules", post("/api/v1/rules", &form)).refused(&[405]));
    all
}

fn shapes() -> Vec<Attack> {
    let long = format!("match[]=up&x={}&match[]={VICTIMS}", "y".repeat(1 << 20));
    let form = format!("match[]={VICTIMS}");
    let many = format!("query=up{}", "%2Bup".repeat(2_000));
    vec![
        attack("a form over the limit, and the selector behind it", post("/api/v1/labels", &long)).refused(&[413]),
        attack("the same without a length", chunked("/api/v1/labels", &[&long], &[])).refused(&[413]),
        attack("a form with more selectors than the limit", post("/api/v1/query", &many)).refused(&[400]),
        attack("a form in chunks of a byte", chunked("/api/v1/labels", &["m", "atch[", "]=", VICTIMS], &[])).narrowed(),
        attack("an empty form in chunks", chunked("/api/v1/labels", &[], &[])).narrowed(),
        attack("an empty form with a length", post("/api/v1/labels", "")).narrowed(),
        attack("a POST that ends with its head", request("POST", "/api/v1/series")).narrowed(),
        attack("a selector in trailers", chunked("/api/v1/labels", &["start=1"], &[("match[]", "up"), ("x", "y")]))
            .http1(),
        attack("the same where trailers count", chunked("/api/v1/labels", &["start=1"], &[("x-a", &form)]))
            .on("trailers")
            .narrowed(),
        attack(
            "a type in trailers",
            chunked("/api/v1/labels", &[&form], &[("content-type", "text/plain"), ("content-length", "3")]),
        )
        .on("trailers")
        .http1(),
        attack("trailers without a form, by HTTP/2", chunked("/api/v1/labels", &[], &[("x", "y")]))
            .http2(Ending::OnLast)
            .refused(&[400]),
        attack("an empty frame behind a GET", get("/api/v1/labels")).http2(Ending::EmptyData).narrowed(),
        attack("a frame behind a GET", get("/api/v1/labels").body(Body::Chunked(vec![form.clone().into()], vec![])))
            .http2(Ending::EmptyData)
            .refused(&[400]),
        attack("an empty frame behind a form", post("/api/v1/labels", &form)).http2(Ending::EmptyData).narrowed(),
        attack("a reset behind a form", chunked("/api/v1/labels", &[&form], &[])).http2(Ending::Reset),
        attack(
            "a longer length than the form, by HTTP/2",
            request("POST", "/api/v1/labels")
                .header("content-type", FORM)
                .header("content-length", "5000")
                .body(Body::Chunked(vec![form.clone().into()], vec![])),
        )
        .http2(Ending::OnLast),
        attack(
            "a shorter length than the form, by HTTP/2",
            request("POST", "/api/v1/labels")
                .header("content-type", FORM)
                .header("content-length", "3")
                .body(Body::Chunked(vec![form.into()], vec![])),
        )
        .http2(Ending::OnLast),
    ]
}

/// Requests in requests: what one hop takes for a body, another takes for the next request.
fn smuggling() -> Vec<Attack> {
    let inner = format!("GET /api/v1/series?match[]={VICTIMS} HTTP/1.1\r\nhost: lab\r\n\r\n");
    let length = inner.len() + 5;
    let form = "POST /api/v1/labels HTTP/1.1\r\n{me}content-type: application/x-www-form-urlencoded\r\n";
    let mut all = Vec::new();
    for (name, framing) in [
        ("two lengths", format!("content-length: 0\r\ncontent-length: {length}\r\n")),
        ("two lengths in one line", format!("content-length: 0, {length}\r\n")),
        ("a length and chunks", format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n")),
        ("chunks and a length", "transfer-encoding: chunked\r\ncontent-length: 5\r\n".into()),
        ("chunks under another name", "transfer-encoding: xchunked\r\n".into()),
        ("chunks and something else", "transfer-encoding: chunked, identity\r\n".into()),
        ("chunks twice", "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".into()),
        ("chunks with a tab", "transfer-encoding:\tchunked\r\ncontent-length: 5\r\n".into()),
        ("chunks with a space in front of the colon", "transfer-encoding : chunked\r\n".into()),
        ("chunks with a folded line", "transfer-encoding:\r\n chunked\r\ncontent-length: 5\r\n".into()),
        ("chunks behind a bare line feed", "x: y\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n".into()),
        ("chunks behind a bare carriage return", "x: y\rtransfer-encoding: chunked\r\ncontent-length: 5\r\n".into()),
        ("a length below nothing", "content-length: -1\r\n".into()),
        ("a length with a sign", format!("content-length: +{length}\r\n")),
        ("a length in hexadecimal", "content-length: 0x10\r\n".into()),
        ("a length beyond all numbers", "content-length: 99999999999999999999\r\n".into()),
        ("an underscore for a hyphen", format!("content_length: {length}\r\ncontent-length: 0\r\n")),
    ] {
        all.push(raw(format!("smuggling by {name}"), format!("{form}{framing}\r\n0\r\n\r\n{inner}")));
    }
    for (name, chunks) in [
        ("a chunk's extension", format!("1;x=\r\n{inner}\r\n0\r\n\r\n")),
        ("a chunk's extension with a line feed", "2;x\nxx\r\n4c\r\n0\r\n\r\n".to_owned() + &inner),
        ("a chunk's size beyond all numbers", "ffffffffffffffff1\r\nx\r\n0\r\n\r\n".into()),
        ("a chunk's size below nothing", "-1\r\nx\r\n0\r\n\r\n".into()),
        ("a chunk's size in hexadecimal", "0x3\r\nx=y\r\n0\r\n\r\n".into()),
        ("a chunk that is longer than it says", "3\r\nx=yz\r\n0\r\n\r\n".into()),
        ("line feeds alone between chunks", "3\nx=y\n0\n\n".into()),
        ("a request in trailers", format!("0\r\n{}", inner.replace("\r\nhost", "\r\nx"))),
    ] {
        all.push(raw(format!("smuggling by {name}"), format!("{form}transfer-encoding: chunked\r\n\r\n{chunks}")));
    }
    for (name, bytes) in [
        ("HTTP/1.0", "GET /api/v1/labels HTTP/1.0\r\n{me}\r\n".to_owned()),
        ("HTTP/0.9", "GET /api/v1/labels\r\n".into()),
        ("a later HTTP", "GET /api/v1/labels HTTP/3.0\r\n{me}\r\n".into()),
        ("an upgrade to HTTP/2", "GET /api/v1/labels HTTP/1.1\r\n{me}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n".into()),
        ("a space in the target", "GET /api/v1/labels?match[]=up HTTP/1.1\r\nx: /api/v1/labels HTTP/1.1\r\n{me}\r\n".into()),
        ("a second request in the target", "GET /api/v1/labels HTTP/1.1\r\nx:\r\n\r\nGET /api/v1/series HTTP/1.1\r\n{me}\r\n".into()),
        ("a header without a name", "GET /api/v1/labels HTTP/1.1\r\n: victim\r\n{me}\r\n".into()),
        ("a header with a NUL", "GET /api/v1/labels HTTP/1.1\r\nx: a\0b\r\n{me}\r\n".into()),
        ("two hosts", "GET /api/v1/labels HTTP/1.1\r\nhost: victim\r\n{me}\r\n".into()),
    ] {
        all.push(raw(format!("smuggling by {name}"), bytes));
    }
    let pipelined = format!(
        "POST /api/v1/labels HTTP/1.1\r\n{{me}}content-type: {FORM}\r\ncontent-length: 8\r\n\r\nstart=1&{inner}"
    );
    all.push(raw("smuggling by a request without a token behind a form", pipelined));
    all.push(
        raw(
            "smuggling by a body behind a refused GET",
            format!("GET /api/v1/status/config HTTP/1.1\r\n{{me}}content-length: {length}\r\n\r\n{inner}"),
        )
        .refused(MALFORMED),
    );
    all
}

pub(super) fn attacks() -> Vec<Attack> {
    [content_types(), shapes(), smuggling()].concat()
}

#[test]
fn bodies_and_content_types() {
    carry_out(&FIELD.bench, &attacks());
}
