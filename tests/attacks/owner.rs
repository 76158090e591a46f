//! Whose a request is, and the matchers that must stand in everything it reads.
//!
//! Texts are read by the tests' own readers. Must not know endpoints.

use crate::envoy::matchers::quote_pattern;
use crate::support::reading::{Ours, Reading, check};
use crate::support::remote_read::{Matcher, RE};
use crate::support::verifier::verify;

/// A label and the values of it that may be read.
type Rule = (String, Vec<String>);

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    rules: Vec<Rule>,
    rules_at_source: bool,
    announced: Option<(&'static str, String)>,
    known_by: Option<&'static str>,
}

impl Owner {
    /// The attacker.
    pub(super) fn eve() -> Self {
        Self::of(&["eve"])
    }

    /// Whoever may read these tenants.
    pub(super) fn of(tenants: &[&str]) -> Self {
        Self::with(&[("tenant", tenants)])
    }

    /// Whoever may read these values of these labels.
    pub(super) fn with(rules: &[(&str, &[&str])]) -> Self {
        let rule = |(name, values): &(&str, &[&str])| {
            let mut values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            values.sort();
            values.dedup();
            ((*name).to_owned(), values)
        };
        Self { rules: rules.iter().map(rule).collect(), rules_at_source: false, announced: None, known_by: None }
    }

    /// Selectors of rules are narrowed too.
    pub(super) fn rules_at_source(mut self) -> Self {
        self.rules_at_source = true;
        self
    }

    /// This header tells the upstream who asks.
    pub(super) fn announced_as(mut self, header: &'static str, value: &str) -> Self {
        self.announced = Some((header, value.to_owned()));
        self
    }

    /// This header tells the filter who asks, and nobody behind it.
    pub(super) fn known_by(mut self, header: &'static str) -> Self {
        self.known_by = Some(header);
        self
    }

    /// The header that nobody behind the filter may see.
    pub(super) fn hidden(&self) -> Option<&'static str> {
        self.known_by
    }

    /// What may stand in a header that chooses tenants.
    pub(super) fn announced(&self, header: &str) -> Vec<String> {
        self.announced.iter().filter(|(name, _)| *name == header).map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn has_label(&self, name: &str) -> bool {
        self.rules.iter().any(|(label, _)| label == name)
    }

    pub(super) fn narrows_rules(&self) -> bool {
        self.rules_at_source
    }

    /// That every selector of an expression, or a selector, carries the matchers.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        let join = |how| self.rules.iter().map(|rule| matcher(rule, how)).collect::<Vec<_>>().join(",");
        check(text, &Ours::new(&join(Comparison::Shortest), &join(Comparison::Pattern)))?;
        // A second reader, where it can read the text: it takes a value that stands for itself as a pattern, too.
        if let [(name, values)] = &self.rules[..]
            && let [value] = &values[..]
            && value.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            && let Some(seen) = verify(text, name, value)
            && !seen.wrong.is_empty()
        {
            return Err(format!("the other parser reads {:?} in {text}", seen.wrong));
        }
        Ok(())
    }

    /// That a selector of rules is one, and carries the matchers where it must.
    pub(super) fn check_rules(&self, text: &str) -> Result<(), String> {
        if self.rules_at_source { self.check(text) } else { Reading::new(text).map(|_| ()) }
    }

    /// That a filter of alerts is the one that lets nothing but the owner's through.
    pub(super) fn is_filter(&self, text: &str) -> bool {
        self.rules.iter().any(|rule| text == matcher(rule, Comparison::Shortest))
    }

    /// That a matcher of a silence, of these members, narrows it to one of the owner's tenants.
    pub(super) fn narrows_silence(&self, name: &str, value: &str) -> bool {
        self.rules.iter().any(|(label, values)| label == name && values.iter().any(|each| each == value))
    }

    /// That the matchers of a remote read hold the owner's.
    pub(super) fn check_read(&self, matchers: &[Matcher]) -> Result<(), String> {
        for (name, values) in &self.rules {
            // An equality with an external label would be taken away (Prometheus: storage/remote/read_handler.go).
            let wanted = Matcher::new(RE, name, &pattern(values));
            if !matchers.contains(&wanted) {
                return Err(format!("a remote read without {name}: {matchers:?}"));
            }
        }
        Ok(())
    }
}

/// How a matcher compares.
#[derive(Clone, Copy)]
enum Comparison {
    /// With a value, when there is one only.
    Shortest,
    Pattern,
}

fn matcher((name, values): &Rule, comparison: Comparison) -> String {
    match (&values[..], comparison) {
        ([one], Comparison::Shortest) => format!("{}={}", quoted_name(name), quoted(one)),
        (several, _) => format!("{}=~{}", quoted_name(name), quoted(&pattern(several))),
    }
}

fn pattern(values: &[String]) -> String {
    values.iter().map(|value| quote_pattern(value)).collect::<Vec<_>>().join("|")
}

/// A string of PromQL.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn quoted_name(name: &str) -> String {
    let classic = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if classic { name.to_owned() } else { quoted(name) }
}
