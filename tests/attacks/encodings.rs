//! Encodings: the same bytes, read as something else by whoever decodes once more, or less.

use super::attack::{Attack, attack, carry_out, raw};
use super::field::FIELD;
use super::{VICTIMS, ask};
use crate::support::client::{get, post};

const BAD: &[u16] = &[400];

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, target) in [
        ("a percent sign at the end", "/api/v1/query?query=up%".to_owned()),
        ("half an escape", "/api/v1/query?query=up%2".into()),
        ("an escape of no digits", "/api/v1/query?query=up%zz".into()),
        ("an escape of IIS", "/api/v1/query?query=%u0075p".into()),
        ("a bad escape in a parameter that nobody reads", format!("/api/v1/query?query=up&x=%&query={VICTIMS}")),
        ("a bad escape in a name", format!("/api/v1/labels?match%5=x&match[]={VICTIMS}")),
        ("a NUL in the query", "/api/v1/query?query=up%00".into()),
        ("a NUL behind a name", format!("/api/v1/query?query=up&query%00={VICTIMS}")),
        ("a NUL in a parameter that passes", "/api/v1/query?query=up&time=1%00".into()),
        ("bytes that are no UTF-8", "/api/v1/query?query=up%ff".into()),
        ("an overlong quote", "/api/v1/query?query=up%7Btenant=%C0%A2victim%C0%A2%7D".into()),
        ("an overlong NUL", "/api/v1/query?query=up%C0%80".into()),
        ("half a surrogate", "/api/v1/query?query=up%ED%A0%80".into()),
        ("a letter cut in the middle", "/api/v1/series?match[]=up%7Bword=%22%E2%82%22%7D".into()),
        ("a byte order mark in front", "/api/v1/query?query=%EF%BB%BFup".into()),
        ("wide letters", "/api/v1/query?query=u%00p%00".into()),
        ("wide letters with a mark", "/api/v1/query?query=%FF%FEu%00p%00".into()),
        ("a doubly encoded query", "/api/v1/query?query=%2575%2570%257B%257D".into()),
        ("braces of full width", "/api/v1/query?query=up%EF%BD%9Btenant=%22victim%22%EF%BD%9D".into()),
        ("a quote of typographers", "/api/v1/query?query=up%7Btenant=%E2%80%9Cvictim%E2%80%9D%7D".into()),
        ("an equals sign of full width", "/api/v1/query?query=up%7Btenant%EF%BC%9D%22victim%22%7D".into()),
        ("a space without a break", "/api/v1/query?query=up%C2%A0or%C2%A0up".into()),
        ("a vertical tab as white space", "/api/v1/query?query=up%0Bor%0Bup".into()),
        ("a backspace in a string", "/api/v1/query?query=%22%08".into()),
        ("an escape of Java", "/api/v1/query?query=%5Cu0075p".into()),
        ("a replacement character", "/api/v1/query?query=up%7Bword=%22%EF%BF%BD%22%7D".into()),
    ] {
        all.push(attack(name, get(target)).refused(BAD));
    }
    for (name, target) in [
        ("everything encoded", "/api/v1/%71%75%65%72%79?%71%75%65%72%79=%75%70".to_owned()),
        ("encoded in lower case", "/api/v1/query?query=up%7btenant%3d%22victim%22%7d".into()),
        ("a line separator that ends no comment", "/api/v1/query?query=up%23%E2%80%A8%2Bup%7B".into()),
        ("a plus for a space", "/api/v1/query?query=up+or+up%7Btenant%3D%22victim%22%7D".into()),
        ("an ampersand in a string", "/api/v1/query?query=up%7Bword%21%3D%22x%26query%3Dup%22%7D".into()),
        ("an equals sign in a value", "/api/v1/query?query=up%7Bword!=%22x=y%22%7D".into()),
        ("an escaped quote in a string", r"/api/v1/query?query=up%7Bword!=%22%5C%22%7D%20or%20up%7B%22%7D".into()),
        (
            "a label's name by escapes of a string",
            r"/api/v1/query?query=up%7B%22te%5Cu006eant%22=%22victim%22%7D".into(),
        ),
        ("a value by octal escapes", r"/api/v1/query?query=up%7Btenant=%22%5C166ictim%22%7D".into()),
        ("a value by escapes of bytes", r"/api/v1/query?query=up%7Btenant=%22%5Cx76ictim%22%7D".into()),
        ("a label that looks like the tenant's", "/api/v1/query?query=up%7B%22t%D0%B5nant%22!=%22x%22%7D".into()),
        ("a label of full width", "/api/v1/query?query=up%7B%22%EF%BD%94enant%22!=%22x%22%7D".into()),
        ("a label with a joiner in it", "/api/v1/query?query=up%7B%22ten%E2%80%8Dant%22!=%22x%22%7D".into()),
        (
            "line ends in a comment",
            format!("/api/v1/query?query=up%23%0D%0A%23x-tenant:%20victim%0D%0A%0D%0A%2B{VICTIMS}"),
        ),
        ("line ends in a string", r"/api/v1/query?query=up%7Bword!=%22%5Cr%5Cnx-tenant:victim%22%7D".into()),
        ("line ends in a value that passes", "/api/v1/query?query=up&timeout=1s%0D%0Ax-tenant:%20victim".into()),
        ("a line end in backticks", "/api/v1/query?query=up%7Bword!=%60x%0D%0Ay%60%7D".into()),
        ("a value that is encoded twice", "/api/v1/query?query=up&stats=%2526query%253Dup".into()),
        ("HTML's entities in a string", "/api/v1/query?query=up%7Bword!=%22%26quot%3B%22%7D".into()),
        ("UTF-7 in a string", "/api/v1/query?query=up%7Bword!=%22%2BACIA-%22%7D".into()),
        ("a fragment, encoded", format!("/api/v1/query?query=up%23&x=%23&y={VICTIMS}")),
    ] {
        all.push(attack(name, get(target)).narrowed());
    }
    for (name, form) in [
        ("a form with a byte order mark", "\u{feff}query=up"),
        ("a form in wide letters", "q\0u\0e\0r\0y\0=\0u\0p\0"),
        ("a form of JSON", r#"{"query":"up"}"#),
        ("a form with line ends for separators", "query=up\r\nquery=down\r\n"),
    ] {
        all.push(attack(name, post("/api/v1/query", form)).refused(BAD));
    }
    let text = "query=%7B__name__%3D~%22.%2B%22%7D\r\n";
    all.push(attack("a form with a line end behind it", post("/api/v1/query", text)));
    all.push(attack("a form in another character set", post("/api/v1/query", b"query=up\xa0or\xa0up")).refused(BAD));
    let odd = ask("/api/v1/labels", &[("match[]", "up\u{a0}"), ("match[]", "\u{200b}up")]);
    all.push(attack("selectors with white space that is none", odd).refused(BAD));
    for (name, target) in [
        ("raw bytes in the target", &b"/api/v1/query?query=up\xff\xfe"[..]),
        ("raw letters in the target", "/api/v1/query?query=é".as_bytes()),
        ("a raw fragment", b"/api/v1/query?query=up#&query=down"),
        ("a raw quote and brace", br#"/api/v1/query?query=up{tenant="victim"}"#),
        ("a raw tab in the query", b"/api/v1/query?query=up\tor\tup"),
        ("a raw backslash in the query", br"/api/v1/query?query=up\x00"),
        ("a raw NUL", b"/api/v1/query?query=up\0"),
        ("a bare carriage return", b"/api/v1/query?query=up\rx-tenant: victim"),
    ] {
        all.push(raw(name, [b"GET ", target, b" HTTP/1.1\r\n{me}\r\n"].concat()));
    }
    all
}

#[test]
fn encodings() {
    carry_out(&FIELD.bench, &attacks());
}
