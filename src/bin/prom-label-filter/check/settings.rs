//! One configuration of the plugin, as it is written: the library's problems, and what its settings ask of Envoy.
//!
//! Reads what is written and not what it means, so that a configuration with a problem is looked at as well. Must not know
//! where in Envoy it stands.

use super::finding::Findings;
use super::node::Node;
use prom_label_filter::config;
use prom_label_filter::rewrite::NEVER_FORWARDED;
use prom_label_filter::value::Value;

/// A configuration of the plugin and the path to it, which is empty or ends with `: `.
#[derive(Debug)]
pub(crate) struct Settings {
    path: String,
    value: Value,
}

/// Where a rule's value comes from, and the path of the setting that says so.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) kind: SourceKind,
}

/// The sources that ask something of Envoy.
#[derive(Debug)]
pub(crate) enum SourceKind {
    JwtClaim,
    Header(String),
    QueryParam(String),
    RouteMetadata(Vec<String>),
    PathParam,
    PeerCertificate,
}

impl Settings {
    pub(crate) fn new(path: impl Into<String>, value: Value) -> Self {
        Self { path: path.into(), value }
    }

    fn root(&self) -> Node<'_> {
        Node::new(self.path.as_str(), &self.value)
    }

    fn text(&self, keys: &str, default: &'static str) -> &str {
        self.root().at(keys).and_then(|node| node.value.as_str()).unwrap_or(default)
    }

    /// Whether it looks like a configuration of ours.
    pub(crate) fn has_labels(&self) -> bool {
        self.root().get("labels").is_some()
    }

    /// The path of the configuration as a whole.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// `jwt.payload_key`.
    pub(crate) fn payload_key(&self) -> &str {
        self.text("jwt.payload_key", "payload")
    }

    /// `jwt.metadata_namespace`.
    pub(crate) fn jwt_namespace(&self) -> &str {
        self.text("jwt.metadata_namespace", super::jwt::NAMESPACE)
    }

    /// `route_metadata_namespace`.
    pub(crate) fn route_namespace(&self) -> &str {
        self.text("route_metadata_namespace", "prom-label-filter")
    }

    /// `hold_response_headers: true`, and its path.
    pub(crate) fn holds_response_headers(&self) -> Option<String> {
        let root = self.root();
        root.is_true("hold_response_headers").then(|| root.get("hold_response_headers").map(|node| node.path)).flatten()
    }

    /// The headers that a request loses in the filter, lower case.
    pub(crate) fn removed_headers(&self) -> Vec<String> {
        let tenant_header = self.root().text("tenant_header").map(str::to_ascii_lowercase);
        let mut removed: Vec<String> = NEVER_FORWARDED.iter().map(|name| (*name).to_owned()).collect();
        removed.extend(tenant_header.filter(|name| !name.is_empty()));
        removed.extend(self.sources().into_iter().filter_map(|source| match source.kind {
            SourceKind::Header(name) => Some(name.to_ascii_lowercase()),
            SourceKind::JwtClaim
            | SourceKind::QueryParam(_)
            | SourceKind::RouteMetadata(_)
            | SourceKind::PathParam
            | SourceKind::PeerCertificate => None,
        }));
        removed
    }

    /// The sources of all rules.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let rules = self.root().items("labels");
        rules.iter().flat_map(Node::entries).filter_map(|(key, node)| source(key, &node)).collect()
    }

    /// The problems that would stop Envoy, and what can be said without knowing Envoy.
    pub(crate) fn check(&self, findings: &mut Findings) {
        if let Err(error) = config::policy(&self.value) {
            for problem in error.problems() {
                findings.error(&format!("{}{}", self.path, problem.path()), problem.message());
            }
        }
        let root = self.root();
        for node in root.items("labels").into_iter().chain([root]) {
            for (key, entry) in node.entries() {
                if key.starts_with("danger_") && !is_empty(entry.value) {
                    findings.note(&entry.path, "widens what can be read, on purpose; is it still needed?");
                } else if entry.value.as_str().is_some_and(|word| key == "metadata" && word.starts_with("danger_")) {
                    findings.note(&entry.path, "every tenant sees the names and help texts of all metrics, on purpose");
                }
            }
        }
        for Source { path, kind } in self.sources() {
            if let SourceKind::QueryParam(name) = kind {
                findings.warning(
                    &path,
                    format!(
                        "anyone who reaches the listener can send `{name}`: what sets it in front must set it in every URL, in the \
                         place of what the client sent"
                    ),
                );
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    }
}

fn source(key: &str, node: &Node<'_>) -> Option<Source> {
    let texts = || match node.value {
        Value::List(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    let text = || node.value.as_str().map(str::to_owned);
    let kind = match key {
        "jwt_claim" => SourceKind::JwtClaim,
        "header" => SourceKind::Header(text()?),
        "query_param" => SourceKind::QueryParam(text()?),
        "route_metadata" => SourceKind::RouteMetadata(texts()),
        "path_param" => SourceKind::PathParam,
        "peer_certificate" => SourceKind::PeerCertificate,
        _ => return None,
    };
    Some(Source { path: node.path.clone(), kind })
}
