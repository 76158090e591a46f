//! `/api/v1/rules`: rules that are not the tenant's are taken out, and other tenants' alerts out of those that stay.
//!
//! Every repeat of a member is edited, under every name that some client takes for it, so it does not matter which of them
//! a client reads; of labels there must be one set.
// Prometheus: web/api/v1/api.go, RuleDiscovery. Thanos: pkg/rules/rulespb/custom.go, the same members and more

use super::json::{self, Edit};
use super::labels;
use crate::config::policy::RulesOfOthers;
use crate::scope::TenantScope;

/// What a client reads in place of the error of a rule that tenants share, which may name any tenant's series.
const HIDDEN_LAST_ERROR: &str = r#""the rule failed; its error is not shown, because other tenants share the rule""#;

/// The groups of `data` with the tenant's rules; a group without any goes. `None` when `data` holds no list of groups.
pub(super) fn filter(data: &str, scope: &TenantScope, others: RulesOfOthers) -> Option<Edit> {
    let mut has_groups = false;
    let edit = json::edit_members(data, |name, value| match json::folded(name).as_str() {
        "groups" => {
            has_groups = true;
            json::edit_list(value, |group| filter_group(group, scope, others))
        }
        // A hash of the next group's file and name, whoever's it is.
        "groupnexttoken" => Some(Edit::Drop),
        _ => Some(Edit::Keep),
    })?;
    has_groups.then_some(edit)
}

fn filter_group(group: &str, scope: &TenantScope, others: RulesOfOthers) -> Option<Edit> {
    let mut has_rules = false;
    let edit = json::edit_members(group, |name, value| {
        if json::folded(name) != "rules" {
            return Some(Edit::Keep);
        }
        json::edit_list(value, |rule| {
            let edit = filter_rule(rule, scope, others)?;
            has_rules |= edit != Edit::Drop;
            Some(edit)
        })
    })?;
    Some(if has_rules { edit } else { Edit::Drop })
}

fn filter_rule(rule: &str, scope: &TenantScope, others: RulesOfOthers) -> Option<Edit> {
    // Prometheus 2 leaves the labels of a recording rule out when there are none.
    let Some(labels) = json::sole_member(rule, "labels")? else { return Some(Edit::Drop) };
    if labels::is_tenants(labels, scope)? {
        return json::edit_members(rule, |name, value| {
            if is_alerts(name, value) {
                json::edit_elements(value, |alert| filter_alert_of_own_rule(alert, scope))
            } else {
                Some(Edit::Keep)
            }
        });
    }
    match others {
        RulesOfOthers::Dropped => Some(Edit::Drop),
        // A template is no name: what it stands for is in the alerts.
        RulesOfOthers::KeptWithOwnAlerts if !labels::name_another(labels, scope, |value| !value.contains("{{"))? => {
            filter_shared_rule(rule, scope)
        }
        RulesOfOthers::KeptWithOwnAlerts => Some(Edit::Drop),
    }
}

/// Alerts of a rule that is the tenant's may lack the label: Thanos puts a server's external labels on its rules, and not on
/// their alerts.
// Thanos: pkg/rules/prometheus.go, enrichRulesWithExtLabels
fn filter_alert_of_own_rule(alert: &str, scope: &TenantScope) -> Option<Edit> {
    Some(match json::sole_member(alert, "labels")? {
        Some(labels) if !labels::name_another(labels, scope, |_| true)? => Edit::Keep,
        Some(_) | None => Edit::Drop,
    })
}

/// A rule that is nobody's alone stays with the tenant's alerts, when there are any, and with their state.
fn filter_shared_rule(rule: &str, scope: &TenantScope) -> Option<Edit> {
    let filter_alert = |alert| labels::keep_tenants(alert, "labels", scope);
    let mut state = None;
    json::each_member(rule, |name, value| {
        if !is_alerts(name, value) {
            return Some(());
        }
        json::each_element(value, |alert| {
            if filter_alert(alert)? == Edit::Keep {
                state = state.max(Some(State::of(alert)?));
            }
            Some(())
        })
    })?;
    let Some(state) = state else { return Some(Edit::Drop) };
    json::edit_members(rule, |name, value| match json::folded(name).as_str() {
        "alerts" if is_alerts(name, value) => json::edit_elements(value, filter_alert),
        "state" => Some(Edit::Replace(state.json().to_owned())),
        "lasterror" if value != r#""""# => Some(Edit::Replace(HIDDEN_LAST_ERROR.to_owned())),
        _ => Some(Edit::Keep),
    })
}

/// Whether a member of a rule is its alerts: `null` stands for those that were not asked for (`exclude_alerts`).
fn is_alerts(name: &str, value: &str) -> bool {
    json::folded(name) == "alerts" && value != "null"
}

