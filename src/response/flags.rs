//! `/api/v1/status/flags`: all but those that pages go by are taken out.

use super::json::{self, Edit};

/// How a Querier runs what it is asked: without them Thanos's page asks for an engine that is called `undefined`, and is refused.
// Thanos: pkg/ui/react-app/src/pages/graph/PanelList.tsx
const FOR_PAGES: &[&str] = &["query.default-step", "query.mode", "query.partial-response", "query.promql-engine"];

/// The flags of `data` that hold nobody's data, addresses or paths. `None` when `data` holds no flags.
pub(super) fn filter(data: &str) -> Option<Edit> {
    let mut kept = Vec::new();
    json::each_member(data, |name, value| {
        json::string(value)?;
        if FOR_PAGES.contains(&name) {
            kept.push(format!("\"{name}\":{value}"));
        }
        Some(())
    })?;
    Some(Edit::Replace(format!("{{{}}}", kept.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(data: &str) -> Option<String> {
        filter(data)?.apply(data)
    }

    #[test]
    fn only_flags_that_pages_go_by_stay() {
        let data = r#"{"endpoint":"10.0.0.1:10901","query.mode":"distributed","query.promql-engine": "thanos","Query.mode":"x",
            "query.default-step":"1s","query.partial-response":"true","query.mode.x":"x","selector.relabel-config":"tenant"}"#;
        let own = r#"{"query.mode":"distributed","query.promql-engine":"thanos","query.default-step":"1s","query.partial-response":"true"}"#;
        assert_eq!(filtered(data).as_deref(), Some(own));
        assert_eq!(filtered(r#"{"config.file":"/etc/prometheus.yml"}"#).as_deref(), Some("{}"));
        assert_eq!(filtered("{}").as_deref(), Some("{}"));
    }

    #[test]
    fn what_holds_no_flags_is_refused() {
        for data in [
            "",
            "null",
            "[]",
            "1",
            r#""query.mode""#,
            r#"{"query.mode":{"x":"veggie"}}"#,
            r#"{"x":null}"#,
            r#"{"x":"y""#,
        ] {
            assert_eq!(filtered(data), None, "{data}");
        }
    }
}
