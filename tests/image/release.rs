//! `.ci/release`, in a repository of its own: what it refuses, and what it gathers.

use super::layout::{Layout, sha256};
use super::{BILL, IMAGE, checkout, run};
use crate::support::{parts, process};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A repository with what this one has, but for its history.
struct Repository(PathBuf);

impl Repository {
    fn new() -> Self {
        let folder = process::directory("release");
        let copy =
            r#"git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -C "$1" -xf -"#;
        run(Command::new("bash").current_dir(checkout()).args(["-euo", "pipefail", "-c", copy, "bash"]).arg(&folder));
        let repository = Self(folder);
        repository.git(&["init", "--quiet"]);
        repository
    }

    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=lab", "-c", "user.email=lab@example.com", "-c", "commit.gpgsign=false"];
        run(Command::new("git").current_dir(&self.0).args(who).args(arguments));
    }

    /// Commits with `entry` as the changelog's first.
    fn commit(&self, entry: &str) {
        let file = self.0.join("CHANGELOG.md");
        let text = fs::read_to_string(&file).expect("the changelog");
        let (_, rest) = text.split_once('\n').expect("lines");
        fs::write(file, format!("## {entry}\n{rest}")).expect("a file");
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", entry]);
    }

    fn release(&self, arguments: &[&str]) -> Output {
        Command::new(self.0.join(".ci/release")).args(arguments).output().expect("the script starts")
    }

    /// It refuses with exactly these words, and leaves nothing.
    #[track_caller]
    fn refuses(&self, problems: &[&str]) {
        let expected: String = problems.iter().map(|problem| format!("release: {problem}\n")).collect();
        for arguments in [&["check"][..], &["gather", "module", "bill", "image"]] {
            let output = self.release(arguments);
            assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
            assert_eq!(output.status.code(), Some(1));
        }
        assert!(!self.0.join("target").exists());
    }
}

#[test]
fn a_release_agrees_with_changelog_and_tag() {
    let repository = Repository::new();
    repository.commit(&format!("{VERSION} / unreleased"));
    let unreleased = format!("CHANGELOG.md begins with `{VERSION} / unreleased`, not with `{VERSION} / YYYY-MM-DD`");
    let tag = |found: &str| format!("the commit's tag is `{found}`, not `v{VERSION}`");
    repository.refuses(&[&unreleased, &tag("")]);
    repository.git(&["tag", "v99.0.0"]);
    repository.git(&["tag", VERSION]);
    repository.refuses(&[&unreleased, &tag(&format!("{VERSION}, v99.0.0"))]);
    repository.git(&["tag", &format!("v{VERSION}")]);
    repository.refuses(&[&unreleased]);

    repository.commit("99.0.0 / 2026-01-31");
    repository.git(&["tag", "--force", &format!("v{VERSION}")]);
    repository
        .refuses(&[&format!("CHANGELOG.md begins with `99.0.0 / 2026-01-31`, not with `{VERSION} / YYYY-MM-DD`")]);

    repository.commit(&format!("{VERSION} / 2026-01-31"));
    repository.refuses(&[&tag("")]);
    repository.git(&["tag", "--force", &format!("v{VERSION}")]);
    fs::write(repository.0.join("src/new.rs"), "").expect("a file");
    repository.refuses(&["the checkout has changes that are not committed"]);
}

#[test]
fn a_release_has_all_that_was_built() {
    let repository = Repository::new();
    repository.commit(&format!("{VERSION} / 2026-01-31"));
    repository.git(&["tag", &format!("v{VERSION}")]);
    let given = [parts::module(), BILL.clone(), IMAGE.0.clone()].map(|path| path.display().to_string());
    let gather = || {
        let output = repository.release(&["gather", &given[0], &given[1], &given[2]]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let folder = repository.0.join(format!("target/release-{VERSION}"));
        let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("a file")))
            .collect();
        files.sort();
        (folder, files)
    };
    let (folder, files) = gather();
    let name = |suffix: &str| format!("prom-label-filter-{VERSION}.{suffix}");
    let expected = [
        "LICENSE".to_owned(),
        "THIRD-PARTY".to_owned(),
        "config.schema.json".to_owned(),
        name("cdx.json"),
        name("oci.tar"),
        name("wasm"),
        name("wasm.sha256"),
    ];
    assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);

    run(Command::new("sha256sum").current_dir(&folder).args(["--check", &name("wasm.sha256")]));
    let content = |wanted: &str| &files.iter().find(|(name, _)| name == wanted).expect("the file").1;
    assert_eq!(sha256(content(&name("wasm"))), sha256(&fs::read(parts::module()).expect("the module")));
    assert_eq!(content(&name("cdx.json")), &fs::read(&*BILL).expect("the bill"));
    assert_eq!(content("config.schema.json"), include_bytes!("../../envoy/config.schema.json"));

    let layout = process::directory("layout");
    run(Command::new("tar").arg("-xf").arg(folder.join(name("oci.tar"))).arg("-C").arg(&layout));
    run(Command::new("diff").arg("-r").args([&layout, &IMAGE.0]));
    assert_eq!(Layout::open(&layout).index["manifests"][0]["digest"], *IMAGE.1);

    assert!(gather().1 == files, "the same again is the same");
}
