//! What of an answer is a tenant's, over the whole tree: plainly, and with every repeat of a member.
//!
//! Takes the crate's types and none of its decisions, for it is what the filters are compared with. `None` stands for an
//! answer that must not pass.

use prom_label_filter::scope::{Scope, TenantScope};
use prom_label_filter::value::Value;

/// What an answer lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Of `/api/v1/query_exemplars`.
    Exemplars,
    /// Of `/api/v1/rules`.
    Rules {
        /// Whether shared rules with alerts of the tenant's stay.
        with_active_alerts: bool,
    },
    /// Of `/api/v1/alerts`.
    Alerts,
    /// Of `/api/v1/targets`.
    Targets,
}

const HIDDEN_WARNINGS: &str = "the upstream reported warnings; they are not shown on this endpoint";
const HIDDEN_ERROR: &str = "the upstream reported an error; its text is not shown on this endpoint";
const HIDDEN_LAST_ERROR: &str = "the rule failed; its error is not shown, because other tenants share the rule";

/// The tree of `text`; `None` when it is no JSON.
pub fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
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

/// A member's name as the most lenient client reads it.
pub fn folded(name: &str) -> String {
    // The mapping of `İ` is two letters.
    name.replace('İ', "i").to_uppercase().to_lowercase()
}

/// The answer as it may pass: one of success, or one whose status says that it is an error.
pub fn expected(answer: &Value, is_success: bool, listing: Listing, scope: &TenantScope) -> Option<Value> {
    if is_success && all(answer, "data").is_empty() {
        return None;
    }
    each_member(answer, |name, value| {
        Some(Some(match name {
            "data" if is_success => tenants_data(value, listing, scope)?,
            "data" => Value::Null,
            "error" => Value::String(HIDDEN_ERROR.to_owned()),
            "warnings" | "infos" if *value != Value::Null && *value != Value::List(Vec::new()) => {
                Value::List(vec![Value::String(HIDDEN_WARNINGS.to_owned())])
            }
            _ => value.clone(),
        }))
    })
}

fn tenants_data(data: &Value, listing: Listing, scope: &TenantScope) -> Option<Value> {
    let empty = || Value::List(Vec::new());
    if listing == Listing::Exemplars {
        if *data == Value::Null {
            return Some(Value::Null);
        }
        return each(data, |entry| Some(is_tenants_own(entry, "serieslabels", scope)?.then(|| entry.clone())));
    }
    let list = match listing {
        Listing::Exemplars => "",
        Listing::Rules { .. } => "groups",
        Listing::Alerts => "alerts",
        Listing::Targets => "activetargets",
    };
    if all(data, list).is_empty() {
        return None;
    }
    let own = |entry: &Value| Some(is_tenants_own(entry, "labels", scope)?.then(|| entry.clone()));
    each_member(data, |name, value| {
        Some(match (listing, name) {
            (Listing::Alerts, "alerts") | (Listing::Targets, "activetargets") if *value == Value::Null => Some(empty()),
            (Listing::Alerts, "alerts") | (Listing::Targets, "activetargets") => Some(each(value, own)?),
            (Listing::Targets, "droppedtargets") => Some(empty()),
            (Listing::Targets, "droppedtargetcounts") if *value != Value::Null => Some(Value::Object(Vec::new())),
            (Listing::Rules { .. }, "groups") if *value == Value::Null => Some(empty()),
            (Listing::Rules { with_active_alerts }, "groups") => {
                Some(each(value, |group| tenants_group(group, with_active_alerts, scope))?)
            }
            (Listing::Rules { .. }, "groupnexttoken") => None,
            _ => Some(value.clone()),
        })
    })
}

fn tenants_group(group: &Value, with_active_alerts: bool, scope: &TenantScope) -> Option<Option<Value>> {
    let group = each_member(group, |name, value| {
        Some(Some(match (name, value) {
            ("rules", Value::Null) => Value::List(Vec::new()),
            ("rules", _) => each(value, |rule| tenants_rule(rule, with_active_alerts, scope))?,
            _ => value.clone(),
        }))
    })?;
    let is_empty = all(&group, "rules").iter().all(|rules| **rules == Value::List(Vec::new()));
    Some((!is_empty).then_some(group))
}

