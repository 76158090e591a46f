//! What came of the requests: counted for each endpoint and way, and printed for people.

use super::named::Named;
use super::way::Way;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What one request showed.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The upstream was asked the same, and what came back is the same.
    Same,
    /// What differs is these, each exactly as the page has it.
    Named(BTreeSet<Named>),
    /// Something else differs.
    Different(String),
}

impl Verdict {
    /// Of one difference that is there.
    pub(super) fn named(named: Named) -> Self {
        Self::Named(BTreeSet::from([named]))
    }
}

/// All verdicts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cells: BTreeMap<(&'static str, Way), [usize; 2]>,
    pub(super) named: BTreeMap<Named, usize>,
    pub(super) failures: Vec<String>,
    /// Answers with something in them that were compared.
    pub(super) telling: usize,
}

impl Tally {
    /// `what` describes the request, for a failure.
    pub(super) fn add(&mut self, endpoint: &'static str, way: Way, verdict: Verdict, what: &str) {
        let [same, named] = self.cells.entry((endpoint, way)).or_default();
        match verdict {
            Verdict::Same => *same += 1,
            Verdict::Named(all) => {
                *named += 1;
                all.into_iter().for_each(|each| *self.named.entry(each).or_default() += 1);
            }
            Verdict::Different(text) => self.failures.push(format!("{endpoint}, {}: {what}\n{text}", way.name())),
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (cell, counts) in other.cells {
            let sums = self.cells.entry(cell).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        other.named.into_iter().for_each(|(named, count)| *self.named.entry(named).or_default() += count);
        self.failures.extend(other.failures);
        self.telling += other.telling;
    }

    /// The table: requests that came out the same, and behind `+` those with a named difference.
    pub(super) fn table(&self) -> String {
        let mut text = format!("\n{:<25}", "same+named");
        Way::ALL.iter().for_each(|way| write!(text, " {:>9}", way.name()).expect("a cell"));
        text.push('\n');
        let endpoints: BTreeSet<&str> = self.cells.keys().map(|(endpoint, _)| *endpoint).collect();
        for endpoint in endpoints {
            write!(text, "{endpoint:<25}").expect("a cell");
            for way in Way::ALL {
                let cell = self.cells.get(&(endpoint, way)).map(|[same, named]| format!("{same}+{named}"));
                write!(text, " {:>9}", cell.unwrap_or_default()).expect("a cell");
            }
            text.push('\n');
        }
        let [same, named] = self.cells.values().fold([0, 0], |sum, cell| [sum[0] + cell[0], sum[1] + cell[1]]);
        let failed = self.failures.len();
        writeln!(
            text,
            "{} requests: {same} the same, {named} with a named difference, {failed} with any other",
            same + named + failed
        )
        .expect("a line");
        for named in Named::ALL {
            writeln!(text, "{:>6}  {}", self.named.get(&named).copied().unwrap_or_default(), named.told())
                .expect("a line");
        }
        text
    }
}
