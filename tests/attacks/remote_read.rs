//! Remote reads: messages that a reader takes for more than was narrowed.

use super::attack::{Attack, attack, carry_out};
use super::field::FIELD;
use crate::support::client::{Body, Request, request};
use crate::support::protobuf::{field, varint};
use crate::support::remote_read::{EQ, Hints, Matcher, NEQ, NRE, Query, RE, ReadRequest};

const BAD: &[u16] = &[400];

fn read(message: &[u8]) -> Request {
    block(snap::raw::Encoder::new().compress_vec(message).expect("a short block"))
}

fn block(body: Vec<u8>) -> Request {
    let typed = request("POST", "/api/v1/read").header("content-type", "application/x-protobuf");
    typed.header("content-encoding", "snappy").body(Body::Length(body))
}

fn of(matchers: Vec<Matcher>) -> Query {
    Query { end: i64::MAX, matchers, ..Query::default() }
}

fn everything() -> Query {
    of(vec![Matcher::new(RE, "__name__", ".+")])
}

fn message(queries: Vec<Query>, accepted: Vec<i32>) -> Vec<u8> {
    ReadRequest { queries, accepted, ..ReadRequest::default() }.bytes()
}

fn one(query: Query) -> Vec<u8> {
    message(vec![query], Vec::new())
}

/// Messages as a library writes them.
fn well_written() -> Vec<Attack> {
    let victims = |kind, value| one(of(vec![Matcher::new(kind, "tenant", value)]));
    let hints = |by, grouping: &str| Hints {
        function: b"sum".to_vec(),
        by,
        grouping: vec![grouping.into()],
        ..Hints::default()
    };
    let hinted = |hints| one(Query { hints: Some(hints), ..everything() });
    let mut all = Vec::new();
    for (name, message) in [
        ("everything", one(everything())),
        ("everything in chunks", message(vec![everything()], vec![1])),
        ("everything in any way", message(vec![everything()], vec![1, 0, 1, 7, -1])),
        ("the victim's", victims(EQ, "victim")),
        ("everybody else's", victims(NEQ, "eve")),
        ("everybody's by a pattern", victims(RE, ".*")),
        ("everybody else's by a pattern", victims(NRE, "eve")),
        ("nobody's", victims(EQ, "")),
        ("a query without matchers", one(of(Vec::new()))),
        ("a query of nothing", one(Query::default())),
        (
            "queries side by side",
            message(vec![everything(), of(vec![Matcher::new(EQ, "tenant", "victim")]), Query::default()], vec![]),
        ),
        (
            "the own and the victim's",
            one(of(vec![Matcher::new(EQ, "tenant", "eve"), Matcher::new(EQ, "tenant", "victim")])),
        ),
        ("a matcher of an unknown kind", one(of(vec![Matcher::new(7, "tenant", "victim")]))),
        ("a matcher of a kind below nothing", one(of(vec![Matcher::new(-1, "tenant", "victim")]))),
        ("a matcher without a name", one(of(vec![Matcher::new(RE, "", ".*")]))),
        ("a name that is no UTF-8", one(of(vec![Matcher { name: vec![0xff], ..Matcher::default() }]))),
        ("a pattern that ends its group", victims(RE, "eve)|(.*")),
        ("a time that ends before it starts", one(Query { start: i64::MAX, end: i64::MIN, ..everything() })),
        ("hints that take the label away", hinted(hints(false, "tenant"))),
        ("hints that keep another label", hinted(hints(true, "word"))),
        ("hints of a series' labels alone", hinted(Hints { function: b"series".to_vec(), ..Hints::default() })),
    ] {
        all.push(attack(format!("a remote read of {name}"), read(&message)));
    }
    all.push(attack("a remote read of all there is", read(&one(everything()))).shows("eves"));
    let unknown = ReadRequest { queries: vec![everything()], unknown: field(15, b"x"), ..ReadRequest::default() };
    all.push(attack("a remote read with a field of the future", read(&unknown.bytes())).narrowed());
    let inner = Query { unknown: field(3000, b"x"), ..everything() };
    all.push(attack("a query with a field of the future", read(&one(inner))).narrowed());
    all
}

