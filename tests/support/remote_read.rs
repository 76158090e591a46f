//! Prometheus's remote read protocol: a request as a client writes it, and as Prometheus reads it.
//!
//! The reader takes what Prometheus's takes and errs where that errs: field numbers lose their upper bits, integers their
//! overflow, and the last integer of a packed list may end behind the list.
// Prometheus: prompb/remote.pb.go and types.pb.go, Unmarshal

use super::protobuf::{field, varint};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub(crate) queries: Vec<Query>,
    pub(crate) accepted: Vec<i32>,
    /// Fields that are not known, as they were written.
    pub(crate) unknown: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) hints: Option<Hints>,
    pub(crate) unknown: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) kind: i32,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) unknown: Vec<u8>,
}

/// The types of a matcher.
pub(crate) const EQ: i32 = 0;
pub(crate) const NEQ: i32 = 1;
pub(crate) const RE: i32 = 2;
pub(crate) const NRE: i32 = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    pub(crate) step: i64,
    pub(crate) function: Vec<u8>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) grouping: Vec<Vec<u8>>,
    pub(crate) by: bool,
    pub(crate) range: i64,
    pub(crate) unknown: Vec<u8>,
}

impl Matcher {
    pub(crate) fn new(kind: i32, name: &str, value: &str) -> Self {
        Self { kind, name: name.into(), value: value.into(), unknown: Vec::new() }
    }

    /// The message, its fields in the order of their numbers, defaults left out.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [integer(1, i64::from(self.kind)), text(2, &self.name), text(3, &self.value), self.unknown.clone()].concat()
    }
}

impl Hints {
    fn bytes(&self) -> Vec<u8> {
        let grouping = self.grouping.iter().flat_map(|label| field(5, label)).collect();
        [
            integer(1, self.step),
            text(2, &self.function),
            integer(3, self.start),
            integer(4, self.end),
            grouping,
            integer(6, i64::from(self.by)),
            integer(7, self.range),
            self.unknown.clone(),
        ]
        .concat()
    }
}

impl Query {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let matchers = self.matchers.iter().flat_map(|matcher| field(3, &matcher.bytes())).collect();
        let hints = self.hints.as_ref().map(|hints| field(4, &hints.bytes())).unwrap_or_default();
        [integer(1, self.start), integer(2, self.end), matchers, hints, self.unknown.clone()].concat()
    }
}

impl ReadRequest {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let queries = self.queries.iter().flat_map(|query| field(1, &query.bytes())).collect();
        let accepted: Vec<u8> =
            self.accepted.iter().flat_map(|kind| varint(i64::from(*kind).cast_unsigned())).collect();
        [queries, text(2, &accepted), self.unknown.clone()].concat()
    }

    /// As Prometheus reads `bytes`; `None` where it refuses them.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut request = Self::default();
        request.unknown = message(bytes, |number, kind, input| {
            match (number, kind) {
                (1, 2) => request.queries.push(Query::read(input.bytes()?)?),
                (2, 0) => request.accepted.push(input.integer32()?),
                (2, 2) => {
                    let length = input.length()?;
                    let end = input.at + length;
                    if end > input.all.len() {
                        return None;
                    }
                    while input.at < end {
                        request.accepted.push(input.integer32()?);
                    }
                }
                (1 | 2, _) => return None,
                _ => return Some(false),
            }
            Some(true)
        })?;
        Some(request)
    }
}

impl Query {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut query = Self::default();
        query.unknown = message(bytes, |number, kind, input| {
            match (number, kind) {
                (1, 0) => query.start = input.varint()?.cast_signed(),
                (2, 0) => query.end = input.varint()?.cast_signed(),
                (3, 2) => query.matchers.push(Matcher::read(input.bytes()?)?),
                (4, 2) => query.hints.get_or_insert_default().read(input.bytes()?)?,
                (1..=4, _) => return None,
                _ => return Some(false),
            }
            Some(true)
        })?;
        Some(query)
    }
}

impl Matcher {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut matcher = Self::default();
        matcher.unknown = message(bytes, |number, kind, input| {
            match (number, kind) {
                (1, 0) => matcher.kind = input.integer32()?,
                (2, 2) => matcher.name = input.bytes()?.to_vec(),
                (3, 2) => matcher.value = input.bytes()?.to_vec(),
                (1..=3, _) => return None,
                _ => return Some(false),
            }
            Some(true)
        })?;
        Some(matcher)
    }
}

