use super::subject_values as read;
use super::*;
use fastrand::Rng;

#[test]
fn the_values_of_an_attribute_are_found_in_order() {
    for (subject, attribute, values) in [
        ("", "CN", &[][..]),
        ("CN=a", "CN", &["a"]),
        ("CN=a", "OU", &[]),
        ("CN=grafana,OU=acme,O=Team A,C=IE", "O", &["Team A"]),
        // RFC 2253, 5: examples
        ("CN=Steve Kille,O=Isode Limited,C=GB", "CN", &["Steve Kille"]),
        ("OU=Sales+CN=J. Smith,O=Widget Inc.,C=US", "CN", &["J. Smith"]),
        ("OU=Sales+CN=J. Smith,O=Widget Inc.,C=US", "OU", &["Sales"]),
        (r"CN=L. Eagle,O=Sue\, Grabbit and Runn,C=GB", "O", &["Sue, Grabbit and Runn"]),
        (r"CN=Before\0DAfter,O=Test,C=GB", "CN", &["Before\rAfter"]),
        ("1.3.6.1.4.1.1466.0=#04024869,O=Test,C=GB", "O", &["Test"]),
        (r"SN=Lu\C4\8Di\C4\87", "SN", &["Lučić"]),
        // Several.
        ("OU=b,OU=a,OU=b", "OU", &["b", "a", "b"]),
        ("OU=b+OU=a+CN=x,OU=c", "OU", &["b", "a", "c"]),
        ("ou=a,Ou=b,oU=c", "OU", &["a", "b", "c"]),
        // Names that only resemble it, and object identifiers.
        ("OUX=a,XOU=b,O-U=c,O=d", "OU", &[]),
        ("2.5.4.11=#0C0161,OID.2.5.4.11=x,OU=b", "OU", &["b"]),
        // Escapes.
        (r"CN=\,\+\\\<\>\;\#\=", "CN", &[r",+\<>;#="]),
        (r#"CN=\""#, "CN", &["\""]),
        (r"CN=\ a\ ", "CN", &[" a "]),
        (r"CN=\ ", "CN", &[" "]),
        (r"CN=\20a b\20", "CN", &[" a b "]),
        (r"CN=\41\c3\a9\2C", "CN", &["Aé,"]),
        (r"CN=\#0C0161", "CN", &["#0C0161"]),
        ("CN=é", "CN", &["é"]),
        // What needs no escape.
        ("CN=a=b#c,O=OU=x", "CN", &["a=b#c"]),
        ("CN=a=b#c,O=OU=x", "OU", &[]),
        ("CN=a /OU=x\u{1}\n", "CN", &["a /OU=x\u{1}\n"]),
        ("CN==", "CN", &["="]),
    ] {
        assert_eq!(
            read(subject.as_bytes(), attribute),
            Ok(values.iter().map(|v| (*v).to_owned()).collect()),
            "{subject}"
        );
    }
}

#[test]
fn a_value_cannot_write_another_attribute() {
    for value in [
        "x,OU=other",
        "x+OU=other",
        "x\\",
        "x\\,OU=other",
        "\",OU=other,CN=\"",
        "x;OU=other",
        " ,OU=other",
        "#,OU=other",
        "x\0,OU=other",
        "x\n,OU=other",
    ] {
        let subject = format!("CN={},OU=own", escape(value));
        assert_eq!(read(subject.as_bytes(), "OU"), Ok(vec!["own".to_owned()]), "{subject}");
        assert_eq!(read(subject.as_bytes(), "CN"), Ok(vec![value.to_owned()]), "{subject}");
    }
}

#[test]
fn a_subject_in_doubt_is_not_read_in_any_part() {
    for subject in [
        "CN",
        "=a",
        ",",
        "CN=",
        "CN=,OU=a",
        "OU=a,CN=",
        "OU=a,",
        "OU=a+",
        ",OU=a",
        "OU=a,,OU=b",
        "OU=a,+OU=b",
        "OU=a, OU=b",
        "OU=a ,OU=b",
        "OU=a +OU=b",
        "OU=a ",
        "OU= a",
        "OU= ",
        " OU=a",
        "OU =a",
        "OU=a;OU=b",
        "OU=a<b",
        "OU=a>b",
        r#"OU="a""#,
        r#"OU="a,b",OU=c"#,
        r#"OU=a"b"#,
        r"OU=a\",
        r"OU=a\4",
        r"OU=a\4g",
        r"OU=a\g4",
        "OU=a\\\u{e9}",
        r"OU=\C3",
        r"OU=\FF",
        r"OU=a\C3,OU=\A9",
        "OU=#",
        "OU=#0",
        "OU=#0g",
        "OU=#0C01 61",
        "O U=a",
        "O\0U=a",
        "É=a",
        "/CN=a/OU=b",
        "x,OU=a",
    ] {
        // In this attribute, and in another that nobody has asked for.
        assert_eq!(read(subject.as_bytes(), "OU"), Err(Ambiguous), "{subject}");
        assert_eq!(read(subject.as_bytes(), "C"), Err(Ambiguous), "{subject}");
        assert_eq!(read(format!("C=IE,{subject}").as_bytes(), "C"), Err(Ambiguous), "{subject}");
    }
    assert_eq!(read(b"OU=a\xff", "OU"), Err(Ambiguous));
    assert_eq!(read(b"OU=a\xff", "C"), Err(Ambiguous));
    // An encoding is no text: it refuses where it is asked for.
    assert_eq!(read(b"OU=#0C0161,CN=a", "OU"), Err(Ambiguous));
    assert_eq!(read(b"OU=#0C0161,CN=a", "CN"), Ok(vec!["a".to_owned()]));
    assert_eq!(read(b"OU=b,OU=#0C0161", "OU"), Err(Ambiguous));
}

/// A value as BoringSSL writes it.
fn escape(value: &str) -> String {
    let mut out = String::new();
    for (index, byte) in value.bytes().enumerate() {
        let last = value.len().checked_sub(1) == Some(index);
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => out.extend(['\\', char::from(byte)]),
            b' ' if index == 0 || last => out.push_str("\\ "),
            b'#' if index == 0 => out.push_str("\\#"),
            0..32 | 127.. => out.push_str(&format!("\\{byte:02X}")),
            plain => out.push(char::from(plain)),
        }
    }
    out
}

