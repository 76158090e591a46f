//! The tenant's matchers as text, and how strings are read and written.
//!
//! Owns quoting: Go's string literals both ways, and RE2's special characters. Must not know where in a query a matcher
//! goes. What a matcher compares with is [`Comparison`], which remote reads write in their own way.

use std::borrow::Cow;

use super::conflict::Agreement;
use super::token::Escapes;
use crate::scope::{LabelName, LabelValues, Scope, TenantScope};

/// A tenant's scope as the text of matchers, made once and put at every selector.
#[derive(Debug)]
pub struct Matchers {
    /// `tenant="v"`, or `tenant=~"v|w"` for several values, or `tenant=~` and the operator's own pattern; matchers of
    /// several labels stand in the order of the configuration.
    plain: String,
    /// The same as regular expressions throughout: the form that `absent()` does not echo.
    unechoed: String,
    /// What the request's own matchers must agree with, where they must.
    agreement: Option<Agreement>,
}

impl Matchers {
    /// The matchers of `scope`; none for labels that are not restricted.
    #[must_use]
    pub fn new(scope: &TenantScope) -> Self {
        let (mut plain, mut unechoed) = (Vec::new(), Vec::new());
        for (name, scope) in scope.restrictions() {
            let Some(pattern) = pattern_of(scope) else { continue };
            match scope.only() {
                Some(value) => push_matcher(&mut plain, name, "=", value.as_str().as_bytes()),
                None => push_matcher(&mut plain, name, "=~", pattern.as_bytes()),
            }
            push_matcher(&mut unechoed, name, "=~", pattern.as_bytes());
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { plain: text(plain), unechoed: text(unechoed), agreement: None }
    }

    /// No matchers: what is asked goes on as it is, checked and written anew.
    #[must_use]
    pub fn none() -> Self {
        Self { plain: String::new(), unechoed: String::new(), agreement: None }
    }

    /// The same, where the request's own matchers must agree with `agreement`.
    #[must_use]
    pub fn agreeing(self, agreement: Option<Agreement>) -> Self {
        Self { agreement, ..self }
    }

    /// Whether there is nothing to put in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// What the request's own matchers must agree with.
    pub(crate) fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    /// What stands last in the braces of a selector.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// What stands first in the braces of a selector whose equality matchers are echoed.
    pub(super) fn unechoed(&self) -> &str {
        &self.unechoed
    }
}

/// What `scope` allows as one pattern; `None` where that is everything. Prometheus lets it match whole values only.
pub(crate) fn pattern_of(scope: &Scope) -> Option<String> {
    match scope {
        Scope::Values(values) => Some(alternatives(values)),
        Scope::Pattern(pattern) => Some(pattern.as_str().to_owned()),
        Scope::Unrestricted => None,
    }
}

/// `values` as a pattern that matches each of them, and nothing else.
pub(crate) fn alternatives(values: &LabelValues) -> String {
    let mut pattern = String::new();
    for (place, value) in values.as_slice().iter().enumerate() {
        if place > 0 {
            pattern.push('|');
        }
        push_literal_pattern(&mut pattern, value.as_str());
    }
    pattern
}

/// Writes a matcher, behind a comma when another stands there.
pub(super) fn push_matcher(out: &mut Vec<u8>, name: &LabelName, operator: &str, text: &[u8]) {
    if !out.is_empty() {
        out.push(b',');
    }
    if name.is_classic() {
        out.extend_from_slice(name.as_str().as_bytes());
    } else {
        push_quoted(out, name.as_str().as_bytes());
    }
    out.extend_from_slice(operator.as_bytes());
    push_quoted(out, text);
}

/// Writes a pattern that matches `text` and nothing else.
// Go: regexp.QuoteMeta
fn push_literal_pattern(out: &mut String, text: &str) {
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Writes `bytes` as a double-quoted string. What is not UTF-8 becomes `\x` escapes; the replacement character, which a
/// string may hold only as an escape, becomes one.
pub(super) fn push_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                char::REPLACEMENT_CHARACTER => out.extend_from_slice(b"\\ufffd"),
                '\0'..='\x1f' | '\x7f' => push_hex(out, u8::try_from(c).unwrap_or_default()),
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for &byte in chunk.invalid() {
            push_hex(out, byte);
        }
    }
    out.push(b'"');
}

fn push_hex(out: &mut Vec<u8>, byte: u8) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).and_then(|c| u8::try_from(c).ok()).unwrap_or(b'0');
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

/// The value of a string literal that the lexer has accepted, quotes included.
pub(super) fn string_value(literal: &[u8], escapes: Escapes) -> Cow<'_, [u8]> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    match escapes {
        Escapes::None => Cow::Borrowed(inner),
        Escapes::Some => Cow::Owned(unescape(inner)),
    }
}

/// Decodes the escapes of a text whose escapes are known to be right.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        match rest.next().copied().unwrap_or_default() {
            b'a' => value.push(7),
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(11),
            b'x' => value.push(byte_of(read_digits(&mut rest, 2, 16, 0))),
            b'u' => push_char(&mut value, read_digits(&mut rest, 4, 16, 0)),
            b'U' => push_char(&mut value, read_digits(&mut rest, 8, 16, 0)),
            first @ b'0'..=b'7' => value.push(byte_of(read_digits(&mut rest, 2, 8, u32::from(first & 7)))),
            quote_or_backslash => value.push(quote_or_backslash),
        }
    }
    value
}

