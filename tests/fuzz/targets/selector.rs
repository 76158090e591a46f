//! `match[]`: the first byte chooses as in `promql`, the rest is the selector.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::promql::{Problem, PromqlError};
use prom_label_filter_fuzz::{promql, tenants};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let (tenant, dialect) = (tenants::chosen(choice >> 4), promql::dialect(choice));
    let Ok(scoped) = promql::check(promql::selector, text, tenant, &dialect) else { return };
    assert_eq!(scoped.selectors, 1);
    // A selector is an expression as well, but for one rule: an expression's metric has one name.
    match promql::check(promql::expression, text, tenant, &dialect) {
        Ok(expression) => assert_eq!(expression, scoped),
        Err(PromqlError::Parse { problem: Problem::TwoNames { .. }, .. }) => {}
        Err(error) => panic!("no expression: {error}"),
    }
});
