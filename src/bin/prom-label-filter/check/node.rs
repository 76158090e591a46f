//! A place in a document: its value, and the path that leads to it.
//!
//! Must not know what stands there.

use prom_label_filter::value::Value;

/// A value with its path.
#[derive(Clone, Debug)]
pub(crate) struct Node<'v> {
    pub(crate) path: String,
    pub(crate) value: &'v Value,
}

impl<'v> Node<'v> {
    /// The value at the end of `path`; one that ends with `: ` leads into a document inside another.
    pub(crate) fn new(path: impl Into<String>, value: &'v Value) -> Self {
        Self { path: path.into(), value }
    }

    /// The value under `key`, which protobuf's JSON also writes in lower camel case; `null` is none.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let camel = camel_case(key);
        [key, camel.as_str()].into_iter().find_map(|written| self.entry(written))
    }

    /// The value under exactly `key`; `null` is none.
    pub(crate) fn entry(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| **value != Value::Null)?;
        Some(Self::new(self.below(key), value))
    }

    /// The value at the end of `keys`, which have dots between them.
    pub(crate) fn at(&self, keys: &str) -> Option<Self> {
        keys.split('.').try_fold(self.clone(), |node, key| node.get(key))
    }

    /// The items of the list under `key`; none when there is no list.
    pub(crate) fn items(&self, key: &str) -> Vec<Self> {
        self.get(key).map(|node| node.list()).unwrap_or_default()
    }

    /// The items of this list.
    fn list(&self) -> Vec<Self> {
        match self.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| Self::new(format!("{}[{index}]", self.path), item))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
        }
    }

    /// The entries of this object.
    pub(crate) fn entries(&self) -> Vec<(&'v str, Self)> {
        match self.value {
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.as_str(), Self::new(self.below(key), value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => Vec::new(),
        }
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Option<&'v str> {
        self.get(key)?.value.as_str()
    }

    /// Whether `key` is `true`.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| *node.value == Value::Bool(true))
    }

    /// Everything in here, this included, objects before what they hold.
    pub(crate) fn within(&self) -> Vec<Self> {
        let mut found = vec![self.clone()];
        // The input's nesting is limited where it is read.
        found.extend(self.entries().iter().flat_map(|(_, node)| node.within()));
        found.extend(self.list().iter().flat_map(Self::within));
        found
    }

    /// Whether a text in here is `text`, in any case.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.within().iter().any(|node| node.value.as_str().is_some_and(|found| found.eq_ignore_ascii_case(text)))
    }

    /// The path of what stands, or would stand, under `key`.
    pub(crate) fn below(&self, key: &str) -> String {
        let plain =
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@'));
        match (plain, self.path.is_empty() || self.path.ends_with(": ")) {
            (true, true) => format!("{}{key}", self.path),
            (true, false) => format!("{}.{key}", self.path),
            (false, _) => format!("{}[`{}`]", self.path, key.escape_debug()),
        }
    }
}

/// `http_filters` as `httpFilters`.
fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
