//! Who a request is for: from what the host can vouch for to a [`TenantScope`].
//!
//! Owns the rules' sources and the meaning of their values. Read once, before any header changes. Must not know
//! endpoints, PromQL or how a refusal looks; a value that is in doubt refuses the whole request.

pub mod capture;
pub mod certificate;
pub mod claims;
pub mod header;
pub mod query_param;
pub mod route_metadata;
pub mod struct_value;

use crate::config::policy::{CertificatePart, LabelRule, Meaning, Policy, Source, Unmapped};
use crate::form::Parameter;
use crate::request::Headers;
use crate::scope::pattern::InvalidPattern;
use crate::scope::{InvalidLabel, LabelScope, LabelValue, LabelValues, Scope, TenantScope};
use crate::value::Value;
use std::fmt;

/// What the host knows about a request beyond its head.
///
/// Metadata is a serialised `envoy.config.core.v3.Metadata`; `None` when there is none.
pub trait Credentials {
    /// The request's dynamic metadata, where jwt_authn leaves a verified token's payload.
    fn dynamic_metadata(&self) -> Option<Vec<u8>>;
    /// The metadata that the operator wrote at `place`.
    fn place_metadata(&self, place: Place) -> Option<Vec<u8>>;
    /// What the client's certificate has as `part`, empty when it lacks it; `None` when the client has shown none.
    fn peer_certificate(&self, part: CertificatePart) -> Option<Vec<u8>>;
}

/// Where route metadata can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the route.
    Route,
    /// On the virtual host.
    VirtualHost,
    /// On the listener.
    Listener,
}

impl Place {
    /// From the most specific place to the least.
    pub const IN_ORDER: [Self; 3] = [Self::Route, Self::VirtualHost, Self::Listener];
}

/// Why a rule finds no tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError {
    /// The rule's label.
    pub label: String,
    /// What is wrong.
    pub cause: IdentityCause,
}

/// What is wrong with a request's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityCause {
    /// No verified token came with the request.
    NoToken,
    /// The identity header is missing.
    NoHeader {
        /// Its name.
        name: String,
    },
    /// The identity parameter is missing.
    NoParameter {
        /// Its name.
        name: String,
    },
    /// The identity parameter stands in URL and form, with different values.
    ParameterInTwoPlaces {
        /// Its name.
        name: String,
    },
    /// The path has no segment that names the tenant.
    NoSegment,
    /// The client has shown no certificate.
    NoCertificate,
    /// The client's certificate lacks the part.
    NoCertificatePart {
        /// Which one.
        part: CertificatePart,
    },
    /// A value is not as `pattern` says.
    NotAsPattern,
    /// The token has no such claim.
    NoClaim {
        /// The segments that lead to it.
        path: Vec<String>,
    },
    /// Neither route, virtual host nor listener has the key.
    NoRouteMetadata {
        /// The segments that lead to it.
        path: Vec<String>,
    },
    /// What holds the identity cannot be decoded.
    Undecodable,
    /// The value is neither a text nor a list of texts.
    NotText,
    /// A list without an element.
    EmptyList,
    /// A value that no label can have.
    Invalid(InvalidLabel),
    /// More values than `limits.values`.
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A value that cannot be a pattern (`regex_match`).
    InvalidPattern(InvalidPattern),
    /// More than one pattern (`regex_match`).
    SeveralPatterns,
    /// `values_map_only` is on and the map lacks the value.
    NotInMap,
    /// The policy has no rule.
    NoRule,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = &self.label;
        match &self.cause {
            IdentityCause::NoToken => write!(
                f,
                "no verified token: send `authorization: Bearer <token>` (in Grafana: turn on \"Forward OAuth Identity\" and check that \
                 the session has not outlived its token; for an operator: jwt_authn must run before this filter with \
                 `payload_in_metadata`)"
            ),
            IdentityCause::NoHeader { name } => {
                write!(
                    f,
                    "the header `{name}`, which names the tenant (label `{label}`), is missing: the proxy that authenticates must set it"
                )
            }
            IdentityCause::NoParameter { name } => write!(
                f,
                "the parameter `{name}`, which names the tenant (label `{label}`), is missing: the proxy that authenticates must \
                 add it to the URL"
            ),
            IdentityCause::ParameterInTwoPlaces { name } => write!(
                f,
                "the parameter `{name}`, which names the tenant (label `{label}`), has other values in the form than in the URL: \
                 leave it out of the form"
            ),
            IdentityCause::NoSegment => write!(f, "the path names no tenant for the label `{label}`"),
            IdentityCause::NoCertificate => write!(
                f,
                "no client certificate, which names the tenant (label `{label}`): connect with mutual TLS (for an operator: this \
                 listener must have `require_client_certificate` and a validation context)"
            ),
            IdentityCause::NoCertificatePart { part } => {
                let part = part.words();
                write!(f, "the client certificate has no {part}, which names the tenant (label `{label}`)")
            }
            IdentityCause::NotAsPattern => {
                write!(f, "the client certificate names no tenant for the label `{label}`: it is not as `pattern` says")
            }
            IdentityCause::NoClaim { path } => {
                write!(
                    f,
                    "the token has no claim `{}` for the label `{label}`: the identity provider must put it in",
                    path.join("` / `")
                )
            }
            IdentityCause::NoRouteMetadata { path } => write!(
                f,
                "this route names no tenant for the label `{label}`: route, virtual host and listener lack the metadata key `{}`",
                path.join("` / `")
            ),
            IdentityCause::Undecodable => write!(f, "the identity for the label `{label}` cannot be decoded"),
            IdentityCause::NotText => {
                write!(f, "the identity for the label `{label}` is neither a text nor a list of texts")
            }
            IdentityCause::EmptyList => write!(f, "the identity for the label `{label}` is an empty list"),
            IdentityCause::Invalid(invalid) => write!(f, "a value of the identity for the label `{label}` {invalid}"),
            IdentityCause::TooMany { limit } => {
                write!(f, "the identity for the label `{label}` has more than {limit} values (`limits.values`)")
            }
            IdentityCause::InvalidPattern(invalid) => {
                write!(f, "the identity for the label `{label}` {invalid} (`regex_match`)")
            }
            IdentityCause::SeveralPatterns => write!(
                f,
                "the identity for the label `{label}` has several patterns, and `regex_match` takes one: whatever \
                 names the tenant must join them, as in `a|b`"
            ),
            IdentityCause::NotInMap => write!(
                f,
                "an identity value for the label `{label}` stands for no tenant: `values_map` lacks it and `values_map_only` is on"
            ),
            IdentityCause::NoRule => f.write_str("no label is enforced"),
        }
    }
}

