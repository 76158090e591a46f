//! Rewriting PromQL: one pass that reads an expression and writes it again with the tenant's matchers at every selector.

use std::collections::BTreeSet;
pub use stub::*;
mod stub;

/// Which PromQL is accepted: the switches of `promql` in the configuration.
///
/// Each stands for a parser option of Prometheus; the default is what Prometheus 3.14 accepts without flags.
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
