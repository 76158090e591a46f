//! `check`: a configuration of the filter, alone or in Envoy's, with everything that is wrong or risky in it.
//!
//! Owns what a file is taken for and how findings are shown. The library knows what a configuration must be; the modules
//! beneath know what Envoy must do for it.

mod envoy;
mod finding;
mod jwt;
mod node;
mod plugin;
mod resources;
mod routes;
mod settings;
mod sources;

use super::input::{self, InputError};
use super::{Format, Outcome, Report};
use clap::Args;
use envoy::{Envoy, Kind};
use finding::{Findings, Severity};
use node::Node;
use plugin::Plugin;
use prom_label_filter::value::Value;
use settings::Settings;
use std::fmt;
use std::path::{Path, PathBuf};

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = "\
A file is a configuration of the filter, or Envoy's: a bootstrap, a listener, or a discovery response with listeners, routes or \
filters. Or it holds resources of Kubernetes, in which Istio, Envoy Gateway and Higress find the filter. Each may be YAML or JSON.

Exit codes: 0 when there are no errors, 1 when there are, 2 when a file cannot be read or is none of these.")]
pub(crate) struct Arguments {
    /// Files to check; `-` is the standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Let warnings fail the check, too
    #[arg(long)]
    strict: bool,
}

/// Why a file cannot be checked.
#[derive(Debug)]
pub(crate) enum CheckError {
    /// It cannot be read.
    Input(InputError),
    /// It holds no settings at all.
    NoObject { name: String, kind: &'static str },
    /// It holds several documents, which only resources may stand in.
    Several { name: String, documents: usize },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::NoObject { name, kind } => write!(
                f,
                "`{name}` holds {kind}: neither a configuration of the filter nor one of Envoy's, which are objects"
            ),
            Self::Several { name, documents } => write!(
                f,
                "`{name}` holds {documents} documents, not all of them resources of Kubernetes; give each a file of its own"
            ),
        }
    }
}

/// What was found in one file.
struct Checked {
    file: String,
    /// What it was taken for, and how much of it was looked at.
    scope: String,
    findings: Findings,
}

/// Checks all files.
pub(crate) fn run(format: Format, arguments: &Arguments) -> Result<Report, CheckError> {
    let checked = arguments.files.iter().map(|file| check(file)).collect::<Result<Vec<_>, _>>()?;
    let fails = if arguments.strict { Severity::Warning } else { Severity::Error };
    let worst = checked.iter().filter_map(|file| file.findings.worst()).max();
    let outcome = if worst >= Some(fails) { Outcome::Findings } else { Outcome::Success };
    let text = match format {
        Format::Text => checked.iter().map(Checked::text).collect::<Vec<_>>().join("\n"),
        Format::Json => {
            let all = checked.iter().flat_map(|file| file.findings.all().iter().map(|one| one.json(&file.file)));
            format!("{:#}", all.collect::<serde_json::Value>())
        }
    };
    Ok(Report { text, outcome })
}

impl Checked {
    fn text(&self) -> String {
        let count = |severity: Severity| {
            let count = self.findings.count(severity);
            (count > 0).then(|| counted(count, severity.word()))
        };
        let counts: Vec<_> =
            [Severity::Error, Severity::Warning, Severity::Note].into_iter().filter_map(count).collect();
        let result = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
        let mut text = format!("{}: {}: {result}", self.file, self.scope);
        for finding in self.findings.all() {
            text.push_str(&format!("\n  {finding}"));
        }
        text
    }
}

/// `1 route`, `2 routes`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn check(file: &Path) -> Result<Checked, CheckError> {
    let name = file.display().to_string();
    let documents = input::documents(file).map_err(CheckError::Input)?;
    let mut findings = Findings::default();
    let scope = match documents.as_slice() {
        [] => return Err(CheckError::NoObject { name, kind: "nothing" }),
        all if all.iter().all(resources::is_resource) => {
            let uses = resources::check(all, &mut findings);
            format!("{}, prom-label-filter in {}", counted(all.len(), "resource"), counted(uses, "place"))
        }
        [document @ Value::Object(_)] => one(document, &mut findings),
        [other] => return Err(CheckError::NoObject { name, kind: other.kind() }),
        several => return Err(CheckError::Several { name, documents: several.len() }),
    };
    Ok(Checked { file: name, scope, findings })
}

/// Checks a configuration of the filter or of Envoy, and says which it was taken for.
fn one(document: &Value, findings: &mut Findings) -> String {
    let root = Node::new("", document);
    let kind = Kind::of(&root);
    if kind == Kind::Plugin {
        Settings::new("", document.clone()).check(findings);
        return kind.words().to_owned();
    }
    let envoy = Envoy::read(kind, &root);
    let uses = whole(&envoy, findings);
    let routes = envoy.managers.iter().map(|manager| manager.routes.len()).sum::<usize>();
    format!("{}, prom-label-filter in {}, {}", kind.words(), counted(uses, "place"), counted(routes, "route"))
}

/// Checks everything in one of Envoy's documents, and says how often the filter is in it.
fn whole(envoy: &Envoy<'_>, findings: &mut Findings) -> usize {
    let mut guards = Vec::new();
    for manager in &envoy.managers {
        let plugins: Vec<_> = manager.filters.iter().filter_map(|filter| Plugin::find(filter, findings)).collect();
        for plugin in &plugins {
            plugin.check(findings);
            plugin.check_position(manager, findings);
            if let Some(settings) = &plugin.settings {
                sources::check(manager, plugin, settings, findings);
            }
        }
        guards.push(plugins);
    }
    routes::check(envoy, &guards, findings);
    let alone: Vec<_> = envoy.extensions.iter().filter_map(|filter| Plugin::find(filter, findings)).collect();
    for plugin in &alone {
        plugin.check(findings);
    }
    let uses = guards.iter().map(Vec::len).sum::<usize>().saturating_add(alone.len());
    if uses == 0 {
        findings.error("", "no prom-label-filter in it: nothing here keeps tenants apart");
    }
    uses
}
