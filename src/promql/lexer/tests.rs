//! What the lexer takes for a token, and what Go's lexer does.

use super::*;

fn kinds(text: &[u8]) -> Result<Vec<Kind>, Refusal> {
    let mut lexer = Lexer::new(text);
    let mut kinds = Vec::new();
    loop {
        lexer.advance()?;
        let kind = lexer.token.kind;
        if kind == Kind::End {
            return Ok(kinds);
        }
        kinds.push(kind);
    }
}

fn texts(text: &str) -> Vec<&str> {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut texts = Vec::new();
    while lexer.advance().is_ok() {
        let token = lexer.token;
        if token.kind == Kind::End {
            break;
        }
        texts.push(text.get(token.start..token.end).expect("a token"));
    }
    texts
}

#[test]
fn a_comment_ends_at_a_line_feed_or_a_carriage_return() {
    assert_eq!(texts("a # \" { \r b # ' \n c"), ["a", "b", "c"]);
    assert_eq!(texts("{ # }\n a='x' # \"\r }"), ["{", "a", "=", "'x'", "}"]);
}

#[test]
fn a_comment_may_hold_any_bytes() {
    assert_eq!(kinds(b"a # \xff\xc3(").expect("tokens"), [Kind::Identifier]);
}

#[test]
fn white_space_is_four_characters() {
    assert_eq!(texts(" \t\r\na"), ["a"]);
    for text in ["\u{feff}a", "a\u{a0}", "a\u{b}", "a\u{c}", "\u{2003}a", "a\0"] {
        assert!(kinds(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn words_end_where_neither_letter_digit_underscore_nor_colon_follows() {
    assert_eq!(texts("sumby up:offset5m :a a: sum-by"), ["sumby", "up:offset5m", ":a", "a:", "sum", "-", "by"]);
    // To some Prometheus a dot is a part of the name.
    for text in ["sum.by", "bool.5", "a:b.c", "a."] {
        assert!(kinds(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(kinds(b"sumby").expect("a name"), [Kind::Identifier]);
    assert_eq!(kinds(b"up:by").expect("a name"), [Kind::MetricIdentifier]);
}

#[test]
fn strings_take_the_escapes_of_go_and_no_others() {
    for text in [
        r#""\a\b\f\n\r\t\v\\\"""#,
        r"'\''",
        r#""\000\377""#,
        r#""\xff\u00e9\U0010ffff\ufffd""#,
        "`\\ \n \"'`",
        "\"\r\t\0'`\"",
    ] {
        assert!(matches!(kinds(text.as_bytes()).expect(text)[..], [Kind::String(_)]), "{text}");
    }
    for text in [
        r#""\'""#,
        r#"'\"'"#,
        r#""\`""#,
        r#""\400""#,
        r#""\08""#,
        r#""\xg0""#,
        r#""\ud800""#,
        r#""\U00110000""#,
        r#""\UFFFFFFFF""#,
        r#""\q""#,
        r#""\"#,
        r#"""#,
        "\"\n\"",
        "`",
        "\"\u{fffd}\"",
        "`\u{fffd}`",
    ] {
        assert!(kinds(text.as_bytes()).is_err(), "{text}");
    }
    assert!(kinds(b"\"\xff\"").is_err());
    assert!(kinds(b"`\xc3`").is_err());
}

#[test]
fn fill_is_a_keyword_only_before_a_parenthesis() {
    assert_eq!(kinds(b"fill").expect("a name"), [Kind::Identifier]);
    assert_eq!(kinds(b"FILL \n(").map(|k| k.len()).ok(), None);
    assert_eq!(kinds(b"FILL \n()").expect("tokens")[0], Kind::Keyword(Keyword::Fill));
    assert_eq!(kinds(b"fill #\n ()").expect("tokens")[0], Kind::Identifier);
}

#[test]
fn comments_in_brackets_stand_after_the_first_number_only() {
    assert_eq!(texts("[5m # c\n]"), ["[", "5m", "]"]);
    assert!(kinds(b"[ # c\n 5m]").is_err());
}

#[test]
fn a_colon_in_brackets_follows_some_number() {
    assert!(kinds(b"[step():1m]").is_err());
    assert_eq!(texts("[5m][step():1m]").len(), 10);
    assert!(kinds(b"[5m:1m:1m]").is_err());
}

#[test]
fn the_end_repeats() {
    let mut lexer = Lexer::new(b"");
    for _ in 0..3 {
        lexer.advance().expect("the end");
        assert_eq!(lexer.token.kind, Kind::End);
    }
}
