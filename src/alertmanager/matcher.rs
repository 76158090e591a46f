//! The tenant's matchers as Alertmanager reads them.
//!
//! Owns what a rule is to Alertmanager, one matcher, how `filter=` writes it, and what a request's own says. Must not know
//! silences.
//!
//! Alertmanager reads a `filter` by two grammars and prefers the older one where they differ: it knows no quoted name, and
//! of escapes `\"`, `\\` and `\n` only. What is written here uses no others, so both read the same.
// Alertmanager: matcher/compat/parse.go, FallbackMatcherParser; matcher/parse; pkg/labels/parse.go

use crate::promql::{Asked, MatchType, alternatives};
use crate::scope::{LabelName, Scope, TenantScope};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// One restricted rule as the matcher that selects what it allows.
#[derive(Clone, Debug)]
pub(crate) struct TenantMatcher<'a> {
    /// The label that is enforced.
    pub(crate) name: &'a LabelName,
    /// What may be read of it.
    pub(crate) scope: &'a Scope,
    /// How it is compared.
    pub(crate) comparison: Comparison,
    /// What it is compared with: a value or a pattern.
    pub(crate) value: Cow<'a, str>,
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// With a value.
    Equal,
    /// With a pattern, which must match the whole of it.
    Pattern,
}

/// The matchers of the rules that restrict, in the order of the configuration.
pub(crate) fn of(scope: &TenantScope) -> Vec<TenantMatcher<'_>> {
    scope
        .restrictions()
        .filter_map(|(name, scope)| {
            let (comparison, value) = match scope {
                Scope::Values(values) => match values.as_slice() {
                    [only] => (Comparison::Equal, Cow::Borrowed(only.as_str())),
                    _ => (Comparison::Pattern, Cow::Owned(alternatives(values))),
                },
                Scope::Pattern(pattern) => (Comparison::Pattern, Cow::Borrowed(pattern.as_str())),
                Scope::Unrestricted => return None,
            };
            Some(TenantMatcher { name, scope, comparison, value })
        })
        .collect()
}

/// The texts that `filter=` must hold, each in a parameter of its own, so that alerts are read of `scope` alone; none when
/// nothing is restricted. Alertmanager before 0.27 refuses a name that is not classic, which has to be quoted.
///
/// On `/silences` the same text selects silences that have this very matcher: right for one value, not for several.
#[must_use]
pub fn filters(scope: &TenantScope) -> Vec<String> {
    of(scope).iter().map(ToString::to_string).collect()
}

/// A `filter` of the request's own, where no grammar reads it differently; `None` where one may. They differ in escapes, in
/// what may stand outside quotes, and in white space that is not a blank.
pub(crate) fn asked(filter: &[u8]) -> Option<Asked<'_>> {
    let text = str::from_utf8(filter).ok().filter(|text| !text.contains(char::is_control))?.trim_matches(' ');
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').filter(|(name, _)| !name.contains('\\'))?,
        None => {
            text.split_at_checked(text.find(|c: char| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | ':'))?)?
        }
    };
    if name.is_empty() || (!text.starts_with('"') && name.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    let rest = rest.trim_start_matches(' ');
    let kinds = [MatchType::Regex, MatchType::NotEqual, MatchType::NotRegex, MatchType::Equal];
    let (kind, rest) = kinds.iter().find_map(|kind| Some((*kind, rest.strip_prefix(kind.as_str())?)))?;
    let rest = rest.trim_start_matches(' ');
    let value = match rest.strip_prefix('"') {
        Some(quoted) => Cow::Owned(unquoted(quoted)?.into_bytes()),
        None if rest.contains(|c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c)) => return None,
        None => Cow::Borrowed(rest.as_bytes()),
    };
    Some(Asked { name: Cow::Borrowed(name.as_bytes()), kind, value })
}

/// The value of a string behind its opening quote, which ends with the closing one.
fn unquoted(quoted: &str) -> Option<String> {
    let mut value = String::with_capacity(quoted.len());
    let mut letters = quoted.strip_suffix('"')?.chars();
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '"' => return None,
            '\\' => match letters.next()? {
                'n' => '\n',
                same @ ('"' | '\\') => same,
                _ => return None,
            },
            _ => letter,
        });
    }
    Some(value)
}

impl fmt::Display for TenantMatcher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_classic() {
            f.write_str(self.name.as_str())?;
        } else {
            write_quoted(f, self.name.as_str())?;
        }
        f.write_str(match self.comparison {
            Comparison::Equal => "=",
            Comparison::Pattern => "=~",
        })?;
        write_quoted(f, &self.value)
    }
}

