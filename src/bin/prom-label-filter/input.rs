//! Files that people write, in YAML or JSON.
//!
//! Keeps every key as it was written, repeats included, so that the library can complain of them. Must not know what they mean.

use prom_label_filter::value::Value;
use serde::Deserialize;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Why there is nothing to work on.
#[derive(Debug)]
pub(crate) enum InputError {
    /// The file cannot be read.
    Unreadable { name: String, error: std::io::Error },
    /// It is neither YAML nor JSON.
    NeitherYamlNorJson { name: String, error: serde_norway::Error },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { name, error } => write!(f, "cannot read `{name}`: {error}"),
            Self::NeitherYamlNorJson { name, error } => write!(f, "`{name}` is neither YAML nor JSON: {error}"),
        }
    }
}

/// The text of the file at `path`; `-` is the standard input.
pub(crate) fn text(path: &Path) -> Result<String, InputError> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| InputError::Unreadable { name: path.display().to_string(), error })
}

/// The one document in the file at `path`. JSON is YAML as well.
pub(crate) fn document(path: &Path) -> Result<Value, InputError> {
    let text = text(path)?;
    if let Ok(value) = serde_json::from_str(&text) {
        return Ok(value);
    }
    serde_norway::from_str(&text).map_err(|error| neither(path, error))
}

/// All documents in the file at `path`, without those that hold nothing.
pub(crate) fn documents(path: &Path) -> Result<Vec<Value>, InputError> {
    let text = text(path)?;
    let mut all = match serde_json::from_str(&text) {
        Ok(one) => vec![one],
        Err(_) => {
            let all = serde_norway::Deserializer::from_str(&text).map(Value::deserialize);
            all.collect::<Result<_, _>>().map_err(|error| neither(path, error))?
        }
    };
    all.retain(|document| *document != Value::Null);
    Ok(all)
}

fn neither(path: &Path, error: serde_norway::Error) -> InputError {
    InputError::NeitherYamlNorJson { name: path.display().to_string(), error }
}
