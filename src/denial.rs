//! Every refusal: its status, its error type, its reason and its words.
//!
//! The only place that knows HTTP numbers. A message names the cause and the likely mend; it never holds a token or
//! another tenant's values.

use crate::alertmanager::silence::SilenceError;
use crate::form::FormError;
use crate::identity::{IdentityCause, IdentityError};
use crate::promql::{Conflict, ErrorClass, PromqlError};
use crate::remote_read::ReadError;
use std::fmt;

/// Why a request, or the answer to it, does not pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Denial {
    /// Nothing is served at this path.
    NotServed,
    /// The path is served, but not with this method.
    Method {
        /// The `allow` header.
        allow: &'static str,
    },
    /// A body that is not what the endpoint takes.
    ContentType {
        /// The content type that it takes.
        expected: &'static str,
    },
    /// A body that is compressed or otherwise encoded.
    ContentEncoding,
    /// A form over the limit.
    FormTooLarge {
        /// `limits.form_bytes`.
        limit: usize,
    },
    /// A form that took so long that the upstream may have given up on it.
    FormTooSlow,
    /// A body where none can be.
    BodyOnGet,
    /// A POST that ends with trailers and has no body in front of them.
    TrailersWithoutBody,
    /// A POST without the body that says what it is about.
    NoBody,
    /// A request to change the protocol.
    Upgrade,
    /// The request has no usable identity.
    Identity(IdentityError),
    /// URL or form cannot be read in one way only.
    Form(FormError),
    /// A parameter that may come once came twice, or with two values.
    Repeated {
        /// Its name.
        name: &'static str,
    },
    /// A required parameter is missing.
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A text that passes unread is over the limit.
    TextTooLong {
        /// The parameter that holds it.
        parameter: &'static str,
        /// `limits.query_bytes`.
        limit: usize,
    },
    /// An expression or selector is refused.
    Promql {
        /// The parameter that holds it.
        parameter: &'static str,
        /// Why.
        error: PromqlError,
    },
    /// Alertmanager's `filter` selects nothing that the tenant may read.
    Filter(Conflict),
    /// A value of the tenant's cannot stand in `tenant_header`.
    TenantHeader {
        /// The header.
        header: String,
    },
    /// A remote read is refused.
    RemoteRead(ReadError),
    /// A silence is refused.
    Silence(SilenceError),
    /// The path names no silence.
    SilenceId,
    /// There is no such silence, or it is not the tenant's: nobody is told which.
    NoSuchSilence,
    /// Alertmanager did not say whose the silence is.
    SilenceUnknown,
    /// The upstream answered a request whose form it had not been given.
    AnsweredBeforeForm,
    /// The route that Envoy chose after rewriting names other tenants.
    RouteChanged,
    /// An answer that must be filtered and cannot be.
    Response(ResponseError),
    /// The VM holds as much as it may.
    Busy,
    /// The host did not do what it must.
    Host {
        /// The call that failed.
        call: &'static str,
    },
}

/// Why an answer cannot be filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// It is not JSON by its header.
    ContentType,
    /// It is compressed though nothing but identity was asked for.
    ContentEncoding,
    /// It is over the limit.
    TooLarge {
        /// `limits.response_bytes`.
        limit: usize,
    },
    /// It is not the JSON that this endpoint answers.
    Undecodable,
}

impl Denial {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u32 {
        self.shown().0
    }

