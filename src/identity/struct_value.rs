//! Reads protobuf's `google.protobuf.Struct`, and Envoy's `Metadata`, which maps namespaces to such structs.
//!
//! Owns the wire format: no input makes it panic, recurse deeper than [`MAX_DEPTH`], or visit a byte more often than it
//! is nested. Whatever no serialiser writes is [`Malformed`] (overlong integers, groups, one field or two alternatives
//! given twice), because two readers could understand it differently. Unknown fields are skipped, as protobuf demands.
//! Of repeated keys in a map the last one counts, on every level. Must not know what the values mean.

use crate::value::Value;
use std::fmt;

/// Structs and lists inside each other; a value deeper than this is malformed.
pub const MAX_DEPTH: usize = 64;

/// The bytes are not what their protobuf type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a well-formed protobuf struct")
    }
}

impl std::error::Error for Malformed {}

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

/// The content of one field, by its wire type.
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Field<'a> {
    fn message(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32 => Err(Malformed),
        }
    }
}

/// The fields of one message that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        if !(1..1 << 29).contains(&number) {
            return Err(Malformed);
        }
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.bytes(8)?.try_into().map_err(|_| Malformed)?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Field::Bytes(self.bytes(length)?)
            }
            5 => {
                self.bytes(4)?;
                Field::Fixed32
            }
            // 3 and 4 are groups, which these messages never had; 6 and 7 do not exist.
            _ => return Err(Malformed),
        };
        Ok(Some((number, field)))
    }

    /// An integer in base 128, lowest digit first; the shortest writing alone.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64_u32).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            let digit = u64::from(byte & 0x7f);
            // The tenth digit has room for one bit.
            if shift == 63 && digit > 1 {
                return Err(Malformed);
            }
            value |= digit << shift;
            if byte < 0x80 {
                return if digit == 0 && shift > 0 { Err(Malformed) } else { Ok(value) };
            }
        }
        Err(Malformed)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
