//! Where the attacks take place: one Prometheus that holds an attacker's and a victim's data, rules and targets, a hop before it
//! that writes down what arrives, and one Envoy with the filter in every configuration that an attack is for.
//!
//! Must not know the attacks.

use super::attack::Ground;
use super::secrets as secret;
use crate::support::alertmanager::Alertmanager;
use crate::support::bench::Bench;
use crate::support::client::{get, send};
use crate::support::data::{END, MINUTES};
use crate::support::envoy::{Listener, cluster};
use crate::support::eventually;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::remote_write::{Exemplar, Points, Series};
use crate::support::tokens::token;
use crate::support::upstream::{Answer, Upstream};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Everything, for as long as the tests run.
pub(super) static FIELD: LazyLock<Field> = LazyLock::new(Field::start);

/// The same filter before an upstream that answers by script.
pub(super) static SCRIPTED: LazyLock<Bench> = LazyLock::new(|| {
    let open = |settings: Value| {
        let mut all = open(settings);
        all["alertmanager"] = json!({"enabled": true, "silence_writes": "allow", "cluster": "upstream"});
        all
    };
    let small = json!({"response_bytes": 4000});
    let held = json!({"limits": small, "hold_response_headers": true});
    let listeners = [
        Listener::new("jwt", open(json!({}))).jwt().http1_trailers().websocket(),
        Listener::new("h2", open(json!({}))).jwt().cluster("upstream-h2").http1_trailers(),
        Listener::new("hold", open(json!({"hold_response_headers": true}))).jwt().stop_iteration().http1_trailers(),
        Listener::new("small", open(json!({"limits": small}))).jwt(),
        Listener::new("small-hold", open(held)).jwt().stop_iteration(),
        Listener::new("shared-rules", open(json!({"rules_with_active_alerts": true}))).jwt(),
        Listener::new("scrub", open(json!({"warnings": "scrub"}))).jwt(),
    ];
    Bench::start(listeners.map(Listener::close_soon))
});

/// The attacker's token.
pub(super) static EVE: LazyLock<String> = LazyLock::new(|| token(&json!({"tenants": "eve"})));

/// The victim's.
pub(super) static VICTIM: LazyLock<String> = LazyLock::new(|| token(&json!({"tenants": "victim"})));

#[derive(Debug)]
pub(super) struct Field {
    pub(super) bench: Bench,
    pub(super) prometheus: Prometheus,
    pub(super) alertmanager: Alertmanager,
    /// Before Alertmanager.
    pub(super) hop: Upstream,
}

/// Everything that may be switched on is, so that there is more to attack.
pub(super) fn open(settings: Value) -> Value {
    let mut all = json!({
        "labels": [{"name": "tenant", "jwt_claim": "tenants", "danger_unrestricted": ["sre"]}],
        "targets": "filter",
        "remote_read": "rewrite",
        "promql": {"experimental_functions": true, "extended_range_selectors": true, "binop_fill_modifiers": true},
    });
    for (key, value) in settings.as_object().expect("settings") {
        all[key] = value.clone();
    }
    all
}

fn listeners() -> Vec<Listener> {
    let rules = |labels: Value| open(json!({"labels": labels}));
    let claim = json!({"name": "tenant", "jwt_claim": "tenants"});
    let mut mapped = claim.clone();
    mapped["values_map"] = json!({"admin": ["victim"]});
    mapped["values_map_only"] = json!(true);
    mapped["danger_unrestricted"] = json!(["sre"]);
    let alerting = |writes: &str| open(json!({"alertmanager": {"enabled": true, "silence_writes": writes}}));
    let mut held = alerting("allow");
    held["hold_response_headers"] = json!(true);
    vec![
        Listener::new("jwt", open(json!({}))).jwt().websocket(),
        Listener::new("lenient", open(json!({}))).lenient_jwt(),
        Listener::new("trailers", open(json!({}))).jwt().http1_trailers(),
        Listener::new("defaults", json!({"labels": [claim]})).jwt(),
        Listener::new("prefix", open(json!({"path_prefix": "/prom"}))).jwt(),
        Listener::new("pages", open(json!({"ui": "pass", "danger_passthrough_paths": ["/-/healthy"]}))).jwt(),
        Listener::new("announce", open(json!({"tenant_header": "thanos-tenant"}))).jwt(),
        Listener::new("narrowed-rules", open(json!({"enable_label_matchers_for_rules_api": true}))).jwt(),
        Listener::new("shared-rules", open(json!({"rules_with_active_alerts": true}))).jwt(),
        Listener::new("two", rules(json!([claim, {"name": "job", "values": ["api", "web"]}]))).jwt(),
        Listener::new("header", rules(json!([{"name": "tenant", "header": "x-tenant"}]))),
        Listener::new(
            "list",
            rules(json!([{"name": "tenant", "header": "x-tenant", "header_uses_list_syntax": true}])),
        ),
        Listener::new("static", rules(json!([{"name": "tenant", "values": ["eve"]}]))),
        Listener::new("route", rules(json!([{"name": "tenant", "route_metadata": "tenant"}])))
            .metadata(json!({"tenant": "eve"})),
        Listener::new("map", rules(json!([mapped]))).jwt(),
        Listener::new("alerts", alerting("allow")).jwt().cluster("alertmanager"),
        Listener::new("alerts-held", held).jwt().cluster("alertmanager").stop_iteration(),
        Listener::new("alerts-read", alerting("deny")).jwt().cluster("alertmanager"),
        Listener::bare("bare"),
    ]
}