    /// Prometheus's `errorType`: `bad_data` where Prometheus itself would complain, ours for everything else.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        self.shown().1
    }

    /// A word for logs and response code details: one of a fixed few, whatever was sent.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.shown().2
    }

    /// Status, error type and reason.
    fn shown(&self) -> (u32, &'static str, &'static str) {
        match self {
            Self::BodyOnGet | Self::TrailersWithoutBody | Self::NoBody => (400, BAD_DATA, "body"),
            Self::RemoteRead(ReadError::NotSnappy | ReadError::Malformed) => (400, BAD_DATA, "remote_read"),
            Self::RemoteRead(ReadError::TooManyQueries { .. } | ReadError::OutputTooLarge { .. }) => {
                (400, OURS, "remote_read_limit")
            }
            Self::Silence(_) => (400, OURS, "silence"),
            Self::Upgrade => (400, BAD_DATA, "upgrade"),
            Self::Form(FormError::Semicolon | FormError::PercentEncoding | FormError::Nul)
            | Self::Repeated { .. }
            | Self::Missing { .. } => (400, BAD_DATA, "parameters"),
            Self::Form(FormError::TooMany { .. }) => (400, OURS, "parameters"),
            Self::TextTooLong { .. } => (400, OURS, "promql_limit"),
            Self::Promql { error, .. } => match error.class() {
                ErrorClass::BadData => (400, BAD_DATA, "promql"),
                ErrorClass::Limit => (400, OURS, "promql_limit"),
                ErrorClass::Conflict => (400, OURS, CONFLICT),
            },
            Self::Filter(_) | Self::RemoteRead(ReadError::Conflict(_)) => (400, OURS, CONFLICT),
            Self::Identity(error) => match error.cause {
                IdentityCause::NoToken
                | IdentityCause::NoHeader { .. }
                | IdentityCause::NoParameter { .. }
                | IdentityCause::NoCertificate => (401, OURS, "identity_missing"),
                IdentityCause::NoClaim { .. }
                | IdentityCause::ParameterInTwoPlaces { .. }
                | IdentityCause::NoSegment
                | IdentityCause::NoCertificatePart { .. }
                | IdentityCause::NotAsPattern
                | IdentityCause::NoRouteMetadata { .. }
                | IdentityCause::Undecodable
                | IdentityCause::NotText
                | IdentityCause::EmptyList
                | IdentityCause::Invalid(_)
                | IdentityCause::TooMany { .. }
                | IdentityCause::InvalidPattern(_)
                | IdentityCause::SeveralPatterns
                | IdentityCause::NotInMap
                | IdentityCause::NoRule => (403, OURS, "identity_invalid"),
            },
            Self::TenantHeader { .. } => (403, OURS, "identity_invalid"),
            Self::NotServed => (404, OURS, "path"),
            Self::NoSuchSilence => (404, OURS, "silence"),
            Self::Method { .. } => (405, OURS, "method"),
            Self::FormTooSlow => (408, OURS, "form_time"),
            Self::FormTooLarge { .. } | Self::RemoteRead(ReadError::TooLarge { .. }) => (413, OURS, "form_bytes"),
            Self::ContentType { .. } => (415, OURS, "content_type"),
            Self::ContentEncoding => (415, OURS, "content_encoding"),
            // Alertmanager: api/v2/openapi.yaml, format uuid
            Self::SilenceId => (422, BAD_DATA, "parameters"),
            Self::Host { .. } => (500, OURS, "host"),
            Self::AnsweredBeforeForm => (502, OURS, "answered_before_form"),
            Self::RouteChanged => (502, OURS, "route_changed"),
            Self::Response(_) => (502, OURS, "response"),
            Self::SilenceUnknown => (502, OURS, "silence_unknown"),
            Self::Busy => (503, OURS, "buffered_bytes"),
        }
    }

    /// Whether the words may hold pieces of what the client asked.
    #[must_use]
    pub fn quotes_the_request(&self) -> bool {
        matches!(
            self,
            Self::Promql { .. } | Self::Filter(_) | Self::RemoteRead(ReadError::Conflict(_)) | Self::Silence(_)
        )
    }

    /// The header that goes with the status, beyond `content-type`.
    #[must_use]
    pub fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Method { allow } => Some(("allow", allow)),
            Self::Identity(IdentityError { cause: IdentityCause::NoToken, .. }) => Some(("www-authenticate", "Bearer")),
            Self::NotServed
            | Self::ContentType { .. }
            | Self::NoBody
            | Self::TenantHeader { .. }
            | Self::RemoteRead(_)
            | Self::Silence(_)
            | Self::SilenceId
            | Self::NoSuchSilence
            | Self::SilenceUnknown
            | Self::ContentEncoding
            | Self::FormTooLarge { .. }
            | Self::FormTooSlow
            | Self::AnsweredBeforeForm
            | Self::BodyOnGet
            | Self::TrailersWithoutBody
            | Self::Upgrade
            | Self::Identity(_)
            | Self::Form(_)
            | Self::Repeated { .. }
            | Self::Missing { .. }
            | Self::TextTooLong { .. }
            | Self::Promql { .. }
            | Self::Filter(_)
            | Self::RouteChanged
            | Self::Response(_)
            | Self::Busy
            | Self::Host { .. } => None,
        }
    }

    /// The body: an error as Prometheus writes it.
    #[must_use]
    pub fn body(&self) -> String {
        error_body(self.error_type(), &self.to_string())
    }
}

/// Everything that [`Denial::reason`] says.
pub const REASONS: &[&str] = &[
    "answered_before_form",
    "body",
    "buffered_bytes",
    CONFLICT,
    "content_encoding",
    "content_type",
    "form_bytes",
    "form_time",
    "host",
    "identity_invalid",
    "identity_missing",
    "method",
    "parameters",
    "path",
    "promql",
    "promql_limit",
    "remote_read",
    "remote_read_limit",
    "response",
    "route_changed",
    "silence",
    "silence_unknown",
    "upgrade",
];

const BAD_DATA: &str = "bad_data";

/// The reason of what `error_on_replace` refuses, wherever it stood.
const CONFLICT: &str = "conflict";

/// The `errorType` of everything that Prometheus itself would not say.
pub const OURS: &str = "prom-label-filter";

