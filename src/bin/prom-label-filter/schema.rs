//! `schema`: the JSON Schema of the configuration.

use super::input::InputError;
use super::{Format, Outcome, Report};

/// The same file that editors are pointed to.
const SCHEMA: &str = include_str!("../../../envoy/config.schema.json");

/// The schema is JSON in either format.
pub(crate) fn run(_: Format) -> Result<Report, InputError> {
    Ok(Report { text: SCHEMA.trim_end().to_owned(), outcome: Outcome::Success })
}
