//! One pass over an expression: its structure is checked and its text is written again, with matchers at every selector.
//!
//! Owns what follows what: operands, operators, calls, aggregations, parentheses. Must not know how matchers are made,
//! and keeps no tree: between operands PromQL is flat enough that which tokens are selectors never depends on the
//! precedence of operators, so operators are written as they come. What is open stands on a stack of its own, and no
//! input makes this code call itself deeper.
// Prometheus: promql/parser/generated_parser.y, promql/parser/parse.go

#![expect(clippy::wildcard_enum_match_arm, reason = "a token that is not named where it stands is refused there")]

use super::error::{LimitKey, Problem, Refusal, shown};
use super::functions::{Function, function};
use super::lexer::Lexer;
use super::matcher::{Matchers, push_literal};
use super::number;
use super::selector::Place;
use super::token::{Aggregator, Keyword, Kind, Token};
use super::{Dialect, Feature, TextLimits};

/// Reads one text and writes another.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    pub(super) lexer: Lexer<'a>,
    /// What has been written: UTF-8, as everything that the lexer lets through is.
    pub(super) out: Vec<u8>,
    pub(super) matchers: &'a Matchers,
    pub(super) dialect: &'a Dialect,
    limits: &'a TextLimits,
    pub(super) selectors: usize,
    /// Levels that are open, counted against `limits.nesting`.
    levels: usize,
    /// Aggregations that are open: Prometheus names them in its messages.
    aggregations: usize,
}

/// What has just been read and can be followed by a modifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) shape: Shape,
    /// Where it begins in the text.
    pub(super) start: usize,
    /// Levels inside it.
    pub(super) height: usize,
    /// Whether it has a metric's name in front of its braces.
    pub(super) named: bool,
    /// Whether it has a matcher for a label that is not the metric's name.
    pub(super) beyond_name: bool,
    pub(super) offset: Setting,
    pub(super) at: Setting,
    /// `anchored` or `smoothed`.
    pub(super) extended: Option<Keyword>,
    /// Its braces, when it is one selector, however often in parentheses.
    pub(super) spot: Option<Spot>,
}

/// What modifiers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A selector.
    Vector,
    /// A selector with a range.
    Range,
    /// Anything with a range and a resolution.
    Subquery,
    /// Everything else, and everything in parentheses.
    Other,
}

/// Whether a modifier has been set, which it can be once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Not,
    /// To a number or a duration: no range may follow.
    Plain,
    /// To what is known only when it is evaluated, such as `end()`. Prometheus 3.14 takes a range behind it and later
    /// versions refuse it: that is the upstream's to say.
    Computed,
}

/// Where the braces of a selector have been written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// After the opening brace.
    pub(super) open: usize,
    /// After the request's own matchers.
    pub(super) own_end: usize,
    /// At the closing brace.
    pub(super) close: usize,
}

/// The operands since the last `(` or comma.
#[derive(Clone, Copy, Debug)]
struct Chain {
    /// Signs in front of the current operand; each is a level.
    signs: usize,
    /// Levels inside the operands that are complete.
    height: usize,
    /// Whether there is one operand and no sign.
    alone: bool,
}

impl Chain {
    const NEW: Self = Self { signs: 0, height: 0, alone: true };

    /// Levels inside all of it, once `operand` is complete.
    fn height_with(&self, operand: &Operand) -> usize {
        self.height.max(operand.height.saturating_add(self.signs))
    }
}

/// Something that waits for its `)`.
#[derive(Debug)]
struct Frame {
    group: Group,
    /// Where it begins in the text.
    start: usize,
    /// Arguments that are complete.
    arguments: usize,
    /// Levels inside them.
    height: usize,
    /// The operands around it.
    around: Chain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Paren,
    Call(Function),
    Aggregation(Aggregator, Grouping),
}

