//! What the core relies on in Go and RE2 is asked of the real Prometheus: how strings are read, how patterns are anchored and
//! quoted, which bytes may stand where.

use crate::promql::matchers;
use crate::support::client::{Connection, get};
use crate::support::data::END;
use crate::support::form::encode_bytes;
use crate::support::prometheus::Prometheus;
use crate::support::remote_write::{Points, Series};
use prom_label_filter::promql::{Dialect, Feature, TextLimits, scope_expression};
use serde_json::Value;
use std::sync::LazyLock;

/// Tenants whose names mean something in a pattern, a string or a text of several lines, and their neighbours.
#[rustfmt::skip]
const VALUES: [&str; 74] = [
    "a", "b", "c", "A", "B", "ab", "ba", "aa", "aba", "a|b", "b|a", "|", "||", "a|", "|a", ".", "..", "a.b", "axb",
    ".*", ".+", "a*", "a+", "a?", "(a)", "(a|b)", "(?:a)", "(?i)a", "(", ")", "[", "]", "[ab]", "[^a]", "{", "}",
    "a{1}", "a{1,2}", "^", "$", "^a", "a$", "^a$", "\\", "\\\\", "\\a", "\\d", "\\Qa\\E", "\\x61", "\\.", "\"",
    "\"a\"", "'", "`", "a\"b", "a'b", "a`b", "a,b", "a b", " a", "#", "a#b", "$1", "%61", "a&b", "a=b", "é",
    "e\u{301}", "\u{fffd}", "a\u{fffd}b", "\u{10ffff}", "K", "\u{212a}", "ſ",
];

/// Values that no tenant can have, the filter refuses control characters, but that a series may.
const LINES: [&str; 6] = ["a\n", "\na", "a\nb", "\n", "a\r", "a\u{0}"];

static PROMETHEUS: LazyLock<Prometheus> = LazyLock::new(|| {
    let series: Vec<Series> = VALUES
        .iter()
        .chain(&LINES)
        .map(|value| Series::new("up", &[("tenant", value)], Points::Floats(vec![(*END * 1000, 1.0)])))
        .collect();
    Prometheus::holding(&series, &[])
});

/// Asks the real Prometheus, on one connection.
#[derive(Debug)]
struct Asker(Connection);

impl Asker {
    fn new() -> Self {
        Self(Connection::open(PROMETHEUS.port))
    }

    fn ask(&mut self, query: &[u8]) -> (u16, Value) {
        let response = self.0.send(&get(format!("/api/v1/query?query={}&time={}", encode_bytes(query), *END)));
        (response.status, response.json())
    }

    /// The tenants whose series `query` reads.
    fn tenants(&mut self, query: &str) -> Vec<String> {
        let (status, answer) = self.ask(query.as_bytes());
        assert_eq!(status, 200, "{query}: {answer}");
        let series = answer["data"]["result"].as_array().expect("series");
        let mut found: Vec<String> =
            series.iter().map(|each| each["metric"]["tenant"].as_str().unwrap_or_default().to_owned()).collect();
        found.sort();
        found
    }
}

/// The expression for these tenants; `None` when it is refused.
fn scoped(query: &[u8], tenants: &[&str]) -> Option<String> {
    let dialect = Dialect { experimental_functions: Feature::On, ..Dialect::default() };
    let scoped = scope_expression(query, &matchers(&[("tenant", tenants)]), &dialect, &TextLimits::default());
    scoped.ok().map(|scoped| scoped.as_str().to_owned())
}

#[test]
fn several_values_are_quoted_so_that_each_means_itself() {
    let mut asker = Asker::new();
    let mut check = |tenants: &[&str]| {
        let mut wanted: Vec<&str> = tenants.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        // As a matcher of its own, beside one that the user wrote, and first, as inside `absent`.
        for query in ["up", r#"up{tenant=~"(?s).*"}"#] {
            assert_eq!(
                asker.tenants(&scoped(query.as_bytes(), tenants).expect(query)),
                wanted,
                "{query} of {tenants:?}"
            );
        }
        let absent = scoped(b"absent(up)", tenants).expect("PromQL");
        assert_eq!(asker.tenants(&absent), Vec::<String>::new(), "{absent}");
    };
    for (index, one) in VALUES.iter().enumerate() {
        check(&[one]);
        // Each beside a few others; all pairs would say no more.
        for other in VALUES[index..].iter().step_by(5) {
            check(&[one, other]);
        }
    }
    check(&VALUES);
    for half in VALUES.chunks(7) {
        check(half);
    }
}

