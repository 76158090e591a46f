//! What the operator wrote: reads settings out of a [`Value`] and notes every problem at its path.
//!
//! A setting is one line where it is read; the keys that are asked for are the keys that are known, so no second list can
//! differ. A setting with a problem gives its default: the problem alone ends the configuration.
//! Must not know what a setting means.

use super::error::{Problem, quoted};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One object of the configuration while it is read.
pub(super) struct Section<'v, 'p> {
    path: String,
    entries: &'v [(String, Value)],
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

/// Takes a text or says what is wrong with it.
pub(super) type Check<T> = fn(&str) -> Result<T, String>;

/// Up to where a number may go, and why not further.
pub(super) struct Most(pub(super) usize, pub(super) &'static str);

/// Reads the object `value` at `path`, then reports the keys that were not asked for.
pub(super) fn object<'v, T>(
    path: String,
    value: Option<&'v Value>,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Section<'v, '_>) -> T,
) -> T {
    let entries: &[_] = match value {
        Some(Value::Object(entries)) => entries,
        Some(other) => {
            problems.push(Problem::new(path.as_str(), wrong_type("an object", other)));
            &[]
        }
        None => &[],
    };
    let mut section = Section { path, entries, known: Vec::new(), problems };
    let result = read(&mut section);
    section.finish();
    result
}

impl<'v> Section<'v, '_> {
    /// Notes a problem of the whole section.
    pub(super) fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem::new(self.path.as_str(), message));
    }

    /// Notes a problem of one setting.
    pub(super) fn problem_at(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(below(&self.path, key), message));
    }

    /// Whether `key` is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    /// Whether `key` is not written, or is an object without entries.
    pub(super) fn lacks(&self, key: &str) -> bool {
        let empty = |value: &Value| matches!(value, Value::Object(entries) if entries.is_empty());
        self.entries.iter().rev().find(|(name, _)| name == key).is_none_or(|(_, value)| empty(value))
    }

    fn take(&mut self, key: &'static str) -> Option<&'v Value> {
        self.known.push(key);
        self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn wrong_type(&mut self, key: &str, expected: &str, found: &Value) {
        self.problem_at(key, wrong_type(expected, found));
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.wrong_type(key, "`true` or `false`", other);
                default
            }
            None => default,
        }
    }

    /// `false` or `true`, and what they stand for.
    pub(super) fn switch<T>(&mut self, key: &'static str, off: T, on: T) -> T {
        if self.flag(key, false) { on } else { off }
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&mut self, key: &'static str, default: usize, most: &Most) -> usize {
        self.count_from(1, key, default, most)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn count_from(&mut self, least: usize, key: &'static str, default: usize, most: &Most) -> usize {
        let Most(most, why) = most;
        match self.take(key) {
            Some(Value::Number(number)) => match whole(*number) {
                Some(count) if (least..=*most).contains(&count) => count,
                found => {
                    let found = found.map(|count| format!(", not `{count}`")).unwrap_or_default();
                    self.problem_at(key, format!("must be a whole number from {least} to {most}{found}: {why}"));
                    default
                }
            },
            Some(other) => {
                self.wrong_type(key, "a whole number", other);
                default
            }
            None => default,
        }
    }

    /// One of a few words, each with what it stands for.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let allowed = || words.iter().map(|(word, _)| quoted(word)).collect::<Vec<_>>().join(", ");
        match self.take(key) {
            Some(Value::String(text)) => {
                if let Some((_, meaning)) = words.iter().find(|(word, _)| word == text) {
                    return *meaning;
                }
                self.problem_at(key, format!("must be one of {}, not {}", allowed(), quoted(text)));
            }
            Some(other) => self.wrong_type(key, &format!("one of {}", allowed()), other),
            None => {}
        }
        default
    }

    /// A text that `check` takes; `None` when it is not written or wrong.
    pub(super) fn text<T>(&mut self, key: &'static str, check: Check<T>) -> Option<T> {
        let value = self.take(key)?;
        self.check(below(&self.path, key), value, "a string", check)
    }

    /// A text, or a list of texts that is not empty: always as a list.
    pub(super) fn segments<T>(&mut self, key: &'static str, check: Check<T>) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let path = below(&self.path, key);
        if let Value::List(items) = value {
            self.items(&path, items, AtLeast::One, check)
        } else {
            self.check(path, value, "a string or a list of strings", check).map(|one| vec![one])
        }
    }

    /// A list of texts that is not empty; `None` when it is not written or wrong.
    pub(super) fn texts<T>(&mut self, key: &'static str, check: Check<T>) -> Option<Vec<T>> {
        let value = self.take(key)?;
        self.list(&below(&self.path, key), value, AtLeast::One, check)
    }

    /// A list of texts that may be empty or not written, without repeats.
    pub(super) fn set<T: Ord>(&mut self, key: &'static str, check: Check<T>) -> BTreeSet<T> {
        let Some(value) = self.take(key) else { return BTreeSet::new() };
        let path = below(&self.path, key);
        let Some(items) = self.list(&path, value, AtLeast::Zero, check) else { return BTreeSet::new() };
        let mut set = BTreeSet::new();
        for (index, item) in items.into_iter().enumerate() {
            if !set.insert(item) {
                self.problems.push(Problem::new(format!("{path}[{index}]"), "is in the list already; remove it"));
            }
        }
        set
    }

    /// An object in which each key, never empty, has a list of texts that is not empty.
    pub(super) fn map<T>(&mut self, key: &'static str, check: Check<T>) -> BTreeMap<String, Vec<T>> {
        let mut map = BTreeMap::new();
        let Some(value) = self.take(key) else { return map };
        let path = below(&self.path, key);
        let Value::Object(entries) = value else {
            self.wrong_type(key, "an object", value);
            return map;
        };
        for name in repeated(entries) {
            self.problems.push(Problem::new(below(&path, name), TWICE));
        }
        for (name, value) in entries {
            let path = below(&path, name);
            if name.is_empty() {
                self.problems.push(Problem::new(path.as_str(), "the key must not be empty: no identity is empty"));
            }
            if let Some(items) = self.list(&path, value, AtLeast::One, check) {
                map.insert(name.clone(), items);
            }
        }
        map
    }

    /// An object in the object; where it is not written, one with all defaults.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'v, '_>) -> T) -> T {
        let value = self.take(key);
        object(below(&self.path, key), value, self.problems, read)
    }

    /// A list of objects; `None` when it is not written or no list.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(usize, &mut Section<'v, '_>) -> T,
    ) -> Option<Vec<T>> {
        let path = below(&self.path, key);
        let value = self.take(key)?;
        let Value::List(items) = value else {
            self.wrong_type(key, "a list of objects", value);
            return None;
        };
        let one = |(index, item)| {
            object(format!("{path}[{index}]"), Some(item), self.problems, |section| read(index, section))
        };
        Some(items.iter().enumerate().map(one).collect())
    }

    fn list<T>(&mut self, path: &str, value: &Value, least: AtLeast, check: Check<T>) -> Option<Vec<T>> {
        let Value::List(items) = value else {
            let hint = if value.as_str().is_some() { "; put it in brackets" } else { "" };
            self.problems.push(Problem::new(path, format!("{}{hint}", wrong_type("a list of strings", value))));
            return None;
        };
        self.items(path, items, least, check)
    }

    /// Every item is checked, even when an earlier one is wrong.
    fn items<T>(&mut self, path: &str, items: &[Value], least: AtLeast, check: Check<T>) -> Option<Vec<T>> {
        if items.is_empty() && least == AtLeast::One {
            self.problems.push(Problem::new(path, "must not be empty"));
            return None;
        }
        let checked: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.check(format!("{path}[{index}]"), item, "a string", check))
            .collect();
        checked.into_iter().collect()
    }

    fn check<T>(&mut self, path: String, value: &Value, expected: &str, check: Check<T>) -> Option<T> {
        let result = value.as_str().map_or_else(|| Err(wrong_type(expected, value)), check);
        result.map_err(|message| self.problems.push(Problem::new(path, message))).ok()
    }

    /// Reports keys that nobody asked for, and keys that are written twice.
    fn finish(mut self) {
        for name in repeated(self.entries) {
            self.problem_at(name, TWICE);
        }
        let mut unknown: Vec<&str> = Vec::new();
        for (name, _) in self.entries {
            if !self.known.contains(&name.as_str()) && !unknown.contains(&name.as_str()) {
                unknown.push(name);
                self.problem_at(name, unknown_setting(name, &self.known));
            }
        }
    }
}

