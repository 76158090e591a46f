//! The order of decisions on a request: what its head shows is decided before anything goes on.
//!
//! Path and method, content type and encoding, length, identity; then the parameters, at once or when the form is there.
//! Must not know the host: it is given a head and [`Credentials`], and answers what is to be done.

use crate::alertmanager::ownership::{Lookup, Unproven};
use crate::alertmanager::silence::SilenceId;
use crate::config::policy::{Metadata, Policy};
use crate::denial::Denial;
use crate::form;
use crate::identity::{Credentials, Identity, RouteIdentity, identify};
use crate::observe::{self, Record};
use crate::request::{Body, Only, RequestHead};
use crate::response::ResponsePlan;
use crate::rewrite::{self, Enforced, Explanation, Narrowed, OutboundBody, OutboundHead};
use crate::route::{self, Endpoint, Found, Method, Nothing, Payload, Place, Route};
use crate::scope::TenantScope;
use std::time::Duration;

/// What becomes of a request whose head has been read.
#[derive(Debug)]
pub enum Admission {
    /// It is answered here; nothing goes upstream.
    Answer(Answer),
    /// It goes on as it is now.
    Forward(Enforced<OutboundHead>, Admitted),
    /// Its head goes on; its body is held until it is complete.
    AwaitBody(Enforced<OutboundHead>, PendingBody),
    /// Nothing goes on before the upstream has said whose the silence is.
    Ask(Unproven<Box<Admission>>),
}

/// What is remembered of a request until its answer comes.
#[derive(Debug)]
pub struct Admitted {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What happens to the answer.
    pub plan: ResponsePlan,
    /// What the route said, to be compared with the route that is taken in the end.
    pub route: RouteIdentity,
    /// What to tell the client of its query, as a header's value, if anything. The text itself is not kept until the answer
    /// comes: it may be long.
    pub explanation: Option<String>,
}

/// An answer of our own that is no refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `OPTIONS`: the methods of the path.
    Allowed(&'static str),
    /// A success that says nothing.
    Nothing(Nothing),
    /// What a query becomes.
    Explained(Explanation),
}

impl Answer {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u32 {
        match self {
            Self::Allowed(_) | Self::Nothing(Nothing::Stream) => 204,
            Self::Nothing(Nothing::Object | Nothing::List) | Self::Explained(_) => 200,
        }
    }

    /// The one header.
    #[must_use]
    pub fn header(&self) -> (&'static str, &'static str) {
        match self {
            Self::Allowed(methods) => ("allow", methods),
            Self::Nothing(Nothing::Object | Nothing::List) => ("content-type", "application/json"),
            Self::Nothing(Nothing::Stream) => ("cache-control", "no-cache"),
            Self::Explained(_) => ("content-type", "text/plain; charset=utf-8"),
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Allowed(_) | Self::Nothing(Nothing::Stream) => String::new(),
            Self::Nothing(Nothing::Object) => r#"{"status":"success","data":{}}"#.to_owned(),
            Self::Nothing(Nothing::List) => r#"{"status":"success","data":[]}"#.to_owned(),
            Self::Explained(explanation) => explanation.text(),
        }
    }

    /// A word for response code details.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Allowed(_) => "options",
            Self::Nothing(_) => "empty",
            Self::Explained(_) => "explain",
        }
    }
}

/// A request whose body is still to come.
#[derive(Debug)]
pub struct PendingBody(Pending);

/// How long a form may take to come. Well below the time after which an upstream gives up on it (Prometheus:
/// `--web.read-timeout`, 5 minutes).
pub const FORM_TIME: Duration = Duration::from_secs(30);

#[derive(Debug)]
enum Pending {
    /// A form, to which the parameters of the URL belong too. It may say whose it is.
    Form { route: &'static Route, identity: Identity, url: Vec<u8>, content_type: ContentType },
    /// A remote read.
    RemoteRead { scope: TenantScope, admitted: Admitted },
    /// A silence.
    Silence { scope: TenantScope, admitted: Admitted },
    /// Nothing: a GET whose stream has not ended yet.
    Nothing { admitted: Admitted },
}

/// Whether a body was announced as what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentType {
    Right,
    /// No content type: good for an empty form only.
    Missing,
}

