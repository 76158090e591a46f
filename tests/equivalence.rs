//! Soft tenancy that cannot be told from hard tenancy: a tenant's answers through the filter, from a Prometheus that all
//! share, are those of a Prometheus that holds only that tenant's data.

use crate::support::client::{Connection, Request, Response, chunk, get, post, request, send};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::form::encode;
use crate::support::prometheus::{END, Prometheus};
use crate::support::tokens::token;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who asks. Every name has neighbours in the shared data that a slip in quoting would let in.
const SCOPES: [&[&str]; 10] = [
    &["team-fruit"],
    &["team-veggie"],
    &["team-fruit", "team-veggie"],
    &["a|b"],
    &["a.b"],
    &["a\"b"],
    &["a\\b"],
    &["é"],
    &[".*"],
    &[".*", "a|b", "a\\b"],
];

/// What is asked as an instant and as a range query; some of it is wrong, and then the errors must agree.
const EXPRESSIONS: [&str; 66] = [
    "up",
    "nobody_total",
    "{__name__=~\".+\"}",
    "count by (tenant, __name__) ({__name__!=\"\"})",
    "up{tenant=\"team-veggie\"}",
    "up{tenant=~\"team-.*\"}",
    "up{tenant!=\"team-fruit\"}",
    "up{tenant!~\"a.*\"}",
    "up{tenant=\"\"}",
    "up{tenant=~\".*\"}",
    "up{job=\"nobody\"}",
    "{tenant=\"\"}",
    "{}",
    "{job=~\".*\"}",
    "sum(up)",
    "sum by (tenant) (up)",
    "sum without (instance) (up)",
    "count(up) by (job)",
    "group by (tenant, job) (up)",
    "avg(temperature) / max(temperature)",
    "stddev by (job) (temperature)",
    "topk(2, temperature)",
    "bottomk(scalar(count(up)) - 3, temperature)",
    "topk(scalar(sum(up{job=\"nobody\"}) or vector(1)), temperature)",
    "quantile(0.5, temperature)",
    "quantile(scalar(sum(nobody_total)) / 1e12, temperature)",
    "count_values(\"v\", up)",
    "rate(http_requests_total[10m])",
    "sum(rate(http_requests_total{job=\"api\"}[10m])) by (tenant)",
    "increase(http_requests_total[5m] offset 10m)",
    "http_requests_total @ end() - http_requests_total @ start()",
    "max_over_time(sum(up)[10m:1m])",
    "min_over_time(rate(http_requests_total[5m])[10m:2m])",
    "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[10m])))",
    "histogram_quantile(0.5, rate(latency_bucket[10m]))",
    "absent(up)",
    "absent(nobody_total)",
    "absent(nobody_total{job=\"x\"})",
    "absent(nobody_total{job=\"x\",tenant=\"team-fruit\"})",
    "absent(nobody_total{job=\"x\",tenant=\"team-fruit\",tenant=\"b\"})",
    "absent(sum(nobody_total))",
    "absent_over_time(nobody_total{job=\"x\"}[5m])",
    "absent_over_time((nobody_total{job=~\"x\",a=\"b\"}[5m] offset 1m))",
    "up and on (instance) temperature > 25",
    "up or nobody_total",
    "up unless up{job=\"api\"}",
    "up * on (job, instance, tenant) group_left temperature",
    "up * ignoring (job) group_left temperature",
    "up * on (job) up",
    "temperature > bool 25",
    "-up ^ 2",
    "1 + 2 * 3",
    "\"text\"",
    "time() - timestamp(up)",
    "label_replace(up, \"tenant\", \"x\", \"tenant\", \".*\")",
    "label_replace(up, \"other\", \"$1\", \"tenant\", \"(.*)\")",
    "label_join(up, \"all\", \"-\", \"tenant\", \"job\")",
    "sort_desc(temperature)",
    "scalar(sum(up))",
    "vector(1)",
    "{__name__=~\"secret_.*\"}",
    "rate(up)",
    "up[5m",
    "nosuch(up)",
    "up[5m]",
    "# only a comment\nup # and another {\n",
];

/// Label endpoints and the federation: path and parameters.
const LOOKUPS: [(&str, &str); 14] = [
    ("/api/v1/labels", ""),
    ("/api/v1/labels", "match[]=up"),
    ("/api/v1/label/tenant/values", ""),
    ("/api/v1/label/__name__/values", ""),
    ("/api/v1/label/job/values", ""),
    ("/api/v1/label/job/values", "match[]=up&match[]=temperature%7Bjob%3D%22db%22%7D"),
    ("/api/v1/label/instance/values", "match[]=%7Btenant%3D~%22.%2B%22%7D"),
    ("/api/v1/series", "match[]=up"),
    ("/api/v1/series", "match[]=%7B__name__%3D~%22.%2B%22%7D"),
    ("/api/v1/series", "match[]=up%7Btenant%3D%22team-veggie%22%7D&match[]=temperature"),
    ("/api/v1/series", "match[]=%7B%7D"),
    ("/api/v1/series", "match[]=up%7B"),
    ("/federate", "match[]=up"),
    ("/federate", "match[]=%7B__name__%3D~%22.%2B%22%7D"),
];