#[test]
fn every_subject_is_read_as_it_was_before_it_was_written() {
    const PIECES: &[char] =
        &['a', 'O', 'U', '=', ',', '+', '"', '\\', '<', '>', ';', '#', ' ', '\0', '\n', 'é', '日', '4', 'C', '\u{7f}'];
    let mut random = Rng::with_seed(7);
    for _ in 0..20_000 {
        let attributes: Vec<(&str, String)> = (0..random.usize(..6))
            .map(|_| {
                (
                    ["CN", "OU", "O", "1.2.3"][random.usize(..4)],
                    (0..random.usize(1..7)).map(|_| PIECES[random.usize(..PIECES.len())]).collect(),
                )
            })
            .collect();
        let mut subject = String::new();
        for (index, (name, value)) in attributes.iter().enumerate() {
            subject.push_str(if index == 0 { "" } else { [",", "+"][random.usize(..2)] });
            subject.push_str(&format!("{name}={}", escape(value)));
        }
        for wanted in ["CN", "OU", "O"] {
            let own: Vec<String> =
                attributes.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).collect();
            assert_eq!(read(subject.as_bytes(), wanted), Ok(own), "{subject}");
        }
    }
}

#[test]
fn no_bytes_end_anything_and_what_is_taken_is_taken_again() {
    const PIECES: [&str; 14] = ["CN", "OU", "=", ",", "+", "\\", "#", " ", "\"", "0C", "a", "é", "\\2", "="];
    let mut random = Rng::with_seed(11);
    for round in 0..50_000 {
        let subject: Vec<u8> = if round % 2 == 0 {
            (0..random.usize(..24)).flat_map(|_| PIECES[random.usize(..PIECES.len())].bytes()).collect()
        } else {
            (0..random.usize(..24)).map(|_| random.u8(..)).collect()
        };
        let Ok(values) = read(&subject, "OU") else { continue };
        let again = values.iter().map(|value| format!("OU={}", escape(value))).collect::<Vec<_>>().join(",");
        assert_eq!(read(again.as_bytes(), "OU"), Ok(values), "{:?}", String::from_utf8_lossy(&subject));
    }
}
