//! Asks a question of both and says what differs: what the upstream received, by meaning, and what came back.

use super::asked::Asked;
use super::conflicts::Conflicts;
use super::judge::{Judge, meaning, narrowed, replaced};
use super::named::Named;
use super::pair::{Both, Outcome, Pair};
use super::questions::{Endpoint, Question, is_newer, printed_again};
use super::tally::{Tally, Verdict};
use super::way::Way;
use crate::equivalence::essence::{Texts, essence};
use crate::support::client::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How often a question is asked again where Prometheus may choose among answers.
const OPEN_TRIES: usize = 12;

/// Parameters that no endpoint has, and those of pages of rules.
pub(super) const UNKNOWN: [&str; 4] = ["nothing", "storeMatch[]", "group_limit", "group_next_token"];

/// Asks in one way.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) way: Way,
    pub(super) pair: Pair<'a>,
    pub(super) judge: Judge,
    pub(super) tally: Tally,
}

impl<'a> Asker<'a> {
    pub(super) fn new(way: Way, pair: Pair<'a>, judge: Judge) -> Self {
        Self { way, pair, judge, tally: Tally::default() }
    }

    pub(super) fn ask(&mut self, question: &Question) {
        let both = self.pair.ask(&question.request(self.way), |_, _| {});
        let verdict = self.compare(question, &both);
        self.tally.add(question.endpoint.name(), self.way, verdict, &question.to_string());
    }

