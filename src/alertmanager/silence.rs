//! Silences: what names one, and whose one is.
//!
//! Owns how a silence's JSON is read, on its way in and out, and what makes it a tenant's own. Must not know how lists of
//! silences are edited, nor where a silence was asked for.

mod error;
mod write;

pub use error::SilenceError;
pub use write::{SilenceWrite, narrow_write};

use super::matcher::{self, Comparison, TenantMatcher};
use crate::promql::matches_empty;
use crate::response::json;
use crate::scope::TenantScope;
use std::borrow::Cow;
use std::fmt;

/// What names a silence: a UUID with its hyphens, nothing around it. Fit for a path as it is.
///
/// Alertmanager's own are in lower case, and it compares byte for byte: any other is one that it does not know. Other ways
/// of writing a UUID, in braces or without hyphens, name no silence either.
// Alertmanager: silence/silence.go, Set and getSilence; go-openapi: strfmt, IsUUID
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceId(String);

impl SilenceId {
    /// Reads an id; `None` when `text` is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let groups = text.split('-').map(|group| {
            let is_hexadecimal = group.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hexadecimal.then_some(group.len())
        });
        groups.eq([8, 4, 4, 4, 12].map(Some)).then(|| Self(text.to_owned()))
    }

    /// The id as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `silence`, an object as Alertmanager answers it, can concern nobody's alerts but the tenant's: for each
/// restricted rule it has an equality matcher with an allowed value, or the very pattern that stands for all of them.
/// A silence in doubt is nobody's.
#[must_use]
pub fn is_own(silence: &str, scope: &TenantScope) -> bool {
    owns(&matcher::of(scope), silence)
}

/// The same for matchers that are written already.
pub(crate) fn owns(rules: &[TenantMatcher<'_>], silence: &str) -> bool {
    let read = || {
        let mut unmet: Vec<_> = rules.iter().collect();
        json::each_element(json::sole_member(silence, "matchers")??, |element| {
            let matcher = Matcher::read(element).ok()?;
            unmet.retain(|rule| !matcher.implies(rule));
            Some(())
        })?;
        Some(unmet.is_empty())
    };
    rules.is_empty() || read().unwrap_or(false)
}

/// A matcher of a silence.
#[derive(Debug)]
struct Matcher<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    comparison: Comparison,
    /// Whether it selects what compares equal, or everything else.
    is_equal: bool,
}

impl<'a> Matcher<'a> {
    /// Reads a matcher of which every member is known, and there once.
    fn read(text: &'a str) -> Result<Self, SilenceError> {
        let [name, value, is_regex, is_equal] = members(text, ["name", "value", "isRegex", "isEqual"])?;
        Ok(Self {
            name: name.string()?,
            value: value.string()?,
            comparison: if is_regex.boolean()? { Comparison::Pattern } else { Comparison::Equal },
            is_equal: is_equal.text.is_none() || is_equal.boolean()?,
        })
    }

    /// Whether it selects nothing but what `rule` allows.
    fn implies(&self, rule: &TenantMatcher<'_>) -> bool {
        self.is_equal
            && self.name == rule.name.as_str()
            && match self.comparison {
                Comparison::Equal => rule.scope.allows(&self.value),
                Comparison::Pattern => rule.comparison == Comparison::Pattern && self.value == rule.value,
            }
    }

    /// Whether it says nothing to Alertmanager, which wants one matcher that does.
    // Alertmanager: silence/silence.go, matchesEmpty
    fn matches_empty(&self) -> bool {
        self.is_equal
            && match self.comparison {
                Comparison::Equal => self.value.is_empty(),
                Comparison::Pattern => matches_empty(self.value.as_bytes()),
            }
    }
}

/// A member of a known name.
#[derive(Clone, Copy, Debug)]
struct Member<'a> {
    name: &'static str,
    /// Its value; `None` when there is none, or `null`, which is none to Alertmanager.
    text: Option<&'a str>,
}

impl<'a> Member<'a> {
    fn given(self) -> Result<&'a str, SilenceError> {
        self.text.ok_or(SilenceError::Missing { name: self.name })
    }

    fn string(self) -> Result<Cow<'a, str>, SilenceError> {
        json::string(self.given()?).ok_or(self.is_not("a string"))
    }

    fn boolean(self) -> Result<bool, SilenceError> {
        match self.given()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.is_not("true or false")),
        }
    }

    fn is_not(self, expected: &'static str) -> SilenceError {
        SilenceError::Mistyped { name: self.name, expected }
    }
}

