//! What can be said of one request, under the names that `--format json` has.
//!
//! Must not know how it is found out, nor how it is shown to people.

use super::request::Request;
use super::verify::Reading;
use serde::{Deserialize, Serialize};

/// Everything that can be said of one request.
#[derive(Debug, Serialize)]
pub(crate) struct Decision {
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// What the path is served as; none where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<&'static str>,
    /// Whom the identity stands for; none where it is refused, or nobody asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<Vec<Label>>,
}

/// What becomes of a request.
#[derive(Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It goes upstream.
    Forwarded { upstream: Box<Upstream>, answer: AnswerPlan },
    /// It goes upstream when Alertmanager has said that a silence is the tenant's.
    Depends {
        asked: Question,
        /// What goes on before that.
        #[serde(skip_serializing_if = "Option::is_none")]
        upstream: Option<Box<Upstream>>,
    },
    /// The filter answers it.
    Answered(Answered),
    /// It is refused.
    Refused(Refused),
}

/// One label of the tenant's.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Label {
    pub(crate) label: String,
    #[serde(flatten)]
    pub(crate) reads: Reads,
}

/// What of a label may be read.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reads {
    Values(Vec<String>),
    Pattern(String),
    /// Everything: the rule is lifted.
    Lifted(bool),
}

/// A question to Alertmanager.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Question {
    pub(crate) cluster: String,
    pub(crate) path: String,
}

/// What the upstream gets.
#[derive(Debug, Serialize)]
pub(crate) struct Upstream {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) headers_removed: Vec<String>,
    pub(crate) headers_set: Vec<Header>,
    /// A body that is no form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
}

/// A header.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// One parameter, decoded.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Parameter {
    /// Where it stands.
    #[serde(rename = "in")]
    pub(crate) place: ParameterPlace,
    pub(crate) name: String,
    pub(crate) value: String,
    /// What another parser makes of it, where it holds PromQL that the filter narrows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) promql_parser: Option<Reading>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParameterPlace {
    Url,
    Form,
}

/// What happens to the upstream's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerPlan {
    /// It passes untouched.
    Passes,
    /// Warnings and texts of errors are replaced.
    Scrubbed,
    /// What is not the tenant's is taken out.
    Filtered,
}

/// An answer of the filter's own.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answered {
    pub(crate) status: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow: Option<&'static str>,
    pub(crate) body: String,
}

/// A refusal.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    pub(crate) status: u32,
    pub(crate) error_type: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// A header that goes with the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Header>,
    pub(crate) body: String,
    /// Whether the upstream has seen the head by then, without a parameter.
    pub(crate) head_was_sent: bool,
}

impl Upstream {
    /// The values of the header `name` (lower case) that `request` brings upstream.
    pub(crate) fn header(&self, request: &Request, name: &str) -> Vec<String> {
        if let Some(header) = self.headers_set.iter().find(|header| header.name == name) {
            return vec![header.value.clone()];
        }
        if self.headers_removed.iter().any(|removed| removed == name) {
            return Vec::new();
        }
        request.headers.values(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }
}

impl Decision {
    /// Whether something went upstream that another parser has read and not found narrowed: a defect of the filter's.
    pub(crate) fn is_contradicted(&self) -> bool {
        let Verdict::Forwarded { upstream, .. } = &self.verdict else { return false };
        upstream
            .parameters
            .iter()
            .filter_map(|parameter| parameter.promql_parser.as_ref())
            .any(Reading::is_contradiction)
    }
}