impl Field {
    fn start() -> Self {
        let file = format!("{}.yml", secret::FILE);
        let files = [("eves.yml", eves_rules()), (&file, victims_rules()), ("mixed.yml", mixed_rules())];
        let duties = Duties {
            rules: files.into_iter().map(|(name, groups)| (name.to_owned(), groups)).collect(),
            scrape_configs: scrape_configs(),
            ..Duties::default()
        };
        let prometheus = Prometheus::with(&series(), &duties, &["--enable-feature=search-api"]);
        eventually("alerts to fire", || all_fire(&prometheus).then_some(()));
        let listeners = listeners().into_iter().map(Listener::close_soon);
        let alertmanager = Alertmanager::start(&[]);
        let hop = Upstream::in_front_of(alertmanager.port);
        let further = vec![cluster("alertmanager", hop.port, false)];
        let bench = Bench::beside(further, Upstream::in_front_of(prometheus.port), listeners);
        Self { bench, prometheus, alertmanager, hop }
    }

    /// Where Alertmanager is attacked.
    pub(super) fn alerts(&self) -> Ground<'_> {
        Ground { bench: &self.bench, hop: &self.hop }
    }

    /// Waits until targets have been scraped. Prometheus takes its time to begin.
    pub(super) fn wait_for_targets(&self) {
        eventually("targets to be scraped", || {
            let targets = ask(&self.prometheus, "/api/v1/targets");
            let active = targets["activeTargets"].as_array()?;
            (active.len() == 4 && active.iter().all(|target| target["health"] != "unknown")).then_some(())
        });
        eventually("what was scraped to be there", || {
            let found = ask(&self.prometheus, "/api/v1/targets/metadata?metric=scraped_total");
            (found.as_array()?.len() == 3).then_some(())
        });
    }
}

/// Whether rules have been evaluated.
fn all_fire(prometheus: &Prometheus) -> bool {
    let alerts = ask(prometheus, "/api/v1/alerts");
    let fires = |name: &str, tenant: &str| {
        alerts["alerts"].as_array().into_iter().flatten().any(|alert| {
            let labels = &alert["labels"];
            labels["alertname"] == name && labels["tenant"] == tenant && alert["state"] == "firing"
        })
    };
    let all = [("EveUp", "eve"), (secret::ALERT, "victim"), ("Shared", "eve"), ("Shared", "victim")];
    all.iter().all(|(name, tenant)| fires(name, tenant))
}

fn ask(prometheus: &Prometheus, path: &str) -> Value {
    send(prometheus.port, &get(path)).json()["data"].clone()
}

/// The same shapes for each, so that only the label tells them apart.
fn series() -> Vec<Series> {
    let at = |minute: u64| (*END - (MINUTES - minute) * 60) * 1000;
    let of = |name: &str, labels: &[(&str, &str)], value: f64| {
        Series::new(name, labels, Points::Floats((0..=MINUTES).map(|minute| (at(minute), value)).collect()))
    };
    let mut all = Vec::new();
    let neighbours = ["victim2", "Eve", "eve ", " eve", "eve|x", "evee", "eve.", "e.e", "x|eve"];
    let owners = [("eve", "eves", 3.0), ("victim", secret::LABEL_VALUE, secret::NUMBER)];
    let neighbours = neighbours.map(|name| (name, secret::OF_NEIGHBOUR, secret::NUMBER));
    for (tenant, word, value) in owners.into_iter().chain(neighbours) {
        for (job, instance) in [("api", "1"), ("web", "2")] {
            let labels = [("tenant", tenant), ("job", job), ("instance", instance), ("word", word)];
            all.push(of("up", &labels, value));
            all.push(of("target_info", &labels, 1.0));
            let mut counter = of("http_requests_total", &labels, value);
            let trace = if tenant == "eve" { "eves-trace" } else { secret::TRACE };
            counter.exemplars = (5..8).map(|minute| Exemplar { trace: trace.into(), value, at: at(minute) }).collect();
            all.push(counter);
        }
    }
    let victims = [("tenant", "victim"), ("job", "api"), (secret::LABEL_NAME, "x"), ("word", secret::LABEL_VALUE)];
    all.push(of(secret::METRIC, &victims, secret::NUMBER));
    all.push(of("up", &[("job", "nobody"), ("word", secret::OF_NOBODY)], secret::NUMBER));
    all.push(of("http_requests_total", &[("job", "empty"), ("word", secret::OF_NOBODY)], secret::NUMBER));
    all
}

