//! What README and `envoy/` say, tried: configurations, endpoints, settings, refusals, rewritten queries, bootstraps.

use crate::examples;
use crate::promql::matchers;
use crate::routes::readme_table;
use crate::support::{parts, process};
use prom_label_filter::config::parse;
use prom_label_filter::denial::Denial;
use prom_label_filter::form::FormError;
use prom_label_filter::identity::{IdentityCause, IdentityError};
use prom_label_filter::promql::{self, Dialect, TextLimits};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const README: &str = include_str!("../README.md");

pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README's fenced blocks in `language`.
fn blocks(language: &str) -> Vec<String> {
    blocks_of(README, language)
}

/// A page's fenced blocks in `language`.
pub(crate) fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in page.lines() {
        open = match (line.strip_prefix("```"), open) {
            (Some(info), None) => Some((info == language, String::new())),
            (Some(_), Some((wanted, text))) => {
                if wanted {
                    found.push(text);
                }
                None
            }
            (None, Some((wanted, text))) => Some((wanted, text + line + "\n")),
            (None, None) => None,
        };
    }
    assert!(open.is_none(), "a fence stays open");
    found
}

/// The rows of the table under the heading `title`, each as its cells.
fn table(title: &str) -> Vec<Vec<String>> {
    let (_, section) = README.split_once(&format!("# {title}\n")).expect("the heading is in README");
    let section = section.split("\n#").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .skip(2)
        .collect()
}

fn without_ticks(cell: &str) -> String {
    cell.replace('`', "")
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_norway::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// The plugin configurations in a piece of Envoy's configuration.
pub(crate) fn plugin_configurations(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(map) => {
            if map.get("@type").is_some_and(|kind| kind == "type.googleapis.com/google.protobuf.StringValue") {
                found.push(map["value"].as_str().expect("a text").to_owned());
            }
            found.extend(map.values().flat_map(plugin_configurations));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(plugin_configurations)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

pub(crate) fn assert_taken(configuration: &str) {
    if let Err(error) = parse(configuration.as_bytes()) {
        panic!("refused:\n{error}\nin\n{configuration}");
    }
}

#[test]
fn every_configuration_in_the_readme_is_taken() {
    let blocks: Vec<Value> = blocks("yaml").iter().map(|block| yaml(block)).collect();
    let plain: Vec<&Value> = blocks.iter().filter(|block| block.get("labels").is_some()).collect();
    assert!(plain.len() >= 6, "README shows a configuration for each source");
    for configuration in plain {
        assert_taken(&configuration.to_string());
    }
    let embedded: Vec<String> = blocks.iter().flat_map(plugin_configurations).collect();
    assert_eq!(embedded.len(), 1, "README shows one piece of Envoy's configuration");
    for configuration in embedded {
        assert_taken(&configuration);
    }
}

#[test]
fn a_refused_configuration_gets_the_words_of_the_readme() {
    let refused = blocks("json").into_iter().find(|block| block.contains("metdata")).expect("README shows a bad one");
    let error = parse(refused.as_bytes()).expect_err("it is refused").to_string();
    assert!(blocks("text").contains(&format!("{error}\n")), "README does not show:\n{error}");
}

#[test]
fn the_endpoints_in_the_readme_are_those_of_the_table() {
    let table = readme_table();
    assert!(README.contains(&table), "README does not hold, between its Endpoints and the next heading:\n{table}");
}

/// Every setting of the schema with its default as README writes it: `labels[].name`, `limits.values`, …
pub(crate) fn settings(schema: &Value, path: &str, root: &Value, found: &mut BTreeMap<String, Option<String>>) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        // What stands beside a reference (a default) stands in front of what is referred to.
        Some(reference) if schema.get("default").is_none() => {
            root.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere")
        }
        _ => schema,
    };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            settings(property, &below, root, found);
        }
        return;
    }
    let plain = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let default = schema.get("default").map(|value| plain(value).unwrap_or_else(|| value.to_string()));
    found.insert(path.to_owned(), default);
    if let Some(items) = schema.get("items").filter(|_| path == "labels") {
        settings(items, "labels[]", root, found);
    }
}

#[test]
fn every_setting_is_in_the_readme_with_its_default() {
    let schema: Value = serde_json::from_str(include_str!("../envoy/config.schema.json")).expect("the schema is JSON");
    let mut known = BTreeMap::new();
    settings(&schema, "", &schema, &mut known);

    let told: BTreeMap<String, String> =
        table("Configuration").iter().map(|row| (without_ticks(&row[0]), without_ticks(&row[2]))).collect();
    for (setting, default) in &known {
        let told = told.get(setting).unwrap_or_else(|| panic!("{setting} is not in README"));
        if let Some(default) = default {
            assert_eq!(told, default, "the default of {setting}");
        }
    }
    for setting in told.keys() {
        assert!(known.contains_key(setting), "{setting} in README is no setting");
    }
}

