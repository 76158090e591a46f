//! Remote reads: the body of `POST /api/v1/read`, with the tenant's matchers in every query.
//!
//! Owns the messages `ReadRequest`, `Query`, `LabelMatcher` and `ReadHints`, in a snappy block. The matchers are appended to
//! each query; everything else is kept byte for byte, unknown fields included. Readers of protobuf differ where no
//! serialiser leads them, and the one behind Prometheus reads on where a packed list ends: a message passes only if every
//! known field in it is as a serialiser writes it. Must not know whose request it is, nor how it came.
// Prometheus: prompb/remote.proto, prompb/types.proto; storage/remote/codec.go, DecodeReadRequest

use crate::promql::{Agreement, Asked, Conflict, MatchType, pattern_of};
use crate::protobuf::{Field, Fields, Malformed, push_bytes, push_head, push_varint};
use crate::scope::TenantScope;
use snap::raw::{Decoder, Encoder, decompress_len};
use std::borrow::Cow;
use std::fmt;

/// Limits of one remote read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of the request, decompressed: `limits.form_bytes`.
    pub request_bytes: usize,
    /// Queries in it: `limits.selectors`.
    pub queries: usize,
    /// Bytes of what is written for it, before they are compressed: `limits.output_bytes`.
    pub output_bytes: usize,
}

/// Why a remote read is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The body is not one snappy block and nothing else.
    NotSnappy,
    /// The request is over the limit when it is decompressed.
    TooLarge {
        /// [`ReadLimits::request_bytes`].
        limit: usize,
    },
    /// Two readers could understand it differently, or none at all.
    Malformed,
    /// There are more queries than the limit.
    TooManyQueries {
        /// [`ReadLimits::queries`].
        limit: usize,
    },
    /// With the tenant's matchers it is over the limit.
    OutputTooLarge {
        /// [`ReadLimits::output_bytes`].
        limit: usize,
    },
    /// A query cannot hold for anything that the tenant may read.
    Conflict(Conflict),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSnappy => f.write_str(
                "the remote read cannot be decompressed: it must be one snappy block, without the framing of snappy \
                 streams",
            ),
            Self::TooLarge { limit } => {
                write!(f, "the remote read is larger than {limit} bytes when decompressed (`limits.form_bytes`)")
            }
            Self::Malformed => f.write_str(
                "the remote read is not a `ReadRequest` as protobuf libraries write it: it was damaged, or written by \
                 hand",
            ),
            Self::TooManyQueries { limit } => {
                write!(f, "the remote read has more than {limit} queries (`limits.selectors`)")
            }
            Self::OutputTooLarge { limit } => write!(
                f,
                "the remote read is larger than {limit} bytes with the tenant's matchers in every query \
                 (`limits.output_bytes`)"
            ),
            Self::Conflict(conflict) => conflict.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<Conflict> for ReadError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<Malformed> for ReadError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The body of a remote read with the matchers of `scope` in every query. A request without queries reads nothing, and
/// passes; an empty body is not even a compressed request. Each query must agree with `agreement`, where there is one.
///
/// # Errors
/// When the body is not one request that every reader understands alike, or is larger than `limits`, or disagrees.
pub fn narrow(
    body: &[u8],
    scope: &TenantScope,
    agreement: Option<&Agreement>,
    limits: &ReadLimits,
) -> Result<Vec<u8>, ReadError> {
    // The block begins with the length of what is in it: the decoder takes that much memory, and no more.
    if decompress_len(body).map_err(|_| ReadError::NotSnappy)? > limits.request_bytes {
        return Err(ReadError::TooLarge { limit: limits.request_bytes });
    }
    let request = Decoder::new().decompress_vec(body).map_err(|_| ReadError::NotSnappy)?;
    // What is written is never shorter, and to compare it with the tenant's matchers takes time.
    if request.len() > limits.output_bytes {
        return Err(ReadError::OutputTooLarge { limit: limits.output_bytes });
    }
    let narrowed = narrow_request(&request, &matchers(scope), agreement, limits)?;
    let too_large = |_| ReadError::OutputTooLarge { limit: limits.output_bytes };
    Encoder::new().compress_vec(&narrowed).map_err(too_large)
}