/// What a request shows of its tenants, and what must still hold when the answer comes.
#[derive(Clone, Debug)]
pub struct Identity {
    /// One entry a rule; `None` while the parameter that must say it has not come.
    scopes: Vec<Option<Scope>>,
    route: RouteIdentity,
}

/// The raw values of all `route_metadata` rules in order. A change of `:path` makes Envoy choose the route again; an
/// answer is passed on only when the new route names the same tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteIdentity(Vec<Vec<String>>);

/// Reads the identity of every rule of `policy`, but for those that parameters name: see
/// [`Identity::read_parameters`]. `path_param` is what the named segment of the path holds.
///
/// # Errors
/// The first rule that finds no tenant.
pub fn identify(
    policy: &Policy,
    headers: &Headers,
    path_param: Option<&str>,
    credentials: &impl Credentials,
) -> Result<Identity, IdentityError> {
    let mut route = RouteIdentity::default();
    let mut dynamic_metadata = None;
    let mut scopes = Vec::with_capacity(policy.rules.len());
    let limit = policy.limits.values;
    for rule in &policy.rules {
        let found = |values: Vec<&str>| resolve(rule, &values, limit).map(Some);
        let scope = match &rule.source {
            Source::Static(values) => found(values.iter().map(LabelValue::as_str).collect()),
            Source::Header { name, syntax } => header::read(headers, name, *syntax).and_then(found),
            Source::JwtClaim(path) => {
                let metadata =
                    dynamic_metadata.get_or_insert_with(|| credentials.dynamic_metadata().unwrap_or_default());
                claims::read(metadata, &policy.jwt, path).and_then(|values| found(borrowed(&values)))
            }
            Source::RouteMetadata(path) => route_metadata::read(credentials, &policy.route_metadata_namespace, path)
                .and_then(|values| {
                    let scope = found(borrowed(&values));
                    route.0.push(values);
                    scope
                }),
            Source::PeerCertificate(source) => {
                certificate::read(credentials, source).and_then(|values| found(borrowed(&values)))
            }
            Source::PathParam => path_param.ok_or(IdentityCause::NoSegment).and_then(|value| found(vec![value])),
            Source::QueryParam(_) => Ok(None),
        };
        scopes.push(scope.map_err(|cause| rule.refusal(cause))?);
    }
    Ok(Identity { scopes, route })
}