/// The members of `object`, which may have those called `names` and no others.
///
/// Alertmanager takes a name in any case and of repeats the last one, so no name may be there twice. It takes two further
/// letters for an `s` and a `k`, which are unknown names here, and refused.
// Go: encoding/json, Decoder.Decode
fn members<'a, const N: usize>(object: &'a str, names: [&'static str; N]) -> Result<[Member<'a>; N], SilenceError> {
    let mut found = names.map(|name| (Member { name, text: None }, false));
    let mut refusal = SilenceError::NotJson;
    let read = json::each_member(object, |key, value| {
        let place = found.iter_mut().find(|(member, _)| key.eq_ignore_ascii_case(member.name));
        match place {
            Some((member, seen)) if !*seen => {
                *seen = true;
                member.text = Some(value).filter(|value| *value != "null");
                Some(())
            }
            Some((member, _)) => {
                refusal = SilenceError::Repeated { name: member.name };
                None
            }
            None => {
                refusal = SilenceError::unknown(key);
                None
            }
        }
    });
    read.map(|()| found.map(|(member, _)| member)).ok_or(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alertmanager::tests::scope;

    #[test]
    fn an_id_is_a_uuid_with_its_hyphens_and_nothing_around_it() {
        for id in ["761cc032-7f67-4e36-bb92-0c1548d49b08", "761CC032-7F67-4E36-BB92-0C1548D49B08"] {
            assert_eq!(SilenceId::parse(id).expect(id).as_str(), id);
        }
        for text in [
            "",
            "----",
            "761cc0327f674e36bb920c1548d49b08",
            "{761cc032-7f67-4e36-bb92-0c1548d49b08}",
            "urn:uuid:761cc032-7f67-4e36-bb92-0c1548d49b08",
            "761cc032-7f67-4e36-bb92-0c1548d49b0",
            "761cc032-7f67-4e36-bb92-0c1548d49b080",
            "761cc032-7f67-4e36-bb92-0c1548d49b08-",
            "-761cc032-7f67-4e36-bb92-0c1548d49b08",
            "..-761cc032-7f67-4e36-bb92-0c1548d49b08",
            "761cc032-7f67-4e36-bb92-0c1548d49b08-/x",
            "761cc032-7f67-4e36-bb920c-1548d49b08",
            " 761cc032-7f67-4e36-bb92-0c1548d49b08",
            "761cc032-7f67-4e36-bb92-0c1548d49b08\n",
            "761cc032-7f67-4e36-bb92-0c1548d49b0/",
            "761cc032-7f67-4e36-bb92-0c1548d49b0g",
            "761cc032-7f67-4e36-bb92-0c1548d49b\u{e9}",
            "761cc032-7f67-4e36-bb92-0c1548d49\u{662}\u{662}\u{662}",
            "%3761cc032-7f67-4e36-bb92-0c1548d49b08",
        ] {
            assert_eq!(SilenceId::parse(text), None, "{text:?}");
        }
    }

    /// A silence as Alertmanager answers it, with these matchers.
    fn silence(matchers: &str) -> String {
        format!(
            r#"{{"id":"761cc032-7f67-4e36-bb92-0c1548d49b08","status":{{"state":"active"}},"matchers":{matchers},"x":1e3}}"#
        )
    }

    #[test]
    fn a_silence_is_own_when_a_matcher_narrows_it_to_an_allowed_value() {
        let one = scope(&[("tenant", &["fruit"])]);
        let two = scope(&[("tenant", &["fruit", "veg|gie"])]);
        for (matchers, of_one, of_two) in [
            (r#"{"isEqual":true,"isRegex":false,"name":"tenant","value":"fruit"}"#, true, true),
            (r#"{"isRegex":false,"name":"tenant","value":"fruit"}"#, true, true),
            (r#"{"isRegex":false,"name":"ten\u0061nt","value":"fr\u0075it"}"#, true, true),
            (r#"{"ISREGEX":false,"Name":"tenant","value":"fruit"}"#, true, true),
            (
                r#"{"isRegex":false,"name":"a","value":"b"}, {"isRegex":false,"name":"tenant","value":"fruit"}"#,
                true,
                true,
            ),
            // Together they match nothing, or the tenant's.
            (
                r#"{"isRegex":false,"name":"tenant","value":"x"},{"isRegex":false,"name":"tenant","value":"fruit"}"#,
                true,
                true,
            ),
            (
                r#"{"isRegex":true,"name":"tenant","value":".*"},{"isRegex":false,"name":"tenant","value":"fruit"}"#,
                true,
                true,
            ),
            (r#"{"isRegex":false,"name":"tenant","value":"veg|gie"}"#, false, true),
            (r#"{"isRegex":true,"isEqual":true,"name":"tenant","value":"fruit|veg\\|gie"}"#, false, true),
            (r#"{"isRegex":true,"name":"tenant","value":"veg\\|gie|fruit"}"#, false, false),
            (r#"{"isRegex":true,"name":"tenant","value":"fruit"}"#, false, false),
            (r#"{"isRegex":true,"isEqual":false,"name":"tenant","value":"fruit|veg\\|gie"}"#, false, false),
            (r#"{"isRegex":false,"isEqual":false,"name":"tenant","value":"fruit"}"#, false, false),
            (r#"{"isRegex":false,"name":"tenant","value":"fruit|veg\\|gie"}"#, false, false),
            (r#"{"isRegex":false,"name":"tenant","value":""}"#, false, false),
            (r#"{"isRegex":false,"name":"tenant","value":"Fruit"}"#, false, false),
            (r#"{"isRegex":false,"name":"tenant ","value":"fruit"}"#, false, false),
            (r#"{"isRegex":false,"name":"Tenant","value":"fruit"}"#, false, false),
            (r#"{"isRegex":false,"name":"a","value":"b"}"#, false, false),
            ("", false, false),
        ] {
            let silence = silence(&format!("[{matchers}]"));
            assert_eq!((is_own(&silence, &one), is_own(&silence, &two)), (of_one, of_two), "{matchers}");
        }
    }

    #[test]
    fn a_silence_in_doubt_is_nobodys() {
        let scope = scope(&[("tenant", &["fruit", "x"])]);
        let own = r#"{"isRegex":false,"name":"tenant","value":"fruit"}"#;
        assert!(is_own(&silence(&format!("[{own}]")), &scope));
        for broken in [
            "null".to_owned(),
            own.to_owned(),
            format!("[{own},null]"),
            format!("[{own},[]]"),
            format!("[{own},{{}}]"),
            format!("[{}]", own.replace(r#""isRegex":false,"#, "")),
            format!("[{}]", own.replace("false", "null")),
            format!("[{}]", own.replace("false", r#""false""#)),
            format!("[{}]", own.replace("false", r#"false,"isEqual":"true""#)),
            format!("[{}]", own.replace("false", r#"false,"isregex":true"#)),
            format!("[{}]", own.replace("false", r#"false,"isEqual":true,"isEqual":false"#)),
            format!("[{}]", own.replace("false", r#"false,"negated":true"#)),
            format!("[{}]", own.replace("isRegex", "i\u{17f}Regex")),
            format!("[{}]", own.replace(r#""fruit""#, r#"["fruit"]"#)),
            format!("[{}]", own.replace(r#""fruit""#, r#""fruit","VALUE":"veggie""#)),
            format!(r#"[{own}],"matchers":[]"#),
            format!(r#"[{own}],"Matcher\u017f":[]"#),
            format!("[{own}"),
        ] {
            assert!(!is_own(&silence(&broken), &scope), "{broken}");
        }
        for text in ["", "null", "[]", &format!("[{}]", silence(&format!("[{own}]"))), "{}", "\u{feff}{}"] {
            assert!(!is_own(text, &scope), "{text}");
        }
        assert!(!is_own(&format!("{} x", silence(&format!("[{own}]"))), &scope));
    }

    #[test]
    fn every_rule_must_be_met_and_lifted_ones_need_not() {
        let silence = silence(
            r#"[{"isRegex":false,"name":"tenant","value":"fruit"},{"isRegex":false,"name":"env","value":"prod"}]"#,
        );
        for (rules, own) in [
            (&[("tenant", &["fruit"][..]), ("env", &["prod", "dev"])][..], true),
            (&[("tenant", &["fruit"]), ("env", &["dev"])], false),
            (&[("tenant", &["veggie"]), ("env", &["prod"])], false),
            (&[("tenant", &["fruit"]), ("zone", &["a"])], false),
            (&[("tenant", &["fruit"]), ("zone", &[])], true),
        ] {
            assert_eq!(is_own(&silence, &scope(rules)), own, "{rules:?}");
        }
        assert!(is_own("whatever it is", &scope(&[("tenant", &[])])));
    }
}