/// What to do about a key that nobody asked for.
fn unknown_setting(name: &str, known: &[&str]) -> String {
    if MATCH_RULES.contains(&name) {
        return MATCH_RULES_REFUSED.to_owned();
    }
    match nearest(name, known) {
        Some(near) => format!("unknown setting; did you mean `{near}`?"),
        None => format!(
            "unknown setting; known here: {}",
            known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The keys in which Higress hands `matchRules` over, for the plugin to choose among configurations.
// Higress: pkg/ingress/config/ingress_config.go, convertIstioWasmPlugin
const MATCH_RULES: [&str; 4] = ["_rules_", "_match_route_", "_match_domain_", "_match_service_"];

const MATCH_RULES_REFUSED: &str = "comes from `matchRules`, which is refused: a request that no rule matches would be nobody's to \
    narrow; write one configuration, in `defaultConfig` alone, and let `labels` say where each request's tenant comes from";

/// How many items a list must have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtLeast {
    Zero,
    One,
}

const TWICE: &str = "is written more than once; keep one";

fn wrong_type(expected: &str, found: &Value) -> String {
    format!("must be {expected}, not {}", found.kind())
}

/// The whole number that `number` is, if it is one that can count anything.
fn whole(number: f64) -> Option<usize> {
    #[expect(clippy::as_conversions, reason = "it saturates, and the comparison finds everything that was lost")]
    let count = number as u32;
    // Bits are compared: -0 is no count either.
    (f64::from(count).to_bits() == number.to_bits()).then(|| usize::try_from(count).ok()).flatten()
}

/// Keys that occur more than once, each once, in order.
fn repeated(entries: &[(String, Value)]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    entries.iter().map(|(name, _)| name.as_str()).filter(|name| !seen.insert(*name)).collect()
}

/// The path of `key` in the object at `path`; a key that would blur the path stands in brackets, and so does one that is
/// too long for a log: there it is cut.
fn below(path: &str, key: &str) -> String {
    const LONGEST: usize = 80;
    let plain =
        (1..=LONGEST).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{}]", quoted(key)),
    }
}

