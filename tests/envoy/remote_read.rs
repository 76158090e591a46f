//! Remote reads in Envoy: what is taken for one, and what is not.

use crate::support::bench::{BAD_DATA, Bench, InUse, OURS, by_header};
use crate::support::client::{Body, Ending, Request, get, request, send_h2};
use crate::support::envoy::Listener;
use crate::support::remote_read::{Matcher, Query, RE, ReadRequest};
use crate::support::upstream::Answer;
use serde_json::json;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let with = |more: serde_json::Value| {
        let mut configuration = by_header();
        configuration.as_object_mut().expect("an object").extend(more.as_object().expect("settings").clone());
        configuration
    };
    Bench::start([
        Listener::new("read", with(json!({"remote_read": "rewrite"}))),
        Listener::new("small", with(json!({"remote_read": "rewrite", "limits": {"form_bytes": 300, "selectors": 2}}))),
        Listener::new("deny", by_header()),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn whole(queries: usize) -> ReadRequest {
    let query = Query { matchers: vec![Matcher::new(RE, "__name__", "up|down")], ..Query::default() };
    ReadRequest { queries: vec![query; queries], ..ReadRequest::default() }
}

fn compressed(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).expect("a small message")
}

fn read(body: Vec<u8>) -> Request {
    request("POST", "/api/v1/read")
        .header("x-tenant", "a")
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-read-version", "0.1.0")
        .body(Body::Length(body))
}

#[test]
fn a_remote_read_goes_on_with_the_matcher_in_every_query() {
    let bench = bench();
    for queries in [1, 3] {
        let sent = read(compressed(&whole(queries).bytes()));
        let answer = Answer::json(200, b"\x00\xffsamples").header("content-type", "application/x-protobuf");
        bench.upstream.answer(&sent, answer);
        assert_eq!(bench.send("read", &sent).body, b"\x00\xffsamples", "the answer passes as it is");
        let recorded = bench.arrived(&sent);
        assert_eq!(
            (recorded.all("content-encoding"), recorded.raw_query()),
            (vec!["snappy".to_owned()], String::new())
        );
        assert_eq!(recorded.all("x-prometheus-remote-read-version"), ["0.1.0"]);
        let body = snap::raw::Decoder::new().decompress_vec(&recorded.body).expect("a block");
        let mut expected = whole(queries);
        expected.queries.iter_mut().for_each(|query| query.matchers.push(Matcher::new(RE, "tenant", "a")));
        assert_eq!(ReadRequest::read(&body), Some(expected));
    }
    // Over HTTP/2, in pieces, and without the header of the encoding, which Prometheus does not read.
    let body = compressed(&whole(2).bytes());
    let sent = request("POST", "/api/v1/read?tenant=b&match[]=x").header("x-tenant", "a");
    let pieces = body.chunks(7).map(<[u8]>::to_vec).collect();
    let sent = sent.header("content-type", "application/x-protobuf; x=y").body(Body::Chunked(pieces, Vec::new()));
    assert_eq!(send_h2(bench.port("read"), &sent, Ending::EmptyData).map(|answer| answer.status), Some(200));
    assert_eq!(bench.arrived(&sent).raw_query(), "");
}

#[test]
fn what_is_no_remote_read_does_not_go_on() {
    let bench = bench();
    let good = || compressed(&whole(1).bytes());
    for (what, sent, status, error_type) in [
        ("uncompressed", read(whole(1).bytes()), 400, BAD_DATA),
        ("text", read(b"query=up".to_vec()), 400, BAD_DATA),
        ("nothing", read(Vec::new()), 400, BAD_DATA),
        ("cut", read(good().split_last().expect("bytes").1.to_vec()), 400, BAD_DATA),
        ("more", read([good(), b"x".to_vec()].concat()), 400, BAD_DATA),
        ("a bomb", read(vec![0xff, 0xff, 0xff, 0xff, 0x0f]), 413, OURS),
    ] {
        let answer = bench.refused_in_body("read", &sent, status, error_type);
        assert!(!answer.text().is_empty(), "{what}");
    }
    bench.refused_in_body("small", &read(compressed(&whole(3).bytes())), 400, OURS);
    let plain = |content_type: &str| {
        request("POST", "/api/v1/read")
            .header("x-tenant", "a")
            .header("content-type", content_type)
            .body(Body::Length(good()))
    };
    for content_type in ["application/x-www-form-urlencoded", "application/json", "", "application/x-protobufs"] {
        bench.refused("read", &plain(content_type), 415, OURS);
    }
    for encoding in ["gzip", "identity", "snappy, gzip"] {
        bench.refused("read", &plain("application/x-protobuf").header("content-encoding", encoding), 415, OURS);
    }
    bench.refused("small", &read(vec![0; 301]), 413, OURS);
    bench.refused("read", &request("POST", "/api/v1/read").header("x-tenant", "a"), 400, BAD_DATA);
    bench.refused("read", &get("/api/v1/read").header("x-tenant", "a"), 405, OURS);
    bench.refused("deny", &read(good()), 404, OURS);
    let nobody =
        request("POST", "/api/v1/read").header("content-type", "application/x-protobuf").body(Body::Length(good()));
    bench.refused("read", &nobody, 401, OURS);
}