/// What becomes of a request whose body has been read.
#[derive(Debug)]
pub enum Finished {
    /// It goes on.
    Forward(Enforced<OutboundBody>, Admitted),
    /// It waits until the upstream has said whose the silence is that it takes the place of.
    Ask(Unproven<(Enforced<OutboundBody>, Admitted)>),
}

impl Policy {
    /// Decides on a request by its head, and notes in `record` what it comes to know.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(
        &self,
        head: &RequestHead<'_>,
        credentials: &impl Credentials,
        record: &mut Record,
    ) -> Result<Admission, Denial> {
        let Found { route, path_param } = route::find(head.path, self).ok_or(Denial::NotServed)?;
        record.endpoint = Some(route.endpoint);
        let methods = route.methods(self);
        let method = methods.find(head.method).ok_or(Denial::Method { allow: methods.allow() })?;
        if head.headers.contains("upgrade") {
            return Err(Denial::Upgrade);
        }
        let content_type = match method {
            Method::Options => return Ok(Admission::Answer(Answer::Allowed(methods.allow()))),
            Method::Get | Method::Head | Method::Delete => no_body(head).map(|()| ContentType::Missing)?,
            Method::Post => self.body_headers(route.payload, head)?,
        };
        if route.place == Place::Open {
            let admitted = Admitted {
                endpoint: route.endpoint,
                plan: ResponsePlan::Verbatim,
                route: RouteIdentity::default(),
                explanation: None,
            };
            return Ok(complete(head, rewrite::open_head(self, head), admitted));
        }
        let mut identity = identify(self, head.headers, path_param.as_deref(), credentials)?;
        self.read_parameters(&mut identity, head.query, b"")?;
        if method == Method::Post && (head.body != Body::None || route.payload != Payload::Form) {
            return self.await_body(route, head, identity, content_type, record);
        }
        let (scope, route_identity) = identity.complete(self)?;
        record.tenant = Some(observe::tenant(&scope));
        if let Endpoint::NothingForPages(nothing) = route.endpoint {
            return Ok(Admission::Answer(Answer::Nothing(nothing)));
        }
        if route.endpoint == Endpoint::Metadata && self.metadata == Metadata::Empty {
            return Ok(Admission::Answer(Answer::Nothing(Nothing::Object)));
        }
        let plan = ResponsePlan::new(self, route.endpoint, method, &scope);
        let Narrowed { out, explanation } = rewrite::head(self, route, head, &scope, &plan, record)?;
        if route.endpoint == Endpoint::Explain {
            return Ok(Admission::Answer(Answer::Explained(explanation.unwrap_or_default())));
        }
        let explanation = explanation.as_ref().and_then(Explanation::header);
        let admitted = Admitted { endpoint: route.endpoint, plan, route: route_identity, explanation };
        let admission = complete(head, out, admitted);
        if route.endpoint == Endpoint::Silence {
            let id = head.path.rsplit(|&b| b == b'/').next().and_then(|id| std::str::from_utf8(id).ok());
            let id = id.and_then(SilenceId::parse).ok_or(Denial::SilenceId)?;
            return Ok(match self.silence_lookup(&scope, &id) {
                Some(lookup) => Admission::Ask(Unproven::new(lookup, scope, Box::new(admission))),
                None => admission,
            });
        }
        Ok(admission)
    }

    /// Whose a request is, whatever else becomes of it; `form` is all of its form. For who explains decisions: nothing goes by it.
    ///
    /// # Errors
    /// No path that is served, or no tenant.
    pub fn tenant(
        &self,
        head: &RequestHead<'_>,
        form: &[u8],
        credentials: &impl Credentials,
    ) -> Result<TenantScope, Denial> {
        let Found { path_param, .. } = route::find(head.path, self).ok_or(Denial::NotServed)?;
        let mut identity = identify(self, head.headers, path_param.as_deref(), credentials)?;
        self.read_parameters(&mut identity, head.query, form)?;
        Ok(identity.complete(self)?.0)
    }

    /// A POST whose body is to come: its head goes on without any parameter.
    fn await_body(
        &self,
        route: &'static Route,
        head: &RequestHead<'_>,
        identity: Identity,
        content_type: ContentType,
        record: &mut Record,
    ) -> Result<Admission, Denial> {
        let plan = |scope: &TenantScope| ResponsePlan::new(self, route.endpoint, Method::Post, scope);
        let (out, pending) = match route.payload {
            Payload::Form => {
                // The form may have the parameter that is missing.
                let plan = identity.clone().complete(self).ok().map(|(scope, _)| plan(&scope));
                let out = rewrite::head_before_body(self, route, head, &identity, plan.as_ref())?;
                (out, Pending::Form { route, identity, url: head.query.to_vec(), content_type })
            }
            Payload::RemoteRead | Payload::Silence => {
                let (scope, route_identity) = identity.clone().complete(self)?;
                record.tenant = Some(observe::tenant(&scope));
                let plan = plan(&scope);
                let out = rewrite::head_before_body(self, route, head, &identity, Some(&plan))?;
                let admitted = Admitted { endpoint: route.endpoint, plan, route: route_identity, explanation: None };
                let pending = if route.payload == Payload::Silence {
                    Pending::Silence { scope, admitted }
                } else {
                    Pending::RemoteRead { scope, admitted }
                };
                (out, pending)
            }
        };
        if head.body == Body::None {
            return Err(Denial::NoBody);
        }
        Ok(Admission::AwaitBody(out, PendingBody(pending)))
    }

    /// Reads the parameters that name tenants, where some do.
    fn read_parameters(&self, identity: &mut Identity, url: &[u8], form: &[u8]) -> Result<(), Denial> {
        if self.identity_parameters().next().is_none() {
            return Ok(());
        }
        let (mut in_url, mut in_form) = (Vec::new(), Vec::new());
        form::read(url, self.limits.parameters, &mut in_url)?;
        form::read(form, self.limits.parameters, &mut in_form)?;
        Ok(identity.read_parameters(self, &in_url, &in_form)?)
    }

    /// What the head of a POST says about its body.
    fn body_headers(&self, payload: Payload, head: &RequestHead<'_>) -> Result<ContentType, Denial> {
        if head.body == Body::None {
            return Ok(ContentType::Missing);
        }
        let length = content_length(head);
        let expected = match payload {
            Payload::Form => rewrite::FORM,
            Payload::RemoteRead => rewrite::PROTOBUF,
            Payload::Silence => rewrite::JSON,
        };
        let content_type = match head.headers.only("content-type") {
            Only::One(value) if is(value, expected) => ContentType::Right,
            Only::Missing if payload == Payload::Form && length.unwrap_or(0) == 0 => ContentType::Missing,
            Only::One(_) | Only::Several | Only::Missing => return Err(Denial::ContentType { expected }),
        };
        let encoded = match payload {
            Payload::Form | Payload::Silence => "identity",
            // Compressed as its format demands, whatever the header says.
            Payload::RemoteRead => "snappy",
        };
        match head.headers.only("content-encoding") {
            Only::Missing => {}
            Only::One(value) if value.eq_ignore_ascii_case(encoded.as_bytes()) => {}
            Only::One(_) | Only::Several => return Err(Denial::ContentEncoding),
        }
        let limit = self.limits.form_bytes;
        if length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Err(Denial::FormTooLarge { limit });
        }
        Ok(content_type)
    }

    /// How to find out whose the silence `id` is; `None` when it may be anybody's.
    fn silence_lookup(&self, scope: &TenantScope, id: &SilenceId) -> Option<Lookup> {
        let served = self.alertmanager.as_ref()?;
        (!scope.is_unrestricted()).then(|| Lookup::new(served, id))
    }
}

