//! Tenants to scope for: one value, several, hostile ones, a pattern, and none at all.
//!
//! Owns the matchers' texts, written by hand: what the core makes of a scope is compared with them.

use crate::reading::Ours;
use prom_label_filter::promql::Matchers;
use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Pattern, Scope, TenantScope};
use std::sync::LazyLock;

/// A tenant.
pub struct Tenant {
    /// What the core is given.
    pub scope: TenantScope,
    /// What the core writes with.
    pub matchers: Matchers,
    /// What stands last in a selector's braces; empty when nothing is restricted.
    pub plain: &'static str,
    /// What stands first where the other would be echoed.
    pub unechoed: &'static str,
    /// Name, value and pattern of each matcher; whether it is a pattern everywhere.
    pub each: &'static [(&'static str, &'static str, &'static str, bool)],
    /// The two texts as the other tokenizer has them.
    pub(crate) ours: Ours,
}

type Rules = &'static [(&'static str, &'static [&'static str])];

fn tenant(
    rules: Rules,
    plain: &'static str,
    unechoed: &'static str,
    each: &'static [(&'static str, &'static str, &'static str, bool)],
) -> Tenant {
    let label = |(name, values): &(&str, &[&str])| LabelScope {
        name: LabelName::new(*name).expect("a name"),
        scope: LabelValues::new(values.iter().map(|value| LabelValue::new(*value).expect("a value")).collect())
            .map_or(Scope::Unrestricted, Scope::Values),
    };
    scoped(rules.iter().map(label).collect(), plain, unechoed, each)
}

fn scoped(
    labels: Vec<LabelScope>,
    plain: &'static str,
    unechoed: &'static str,
    each: &'static [(&'static str, &'static str, &'static str, bool)],
) -> Tenant {
    let scope = TenantScope::new(labels).expect("a scope");
    let ours = Ours::new(plain, unechoed);
    Tenant { matchers: Matchers::new(&scope), scope, plain, unechoed, each, ours }
}

static TENANTS: LazyLock<[Tenant; 9]> = LazyLock::new(|| {
    [
        tenant(
            &[("tenant", &["v2", "v1"])],
            r#"tenant=~"v1|v2""#,
            r#"tenant=~"v1|v2""#,
            &[("tenant", "", "v1|v2", true)],
        ),
        tenant(&[("tenant", &["\""])], r#"tenant="\"""#, r#"tenant=~"\"""#, &[("tenant", "\"", "\"", false)]),
        tenant(&[("tenant", &["v"])], r#"tenant="v""#, r#"tenant=~"v""#, &[("tenant", "v", "v", false)]),
        tenant(
            &[("tenant", &["a|b", ".*"])],
            r#"tenant=~"\\.\\*|a\\|b""#,
            r#"tenant=~"\\.\\*|a\\|b""#,
            &[("tenant", "", r"\.\*|a\|b", true)],
        ),
        tenant(&[("tenant", &["\\"])], r#"tenant="\\""#, r#"tenant=~"\\\\""#, &[("tenant", r"\", r"\\", false)]),
        tenant(
            &[("a.b", &["v"]), ("lifted", &[]), ("tenant", &["x", "y"])],
            r#""a.b"="v",tenant=~"x|y""#,
            r#""a.b"=~"v",tenant=~"x|y""#,
            &[("a.b", "v", "v", false), ("tenant", "", "x|y", true)],
        ),
        tenant(&[("tenant", &[])], "", "", &[]),
        tenant(
            &[("tenant", &[r#""} or up{tenant!=""#])],
            r#"tenant="\"} or up{tenant!=\"""#,
            r#"tenant=~"\"\\} or up\\{tenant!=\"""#,
            &[("tenant", r#""} or up{tenant!=""#, r#""\} or up\{tenant!=""#, false)],
        ),
        scoped(
            vec![LabelScope {
                name: LabelName::new("tenant").expect("a name"),
                scope: Scope::Pattern(Pattern::new(LabelValue::new("v.+").expect("a value")).expect("a pattern")),
            }],
            r#"tenant=~"v.+""#,
            r#"tenant=~"v.+""#,
            &[("tenant", "", "v.+", true)],
        ),
    ]
});

/// The tenant that `number` stands for.
pub fn chosen(number: u8) -> &'static Tenant {
    &TENANTS[usize::from(number % 9)]
}

/// The one that nothing restricts.
pub fn unrestricted() -> &'static Tenant {
    chosen(6)
}
