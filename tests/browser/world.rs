//! Teams with rules, alerts, targets and series of their own, behind a Thanos or a Prometheus that they share; and the same
//! for Team Fruit alone.

use crate::equivalence::duties::settled;
use crate::support::data;
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::parts;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::thanos::{Querier, Store};
use serde_json::{Value, json};

const FRUIT: &str = "team-fruit";
const VEGGIE: &str = "team-veggie";

/// What only Team Veggie has: its name, and a name and a label among its series. Nothing that Team Fruit gets may hold it.
pub(super) const FOREIGN: [&str; 3] = ["veggie", "secret_3", "only_3"];

/// The web interfaces for Team Fruit: of what it shares, through the filter, and of what is its own.
#[derive(Debug)]
pub(super) struct World {
    pub(super) soft: u16,
    pub(super) hard: u16,
    pub(super) envoy: Envoy,
    _queriers: Vec<Querier>,
    _stores: Vec<Store>,
    _servers: Vec<Prometheus>,
}

impl World {
    /// Queriers over servers with sidecars, on which the tenant is an external label.
    pub(super) fn thanos() -> Self {
        let exporter = Prometheus::holding(&[], &[]);
        let servers = [(FRUIT, "a"), (VEGGIE, "a"), (VEGGIE, "b")].map(|(tenant, replica)| {
            let series: Vec<_> = data::of_tenant(tenant).into_iter().map(|each| each.without("tenant")).collect();
            let external_labels = json!({"tenant": tenant, "cluster": "eu-1", "replica": replica});
            let duties = Duties { external_labels, ..duties(&[tenant], exporter.port, |_| json!({})) };
            Prometheus::with(&series, &duties, &[])
        });
        servers.iter().for_each(|server| settled(server.port, &[FRUIT]));
        let stores = servers.each_ref().map(Store::sidecar);
        let queriers = [Querier::over(&stores, &[]), Querier::over(&stores[..1], &[])];
        let ports = queriers.each_ref().map(|querier| querier.port);
        Self::behind_the_filter(
            ports,
            true,
            queriers.into(),
            stores.into(),
            servers.into_iter().chain([exporter]).collect(),
        )
    }

    /// Servers in which the tenant is a label of everything.
    pub(super) fn prometheus() -> Self {
        let exporter = Prometheus::holding(&[], &[]);
        let servers = [&[FRUIT, VEGGIE][..], &[FRUIT]].map(|tenants| {
            let series: Vec<_> = tenants.iter().flat_map(|tenant| data::of_tenant(tenant)).collect();
            let duties = duties(tenants, exporter.port, |tenant| json!({"tenant": tenant}));
            let server = Prometheus::with(&series, &Duties { pages: Some(parts::pages()), ..duties }, &[]);
            assert!(
                server.version().starts_with("3."),
                "the pages are those of Prometheus 3, not {}",
                server.version()
            );
            settled(server.port, tenants);
            server
        });
        let ports = servers.each_ref().map(|server| server.port);
        Self::behind_the_filter(ports, false, Vec::new(), Vec::new(), servers.into_iter().chain([exporter]).collect())
    }

    fn behind_the_filter(
        [shared, own]: [u16; 2],
        is_thanos: bool,
        queriers: Vec<Querier>,
        stores: Vec<Store>,
        servers: Vec<Prometheus>,
    ) -> Self {
        let configuration = json!({
            "labels": [{"name": "tenant", "route_metadata": "tenant"}],
            "ui": "pass",
            "targets": "filter",
            "alerts_from_rules": is_thanos,
        });
        let listener = Listener::new("fruit", configuration).metadata(json!({"tenant": FRUIT}));
        let envoy = Envoy::start(&bootstrap(&[listener], vec![cluster("upstream", shared, false)]));
        Self { soft: envoy.port("fruit"), hard: own, envoy, _queriers: queriers, _stores: stores, _servers: servers }
    }
}

/// What each of `tenants` has beside its series, with its name in it. `labels` says what its rules and targets carry.
fn duties(tenants: &[&str], exporter: u16, labels: impl Fn(&str) -> Value) -> Duties {
    let mut duties = Duties { scrape_configs: json!([]), ..Duties::default() };
    for tenant in tenants {
        let short = tenant.trim_start_matches("team-");
        let with = |more: Value| {
            let mut all = labels(tenant);
            more.as_object().into_iter().flatten().for_each(|(name, value)| all[name] = value.clone());
            all
        };
        let groups = json!([{"name": format!("{short} group"), "rules": [
            {"record": format!("{short}:up:sum"), "expr": "sum(up)", "labels": labels(tenant)},
            {"alert": format!("{short}-is-ripe"), "expr": "vector(1)", "labels": with(json!({"severity": "page"})),
                "annotations": {"summary": format!("the {short} has {{{{ $value }}}}")}},
            {"alert": format!("{short}-is-growing"), "expr": "vector(1)", "for": "1h", "labels": with(json!({"severity": "warn"}))},
            {"alert": format!("{short}-is-rotten"), "expr": "vector(1) > 2", "labels": with(json!({"severity": "page"}))}]}]);
        duties.rules.push((format!("{short}.json"), groups));
        let targets = json!([format!("127.0.0.1:{exporter}"), "127.0.0.1:1"]);
        let config = json!({"job_name": format!("{short}-exporter"), "static_configs": [
            {"targets": targets, "labels": with(json!({"crop": short}))}],
            "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "prometheus_build_info", "action": "keep"}]});
        duties.scrape_configs.as_array_mut().expect("a list").push(config);
    }
    duties
}
