//! What became of a request's PromQL, for whoever asked (`explain`).
//!
//! Owns its forms, for a header and for an answer. Must not know how it was written: it holds what was scoped already, which is
//! the tenant's own text and matchers.

use crate::promql::{ScopedExpr, ScopedSelector};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What the upstream was asked, in the order in which it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation(Vec<String>);

/// The most bytes of a header's value.
const MOST: usize = 4096;

/// What stands at the end of a text that was cut: `…`.
const CUT: &str = "%E2%80%A6";

/// Everything but what no reader of URLs takes for anything else.
// RFC 3986, 2.3: unreserved
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Explanation {
    pub(super) fn expression(&mut self, expression: &ScopedExpr) {
        self.0.push(expression.as_str().to_owned());
    }

    pub(super) fn selector(&mut self, selector: &ScopedSelector) {
        self.0.push(selector.as_str().to_owned());
    }

    /// The text, several in lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.join("\n")
    }

    /// The text percent-encoded, several with a comma between them, at most 4 KiB; `None` when there is none.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        let mut value = String::new();
        // Where it ends if it must be cut.
        let mut fits = 0;
        for (index, text) in self.0.iter().enumerate() {
            if index > 0 {
                value.push(',');
            }
            for character in text.chars() {
                value.extend(utf8_percent_encode(character.encode_utf8(&mut [0; 4]), ENCODED));
                if value.len() > MOST {
                    value.truncate(fits);
                    value.push_str(CUT);
                    return Some(value);
                }
                if value.len().saturating_add(CUT.len()) <= MOST {
                    fits = value.len();
                }
            }
        }
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_and_listed() {
        let explanation = Explanation(vec![r#"up{a="é, b"}"#.to_owned(), "x_y".to_owned()]);
        assert_eq!(explanation.header().as_deref(), Some("up%7Ba%3D%22%C3%A9%2C%20b%22%7D,x_y"));
        assert_eq!(explanation.text(), "up{a=\"é, b\"}\nx_y");
        assert_eq!(Explanation::default().header(), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for text in ["é", "a", " ", "€", "😀", "a€"] {
            for before in 0..12 {
                let whole = format!("{}{}", "x".repeat(before), text.repeat(MOST + 1));
                let header = Explanation(vec![whole.clone()]).header().expect("a text");
                let shown = header.strip_suffix(CUT).expect("a cut text");
                assert!(header.len() <= MOST && header.len() > MOST - 22, "{}", header.len());
                let decoded = percent_encoding::percent_decode_str(shown).decode_utf8().expect("whole characters");
                assert!(whole.starts_with(&*decoded), "{text}");
            }
        }
        let exact = "x".repeat(MOST);
        assert_eq!(Explanation(vec![exact.clone()]).header(), Some(exact));
    }
}
