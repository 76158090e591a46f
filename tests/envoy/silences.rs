//! Alertmanager behind the filter: alerts and silences of a real one, and whose a silence is before it is touched.

use crate::support::alertmanager::Alertmanager;
use crate::support::bench::{OURS, assert_refusal};
use crate::support::client::{Body, Connection, Ending, Request, Response, get, request, send, send_h2};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster, route, virtual_host};
use crate::support::eventually;
use crate::support::form::encode;
use crate::support::upstream::{Answer, Step, Upstream};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use tokio::sync::Notify;

struct Lab {
    envoy: Envoy,
    alertmanager: Alertmanager,
}

static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let alertmanager = Alertmanager::start(&[]);
    let tenants = ["fruit", "veggie", "a|b", "a"];
    let labels: Vec<_> = tenants
        .iter()
        .flat_map(|tenant| ["Down", "Slow"].map(|name| json!({"alertname": name, "tenant": tenant, "job": "api"})))
        .chain([json!({"alertname": "Nobody"})])
        .collect();
    alertmanager.fire(&labels);
    let configuration = |more: Value| {
        let mut all = json!({
            "labels": [{"name": "tenant", "header": "x-tenant", "danger_unrestricted": ["sre"]}],
            "alertmanager": {"enabled": true, "silence_writes": "allow"}});
        for (name, value) in more.as_object().expect("settings") {
            all["alertmanager"][name] = value.clone();
        }
        all
    };
    let held = {
        let mut all = configuration(json!({}));
        all["hold_response_headers"] = json!(true);
        all
    };
    let stripped = {
        let mut stripping = route("alertmanager");
        stripping["match"] = json!({"prefix": "/am/"});
        stripping["route"]["prefix_rewrite"] = json!("/");
        json!([virtual_host("all", "*", json!([stripping]))])
    };
    let listeners = [
        Listener::new("write", configuration(json!({}))).cluster("alertmanager"),
        Listener::new("held", held).cluster("alertmanager").stop_iteration(),
        Listener::new("read", configuration(json!({"silence_writes": "deny"}))).cluster("alertmanager"),
        Listener::new("off", configuration(json!({"enabled": false}))).cluster("alertmanager"),
        Listener::new("lost", configuration(json!({"cluster": "nowhere"}))).cluster("alertmanager"),
        Listener::new("down", configuration(json!({"cluster": "closed"}))).cluster("alertmanager"),
        Listener::new("stripped", configuration(json!({"path_prefix": "/am", "cluster_path_prefix": "/"})))
            .virtual_hosts(stripped),
    ];
    let clusters = vec![cluster("alertmanager", alertmanager.port, false), cluster("closed", 1, false)];
    let envoy = Envoy::start(&bootstrap(&listeners, clusters));
    // Groups come a moment after their alerts.
    eventually("alerts to be grouped", || {
        let groups = alertmanager.groups(&[]).json();
        (groups.as_array().map(Vec::len) == Some(5)).then_some(())
    });
    Lab { envoy, alertmanager }
});

impl Lab {
    fn ask(&self, listener: &str, tenants: &[&str], asked: Request) -> Response {
        let asked = tenants.iter().fold(asked, |request, tenant| request.header("x-tenant", tenant));
        send(self.envoy.port(listener), &asked)
    }

    /// The id of a silence that a tenant creates.
    fn create(&self, tenant: &str, matchers: &Value) -> String {
        let answer = self.ask("write", &[tenant], write(None, matchers));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["silenceID"].as_str().expect("an id").to_owned()
    }

    fn silence(&self, id: &str) -> Value {
        self.alertmanager.get(&path_of(id)).json()
    }
}

fn path_of(id: &str) -> String {
    format!("/api/v2/silence/{id}")
}

fn write(id: Option<&str>, matchers: &Value) -> Request {
    let mut silence = json!({"matchers": matchers, "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z",
        "createdBy": "me", "comment": "c"});
    if let Some(id) = id {
        silence["id"] = json!(id);
    }
    let body = Body::Length(silence.to_string().into_bytes());
    request("POST", "/api/v2/silences").header("content-type", "application/json; charset=utf-8").body(body)
}

fn matcher(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value, "isRegex": false, "isEqual": true})
}

fn tenants_of(alerts: &Value) -> BTreeSet<String> {
    let alerts = alerts.as_array().expect("a list").iter();
    alerts.map(|alert| alert["labels"]["tenant"].as_str().unwrap_or("nobody").to_owned()).collect()
}

const UNKNOWN: &str = "761cc032-7f67-4e36-bb92-0c1548d49b08";

