//! The built module in a V8, by `v8.mjs`.

use super::shapes::Case;
use super::{Measured, native};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// `None`, with a line that says so, where there is no Node.
pub(crate) fn measure(cases: &[Case]) -> Option<Vec<Measured>> {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let module =
        std::env::var_os("PLF_MODULE").map_or_else(|| home.join("target/prom-label-filter.wasm"), PathBuf::from);
    assert!(module.is_file(), "the module is missing: run make bench");
    let node = Command::new("node")
        .arg("--no-liftoff")
        .arg(home.join("tests/bench/growth/v8.mjs"))
        .arg(module)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut node) = node else {
        println!("no figures for V8: there is no `node` (Debian: nodejs)");
        return None;
    };
    let mut lines = String::new();
    for case in cases {
        let line = json!({
            "configuration": case.configuration.to_string(),
            "path": case.path,
            "form": case.form,
            "samples": native::SAMPLES,
            "sample_ns": native::SAMPLE.as_secs_f64() * 1e9,
        });
        lines += &format!("{line}\n");
    }
    // It reads everything before it answers, so neither end waits for the other.
    node.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("node reads");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "v8.mjs has failed");
    let answers = String::from_utf8(output.stdout).expect("UTF-8");
    let measured: Vec<Measured> = answers.lines().map(read).collect();
    assert_eq!(measured.len(), cases.len());
    Some(measured)
}

fn read(line: &str) -> Measured {
    let answer: Value = serde_json::from_str(line).expect("JSON");
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("a size");
    let samples = answer["ns"].as_array().expect("samples").iter().filter_map(Value::as_f64);
    let memory = &answer["memory"];
    Measured {
        status: u32::try_from(number(&answer["status"])).expect("a status"),
        written: number(&answer["written"]),
        nanoseconds: samples.fold(f64::INFINITY, f64::min),
        bytes: number(&memory["after"]),
        grows: memory["after"] != memory["warm"],
    }
}
