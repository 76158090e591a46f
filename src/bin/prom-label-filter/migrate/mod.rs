//! `migrate`: prom-label-proxy's flags as a configuration of the filter.
//!
//! Owns how the configuration is shown. Whether it is one, the library decides.

mod configuration;
mod flags;
mod refused;
mod written;

use super::{Format, Outcome, Report, input};
use clap::Args;
use configuration::{Migrated, migrate};
use flags::Flags;
use prom_label_filter::config;
use prom_label_filter::value::Value;
pub(crate) use refused::Refused;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use written::Written;

/// What to migrate.
#[derive(Debug, Args)]
#[command(
    override_usage = "prom-label-filter migrate [OPTIONS] -- <FLAGS>…\n       prom-label-filter migrate [OPTIONS] --file <FILE> [-- <FLAGS>…]",
    after_help = "\
What has no setting is said in comments: where it goes in Envoy, or why it is not needed. With `--format json` the comments go to \
the standard error.

Exit codes: 0 with a configuration, 1 when it cannot be used as it stands, 2 when prom-label-proxy would not take the flags."
)]
pub(crate) struct Arguments {
    /// Labels in YAML, `labels:` with `name` and `header`, `query_param` or `values`, in the place of `-label` and its source
    #[arg(long)]
    file: Option<PathBuf>,
    /// prom-label-proxy's flags, as they stand in a deployment
    #[arg(last = true)]
    flags: Vec<String>,
}

/// Migrates flags.
pub(crate) fn run(format: Format, arguments: &Arguments) -> Result<Report, Refused> {
    let flags = Flags::read(&arguments.flags)?;
    refused::check(&flags, arguments.file.is_some())?;
    let labels = match &arguments.file {
        None => None,
        Some(file) => Some(input::document(file).map_err(Refused::Input)?),
    };
    if let Some(labels) = labels.as_ref().filter(|labels| !matches!(labels, Value::Object(_))) {
        return Err(Refused::NoObject { kind: labels.kind() });
    }
    let Migrated { configuration, notes } = migrate(&flags, labels);
    let mut comments = String::new();
    let problems = config::policy(&configuration).err();
    for problem in problems.iter().flat_map(|error| error.problems()) {
        comment(&mut comments, &format!("To be mended before the filter takes it: {problem}"));
    }
    for (subject, note) in notes {
        comment(&mut comments, &format!("{subject}: {note}"));
    }
    let configuration = Written(&configuration);
    let text = match format {
        // Neither can fail: every key is a string.
        Format::Text => comments + serde_norway::to_string(&configuration).unwrap_or_default().trim_end(),
        Format::Json => {
            // Nobody is left to be told that this cannot be written.
            let _unheard = write!(std::io::stderr(), "{comments}");
            serde_json::to_string_pretty(&configuration).unwrap_or_default()
        }
    };
    Ok(Report { text, outcome: if problems.is_some() { Outcome::Findings } else { Outcome::Success } })
}

/// Adds a comment in lines that are not too long.
fn comment(comments: &mut String, text: &str) {
    const LONGEST: usize = 110;
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len().saturating_add(word.len()) > LONGEST && line.len() > 3 {
            // Writing to a text cannot fail.
            let _written = writeln!(comments, "{line}");
            line = String::from("#  ");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _written = writeln!(comments, "{line}");
}