#[test]
fn alerts_and_their_groups_are_the_tenants() {
    for (tenants, found) in [
        (&["fruit"][..], &["fruit"][..]),
        (&["a|b"], &["a|b"]),
        (&["fruit", "a|b"], &["a|b", "fruit"]),
        (&["nobody"], &[]),
        (&["sre"], &["a", "a|b", "fruit", "nobody", "veggie"]),
    ] {
        let found: BTreeSet<String> = found.iter().map(|&tenant| tenant.to_owned()).collect();
        let alerts = LAB.ask("write", tenants, get("/api/v2/alerts?active=true&receiver=.*"));
        assert_eq!(tenants_of(&alerts.json()), found, "{tenants:?}");
        let groups = LAB.ask("write", tenants, get("/api/v2/alerts/groups")).json();
        let grouped = groups.as_array().expect("groups").iter().flat_map(|group| tenants_of(&group["alerts"]));
        assert_eq!(grouped.collect::<BTreeSet<_>>(), found, "{tenants:?}");
    }
    // The user's own filters narrow further, and never widen.
    for (filters, found) in [
        (&["alertname=\"Down\""][..], 1),
        (&["tenant=\"veggie\""], 0),
        (&["tenant=~\".*\""], 2),
        (&["tenant!=\"fruit\""], 0),
        (&["alertname=\"Down\"", "alertname=\"Slow\""], 0),
    ] {
        let filters: Vec<_> = filters.iter().map(|filter| format!("filter={}", encode(filter))).collect();
        let alerts = LAB.ask("write", &["fruit"], get(format!("/api/v2/alerts?{}", filters.join("&"))));
        assert_eq!(alerts.json().as_array().map(Vec::len), Some(found), "{filters:?}");
    }
    assert_eq!(LAB.ask("write", &["fruit"], get("/api/v2/alerts?filter=%7B%7B")).status, 400);
}

#[test]
fn what_a_tenant_has_no_business_with_is_not_served() {
    for (method, path) in [
        ("GET", "/api/v2/status"),
        ("GET", "/api/v2/receivers"),
        ("GET", "/metrics"),
        ("GET", "/api/v2/silences/"),
        ("GET", "/api/v1/alerts/"),
    ] {
        let answer = LAB.ask("write", &["fruit"], request(method, path));
        assert_refusal(&answer, 404, OURS, path);
    }
    for path in ["/api/v2/alerts", "/api/v2/silences", "/api/v2/silence/x"] {
        assert_refusal(&LAB.ask("off", &["fruit"], get(path)), 404, OURS, path);
        assert_refusal(&LAB.ask("write", &[], get(path)), 401, OURS, path);
    }
    let post = request("POST", "/api/v2/alerts").header("content-type", "application/json");
    assert_refusal(&LAB.ask("write", &["fruit"], post.body(Body::Length(b"[]".to_vec()))), 405, OURS, "fake alerts");
}

#[test]
fn a_tenant_reads_its_own_silences_and_no_others() {
    let own = LAB.create("fruit", &json!([matcher("job", "read")]));
    let other = LAB.create("veggie", &json!([matcher("job", "read")]));
    let nobodys = LAB.alertmanager.silenced(
        &json!({"matchers": [matcher("job", "read")], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z",
            "createdBy": "root", "comment": "everybody"})
        .to_string(),
    );
    for listener in ["write", "held", "read"] {
        let list = LAB.ask(listener, &["fruit"], get("/api/v2/silences?active=true")).text();
        assert!(list.contains(&own) && !list.contains(&other) && !list.contains(&nobodys), "{list}");
        let list = LAB.ask(listener, &["fruit", "veggie"], get("/api/v2/silences")).text();
        assert!(list.contains(&own) && list.contains(&other) && !list.contains(&nobodys), "{list}");
        let list = LAB.ask(listener, &["sre"], get("/api/v2/silences")).text();
        assert!(list.contains(&own) && list.contains(&other) && list.contains(&nobodys), "{list}");
        let one = LAB.ask(listener, &["fruit"], get(path_of(&own)));
        assert_eq!((one.status, one.json()), (200, LAB.silence(&own)));
        assert_eq!(LAB.ask(listener, &["sre"], get(path_of(&nobodys))).status, 200);
        // Nobody learns whether there is one.
        let unknown = LAB.ask(listener, &["fruit"], get(path_of(UNKNOWN)));
        assert_refusal(&unknown, 404, OURS, "an unknown silence");
        for id in [&other, &nobodys] {
            let foreign = LAB.ask(listener, &["fruit"], get(path_of(id)));
            assert_eq!((foreign.status, foreign.text()), (unknown.status, unknown.text()), "{listener}");
        }
    }
}

