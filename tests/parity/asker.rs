//! Asks a question of both and says what differs: what the upstream received, by meaning, and what came back.

use super::judge::{Judge, Place, meaning, narrowed, own_matchers, replaced};
use super::named::Named;
use super::pair::{Both, Outcome, Pair};
use super::questions::{Endpoint, Question};
use super::tally::{Tally, Verdict};
use super::way::{Tenant, Way};
use crate::equivalence::essence::{Texts, essence};
use crate::support::client::Response;
use crate::support::form::decode;
use crate::support::upstream::Recorded;
use regex_lite::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How often a question is asked again where Prometheus may choose among answers.
const OPEN_TRIES: usize = 12;

/// Parameters that no endpoint has, and those of pages of rules.
pub(super) const UNKNOWN: [&str; 4] = ["nothing", "storeMatch[]", "group_limit", "group_next_token"];

/// What is asked of the upstream: method, path, and parameters with their meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    method: String,
    path: String,
    parameters: Vec<(String, String)>,
}

impl Asked {
    fn new(method: &str, path: &str, mut parameters: Vec<(String, String)>) -> Self {
        parameters.sort();
        // Selectors are a set: one that comes twice selects no more.
        parameters.dedup_by(|one, other| one == other && one.0 == "match[]");
        Self { method: method.to_owned(), path: path.to_owned(), parameters }
    }

    /// What was received, in the URL and in the form.
    pub(super) fn of(recorded: &Recorded, judge: &mut Judge) -> Self {
        let form = if recorded.method == "POST" { recorded.form_parameters() } else { Vec::new() };
        let all = recorded.url_parameters().into_iter().chain(form);
        let parameters = all.map(|(name, value)| {
            let value = if name == "query" || name == "match[]" { judge.meaning(&value).to_string() } else { value };
            (name, value)
        });
        Self::new(&recorded.method, &recorded.path(), parameters.collect())
    }

    /// What a text says, with its PromQL by its meaning.
    pub(super) fn written(method: &str, path: &str, parameters: &str, judge: &mut Judge) -> Self {
        let read = |(name, value): (String, String)| {
            let value = if name == "query" || name == "match[]" { judge.meaning(&value).to_string() } else { value };
            (name, value)
        };
        Self::new(method, path, decode(parameters.as_bytes()).into_iter().map(read).collect())
    }
}

/// Asks in one way.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) way: Way,
    pub(super) pair: Pair<'a>,
    pub(super) judge: Judge,
    pub(super) tally: Tally,
}

