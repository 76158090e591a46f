//! Whose a set of labels is: the one question that every filter of answers asks.

use super::json;
use crate::scope::TenantScope;

/// Whether `labels`, an object, satisfies every rule of the tenant's. Labels in doubt are nobody's: a restricted one that
/// is missing, that is there twice, or that is no string.
///
/// `None` when `labels` is no object.
pub(super) fn is_tenants(labels: &str, scope: &TenantScope) -> Option<bool> {
    let mut rules: Vec<_> = scope.restrictions().map(|rule| (rule, Verdict::Missing)).collect();
    json::each_member(labels, |label, value| {
        for ((name, scope), verdict) in &mut rules {
            // A label's name is what it is: no case is folded.
            if label == name.as_str() {
                let is_allowed = json::string(value).is_some_and(|value| scope.allows(&value));
                *verdict = match verdict {
                    Verdict::Missing if is_allowed => Verdict::Holds,
                    Verdict::Missing | Verdict::Holds | Verdict::Fails => Verdict::Fails,
                };
            }
        }
        Some(())
    })?;
    Some(rules.iter().all(|(_, verdict)| matches!(verdict, Verdict::Holds)))
}

/// What the labels seen so far say about one rule.
enum Verdict {
    Missing,
    Holds,
    Fails,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope};

    /// A tenant's scope: each label with its values, or with none when its rule is lifted.
    pub(in crate::response) fn scope(rules: &[(&str, &[&str])]) -> TenantScope {
        let label = |(name, values): &(&str, &[&str])| LabelScope {
            name: LabelName::new(*name).expect("a name"),
            scope: LabelValues::new(values.iter().map(|v| LabelValue::new(*v).expect("a value")).collect())
                .map_or(Scope::Unrestricted, Scope::Values),
        };
        TenantScope::new(rules.iter().map(label).collect()).expect("a scope")
    }

    #[test]
    fn labels_in_doubt_are_nobodys() {
        let scope = scope(&[("tenant", &["fruit", "x"])]);
        for (labels, is_tenants_own) in [
            (r#"{"tenant":"fruit"}"#, true),
            (r#" { "a" : "b" , "t\u0065nant" : "fr\u0075it", "a":1 } "#, true),
            (r#"{}"#, false),
            (r#"{"tenant":""}"#, false),
            (r#"{"tenant":"veggie"}"#, false),
            (r#"{"tenant":null}"#, false),
            (r#"{"tenant":["fruit"]}"#, false),
            (r#"{"tenant":{"tenant":"fruit"}}"#, false),
            (r#"{"Tenant":"fruit"}"#, false),
            (r#"{"tenant":"fruit","tenant":"x"}"#, false),
            (r#"{"tenant":"fruit","tenant":"fruit"}"#, false),
            (r#"{"tenant":"veggie","t\u0065nant":"fruit"}"#, false),
            (r#"{"tenant":"x","tenant":1,"tenant":"x"}"#, false),
        ] {
            assert_eq!(is_tenants(labels, &scope), Some(is_tenants_own), "{labels}");
        }
        for labels in ["null", "1", "[]", r#""fruit""#, r#"{"tenant":"fruit""#, r#"{"tenant":"fruit"} x"#] {
            assert_eq!(is_tenants(labels, &scope), None, "{labels}");
        }
    }

    #[test]
    fn every_rule_must_hold_and_lifted_ones_need_not() {
        let both = r#"{"tenant":"fruit","env":"prod"}"#;
        for (rules, is_tenants_own) in [
            (&[("tenant", &["fruit"][..]), ("env", &["prod"])], true),
            (&[("tenant", &["fruit"]), ("env", &["dev"])], false),
            (&[("env", &["dev"]), ("tenant", &["fruit"])], false),
            (&[("tenant", &["fruit"]), ("zone", &["a"])], false),
            (&[("tenant", &["fruit"]), ("env", &[])], true),
        ] {
            assert_eq!(is_tenants(both, &scope(rules)), Some(is_tenants_own), "{rules:?}");
        }
    }
}
