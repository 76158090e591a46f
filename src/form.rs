//! Ordered parameters of a URL's query or of a form: read once, written once.
//!
//! Reads as Go does where Go is clear, and refuses where two readers could disagree: a `;`, a percent sign without two
//! hexadecimal digits, a NUL. Values are bytes: nothing is lost to a decoding that the upstream would not do.
//! Must not know which parameters exist.
// Go: net/url, parseQuery

use std::borrow::Cow;
use std::fmt;

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
    let decoded = unescape(text, b' ').ok_or(FormError::PercentEncoding)?;
    if decoded.contains(&0) { Err(FormError::Nul) } else { Ok(decoded) }
}

/// Decodes each `%xx` of `text` once; `None` when a `%` is not followed by two hexadecimal digits.
#[must_use]
pub fn percent_decode_strict(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    unescape(text, b'+')
}

/// Decodes each `%xx` of `text` once, and reads `plus` where a plus was sent.
fn unescape(text: &[u8], plus: u8) -> Option<Cow<'_, [u8]>> {
    let Some(first) = text.iter().position(|b| matches!(b, b'%' | b'+')) else { return Some(Cow::Borrowed(text)) };
    let (plain, mut rest) = text.split_at_checked(first)?;
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(plain);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(match byte {
            b'%' => {
                let ([high, low], tail) = rest.split_first_chunk()?;
                rest = tail;
                (hex_value(*high)? << 4) | hex_value(*low)?
            }
            b'+' => plus,
            _ => byte,
        });
    }
    Some(Cow::Owned(decoded))
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
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
        self.write(name);
        self.0.push('=');
        self.write(value);
    }

    /// Writes letters, digits and what no reader takes for anything else as they are, and the rest percent-encoded.
    // WHATWG: application/x-www-form-urlencoded percent-encode set
    fn write(&mut self, text: &[u8]) {
        self.0.reserve(text.len());
        for &byte in text {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
                self.0.push(char::from(byte));
            } else if byte == b' ' {
                self.0.push('+');
            } else {
                self.0.push('%');
                self.0.push(hex_digit(byte >> 4));
                self.0.push(hex_digit(byte & 15));
            }
        }
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

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
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

    /// By the code of a browser's URLs.
    #[test]
    fn every_byte_is_written_and_read_as_elsewhere() {
        use url::form_urlencoded;
        let all: Vec<u8> = (1..=255).collect();
        let mut writer = FormWriter::default();
        writer.push(&all, b"a b");
        let text = writer.into_string();
        assert_eq!(text, format!("{}=a+b", form_urlencoded::byte_serialize(&all).collect::<String>()));
        for byte in 0..=255_u8 {
            let escape = format!("a%{byte:02x}+%{byte:02X}");
            let other: Vec<u8> = percent_encoding::percent_decode(escape.as_bytes()).collect();
            assert_eq!(percent_decode_strict(escape.as_bytes()).as_deref(), Some(&*other), "{escape}");
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
