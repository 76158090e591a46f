//! A way through the pages of a program, each seen twice: where a team has its own, and through the filter.

use super::visit::Visit;
use super::world::{FOREIGN, World};
use crate::support::webdriver::Browser;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The field for expressions.
pub(super) const FIELD: &str = ".cm-content";

/// The Escape key, as it is typed.
// WebDriver: "keyboard actions"
const ESCAPE: &str = "\u{e00c}";

/// Types an expression, looks at what is offered to complete it and takes none of that, and runs it by what `execute` finds.
pub(super) fn run(browser: &mut Browser, expression: &str, execute: &str) {
    browser.type_into(FIELD, expression);
    browser.wait_for(".cm-tooltip-autocomplete");
    browser.type_into(FIELD, ESCAPE);
    browser.click(execute);
}

/// A page that is not the same through the filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) page: &'static str,
    /// All that goes wrong there and would not without the filter.
    pub(super) problems: &'static [&'static str],
    pub(super) why: &'static str,
}

/// What is wrong is told at the end, when every page has its screenshots.
#[derive(Debug)]
pub(super) struct Tour {
    program: &'static str,
    world: World,
    browser: Browser,
    messages: &'static str,
    known: &'static [Known],
    findings: Vec<String>,
    screenshots: PathBuf,
}

impl Tour {
    /// `messages` finds what the program tells its users (CSS).
    pub(super) fn new(program: &'static str, world: World, messages: &'static str, known: &'static [Known]) -> Self {
        let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser");
        fs::create_dir_all(&screenshots).expect("a folder for screenshots");
        Self { program, world, browser: Browser::start(), messages, known, findings: Vec::new(), screenshots }
    }

    /// Looks at a page after doing there what `acts` says: nothing of another team's is in it, what it says is what it says
    /// without the filter, and that is `shows` among other things.
    pub(super) fn page(&mut self, name: &str, path: &str, shows: &[&str], acts: impl Fn(&mut Browser)) {
        let hard = self.visit(&format!("{name}-own"), self.world.hard, path, &acts);
        let soft = self.visit(&format!("{name}-shared"), self.world.soft, path, &acts);
        let mut wrong: Vec<String> =
            soft.places_with(&FOREIGN).iter().map(|place| format!("another team is in {place}")).collect();
        let missing = shows.iter().filter(|part| !soft.text.contains(**part));
        wrong.extend(missing.map(|part| format!("does not show {part}")));

        let known = self.known.iter().find(|known| known.page == name);
        let problems: BTreeSet<&str> = soft.problems.difference(&hard.problems).map(String::as_str).collect();
        let expected: BTreeSet<&str> = known.iter().flat_map(|known| known.problems).copied().collect();
        wrong.extend(problems.difference(&expected).map(|problem| (*problem).to_owned()));
        wrong.extend(expected.difference(&problems).map(|problem| format!("no more: {problem}")));
        match (known, soft.lines() == hard.lines()) {
            (None, false) => wrong.push(format!("shows\n{:#?}\nand not\n{:#?}", soft.lines(), hard.lines())),
            (Some(known), true) => wrong.push(format!("is the same now, though {}", known.why)),
            (None, true) | (Some(_), false) => {}
        }
        self.findings.extend(wrong.iter().map(|what| format!("{name}: {what}")));
    }

    fn visit(&mut self, name: &str, port: u16, path: &str, acts: impl Fn(&mut Browser)) -> Visit {
        let visit = Visit::make(&mut self.browser, &format!("http://127.0.0.1:{port}{path}"), self.messages, acts);
        let image = self.screenshots.join(format!("{}-{name}.png", self.program));
        fs::write(image, &visit.screenshot).expect("a screenshot is kept");
        visit
    }

    /// Tells what has been found.
    pub(super) fn end(self) {
        let findings = self.findings.join("\n");
        assert!(findings.is_empty(), "screenshots are in {}\n{findings}", self.screenshots.display());
        assert_eq!(self.world.envoy.reloads(), 0, "the filter ended");
    }
}
