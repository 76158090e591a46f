//! Identity from the certificate that a client has shown in mutual TLS.
//!
//! Envoy verifies it, if it is told to; what a header says about certificates is not looked at. Owns the reading of a subject's text,
//! in which whatever has no one meaning makes the whole subject unusable.
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
    let values = match part {
        _ if text.is_empty() => Vec::new(),
        CertificatePart::UriSan | CertificatePart::DnsSan => vec![text],
        CertificatePart::SubjectCn => attributes(&text, "CN")?,
        CertificatePart::SubjectOu => attributes(&text, "OU")?,
        CertificatePart::SubjectO => attributes(&text, "O")?,
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

/// The values of the attribute `name` in a subject as RFC 2253 writes it, in its order.
///
/// # Errors
/// The text is not as RFC 2253 writes one, or the attribute is no text.
// RFC 2253, 2 and 3; BoringSSL: crypto/x509/name_print.cc, X509_NAME_print_ex
fn attributes(subject: &str, name: &str) -> Result<Vec<String>, IdentityCause> {
    let mut values = Vec::new();
    let mut rest = subject.as_bytes();
    loop {
        let Attribute { kind, value, next } = attribute(rest).ok_or(IdentityCause::Undecodable)?;
        if kind.eq_ignore_ascii_case(name.as_bytes()) {
            let Value::Text(text) = value else { return Err(IdentityCause::NotText) };
            values.push(String::from_utf8(text).map_err(|_| IdentityCause::NotText)?);
        }
        match next {
            Some(next) => rest = next,
            None => return Ok(values),
        }
    }
}

/// An attribute's value.
enum Value {
    Text(Vec<u8>),
    /// Of a type that has no text form: `#` and its bytes in hexadecimal.
    Encoded,
}

struct Attribute<'a> {
    kind: &'a [u8],
    value: Value,
    /// What follows the separator, if one does.
    next: Option<&'a [u8]>,
}

/// The first attribute of `text`.
fn attribute(text: &[u8]) -> Option<Attribute<'_>> {
    let equals = text.iter().position(|&b| b == b'=')?;
    let (kind, value) = (text.get(..equals)?, text.get(equals.checked_add(1)?..)?);
    if kind.is_empty() || !kind.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = value;
    let next = loop {
        match rest {
            [] => break None,
            [b',' | b'+', after @ ..] => break Some(after),
            // A separator of others, and what is written with a backslash.
            [b';' | b'<' | b'>' | b'"', ..] => return None,
            [b'\\', c @ (b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'#' | b'=' | b' '), after @ ..] => {
                out.push(*c);
                rest = after;
            }
            [b'\\', high, low, after @ ..] => {
                out.push(hex(*high, *low)?);
                rest = after;
            }
            [b'\\', ..] => return None,
            [c, after @ ..] => {
                out.push(*c);
                rest = after;
            }
        }
    };
    let is_encoded = value.first() == Some(&b'#');
    Some(Attribute { kind, value: if is_encoded { Value::Encoded } else { Value::Text(out) }, next })
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subject: &str, name: &str) -> Option<Vec<String>> {
        attributes(subject, name).ok()
    }

    fn some(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn attributes_are_read_as_rfc_2253_writes_them() {
        for (subject, name, values) in [
            ("CN=a", "CN", some(&["a"])),
            ("CN=a,OU=b,OU=c,O=d", "OU", some(&["b", "c"])),
            ("OU=Sales+CN=J. Smith,O=Widget Inc.,C=US", "CN", some(&["J. Smith"])),
            ("OU=Sales+CN=J. Smith,O=Widget Inc.,C=US", "OU", some(&["Sales"])),
            (r"CN=L. Eagle,O=Sue\, Grabbit and Runn,C=GB", "O", some(&["Sue, Grabbit and Runn"])),
            (r"CN=caf\C3\A9", "CN", some(&["café"])),
            (r"CN=\#a\ ,O=x", "CN", some(&["#a "])),
            (r"CN=a\0Ab", "CN", some(&["a\nb"])),
            ("cn=a", "CN", some(&["a"])),
            ("CN=a=b", "CN", some(&["a=b"])),
            ("CN=", "CN", some(&[""])),
            ("O=x", "CN", some(&[])),
            ("1.2.3=#0C0161,CN=a", "CN", some(&["a"])),
            ("emailAddress=a@b,CN=c", "CN", some(&["c"])),
            // Whoever chooses a name of his own gains no attribute.
            (r"CN=x\,OU=admin,OU=users", "OU", some(&["users"])),
            (r"CN=x\\,OU=users", "OU", some(&["users"])),
            (r"CN=x\\\,OU=admin,OU=users", "OU", some(&["users"])),
            (r"CN=x\+OU=admin,OU=users", "OU", some(&["users"])),
            (r"CN=x\2COU=admin,OU=users", "OU", some(&["users"])),
            (r"1.2.3=\#\,OU=admin,OU=users", "OU", some(&["users"])),
            (r"CN=OU=admin,OU=users", "OU", some(&["users"])),
        ] {
            assert_eq!(of(subject, name), values, "{subject}");
        }
    }

    #[test]
    fn what_has_no_one_meaning_is_unusable() {
        for subject in [
            "",
            "CN",
            "=a",
            "CN=a,",
            "CN=a+",
            ",CN=a",
            "CN=a,,O=b",
            "CN=a, OU=b",
            "CN=a;OU=b",
            "CN=\"a\"",
            "CN=<a>",
            r"CN=a\",
            r"CN=a\1",
            r"CN=a\zz",
            r"CN=a\1x",
            "C N=a",
            "CN=a/OU=b,",
        ] {
            assert_eq!(attributes(subject, "OU"), Err(IdentityCause::Undecodable), "{subject}");
        }
        for subject in ["CN=#0C0161", r"CN=\FF", r"CN=a\C3"] {
            assert_eq!(attributes(subject, "CN"), Err(IdentityCause::NotText), "{subject}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_are_read_twice() {
        let pieces = ["CN=", "OU=", "a", ",", "+", "\\", "\\,", "\\2C", "#", "\"", "=", "é", " ", ";", "\0", "1.2="];
        let mut random = 7_usize;
        for _ in 0..20_000 {
            let mut subject = String::new();
            for _ in 0..8 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                subject.push_str(pieces[(random >> 33) % pieces.len()]);
            }
            if let Some(values) = of(&subject, "OU") {
                assert!(values.iter().map(String::len).sum::<usize>() < subject.len(), "{subject}");
                assert!(values.len() <= subject.matches("OU=").count(), "{subject}");
            }
        }
    }
}
