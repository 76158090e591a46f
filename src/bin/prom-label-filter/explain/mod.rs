//! `explain`: what the filter would do with one request, and why.
//!
//! Owns the arguments. Must not know how the filter decides.

mod text;

use super::credentials::{self, Certificate, Said};
use super::decision::decide;
use super::facts::Verdict;
use super::input::InputError;
use super::request::{self, Draft, Unsendable};
use super::unusable::{self, Unusable};
use super::{Format, Outcome, Report};
use clap::{ArgGroup, Args};
use prom_label_filter::value::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to explain.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("asked").required(true).args(["query", "request"]),
    after_help = "Exit codes: 0 the request passes or is answered, 1 it is refused, 2 there was nothing to explain.\n\n\
        In the target of --request, what a URL cannot hold (spaces, quotes, braces, `#`, …) is encoded for you; `%`, `&`, `+` \
        and `;` mean what they mean in a URL, so use --data-urlencode for values that hold them.\n\n\
        Examples:\n  \
        prom-label-filter explain --config filter.yaml --claims '{\"tenants\": [\"team-fruit\"]}' 'sum(rate(http_requests_total[5m]))'\n  \
        prom-label-filter explain --config filter.yaml -H 'X-Tenant: team-fruit' --request 'GET /api/v1/series?match[]=up'\n  \
        prom-label-filter explain --config filter.yaml --route-metadata '{\"tenant\": \"team-fruit\"}' --request /api/v1/query --form 'query=up&time=1'"
)]
pub(crate) struct Arguments {
    /// The filter's configuration, in YAML or JSON; `-` is the standard input
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// A PromQL expression, as if asked at /api/v1/query
    query: Option<String>,
    /// A request: `GET /api/v1/series?match[]=up`, a path, or a URL
    #[arg(long, value_name = "[METHOD ]TARGET", conflicts_with = "query")]
    request: Option<String>,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    identity: IdentityArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Request")]
struct Parts {
    /// The method; without it POST where a form follows, else GET
    #[arg(long, short = 'X')]
    method: Option<String>,
    /// Parameters as a form has them, `query=up&time=1`; with a method other than POST they stand in the URL. Repeatable
    #[arg(long, short, visible_alias = "form", value_name = "FORM")]
    data: Vec<String>,
    /// One parameter, encoded for you. Repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    data_urlencode: Vec<String>,
    /// Put parameters into the URL
    #[arg(long, short = 'G')]
    get: bool,
    /// A body of JSON, as for a silence
    #[arg(long, value_name = "JSON", conflicts_with_all = ["data", "data_urlencode", "query"])]
    json: Option<String>,
    /// A header, of identity or any other. Repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Identity (JSON, or @FILE with YAML or JSON)")]
struct IdentityArguments {
    /// The claims of a verified token
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// A token whose payload is taken for claims; its signature is not checked
    #[arg(long, value_name = "TOKEN", conflicts_with = "claims")]
    bearer: Option<String>,
    /// The route's metadata, in the namespace that the filter reads
    #[arg(long, value_name = "JSON")]
    route_metadata: Option<String>,
    /// The same of the virtual host
    #[arg(long, value_name = "JSON")]
    virtual_host_metadata: Option<String>,
    /// The same of the listener
    #[arg(long, value_name = "JSON")]
    listener_metadata: Option<String>,
    /// The client's certificate: {"uri_san": "spiffe://…", "dns_san": "…", "subject": "CN=…,OU=…"}, as much of it as there is
    #[arg(long, value_name = "JSON")]
    certificate: Option<String>,
}

impl IdentityArguments {
    fn said(&self) -> Result<Said, Unusable> {
        let mut said = Said {
            claims: object("--claims", self.claims.as_deref())?,
            route: object("--route-metadata", self.route_metadata.as_deref())?,
            virtual_host: object("--virtual-host-metadata", self.virtual_host_metadata.as_deref())?,
            listener: object("--listener-metadata", self.listener_metadata.as_deref())?,
            certificate: self.certificate.as_deref().map(certificate).transpose()?,
        };
        if let Some(token) = &self.bearer {
            let token = match token.strip_prefix('@') {
                Some(file) => super::input::text(Path::new(file))?,
                None => token.clone(),
            };
            said.claims = Some(credentials::unverified_payload(&token).ok_or(Unusable::Token)?);
            // Nobody is left to be told that this cannot be written.
            let _unheard = writeln!(
                std::io::stderr(),
                "note: the signature of the token is not checked, nor whether it is still valid: in Envoy, jwt_authn does that"
            );
        }
        Ok(said)
    }
}

/// The certificate in an argument, or in the file that it names.
fn certificate(argument: &str) -> Result<Certificate, Unusable> {
    let Some(file) = argument.strip_prefix('@') else {
        return serde_json::from_str(argument).map_err(|error| Unusable::Json { option: "--certificate", error });
    };
    let text = super::input::text(Path::new(file))?;
    let error = |error| InputError::NeitherYamlNorJson { name: file.to_owned(), error };
    Ok(serde_norway::from_str(&text).map_err(error)?)
}

/// The object in an argument, or in the file that it names.
fn object(option: &'static str, argument: Option<&str>) -> Result<Option<Value>, Unusable> {
    let Some(argument) = argument else { return Ok(None) };
    let value = match argument.strip_prefix('@') {
        Some(file) => super::input::document(Path::new(file))?,
        None => serde_json::from_str(argument).map_err(|error| Unusable::Json { option, error })?,
    };
    if matches!(value, Value::Object(_)) { Ok(Some(value)) } else { Err(Unusable::NoObject { option }) }
}

impl Arguments {
    fn draft(&self) -> Result<Draft, Unusable> {
        let Parts { method, data, data_urlencode, get, json, header } = &self.parts;
        let mut draft =
            Draft { method: method.clone(), data: data.clone(), in_url: *get, json: json.clone(), ..Draft::default() };
        for text in data_urlencode {
            let (name, value) = text.split_once('=').ok_or(Unusable::NoParameter)?;
            draft.data.push(request::parameter(name, value));
        }
        for text in header {
            let (name, value) = text.split_once(':').ok_or(Unsendable::Header { name: None })?;
            draft.headers.push((name.to_owned(), value.to_owned()));
        }
        match (&self.query, &self.request) {
            (Some(query), _) => {
                draft.target = "/api/v1/query".to_owned();
                draft.data.insert(0, request::parameter("query", query));
                draft.method.get_or_insert_with(|| "GET".to_owned());
            }
            (None, Some(line)) => {
                let (method, target) = request::line(line);
                draft.target = target;
                match (draft.method.as_ref(), method) {
                    (Some(_), Some(_)) => return Err(Unusable::TwoMethods),
                    (None, Some(method)) => draft.method = Some(method),
                    (Some(_) | None, None) => {}
                }
            }
            (None, None) => return Err(Unusable::NoRequest),
        }
        Ok(draft)
    }
}

/// Explains one request.
pub(crate) fn run(format: Format, arguments: &Arguments) -> Result<Report, Unusable> {
    let policy = unusable::policy(&arguments.config)?;
    let said = arguments.identity.said()?;
    let request = arguments.draft()?.finish()?;
    let decision = decide(&policy, &request, &said).ok_or(Unusable::NoRequest)?;
    let outcome = match &decision.verdict {
        Verdict::Forwarded { .. } if decision.is_contradicted() => Outcome::Findings,
        Verdict::Forwarded { .. } | Verdict::Depends { .. } | Verdict::Answered(_) => Outcome::Success,
        Verdict::Refused(_) => Outcome::Findings,
    };
    let text = match format {
        Format::Text => text::of(&decision),
        Format::Json => serde_json::to_string_pretty(&decision).map_err(Unusable::Unwritable)?,
    };
    Ok(Report { text, outcome })
}
