//! Writes protobuf by hand, as a serialiser does: what Envoy would give the filter. Shares no line with the reader.

use prom_label_filter::value::Value;

/// An integer in base 128.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(digit);
            return bytes;
        }
        bytes.push(digit | 0x80);
    }
}

/// Field `number` with a text, bytes or a message in it.
pub(crate) fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let length = u64::try_from(content.len()).unwrap_or_default();
    [varint(number << 3 | 2), varint(length), content.to_vec()].concat()
}

/// `google.protobuf.Value`.
pub(crate) fn value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Number(number) => [vec![0x11], number.to_le_bytes().to_vec()].concat(),
        Value::String(text) => field(3, text.as_bytes()),
        Value::Bool(bit) => vec![0x20, u8::from(*bit)],
        Value::Object(entries) => field(5, &structure(entries)),
        Value::List(items) => field(6, &items.iter().flat_map(|item| field(1, &self::value(item))).collect::<Vec<_>>()),
    }
}

/// `google.protobuf.Struct`.
pub(crate) fn structure(entries: &[(String, Value)]) -> Vec<u8> {
    entries.iter().flat_map(|(key, content)| entry(key, &value(content))).collect()
}

/// One entry of a map in field 1.
pub(crate) fn entry(key: &str, content: &[u8]) -> Vec<u8> {
    field(1, &[field(1, key.as_bytes()), field(2, content)].concat())
}

/// `envoy.config.core.v3.Metadata`: namespaces, each with the object in it.
pub(crate) fn metadata(namespaces: &[(&str, &Value)]) -> Vec<u8> {
    let content = |value: &Value| match value {
        Value::Object(entries) => structure(entries),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => Vec::new(),
    };
    namespaces.iter().flat_map(|(name, value)| entry(name, &content(value))).collect()
}
