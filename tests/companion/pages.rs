//! What README and the page "Coming from prom-label-proxy" say of `check` and `migrate`, tried.

use super::migrate::FLAGS;
use super::{file, run};
use crate::docs::{assert_taken, blocks_of, checkout, plugin_configurations, settings, yaml};
use crate::support::{parts, process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const PAGE: &str = include_str!("../../envoy/prom-label-proxy.md");

/// README's section on `check` and `migrate`.
fn section() -> &'static str {
    let (_, section) = README.split_once("\n## Check a configuration\n").expect("README has the section");
    section.split("\n## ").next().unwrap_or_default()
}

/// The rows of the page's table of flags, each as its cells.
fn rows() -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once("\n## Flag by flag\n").expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let row =
        |line: &'static str| Some(line.strip_prefix("| ")?.strip_suffix('|')?.split(" | ").map(str::trim).collect());
    section.lines().filter_map(row).skip(2).collect()
}

/// Runs what stands behind the prompt in a block, in a folder with `filter.yaml`, and compares what comes of it.
fn assert_says(block: &str, filter: &str) {
    let home = process::directory("page");
    fs::write(home.join("filter.yaml"), filter).expect("a file");
    let (command, expected) = block.split_once('\n').expect("a command and what it says");
    let arguments = command.strip_prefix("$ prom-label-filter ").expect("a command").split(' ');
    let program = env!("CARGO_BIN_EXE_prom-label-filter");
    let output = Command::new(program).current_dir(&home).args(arguments).output().expect("the companion runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{command}");
}

#[test]
fn check_and_migrate_say_what_the_readme_shows() {
    let filter = blocks_of(section(), "text").into_iter().next().expect("README shows a filter");
    let shown = blocks_of(section(), "console");
    assert_eq!(shown.len(), 2);
    for block in shown {
        assert_says(&block, &filter);
    }
}

#[test]
fn migrate_says_what_the_page_shows() {
    let shown = blocks_of(PAGE, "console");
    assert_eq!(shown.len(), 1);
    assert_says(&shown[0], "");
}

#[test]
fn the_page_has_every_flag_once_and_names_settings_that_exist() {
    let schema: Value = serde_json::from_str(include_str!("../../envoy/config.schema.json")).expect("JSON");
    let mut known = BTreeMap::new();
    settings(&schema, "", &schema, &mut known);
    let rows = rows();
    let told: BTreeSet<&str> = rows.iter().map(|row| row[0].trim_matches('`').trim_start_matches('-')).collect();
    let flags: BTreeSet<&str> = FLAGS.iter().map(|(flag, _)| *flag).collect();
    assert_eq!(told, flags);
    assert_eq!(rows.len(), FLAGS.len());
    for row in rows {
        let setting = row[1].trim_matches('`');
        assert!(setting == "none" && !row[2].is_empty() || known.contains_key(setting), "{row:?}");
    }
}

#[test]
fn the_setting_in_the_page_is_the_one_that_migrate_writes() {
    for row in rows().into_iter().filter(|row| row[1] != "none") {
        let flag = row[0].trim_matches('`');
        let text = FLAGS.iter().any(|(name, text)| *name == flag.trim_start_matches('-') && *text);
        let given = if text { format!("{flag}=/x") } else { flag.to_owned() };
        let beside: &[&str] = match flag {
            "-label" => &[],
            "-header-uses-list-syntax" => &["-label=a", "-header-name=b"],
            _ => &["-label=a"],
        };
        let run = run(["migrate", "--format", "json", "--"]
            .into_iter()
            .chain(beside.iter().copied())
            .chain([given.as_str()]));
        let pointer = format!("/{}", row[1].trim_matches('`').replace("[]", "/0").replace('.', "/"));
        assert!(run.json().pointer(&pointer).is_some(), "{flag} does not write {pointer}: {run:?}");
    }
}

#[test]
fn the_configurations_of_the_page_are_taken() {
    let blocks = blocks_of(PAGE, "yaml");
    let labels = blocks.iter().find(|block| block.starts_with("labels:")).expect("the page shows labels");
    assert_taken(&yaml(labels).to_string());
    let migrated = run(["migrate", "--file", file("labels.yaml", labels).to_str().expect("a path")]);
    assert_eq!((migrated.code, yaml(&migrated.out)), (Some(0), yaml(labels)), "{migrated:?}");

    let bootstrap =
        blocks.iter().find(|block| block.starts_with("static_resources:")).expect("the page shows a bootstrap");
    for configuration in plugin_configurations(&yaml(bootstrap)) {
        assert_taken(&configuration);
    }
    let home = process::directory("page");
    fs::create_dir_all(home.join("target")).expect("a directory");
    symlink(parts::module(), home.join("target/prom-label-filter.wasm")).expect("a link to the module");
    fs::write(home.join("envoy.yaml"), bootstrap).expect("a file");
    let checked = run(["check".into(), "--strict".into(), home.join("envoy.yaml")]);
    assert!(checked.out.ends_with("in 2 places, 2 routes: no findings\n") && checked.code == Some(0), "{checked:?}");
    let output =
        Command::new(parts::envoy()).current_dir(&home).args(["--mode", "validate", "-c", "envoy.yaml"]).output();
    let output = output.expect("Envoy runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_page_and_the_readme_lead_to_each_other() {
    assert!(README.contains("(envoy/prom-label-proxy.md)"));
    let links = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| link.starts_with("envoy/prom-label-proxy.md#")) {
        let heading = link.split('#').nth(1).unwrap_or_default().replace('-', " ");
        assert!(PAGE.to_lowercase().contains(&format!("\n## {heading}\n")), "{link}");
    }
    assert!(checkout().join("envoy/prom-label-proxy.md").is_file());
}
