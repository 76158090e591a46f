//! `google.protobuf.Struct` and Envoy's metadata, as any bytes, beside `prost`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::identity::struct_value::{MAX_DEPTH, decode_struct, find};
use prom_label_filter::value::Value;
use prom_label_filter_fuzz::answers::same;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Theirs};

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../../src/bin/prom-label-filter/protobuf.rs"]
mod protobuf;

/// The other reader recurses without a limit, because its own is narrower than ours.
const LONGEST: usize = 4_096;
/// How many of the ways into a struct are gone.
const WAYS: usize = 64;

fuzz_target!(|data: &[u8]| {
    if data.len() > LONGEST {
        return;
    }
    let _ = find(data, "a", &["b", "c"]);
    let _ = find(data, "", &[]);
    let theirs = Struct::decode(data);
    match decode_struct(data) {
        Ok(ours) => {
            let theirs = theirs.expect("the other reader refuses it");
            assert!(same(&merged(&ours), &object(&theirs)), "{ours:?} is not {theirs:?}");
            find_agrees(data, &ours);
        }
        Err(_) => {
            // It takes what no serialiser writes: overlong integers, groups, fields and alternatives that are repeated,
            // flags other than 0 and 1. What it has read, it writes plainly; that must be read.
            if let Ok(theirs) = theirs
                && depth(&theirs) <= MAX_DEPTH
            {
                let ours = decode_struct(&theirs.encode_to_vec()).expect("well-formed");
                assert!(same(&merged(&ours), &object(&theirs)), "{ours:?} is not {theirs:?}");
            }
        }
    }
});

/// Asserts that `find` goes every way through the struct as the tree does, in a metadata with another namespace.
fn find_agrees(data: &[u8], tree: &Value) {
    let metadata = [protobuf::entry("b", &[]), protobuf::entry("a", data)].concat();
    let mut ways: Vec<(Vec<&str>, &Value)> = vec![(Vec::new(), tree)];
    let mut gone = 0;
    while let Some((path, value)) = ways.pop() {
        let found = find(&metadata, "a", &path).expect("well-formed").expect("it is there");
        assert!(same(&found, value), "{path:?}: {found:?} is not {value:?}");
        let missing = [&path[..], &["\u{10ffff} not there"]].concat();
        if value.get("\u{10ffff} not there").is_none() {
            assert_eq!(find(&metadata, "a", &missing), Ok(None));
        }
        gone += 1;
        if let Value::Object(entries) = value
            && gone + ways.len() < WAYS
        {
            for (name, _) in entries {
                ways.push(([&path[..], &[name]].concat(), value.get(name).expect("its own key")));
            }
        }
    }
    assert_eq!(find(&metadata, "c", &[]), Ok(None));
}

/// Of repeated keys the last, and keys in order: what a map holds.
fn merged(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let names: std::collections::BTreeSet<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
            let entry = |name: &str| (name.to_owned(), merged(value.get(name).expect("its own key")));
            Value::Object(names.into_iter().map(entry).collect())
        }
        Value::List(items) => Value::List(items.iter().map(merged).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn object(theirs: &Struct) -> Value {
    Value::Object(theirs.fields.iter().map(|(name, value)| (name.clone(), tree(value))).collect())
}

fn tree(theirs: &Theirs) -> Value {
    match &theirs.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => Value::Number(*number),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::BoolValue(bit)) => Value::Bool(*bit),
        Some(Kind::StructValue(inner)) => object(inner),
        Some(Kind::ListValue(list)) => Value::List(list.values.iter().map(tree).collect()),
    }
}

/// Structs and lists inside each other.
fn depth(theirs: &Struct) -> usize {
    1 + theirs.fields.values().map(depth_of).max().unwrap_or_default()
}

fn depth_of(value: &Theirs) -> usize {
    match &value.kind {
        Some(Kind::StructValue(inner)) => depth(inner),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(depth_of).max().unwrap_or_default(),
        _ => 0,
    }
}
