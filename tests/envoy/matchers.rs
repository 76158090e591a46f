//! The tests' own reader of the matchers that the module writes: strings unquoted by Go's rules, values quoted by RE2's.

use crate::support::bench::{Bench, only};
use crate::support::client::Request;

/// A matcher's label, operator and value.
pub(crate) type Matcher = (String, String, String);

/// The matchers of `selector`, which is a name, or braces, or both.
#[track_caller]
pub(crate) fn read(selector: &str) -> Vec<Matcher> {
    let open = selector.find('{').unwrap_or_else(|| panic!("no matchers: {selector}"));
    let mut rest = selector.get(open + 1..).expect("text after the brace");
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        let at = rest.find(['=', '!']).unwrap_or_else(|| panic!("no operator: {selector}"));
        let (label, after) = rest.split_at(at);
        let quote = after.find('"').unwrap_or_else(|| panic!("no string: {selector}"));
        let (operator, string) = after.split_at(quote);
        let (value, length) = unquote(string);
        found.push((label.trim().trim_matches('"').to_owned(), operator.trim().to_owned(), value));
        rest = string.get(length..).expect("text after the string").trim_start().trim_start_matches(',').trim_start();
    }
    assert_eq!(rest, "}", "text after the braces: {selector}");
    found
}

/// The matchers of the query that `request`, which must go on, carries in its URL.
#[track_caller]
pub(crate) fn enforced(bench: &Bench, listener: &str, request: &Request) -> Vec<Matcher> {
    read(&only(&bench.forwarded(listener, request).url_parameters(), "query"))
}

/// The matcher that enforces one value of `label`.
pub(crate) fn exactly(label: &str, value: &str) -> Matcher {
    (label.into(), "=".into(), value.into())
}

/// The matcher that enforces any of `values`, which are sorted.
pub(crate) fn any_of(label: &str, values: &[&str]) -> Matcher {
    let quoted: Vec<String> = values.iter().map(|value| quote_pattern(value)).collect();
    (label.into(), "=~".into(), quoted.join("|"))
}

/// `value` as a pattern that matches it and nothing else.
// Go: regexp.QuoteMeta
pub(crate) fn quote_pattern(value: &str) -> String {
    let mut out = String::new();
    for letter in value.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The string that `text` starts with, and the length of its quoted form.
fn unquote(text: &str) -> (String, usize) {
    let mut out = Vec::new();
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (String::from_utf8(out).expect("UTF-8"), at + 1),
            b'\\' => match bytes.next().map(|(_, escape)| escape) {
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(plain @ (b'"' | b'\\')) => out.push(plain),
                other => panic!("an escape that the tests do not read: {other:?} in {text}"),
            },
            plain => out.push(plain),
        }
    }
    panic!("a string without an end: {text}")
}