    fn compare(&mut self, question: &Question, both: &Both) -> Verdict {
        let is_asked = |tree: &Value| question.endpoint.is_expression() || tree["type"] == "vectorSelector";
        let trees: Vec<_> = question.texts.iter().map(|text| self.judge.tree(text).filter(is_asked)).collect();
        let conflicts = Conflicts::of(self.way, question.endpoint, trees.iter().flatten());
        let refuse = |side: &Outcome, text: &str| side.received.is_none() && side.response.text().contains(text);
        let theirs = refuse(&both.theirs, "conflicting label matcher");
        let ours = refuse(&both.ours, "the enforced matcher");
        if (theirs, ours) != (conflicts.theirs, conflicts.ours) {
            return different(&format!("not the conflicts that there are: {conflicts:?}"), both);
        }
        let (wanted_theirs, wanted_ours, named) = self.expected(question, &trees);
        let is_taken = trees.iter().all(Option::is_some);
        for (who, outcome, wanted) in
            [("prom-label-proxy", &both.theirs, &wanted_theirs), ("the filter", &both.ours, &wanted_ours)]
        {
            // What Prometheus does not take cannot be compared where only one of the two sends it on.
            let is_comparable = is_taken || both.theirs.received.is_some();
            if let Some(recorded) = outcome.received.as_ref().filter(|_| is_comparable)
                && Asked::of(recorded, &mut self.judge) != *wanted
            {
                return different(&format!("{who} should have asked {wanted:?}"), both);
            }
        }
        if theirs != ours {
            return conflicts.named.map_or_else(|| different("only one of the two refused", both), Verdict::named);
        }
        if both.theirs.received.is_none() || both.ours.received.is_none() {
            return compare_refusal(question, is_taken, both);
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
    fn expected(&mut self, question: &Question, trees: &[Option<Value>]) -> (Asked, Asked, BTreeSet<Named>) {
        let (tenant, endpoint) = (self.way.tenant(), question.endpoint);
        let (mut theirs, mut ours, mut named) = (question.others.clone(), question.others.clone(), BTreeSet::new());
        ours.retain(|(name, _)| !UNKNOWN.contains(&name.as_str()));
        if ours.len() < theirs.len() {
            named.insert(Named::UnknownParameter);
        }
        let name = endpoint.text_parameter();
        for (text, tree) in question.texts.iter().zip(trees) {
            let (their_meaning, our_meaning) = match (printed_again(text, tenant), tree) {
                (Some((printed, kept)), _) => {
                    named.insert(Named::PrintedAgain);
                    (self.judge.meaning(&printed), self.judge.meaning(&kept))
                }
                (None, Some(tree)) => {
                    let ours = narrowed(tree, tenant);
                    // Selectors are only added to.
                    let (theirs, differences) =
                        if endpoint.is_expression() { replaced(tree, tenant) } else { (ours.clone(), BTreeSet::new()) };
                    named.extend(differences);
                    (meaning(&theirs), meaning(&ours))
                }
                (None, None) => (json!("nothing that Prometheus takes"), json!(text)),
            };
            theirs.push((name.to_owned(), their_meaning.to_string()));
            ours.push((name.to_owned(), our_meaning.to_string()));
        }
        let bare = (name.to_owned(), meaning(&narrowed(&everything(), tenant)).to_string());
        if endpoint.is_narrowed() && !endpoint.is_expression() {
            // prom-label-proxy looks at URL and form apart.
            if trees.is_empty() || question.method == "POST" {
                theirs.push(bare.clone());
            }
            match (trees.is_empty(), endpoint) {
                (true, Endpoint::Federate) => drop(named.insert(Named::FederateOfNothing)),
                (true, _) => ours.push(bare),
                (false, _) if question.method == "POST" => drop(named.insert(Named::WidenedPost)),
                (false, _) => {}
            }
        }
        let asked = |parameters| Asked::new(question.method, endpoint.path(), parameters);
        (asked(theirs), asked(ours), named)
    }

    /// Whether the answers are the same, where Prometheus does not choose among several.
    fn is_same_answer(&mut self, question: &Question, both: &Both) -> bool {
        let text = question.texts.first().map(String::as_str).unwrap_or_default();
        let content = |response: &Response| {
            let mut essence = essence(text, response, Texts::Compared);
            // Series have no order.
            if let Some(series) = essence.content.pointer_mut("/data").and_then(Value::as_array_mut) {
                series.sort_by_cached_key(ToString::to_string);
            }
            essence
        };
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

fn is_empty(response: &Response) -> bool {
    let text = response.text();
    text.is_empty() || ["\"result\":[]", "\"data\":[]", "\"error\""].iter().any(|empty| text.contains(empty))
}

/// What one of the two refused itself.
fn compare_refusal(question: &Question, is_taken: bool, both: &Both) -> Verdict {
    let status = |side: &Outcome| side.response.status;
    let says = |side: &Outcome, text: &str| side.response.text().contains(text);
    let (theirs, ours) = (&both.theirs, &both.ours);
    match (&theirs.received, &ours.received) {
        // Whoever says so.
        (None, None) if (status(theirs), status(ours)) == (400, 400) => Verdict::Same,
        (None, Some(_)) if (status(theirs), status(ours)) == (400, 400) && !is_taken => Verdict::Same,
        (Some(_), None) if status(ours) == 400 && says(ours, "info series") => Verdict::named(Named::Info),
        (None, Some(_)) if says(theirs, "failed to parse query string") && is_taken && is_newer(&question.texts[0]) => {
            Verdict::named(Named::NewerPromql)
        }
        (None, _) if status(theirs) == 200 && theirs.response.body.is_empty() && status(ours) == 400 && !is_taken => {
            Verdict::named(Named::BadSelectorOfForm)
        }
        _ => different("only one of the two refused", both),
    }
}

/// A difference that nobody has named.
pub(super) fn different(what: &str, both: &Both) -> Verdict {
    let side = |outcome: &Outcome| {
        let asked = outcome.received.as_ref().map_or_else(
            || "nothing".to_owned(),
            |recorded| {
                format!(
                    "{} {} {}",
                    recorded.method,
                    String::from_utf8_lossy(&recorded.target),
                    String::from_utf8_lossy(&recorded.body)
                )
            },
        );
        let text: String = outcome.response.text().chars().take(400).collect();
        format!("upstream got {asked}\n        answer {} {text}", outcome.response.status)
    };
    Verdict::Different(format!(
        "    {what}\n    prom-label-proxy: {}\n    filter: {}\n",
        side(&both.theirs),
        side(&both.ours)
    ))
}
