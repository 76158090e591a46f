//! `promql-parser` as a reader of what the core has written: a walk of its tree looks at every selector.
//!
//! Owns the guards that keep that parser from ending the run for reasons of its own:
//! - long texts: its tree of a chain is as deep as the chain is long, and overflows the stack where it is dropped;
//! - patterns: it compiles each with Unicode's classes (`\w{200}` takes 50 ms and 6 MB), and checks one after the other;
//! - panics: `up[1e30]` overflows one of its durations. They are caught, and say nothing about the core.

use crate::tenants::Tenant;
use crate::verifier::{Place, each_selector};
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, parse};
use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// Longer texts are left to the other tokenizer.
const LONGEST: usize = 1_500;
/// Texts with more patterns are left to the other tokenizer.
const PATTERNS: usize = 8;
/// What makes a pattern large: classes of Unicode and repetitions.
const LARGE: [&str; 10] = [r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\p", r"\P", r"\b", r"\B"];

/// One matcher: operator, name, value.
type One = (&'static str, String, String);

/// One selector.
struct Selector {
    name: Option<String>,
    place: Place,
    matchers: Vec<One>,
}

/// Asserts that `output` is `input` with the tenant's matchers once more at every selector, as far as the parser reads
/// the two.
pub(crate) fn check(input: &str, output: &str, selectors: usize, tenant: &Tenant) {
    let Some(after) = read(output) else { return };
    assert_eq!(after.len(), selectors, "the other parser counts differently");
    let mut left = Vec::new();
    for Selector { place, matchers, .. } in &after {
        // It forgets a plus in front of a selector, with which `absent()` echoes nothing.
        let place =
            if output.contains("(+") && !starts_with_ours(matchers, tenant) { Place::Elsewhere } else { *place };
        let ours = ours(tenant, place);
        left.push(match place {
            Place::Absent => matchers.strip_prefix(&ours[..]).expect("not first in absent()"),
            Place::Elsewhere => matchers.strip_suffix(&ours[..]).expect("not last"),
        });
    }
    // Its strings know neither all escapes nor backticks as Go has them: what it read wrongly changes when it is
    // written plainly.
    if input.contains(['\\', '`']) {
        return;
    }
    let Some(before) = read(input) else { return };
    assert_eq!(before.len(), after.len(), "the other parser counts differently");
    for ((before, after), left) in before.iter().zip(&after).zip(left) {
        assert_eq!((&before.name, before.place), (&after.name, after.place));
        assert_eq!(before.matchers, left, "more than the matchers has changed");
    }
}

/// A tenant's matchers as they must stand at a place.
fn ours(tenant: &Tenant, place: Place) -> Vec<One> {
    let one = |&(name, value, pattern, always): &(&str, &str, &str, bool)| {
        if always || place == Place::Absent {
            ("=~", name.to_owned(), pattern.to_owned())
        } else {
            ("=", name.to_owned(), value.to_owned())
        }
    };
    tenant.each.iter().map(one).collect()
}

fn starts_with_ours(matchers: &[One], tenant: &Tenant) -> bool {
    matchers.starts_with(&ours(tenant, Place::Absent))
}

/// The selectors of a text in the order of its tree; `None` when the parser cannot read it, or must not.
fn read(text: &str) -> Option<Vec<Selector>> {
    let patterns = text.matches("=~").count() + text.matches("!~").count();
    let repeats = text.as_bytes().windows(2).any(|pair| pair[0] == b'{' && pair[1].is_ascii_digit());
    if text.len() > LONGEST
        || patterns > PATTERNS
        || patterns > 0 && (repeats || LARGE.iter().any(|class| text.contains(class)))
    {
        return None;
    }
    let tree = quietly(|| parse(text))?.ok()?;
    let mut seen = Vec::new();
    each_selector(&tree, &mut |selector, place| {
        assert!(selector.matchers.or_matchers.is_empty(), "`or` between matchers");
        let one = |matcher: &Matcher| {
            let operator = match matcher.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Re(_) => "=~",
                MatchOp::NotRe(_) => "!~",
            };
            (operator, matcher.name.clone(), matcher.value.clone())
        };
        let matchers = selector.matchers.matchers.iter().map(one).collect();
        seen.push(Selector { name: selector.name.clone(), place, matchers });
    });
    Some(seen)
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What the parser answers, if it does not panic. libFuzzer's hook aborts before anything could be caught.
fn quietly(parse: impl FnOnce() -> Result<Expr, String> + std::panic::UnwindSafe) -> Option<Result<Expr, String>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let aborting = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                aborting(info);
            }
        }));
    });
    QUIET.set(true);
    let answer = catch_unwind(parse);
    QUIET.set(false);
    answer.ok()
}
