//! What an operator looks at: metrics as Envoy shows them, the rules and the dashboard that are shipped, on a real Prometheus that
//! scrapes an Envoy under load.

use crate::support::client::{Request, get, post, request, send};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::form::encode;
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::upstream::{Answer, Upstream};
use crate::support::{eventually, parts};
use prom_label_filter::denial::REASONS;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy").join(name)
}

fn yaml(name: &str) -> Value {
    serde_norway::from_str(&fs::read_to_string(shipped(name)).expect("the file")).expect("YAML")
}

/// An Envoy with the labels of the examples, which traps on request.
struct Lab {
    envoy: Envoy,
    upstream: Upstream,
}

impl Lab {
    fn start() -> Self {
        let upstream = Upstream::start();
        let policy = json!({
            "labels": [{"name": "tenant", "header": "x-tenant"}],
            "targets": "filter",
            "remote_read": "rewrite",
            "explain": true,
            "ui": "pass",
            "alertmanager": {"enabled": true},
        });
        let mut bootstrap = bootstrap(
            &[Listener::new("lab", policy).trapping()],
            vec![cluster("upstream", upstream.port, false), cluster("alertmanager", upstream.port, false)],
        );
        bootstrap["stats_config"] = yaml("examples/jwt.yaml")["stats_config"].clone();
        Self { envoy: Envoy::start(&bootstrap), upstream }
    }

    fn send(&self, request: &Request) -> u16 {
        send(self.envoy.port("lab"), request).status
    }

    /// The filter's lines of the page that Prometheus scrapes. Envoy's own metrics of VMs bear the plugin's name.
    fn page(&self) -> Vec<String> {
        let page = self.envoy.admin("/stats/prometheus");
        let ours = |line: &&str| line.trim_start_matches("# TYPE ").starts_with("prom_label_filter_");
        page.lines().filter(ours).map(str::to_owned).collect()
    }

    /// All series of the filter, without their values.
    fn series(&self) -> BTreeSet<String> {
        let series = |line: &String| line.rsplit_once(' ').map(|(series, _)| series.to_owned());
        self.page().iter().filter(|line| !line.starts_with('#')).filter_map(series).collect()
    }

    fn value(&self, series: &str) -> u64 {
        let value = |line: &String| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        self.page().iter().find_map(value).unwrap_or_default()
    }

