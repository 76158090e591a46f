//! What a Prometheus does beside answering queries: rules, alerts and targets of a tenant through the filter are those of a
//! Prometheus that has only that tenant's.

use crate::support::client::{Connection, Request, Response, get};
use crate::support::data;
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::eventually;
use crate::support::form::encode;
use crate::support::prometheus::{Duties, Prometheus};
use serde_json::{Value, json};

const TENANTS: [&str; 4] = ["team-fruit", "team-veggie", "a\"b", "a|b"];

/// Who asks: tenants, and whether a second rule is enforced.
const PARTIES: [(&str, &[&str]); 6] = [
    ("plain", &["team-fruit"]),
    ("plain", &["a|b"]),
    ("plain", &["team-fruit", "a\"b"]),
    ("paged", &["team-fruit"]),
    ("source", &["team-veggie", "a|b"]),
    ("from rules", &["a\"b", "team-veggie"]),
];

/// One tenant's rules: a file with groups of its own, and one with a group's name that others have too.
fn rules(tenant: &str) -> Vec<(String, Value)> {
    let number = TENANTS.iter().position(|each| *each == tenant).expect("a known tenant");
    let labels = |severity: &str| json!({"tenant": tenant, "severity": severity});
    let selector = format!("{{tenant={}}}", json!(tenant));
    let own = json!([
        {"name": format!("own-{number}"), "rules": [
            {"record": format!("recorded_{number}"), "expr": format!("sum(temperature{selector})"), "labels": labels("none")},
            {"alert": "Firing", "expr": format!("count by (job) (temperature{selector}) >= 0"), "labels": labels("page"),
                "annotations": {"summary": format!("{number}: {{{{ $labels.job }}}} is {{{{ $value }}}}")}},
            {"alert": "Pending", "expr": "vector(1)", "for": "1h", "labels": labels("warn")},
            {"alert": "Inactive", "expr": "vector(1) > 2", "labels": labels("warn")}]},
        {"name": "failing", "rules": [{"alert": "Failing",
            "expr": format!("temperature{selector} * on (tenant) temperature{selector}"), "labels": labels("page")}]}]);
    let same = json!([{"name": "everybody", "interval": "2s", "limit": 100, "rules": [
        {"record": "same:name", "expr": format!("count({{tenant={}}})", json!(tenant)), "labels": {"tenant": tenant}}]}]);
    vec![(format!("{number}-own.json"), own), (format!("{number}-same.json"), same)]
}

/// Rules of nobody: they carry no tenant.
fn nobodys() -> (String, Value) {
    let rules = json!([{"name": "nobody", "rules": [
        {"record": "nobody:total", "expr": "sum(temperature)"},
        {"alert": "Nobody", "expr": "vector(1)", "labels": {"severity": "page"}},
        {"alert": "Other", "expr": "vector(1)", "labels": {"tenant": "", "severity": "page"}}]}]);
    ("nobody.json".to_owned(), rules)
}

fn scrape_configs(tenants: &[&str], exporter: u16) -> Value {
    let jobs = tenants.iter().map(|tenant| {
        let number = TENANTS.iter().position(|each| each == tenant).expect("a known tenant");
        json!({"job_name": format!("job-{number}"), "static_configs": [
            {"targets": [format!("127.0.0.1:{exporter}"), "127.0.0.1:1"], "labels": {"tenant": tenant, "shape": "x"}}]})
    });
    jobs.collect()
}

fn prometheus(
    tenants: &[&str],
    exporter: u16,
    more: impl IntoIterator<Item = (String, Value)>,
    drop: bool,
) -> Prometheus {
    let mut configs = scrape_configs(tenants, exporter);
    if drop {
        let nobody = json!({"job_name": "nobody", "static_configs": [{"targets": ["127.0.0.1:1", "127.0.0.1:2"]}],
            "relabel_configs": [{"source_labels": ["__address__"], "regex": ".*:2", "action": "drop"}]});
        configs.as_array_mut().expect("a list").push(nobody);
    }
    let rules = tenants.iter().flat_map(|tenant| rules(tenant)).chain(more).collect();
    let duties = Duties { rules, scrape_configs: configs, ..Duties::default() };
    let series: Vec<_> = tenants.iter().flat_map(|tenant| data::of_tenant(tenant)).collect();
    Prometheus::with(&series, &duties, &[])
}

