//! What must not come back: each thing of the victim's holds a word of its own, and the search for them in any bytes.
//!
//! Must not know what was asked.

use crate::support::client::Response;
use crate::support::process::directory;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fs::{self, File};
use std::process::Command;
use std::sync::LazyLock;

/// What every secret begins with: the search is for this.
const MARK: &str = "xhushqzx";

pub(super) const METRIC: &str = "xhushqzx_metric";
pub(super) const LABEL_NAME: &str = "xhushqzx_label_name";
pub(super) const LABEL_VALUE: &str = "xhushqzx_label_value";
pub(super) const OF_NOBODY: &str = "xhushqzx_of_nobody";
pub(super) const OF_NEIGHBOUR: &str = "xhushqzx_of_neighbour";
pub(super) const TRACE: &str = "xhushqzx_trace";
pub(super) const FILE: &str = "xhushqzx_file";
pub(super) const GROUP: &str = "xhushqzx_group";
pub(super) const ALERT: &str = "xhushqzx_alert";
pub(super) const RECORD: &str = "xhushqzx_record";
pub(super) const RULE_QUERY: &str = "xhushqzx_rule_query";
pub(super) const RULE_LABEL: &str = "xhushqzx_rule_label";
pub(super) const ANNOTATION: &str = "xhushqzx_annotation";
pub(super) const RULE_OF_NOBODY: &str = "xhushqzx_rule_of_nobody";
pub(super) const POOL: &str = "xhushqzx_pool";
pub(super) const TARGET_LABEL: &str = "xhushqzx_target_label";
pub(super) const TARGET_URL: &str = "xhushqzx_target_url";
pub(super) const TARGET_ERROR: &str = "xhushqzx_target_error";
pub(super) const DROPPED: &str = "xhushqzx_dropped";
pub(super) const HELP: &str = "xhushqzx_help";
pub(super) const SCRAPED: &str = "xhushqzx_scraped";
pub(super) const CONFIGURATION: &str = "xhushqzx_configuration";

/// The value of each of the victim's samples: no sum, mean or extreme that it is part of hides it.
pub(super) const NUMBER: f64 = 3.1337e300;

/// What is left of such a number in a text.
const NUMBERS: [&str; 2] = ["e+29", "e+30"];

/// What was found of a secret, in words; `None` when there is nothing.
pub(super) fn find(bytes: &[u8]) -> Option<String> {
    // As text, because there the library's search is quick in a debug build as well. Needles are ASCII.
    let text = String::from_utf8_lossy(bytes);
    let plain = text.to_ascii_lowercase();
    let words = |how: &str, view: &str| view.find(MARK).map(|at| said(view, at, how));
    let decoded = || plain.contains(['%', '\\']).then(|| unescape(&plain)).and_then(|view| words(", escaped", &view));
    let wide =
        || plain.contains('\0').then(|| plain.replace('\0', "")).and_then(|view| words(", in wide letters", &view));
    let numbers = || NUMBERS.iter().find_map(|number| plain.find(number)).map(|at| said(&plain, at, ""));
    let encoded =
        || ALPHABETS.iter().find(|needle| text.contains(*needle)).map(|found| format!("in an alphabet: {found}"));
    let binary =
        || (!text.is_ascii()).then(|| bytes.windows(8).position(|each| each == NUMBER.to_le_bytes())).flatten();
    words("", &plain)
        .or_else(decoded)
        .or_else(wide)
        .or_else(numbers)
        .or_else(encoded)
        .or_else(|| binary().map(|at| format!("its number, at byte {at}")))
}

/// The mark in hexadecimal and in base64, where the letters depend on the place among three: those in the middle are always
/// the same.
static ALPHABETS: LazyLock<[String; 4]> = LazyLock::new(|| {
    let base64 = |shift: usize| {
        let text = STANDARD_NO_PAD.encode([&b"aa"[..shift], MARK.as_bytes()].concat());
        text[(shift * 4).div_ceil(3)..text.len() - 1].to_owned()
    };
    let hex = MARK.bytes().map(|byte| format!("{byte:02x}")).collect();
    [hex, base64(0), base64(1), base64(2)]
});

