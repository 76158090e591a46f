//! Remote reads: every query carries the tenant's matchers, by a reader that takes what Prometheus takes, and by Prometheus.

use crate::support::client::{Body, Connection, request};
use crate::support::data::END;
use crate::support::prometheus::Prometheus;
use crate::support::protobuf::{field, varint};
use crate::support::remote_read::{
    EQ, Found, Hints, Matcher, NEQ, NRE, Query, RE, ReadRequest, found, found_in_stream,
};
use prom_label_filter::promql::Agreement;
use prom_label_filter::remote_read::{ReadError, ReadLimits, narrow};
use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope, TenantScope};
use std::collections::BTreeSet;

const LIMITS: ReadLimits = ReadLimits { request_bytes: 1 << 20, queries: 1_000, output_bytes: 1 << 20 };

/// The rules of a tenant: labels and their values; none where the rule is lifted.
type Rules<'a> = &'a [(&'a str, &'a [&'a str])];

/// Matchers: type, name and value of each.
type Matchers<'a> = &'a [(i32, &'a str, &'a str)];

fn matchers(matchers: Matchers<'_>) -> Vec<Matcher> {
    matchers.iter().map(|(kind, name, value)| Matcher::new(*kind, name, value)).collect()
}

fn scope(rules: Rules<'_>) -> TenantScope {
    let label = |(name, values): &(&str, &[&str])| LabelScope {
        name: LabelName::new(*name).expect("a name"),
        scope: LabelValues::new(values.iter().map(|value| LabelValue::new(*value).expect("a value")).collect())
            .map_or(Scope::Unrestricted, Scope::Values),
    };
    TenantScope::new(rules.iter().map(label).collect()).expect("a scope")
}

const V: Rules<'static> = &[("tenant", &["v"])];

/// What `tenant=~"v"` is in a query.
fn matcher_of_v() -> Vec<u8> {
    field(3, &Matcher::new(RE, "tenant", "v").bytes())
}

/// A snappy block in which nothing is compressed.
fn block(bytes: &[u8]) -> Vec<u8> {
    let literal = |chunk: &[u8]| {
        let last = u16::try_from(chunk.len() - 1).expect("two bytes");
        [&[61 << 2], &last.to_le_bytes()[..], chunk].concat()
    };
    let length = u64::try_from(bytes.len()).expect("64 bits");
    [varint(length), bytes.chunks(1 << 16).flat_map(literal).collect()].concat()
}

fn unblock(block: &[u8]) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(block).expect("a snappy block")
}

/// What becomes of a message that is narrowed to `tenant="v"`.
fn narrowed(message: &[u8]) -> Result<Vec<u8>, ReadError> {
    narrow(&block(message), &scope(V), None, &LIMITS).map(|body| unblock(&body))
}

/// A request that has everything.
fn whole() -> ReadRequest {
    let hints = Hints {
        step: 15_000,
        function: b"rate".to_vec(),
        start: -1,
        end: i64::MAX,
        grouping: vec![b"job".to_vec(), Vec::new(), "é".into()],
        by: true,
        range: 300_000,
        unknown: Vec::new(),
    };
    let matchers = matchers(&[(EQ, "__name__", "up"), (NEQ, "job", ""), (RE, "a.b", "x|é"), (NRE, "", "")]);
    let first = Query { start: -5, end: i64::MAX, matchers, hints: Some(hints), unknown: Vec::new() };
    let own = Query { matchers: vec![Matcher::new(EQ, "tenant", "w")], ..first.clone() };
    let unhinted = Query { hints: Some(Hints::default()), ..Query::default() };
    ReadRequest { queries: vec![first, Query::default(), own, unhinted], accepted: vec![1, 0, -1], unknown: Vec::new() }
}

/// The request with `more` at the end of each query's matchers.
fn with(mut request: ReadRequest, more: Matchers<'_>) -> ReadRequest {
    for query in &mut request.queries {
        query.matchers.extend(matchers(more));
    }
    request
}

#[test]
fn every_query_gets_the_matchers_and_nothing_else_changes() {
    let cases: [(Rules<'_>, Matchers<'_>); 9] = [
        (V, &[(RE, "tenant", "v")]),
        (&[("tenant", &["a.b"])], &[(RE, "tenant", r"a\.b")]),
        (&[("tenant", &["v2", "v1", "v2"])], &[(RE, "tenant", "v1|v2")]),
        (&[("tenant", &[".*", "a|b", r"\"])], &[(RE, "tenant", r"\.\*|\\|a\|b")]),
        (&[("a.b", &["é\""]), ("tenant", &["x", "y"])], &[(RE, "a.b", "é\""), (RE, "tenant", "x|y")]),
        (&[("lifted", &[]), ("tenant", &["v"])], &[(RE, "tenant", "v")]),
        (&[("tenant", &[])], &[]),
        // More than 127 bytes, so that every length around it takes two.
        (&[("tenant", &[LONG])], &[(RE, "tenant", LONG)]),
        (
            &[("tenant", &["v"]), ("job", &["api"]), ("zone", &["a"])],
            &[(RE, "tenant", "v"), (RE, "job", "api"), (RE, "zone", "a")],
        ),
    ];
    for (rules, expected) in cases {
        let empty = ReadRequest { queries: vec![Query::default()], ..ReadRequest::default() };
        for request in [whole(), empty, ReadRequest::default()] {
            for body in
                [block(&request.bytes()), snap::raw::Encoder::new().compress_vec(&request.bytes()).expect("small")]
            {
                let body = narrow(&body, &scope(rules), None, &LIMITS).expect("a good request");
                assert_eq!(ReadRequest::read(&unblock(&body)), Some(with(request.clone(), expected)), "{rules:?}");
            }
        }
    }
}

const LONG: &str = concat!(
    "a value that is long: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 ",
    "0123456789 0123456789 0123456789 0123456789"
);

#[test]
fn the_matchers_are_written_as_prometheus_writes_them() {
    let of = |rules| narrow(&block(&[0x0a, 0]), &scope(rules), None, &LIMITS).map(|body| unblock(&body));
    assert_eq!(of(V), Ok(b"\x0a\x0f\x1a\x0d\x08\x02\x12\x06tenant\x1a\x01v".to_vec()));
    assert_eq!(of(&[("t", &["b", "a."])]), Ok(b"\x0a\x0e\x1a\x0c\x08\x02\x12\x01t\x1a\x05a\\.|b".to_vec()));
}

#[test]
fn what_is_not_known_stays_byte_for_byte_wherever_it_stands() {
    // Integers, both fixed widths, bytes, the highest number, numbers that were never given out.
    let unknown = [
        &[0x78, 0x96, 0x01][..],
        &[0x79, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x7a, 3, 0xff, 0x0a, 0x80],
        &[0x7d, 9, 8, 7, 6],
        &[0xf8, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0xfa, 0xff, 0xff, 0xff, 0x0f, 0],
        &[0x7a, 0],
    ]
    .concat();
    // Fields in no order, and an unknown one between any two.
    let mixed = |fields: &[&[u8]]| fields.iter().flat_map(|field| [&unknown, *field].concat()).collect::<Vec<u8>>();
    let matcher = mixed(&[&field(3, b"x"), &[8, 2], &field(2, b"a"), b""]);
    let hints = mixed(&[&[0x38, 5], &field(5, b"b"), &[0x30, 0], &field(2, b""), &field(5, b"a"), &[8, 0], b""]);
    let query = mixed(&[&field(4, &hints), &[16, 1], &field(3, &matcher), &[8, 0], &field(3, b""), b""]);
    let request = |queries: [&[u8]; 3]| {
        let [first, second, third] = queries.map(|query| field(1, query));
        mixed(&[&[16, 1], &first, &[0x12, 2, 0, 1], &second, &[0x12, 0], &third, &[16, 0], b""])
    };
    let with_matcher = |query: &[u8]| [query, &matcher_of_v()].concat();
    let expected = request([&with_matcher(&query), &with_matcher(b""), &with_matcher(&unknown)]);
    let message = request([&query, b"", &unknown]);
    assert_eq!(narrowed(&message), Ok(expected));
    let lifted = narrow(&block(&message), &scope(&[("tenant", &[])]), None, &LIMITS).expect("a good request");
    assert_eq!(unblock(&lifted), message);
}

#[test]
fn a_request_that_was_narrowed_can_be_narrowed_again() {
    let once = narrowed(&whole().bytes()).expect("a good request");
    let twice = narrow(&block(&once), &scope(&[("tenant", &["a", "b"])]), None, &LIMITS).expect("a good request");
    let expected = with(whole(), &[(RE, "tenant", "v"), (RE, "tenant", "a|b")]);
    assert_eq!(ReadRequest::read(&unblock(&twice)), Some(expected));
}

#[test]
fn nothing_that_two_readers_could_understand_differently_passes() {
    let query = |fields: &[u8]| field(1, fields);
    let matcher = |fields: &[u8]| query(&field(3, fields));
    let hints = |fields: &[u8]| query(&field(4, fields));
    // Wherever it stands, even in what is not known.
    let anywhere: &[(&str, &[u8])] = &[
        ("a tag alone", &[0x7a]),
        ("a tag cut short", &[0xfa]),
        ("an overlong tag", &[0xf8, 0, 0]),
        ("a tag beyond 32 bits, which Go takes for field 1", &[0x8a, 0x80, 0x80, 0x80, 0x80, 1, 0]),
        ("a field number beyond 2^29", &[0x82, 0x80, 0x80, 0x80, 0x10, 0]),
        ("field 0", &[0x02, 0]),
        ("field 0 as an integer", &[0x00, 0]),
        ("a group", &[0x7b, 0x7c]),
        ("a group of a known field", &[0x0b, 0x0c]),
        ("a group that does not end", &[0x7b]),
        ("the end of a group", &[0x7c]),
        ("wire type 6", &[0x7e, 0]),
        ("wire type 7", &[0x7f, 0]),
        ("an integer without an end", &[0x78, 0x80]),
        ("an overlong integer", &[0x78, 0x81, 0]),
        ("an integer of eleven bytes", &[0x78, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
        ("an integer beyond 64 bits", &[0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
        ("an overlong length", &[0x7a, 0x80, 0]),
        ("a length beyond the end", &[0x7a, 2, 0]),
        ("a length beyond memory", &[0x7a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ("a length that Go takes for a negative one", &[0x7a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
        ("half a fixed64", &[0x79, 0, 0, 0, 0]),
        ("a short fixed32", &[0x7d, 0, 0, 0]),
    ];
    for (what, bytes) in anywhere {
        for (level, message) in
            [("request", bytes.to_vec()), ("query", query(bytes)), ("matcher", matcher(bytes)), ("hints", hints(bytes))]
        {
            assert_eq!(narrowed(&message), Err(ReadError::Malformed), "{what} in a {level}");
        }
    }
    let fixed64 = |number: u8| [number << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    for (what, message) in [
        ("a query that is an integer", vec![0x08, 1]),
        ("a query that is a fixed64", fixed64(1)),
        ("a query that is a fixed32", vec![0x0d, 0, 0, 0, 0]),
        ("a response type that is a fixed64", fixed64(2)),
        ("a response type that is a fixed32", vec![0x15, 0, 0, 0, 0]),
        ("a response type beyond 32 bits", vec![0x10, 0x81, 0x80, 0x80, 0x80, 0x10]),
        ("a response type beyond 31 bits", vec![0x10, 0x80, 0x80, 0x80, 0x80, 0x08]),
        ("a response type in a list beyond 32 bits", field(2, &[0x81, 0x80, 0x80, 0x80, 0x10])),
        ("a response type in a list without an end", field(2, &[1, 0x80])),
        ("a response type in a list, overlong", field(2, &[0x81, 0])),
        ("a start that is a text", query(&field(1, b"1"))),
        ("a start that is a fixed64", query(&fixed64(1))),
        ("an end that is a text", query(&field(2, b"1"))),
        ("an end that is a fixed64", query(&fixed64(2))),
        ("a start twice", query(&[8, 1, 8, 2])),
        ("an end twice", query(&[16, 1, 16, 1])),
        ("a matcher that is an integer", query(&[0x18, 0])),
        ("a matcher that is a fixed64", query(&fixed64(3))),
        ("hints that are an integer", query(&[0x20, 0])),
        ("hints twice", query(&[field(4, b""), field(4, b"")].concat())),
        ("hints twice, parted", query(&[field(4, &[8, 1]), vec![8, 1], field(4, &[24, 1])].concat())),
        ("a type that is a text", matcher(&field(1, b"\x01"))),
        ("a type that does not exist", matcher(&[8, 4])),
        ("a type below 0", matcher(&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])),
        ("a type that Go takes for 0", matcher(&[8, 0x80, 0x80, 0x80, 0x80, 0x10])),
        ("a type twice", matcher(&[8, 0, 8, 1])),
        ("a name that is an integer", matcher(&[16, 1])),
        ("a name twice", matcher(&[field(2, b"a"), field(2, b"b")].concat())),
        ("a name twice, once empty", matcher(&[field(2, b"a"), field(2, b"")].concat())),
        ("a name that is not UTF-8", matcher(&field(2, b"a\xff"))),
        ("a value that is an integer", matcher(&[24, 1])),
        ("a value twice", matcher(&[field(3, b"a"), field(2, b"x"), field(3, b"a")].concat())),
        ("a value that is not UTF-8", matcher(&field(3, b"\xc3"))),
        ("a value with half a surrogate pair", matcher(&field(3, b"\xed\xa0\x80"))),
        ("a step that is a text", hints(&field(1, b"1"))),
        ("a step twice", hints(&[8, 1, 8, 1])),
        ("a function that is an integer", hints(&[16, 1])),
        ("a function that is not UTF-8", hints(&field(2, b"\xff"))),
        ("a function twice", hints(&[field(2, b"a"), field(2, b"b")].concat())),
        ("a start of the hints that is a text", hints(&field(3, b"1"))),
        ("an end of the hints that is a fixed64", hints(&fixed64(4))),
        ("a grouping that is an integer", hints(&[40, 1])),
        ("a grouping that is not UTF-8", hints(&field(5, b"\xff"))),
        ("a flag that is 2", hints(&[48, 2])),
        ("a flag that is a text", hints(&field(6, b"\x01"))),
        ("a range that is a text", hints(&field(7, b"1"))),
        ("a range twice", hints(&[56, 1, 56, 1])),
    ] {
        assert_eq!(narrowed(&message), Err(ReadError::Malformed), "{what}");
        // Nor behind a good query, nor in front of one.
        let good = whole().bytes();
        assert_eq!(narrowed(&[&message, &good[..]].concat()), Err(ReadError::Malformed), "{what}");
        assert_eq!(narrowed(&[&good, &message[..]].concat()), Err(ReadError::Malformed), "{what}");
    }
}

/// Prometheus reads the last integer of a packed list beyond the list's end. A list that ends in the middle of an integer
/// swallows the next byte: the tag of a query, whose length then is a tag, and whose content hides a query of its own.
#[test]
fn no_query_hides_behind_a_packed_list_that_does_not_end() {
    let (message, as_narrowed) =
        hidden_query(&Query { matchers: vec![Matcher::new(NEQ, "a", "")], ..Query::default() });
    let read = ReadRequest::read(&as_narrowed).expect("Prometheus takes it");
    assert_eq!(read.queries.len(), 1);
    assert_eq!(read.queries[0].matchers, matchers(&[(NEQ, "a", "")]), "the query has no matcher of the tenant's");
    assert_eq!(narrowed(&message), Err(ReadError::Malformed));
}

/// A message that hides `secret`, and the same as a filter would leave it that takes each list as ended.
fn hidden_query(secret: &Query) -> (Vec<u8>, Vec<u8>) {
    let matcher = matcher_of_v();
    let hidden = field(1, &secret.bytes());
    // To Prometheus the field that takes the matcher is not known, nor is the one before the query that takes the padding.
    let swallow = [0x7a, u8::try_from(matcher.len()).expect("short")];
    let query = |padding: usize| {
        let padding = [&[0x7a, u8::try_from(padding).expect("short")][..], &vec![0; padding]].concat();
        [vec![8, 1], field(15, &[&[0; 5], &padding[..], &hidden, &swallow].concat())].concat()
    };
    // The length of the narrowed query must be the tag of a field that has a length.
    let query = (0..8).map(query).find(|query| (query.len() + matcher.len()) % 8 == 2).expect("one of eight");
    // The first type is one that Prometheus has: what it makes of the second does not matter.
    let list = [0x12, 2, 0, 0x80];
    ([&list, &field(1, &query)[..]].concat(), [&list, &field(1, &[query, matcher].concat())[..]].concat())
}

#[test]
fn a_body_that_is_not_one_snappy_block_is_refused() {
    let message = whole().bytes();
    let good = snap::raw::Encoder::new().compress_vec(&message).expect("small");
    let framed = {
        let mut framed = snap::write::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut framed, &message).expect("memory");
        framed.into_inner().expect("memory")
    };
    let longer =
        |by: usize| [varint(u64::try_from(message.len() + by).expect("small")), block(&message)[2..].to_vec()].concat();
    for (what, body) in [
        ("nothing", Vec::new()),
        ("the message as it is", message.clone()),
        ("a stream", framed),
        ("a byte behind the block", [&good[..], &[0]].concat()),
        ("a literal behind the block", [&good[..], &[0, b'x']].concat()),
        ("a copy behind the block", [&good[..], &[1, 1]].concat()),
        ("the block twice", [&good[..], &good].concat()),
        ("a block without its last byte", good[..good.len() - 1].to_vec()),
        ("less than was announced", longer(1)),
        ("a length alone", vec![5]),
        ("half a length", vec![0x80]),
        ("a length beyond 32 bits", vec![0xff, 0xff, 0xff, 0xff, 0x1f, 0]),
        ("a length of eleven bytes", vec![0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
        ("a copy of what is not there", vec![4, 1, 1]),
        ("a copy from before the start", vec![6, 0, b'x', 9, 9]),
        ("a copy from where it stands", vec![6, 0, b'x', 1, 0]),
        ("a copy beyond the end", vec![2, 0, b'x', 5, 1]),
        ("a literal without its length", vec![9, 63 << 2, 1, 2]),
        ("a literal beyond the end", vec![2, 60 << 2, 200, 1, 2]),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        ("JSON", b"{}".to_vec()),
    ] {
        assert_eq!(narrow(&body, &scope(V), None, &LIMITS), Err(ReadError::NotSnappy), "{what}");
    }
    assert_eq!(narrow(&good, &scope(V), None, &LIMITS).map(drop), Ok(()));
}

#[test]
fn a_request_that_reads_nothing_passes() {
    assert_eq!(narrow(&[0], &scope(V), None, &LIMITS), Ok(vec![0]));
    assert_eq!(narrowed(&[0x10, 1]), Ok(vec![0x10, 1]));
}

#[test]
fn each_limit_holds_at_its_edge() {
    // A query of 2 bytes becomes one of 15.
    let message = [0x0a, 0].repeat(10);
    let written = (2 + matcher_of_v().len()) * 10;
    let exact = ReadLimits { request_bytes: 20, queries: 10, output_bytes: written };
    let narrowed = |body: &[u8], limits| narrow(body, &scope(V), None, &limits).map(|body| unblock(&body).len());
    let body = block(&message);
    assert_eq!(narrowed(&body, exact), Ok(written));
    for (limits, error, key) in [
        (ReadLimits { request_bytes: 19, ..exact }, ReadError::TooLarge { limit: 19 }, "19 bytes"),
        (ReadLimits { queries: 9, ..exact }, ReadError::TooManyQueries { limit: 9 }, "9 queries"),
        (
            ReadLimits { output_bytes: written - 1, ..exact },
            ReadError::OutputTooLarge { limit: written - 1 },
            "169 bytes",
        ),
        (ReadLimits { output_bytes: 0, ..exact }, ReadError::OutputTooLarge { limit: 0 }, "0 bytes"),
    ] {
        assert!(error.to_string().contains(key) && error.to_string().contains("`limits."), "{error}");
        assert_eq!(narrowed(&body, limits), Err(error));
    }
    // What is announced counts, whatever comes.
    let announced = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(narrowed(&announced, exact), Err(ReadError::TooLarge { limit: 20 }));
    // What is over the limit as it is, is not compared with anything first.
    let other = with(whole(), &[(EQ, "tenant", "other")]).bytes();
    for (output_bytes, is_compared) in [(other.len(), true), (other.len() - 1, false)] {
        let limits = ReadLimits { output_bytes, ..LIMITS };
        let agreement = Agreement::new(&scope(V));
        let refused = narrow(&block(&other), &scope(V), Some(&agreement), &limits).expect_err("a conflict");
        assert_eq!(matches!(refused, ReadError::Conflict(_)), is_compared, "{refused}");
    }
    // Everything that is written counts, queries or not.
    let unknown = ReadLimits { output_bytes: 4, ..exact };
    assert_eq!(narrowed(&block(&[0x7a, 2, 0, 0]), unknown), Ok(4));
    assert_eq!(narrowed(&block(&[0x7a, 3, 0, 0, 0]), unknown), Err(ReadError::OutputTooLarge { limit: 4 }));
}

#[test]
fn the_refusals_name_the_likely_cause() {
    assert!(ReadError::NotSnappy.to_string().ends_with("without the framing of snappy streams"));
    assert!(ReadError::Malformed.to_string().ends_with("it was damaged, or written by hand"));
}

#[test]
fn a_request_cut_at_any_byte_is_refused_or_ends_earlier() {
    let bytes = whole().bytes();
    let queries = narrowed(&bytes).map(|whole| ReadRequest::read(&whole).expect("it can be read").queries);
    let queries = queries.expect("a good request");
    for length in 0..bytes.len() {
        match narrowed(&bytes[..length]) {
            Err(error) => assert_eq!(error, ReadError::Malformed),
            Ok(part) => {
                let part = ReadRequest::read(&part).expect("it can be read").queries;
                assert!(queries.starts_with(&part), "cut at {length}");
            }
        }
    }
}

#[test]
fn whatever_passes_reads_with_the_matcher_in_every_query() {
    let mut random = fastrand::Rng::with_seed(1);
    let samples = [whole().bytes(), hidden_query(&whole().queries[2]).0];
    let mut passed = 0;
    for _ in 0..100_000 {
        let mut bytes = random.choice(&samples).expect("a sample").clone();
        for _ in 0..=random.usize(..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, random.u8(..)),
                2 => bytes[at] = *random.choice(&[0x0a, 0x12, 0x1a, 0x22, 0, 1, 2, 0x7a, 0x80]).expect("a byte"),
                _ => bytes[at] ^= 1 << random.u8(..8),
            }
        }
        let Ok(narrowed) = narrowed(&bytes) else { continue };
        passed += 1;
        let before = ReadRequest::read(&bytes).expect("Prometheus takes it");
        assert_eq!(ReadRequest::read(&narrowed), Some(with(before, &[(RE, "tenant", "v")])), "{bytes:?}");
    }
    assert!(passed > 1_000, "only {passed} passed");
}

fn ask(prometheus: &Prometheus, body: Vec<u8>) -> BTreeSet<Found> {
    let read = request("POST", "/api/v1/read")
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .body(Body::Length(body));
    let answer = Connection::open(prometheus.port).send(&read);
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), prometheus.log_tail());
    let is_stream =
        answer.header("content-type").is_some_and(|kind| kind.starts_with("application/x-streamed-protobuf"));
    if is_stream { found_in_stream(&answer.body) } else { found(&unblock(&answer.body)) }.into_iter().collect()
}

#[test]
fn prometheus_answers_with_the_tenants_series_and_all_of_them() {
    let prometheus = Prometheus::shared();
    let end = i64::try_from(*END * 1_000).expect("milliseconds");
    let queries: [Matchers<'_>; 5] = [
        &[(RE, "__name__", ".+")],
        &[(EQ, "__name__", "up"), (NEQ, "job", "db")],
        &[(NEQ, "tenant", "a")],
        &[(RE, "tenant", "a|b|team-fruit")],
        &[(NRE, "nothing", ".+")],
    ];
    let query = |each| Query { start: end - 3_600_000, end, matchers: matchers(each), ..Query::default() };
    for accepted in [vec![], vec![1]] {
        let request = ReadRequest { queries: queries.map(query).to_vec(), accepted, unknown: Vec::new() };
        let body = block(&request.bytes());
        let all = ask(&prometheus, body.clone());
        for rules in [
            &[("tenant", &["team-fruit"][..])][..],
            &[("tenant", &["a|b"])],
            &[("tenant", &["a\\b"])],
            &[("tenant", &[".*"])],
            &[("tenant", &[".*", "a|b", "a.b", "a\\b", "é", "a\"b"])],
            &[("tenant", &["a", "b"]), ("job", &["api"])],
            &[("tenant", &["nobody"])],
            &[("tenant", &[])],
        ] {
            let may = |found: &&Found| {
                rules.iter().all(|(name, values)| {
                    let value = found.labels.iter().find(|label| label.0 == *name).map(|label| label.1.as_str());
                    values.is_empty() || value.is_some_and(|value| values.contains(&value))
                })
            };
            let expected: BTreeSet<Found> = all.iter().filter(may).cloned().collect();
            assert_eq!(expected.is_empty(), rules[0].1 == ["nobody"], "{rules:?}");
            let found = ask(&prometheus, narrow(&body, &scope(rules), None, &LIMITS).expect("a good request"));
            assert!(found == expected, "{rules:?}: {} series instead of {}", found.len(), expected.len());
        }
        assert!(ask(&prometheus, narrow(&[0], &scope(V), None, &LIMITS).expect("a good request")).is_empty());
    }
}
