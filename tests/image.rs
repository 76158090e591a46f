//! What `make image` and `make release` write, read as those do who fetch it.

mod layout;
mod release;

use crate::docs::blocks_of;
use crate::support::bench::{Bench, by_header, only};
use crate::support::client::get;
use crate::support::envoy::Listener;
use crate::support::{parts, process};
use layout::{Layout, sha256};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs one of the scripts under `.ci`, and gives what it says.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the script starts");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn script(name: &str) -> Command {
    Command::new(checkout().join(".ci").join(name))
}

/// The bill of materials of the module, as a file.
static BILL: LazyLock<PathBuf> = LazyLock::new(|| {
    let file = process::directory("sbom").join("sbom.json");
    fs::write(&file, run(script("sbom").arg("components").arg(parts::module()))).expect("a file");
    file
});

fn bill() -> Value {
    serde_json::from_slice(&fs::read(&*BILL).expect("the bill")).expect("JSON")
}

/// Writes an image of `module`, and gives the folder and the digest that the script tells.
fn write_image(module: &Path, environment: &[(&str, &str)]) -> (PathBuf, String) {
    let folder = process::directory("image").join("layout");
    let mut command = script("image");
    let digest = run(command.arg(module).arg(&*BILL).arg(&folder).envs(environment.iter().copied()));
    (folder, digest.trim_end().to_owned())
}

static IMAGE: LazyLock<(PathBuf, String)> = LazyLock::new(|| write_image(&parts::module(), &[]));

fn image() -> Layout {
    Layout::open(&IMAGE.0)
}

/// The image's one layer, unpacked.
fn unpacked() -> PathBuf {
    let layout = image();
    let layers = layout.image()["layers"].as_array().expect("layers").clone();
    assert_eq!(layers.len(), 1);
    // Istio and Envoy Gateway, `extractOCIStandardImage`: this type, and in it the first file of this name.
    assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let folder = process::directory("layer");
    run(Command::new("tar").arg("-xzf").arg(layout.path(&layers[0])).arg("-C").arg(&folder));
    folder
}

#[test]
fn the_same_module_gives_the_same_image() {
    let elsewhere = [("TZ", "Pacific/Auckland"), ("LC_ALL", "C"), ("GZIP", ""), ("TAR_OPTIONS", "--format=pax")];
    let (again, digest) = write_image(&parts::module(), &elsewhere);
    assert_eq!(digest, IMAGE.1);
    run(Command::new("diff").arg("-r").args([&again, &IMAGE.0]));
    assert_ne!(write_image(&parts::trap_module(), &[]).1, digest, "another module is another image");
}