/// The address of a target.
fn target(help: &str, word: &str) -> String {
    let page =
        format!("# HELP scraped_total {help}\n# TYPE scraped_total counter\nscraped_total{{word=\"{word}\"}} 1\n");
    let server = Upstream::start();
    server.answer_others(Answer::json(200, page).header("content-type", "text/plain; version=0.0.4"));
    format!("127.0.0.1:{}", server.port)
}

fn scrape_configs() -> Value {
    let (eves, victims) = (target("eves", "eves"), target(secret::HELP, secret::SCRAPED));
    let at = |address: &str, tenant: &str, word: &str| json!([{"targets": [address], "labels": {"tenant": tenant, "word": word}}]);
    json!([
        {"job_name": "api", "static_configs": at(&eves, "eve", "eves")},
        {
            "job_name": secret::POOL,
            "params": {"word": [secret::TARGET_URL]},
            "basic_auth": {"username": secret::CONFIGURATION, "password": "x"},
            "static_configs": at(&victims, "victim", secret::TARGET_LABEL),
        },
        {
            "job_name": "moved",
            "static_configs": at(&victims, "eve", secret::TARGET_LABEL),
            "relabel_configs": [{"target_label": "tenant", "replacement": "victim"}],
        },
        {
            "job_name": "down",
            "metrics_path": format!("/{}", secret::TARGET_ERROR),
            "static_configs": at("127.0.0.1:1", "victim", "down"),
        },
        {
            "job_name": "dropped",
            "static_configs": at("127.0.0.1:1", "victim", secret::DROPPED),
            "relabel_configs": [{"action": "drop", "source_labels": ["__address__"]}],
        },
    ])
}

fn eves_rules() -> Value {
    let own = r#"up{tenant="eve",word="eves"}"#;
    json!([{"name": "eves", "rules": [
        {
            "alert": "EveUp",
            "expr": format!("{own} > 0"),
            "labels": {"tenant": "eve"},
            "annotations": {"summary": "eves"},
        },
        {"record": "eve:up", "expr": format!("sum by (tenant) ({own})"), "labels": {"tenant": "eve"}},
    ]}])
}

fn victims_rules() -> Value {
    let query = secret::RULE_QUERY;
    json!([{"name": secret::GROUP, "rules": [
        {
            "alert": secret::ALERT,
            "expr": format!(r#"up{{tenant="victim",word!="{query}"}} > 0"#),
            "labels": {"tenant": "victim", "word": secret::RULE_LABEL},
            "annotations": {"summary": secret::ANNOTATION},
        },
        {"record": secret::RECORD, "expr": r#"up{tenant="victim"}"#, "labels": {"tenant": "victim"}},
    ]}])
}

/// Rules of both in one group, and rules of nobody with alerts of both.
fn mixed_rules() -> Value {
    let (shared, nobodys) = (r#"up{tenant!="",word!=""} > 0"#, secret::RULE_OF_NOBODY);
    let told = "of {{ $labels.tenant }}: {{ $labels.word }} {{ $value }}";
    let victims = json!({"tenant": "victim", "word": secret::RULE_LABEL});
    json!([{"name": "mixed", "rules": [
        {"alert": "EveAlso", "expr": r#"up{tenant="eve",word="eves"} > 0"#, "labels": {"tenant": "eve"}},
        {"alert": "VictimAlso", "expr": r#"up{tenant="victim"} > 0"#, "labels": victims},
        {"alert": "Shared", "expr": shared, "annotations": {"summary": told}},
        {"alert": "Templated", "expr": shared, "labels": {"tenant": "{{ $labels.tenant }}"}},
        {"alert": "Broken", "expr": "up * on (nothing) up", "annotations": {"summary": nobodys}},
        {"record": "nobody:up", "expr": format!(r#"sum(up{{word!="{nobodys}"}})"#)},
    ]}])
}