/// A request without a body, or with one of which nothing may come.
fn complete(head: &RequestHead<'_>, out: Enforced<OutboundHead>, admitted: Admitted) -> Admission {
    match head.body {
        Body::None => Admission::Forward(out, admitted),
        Body::Announced | Body::Possible => Admission::AwaitBody(out, PendingBody(Pending::Nothing { admitted })),
    }
}

impl PendingBody {
    /// That a body is complete while the upstream still waits for it.
    ///
    /// # Errors
    /// It took longer than [`FORM_TIME`] since its head went on. Upstreams ignore that they could not read a form: one that
    /// has given up on it is about to answer a request without a selector, which for some endpoints is everything.
    // Go: net/http/request.go, FormValue; Prometheus: web/api/v1/api.go, labelNames
    pub fn in_time(&self, taken: Duration) -> Result<(), Denial> {
        if self.must_come() && taken > FORM_TIME { Err(Denial::FormTooSlow) } else { Ok(()) }
    }

    /// What is known of the request while its body is still to come: nothing that its body has a say in.
    #[must_use]
    pub fn admitted(&self) -> Option<&Admitted> {
        match &self.0 {
            Pending::Nothing { admitted } => Some(admitted),
            Pending::Form { .. } | Pending::RemoteRead { .. } | Pending::Silence { .. } => None,
        }
    }

