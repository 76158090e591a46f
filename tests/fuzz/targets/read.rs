//! A remote read: the upper four bits of the first byte choose the tenant, the lowest whether the rest is the body or the
//! message that is put into it. What passes is read as Prometheus reads it, and by `prost`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::remote_read::{ReadError, ReadLimits, narrow};
use prom_label_filter_fuzz::tenants::{self, Tenant, unrestricted};
use prom_label_filter_fuzz::time::{in_time, is_repeated};
use prost::Message;
use remote_read::{Hints, Matcher, Query, RE, ReadRequest};
use snap::raw::{Decoder, Encoder, decompress_len};

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../../src/bin/prom-label-filter/protobuf.rs"]
mod protobuf;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../support/remote_read.rs"]
mod remote_read;

const WIDE: ReadLimits = ReadLimits { request_bytes: 1 << 20, queries: usize::MAX, output_bytes: usize::MAX };
const NARROW: ReadLimits = ReadLimits { request_bytes: 1 << 20, queries: 2, output_bytes: 100 };

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let tenant = tenants::chosen(choice >> 4);
    if choice & 1 == 0 {
        check(bytes, tenant);
        check_long(bytes, tenant);
        return;
    }
    let announced = decompress_len(bytes).unwrap_or_default();
    let narrowed =
        in_time(bytes.len() + announced.min(WIDE.request_bytes), || narrow(bytes, &tenant.scope, None, &WIDE));
    if announced > WIDE.request_bytes {
        assert_eq!(narrowed, Err(ReadError::TooLarge { limit: WIDE.request_bytes }));
        return;
    }
    match Decoder::new().decompress_vec(bytes) {
        // However it was compressed, the message counts.
        Ok(message) => assert_eq!(narrowed, narrow(&block(&message), &tenant.scope, None, &WIDE)),
        Err(_) => assert_eq!(narrowed, Err(ReadError::NotSnappy)),
    }
});

fn block(message: &[u8]) -> Vec<u8> {
    Encoder::new().compress_vec(message).expect("a short message")
}

fn unblock(block: &[u8]) -> Vec<u8> {
    Decoder::new().decompress_vec(block).expect("a block")
}

fn check(message: &[u8], tenant: &Tenant) {
    let body = block(message);
    let wide = in_time(message.len(), || narrow(&body, &tenant.scope, None, &WIDE));
    let read = ReadRequest::read(message);
    let theirs = Theirs::decode(message);
    match &wide {
        Ok(narrowed) => {
            let (read, theirs) = (read.expect("Prometheus refuses it"), theirs.expect("prost refuses it"));
            assert_eq!(theirs.request(), known(&read), "the readers differ");
            check_narrowed(message, narrowed, &read, tenant);
        }
        Err(ReadError::Malformed) => {
            // What `prost` has read, it writes plainly; that must pass, unless a type of matcher does not exist.
            if let Ok(theirs) = theirs
                && theirs
                    .queries
                    .iter()
                    .flat_map(|query| &query.matchers)
                    .all(|matcher| (0..=3).contains(&matcher.kind))
            {
                let plain = narrow(&block(&theirs.encode_to_vec()), &tenant.scope, None, &WIDE).expect("well-formed");
                let expected = with_matchers(theirs.request(), tenant);
                assert_eq!(ReadRequest::read(&unblock(&plain)), Some(expected));
            }
        }
        Err(other) => panic!("{other}"),
    }
    match narrow(&body, &tenant.scope, None, &NARROW) {
        Ok(narrowed) => {
            assert!(unblock(&narrowed).len() <= NARROW.output_bytes);
            assert_eq!(wide, Ok(narrowed));
        }
        Err(ReadError::Malformed) => assert_eq!(wide, Err(ReadError::Malformed)),
        Err(ReadError::TooManyQueries { limit }) => {
            assert!(wide.is_err() || ReadRequest::read(message).is_some_and(|read| read.queries.len() > limit));
        }
        Err(ReadError::OutputTooLarge { limit }) => {
            assert!(wide.is_err() || wide.is_ok_and(|narrowed| unblock(&narrowed).len() > limit));
        }
        Err(other) => panic!("{other}"),
    }
}

