//! Real clients through the filter: promtool, amtool, a Prometheus that federates and one that reads remotely.

use crate::support::alertmanager::Alertmanager;
use crate::support::client::{get, send};
use crate::support::data::{self, END};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::eventually;
use crate::support::form::encode;
use crate::support::parts;
use crate::support::prometheus::{Duties, Prometheus};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const TENANT: &str = "team-fruit";

/// Clients that cannot send a header have a listener of their tenant's own.
fn listener(more: &Value) -> Listener {
    let mut configuration = json!({"labels": [{"name": "tenant", "values": [TENANT]}]});
    configuration.as_object_mut().expect("an object").extend(more.as_object().expect("settings").clone());
    Listener::new("fruit", configuration)
}

/// A shared Prometheus behind the filter, and one of the tenant's own.
struct Pair {
    _shared: Prometheus,
    envoy: Envoy,
    own: Prometheus,
}

impl Pair {
    fn start(more: &Value) -> Self {
        let shared = Prometheus::shared();
        let envoy = Envoy::start(&bootstrap(&[listener(more)], vec![cluster("upstream", shared.port, false)]));
        Self { envoy, own: Prometheus::own(&[TENANT], |_| true), _shared: shared }
    }

    fn ports(&self) -> [u16; 2] {
        [self.envoy.port("fruit"), self.own.port]
    }
}

