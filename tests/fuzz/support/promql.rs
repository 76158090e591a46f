//! What holds for every text that the core has rewritten.

use crate::other_parser;
use crate::reading::compare;
use crate::tenants::{Tenant, unrestricted};
use crate::time::{in_time, is_repeated};
use crate::tokenizer::scan;
use prom_label_filter::promql::{
    Dialect, Feature, LimitKey, Matchers, Problem, PromqlError, TextLimits, scope_any_selector, scope_expression,
    scope_selector,
};

/// Longer texts take the other tokenizer too long, which looks for selectors anew at each token.
const LONGEST_READ: usize = 4_096;

/// What was rewritten: text and selectors.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The text for the upstream.
    pub text: String,
    /// How many selectors it has.
    pub selectors: usize,
}

/// One of the two ways to rewrite a text.
pub type Rewrite = fn(&[u8], &Matchers, &Dialect, &TextLimits) -> Result<Rewritten, PromqlError>;

/// As `query` is rewritten.
pub fn expression(
    text: &[u8],
    matchers: &Matchers,
    dialect: &Dialect,
    limits: &TextLimits,
) -> Result<Rewritten, PromqlError> {
    let scoped = scope_expression(text, matchers, dialect, limits)?;
    Ok(Rewritten { text: scoped.as_str().to_owned(), selectors: scoped.selectors() })
}

/// As `match[]` is rewritten.
pub fn selector(
    text: &[u8],
    matchers: &Matchers,
    dialect: &Dialect,
    limits: &TextLimits,
) -> Result<Rewritten, PromqlError> {
    let scoped = scope_selector(text, matchers, dialect, limits)?;
    Ok(Rewritten { text: scoped.as_str().to_owned(), selectors: scoped.selectors() })
}

/// As the `match[]` of `/federate` is rewritten; for a selector without a matcher, nothing is written.
pub fn any_selector(
    text: &[u8],
    matchers: &Matchers,
    dialect: &Dialect,
    limits: &TextLimits,
) -> Result<Rewritten, PromqlError> {
    let scoped = scope_any_selector(text, matchers, dialect, limits)?;
    Ok(scoped.map_or(Rewritten { text: String::new(), selectors: 0 }, |scoped| Rewritten {
        text: scoped.as_str().to_owned(),
        selectors: scoped.selectors(),
    }))
}

/// Whether a selector has neither a name nor a matcher, by the other tokenizer.
pub fn selects_by_nothing(text: &[u8]) -> bool {
    // What is not UTF-8 can stand in a comment only.
    scan(&String::from_utf8_lossy(text)).is_ok_and(|pieces| pieces.iter().map(|piece| piece.raw).eq(["{", "}"]))
}

/// The dialect whose switches are the lowest four bits of `number`.
pub fn dialect(number: u8) -> Dialect {
    let feature = |bit: u8| if number & bit == 0 { Feature::Off } else { Feature::On };
    Dialect {
        experimental_functions: feature(1),
        duration_expressions: feature(2),
        extended_range_selectors: feature(4),
        binop_fill_modifiers: feature(8),
        ..Dialect::default()
    }
}

/// What the core has written may be longer than what it takes.
const WIDE: TextLimits =
    TextLimits { query_bytes: usize::MAX, output_bytes: usize::MAX, nesting: 200, selectors: 1_000 };

/// Asserts that a text of 64 KiB that repeats `text` does not take longer than its length allows.
fn check_long(rewrite: Rewrite, text: &[u8], tenant: &Tenant, dialect: &Dialect) {
    if !is_repeated(text) {
        return;
    }
    let limits = TextLimits { selectors: usize::MAX, ..WIDE };
    for between in [&b""[..], b" + ", b","] {
        let mut long = [text, between].concat().repeat(65_536 / text.len() + 1);
        long.truncate(65_536);
        let long = long.strip_suffix(between).unwrap_or(&long);
        let _ = in_time(long.len(), || rewrite(long, &tenant.matchers, dialect, &limits));
    }
}

/// Rewrites `text` and asserts everything that must hold of the answer.
pub fn check(rewrite: Rewrite, text: &[u8], tenant: &Tenant, dialect: &Dialect) -> Result<Rewritten, PromqlError> {
    let limits = TextLimits::default();
    check_long(rewrite, text, tenant, dialect);
    let result = in_time(text.len(), || rewrite(text, &tenant.matchers, dialect, &limits));
    let free = rewrite(text, &unrestricted().matchers, dialect, &limits);
    match (&result, &free) {
        (Ok(scoped), Ok(free)) => {
            assert_eq!(scoped.selectors, free.selectors);
            assert!(scoped.selectors <= limits.selectors && scoped.text.len() <= limits.output_bytes);
            // A NUL in a string becomes `\x00`: nothing grows more.
            assert!(free.text.len() <= 4 * text.len(), "{} of {}", free.text.len(), text.len());
            let largest = tenant.plain.len().max(tenant.unechoed.len()) + 3;
            assert!(scoped.text.len() <= free.text.len() + scoped.selectors * largest);
            check_written(text, scoped, tenant);
            check_again(rewrite, scoped, tenant, dialect);
            // More switches change nothing about what was accepted with fewer.
            assert_eq!(rewrite(text, &tenant.matchers, &self::dialect(15), &limits).as_ref(), Ok(scoped));
        }
        (Ok(_), Err(error)) => panic!("refused without a restriction only: {error}"),
        (Err(error), free) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 2_000, "{message}");
            let expected = matches!(
                error,
                PromqlError::TooLarge { limit: LimitKey::OutputBytes, .. }
                    | PromqlError::Parse { problem: Problem::UnrestrictedInfo, .. }
            );
            assert!(expected || free.is_err(), "refused with a restriction only: {error}");
        }
    }
    result
}

/// Asserts that `scoped` is `text` with the tenant's matchers at every selector, by two readers that share nothing with
/// the core.
pub fn check_written(text: &[u8], scoped: &Rewritten, tenant: &Tenant) {
    if text.len() > LONGEST_READ {
        return;
    }
    // What is not UTF-8 can stand in a comment only.
    let text = String::from_utf8_lossy(text);
    assert_eq!(compare(&text, spelled(&scoped.text), &tenant.ours), Ok(scoped.selectors));
    other_parser::check(&text, &scoped.text, scoped.selectors, tenant);
}

/// The text without the space behind a last number like `0x1e`, which Prometheus would refuse without it.
fn spelled(text: &str) -> &str {
    text.strip_suffix("e ").or_else(|| text.strip_suffix("E ")).map_or(text, |_| text.trim_end())
}

/// Asserts that what was written is canonical, and that scoping it again adds the matchers and nothing else.
fn check_again(rewrite: Rewrite, scoped: &Rewritten, tenant: &Tenant, dialect: &Dialect) {
    let text = scoped.text.as_bytes();
    assert_eq!(rewrite(text, &unrestricted().matchers, dialect, &WIDE).as_ref(), Ok(scoped));
    let twice = rewrite(text, &tenant.matchers, dialect, &WIDE).expect("what was written can be read");
    assert_eq!(twice.selectors, scoped.selectors);
    if text.len() <= LONGEST_READ {
        assert_eq!(compare(&scoped.text, spelled(&twice.text), &tenant.ours), Ok(scoped.selectors));
    }
}