/// Asserts that `narrowed` is `message`, in which `read` was found, with the matchers once in every query.
fn check_narrowed(message: &[u8], narrowed: &[u8], read: &ReadRequest, tenant: &Tenant) {
    let written = unblock(narrowed);
    let once = with_matchers(read.clone(), tenant);
    assert_eq!(ReadRequest::read(&written).as_ref(), Some(&once));
    assert_eq!(Theirs::decode(&written[..]).map(|theirs| theirs.request()).as_ref(), Ok(&known(&once)));
    // A matcher has two texts and their four tags and lengths around; so has the field; the query's length may grow.
    let largest: usize = tenant.each.iter().map(|each| each.0.len() + each.1.len().max(each.2.len()) + 12).sum();
    assert!(written.len() <= message.len() + read.queries.len() * (largest + 2));
    let lifted = narrow(&block(message), &unrestricted().scope, None, &WIDE).expect("as for a tenant");
    assert_eq!(unblock(&lifted), message, "nothing but matchers is written");
    let twice = narrow(narrowed, &tenant.scope, None, &WIDE).expect("what was written can be read");
    assert_eq!(ReadRequest::read(&unblock(&twice)), Some(with_matchers(once, tenant)));
}

/// Asserts that messages of 64 KiB that repeat `bytes`, on each level, do not take longer than their length allows.
fn check_long(bytes: &[u8], tenant: &Tenant) {
    if !is_repeated(bytes) {
        return;
    }
    let repeated = |unit: &[u8]| unit.repeat(65_536 / unit.len() + 1);
    let query = |content: &[u8]| protobuf::field(1, content);
    for long in [
        repeated(bytes),
        repeated(&query(bytes)),
        query(&repeated(bytes)),
        query(&repeated(&protobuf::field(3, bytes))),
        query(&protobuf::field(4, &repeated(bytes))),
    ] {
        let body = block(&long);
        let _ = in_time(long.len(), || narrow(&body, &tenant.scope, None, &WIDE));
    }
}

/// The request with the tenant's matchers at the end of each query's.
fn with_matchers(mut request: ReadRequest, tenant: &Tenant) -> ReadRequest {
    for query in &mut request.queries {
        query.matchers.extend(tenant.each.iter().map(|(name, _, pattern, _)| Matcher::new(RE, name, pattern)));
    }
    request
}

/// The request without the fields that are not known, which `prost` forgets.
fn known(request: &ReadRequest) -> ReadRequest {
    let mut request = request.clone();
    request.unknown.clear();
    for query in &mut request.queries {
        query.unknown.clear();
        query.matchers.iter_mut().for_each(|matcher| matcher.unknown.clear());
        query.hints.iter_mut().for_each(|hints| hints.unknown.clear());
    }
    request
}

/// `ReadRequest` as `prost` has it.
#[derive(Clone, PartialEq, Message)]
struct Theirs {
    #[prost(message, repeated, tag = "1")]
    queries: Vec<TheirQuery>,
    #[prost(int32, repeated, tag = "2")]
    accepted: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct TheirQuery {
    #[prost(int64, tag = "1")]
    start: i64,
    #[prost(int64, tag = "2")]
    end: i64,
    #[prost(message, repeated, tag = "3")]
    matchers: Vec<TheirMatcher>,
    #[prost(message, optional, tag = "4")]
    hints: Option<TheirHints>,
}

#[derive(Clone, PartialEq, Message)]
struct TheirMatcher {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct TheirHints {
    #[prost(int64, tag = "1")]
    step: i64,
    #[prost(string, tag = "2")]
    function: String,
    #[prost(int64, tag = "3")]
    start: i64,
    #[prost(int64, tag = "4")]
    end: i64,
    #[prost(string, repeated, tag = "5")]
    grouping: Vec<String>,
    #[prost(bool, tag = "6")]
    by: bool,
    #[prost(int64, tag = "7")]
    range: i64,
}

impl Theirs {
    fn request(&self) -> ReadRequest {
        let hints = |hints: &TheirHints| Hints {
            step: hints.step,
            function: hints.function.clone().into_bytes(),
            start: hints.start,
            end: hints.end,
            grouping: hints.grouping.iter().map(|label| label.clone().into_bytes()).collect(),
            by: hints.by,
            range: hints.range,
            unknown: Vec::new(),
        };
        let query = |query: &TheirQuery| Query {
            start: query.start,
            end: query.end,
            matchers: query.matchers.iter().map(|each| Matcher::new(each.kind, &each.name, &each.value)).collect(),
            hints: query.hints.as_ref().map(hints),
            unknown: Vec::new(),
        };
        let queries = self.queries.iter().map(query).collect();
        ReadRequest { queries, accepted: self.accepted.clone(), unknown: Vec::new() }
    }
}