    /// Whether a body must go upstream, even if the client's has no byte.
    #[must_use]
    pub fn must_come(&self) -> bool {
        match self.0 {
            Pending::Form { .. } | Pending::RemoteRead { .. } | Pending::Silence { .. } => true,
            Pending::Nothing { .. } => false,
        }
    }

    /// The most bytes that [`PendingBody::finish`] takes: beyond it there is no need to wait for more.
    #[must_use]
    pub fn limit(&self, policy: &Policy) -> usize {
        match self.0 {
            Pending::Form { .. } | Pending::RemoteRead { .. } | Pending::Silence { .. } => policy.limits.form_bytes,
            Pending::Nothing { .. } => 0,
        }
    }

    /// Decides on a request now that its whole `body` is there, and notes in `record` what it comes to know.
    ///
    /// # Errors
    /// The refusal.
    pub fn finish(self, policy: &Policy, body: &[u8], record: &mut Record) -> Result<Finished, Denial> {
        if body.len() > self.limit(policy) {
            return Err(self.too_large(policy));
        }
        Ok(match self.0 {
            Pending::Form { content_type: ContentType::Missing, .. } if !body.is_empty() => {
                return Err(Denial::ContentType { expected: rewrite::FORM });
            }
            Pending::Form { route, mut identity, url, .. } => {
                policy.read_parameters(&mut identity, &url, body)?;
                let (scope, route_identity) = identity.complete(policy)?;
                record.tenant = Some(observe::tenant(&scope));
                let plan = ResponsePlan::new(policy, route.endpoint, Method::Post, &scope);
                let Narrowed { out, explanation } = rewrite::form(policy, route, &scope, &url, body, record)?;
                let explanation = explanation.as_ref().and_then(Explanation::header);
                Finished::Forward(out, Admitted { endpoint: route.endpoint, plan, route: route_identity, explanation })
            }
            Pending::RemoteRead { scope, admitted } => {
                Finished::Forward(rewrite::remote_read(policy, &scope, body)?, admitted)
            }
            Pending::Silence { scope, admitted } => {
                let (id, out) = rewrite::silence(&scope, body)?;
                match id.and_then(|id| policy.silence_lookup(&scope, &id)) {
                    Some(lookup) => Finished::Ask(Unproven::new(lookup, scope, (out, admitted))),
                    None => Finished::Forward(out, admitted),
                }
            }
            Pending::Nothing { admitted } => Finished::Forward(rewrite::no_body(), admitted),
        })
    }

    /// The refusal of a body beyond [`PendingBody::limit`].
    #[must_use]
    pub fn too_large(&self, policy: &Policy) -> Denial {
        match self.0 {
            Pending::Form { .. } | Pending::RemoteRead { .. } | Pending::Silence { .. } => {
                Denial::FormTooLarge { limit: policy.limits.form_bytes }
            }
            Pending::Nothing { .. } => Denial::BodyOnGet,
        }
    }
}

/// That a GET announces no body. One that may still follow is refused when it does.
fn no_body(head: &RequestHead<'_>) -> Result<(), Denial> {
    match head.body {
        Body::None | Body::Possible => Ok(()),
        Body::Announced => Err(Denial::BodyOnGet),
    }
}

/// The announced length; `None` when none was, or when it is no number (Envoy has refused that already).
fn content_length(head: &RequestHead<'_>) -> Option<u64> {
    match head.headers.only("content-length") {
        Only::One(value) => std::str::from_utf8(value).ok()?.parse().ok(),
        Only::Missing | Only::Several => None,
    }
}

/// Whether a content type is `expected`; its parameters (`; charset=…`) change nothing.
fn is(value: &[u8], expected: &str) -> bool {
    let essence = value.split(|&b| b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(expected.as_bytes())
}
