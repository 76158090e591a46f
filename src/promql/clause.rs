//! What stands between operands: an operator with `bool`, `on`, `group_left` and `fill`; and `by` of aggregations.
//!
//! Owns these clauses and their lists of labels. Must not know which operands they connect.
#![expect(clippy::wildcard_enum_match_arm, reason = "a token that is not named where it stands is refused there")]

use super::Feature;
use super::error::{Problem, Refusal};
use super::grammar::Rewriter;
use super::matcher::{push_literal, string_value};
use super::token::{Keyword, Kind, Operator};

impl Rewriter<'_> {
    /// `by (…)` or `without (…)`, if it stands here.
    pub(super) fn grouping(&mut self) -> Result<bool, Refusal> {
        let word = match self.lexer.token.kind {
            Kind::Keyword(Keyword::By) => &b" by "[..],
            Kind::Keyword(Keyword::Without) => b" without ",
            _ => return Ok(false),
        };
        self.write(word);
        self.advance()?;
        self.labels()?;
        Ok(true)
    }

    /// An operator between two operands, with its modifiers.
    pub(super) fn operator(&mut self, operator: Operator) -> Result<(), Refusal> {
        self.write(b" ");
        self.write(operator.text().as_bytes());
        self.write(b" ");
        let at = self.lexer.token.start;
        self.advance()?;
        if self.accept_keyword(Keyword::Bool)? {
            if !operator.is_comparison() {
                return Err(Refusal::form(at, "bool modifier can only be used on comparison operators"));
            }
            self.write(b"bool ");
        }
        let word = match self.lexer.token.kind {
            Kind::Keyword(Keyword::On) => Some(&b"on "[..]),
            Kind::Keyword(Keyword::Ignoring) => Some(&b"ignoring "[..]),
            _ => None,
        };
        if let Some(word) = word {
            self.write(word);
            self.advance()?;
            self.labels()?;
            self.write(b" ");
            self.group_side()?;
        }
        self.fill()
    }

    /// `group_left` or `group_right`, with labels or without.
    fn group_side(&mut self) -> Result<(), Refusal> {
        let word = match self.lexer.token.kind {
            Kind::Keyword(Keyword::GroupLeft) => &b"group_left "[..],
            Kind::Keyword(Keyword::GroupRight) => b"group_right ",
            _ => return Ok(()),
        };
        self.write(word);
        self.advance()?;
        // Always written, so that an operand in parentheses is not taken for the list.
        if self.lexer.token.kind == Kind::LeftParen {
            self.labels()?;
        } else {
            self.write(b"()");
        }
        self.write(b" ");
        Ok(())
    }

    /// `fill(…)`, or one or both of `fill_left(…)` and `fill_right(…)` in either order.
    fn fill(&mut self) -> Result<(), Refusal> {
        let first = self.lexer.token.kind;
        let second = match first {
            Kind::Keyword(Keyword::Fill) => None,
            Kind::Keyword(Keyword::FillLeft) => Some(Keyword::FillRight),
            Kind::Keyword(Keyword::FillRight) => Some(Keyword::FillLeft),
            _ => return Ok(()),
        };
        if self.dialect.binop_fill_modifiers == Feature::Off {
            let what = "binop fill modifiers are experimental and not enabled";
            return Err(Refusal::form(self.lexer.token.start, what));
        }
        self.fill_value()?;
        if let Some(second) = second
            && self.lexer.token.kind == Kind::Keyword(second)
        {
            self.fill_value()?;
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Result<(), Refusal> {
        self.write(match self.lexer.token.kind {
            Kind::Keyword(Keyword::FillLeft) => b"fill_left (",
            Kind::Keyword(Keyword::FillRight) => b"fill_right (",
            _ => b"fill (",
        });
        self.advance()?;
        self.expect(Kind::LeftParen)?;
        if let Kind::Operator(sign) = self.lexer.token.kind
            && sign.is_sign()
        {
            self.write(sign.text().as_bytes());
            self.advance()?;
        }
        self.literal()?;
        self.expect(Kind::RightParen)?;
        self.write(b") ");
        Ok(())
    }

    /// A list of labels in parentheses.
    fn labels(&mut self) -> Result<(), Refusal> {
        const CONTEXT: &str = "grouping opts";
        if self.lexer.token.kind != Kind::LeftParen {
            return Err(self.unexpected_in(CONTEXT, "\"(\""));
        }
        self.write(b"(");
        self.advance()?;
        let mut first = true;
        while self.lexer.token.kind != Kind::RightParen {
            if !first {
                self.write(b", ");
            }
            first = false;
            self.label(CONTEXT)?;
            if self.lexer.token.kind == Kind::Comma {
                self.advance()?;
            } else if self.lexer.token.kind != Kind::RightParen {
                return Err(self.unexpected_in(CONTEXT, "\",\" or \")\""));
            }
        }
        self.write(b")");
        self.advance()
    }

    fn label(&mut self, context: &'static str) -> Result<(), Refusal> {
        let token = self.lexer.token;
        let text = self.lexer.slice(token);
        match token.kind {
            Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregator(_) => self.write(text),
            Kind::Keyword(word) if word != Keyword::Without => self.write(text),
            Kind::Operator(word) if word.is_word() => self.write(text),
            Kind::String(escapes) => {
                let name = string_value(text, escapes);
                if name.is_empty() || std::str::from_utf8(&name).is_err() {
                    return Err(Refusal::at(token.start, Problem::quoted("invalid label name for grouping:", &name)));
                }
                push_literal(&mut self.out, text, escapes);
            }
            _ => return Err(self.unexpected_in(context, "label")),
        }
        self.advance()
    }

    fn accept_keyword(&mut self, word: Keyword) -> Result<bool, Refusal> {
        let found = self.lexer.token.kind == Kind::Keyword(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }
}
