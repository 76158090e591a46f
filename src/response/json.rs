//! JSON edited without being rebuilt: what is kept stays the text it is.
//!
//! Owns the walk over members and elements and the text between them. Nothing is collected on the way: an answer's many
//! small parts would cost more than the answer. Must not know what any of them means.

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What becomes of an element, or of a member. Edits nest: what an array becomes is what a member of its object becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// It stays, byte for byte.
    Keep,
    /// It goes, with its name and its comma.
    Drop,
    /// This text stands in the place of the element, or of the member's value.
    Replace(String),
}

impl Edit {
    /// What `text` becomes; `None` when it is dropped.
    pub(crate) fn apply(self, text: &str) -> Option<String> {
        match self {
            Self::Keep => Some(text.to_owned()),
            Self::Drop => None,
            Self::Replace(new) => Some(new),
        }
    }
}

/// What an object becomes when each member becomes what `edit` says of its name, decoded, and its value, as it is written:
/// [`Edit::Keep`] or [`Edit::Replace`]. `None` when `object` is none, or `edit` refuses.
pub(crate) fn edit_members<'a>(object: &'a str, mut edit: impl FnMut(&str, &'a str) -> Option<Edit>) -> Option<Edit> {
    let mut edited = Edited::new(object);
    each_member(object, |name, value| edited.part(value, edit(name, value)?))?;
    edited.finish()
}

/// The same for an array and its elements. One that is left without elements is `[]`.
pub(crate) fn edit_elements<'a>(array: &'a str, mut edit: impl FnMut(&'a str) -> Option<Edit>) -> Option<Edit> {
    let mut edited = Edited::new(array);
    each_element(array, |element| edited.part(element, edit(element)?))?;
    edited.finish()
}

/// The same for a list that Go has written, which is `null` where there is none: that becomes `[]`.
pub(super) fn edit_list<'a>(list: &'a str, edit: impl FnMut(&'a str) -> Option<Edit>) -> Option<Edit> {
    if list == "null" { Some(Edit::Replace("[]".to_owned())) } else { edit_elements(list, edit) }
}

/// Shows `visit` the members of an object in order, repeats included: names are decoded, values are untouched text.
/// `None` when `object` is none, or `visit` says so.
pub(crate) fn each_member<'a>(object: &'a str, mut visit: impl FnMut(&str, &'a str) -> Option<()>) -> Option<()> {
    whole(object, |json| json.deserialize_map(Members(&mut visit)))
}

/// Shows `visit` the elements of an array in order, as untouched text. `None` when `array` is none, or `visit` says so.
pub(crate) fn each_element<'a>(array: &'a str, mut visit: impl FnMut(&'a str) -> Option<()>) -> Option<()> {
    whole(array, |json| json.deserialize_seq(Elements(&mut visit)))
}

/// The value of the only member that is called `name`, in lower case, by a client: `Some(None)` when there is none, or
/// more than one. `None` when `object` is no object.
pub(crate) fn sole_member<'a>(object: &'a str, name: &str) -> Option<Option<&'a str>> {
    let mut found = None;
    each_member(object, |key, value| {
        if folded(key) == name {
            found = Some(if found.is_none() { Some(value) } else { None });
        }
        Some(())
    })?;
    Some(found.flatten())
}

/// The text of a string; `None` for anything else.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    whole(text, |json| json.deserialize_str(Text)).map(|text| text.0)
}

/// A member's name as clients compare it, in lower case: Go's decoder takes `Warnings` and `warningſ` for `warnings`. The
/// names of labels are no such names: they count as they are.
// Go: encoding/json, foldName, as strings.EqualFold. The two other letters that some language's change of case makes an `i`.
pub(super) fn folded(name: &str) -> String {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
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

// Without a type parameter: serde's code is compiled once for all visitors.
struct Members<'f, 'de>(&'f mut dyn FnMut(&str, &'de str) -> Option<()>);

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let value = map.next_value::<&RawValue>()?.get();
            (self.0)(&key.0, value).ok_or_else(|| A::Error::custom("refused"))?;
        }
        Ok(())
    }
}

struct Elements<'f, 'de>(&'f mut dyn FnMut(&'de str) -> Option<()>);

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<&RawValue>()? {
            (self.0)(element.get()).ok_or_else(|| A::Error::custom("refused"))?;
        }
        Ok(())
    }
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

/// Appends `text`; `None` where there is no memory left: the answer is refused then, and the VM lives.
fn push(out: &mut String, text: &str) -> Option<()> {
    out.try_reserve(text.len()).ok()?;
    out.push_str(text);
    Some(())
}

