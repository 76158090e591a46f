//! The third opinion: what each word of a text is, which of them are selectors, and where the matchers stand.
//!
//! Owns a reading of PromQL by what stands beside a word, without any grammar: it reads all that the core writes, what
//! the other parser cannot read included. Must not know how the core works, nor share a line with it. Depends on `std`
//! and on `tokenizer` beside it: the fuzzing targets use both, too.

use super::tokenizer::{Piece, Token, scan};

/// What a word is, or an opening bracket opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The name of a metric, in front of its braces or without any.
    Metric,
    /// The name of a function that is called.
    Function,
    /// The name of a label.
    Label,
    /// A word of the language, functions of durations included.
    Keyword,
    /// Labels in parentheses.
    Labels,
    /// Matchers in braces.
    Matchers,
    /// A duration in brackets or in parentheses.
    Duration,
    /// The value of `fill`.
    Fill,
    /// Everything else.
    Other,
}

const AGGREGATIONS: [&str; 14] = [
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "limit_ratio",
    "limitk",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

/// A text in tokens, each with its role.
#[derive(Debug)]
pub(crate) struct Reading<'t> {
    pieces: Vec<Piece<'t>>,
    /// What each is.
    roles: Vec<Role>,
}

/// A selector: its first token, its braces, and the token behind it.
#[derive(Clone, Copy, Debug)]
struct Selector {
    start: usize,
    braces: Option<(usize, usize)>,
    end: usize,
}

/// The matchers that must stand at every selector.
#[derive(Debug)]
pub(crate) struct Ours {
    plain: Vec<Vec<Token>>,
    unechoed: Vec<Vec<Token>>,
}

impl Ours {
    /// `plain` stands last in the braces; `unechoed` first, where `absent()` would echo the other.
    pub(crate) fn new(plain: &str, unechoed: &str) -> Self {
        let entries = |text: &str| {
            let braces = format!("{{{text}}}");
            let reading = Reading::new(&braces).expect("matchers");
            reading.entries((0, reading.pieces.len() - 1)).expect("matchers")
        };
        Self { plain: entries(plain), unechoed: entries(unechoed) }
    }
}

/// Reads `output` and counts its selectors, each of which must carry the matchers once and at the right end. The text
/// must be as the core spells it: no comments, nothing but single spaces, double quotes.
pub(crate) fn check(output: &str, ours: &Ours) -> Result<usize, String> {
    let reading = Reading::new(output)?;
    reading.check_spelling(output)?;
    let selectors = reading.selectors();
    for selector in &selectors {
        let complain = |what: &str| format!("{what}: token {} of {output}", selector.start);
        let entries = selector.braces.map_or(Ok(Vec::new()), |braces| reading.entries(braces))?;
        let rest = if reading.is_echoed(*selector)? {
            entries.strip_prefix(&ours.unechoed[..]).ok_or_else(|| complain("not first in absent()"))?
        } else {
            entries.strip_suffix(&ours.plain[..]).ok_or_else(|| complain("not last"))?
        };
        if rest.iter().any(|entry| ours.plain.contains(entry) || ours.unechoed.contains(entry)) {
            return Err(complain("twice"));
        }
    }
    Ok(selectors.len())
}

/// Reads both texts and counts the selectors: `output` must be the tokens of `input`, canonically, with the matchers
/// at every selector and nothing else. What the request itself matches may be the same.
pub(crate) fn compare(input: &str, output: &str, ours: &Ours) -> Result<usize, String> {
    let (read, written) = (Reading::new(input)?, Reading::new(output)?);
    written.check_spelling(output)?;
    let (wanted, count) = read.with(ours)?;
    let found: Vec<&Token> = written.pieces.iter().map(|piece| &piece.token).collect();
    if let Some(place) = (0..wanted.len().max(found.len())).find(|&i| wanted.get(i) != found.get(i).copied()) {
        let (wanted, found) = (wanted.get(place), found.get(place));
        return Err(format!("token {place} is {found:?}, not {wanted:?}: {input} became {output}"));
    }
    Ok(count)
}

impl<'t> Reading<'t> {
    /// Tells the tokens of a text, and what each is.
    pub(crate) fn new(text: &'t str) -> Result<Self, String> {
        let pieces = scan(text)?;
        let mut reading = Self { roles: vec![Role::Other; pieces.len()], pieces };
        reading.tell_roles()?;
        Ok(reading)
    }

    /// The words of the text.
    pub(crate) fn words(&self) -> impl Iterator<Item = (Role, &str)> {
        (0..self.pieces.len()).filter_map(|i| Some((self.role(i), self.word(i)?)))
    }

    fn role(&self, i: usize) -> Role {
        self.roles.get(i).copied().unwrap_or(Role::Other)
    }

    fn word(&self, i: usize) -> Option<&str> {
        self.pieces.get(i).filter(|piece| matches!(piece.token, Token::Word(_))).map(|piece| piece.raw)
    }

