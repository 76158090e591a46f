//! Whether what a request asks of an enforced label can hold for anything that its tenant may read (`error_on_replace`).
//!
//! Owns the decision and its words, for PromQL, remote reads and Alertmanager alike. It is a courtesy: the tenant's matchers
//! stand beside the request's in any case. So what cannot be decided here, or not in the time that a request may take,
//! counts as agreeing. Must not know where a matcher stood.

use super::matcher::{pattern_of, push_matcher};
use crate::scope::pattern::Whole;
use crate::scope::{LabelName, Scope, TenantScope};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Steps that one request may take, some 10 ns each: what is left then is not decided.
const MOST_STEPS: usize = 1 << 20;
/// Those that compiling a pattern counts for.
const COMPILING: usize = MOST_STEPS >> 6;
/// Those that comparing two values does.
const COMPARING: usize = 8;
/// Bytes of a request's pattern once it is compiled; one that people write takes 1 or 2 KiB.
const MOST_COMPILED: usize = 32 << 10;
/// Bytes of a matcher in a message.
const MOST_SHOWN: usize = 200;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchType {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A matcher of a request's own, its strings decoded.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) name: Cow<'a, [u8]>,
    pub(crate) kind: MatchType,
    pub(crate) value: Cow<'a, [u8]>,
}

/// What the selectors of one request are compared with.
#[derive(Debug)]
pub struct Agreement {
    /// The labels that are restricted.
    labels: Vec<(LabelName, Scope)>,
    // A lock, for what a request is given to be shared by threads: a VM has one, and it costs nothing there.
    work: Mutex<Work>,
}

impl Agreement {
    /// For one request of a tenant's.
    #[must_use]
    pub fn new(scope: &TenantScope) -> Self {
        let labels = scope.restrictions().map(|(name, scope)| (name.clone(), scope.clone())).collect();
        Self { labels, work: Mutex::new(Work { left: MOST_STEPS, agreed: BTreeSet::new() }) }
    }

    /// Decides on the matchers of one selector.
    ///
    /// # Errors
    /// Those on an enforced label hold for none of the tenant's values. Named is the first that does so by itself, else all
    /// of them.
    pub(crate) fn check(&self, asked: &[Asked<'_>]) -> Result<(), Conflict> {
        for (name, scope) in &self.labels {
            let of_label = asked.iter().filter(|asked| *asked.name == *name.as_str().as_bytes());
            let text = written(name, of_label.clone());
            if text.is_empty() {
                continue;
            }
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            if work.agreed.contains(&text) {
                continue;
            }
            let tests: Vec<Test<'_>> = of_label.map(|asked| work.test(asked)).collect();
            let together = (tests.len() > 1).then_some(tests.as_slice());
            for tests in tests.chunks(1).chain(together) {
                if work.exclude_all(tests, scope) {
                    return Err(Conflict::new(name, scope, tests));
                }
            }
            work.agreed.insert(text);
        }
        Ok(())
    }
}

/// Matchers on one label as PromQL writes them.
fn written<'a>(name: &LabelName, asked: impl Iterator<Item = &'a Asked<'a>>) -> Vec<u8> {
    let mut text = Vec::new();
    asked.for_each(|asked| push_matcher(&mut text, name, asked.kind.as_str(), &asked.value));
    text
}

/// What a request has been worth so far.
#[derive(Debug)]
struct Work {
    /// The steps that are left.
    left: usize,
    /// Matchers that have been found to agree: dashboards ask the same in every selector.
    agreed: BTreeSet<Vec<u8>>,
}

/// A matcher that can be asked about a value.
#[derive(Debug)]
struct Test<'a> {
    asked: &'a Asked<'a>,
    texts: Texts,
}

/// The texts that a matcher is about.
#[derive(Debug)]
enum Texts {
    /// These and no others.
    Listed(BTreeSet<String>),
    /// Those that a pattern matches.
    Matched(Whole),
    /// Some that only the upstream knows.
    Unknown,
}

impl Test<'_> {
    /// The only values for which the matcher holds, where they are known.
    fn only(&self) -> Option<&BTreeSet<String>> {
        match (self.asked.kind, &self.texts) {
            (MatchType::Equal | MatchType::Regex, Texts::Listed(texts)) => Some(texts),
            (MatchType::NotEqual | MatchType::NotRegex, Texts::Listed(_)) | (_, Texts::Matched(_) | Texts::Unknown) => {
                None
            }
        }
    }
}

