//! What a check has to say: how bad it is, where it is, and what to do.
//!
//! Must not know what is checked.

use serde_json::{Value, json};
use std::fmt;

/// How bad it is; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth a look by whoever reviews it.
    Note,
    /// A risk, or requests that are refused for no good reason.
    Warning,
    /// Somebody can read what is not theirs, or nothing works.
    Error,
}

impl Severity {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    path: String,
    message: String,
}

impl Finding {
    pub(crate) fn json(&self, file: &str) -> Value {
        json!({"file": file, "path": self.path, "severity": self.severity.word(), "message": self.message})
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity.word())?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything found in one file, in the order in which it was met.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn error(&mut self, path: &str, message: impl Into<String>) {
        self.add(Severity::Error, path, message.into());
    }

    pub(crate) fn warning(&mut self, path: &str, message: impl Into<String>) {
        self.add(Severity::Warning, path, message.into());
    }

    pub(crate) fn note(&mut self, path: &str, message: impl Into<String>) {
        self.add(Severity::Note, path, message.into());
    }

    /// Two rules of one plugin may lead to the same finding: it is told once.
    fn add(&mut self, severity: Severity, path: &str, message: String) {
        let finding = Finding { severity, path: path.trim_end_matches(": ").to_owned(), message };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    pub(crate) fn all(&self) -> &[Finding] {
        &self.0
    }

    pub(crate) fn worst(&self) -> Option<Severity> {
        self.0.iter().map(|finding| finding.severity).max()
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }
}
