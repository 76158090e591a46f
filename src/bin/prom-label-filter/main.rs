//! The companion of the filter: the same core, on the command line.
//!
//! Owns the commands and their exit codes: 0 as hoped, 1 for findings, 2 when there was nothing to work on. What is decided,
//! the library decides.

mod check;
mod credentials;
mod decision;
mod explain;
mod facts;
mod input;
mod migrate;
mod policy_tests;
mod protobuf;
mod request;
mod schema;
mod unusable;
mod verify;

use clap::{Parser, Subcommand, ValueEnum};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Explains, checks and tests what prom-label-filter does in Envoy.
#[derive(Debug, Parser)]
#[command(name = "prom-label-filter", version, propagate_version = true)]
struct Arguments {
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what the filter would do with a request, and why
    Explain(Box<explain::Arguments>),
    /// Run policy tests: who asks what, and what the upstream must get
    Test(policy_tests::Arguments),
    /// Check a configuration, alone or in Envoy's: every problem, and what is risky
    Check(check::Arguments),
    /// Turn prom-label-proxy's flags into a configuration
    Migrate(migrate::Arguments),
    /// Print the JSON Schema of the configuration, for editors and pipelines
    Schema,
}

/// What a command found.
#[derive(Debug)]
struct Report {
    /// What is written to the standard output, without a line feed at its end.
    text: String,
    /// Whether it is what the user hoped for.
    outcome: Outcome,
}

/// Whether a command found what the user hoped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Exit code 0.
    Success,
    /// Exit code 1: a problem, a refusal, a test that fails.
    Findings,
}

/// The exit code when a command could not do its work: a file that cannot be read, arguments that make no sense.
const NO_WORK: u8 = 2;

/// An error of any command, to be told.
fn shown<E: Display + 'static>(error: E) -> Box<dyn Display> {
    Box::new(error)
}

fn main() -> ExitCode {
    let Arguments { format, command } = Arguments::parse();
    let result: Result<Report, Box<dyn Display>> = match command {
        Command::Explain(arguments) => explain::run(format, &arguments).map_err(shown),
        Command::Test(arguments) => policy_tests::run(format, &arguments).map_err(shown),
        Command::Check(arguments) => check::run(format, &arguments).map_err(shown),
        Command::Migrate(arguments) => migrate::run(format, &arguments).map_err(shown),
        Command::Schema => schema::run(format).map_err(shown),
    };
    match result {
        Ok(Report { text, outcome }) => {
            // A reader that has seen enough, as `head` has, changes nothing about what was found.
            let _unread = writeln!(std::io::stdout(), "{text}");
            match outcome {
                Outcome::Success => ExitCode::SUCCESS,
                Outcome::Findings => ExitCode::from(1),
            }
        }
        Err(error) => {
            // Nobody is left to be told that this cannot be written.
            let _unheard = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(NO_WORK)
        }
    }
}