/// Messages that no library writes: readers differ in what they take.
fn ill_written() -> Vec<Attack> {
    let query = everything().bytes();
    let victims = Matcher::new(EQ, "tenant", "victim").bytes();
    let length = |bytes: &[u8]| varint(u64::try_from(bytes.len()).expect("64 bits"));
    let tagged = |tag: Vec<u8>, content: &[u8]| [tag, length(content), content.to_vec()].concat();
    let high = |number: u64| varint((number + (1 << 32)) << 3 | 2);
    let in_query = |more: Vec<u8>| field(1, &[query.clone(), more].concat());
    let mut all = Vec::new();
    for (name, message) in [
        ("a field's number beyond 32 bits", tagged(high(1), &query)),
        ("a tag that is longer than it must be", tagged(vec![0x8a, 0x80, 0x00], &query)),
        (
            "a length that is longer than it must be",
            [&[0x0a], &length(&query)[..], &query].concat().splice(1..2, [0x80 | query[0], 0]).collect(),
        ),
        ("a query of another wire type", [vec![0x08, 1], field(1, &query)].concat()),
        ("a query in a group", [vec![0x0b], query.clone(), vec![0x0c]].concat()),
        ("a group around a query", [vec![0x7b], field(1, &query), vec![0x7c]].concat()),
        ("the end of a group that was never begun", [field(1, &query), vec![0x0c]].concat()),
        ("a group without an end", [field(1, &query), vec![0x7b]].concat()),
        ("groups in groups", [vec![0x7b; 5_000], vec![0x7c; 5_000], field(1, &query)].concat()),
        ("field nought", [vec![0x02, 0], field(1, &query)].concat()),
        ("a wire type that is none", [vec![0x7e], field(1, &query)].concat()),
        ("a query that ends too soon", {
            let mut cut = field(1, &query);
            cut.pop();
            cut
        }),
        ("a query that is longer than all", [vec![0x0a, 0xff, 0xff, 0xff, 0x7f], query.clone()].concat()),
        (
            "a length below nothing",
            [vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], query.clone()].concat(),
        ),
        ("a packed list that reaches over the next query", [vec![0x12, 1, 0x80], field(1, &query)].concat()),
        ("a packed list behind which a query hides", [vec![0x12, 2, 0x80, 0x80], field(1, &query)].concat()),
        ("a matcher of another wire type", in_query(vec![0x18, 1])),
        ("a matcher's number beyond 32 bits", in_query(tagged(high(3), &victims))),
        ("a matcher in a group", in_query([vec![0x1b], victims.clone(), vec![0x1c]].concat())),
        ("hints twice", in_query([field(4, &field(5, b"tenant")), field(4, &[0x30, 0])].concat())),
        ("hints that are cut", in_query(vec![0x22, 5, 1])),
        ("a start of another wire type", in_query(vec![0x0a, 1, 0])),
        ("a start twice", in_query(vec![0x08, 1, 0x08, 2])),
        ("a matcher with two names", in_query(field(3, &[victims.clone(), field(2, b"job")].concat()))),
        ("a matcher with two values", in_query(field(3, &[victims.clone(), field(3, b"eve")].concat()))),
        ("a matcher with two kinds", in_query(field(3, &[victims.clone(), vec![0x08, 1, 0x08, 0]].concat()))),
        (
            "a kind that overflows",
            in_query(field(3, &[vec![0x08, 0x80, 0x80, 0x80, 0x80, 0x10], victims.clone()].concat())),
        ),
        ("integers of eleven digits", [vec![0x10], vec![0x80; 10], vec![0x01], field(1, &query)].concat()),
        ("more queries than the limit", field(1, &[]).repeat(1_001)),
    ] {
        all.push(attack(format!("a remote read with {name}"), read(&message)));
    }
    all
}

/// Blocks that are not snappy's, or of more than they say.
fn blocks() -> Vec<Attack> {
    let good = snap::raw::Encoder::new().compress_vec(&one(everything())).expect("a short block");
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; 20 << 20]).expect("many noughts");
    let mut all = Vec::new();
    for (name, body) in [
        ("nothing", Vec::new()),
        ("a message that is not compressed", one(everything())),
        ("a block that is cut", good[..good.len() - 1].to_vec()),
        ("a block and more behind it", [good.clone(), good.clone()].concat()),
        ("a block that says it is shorter", [vec![1], good[1..].to_vec()].concat()),
        ("a block that says it is longer", [vec![0x7f], good[1..].to_vec()].concat()),
        ("a block of more than 4 GiB", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0]),
        ("a copy of what is not there", vec![8, 0x15, 0xff, 0x00]),
        ("a copy from nowhere", vec![8, 0, b'x', 0x15, 0]),
        ("the framing of streams", b"\xff\x06\x00\x00sNaPpY\x01\x05\x00\x00\0\0\0\0x".to_vec()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec()),
    ] {
        all.push(attack(format!("a remote read of {name}"), block(body)).refused(BAD));
    }
    all.push(attack("a remote read of 20 MiB of noughts", block(bomb)).refused(&[400, 413]));
    let empty = block(vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    all.push(attack("a remote read of 4 GiB that are not there", empty).refused(&[413]));
    let plain = |name: &str, value: &str| {
        let sent = request("POST", "/api/v1/read").header("content-type", "application/x-protobuf");
        sent.header(name, value).body(Body::Length(good.clone()))
    };
    for encoding in ["gzip", "identity", "snappy, gzip", ""] {
        all.push(attack(format!("a remote read in `{encoding}`"), plain("content-encoding", encoding)).refused(&[415]));
    }
    all.push(
        attack("a remote read of the next version", plain("x-prometheus-remote-read-version", "9.9.9")).narrowed(),
    );
    all.push(attack("a remote read without an encoding", plain("x", "y")).narrowed());
    let form = request("POST", "/api/v1/read").header("content-type", "application/x-www-form-urlencoded");
    all.push(attack("a remote read as a form", form.body(Body::Length(good.clone()))).refused(&[415]));
    let asked = Request { target: b"/api/v1/read?match[]=up&query=up".to_vec(), ..block(good.clone()) };
    all.push(attack("a remote read with parameters", asked).narrowed());
    let chunks = good.chunks(3).map(<[u8]>::to_vec).collect();
    let chunked = request("POST", "/api/v1/read").header("content-type", "application/x-protobuf");
    all.push(attack("a remote read in chunks", chunked.body(Body::Chunked(chunks, Vec::new()))).narrowed());
    all.push(attack("a remote read by GET", request("GET", "/api/v1/read")).refused(&[405]));
    all
}

pub(super) fn attacks() -> Vec<Attack> {
    [well_written(), ill_written(), blocks()].concat()
}

#[test]
fn remote_reads() {
    carry_out(&FIELD.bench, &attacks());
}
