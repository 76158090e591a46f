//! Rewriting PromQL: one pass that reads an expression and writes it again with the tenant's matchers at every selector.
//!
//! Owns what a query may say and what it becomes. Must not know whose request it is, nor which endpoint it goes to.
//! The parts, in the order of a byte's way: `lexer` finds tokens, `grammar` checks what follows what (`selector`,
//! `modifier` and `clause` are its chapters), `matcher` writes strings and the tenant's matchers,
//! `conflict` decides whether a request's can hold beside them, `error` words the refusals, `cache` remembers what was written.
//!
//! Every byte of the output has been written by this code from a token that it has understood: what it does not know it
//! refuses. Types are left to the upstream, which names them better.

mod cache;
mod clause;
mod conflict;
mod error;
mod functions;
mod grammar;
mod lexer;
mod matcher;
mod modifier;
mod number;
mod pattern;
mod selector;
mod token;

use std::collections::BTreeSet;

pub use cache::Promql;
pub use conflict::{Agreement, Conflict};
pub use error::{ErrorClass, LimitKey, Position, Problem, PromqlError};
pub use matcher::Matchers;

pub(crate) use conflict::{Asked, MatchType};
pub(crate) use matcher::{alternatives, pattern_of};
pub(crate) use pattern::matches_empty;

use error::Refusal;
use grammar::Rewriter;
use selector::Place;

/// Which PromQL is accepted: the switches of `promql` in the configuration.
///
/// Each stands for a parser option of Prometheus; the default is what Prometheus 3.14 accepts without flags. (3.16 reads `anchored` and `smoothed` without one.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Functions and aggregations behind `promql-experimental-functions`.
    pub experimental_functions: Feature,
    /// Expressions where a duration stands.
    pub duration_expressions: Feature,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: Feature,
    /// `fill`, `fill_left`, `fill_right`.
    pub binop_fill_modifiers: Feature,
    /// Further functions that the upstream knows. One that reads series without a selector in its arguments leaks.
    pub extra_functions: BTreeSet<String>,
}

/// Whether a part of the language is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Accepted.
    On,
    /// Refused, as by an upstream without the flag.
    Off,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            experimental_functions: Feature::Off,
            duration_expressions: Feature::On,
            extended_range_selectors: Feature::Off,
            binop_fill_modifiers: Feature::Off,
            extra_functions: BTreeSet::new(),
        }
    }
}

/// Limits of one text in PromQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimits {
    /// Bytes of the text.
    pub query_bytes: usize,
    /// Bytes of what is written for it.
    pub output_bytes: usize,
    /// Levels of parentheses, braces of calls and aggregations, subqueries and unary operators inside each other.
    pub nesting: usize,
    /// Selectors in it.
    pub selectors: usize,
}

impl Default for TextLimits {
    fn default() -> Self {
        Self { query_bytes: 65_536, output_bytes: 262_144, nesting: 200, selectors: 1_000 }
    }
}

/// An expression with the tenant's matchers at every selector. Made by [`scope_expression`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ScopedExpr(Scoped);

/// A selector with the tenant's matchers, for `match[]`. Made by [`scope_selector`] and [`ScopedSelector::bare`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ScopedSelector(Scoped);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Scoped {
    text: String,
    selectors: usize,
    origin: Origin,
}

impl Scoped {
    /// As a selector; `None` where it has no matcher of its own.
    fn of_its_own(self, matchers: &Matchers) -> Option<ScopedSelector> {
        (self.text != bare(matchers)).then_some(ScopedSelector(self))
    }
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was written for this request.
    Written,
    /// It was written for an earlier one that asked the same.
    Remembered,
}

impl ScopedExpr {
    /// The text for the upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// How many selectors it has, each with the matchers.
    #[must_use]
    pub fn selectors(&self) -> usize {
        self.0.selectors
    }

    /// Where the text comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }
}

impl ScopedSelector {
    /// The tenant's matchers alone, for a request that names no selector; `None` when nothing is restricted.
    pub fn bare(matchers: &Matchers) -> Option<Self> {
        if matchers.is_empty() {
            return None;
        }
        Some(Self(Scoped { text: bare(matchers), selectors: 1, origin: Origin::Written }))
    }

    /// The text for the upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// How many selectors it has: one.
    #[must_use]
    pub fn selectors(&self) -> usize {
        self.0.selectors
    }

    /// Where the text comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }
}

/// Writes the expression in `text` again, with `matchers` at every selector.
///
/// # Errors
/// When the text is not an expression in `dialect`, or is larger than `limits`.
// Prometheus: promql/parser/parse.go, ParseExpr
pub fn scope_expression(
    text: &[u8],
    matchers: &Matchers,
    dialect: &Dialect,
    limits: &TextLimits,
) -> Result<ScopedExpr, PromqlError> {
    Reading::Expression.rewrite(text, matchers, dialect, limits).map(ScopedExpr)
}

/// Writes the selector in `text` again, with `matchers`: what `match[]` takes.
///
/// # Errors
/// When the text is not one selector and nothing else, selects everything, or is larger than `limits`.
// Prometheus: promql/parser/parse.go, ParseMetricSelector; web/api/v1/api.go, parseMatchersParam
pub fn scope_selector(
    text: &[u8],
    matchers: &Matchers,
    dialect: &Dialect,
    limits: &TextLimits,
) -> Result<ScopedSelector, PromqlError> {
    Reading::Selector.rewrite(text, matchers, dialect, limits).map(ScopedSelector)
}

/// The same where a selector may select everything, as in the `match[]` of `/federate`; `None` for one without a matcher,
/// which selects nothing there: narrowed it would select everything of the tenant's.
///
/// # Errors
/// When the text is not one selector and nothing else, or is larger than `limits`.
// Prometheus: web/federate.go; tsdb/querier.go, PostingsForMatchers
pub fn scope_any_selector(
    text: &[u8],
    matchers: &Matchers,
    dialect: &Dialect,
    limits: &TextLimits,
) -> Result<Option<ScopedSelector>, PromqlError> {
    Ok(Reading::AnySelector.rewrite(text, matchers, dialect, limits)?.of_its_own(matchers))
}

/// A selector of the tenant's matchers and no others.
fn bare(matchers: &Matchers) -> String {
    format!("{{{}}}", matchers.plain())
}

/// As what a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Expression,
    Selector,
    AnySelector,
}

impl Reading {
    fn rewrite(
        self,
        text: &[u8],
        matchers: &Matchers,
        dialect: &Dialect,
        limits: &TextLimits,
    ) -> Result<Scoped, PromqlError> {
        let written = || -> Result<Scoped, Refusal> {
            let mut rewriter = Rewriter::new(text, matchers, dialect, limits)?;
            match self {
                Self::Expression => rewriter.expression()?,
                Self::Selector => rewriter.only_selector(Place::Match)?,
                Self::AnySelector => rewriter.only_selector(Place::AnyMatch)?,
            }
            rewriter.check_output()?;
            let selectors = rewriter.selectors;
            match String::from_utf8(rewriter.out) {
                Ok(text) => Ok(Scoped { text, selectors, origin: Origin::Written }),
                Err(error) => Err(Refusal::form(error.utf8_error().valid_up_to(), "invalid UTF-8")),
            }
        };
        written().map_err(|refusal| refusal.into_error(text))
    }
}