    /// Something of everything: served, answered here, refused, filtered.
    fn load(&self) {
        for path in [
            "query?query=up",
            "query_range?query=up",
            "query_exemplars?query=up",
            "series?match[]=up",
            "labels",
            "label/job/values",
            "format_query?query=up",
            "parse_query?query=up",
            "metadata",
            "status/buildinfo",
            "features",
            "openapi.yaml",
            "rules",
            "alerts",
            "targets",
            "targets/metadata",
            "search/metric_names?search=up",
            "status/runtimeinfo",
            "status/config",
            "query?query=up{",
        ] {
            self.send(&of(get(format!("/api/v1/{path}")), "a"));
        }
        for path in [
            "/api/v2/alerts",
            "/api/v2/silences",
            "/api/v2/silence/1",
            "/federate?match[]=up",
            "/graph",
            "/-/explain?query=up",
            "/-/ready",
        ] {
            self.send(&of(get(path), "a"));
        }
        let rules = of(get("/api/v1/rules"), "a");
        self.upstream.answer(&rules, Answer::json(200, r#"{"status":"success","data":{"groups":[]}}"#));
        assert_eq!(self.send(&rules), 200);
        for _ in 0..5 {
            assert_eq!(self.send(&of(post("/api/v1/query", "query=up%2Bup"), "a")), 200);
        }
        assert_eq!(self.send(&get("/api/v1/query?query=up")), 401);
    }
}

fn of(request: Request, tenant: &str) -> Request {
    request.header("x-tenant", tenant)
}

fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(parts::promtool())
        .current_dir(shipped("grafana"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_rules_that_are_shipped_do_what_their_tests_say() {
    for arguments in [&["check", "rules", "alerts.yaml"][..], &["test", "rules", "alerts_test.yaml"]] {
        let (is_good, said) = promtool(arguments, "");
        assert!(is_good, "{said}");
    }
    let tests = yaml("grafana/alerts_test.yaml").to_string();
    for rule in yaml("grafana/alerts.yaml")["groups"][0]["rules"].as_array().expect("rules") {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).expect("a name");
        assert!(tests.contains(name), "{name} has no test");
    }
}

#[test]
fn metrics_have_labels_and_nothing_that_is_sent_makes_another() {
    let lab = Lab::start();
    lab.load();
    let series = || {
        lab.series()
            .into_iter()
            .filter(|series| !series.starts_with("prom_label_filter_rewrite"))
            .collect::<BTreeSet<_>>()
    };
    let before = series();
    for reason in REASONS {
        assert!(
            before.contains(&format!("prom_label_filter_rejected_total{{reason=\"{reason}\"}}")),
            "{reason}: {before:?}"
        );
    }
    for endpoint in ["none", "query", "rules", "alertmanager_alerts", "remote_read"] {
        let name = format!("prom_label_filter_requests_total{{endpoint=\"{endpoint}\"}}");
        assert_eq!(before.contains(&name), endpoint != "remote_read", "{name}: {before:?}");
    }
    assert!(before.contains("prom_label_filter_filtered_responses_total{endpoint=\"rules\"}"), "{before:?}");

    let hostile = r#"x"} 1\nprom_label_filter_requests_total{endpoint="y"#;
    for number in 0..20 {
        let tenant = format!("tenant-{number}.reason=z");
        lab.send(&of(get(format!("/api/v1/query?query={}", encode(&format!("metric_{number}")))), &tenant));
        lab.send(&of(get(format!("/api/v1/endpoint=x{number}.requests_total")), &tenant));
        lab.send(&of(request(&format!("METHOD{number}"), "/api/v1/query"), &tenant));
        lab.send(&of(get(format!("/api/v1/label/l{number}/values")), &tenant));
    }
    for request in [
        of(get("/api/v1/query?query=up"), hostile),
        of(get(format!("/api/v1/query?query={}", encode(hostile))), "a"),
        of(get("/api/v1/query?query=up").header("endpoint", hostile), "a"),
        of(get(format!("/{}", encode(hostile))), "a"),
    ] {
        lab.send(&request);
    }
    assert_eq!(series(), before);
}

#[test]
fn counters_count() {
    let lab = Lab::start();
    let expect = |series: &str, value: u64| {
        let name = format!("prom_label_filter_{series}");
        eventually(&format!("{name} to be {value}"), || (lab.value(&name) == value).then_some(()));
    };
    expect("rejected_total{reason=\"path\"}", 0);
    for _ in 0..3 {
        lab.send(&of(get("/api/v1/query?query=up%2Bup"), "a"));
    }
    lab.send(&of(post("/api/v1/query", "query=up%2Bup"), "b"));
    lab.send(&of(get("/api/v1/nothing"), "a"));
    lab.send(&of(get("/api/v1/query?query=up%7B"), "a"));
    lab.send(&get("/api/v1/query?query=up"));
    // Its answer cannot be filtered.
    let rules = of(get("/api/v1/rules"), "a");
    lab.upstream.answer(&rules, Answer::json(200, "{"));
    lab.send(&rules);
    for (series, value) in [
        ("requests_total{endpoint=\"query\"}", 6),
        ("requests_total{endpoint=\"none\"}", 1),
        ("requests_total{endpoint=\"rules\"}", 1),
        ("rejected_total{reason=\"path\"}", 1),
        ("rejected_total{reason=\"promql\"}", 1),
        ("rejected_total{reason=\"identity_missing\"}", 1),
        ("rejected_total{reason=\"response\"}", 1),
        ("rewritten_selectors_total{}", 8),
        ("cache_hits_total{}", 2),
        ("cache_misses_total{}", 2),
        ("filtered_responses_total{endpoint=\"rules\"}", 0),
        // Envoy gathers histograms every five seconds.
        ("rewrite_duration_count{}", 8),
    ] {
        expect(series, value);
    }
}

#[test]
fn promtool_finds_nothing_but_missing_help() {
    let lab = Lab::start();
    lab.load();
    eventually("a histogram", || lab.page().iter().any(|line| line.contains("rewrite_duration_count")).then_some(()));
    let page: String = lab.page().iter().map(|line| format!("{line}\n")).collect();
    let (_, said) = promtool(&["check", "metrics"], &page);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.ends_with("no help text")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(said.contains("prom_label_filter_requests_total no help text"), "{said}");
}

/// What a query gives, as of now.
fn ask(prometheus: &Prometheus, query: &str) -> Vec<Value> {
    let answer = send(prometheus.port, &post("/api/v1/query", format!("query={}", encode(query)))).json();
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    answer["data"]["result"].as_array().expect("a vector").clone()
}

#[test]
fn dashboard_and_rules_show_what_a_loaded_envoy_does() {
    let lab = Lab::start();
    let admin = lab.envoy.admin_port();
    let scrape = json!([{
        "job_name": "envoy",
        "metrics_path": "/stats/prometheus",
        "static_configs": [{"targets": [format!("127.0.0.1:{admin}")]}],
    }]);
    let groups = yaml("grafana/alerts.yaml")["groups"].clone();
    let duties =
        Duties { rules: vec![("alerts.yml".to_owned(), groups.clone())], scrape_configs: scrape, ..Duties::default() };
    let prometheus = Prometheus::with(&[], &duties, &[]);
    // Two scrapes at least see each counter rise.
    let gives = |query: &str| {
        eventually(&format!("{query} to give something"), || {
            lab.load();
            let found = ask(&prometheus, query);
            (!found.is_empty()).then_some(found)
        })
    };

    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(shipped("grafana/dashboard.json")).expect("it")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(panels.len() > 10);
    for panel in panels {
        for target in panel["targets"].as_array().expect("targets") {
            let query = target["expr"].as_str().expect("a query");
            gives(&query.replace("$__rate_interval", "1m").replace("$job", ".+"));
        }
    }
    for rule in groups[0]["rules"].as_array().expect("rules").iter().filter(|rule| rule["record"].is_string()) {
        gives(rule["record"].as_str().expect("a name"));
    }

    for rule in
        send(prometheus.port, &get("/api/v1/rules")).json()["data"]["groups"][0]["rules"].as_array().expect("rules")
    {
        assert_eq!(rule["health"], "ok", "{rule}");
    }

    // Quiet, then a trap.
    let reloaded = "ALERTS{alertname=\"PromLabelFilterVMReloaded\"}";
    assert!(ask(&prometheus, reloaded).is_empty());
    let trap = of(get("/api/v1/query?query=up"), "a").header("x-danger-test-trap", "1");
    assert!(lab.send(&trap) >= 500);
    // A VM is made again for the next request.
    eventually("the next request", || (lab.send(&of(get("/api/v1/query?query=up"), "a")) == 200).then_some(()));
    let alerts = eventually("the alert", || Some(ask(&prometheus, reloaded)).filter(|alerts| !alerts.is_empty()));
    assert_eq!(alerts[0]["metric"]["alertstate"], "firing");
}
