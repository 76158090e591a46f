//! Answers that are not filtered, with `warnings: scrub`: their warnings and errors become constant text while they stream,
//! as [`envelope`] does it with whole ones.
//!
//! Owns the walk over one envelope, or one a line, in chunks of any size. Holds back a name at most, never a value. Must
//! not know which answers it is given, and must not be given what is no JSON or compressed: of that nothing passes.

use super::envelope::{self, HIDDEN_WARNINGS, Member};
use super::json;
use std::borrow::Cow;

/// How long a member's name may be, as it is written: ours take 50 bytes at most, when each letter of `warnings` is an
/// escape. A longer one is cut, for what passes unread may be one of ours to a client that skips what is no text.
const NAME_BYTES: usize = 256;

/// How many arrays and objects may stand in each other.
// Go: encoding/json, maxNestingDepth
const NESTING: usize = 10_000;

/// Edits an answer chunk by chunk: the values of `warnings`, `infos` and `error` in the envelope are replaced, all else
/// passes byte for byte.
///
/// Where the answer stops being JSON it is cut. Inside of `data` less is asked than JSON asks: that strings and brackets end
/// where every reader sees them end, so that nobody finds a warning in what passed as data.
#[derive(Debug, Default)]
pub struct Scrubber {
    place: Place,
    /// What the last name has said about the value behind it.
    member: Member,
    /// The name that is being read, with its quotes.
    name: Vec<u8>,
    /// What is to come of `null`.
    null: &'static [u8],
    /// The brackets that are still to come, the envelope's own not among them.
    open: Vec<u8>,
    /// Whether what is being read does not pass.
    is_hiding: bool,
}

/// Where in the text the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// Outside of an envelope.
    #[default]
    Outside,
    /// Behind the bracket of an envelope.
    Opened,
    /// Behind a comma in an envelope.
    BeforeName,
    Name,
    /// Behind a backslash in a name.
    NameEscape,
    BehindName,
    BeforeValue,
    /// Behind the bracket of warnings, which may be none.
    Warnings,
    /// In warnings that are `null`.
    Null,
    /// In a number, `true`, `false` or `null`.
    Scalar,
    /// In an array or object, but in no string.
    Nested,
    String,
    /// Behind a backslash in a string.
    StringEscape,
    BehindValue,
    /// Behind what is no JSON.
    Cut,
}

