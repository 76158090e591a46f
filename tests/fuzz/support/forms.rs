//! Forms and query strings as Go reads them (`net/url`, `parseQuery`), and strictly: what Go would drop is an error.

/// Name and value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The pairs of `text`; `None` when one of them is malformed.
pub fn read(text: &[u8]) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    for pair in text.split(|byte| *byte == b'&') {
        if pair.contains(&b';') {
            return None;
        }
        if pair.is_empty() {
            continue;
        }
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        pairs.push((unescape(&pair[..end])?, unescape(pair.get(end + 1..).unwrap_or_default())?));
    }
    Some(pairs)
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain => plain,
        });
    }
    Some(out)
}

/// The pairs of what goes upstream, which nobody may read in two ways.
pub fn read_written(text: &str) -> Vec<Pair> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*+%=&".contains(&byte);
    assert!(text.bytes().all(plain), "a byte went on without encoding: {text}");
    let pairs = read(text.as_bytes()).expect("well-formed");
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let other: Vec<(String, String)> =
        url::form_urlencoded::parse(text.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let ours: Vec<(String, String)> = pairs.iter().map(|(n, v)| (lossy(n), lossy(v))).collect();
    assert_eq!(ours, other);
    pairs
}
