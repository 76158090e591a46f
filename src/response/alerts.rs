//! `/api/v1/alerts`: alerts that are not the tenant's are taken out.
// Prometheus: web/api/v1/api.go, AlertDiscovery. Thanos: pkg/api/query/v1.go, NewAlertsHandler, the same members

use super::json::{self, Edit};
use super::labels;
use crate::scope::TenantScope;

/// The `alerts` of `data` whose labels satisfy every label rule; `None` when `data` holds no list of alerts.
pub(super) fn filter(data: &str, scope: &TenantScope) -> Option<Edit> {
    let mut has_alerts = false;
    let edit = json::edit_members(data, |name, value| match json::folded(name).as_str() {
        // Thanos writes `null` for none, Prometheus an empty list.
        "alerts" => {
            has_alerts = true;
            json::edit_list(value, |alert| labels::keep_tenants(alert, "labels", scope))
        }
        _ => Some(Edit::Keep),
    })?;
    has_alerts.then_some(edit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::labels::tests::scope;

    fn filtered(data: &str) -> Option<String> {
        filter(data, &scope(&[("tenant", &["fruit"])]))?.apply(data)
    }

    #[test]
    fn only_the_tenants_alerts_stay() {
        let fruit =
            r#"{"labels":{"alertname":"A","tenant":"fruit"},"annotations":{},"state":"firing","value":"1e+00"}"#;
        let veggie =
            r#"{"labels":{"alertname":"A","tenant":"veggie"},"annotations":{},"state":"firing","value":"1e+00"}"#;
        let nobodys = r#"{"labels":{"alertname":"A"}}"#;
        let data = format!(r#"{{ "x": 1e3, "alerts": [{veggie}, {fruit} ,{nobodys}, {fruit}] }}"#);
        assert_eq!(filtered(&data), Some(format!(r#"{{ "x": 1e3, "alerts": [ {fruit}, {fruit}] }}"#)));
    }

    #[test]
    fn none_are_an_empty_list_as_prometheus_writes_it() {
        for data in [
            r#"{"alerts":null}"#,
            r#"{"alerts":[]}"#,
            r#"{"alerts":[{}]}"#,
            r#"{"alerts":[{"labels":{"tenant":"fruit"},"Labels":{"tenant":"fruit"}}]}"#,
        ] {
            assert_eq!(filtered(data).as_deref(), Some(r#"{"alerts":[]}"#), "{data}");
        }
    }

    #[test]
    fn alerts_are_filtered_under_every_name_that_a_client_takes_for_theirs() {
        let foreign = r#"[{"labels":{"tenant":"veggie"}}]"#;
        let data = format!(r#"{{"alerts":{foreign},"Alertſ":{foreign},"\u0061LERTS":{foreign}}}"#);
        assert_eq!(filtered(&data).as_deref(), Some(r#"{"alerts":[],"Alertſ":[],"\u0061LERTS":[]}"#));
    }

    #[test]
    fn what_holds_no_list_of_alerts_is_refused() {
        for data in [
            "",
            "{}",
            r#"{"other":[]}"#,
            "null",
            "[]",
            r#"{"alerts":{}}"#,
            r#"{"alerts":1}"#,
            r#"{"alerts":[1]}"#,
            r#"{"alerts":[{"labels":1}]}"#,
        ] {
            assert_eq!(filtered(data), None, "{data}");
        }
    }
}