fn said(text: &str, at: usize, how: &str) -> String {
    let (before, behind) = text.split_at(at);
    let before: String = before.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let behind: String = behind.chars().take(60).collect();
    format!("`{}`{how}", (before + &behind).escape_debug())
}

/// `%41`, `\u0041` and `\x41`, decoded.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let head = ["%", "\\x", "\\u00"].into_iter().find(|head| rest.starts_with(head)).unwrap_or(&rest[..1]);
        let digits = rest.get(head.len()..head.len() + 2).unwrap_or_default();
        match u8::from_str_radix(digits, 16) {
            Ok(letter) => {
                out.push(char::from(letter).to_ascii_lowercase());
                rest = &rest[head.len() + 2..];
            }
            Err(_) => {
                out.push_str(head);
                rest = &rest[head.len()..];
            }
        }
    }
    out + rest
}

/// What was found in all that came back: `raw`, and the answers in it, decoded.
pub(super) fn find_in(raw: &[u8], answers: &[Response]) -> Option<String> {
    find(raw).or_else(|| answers.iter().find_map(find_in_answer))
}

fn find_in_answer(answer: &Response) -> Option<String> {
    let fields = answer.headers.iter().chain(&answer.trailers);
    let head = fields.map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
    let unpacked = match answer.header("content-encoding") {
        Some("gzip") => gunzip(&answer.body),
        // A remote read's answer says so, or does not; nothing else reads as such a block.
        _ => snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap_or_default(),
    };
    [head.as_bytes(), &answer.body, &unpacked].into_iter().find_map(find)
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let path = directory("answer").join("body.gz");
    fs::write(&path, bytes).expect("a file is written");
    let packed = File::open(&path).expect("the file just written");
    Command::new("gzip").arg("-dc").stdin(packed).output().expect("gzip starts").stdout
}

#[test]
fn a_secret_is_found_in_every_disguise() {
    for text in [
        "a xhushqzx_b",
        "XHUSHQZX",
        "%78hush%71zx",
        "xh\\u0075shqzx",
        "\\x78hushqzx",
        "x\0h\0u\0s\0h\0q\0z\0x\0",
        r#"{"value":[1,"3.1337e+300"]}"#,
        "6.2674E+300",
        "eGh1c2hxeng",
        "YXhodXNocXp4IA",
        "AAB4aHVzaHF6eA",
        "7868757368717a78",
    ] {
        assert!(find(text.as_bytes()).is_some(), "{text}");
    }
    assert!(find(&[&[1, 2][..], &NUMBER.to_le_bytes()].concat()).is_some());
    for text in ["", "xhushqz", r#"{"value":[1,"3e+29"]}"#.replace("e+29", "e+9").as_str(), "%78 hushqzx", "%", "\\u00"]
    {
        assert_eq!(find(text.as_bytes()), None, "{text}");
    }
    let answer = |body: &[u8], headers: &[(&str, &str)], trailers: &[(&str, &str)]| {
        let fields = |fields: &[(&str, &str)]| fields.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let (headers, trailers) = (fields(headers), fields(trailers));
        Response { status: 200, headers, body: body.to_vec(), trailers, complete: true }
    };
    let packed = snap::raw::Encoder::new().compress_vec(b"__xhushqzx__").expect("a short text");
    // `printf xhushqzx | gzip -n`, in which no letter is left.
    let zipped = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xc8\x28\x2d\xce\x28\xac\xaa\0\0\x5a\xe4\xfc\x67\x08\0\0\0";
    for found in [
        answer(b"", &[("x-a", "xhushqzx")], &[]),
        answer(b"", &[], &[("x-a", "xhushqzx")]),
        answer(&packed, &[], &[]),
        answer(zipped, &[("content-encoding", "gzip")], &[]),
    ] {
        assert!(find_in(b"", std::slice::from_ref(&found)).is_some(), "{found:?}");
    }
}
