//! What the operator's configuration means: types in which nothing that is wrong can be said.
//!
//! Made by [`super::parse`] alone. Must not know how the configuration was written (JSON text or protobuf), nor any host.

use crate::identity::capture::Capture;
use crate::promql::{Promql, TextLimits};
use crate::scope::pattern::Patterns;
use crate::scope::{LabelName, LabelValue, LabelValues};
use std::collections::{BTreeMap, BTreeSet};

/// The whole configuration of one plugin.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The labels that are enforced, 1 to 8, all of them together; no name twice.
    pub rules: Vec<LabelRule>,
    /// Where `jwt_claim` finds the token's payload.
    pub jwt: JwtMetadata,
    /// The metadata namespace of `route_metadata`.
    pub route_metadata_namespace: String,
    /// What stands in front of `/api/v1` and `/federate`.
    pub path_prefix: PathPrefix,
    /// What becomes of a matcher that selects nothing of the tenant's (`error_on_replace`).
    pub conflicts: Conflicts,
    /// How `/api/v1/rules` is narrowed.
    pub rules_api: RulesApi,
    /// What `/api/v1/metadata` answers.
    pub metadata: Metadata,
    /// Whether `/api/v1/targets` and `/api/v1/targets/metadata` are served.
    pub targets: Targets,
    /// Whether `/api/v1/read` is served.
    pub remote_read: RemoteRead,
    /// Whether the pages of the web interfaces are served.
    pub ui: Ui,
    /// Exact paths that pass unread, without an identity.
    pub danger_passthrough_paths: BTreeSet<String>,
    /// Alertmanager's API, where it is served.
    pub alertmanager: Option<Alertmanager>,
    /// The header that tells the upstream the values of the first rule, lower case.
    pub tenant_header: Option<String>,
    /// What becomes of warnings and errors in answers that are not filtered.
    pub warnings: Warnings,
    /// Whether the headers of an answer that is filtered wait for its body.
    pub response_headers: ResponseHeaders,
    /// Which PromQL is accepted, within `limits.text`.
    pub promql: Promql,
    /// Parameters that pass on every endpoint, beyond those of its row.
    pub extra_parameters: BTreeSet<String>,
    /// Whether tenants are shown what their queries become.
    pub explain: Explain,
    /// What of a request is told to Envoy's access log.
    pub audit: Audit,
    /// Sizes and counts that end a request.
    pub limits: Limits,
}

impl Policy {
    /// Names of the parameters that name tenants.
    pub fn identity_parameters(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match &rule.source {
            Source::QueryParam(name) => Some(name.as_str()),
            Source::Static(_)
            | Source::Header { .. }
            | Source::JwtClaim(_)
            | Source::RouteMetadata(_)
            | Source::PeerCertificate(_)
            | Source::PathParam => None,
        })
    }
}

/// One enforced label: where a request's values come from and what they mean.
#[derive(Clone, Debug)]
pub struct LabelRule {
    /// The label.
    pub name: LabelName,
    /// Where the identity comes from.
    pub source: Source,
    /// How the values are meant.
    pub meaning: Meaning,
    /// Identity value to label values.
    pub values_map: BTreeMap<String, LabelValues>,
    /// What becomes of an identity value that the map lacks.
    pub unmapped: Unmapped,
    /// Identity values, before the map, that lift this rule.
    pub danger_unrestricted: BTreeSet<String>,
}

/// How a rule's values are meant.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// As the label's values.
    Literal,
    /// As one pattern for them (`regex_match`).
    Pattern(Patterns),
}