/// Waits until every rule has been evaluated and every target scraped, of which each tenant has two.
pub(crate) fn settled(port: u16, tenants: &[&str]) {
    eventually("rules and targets to settle", || {
        let rules = ask(port, &get("/api/v1/rules")).text();
        let targets = ask(port, &get("/api/v1/targets")).text();
        let unknown = rules.contains(r#""health":"unknown""#) || targets.contains(r#""health":"unknown""#);
        // A rule that fires has alerts after its first evaluation.
        let found = targets.matches(r#""scrapeUrl""#).count() >= 2 * tenants.len();
        (!unknown && found && rules.contains(r#""state":"firing""#)).then_some(())
    });
}

fn ask(port: u16, request: &Request) -> Response {
    Connection::open(port).send(request)
}

const SELECTORS: [&str; 5] = [
    "{severity=\"page\"}",
    "{severity=~\"page|warn\",tenant!=\"x\"}",
    "{tenant=\"team-veggie\"}",
    "{severity=\"page\"}&match[]={severity=\"warn\"}",
    "{}",
];

fn questions() -> Vec<String> {
    let mut all: Vec<String> = [
        "/api/v1/rules",
        "/api/v1/rules?type=alert",
        "/api/v1/rules?type=record",
        "/api/v1/rules?type=wrong",
        "/api/v1/rules?exclude_alerts=true",
        "/api/v1/rules?exclude_alerts=perhaps",
        "/api/v1/rules?rule_name[]=Firing&rule_name[]=same:name",
        "/api/v1/rules?rule_group[]=everybody",
        "/api/v1/rules?rule_group[]=nobody",
        "/api/v1/rules?rule_name[]=Nobody",
        "/api/v1/alerts",
        "/api/v1/targets",
        "/api/v1/targets?state=active",
        "/api/v1/targets?scrapePool=job-0",
        "/api/v1/targets?scrapePool=nobody",
        "/api/v1/targets/metadata?metric=go_info&limit=100",
        "/api/v1/targets/metadata?metric=go_goroutines",
        "/api/v1/targets/metadata?match_target=%7Bshape%3D%22x%22%7D&metric=go_threads",
        "/api/v1/targets/metadata?match_target=%7Btenant%3D%22team-veggie%22%7D&metric=go_threads",
        "/api/v1/targets/metadata?match_target=%7B%7D&metric=go_threads",
        "/api/v1/targets/metadata?match_target=&metric=go_threads",
        "/api/v1/targets/metadata?match_target=up%7B",
        "/api/v1/targets/metadata?limit=many",
        "/api/v1/targets/metadata?metric=nosuch",
    ]
    .map(Into::into)
    .into();
    all.extend(SELECTORS.iter().map(|selector| {
        let selector = selector.split("&match[]=").map(encode).collect::<Vec<_>>().join("&match[]=");
        format!("/api/v1/rules?match[]={selector}")
    }));
    all
}

/// What must be the same: without times, which differ from run to run, and where files lie.
pub(crate) fn essence(response: &Response) -> Value {
    let mut json = response.json();
    // The order in which a Prometheus meets targets and their metadata is a map's.
    strip(&mut json);
    let status = json["status"].clone();
    if status == "error" {
        return json!([response.status, status, json["errorType"]]);
    }
    json!([response.status, json])
}

const TIMES: [&str; 7] = [
    "evaluationTime",
    "lastEvaluation",
    "activeAt",
    "lastScrape",
    "lastScrapeDuration",
    "keepFiringSince",
    // Only of the tenant's targets is anything known: the README says so.
    "droppedTargetCounts",
];

fn strip(json: &mut Value) {
    match json {
        Value::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            if let Some(Value::String(file)) = members.get_mut("file") {
                *file = file.rsplit('/').next().unwrap_or_default().to_owned();
            }
            if let Some(Value::Array(groups)) = members.get_mut("groups") {
                // Prometheus 2 shows groups of which the question has left no rule; whose they are, nothing tells.
                groups.retain(|group| group["rules"] != json!([]));
            }
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(strip);
            items.sort_by_cached_key(Value::to_string);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn rules_alerts_and_targets_are_those_of_a_prometheus_of_ones_own() {
    let exporter = Prometheus::holding(&[], &[]);
    let shared = prometheus(&TENANTS, exporter.port, [nobodys()], true);
    let configuration = |more: Value| {
        let mut all = json!({"labels": [{"name": "tenant", "header": "x-tenant"}], "targets": "filter"});
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        all
    };
    let listeners = [
        Listener::new("plain", configuration(json!({}))),
        Listener::new("paged", configuration(json!({"hold_response_headers": true}))).stop_iteration(),
        Listener::new("from rules", configuration(json!({"alerts_from_rules": true}))),
        Listener::new("source", configuration(json!({"enable_label_matchers_for_rules_api": true}))),
    ];
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    let telling: usize = std::thread::scope(|scope| {
        let parties = PARTIES.map(|(listener, tenants)| {
            let (port, shared, exporter) = (envoy.port(listener), shared.port, exporter.port);
            scope.spawn(move || {
                let own = prometheus(tenants, exporter, [], false);
                settled(own.port, tenants);
                settled(shared, &TENANTS);
                compare(&own, port, tenants)
            })
        });
        parties.into_iter().map(|party| party.join().expect("a party")).sum()
    });
    assert!(telling > 50, "only {telling} answers tell anything");
    assert_eq!(envoy.reloads(), 0);
}

/// Asks everything, and says how many answers tell anything.
fn compare(own: &Prometheus, filtered: u16, tenants: &[&str]) -> usize {
    // Prometheus before 2.54 does not read the selectors of rules.
    let reads_selectors = !own.version().starts_with("2.");
    let mut telling = 0;
    for question in questions().into_iter().filter(|question| reads_selectors || !question.ends_with("=%7B%7D")) {
        let request = tenants.iter().fold(get(&question), |request, tenant| request.header("x-tenant", tenant));
        let wanted = essence(&ask(own.port, &get(&question)));
        let got = essence(&ask(filtered, &request));
        assert_eq!(got, wanted, "{tenants:?} asked {question}");
        telling += usize::from(wanted.to_string().contains("tenant"));
    }
    telling
}
