//! A [`Value`] as YAML or JSON, its keys in their order.

use prom_label_filter::value::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value to write.
#[derive(Debug)]
pub(crate) struct Written<'v>(pub(crate) &'v Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            // A whole number is written as one: `200`, not `200.0`.
            Value::Number(number) => match format!("{number}").parse::<i64>() {
                Ok(whole) => serializer.serialize_i64(whole),
                Err(_) => serializer.serialize_f64(*number),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter().map(Written)),
            Value::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Written(value))?;
                }
                map.end()
            }
        }
    }
}