/// Where one rule's identity values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The same for every request; never empty.
    Static(Vec<LabelValue>),
    /// A trusted request header, lower case; removed before the request goes on.
    Header {
        /// The header's name, lower case.
        name: String,
        /// How its values are written.
        syntax: HeaderSyntax,
    },
    /// A claim of the verified token: the segments that lead to it, never empty.
    JwtClaim(Vec<String>),
    /// The metadata of route, virtual host or listener: the segments that lead to it, never empty.
    RouteMetadata(Vec<String>),
    /// A trusted parameter of the URL or the form; removed before the request goes on.
    QueryParam(String),
    /// The segment of the path that [`PathPrefix`] names.
    PathParam,
    /// The certificate that the client has shown in mutual TLS.
    PeerCertificate(PeerCertificate),
}

/// What of a client's certificate is the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The part that holds it.
    pub part: CertificatePart,
    /// What of that it is; `None` for all.
    pub pattern: Option<Capture>,
}

/// A part of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    /// The first URI among its alternative names.
    UriSan,
    /// The first DNS name among its alternative names.
    DnsSan,
    /// The common names of its subject.
    SubjectCn,
    /// The organizational units of its subject.
    SubjectOu,
    /// The organizations of its subject.
    SubjectO,
}

impl CertificatePart {
    /// For messages: `URI among its alternative names`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::UriSan => "URI among its alternative names",
            Self::DnsSan => "DNS name among its alternative names",
            Self::SubjectCn => "common name (CN) in its subject",
            Self::SubjectOu => "organizational unit (OU) in its subject",
            Self::SubjectO => "organization (O) in its subject",
        }
    }
}

/// What stands in front of the paths that are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPrefix {
    /// Empty, or `/…` without a slash at the end. All of it, or what stands in front of the named segment.
    pub before: String,
    /// The named segment, if there is one.
    pub named: Option<NamedSegment>,
}

/// One segment of a path, of any text, and what must follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSegment {
    /// The name in the braces.
    pub name: String,
    /// Empty, or `/…` without a slash at the end.
    pub after: String,
}

impl PathPrefix {
    /// What stands behind the prefix in `path`, and the text of the named segment, which is never empty; `None` when `path`
    /// begins differently.
    #[must_use]
    pub fn strip<'p>(&self, path: &'p str) -> Option<(&'p str, Option<&'p str>)> {
        let rest = path.strip_prefix(self.before.as_str())?;
        let Some(NamedSegment { after, .. }) = &self.named else { return Some((rest, None)) };
        let rest = rest.strip_prefix('/')?;
        let (value, rest) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        let rest = rest.strip_prefix(after.as_str())?;
        (!value.is_empty()).then_some((rest, Some(value)))
    }

    /// The name of the named segment.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|named| named.name.as_str())
    }
}

/// How an identity header writes its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSyntax {
    /// Each header line is one value, byte for byte.
    ValuePerLine,
    /// Each header line is a list separated by commas, white space around the items left out.
    CommaList,
}

/// What becomes of an identity value that `values_map` lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// It is the label's value.
    StaysItself,
    /// The request is refused (`values_map_only`).
    Refused,
}

/// Where jwt_authn puts a verified token's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtMetadata {
    /// Namespace in the dynamic metadata.
    pub namespace: String,
    /// `payload_in_metadata` of the provider.
    pub payload_key: String,
}

impl Default for JwtMetadata {
    fn default() -> Self {
        Self { namespace: "envoy.filters.http.jwt_authn".to_owned(), payload_key: "payload".to_owned() }
    }
}

/// What becomes of a request whose own matcher on an enforced label cannot hold for anything that its tenant may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// It goes on, and selects nothing.
    #[default]
    SelectNothing,
    /// It is refused (`error_on_replace`).
    Refused,
}

/// What `/api/v1/metadata` answers: the upstream cannot narrow it to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// An empty success, answered here.
    Empty,
    /// As a path that is not served.
    Deny,
    /// The upstream's answer: names and help texts of every tenant's metrics.
    DangerPass,
}