#[test]
fn a_pattern_is_anchored_at_both_ends_of_the_whole_text() {
    let mut asker = Asker::new();
    // `a` and `b` are found, and none of `ab`, `a\n`, `a\nb`.
    assert_eq!(asker.tenants(r#"up{tenant=~"a|b"}"#), ["a", "b"]);
    assert_eq!(asker.tenants(r#"up{tenant=~"a"}"#), ["a"]);
    assert_eq!(asker.tenants(r#"absent(up{tenant=~"aab"})"#), [""]);
}

#[test]
fn a_broken_byte_is_not_the_replacement_character() {
    let mut asker = Asker::new();
    let replaced = "\u{fffd}";
    for (query, wanted) in [
        (r#"up{tenant="\ufffd"}"#, vec![replaced]),
        (r#"up{tenant="\U0000fffd"}"#, vec![replaced]),
        (r#"up{tenant="\xef\xbf\xbd"}"#, vec![replaced]),
        (r#"up{tenant="\xff"}"#, vec![]),
        (r#"up{tenant='\377'}"#, vec![]),
        (r#"up{tenant="a\ufffdb"}"#, vec!["a\u{fffd}b"]),
        (r#"up{tenant="a\xffb"}"#, vec![]),
        (r#"up{tenant=~"\ufffd|a"}"#, vec!["a", replaced]),
    ] {
        assert_eq!(asker.tenants(query), wanted, "{query}");
        // What we write for it is read as the same.
        let all: Vec<&str> = VALUES.to_vec();
        assert_eq!(asker.tenants(&scoped(query.as_bytes(), &all).expect(query)), wanted, "{query}");
    }
    // Written as itself, in UTF-8, the replacement character is refused; so is a broken byte.
    for query in ["up{tenant=\"\u{fffd}\"}".as_bytes(), b"up{tenant=\"\xff\"}", b"up{tenant=`\xff`}", b"up # \xff"] {
        assert_eq!(asker.ask(query).0 == 200, scoped(query, &["a"]).is_some(), "{query:?}");
    }
}

#[test]
fn every_escape_is_read_as_go_reads_it() {
    let mut asker = Asker::new();
    let mut literals: Vec<String> = Vec::new();
    for byte in 0..=255_u8 {
        literals.extend(["\"", "'"].map(|quote| format!("{quote}a\\x{byte:02x}b{quote}")));
        literals.push(format!("\"\\x{byte:02X}\\{byte:03o}\""));
        literals.push(format!("'\\{byte:03o}'"));
        if byte.is_ascii() {
            let letter = char::from(byte);
            for quote in ["\"", "'", "`"] {
                literals.push(format!("{quote}\\{letter}{quote}"));
                literals.push(format!("{quote}\\{letter}00000000{quote}"));
                literals.push(format!("{quote}{letter}{quote}"));
            }
        }
    }
    for code in ["0000", "0041", "00e9", "d7ff", "d800", "dfff", "e000", "fffd", "fffe", "ffff", "12", "12g4"] {
        literals.push(format!("\"\\u{code}\""));
    }
    for code in ["00000041", "0001F600", "0010ffff", "00110000", "0000d800", "ffffffff", "0001F60"] {
        literals.push(format!("'\\U{code}'"));
    }
    for text in [
        "\\x4",
        "\\400",
        "\\377",
        "\\08",
        "\\",
        "\\xgg",
        "\\u",
        "\\U",
        "a\\",
        "\\N",
        "\\e",
        "\\/",
        "\\?",
        "\u{1f600}",
        "\u{85}",
    ] {
        literals.extend(["\"", "'", "`"].map(|quote| format!("{quote}{text}{quote}")));
    }
    for literal in literals {
        // A string alone is an expression, and answered as it was read.
        let (status, plain) = asker.ask(literal.as_bytes());
        let ours = scoped(literal.as_bytes(), &["a"]);
        assert_eq!(status == 200, ours.is_some(), "{literal:?}: {plain}");
        if let Some(ours) = ours {
            assert_eq!(asker.ask(ours.as_bytes()), (status, plain), "{literal:?} became {ours:?}");
        }
    }
}

#[test]
fn every_byte_is_taken_where_prometheus_takes_it() {
    let mut asker = Asker::new();
    let places: [(&[u8], &[u8]); 12] = [
        (b"up", b""),
        (b"", b"up"),
        (b"up", b"up"),
        (b"up ", b" up"),
        (b"up{", b"tenant=\"a\"}"),
        (b"up{tenant", b"\"a\"}"),
        (b"up{tenant=\"", b"\"}"),
        (b"up{tenant='", b"'}"),
        (b"up{tenant=`", b"`}"),
        (b"rate(up[5", b"])"),
        (b"up # ", b"x\n + 1"),
        (b"1", b"2"),
    ];
    for (before, behind) in places {
        for byte in 0..=255_u8 {
            let query = [before, &[byte], behind].concat();
            let (status, answer) = asker.ask(&query);
            let ours = scoped(&query, &["a"]);
            let text = String::from_utf8_lossy(&query).into_owned();
            // Types are the upstream's business, and Prometheus 2 has no `1_2`.
            let (wanted, got) = match &ours {
                Some(ours) => (status, asker.ask(ours.as_bytes()).0),
                // Part of a name to a Prometheus that takes names without quotes, refused here.
                None if byte == b'.' => continue,
                None => (status, 400),
            };
            assert_eq!(wanted, got, "{text:?} became {ours:?}: {answer}");
        }
    }
}
