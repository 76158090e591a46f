//! The answer on its way back: untouched, scrubbed while it streams, or collected and filtered.

use super::{Host, JSON, Request, Stream};
use crate::config::policy::{Policy, ResponseHeaders as WhenSent};
use crate::denial::{Denial, OURS, ResponseError, error_body};
use crate::host::calls::{self, Buffer, Map};
use crate::host::held::Held;
use crate::host::meters;
use crate::identity::{RouteIdentity, route_still_agrees};
use crate::request::{Headers, Only};
use crate::response::scrub::Scrubber;
use crate::response::{HIDDEN_ERROR, ResponseFilter, ResponseHead, ResponseHeaders, ResponsePlan};
use proxy_wasm::types::Action;
use std::borrow::Cow;

/// How far the upstream's answer has come.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing of it is held.
    Untouched,
    /// It streams through, less its warnings.
    Scrubbed(Scrubber),
    /// It is being collected.
    Collected(Box<Collection>),
    /// All of it was given out, or we answered in its place.
    Ended,
}

/// An answer that is held until it can be filtered.
#[derive(Debug)]
pub(super) struct Collection {
    filter: ResponseFilter,
    head: ResponseHead,
    body: Vec<u8>,
    held: Held,
    /// Why it will not pass, once that is known; its bytes are no longer kept then.
    refused: Option<Denial>,
}

/// Tells a client what became of its query (`explain`).
const EXPLANATION: &str = "x-prom-label-filter-query";

/// Headers that describe the body as the upstream sent it, and not what is left of it.
const OF_THE_WHOLE_BODY: &[&str] = &[
    "content-length",
    "content-encoding",
    "etag",
    "last-modified",
    "accept-ranges",
    "content-md5",
    "digest",
    "content-digest",
];

impl Stream {
    pub(super) fn inspect_answer(&mut self, end_of_stream: bool) -> Result<Action, Denial> {
        let admitted = match &self.request {
            // Whatever this answers, it is no form of ours: an upstream that gives up on a form reads what it has, which
            // without a selector is everything.
            Request::AwaitsBody(pending, _) => match pending.admitted() {
                Some(admitted) => admitted,
                None if from_upstream() || succeeds()? => return Err(Denial::AnsweredBeforeForm),
                // Envoy's own errors pass.
                None => return Ok(Action::Continue),
            },
            Request::Forwarded(admitted) => admitted,
            // The body waits for Alertmanager: whatever this answers, it has not been given it.
            Request::Asked(_) if from_upstream() => return Err(Denial::AnsweredBeforeForm),
            Request::New | Request::Asked(_) | Request::Ended => return Ok(Action::Continue),
        };
        if let Some(text) = &admitted.explanation {
            calls::set_header(Map::ResponseHeaders, EXPLANATION, text.as_bytes())?;
        }
        if admitted.plan == ResponsePlan::Verbatim && admitted.route == RouteIdentity::default() {
            return Ok(Action::Continue);
        }
        let policy = self.policy()?;
        let from_upstream = from_upstream();
        if from_upstream && !route_still_agrees(&policy, &admitted.route, &Host) {
            return Err(Denial::RouteChanged);
        }
        let (filter, limit) = match &admitted.plan {
            ResponsePlan::Verbatim => return Ok(Action::Continue),
            // Nothing of it is held, so it may be of any size.
            ResponsePlan::Scrub => (None, usize::MAX),
            ResponsePlan::Filter(filter) => (Some(filter.clone()), policy.limits.response_bytes),
        };
        let headers = Headers::new(calls::headers(Map::ResponseHeaders)?);
        let seen = read_headers(&headers);
        // Envoy's own errors pass. A success is filtered wherever it comes from: a cache behind us holds everybody's.
        if !from_upstream && !seen.is_success() {
            return Ok(Action::Continue);
        }
        let head = seen.inspect(limit)?;
        match head {
            _ if end_of_stream && filter.is_none() => return Ok(Action::Continue),
            ResponseHead::Success if end_of_stream => return Err(Denial::Response(ResponseError::Undecodable)),
            ResponseHead::Failure if end_of_stream => return self.answer_with_status(seen.status),
            ResponseHead::ForeignFailure => return self.answer_with_status(seen.status),
            ResponseHead::NoContent if end_of_stream => return Ok(Action::Continue),
            ResponseHead::Success | ResponseHead::Failure | ResponseHead::NoContent => {}
        }
        for name in OF_THE_WHOLE_BODY.iter().filter(|name| headers.contains(name)) {
            calls::remove_header(Map::ResponseHeaders, name)?;
        }
        let Some(filter) = filter else {
            self.answer = Reply::Scrubbed(Scrubber::default());
            return Ok(Action::Continue);
        };
        let mut held = Held::default();
        // `inspect` has compared the length with the limit, so it is a `usize`.
        let announced = seen.content_length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        held.grow_to(announced, policy.limits.buffered_bytes).ok_or(Denial::Busy)?;
        let mut body = Vec::new();
        body.try_reserve_exact(announced).map_err(|_| Denial::Busy)?;
        self.answer = Reply::Collected(Box::new(Collection { filter, head, body, held, refused: None }));
        Ok(match policy.response_headers {
            WhenSent::SentAtOnce => Action::Continue,
            WhenSent::Held => Action::Pause,
        })
    }