/// What a difference would show in: the status, and the content without an order that Prometheus does not promise.
fn essence(path: &str, response: &Response) -> (u16, Value) {
    if path == "/federate" {
        let mut lines: Vec<String> = response.text().lines().map(Into::into).collect();
        lines.sort();
        return (response.status, json!(lines));
    }
    let mut body = response.json();
    for pointer in ["/data", "/data/result"] {
        if let Some(list) = body.pointer_mut(pointer).and_then(Value::as_array_mut)
            && list.iter().all(Value::is_object)
        {
            list.sort_by_cached_key(|entry| entry["metric"].to_string() + &entry.to_string());
        }
    }
    if body["status"] == "error" {
        // Positions in a message count in another text.
        return (response.status, json!({"errorType": body["errorType"]}));
    }
    (response.status, body)
}

/// The two ways to ask the same.
fn ways(path: &str, parameters: &str) -> Vec<Request> {
    let mut ways = vec![get(format!("{path}?{parameters}"))];
    if !path.starts_with("/api/v1/label/") && path != "/federate" && !parameters.is_empty() {
        ways.push(post(path, parameters));
    }
    ways
}

fn compare(filtered: u16, own: &mut Connection, bearer: &str, path: &str, parameters: &str, found: &mut Vec<String>) {
    let wanted = essence(path, &own.send(&get(format!("{path}?{parameters}"))));
    for request in ways(path, parameters) {
        let method = request.method.clone();
        let got = essence(path, &send(filtered, &request.bearer(bearer)));
        if got != wanted {
            let short = |value: &(u16, Value)| value.1.to_string().chars().take(600).collect::<String>();
            found.push(format!(
                "{method} {path}?{parameters}\n    wanted {} {}\n    got    {} {}",
                wanted.0,
                short(&wanted),
                got.0,
                short(&got)
            ));
        }
    }
}

#[test]
fn an_upstream_that_gives_up_on_a_form_gives_nothing_away() {
    let upstream = Prometheus::impatient();
    let configuration = json!({"labels": [{"name": "tenant", "values": ["team-fruit"]}]});
    let clusters = vec![cluster("upstream", upstream.port, false)];
    let envoy = Envoy::start(&bootstrap(&[Listener::new("plain", configuration)], clusters));
    let never_ending_form = |port| {
        let form = request("POST", "/api/v1/labels")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("transfer-encoding", "chunked");
        let mut connection = Connection::open(port);
        connection.write(&form.head_bytes());
        connection.write(&chunk(b"match[]=up"));
        connection.read("POST")
    };
    // What Prometheus does: the form that it could not read is no form, and no selector is all of them.
    let direct = never_ending_form(upstream.port);
    assert!(direct.status == 200 && direct.text().contains("team"), "{direct:?}");
    let filtered = never_ending_form(envoy.port("plain"));
    assert!(filtered.status == 502 && !filtered.text().contains("team"), "{filtered:?}");
}

#[test]
fn a_tenant_sees_through_the_filter_what_its_own_prometheus_would_answer() {
    let shared = Prometheus::shared();
    let configuration = json!({"labels": [{"name": "tenant", "jwt_claim": "tenants"}]});
    let envoy = Envoy::start(&bootstrap(
        &[Listener::new("plain", configuration).jwt()],
        vec![cluster("upstream", shared.port, false)],
    ));
    let port = envoy.port("plain");
    let differences: BTreeMap<String, Vec<String>> = std::thread::scope(|scope| {
        let askers: Vec<_> = SCOPES
            .into_iter()
            .map(|tenants| scope.spawn(move || (format!("{tenants:?}"), differences(tenants, port))))
            .collect();
        askers.into_iter().map(|asker| asker.join().expect("an asker")).collect()
    });
    let all: Vec<String> = differences
        .iter()
        .flat_map(|(tenants, found)| found.iter().map(move |text| format!("{tenants} {text}")))
        .collect();
    assert!(all.is_empty(), "{} answers differ:\n{}\n{}", all.len(), all.join("\n"), shared.log_tail());
    assert_eq!(envoy.reloads(), 0);
}

fn differences(tenants: &[&str], port: u16) -> Vec<String> {
    let own = Prometheus::own(tenants);
    let bearer = token(&json!({"tenants": tenants}));
    let mut direct = Connection::open(own.port);
    let mut found = Vec::new();
    let (start, end) = (*END - 1200, *END);
    for expression in EXPRESSIONS {
        let query = encode(expression);
        for (path, parameters) in [
            ("/api/v1/query", format!("query={query}&time={end}")),
            ("/api/v1/query_range", format!("query={query}&start={start}&end={end}&step=120")),
        ] {
            compare(port, &mut direct, &bearer, path, &parameters, &mut found);
        }
    }
    for (path, parameters) in LOOKUPS {
        compare(port, &mut direct, &bearer, path, parameters, &mut found);
    }
    // The comparison means something only where there is something to see.
    let names = direct.send(&get("/api/v1/label/__name__/values")).json();
    assert!(names["data"].as_array().is_some_and(|names| names.len() >= 4 + tenants.len()), "{names}");
    found
}