impl Scrubber {
    /// What goes on of `chunk`, and of the name that was held back before it. Borrowed is the chunk itself and all of it.
    ///
    /// Nothing is left at the end of an answer: a name without its end does not go on.
    pub fn push<'c>(&mut self, chunk: &'c [u8]) -> Cow<'c, [u8]> {
        let mut out = Output { chunk, from: (!self.is_hiding).then_some(0), text: Vec::new() };
        let mut at = 0_usize;
        while let Some(run) = chunk.get(at..).and_then(|rest| self.run(rest)) {
            at = at.saturating_add(run);
            let Some(&byte) = chunk.get(at) else { break };
            self.place = self.step(byte, at, &mut out);
            at = at.saturating_add(1);
        }
        self.is_hiding = out.from.is_none();
        out.finish()
    }

    /// Whether the answer was no JSON, and has been cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.place, Place::Cut)
    }

    /// How many bytes of `rest` say nothing: nearly all of an answer is `data`. `None` when all of them do.
    fn run(&self, rest: &[u8]) -> Option<usize> {
        match self.place {
            Place::Nested => rest.iter().position(|byte| !is_plain(*byte)),
            Place::String => rest.iter().position(|byte| matches!(*byte, b'"' | b'\\' | 0..=0x1f)),
            Place::Cut => None,
            Place::Outside
            | Place::Opened
            | Place::BeforeName
            | Place::Name
            | Place::NameEscape
            | Place::BehindName
            | Place::BeforeValue
            | Place::Warnings
            | Place::Null
            | Place::Scalar
            | Place::StringEscape
            | Place::BehindValue => Some(0),
        }
    }

    /// Where the byte behind `byte` stands.
    fn step(&mut self, byte: u8, at: usize, out: &mut Output<'_>) -> Place {
        match (self.place, byte) {
            (
                place @ (Place::Outside
                | Place::Opened
                | Place::BeforeName
                | Place::BehindName
                | Place::BeforeValue
                | Place::Warnings
                | Place::BehindValue),
                b' ' | b'\t' | b'\r' | b'\n',
            ) => place,
            (Place::Outside, b'{') => Place::Opened,
            (Place::Opened | Place::BeforeName, b'"') => {
                out.hold(at);
                self.name.clear();
                self.name.push(byte);
                Place::Name
            }
            (Place::Name, b'"') => self.named(at, out),
            (Place::Name | Place::NameEscape, _) if self.name.len() < NAME_BYTES => {
                self.name.push(byte);
                if matches!((self.place, byte), (Place::Name, b'\\')) { Place::NameEscape } else { Place::Name }
            }
            (Place::BehindName, b':') => Place::BeforeValue,
            (Place::BeforeValue, _) => self.value(byte, at, out),
            (Place::Warnings, b']') => {
                out.put(b"[]");
                self.ended(at, out)
            }
            (Place::Warnings, _) => {
                out.put(HIDDEN_WARNINGS.as_bytes());
                self.open.push(b']');
                self.nested(byte, at, out)
            }
            (Place::Null, _) if self.null.split_off_first() == Some(&byte) => {
                if !self.null.is_empty() {
                    return Place::Null;
                }
                out.put(b"null");
                self.ended(at, out)
            }
            (Place::Scalar, _) if is_scalar(byte) => Place::Scalar,
            (Place::Scalar | Place::BehindValue, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => {
                out.resume(at);
                match byte {
                    b',' => Place::BeforeName,
                    b'}' => Place::Outside,
                    _ => Place::BehindValue,
                }
            }
            (Place::Opened, b'}') => Place::Outside,
            (Place::String, b'"') => self.ended(at, out),
            (Place::String, b'\\') => Place::StringEscape,
            (Place::String | Place::StringEscape, 0x20..) => Place::String,
            (Place::Nested, _) => self.nested(byte, at, out),
            // A line's end in a string, among others: who reads line by line begins anew behind it.
            _ => cut(at, out),
        }
    }

    /// Behind a name whose last quote is at `at`.
    fn named(&mut self, at: usize, out: &mut Output<'_>) -> Place {
        self.name.push(b'"');
        let Some(name) = std::str::from_utf8(&self.name).ok().and_then(json::string) else { return cut(at, out) };
        self.member = Member::named(&name);
        out.put(&self.name);
        out.resume(at.saturating_add(1));
        Place::BehindName
    }

    /// Behind the first byte of a member's value.
    fn value(&mut self, byte: u8, at: usize, out: &mut Output<'_>) -> Place {
        match (self.member, byte) {
            (Member::Data | Member::Other, _) => {}
            (Member::Warnings, b'[') => {
                out.hold(at);
                return Place::Warnings;
            }
            (Member::Warnings, b'n') => {
                out.hold(at);
                self.null = b"ull";
                return Place::Null;
            }
            (Member::Warnings, _) => {
                out.hold(at);
                out.put(HIDDEN_WARNINGS.as_bytes());
            }
            (Member::Error, _) => {
                out.hold(at);
                out.put(envelope::hidden_error().as_bytes());
            }
        }
        match byte {
            b'"' | b'[' | b'{' => self.nested(byte, at, out),
            _ if is_scalar(byte) => Place::Scalar,
            _ => cut(at, out),
        }
    }

    /// Behind a byte in an array or object, or the first of one, or of a string.
    fn nested(&mut self, byte: u8, at: usize, out: &mut Output<'_>) -> Place {
        match byte {
            b'"' => Place::String,
            b'[' | b'{' if self.open.len() < NESTING => {
                self.open.push(if byte == b'[' { b']' } else { b'}' });
                Place::Nested
            }
            b']' | b'}' if self.open.pop() == Some(byte) => self.ended(at, out),
            _ if is_plain(byte) => Place::Nested,
            // A comment, say: who reads one sees other strings than we do.
            _ => cut(at, out),
        }
    }

    /// Behind a string, array or object that ends at `at`.
    fn ended(&self, at: usize, out: &mut Output<'_>) -> Place {
        if !self.open.is_empty() {
            return Place::Nested;
        }
        out.resume(at.saturating_add(1));
        Place::BehindValue
    }
}

/// From `at` on nothing passes.
fn cut(at: usize, out: &mut Output<'_>) -> Place {
    out.hold(at);
    Place::Cut
}

/// What can stand in an array or object outside of strings, but for quotes and brackets.
fn is_plain(byte: u8) -> bool {
    is_scalar(byte) || matches!(byte, b',' | b':' | b' ' | b'\t' | b'\r' | b'\n')
}

/// What can stand in a number, `true`, `false` or `null`.
fn is_scalar(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' | b'a' | b'e' | b'f' | b'l' | b'n' | b'r' | b's' | b't' | b'u'
    )
}

/// What passes of a chunk.
struct Output<'c> {
    chunk: &'c [u8],
    /// Where the part of the chunk begins that passes and is not in `text` yet; `None` while nothing passes.
    from: Option<usize>,
    text: Vec<u8>,
}

impl<'c> Output<'c> {
    /// Nothing passes from `at` on.
    fn hold(&mut self, at: usize) {
        if let Some(part) = self.from.take().and_then(|from| self.chunk.get(from..at)) {
            self.text.extend_from_slice(part);
        }
    }

    /// What follows from `at` on passes.
    fn resume(&mut self, at: usize) {
        self.from.get_or_insert(at);
    }

    /// Writes what is not the chunk's.
    fn put(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    fn finish(mut self) -> Cow<'c, [u8]> {
        if self.from == Some(0) {
            return Cow::Borrowed(self.chunk);
        }
        self.hold(self.chunk.len());
        Cow::Owned(self.text)
    }
}

#[cfg(test)]
mod tests;
