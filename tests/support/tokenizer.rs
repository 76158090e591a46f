//! A tokenizer of its own, for what the core is given and for what it writes.
//!
//! Owns a second reading of PromQL's letters, made from the lexical facts: names, numbers, strings, comments. It takes text
//! that Prometheus accepts for granted, so that it can be simple. Must not know how the core works, nor share a line with
//! it. Depends on `std` alone: the fuzzing targets use it, too.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Word(String),
    /// A number or a duration, as written.
    Number(String),
    /// A string, by its bytes.
    Text(Vec<u8>),
    /// Anything else.
    Mark(&'static str),
}

/// A token where it stands.
#[derive(Debug)]
pub(crate) struct Piece<'t> {
    /// What it is.
    pub(crate) token: Token,
    /// How it is written.
    pub(crate) raw: &'t str,
    /// The bracket that closes what this one opens, or opens what this one closes.
    pub(crate) partner: usize,
    /// The innermost bracket around it.
    pub(crate) within: Option<usize>,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The longer ones first.
const MARKS: [&str; 26] = [
    "==", "=~", "!=", "!~", "<=", "</", ">=", ">/", "=", "<", ">", "+", "-", "*", "/", "%", "^", "@", ",", ":", "(",
    ")", "{", "}", "[", "]",
];

fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

/// The tokens of a text.
pub(crate) fn scan(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(SPACE);
        if rest.starts_with('#') {
            rest = split_while(rest, |c| c != '\n' && c != '\r').1;
            continue;
        }
        if rest.is_empty() {
            return if open.is_empty() { Ok(pieces) } else { Err(format!("open at the end: {text}")) };
        }
        let opened = |mark: &str| open.iter().any(|&i| pieces[i].raw == mark);
        let (token, behind) = token(rest, opened("["), opened("{"))?;
        let raw = rest.split_at(rest.len() - behind.len()).0;
        let at = pieces.len();
        let mut piece = Piece { token, raw, partner: at, within: open.last().copied() };
        match raw {
            "(" | "{" | "[" => open.push(at),
            ")" | "}" | "]" => {
                let opening =
                    open.pop().filter(|&i| matches!((pieces[i].raw, raw), ("(", ")") | ("{", "}") | ("[", "]")));
                piece.partner = opening.ok_or_else(|| format!("{raw} closes nothing: {text}"))?;
                piece.within = open.last().copied();
                pieces[piece.partner].partner = at;
            }
            _ => {}
        }
        pieces.push(piece);
        rest = behind;
    }
}

/// The token that `rest` begins with, and what follows it.
fn token(rest: &str, in_brackets: bool, in_braces: bool) -> Result<(Token, &str), String> {
    let first = rest.chars().next().unwrap_or_default();
    let second = rest.chars().nth(1).unwrap_or_default();
    if matches!(first, '"' | '\'' | '`') {
        let (value, behind) = string(rest, first)?;
        return Ok((Token::Text(value), behind));
    }
    if first.is_ascii_digit() || first == '.' && second.is_ascii_digit() {
        let in_number = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let (mut number, mut behind) = split_while(rest, in_number);
        // The sign of an exponent belongs to the number.
        if number.ends_with(['e', 'E'])
            && !(number.starts_with("0x") || number.starts_with("0X"))
            && let Some(exponent) = behind.strip_prefix(['+', '-'])
        {
            let behind_all = split_while(exponent, in_number).1;
            (number, behind) = rest.split_at(rest.len() - behind_all.len());
        }
        return Ok((Token::Number(number.to_owned()), behind));
    }
    // In brackets a colon parts the range from the resolution; elsewhere it belongs to a metric's name.
    let in_word = |c: char| match c {
        ':' => !in_brackets && !in_braces,
        '0'..='9' => !in_brackets,
        _ => c == '_' || c.is_ascii_alphabetic(),
    };
    let (word, behind) = split_while(rest, in_word);
    if !word.is_empty() {
        let number = !in_braces && ["inf", "nan"].contains(&word.to_ascii_lowercase().as_str());
        let kind = if number { Token::Number } else { Token::Word };
        return Ok((kind(word.to_owned()), behind));
    }
    let found = MARKS.into_iter().find_map(|mark| Some((Token::Mark(mark), rest.strip_prefix(mark)?)));
    found.ok_or_else(|| format!("{first:?} in: {rest}"))
}

/// The value of the string that `rest` begins with, and what follows it.
fn string(rest: &str, quote: char) -> Result<(Vec<u8>, &str), String> {
    let mut value = Vec::new();
    let mut chars = rest.chars();
    chars.next();
    loop {
        match chars.next() {
            Some(c) if c == quote => return Ok((value, chars.as_str())),
            Some('\\') if quote != '`' => {}
            None | Some(char::REPLACEMENT_CHARACTER) => return Err(format!("no string: {rest}")),
            Some('\n') if quote != '`' => return Err(format!("a line ends in: {rest}")),
            Some(c) => {
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        }
        let plain = chars.as_str();
        let (skip, digits, base) = match chars.next() {
            Some('x') => (1, 2, 16),
            Some('u') => (1, 4, 16),
            Some('U') => (1, 8, 16),
            Some('0'..='7') => (0, 3, 8),
            Some(c) => {
                let known = [('a', 7), ('b', 8), ('f', 12), ('n', 10), ('r', 13), ('t', 9), ('v', 11), ('\\', 92)];
                let own = (quote == c).then_some(c).and_then(|c| u8::try_from(c).ok());
                let found = known.iter().find(|(name, _)| *name == c).map(|(_, byte)| *byte).or(own);
                value.push(found.ok_or_else(|| format!("no escape: {plain}"))?);
                continue;
            }
            None => return Err(format!("no string: {rest}")),
        };
        let code: String = plain.chars().skip(skip).take(digits).collect();
        let number = code.chars().try_fold(0_u32, |sum, c| Some(sum.wrapping_mul(base) + c.to_digit(base)?));
        let number = number.filter(|_| code.len() == digits).ok_or_else(|| format!("no escape: {plain}"))?;
        if digits < 4 {
            value.push(u8::try_from(number).map_err(|_| format!("more than a byte: {plain}"))?);
        } else {
            let c = char::from_u32(number).ok_or_else(|| format!("no character: {plain}"))?;
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        chars = plain.split_at(skip + code.len()).1.chars();
    }
}