#[test]
fn a_silence_is_written_with_the_tenants_matcher() {
    for listener in ["write", "held"] {
        for matchers in [json!([matcher("job", "w")]), json!([matcher("tenant", "veggie"), matcher("job", "w")])] {
            let answer = LAB.ask(listener, &["fruit"], write(None, &matchers));
            assert_eq!(answer.status, 200, "{}", answer.text());
            let id = answer.json()["silenceID"].as_str().expect("an id").to_owned();
            let written = LAB.silence(&id)["matchers"].clone();
            let mut found: Vec<_> = written.as_array().expect("matchers").iter().map(Value::to_string).collect();
            found.sort();
            let mut wanted = vec![matcher("tenant", "fruit").to_string(), matcher("job", "w").to_string()];
            wanted.sort();
            assert_eq!(found, wanted);
        }
    }
    let several = |matchers: &Value| LAB.ask("write", &["fruit", "veggie"], write(None, matchers));
    assert_eq!(several(&json!([matcher("tenant", "veggie"), matcher("job", "w")])).status, 200);
    for refused in [
        json!([matcher("job", "w")]),
        json!([matcher("tenant", "a"), matcher("job", "w")]),
        json!([matcher("tenant", "fruit"), matcher("tenant", "veggie"), matcher("job", "w")]),
        json!([matcher("tenant", "fruit")]),
    ] {
        assert_refusal(&several(&refused), 400, OURS, &refused.to_string());
    }
    let negated = json!({"name": "tenant", "value": "x", "isRegex": false, "isEqual": false});
    for refused in [json!([]), json!([matcher("tenant", "fruit")]), json!([negated, matcher("job", "w")])] {
        assert_refusal(&LAB.ask("write", &["fruit"], write(None, &refused)), 400, OURS, &refused.to_string());
    }
}

#[test]
fn a_silence_is_changed_and_ended_by_its_own_tenant_alone() {
    for listener in ["write", "held"] {
        let own = LAB.create("fruit", &json!([matcher("job", "mine")]));
        let foreign = LAB.create("veggie", &json!([matcher("job", "theirs")]));
        let before = LAB.silence(&foreign);
        let change = |id: &str| LAB.ask(listener, &["fruit"], write(Some(id), &json!([matcher("job", "changed")])));
        let end = |id: &str| LAB.ask(listener, &["fruit"], request("DELETE", path_of(id)));
        let (unchanged, unended) = (change(UNKNOWN), end(UNKNOWN));
        assert_refusal(&unchanged, 404, OURS, "a change of nothing");
        assert_refusal(&unended, 404, OURS, "an end of nothing");
        let (refused, unmoved) = (change(&foreign), end(&foreign));
        assert_eq!((refused.status, refused.text()), (unchanged.status, unchanged.text()));
        assert_eq!((unmoved.status, unmoved.text()), (unended.status, unended.text()));
        assert_eq!(LAB.silence(&foreign), before);

        let changed = change(&own);
        assert_eq!(changed.status, 200, "{}", changed.text());
        let id = changed.json()["silenceID"].as_str().expect("an id").to_owned();
        assert!(LAB.silence(&id).to_string().contains("changed"));
        assert_eq!(end(&id).status, 200);
        assert_eq!(LAB.silence(&id)["status"]["state"], "expired");
        for bad in ["x", "761cc0327f674e36bb920c1548d49b08", "%2e%2e", "761cc032-7f67-4e36-bb92-0c1548d49b0%38"] {
            let answer = LAB.ask(listener, &["fruit"], request("DELETE", path_of(bad)));
            assert!([404, 422].contains(&answer.status), "{bad}: {}", answer.text());
        }
    }
}

#[test]
fn silences_are_read_only_unless_the_operator_says_otherwise() {
    let own = LAB.create("fruit", &json!([matcher("job", "kept")]));
    let refused = LAB.ask("read", &["fruit"], write(None, &json!([matcher("job", "x")])));
    assert_refusal(&refused, 405, OURS, "a write");
    assert_eq!(refused.header("allow"), Some("GET, OPTIONS"));
    assert_refusal(&LAB.ask("read", &["fruit"], request("DELETE", path_of(&own))), 405, OURS, "an end");
    assert_eq!(LAB.silence(&own)["status"]["state"], "active");
}