/// The numbers of the fields that are written.
const QUERIES: u64 = 1;
const MATCHERS: u64 = 3;
const TYPE: u64 = 1;
const NAME: u64 = 2;
const VALUE: u64 = 3;

/// The type of a matcher whose value is a pattern.
const RE: u64 = 2;

/// The fields that each query gets. A single value is a pattern too: Prometheus takes a matcher that compares for one of its
/// external labels when it can, and looks for series without that label instead, which may be anybody's.
// Prometheus: storage/remote/read_handler.go, filterExtLabelsFromMatchers
fn matchers(scope: &TenantScope) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, scope) in scope.restrictions() {
        let Some(pattern) = pattern_of(scope) else { continue };
        let mut matcher = Vec::new();
        push_varint(&mut matcher, TYPE << 3);
        push_varint(&mut matcher, RE);
        push_bytes(&mut matcher, NAME, name.as_str().as_bytes());
        push_bytes(&mut matcher, VALUE, pattern.as_bytes());
        push_bytes(&mut fields, MATCHERS, &matcher);
    }
    fields
}

/// `ReadRequest`, written again with `matchers` at the end of each query.
fn narrow_request(
    request: &[u8],
    matchers: &[u8],
    agreement: Option<&Agreement>,
    limits: &ReadLimits,
) -> Result<Vec<u8>, ReadError> {
    let mut out = Vec::with_capacity(request.len().min(limits.output_bytes));
    let mut queries = 0_usize;
    let mut fields = Fields(request);
    loop {
        let before = fields.0;
        let Some((number, field)) = fields.next()? else { return Ok(out) };
        match (number, field) {
            (QUERIES, Field::Bytes(query)) => {
                queries = queries.saturating_add(1);
                if queries > limits.queries {
                    return Err(ReadError::TooManyQueries { limit: limits.queries });
                }
                check_query(query, agreement)?;
                push_head(&mut out, QUERIES, query.len().saturating_add(matchers.len()));
                push(&mut out, query, limits)?;
                push(&mut out, matchers, limits)?;
                continue;
            }
            (2, Field::Varint(kind)) => check_enum(kind)?,
            (2, Field::Bytes(kinds)) => check_enums(kinds)?,
            (1 | 2, _) => return Err(ReadError::Malformed),
            _ => {}
        }
        let length = before.len().saturating_sub(fields.0.len());
        push(&mut out, before.get(..length).ok_or(Malformed)?, limits)?;
    }
}

/// Writes `bytes` if there is room for them.
fn push(out: &mut Vec<u8>, bytes: &[u8], limits: &ReadLimits) -> Result<(), ReadError> {
    if out.len().saturating_add(bytes.len()) > limits.output_bytes {
        return Err(ReadError::OutputTooLarge { limit: limits.output_bytes });
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Of each integer in a packed list, that it ends in there.
// gogo/protobuf: plugin/unmarshal/unmarshal.go reads the last integer of a packed list beyond the list's end, and takes what
// follows for the next field
fn check_enums(packed: &[u8]) -> Result<(), Malformed> {
    let mut kinds = Fields(packed);
    while !kinds.0.is_empty() {
        check_enum(kinds.varint()?)?;
    }
    Ok(())
}

/// That an enumeration's value fits into the 32 bits that readers have for it.
fn check_enum(value: u64) -> Result<(), Malformed> {
    i32::try_from(value.cast_signed()).map(drop).map_err(|_| Malformed)
}

fn check_query(query: &[u8], agreement: Option<&Agreement>) -> Result<(), ReadError> {
    let mut asked = Vec::new();
    let mut once = Once::default();
    let mut fields = Fields(query);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1 | 2, Field::Varint(_)) => once.check(number)?,
            (MATCHERS, Field::Bytes(matcher)) => {
                let matcher = read_matcher(matcher)?;
                if agreement.is_some() {
                    asked.push(matcher);
                }
            }
            (4, Field::Bytes(hints)) => {
                once.check(number)?;
                check_hints(hints)?;
            }
            (1..=4, _) => return Err(ReadError::Malformed),
            _ => {}
        }
    }
    if let Some(agreement) = agreement {
        agreement.check(&asked)?;
    }
    Ok(())
}

