//! A request that somebody has written down, as the bytes that a client would send.
//!
//! Owns where parameters go and which headers go with them: `curl`'s ways. Must not know which requests are served.

use prom_label_filter::form::FormWriter;
use prom_label_filter::request::{Body, Headers, RequestHead};
use std::fmt;

/// What is asked, before it is bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// The method; without one, POST where a body follows, else GET.
    pub(crate) method: Option<String>,
    /// The path, with or without a query.
    pub(crate) target: String,
    /// Headers as they are sent, names in any case.
    pub(crate) headers: Vec<(String, String)>,
    /// Parameters as they are written in a form, each a piece of it.
    pub(crate) data: Vec<String>,
    /// Whether parameters stand in the URL, whatever the method.
    pub(crate) in_url: bool,
    /// A body of JSON.
    pub(crate) json: Option<String>,
}

/// A whole request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) headers: Headers,
    pub(crate) body: Option<String>,
}

/// Why no client could send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// The target does not begin with a slash.
    Target { text: String },
    /// The method is no token.
    Method { text: String },
    /// A header without a name and a colon, or with bytes that no header has. Its value may be a secret.
    Header { name: Option<String> },
    /// Two bodies.
    TwoBodies,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target { text } => {
                write!(f, "`{text}` is no request: write `GET /api/v1/…`, `/api/v1/…` or a whole URL")
            }
            Self::Method { text } => write!(f, "`{text}` is no method"),
            Self::Header { name: Some(name) } => {
                write!(f, "the header `{name}` cannot be sent: its name or value is not one")
            }
            Self::Header { name: None } => f.write_str("a header is written as `Name: value`"),
            Self::TwoBodies => f.write_str("a request has one body: a form or JSON"),
        }
    }
}

impl Request {
    /// Its head.
    pub(crate) fn head(&self) -> Option<RequestHead<'_>> {
        RequestHead::new(&self.headers, if self.body.is_some() { Body::Announced } else { Body::None })
    }
}

impl Draft {
    /// The request.
    pub(crate) fn finish(self) -> Result<Request, Unsendable> {
        let has_form = !self.data.is_empty();
        if has_form && self.json.is_some() {
            return Err(Unsendable::TwoBodies);
        }
        let method = self.method.unwrap_or_else(|| {
            let post = self.json.is_some() || has_form && !self.in_url;
            if post { "POST" } else { "GET" }.to_owned()
        });
        if !is_token(&method) {
            return Err(Unsendable::Method { text: method });
        }
        let mut target = target(&self.target)?;
        let data = self.data.join("&");
        let mut body = self.json.map(|json| (json, "application/json"));
        if has_form && (self.in_url || method != "POST") {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&sendable(&data));
        } else if has_form {
            body = Some((data, "application/x-www-form-urlencoded"));
        }
        let mut pairs = vec![(":method".to_owned(), method), (":path".to_owned(), target)];
        for (name, value) in self.headers {
            pairs.push(header(&name, &value)?);
        }
        let body = body.map(|(body, content_type)| {
            for (name, value) in [("content-type", content_type.to_owned()), ("content-length", body.len().to_string())]
            {
                if !pairs.iter().any(|(known, _)| known == name) {
                    pairs.push((name.to_owned(), value));
                }
            }
            body
        });
        let bytes = |(name, value): (String, String)| (name.into_bytes(), value.into_bytes());
        Ok(Request { headers: Headers::new(pairs.into_iter().map(bytes).collect()), body })
    }
}

/// Method and target of a line such as `GET /api/v1/query?query=up HTTP/1.1`; the method may be missing, and so may the
/// version.
pub(crate) fn line(text: &str) -> (Option<String>, String) {
    let text = text.trim();
    let text = match text.rsplit_once(' ') {
        Some((front, version)) if version.starts_with("HTTP/") => front.trim_end(),
        Some(_) | None => text,
    };
    match text.split_once(' ') {
        Some((method, target)) if is_token(method) => (Some(method.to_owned()), target.trim_start().to_owned()),
        Some(_) | None => (None, text.to_owned()),
    }
}

/// `name=value`, encoded.
pub(crate) fn parameter(name: &str, value: &str) -> String {
    let mut form = FormWriter::default();
    form.push(name.as_bytes(), value.as_bytes());
    form.into_string()
}

/// The target without scheme and host, its query fit to be sent.
fn target(text: &str) -> Result<String, Unsendable> {
    let refused = || Unsendable::Target { text: text.to_owned() };
    let mut target = text;
    for scheme in ["http://", "https://"] {
        if let Some(rest) = target.strip_prefix(scheme) {
            target = rest.find('/').and_then(|slash| rest.get(slash..)).ok_or_else(refused)?;
        }
    }
    if !target.starts_with('/') || target.contains(char::is_control) {
        return Err(refused());
    }
    Ok(match target.split_once('?') {
        Some((path, query)) => format!("{path}?{}", sendable(query)),
        None => target.to_owned(),
    })
}

/// Percent-encodes what cannot stand in a URL; what has a meaning there (`%`, `&`, `=`, `+`, `;`) keeps it.
fn sendable(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                out.push_str(&format!("%{byte:02X}"))
            }
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// One header as Envoy would hold it.
fn header(name: &str, value: &str) -> Result<(String, String), Unsendable> {
    let lower = name.to_ascii_lowercase();
    if !is_token(name) || value.contains(['\0', '\r', '\n']) {
        return Err(Unsendable::Header { name: is_token(name).then_some(lower) });
    }
    let name = if lower == "host" { ":authority".to_owned() } else { lower };
    Ok((name, value.trim_matches([' ', '\t']).to_owned()))
}

// RFC 9110, 5.6.2
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
