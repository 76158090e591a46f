//! The envelope of every answer of the API: `{"status": …, "data": …, "warnings": […], "error": …}`, edited in place.
// Prometheus: web/api/v1/api.go, Response

use super::HIDDEN_ERROR;
use super::json::{self, Edit};
use std::cell::Cell;

/// What a client reads in place of warnings and infos, which name other tenants' stores.
pub(super) const HIDDEN_WARNINGS: &str = r#"["the upstream reported warnings; they are not shown on this endpoint"]"#;

/// What a client reads in place of an error.
pub(super) fn hidden_error() -> String {
    format!("\"{HIDDEN_ERROR}\"")
}

/// What a member of the envelope is to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Member {
    Data,
    /// Warnings or infos.
    Warnings,
    Error,
    #[default]
    Other,
}

impl Member {
    pub(super) fn named(name: &str) -> Self {
        match json::folded(name).as_str() {
            "data" => Self::Data,
            "warnings" | "infos" => Self::Warnings,
            "error" => Self::Error,
            _ => Self::Other,
        }
    }
}

/// `text` with its `data` as `data` edits it, and its warnings, infos and error replaced by constant text. Everything else
/// stays as it is: unknown members, order, numbers, white space.
///
/// `None` when `text` is no such envelope, or `data` refuses it.
pub(super) fn edit(text: &str, data: impl Fn(&str) -> Option<Edit>) -> Option<String> {
    let edit = json::edit_members(text, |name, value| match Member::named(name) {
        Member::Data => data(value),
        Member::Warnings => Some(hide(value)),
        Member::Error => Some(Edit::Replace(hidden_error())),
        Member::Other => Some(Edit::Keep),
    });
    edit?.apply(text)
}

/// The same for an answer of success: without `data` it is none that could be narrowed.
pub(super) fn edit_success(text: &str, data: impl Fn(&str) -> Option<Edit>) -> Option<String> {
    let has_data = Cell::new(false);
    let edited = edit(text, |value| {
        has_data.set(true);
        data(value)
    });
    edited.filter(|_| has_data.get())
}

/// What becomes of warnings: none are none still.
fn hide(warnings: &str) -> Edit {
    if warnings == "null" {
        Edit::Keep
    } else if warnings.strip_prefix('[').is_some_and(|rest| rest.trim_ascii_start() == "]") {
        // `[ ]` too: a reader that streams cannot keep white space until it knows what follows.
        Edit::Replace("[]".to_owned())
    } else {
        Edit::Replace(HIDDEN_WARNINGS.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_hidden_under_every_name_that_a_client_takes_for_theirs() {
        let hidden = HIDDEN_WARNINGS;
        for (text, passes) in [
            (r#"{"WARNINGS":["x"]}"#, format!(r#"{{"WARNINGS":{hidden}}}"#)),
            (r#"{"w\u0061rning\u017f":["x"]}"#, format!(r#"{{"w\u0061rning\u017f":{hidden}}}"#)),
            (r#"{"\u0130nfoſ":["x"]}"#, format!(r#"{{"\u0130nfoſ":{hidden}}}"#)),
            (r#"{"infos": "x" }"#, format!(r#"{{"infos": {hidden} }}"#)),
            (r#"{"infos":[[]]}"#, format!(r#"{{"infos":{hidden}}}"#)),
            (r#"{"Error":null}"#, format!(r#"{{"Error":"{HIDDEN_ERROR}"}}"#)),
            (r#"{"warnings":[ ],"infos":null}"#, r#"{"warnings":[],"infos":null}"#.to_owned()),
            (r#"{"warning":["x"],"x":{"error":"x"}}"#, r#"{"warning":["x"],"x":{"error":"x"}}"#.to_owned()),
        ] {
            assert_eq!(edit(text, |_| None), Some(passes), "{text}");
        }
    }
}
