//! Alerts and silences of a tenant from an Alertmanager that all share are those of an Alertmanager of the tenant's own.

use crate::support::alertmanager::Alertmanager;
use crate::support::client::{Request, get, send};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::eventually;
use crate::support::form::encode;
use serde_json::{Value, json};

const TENANTS: [&str; 6] = ["team-fruit", "team-veggie", "a|b", "a", "a\"b", "é"];

const PARTIES: [&[&str]; 5] =
    [&["team-fruit"], &["a|b"], &["a\"b", "é"], &["team-fruit", "team-veggie", "a"], &["nobody"]];

fn alert(tenant: &str, name: &str, job: &str) -> Value {
    json!({"alertname": name, "tenant": tenant, "job": job})
}

/// An Alertmanager with the alerts and silences of `tenants`; some are silenced.
fn alertmanager(tenants: &[&str], more: &[Value]) -> Alertmanager {
    let server = Alertmanager::start(&[]);
    let alerts = tenants
        .iter()
        .flat_map(|tenant| [alert(tenant, "Down", "api"), alert(tenant, "Down", "db"), alert(tenant, "Slow", "api")]);
    let alerts: Vec<Value> = alerts.chain(more.iter().cloned()).collect();
    if alerts.is_empty() {
        return server;
    }
    for tenant in tenants {
        for matchers in [
            json!([matcher("tenant", tenant, false), matcher("job", "db", false)]),
            json!([matcher("alertname", "S.*", true), matcher("tenant", tenant, false)]),
        ] {
            let _ = server.silenced(&silence(&matchers));
        }
    }
    server.fire(&alerts);
    eventually("alerts to be grouped", || {
        let groups = server.groups(&[]).json();
        let grouped = groups.as_array().expect("groups").iter();
        let grouped = grouped.map(|group| group["alerts"].as_array().map_or(0, Vec::len)).sum::<usize>();
        (grouped == alerts.len()).then_some(())
    });
    server
}

fn matcher(name: &str, value: &str, is_regex: bool) -> Value {
    json!({"name": name, "value": value, "isRegex": is_regex, "isEqual": true})
}

fn silence(matchers: &Value) -> String {
    json!({"matchers": matchers, "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z", "createdBy": "me",
        "comment": "c"})
    .to_string()
}

fn questions() -> Vec<String> {
    let filters = [
        "alertname=\"Down\"",
        "job=~\"a.*\"",
        "tenant=\"team-veggie\"",
        "tenant!=\"a\"",
        "tenant=~\".+\"",
        "job=\"db\"",
    ];
    let filtered = |path: &'static str| filters.iter().map(move |filter| format!("{path}?filter={}", encode(filter)));
    let plain = [
        "/api/v2/alerts",
        "/api/v2/alerts?silenced=false",
        "/api/v2/alerts?active=false",
        "/api/v2/alerts?receiver=no.*",
        "/api/v2/alerts?receiver=x",
        "/api/v2/alerts?receiver=(",
        "/api/v2/alerts?filter=%7B%7B",
        "/api/v2/alerts?active=perhaps",
        "/api/v2/alerts/groups",
        "/api/v2/alerts/groups?silenced=false",
        "/api/v2/silences",
        "/api/v2/silences?filter=%7B%7B",
    ];
    let all = plain.into_iter().map(Into::into);
    all.chain(filtered("/api/v2/alerts"))
        .chain(filtered("/api/v2/alerts/groups"))
        .chain(filtered("/api/v2/silences"))
        .collect()
}

/// What must be the same: without times and ids, which each server makes up.
fn essence(port: u16, request: &Request) -> Value {
    let answer = send(port, request);
    if answer.status != 200 {
        return json!(answer.status);
    }
    let mut json = answer.json();
    strip(&mut json);
    json
}

fn strip(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for name in ["startsAt", "endsAt", "updatedAt", "id"] {
                members.remove(name);
            }
            if let Some(Value::Array(ids)) = members.get_mut("silencedBy") {
                ids.iter_mut().for_each(|id| *id = json!("an id"));
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
fn alerts_and_silences_are_those_of_an_alertmanager_of_ones_own() {
    let nobodys = [json!({"alertname": "Nobody"}), json!({"alertname": "Down", "job": "api", "team": "team-fruit"})];
    let shared = alertmanager(&TENANTS, &nobodys);
    let _ = shared.silenced(&silence(&json!([matcher("alertname", "Nobody", false)])));
    let listeners = [false, true].map(|held| {
        let configuration = json!({"labels": [{"name": "tenant", "header": "x-tenant"}],
            "alertmanager": {"enabled": true, "cluster": "upstream"}, "hold_response_headers": held});
        let listener = Listener::new(if held { "held" } else { "sent" }, configuration);
        if held { listener.stop_iteration() } else { listener }
    });
    let envoy = Envoy::start(&bootstrap(&listeners, vec![cluster("upstream", shared.port, false)]));
    let mut telling = 0;
    for tenants in PARTIES {
        let holds: Vec<&str> = TENANTS.into_iter().filter(|tenant| tenants.contains(tenant)).collect();
        let own = alertmanager(&holds, &[]);
        for question in questions() {
            let wanted = essence(own.port, &get(&question));
            for listener in ["sent", "held"] {
                let request = tenants.iter().fold(get(&question), |request, tenant| request.header("x-tenant", tenant));
                let got = essence(envoy.port(listener), &request);
                assert_eq!(got, wanted, "{tenants:?} asked {listener}: {question}");
            }
            telling += usize::from(wanted.to_string().contains("tenant"));
        }
    }
    assert!(telling > 50, "only {telling} answers tell anything");
    assert_eq!(envoy.reloads(), 0);
}