/// What a program prints.
fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program runs");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The series of a query's result, in an order of their own.
fn result(port: u16, query: &str) -> Vec<Value> {
    let answer = send(port, &get(format!("/api/v1/query?query={}&time={}", encode(query), *END)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut all = answer.json()["data"]["result"].as_array().expect("a list").clone();
    all.sort_by_cached_key(Value::to_string);
    all
}

#[test]
fn promtool_sees_what_it_would_see_of_the_tenants_own_server() {
    let pair = Pair::start(&json!({}));
    let (end, start) = (END.to_string(), (*END - 600).to_string());
    let (time, from, to) = (format!("--time={end}"), format!("--start={start}"), format!("--end={end}"));
    for command in [
        &["query", "instant", &time, "URL", "sort(temperature)"][..],
        &["query", "instant", &time, "URL", "sum by (job) (rate(http_requests_total[5m]))"],
        &["query", "instant", &time, "URL", "up{tenant=\"team-veggie\"}"],
        &["query", "instant", &time, "URL", "up{"],
        &["query", "range", &from, &to, "--step=60s", "URL", "sort(up)"],
        &["query", "series", "--match=up", &from, &to, "URL"],
        &["query", "series", "--match={tenant=\"team-veggie\"}", "--match=temperature", &from, &to, "URL"],
        &["query", "labels", &from, &to, "URL", "job"],
        &["query", "labels", &from, &to, "URL", "tenant"],
    ] {
        let [filtered, own] = pair.ports().map(|port| {
            let url = format!("http://127.0.0.1:{port}");
            let command: Vec<&str> = command.iter().map(|word| if *word == "URL" { &*url } else { *word }).collect();
            let mut lines: Vec<String> = run(&parts::promtool(), &command).lines().map(str::to_owned).collect();
            lines.sort();
            lines
        });
        assert!(!own.is_empty() || command.concat().contains("veggie"), "{command:?} says nothing");
        assert_eq!(filtered, own, "{command:?}");
    }
}

/// What Prometheus 3.13 searches. Each is answered line by line.
const SEARCHES: [&str; 14] = [
    "/api/v1/search/metric_names",
    "/api/v1/search/metric_names?search[]=temp",
    "/api/v1/search/metric_names?search[]=secret&limit=3&sort_by=alpha",
    "/api/v1/search/metric_names?match[]=%7Btenant%3D%22team-veggie%22%7D",
    "/api/v1/search/metric_names?match[]=%7Bjob%3D%22db%22%7D&match[]=up&sort_by=alpha&sort_dir=dsc",
    "/api/v1/search/metric_names?match[]=%7B%7D",
    "/api/v1/search/metric_names?limit=none",
    "/api/v1/search/label_names?sort_by=alpha",
    "/api/v1/search/label_names?search[]=ten&include_score=true",
    "/api/v1/search/label_names?match[]=up&batch_size=1",
    "/api/v1/search/label_values?label=tenant",
    "/api/v1/search/label_values?label=job&search[]=ap",
    "/api/v1/search/label_values?label=__name__&search[]=only",
    "/api/v1/search/label_values",
];

#[test]
fn a_search_finds_what_it_would_find_on_the_tenants_own_server() {
    let pair = Pair::start(&json!({}));
    let mut statuses = BTreeSet::new();
    for question in SEARCHES {
        let [filtered, own] = pair.ports().map(|port| send(port, &get(question)));
        // Before 3.13 there are none.
        if own.status == 404 {
            assert!([400, 404].contains(&filtered.status), "{question}: {}", filtered.text());
            continue;
        }
        assert_eq!(filtered.status, own.status, "{question}: {}", filtered.text());
        // Errors have words of their own.
        assert!(own.status != 200 || filtered.text() == own.text(), "{question}: {}", filtered.text());
        statuses.insert(own.status);
    }
    assert!(statuses.len() == 2 || pair.own.version().starts_with("2."), "{statuses:?}");
}

#[test]
fn a_prometheus_that_federates_gets_the_tenants_series() {
    let pair = Pair::start(&json!({}));
    let federating = |port: u16| {
        let job = json!([{"job_name": "federate", "honor_labels": true, "metrics_path": "/federate",
            "params": {"match[]": ["{__name__=~\"up|temperature\",job=~\".+\"}", "{}"]},
            "static_configs": [{"targets": [format!("127.0.0.1:{port}")]}]}]);
        Prometheus::with(&[], &Duties { scrape_configs: job, ..Duties::default() }, &[])
    };
    let found = pair.ports().map(federating).map(|server| {
        eventually("the federation to be scraped", || {
            let answer = send(server.port, &get("/api/v1/query?query=temperature")).json();
            (answer["data"]["result"].as_array().map(Vec::len) > Some(0)).then_some(())
        });
        let count = "count by (__name__, tenant, job) ({__name__=~\"up|temperature\",instance=~\"[12]\"})";
        let answer = send(server.port, &get(format!("/api/v1/query?query={}", encode(count)))).json();
        let mut all: Vec<_> = answer["data"]["result"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|each| each["metric"].to_string())
            .collect();
        all.sort();
        all
    });
    assert_eq!(found[0], found[1]);
    assert!(!found[0].is_empty() && found[0].iter().all(|metric| metric.contains(TENANT)), "{found:?}");
}

#[test]
fn a_prometheus_that_reads_remotely_reads_the_tenants_series() {
    let pair = Pair::start(&json!({"remote_read": "rewrite"}));
    let reading = |port: u16| {
        let source = json!([{"url": format!("http://127.0.0.1:{port}/api/v1/read"), "read_recent": true}]);
        Prometheus::with(&[], &Duties { remote_read: source, ..Duties::default() }, &[])
    };
    let [filtered, own] = pair.ports().map(reading);
    for query in [
        "up",
        "{__name__=~\".+\",job=~\".+\"}",
        "up{tenant=\"team-veggie\"}",
        "up{tenant!=\"team-fruit\"}",
        "up{tenant=~\"team-.*\"}",
        "nobody_total",
        "rate(http_requests_total[5m])",
        "histogram_quantile(0.9, rate(request_duration[5m]))",
        "max_over_time(temperature[10m] offset 5m)",
        "count by (tenant) ({job=~\"api|db|nobody\"})",
    ] {
        assert_eq!(result(filtered.port, query), result(own.port, query), "{query}");
    }
    assert!(!result(filtered.port, "up").is_empty());
}

#[test]
fn amtool_reads_and_writes_as_with_an_alertmanager_of_ones_own() {
    let alertmanager = Alertmanager::start(&[]);
    let fire = |tenant: &str| json!({"alertname": "Down", "tenant": tenant, "job": "api"});
    alertmanager.fire(&data::TENANTS.map(fire));
    let more = json!({"alertmanager": {"enabled": true, "silence_writes": "allow", "cluster": "upstream"}});
    let envoy = Envoy::start(&bootstrap(&[listener(&more)], vec![cluster("upstream", alertmanager.port, false)]));
    let url = format!("--alertmanager.url=http://127.0.0.1:{}", envoy.port("fruit"));
    let amtool = |arguments: &[&str]| run(&parts::amtool(), &[&[&*url], arguments].concat());

    let alerts: Value = serde_json::from_str(&amtool(&["alert", "query", "-o", "json"])).expect("JSON");
    assert_eq!(alerts.as_array().map(Vec::len), Some(1), "{alerts}");
    assert_eq!(alerts[0]["labels"]["tenant"], TENANT);
    assert_eq!(amtool(&["alert", "query", "tenant=team-veggie", "-o", "simple"]).lines().count(), 1, "a heading");

    let id = amtool(&["silence", "add", "alertname=Down", "--author=me", "--comment=c"]).trim().to_owned();
    let written = alertmanager.get(&format!("/api/v2/silence/{id}")).json();
    assert!(written["matchers"].to_string().contains(TENANT), "{written}");
    // It expects a bare text of a refusal, and says so.
    let refused = amtool(&["silence", "add", "tenant=team-fruit", "--author=me", "--comment=c"]);
    assert!(refused.contains("amtool: error"), "{refused}");
    assert!(amtool(&["silence", "query"]).contains(&id));
    let updated = amtool(&["silence", "update", "--comment=d", &id]);
    assert!(updated.contains(&id) && updated.contains('d'), "{updated}");
    assert_eq!(amtool(&["silence", "expire", &id]), "");
    assert!(!amtool(&["silence", "query"]).contains(&id));

    let foreign = json!({"matchers": [{"name": "job", "value": "api", "isRegex": false}], "createdBy": "root", "comment": "c",
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z"});
    let foreign = alertmanager.silenced(&foreign.to_string());
    assert!(amtool(&["silence", "expire", &foreign]).contains("404"));
    assert!(!amtool(&["silence", "query"]).contains(&foreign));
}
