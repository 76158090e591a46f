//! An object of JSON with every repeat of a name, as Go's reader finds its members.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Names and values, in order, values as they were written.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    /// The value of the only member that Go takes for `name`.
    pub(super) fn sole(&self, name: &str) -> Result<&str, String> {
        let mut found = self.0.iter().filter(|(each, _)| folded(each) == folded(name)).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(format!("no `{name}`")),
            (Some(_), Some(_)) => Err(format!("`{name}` more than once")),
        }
    }
}

// Go: encoding/json/fold.go; strings.EqualFold
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    all.push((name, value.get().to_owned()));
                }
                if all.is_empty() { Err(A::Error::custom("an empty object")) } else { Ok(Members(all)) }
            }
        }
        json.deserialize_map(All)
    }
}