impl Identity {
    /// Reads the rules whose value is a parameter, as far as it has come: `form` is empty before its form is.
    ///
    /// # Errors
    /// The first rule for which what has come is not usable.
    pub fn read_parameters(
        &mut self,
        policy: &Policy,
        url: &[Parameter<'_>],
        form: &[Parameter<'_>],
    ) -> Result<(), IdentityError> {
        for (rule, scope) in policy.rules.iter().zip(&mut self.scopes) {
            let Source::QueryParam(name) = &rule.source else { continue };
            let values = query_param::read(url, form, name).map_err(|cause| rule.refusal(cause))?;
            if !values.is_empty() {
                let found = resolve(rule, &values, policy.limits.values);
                *scope = Some(found.map_err(|cause| rule.refusal(cause))?);
            }
        }
        Ok(())
    }

    /// What the first rule has found.
    ///
    /// # Errors
    /// The parameter that must say it has not come.
    pub fn first(&self, policy: &Policy) -> Result<&Scope, IdentityError> {
        let (rule, scope) = policy.rules.iter().zip(&self.scopes).next().ok_or_else(no_rule)?;
        scope.as_ref().ok_or_else(|| rule.not_come())
    }

    /// What the request may read, and what the route said.
    ///
    /// # Errors
    /// The first rule whose parameter has not come.
    pub fn complete(self, policy: &Policy) -> Result<(TenantScope, RouteIdentity), IdentityError> {
        let label = |(rule, scope): (&LabelRule, Option<Scope>)| {
            Ok(LabelScope { name: rule.name.clone(), scope: scope.ok_or_else(|| rule.not_come())? })
        };
        let labels = policy.rules.iter().zip(self.scopes).map(label).collect::<Result<_, _>>()?;
        Ok((TenantScope::new(labels).ok_or_else(no_rule)?, self.route))
    }
}

impl LabelRule {
    fn refusal(&self, cause: IdentityCause) -> IdentityError {
        IdentityError { label: self.name.to_string(), cause }
    }

    /// The refusal of a request that ends without the parameter of this rule.
    fn not_come(&self) -> IdentityError {
        self.refusal(match &self.source {
            Source::QueryParam(name) => IdentityCause::NoParameter { name: name.clone() },
            // INVARIANT: only a parameter can come later.
            Source::Static(_)
            | Source::Header { .. }
            | Source::JwtClaim(_)
            | Source::RouteMetadata(_)
            | Source::PeerCertificate(_)
            | Source::PathParam => IdentityCause::NoRule,
        })
    }
}

/// INVARIANT: a policy has at least one rule; without one nobody is let in.
fn no_rule() -> IdentityError {
    IdentityError { label: String::new(), cause: IdentityCause::NoRule }
}

/// Whether the route that now stands names the same tenants as the one that `before` was read from.
#[must_use]
pub fn route_still_agrees(policy: &Policy, before: &RouteIdentity, credentials: &impl Credentials) -> bool {
    let paths = policy.rules.iter().filter_map(|rule| match &rule.source {
        Source::RouteMetadata(path) => Some(path),
        Source::Static(_)
        | Source::Header { .. }
        | Source::JwtClaim(_)
        | Source::QueryParam(_)
        | Source::PeerCertificate(_)
        | Source::PathParam => None,
    });
    let mut remembered = before.0.iter();
    paths.into_iter().all(|path| {
        route_metadata::read(credentials, &policy.route_metadata_namespace, path)
            .is_ok_and(|now| remembered.next() == Some(&now))
    })
}

/// What `raw` identity values mean under `rule`. Every value is checked before any of them counts.
fn resolve(rule: &LabelRule, raw: &[&str], limit: usize) -> Result<Scope, IdentityCause> {
    if raw.len() > limit {
        return Err(IdentityCause::TooMany { limit });
    }
    let mut values = Vec::new();
    for &text in raw {
        let value = LabelValue::new(text).map_err(IdentityCause::Invalid)?;
        match (rule.values_map.get(text), rule.unmapped) {
            (Some(mapped), Unmapped::StaysItself | Unmapped::Refused) => values.extend_from_slice(mapped.as_slice()),
            (None, Unmapped::StaysItself) => values.push(value),
            // A value that lifts the rule needs no entry in the map.
            (None, Unmapped::Refused) if rule.danger_unrestricted.contains(text) => {}
            (None, Unmapped::Refused) => return Err(IdentityCause::NotInMap),
        }
    }
    if raw.iter().any(|&text| rule.danger_unrestricted.contains(text)) {
        return Ok(Scope::Unrestricted);
    }
    let values = LabelValues::new(values).ok_or(IdentityCause::EmptyList)?;
    match (&rule.meaning, values.as_slice()) {
        (Meaning::Literal, several) if several.len() > limit => Err(IdentityCause::TooMany { limit }),
        (Meaning::Literal, _) => Ok(Scope::Values(values)),
        (Meaning::Pattern(patterns), [text]) => {
            patterns.get(text).map(Scope::Pattern).map_err(IdentityCause::InvalidPattern)
        }
        (Meaning::Pattern(_), _) => Err(IdentityCause::SeveralPatterns),
    }
}

fn borrowed(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

/// A text, or a list of texts, from a token or from metadata. One element that is no text spoils the list.
fn texts(value: Value) -> Result<Vec<String>, IdentityCause> {
    match value {
        Value::String(text) => Ok(vec![text]),
        Value::List(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => {
                    Err(IdentityCause::NotText)
                }
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(IdentityCause::NotText),
    }
}
