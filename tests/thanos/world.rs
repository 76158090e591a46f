//! The tutorial's teams, and one whose name is hard to quote: their Prometheus servers with a sidecar each, one Querier over all
//! of them, a Querier for each party, and Envoy with the filter.

use crate::support::data::{self, END};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::remote_write::{Points, Series};
use crate::support::thanos::{Querier, Store};
use crate::support::tokens::token;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The servers: whose they are, and which replica.
const SERVERS: [(&str, &str); 4] = [("team-fruit", "a"), ("team-veggie", "a"), ("team-veggie", "b"), ("a\"b", "a")];

/// Who asks: a name, and the tenants.
pub(super) const PARTIES: [(&str, &[&str]); 4] = [
    ("fruit", &["team-fruit"]),
    ("veggie", &["team-veggie"]),
    ("tomato", &["team-fruit", "team-veggie"]),
    ("quote", &["a\"b"]),
];

/// Started once for all tests.
pub(super) static WORLD: LazyLock<World> = LazyLock::new(World::start);

#[derive(Debug)]
pub(super) struct World {
    pub(super) shared: Querier,
    own: Vec<Querier>,
    pub(super) envoy: Envoy,
    _stores: Vec<Store>,
    _servers: Vec<Prometheus>,
}

impl World {
    fn start() -> Self {
        let servers: Vec<_> = SERVERS.map(|(tenant, replica)| server(tenant, replica)).into();
        let stores: Vec<_> = servers.iter().map(Store::sidecar).collect();
        let of = |tenants: &[&str]| -> Vec<&Store> {
            let both = SERVERS.iter().zip(&stores);
            both.filter(|((tenant, _), _)| tenants.contains(tenant)).map(|(_, store)| store).collect()
        };
        let shared = Querier::over(&stores, &[]);
        let own = PARTIES.map(|(_, tenants)| Querier::over(of(tenants), &[])).into();
        let listeners = [Listener::new("token", configuration()).jwt()];
        let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
        Self { shared, own, envoy, _stores: stores, _servers: servers }
    }

    /// The ports of a party's own Querier, and of the filter.
    pub(super) fn ports(&self, party: &str) -> (u16, u16) {
        let at = PARTIES.iter().position(|(name, _)| *name == party).expect("a party");
        (self.own[at].port, self.envoy.port("token"))
    }
}

/// A token that says these tenants.
pub(super) fn bearer(tenants: &[&str]) -> String {
    token(&json!({ "tenants": tenants }))
}

fn configuration() -> Value {
    json!({
        "labels": [{"name": "tenant", "jwt_claim": "tenants", "danger_unrestricted": ["sre"]}],
        "promql": {"experimental_functions": true, "extended_range_selectors": true},
        "targets": "filter",
    })
}

/// One of a team's servers. The second replica was away for a while, and went early.
fn server(tenant: &str, replica: &str) -> Prometheus {
    let mut series: Vec<Series> = data::of_tenant(tenant).into_iter().map(|each| each.without("tenant")).collect();
    if replica == "b" {
        let away = |at: u64| (1..=6).contains(&((*END * 1000 - at) / 60_000)) || (*END * 1000 - at) / 60_000 % 17 == 3;
        for each in &mut series {
            match &mut each.points {
                Points::Floats(points) => points.retain(|(at, _)| !away(*at)),
                Points::Histograms(points) => points.retain(|(at, _)| !away(*at)),
            }
        }
    }
    let labels = json!({"tenant": tenant, "cluster": "eu-1", "replica": replica});
    Prometheus::with(&series, &Duties { external_labels: labels, ..Duties::default() }, &[])
}
