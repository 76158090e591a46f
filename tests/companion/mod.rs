//! The companion: the real binary, by what it writes and how it exits.

mod arguments;
mod check;
mod explain;
mod migrate;
mod pages;
mod policy_tests;
mod second_opinion;

use crate::support::process;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What one run of the companion said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// Runs it; it may not panic, whatever it is given.
#[track_caller]
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_prom-label-filter"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the companion runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let run = Run { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) };
    assert!(matches!(run.code, Some(0..=2)) && !run.errors.contains("panicked"), "{run:?}");
    run
}

/// A file with this text.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = process::directory("companion").join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// Its path as an argument.
pub(crate) fn path(name: &str, text: &str) -> String {
    file(name, text).to_str().expect("a path in UTF-8").to_owned()
}
