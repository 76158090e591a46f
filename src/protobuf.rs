//! The wire format of protobuf, read in one way only.
//!
//! Owns fields and integers. Whatever no serialiser writes is [`Malformed`]: integers longer than need be, groups, wire
//! types and field numbers that do not exist. Other readers take some of it, each in its own way. So what is read here has
//! one writing, and is all there. Must not know any message.

use std::fmt;

/// The bytes are not what their protobuf type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not well-formed protobuf")
    }
}

impl std::error::Error for Malformed {}

/// The content of one field, by its wire type.
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Field<'a> {
    /// What stands in a field that has a length.
    pub(crate) fn message(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32 => Err(Malformed),
        }
    }
}

/// The fields of one message that are still to be read.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The number and content of the next one.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
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
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
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

/// Writes an integer in base 128.
pub(crate) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Writes a field that has a length: a text or a message.
pub(crate) fn push_bytes(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    push_head(out, number, content.len());
    out.extend_from_slice(content);
}

/// Writes what stands before the content of a field that has a length.
pub(crate) fn push_head(out: &mut Vec<u8>, number: u64, length: usize) {
    push_varint(out, number << 3 | 2);
    // No memory has more bytes than 64 bits can count.
    push_varint(out, u64::try_from(length).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_read_as_it_was_written_and_in_no_other_way() {
        let around = |power: u32| [(1_u64 << power) - 1, 1 << power, (1 << power) + 1];
        for value in (0..64).flat_map(around).chain([u64::MAX]) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            assert_eq!(Fields(&bytes).varint(), Ok(value));
            let length = bytes.len();
            for cut in 0..length {
                assert_eq!(Fields(&bytes[..cut]).varint(), Err(Malformed), "{value} cut at {cut}");
            }
            bytes[length - 1] |= 0x80;
            bytes.push(0);
            assert_eq!(Fields(&bytes).varint(), Err(Malformed), "{value}, overlong");
        }
    }

    #[test]
    fn a_field_is_read_as_it_was_written() {
        for (number, length) in [(1, 0), (15, 127), (16, 128), ((1 << 29) - 1, 70_000)] {
            let (mut bytes, content) = (Vec::new(), vec![b'x'; length]);
            push_bytes(&mut bytes, number, &content);
            let mut fields = Fields(&bytes);
            assert!(
                matches!(fields.next(), Ok(Some((found, Field::Bytes(text)))) if found == number && text == content)
            );
            assert!(matches!(fields.next(), Ok(None)));
        }
    }
}
