//! What a tenant may read: for each enforced label the values that a series must carry, or their pattern.
//!
//! Owns the types that stand between identity (which makes them) and rewriting (which writes them down).
//! A [`TenantScope`] that exists is valid: names are label names, values are never empty, lists are never empty.
//! Must not know where an identity comes from, nor how a matcher is written.

pub mod pattern;
mod syntax;

pub use pattern::Pattern;

use std::fmt;

/// The name of a label that is enforced.
///
/// Any non-empty UTF-8 text without control characters, as Prometheus 3 allows, except `__name__`.
// Prometheus: model/labels, common/model/labels.go
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelName(String);

impl LabelName {
    /// Takes `text` as a label name.
    ///
    /// # Errors
    /// Says what is wrong: empty, `__name__`, or a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidLabel> {
        let text = text.into();
        if text.is_empty() {
            Err(InvalidLabel::Empty)
        } else if text == "__name__" {
            Err(InvalidLabel::MetricName)
        } else if text.chars().any(char::is_control) {
            Err(InvalidLabel::ControlCharacter)
        } else {
            Ok(Self(text))
        }
    }

    /// The name as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name can stand in a matcher without quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
    #[must_use]
    pub fn is_classic(&self) -> bool {
        let mut bytes = self.0.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value of an enforced label: never empty, no control characters.
///
/// An empty value would match the series *without* the label, which belong to nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelValue(String);

impl LabelValue {
    /// Takes `text` as a label value, byte for byte.
    ///
    /// # Errors
    /// Says what is wrong: empty, or a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidLabel> {
        let text = text.into();
        if text.is_empty() {
            Err(InvalidLabel::Empty)
        } else if text.chars().any(char::is_control) {
            Err(InvalidLabel::ControlCharacter)
        } else {
            Ok(Self(text))
        }
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no label name or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidLabel {
    /// The text is empty.
    Empty,
    /// The text holds a control character.
    ControlCharacter,
    /// The name is `__name__`, which is the metric's and cannot be enforced.
    MetricName,
}

impl fmt::Display for InvalidLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "must not be empty",
            Self::ControlCharacter => "must not hold control characters",
            Self::MetricName => "must not be `__name__`, which names the metric and not the tenant",
        })
    }
}

/// The values of one label that a tenant may read: sorted, without repeats, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelValues(Vec<LabelValue>);

impl LabelValues {
    /// Sorts `values` and merges repeats; `None` when there is none.
    #[must_use]
    pub fn new(mut values: Vec<LabelValue>) -> Option<Self> {
        values.sort_unstable();
        values.dedup();
        if values.is_empty() { None } else { Some(Self(values)) }
    }

    /// The values in order; at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[LabelValue] {
        &self.0
    }

    /// Whether `value` is one of them.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.0.binary_search_by(|v| v.as_str().cmp(value)).is_ok()
    }
}

/// What one rule lets a request read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only series whose label has one of these values.
    Values(LabelValues),
    /// Only series whose label the pattern matches (`regex_match`).
    Pattern(Pattern),
    /// The rule is lifted (`danger_unrestricted`): every value, and series without the label.
    Unrestricted,
}

impl Scope {
    /// Whether a series whose label has `value` may be read.
    #[must_use]
    pub fn allows(&self, value: &str) -> bool {
        match self {
            Self::Values(values) => values.contains(value),
            Self::Pattern(pattern) => pattern.matches(value),
            Self::Unrestricted => true,
        }
    }

    /// The value, where there is just one.
    #[must_use]
    pub fn only(&self) -> Option<&LabelValue> {
        match self {
            Self::Values(values) => match values.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Self::Pattern(_) | Self::Unrestricted => None,
        }
    }

    /// Whether there is anything that may not be read.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        match self {
            Self::Values(_) | Self::Pattern(_) => true,
            Self::Unrestricted => false,
        }
    }
}

/// One rule's decision about one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelScope {
    /// The label that is enforced.
    pub name: LabelName,
    /// What may be read of it.
    pub scope: Scope,
}

/// Everything that decides what a request may read: one entry a rule, all of them enforced together (AND).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope(Vec<LabelScope>);

impl TenantScope {
    /// The decisions of all rules, in the order of the configuration; `None` when there is no rule, because a request
    /// that nothing restricts must say so in each rule.
    #[must_use]
    pub fn new(labels: Vec<LabelScope>) -> Option<Self> {
        if labels.is_empty() { None } else { Some(Self(labels)) }
    }

    /// The decisions in the order of the configuration.
    #[must_use]
    pub fn labels(&self) -> &[LabelScope] {
        &self.0
    }

    /// The labels that are restricted, with what may be read of them.
    pub fn restrictions(&self) -> impl Iterator<Item = (&LabelName, &Scope)> {
        self.0.iter().filter(|label| label.scope.is_restricted()).map(|label| (&label.name, &label.scope))
    }

    /// Whether every rule is lifted: nothing is narrowed and no answer is filtered.
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        self.restrictions().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Option<LabelValues> {
        LabelValues::new(texts.iter().map(|t| LabelValue::new(*t).expect("a valid value")).collect())
    }

    #[test]
    fn an_empty_value_is_no_value() {
        assert_eq!(LabelValue::new(""), Err(InvalidLabel::Empty));
    }

    #[test]
    fn control_characters_are_refused_in_names_and_values() {
        for text in ["a\n", "\0", "a\u{7f}", "a\u{85}b"] {
            assert_eq!(LabelValue::new(text), Err(InvalidLabel::ControlCharacter), "{text:?}");
            assert_eq!(LabelName::new(text), Err(InvalidLabel::ControlCharacter), "{text:?}");
        }
    }

    #[test]
    fn the_metric_name_cannot_be_enforced() {
        assert_eq!(LabelName::new("__name__"), Err(InvalidLabel::MetricName));
    }

    #[test]
    fn names_outside_the_classic_alphabet_must_be_quoted() {
        for (name, classic) in
            [("tenant", true), ("_t1", true), ("1t", false), ("a.b", false), ("é", false), ("a:b", false)]
        {
            assert_eq!(LabelName::new(name).expect("a valid name").is_classic(), classic, "{name}");
        }
    }

    #[test]
    fn values_are_sorted_and_merged_and_never_none() {
        assert_eq!(values(&["b", "a", "b"]), values(&["a", "b"]));
        assert_eq!(values(&[]), None);
        let some = values(&["b", "a"]).expect("two values");
        assert!(some.contains("a") && some.contains("b") && !some.contains("") && !some.contains("ab"));
    }

    #[test]
    fn no_rules_make_no_scope() {
        assert_eq!(TenantScope::new(Vec::new()), None);
    }

    #[test]
    fn only_a_scope_with_every_rule_lifted_is_unrestricted() {
        let label = |name: &str, scope| LabelScope { name: LabelName::new(name).expect("a valid name"), scope };
        let lifted = TenantScope::new(vec![label("a", Scope::Unrestricted)]).expect("a scope");
        assert!(lifted.is_unrestricted());
        let half = TenantScope::new(vec![
            label("a", Scope::Unrestricted),
            label("b", Scope::Values(values(&["x"]).expect("a value"))),
        ])
        .expect("a scope");
        assert!(!half.is_unrestricted());
        assert_eq!(half.restrictions().count(), 1);
    }
}
