//! One tree for what arrives without a type: JSON text and protobuf's `google.protobuf.Struct`.
//!
//! Keeps the order of keys and every repeat of a key, so that who reads it can refuse what JSON leaves undefined.
//! Must not know what any of it means.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of JSON or of `google.protobuf.Value`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, or a protobuf value in which nothing is set.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number; integers beyond 2^53 are rounded, as protobuf does.
    Number(f64),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// Keys and values in the order of the source, repeats included.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The value under `key`; `None` when there is none or this is no object. Of repeated keys the last counts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::List(_) => None,
        }
    }

    /// The text; `None` when this is none.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// What it is, for messages: `a string`, `null`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    /// A YAML document without anything in it.
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        let size = rounded(value.unsigned_abs());
        Ok(Value::Number(if value < 0 { -size } else { size }))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(rounded(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Value::Object(object))
    }
}

/// The nearest number that a double can hold: both halves are exact, so the sum is rounded once.
fn rounded(value: u64) -> f64 {
    let half = |bits: u64| f64::from(u32::try_from(bits & 0xffff_ffff).unwrap_or(u32::MAX));
    half(value >> 32) * 4_294_967_296.0 + half(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("valid JSON")
    }

    #[test]
    fn every_kind_of_json_has_its_value() {
        for (text, value, kind) in [
            ("null", Value::Null, "null"),
            ("true", Value::Bool(true), "a boolean"),
            ("0", Value::Number(0.0), "a number"),
            ("-7", Value::Number(-7.0), "a number"),
            ("1.5e3", Value::Number(1500.0), "a number"),
            ("9007199254740993", Value::Number(9_007_199_254_740_992.0), "a number"),
            ("18446744073709551615", Value::Number(18_446_744_073_709_551_615.0), "a number"),
            ("-9223372036854775808", Value::Number(-9_223_372_036_854_775_808.0), "a number"),
            (r#""a\u00e9\n""#, Value::String("aé\n".to_owned()), "a string"),
            ("[1,[]]", Value::List(vec![Value::Number(1.0), Value::List(vec![])]), "a list"),
            (r#"{"a":null}"#, Value::Object(vec![("a".to_owned(), Value::Null)]), "an object"),
        ] {
            assert_eq!(json(text), value, "{text}");
            assert_eq!(json(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn order_and_repeats_of_keys_are_kept_and_the_last_one_counts() {
        let value = json(r#"{"b":1,"a":2,"b":3}"#);
        let Value::Object(entries) = &value else { panic!("{value:?} is no object") };
        let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
        assert_eq!(value.get("b"), Some(&Value::Number(3.0)));
        assert_eq!(value.get("c"), None);
    }

    #[test]
    fn only_objects_have_keys_and_only_strings_have_text() {
        for text in ["null", "true", "1", "[]", r#"["a"]"#] {
            assert_eq!((json(text).get("a"), json(text).as_str()), (None, None), "{text}");
        }
        assert_eq!((json(r#""a""#).get("a"), json(r#""a""#).as_str()), (None, Some("a")));
    }

    #[test]
    fn nesting_beyond_the_limit_is_an_error_and_no_overflow() {
        let deep = "[".repeat(100_000);
        assert!(serde_json::from_str::<Value>(&deep).is_err());
    }
}