/// Names and values hold no control characters, so these two are all that needs an escape. Not PromQL's quoting: the
/// replacement character must stand as it is, because the older grammar takes `\ufffd` for six characters.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(letter)?;
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alertmanager::tests::scope;

    #[test]
    fn each_rule_is_one_text_that_both_grammars_read() {
        for (rules, texts) in [
            (&[("tenant", &["v"][..])][..], &[r#"tenant="v""#][..]),
            (&[("tenant", &["v2", "v1"])], &[r#"tenant=~"v1|v2""#]),
            (&[("tenant", &["a.b"])], &[r#"tenant="a.b""#]),
            (&[("tenant", &["a.b", "c|d"])], &[r#"tenant=~"a\\.b|c\\|d""#]),
            (&[("tenant", &[r#"a"\"#])], &[r#"tenant="a\"\\""#]),
            (&[("tenant", &[r#"a"\"#, "b"])], &[r#"tenant=~"a\"\\\\|b""#]),
            (&[("tenant", &[r"\n"])], &[r#"tenant="\\n""#]),
            (&[("tenant", &[" a,{b}=~' "])], &[r#"tenant=" a,{b}=~' ""#]),
            (&[("tenant", &["\u{fffd}é"])], &["tenant=\"\u{fffd}é\""]),
            (&[("a.b", &["v"])], &[r#""a.b"="v""#]),
            (&[(r#"a"\"#, &["v", "w"])], &[r#""a\"\\"=~"v|w""#]),
            (&[("b", &["x"]), ("a", &["y", "z"])], &[r#"b="x""#, r#"a=~"y|z""#]),
            (&[("b", &[]), ("a", &["y"])], &[r#"a="y""#]),
            (&[("b", &[])], &[]),
        ] {
            assert_eq!(filters(&scope(rules)), texts);
        }
    }

    #[test]
    fn a_filter_is_read_where_no_grammar_reads_it_differently() {
        for (filter, read) in [
            ("a=b", Some(("a", "=", "b"))),
            (r#"a="b""#, Some(("a", "=", "b"))),
            (r#" a_:1 != "b c" "#, Some(("a_:1", "!=", "b c"))),
            ("a=~b.*|c", Some(("a", "=~", "b.*|c"))),
            (r#"a!~"(b|\\.)\"\n""#, Some(("a", "!~", "(b|\\.)\"\n"))),
            ("a=", Some(("a", "=", ""))),
            (r#"a=~"""#, Some(("a", "=~", ""))),
            (r#""a.b"="c""#, Some(("a.b", "=", "c"))),
            (r#""a"=c"#, Some(("a", "=", "c"))),
            ("a=\"{b},'c`\u{a0}é\u{fffd}\"", Some(("a", "=", "{b},'c`\u{a0}é\u{fffd}"))),
            // Escapes that one grammar knows, and the other takes for text.
            (r#"a="\t""#, None),
            (r#"a="\x41""#, None),
            (r#"a="\d""#, None),
            (r#""a\x41"="b""#, None),
            (r"a=b\c", None),
            // Quotes that do not end, or not there.
            (r#"a="b"#, None),
            (r#"a="b\""#, None),
            (r#"a="b"c""#, None),
            (r#"a=b""#, None),
            (r#""a=b"#, None),
            ("a='b'", None),
            // White space that only one of them takes for it.
            ("a=\u{a0}b", None),
            ("\u{a0}a=b", None),
            ("a=b\u{2003}", None),
            ("a=b c", None),
            ("a\t=b", None),
            ("a=\"b\n\"", None),
            // Lists, braces and what is no matcher.
            (r#"a="b","#, None),
            (r#"a="b",c="d""#, None),
            (r#"{a="b"}"#, None),
            ("a=b}", None),
            ("a==b", None),
            ("a=~=b", None),
            ("a= ~b", None),
            ("a", None),
            ("a!b", None),
            ("=b", None),
            (r#"""="b""#, None),
            ("1a=b", None),
            ("é=b", None),
            ("a.b=c", None),
            ("a b=c", None),
            ("", None),
        ] {
            let asked = asked(filter.as_bytes());
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let found = asked.map(|asked| (text(&asked.name), asked.kind.as_str(), text(&asked.value)));
            let wanted = read.map(|(name, kind, value)| (name.to_owned(), kind, value.to_owned()));
            assert_eq!(found, wanted, "{filter:?}");
        }
        assert!(asked(b"a=\xff").is_none());
    }
}
