//! The second opinion: another parser reads what the core has written, and a walk of its tree looks at every selector.
//!
//! Owns the walk, which enters every child of every node (the parser's own visitor leaves aggregation parameters out).
//! Must not know how the core works.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};

/// What the walk has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Selectors.
    pub selectors: usize,
    /// Selectors that do not carry the matcher exactly once.
    pub wrong: Vec<String>,
}

/// Reads `text` and looks for the matcher `name` with `value` at every selector; `None` when the parser cannot read it.
pub(crate) fn verify(text: &str, name: &str, value: &str) -> Option<Seen> {
    let tree = parse(text).ok()?;
    let mut seen = Seen::default();
    each_selector(&tree, &mut |selector| {
        seen.selectors += 1;
        let ours = |m: &&Matcher| m.name == name && m.value == value && matches!(m.op, MatchOp::Equal | MatchOp::Re(_));
        let all = &selector.matchers;
        if all.matchers.iter().filter(ours).count() != 1 || !all.or_matchers.is_empty() {
            seen.wrong.push(selector.to_string());
        }
    });
    Some(seen)
}

/// Calls `look` with every selector below `tree`.
pub(crate) fn each_selector(tree: &Expr, look: &mut impl FnMut(&VectorSelector)) {
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
