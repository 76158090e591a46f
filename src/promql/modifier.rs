//! What stands behind an operand: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`; and durations.
//!
//! Owns which modifier may follow what, and expressions of durations. Must not know what the operand holds.

#![expect(clippy::wildcard_enum_match_arm, reason = "a token that is not named where it stands is refused there")]

use super::Feature;
use super::error::Refusal;
use super::grammar::{Operand, Rewriter, Shape};
use super::number;
use super::token::{Keyword, Kind, Operator};

impl Rewriter<'_> {
    /// A range, or a subquery.
    pub(super) fn bracket(&mut self, operand: &mut Operand) -> Result<(), Refusal> {
        const CONTEXT: &str = "subquery or range selector";
        const EXPECTED: &str = "number, duration, step(), or range()";
        let bracket = self.token.start;
        self.advance()?;
        self.write(b"[");
        self.positive_duration(CONTEXT, EXPECTED)?;
        if self.token.kind == Kind::Colon {
            self.write(b":");
            self.advance()?;
            if self.token.kind != Kind::RightBracket {
                self.positive_duration("subquery selector", "number, duration, step(), range(), or \"]\"")?;
                if self.token.kind != Kind::RightBracket {
                    return Err(self.unexpected_in("subquery selector", "\"]\""));
                }
            }
            // It evaluates the operand anew: what was set on that is not set on this.
            *operand = Operand { shape: Shape::Subquery, offset: false, at: false, spot: None, ..*operand };
        } else if self.token.kind == Kind::RightBracket {
            let problem = if operand.shape != Shape::Vector {
                Some("ranges only allowed for vector selectors")
            } else if operand.offset {
                Some("no offset modifiers allowed before range")
            } else if operand.at {
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
        let goes_on = match self.token.kind {
            Kind::LeftParen => sign.is_none(),
            Kind::Operator(operator) => operator.is_sign(),
            _ => false,
        };
        let start = self.token.start;
        let mut value = self.duration_operand(CONTEXT, EXPECTED)?;
        if goes_on {
            value = self.duration_operators(value, CONTEXT, EXPECTED)?;
        }
        let set = match value {
            Some(seconds) if number::is_out_of_range(seconds) => {
                return Err(Refusal::form(start, "duration out of range"));
            }
            // An offset of nothing is none: Prometheus lets a range or another offset follow it.
            Some(seconds) => !number::rounds_to_zero(seconds),
            None => true,
        };
        if operand.shape == Shape::Other {
            let what = "offset modifier must be preceded by an instant vector selector or range vector selector or a \
                        subquery";
            return Err(Refusal::form(operand.start, what));
        }
        if operand.offset {
            return Err(Refusal::form(operand.start, "offset may not be set multiple times"));
        }
        operand.offset = set;
        Ok(())
    }

    /// `@`, with a time.
    pub(super) fn at_modifier(&mut self, operand: &mut Operand) -> Result<(), Refusal> {
        self.advance()?;
        self.write(b" @ ");
        let word = match self.token.kind {
            Kind::Keyword(Keyword::Start) => Some(&b"start"[..]),
            Kind::Keyword(Keyword::End) => Some(&b"end"[..]),
            _ => None,
        };
        if let Some(word) = word {
            self.write(word);
            self.advance()?;
            self.empty_parens()?;
        } else {
            let _sign = self.sign()?;
            if !matches!(self.token.kind, Kind::Number | Kind::Duration) {
                return Err(self.unexpected_in("@", "timestamp"));
            }
            if !number::is_timestamp(self.literal()?) {
                return Err(Refusal::form(operand.start, "timestamp out of bounds for @ modifier"));
            }
        }
        if operand.shape == Shape::Other {
            let what =
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(Refusal::form(operand.start, what));
        }
        if operand.at {
            return Err(Refusal::form(operand.start, "@ <timestamp> may not be set multiple times"));
        }
        operand.at = true;
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
        let start = self.token.start;
        let first = self.duration_operand(context, expected)?;
        match self.duration_operators(first, context, expected)? {
            Some(seconds) if number::is_out_of_range(seconds) => Err(Refusal::form(start, "duration out of range")),
            Some(seconds) if seconds <= 0.0 => Err(Refusal::form(start, "duration must be greater than 0")),
            Some(_) | None => Ok(()),
        }
    }

    /// The operators of a duration whose first operand has been read. Returns the value if there is no operator.
    fn duration_operators(
        &mut self,
        first: Option<f64>,
        context: &'static str,
        expected: &'static str,
    ) -> Result<Option<f64>, Refusal> {
        let mut value = first;
        while let Kind::Operator(operator) = self.token.kind
            && operator.is_arithmetic()
        {
            let start = self.token.start;
            self.require_expressions()?;
            self.write(b" ");
            self.write(operator.text().as_bytes());
            self.write(b" ");
            self.advance()?;
            let right = self.duration_operand(context, expected)?;
            let alone = self.token.kind != Kind::Operator(Operator::Pow);
            if alone && right == Some(0.0) {
                match operator {
                    Operator::Div => return Err(Refusal::form(start, "division by zero")),
                    Operator::Mod => return Err(Refusal::form(start, "modulo by zero")),
                    _ => {}
                }
            }
            value = None;
        }
        Ok(value)
    }

    /// One operand of a duration, with its signs. Returns the value of a plain one.
    fn duration_operand(&mut self, context: &'static str, expected: &'static str) -> Result<Option<f64>, Refusal> {
        let mut negative = false;
        let mut levels: usize = 0;
        while let Some(sign) = self.sign()? {
            self.enter()?;
            levels = levels.saturating_add(1);
            negative ^= sign == Operator::Sub;
        }
        let token = self.token;
        let value = match token.kind {
            Kind::Number | Kind::Duration => {
                let value = self.literal()?;
                if number::is_out_of_range(value) {
                    return Err(Refusal::form(token.start, "duration out of range"));
                }
                Some(if negative { -value } else { value })
            }
            Kind::Keyword(word @ (Keyword::Step | Keyword::Range)) => {
                self.require_expressions()?;
                self.write(if word == Keyword::Step { b"step" } else { b"range" });
                self.advance()?;
                self.empty_parens()?;
                None
            }
            Kind::Keyword(word @ (Keyword::MaxOf | Keyword::MinOf)) => {
                self.require_expressions()?;
                self.write(if word == Keyword::MaxOf { b"max_of" } else { b"min_of" });
                self.advance()?;
                self.duration_in_parens(true, context, expected)?;
                None
            }
            Kind::LeftParen => {
                self.require_expressions()?;
                self.duration_in_parens(false, context, expected)?;
                None
            }
            _ => return Err(self.unexpected_in(context, expected)),
        };
        self.leave(levels);
        Ok(value)
    }

    /// One duration in parentheses, or a pair. The one place that calls itself, as deep as `limits.nesting`.
    fn duration_in_parens(&mut self, pair: bool, context: &'static str, expected: &'static str) -> Result<(), Refusal> {
        self.enter()?;
        self.expect_in(Kind::LeftParen, context, expected)?;
        self.write(b"(");
        let first = self.duration_operand(context, expected)?;
        self.duration_operators(first, context, expected)?;
        if pair {
            self.expect_in(Kind::Comma, context, expected)?;
            self.write(b", ");
            let second = self.duration_operand(context, expected)?;
            self.duration_operators(second, context, expected)?;
        }
        self.expect_in(Kind::RightParen, context, expected)?;
        self.write(b")");
        self.leave(1);
        Ok(())
    }

    fn expect_in(&mut self, kind: Kind, context: &'static str, expected: &'static str) -> Result<(), Refusal> {
        if self.token.kind == kind { self.advance() } else { Err(self.unexpected_in(context, expected)) }
    }

    fn empty_parens(&mut self) -> Result<(), Refusal> {
        self.expect(Kind::LeftParen)?;
        self.expect(Kind::RightParen)?;
        self.write(b"()");
        Ok(())
    }

    /// A sign, if one stands here.
    fn sign(&mut self) -> Result<Option<Operator>, Refusal> {
        match self.token.kind {
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
            return Err(Refusal::form(self.token.start, what));
        }
        Ok(())
    }
}
