//! Ordered parameters of a URL's query or of a form: read once, written once.
//!
//! Reads as Go does where Go is clear, and refuses where two readers could disagree: a `;`, a percent sign without two
//! hexadecimal digits, a NUL. Values are bytes: nothing is lost to a decoding that the upstream would not do.
//! Must not know which parameters exist.
// Go: net/url, parseQuery

use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::fmt;
use url::form_urlencoded;

/// One parameter as it was sent, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The name, decoded.
    pub name: Cow<'a, [u8]>,
    /// The value, decoded; empty when there was none.
    pub value: Cow<'a, [u8]>,
}

/// Why a query string or a form cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A raw `;`: some readers take it as a separator, others drop the pair.
    Semicolon,
    /// A `%` that is not followed by two hexadecimal digits.
    PercentEncoding,
    /// A NUL in a name or value.
    Nul,
    /// More parameters than the limit.
    TooMany {
        /// `limits.parameters`.
        limit: usize,
    },
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semicolon => {
                f.write_str("a `;` in the parameters: encode it as `%3B`, or separate parameters by `&`")
            }
            Self::PercentEncoding => {
                f.write_str("malformed percent-encoding in the parameters: encode a literal `%` as `%25`")
            }
            Self::Nul => f.write_str("a NUL in the parameters"),
            Self::TooMany { limit } => write!(f, "more than {limit} parameters (`limits.parameters`)"),
        }
    }
}

/// Reads `text` (a URL's query without its `?`, or a form) and appends its parameters to `parameters`, which may hold
/// `limit` in all.
///
/// # Errors
/// What two readers could read in two ways, and too many parameters.
pub fn read<'a>(text: &'a [u8], limit: usize, parameters: &mut Vec<Parameter<'a>>) -> Result<(), FormError> {
    if text.contains(&b';') {
        return Err(FormError::Semicolon);
    }
    for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        if parameters.len() >= limit {
            return Err(FormError::TooMany { limit });
        }
        let mut halves = pair.splitn(2, |&b| b == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        parameters.push(Parameter { name, value });
    }
    Ok(())
}

fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, FormError> {
    let decoded = if text.contains(&b'+') {
        // A plus is a space only as it was sent, so it is replaced where nothing was decoded yet.
        let spaced: Vec<u8> = text.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
        percent_decode_strict(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()))
    } else {
        percent_decode_strict(text)
    };
    let decoded = decoded.ok_or(FormError::PercentEncoding)?;
    if decoded.contains(&0) { Err(FormError::Nul) } else { Ok(decoded) }
}

/// Decodes each `%xx` of `text` once; `None` when a `%` is not followed by two hexadecimal digits.
#[must_use]
pub fn percent_decode_strict(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let well_formed = text
        .split(|&b| b == b'%')
        .skip(1)
        .all(|rest| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()));
    well_formed.then(|| Cow::from(percent_decode(text)))
}

/// Writes parameters down, everything percent-encoded.
#[derive(Debug, Default)]
pub struct FormWriter(String);

impl FormWriter {
    /// Appends one parameter.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend(form_urlencoded::byte_serialize(name));
        self.0.push('=');
        self.0.extend(form_urlencoded::byte_serialize(value));
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text: of a form, or behind a URL's `?`.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (Vec<u8>, Vec<u8>);

    fn pairs(text: &[u8]) -> Result<Vec<Pair>, FormError> {
        let mut parameters = Vec::new();
        read(text, 5, &mut parameters)?;
        Ok(parameters.into_iter().map(|p| (p.name.into_owned(), p.value.into_owned())).collect())
    }

    fn pair(name: &[u8], value: &[u8]) -> Pair {
        (name.to_vec(), value.to_vec())
    }

    #[test]
    fn parameters_are_read_as_go_reads_them() {
        let cases: [(&[u8], Vec<_>); 9] = [
            (b"", vec![]),
            (b"&&", vec![]),
            (b"a=b", vec![pair(b"a", b"b")]),
            (b"a", vec![pair(b"a", b"")]),
            (b"=b", vec![pair(b"", b"b")]),
            (b"a=b=c", vec![pair(b"a", b"b=c")]),
            (b"m%61tch%5B%5D=%7b%7D", vec![pair(b"match[]", b"{}")]),
            (b"a=1+2%2B3", vec![pair(b"a", b"1 2+3")]),
            (b"a=%ff&a=\xff", vec![pair(b"a", b"\xff"), pair(b"a", b"\xff")]),
        ];
        for (text, expected) in cases {
            assert_eq!(pairs(text), Ok(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_two_readers_read_in_two_ways_is_refused() {
        let cases: [(&[u8], FormError); 9] = [
            (b"a=1;b=2", FormError::Semicolon),
            (b";", FormError::Semicolon),
            (b"a=%", FormError::PercentEncoding),
            (b"a=%2", FormError::PercentEncoding),
            (b"a=%zz", FormError::PercentEncoding),
            (b"%=a+b", FormError::PercentEncoding),
            (b"a=%00", FormError::Nul),
            (b"a\0=1", FormError::Nul),
            (b"a&b&c&d&e&f", FormError::TooMany { limit: 5 }),
        ];
        for (text, expected) in cases {
            assert_eq!(pairs(text), Err(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn every_byte_survives_writing_and_reading() {
        let all: Vec<u8> = (1..=255).collect();
        let mut writer = FormWriter::default();
        writer.push(&all, &all);
        writer.push(b"b", b"");
        let text = writer.into_string();
        assert!(text.is_ascii() && !text.contains([' ', ';', '#', '\r', '\n']), "{text}");
        assert_eq!(pairs(text.as_bytes()), Ok(vec![pair(&all, &all), pair(b"b", b"")]));
    }
}