impl Asker<'_> {
    pub(super) fn ask(&mut self, question: &Question) {
        let both = self.pair.ask(&question.request(self.way), |_, _| {});
        let verdict = self.compare(question, &both);
        self.tally.add(question.endpoint.name(), self.way, verdict, &question.to_string());
    }

    fn compare(&mut self, question: &Question, both: &Both) -> Verdict {
        let trees: Vec<Option<Value>> = question.texts.iter().map(|text| self.judge.tree(text)).collect();
        match (&both.theirs.received, &both.ours.received) {
            (Some(theirs), Some(ours)) => self.compare_asked(question, &trees, both, (theirs, ours)),
            (None, None) if [&both.theirs, &both.ours].iter().all(|side| side.response.status == 400) => Verdict::Same,
            _ => self.compare_refusal(question, &trees, both),
        }
    }

    fn compare_asked(
        &mut self,
        question: &Question,
        trees: &[Option<Value>],
        both: &Both,
        (theirs, ours): (&Recorded, &Recorded),
    ) -> Verdict {
        let Some((wanted_theirs, wanted_ours, named)) = self.expected(question, trees) else {
            return different("Prometheus does not take what both sent on", both);
        };
        if Asked::of(theirs, &mut self.judge) != wanted_theirs {
            return different(&format!("prom-label-proxy should have asked {wanted_theirs:?}"), both);
        }
        if Asked::of(ours, &mut self.judge) != wanted_ours {
            return different(&format!("the filter should have asked {wanted_ours:?}"), both);
        }
        if self.way.is_strict() && self.conflict(question, trees) {
            return different("a matcher that cannot agree went on", both);
        }
        if wanted_theirs != wanted_ours {
            return Verdict::Named(named);
        }
        if question.endpoint.is_filtered() || self.is_same_answer(question, both) {
            return Verdict::Same;
        }
        different("the answers differ", both)
    }

    /// What each should ask of the upstream, and by which differences the two are not the same.
    fn expected(&self, question: &Question, trees: &[Option<Value>]) -> Option<(Asked, Asked, BTreeSet<Named>)> {
        let (tenant, endpoint) = (self.way.tenant(), question.endpoint);
        let (mut theirs, mut ours, mut named) = (question.others.clone(), question.others.clone(), BTreeSet::new());
        ours.retain(|(name, _)| !UNKNOWN.contains(&name.as_str()));
        if ours.len() < theirs.len() {
            named.insert(Named::UnknownParameter);
        }
        let name = endpoint.text_parameter();
        for tree in trees {
            let tree = tree.as_ref()?;
            let (narrowed, (replaced, differences)) = (narrowed(tree, tenant), match endpoint.is_expression() {
                true => replaced(tree, tenant),
                // Selectors are only added to.
                false => (narrowed(tree, tenant), BTreeSet::new()),
            });
            named.extend(differences);
            ours.push((name.to_owned(), meaning(&narrowed).to_string()));
            theirs.push((name.to_owned(), meaning(&replaced).to_string()));
        }
        let bare = || (name.to_owned(), meaning(&narrowed(&everything(), tenant)).to_string());
        if endpoint.is_narrowed() && !endpoint.is_expression() {
            // prom-label-proxy looks at URL and form apart.
            if trees.is_empty() || question.method == "POST" {
                theirs.push(bare());
            }
            match (trees.is_empty(), endpoint) {
                (true, Endpoint::Federate) => drop(named.insert(Named::FederateOfNothing)),
                (true, _) => ours.push(bare()),
                (false, _) if question.method == "POST" => drop(named.insert(Named::WidenedPost)),
                (false, _) => {}
            }
        }
        let asked = |parameters| Asked::new(question.method, endpoint.path(), parameters);
        Some((asked(theirs), asked(ours), named))
    }

    /// Whether what one refused and the other did not is a difference that there may be.
    fn compare_refusal(&self, question: &Question, trees: &[Option<Value>], both: &Both) -> Verdict {
        let refused = |side: &Outcome| side.received.is_none() && side.response.status == 400;
        let says = |side: &Outcome, text: &str| side.response.text().contains(text);
        let (theirs, ours) = (refused(&both.theirs), refused(&both.ours));
        let is_conflict = self.way.is_strict() && says(&both.ours, "hold for") | says(&both.ours, "holds for");
        let named = if ours && says(&both.ours, "info series") && question.texts.iter().any(|text| text.contains("info")) {
            Named::Info
        } else if theirs && says(&both.theirs, r#"unknown function with name \"holt_winters\""#) {
            Named::OldFunction
        } else if ours && is_conflict && self.conflict(question, trees) && !question.endpoint.is_expression() {
            Named::StrictSelectors
        } else if ours && is_conflict && self.conflict(question, trees) && !self.conflicts_by_itself(trees) {
            Named::StrictTogether
        } else if theirs
            && says(&both.theirs, "conflicting label matcher")
            && matches!(self.way.tenant(), Tenant::Pattern(_))
            && !self.conflict(question, trees)
        {
            Named::StrictPattern
        } else {
            return different("only one of the two refused", both);
        };
        Verdict::named(named)
    }

    /// Whether the matchers on the label at some selector hold for none of the tenant's values.
    fn conflict(&self, _: &Question, trees: &[Option<Value>]) -> bool {
        self.values_without(trees, |asked, value| asked.iter().all(|matcher| holds(matcher, value)))
    }

    /// Whether one of them does so by itself, where prom-label-proxy looks.
    fn conflicts_by_itself(&self, trees: &[Option<Value>]) -> bool {
        let Tenant::Values(values) = self.way.tenant() else { return false };
        let mut all = trees.iter().flatten().flat_map(own_matchers).filter(|(place, _)| *place != Place::Parameter);
        all.any(|(_, asked)| asked.iter().any(|matcher| !values.iter().any(|value| holds(matcher, value))))
    }

    fn values_without(&self, trees: &[Option<Value>], agrees: impl Fn(&[(String, String)], &str) -> bool) -> bool {
        // Of a pattern these tests know its values.
        let values = match self.way.tenant() {
            Tenant::Values(values) => values,
            Tenant::Pattern(_) => &["team-fruit", "team-veg", "team-veggie"],
        };
        let mut selectors = trees.iter().flatten().flat_map(own_matchers);
        selectors.any(|(_, asked)| !values.iter().any(|value| agrees(&asked, value)))
    }

    /// Whether the answers are the same, where Prometheus does not choose among several.
    fn is_same_answer(&mut self, question: &Question, both: &Both) -> bool {
        let text = question.texts.first().map(String::as_str).unwrap_or_default();
        let content = |response: &Response| essence(text, response, Texts::Compared);
        self.tally.telling += usize::from(!is_empty(&both.ours.response));
        if content(&both.theirs.response) == content(&both.ours.response) {
            return true;
        }
        let (mut theirs, mut ours) = (vec![content(&both.theirs.response)], vec![content(&both.ours.response)]);
        for _ in 0..OPEN_TRIES {
            let again = self.pair.ask(&question.request(self.way), |_, _| {});
            theirs.push(content(&again.theirs.response));
            ours.push(content(&again.ours.response));
            if theirs.iter().any(|one| ours.contains(one)) {
                return true;
            }
        }
        false
    }
}

fn everything() -> Value {
    json!({"type": "vectorSelector", "matchers": [], "offset": 0, "offsetExpr": null, "timestamp": null, "startOrEnd": null,
        "anchored": false, "smoothed": false})
}

fn holds((kind, asked): &(String, String), value: &str) -> bool {
    let matches = || Regex::new(&format!("^(?s:{asked})$")).expect("a pattern").is_match(value);
    match kind.as_str() {
        "=" => asked == value,
        "!=" => asked != value,
        "=~" => matches(),
        _ => !matches(),
    }
}

fn is_empty(response: &Response) -> bool {
    let text = response.text();
    text.is_empty() || ["\"result\":[]", "\"data\":[]", "\"error\""].iter().any(|empty| text.contains(empty))
}

/// A difference that nobody has named.
pub(super) fn different(what: &str, both: &Both) -> Verdict {
    let side = |outcome: &Outcome| {
        let asked = outcome.received.as_ref().map_or_else(|| "nothing".to_owned(), |recorded| {
            format!("{} {} {}", recorded.method, String::from_utf8_lossy(&recorded.target), String::from_utf8_lossy(&recorded.body))
        });
        let text: String = outcome.response.text().chars().take(400).collect();
        format!("upstream got {asked}\n        answer {} {text}", outcome.response.status)
    };
    Verdict::Different(format!("    {what}\n    prom-label-proxy: {}\n    filter: {}\n", side(&both.theirs), side(&both.ours)))
}
