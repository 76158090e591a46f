//! JSON with every repeat of a member, and the tenant's part of an answer as it should be.

use prom_label_filter::scope::{Scope, TenantScope};
use prom_label_filter::value::Value;

/// The tree of `text`; `None` when it is no JSON.
pub fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
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
    let mut labels = members.iter().filter(|(name, _)| name.eq_ignore_ascii_case("serieslabels")).map(|(_, v)| v);
    let (Some(labels), None) = (labels.next(), labels.next()) else { return Some(false) };
    let Value::Object(labels) = labels else { return None };
    Some(scope.restrictions().all(|(name, scope)| {
        let found: Vec<&Value> =
            labels.iter().filter(|(label, _)| label == name.as_str()).map(|(_, value)| value).collect();
        match found[..] {
            [Value::String(value)] => match scope {
                Scope::Values(values) => values.as_slice().iter().any(|allowed| allowed.as_str() == value),
                // The only one that a tenant has here.
                Scope::Pattern(_) => value.strip_prefix('v').is_some_and(|rest| !rest.is_empty()),
                Scope::Unrestricted => true,
            },
            _ => false,
        }
    }))
}