/// A matcher; a serialiser leaves out what is 0 or empty.
fn read_matcher(matcher: &[u8]) -> Result<Asked<'_>, Malformed> {
    let mut read = Asked { name: Cow::default(), kind: MatchType::Equal, value: Cow::default() };
    let mut once = Once::default();
    let mut fields = Fields(matcher);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (TYPE, Field::Varint(kind)) => {
                once.check(number)?;
                read.kind = match kind {
                    0 => MatchType::Equal,
                    1 => MatchType::NotEqual,
                    RE => MatchType::Regex,
                    3 => MatchType::NotRegex,
                    _ => return Err(Malformed),
                };
            }
            (NAME | VALUE, Field::Bytes(text)) => {
                once.check(number)?;
                check_text(text)?;
                let part = if number == NAME { &mut read.name } else { &mut read.value };
                *part = Cow::Borrowed(text);
            }
            (1..=3, _) => return Err(Malformed),
            _ => {}
        }
    }
    Ok(read)
}

fn check_hints(hints: &[u8]) -> Result<(), Malformed> {
    let mut once = Once::default();
    let mut fields = Fields(hints);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1 | 3 | 4 | 7, Field::Varint(_)) | (6, Field::Varint(0 | 1)) => once.check(number)?,
            (2, Field::Bytes(function)) => {
                once.check(number)?;
                check_text(function)?;
            }
            (5, Field::Bytes(label)) => check_text(label)?,
            (1..=7, _) => return Err(Malformed),
            _ => {}
        }
    }
    Ok(())
}

fn check_text(bytes: &[u8]) -> Result<(), Malformed> {
    str::from_utf8(bytes).map(drop).map_err(|_| Malformed)
}

/// The fields of one message that came and may come once only: of two, one reader takes the last and another merges them.
#[derive(Default)]
struct Once(u64);

impl Once {
    fn check(&mut self, number: u64) -> Result<(), Malformed> {
        let bit = 1 << (number & 63);
        if self.0 & bit != 0 {
            return Err(Malformed);
        }
        self.0 |= bit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_may_come_once_comes_once() {
        let mut once = Once::default();
        for number in 1..=7 {
            assert_eq!(once.check(number), Ok(()));
        }
        for number in 1..=7 {
            assert_eq!(once.check(number), Err(Malformed));
        }
    }

    #[test]
    fn an_enumeration_has_32_bits() {
        for value in [0, 1, -1, i64::from(i32::MIN), i64::from(i32::MAX)] {
            assert_eq!(check_enum(value.cast_unsigned()), Ok(()), "{value}");
        }
        for value in [i64::from(i32::MIN) - 1, i64::from(i32::MAX) + 1, 1 << 32, i64::MIN, i64::MAX] {
            assert_eq!(check_enum(value.cast_unsigned()), Err(Malformed), "{value}");
        }
    }

    #[test]
    fn nothing_is_written_beyond_the_limit() {
        let limits = ReadLimits { request_bytes: 0, queries: 0, output_bytes: 3 };
        let mut out = vec![1];
        assert_eq!(push(&mut out, &[2, 3, 4], &limits), Err(ReadError::OutputTooLarge { limit: 3 }));
        assert_eq!(out, [1]);
        assert_eq!(push(&mut out, &[2, 3], &limits), Ok(()));
        assert_eq!(out, [1, 2, 3]);
    }
}
