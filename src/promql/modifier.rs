//! What stands behind an operand: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`; and durations.
//!
//! Owns which modifier may follow what, and expressions of durations. Must not know what the operand holds.

#![expect(clippy::wildcard_enum_match_arm, reason = "a token that is not named where it stands is refused there")]

use super::Feature;
use super::error::Refusal;
use super::grammar::{Operand, Rewriter, Setting, Shape};
use super::number;
use super::token::{Keyword, Kind, Operator};

/// How far a duration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// One operand.
    Operand,
    /// All that operators connect.
    Operators,
}

/// A parenthesis of a duration that is open.
#[derive(Debug)]
struct Waiting {
    /// Whether a comma and a second duration come first.
    comma: bool,
    /// Levels that close with it.
    levels: usize,
}

impl Rewriter<'_> {
    /// A range, or a subquery.
    pub(super) fn bracket(&mut self, operand: &mut Operand) -> Result<(), Refusal> {
        const CONTEXT: &str = "subquery or range selector";
        const EXPECTED: &str = "number, duration, step(), or range()";
        let bracket = self.lexer.token.start;
        self.advance()?;
        self.write(b"[");
        self.positive_duration(CONTEXT, EXPECTED)?;
        if self.lexer.token.kind == Kind::Colon {
            self.write(b":");
            self.advance()?;
            if self.lexer.token.kind != Kind::RightBracket {
                self.positive_duration("subquery selector", "number, duration, step(), range(), or \"]\"")?;
                if self.lexer.token.kind != Kind::RightBracket {
                    return Err(self.unexpected_in("subquery selector", "\"]\""));
                }
            }
            // It evaluates the operand anew: what was set on that is not set on this.
            *operand =
                Operand { shape: Shape::Subquery, offset: Setting::Not, at: Setting::Not, spot: None, ..*operand };
        } else if self.lexer.token.kind == Kind::RightBracket {
            let problem = if operand.shape != Shape::Vector {
                Some("ranges only allowed for vector selectors")
            } else if operand.offset == Setting::Plain {
                Some("no offset modifiers allowed before range")
            } else if operand.at == Setting::Plain {
                Some("no @ modifiers allowed before range")
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err(Refusal::form(bracket, problem));
            }
            operand.shape = Shape::Range;
        } else {
            return Err(self.unexpected_in("subquery or range", "\":\" or \"]\""));
        }
        self.write(b"]");
        self.advance()
    }

    /// `offset`, with a duration.
    pub(super) fn offset_modifier(&mut self, operand: &mut Operand) -> Result<(), Refusal> {
        const CONTEXT: &str = "offset";
        const EXPECTED: &str = "number, duration, step(), or range()";
        self.advance()?;
        self.write(b" offset ");
        let sign = self.sign()?;
        // After a parenthesis or a second sign Prometheus reads on through operators; otherwise one operand is all,
        // and an operator behind it is one between vectors.
        let goes_on = match self.lexer.token.kind {
            Kind::LeftParen => sign.is_none(),
            Kind::Operator(operator) => operator.is_sign(),
            _ => false,
        };
        let start = self.lexer.token.start;
        let extent = if goes_on { Extent::Operators } else { Extent::Operand };
        let set = match self.duration(extent, CONTEXT, EXPECTED)? {
            Some(seconds) if number::is_out_of_range(seconds) => {
                return Err(Refusal::form(start, "duration out of range"));
            }
            // An offset of nothing is none: Prometheus lets a range or another offset follow it.
            Some(seconds) if number::rounds_to_zero(seconds) => Setting::Not,
            Some(_) => Setting::Plain,
            None => Setting::Computed,
        };
        if operand.shape == Shape::Other {
            let what = "offset modifier must be preceded by an instant vector selector or range vector selector or a \
                        subquery";
            return Err(Refusal::form(operand.start, what));
        }
        if operand.offset != Setting::Not {
            return Err(Refusal::form(operand.start, "offset may not be set multiple times"));
        }
        operand.offset = set;
        Ok(())
    }

    /// `@`, with a time.
    pub(super) fn at_modifier(&mut self, operand: &mut Operand) -> Result<(), Refusal> {
        self.advance()?;
        self.write(b" @ ");
        let word = match self.lexer.token.kind {
            Kind::Keyword(Keyword::Start) => Some(&b"start"[..]),
            Kind::Keyword(Keyword::End) => Some(&b"end"[..]),
            _ => None,
        };
        let set = if let Some(word) = word {
            self.write(word);
            self.advance()?;
            self.empty_parens("@", "timestamp")?;
            Setting::Computed
        } else {
            let _sign = self.sign()?;
            if !matches!(self.lexer.token.kind, Kind::Number | Kind::Duration) {
                return Err(self.unexpected_in("@", "timestamp"));
            }
            if !number::is_timestamp(self.literal()?) {
                return Err(Refusal::form(operand.start, "timestamp out of bounds for @ modifier"));
            }
            Setting::Plain
        };
        if operand.shape == Shape::Other {
            let what =
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(Refusal::form(operand.start, what));
        }
        if operand.at != Setting::Not {
            return Err(Refusal::form(operand.start, "@ <timestamp> may not be set multiple times"));
        }
        operand.at = set;
        Ok(())
    }

    /// `anchored` or `smoothed`.
    pub(super) fn extend(&mut self, operand: &mut Operand, word: Keyword) -> Result<(), Refusal> {
        let anchored = word == Keyword::Anchored;
        let problem = if self.dialect.extended_range_selectors == Feature::Off {
            Some(if anchored {
                "anchored modifier is experimental and not enabled"
            } else {
                "smoothed modifier is experimental and not enabled"
            })
        } else {
            match operand.shape {
                Shape::Vector | Shape::Range if operand.extended.is_some_and(|other| other != word) => {
                    Some("anchored and smoothed modifiers cannot be used together")
                }
                Shape::Vector | Shape::Range => None,
                Shape::Subquery if anchored => Some("anchored modifier is not supported for subqueries"),
                Shape::Subquery => Some("smoothed modifier is not supported for subqueries"),
                Shape::Other if anchored => Some("anchored modifier not implemented"),
                Shape::Other => Some("smoothed modifier not implemented"),
            }
        };
        if let Some(problem) = problem {
            return Err(Refusal::form(operand.start, problem));
        }
        operand.extended = Some(word);
        self.write(if anchored { b" anchored" } else { b" smoothed" });
        self.advance()
    }

    /// A duration in brackets: more than nothing, if it is a plain one.
    fn positive_duration(&mut self, context: &'static str, expected: &'static str) -> Result<(), Refusal> {
        let start = self.lexer.token.start;
        match self.duration(Extent::Operators, context, expected)? {
            Some(seconds) if number::is_out_of_range(seconds) => Err(Refusal::form(start, "duration out of range")),
            Some(seconds) if seconds <= 0.0 => Err(Refusal::form(start, "duration must be greater than 0")),
            Some(_) | None => Ok(()),
        }
    }

    /// A duration: one operand of it, or as far as its operators go. Returns the value of a plain one.
    fn duration(
        &mut self,
        extent: Extent,
        context: &'static str,
        expected: &'static str,
    ) -> Result<Option<f64>, Refusal> {
        let mut open: Vec<Waiting> = Vec::new();
        let mut operator: Option<(Operator, usize)> = None;
        let mut alone = true;
        loop {
            let Some(mut value) = self.duration_operand(&mut open, context, expected)? else {
                operator = None;
                continue;
            };
            loop {
                if extent == Extent::Operand && open.is_empty() {
                    return Ok(value);
                }
                self.refuse_zero(operator.take(), value)?;
                if let Kind::Operator(next) = self.lexer.token.kind
                    && next.is_arithmetic()
                {
                    self.require_expressions()?;
                    self.write(b" ");
                    self.write(next.text().as_bytes());
                    self.write(b" ");
                    operator = Some((next, self.lexer.token.start));
                    alone = false;
                    self.advance()?;
                    break;
                }
                let Some(waiting) = open.last_mut() else {
                    return Ok(value.filter(|_| alone));
                };
                if waiting.comma {
                    waiting.comma = false;
                    self.expect_in(Kind::Comma, context, expected)?;
                    self.write(b", ");
                    alone = true;
                    break;
                }
                self.expect_in(Kind::RightParen, context, expected)?;
                self.write(b")");
                self.leave(waiting.levels);
                open.pop();
                value = None;
            }
        }
    }

    /// One operand with its signs: nothing when it has just opened, otherwise its value if it is a plain one.
    fn duration_operand(
        &mut self,
        open: &mut Vec<Waiting>,
        context: &'static str,
        expected: &'static str,
    ) -> Result<Option<Option<f64>>, Refusal> {
        let mut negative = false;
        let mut levels: usize = 0;
        while let Some(sign) = self.sign()? {
            self.enter()?;
            levels = levels.saturating_add(1);
            negative ^= sign == Operator::Sub;
        }
        let token = self.lexer.token;
        let pair = match token.kind {
            Kind::Number | Kind::Duration => {
                let value = self.literal()?;
                if number::is_out_of_range(value) {
                    return Err(Refusal::form(token.start, "duration out of range"));
                }
                self.leave(levels);
                return Ok(Some(Some(if negative { -value } else { value })));
            }
            Kind::Keyword(word @ (Keyword::Step | Keyword::Range)) => {
                self.require_expressions()?;
                self.write(if word == Keyword::Step { b"step" } else { b"range" });
                self.advance()?;
                self.empty_parens(context, expected)?;
                self.leave(levels);
                return Ok(Some(None));
            }
            Kind::Keyword(word @ (Keyword::MaxOf | Keyword::MinOf)) => {
                self.require_expressions()?;
                self.write(if word == Keyword::MaxOf { b"max_of" } else { b"min_of" });
                self.advance()?;
                true
            }
            Kind::LeftParen => {
                self.require_expressions()?;
                false
            }
            _ => return Err(self.unexpected_in(context, expected)),
        };
        self.expect_in(Kind::LeftParen, context, expected)?;
        self.write(b"(");
        self.enter()?;
        open.push(Waiting { comma: pair, levels: levels.saturating_add(1) });
        Ok(None)
    }

    /// Prometheus divides what it can while it reads.
    fn refuse_zero(&self, operator: Option<(Operator, usize)>, right: Option<f64>) -> Result<(), Refusal> {
        // A power binds more tightly than the division in front of it.
        if right != Some(0.0) || self.lexer.token.kind == Kind::Operator(Operator::Pow) {
            return Ok(());
        }
        match operator {
            Some((Operator::Div, start)) => Err(Refusal::form(start, "division by zero")),
            Some((Operator::Mod, start)) => Err(Refusal::form(start, "modulo by zero")),
            _ => Ok(()),
        }
    }

    fn expect_in(&mut self, kind: Kind, context: &'static str, expected: &'static str) -> Result<(), Refusal> {
        if self.lexer.token.kind == kind { self.advance() } else { Err(self.unexpected_in(context, expected)) }
    }

    fn empty_parens(&mut self, context: &'static str, expected: &'static str) -> Result<(), Refusal> {
        self.expect_in(Kind::LeftParen, context, expected)?;
        self.expect_in(Kind::RightParen, context, expected)?;
        self.write(b"()");
        Ok(())
    }

    /// A sign, if one stands here.
    fn sign(&mut self) -> Result<Option<Operator>, Refusal> {
        match self.lexer.token.kind {
            Kind::Operator(sign) if sign.is_sign() => {
                self.write(sign.text().as_bytes());
                self.advance()?;
                Ok(Some(sign))
            }
            _ => Ok(None),
        }
    }

    fn require_expressions(&self) -> Result<(), Refusal> {
        if self.dialect.duration_expressions == Feature::Off {
            let what = "experimental duration expression is not enabled";
            return Err(Refusal::form(self.lexer.token.start, what));
        }
        Ok(())
    }
}
