//! Which matchers of a request cannot agree with the tenant's, and which of them each proxy refuses with `-error-on-replace`.

use super::judge::{Place, own_matchers};
use super::named::Named;
use super::questions::Endpoint;
use super::way::{Tenant, Way};
use regex_lite::Regex;
use serde_json::Value;

/// Whether a request is refused for its matchers.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    pub(super) theirs: bool,
    pub(super) ours: bool,
    /// Why only one of them does.
    pub(super) named: Option<Named>,
}

impl Conflicts {
    pub(super) fn of<'t>(way: Way, endpoint: Endpoint, trees: impl Iterator<Item = &'t Value>) -> Self {
        if !way.is_strict() {
            return Self::default();
        }
        let tenant = way.tenant();
        let selectors: Vec<_> = trees.flat_map(own_matchers).collect();
        let theirs = endpoint.is_expression()
            && selectors.iter().any(|(place, asked)| {
                *place != Place::Parameter && asked.iter().any(|each| is_refused_there(each, tenant))
            });
        let conflicting: Vec<_> = selectors.iter().filter(|(_, asked)| is_never(asked, tenant)).collect();
        let named = if !endpoint.is_expression() {
            Named::StrictSelectors
        } else if theirs {
            Named::StrictPattern
        } else if conflicting.iter().all(|(place, _)| *place == Place::Parameter) {
            Named::AggregationParameter
        } else {
            Named::StrictTogether
        };
        Self { theirs, ours: !conflicting.is_empty(), named: Some(named) }
    }
}

/// Whether the matchers of a selector together hold for nothing of the tenant's. What a pattern matches is known where the
/// request names values.
fn is_never(asked: &[(String, String)], tenant: Tenant) -> bool {
    let holds_all = |value: &str| asked.iter().all(|each| holds(each, value));
    match tenant {
        Tenant::Values(values) => !values.iter().any(|value| holds_all(value)),
        Tenant::Pattern(pattern) => {
            let mut named = asked.iter().filter(|(kind, _)| kind == "=").map(|(_, value)| value);
            named.next().is_some_and(|value| !matches(pattern, value) || !holds_all(value))
        }
    }
}

/// Whether prom-label-proxy refuses a matcher: it looks at each by itself, and of a pattern it knows no values.
// prom-label-proxy: injectproxy/enforce.go, EnforceMatchers
fn is_refused_there(asked: &(String, String), tenant: Tenant) -> bool {
    match tenant {
        Tenant::Values(values) => !values.iter().any(|value| holds(asked, value)),
        Tenant::Pattern(pattern) => match asked.0.as_str() {
            "=" => !matches(pattern, &asked.1),
            "=~" => true,
            _ => !asked.1.is_empty(),
        },
    }
}

fn holds((kind, asked): &(String, String), value: &str) -> bool {
    match kind.as_str() {
        "=" => asked == value,
        "!=" => asked != value,
        "=~" => matches(asked, value),
        _ => !matches(asked, value),
    }
}

fn matches(pattern: &str, value: &str) -> bool {
    Regex::new(&format!("^(?s:{pattern})$")).expect("a pattern").is_match(value)
}
