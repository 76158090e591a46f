//! The configuration: what the operator wrote, and what it means.
//!
//! ```text
//! bytes → Value → raw (settings and problems) → settings, rules, names → policy
//! ```
//! A configuration is taken as a whole or not at all: [`ConfigError`] holds every problem at once.

mod error;
mod names;
pub mod policy;
mod raw;
mod rules;
mod settings;

pub use error::{ConfigError, Problem};
pub use policy::Policy;

use crate::identity::struct_value::decode_struct;
use crate::value::Value;

/// Takes the configuration of the plugin as Envoy hands it over: JSON text (`google.protobuf.StringValue`) or a
/// serialised `google.protobuf.Struct`.
///
/// # Errors
/// All problems of the configuration, each with its path.
pub fn parse(bytes: &[u8]) -> Result<Policy, ConfigError> {
    read(bytes).map_err(|problem| ConfigError::new(vec![problem])).and_then(|value| policy(&value))
}

/// The same for a configuration that has been read already, from YAML for example.
///
/// # Errors
/// All problems of the configuration, each with its path.
pub fn policy(value: &Value) -> Result<Policy, ConfigError> {
    // A `null` is what some control planes send for "nothing configured".
    let root = if *value == Value::Null { None } else { Some(value) };
    let mut problems = Vec::new();
    let read = raw::object(String::new(), root, &mut problems, settings::policy);
    if problems.is_empty() { Ok(read) } else { Err(ConfigError::new(problems)) }
}

/// JSON text may begin as a struct does: a line feed is the tag of its first entry. But JSON text never holds the byte
/// 0x12, which in a text would have to be escaped, and a struct always does: it is the tag of an entry's value.
fn read(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    if bytes.contains(&0x12)
        && let Ok(value) = decode_struct(bytes)
    {
        return Ok(value);
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Problem::new("", format!("neither a protobuf struct nor text: not UTF-8 at byte {at}; write it as JSON"))
    })?;
    serde_json::from_str(text)
        .map_err(|error| Problem::new("", format!("not valid JSON: {error}; YAML must be converted")))
}

#[cfg(test)]
mod tests;