    /// An upstream's error whose body is not Prometheus's: its status passes, its body does not.
    fn answer_with_status(&mut self, status: u32) -> Result<Action, Denial> {
        self.answer = Reply::Ended;
        let body = error_body(OURS, HIDDEN_ERROR);
        calls::answer_client(status, "prom-label-filter_error_hidden", &[JSON], body.as_bytes())?;
        Ok(Action::Pause)
    }

    /// Takes a chunk of an answer into our own memory. Envoy's buffer would end the stream, or itself, over its limit.
    pub(super) fn collect(&mut self, size: usize, end_of_stream: bool) -> Result<Action, Denial> {
        let policy = self.policy()?;
        let collection = match &mut self.answer {
            Reply::Collected(collection) => collection,
            Reply::Scrubbed(scrubber) => {
                let chunk = calls::buffer(Buffer::ResponseBody, size)?;
                // What is borrowed is the chunk as it is.
                if let Cow::Owned(left) = scrubber.push(&chunk) {
                    calls::replace_buffer(Buffer::ResponseBody, &left)?;
                }
                return Ok(Action::Continue);
            }
            // Untouched answers stream through; behind an ended one only our own answer still comes by.
            Reply::Untouched | Reply::Ended => return Ok(Action::Continue),
        };
        collection.take(size, &policy)?;
        match (end_of_stream, policy.response_headers) {
            (false, WhenSent::SentAtOnce) => {
                calls::replace_buffer(Buffer::ResponseBody, b"")?;
                Ok(Action::Continue)
            }
            (false, WhenSent::Held) => {
                calls::replace_buffer(Buffer::ResponseBody, b"")?;
                Ok(Action::Pause)
            }
            (true, WhenSent::SentAtOnce) => self.give_out_body(),
            (true, WhenSent::Held) => self.give_out_answer(),
        }
    }

    /// What ends with trailers, of which nothing passes where something is hidden: nobody has read them.
    pub(super) fn answer_trailers(&mut self) -> Result<Action, Denial> {
        match &self.answer {
            Reply::Untouched | Reply::Ended => return Ok(Action::Continue),
            // What is held back of a scrubbed answer is no whole member.
            Reply::Scrubbed(_) => {}
            // With trailers the body's end is never announced. Headers that have gone stay without a body, because a body
            // can no longer be put in; headers that wait get theirs.
            Reply::Collected(_) => match self.policy()?.response_headers {
                WhenSent::Held => return self.give_out_answer(),
                WhenSent::SentAtOnce => {
                    self.note_refusal(&Denial::Response(ResponseError::Undecodable));
                    self.answer = Reply::Ended;
                }
            },
        }
        calls::clear_headers(Map::ResponseTrailers)?;
        Ok(Action::Continue)
    }

    /// The filtered body, behind headers that have gone: an error is a body too.
    fn give_out_body(&mut self) -> Result<Action, Denial> {
        let Reply::Collected(collection) = std::mem::replace(&mut self.answer, Reply::Ended) else {
            return Ok(Action::Pause);
        };
        let body = match collection.filtered() {
            Ok(body) => {
                meters::filtered(&self.record);
                body
            }
            Err(denial) => {
                self.note_refusal(&denial);
                denial.body().into_bytes()
            }
        };
        calls::replace_buffer(Buffer::ResponseBody, &body)?;
        Ok(Action::Continue)
    }

