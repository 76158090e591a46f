//! Selectors: their matchers, and the tenant's put beside them.
//!
//! Owns what stands in braces and which selectors select too much. Must not know what a selector is an operand of.

#![expect(clippy::wildcard_enum_match_arm, reason = "a token that is not named where it stands is refused there")]

use super::conflict::{Asked, MatchType};
use super::error::{Problem, Refusal, shown};
use super::grammar::{Operand, Rewriter, Setting, Shape, Spot};
use super::matcher::{push_literal, string_value};
use super::pattern::matches_empty;
use super::token::{Kind, Operator, Token};
use std::borrow::Cow;

/// Where a selector stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In an expression.
    Expression,
    /// In an expression, as the second argument of `info()`, where it may select everything.
    InfoLabels,
    /// In `match[]`.
    Match,
    /// In the `match[]` of an endpoint where it may select everything.
    AnyMatch,
}

/// What the matchers that have been read say together.
#[derive(Debug)]
struct Read<'a> {
    /// Whether one of them rejects the empty string.
    rejects_empty: bool,
    /// Whether one of them is for a label other than the metric's name.
    beyond_name: bool,
    /// All of them, where they must agree with the tenant's.
    asked: Vec<Asked<'a>>,
}

impl<'a> Rewriter<'a> {
    /// A whole `match[]`: one selector and nothing else.
    pub(super) fn only_selector(&mut self, place: Place) -> Result<(), Refusal> {
        let token = self.lexer.token;
        let name = match token.kind {
            Kind::LeftBrace => None,
            Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregator(_) => Some(token),
            Kind::Keyword(word) if word.may_name_a_metric() => Some(token),
            Kind::Operator(word) if word.may_name_a_metric() => Some(token),
            _ => return Err(self.unexpected()),
        };
        if name.is_some() {
            self.advance()?;
        }
        self.selector(name, place)?;
        if self.lexer.token.kind == Kind::End { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A selector whose `name` has been read.
    pub(super) fn selector(&mut self, name: Option<Token>, place: Place) -> Result<Operand, Refusal> {
        self.count_selector()?;
        let start = name.map_or(self.lexer.token.start, |name| name.start);
        if let Some(name) = name {
            self.write(self.slice(name));
        }
        self.write(b"{");
        let open = self.out.len();
        let mut read = Read { rejects_empty: name.is_some(), beyond_name: false, asked: Vec::new() };
        if self.lexer.token.kind == Kind::LeftBrace {
            self.own_matchers(&mut read, name, place)?;
        }
        if !read.rejects_empty {
            match place {
                Place::Expression => {
                    let what = "vector selector must contain at least one non-empty matcher";
                    return Err(Refusal::form(start, what));
                }
                Place::Match => return Err(Refusal::empty_match()),
                Place::InfoLabels | Place::AnyMatch => {}
            }
        }
        if let Some(agreement) = self.matchers.agreement() {
            agreement.check(&read.asked).map_err(Refusal::conflict)?;
        }
        let own_end = self.out.len();
        let mut spot = None;
        if !self.matchers.is_empty() {
            if own_end > open {
                self.write(b",");
            }
            self.write(self.matchers.plain().as_bytes());
            spot = Some(Spot { open, own_end, close: self.out.len() });
        }
        if self.out.len() == open && name.is_some() {
            self.out.pop();
        } else {
            self.write(b"}");
        }
        self.check_output()?;
        let Read { beyond_name, .. } = read;
        Ok(Operand {
            shape: Shape::Vector,
            start,
            height: 0,
            named: name.is_some(),
            beyond_name,
            offset: Setting::Not,
            at: Setting::Not,
            extended: None,
            spot,
        })
    }

    /// The request's own matchers, braces included.
    fn own_matchers(&mut self, read: &mut Read<'a>, name: Option<Token>, place: Place) -> Result<(), Refusal> {
        const CONTEXT: &str = "label matching";
        self.advance()?;
        let mut first = true;
        while self.lexer.token.kind != Kind::RightBrace {
            if !matches!(self.lexer.token.kind, Kind::Identifier | Kind::String(_)) {
                return Err(self.unexpected_in(CONTEXT, "identifier or \"}\""));
            }
            if !first {
                self.write(b",");
            }
            first = false;
            self.own_matcher(read, name, place)?;
            if self.lexer.token.kind == Kind::Comma {
                self.advance()?;
            } else if self.lexer.token.kind != Kind::RightBrace {
                return Err(self.unexpected_in(CONTEXT, "\",\" or \"}\""));
            }
        }
        self.advance()
    }

    fn own_matcher(&mut self, read: &mut Read<'a>, outside: Option<Token>, place: Place) -> Result<(), Refusal> {
        const CONTEXT: &str = "label matching";
        let label = self.lexer.token;
        let text = self.slice(label);
        let quoted = match label.kind {
            Kind::String(escapes) => Some(escapes),
            _ => None,
        };
        self.advance()?;
        let kind = match self.lexer.token.kind {
            Kind::Equal => MatchType::Equal,
            Kind::Operator(Operator::NotEqual) => MatchType::NotEqual,
            Kind::EqualRegex => MatchType::Regex,
            Kind::NotEqualRegex => MatchType::NotRegex,
            _ => {
                // A string alone is the metric's name.
                let Some(escapes) = quoted else {
                    return Err(self.unexpected_in(CONTEXT, "label matching operator"));
                };
                self.refuse_second_name(outside, text, Kind::String(escapes), place)?;
                read.rejects_empty |= text.len() > 2;
                push_literal(&mut self.out, text, escapes);
                return Ok(());
            }
        };
        match quoted {
            Some(escapes) => push_literal(&mut self.out, text, escapes),
            None => self.write(text),
        }
        self.advance()?;
        let value = self.lexer.token;
        let Kind::String(escapes) = value.kind else {
            return Err(self.unexpected_in(CONTEXT, "string"));
        };
        let value_text = self.slice(value);
        let is_name = match quoted {
            Some(escapes) => *string_value(text, escapes) == *b"__name__",
            None => text == b"__name__",
        };
        if is_name {
            self.refuse_second_name(outside, value_text, value.kind, place)?;
        } else {
            read.beyond_name = true;
        }
        if !read.rejects_empty {
            let value = string_value(value_text, escapes);
            read.rejects_empty = match kind {
                MatchType::Equal => !value.is_empty(),
                MatchType::NotEqual => value.is_empty(),
                MatchType::Regex => !matches_empty(&value),
                MatchType::NotRegex => matches_empty(&value),
            };
        }
        if self.matchers.agreement().is_some() {
            let name = quoted.map_or(Cow::Borrowed(text), |escapes| string_value(text, escapes));
            read.asked.push(Asked { name, kind, value: string_value(value_text, escapes) });
        }
        self.write(kind.as_str().as_bytes());
        push_literal(&mut self.out, value_text, escapes);
        self.advance()
    }

    /// A metric with a name in front of its braces has none in them; `match[]` does not mind.
    fn refuse_second_name(
        &self,
        outside: Option<Token>,
        inside: &[u8],
        kind: Kind,
        place: Place,
    ) -> Result<(), Refusal> {
        let minds = match place {
            Place::Expression | Place::InfoLabels => true,
            Place::Match | Place::AnyMatch => false,
        };
        match (outside, kind) {
            (Some(name), Kind::String(escapes)) if minds => {
                let problem = Problem::TwoNames {
                    outside: shown(self.slice(name)),
                    inside: shown(&string_value(inside, escapes)),
                };
                Err(Refusal::at(name.start, problem))
            }
            _ => Ok(()),
        }
    }
}
