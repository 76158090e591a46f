//! A second opinion on what goes upstream: `promql-parser`, which shares no line with the filter, reads it.
//!
//! Owns the walk over its trees, which enters every child of every node. Must not know requests, nor how the filter writes.

use prom_label_filter::scope::{LabelValue, Scope, TenantScope};
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};
use serde::Serialize;

/// What the other parser makes of a text.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reading {
    /// It can read it.
    Read {
        /// Written over several lines where it is long; left out where it is very long.
        #[serde(skip_serializing_if = "Option::is_none")]
        pretty: Option<String>,
        /// Selectors.
        selectors: usize,
        /// Those that do not carry the tenant's matchers.
        without_tenant: Vec<String>,
    },
    /// It cannot, as with PromQL that is newer than the crate, or very long.
    Unread {
        /// Its words.
        error: String,
    },
}

/// The longest text that the other parser is given, in bytes: its time grows with the square of a chain, to a minute for the
/// longest that the filter takes.
const LONGEST: usize = 16_384;

/// The longest text that is printed over several lines, in bytes: that takes longer still.
const LONGEST_PRETTY: usize = 2_000;

impl Reading {
    /// Whether a selector lacks the tenant's matchers.
    pub(crate) fn is_contradiction(&self) -> bool {
        match self {
            Self::Read { without_tenant, .. } => !without_tenant.is_empty(),
            Self::Unread { .. } => false,
        }
    }
}

/// Reads `text` and looks for the tenant's matchers at every selector.
pub(crate) fn read(text: &str, scope: &TenantScope) -> Reading {
    let look = || {
        let tree = tree(text).map_err(|error| Reading::Unread { error })?;
        let (mut selectors, mut without_tenant) = (0_usize, Vec::new());
        each_selector(&tree, &mut |selector| {
            selectors = selectors.saturating_add(1);
            if !carries(selector, scope) {
                without_tenant.push(selector.to_string());
            }
        });
        Ok(Reading::Read { pretty: (text.len() <= LONGEST_PRETTY).then(|| tree.prettify()), selectors, without_tenant })
    };
    deep(look).unwrap_or_else(|| Err(gave_up())).unwrap_or_else(|unread| unread)
}

/// `text` as the parser prints it, so that two ways to write the same compare equal; `None` when it cannot read it.
pub(crate) fn canonical(text: &str) -> Option<String> {
    deep(|| tree(text).ok().map(|tree| tree.to_string())).flatten()
}

fn tree(text: &str) -> Result<Expr, String> {
    if text.len() > LONGEST { Err(format!("longer than {LONGEST} bytes")) } else { parse(text) }
}

fn gave_up() -> Reading {
    Reading::Unread { error: "it gave up".to_owned() }
}

/// The parser goes as deep as a text is long: it gets a stack that the longest text cannot fill, of which only what is
/// used becomes memory. `None` when it panicked, where panics unwind, or when there is no such stack.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const STACK: usize = 1 << 30;
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(threads, work).ok()?;
        thread.join().ok()
    })
}

/// Calls `look` with every selector below `tree`.
fn each_selector(tree: &Expr, look: &mut impl FnMut(&VectorSelector)) {
    let mut open = vec![tree];
    while let Some(node) = open.pop() {
        match node {
            Expr::Aggregate(node) => {
                open.push(&node.expr);
                open.extend(node.param.as_deref());
            }
            Expr::Unary(node) => open.push(&node.expr),
            Expr::Binary(node) => open.extend([&*node.lhs, &*node.rhs]),
            Expr::Paren(node) => open.push(&node.expr),
            Expr::Subquery(node) => open.push(&node.expr),
            Expr::Call(node) => open.extend(node.args.args.iter().map(|argument| &**argument)),
            Expr::VectorSelector(selector) => look(selector),
            Expr::MatrixSelector(node) => look(&node.vs),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }
}

/// Whether `selector` has a matcher for each label that `scope` restricts, with all that may be read and nothing else.
fn carries(selector: &VectorSelector, scope: &TenantScope) -> bool {
    let all = &selector.matchers;
    all.or_matchers.is_empty()
        && scope.restrictions().all(|(name, scope)| {
            all.matchers.iter().any(|matcher| matcher.name == name.as_str() && is_tenants(matcher, scope))
        })
}

fn is_tenants(matcher: &Matcher, scope: &Scope) -> bool {
    match (&matcher.op, scope) {
        (_, Scope::Unrestricted) => true,
        (MatchOp::Equal, Scope::Values(values)) => {
            values.as_slice().iter().map(LabelValue::as_str).eq([matcher.value.as_str()])
        }
        (MatchOp::Re(_), Scope::Values(values)) => alternatives(&matcher.value)
            .is_some_and(|found| values.as_slice().iter().map(LabelValue::as_str).eq(found.iter().map(String::as_str))),
        (MatchOp::Re(_), Scope::Pattern(pattern)) => matcher.value == pattern.as_str(),
        (MatchOp::Equal, Scope::Pattern(_)) | (MatchOp::NotEqual | MatchOp::NotRe(_), _) => false,
    }
}

/// The texts that a pattern of nothing but alternatives matches, in its order; `None` when it is any other pattern.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let (mut found, mut current) = (Vec::new(), String::new());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => current.push(letters.next().filter(|quoted| !quoted.is_alphanumeric())?),
            '|' => found.push(std::mem::take(&mut current)),
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            _ => current.push(letter),
        }
    }
    found.push(current);
    Some(found)
}