    /// The whole answer at once, headers that have waited included. Sent as an answer of our own, because growing
    /// Envoy's buffer beyond its limit while headers wait ends the process.
    fn give_out_answer(&mut self) -> Result<Action, Denial> {
        let Reply::Collected(collection) = std::mem::replace(&mut self.answer, Reply::Ended) else {
            return Ok(Action::Pause);
        };
        let body = collection.filtered()?;
        meters::filtered(&self.record);
        let headers = calls::headers(Map::ResponseHeaders)?;
        let status = read_headers(&Headers::new(headers.clone())).status;
        let kept: Vec<(&[u8], &[u8])> = headers
            .iter()
            .filter(|(name, _)| !name.starts_with(b":") && !SET_BY_ENVOY.contains(&name.as_slice()))
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        calls::answer_client(status, "via_upstream", &kept, &body)?;
        Ok(Action::Pause)
    }
}

/// Headers that Envoy writes on every answer, ours included.
const SET_BY_ENVOY: &[&[u8]] =
    &[b"connection", b"transfer-encoding", b"keep-alive", b"date", b"server", b"x-envoy-upstream-service-time"];

impl Collection {
    /// Adds the chunk that Envoy holds, while it can still come to something.
    fn take(&mut self, size: usize, policy: &Policy) -> Result<(), Denial> {
        let limit = policy.limits.response_bytes;
        let total = self.body.len().saturating_add(size);
        if self.refused.is_some() {
            return Ok(());
        }
        if total > limit {
            self.refused = Some(Denial::Response(ResponseError::TooLarge { limit }));
        } else if self.grow_to(total, policy).is_none() {
            self.refused = Some(Denial::Busy);
        } else if size > 0 {
            self.body.extend_from_slice(&calls::buffer(Buffer::ResponseBody, size)?);
        }
        if self.refused.is_some() {
            self.body = Vec::new();
            self.held = Held::default();
        }
        Ok(())
    }

    /// Makes room for `total` bytes, a quarter more at a time where that is allowed. What is counted is what is taken of the
    /// VM's memory: a `Vec` that doubles would take twice what it holds.
    fn grow_to(&mut self, total: usize, policy: &Policy) -> Option<()> {
        let taken = self.body.capacity();
        if total <= taken {
            return Some(());
        }
        let limits = &policy.limits;
        let ample = taken.saturating_add(taken / 4).min(limits.response_bytes).max(total);
        let room = match self.held.grow_to(ample, limits.buffered_bytes) {
            Some(()) => ample,
            None => self.held.grow_to(total, limits.buffered_bytes).map(|()| total)?,
        };
        self.body.try_reserve_exact(room.saturating_sub(self.body.len())).ok()
    }

    fn filtered(self) -> Result<Vec<u8>, Denial> {
        match self.refused {
            Some(denial) => Err(denial),
            None => self.filter.filter(self.head, &self.body).map_err(Denial::Response),
        }
    }
}

/// Whether the answer is the upstream's, and not one that Envoy made in its place.
pub(super) fn from_upstream() -> bool {
    calls::property(&["response", "code_details"])
        .is_none_or(|details| details.is_empty() || details == b"via_upstream")
}

/// Whether the answer's status is that of a success.
fn succeeds() -> Result<bool, Denial> {
    Ok(read_headers(&Headers::new(calls::headers(Map::ResponseHeaders)?)).is_success())
}

pub(super) fn read_headers(headers: &Headers) -> ResponseHeaders<'_> {
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u64>().ok();
    let only = |name| match headers.only(name) {
        Only::One(value) => Some(value),
        Only::Missing | Only::Several => None,
    };
    ResponseHeaders {
        status: only(":status").and_then(number).and_then(|status| u32::try_from(status).ok()).unwrap_or(0),
        content_type: only("content-type"),
        content_encoding: headers.values("content-encoding").next(),
        content_length: only("content-length").and_then(number),
    }
}
