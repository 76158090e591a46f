//! An answer that streams, with its texts replaced: the first byte chooses how it is cut, the rest is the body. What passes
//! is compared with what a reader of the whole body replaces, and read by some that forgive a lot.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::response::scrub::Scrubber;
use prom_label_filter::response::{HIDDEN_ERROR, ResponseHead, ResponsePlan};
use prom_label_filter_fuzz::answers::{Listing, folded, members, plan};
use prom_label_filter_fuzz::tenants;
use std::borrow::Cow;

const HIDDEN_WARNINGS: &str = r#"["the upstream reported warnings; they are not shown on this endpoint"]"#;

/// The core's limits: the length of a name as it is written, and how deep brackets may stand in each other.
const NAME_BYTES: usize = 256;
const NESTING: usize = 10_000;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let (passed, is_cut) = scrub(std::iter::once(body));
    for size in [1, 1 + usize::from(choice)] {
        assert_eq!(scrub(body.chunks(size)), (passed.clone(), is_cut), "in pieces of {size}");
    }
    let (left, right) = body.split_at(body.len() * usize::from(choice) / 255);
    assert_eq!(scrub([left, right].into_iter()), (passed.clone(), is_cut), "in two");
    assert_eq!(scrub(std::iter::once(&passed[..])).0, passed, "scrubbing twice is scrubbing once");
    forgiving_readers_find_no_text(&passed);

    let Some((expected, longest)) = std::str::from_utf8(body).ok().and_then(expected) else { return };
    if is_cut {
        let brackets = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
        // An escape is six bytes for one letter.
        assert!(longest * 6 > NAME_BYTES - 2 || brackets > NESTING, "JSON is cut: {passed:?}");
        return;
    }
    assert_eq!(String::from_utf8_lossy(&passed), expected);
    let ResponsePlan::Filter(filter) = plan(Listing::Exemplars, &tenants::chosen(0).scope) else {
        panic!("a tenant whom nothing restricts");
    };
    let filtered = |body: &[u8]| filter.filter(ResponseHead::Failure, body).expect("an envelope");
    assert_eq!(filtered(&passed), filtered(body), "the filter hides other texts");
});

/// What passes, and whether the rest was cut.
fn scrub<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let mut scrubber = Scrubber::default();
    let mut passed = Vec::new();
    for piece in pieces {
        match scrubber.push(piece) {
            Cow::Borrowed(part) => {
                assert_eq!(part, piece, "borrowed is all of it");
                passed.extend_from_slice(part);
            }
            Cow::Owned(part) => passed.extend_from_slice(&part),
        }
    }
    (passed, scrubber.is_cut())
}

/// The envelope as it may pass, and the length of its longest name; `None` when it is none.
fn expected(body: &str) -> Option<(String, usize)> {
    let mut expected = String::new();
    let (mut copied, mut longest) = (0, 0);
    for (name, value) in members(body)? {
        longest = longest.max(name.len());
        let new = match folded(&name).as_str() {
            "warnings" | "infos" if value == "null" => continue,
            "warnings" | "infos" if serde_json::from_str::<[(); 0]>(value).is_ok() => "[]",
            "warnings" | "infos" => HIDDEN_WARNINGS,
            "error" => &format!("\"{HIDDEN_ERROR}\""),
            _ => continue,
        };
        let start = value.as_ptr().addr() - body.as_ptr().addr();
        expected += &body[copied..start];
        expected += new;
        copied = start + value.len();
    }
    Some((expected + &body[copied..], longest))
}

/// Looks for texts as the most forgiving clients might: one counts brackets, whichever they are, another has each close
/// what it can, and bytes that are no text are not there. Where strings end is all that they agree upon; so nothing may
/// pass that ends one, or begins one, for some.
fn forgiving_readers_find_no_text(passed: &[u8]) {
    let (mut depth, mut open, mut rest) = (0_usize, Vec::new(), passed);
    while let Some((&byte, mut behind)) = rest.split_first() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                open.push(byte);
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                // In ASCII, a bracket and its other half are two apart.
                open.truncate(open.iter().rposition(|open| open + 2 == byte).unwrap_or(open.len()));
            }
            b'"' => {
                let string = string(behind);
                assert!(!string.iter().any(|byte| *byte < b' '), "a line ends in a string");
                behind = &behind[(string.len() + 1).min(behind.len())..];
                if depth.min(open.len()) <= 1
                    && let Some(value) = behind.trim_ascii_start().strip_prefix(b":")
                {
                    may_be_shown(&text(string), &String::from_utf8_lossy(value.trim_ascii_start()));
                }
            }
            _ => assert!(b"0123456789+-.Eaeflnrstu,: \t\r\n".contains(&byte), "no JSON passes: {}", char::from(byte)),
        }
        rest = behind;
    }
}

/// Checks what stands behind a member's name, if anything does.
fn may_be_shown(name: &str, value: &str) {
    let texts: &[&str] = match folded(name).as_str() {
        "warnings" | "infos" => &[HIDDEN_WARNINGS, "[]", "null"],
        "error" => &[&format!("\"{HIDDEN_ERROR}\"")],
        _ => return,
    };
    assert!(value.is_empty() || texts.iter().any(|text| value.starts_with(text)), "{value} is shown");
}

/// The part of `rest` in front of the quote that ends a string.
fn string(rest: &[u8]) -> &[u8] {
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    &rest[..end.unwrap_or(rest.len())]
}

fn text(string: &[u8]) -> String {
    let text: String = string.utf8_chunks().map(|chunk| chunk.valid()).collect();
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or(text)
}
