//! A way through the pages of a program, each seen twice: through the filter, and where a team has its own.

use super::visit::Visit;
use super::world::{FOREIGN, World};
use crate::support::webdriver::Browser;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a page lacks through the filter: page, problem, reason.
pub(super) type Known = (&'static str, &'static str, &'static str);

/// The same page twice.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) soft: Visit,
    pub(super) hard: Visit,
}

/// What is wrong is told at the end, when every page has its screenshot.
#[derive(Debug)]
pub(super) struct Tour {
    program: &'static str,
    world: World,
    browser: Browser,
    messages: &'static str,
    known: BTreeSet<Known>,
    findings: Vec<String>,
    screenshots: PathBuf,
}

impl Tour {
    /// `messages` finds what the program tells its users (CSS).
    pub(super) fn new(program: &'static str, world: World, messages: &'static str, known: &[Known]) -> Self {
        let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser");
        fs::create_dir_all(&screenshots).expect("a folder for screenshots");
        let known = known.iter().copied().collect();
        Self { program, world, browser: Browser::start(), messages, known, findings: Vec::new(), screenshots }
    }

    /// Looks at a page, twice, after doing there what `acts` says.
    pub(super) fn page(&mut self, name: &'static str, path: &str, acts: impl Fn(&mut Browser)) -> Pair {
        let hard = self.visit(name, "hard", self.world.hard, path, &acts);
        let soft = self.visit(name, "soft", self.world.soft, path, &acts);
        for place in soft.with_any_of(&FOREIGN) {
            self.finding(name, &format!("another team shows in {place}"));
        }
        for problem in soft.problems.difference(&hard.problems) {
            if let Some(known) = self.known.iter().find(|known| (known.0, known.1) == (name, problem)).copied() {
                self.known.remove(&known);
            } else {
                self.finding(name, problem);
            }
        }
        Pair { soft, hard }
    }

    /// That this is so on `page`.
    pub(super) fn expect(&mut self, page: &str, holds: bool, what: &str) {
        if !holds {
            self.finding(page, what);
        }
    }

    fn visit(&mut self, name: &str, side: &str, port: u16, path: &str, acts: impl Fn(&mut Browser)) -> Visit {
        let visit = Visit::make(&mut self.browser, &format!("http://127.0.0.1:{port}{path}"), self.messages, acts);
        let image = self.screenshots.join(format!("{}-{name}-{side}.png", self.program));
        fs::write(image, self.browser.screenshot()).expect("a screenshot is kept");
        visit
    }

    fn finding(&mut self, page: &str, what: &str) {
        self.findings.push(format!("{page}: {what}"));
    }

    /// Tells what has been found, and which of the known problems there are no more.
    pub(super) fn end(mut self) {
        self.findings.extend(self.known.iter().map(|(page, problem, _)| format!("{page}: no more: {problem}")));
        let findings = self.findings.join("\n");
        assert!(findings.is_empty(), "see {}\n{findings}", self.screenshots.display());
        assert_eq!(self.world.envoy.reloads(), 0, "the filter ended");
    }
}
