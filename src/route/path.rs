//! Paths as they were sent: decoded once and compared exactly.
//!
//! What another reader could take for a different path is not served. Must not know what is served.

use crate::form::percent_decode_strict;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What must be encoded in a segment.
// RFC 3986, 3.3: pchar
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The one spelling of a segment that names a tenant: encoded is what must be, in upper case, and nothing else.
pub(super) fn spelled(segment: &str) -> String {
    utf8_percent_encode(segment, ENCODED).to_string()
}

/// `path` decoded once, when nobody behind us can take it for another path.
pub(super) fn canonical(path: &[u8]) -> Option<String> {
    // An encoded separator or percent sign is one path here and another for whoever decodes again.
    let encoded = percent_decode_strict(path)?;
    let separators = |text: &[u8]| text.iter().filter(|&&b| b == b'/').count();
    if separators(&encoded) != separators(path) {
        return None;
    }
    let text = String::from_utf8(encoded.into_owned()).ok()?;
    let mut segments = text.strip_prefix('/')?.rsplit('/');
    // Only the root ends with a slash; a row says so.
    let last_is_plain = segments.next().is_some_and(|last| !matches!(last, "." | ".."));
    let safe = last_is_plain
        && segments.all(|segment| !matches!(segment, "" | "." | ".."))
        && !text.chars().any(|c| c.is_control() || matches!(c, '\\' | '%' | '\u{fffd}'));
    safe.then_some(text)
}

/// Whether `path` is `pattern`, in which `<name>` stands for one segment and a `*` at the end for any that are not empty;
/// all other text is ASCII.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    if let Some(folder) = pattern.strip_suffix('*') {
        return path.strip_prefix(folder).is_some_and(|file| !file.is_empty() && !file.ends_with('/'));
    }
    match pattern.split_once("<name>") {
        None => pattern == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|name| !name.is_empty() && !name.contains('/')),
    }
}
