//! Answers that the upstream cannot narrow: filtered here, by a plan that was bound when the request was admitted.
//!
//! Owns which answers those are and how their JSON is edited. Must not know the host, nor look at a URL again.

pub mod envelope;
pub mod exemplars;
pub(crate) mod json;
mod labels;
pub mod silences;

use crate::denial::{Denial, ResponseError};
use crate::route::Endpoint;
use crate::scope::TenantScope;

/// What happens to the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePlan {
    /// It streams through untouched: what was asked for is the tenant's alone.
    Verbatim,
    /// It is held, filtered and sent.
    Filter(ResponseFilter),
}

/// How one answer is filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseFilter {
    scope: TenantScope,
    entries: Entries,
}

/// What the answer's `data` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entries {
    /// Of `/api/v1/query_exemplars`.
    Exemplars,
}

impl ResponsePlan {
    /// The plan for an endpoint's answer to a tenant. Nothing is filtered for whom nothing is restricted.
    #[must_use]
    pub fn new(endpoint: Endpoint, scope: &TenantScope) -> Self {
        match endpoint {
            // Some stores drop the matchers on their external labels and answer with everybody's exemplars.
            Endpoint::QueryExemplars if !scope.is_unrestricted() => {
                Self::Filter(ResponseFilter { scope: scope.clone(), entries: Entries::Exemplars })
            }
            Endpoint::QueryExemplars
            | Endpoint::Query
            | Endpoint::QueryRange
            | Endpoint::Series
            | Endpoint::Labels
            | Endpoint::LabelValues
            | Endpoint::Federate
            | Endpoint::FormatQuery
            | Endpoint::ParseQuery
            | Endpoint::Metadata
            | Endpoint::BuildInfo
            | Endpoint::Features => Self::Verbatim,
        }
    }
}

/// What an answer's headers say about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseHead {
    /// A success in JSON: filter it.
    Success,
    /// An error in JSON: its text is replaced, its status and type stay.
    Failure,
    /// An error that is not Prometheus's: nothing of its body passes, its status does.
    ForeignFailure,
    /// A success without a body.
    // Prometheus: web/api/v1/api.go, respond with `data` nil: exemplars of an expression without a selector
    NoContent,
}

/// An answer's headers, as far as they matter.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHeaders<'a> {
    /// The status code.
    pub status: u32,
    /// `content-type`, when there is exactly one.
    pub content_type: Option<&'a [u8]>,
    /// `content-encoding`, the first of them.
    pub content_encoding: Option<&'a [u8]>,
    /// `content-length`, when it is a number.
    pub content_length: Option<u64>,
}

impl ResponseHeaders<'_> {
    /// Whether the status is one of success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What can be said before the body is there.
    ///
    /// # Errors
    /// The answer must be filtered and its headers show that it cannot be.
    pub fn inspect(&self, limit: usize) -> Result<ResponseHead, Denial> {
        if self.status == 204 {
            return Ok(ResponseHead::NoContent);
        }
        let json = self.content_type.is_some_and(is_json);
        let plain = self.content_encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"identity"));
        let fits = self.content_length.is_none_or(|length| usize::try_from(length).is_ok_and(|length| length <= limit));
        match (self.is_success(), json && plain && fits) {
            (true, true) => Ok(ResponseHead::Success),
            (false, true) => Ok(ResponseHead::Failure),
            (false, false) => Ok(ResponseHead::ForeignFailure),
            (true, false) => Err(Denial::Response(if !json {
                ResponseError::ContentType
            } else if !plain {
                ResponseError::ContentEncoding
            } else {
                ResponseError::TooLarge { limit }
            })),
        }
    }
}

impl ResponseFilter {
    /// The tenant's part of an answer's whole `body`.
    ///
    /// # Errors
    /// The body is not what the endpoint answers; not a byte of it may pass.
    pub fn filter(&self, head: ResponseHead, body: &[u8]) -> Result<Vec<u8>, ResponseError> {
        if head == ResponseHead::NoContent {
            // Whatever came where there must be nothing.
            return Ok(Vec::new());
        }
        let text = std::str::from_utf8(body).map_err(|_| ResponseError::Undecodable)?;
        let filtered = match (head, self.entries) {
            (ResponseHead::Success, Entries::Exemplars) => {
                envelope::edit(text, |data| exemplars::filter(data, &self.scope))
            }
            // An error has no data; if it had, it would be everybody's.
            (ResponseHead::Failure, Entries::Exemplars) => {
                envelope::edit(text, |_| Some(json::Edit::Replace("null".to_owned())))
            }
            (ResponseHead::ForeignFailure | ResponseHead::NoContent, Entries::Exemplars) => None,
        };
        filtered.map(String::into_bytes).ok_or(ResponseError::Undecodable)
    }
}

/// What a client reads in place of an error's text that may name other tenants.
pub const HIDDEN_ERROR: &str = "the upstream reported an error; its text is not shown on this endpoint";

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&b| b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
