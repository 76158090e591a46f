//! How long the core takes for a text. Figures, never a test.
#![expect(clippy::expect_used, reason = "a bench may fail")]

mod queries;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use prom_label_filter::promql::{Agreement, Dialect, Matchers, TextLimits, scope_expression};
use prom_label_filter::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope, TenantScope};
use queries::{GRAFANA, burn_rate};

fn rewrite(criterion: &mut Criterion) {
    let value = LabelValue::new("team-fruit").expect("a value");
    let label = LabelScope {
        name: LabelName::new("tenant").expect("a name"),
        scope: Scope::Values(LabelValues::new(vec![value]).expect("values")),
    };
    let scope = TenantScope::new(vec![label]).expect("a scope");
    let matchers = Matchers::new(&scope);
    let (dialect, limits) = (Dialect::default(), TextLimits::default());
    let burn_rate = burn_rate();
    for (name, text) in [("up", "up"), ("grafana", GRAFANA), ("burn_rate", burn_rate.as_str())] {
        criterion.bench_function(&format!("{name} ({} bytes)", text.len()), |bencher| {
            bencher.iter(|| scope_expression(black_box(text.as_bytes()), &matchers, &dialect, &limits));
        });
    }
    // A variable of a dashboard's, as one value, several and a pattern, without `error_on_replace` and with it.
    for asked in ["=\"team-fruit\"", "=~\"(team-fruit|team-veggie)\"", "=~\"team-.*\""] {
        let text = GRAFANA.replace("job=", &format!("tenant{asked},job="));
        criterion.bench_function(&format!("tenant{asked}"), |bencher| {
            bencher.iter(|| scope_expression(black_box(text.as_bytes()), &Matchers::new(&scope), &dialect, &limits));
        });
        criterion.bench_function(&format!("tenant{asked}, error_on_replace"), |bencher| {
            bencher.iter(|| {
                let matchers = Matchers::new(&scope).agreeing(Some(Agreement::new(&scope)));
                scope_expression(black_box(text.as_bytes()), &matchers, &dialect, &limits)
            });
        });
    }
}

criterion_group!(benches, rewrite);
criterion_main!(benches);
