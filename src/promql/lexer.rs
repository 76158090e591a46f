//! From bytes to tokens, one at a time.
//!
//! Owns where a token begins and ends, exactly as Prometheus's lexer has it: a disagreement there could hide a selector.
//! Must not know the grammar; like Prometheus's, it keeps just enough state to tell braces and brackets from the rest.
//! Nothing is stored: a token is three words, and the text stays where it is.
// Prometheus: promql/parser/lex.go

use super::error::{Problem, Refusal};
use super::token::{Escapes, Keyword, Kind, Operator, Token, keyword};

/// Reads a text token by token.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    /// The token that has been found last and is to be read next. It stays in one place, because a token that is
    /// returned for every word of a query is copied for every word.
    pub(super) token: Token,
    at: usize,
    mode: Mode,
    open_parens: usize,
    /// Whether `[` is open.
    bracket: bool,
    /// Whether the open bracket has had its colon.
    colon: bool,
    /// Whether any bracket so far has held a number. Prometheus never forgets this, so neither does this lexer.
    number_in_bracket: bool,
}

/// Which characters can begin a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Everywhere but in the other two.
    Statement,
    /// Between braces.
    Braces,
    /// From `[` to the first number, or to `]`.
    Bracket,
}

type Lexed = Result<(), Refusal>;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            token: Token { kind: Kind::End, start: 0, end: 0 },
            at: 0,
            mode: Mode::Statement,
            open_parens: 0,
            bracket: false,
            colon: false,
            number_in_bracket: false,
        }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'t [u8] {
        self.text
    }

    /// The bytes of a token.
    pub(super) fn slice(&self, token: Token) -> &'t [u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// Goes on to the next token; after the last one, to `End` again and again.
    pub(super) fn advance(&mut self) -> Lexed {
        match self.mode {
            Mode::Statement => self.statement(),
            Mode::Braces => self.in_braces(),
            Mode::Bracket => self.in_bracket(),
        }
    }

    fn statement(&mut self) -> Lexed {
        self.skip_space_and_comments();
        let start = self.at;
        let Some(byte) = self.bump() else {
            return if self.open_parens != 0 {
                Err(Refusal::form(start, "unclosed left parenthesis"))
            } else if self.bracket {
                Err(Refusal::form(start, "unclosed left bracket"))
            } else {
                self.token(start, Kind::End)
            };
        };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' => self.word(start, byte),
            b'0'..=b'9' => self.number(start),
            b'.' if self.peek().is_some_and(|b| b.is_ascii_digit()) => self.number(start),
            b'(' => {
                self.open_parens = self.open_parens.saturating_add(1);
                self.token(start, Kind::LeftParen)
            }
            b')' => self.right_paren(start),
            b'{' => {
                self.mode = Mode::Braces;
                self.token(start, Kind::LeftBrace)
            }
            b'[' => {
                if self.bracket {
                    return Err(self.unexpected(start, "unexpected left bracket"));
                }
                self.bracket = true;
                self.colon = false;
                self.mode = Mode::Bracket;
                self.token(start, Kind::LeftBracket)
            }
            b']' => {
                if !self.bracket {
                    return Err(self.unexpected(start, "unexpected right bracket"));
                }
                self.bracket = false;
                self.token(start, Kind::RightBracket)
            }
            b',' => self.token(start, Kind::Comma),
            b'"' | b'\'' => self.string(start, byte),
            b'`' => self.raw_string(start),
            b'@' => self.token(start, Kind::At),
            b'=' => {
                if self.accept(b'=') {
                    self.operator(start, Operator::Equal)
                } else if self.peek() == Some(b'~') {
                    Err(self.unexpected_at(start, self.at, "unexpected character after '=':"))
                } else {
                    self.token(start, Kind::Equal)
                }
            }
            b'!' => {
                if self.accept(b'=') {
                    self.operator(start, Operator::NotEqual)
                } else {
                    Err(self.unexpected_at(start, self.at, "unexpected character after '!':"))
                }
            }
            b'<' => {
                let operator = if self.accept(b'=') {
                    Operator::LessOrEqual
                } else if self.accept(b'/') {
                    Operator::TrimUpper
                } else {
                    Operator::Less
                };
                self.operator(start, operator)
            }
            b'>' => {
                let operator = if self.accept(b'=') {
                    Operator::GreaterOrEqual
                } else if self.accept(b'/') {
                    Operator::TrimLower
                } else {
                    Operator::Greater
                };
                self.operator(start, operator)
            }
            _ => match arithmetic(byte) {
                Some(operator) => self.operator(start, operator),
                None => Err(self.unexpected(start, "unexpected character:")),
            },
        }
    }

    fn in_braces(&mut self) -> Lexed {
        self.skip_space_and_comments();
        let start = self.at;
        let Some(byte) = self.bump() else {
            return Err(Refusal::form(start, "unexpected end of input inside braces"));
        };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.skip_while(is_alphanumeric);
                self.token(start, Kind::Identifier)
            }
            b',' => self.token(start, Kind::Comma),
            b'"' | b'\'' => self.string(start, byte),
            b'`' => self.raw_string(start),
            b'=' => {
                let kind = if self.accept(b'~') { Kind::EqualRegex } else { Kind::Equal };
                self.token(start, kind)
            }
            b'!' => {
                if self.accept(b'~') {
                    self.token(start, Kind::NotEqualRegex)
                } else if self.accept(b'=') {
                    self.operator(start, Operator::NotEqual)
                } else {
                    Err(self.unexpected_at(start, self.at, "unexpected character after '!' inside braces:"))
                }
            }
            b'}' => {
                self.mode = Mode::Statement;
                self.token(start, Kind::RightBrace)
            }
            b'{' => Err(self.unexpected(start, "unexpected left brace")),
            _ => Err(self.unexpected(start, "unexpected character inside braces:")),
        }
    }

    /// A duration up to its first number. No comments here: Prometheus takes none before that.
    fn in_bracket(&mut self) -> Lexed {
        self.skip_while(is_space);
        let start = self.at;
        let Some(byte) = self.bump() else {
            return Err(Refusal::form(start, "unexpected end of input in duration expression"));
        };
        match byte {
            b']' => {
                self.mode = Mode::Statement;
                self.bracket = false;
                self.colon = false;
                self.token(start, Kind::RightBracket)
            }
            b':' if !self.number_in_bracket => {
                Err(Refusal::form(self.at, "unexpected colon before duration in duration expression"))
            }
            b':' if self.colon => Err(Refusal::form(self.at, "unexpected repeated colon in duration expression")),
            b':' => {
                self.colon = true;
                self.token(start, Kind::Colon)
            }
            b'(' => {
                self.open_parens = self.open_parens.saturating_add(1);
                self.token(start, Kind::LeftParen)
            }
            b')' => self.right_paren(start),
            b',' => self.token(start, Kind::Comma),
            b'0'..=b'9' => self.number(start),
            b'.' if self.peek().is_some_and(|b| b.is_ascii_digit()) => self.number(start),
            b's' | b'S' | b'r' | b'R' | b'm' | b'M' => match self.duration_keyword(start) {
                Some(keyword) => self.token(start, Kind::Keyword(keyword)),
                None => Err(self.unexpected(start, "unexpected character in duration expression:")),
            },
            _ => match arithmetic(byte) {
                Some(operator) => self.operator(start, operator),
                None => Err(self.unexpected(start, "unexpected character in duration expression:")),
            },
        }
    }

    fn right_paren(&mut self, start: usize) -> Lexed {
        match self.open_parens.checked_sub(1) {
            Some(open) => {
                self.open_parens = open;
                self.token(start, Kind::RightParen)
            }
            // Prometheus has gone on by one when it counts its parentheses.
            None => Err(self.unexpected_at(self.at, start, "unexpected right parenthesis")),
        }
    }

    /// A name or a keyword, or what may stand in an open bracket.
    fn word(&mut self, start: usize, first: u8) -> Lexed {
        if self.bracket {
            return self.word_in_bracket(start, first);
        }
        let mut colon = first == b':';
        self.skip_while(is_alphanumeric);
        while self.accept(b':') {
            colon = true;
            self.skip_while(is_alphanumeric);
        }
        // A Prometheus with `promql-unquoted-utf8-names` takes a dot for a part of the name: what is the number behind `bool` in
        // `up == bool.5` here would be a metric there, and nobody's matchers would be in it.
        if self.peek() == Some(b'.') {
            return Err(self.unexpected(self.at, "unexpected character:"));
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        let kind = match keyword(word) {
            Some(Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)) if !self.paren_follows() => {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if colon => Kind::MetricIdentifier,
            None => Kind::Identifier,
        };
        self.token(start, kind)
    }

    fn word_in_bracket(&mut self, start: usize, first: u8) -> Lexed {
        if first == b':' {
            if self.colon {
                return Err(self.unexpected(start, "unexpected colon"));
            }
            self.colon = true;
            return self.token(start, Kind::Colon);
        }
        match self.duration_keyword(start) {
            Some(keyword) => self.token(start, Kind::Keyword(keyword)),
            None => Err(self.unexpected(start, "unexpected character:")),
        }
    }

    /// The function of durations whose first letter has been read. A digit ends it, other than elsewhere.
    fn duration_keyword(&mut self, start: usize) -> Option<Keyword> {
        self.skip_while(|b| b.is_ascii_alphabetic() || b == b'_');
        match keyword(self.text.get(start..self.at)?) {
            Some(Kind::Keyword(word @ (Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf))) => {
                Some(word)
            }
            Some(_) | None => None,
        }
    }

    /// Whether `(` follows, after white space only: a comment in between makes `fill` a name.
    fn paren_follows(&self) -> bool {
        self.text.iter().skip(self.at).find(|&&b| !is_space(b)) == Some(&b'(')
    }

    /// A number, or else a duration from where the number failed. The values are checked where they are used.
    fn number(&mut self, start: usize) -> Lexed {
        if self.mode == Mode::Bracket {
            self.number_in_bracket = true;
            self.mode = Mode::Statement;
        }
        self.at = start;
        if self.scan_number() {
            return self.token(start, Kind::Number);
        }
        if self.scan_units() {
            return self.token(start, Kind::Duration);
        }
        let problem =
            Problem::quoted("bad number or duration syntax:", self.text.get(start..self.at).unwrap_or_default());
        Err(Refusal::at(start, problem))
    }

    /// Follows Prometheus step by step, because it leaves the place where it fails to the duration.
    fn scan_number(&mut self) -> bool {
        let mut hex = false;
        if self.accept(b'0') && self.accept_if(|b| b == b'x' || b == b'X') {
            self.accept(b'_');
            hex = true;
        }
        let digit = |b: u8| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
        let exponent = |b: u8| b == b'e' || b == b'E';
        let after_exponent = |b: u8| b == b'.' || b == b'_' || exponent(b);
        self.accept(b'.');
        self.accept_if(digit);
        let (mut dot, mut exponents) = (false, false);
        while let Some(byte) = self.peek() {
            if byte == b'.' {
                self.bump();
                if dot || self.accept_if(|b| b == b'_' || b == b'.') || hex {
                    return false;
                }
                dot = true;
            } else if exponent(byte) {
                self.bump();
                if exponents {
                    return false;
                }
                exponents = true;
                self.accept_if(|b| b == b'+' || b == b'-');
                if self.accept_if(after_exponent) || self.peek().is_none() {
                    return false;
                }
            } else if byte == b'_' {
                self.bump();
                if self.accept_if(after_exponent) || self.peek().is_none() {
                    return false;
                }
            } else if digit(byte) {
                self.skip_while(digit);
            } else {
                break;
            }
        }
        !self.peek().is_some_and(is_alphanumeric)
    }

    /// The units of a duration, from the first on.
    fn scan_units(&mut self) -> bool {
        if !self.accept_if(|b| matches!(b, b's' | b'm' | b'h' | b'd' | b'w' | b'y')) {
            return false;
        }
        self.accept(b's');
        while self.accept_if(|b| b.is_ascii_digit()) {
            self.skip_while(|b| b.is_ascii_digit());
            if !self.accept_if(|b| matches!(b, b's' | b'm' | b'h' | b'd' | b'w')) {
                return false;
            }
            self.accept(b's');
        }
        !self.peek().is_some_and(is_alphanumeric)
    }

    /// A string in `quote`s whose first has been read.
    fn string(&mut self, start: usize, quote: u8) -> Lexed {
        let mut escapes = Escapes::None;
        loop {
            self.skip_while(|b| b != quote && b != b'\\' && b != b'\n');
            match self.bump() {
                Some(b'\\') => {
                    escapes = Escapes::Some;
                    self.escape(start, quote)?;
                }
                Some(byte) if byte == quote => break,
                Some(_) | None => return Err(Refusal::form(start, "unterminated quoted string")),
            }
        }
        self.text_of_string(start, escapes)
    }

    /// An escape whose backslash has been read.
    fn escape(&mut self, start: usize, quote: u8) -> Result<(), Refusal> {
        let unterminated = || Refusal::form(start, "escape sequence not terminated");
        let byte = self.bump().ok_or_else(unterminated)?;
        let (digits, base, first) = match byte {
            b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' => return Ok(()),
            _ if byte == quote => return Ok(()),
            b'0'..=b'7' => (2, 8, char::from(byte).to_digit(8).unwrap_or_default()),
            b'x' => (2, 16, 0),
            b'u' => (4, 16, 0),
            b'U' => (8, 16, 0),
            _ => return Err(Refusal::form(start, "unknown escape sequence")),
        };
        let mut value: u32 = first;
        for _ in 0..digits {
            let digit = self.bump().ok_or_else(unterminated)?;
            let digit = char::from(digit)
                .to_digit(base)
                .ok_or_else(|| Refusal::form(start, "illegal character in escape sequence"))?;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        // Surrogates are no characters, and an octal escape is one byte.
        if char::from_u32(value).is_none() || (base == 8 && value > 255) {
            return Err(Refusal::form(start, "escape sequence is an invalid Unicode code point"));
        }
        Ok(())
    }

    /// A string in backticks whose first has been read: no escapes, and lines may end in it.
    fn raw_string(&mut self, start: usize) -> Lexed {
        self.skip_while(|b| b != b'`');
        if self.bump().is_none() {
            return Err(Refusal::form(start, "unterminated raw string"));
        }
        self.text_of_string(start, Escapes::None)
    }

    /// Takes what has been read since `start` as a string, if it is UTF-8 without the replacement character.
    fn text_of_string(&mut self, start: usize, escapes: Escapes) -> Lexed {
        let bytes = self.text.get(start..self.at).unwrap_or_default();
        if !bytes.is_ascii() && !std::str::from_utf8(bytes).is_ok_and(|s| !s.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(Refusal::form(start, "invalid UTF-8 rune"));
        }
        self.token(start, Kind::String(escapes))
    }

    fn skip_space_and_comments(&mut self) {
        self.skip_while(is_space);
        while self.accept(b'#') {
            // A carriage return ends a comment, too.
            self.skip_while(|b| b != b'\n' && b != b'\r');
            self.skip_while(is_space);
        }
    }

    /// The character at `start` cannot stand there.
    #[cold]
    fn unexpected(&self, start: usize, what: &'static str) -> Refusal {
        self.unexpected_at(start, start, what)
    }

    /// The character at `at` cannot stand there, in a token that begins at `start`.
    #[cold]
    fn unexpected_at(&self, start: usize, at: usize, what: &'static str) -> Refusal {
        let rest = self.text.get(at..).unwrap_or_default();
        let found = rest.get(..4).unwrap_or(rest).utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        Refusal::at(start, Problem::Character { what, found: found.unwrap_or(char::REPLACEMENT_CHARACTER) })
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends the arms of functions that can fail")]
    fn token(&mut self, start: usize, kind: Kind) -> Lexed {
        self.token = Token { kind, start, end: self.at };
        Ok(())
    }

    fn operator(&mut self, start: usize, operator: Operator) -> Lexed {
        self.token(start, Kind::Operator(operator))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.accept_if(|b| b == byte)
    }

    fn accept_if(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let run = rest.iter().position(|&b| !wanted(b)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(run);
    }
}

fn arithmetic(byte: u8) -> Option<Operator> {
    Some(match byte {
        b'+' => Operator::Add,
        b'-' => Operator::Sub,
        b'*' => Operator::Mul,
        b'/' => Operator::Div,
        b'%' => Operator::Mod,
        b'^' => Operator::Pow,
        _ => return None,
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_alphanumeric(byte: u8) -> bool {
    ALPHANUMERIC.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Letters, digits and the underscore, looked up: most of a text is names.
const ALPHANUMERIC: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = u8::MAX;
    while byte > 0 {
        #[expect(
            clippy::as_conversions,
            clippy::indexing_slicing,
            reason = "the compiler evaluates it: out of bounds would not build"
        )]
        {
            table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        }
        byte = byte.saturating_sub(1);
    }
    table
};

#[cfg(test)]
mod tests;