impl Work {
    fn test<'a>(&mut self, asked: &'a Asked<'a>) -> Test<'a> {
        let text = str::from_utf8(&asked.value);
        let texts = match (asked.kind, text) {
            // What is no text is no value of a tenant's.
            (MatchType::Equal | MatchType::NotEqual, text) => {
                Texts::Listed(text.into_iter().map(str::to_owned).collect())
            }
            (MatchType::Regex | MatchType::NotRegex, Ok(pattern)) => self.pattern(pattern),
            // Upstreams differ in whether this is a pattern.
            (MatchType::Regex | MatchType::NotRegex, Err(_)) => Texts::Unknown,
        };
        Test { asked, texts }
    }

    fn pattern(&mut self, pattern: &str) -> Texts {
        if let Some(literals) = literals(pattern) {
            return Texts::Listed(literals);
        }
        if !self.spend(COMPILING) {
            return Texts::Unknown;
        }
        Whole::new(pattern, MOST_COMPILED).map_or(Texts::Unknown, Texts::Matched)
    }

    /// Whether no value that `scope` allows passes all of `tests`.
    fn exclude_all(&mut self, tests: &[Test<'_>], scope: &Scope) -> bool {
        match (tests.iter().find_map(Test::only), scope) {
            (Some(only), scope) => !only.iter().any(|value| self.allows(scope, value) && self.pass(tests, value)),
            (None, Scope::Values(values)) => !values.as_slice().iter().any(|value| self.pass(tests, value.as_str())),
            // All of it would have to be compared with patterns.
            (None, Scope::Pattern(_) | Scope::Unrestricted) => false,
        }
    }

    fn allows(&mut self, scope: &Scope, value: &str) -> bool {
        let steps = match scope {
            Scope::Values(_) | Scope::Unrestricted => COMPARING,
            Scope::Pattern(pattern) => pattern.steps(value),
        };
        !self.spend(steps) || scope.allows(value)
    }

    fn pass(&mut self, tests: &[Test<'_>], value: &str) -> bool {
        tests.iter().all(|test| {
            let is_among = match &test.texts {
                Texts::Listed(texts) => self.spend(COMPARING).then(|| texts.contains(value)),
                Texts::Matched(whole) => self.spend(whole.steps(value)).then(|| whole.matches(value)),
                Texts::Unknown => None,
            };
            is_among.is_none_or(|is_among| match test.asked.kind {
                MatchType::Equal | MatchType::Regex => is_among,
                MatchType::NotEqual | MatchType::NotRegex => !is_among,
            })
        })
    }

    /// Takes `steps` from those that are left; none when there are not as many.
    fn spend(&mut self, steps: usize) -> bool {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// The texts that `pattern` matches when it is nothing but them: `a`, `a|b\.c`, or the same in one group, as Grafana writes
/// several values of a variable. Any reader of patterns reads it so.
// Prometheus: model/labels/regexp.go, findSetMatches
fn literals(pattern: &str) -> Option<BTreeSet<String>> {
    let group = pattern.strip_prefix("(?:").or_else(|| pattern.strip_prefix('('));
    let mut rest = group.and_then(|group| group.strip_suffix(')')).unwrap_or(pattern).chars();
    let mut texts = BTreeSet::new();
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '|' => drop(texts.insert(std::mem::take(&mut text))),
            '\\' => text.push(rest.next().filter(char::is_ascii_punctuation)?),
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            _ => text.push(c),
        }
    }
    texts.insert(text);
    Some(texts)
}

/// What a request asks, and what its tenant may read: nothing is both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The request's matcher, or matchers, as PromQL writes them.
    asked: Box<str>,
    /// The tenant's.
    enforced: Box<str>,
    /// How many of the request's there are.
    number: Number,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    One,
    Several,
}

impl Conflict {
    #[cold]
    fn new(name: &LabelName, scope: &Scope, tests: &[Test<'_>]) -> Self {
        let mut enforced = Vec::new();
        match scope.only() {
            Some(value) => push_matcher(&mut enforced, name, "=", value.as_str().as_bytes()),
            None => push_matcher(&mut enforced, name, "=~", pattern_of(scope).unwrap_or_default().as_bytes()),
        }
        Self {
            asked: shown(&written(name, tests.iter().map(|test| test.asked))),
            enforced: shown(&enforced),
            number: if tests.len() == 1 { Number::One } else { Number::Several },
        }
    }
}

/// A text of ours as it can stand in a message.
fn shown(text: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(text);
    let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= MOST_SHOWN).and_then(|at| text.get(..at));
    cut.map_or_else(|| (*text).into(), |cut| format!("{cut}…").into_boxed_str())
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, enforced, number } = self;
        match number {
            Number::One => write!(f, "label matcher `{asked}` conflicts with the enforced matcher `{enforced}`"),
            Number::Several => {
                write!(f, "label matchers `{asked}` together conflict with the enforced matcher `{enforced}`")
            }
        }
    }
}

#[cfg(test)]
mod tests;
