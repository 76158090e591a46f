//! A file of policy tests as it is written.
//!
//! Owns its keys. Must not know how a test is run.

use crate::credentials::{Certificate, Said};
use crate::facts::AnswerPlan;
use crate::request::{Draft, Request, parameter};
use prom_label_filter::value::Value;
use serde::de::{Deserialize, Deserializer, Error};
use std::path::PathBuf;

/// A file of policy tests.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What is tested.
    pub(super) config: Config,
    pub(super) tests: Vec<Test>,
}

/// The filter's configuration.
#[derive(Debug)]
pub(super) enum Config {
    /// In a file, relative to the file of the tests.
    File(PathBuf),
    /// Here.
    Inline(Value),
}

/// Who asks what, and what must come of it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) name: String,
    #[serde(default)]
    pub(super) identity: Identity,
    pub(super) request: Asked,
    pub(super) expect: Expect,
}

/// Who asks.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    #[serde(default)]
    claims: Option<Object>,
    #[serde(default)]
    headers: Named,
    #[serde(default)]
    route_metadata: Option<Object>,
    #[serde(default)]
    virtual_host_metadata: Option<Object>,
    #[serde(default)]
    listener_metadata: Option<Object>,
    #[serde(default)]
    certificate: Option<Certificate>,
}

/// What is asked.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    method: Option<String>,
    #[serde(default = "query_path")]
    path: String,
    #[serde(default)]
    query: Query,
    #[serde(default)]
    form: Named,
    #[serde(default)]
    json: Option<String>,
    #[serde(default)]
    headers: Named,
}

/// What must come of it; all that is said must hold.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// The one `query` that the upstream gets.
    #[serde(default)]
    pub(super) query: Option<String>,
    /// All values of these parameters that the upstream gets; none for those that it must not get.
    #[serde(default)]
    pub(super) parameters: Named,
    /// All values of these headers that the upstream gets; none for those that it must not get.
    #[serde(default)]
    pub(super) headers: Named,
    /// What happens to the answer.
    #[serde(default)]
    pub(super) answer: Option<AnswerPlan>,
    /// The filter answers with this status.
    #[serde(default)]
    pub(super) answered: Option<Status>,
    /// Alertmanager is asked for the silence at this path first.
    #[serde(default)]
    pub(super) asks: Option<String>,
    #[serde(default)]
    pub(super) refused: Option<Refused>,
}

/// A status.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    pub(super) status: u32,
}

/// The request is refused.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub(super) status: u32,
    #[serde(default)]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) error_type: Option<String>,
    /// A part of the message.
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// Names, each with its texts, in the order written.
#[derive(Debug, Default)]
pub(super) struct Named(pub(super) Vec<(String, Vec<String>)>);

/// What stands behind the `?`.
#[derive(Debug, Default)]
struct Query(Named);

/// An object, as it was written.
#[derive(Debug)]
struct Object(Value);

fn query_path() -> String {
    "/api/v1/query".to_owned()
}

impl Test {
    /// The request and who asks.
    pub(super) fn request(&self) -> Result<(Request, Said), String> {
        let Asked { method, path, query, form, json, headers } = &self.request;
        if !form.0.is_empty() && method.as_ref().is_some_and(|method| method != "POST") {
            return Err("`form` needs the method POST; write `query` for parameters in the URL".to_owned());
        }
        let mut target = path.clone();
        for text in query.0.parameters() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&text);
        }
        let headers = [&self.identity.headers, headers].into_iter().flat_map(Named::pairs);
        let draft = Draft {
            method: method.clone(),
            target,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            data: form.parameters().collect(),
            in_url: false,
            json: json.clone(),
        };
        let object = |object: &Option<Object>| object.as_ref().map(|Object(value)| value.clone());
        let said = Said {
            claims: object(&self.identity.claims),
            route: object(&self.identity.route_metadata),
            virtual_host: object(&self.identity.virtual_host_metadata),
            listener: object(&self.identity.listener_metadata),
            certificate: self.identity.certificate.clone(),
        };
        draft.finish().map(|request| (request, said)).map_err(|error| error.to_string())
    }
}

impl Expect {
    /// Why it cannot be tried, if so.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let Self { query, parameters, headers, answer, answered, asks, refused } = self;
        let upstream = query.is_some() || !parameters.0.is_empty() || !headers.0.is_empty() || answer.is_some();
        let kinds = [upstream, answered.is_some(), asks.is_some(), refused.is_some()];
        match kinds.into_iter().filter(|given| *given).count() {
            0 => Some("nothing is expected, so the test cannot fail"),
            1 => None,
            _ => Some("`refused`, `answered`, `asks` and what the upstream gets cannot all be: keep one"),
        }
    }
}

impl Named {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value.as_str())))
    }

    fn parameters(&self) -> impl Iterator<Item = String> {
        self.pairs().map(|(name, value)| parameter(name, value))
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(path) => Ok(Self::File(path.into())),
            object @ Value::Object(_) => Ok(Self::Inline(object)),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_)) => {
                Err(D::Error::custom(format!("must be a file name or a configuration, not {}", other.kind())))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            object @ Value::Object(_) => Ok(Self(object)),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_)) => {
                Err(D::Error::custom(format!("must be an object, not {}", other.kind())))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = match Value::deserialize(deserializer)? {
            Value::String(text) => Named(vec![("query".to_owned(), vec![text])]),
            object @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_)) => {
                named::<D::Error>(object)?
            }
        };
        Ok(Self(named))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        named::<D::Error>(Value::deserialize(deserializer)?)
    }
}

fn named<E: Error>(value: Value) -> Result<Named, E> {
    match value {
        Value::Object(entries) => entries
            .into_iter()
            .map(|(name, value)| texts(&name, value).map(|texts| (name, texts)))
            .collect::<Result<_, _>>()
            .map(Named),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => {
            Err(E::custom(format!("must be an object of names and texts, not {}", value.kind())))
        }
    }
}

/// A text, or a list of texts; `null` is none.
fn texts<E: Error>(name: &str, value: Value) -> Result<Vec<String>, E> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(bit) => Ok(bit.to_string()),
        Value::Null | Value::List(_) | Value::Object(_) => {
            Err(E::custom(format!("`{name}` must be a text or a list of texts, not {}", value.kind())))
        }
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::List(items) => items.into_iter().map(text).collect(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Object(_) => text(value).map(|text| vec![text]),
    }
}