#[test]
fn every_refusal_has_its_row_in_the_readme() {
    let identity = |cause| Denial::Identity(IdentityError { label: "tenant".into(), cause });
    let told: BTreeSet<(String, String)> =
        table("Refusals").iter().map(|row| (row[0].clone(), without_ticks(&row[1]))).collect();
    for denial in [
        Denial::BodyOnGet,
        Denial::Upgrade,
        Denial::Form(FormError::Semicolon),
        Denial::Form(FormError::TooMany { limit: 1 }),
        Denial::Missing { name: "query" },
        Denial::Repeated { name: "query" },
        Denial::TextTooLong { parameter: "query", limit: 1 },
        identity(IdentityCause::NoToken),
        identity(IdentityCause::NoHeader { name: "x-tenant".into() }),
        identity(IdentityCause::EmptyList),
        Denial::NotServed,
        Denial::Method { allow: "GET" },
        Denial::FormTooLarge { limit: 1 },
        Denial::ContentType { expected: "x" },
        Denial::ContentEncoding,
        Denial::Host { call: "x" },
        Denial::RouteChanged,
        Denial::Busy,
        Denial::NoBody,
        Denial::SilenceId,
        Denial::NoSuchSilence,
        Denial::SilenceUnknown,
    ] {
        let row = (denial.status().to_string(), denial.error_type().to_owned());
        assert!(told.contains(&row), "README has no row for {row:?}: {denial}");
    }
}

#[test]
fn every_make_target_in_the_readme_is_one() {
    let makefile = fs::read_to_string(checkout().join("Makefile")).expect("the Makefile can be read");
    let named: BTreeSet<&str> = README
        .split(['`', '\n'])
        .filter_map(|words| words.strip_prefix("make "))
        .filter_map(|words| words.split(' ').next())
        .collect();
    assert!(["demo", "test", "bench"].iter().all(|target| named.contains(target)), "{named:?}");
    for target in named {
        assert!(makefile.contains(&format!("\n{target}:")), "README names `make {target}`, which is no target");
    }
}

#[test]
fn the_demos_take_the_steps_that_the_readme_shows() {
    let script = |demo: &str| fs::read_to_string(checkout().join(format!("envoy/{demo}/run.sh"))).expect("the script");
    let scripts = ["quickstart", "thanos"].map(script).concat();
    let blocks = blocks("console").join("\n");
    let lines: Vec<&str> = blocks.lines().collect();
    let steps = lines.windows(2).filter(|pair| ["$ curl ", "$ diff "].iter().any(|begin| pair[1].starts_with(begin)));
    let steps: Vec<&str> = steps.filter_map(|pair| pair[0].strip_prefix("# ")).collect();
    assert!(steps.len() >= 8, "{steps:?}");
    for step in steps {
        assert!(scripts.contains(&format!("\"{step}\"")), "{step}");
    }
}

#[test]
fn queries_change_as_the_readme_shows() {
    let (matchers, dialect, limits) =
        (matchers(&[("tenant", &["team-fruit"])]), Dialect::default(), TextLimits::default());
    let rewrite = |text: &str| promql::scope_expression(text.as_bytes(), &matchers, &dialect, &limits);

    let shown =
        blocks("text").into_iter().find(|block| block.contains("\n→ ")).expect("README shows rewritten queries");
    let lines: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
    for pair in lines.chunks(2) {
        let [before, after] = pair else { panic!("{pair:?} is no pair") };
        let found = rewrite(before.trim());
        match after.strip_prefix("→ ") {
            Some(after) => assert_eq!(found.expect("it is narrowed").as_str(), after, "{before}"),
            None => assert!(found.is_err() && *after == "✗ 400", "{before}"),
        }
    }
    assert!(lines.len() >= 12);
}

/// The section on the companion, up to the next heading.
fn companion() -> &'static str {
    let (_, section) = README.split_once("\n## Try a policy without Envoy\n").expect("README has the section");
    section.split("\n## ").next().unwrap_or_default()
}

