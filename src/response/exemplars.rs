//! `/api/v1/query_exemplars`: entries whose series is not the tenant's are taken out.
// Prometheus: model/exemplar/exemplar.go, QueryResult

use super::json;
use crate::scope::TenantScope;
use std::borrow::Cow;

/// The entries of `data` whose `seriesLabels` satisfy every label rule; `None` when `data` is no list of entries.
pub(super) fn filter(data: &str, scope: &TenantScope) -> Option<String> {
    if data == "null" {
        return Some(data.to_owned());
    }
    let entries = json::elements(data)?;
    let mut kept = Vec::with_capacity(entries.len());
    for entry in &entries {
        if is_tenants(entry, scope)? {
            kept.push(*entry);
        }
    }
    if kept.len() == entries.len() { Some(data.to_owned()) } else { Some(format!("[{}]", kept.join(","))) }
}

/// Whether an entry's series satisfies every rule. One without labels, or with two sets of them, is nobody's.
fn is_tenants(entry: &str, scope: &TenantScope) -> Option<bool> {
    let members = json::members(entry)?;
    let mut labels = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case("seriesLabels"));
    let (Some((_, labels)), None) = (labels.next(), labels.next()) else { return Some(false) };
    let labels = json::members(labels)?;
    Some(scope.restrictions().all(|(name, scope)| {
        let mut found = labels.iter().filter(|(label, _)| label == name.as_str());
        match (found.next(), found.next()) {
            (Some((_, value)), None) => json::string(value).is_some_and(|value: Cow<'_, str>| scope.allows(&value)),
            (None | Some(_), _) => false,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope};

    fn scope(rules: &[(&str, &[&str])]) -> TenantScope {
        let label = |(name, values): &(&str, &[&str])| LabelScope {
            name: LabelName::new(*name).expect("a name"),
            scope: LabelValues::new(values.iter().map(|v| LabelValue::new(*v).expect("a value")).collect())
                .map_or(Scope::Unrestricted, Scope::Values),
        };
        TenantScope::new(rules.iter().map(label).collect()).expect("a scope")
    }

    #[test]
    fn only_entries_of_the_tenants_series_stay() {
        let fruit = r#"{"exemplars": [{"value":"1e3", "x": 1e3}], "seriesLabels":{"tenant":"fr\u0075it"}}"#;
        let veggie = r#"{"seriesLabels":{"tenant":"veggie"},"exemplars":[]}"#;
        let scope = scope(&[("tenant", &["fruit"])]);
        assert_eq!(filter(&format!("[ {fruit} , {veggie} ]"), &scope), Some(format!("[{fruit}]")));
        assert_eq!(filter(&format!("[{veggie}]"), &scope), Some("[]".to_owned()));
        let untouched = format!("[ {fruit} ]");
        assert_eq!(filter(&untouched, &scope), Some(untouched.clone()));
        assert_eq!(filter("null", &scope), Some("null".to_owned()));
    }

    #[test]
    fn an_entry_in_doubt_is_nobodys() {
        let scope = scope(&[("tenant", &["fruit", "x"])]);
        for entry in [
            r#"{}"#,
            r#"{"seriesLabels":{}}"#,
            r#"{"seriesLabels":{"tenant":""}}"#,
            r#"{"seriesLabels":{"tenant":null}}"#,
            r#"{"seriesLabels":{"tenant":["fruit"]}}"#,
            r#"{"seriesLabels":{"Tenant":"fruit"}}"#,
            r#"{"seriesLabels":{"tenant":"fruit","tenant":"x"}}"#,
            r#"{"seriesLabels":{"tenant":"fruit"},"seriesLabels":{"tenant":"veggie"}}"#,
            r#"{"seriesLabels":{"tenant":"fruit"},"serieslabels":{"tenant":"veggie"}}"#,
        ] {
            assert_eq!(filter(&format!("[{entry}]"), &scope), Some("[]".to_owned()), "{entry}");
        }
    }

    #[test]
    fn every_rule_must_hold_and_lifted_ones_need_not() {
        let both = r#"[{"seriesLabels":{"tenant":"fruit","env":"prod"}}]"#;
        assert_eq!(filter(both, &scope(&[("tenant", &["fruit"]), ("env", &["dev"])])), Some("[]".to_owned()));
        assert_eq!(filter(both, &scope(&[("tenant", &["fruit"]), ("env", &[])])), Some(both.to_owned()));
    }

    #[test]
    fn what_is_no_list_of_entries_is_refused() {
        let scope = scope(&[("tenant", &["fruit"])]);
        for data in ["", "{}", "1", r#""x""#, "[1]", "[[]]", "[{]", "[{}", r#"[{"seriesLabels":1}]"#] {
            assert_eq!(filter(data, &scope), None, "{data}");
        }
    }
}
