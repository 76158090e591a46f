//! Whole, in pieces and broken: the scrubber says what `envelope::edit` says, and where that refuses, it shows nothing.

use super::*;
use crate::response::HIDDEN_ERROR;
use crate::response::json::Edit;

/// What passes of `body`, however it is cut: whole, into two at each place, into equal pieces.
fn scrubbed(body: &str) -> String {
    let pieces = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut scrubber = Scrubber::default();
        let mut passed = Vec::new();
        for piece in pieces {
            let part = scrubber.push(piece);
            if matches!(part, Cow::Borrowed(_)) {
                assert_eq!(part, piece, "borrowed is all of it");
            }
            assert!(scrubber.name.len() <= NAME_BYTES + 1, "a name is held, no more");
            passed.extend_from_slice(&part);
        }
        String::from_utf8(passed).expect("UTF-8")
    };
    let bytes = body.as_bytes();
    let whole = pieces(&mut std::iter::once(bytes));
    for at in 0..bytes.len() {
        let (left, right) = bytes.split_at(at);
        assert_eq!(pieces(&mut [left, &[], right].into_iter()), whole, "cut at {at}: {body}");
    }
    for size in 1..8 {
        assert_eq!(pieces(&mut bytes.chunks(size)), whole, "pieces of {size}: {body}");
    }
    whole
}

fn is_cut(body: &str) -> bool {
    let mut scrubber = Scrubber::default();
    scrubber.push(body.as_bytes());
    scrubber.is_cut()
}

#[test]
fn warnings_and_errors_are_replaced_and_all_else_passes_byte_for_byte() {
    let warnings = r#"["store veggie-1: \"gone\"]", {"error":[1]}]"#;
    let error = r#""store veggie-1: \\\"}""#;
    let body = format!(
        "\u{20}{{ \"status\":\t\"succ\\u0065ss\",\"é\":1e3,\r\n \"data\" :{{\"error\":\"x\",\"warnings\":[ \"\\\\\", -0.10,{{}}]}},\"errorType\": \
         \"error\" ,\"warnings\" : {warnings} ,\"infos\":{warnings},\"error\":{error}, \"z\":\"\\\"warnings\\\":[\" }}\n"
    );
    let expected = body.replace(warnings, HIDDEN_WARNINGS).replace(error, &format!("\"{HIDDEN_ERROR}\""));
    assert_eq!(scrubbed(&body), expected);
    assert!(!is_cut(&body));
}