/// How much longer an edited text may become before it is copied once more.
const LONGER: usize = 1 << 10;

/// The text of an object or array while its parts are edited in order. It is copied when one of them changes, not before.
struct Edited<'a> {
    text: &'a str,
    out: String,
    /// How far `text` is copied or left out.
    copied: usize,
    /// Where the last part ends; before the first, where the text's bracket does.
    end: usize,
    /// Whether a part has stayed.
    has_parts: bool,
}

impl<'a> Edited<'a> {
    fn new(text: &'a str) -> Self {
        let end = text.find(['{', '[']).map_or(0, |bracket| bracket.saturating_add(1));
        Self { text, out: String::new(), copied: 0, end, has_parts: false }
    }

    /// Edits `part`, an element or a member's value; `None` when it is no later part of the text.
    fn part(&mut self, part: &str, edit: Edit) -> Option<()> {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        match edit {
            Edit::Keep => self.stays(start)?,
            Edit::Replace(new) => {
                self.stays(start)?;
                self.copy(start)?;
                push(&mut self.out, &new)?;
                self.copied = end;
            }
            // All that stands between the part before and the end of this one, which begins with a comma.
            Edit::Drop => {
                self.copy(self.end)?;
                self.copied = end;
            }
        }
        self.end = end;
        Some(())
    }

    /// Notes that the part at `start` stays. The first one loses the comma behind those that do not.
    fn stays(&mut self, start: usize) -> Option<()> {
        if !self.has_parts && self.copied > 0 {
            let comma = self.text.get(self.copied..start)?.find(',')?;
            self.copied = self.copied.checked_add(comma)?.checked_add(1)?;
        }
        self.has_parts = true;
        Some(())
    }

    fn copy(&mut self, end: usize) -> Option<()> {
        if self.out.is_empty() {
            // What is replaced may become longer, though not by much: the text must not double for it.
            self.out.try_reserve_exact(self.text.len().saturating_add(LONGER)).ok()?;
        }
        push(&mut self.out, self.text.get(self.copied..end)?)
    }

