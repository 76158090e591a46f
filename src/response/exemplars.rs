//! `/api/v1/query_exemplars`: entries whose series is not the tenant's are taken out.
// Prometheus: model/exemplar/exemplar.go, QueryResult

use super::json::{self, Edit};
use super::labels;
use crate::scope::TenantScope;

/// The entries of `data` whose `seriesLabels` satisfy every label rule; `None` when `data` is no list of entries.
pub(super) fn filter(data: &str, scope: &TenantScope) -> Option<Edit> {
    if data == "null" {
        return Some(Edit::Keep);
    }
    json::edit_elements(data, |entry| labels::keep_tenants(entry, "serieslabels", scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::labels::tests::scope;

    fn filtered(data: &str, scope: &TenantScope) -> Option<String> {
        filter(data, scope)?.apply(data)
    }

    #[test]
    fn only_entries_of_the_tenants_series_stay() {
        let fruit = r#"{"exemplars": [{"value":"1e3", "x": 1e3}], "seriesLabels":{"tenant":"fr\u0075it"}}"#;
        let veggie = r#"{"seriesLabels":{"tenant":"veggie"},"exemplars":[]}"#;
        let scope = scope(&[("tenant", &["fruit"])]);
        assert_eq!(filtered(&format!("[ {fruit} , {veggie} ]"), &scope), Some(format!("[ {fruit} ]")));
        assert_eq!(filtered(&format!("[{veggie}]"), &scope), Some("[]".to_owned()));
        let untouched = format!("[ {fruit} ]");
        assert_eq!(filtered(&untouched, &scope), Some(untouched.clone()));
        assert_eq!(filtered("null", &scope), Some("null".to_owned()));
    }

    #[test]
    fn an_entry_in_doubt_is_nobodys() {
        let scope = scope(&[("tenant", &["fruit", "x"])]);
        for entry in [
            r#"{}"#,
            r#"{"seriesLabels":{}}"#,
            r#"{"seriesLabels":{"tenant":"fruit","tenant":"x"}}"#,
            r#"{"exemplars":[{"seriesLabels":{"tenant":"fruit"}}]}"#,
            r#"{"seriesLabels":{"tenant":"fruit"},"seriesLabels":{"tenant":"veggie"}}"#,
            r#"{"seriesLabels":{"tenant":"fruit"},"serieslabels":{"tenant":"veggie"}}"#,
        ] {
            assert_eq!(filtered(&format!("[{entry}]"), &scope), Some("[]".to_owned()), "{entry}");
        }
    }

    #[test]
    fn what_is_no_list_of_entries_is_refused() {
        let scope = scope(&[("tenant", &["fruit"])]);
        for data in ["", "{}", "1", r#""x""#, "[1]", "[[]]", "[{]", "[{}", r#"[{"seriesLabels":1}]"#] {
            assert_eq!(filtered(data, &scope), None, "{data}");
        }
    }
}