#[test]
fn the_layout_holds_what_it_names_and_nothing_else() {
    let layout = image();
    assert_eq!(layout.index["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(fs::read_to_string(IMAGE.0.join("oci-layout")).expect("a file"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let mut named: BTreeSet<String> = BTreeSet::new();
    for descriptor in layout.index["manifests"].as_array().expect("manifests") {
        let manifest = layout.json(descriptor);
        assert_eq!(manifest["schemaVersion"], 2);
        assert_eq!(manifest["mediaType"], descriptor["mediaType"]);
        let layers = manifest["layers"].as_array().expect("layers").iter();
        for descriptor in layers.chain([&manifest["config"], descriptor]) {
            layout.read(descriptor);
            named.insert(descriptor["digest"].as_str().expect("a digest").replace("sha256:", ""));
        }
    }
    let blobs = fs::read_dir(IMAGE.0.join("blobs/sha256")).expect("a folder");
    let blobs: BTreeSet<String> =
        blobs.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    assert_eq!(blobs, named);
    assert_eq!(layout.index["manifests"][0]["digest"], *IMAGE.1);
}

#[test]
fn envoy_runs_the_module_in_the_image() {
    let module = unpacked().join("plugin.wasm");
    assert_eq!(sha256(&fs::read(&module).expect("it")), sha256(&fs::read(parts::module()).expect("the module")));
    let bench = Bench::start([Listener::new("image", by_header()).module(&module)]);
    let recorded = bench.in_use().forwarded("image", &get("/api/v1/query?query=up").header("x-tenant", "team-fruit"));
    assert_eq!(only(&recorded.url_parameters(), "query"), r#"up{tenant="team-fruit"}"#);
}

#[test]
fn everybody_may_read_what_is_in_the_layer() {
    let layer = image().path(&image().image()["layers"][0]);
    let list = run(Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(layer));
    let found: Vec<(&str, &str, &str)> = list
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[0], words[1], words[5]))
        .collect();
    let file = |name| ("-rw-r--r--", "0/0", name);
    assert_eq!(found, [file("plugin.wasm"), file("LICENSE"), file("THIRD-PARTY")]);
}

#[test]
fn the_image_says_what_it_is() {
    let (folder, _) = write_image(
        &parts::module(),
        &[("SOURCE_URL", "https://git.example.com/filter"), ("SOURCE_DATE_EPOCH", "86400")],
    );
    let layout = Layout::open(&folder);
    let configuration = layout.json(&layout.image()["config"]);
    let mut annotations = layout.image()["annotations"].clone();
    let annotations = annotations.as_object_mut().expect("annotations");
    assert_eq!(annotations.remove("module.wasm.image/variant"), Some(json!("compat")));
    assert_eq!(configuration["config"]["Labels"], json!(annotations));

    let revision = annotations.remove("org.opencontainers.image.revision").expect("a revision");
    let revision = revision.as_str().expect("text").trim_end_matches("-dirty");
    assert_eq!(revision, run(Command::new("git").current_dir(checkout()).args(["rev-parse", "HEAD"])).trim_end());
    let expected: BTreeMap<&str, &str> = [
        ("title", env!("CARGO_PKG_NAME")),
        ("version", env!("CARGO_PKG_VERSION")),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
        ("licenses", "Apache-2.0"),
        ("created", "1970-01-02T00:00:00Z"),
        ("source", "https://git.example.com/filter"),
    ]
    .into();
    let expected: Value =
        expected.iter().map(|(name, value)| (format!("org.opencontainers.image.{name}"), json!(value))).collect();
    assert_eq!(json!(annotations), expected);
    assert!(image().image()["annotations"].get("org.opencontainers.image.source").is_none(), "nobody has said where");

    assert_eq!(configuration["created"], "1970-01-02T00:00:00Z");
    let tar = run(Command::new("bash")
        .args(["-c", r#"gzip -dc "$1" | sha256sum | cut -d ' ' -f 1"#, "bash"])
        .arg(layout.path(&layout.image()["layers"][0])));
    assert_eq!(configuration["rootfs"], json!({"type": "layers", "diff_ids": [format!("sha256:{}", tar.trim_end())]}));
    assert_eq!(
        layout.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn the_bill_is_attached_to_the_image() {
    let layout = image();
    let manifests = layout.index["manifests"].as_array().expect("manifests");
    assert_eq!(manifests.len(), 2);
    let referrer = layout.json(&manifests[1]);
    assert_eq!(manifests[1]["artifactType"], "application/vnd.cyclonedx+json");
    assert_eq!(referrer["artifactType"], "application/vnd.cyclonedx+json");
    assert_eq!(referrer["subject"]["digest"], *IMAGE.1);
    assert_eq!(referrer["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(layout.json(&referrer["config"]), json!({}));
    assert_eq!(referrer["layers"][0]["mediaType"], "application/vnd.cyclonedx+json");
    assert_eq!(layout.json(&referrer["layers"][0]), bill());
}

/// `name` to checksum, of each package that Cargo.lock has from a registry, by `name@version`.
fn locked() -> BTreeMap<String, String> {
    let lock = fs::read_to_string(checkout().join("Cargo.lock")).expect("Cargo.lock");
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter_map(|package| {
            let checksum = value(package, "checksum")?;
            Some((format!("{}@{}", value(package, "name")?, value(package, "version")?), checksum))
        })
        .collect()
}

/// The names under `[heading]` of Cargo.toml.
fn declared(heading: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(checkout().join("Cargo.toml")).expect("Cargo.toml");
    let (_, section) = manifest.split_once(&format!("\n[{heading}]\n")).expect("the heading is there");
    let section = section.split("\n[").next().unwrap_or_default();
    section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
}

/// All of several sets.
fn union<const N: usize>(sets: [BTreeSet<String>; N]) -> BTreeSet<String> {
    sets.into_iter().flatten().collect()
}

/// The crates whose code can panic in the module, as `name-version`: it says where, in its data.
fn panicking() -> BTreeSet<String> {
    let module = fs::read(parts::module()).expect("the module");
    let text = String::from_utf8_lossy(&module);
    let places = text.split("/registry/src/").skip(1);
    places.filter_map(|place| Some(place.split('/').nth(1)?.to_owned())).collect()
}

#[test]
fn the_bill_names_what_the_module_links_and_nothing_else() {
    let bill = bill();
    let main = &bill["metadata"]["component"];
    assert_eq!(main["hashes"][0]["content"], sha256(&fs::read(parts::module()).expect("the module")));
    assert_eq!((&main["name"], &main["version"]), (&json!("prom-label-filter"), &json!(env!("CARGO_PKG_VERSION"))));

    let mut components = bill["components"].as_array().expect("components").clone();
    let rust = components.pop().expect("the standard library");
    assert_eq!(rust["name"], "rust-std");
    let version: Vec<u32> =
        rust["version"].as_str().expect("text").split('.').map_while(|part| part.parse().ok()).collect();
    assert!(version >= vec![1, 90], "{rust}");

    let locked = locked();
    let mut names = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for component in &components {
        let [name, version] = ["name", "version"].map(|key| component[key].as_str().expect("text"));
        let checksum = locked.get(&format!("{name}@{version}"));
        assert_eq!(component["hashes"][0]["content"].as_str(), checksum.map(String::as_str), "{component}");
        assert_eq!(component["purl"], format!("pkg:cargo/{name}@{version}"));
        assert!(component["licenses"][0]["expression"].as_str().is_some_and(|text| !text.contains('/')), "{component}");
        assert!(names.insert(name.to_owned()), "{name} twice");
        folders.insert(format!("{name}-{version}"));
    }

    let panicking = panicking();
    assert!(panicking.len() >= 4, "{panicking:?}");
    assert!(
        panicking.is_subset(&folders),
        "in the module, not in the bill: {:?}",
        panicking.difference(&folders).collect::<Vec<_>>()
    );
    let direct = union([declared("dependencies"), declared(r#"target.'cfg(target_arch = "wasm32")'.dependencies"#)]);
    assert!(direct.is_subset(&names), "not in the bill: {:?}", direct.difference(&names).collect::<Vec<_>>());
    let said = format!("The module has {} dependencies", direct.len());
    let security = include_str!("../SECURITY.md");
    assert!(security.contains(&said) && security.contains(&format!("with theirs {} crates", names.len())), "{said}");
    let foreign =
        union([declared("dev-dependencies"), declared(r#"target.'cfg(not(target_arch = "wasm32"))'.dependencies"#)]);
    let foreign: BTreeSet<&String> = foreign.difference(&direct).collect();
    assert!(foreign.len() >= 10, "{foreign:?}");
    assert!(
        foreign.iter().all(|name| !names.contains(*name)),
        "{foreign:?} is not in the module, {names:?} in the bill"
    );

    // From the module down, its graph comes to every component.
    let dependencies = bill["dependencies"].as_array().expect("dependencies");
    let below: BTreeMap<&str, &Value> =
        dependencies.iter().map(|each| (each["ref"].as_str().expect("a reference"), &each["dependsOn"])).collect();
    let (mut seen, mut open) = (BTreeSet::new(), vec![main["bom-ref"].as_str().expect("a reference")]);
    while let Some(reference) = open.pop() {
        if seen.insert(reference) {
            open.extend(
                below.get(reference).and_then(|all| all.as_array()).into_iter().flatten().filter_map(Value::as_str),
            );
        }
    }
    assert_eq!(seen.len(), components.len() + 2);
}

#[test]
fn the_image_carries_every_licence() {
    let folder = unpacked();
    let read = |path: PathBuf| fs::read_to_string(path).expect("text");
    assert_eq!(read(folder.join("LICENSE")), read(checkout().join("LICENSE")));
    let told = read(folder.join("THIRD-PARTY"));
    for component in bill()["components"].as_array().expect("components") {
        if component["name"] == "rust-std" {
            continue;
        }
        let [name, version] = ["name", "version"].map(|key| component[key].as_str().expect("text"));
        let licence = component["licenses"][0]["expression"].as_str().expect("text");
        let line = format!("{name} {version} ({licence})");
        if licence.contains("Apache-2.0") {
            assert!(told.contains(&format!("\n{line}\n")), "{line}");
        } else {
            let (_, text) = told.split_once(&format!("\n=== {line} ===\n")).unwrap_or_else(|| panic!("{line}"));
            let text = text.split("\n=== ").next().unwrap_or_default();
            assert!(text.to_lowercase().contains("warrant"), "{line}:\n{text}");
        }
    }
}

#[test]
fn the_readme_leads_through_an_installation() {
    let (_, section) = include_str!("../README.md").split_once("\n## Install\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let home = process::directory("install");
    fs::create_dir(home.join("target")).expect("a folder");
    symlink(&IMAGE.0, home.join("target/image")).expect("a link");
    run(Command::new("cp").arg("-r").arg(checkout().join("envoy")).arg(&home));
    let [commands] = blocks_of(section, "sh").try_into().expect("one block of commands");
    let companion = Path::new(env!("CARGO_BIN_EXE_prom-label-filter")).parent().expect("a folder");
    let path = format!("{}:{}", companion.display(), std::env::var("PATH").expect("a PATH"));
    // With every file that the table says to apply in the place of the one that is shown.
    let applied: Vec<&str> =
        section.split("kubectl apply -f ").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    assert_eq!(applied.len(), 3, "{applied:?}");
    for file in applied {
        let commands = commands.replace("envoy/istio/querier.yaml", file);
        let said = run(Command::new("sh").current_dir(&home).env("PATH", &path).args(["-ec", &commands]));
        assert!(said.contains("prom-label-filter in 1 place: no findings"), "{said}");
        let text = fs::read_to_string(home.join(file)).expect("the file");
        assert!(text.contains(&IMAGE.1.replace("sha256:", "")), "{file} has another digest");
        for placeholder in ["idp.example.com", "registry.example.com", &"0".repeat(64)] {
            assert!(!text.contains(placeholder), "{placeholder} is still in {file}");
        }
    }
    for path in
        section.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).filter(|path| !path.is_empty())
    {
        assert!(checkout().join(path).exists(), "{path}");
    }
    assert!(home.join("envoy/sidecar/kustomization.yaml").is_file());
}

#[test]
fn the_commands_of_the_readme_say_what_it_shows() {
    let (_, section) = include_str!("../README.md").split_once("\n## Image and release\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let home = process::directory("readme");
    fs::create_dir(home.join("target")).expect("a folder");
    symlink(&IMAGE.0, home.join("target/image")).expect("a link");
    symlink(&*BILL, home.join("target/prom-label-filter.cdx.json")).expect("a link");
    let blocks = blocks_of(section, "console").join("\n");
    let steps: Vec<&str> = blocks.split("\n\n").collect();
    assert_eq!(steps.len(), 2);
    for step in steps {
        let (command, expected) =
            step.split_once("\n$ ").and_then(|(_, rest)| rest.split_once('\n')).expect("a command");
        let said = run(Command::new("sh").current_dir(&home).args(["-c", command]));
        // What differs from build to build is left out.
        let (begin, end) = expected.trim_end().split_once('…').unwrap_or((expected.trim_end(), ""));
        let rest = said.trim_end().strip_prefix(begin).unwrap_or_else(|| panic!("{command} says {said}"));
        assert!(if expected.contains('…') { rest.ends_with(end) } else { rest.is_empty() }, "{command} says {said}");
    }

    // Only what needs a registry is not run: that the layout has the tag that is pushed.
    let pushed =
        format!("target/image:{}", image().index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]);
    let pushed = pushed.replace('"', "");
    let commands: Vec<String> = blocks_of(section, "sh");
    let pushes: Vec<&str> =
        commands.iter().flat_map(|block| block.lines()).filter(|line| !line.starts_with("make ")).collect();
    assert_eq!(pushes.len(), 2);
    assert!(pushes.iter().all(|line| line.contains(&pushed)), "{pushes:?} without {pushed}");
}