/// The state of an alert, and of a rule: that of the alert that is nearest to firing.
// Prometheus: rules/alerting.go, AlertState
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Unknown,
    Inactive,
    Pending,
    Firing,
}

impl State {
    fn of(alert: &str) -> Option<Self> {
        let state = json::sole_member(alert, "state")?.and_then(json::string);
        Some(match state.as_deref() {
            Some("firing") => Self::Firing,
            Some("pending") => Self::Pending,
            Some("inactive") => Self::Inactive,
            Some(_) | None => Self::Unknown,
        })
    }

    fn json(self) -> &'static str {
        match self {
            Self::Unknown => r#""unknown""#,
            Self::Inactive => r#""inactive""#,
            Self::Pending => r#""pending""#,
            Self::Firing => r#""firing""#,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::labels::tests::scope;
    use RulesOfOthers::{Dropped, KeptWithOwnAlerts};

    fn filtered(data: &str, others: RulesOfOthers) -> Option<String> {
        filter(data, &scope(&[("tenant", &["fruit"])]), others)?.apply(data)
    }

    /// What becomes of one rule; `None` when it goes.
    fn rule(rule: &str, others: RulesOfOthers) -> Option<String> {
        let data = format!(r#"{{"groups":[{{"rules":[{rule}]}}]}}"#);
        let filtered = filtered(&data, others).expect("rules");
        if filtered == r#"{"groups":[]}"# {
            return None;
        }
        let rule = filtered.strip_prefix(r#"{"groups":[{"rules":["#).and_then(|rest| rest.strip_suffix("]}]}"));
        Some(rule.expect("one rule").to_owned())
    }

    const FRUIT: &str = r#"{"labels":{"tenant":"fruit"},"state":"pending"}"#;
    const VEGGIE: &str = r#"{"labels":{"tenant":"veggie"},"state":"firing"}"#;
    const NOBODYS: &str = r#"{"labels":{"alertname":"A"},"state":"firing"}"#;

    #[test]
    fn rules_stay_by_their_own_labels_and_groups_by_their_rules() {
        let own = r#"{"type":"recording","labels":{"tenant":"fruit"},"evaluationTime":1e-3}"#;
        let data = format!(
            r#"{{"groups":[{{"rules":[{{"labels":{{"tenant":"veggie"}}}}],"name":"a"}}, {{"name":"b","rules":[{{"type":"recording"}},{own},{{"labels":{{}}}}],"interval":10}},{{"name":"c","rules":[]}},{{"name":"d","rules":null}},{{"name":"e"}}]}}"#
        );
        let expected = format!(r#"{{"groups":[ {{"name":"b","rules":[{own}],"interval":10}}]}}"#);
        for others in [Dropped, KeptWithOwnAlerts] {
            assert_eq!(filtered(&data, others).as_deref(), Some(expected.as_str()));
        }
    }

    #[test]
    fn the_token_of_the_next_page_goes_and_no_groups_are_an_empty_list() {
        for data in [
            r#"{"groups":null,"groupNextToken":"a1"}"#,
            r#"{"groups":[],"groupnexttoken":{"x":[1]}}"#,
            r#"{"groupNextToken":"a1","groups":[{"rules":[]}],"groupNext\u0054oken":"a2"}"#,
        ] {
            assert_eq!(filtered(data, Dropped).as_deref(), Some(r#"{"groups":[]}"#), "{data}");
        }
    }

    #[test]
    fn of_an_own_rule_alerts_that_name_another_tenant_go() {
        let own = |alerts: &str| format!(r#"{{"state":"firing","labels":{{"tenant":"fruit"}},"alerts":{alerts}}}"#);
        for (alerts, left) in [
            (format!("[{VEGGIE},{FRUIT},{NOBODYS}]"), format!("[{FRUIT},{NOBODYS}]")),
            (format!("[{VEGGIE}]"), "[]".to_owned()),
            ("null".to_owned(), "null".to_owned()),
            (r#"[{},{"labels":{"tenant":"fruit"},"labels":{}}]"#.to_owned(), "[]".to_owned()),
            (r#"[{"labels":{"tenant":"fruit","tenant":"veggie"}}]"#.to_owned(), "[]".to_owned()),
        ] {
            for others in [Dropped, KeptWithOwnAlerts] {
                assert_eq!(rule(&own(&alerts), others), Some(own(&left)), "{alerts}");
            }
        }
        let repeated = format!(r#"{{"alerts":[{VEGGIE}],"labels":{{"tenant":"fruit"}},"Alerts":[{VEGGIE},{FRUIT}]}}"#);
        let left = format!(r#"{{"alerts":[],"labels":{{"tenant":"fruit"}},"Alerts":[{FRUIT}]}}"#);
        assert_eq!(rule(&repeated, Dropped), Some(left));
    }

    #[test]
    fn a_shared_rule_stays_with_own_alerts_their_state_and_no_error() {
        let shared = |state: &str, alerts: &str, error: &str| {
            format!(
                r#"{{"state":{state}, "name":"A","query":"up == 0","labels":{{"severity":"page"}},"annotations":{{}},"alerts":{alerts},"health":"err","lastError":{error},"evaluationTime":1.0e-3,"type":"alerting"}}"#
            )
        };
        let text = shared(r#""firing""#, &format!("[{VEGGIE},{FRUIT}, {NOBODYS}]"), r#""many-to-many: veggie""#);
        let left = shared(r#""pending""#, &format!("[{FRUIT}]"), HIDDEN_LAST_ERROR);
        assert_eq!(rule(&text, KeptWithOwnAlerts), Some(left));
        assert_eq!(rule(&text, Dropped), None);
        for alerts in ["null".to_owned(), "[]".to_owned(), format!("[{VEGGIE},{NOBODYS}]"), "[{}]".to_owned()] {
            assert_eq!(rule(&shared(r#""firing""#, &alerts, r#""""#), KeptWithOwnAlerts), None, "{alerts}");
        }
        let healthy = shared(r#""pending""#, &format!("[{FRUIT}]"), r#""""#);
        assert_eq!(rule(&healthy, KeptWithOwnAlerts), Some(healthy));
    }

    #[test]
    fn the_state_is_the_one_that_is_nearest_to_firing() {
        let with = |states: &[&str], state: &str| {
            let alerts: Vec<_> =
                states.iter().map(|state| format!(r#"{{"labels":{{"tenant":"fruit"}},"state":{state}}}"#)).collect();
            format!(r#"{{"state":{state},"labels":{{}},"alerts":[{}],"State":{state}}}"#, alerts.join(","))
        };
        for (states, state) in [
            (&[r#""pending""#, r#""firing""#, r#""inactive""#][..], r#""firing""#),
            (&[r#""inactive""#, r#""p\u0065nding""#, r#""unknown""#], r#""pending""#),
            (&[r#""unknown""#, r#""inactive""#], r#""inactive""#),
            (&[r#""unknown""#], r#""unknown""#),
            (&[r#""Firing""#, "1"], r#""unknown""#),
        ] {
            assert_eq!(rule(&with(states, r#""x""#), KeptWithOwnAlerts), Some(with(states, state)));
        }
    }

    #[test]
    fn a_rule_that_names_another_tenant_is_not_shared() {
        let with = |labels: &str| format!(r#"{{"labels":{labels},"alerts":[{FRUIT}]}}"#);
        for labels in [r#"{"tenant":"veggie"}"#, r#"{"tenant":"veggie","tenant":"fruit"}"#, r#"{"tenant":null}"#] {
            assert_eq!(rule(&with(labels), KeptWithOwnAlerts), None, "{labels}");
        }
        for labels in [r#"{}"#, r#"{"tenant":"{{ $labels.tenant }}"}"#, r#"{"severity":"veggie"}"#] {
            assert_eq!(rule(&with(labels), KeptWithOwnAlerts), Some(with(labels)), "{labels}");
        }
        for labels in ["", r#""labels":{},"labels":{},"#, r#""labels":{"tenant":"fruit"},"Labels":{},"#] {
            let text = format!(r#"{{{labels}"alerts":[{FRUIT}]}}"#);
            assert_eq!(rule(&text, KeptWithOwnAlerts), None, "{text}");
        }
    }

    #[test]
    fn what_holds_no_list_of_groups_of_rules_is_refused() {
        for data in [
            "",
            "{}",
            r#"{"other":[]}"#,
            "null",
            "[]",
            r#"{"groups":{}}"#,
            r#"{"groups":[1]}"#,
            r#"{"groups":[{"rules":{}}]}"#,
            r#"{"groups":[{"rules":["x"]}]}"#,
            r#"{"groups":[{"rules":[{"labels":null}]}]}"#,
            r#"{"groups":[{"rules":[{"labels":{"tenant":"fruit"},"alerts":{}}]}]}"#,
            r#"{"groups":[{"rules":[{"labels":{"tenant":"fruit"},"alerts":[[]]}]}]}"#,
            r#"{"groups":[{"rules":[{"labels":{"tenant":"fruit"},"alerts":[{"labels":[]}]}]}]}"#,
        ] {
            for others in [Dropped, KeptWithOwnAlerts] {
                assert_eq!(filtered(data, others), None, "{data}");
            }
        }
        for rule in [r#"{"labels":{},"alerts":{}}"#, r#"{"labels":{},"alerts":[{"labels":[]}]}"#] {
            let data = format!(r#"{{"groups":[{{"rules":[{rule}]}}]}}"#);
            assert_eq!(filtered(&data, KeptWithOwnAlerts), None, "{data}");
        }
    }
}