/// How `/api/v1/rules` is narrowed, beyond what is always done: its answer is filtered by the rules' own labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulesApi {
    /// Which rules of others are kept.
    pub others: RulesOfOthers,
    /// Whether the upstream is asked for the tenant's rules alone.
    pub at_source: AtSource,
    /// Where `/api/v1/alerts` is answered from.
    pub alerts: AlertsFrom,
}

/// Where the alerts of `/api/v1/alerts` come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertsFrom {
    /// The upstream's own answer, filtered by the alerts' labels.
    #[default]
    Alerts,
    /// The upstream's rules (`alerts_from_rules`): of a Thanos, only they carry the servers' external labels.
    Rules,
}

/// What becomes of a rule that does not carry the tenant's labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RulesOfOthers {
    /// It is taken out.
    #[default]
    Dropped,
    /// It stays while alerts of the tenant's are active, with those alone (`rules_with_active_alerts`).
    KeptWithOwnAlerts,
}

/// Whether rules are narrowed where they are, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtSource {
    /// The client's selectors go on as they are.
    #[default]
    AsAsked,
    /// The tenant's matchers are put into each selector (`enable_label_matchers_for_rules_api`).
    Narrowed,
}

/// Whether targets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// As a path that is not served.
    Deny,
    /// Active ones by their labels; dropped ones have none, and are not shown.
    Filter,
}

/// Whether a Prometheus may read samples through the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteRead {
    /// As a path that is not served.
    Deny,
    /// The tenant's matchers are put into every query. Right only where the labels are stored: see the README.
    Rewrite,
}

/// Whether the pages of Prometheus's and Thanos's web interface are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ui {
    /// As paths that are not served.
    Deny,
    /// Static files and empty shells, to anybody; their data comes through the API.
    Pass,
}

/// What becomes of warnings, infos and errors in answers that are not filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warnings {
    /// They pass.
    Pass,
    /// Constant text stands in their place.
    Scrub,
}

/// Alertmanager's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alertmanager {
    /// What stands in front of `/api/v2`.
    pub path_prefix: PathPrefix,
    /// Whether silences may be written.
    pub silence_writes: SilenceWrites,
    /// Envoy's cluster that is asked whose a silence is.
    pub cluster: String,
    /// What stands in front of `/api/v2` there: empty, or `/…` without a slash at the end.
    pub cluster_path_prefix: String,
}

/// Whether silences may be created, changed and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceWrites {
    /// They may be read only.
    Deny,
    /// One's own may.
    Allow,
}

/// Whether tenants are shown what their queries become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// They are not.
    Off,
    /// Answers carry it, and `/-/explain` answers with it. Shows a tenant its own text and the matchers of its own.
    On,
}

/// What of a request is told to Envoy's access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// Whose it is, what it asks of, and what became of it.
    WithoutQueries,
    /// Its PromQL as well, at most 1 KiB of it: what people look for may be private, and logs are read by others.
    WithQueries,
}

/// When the headers of an answer that is filtered go to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseHeaders {
    /// At once: a body that cannot be filtered becomes an error in a 200.
    SentAtOnce,
    /// With the body: a body that cannot be filtered becomes a 502. Needs Envoy's `allow_on_headers_stop_iteration`.
    Held,
}

/// Sizes and counts that end a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Limits of one PromQL text.
    pub text: TextLimits,
    /// Bytes of a request's form.
    pub form_bytes: usize,
    /// Bytes of an answer that is filtered.
    pub response_bytes: usize,
    /// Bytes held for filtering in the whole VM.
    pub buffered_bytes: usize,
    /// Parameters of a request, URL and form together.
    pub parameters: usize,
    /// Values of one rule for one request.
    pub values: usize,
    /// Bytes of queries that are remembered with what was written for them; 0 for none.
    pub cache_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text: TextLimits::default(),
            form_bytes: 1 << 20,
            response_bytes: 64 << 20,
            buffered_bytes: 256 << 20,
            parameters: 200,
            values: 1_000,
            cache_bytes: 4 << 20,
        }
    }
}
