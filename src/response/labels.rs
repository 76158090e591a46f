//! Whose a set of labels is: the one question that every filter of answers asks.

use super::json::{self, Edit};
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

/// Whether `entry`, an object, stays: when the labels that it holds as `member`, in lower case, satisfy every rule. One
/// without labels, or with two sets of them, is nobody's and goes.
///
/// `None` when `entry` or its labels are no object.
pub(super) fn keep_tenants(entry: &str, member: &str, scope: &TenantScope) -> Option<Edit> {
    Some(match json::sole_member(entry, member)? {
        Some(labels) if is_tenants(labels, scope)? => Edit::Keep,
        Some(_) | None => Edit::Drop,
    })
}

/// Whether `labels`, an object, give a restricted label a value that is not the tenant's, or is no string. What is no
/// `name` of a tenant names nobody.
///
/// `None` when `labels` is no object.
pub(super) fn name_another(labels: &str, scope: &TenantScope, is_name: impl Fn(&str) -> bool) -> Option<bool> {
    let mut another = false;
    json::each_member(labels, |label, value| {
        if let Some((_, scope)) = scope.restrictions().find(|(name, _)| name.as_str() == label) {
            another |= json::string(value).is_none_or(|value| is_name(&value) && !scope.allows(&value));
        }
        Some(())
    })?;
    Some(another)
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
    fn an_entry_with_one_set_of_labels_that_are_the_tenants_stays() {
        let scope = scope(&[("tenant", &["fruit"])]);
        for (entry, edit) in [
            (r#"{"labels":{"tenant":"fruit"}}"#, Some(Edit::Keep)),
            (r#"{"x":1,"L\u0061bels":{"tenant":"fruit"}}"#, Some(Edit::Keep)),
            (r#"{"labels":{"tenant":"veggie"}}"#, Some(Edit::Drop)),
            (r#"{"labels":{"tenant":"fruit"},"labels":{"tenant":"fruit"}}"#, Some(Edit::Drop)),
            (r#"{"x":{"labels":{"tenant":"fruit"}}}"#, Some(Edit::Drop)),
            (r#"{"labels":null}"#, None),
            ("1", None),
        ] {
            assert_eq!(keep_tenants(entry, "labels", &scope), edit, "{entry}");
        }
    }

    #[test]
    fn any_other_value_of_a_restricted_label_names_another_tenant() {
        let scope = scope(&[("tenant", &["fruit"]), ("env", &["prod"]), ("lifted", &[])]);
        for (labels, names_another) in [
            (r#"{}"#, false),
            (r#"{"tenant":"fruit"}"#, false),
            (r#"{"tenant":"fruit","env":"pr\u006fd","lifted":"x","Tenant":"veggie"}"#, false),
            (r#"{"tenant":"{}"}"#, false),
            (r#"{"tenant":"veggie"}"#, true),
            (r#"{"tenant":""}"#, true),
            (r#"{"tenant":null}"#, true),
            (r#"{"tenant":["fruit"]}"#, true),
            (r#"{"tenant":"fruit","env":"dev"}"#, true),
            (r#"{"t\u0065nant":"veggie","tenant":"fruit"}"#, true),
            (r#"{"tenant":"fruit","tenant":"veggie"}"#, true),
        ] {
            assert_eq!(name_another(labels, &scope, |value| value != "{}"), Some(names_another), "{labels}");
        }
        assert_eq!(name_another("null", &scope, |_| true), None);
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
