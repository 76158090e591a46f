//! `/api/v1/targets`: targets that are not the tenant's are taken out.
// Prometheus: web/api/v1/api.go, TargetDiscovery. Thanos: pkg/targets/targetspb/rpc.proto, the same without counts

use super::json::{self, Edit};
use super::labels;
use crate::scope::TenantScope;

/// The active targets of `data` whose labels satisfy every label rule. Those that were dropped have not got their labels
/// and are nobody's, and their counts name everybody's jobs: none of them stays.
///
/// `None` when `data` holds no list of targets.
pub(super) fn filter(data: &str, scope: &TenantScope) -> Option<Edit> {
    let mut has_targets = false;
    let edit = json::edit_members(data, |name, value| match json::folded(name).as_str() {
        "activetargets" => {
            has_targets = true;
            json::edit_list(value, |target| labels::keep_tenants(target, "labels", scope))
        }
        "droppedtargets" => Some(Edit::Replace("[]".to_owned())),
        // `null` where dropped targets were not asked for.
        "droppedtargetcounts" if value != "null" => Some(Edit::Replace("{}".to_owned())),
        _ => Some(Edit::Keep),
    })?;
    has_targets.then_some(edit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::labels::tests::scope;

    fn filtered(data: &str) -> Option<String> {
        filter(data, &scope(&[("tenant", &["fruit"])]))?.apply(data)
    }

    #[test]
    fn active_targets_stay_by_their_labels_and_not_by_what_was_discovered() {
        let fruit = r#"{"discoveredLabels":{"tenant":"x"},"labels":{"tenant":"fruit"},"scrapePool":"a"}"#;
        let veggie = r#"{"discoveredLabels":{"tenant":"fruit"},"labels":{"tenant":"veggie"},"scrapePool":"b"}"#;
        let data = format!(r#"{{"activeTargets":[{veggie},{fruit}],"droppedTargets":[],"droppedTargetCounts":null}}"#);
        let own = format!(r#"{{"activeTargets":[{fruit}],"droppedTargets":[],"droppedTargetCounts":null}}"#);
        assert_eq!(filtered(&data), Some(own));
    }

    #[test]
    fn nothing_of_dropped_targets_stays() {
        let data = r#"{"activeTargets":[],"droppedTargets":[{"discoveredLabels":{"tenant":"fruit"}}],
            "dropped\u0054argets":{"x":1},"droppedTargetCounts":{"veggie":1},"DroppedTargetCountS": ["veggie"],"x":1e3}"#;
        let own = r#"{"activeTargets":[],"droppedTargets":[],
            "dropped\u0054argets":[],"droppedTargetCounts":{},"DroppedTargetCountS": {},"x":1e3}"#;
        assert_eq!(filtered(data).as_deref(), Some(own));
    }

    #[test]
    fn none_are_an_empty_list() {
        for targets in ["null", "[]", "[{}]", r#"[{"labels":{"tenant":"fruit"},"labels":{}}]"#] {
            let data = format!(r#"{{"activeTargets":{targets},"droppedTargets":null}}"#);
            assert_eq!(filtered(&data).as_deref(), Some(r#"{"activeTargets":[],"droppedTargets":[]}"#), "{data}");
        }
    }

    #[test]
    fn what_holds_no_list_of_targets_is_refused() {
        for data in [
            "",
            "{}",
            r#"{"other":[]}"#,
            "null",
            "[]",
            r#"{"activeTargets":{}}"#,
            r#"{"activeTargets":[[]]}"#,
            r#"{"activeTargets":[{"labels":[]}]}"#,
        ] {
            assert_eq!(filtered(data), None, "{data}");
        }
    }
}