#[test]
fn the_companion_says_what_the_readme_shows() {
    let home = process::directory("readme");
    let configuration =
        blocks("yaml").into_iter().find(|block| companion().contains(block) && block.contains("labels:"));
    fs::write(home.join("filter.yaml"), configuration.expect("README shows a configuration")).expect("a file");
    symlink(checkout().join("envoy"), home.join("envoy")).expect("a link");
    let folder = Path::new(env!("CARGO_BIN_EXE_prom-label-filter")).parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
    let shown: Vec<String> = blocks("console").into_iter().filter(|block| companion().contains(block)).collect();
    assert_eq!(shown.len(), 3);
    for block in shown {
        let (command, expected) = block.split_once('\n').expect("a command and what it says");
        let command = command.strip_prefix("$ ").expect("a command");
        let output = Command::new("sh").current_dir(&home).env("PATH", &path).args(["-c", command]).output();
        let output = String::from_utf8(output.expect("a shell").stdout).expect("text");
        assert_eq!(output, expected, "{command}");
    }
}

#[test]
fn the_policy_tests_in_the_readme_are_those_that_are_shipped() {
    let tests = blocks("yaml").into_iter().find(|block| block.starts_with("tests:\n")).expect("README shows tests");
    let shipped = fs::read_to_string(checkout().join("envoy/policy-tests.yaml")).expect("the tests can be read");
    let shown: Vec<&str> = tests.split("\n\n").map(|test| test.trim_start_matches("tests:\n").trim_end()).collect();
    assert_eq!(shown.len(), 2);
    for test in shown {
        assert!(shipped.contains(test), "{test}");
    }
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_messages_that_the_readme_explains_are_those_that_are_sent() {
    let sources = ["src/denial.rs", "src/identity/mod.rs"]
        .map(|file| fs::read_to_string(checkout().join(file)).expect("a source"));
    // Lines of a source are continued.
    let sources: String = sources.concat().split("\\\n").map(|part| part.trim_start().to_owned()).collect();
    let mut found = 0;
    for row in table("When something is wrong").iter().filter(|row| row[0].starts_with(['4', '5'])) {
        for message in quoted(&row[0]) {
            let is_envoys = ["Jwt is expired", "prom-label-filter: ", "vm_reload_success"].contains(&message);
            assert!(is_envoys || sources.contains(message), "nobody says {message:?}");
            found += usize::from(!is_envoys);
        }
    }
    assert!(found > 5, "{found}");
}

#[test]
fn the_readme_tells_of_the_access_log_and_the_labels_that_are_shipped() {
    let example = yaml(include_str!("../envoy/examples/jwt.yaml"));
    let manager = &example["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let format =
        manager["access_log"][0]["typed_config"]["log_format"]["json_format"].as_object().expect("a format").clone();
    let told = table("Access log");
    let fields = format.iter().filter(|(_, value)| value.as_str().is_some_and(|text| text.contains("FILTER_STATE")));
    assert_eq!(fields.count(), told.len());
    for row in told {
        let (field, state) = (quoted(&row[0])[0], quoted(&row[1])[0]);
        assert_eq!(format[field], format!("%FILTER_STATE({state}:PLAIN)%"));
    }
    let line = blocks("json").into_iter().find(|block| block.contains("\"verdict\"")).expect("a line");
    let line: serde_json::Map<String, Value> = serde_json::from_str(&line).expect("JSON");
    assert!(line.keys().all(|key| format.contains_key(key)) && line.len() == format.len(), "{line:?}");

    let tags = blocks("yaml").into_iter().find(|block| block.starts_with("stats_config:")).expect("the labels");
    assert_eq!(yaml(&tags)["stats_config"], example["stats_config"]);
}

/// Every file under `envoy/` that is a whole bootstrap, with its text.
pub(crate) fn bootstraps() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![checkout().join("envoy")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&path).expect("the file can be read");
                if text.contains("\nstatic_resources:") {
                    found.push((path, text));
                }
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn envoy_takes_every_bootstrap_that_is_shipped() {
    // Their file names are relative to the folder in which Envoy starts: one that looks like the checkout after the demo.
    let home = &*examples::HOME;
    let tokens = Command::new(checkout().join("envoy/quickstart/tokens.sh")).arg(home.join(".cache/demo")).output();
    let tokens = tokens.expect("bash runs");
    assert!(tokens.status.success(), "{}", String::from_utf8_lossy(&tokens.stderr));

    for (file, text) in bootstraps() {
        for configuration in plugin_configurations(&yaml(&text)) {
            assert_taken(&configuration);
        }
        let output =
            Command::new(parts::envoy()).current_dir(home).args(["--mode", "validate", "-c"]).arg(&file).output();
        let output = output.expect("Envoy runs");
        assert!(output.status.success(), "{}:\n{}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
}
