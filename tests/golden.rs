//! Golden answers: what each of them becomes for whom, byte for byte.
//!
//! A file in `tests/golden/responses/ENDPOINT/` begins with a line that says what it shows. Its other lines are parts, each
//! under a heading:
//!
//! - `--- answer` or, of a status that is no success, `--- failure`: what the upstream says;
//! - `--- for LABEL=VALUE,VALUE LABEL=*`, with ` with active alerts` behind where it is set: what that tenant gets.
//!   `*` is a rule that is lifted. `(unchanged)` and `(refused)` say what they say.
//!
//! A part has no line feed at its end; an empty line more gives it one.

use crate::support::answers::{self, Listing};
use prom_label_filter::config::parse;
use prom_label_filter::response::{ResponseHead, ResponsePlan};
use prom_label_filter::route::{Endpoint, Method};
use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope, TenantScope};
use std::fs;
use std::path::{Path, PathBuf};

/// What the filter makes of an answer; `None` when not a byte of it passes.
pub(crate) fn filtered(listing: Listing, is_success: bool, text: &str, scope: &TenantScope) -> Option<String> {
    let endpoint = match listing {
        Listing::Exemplars => Endpoint::QueryExemplars,
        Listing::Rules { .. } => Endpoint::Rules,
        Listing::Alerts => Endpoint::Alerts,
        Listing::Targets => Endpoint::Targets,
    };
    let with_active_alerts = listing == Listing::Rules { with_active_alerts: true };
    let configuration =
        format!(r#"{{"labels":[{{"name":"tenant","values":["x"]}}],"rules_with_active_alerts":{with_active_alerts}}}"#);
    let policy = parse(configuration.as_bytes()).expect("a policy");
    let head = if is_success { ResponseHead::Success } else { ResponseHead::Failure };
    match ResponsePlan::new(&policy, endpoint, Method::Get, scope) {
        ResponsePlan::Verbatim => Some(text.to_owned()),
        ResponsePlan::Scrub => panic!("nobody asked for it"),
        ResponsePlan::Filter(filter) => filter
            .filter(head, text.as_bytes())
            .ok()
            .map(|passed| String::from_utf8(passed).expect("what passes is text")),
    }
}

/// A tenant's scope: each label with its values, or with none when its rule is lifted.
pub(crate) fn scope<'t>(rules: impl IntoIterator<Item = (&'t str, Vec<&'t str>)>) -> TenantScope {
    let label = |(name, values): (&str, Vec<&str>)| LabelScope {
        name: LabelName::new(name).expect("a name"),
        scope: LabelValues::new(values.into_iter().map(|v| LabelValue::new(v).expect("a value")).collect())
            .map_or(Scope::Unrestricted, Scope::Values),
    };
    TenantScope::new(rules.into_iter().map(label).collect()).expect("a rule")
}

#[derive(Debug)]
struct Golden {
    listing: &'static str,
    is_success: bool,
    answer: String,
    /// For whom, and what.
    expectations: Vec<(String, String)>,
}

impl Golden {
    fn read(path: &Path, listing: &'static str) -> Self {
        let name = path.display();
        let text = fs::read_to_string(path).expect("a golden file");
        let (about, parts) = text.split_once("\n--- ").unwrap_or_else(|| panic!("{name} has no parts"));
        assert!(about.ends_with('.') && !about.contains('\n'), "{name} begins with a line that says what it shows");
        let mut parts = parts.strip_suffix('\n').expect("a line feed at the end").split("\n--- ").map(|part| {
            let (heading, text) = part.split_once('\n').unwrap_or_else(|| panic!("{name}: {part}: no text"));
            (heading.to_owned(), text.to_owned())
        });
        let (heading, answer) = parts.next().expect("an answer");
        assert!(heading == "answer" || heading == "failure", "{name}: {heading}");
        let expectations = parts.collect::<Vec<_>>();
        assert!(!expectations.is_empty(), "{name} expects nothing");
        Self { listing, is_success: heading == "answer", answer, expectations }
    }

    fn check(&self, name: &str) {
        for (heading, expected) in &self.expectations {
            let whom = heading.strip_prefix("for ").unwrap_or_else(|| panic!("{name}: {heading}"));
            let (whom, with_active_alerts) = match whom.strip_suffix(" with active alerts") {
                Some(whom) => (whom, true),
                None => (whom, false),
            };
            let listing = match self.listing {
                "exemplars" => Listing::Exemplars,
                "rules" => Listing::Rules { with_active_alerts },
                "alerts" => Listing::Alerts,
                "targets" => Listing::Targets,
                other => panic!("{other}"),
            };
            let scope = scope(whom.split(' ').map(|rule| {
                let (label, values) = rule.split_once('=').unwrap_or_else(|| panic!("{name}: {rule}"));
                (label, if values == "*" { Vec::new() } else { values.split(',').collect() })
            }));
            let expected = match expected.as_str() {
                "(refused)" => None,
                "(unchanged)" => Some(self.answer.clone()),
                text => Some(text.to_owned()),
            };
            let passed = filtered(listing, self.is_success, &self.answer, &scope);
            assert_eq!(passed, expected, "{name} {heading}");
            // So that what is expected is no mistake of whoever wrote it down. What no tree can hold is read by nobody else.
            if let (Some(answer), false) = (answers::read(self.answer.as_bytes()), scope.is_unrestricted()) {
                let tree = answers::expected(&answer, self.is_success, listing, &scope);
                let written = expected.map(|text| answers::read(text.as_bytes()).expect("JSON"));
                let is_same = match (&tree, &written) {
                    (Some(tree), Some(written)) => answers::same(tree, written),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                assert!(is_same, "{name} {heading}: {written:?} is not {tree:?}");
            }
        }
    }
}

fn check_all(listing: &'static str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/responses").join(listing);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder).expect("golden files").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    for path in paths {
        Golden::read(&path, listing).check(&path.display().to_string());
    }
}

#[test]
fn golden_answers_of_exemplars_become_what_they_should() {
    check_all("exemplars");
}

#[test]
fn golden_answers_of_rules_become_what_they_should() {
    check_all("rules");
}

#[test]
fn golden_answers_of_alerts_become_what_they_should() {
    check_all("alerts");
}

#[test]
fn golden_answers_of_targets_become_what_they_should() {
    check_all("targets");
}
