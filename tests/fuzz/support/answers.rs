//! JSON with every repeat of a member, and the tenant's part of an answer as it should be.

use prom_label_filter::scope::TenantScope;
use prom_label_filter::value::Value;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The tree of `text`; `None` when it is no JSON.
pub fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
}

/// The members of an object, repeats included: names decoded, values as they are written. `None` when `text` is no object.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                members.push((name, value.get()));
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json.deserialize_map(Members).ok()?;
    json.end().ok()?;
    Some(members)
}

/// Whether `text` is JSON that [`read`] gives up on, while the filter does not for what it skips: a number beyond those
/// of a double, or arrays and objects too deep in each other.
pub fn is_beyond(text: &[u8]) -> bool {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    is_deep(text) || is_json && read(text).is_none()
}

fn is_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest > 120
}

/// A member's name as the most lenient client reads it.
pub fn folded(name: &str) -> String {
    // The mapping of `İ` is two letters.
    name.replace('İ', "i").to_uppercase().to_lowercase()
}

/// Whether two trees are the same, NaN included.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.to_bits() == right.to_bits(),
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|((name, left), (other, right))| name == other && same(left, right))
        }
        _ => left == right,
    }
}

/// The entries of `data` that are the tenant's: labels written once, each restricted one once, with a value that is the
/// tenant's. `None` when `data` is no list of entries.
pub fn tenants_entries(data: &Value, scope: &TenantScope) -> Option<Value> {
    let Value::List(entries) = data else { return (*data == Value::Null).then_some(Value::Null) };
    let mut kept = Vec::new();
    for entry in entries {
        if is_tenants(entry, scope)? {
            kept.push(entry.clone());
        }
    }
    Some(Value::List(kept))
}

fn is_tenants(entry: &Value, scope: &TenantScope) -> Option<bool> {
    let Value::Object(members) = entry else { return None };
    let mut labels = members.iter().filter(|(name, _)| folded(name) == "serieslabels").map(|(_, v)| v);
    let (Some(labels), None) = (labels.next(), labels.next()) else { return Some(false) };
    let Value::Object(labels) = labels else { return None };
    Some(scope.restrictions().all(|(name, values)| {
        let found: Vec<&Value> =
            labels.iter().filter(|(label, _)| label == name.as_str()).map(|(_, value)| value).collect();
        match found[..] {
            [Value::String(value)] => values.as_slice().iter().any(|allowed| allowed.as_str() == value),
            _ => false,
        }
    }))
}
