//! Answers that the upstream cannot narrow: filtered here, by a plan that was bound when the request was admitted.
//!
//! Owns which answers those are and how their JSON is edited. Must not know the host, nor look at a URL again.

mod alerts;
pub mod envelope;
pub mod exemplars;
pub(crate) mod json;
mod labels;
mod rules;
pub mod scrub;
mod silences;
mod targets;

use crate::config::policy::{AlertsFrom, Policy, RulesOfOthers, Warnings};
use crate::denial::{Denial, ResponseError};
use crate::route::{Endpoint, Method};
use crate::scope::TenantScope;

/// What happens to the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePlan {
    /// It streams through untouched: what was asked for is the tenant's alone.
    Verbatim,
    /// It streams through, less its warnings and errors, which name stores.
    Scrub,
    /// It is held, filtered and sent.
    Filter(ResponseFilter),
}

/// How one answer is filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseFilter {
    scope: TenantScope,
    entries: Entries,
}

/// What the answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entries {
    /// Of `/api/v1/query_exemplars`.
    Exemplars,
    /// Of `/api/v1/rules`.
    Rules(RulesOfOthers),
    /// Of `/api/v1/alerts`, by the labels of its alerts or from the rules.
    Alerts(AlertsFrom),
    /// Of `/api/v1/targets`.
    Targets,
    /// Of Alertmanager.
    Silences,
    /// A single one.
    Silence,
}

impl ResponsePlan {
    /// The plan for an endpoint's answer to a tenant. Nothing is hidden from whom nothing is restricted.
    #[must_use]
    pub fn new(policy: &Policy, endpoint: Endpoint, method: Method, scope: &TenantScope) -> Self {
        if scope.is_unrestricted() {
            return Self::Verbatim;
        }
        let filter = |entries| Self::Filter(ResponseFilter { scope: scope.clone(), entries });
        match endpoint {
            // Some stores drop the matchers on their external labels and answer with everybody's exemplars.
            Endpoint::QueryExemplars => filter(Entries::Exemplars),
            Endpoint::Rules => filter(Entries::Rules(policy.rules_api.others)),
            Endpoint::Alerts => filter(Entries::Alerts(policy.rules_api.alerts)),
            Endpoint::Targets => filter(Entries::Targets),
            Endpoint::Silences if method == Method::Get => filter(Entries::Silences),
            Endpoint::Silence if method == Method::Get => filter(Entries::Silence),
            Endpoint::Query
            | Endpoint::QueryRange
            | Endpoint::Series
            | Endpoint::Labels
            | Endpoint::LabelValues
            | Endpoint::FormatQuery
            | Endpoint::ParseQuery
            | Endpoint::Metadata
            | Endpoint::BuildInfo
            | Endpoint::Features
            | Endpoint::TargetsMetadata
            | Endpoint::Search
                if policy.warnings == Warnings::Scrub =>
            {
                Self::Scrub
            }
            Endpoint::Query
            | Endpoint::QueryRange
            | Endpoint::Series
            | Endpoint::Labels
            | Endpoint::LabelValues
            | Endpoint::FormatQuery
            | Endpoint::ParseQuery
            | Endpoint::Metadata
            | Endpoint::BuildInfo
            | Endpoint::Features
            | Endpoint::TargetsMetadata
            | Endpoint::Search
            | Endpoint::Federate
            | Endpoint::OpenApi
            | Endpoint::RemoteRead
            | Endpoint::NothingForPages(_)
            | Endpoint::Explain
            | Endpoint::AlertmanagerAlerts
            | Endpoint::Silences
            | Endpoint::Silence
            | Endpoint::Page
            | Endpoint::Ready
            | Endpoint::Passthrough => Self::Verbatim,
        }
    }

    /// Whether the upstream is asked for its rules, and the tenant gets their alerts.
    #[must_use]
    pub fn takes_alerts_from_rules(&self) -> bool {
        matches!(self, Self::Filter(ResponseFilter { entries: Entries::Alerts(AlertsFrom::Rules), .. }))
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
        // Of these nobody reads a body, so an error in its place would be taken for the next answer; and nobody has asked for
        // another protocol, or whether there is news.
        if self.status < 200 || self.status == 304 {
            return Err(Denial::Response(ResponseError::Undecodable));
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
        let filtered = match head {
            ResponseHead::Success => self.success(text),
            ResponseHead::Failure => self.failure(text),
            ResponseHead::ForeignFailure | ResponseHead::NoContent => None,
        };
        filtered.map(String::into_bytes).ok_or(ResponseError::Undecodable)
    }

    fn success(&self, text: &str) -> Option<String> {
        let scope = &self.scope;
        match self.entries {
            Entries::Exemplars => envelope::edit_success(text, |data| exemplars::filter(data, scope)),
            Entries::Rules(others) => envelope::edit_success(text, |data| rules::filter(data, scope, others)),
            Entries::Alerts(AlertsFrom::Alerts) => envelope::edit_success(text, |data| alerts::filter(data, scope)),
            Entries::Alerts(AlertsFrom::Rules) => envelope::edit_success(text, |data| alerts::of_rules(data, scope)),
            Entries::Targets => envelope::edit_success(text, |data| targets::filter(data, scope)),
            Entries::Silences => silences::filter_list(text, scope),
            Entries::Silence => silences::filter_one(text, scope).map(str::to_owned),
        }
    }

    fn failure(&self, text: &str) -> Option<String> {
        match self.entries {
            // An error has no data; if it had, it would be everybody's.
            Entries::Exemplars | Entries::Rules(_) | Entries::Alerts(_) | Entries::Targets => {
                envelope::edit(text, |_| Some(json::Edit::Replace("null".to_owned())))
            }
            // Alertmanager: api/v2, errors are texts.
            Entries::Silences | Entries::Silence => Some(format!("\"{HIDDEN_ERROR}\"")),
        }
    }
}

/// What a client reads in place of an error's text that may name other tenants.
pub const HIDDEN_ERROR: &str = "the upstream reported an error; its text is not shown on this endpoint";

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&b| b == b';').next().unwrap_or_default();
    // Searches answer line by line.
    [&b"application/json"[..], b"application/x-ndjson"]
        .iter()
        .any(|json| essence.trim_ascii().eq_ignore_ascii_case(json))
}
