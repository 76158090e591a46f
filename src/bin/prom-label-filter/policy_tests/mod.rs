//! `test`: policy tests, in the manner of `promtool test rules`.
//!
//! Owns what a test compares and how its result is told. Must not know how the filter decides.

mod file;

use super::decision::decide;
use super::facts::{AnswerPlan, Decision, Verdict};
use super::request::Request;
use super::unusable::{self, Unusable};
use super::{Format, Outcome, Report, input, verify};
use clap::Args;
use file::{Config, Expect, File, Named, Test};
use prom_label_filter::config;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What to test.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 every test passes, 1 one fails, 2 a file cannot be read or understood.\n\n\
    A file:\n  \
    config: prom-label-filter.yaml      # relative to this file; or the configuration itself\n  \
    tests:\n    \
    - name: the tomato reads both teams\n      \
    identity: {claims: {tenants: [team-fruit, team-veggie]}}   # headers, route_metadata, virtual_host_metadata, listener_metadata\n      \
    request: {query: up}            # or path, query: {…}, form: {…}, method, headers, json\n      \
    expect: {query: 'up{tenant=~\"team-fruit|team-veggie\"}'}    # parameters, headers, answer; or refused, answered, asks")]
pub(crate) struct Arguments {
    /// Files of policy tests, in YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only tests with this in their name
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

/// What came of all files.
#[derive(Debug, Serialize)]
struct Results {
    passed: usize,
    failed: usize,
    files: Vec<FileResults>,
}

#[derive(Debug, Serialize)]
struct FileResults {
    file: String,
    tests: Vec<TestResult>,
}

#[derive(Debug, Serialize)]
struct TestResult {
    name: String,
    passed: bool,
    /// What is not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    what: String,
    expected: String,
    got: String,
}

/// Runs the tests of all files.
pub(crate) fn run(format: Format, arguments: &Arguments) -> Result<Report, Unusable> {
    let chosen = |name: &str| arguments.filter.as_ref().is_none_or(|filter| name.contains(filter));
    let files = arguments.files.iter().map(|path| run_file(path, &chosen)).collect::<Result<Vec<_>, _>>()?;
    let count = |passed| files.iter().flat_map(|file| &file.tests).filter(|test| test.passed == passed).count();
    let results = Results { passed: count(true), failed: count(false), files };
    if let (0, 0, Some(filter)) = (results.passed, results.failed, &arguments.filter) {
        return Err(Unusable::NoSuchTest { filter: filter.clone() });
    }
    let text = match format {
        Format::Text => results.text(),
        Format::Json => serde_json::to_string_pretty(&results).map_err(Unusable::Unwritable)?,
    };
    let outcome = if results.failed == 0 { Outcome::Success } else { Outcome::Findings };
    Ok(Report { text, outcome })
}

fn run_file(path: &Path, chosen: &impl Fn(&str) -> bool) -> Result<FileResults, Unusable> {
    let name = path.display().to_string();
    let unusable = |problem: String| Unusable::Tests { name: name.clone(), problem };
    let file: File = serde_norway::from_str(&input::text(path)?).map_err(|error| unusable(error.to_string()))?;
    let policy = match &file.config {
        Config::File(config) => unusable::policy(&path.parent().unwrap_or(Path::new("")).join(config))?,
        Config::Inline(value) => {
            config::policy(value).map_err(|error| Unusable::Config { name: name.clone(), error })?
        }
    };
    if file.tests.is_empty() {
        return Err(unusable("tests: there is none".to_owned()));
    }
    let mut tests = Vec::new();
    for (place, test) in file.tests.iter().enumerate() {
        let problem = |problem: &str| unusable(format!("tests[{place}] ({}): {problem}", test.name));
        if let Some(text) = test.expect.problem() {
            return Err(problem(text));
        }
        let (request, said) = test.request().map_err(|error| problem(&error))?;
        if chosen(&test.name) {
            let decision = decide(&policy, &request, &said).ok_or(Unusable::NoRequest)?;
            tests.push(result(test, &request, &decision));
        }
    }
    Ok(FileResults { file: name, tests })
}

fn result(test: &Test, request: &Request, decision: &Decision) -> TestResult {
    let differences = differences(&test.expect, request, decision);
    TestResult { name: test.name.clone(), passed: differences.is_empty(), differences }
}

/// What of `expect` does not hold.
fn differences(expect: &Expect, request: &Request, decision: &Decision) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: String, got: String, same: bool| {
        if !same {
            found.push(Difference { what: what.to_owned(), expected, got });
        }
    };
    let verdict = &decision.verdict;
    if let Some(refused) = &expect.refused {
        let Verdict::Refused(got) = verdict else {
            compare("verdict", format!("refused with {}", refused.status), in_words(verdict), false);
            return found;
        };
        compare("status", refused.status.to_string(), in_words(verdict), refused.status == got.status);
        for (what, expected, got) in
            [("reason", &refused.reason, got.reason), ("error_type", &refused.error_type, got.error_type)]
        {
            if let Some(expected) = expected {
                compare(what, expected.clone(), got.to_owned(), expected == got);
            }
        }
        if let Some(part) = &refused.message {
            compare("message", format!("…{part}…"), got.message.clone(), got.message.contains(part));
        }
        return found;
    }
    if let Some(answered) = expect.answered {
        let same = matches!(verdict, Verdict::Answered(got) if got.status == answered.status);
        compare("verdict", format!("answered here with {}", answered.status), in_words(verdict), same);
        return found;
    }
    if let Some(path) = &expect.asks {
        let same = matches!(verdict, Verdict::Depends { asked, .. } if asked.path == *path);
        compare("verdict", format!("first asks for {path}"), in_words(verdict), same);
        return found;
    }
    let Verdict::Forwarded { upstream, answer } = verdict else {
        compare("verdict", "goes upstream".to_owned(), in_words(verdict), false);
        return found;
    };
    let query = expect.query.iter().map(|query| ("query".to_owned(), vec![query.clone()]));
    for (name, expected) in query.chain(expect.parameters.0.iter().cloned()) {
        let got: Vec<&str> =
            upstream.parameters.iter().filter(|each| each.name == name).map(|each| each.value.as_str()).collect();
        let same = expected.len() == got.len() && expected.iter().zip(&got).all(|(expected, got)| alike(expected, got));
        compare(&name, listed(&expected), listed(&got), same);
    }
    let Named(headers) = &expect.headers;
    for (name, expected) in headers {
        let got = upstream.header(request, &name.to_ascii_lowercase());
        compare(&format!("header {name}"), listed(expected), listed(&got), *expected == got);
    }
    if let Some(expected) = expect.answer {
        compare("answer", plan(expected).to_owned(), plan(*answer).to_owned(), expected == *answer);
    }
    found
}

