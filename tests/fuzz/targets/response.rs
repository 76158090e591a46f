//! An answer of `query_exemplars` to a tenant: the first byte chooses the tenant and whether the upstream says success,
//! the rest is the body. What passes is compared with a filter over the whole tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::response::{HIDDEN_ERROR, ResponseHead, ResponsePlan};
use prom_label_filter::route::Endpoint;
use prom_label_filter::value::Value;
use prom_label_filter_fuzz::answers::{folded, is_beyond, read, same, tenants_entries};
use prom_label_filter_fuzz::tenants;

const HIDDEN_WARNINGS: &str = "the upstream reported warnings; they are not shown on this endpoint";

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let tenant = tenants::chosen(choice >> 4);
    let ResponsePlan::Filter(filter) = ResponsePlan::new(Endpoint::QueryExemplars, &tenant.scope) else {
        assert!(tenant.scope.is_unrestricted());
        return;
    };
    assert!(filter.filter(ResponseHead::ForeignFailure, body).is_err(), "what Prometheus did not write has passed");
    let head = if choice & 1 == 0 { ResponseHead::Success } else { ResponseHead::Failure };
    let passed = filter.filter(head, body);
    // Not for this target's reader.
    if is_beyond(body) {
        return;
    }
    let expected = read(body).and_then(|answer| expected(answer, head, tenant));
    let Ok(passed) = passed else {
        assert!(expected.is_none(), "refused: {expected:?}");
        return;
    };
    let (passed, expected) = (read(&passed).expect("JSON"), expected.expect("must not pass"));
    assert!(same(&passed, &expected), "{passed:?} is not {expected:?}");
    let again = filter.filter(head, body).expect("as before");
    assert_eq!(filter.filter(head, &again).as_ref(), Ok(&again), "filtering twice is filtering once");
});

/// The answer with each member as it may pass; `None` when nothing may.
fn expected(answer: Value, head: ResponseHead, tenant: &tenants::Tenant) -> Option<Value> {
    let Value::Object(members) = answer else { return None };
    let member = |(name, value): (String, Value)| {
        let value = match folded(&name).as_str() {
            "data" if head == ResponseHead::Success => tenants_entries(&value, &tenant.scope)?,
            "data" => Value::Null,
            "error" => Value::String(HIDDEN_ERROR.to_owned()),
            "warnings" | "infos" if value != Value::Null && value != Value::List(Vec::new()) => {
                Value::List(vec![Value::String(HIDDEN_WARNINGS.to_owned())])
            }
            _ => value,
        };
        Some((name, value))
    };
    members.into_iter().map(member).collect::<Option<Vec<_>>>().map(Value::Object)
}
