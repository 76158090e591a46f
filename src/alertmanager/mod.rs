//! The tenant boundary of Alertmanager's API v2, as far as it is text: what a read selects, and whose a silence is.
//!
//! Owns how Alertmanager reads matchers and silences. Must not know paths, methods or the host, nor HTTP numbers.

pub mod matcher;
pub mod ownership;
pub mod silence;

#[cfg(test)]
mod tests {
    use crate::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope, TenantScope};

    /// A tenant's scope: each label with its values, or with none when its rule is lifted.
    pub(super) fn scope(rules: &[(&str, &[&str])]) -> TenantScope {
        let label = |(name, values): &(&str, &[&str])| LabelScope {
            name: LabelName::new(*name).expect("a name"),
            scope: LabelValues::new(values.iter().map(|v| LabelValue::new(*v).expect("a value")).collect())
                .map_or(Scope::Unrestricted, Scope::Values),
        };
        TenantScope::new(rules.iter().map(label).collect()).expect("a scope")
    }
}
