//! `/api/v1/alerts`: alerts that are not the tenant's are taken out, or the tenant's taken out of the rules.
// Prometheus: web/api/v1/api.go, AlertDiscovery. Thanos: pkg/api/query/v1.go, NewAlertsHandler, the same members

use super::json::{self, Edit};
use super::{labels, rules};
use crate::config::policy::RulesOfOthers;
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

/// The alerts of the rules in `data`, as the alerts endpoint lists them: those that the tenant may see there. `None` when `data`
/// holds no list of groups.
// Prometheus: web/api/v1/api.go, alerts; Thanos: pkg/api/query/v1.go, NewAlertsHandler: both list the alerts of all their rules
pub(super) fn of_rules(data: &str, scope: &TenantScope) -> Option<Edit> {
    let rules = rules::filter(data, scope, RulesOfOthers::KeptWithOwnAlerts)?.apply(data)?;
    let mut alerts = Vec::new();
    each_of_list(&rules, "groups", |group| {
        each_of_list(group, "rules", |rule| {
            each_of_list(rule, "alerts", |alert| {
                alerts.push(alert);
                Some(())
            })
        })
    })?;
    Some(Edit::Replace(format!(r#"{{"alerts":[{}]}}"#, alerts.join(","))))
}

/// Visits the elements of the lists that `object` holds as `member`; `null` is an empty list.
fn each_of_list<'a>(object: &'a str, member: &str, mut visit: impl FnMut(&'a str) -> Option<()>) -> Option<()> {
    json::each_member(object, |name, list| {
        if json::folded(name) == member && list != "null" { json::each_element(list, &mut visit) } else { Some(()) }
    })
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

    fn from_rules(data: &str) -> Option<String> {
        of_rules(data, &scope(&[("tenant", &["fruit"])]))?.apply(data)
    }

    #[test]
    fn from_rules_come_the_alerts_that_the_rules_endpoint_shows() {
        let alert =
            |tenant: &str| format!(r#"{{"labels":{{"alertname":"A"{tenant}}},"state":"firing","value":"1e+00"}}"#);
        let (fruit, veggie, silent) =
            (alert(r#","tenant":"fruit""#), alert(r#","tenant":"veggie""#), alert(r#","severity":"page""#));
        let rule = |tenant: &str, alerts: &str| {
            format!(r#"{{"type":"alerting","labels":{{"severity":"page"{tenant}}},"alerts":{alerts}}}"#)
        };
        let all = format!("[{silent},{fruit},{veggie}]");
        for (rules, left) in [
            // Thanos puts the external labels of a server on its rules alone.
            (rule(r#","tenant":"fruit""#, &format!("[{silent}]")), silent.clone()),
            (rule(r#","tenant":"fruit""#, &all), format!("{silent},{fruit}")),
            (rule(r#","tenant":"veggie""#, &all), String::new()),
            // A rule of all teams.
            (rule("", &all), fruit.clone()),
            (rule(r#","tenant":"{{ $labels.tenant }}""#, &all), fruit.clone()),
            (rule(r#","tenant":"fruit""#, "null"), String::new()),
            (r#"{"type":"recording","labels":{"tenant":"fruit"}}"#.to_owned(), String::new()),
            (
                [rule(r#","tenant":"fruit""#, &format!("[{silent}]")), rule("", &all)].join(", "),
                format!("{silent},{fruit}"),
            ),
        ] {
            let data =
                format!(r#"{{"groups":[{{"name":"g","rules":[{rules}]}},{{"rules":null}}],"groupNextToken":"x"}}"#);
            assert_eq!(from_rules(&data), Some(format!(r#"{{"alerts":[{left}]}}"#)), "{rules}");
        }
        for none in [r#"{"groups":[]}"#, r#"{"groups":null}"#] {
            assert_eq!(from_rules(none).as_deref(), Some(r#"{"alerts":[]}"#), "{none}");
        }
    }

    #[test]
    fn what_holds_no_rules_has_no_alerts_to_show() {
        for data in ["", "{}", r#"{"alerts":[]}"#, r#"{"groups":{}}"#, r#"{"groups":[{"rules":[1]}]}"#] {
            assert_eq!(from_rules(data), None, "{data}");
        }
    }
}