/// Whether an aggregation has had its `by` or `without`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grouping {
    Had,
    MayFollow,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(
        text: &'a [u8],
        matchers: &'a Matchers,
        dialect: &'a Dialect,
        limits: &'a TextLimits,
    ) -> Result<Self, Refusal> {
        if text.len() > limits.query_bytes {
            return Err(Refusal::too_large(LimitKey::QueryBytes, limits.query_bytes));
        }
        let mut lexer = Lexer::new(text);
        lexer.advance()?;
        // Room for the text and a few matchers; more selectors let it grow.
        let room = text.len().saturating_add(matchers.plain().len().saturating_mul(4)).saturating_add(16);
        Ok(Self {
            lexer,
            out: Vec::with_capacity(room),
            matchers,
            dialect,
            limits,
            selectors: 0,
            levels: 0,
            aggregations: 0,
        })
    }

    /// A whole expression, to the end of the text.
    pub(super) fn expression(&mut self) -> Result<(), Refusal> {
        if self.lexer.token.kind == Kind::End {
            return Err(Refusal::at(self.lexer.text().len(), Problem::NoExpression));
        }
        let mut frames: Vec<Frame> = Vec::new();
        let mut chain = Chain::NEW;
        loop {
            let Some(mut operand) = self.operand(&mut frames, &mut chain)? else { continue };
            loop {
                self.postfixes(&mut operand)?;
                if let Kind::Operator(operator) = self.lexer.token.kind {
                    self.leave(chain.signs);
                    chain = Chain { signs: 0, height: chain.height_with(&operand), alone: false };
                    self.operator(operator)?;
                    break;
                }
                let Some(frame) = frames.last_mut() else {
                    if self.lexer.token.kind != Kind::End {
                        return Err(self.unexpected());
                    }
                    self.end();
                    return Ok(());
                };
                let paren = frame.group == Group::Paren;
                if self.lexer.token.kind == Kind::Comma && !paren {
                    self.end_argument(frame, &operand, chain)?;
                    let comma = self.lexer.token.start;
                    self.advance()?;
                    if self.lexer.token.kind == Kind::RightParen {
                        return Err(Refusal::form(comma, "trailing commas not allowed in function call args"));
                    }
                    self.write(b", ");
                    self.leave(chain.signs);
                    chain = Chain::NEW;
                    break;
                }
                if self.lexer.token.kind != Kind::RightParen {
                    return Err(self.unexpected());
                }
                self.end_argument(frame, &operand, chain)?;
                let spot = operand.spot.filter(|_| paren && chain.alone);
                self.leave(chain.signs);
                let Some(frame) = frames.pop() else { return Err(self.unexpected()) };
                operand = Operand { spot, ..self.close(&frame)? };
                chain = frame.around;
            }
        }
    }

    /// The expression is complete. What followed it, white space or a comment, is not written, but a number may have
    /// needed it: then a space follows.
    fn end(&mut self) {
        let in_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
        let word = self.out.iter().rev().take_while(|b| in_word(b)).count();
        let last = self.out.get(self.out.len().saturating_sub(word)..).unwrap_or_default();
        if number::needs_more_text(last) {
            self.write(b" ");
        }
    }

    /// The next operand if it is complete; what opens is pushed, and signs are written.
    fn operand(&mut self, frames: &mut Vec<Frame>, chain: &mut Chain) -> Result<Option<Operand>, Refusal> {
        let token = self.lexer.token;
        match token.kind {
            Kind::Number | Kind::Duration => {
                self.literal()?;
                Ok(Some(Operand::other(token.start)))
            }
            Kind::String(escapes) => {
                push_literal(&mut self.out, self.lexer.slice(token), escapes);
                self.advance()?;
                Ok(Some(Operand::other(token.start)))
            }
            Kind::Operator(sign) if sign.is_sign() => {
                self.enter()?;
                chain.signs = chain.signs.saturating_add(1);
                chain.alone = false;
                self.write(sign.text().as_bytes());
                self.advance()?;
                Ok(None)
            }
            Kind::LeftParen => {
                self.advance()?;
                self.open(frames, chain, Group::Paren, token.start)?;
                self.write(b"(");
                Ok(None)
            }
            Kind::LeftBrace => self.selector(None, self.place(frames, chain)).map(Some),
            Kind::Aggregator(aggregator) => {
                self.advance()?;
                if matches!(self.lexer.token.kind, Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without)) {
                    return self.aggregation(frames, chain, token.start, aggregator);
                }
                self.selector(Some(token), self.place(frames, chain)).map(Some)
            }
            Kind::Identifier => self.call_or_selector(frames, chain, token),
            Kind::Keyword(word) if word.may_name_a_function() => self.call_or_selector(frames, chain, token),
            Kind::Keyword(word) if word.may_name_a_metric() => self.named(frames, chain, token),
            Kind::Operator(word) if word.may_name_a_metric() => self.named(frames, chain, token),
            Kind::MetricIdentifier => self.named(frames, chain, token),
            Kind::End
            | Kind::Comma
            | Kind::Colon
            | Kind::RightParen
            | Kind::RightBrace
            | Kind::LeftBracket
            | Kind::RightBracket
            | Kind::At
            | Kind::Equal
            | Kind::EqualRegex
            | Kind::NotEqualRegex
            | Kind::Operator(_)
            | Kind::Keyword(_) => {
                // A call may have no arguments at all.
                if token.kind == Kind::RightParen
                    && chain.alone
                    && frames.last().is_some_and(|f| f.arguments == 0 && f.group != Group::Paren)
                    && let Some(frame) = frames.pop()
                {
                    *chain = frame.around;
                    return self.close(&frame).map(Some);
                }
                Err(self.unexpected())
            }
        }
    }

    fn named(&mut self, frames: &[Frame], chain: &Chain, name: Token) -> Result<Option<Operand>, Refusal> {
        self.advance()?;
        self.selector(Some(name), self.place(frames, chain)).map(Some)
    }

    fn call_or_selector(
        &mut self,
        frames: &mut Vec<Frame>,
        chain: &mut Chain,
        name: Token,
    ) -> Result<Option<Operand>, Refusal> {
        self.advance()?;
        if self.lexer.token.kind != Kind::LeftParen {
            return self.selector(Some(name), self.place(frames, chain)).map(Some);
        }
        let called = self.callable(name)?;
        self.advance()?;
        self.open(frames, chain, Group::Call(called), name.start)?;
        self.write(self.lexer.slice(name));
        self.write(b"(");
        Ok(None)
    }

    /// The function of this name, if this dialect has it.
    fn callable(&self, name: Token) -> Result<Function, Refusal> {
        let text = self.lexer.slice(name);
        let known = function(text);
        let extra = || std::str::from_utf8(text).is_ok_and(|text| self.dialect.extra_functions.contains(text));
        match known {
            Some(function @ (Function::Plain | Function::Absent)) => Ok(function),
            Some(function @ (Function::Experimental | Function::Info)) => {
                if self.dialect.experimental_functions == Feature::On || extra() {
                    Ok(function)
                } else {
                    Err(Refusal::at(name.start, Problem::FunctionNotEnabled(shown(text))))
                }
            }
            None if extra() => Ok(Function::Plain),
            None => Err(Refusal::at(name.start, Problem::quoted("unknown function with name", text))),
        }
    }

    fn aggregation(
        &mut self,
        frames: &mut Vec<Frame>,
        chain: &mut Chain,
        start: usize,
        aggregator: Aggregator,
    ) -> Result<Option<Operand>, Refusal> {
        if aggregator.is_experimental() && self.dialect.experimental_functions == Feature::Off {
            return Err(Refusal::at(start, Problem::AggregationNotEnabled(aggregator.text())));
        }
        self.aggregations = self.aggregations.saturating_add(1);
        self.write(aggregator.text().as_bytes());
        let mut grouping = Grouping::MayFollow;
        if self.grouping()? {
            grouping = Grouping::Had;
            self.write(b" ");
        }
        if self.lexer.token.kind != Kind::LeftParen {
            return Err(self.unexpected());
        }
        self.advance()?;
        self.open(frames, chain, Group::Aggregation(aggregator, grouping), start)?;
        self.write(b"(");
        Ok(None)
    }

    fn open(&mut self, frames: &mut Vec<Frame>, chain: &mut Chain, group: Group, start: usize) -> Result<(), Refusal> {
        self.enter()?;
        frames.push(Frame { group, start, arguments: 0, height: 0, around: *chain });
        *chain = Chain::NEW;
        Ok(())
    }

    /// Reads the `)` of `frame`.
    fn close(&mut self, frame: &Frame) -> Result<Operand, Refusal> {
        self.write(b")");
        self.leave(1);
        self.advance()?;
        match frame.group {
            Group::Paren | Group::Call(Function::Plain | Function::Experimental | Function::Absent) => {}
            Group::Call(Function::Info) => self.check_info(frame)?,
            Group::Aggregation(aggregator, grouping) => {
                if grouping == Grouping::MayFollow {
                    self.grouping()?;
                }
                self.aggregations = self.aggregations.saturating_sub(1);
                let (expected, found) = (aggregator.arguments(), frame.arguments);
                if expected != found {
                    return Err(Refusal::at(frame.start, Problem::AggregationArguments { expected, found }));
                }
            }
        }
        Ok(Operand { height: frame.height.saturating_add(1), ..Operand::other(frame.start) })
    }

    /// `info()` reads series that no selector names, unless its second argument says which.
    fn check_info(&self, frame: &Frame) -> Result<(), Refusal> {
        if frame.arguments > 2 {
            Err(Refusal::at(frame.start, Problem::TooManyInfoArguments(frame.arguments)))
        } else if frame.arguments < 2 && !self.matchers.is_empty() {
            Err(Refusal::at(frame.start, Problem::UnrestrictedInfo))
        } else {
            Ok(())
        }
    }

    /// An argument is complete: some functions have a word to say about it.
    fn end_argument(&mut self, frame: &mut Frame, operand: &Operand, chain: Chain) -> Result<(), Refusal> {
        match frame.group {
            Group::Paren | Group::Aggregation(..) | Group::Call(Function::Plain | Function::Experimental) => {}
            Group::Call(Function::Absent) => {
                if let (Some(spot), true) = (operand.spot, chain.alone) {
                    self.put_unechoed(spot);
                }
            }
            Group::Call(Function::Info) if frame.arguments == 1 => {
                if operand.shape != Shape::Vector || !chain.alone {
                    return Err(Refusal::form(operand.start, "expected label selectors only"));
                }
                if operand.named {
                    let what = "expected label selectors only, got vector selector instead";
                    return Err(Refusal::form(operand.start, what));
                }
                if !operand.beyond_name && !self.matchers.is_empty() {
                    return Err(Refusal::at(frame.start, Problem::UnrestrictedInfo));
                }
            }
            Group::Call(Function::Info) => {}
        }
        frame.arguments = frame.arguments.saturating_add(1);
        frame.height = frame.height.max(chain.height_with(operand));
        Ok(())
    }

    /// Moves the matchers of a selector from the end of its braces to the front, in the form that is not echoed.
    fn put_unechoed(&mut self, spot: Spot) {
        let after = self.out.split_off(spot.close.min(self.out.len()));
        self.out.truncate(spot.own_end);
        let own = self.out.split_off(spot.open.min(self.out.len()));
        self.write(self.matchers.unechoed().as_bytes());
        if !own.is_empty() {
            self.write(b",");
        }
        self.write(&own);
        self.write(&after);
    }

    /// Whether a selector that begins here is all that `info()` is told about info series.
    fn place(&self, frames: &[Frame], chain: &Chain) -> Place {
        match frames.last() {
            Some(Frame { group: Group::Call(Function::Info), arguments: 1, .. }) if chain.alone => Place::InfoLabels,
            _ => Place::Expression,
        }
    }

    /// A number or a duration, written as it stands. Returns its value.
    pub(super) fn literal(&mut self) -> Result<f64, Refusal> {
        let token = self.lexer.token;
        let text = self.lexer.slice(token);
        let value = if token.kind == Kind::Number {
            number::number(text)
                .ok_or_else(|| Refusal::at(token.start, Problem::quoted("error parsing number:", text)))?
        } else if token.kind == Kind::Duration {
            number::duration(text).map_err(|problem| Refusal::at(token.start, problem))?
        } else {
            return Err(self.unexpected());
        };
        self.write(text);
        self.advance()?;
        Ok(value)
    }

    /// The modifiers behind an operand.
    fn postfixes(&mut self, operand: &mut Operand) -> Result<(), Refusal> {
        loop {
            match self.lexer.token.kind {
                Kind::LeftBracket => {
                    self.bracket(operand)?;
                    if operand.shape == Shape::Subquery {
                        operand.height = operand.height.saturating_add(1);
                        self.check_nesting(operand.height)?;
                    }
                }
                Kind::At => self.at_modifier(operand)?,
                Kind::Keyword(Keyword::Offset) => self.offset_modifier(operand)?,
                Kind::Keyword(word @ (Keyword::Anchored | Keyword::Smoothed)) => self.extend(operand, word)?,
                _ => return Ok(()),
            }
        }
    }

    /// The bytes of a token.
    pub(super) fn slice(&self, token: Token) -> &'a [u8] {
        self.lexer.slice(token)
    }

    /// Goes on to the next token.
    pub(super) fn advance(&mut self) -> Result<(), Refusal> {
        self.lexer.advance()
    }

    /// Goes on from a token that must stand here.
    pub(super) fn expect(&mut self, kind: Kind) -> Result<(), Refusal> {
        if self.lexer.token.kind == kind { self.advance() } else { Err(self.unexpected()) }
    }

    /// Writes a piece of the output.
    pub(super) fn write(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    /// Opens a level.
    pub(super) fn enter(&mut self) -> Result<(), Refusal> {
        self.levels = self.levels.saturating_add(1);
        self.check_nesting(0)
    }

    /// Checks the levels that are open with those inside something that is complete.
    fn check_nesting(&self, height: usize) -> Result<(), Refusal> {
        if self.levels.saturating_add(height) > self.limits.nesting {
            return Err(Refusal::too_large(LimitKey::Nesting, self.limits.nesting));
        }
        Ok(())
    }

    /// Closes levels.
    pub(super) fn leave(&mut self, levels: usize) {
        self.levels = self.levels.saturating_sub(levels);
    }

    /// Counts a selector.
    pub(super) fn count_selector(&mut self) -> Result<(), Refusal> {
        self.selectors = self.selectors.saturating_add(1);
        if self.selectors > self.limits.selectors {
            return Err(Refusal::too_large(LimitKey::Selectors, self.limits.selectors));
        }
        Ok(())
    }

    /// Checks what has been written.
    pub(super) fn check_output(&self) -> Result<(), Refusal> {
        if self.out.len() > self.limits.output_bytes {
            return Err(Refusal::too_large(LimitKey::OutputBytes, self.limits.output_bytes));
        }
        Ok(())
    }

    /// The token cannot stand here.
    #[cold]
    pub(super) fn unexpected(&self) -> Refusal {
        self.unexpected_in(if self.aggregations > 0 { "aggregation" } else { "" }, "")
    }

    /// The token cannot stand here, in a part of an expression where this was expected.
    #[cold]
    pub(super) fn unexpected_in(&self, context: &'static str, expected: &'static str) -> Refusal {
        let found = self.lexer.token.kind.describe(self.lexer.slice(self.lexer.token)).into_boxed_str();
        Refusal::at(self.lexer.token.start, Problem::Unexpected { found, context, expected })
    }
}

impl Operand {
    /// Something that takes no modifier but a subquery.
    fn other(start: usize) -> Self {
        Self {
            shape: Shape::Other,
            start,
            height: 0,
            named: false,
            beyond_name: false,
            offset: Setting::Not,
            at: Setting::Not,
            extended: None,
            spot: None,
        }
    }
}