impl Hints {
    /// Reads `bytes` on top of what is there.
    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let unknown = message(bytes, |number, kind, input| {
            match (number, kind) {
                (1, 0) => self.step = input.varint()?.cast_signed(),
                (2, 2) => self.function = input.bytes()?.to_vec(),
                (3, 0) => self.start = input.varint()?.cast_signed(),
                (4, 0) => self.end = input.varint()?.cast_signed(),
                (5, 2) => self.grouping.push(input.bytes()?.to_vec()),
                (6, 0) => self.by = input.varint()? != 0,
                (7, 0) => self.range = input.varint()?.cast_signed(),
                (1..=7, _) => return None,
                _ => return Some(false),
            }
            Some(true)
        })?;
        self.unknown.extend(unknown);
        Some(())
    }
}

/// A series in an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// The place of the query that found it.
    pub(crate) query: usize,
    /// Names and values.
    pub(crate) labels: Vec<(String, String)>,
    /// Everything that was answered of it, as written.
    pub(crate) bytes: Vec<u8>,
}

impl Found {
    /// A `TimeSeries` or a `ChunkedSeries`: either has its labels in field 1.
    fn new(query: usize, bytes: &[u8]) -> Self {
        let label = |bytes: &[u8]| {
            let text = |number| messages(bytes, number).concat();
            let [name, value] = [text(1), text(2)].map(|text| String::from_utf8(text).expect("UTF-8"));
            (name, value)
        };
        Self { query, labels: messages(bytes, 1).into_iter().map(label).collect(), bytes: bytes.to_vec() }
    }
}

/// The series in a `ReadResponse`.
pub(crate) fn found(response: &[u8]) -> Vec<Found> {
    let results = messages(response, 1).into_iter().enumerate();
    results
        .flat_map(|(query, result)| messages(result, 1).into_iter().map(move |series| Found::new(query, series)))
        .collect()
}

/// The series in the frames of a stream of `ChunkedReadResponse`.
// Prometheus: storage/remote/chunked.go, the length, a checksum of 4 bytes, the message
pub(crate) fn found_in_stream(stream: &[u8]) -> Vec<Found> {
    let mut frames = Input { all: stream, at: 0 };
    let mut all = Vec::new();
    while frames.at < stream.len() {
        let length = frames.length().expect("a length");
        let frame = &stream[frames.at + 4..frames.at + 4 + length];
        frames.at += 4 + length;
        let mut query = 0;
        message(frame, |number, _, input| {
            if number == 2 {
                query = usize::try_from(input.varint()?).ok()?;
            }
            Some(number == 2)
        })
        .expect("a message");
        all.extend(messages(frame, 1).into_iter().map(|series| Found::new(query, series)));
    }
    all
}

/// What stands in each field `wanted`, which has a length.
fn messages(bytes: &[u8], wanted: i32) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut input = Input { all: bytes, at: 0 };
    while input.at < bytes.len() {
        let before = input.at;
        if input.varint() == Some(u64::try_from(wanted << 3 | 2).expect("a tag")) {
            all.push(input.bytes().expect("a message"));
        } else {
            input.at = before;
            input.skip().expect("a field");
        }
    }
    all
}

/// Gives each field's number and wire type to `take`, which says whether it knows it, and returns those that it does not.
fn message(bytes: &[u8], mut take: impl FnMut(i32, u8, &mut Input<'_>) -> Option<bool>) -> Option<Vec<u8>> {
    let mut input = Input { all: bytes, at: 0 };
    let mut unknown = Vec::new();
    while input.at < bytes.len() {
        let before = input.at;
        let tag = input.varint()?;
        let (number, kind) = (low_half(tag >> 3), u8::try_from(tag & 7).ok()?);
        if kind == 4 || number <= 0 {
            return None;
        }
        if !take(number, kind, &mut input)? {
            input.at = before;
            input.skip()?;
            unknown.extend(bytes.get(before..input.at)?);
        }
    }
    Some(unknown)
}

struct Input<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// Ten digits at most, whatever does not fit lost.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.all.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn integer32(&mut self) -> Option<i32> {
        self.varint().map(low_half)
    }

    fn length(&mut self) -> Option<usize> {
        // Beyond that it is an error in any case, and additions stay in range.
        self.varint().and_then(|length| u32::try_from(length).ok()).and_then(|length| usize::try_from(length).ok())
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        let bytes = self.all.get(self.at..self.at + length)?;
        self.at += length;
        Some(bytes)
    }

    /// One field, or a group with all that is in it.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.varint()? & 7 {
                0 => drop(self.varint()?),
                1 => self.at += 8,
                2 => drop(self.bytes()?),
                3 => depth += 1,
                4 => depth = depth.checked_sub(1)?,
                5 => self.at += 4,
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

fn low_half(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// Field `number` with an integer, unless it is 0.
fn integer(number: u64, value: i64) -> Vec<u8> {
    if value == 0 { Vec::new() } else { [varint(number << 3), varint(value.cast_unsigned())].concat() }
}

/// Field `number` with a text, unless it is empty.
fn text(number: u64, value: &[u8]) -> Vec<u8> {
    if value.is_empty() { Vec::new() } else { field(number, value) }
}