    fn mark(&self, i: usize) -> &'static str {
        if let Some(Piece { token: Token::Mark(mark), .. }) = self.pieces.get(i) { mark } else { "" }
    }

    fn is_keyword(&self, i: usize, words: &[&str]) -> bool {
        self.role(i) == Role::Keyword && self.is_word(i, words)
    }

    fn is_word(&self, i: usize, words: &[&str]) -> bool {
        self.word(i).is_some_and(|word| words.contains(&word.to_ascii_lowercase().as_str()))
    }

    fn is_sign(&self, i: usize) -> bool {
        matches!(self.mark(i), "+" | "-")
    }

    fn tell_roles(&mut self) -> Result<(), String> {
        // Whether an operand is complete, so that a word goes on from it.
        let mut done = false;
        let mut duration_ends = 0;
        for i in 0..self.pieces.len() {
            let around = self.pieces[i].within.map_or(Role::Other, |opening| self.role(opening));
            let mut role = Role::Other;
            match &self.pieces[i].token {
                Token::Number(_) | Token::Text(_) => done = true,
                Token::Word(_) => {
                    role = if matches!(around, Role::Matchers | Role::Labels) {
                        Role::Label
                    } else if around == Role::Duration || i < duration_ends {
                        Role::Keyword
                    } else {
                        self.word_in_expression(i, done)?
                    };
                    self.roles[i] = role;
                    if around == Role::Other && i >= duration_ends {
                        done = role == Role::Metric || self.is_keyword(i, &["anchored", "smoothed"]);
                    }
                    if around == Role::Other && self.is_keyword(i, &["offset"]) && i >= duration_ends {
                        duration_ends = self.end_of_offset(i + 1)?;
                    }
                }
                Token::Mark(mark) => {
                    let before = i.wrapping_sub(1);
                    match *mark {
                        "{" => role = Role::Matchers,
                        "[" => role = Role::Duration,
                        "(" if around == Role::Duration || i < duration_ends => role = Role::Duration,
                        "(" if self.is_keyword(before, &["fill", "fill_left", "fill_right"]) => role = Role::Fill,
                        "(" if self
                            .is_keyword(before, &["by", "without", "on", "ignoring", "group_left", "group_right"]) =>
                        {
                            role = Role::Labels;
                        }
                        _ => {}
                    }
                    let opening = self.pieces[i].partner;
                    done = match *mark {
                        "}" | "]" => true,
                        ")" if self.role(opening) == Role::Fill => false,
                        ")" if self.role(opening) == Role::Labels => {
                            self.is_keyword(opening.wrapping_sub(1), &["by", "without"])
                        }
                        ")" => true,
                        _ => false,
                    };
                }
            }
            self.roles[i] = role;
        }
        Ok(())
    }

    fn word_in_expression(&self, i: usize, done: bool) -> Result<Role, String> {
        const BEHIND: [&str; 8] = ["and", "or", "unless", "atan2", "offset", "anchored", "smoothed", "by"];
        const NEVER_METRICS: [&str; 5] = ["bool", "on", "ignoring", "group_left", "group_right"];
        let before = i.wrapping_sub(1);
        if done {
            let known = self.is_word(i, &BEHIND) || self.is_word(i, &["without"]);
            return known.then_some(Role::Keyword).ok_or_else(|| format!("an operator is missing at token {i}"));
        }
        let called = self.mark(i + 1) == "(";
        let keyword = self.mark(before) == "@"
            || self.is_keyword(before, &AGGREGATIONS)
            || self.is_word(i, &NEVER_METRICS)
            || called && self.is_word(i, &["fill", "fill_left", "fill_right"])
            || self.is_word(i, &AGGREGATIONS) && (called || self.is_word(i + 1, &["by", "without"]));
        Ok(if keyword {
            Role::Keyword
        } else if called {
            Role::Function
        } else {
            Role::Metric
        })
    }

    /// Where the duration ends that begins at `i`, behind `offset`: it goes on through operators when it begins with a
    /// parenthesis or with two signs.
    fn end_of_offset(&self, i: usize) -> Result<usize, String> {
        let operand = |mut i: usize| {
            while self.is_sign(i) {
                i += 1;
            }
            let called = usize::from(self.word(i).is_some());
            match self.pieces.get(i + called).map(|piece| (&piece.token, piece.partner)) {
                Some((Token::Number(_), _)) if called == 0 => Ok(i + 1),
                Some((Token::Mark("("), closing)) => Ok(closing + 1),
                _ => Err(format!("no duration at token {i}")),
            }
        };
        let mut end = operand(i)?;
        if self.mark(i) == "(" || self.is_sign(i) && self.is_sign(i + 1) {
            while matches!(self.mark(end), "+" | "-" | "*" | "/" | "%" | "^") {
                end = operand(end + 1)?;
            }
        }
        Ok(end)
    }

    fn selectors(&self) -> Vec<Selector> {
        let mut selectors = Vec::new();
        for start in 0..self.pieces.len() {
            let named = usize::from(self.role(start) == Role::Metric);
            let nameless = self.mark(start) == "{" && self.role(start.wrapping_sub(1)) != Role::Metric;
            if named == 1 || nameless {
                let open = start + named;
                let braces = (self.mark(open) == "{").then(|| (open, self.pieces[open].partner));
                selectors.push(Selector { start, braces, end: braces.map_or(open, |(_, close)| close + 1) });
            }
        }
        selectors
    }

    /// The matchers between braces.
    fn entries(&self, (open, close): (usize, usize)) -> Result<Vec<Vec<Token>>, String> {
        let tokens: Vec<Token> = self.pieces[open + 1..close].iter().map(|piece| piece.token.clone()).collect();
        let mut entries: Vec<Vec<Token>> = tokens.split(|t| *t == Token::Mark(",")).map(<[_]>::to_vec).collect();
        if entries.last().is_some_and(Vec::is_empty) {
            entries.pop();
        }
        for entry in &entries {
            let right = matches!(
                &entry[..],
                [Token::Text(_)]
                    | [Token::Word(_) | Token::Text(_), Token::Mark("=" | "!=" | "=~" | "!~"), Token::Text(_)]
            );
            if !right {
                return Err(format!("no matcher: {entry:?}"));
            }
        }
        Ok(entries)
    }

    /// Whether `absent()` or `absent_over_time()` has the selector for its argument, with its modifiers and in any
    /// parentheses, but not as a subquery.
    fn is_echoed(&self, selector: Selector) -> Result<bool, String> {
        let Selector { mut start, mut end, .. } = selector;
        loop {
            end = match self.mark(end) {
                "[" => {
                    let close = self.pieces[end].partner;
                    if (end..close).any(|i| self.mark(i) == ":") {
                        return Ok(false);
                    }
                    close + 1
                }
                "@" if self.word(end + 1).is_some() => end + 4,
                "@" => end + 2 + usize::from(self.is_sign(end + 1)),
                _ if self.is_keyword(end, &["offset"]) => self.end_of_offset(end + 1)?,
                _ if self.is_keyword(end, &["anchored", "smoothed"]) => end + 1,
                _ => break,
            }
        }
        loop {
            let (before, behind) = (self.mark(start.wrapping_sub(1)), self.mark(end));
            if !matches!(before, "(" | ",") || !matches!(behind, ")" | ",") {
                return Ok(false);
            }
            let called = self.pieces[start].within.unwrap_or_default().wrapping_sub(1);
            if self.role(called) == Role::Function && matches!(self.word(called), Some("absent" | "absent_over_time")) {
                return Ok(true);
            }
            if (before, behind) != ("(", ")") {
                return Ok(false);
            }
            start -= 1;
            end += 1;
        }
    }

    /// The canonical tokens with the matchers at every selector, and how many selectors there are.
    fn with(&self, ours: &Ours) -> Result<(Vec<Token>, usize), String> {
        let selectors = self.selectors();
        let mut tokens = Vec::new();
        let mut i = 0;
        while i < self.pieces.len() {
            if let Some(selector) = selectors.iter().find(|selector| selector.start == i) {
                let name = self.pieces.get(i).filter(|_| self.role(i) == Role::Metric);
                tokens.extend(name.map(|piece| piece.token.clone()));
                let own = selector.braces.map_or(Ok(Vec::new()), |braces| self.entries(braces))?;
                let all = if self.is_echoed(*selector)? {
                    [&ours.unechoed[..], &own].concat()
                } else {
                    [&own, &ours.plain[..]].concat()
                };
                if name.is_none() || !all.is_empty() {
                    tokens.push(Token::Mark("{"));
                    tokens.extend(all.join(&Token::Mark(",")));
                    tokens.push(Token::Mark("}"));
                }
                i = selector.end;
                continue;
            }
            let closes_labels = self.mark(i + 1) == ")" && self.role(self.pieces[i + 1].partner) == Role::Labels;
            if self.role(i) == Role::Keyword {
                tokens.push(Token::Word(self.pieces[i].raw.to_ascii_lowercase()));
            } else if self.mark(i) != "," || !closes_labels {
                tokens.push(self.pieces[i].token.clone());
            }
            // A list without labels is always written.
            if self.is_keyword(i, &["group_left", "group_right"]) && self.mark(i + 1) != "(" {
                tokens.extend([Token::Mark("("), Token::Mark(")")]);
            }
            i += 1;
        }
        Ok((tokens, selectors.len()))
    }

    /// Between tokens stands one space or nothing, and strings are double-quoted.
    fn check_spelling(&self, text: &str) -> Result<(), String> {
        let mut rest = text;
        for piece in &self.pieces {
            rest = rest.strip_prefix(' ').unwrap_or(rest);
            rest = rest.strip_prefix(piece.raw).ok_or_else(|| format!("before {:?}: {text}", piece.raw))?;
            if piece.raw.starts_with(['\'', '`']) {
                return Err(format!("not double-quoted: {text}"));
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("{rest:?} follows: {text}")) }
    }
}
