//! Identity from the certificate that a client has shown in mutual TLS.
//!
//! Envoy verifies it, if it is told to; what a header says about certificates is not looked at. Owns the reading of its
//! subject, which Envoy gives as one text (RFC 2253): what has more than one reading refuses, because who may choose a part
//! of his subject must not write another one with it.
// Envoy: source/extensions/filters/common/expr/context.cc (attributes), source/common/tls/utility.cc (RFC 2253)

use super::{Credentials, IdentityCause};
use crate::config::policy::{CertificatePart, PeerCertificate};

/// The values of the part that names the tenant.
///
/// # Errors
/// No certificate, no such part, or one that cannot be read or is not as the pattern says.
pub(super) fn read(credentials: &impl Credentials, source: &PeerCertificate) -> Result<Vec<String>, IdentityCause> {
    let part = source.part;
    let text = credentials.peer_certificate(part).ok_or(IdentityCause::NoCertificate)?;
    let text = String::from_utf8(text).map_err(|_| IdentityCause::NotText)?;
    let subject = |name| subject_values(text.as_bytes(), name).map_err(|Ambiguous| IdentityCause::Undecodable);
    let values = match part {
        CertificatePart::UriSan | CertificatePart::DnsSan if text.is_empty() => Vec::new(),
        CertificatePart::UriSan | CertificatePart::DnsSan => vec![text.clone()],
        CertificatePart::SubjectCn => subject("CN")?,
        CertificatePart::SubjectOu => subject("OU")?,
        CertificatePart::SubjectO => subject("O")?,
    };
    if values.is_empty() {
        return Err(IdentityCause::NoCertificatePart { part });
    }
    match &source.pattern {
        None => Ok(values),
        Some(pattern) => {
            let captured = values.iter().map(|value| pattern.part(value));
            captured.collect::<Option<_>>().ok_or(IdentityCause::NotAsPattern)
        }
    }
}

/// A subject that no writer writes, or that two readers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The values of all attributes named `attribute` in `subject`, in its order.
///
/// # Errors
/// When any part of the subject is in doubt, whatever attribute it belongs to.
// RFC 2253, 3; BoringSSL: crypto/asn1/a_strex.cc, do_esc_char
pub fn subject_values(subject: &[u8], attribute: &str) -> Result<Vec<String>, Ambiguous> {
    let mut values = Vec::new();
    let mut rest = subject;
    let mut more = !rest.is_empty();
    while more {
        let equals = rest.iter().position(|&byte| byte == b'=').ok_or(Ambiguous)?;
        let (name, value) = rest.split_at_checked(equals).ok_or(Ambiguous)?;
        // A name, or an object identifier: without the spaces that some writers put in front.
        if name.is_empty() || !name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(Ambiguous);
        }
        let value = value.strip_prefix(b"=").ok_or(Ambiguous)?;
        let (text, end) = if value.starts_with(b"#") { hexadecimal(value)? } else { text(value)? };
        if name.eq_ignore_ascii_case(attribute.as_bytes()) {
            // An encoding is no text.
            values.push(text.ok_or(Ambiguous)?);
        }
        // The next attribute is of the same RDN (`+`) or of the next one (`,`): each one counts by itself.
        (rest, more) = match end.split_first() {
            Some((_, next)) => (next, true),
            None => (end, false),
        };
    }
    Ok(values)
}

/// A value, where it is a text, and what follows it: nothing, or a separator and more.
type Value<'s> = (Option<String>, &'s [u8]);

/// `#` and pairs of hexadecimal digits: an encoding of something that need not be a text.
fn hexadecimal(value: &[u8]) -> Result<Value<'_>, Ambiguous> {
    let end = value.iter().position(|byte| b",+".contains(byte)).unwrap_or(value.len());
    let (digits, rest) = value.split_at_checked(end).ok_or(Ambiguous)?;
    let digits = digits.strip_prefix(b"#").ok_or(Ambiguous)?;
    let pairs = !digits.is_empty() && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    if pairs { Ok((None, rest)) } else { Err(Ambiguous) }
}

/// A text with its escapes undone. Never empty: where Envoy cannot write a value it ends the subject there.
fn text(mut rest: &[u8]) -> Result<Value<'_>, Ambiguous> {
    // A space at either end is written with a backslash: another reader might leave a bare one out.
    if rest.starts_with(b" ") {
        return Err(Ambiguous);
    }
    let (mut text, mut bare_space) = (Vec::new(), false);
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b',' | b'+' => break,
            b'\\' => {
                let (byte, after) = escaped(after)?;
                text.push(byte);
                (rest, bare_space) = (after, false);
            }
            // Older texts have values in quotes, and semicolons between them; no writer leaves the others bare.
            b'"' | b';' | b'<' | b'>' => return Err(Ambiguous),
            plain => {
                text.push(plain);
                (rest, bare_space) = (after, plain == b' ');
            }
        }
    }
    if text.is_empty() || bare_space {
        return Err(Ambiguous);
    }
    String::from_utf8(text).map(|text| (Some(text), rest)).map_err(|_| Ambiguous)
}

/// The byte that stands behind a backslash: a special character, or two hexadecimal digits.
fn escaped(rest: &[u8]) -> Result<(u8, &[u8]), Ambiguous> {
    match rest {
        [special, rest @ ..] if b",+\"\\<>;#= ".contains(special) => Ok((*special, rest)),
        [high, low, rest @ ..] => {
            let digits = [*high, *low];
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then(|| str::from_utf8(&digits).ok()).flatten();
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(Ambiguous)?;
            Ok((byte, rest))
        }
        [] | [_] => Err(Ambiguous),
    }
}

#[cfg(test)]
mod tests;
