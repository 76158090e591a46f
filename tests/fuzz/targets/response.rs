//! An answer to a tenant that is filtered: the first byte chooses the tenant, what is listed and whether the upstream says
//! success, the rest is the body. What passes is compared with a filter over the whole tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::response::{ResponseHead, ResponsePlan};
use prom_label_filter::scope::TenantScope;
use prom_label_filter_fuzz::answers::{Listing, expected, is_beyond, plan, read, same};
use prom_label_filter_fuzz::tenants;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let tenant = tenants::chosen(choice >> 4);
    if tenant.scope.is_unrestricted() {
        assert_eq!(plan(Listing::Exemplars, &tenant.scope), ResponsePlan::Verbatim);
        return;
    }
    let is_success = choice & 1 == 0;
    let listing = match choice >> 1 & 7 {
        2 => Listing::Rules { with_active_alerts: false },
        3 | 6 | 7 => Listing::Rules { with_active_alerts: true },
        4 => Listing::Alerts,
        5 => Listing::Targets,
        _ => Listing::Exemplars,
    };
    let passed = filtered(listing, is_success, body, &tenant.scope);
    // Not for this target's reader.
    if is_beyond(body) {
        return;
    }
    let expected = read(body).and_then(|answer| expected(&answer, is_success, listing, &tenant.scope));
    let Some(passed) = passed else {
        assert!(expected.is_none(), "refused: {expected:?}");
        return;
    };
    let (tree, expected) = (read(&passed).expect("JSON"), expected.expect("must not pass"));
    assert!(same(&tree, &expected), "{tree:?} is not {expected:?}");
    let again = filtered(listing, is_success, &passed, &tenant.scope);
    assert_eq!(again.as_ref(), Some(&passed), "filtering twice is filtering once");
});

fn filtered(listing: Listing, is_success: bool, body: &[u8], scope: &TenantScope) -> Option<Vec<u8>> {
    let ResponsePlan::Filter(filter) = plan(listing, scope) else { panic!("not filtered") };
    let foreign = filter.filter(ResponseHead::ForeignFailure, body);
    assert!(foreign.is_err(), "what Prometheus did not write has passed");
    filter.filter(if is_success { ResponseHead::Success } else { ResponseHead::Failure }, body).ok()
}