/// An error as Prometheus writes it; `error_type` is plain ASCII.
// Prometheus: web/api/v1/api.go, respondError
#[must_use]
pub fn error_body(error_type: &str, message: &str) -> String {
    // Writing a text to memory cannot fail; if it could, an error without its text would still be one.
    let message = serde_json::to_string(message).unwrap_or_else(|_| String::from("\"\""));
    format!(r#"{{"status":"error","errorType":"{error_type}","error":{message}}}"#)
}

impl From<IdentityError> for Denial {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl From<ReadError> for Denial {
    fn from(error: ReadError) -> Self {
        Self::RemoteRead(error)
    }
}

impl From<SilenceError> for Denial {
    fn from(error: SilenceError) -> Self {
        Self::Silence(error)
    }
}

impl From<FormError> for Denial {
    fn from(error: FormError) -> Self {
        Self::Form(error)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServed => f.write_str(
                "nothing is served at this path for tenants: only the read API is, by its exact path (mind `path_prefix`, \
                 a trailing slash, and encoded slashes)",
            ),
            Self::Method { allow } => write!(f, "this path is served with {allow} only"),
            Self::ContentType { expected } => {
                write!(f, "the body is not what this path takes: send `content-type: {expected}`, once")
            }
            Self::ContentEncoding => {
                f.write_str("the body must not be encoded further: send it without `content-encoding` (a remote read: snappy)")
            }
            Self::FormTooLarge { limit } => write!(f, "the body is larger than {limit} bytes (`limits.form_bytes`)"),
            Self::FormTooSlow => f.write_str("the body took too long to come (30 s): send it at once"),
            Self::AnsweredBeforeForm => {
                f.write_str("the upstream answered before it was given the body: try again, and send the body at once")
            }
            Self::BodyOnGet => f.write_str("only a POST can have a body: send the parameters in the URL, or use POST"),
            Self::NoBody => f.write_str("a POST to this path needs a body"),
            Self::TenantHeader { header } => write!(
                f,
                "a value of the identity cannot be sent on in `{header}`: it holds more than visible ASCII (for an operator: map it \
                 with `values_map`, or leave `tenant_header` out)"
            ),
            Self::RemoteRead(error) => error.fmt(f),
            Self::Silence(error) => error.fmt(f),
            Self::SilenceId => f.write_str("the path names no silence: its id is a UUID"),
            Self::NoSuchSilence => f.write_str("there is no such silence"),
            Self::SilenceUnknown => f.write_str(
                "Alertmanager did not say whose the silence is: try again (for an operator: `alertmanager.cluster` must name \
                 a cluster of Envoy's that answers)",
            ),
            Self::TrailersWithoutBody => f.write_str("a POST with trailers needs a body: send a form, or no trailers"),
            Self::Upgrade => f.write_str("a change of protocol is not served"),
            Self::Identity(error) => error.fmt(f),
            Self::Form(error) => error.fmt(f),
            Self::Repeated { name } => write!(
                f,
                "invalid parameter \"{name}\": it was sent more than once, or with different values in URL and form"
            ),
            Self::Missing { name } => write!(f, "invalid parameter \"{name}\": it is missing"),
            Self::TextTooLong { parameter, limit } => {
                write!(f, "invalid parameter \"{parameter}\": longer than {limit} bytes (`limits.query_bytes`)")
            }
            Self::Promql { parameter, error } => write!(f, "invalid parameter \"{parameter}\": {error}"),
            Self::Filter(conflict) => write!(f, "invalid parameter \"filter\": {conflict}"),
            Self::RouteChanged => f.write_str(
                "the rewritten request took a route that names another tenant: routes must not match on query parameters \
                 or on headers that the filter removes",
            ),
            Self::Response(error) => error.fmt(f),
            Self::Busy => f.write_str(
                "too much is held for filtering at the moment (`limits.buffered_bytes`): try again, or ask for less",
            ),
            Self::Host { call } => write!(f, "the proxy could not do `{call}`: see its log"),
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream's answer cannot be narrowed to the tenant: ")?;
        match self {
            Self::ContentType => f.write_str("it is not JSON"),
            Self::ContentEncoding => f.write_str("it is compressed"),
            Self::TooLarge { limit } => write!(f, "it is larger than {limit} bytes (`limits.response_bytes`)"),
            Self::Undecodable => f.write_str("it is incomplete, or not what this endpoint answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::REASONS;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_is_listed() {
        // What `shown` says stands in this file as `(status, type, "reason")`.
        let said: BTreeSet<_> = include_str!("denial.rs")
            .split_inclusive(['\n', ';'])
            .filter_map(|line| line.split_once("=> (").or_else(|| line.split_once("                (")))
            .filter_map(|(_, tuple)| tuple.split(", ").nth(2)?.strip_prefix('"')?.split_once('"'))
            .map(|(reason, _)| reason)
            .collect();
        let listed: BTreeSet<_> = REASONS.iter().copied().filter(|reason| *reason != super::CONFLICT).collect();
        assert_eq!(said, listed);
        assert_eq!(REASONS.len(), listed.len() + 1, "none twice");
    }
}