#[test]
fn what_it_makes_of_an_envelope_is_what_the_filter_makes_of_it() {
    let values = ["null", "[]", "[ \n]", r#"["x"]"#, "[[]]", "[{}]", "{}", "\"x\"", "1.5e+9", "true", r#"["\"]",[]]"#];
    let names = [
        "warnings",
        "infos",
        "error",
        "data",
        "warning",
        "INFOS",
        "w\\u0061rning\\u017f",
        "errorſ",
        "\\\"error",
        "error\\\\",
        "\\u0130nfoſ",
    ];
    for name in names {
        for value in values {
            for body in [
                format!(r#"{{"{name}":{value}}}"#),
                format!("\n{{ \"{name}\" : {value} , \"x\":[{{\"{name}\":{value}}}],\"{name}\":\t{value}\n}} "),
            ] {
                let filtered = envelope::edit(&body, |_| Some(Edit::Keep)).expect(&body);
                assert_eq!(scrubbed(&body), filtered);
                assert!(!is_cut(&body), "{body}");
            }
        }
    }
}

#[test]
fn every_line_is_an_envelope() {
    let body = "{\"results\":[{\"error\":\"a\"}]}\n{}\r\n\n{\"status\":\"error\",\"error\":\"veggie\"}\n{\"infos\":[\"veggie\"]}";
    let expected = body
        .replace("\"error\":\"veggie\"", &format!("\"error\":\"{HIDDEN_ERROR}\""))
        .replace("[\"veggie\"]", HIDDEN_WARNINGS);
    assert_eq!(scrubbed(body), expected);
}

#[test]
fn an_answer_is_cut_where_it_stops_being_json() {
    for (passes, rest) in [
        ("", "<html>{\"x\":1}"),
        ("", "\u{feff}{\"x\":1}"),
        ("", "[{\"error\":\"x\"}]"),
        (" ", "null"),
        ("{", ",\"x\":1}"),
        ("{", "'error':\"x\"}"),
        ("{", "error:\"x\"}"),
        ("{\"x\" ", "x:1}"),
        ("{\"x\"", ",\"error\":\"x\"}"),
        ("{\"x\":", ",\"error\":\"x\"}"),
        ("{\"x\":", "'\",\"error\":\"x\",\"y\":\"'}"),
        ("{\"x\":", "/*\"*/1,\"error\":\"x\",\"y\":/*\"*/1}"),
        ("{\"x\":1", "/*\"*/,\"error\":\"x\"}"),
        ("{\"x\":1 ", "2,\"error\":\"x\"}"),
        ("{\"x\":1 ", "\"error\":\"x\"}"),
        ("{\"x\":\"y\"", "\"error\":\"x\"}"),
        ("{\"x\":1,", "}"),
        ("{\"x\":1,", ",\"error\":\"x\"}"),
        ("{\"x\":[1", "},\"error\":\"x\"}"),
        ("{\"x\":[{}", "},\"error\":\"x\"}"),
        ("{\"x\":[{\"y\":[]", "],\"error\":\"x\"}"),
        ("{\"x\":1", "],\"error\":\"x\"}"),
        ("{\"x\":[1,", "/*\"*/],\"error\":\"x\",\"y\":[/*\"*/1]}"),
        ("{\"x\":[", "'\"'],\"error\":\"x\",\"y\":['\"']}"),
        ("{\"x\":[\"y", "\n{\"error\":\"x\"}"),
        ("{\"x\":\"y", "\n{\"error\":\"x\"}"),
        ("{\"x\":\"y\\", "\n{\"error\":\"x\"}"),
        ("{\"x\":\"y", "\0\"}"),
        ("{}", "x{\"error\":\"x\"}"),
        ("{}", "}{\"error\":\"x\"}"),
        ("{\"x\":1}", ",\"error\":\"x\"}"),
        // A name that nobody can read, or that only some can.
        ("{", "\"err\\x6fr\":\"x\"}"),
        ("{", "\"error\\ud800\":\"x\"}"),
        ("{", "\"error\n\":\"x\"}"),
        ("{", "\"error\t\":\"x\"}"),
    ] {
        let body = format!("{passes}{rest}");
        assert_eq!(scrubbed(&body), passes, "{body}");
        assert!(is_cut(&body), "{body}");
    }
}

#[test]
fn nothing_of_a_hidden_value_passes_when_it_is_broken() {
    let error = format!("{{\"error\":\"{HIDDEN_ERROR}\"");
    let warnings = format!("{{\"warnings\":{HIDDEN_WARNINGS}");
    for (body, passes) in [
        ("{\"error\":\"veggie", error.as_str()),
        ("{\"error\":\"veggie\n\",\"x\":1}", &error),
        ("{\"error\":\"veggie\"\"veggie\"}", &error),
        ("{\"error\":'veggie'}", &error),
        ("{\"error\":nveggie}", &error),
        ("{\"error\":[\"veggie\"}]", &error),
        ("{\"error\":", "{\"error\":"),
        ("{\"error\" \"veggie\"}", "{\"error\" "),
        ("{\"warnings\":[", "{\"warnings\":"),
        ("{\"warnings\":[ \n", "{\"warnings\":"),
        ("{\"warnings\":nul", "{\"warnings\":"),
        ("{\"warnings\":nuveggie}", "{\"warnings\":"),
        ("{\"warnings\":nullveggie}", "{\"warnings\":null"),
        ("{\"warnings\":[]\"veggie\"}", "{\"warnings\":[]"),
        ("{\"warnings\":[],\"veggie", "{\"warnings\":[],"),
        ("{\"warnings\":[\"veggie", &warnings),
        ("{\"warnings\":[veggie]}", &warnings),
        ("{\"warnings\":[}\"veggie\"]}", &warnings),
        ("{\"warnings\":[\"veggie\"}}", &warnings),
        ("{\"warnings\":[\"veggie\"]]}", &warnings),
    ] {
        assert_eq!(scrubbed(body), passes, "{body}");
    }
}

#[test]
fn bytes_that_are_no_text_pass_in_strings_and_end_a_name() {
    let mut scrubber = Scrubber::default();
    assert_eq!(scrubber.push(b"{\"data\":[\"\xff\xc3\"]"), Cow::Borrowed(b"{\"data\":[\"\xff\xc3\"]"));
    assert_eq!(&*scrubber.push(b",\"error\xff\":\"veggie\"}"), b",");
    assert!(scrubber.is_cut());
}

#[test]
fn a_name_longer_than_any_of_ours_can_be_written_is_cut_before_it_is_kept() {
    let longest: String = "warnings".chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
    let ours = format!(r#"{{"{longest}":["veggie"]}}"#);
    assert_eq!(scrubbed(&ours), ours.replace(r#"["veggie"]"#, HIDDEN_WARNINGS));
    let fits = format!("{{\"{}\":1}}", "x".repeat(NAME_BYTES - 1));
    assert_eq!(scrubbed(&fits), fits);
    for name in ["x".repeat(NAME_BYTES), "\\\"".repeat(NAME_BYTES), "x".repeat(1 << 20)] {
        let mut scrubber = Scrubber::default();
        assert_eq!(&*scrubber.push(format!("{{\"{name}\":1}}").as_bytes()), b"{");
        assert!(scrubber.is_cut() && scrubber.name.capacity() <= 2 * NAME_BYTES);
    }
}

#[test]
fn nesting_has_an_end() {
    let body = |depth: usize| format!("{{\"data\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(!is_cut(&body(NESTING)));
    assert!(is_cut(&body(NESTING + 1)));
    assert!(is_cut(&body(NESTING + 1).replace("data", "error")));
}

#[test]
fn nothing_is_copied_or_held_while_data_streams() {
    let mut scrubber = Scrubber::default();
    scrubber.push(b"{\"data\":[{\"metric\":{\"__name__\":\"up\"},\"values\":[");
    for chunk in [&b"[1435781430.781,\"1\"]"[..], b",[1435781445.781,\"\\\"", b"x\"]", b"]},{\"error\":\"x\"}"] {
        assert!(matches!(scrubber.push(chunk), Cow::Borrowed(passes) if passes == chunk));
    }
    assert_eq!(&*scrubber.push(b"],\"warnings\":[\"a"), format!("],\"warnings\":{HIDDEN_WARNINGS}").as_bytes());
    assert!(matches!(scrubber.push(b"veggie"), Cow::Owned(passes) if passes.is_empty()));
    assert_eq!(&*scrubber.push(b"\"]}"), b"}");
}
