//! The second opinion: another parser reads what the core has written, and a walk of its tree looks at every selector.
//!
//! Owns the walk, which enters every child of every node (the parser's own visitor leaves aggregation parameters out).
//! Must not know how the core works. Depends on `promql_parser` alone: the fuzzing targets use it, too.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};

/// What the walk has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Selectors.
    pub selectors: usize,
    /// Selectors that do not carry the matcher exactly once, last in the braces and as an equality; or, where `absent()`
    /// would echo that, first and as a pattern.
    pub wrong: Vec<String>,
}

/// Where a selector stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the argument of `absent()` or `absent_over_time()`, in any parentheses.
    Absent,
    /// Anywhere else.
    Elsewhere,
}

/// Reads `text` and looks for the matcher `name` with `value` at every selector; `None` when the parser cannot read it.
///
/// `value` stands for itself as a pattern, too.
pub(crate) fn verify(text: &str, name: &str, value: &str) -> Option<Seen> {
    let tree = parse(text).ok()?;
    let mut seen = Seen::default();
    each_selector(&tree, &mut |selector, place| {
        seen.selectors += 1;
        let named = |m: &&Matcher| m.name == name && m.value == value;
        let ours = |m: &&Matcher| named(m) && matches!(m.op, MatchOp::Equal | MatchOp::Re(_));
        let all = &selector.matchers;
        let at_its_end = match place {
            Place::Absent => all.matchers.first().filter(named).is_some_and(|m| matches!(m.op, MatchOp::Re(_))),
            Place::Elsewhere => all.matchers.last().filter(named).is_some_and(|m| m.op == MatchOp::Equal),
        };
        if !at_its_end || all.matchers.iter().filter(ours).count() != 1 || !all.or_matchers.is_empty() {
            seen.wrong.push(selector.to_string());
        }
    });
    Some(seen)
}

/// Calls `look` with every selector below `tree`.
pub(crate) fn each_selector(tree: &Expr, look: &mut impl FnMut(&VectorSelector, Place)) {
    let mut open = vec![(tree, Place::Elsewhere)];
    while let Some((node, place)) = open.pop() {
        let mut below = |node| open.push((node, Place::Elsewhere));
        match node {
            Expr::Aggregate(node) => {
                below(&node.expr);
                if let Some(parameter) = &node.param {
                    below(parameter);
                }
            }
            Expr::Unary(node) => below(&node.expr),
            Expr::Binary(node) => {
                below(&node.lhs);
                below(&node.rhs);
            }
            Expr::Paren(node) => open.push((&node.expr, place)),
            Expr::Subquery(node) => below(&node.expr),
            Expr::Call(node) => {
                let place = match node.func.name {
                    "absent" | "absent_over_time" => Place::Absent,
                    _ => Place::Elsewhere,
                };
                open.extend(node.args.args.iter().map(|argument| (&**argument, place)));
            }
            Expr::VectorSelector(selector) => look(selector, place),
            Expr::MatrixSelector(node) => look(&node.vs, place),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
            Expr::Extension(_) => panic!("the parser makes no extensions"),
        }
    }
}

/// `tree` printed without the matcher `name` with `value` at any selector: what is left must be the request's own.
pub(crate) fn without(text: &str, name: &str, value: &str) -> Option<String> {
    let mut tree = parse(text).ok()?;
    take_out(&mut tree, name, value);
    Some(tree.to_string())
}

fn take_out(tree: &mut Expr, name: &str, value: &str) {
    let clean = |selector: &mut VectorSelector| {
        selector.matchers.matchers.retain(|m| m.name != name || m.value != value);
    };
    match tree {
        Expr::Aggregate(node) => {
            take_out(&mut node.expr, name, value);
            if let Some(parameter) = &mut node.param {
                take_out(parameter, name, value);
            }
        }
        Expr::Unary(node) => take_out(&mut node.expr, name, value),
        Expr::Binary(node) => {
            take_out(&mut node.lhs, name, value);
            take_out(&mut node.rhs, name, value);
        }
        Expr::Paren(node) => take_out(&mut node.expr, name, value),
        Expr::Subquery(node) => take_out(&mut node.expr, name, value),
        Expr::Call(node) => node.args.args.iter_mut().for_each(|argument| take_out(argument, name, value)),
        Expr::VectorSelector(selector) => clean(selector),
        Expr::MatrixSelector(node) => clean(&mut node.vs),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}
