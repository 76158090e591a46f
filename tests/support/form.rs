//! The lab's own decoder of query strings and forms: the oracle must not share code with the filter.

/// The pairs of `text`, in order, decoded once; panics on what a strict reader would refuse.
pub(crate) fn decode(text: &[u8]) -> Vec<(String, String)> {
    read(text).unwrap_or_else(|problem| panic!("{problem}: {}", text.escape_ascii()))
}

/// The same, or what a strict reader would refuse.
pub(crate) fn read(text: &[u8]) -> Result<Vec<(String, String)>, String> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            Ok((unescape(&pair[..at])?, unescape(pair.get(at + 1..).unwrap_or_default())?))
        })
        .collect()
}

fn unescape(text: &[u8]) -> Result<String, String> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(*digit).to_digit(16));
                let digits = digit().and_then(|high| Some(high * 16 + digit()?));
                digits.and_then(|byte| u8::try_from(byte).ok()).ok_or("no two hex digits after %")?
            }
            // What is neither percent-encoded nor harmless would be read differently by the next hop.
            plain if plain.is_ascii_alphanumeric() || b"-._*~[]:,/()".contains(plain) => *plain,
            odd => return Err(format!("byte {odd:#x} went on without encoding")),
        });
    }
    String::from_utf8(out).map_err(|_| "parameters that were sent on are no UTF-8".into())
}

/// `text` percent-encoded, every byte that is not a letter, digit or one of `-._`.
pub(crate) fn encode(text: &str) -> String {
    encode_bytes(text.as_bytes())
}

/// The same for any bytes.
pub(crate) fn encode_bytes(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._".contains(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