#[test]
fn without_an_answer_whose_it_is_no_silence_is_touched() {
    let own = LAB.create("fruit", &json!([matcher("job", "safe")]));
    for listener in ["lost", "down"] {
        for asked in [
            get(path_of(&own)),
            request("DELETE", path_of(&own)),
            write(Some(&own), &json!([matcher("job", "unsafe")])),
        ] {
            assert_refusal(&LAB.ask(listener, &["fruit"], asked), 502, OURS, listener);
        }
    }
    assert_eq!(LAB.silence(&own)["status"]["state"], "active");
    assert_eq!(LAB.envoy.reloads(), 0);
}

#[test]
fn a_route_that_strips_a_prefix_is_told_where_the_cluster_has_it() {
    let own = LAB.create("fruit", &json!([matcher("job", "stripped")]));
    let answer = LAB.ask("stripped", &["fruit"], get(format!("/am{}", path_of(&own))));
    assert_eq!((answer.status, answer.json()["id"].clone()), (200, json!(own)), "{}", answer.text());
    assert_refusal(&LAB.ask("stripped", &["fruit"], get(path_of(&own))), 404, OURS, "without the prefix");
}

#[test]
fn a_body_where_none_belongs_is_refused() {
    for listener in ["write", "held"] {
        let own = LAB.create("fruit", &json!([matcher("job", "bodies")]));
        let delete = || request("DELETE", path_of(&own)).header("x-tenant", "fruit");
        let answer = send(LAB.envoy.port(listener), &delete().body(Body::Length(b"x".to_vec())));
        assert_refusal(&answer, 400, "bad_data", "a body");
        assert_eq!(LAB.silence(&own)["status"]["state"], "active");
        // A stream may stay open behind its head, which has gone on when the byte comes: it is the tenant's own.
        let chunks = Body::Chunked(vec![b"x".to_vec()], Vec::new());
        let answer = send_h2(LAB.envoy.port(listener), &delete().body(chunks), Ending::EmptyData).expect("an answer");
        assert_refusal(&answer, 400, "bad_data", "a body over HTTP/2");
        let own = LAB.create("fruit", &json!([matcher("job", "bodies")]));
        let empty = request("DELETE", path_of(&own)).header("x-tenant", "fruit");
        let empty = empty.body(Body::Chunked(Vec::new(), Vec::new()));
        let answer = send_h2(LAB.envoy.port(listener), &empty, Ending::EmptyData).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(LAB.silence(&own)["status"]["state"], "expired");
    }
}

#[test]
fn a_silence_that_ends_with_trailers_is_asked_about_as_any_other() {
    for listener in ["write", "held"] {
        let own = LAB.create("fruit", &json!([matcher("job", "trailers")]));
        let foreign = LAB.create("veggie", &json!([matcher("job", "trailers")]));
        for (id, status) in [(&own, 200), (&foreign, 404)] {
            let Body::Length(body) = write(Some(id), &json!([matcher("job", "changed")])).body else {
                panic!("a body")
            };
            let pieces = body.chunks(50).map(<[u8]>::to_vec).collect();
            let sent = request("POST", "/api/v2/silences").header("content-type", "application/json");
            let sent =
                sent.header("x-tenant", "fruit").body(Body::Chunked(pieces, vec![("x-end".into(), "yes".into())]));
            let answer = send_h2(LAB.envoy.port(listener), &sent, Ending::OnLast).expect("an answer");
            assert_eq!(answer.status, status, "{listener}: {}", answer.text());
        }
        assert!(!LAB.silence(&foreign).to_string().contains("changed"));
    }
}

#[test]
fn a_client_that_leaves_while_alertmanager_is_asked_harms_nobody() {
    let slow = Upstream::start();
    let gate = Arc::new(Notify::new());
    let hanging = Answer::json(200, "").chunked(vec![Step::Wait(gate.clone())]);
    slow.answer_others(hanging);
    let listener = Listener::new(
        "slow",
        json!({"labels": [{"name": "tenant", "header": "x-tenant"}],
            "alertmanager": {"enabled": true, "silence_writes": "allow", "cluster": "slow"}}),
    )
    .cluster("alertmanager");
    let clusters = vec![cluster("alertmanager", LAB.alertmanager.port, false), cluster("slow", slow.port, false)];
    let envoy = Envoy::start(&bootstrap(&[listener], clusters));
    for _ in 0..20 {
        for asked in [request("DELETE", path_of(UNKNOWN)), write(Some(UNKNOWN), &json!([matcher("job", "x")]))] {
            let mut connection = Connection::open(envoy.port("slow"));
            connection.write(&asked.header("x-tenant", "fruit").bytes());
            drop(connection);
        }
    }
    gate.notify_waiters();
    let alerts = send(envoy.port("slow"), &get("/api/v2/alerts").header("x-tenant", "fruit"));
    assert_eq!((alerts.status, envoy.reloads()), (200, 0));
}