/// The known key that `name` is probably meant to be: at most two slips away, and more alike than not.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let length = name.chars().count();
    known
        .iter()
        .map(|key| (slips(name, key), *key))
        .filter(|(slips, key)| *slips <= 2 && slips.saturating_mul(2) < length.min(key.len()))
        .min()
        .map(|(_, key)| key)
}

/// Levenshtein's distance.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // A key is at most some twenty letters: beyond a few more the answer is "far" anyway.
    for (index, letter) in a.chars().take(64).enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal.saturating_add(usize::from(letter != *other));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_never_ambiguous() {
        for (path, key, whole) in [
            ("", "labels", "labels"),
            ("jwt", "payload_key", "jwt.payload_key"),
            ("labels[0].values_map", "a.b", "labels[0].values_map[`a.b`]"),
            ("labels[0].values_map", "", "labels[0].values_map[``]"),
            ("", "a b\n", r"[`a b\n`]"),
        ] {
            assert_eq!(below(path, key), whole);
        }
    }

    #[test]
    fn a_path_is_not_too_long_for_a_log() {
        assert_eq!(below("limits", &"x".repeat(100_000)), format!("limits[`{}…`]", "x".repeat(80)));
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["header", "values", "values_map", "jwt_claim", "name", "ui"];
        for (name, near) in [
            ("heeder", Some("header")),
            ("jwtClaim", Some("jwt_claim")),
            ("jwt_claims", Some("jwt_claim")),
            ("value", Some("values")),
            ("values-map", Some("values_map")),
            ("nmae", None),
            ("nam", Some("name")),
            ("xy", None),
            ("", None),
            ("zzzzzzzz", None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
        assert_eq!(nearest(&"header".repeat(10_000), &known), None);
    }
}