/// Whether two texts are the same, or the same PromQL written in two ways: equal as `promql-parser` prints them.
fn alike(expected: &str, got: &str) -> bool {
    let canonical = || Some(verify::canonical(expected)? == verify::canonical(got)?);
    expected == got || canonical().unwrap_or(false)
}

fn listed<T: AsRef<str>>(texts: &[T]) -> String {
    match texts {
        [] => "nothing".to_owned(),
        [only] => only.as_ref().to_owned(),
        several => several.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" and "),
    }
}

fn plan(answer: AnswerPlan) -> &'static str {
    match answer {
        AnswerPlan::Passes => "passes",
        AnswerPlan::Scrubbed => "scrubbed",
        AnswerPlan::Filtered => "filtered",
    }
}

fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Forwarded { upstream, .. } => {
            let query = upstream.parameters.iter().find(|parameter| parameter.name == "query");
            let query = query.map(|query| format!(" with query {}", query.value)).unwrap_or_default();
            format!("goes upstream{query}")
        }
        Verdict::Depends { asked, .. } => format!("first asks for {}", asked.path),
        Verdict::Answered(answered) => format!("answered here with {}", answered.status),
        Verdict::Refused(refused) => {
            format!("refused with {} ({}): {}", refused.status, refused.reason, refused.message)
        }
    }
}

impl Results {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for file in &self.files {
            lines.push(file.file.clone());
            for test in &file.tests {
                lines.push(format!("  {}  {}", if test.passed { "ok  " } else { "FAIL" }, test.name));
                for Difference { what, expected, got } in &test.differences {
                    lines.push(format!("        {what}"));
                    lines.push(format!("          expected  {expected}"));
                    lines.push(format!("          got       {got}"));
                }
            }
        }
        lines.push(format!("{} passed, {} failed", self.passed, self.failed));
        lines.join("\n")
    }
}
