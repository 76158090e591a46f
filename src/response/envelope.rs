//! The envelope of every answer of the API: `{"status": …, "data": …, "warnings": […], "error": …}`, edited in place.
// Prometheus: web/api/v1/api.go, Response

use super::{HIDDEN_ERROR, json};

/// What a client reads in place of warnings and infos, which name other tenants' stores.
const HIDDEN_WARNINGS: &str = r#"["the upstream reported warnings; they are not shown on this endpoint"]"#;

/// `text` with its `data` replaced by what `data` makes of it, and its warnings, infos and error by constant text.
/// Everything else stays as it is: unknown members, order, numbers, white space.
///
/// `None` when `text` is no such envelope, or `data` refuses it.
pub(super) fn edit(text: &str, data: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut edited = json::Edited::new(text);
    for (key, value) in json::members(text)? {
        // Go's decoder takes a member's name in any case, and the client may be written in Go.
        match key.to_ascii_lowercase().as_str() {
            "data" => edited.replace(value, &data(value)?)?,
            "warnings" | "infos" if !is_empty(value) => edited.replace(value, HIDDEN_WARNINGS)?,
            "error" => edited.replace(value, &format!("\"{HIDDEN_ERROR}\""))?,
            _ => {}
        }
    }
    edited.finish()
}

/// Whether there is nothing to hide: no list of warnings, or an empty one.
fn is_empty(value: &str) -> bool {
    value == "null" || json::elements(value).is_some_and(|elements| elements.is_empty())
}