fn read_digits(rest: &mut std::slice::Iter<'_, u8>, count: usize, base: u32, first: u32) -> u32 {
    rest.take(count).fold(first, |sum, &digit| {
        sum.wrapping_mul(base).wrapping_add(char::from(digit).to_digit(base).unwrap_or_default())
    })
}

fn byte_of(value: u32) -> u8 {
    u8::try_from(value & 0xff).unwrap_or_default()
}

fn push_char(value: &mut Vec<u8>, code: u32) {
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Writes a string literal that the lexer has accepted, double-quoted.
pub(super) fn push_literal(out: &mut Vec<u8>, literal: &[u8], escapes: Escapes) {
    if escapes == Escapes::None && literal.first() == Some(&b'"') {
        out.extend_from_slice(literal);
    } else {
        push_quoted(out, &string_value(literal, escapes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{LabelScope, LabelValue, Pattern};

    fn scope(labels: &[(&str, &[&str])]) -> TenantScope {
        let label = |(name, values): &(&str, &[&str])| LabelScope {
            name: LabelName::new(*name).expect("a name"),
            scope: LabelValues::new(values.iter().map(|v| LabelValue::new(*v).expect("a value")).collect())
                .map_or(Scope::Unrestricted, Scope::Values),
        };
        TenantScope::new(labels.iter().map(label).collect()).expect("a scope")
    }

    #[test]
    fn one_value_is_compared_and_several_are_a_pattern() {
        for (labels, plain, unechoed) in [
            (&[("tenant", &["v"][..])][..], r#"tenant="v""#, r#"tenant=~"v""#),
            (&[("tenant", &["v2", "v1"])], r#"tenant=~"v1|v2""#, r#"tenant=~"v1|v2""#),
            (&[("tenant", &["a.b"])], r#"tenant="a.b""#, r#"tenant=~"a\\.b""#),
            (&[("tenant", &["a.b", "c|d"])], r#"tenant=~"a\\.b|c\\|d""#, r#"tenant=~"a\\.b|c\\|d""#),
            (&[("tenant", &["a\"\\"])], r#"tenant="a\"\\""#, r#"tenant=~"a\"\\\\""#),
            (&[("a.b", &["v"])], r#""a.b"="v""#, r#""a.b"=~"v""#),
            (&[("b", &["x"]), ("a", &["y", "z"])], r#"b="x",a=~"y|z""#, r#"b=~"x",a=~"y|z""#),
            (&[("b", &[]), ("a", &["y"])], r#"a="y""#, r#"a=~"y""#),
            (&[("b", &[])], "", ""),
            (&[("tenant", &["\u{fffd}é"])], r#"tenant="\ufffdé""#, r#"tenant=~"\ufffdé""#),
        ] {
            let matchers = Matchers::new(&scope(labels));
            assert_eq!(matchers.plain(), plain);
            assert_eq!(matchers.unechoed(), unechoed);
            assert_eq!(matchers.is_empty(), plain.is_empty());
        }
    }

    #[test]
    fn a_tenants_pattern_is_written_as_it_is() {
        for (pattern, plain) in [
            ("team-.*", r#"tenant=~"team-.*""#),
            (r#"a\.(b|"é")\d{2}"#, r#"tenant=~"a\\.(b|\"é\")\\d{2}""#),
            ("\u{fffd}+", r#"tenant=~"\ufffd+""#),
        ] {
            let pattern = Pattern::new(LabelValue::new(pattern).expect("a value")).expect("a pattern");
            let name = LabelName::new("tenant").expect("a name");
            let scope = TenantScope::new(vec![LabelScope { name, scope: Scope::Pattern(pattern) }]).expect("a scope");
            let matchers = Matchers::new(&scope);
            assert_eq!((matchers.plain(), matchers.unechoed()), (plain, plain));
        }
    }

    #[test]
    fn every_special_character_of_a_pattern_is_quoted() {
        let mut out = String::new();
        push_literal_pattern(&mut out, r"\.+*?()|[]{}^$-/ é");
        assert_eq!(out, r"\\\.\+\*\?\(\)\|\[\]\{\}\^\$-/ é");
    }

    #[test]
    fn strings_are_read_and_written_byte_for_byte() {
        for (literal, escapes, value, written) in [
            (r#""a""#, Escapes::None, &b"a"[..], r#""a""#),
            ("'a\"b'", Escapes::None, b"a\"b", r#""a\"b""#),
            (r"'\''", Escapes::Some, b"'", r#""'""#),
            (r"`a\d`", Escapes::None, br"a\d", r#""a\\d""#),
            ("`a\nb`", Escapes::None, b"a\nb", r#""a\nb""#),
            (
                r#""\a\b\f\n\r\t\v\\\"""#,
                Escapes::Some,
                b"\x07\x08\x0c\n\r\t\x0b\\\"",
                r#""\x07\x08\x0c\n\r\t\x0b\\\"""#,
            ),
            (r#""\xff\377\101""#, Escapes::Some, b"\xff\xffA", r#""\xff\xffA""#),
            (r#""\u00e9\U0001F600""#, Escapes::Some, "é😀".as_bytes(), r#""é😀""#),
            (r#""\xc3\xa9""#, Escapes::Some, "é".as_bytes(), r#""é""#),
            (r#""\ufffd\xef\xbf\xbd""#, Escapes::Some, "\u{fffd}\u{fffd}".as_bytes(), r#""\ufffd\ufffd""#),
        ] {
            assert_eq!(string_value(literal.as_bytes(), escapes), value, "{literal}");
            let mut out = Vec::new();
            push_literal(&mut out, literal.as_bytes(), escapes);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), written, "{literal}");
        }
    }
}
