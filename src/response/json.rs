//! JSON taken apart without being rebuilt: the members of an object and the elements of an array, as the text they are.

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The members of an object in order, repeats included. Keys are decoded, values are untouched text.
pub(super) fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(key) = map.next_key::<Key<'de>>()? {
                members.push((key.0, map.next_value::<&RawValue>()?.get()));
            }
            Ok(members)
        }
    }
    whole(text, |json| json.deserialize_map(Members))
}

/// The elements of an array in order, as untouched text.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    struct Elements;
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = seq.next_element::<&RawValue>()? {
                elements.push(element.get());
            }
            Ok(elements)
        }
    }
    whole(text, |json| json.deserialize_seq(Elements))
}

/// The text of a string; `None` for anything else.
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    whole(text, |json| json.deserialize_str(Text)).map(|key| key.0)
}

/// Reads `text` and nothing behind it.
fn whole<'a, T>(
    text: &'a str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'a>>) -> Result<T, serde_json::Error>,
) -> Option<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = read(&mut json).ok()?;
    json.end().ok()?;
    Some(value)
}

/// A string, borrowed where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(Text)
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

/// A text with some of its parts replaced. Parts are given in order, as slices of the text itself.
pub(super) struct Edited<'a> {
    text: &'a str,
    out: String,
    /// How far `text` has been copied.
    copied: usize,
}

impl<'a> Edited<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, out: String::with_capacity(text.len()), copied: 0 }
    }

    /// Puts `new` in the place of `part`; `None` when `part` is no later part of the text.
    pub(super) fn replace(&mut self, part: &str, new: &str) -> Option<()> {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        self.out.push_str(self.text.get(self.copied..start)?);
        self.out.push_str(new);
        self.copied = start.checked_add(part.len())?;
        Some(())
    }

    /// The text with everything replaced.
    pub(super) fn finish(mut self) -> Option<String> {
        self.out.push_str(self.text.get(self.copied..)?);
        Some(self.out)
    }
}
