//! What of an answer is beyond the integration tests' reader of trees.

pub use crate::oracle::{Listing, expected, folded, read, same};

use prom_label_filter::config::{self, policy::Policy};
use prom_label_filter::response::ResponsePlan;
use prom_label_filter::route::{Endpoint, Method};
use prom_label_filter::scope::TenantScope;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::LazyLock;

/// The members of an object, repeats included: names decoded, values as they are written. `None` when `text` is no object.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                members.push((name, value.get()));
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json.deserialize_map(Members).ok()?;
    json.end().ok()?;
    Some(members)
}

/// Whether `text` is JSON that [`read`] gives up on, while the filter does not for what it skips: a number beyond those
/// of a double, or arrays and objects too deep in each other.
pub fn is_beyond(text: &[u8]) -> bool {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    is_deep(text) || is_json && read(text).is_none()
}

fn is_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest > 120
}

/// What happens to the answer of this listing.
pub fn plan(listing: Listing, scope: &TenantScope) -> ResponsePlan {
    static POLICIES: LazyLock<[Policy; 2]> = LazyLock::new(|| {
        [false, true].map(|with_active_alerts| {
            let rule = r#"{"name":"tenant","values":["x"]}"#;
            let text = format!(r#"{{"labels":[{rule}],"rules_with_active_alerts":{with_active_alerts}}}"#);
            config::parse(text.as_bytes()).expect("a policy")
        })
    });
    let [plain, with_active_alerts] = &*POLICIES;
    let (policy, endpoint) = match listing {
        Listing::Exemplars => (plain, Endpoint::QueryExemplars),
        Listing::Rules { with_active_alerts: false } => (plain, Endpoint::Rules),
        Listing::Rules { with_active_alerts: true } => (with_active_alerts, Endpoint::Rules),
        Listing::Alerts => (plain, Endpoint::Alerts),
        Listing::Targets => (plain, Endpoint::Targets),
    };
    ResponsePlan::new(policy, endpoint, Method::Get, scope)
}