fn tenants_rule(rule: &Value, with_active_alerts: bool, scope: &TenantScope) -> Option<Option<Value>> {
    let Value::Object(_) = rule else { return None };
    let [labels] = all(rule, "labels")[..] else { return Some(None) };
    if is_tenants(labels, scope)? {
        let unless_foreign = |alert: &Value| {
            let Value::Object(_) = alert else { return None };
            let [labels] = all(alert, "labels")[..] else { return Some(None) };
            Some(strangers(labels, scope)?.is_empty().then(|| alert.clone()))
        };
        return Some(Some(with_alerts(rule, unless_foreign)?));
    }
    let is_template = |value: &&Value| value.as_str().is_some_and(|text| text.contains("{{"));
    if !with_active_alerts || !strangers(labels, scope)?.iter().all(is_template) {
        return Some(None);
    }
    let rule = with_alerts(rule, |alert| Some(is_tenants_own(alert, "labels", scope)?.then(|| alert.clone())))?;
    let alerts: Vec<&Value> = all(&rule, "alerts").into_iter().filter_map(list).flatten().collect();
    let is_any = |state: &str| {
        alerts.iter().any(|alert| matches!(all(alert, "state")[..], [Value::String(text)] if text == state))
    };
    let state = ["firing", "pending", "inactive"].into_iter().find(|state| is_any(state)).unwrap_or("unknown");
    let shown = each_member(&rule, |name, value| {
        Some(Some(match name {
            "state" => Value::String(state.to_owned()),
            "lasterror" if value.as_str() != Some("") => Value::String(HIDDEN_LAST_ERROR.to_owned()),
            _ => value.clone(),
        }))
    })?;
    Some((!alerts.is_empty()).then_some(shown))
}

fn with_alerts(rule: &Value, edit: impl Fn(&Value) -> Option<Option<Value>>) -> Option<Value> {
    each_member(rule, |name, value| {
        let is_alerts = name == "alerts" && *value != Value::Null;
        Some(Some(if is_alerts { each(value, &edit)? } else { value.clone() }))
    })
}

/// Whether an entry has one set of labels, and they are the tenant's.
fn is_tenants_own(entry: &Value, labels: &str, scope: &TenantScope) -> Option<bool> {
    let Value::Object(_) = entry else { return None };
    let [labels] = all(entry, labels)[..] else { return Some(false) };
    is_tenants(labels, scope)
}

/// Whether each restricted label is there once, with a value of the tenant's.
fn is_tenants(labels: &Value, scope: &TenantScope) -> Option<bool> {
    let Value::Object(labels) = labels else { return None };
    Some(scope.restrictions().all(|(name, scope)| {
        let mut values = labels.iter().filter(|(label, _)| label == name.as_str()).map(|(_, value)| value);
        values.next().is_some_and(|value| is_allowed(value, scope)) && values.next().is_none()
    }))
}

/// The values of restricted labels that are not the tenant's.
fn strangers<'v>(labels: &'v Value, scope: &TenantScope) -> Option<Vec<&'v Value>> {
    let Value::Object(labels) = labels else { return None };
    let is_strange = |(label, value): &&(String, Value)| {
        scope.restrictions().any(|(name, scope)| name.as_str() == label && !is_allowed(value, scope))
    };
    Some(labels.iter().filter(is_strange).map(|(_, value)| value).collect())
}

fn is_allowed(value: &Value, scope: &Scope) -> bool {
    match scope {
        Scope::Values(values) => values.as_slice().iter().any(|allowed| value.as_str() == Some(allowed.as_str())),
        // The only one that a tenant has here.
        Scope::Pattern(_) => {
            value.as_str().and_then(|value| value.strip_prefix('v')).is_some_and(|rest| !rest.is_empty())
        }
        Scope::Unrestricted => true,
    }
}

/// The values of all members of an object that some client takes for `name`.
fn all<'v>(object: &'v Value, name: &str) -> Vec<&'v Value> {
    let Value::Object(members) = object else { return Vec::new() };
    members.iter().filter(|(key, _)| folded(key) == name).map(|(_, value)| value).collect()
}

fn list(value: &Value) -> Option<&Vec<Value>> {
    if let Value::List(list) = value { Some(list) } else { None }
}

/// The object with each member as `edit` says of its folded name and value; without those of which it says nothing.
fn each_member(object: &Value, edit: impl Fn(&str, &Value) -> Option<Option<Value>>) -> Option<Value> {
    let Value::Object(members) = object else { return None };
    let mut edited = Vec::new();
    for (name, value) in members {
        edited.extend(edit(&folded(name), value)?.map(|value| (name.clone(), value)));
    }
    Some(Value::Object(edited))
}

fn each(value: &Value, edit: impl Fn(&Value) -> Option<Option<Value>>) -> Option<Value> {
    let mut edited = Vec::new();
    for entry in list(value)? {
        edited.extend(edit(entry)?);
    }
    Some(Value::List(edited))
}
