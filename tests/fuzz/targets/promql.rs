//! `query`: the first byte chooses the dialect (its lowest four bits are the switches) and the tenant, the rest is the
//! expression. `/` is every switch on, `"` the default, both with `tenant="v"`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter_fuzz::{promql, tenants};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let _ = promql::check(promql::expression, text, tenants::chosen(choice >> 4), &promql::dialect(choice));
});