    /// What the text has become.
    fn finish(mut self) -> Option<Edit> {
        if self.copied == 0 {
            return Some(Edit::Keep);
        }
        let rest = self.text.get(self.copied..)?;
        push(&mut self.out, if self.has_parts { rest } else { rest.trim_ascii_start() })?;
        Some(Edit::Replace(self.out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `array` becomes without the elements whose bit is set.
    fn without(array: &str, dropped: u32) -> String {
        let mut bit = 1;
        let edit = edit_elements(array, |_| {
            let edit = if dropped & bit == 0 { Edit::Keep } else { Edit::Drop };
            bit <<= 1;
            Some(edit)
        });
        edit.and_then(|edit| edit.apply(array)).expect("an array")
    }

    #[test]
    fn what_is_kept_is_what_it_was() {
        for array in ["[]", " [ ] ", "[1e3,\t\"\\u0061,\"\n]\r", "[[1,2] , {\"a\":1}]"] {
            assert_eq!(edit_elements(array, |_| Some(Edit::Keep)), Some(Edit::Keep), "{array}");
        }
        for object in ["{}", "\n{ }", r#" {"a" :1e3, "\u0061":[ 1,2 ] , "a":"," } "#] {
            assert_eq!(edit_members(object, |_, _| Some(Edit::Keep)), Some(Edit::Keep), "{object}");
        }
    }

    #[test]
    fn a_part_goes_with_the_comma_before_it_and_the_first_ones_with_the_comma_behind() {
        let array = " [ 1 , 2\n,\t3 ] ";
        for (dropped, left) in [
            (0b000, " [ 1 , 2\n,\t3 ] "),
            (0b001, " [ 2\n,\t3 ] "),
            (0b010, " [ 1\n,\t3 ] "),
            (0b100, " [ 1 , 2 ] "),
            (0b011, " [\t3 ] "),
            (0b101, " [ 2 ] "),
            (0b110, " [ 1 ] "),
            (0b111, " [] "),
        ] {
            assert_eq!(without(array, dropped), left, "{dropped:03b}");
        }
    }

    #[test]
    fn whatever_goes_the_rest_is_left() {
        let elements = [r#"",[{""#, "[1, 2]", "{\"a,b\": [ ]}", "0.10", "null"];
        for (separator, margin) in [(",", ""), (" , ", " "), ("\n,", "\r\n\t")] {
            let array = format!("[{margin}{}{margin}]", elements.join(separator));
            for dropped in 0..1 << elements.len() {
                let kept = elements.iter().enumerate().filter(|(i, _)| dropped & (1 << i) == 0).map(|(_, e)| *e);
                let expected: serde_json::Value =
                    serde_json::from_str(&format!("[{}]", kept.collect::<Vec<_>>().join(","))).expect("JSON");
                let left = without(&array, dropped);
                assert_eq!(serde_json::from_str::<serde_json::Value>(&left).expect(&left), expected, "{array}: {left}");
            }
        }
    }

    #[test]
    fn a_member_goes_with_its_name() {
        let object = r#"{"next":"x", "a":1,"ne\u0078t" : [2] , "b":{"next":3} ,"Next":4 }"#;
        let edit = edit_members(object, |name, _| Some(if folded(name) == "next" { Edit::Drop } else { Edit::Keep }));
        assert_eq!(edit, Some(Edit::Replace(r#"{ "a":1 , "b":{"next":3} }"#.to_owned())));
        assert_eq!(edit_members(" { \"a\": 1 } ", |_, _| Some(Edit::Drop)), Some(Edit::Replace(" {} ".to_owned())));
    }

    #[test]
    fn a_list_that_is_null_becomes_an_empty_one() {
        assert_eq!(edit_list("null", |_| None), Some(Edit::Replace("[]".to_owned())));
        let edit = edit_list("[1,2]", |one| Some(if one == "1" { Edit::Drop } else { Edit::Keep }));
        assert_eq!(edit, Some(Edit::Replace("[2]".to_owned())));
        assert_eq!(edit_list("nul", |_| Some(Edit::Keep)), None);
    }

    #[test]
    fn parts_are_replaced_and_dropped_side_by_side_and_in_each_other() {
        let text = r#"{ "x": 1, "groups": [ {"name":"a","rules":[1, 2]} , {"rules": [2],"name":"b"}, {"rules":[3]}], "y": 2 }"#;
        let rule = |rule| Some(if rule == "2" { Edit::Drop } else { Edit::Keep });
        let group = |group| {
            edit_members(group, |name, value| match name {
                "rules" => edit_elements(value, rule),
                "name" => Some(Edit::Replace(value.to_uppercase())),
                _ => None,
            })
        };
        let edit = edit_members(text, |name, value| match name {
            "groups" => edit_elements(value, group),
            "x" => Some(Edit::Drop),
            _ => Some(Edit::Keep),
        });
        let expected = r#"{ "groups": [ {"name":"A","rules":[1]} , {"rules": [],"name":"B"}, {"rules":[3]}], "y": 2 }"#;
        assert_eq!(edit.and_then(|edit| edit.apply(text)).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_not_wholly_json_or_refused_comes_to_nothing() {
        for text in ["", "1", "null", "\"[]\"", "[1", "[1,]", "[1 2]", "[1] x", "[}", "{}", "[\"\n\"]", "\u{feff}[]"] {
            assert_eq!(edit_elements(text, |_| Some(Edit::Drop)), None, "{text}");
        }
        for text in ["", "[]", "{", "{\"a\"}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "{\"a\":1}}", "{\"a\":tru}"]
        {
            assert_eq!(edit_members(text, |_, _| Some(Edit::Drop)), None, "{text}");
        }
        assert_eq!(edit_elements("[1,2]", |element| (element != "2").then_some(Edit::Keep)), None);
        assert_eq!(edit_members("{\"a\":1}", |_, _| None), None);
        assert_eq!(Edit::Drop.apply("x"), None);
    }

    #[test]
    fn a_member_that_is_there_twice_for_some_client_is_not_there() {
        for (object, found) in [
            (r#"{"x":1,"labels":{"a":"b"}}"#, Some(r#"{"a":"b"}"#)),
            (r#"{"L\u0061bels":2}"#, Some("2")),
            (r#"{"x":{"labels":1}}"#, None),
            (r#"{"labels":1,"labels":1}"#, None),
            (r#"{"labels":1,"LABELS":2,"labels":3}"#, None),
            (r#"{"labelſ":1,"labels":1}"#, None),
        ] {
            assert_eq!(sole_member(object, "labels"), Some(found), "{object}");
        }
        assert_eq!(sole_member("[]", "labels"), None);
    }

    #[test]
    fn names_are_compared_as_the_most_lenient_client_does() {
        assert_eq!(folded("WarnIngS"), "warnings");
        assert_eq!(folded("warning\u{17f} \u{212a} \u{130}\u{131}"), "warnings k ii");
        assert_eq!(folded("é\u{e9}Ä"), "éé\u{c4}");
    }
}
