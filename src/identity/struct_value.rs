//! Reads protobuf's `google.protobuf.Struct`, and Envoy's `Metadata`, which maps namespaces to such structs.
//!
//! No input makes it panic, recurse deeper than [`MAX_DEPTH`], or visit a byte more often than it is nested. Whatever no
//! serialiser writes is [`Malformed`] (here: one field or two alternatives given twice), because two readers could
//! understand it differently. Unknown fields are skipped, as protobuf demands. Of repeated keys in a map the last one
//! counts, on every level. Must not know what the values mean.

use crate::protobuf::{Field, Fields, Malformed};
use crate::value::Value;

/// Structs and lists inside each other; a value deeper than this is malformed.
pub const MAX_DEPTH: usize = 64;

/// The object that a serialised `google.protobuf.Struct` holds. Repeated keys stay: [`Value::get`] takes the last.
///
/// # Errors
/// When the bytes are not such a struct.
pub fn decode_struct(bytes: &[u8]) -> Result<Value, Malformed> {
    object(bytes, MAX_DEPTH)
}

/// The value under `namespace` and `path` in a serialised `envoy.config.core.v3.Metadata`; `None` when it is not there.
///
/// What is not on the way is skipped unread: only the value that is found is decoded. A list or a scalar has nothing
/// below it.
///
/// # Errors
/// When the bytes on the way or the value are malformed.
// Envoy: api/envoy/config/core/v3/base.proto (Metadata: 1 = filter_metadata, 2 = typed_filter_metadata)
pub fn find(metadata: &[u8], namespace: &str, path: &[&str]) -> Result<Option<Value>, Malformed> {
    let Some(mut fields) = lookup(metadata, namespace)? else { return Ok(None) };
    let Some((last, parents)) = path.split_last() else { return decode_struct(fields).map(Some) };
    for key in parents {
        match lookup(fields, key)?.map(kind).transpose()? {
            Some(Kind::Struct(inner)) => fields = inner,
            None | Some(Kind::Null | Kind::Number(_) | Kind::String(_) | Kind::Bool(_) | Kind::List(_)) => {
                return Ok(None);
            }
        }
    }
    lookup(fields, last)?.map(|bytes| value(bytes, MAX_DEPTH)).transpose()
}

/// The last value of `key` in a message whose field 1 is a map.
fn lookup<'a>(message: &'a [u8], key: &str) -> Result<Option<&'a [u8]>, Malformed> {
    let mut found = None;
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            let (name, value) = entry(field.message()?)?;
            if name == key.as_bytes() {
                found = Some(value);
            }
        }
    }
    Ok(found)
}

/// Key and value of one entry of a map; one that is left out is empty.
fn entry(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut key, mut value) = (None, None);
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        let before = match number {
            1 => key.replace(field.message()?),
            2 => value.replace(field.message()?),
            _ => None,
        };
        if before.is_some() {
            return Err(Malformed);
        }
    }
    Ok((key.unwrap_or_default(), value.unwrap_or_default()))
}

/// What one `google.protobuf.Value` is, its content unread.
enum Kind<'a> {
    Null,
    Number(f64),
    String(&'a [u8]),
    Bool(bool),
    Struct(&'a [u8]),
    List(&'a [u8]),
}

fn kind(bytes: &[u8]) -> Result<Kind<'_>, Malformed> {
    let mut kind = None;
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        let next = match (number, field) {
            (1, Field::Varint(_)) => Kind::Null,
            (2, Field::Fixed64(bits)) => Kind::Number(f64::from_le_bytes(bits)),
            (3, Field::Bytes(text)) => Kind::String(text),
            (4, Field::Varint(bit @ (0 | 1))) => Kind::Bool(bit == 1),
            (5, Field::Bytes(inner)) => Kind::Struct(inner),
            (6, Field::Bytes(inner)) => Kind::List(inner),
            (1..=6, _) => return Err(Malformed),
            (_, Field::Varint(_) | Field::Fixed64(_) | Field::Bytes(_) | Field::Fixed32) => continue,
        };
        if kind.replace(next).is_some() {
            return Err(Malformed);
        }
    }
    Ok(kind.unwrap_or(Kind::Null))
}

fn value(bytes: &[u8], depth: usize) -> Result<Value, Malformed> {
    Ok(match kind(bytes)? {
        Kind::Null => Value::Null,
        Kind::Number(number) => Value::Number(number),
        Kind::String(text) => Value::String(string(text)?),
        Kind::Bool(bit) => Value::Bool(bit),
        Kind::Struct(inner) => object(inner, depth)?,
        Kind::List(inner) => list(inner, depth)?,
    })
}

fn object(bytes: &[u8], depth: usize) -> Result<Value, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    let mut entries = Vec::new();
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            let (key, content) = entry(field.message()?)?;
            entries.push((string(key)?, value(content, depth)?));
        }
    }
    Ok(Value::Object(entries))
}

fn list(bytes: &[u8], depth: usize) -> Result<Value, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    let mut items = Vec::new();
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            items.push(value(field.message()?, depth)?);
        }
    }
    Ok(Value::List(items))
}

fn string(bytes: &[u8]) -> Result<String, Malformed> {
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests;
