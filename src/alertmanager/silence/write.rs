//! Writing a silence: the body of `POST /api/v2/silences`, narrowed to the tenant.
//!
//! Owns what becomes of its matchers. Must not know whether the silence that `id` names is the tenant's: who sends the body
//! on has to ask first.

use super::{Matcher, SilenceError, SilenceId, members};
use crate::alertmanager::matcher::{self, Comparison, TenantMatcher};
use crate::response::json::{self, Edit};
use crate::scope::TenantScope;
use serde_json::Value;
use std::ptr;

const MATCHERS: &str = "matchers";

/// A silence that may be written, but for its id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SilenceWrite {
    /// The silence that is replaced, which must be the tenant's own; `None` when one is created.
    pub id: Option<SilenceId>,
    /// The body for Alertmanager.
    pub body: String,
}

/// Narrows `body`, a silence to write, to what the tenant may silence.
///
/// A rule with one value puts its matcher in: in the place of the first one on that label, or behind all others. With
/// several values the user says which one, because a silence of all would be more than was asked for. What else there is
/// stays the text that it is. What Alertmanager refuses in better words is left to it.
///
/// # Errors
/// When it cannot be read in one way only, or would concern more than the tenant's own alerts, or all of them.
// Alertmanager: api/v2/openapi.yaml, postableSilence; silence/silence.go, validateSilence
pub fn narrow_write(body: &[u8], scope: &TenantScope) -> Result<SilenceWrite, SilenceError> {
    let text = std::str::from_utf8(body).map_err(|_| SilenceError::NotJson)?;
    let [id, matchers, texts @ .., annotations] =
        members(text, ["id", MATCHERS, "startsAt", "endsAt", "createdBy", "comment", "annotations"])?;
    for member in texts {
        if !member.text.is_none_or(is_string) {
            return Err(member.is_not("a string"));
        }
    }
    if !annotations.text.is_none_or(are_strings) {
        return Err(annotations.is_not("an object of strings"));
    }
    let id = match id.text {
        None | Some(r#""""#) => None,
        Some(_) => Some(SilenceId::parse(&id.string()?).ok_or(SilenceError::Id)?),
    };
    let matchers = matchers.given()?;
    let narrowed = narrow(matchers, &matcher::of(scope))?;
    // The very text that has been read, whatever its name looks like.
    let edit =
        json::edit_members(text, |_, value| Some(if ptr::eq(value, matchers) { narrowed.clone() } else { Edit::Keep }));
    let body = edit.and_then(|edit| edit.apply(text)).ok_or(SilenceError::NotJson)?;
    Ok(SilenceWrite { id, body })
}

fn is_string(value: &str) -> bool {
    value.starts_with('"')
}

/// Whether `value` is an object of strings. Go takes a `null` for an empty one.
fn are_strings(value: &str) -> bool {
    json::each_member(value, |_, value| (is_string(value) || value == "null").then_some(())).is_some()
}

/// What becomes of a silence's matchers.
fn narrow(array: &str, rules: &[TenantMatcher<'_>]) -> Result<Edit, SilenceError> {
    let mut rules: Vec<_> = rules.iter().map(|rule| (rule, false)).collect();
    // Alertmanager wants one matcher that does not match the empty string. One that is put in must not stand in for it:
    // whoever has an Alertmanager of their own cannot silence everything by saying nothing.
    let mut selects = rules.is_empty();
    let mut refusal = SilenceError::Mistyped { name: MATCHERS, expected: "a list of matchers" };
    let mut enforce = |element| {
        let matcher = Matcher::read(element)?;
        let Some((rule, is_met)) = rules.iter_mut().find(|(rule, _)| matcher.name == rule.name.as_str()) else {
            selects |= !matcher.matches_empty();
            return Ok(Edit::Keep);
        };
        let is_first = !std::mem::replace(is_met, true);
        if !matcher.is_equal {
            return Err(SilenceError::Negated { label: rule.name.clone() });
        }
        match rule.comparison {
            Comparison::Equal if is_first => Ok(Edit::Replace(written(rule))),
            Comparison::Equal => Ok(Edit::Drop),
            Comparison::Pattern if is_first && names_one(&matcher, rule) => Ok(Edit::Keep),
            Comparison::Pattern => Err(SilenceError::Ambiguous { label: rule.name.clone() }),
        }
    };
    let edit = json::edit_elements(array, |element| enforce(element).map_err(|error| refusal = error).ok());
    let edit = edit.ok_or(refusal)?;
    if !selects {
        return Err(SilenceError::Everything { enforced: rules.iter().map(|(rule, _)| rule.name.clone()).collect() });
    }
    let mut further = String::new();
    for (rule, _) in rules.iter().filter(|(_, is_met)| !is_met) {
        match rule.comparison {
            Comparison::Equal => further = format!("{further},{}", written(rule)),
            Comparison::Pattern => return Err(SilenceError::Ambiguous { label: rule.name.clone() }),
        }
    }
    if further.is_empty() {
        return Ok(edit);
    }
    // One matcher has stayed, or nothing would be selected.
    let array = edit.apply(array).ok_or(SilenceError::NotJson)?;
    let open = array.strip_suffix(']').ok_or(SilenceError::NotJson)?;
    Ok(Edit::Replace(format!("{open}{further}]")))
}

/// Whether `matcher` names one of the values that `rule` allows.
fn names_one(matcher: &Matcher<'_>, rule: &TenantMatcher<'_>) -> bool {
    matcher.comparison == Comparison::Equal && matcher.implies(rule)
}

/// A matcher as a silence holds it.
fn written(rule: &TenantMatcher<'_>) -> String {
    let (name, value) = (Value::from(rule.name.as_str()), Value::from(&*rule.value));
    format!(r#"{{"name":{name},"value":{value},"isRegex":false,"isEqual":true}}"#)
}

#[cfg(test)]
mod tests;
