use super::*;
use crate::protobuf_writer::{entry, field, metadata, structure, value as encoded};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

fn entries(text: &str) -> Vec<(String, Value)> {
    let Value::Object(entries) = json(text) else { panic!("{text} is no object") };
    entries
}

const EVERYTHING: &str = r#"{"s":"é","e":"","n":null,"t":true,"f":false,"d":-1.5,"z":0,"l":["a",null,1,["b",{}],[]],
    "o":{"p":{"q":"deep"},"":"no key"}}"#;

#[test]
fn a_struct_holds_what_was_written() {
    for text in ["{}", EVERYTHING, r#"{"a":1,"b":{},"c":[]}"#] {
        assert_eq!(decode_struct(&structure(&entries(text))), Ok(json(text)), "{text}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    // An entry without a value, one without a key, and a value in which nothing is set.
    for (bytes, object) in [
        (vec![0x0a, 3, 0x0a, 1, b'a'], r#"{"a":null}"#),
        (vec![0x0a, 4, 0x12, 2, 0x20, 1], r#"{"":true}"#),
        (vec![0x0a, 5, 0x0a, 1, b'a', 0x12, 0], r#"{"a":null}"#),
        (vec![0x0a, 0], r#"{"":null}"#),
    ] {
        assert_eq!(decode_struct(&bytes), Ok(json(object)), "{bytes:?}");
    }
}

#[test]
fn unknown_fields_are_skipped_on_every_level() {
    let unknown = [&[0x78, 1][..], &[0x79, 0, 0, 0, 0, 0, 0, 0, 0], &[0x7a, 1, 0xff], &[0x7d, 0, 0, 0, 0]].concat();
    let text = [unknown.clone(), encoded(&json(r#""x""#)), unknown.clone()].concat();
    let pair = [unknown.clone(), field(1, b"a"), field(2, &text), unknown.clone()].concat();
    let bytes = [unknown.clone(), field(1, &pair), unknown].concat();
    assert_eq!(decode_struct(&bytes), Ok(json(r#"{"a":"x"}"#)));
    assert_eq!(find(&entry("ns", &bytes), "ns", &["a"]), Ok(Some(json(r#""x""#))));
}

#[test]
fn what_no_serialiser_writes_is_malformed() {
    let in_value = |bytes: &[u8]| entry("a", bytes);
    for (what, bytes) in [
        ("a tag alone", vec![0x0a]),
        ("a length beyond the end", vec![0x0a, 1]),
        ("a length beyond memory", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ("a length of eleven bytes", vec![0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
        ("a length beyond 64 bits", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
        ("an overlong length", vec![0x0a, 0x80, 0]),
        ("an overlong tag", vec![0x8a, 0, 0]),
        ("field 0", vec![0x02, 0]),
        ("a field number beyond 2^29", vec![0x82, 0x80, 0x80, 0x80, 0x10, 0]),
        ("a group", vec![0x0b, 0x0c]),
        ("the end of a group", vec![0x0c]),
        ("wire type 6", vec![0x0e, 0]),
        ("wire type 7", vec![0x0f, 0]),
        ("entries that are no message", vec![0x08, 1]),
        ("a key twice in one entry", field(1, &[field(1, b"a"), field(1, b"b")].concat())),
        ("a value twice in one entry", field(1, &[field(2, b""), field(2, b"")].concat())),
        ("a key that is no text", field(1, &[0x08, 1])),
        ("a key that is not UTF-8", field(1, &field(1, b"\xff"))),
        ("a string that is not UTF-8", in_value(&field(3, b"a\xff"))),
        ("a string cut inside a character", in_value(&field(3, b"\xc3"))),
        ("two alternatives", in_value(&[0x08, 0, 0x20, 1])),
        ("one alternative twice", in_value(&[0x20, 1, 0x20, 1])),
        ("a boolean 2", in_value(&[0x20, 2])),
        ("a string as a number", in_value(&[0x18, 1])),
        ("half a double", in_value(&[0x11, 0, 0, 0, 0])),
        ("a short fixed32", vec![0x7d, 0, 0, 0]),
    ] {
        assert_eq!(decode_struct(&bytes), Err(Malformed), "{what}");
        assert_eq!(find(&entry("ns", &bytes), "ns", &[]), Err(Malformed), "{what}");
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |levels: usize| {
        let innermost = Value::List(Vec::new());
        (1..levels).fold(innermost, |inner, level| {
            if level % 2 == 0 { Value::List(vec![inner]) } else { Value::Object(vec![("a".to_owned(), inner)]) }
        })
    };
    let around = |levels| structure(&[("a".to_owned(), nested(levels))]);
    assert!(decode_struct(&around(MAX_DEPTH - 1)).is_ok());
    assert_eq!(decode_struct(&around(MAX_DEPTH)), Err(Malformed));
    let mut huge = Vec::new();
    for _ in 0..2_000 {
        huge = entry("a", &field(5, &huge));
    }
    assert_eq!(decode_struct(&huge), Err(Malformed));
    assert_eq!(find(&entry("ns", &huge), "ns", &["a"]), Err(Malformed));
    assert_eq!(find(&entry("ns", &huge), "ns", &["b"]), Ok(None));
}

#[test]
fn a_value_is_found_by_namespace_and_path() {
    let (other, ours) = (json(r#"{"tenant":"wrong"}"#), json(EVERYTHING));
    let bytes = [metadata(&[("other", &other), ("ns", &ours), ("later", &other)]), field(2, b"typed")].concat();
    let found = |namespace: &str, path: &[&str]| find(&bytes, namespace, path);
    assert_eq!(found("ns", &[]), Ok(Some(ours.clone())));
    assert_eq!(found("ns", &["s"]), Ok(Some(json(r#""é""#))));
    assert_eq!(found("ns", &["n"]), Ok(Some(Value::Null)));
    assert_eq!(found("ns", &["l"]), Ok(ours.get("l").cloned()));
    assert_eq!(found("ns", &["o", "p", "q"]), Ok(Some(json(r#""deep""#))));
    assert_eq!(found("ns", &["o", ""]), Ok(Some(json(r#""no key""#))));
    for path in [&["x"][..], &["o", "x"], &["s", "x"], &["n", "x"], &["l", "0"], &["d", "x"], &["t", "x"], &["S"]] {
        assert_eq!(found("ns", path), Ok(None), "{path:?}");
    }
    for namespace in ["", "n", "nss", "typed"] {
        assert_eq!(found(namespace, &["s"]), Ok(None), "{namespace}");
    }
    assert_eq!(find(b"", "ns", &["s"]), Ok(None));
}

#[test]
fn the_last_of_repeated_keys_counts_on_every_level() {
    let [first, last] = [r#"{"a":{"b":"x","c":"kept?"}}"#, r#"{"a":{"b":"y"},"a":{"b":"z","b":"last"}}"#].map(json);
    let bytes = metadata(&[("ns", &first), ("ns", &last)]);
    assert_eq!(find(&bytes, "ns", &["a", "b"]), Ok(Some(json(r#""last""#))));
    // The later one replaces the earlier one and is not merged with it.
    assert_eq!(find(&bytes, "ns", &["a", "c"]), Ok(None));
    let whole = find(&bytes, "ns", &[]).expect("well-formed").expect("there");
    assert_eq!(whole.get("a").and_then(|a| a.get("b")).and_then(Value::as_str), Some("last"));
}

#[test]
fn what_is_not_on_the_way_is_not_read() {
    let bad = b"\xff\xff";
    let inside = [entry("bad", bad), entry("good", &encoded(&json(r#""x""#)))].concat();
    let bytes = [entry("bad", bad), entry("ns", &inside)].concat();
    assert_eq!(find(&bytes, "ns", &["good"]), Ok(Some(json(r#""x""#))));
    assert_eq!(find(&bytes, "ns", &["bad"]), Err(Malformed));
    assert_eq!(find(&bytes, "bad", &["good"]), Err(Malformed));
}

#[test]
fn a_sample_cut_at_any_byte_never_gives_more_than_its_entries() {
    let whole = entries(EVERYTHING);
    let bytes = structure(&whole);
    for length in 0..bytes.len() {
        match decode_struct(&bytes[..length]) {
            Err(Malformed) => {}
            Ok(Value::Object(part)) => assert!(whole.starts_with(&part), "cut at {length}"),
            Ok(other) => panic!("{other:?} cut at {length}"),
        }
    }
    let namespaces = metadata(&[("ns", &json(EVERYTHING))]);
    for length in 1..namespaces.len() {
        assert_eq!(find(&namespaces[..length], "ns", &["s"]), Err(Malformed), "cut at {length}");
    }
}

/// Bytes that lead deep into a message.
const TAGS: [u8; 8] = [0x0a, 0x12, 0x2a, 0x32, 1, 2, 3, 8];

#[test]
fn no_bytes_make_it_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let sample = metadata(&[("ns", &json(EVERYTHING))]);
    let plain = structure(&entries(EVERYTHING));
    for _ in 0..50_000 {
        // Noise alone ends at its first tag: half of the rounds spoil a few bytes of a sample.
        let mut bytes: Vec<u8> = match random() % 4 {
            0 => (0..random() % 40).map(|_| random().to_le_bytes()[0]).collect(),
            1 => (0..random() % 40).map(|_| TAGS[usize::from(random().to_le_bytes()[0] & 7)]).collect(),
            2 => sample.clone(),
            _ => plain.clone(),
        };
        for _ in 0..random() % 4 {
            let [low, high, new, ..] = random().to_le_bytes();
            let at = usize::from(u16::from_le_bytes([low, high]));
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at % length) {
                *byte = new;
            }
        }
        let decoded = decode_struct(&bytes);
        if let (Ok(whole), Ok(part)) = (&decoded, find(&entry("ns", &bytes), "ns", &["s"])) {
            assert_eq!(whole.get("s"), part.as_ref(), "{bytes:?}");
        }
        let _ = find(&bytes, "ns", &["o", "p", "q"]);
    }
}
