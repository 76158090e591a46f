//! Rules and alerts: the same answers of an upstream, and what each of the two lets through.

use super::asker::{Asker, different};
use super::expectation::{Case, Side};
use super::judge::Judge;
use super::named::Named;
use super::pair::{Both, Pairs};
use super::tally::{Tally, Verdict};
use super::way::Way;
use crate::support::client::{Request, get, send};
use crate::support::prometheus::{Duties, Prometheus};
use crate::support::upstream::{Answer, Upstream};
use crate::support::{data, eventually};
use serde_json::{Value, json};

const HIDDEN_WARNINGS: &str = "the upstream reported warnings; they are not shown on this endpoint";
const HIDDEN_ERROR: &str = "the upstream reported an error; its text is not shown on this endpoint";
const HIDDEN_LAST_ERROR: &str = "the rule failed; its error is not shown, because other tenants share the rule";
const UNREADABLE: &str = "the upstream's answer cannot be narrowed to the tenant";

/// Settings that change what is let through, beside the tenant in a header.
const SETTINGS: [(&str, &[&str]); 3] = [
    ("plain", &["-header-name=X-Tenant"]),
    ("active", &["-header-name=X-Tenant", "-rules-with-active-alerts"]),
    ("selector", &["-header-name=X-Tenant", "-enable-label-matchers-for-rules-api"]),
];

/// Compares scripted answers, and those of a real Prometheus.
pub(super) fn compare(parser: &Prometheus) -> Tally {
    let scripted = Pairs::start(Upstream::start, &SETTINGS);
    let mut tally = Tally::default();
    for (name, cases) in [("plain", plain()), ("active", active()), ("selector", selector())] {
        let mut asker = Asker::new(Way::Header, scripted.pair(name), Judge::new(parser.port));
        cases.iter().for_each(|case| asker.expect(case));
        tally.merge(asker.tally);
    }
    assert_eq!(scripted.envoy.reloads(), 0);
    let ruling = ruling();
    let real = Pairs::start(|| Upstream::in_front_of(ruling.port), &SETTINGS);
    for (name, _) in SETTINGS {
        let mut asker = Asker::new(Way::Header, real.pair(name), Judge::new(parser.port));
        for path in [RULES, "/api/v1/rules?type=alert", ALERTS] {
            let both = asker.pair.ask(&fruit(path), |_, _| {});
            let endpoint = if path == ALERTS { "alerts" } else { "rules" };
            asker.tally.add(endpoint, Way::Header, compare_real(&both, name == "selector" && path != ALERTS), path);
        }
        tally.merge(asker.tally);
    }
    tally
}

fn fruit(path: &str) -> Request {
    get(path).header("x-tenant", "team-fruit")
}

fn success(data: Value) -> Value {
    json!({"status": "success", "data": data})
}

fn alert(tenant: Option<&str>, state: &str) -> Value {
    let mut labels = json!({"alertname": "A"});
    if let Some(tenant) = tenant {
        labels["tenant"] = json!(tenant);
    }
    json!({"labels": labels, "annotations": {}, "state": state, "activeAt": "2026-01-01T00:00:00.5Z", "value": "1e+00"})
}

/// An alerting rule with all that prom-label-proxy knows of one.
fn alerting(labels: Value, alerts: &[Value]) -> Value {
    json!({"state": "firing", "name": "A", "query": "up == 0", "duration": 60, "keepFiringFor": 0, "labels": labels,
        "annotations": {"a": "b"}, "alerts": alerts, "health": "ok", "evaluationTime": 0.5,
        "lastEvaluation": "2026-01-01T00:00:00.5Z", "type": "alerting"})
}

fn recording(labels: Value) -> Value {
    json!({"name": "R", "query": "sum(up)", "labels": labels, "health": "ok", "evaluationTime": 0.5,
        "lastEvaluation": "2026-01-01T00:00:00.5Z", "type": "recording"})
}

fn groups(rules: &[Value]) -> Value {
    if rules.is_empty() {
        return success(json!({"groups": []}));
    }
    success(json!({"groups": [{"name": "g", "file": "f", "rules": rules, "interval": 60}]}))
}

/// A case of `/api/v1/rules` or `/api/v1/alerts`.
fn case(path: &'static str, named: Option<Named>, answer: &Value, theirs: &Value, ours: &Value) -> Case {
    let side = |body: &Value| Side::Answers(200, body.clone());
    let case = Case::new(path.trim_start_matches("/api/v1/"), Named::Fields, fruit(path), side(theirs), side(ours));
    Case { named, ..case }.answered(Answer::json(200, answer.to_string()))
}

const RULES: &str = "/api/v1/rules";
const ALERTS: &str = "/api/v1/alerts";

fn plain() -> Vec<Case> {
    let (own, foreign) = (json!({"tenant": "team-fruit"}), json!({"tenant": "team-veggie"}));
    let of = |tenant| alert(Some(tenant), "firing");
    let own_rules = [alerting(own.clone(), &[of("team-fruit")]), recording(own.clone())];
    let all = [&own_rules[..], &[alerting(foreign.clone(), &[]), recording(foreign.clone()), alerting(json!({}), &[])]]
        .concat();
    let alerts = |alerts: &[Value]| success(json!({"alerts": alerts}));
    let mut later = all.clone();
    later.iter_mut().for_each(|rule| rule["new"] = json!({"x": [1]}));
    let mut ours = own_rules.clone();
    ours.iter_mut().for_each(|rule| rule["new"] = json!({"x": [1]}));
    let mut noted = alerts(&[of("team-veggie")]);
    noted["warnings"] = json!(["store of team-veggie"]);
    let mut hidden = alerts(&[]);
    hidden["warnings"] = json!([HIDDEN_WARNINGS]);
    let mut shown = alerts(&[]);
    shown["warnings"] = json!(["store of team-veggie"]);
    let mixed = |alerts: &[Value]| groups(&[alerting(own.clone(), alerts)]);
    let mut cases = vec![
        case(RULES, None, &groups(&all), &groups(&own_rules), &groups(&own_rules)),
        case(RULES, None, &groups(&[alerting(foreign, &[])]), &groups(&[]), &groups(&[])),
        case(
            ALERTS,
            None,
            &alerts(&[of("team-veggie"), of("team-fruit"), alert(None, "firing")]),
            &alerts(&[of("team-fruit")]),
            &alerts(&[of("team-fruit")]),
        ),
        case(ALERTS, None, &alerts(&[]), &alerts(&[]), &alerts(&[])),
        case(RULES, Some(Named::Fields), &groups(&later), &groups(&own_rules), &groups(&ours)),
        case(ALERTS, Some(Named::Notes), &noted, &shown, &hidden),
        case(
            RULES,
            Some(Named::ForeignAlerts),
            &mixed(&[of("team-fruit"), of("team-veggie")]),
            &mixed(&[of("team-fruit"), of("team-veggie")]),
            &mixed(&[of("team-fruit")]),
        ),
    ];
    let error = |text: &str| json!({"status": "error", "errorType": "execution", "error": text});
    let named = |named, path: &'static str, answer: Answer, theirs: Side, ours: Side| {
        Case::new(path.trim_start_matches("/api/v1/"), named, fruit(path), theirs, ours).answered(answer)
    };
    cases.push(named(
        Named::Notes,
        RULES,
        Answer::json(422, error("store of team-veggie").to_string()),
        Side::Answers(422, error("store of team-veggie")),
        Side::Answers(422, error(HIDDEN_ERROR)),
    ));
    for (path, body, theirs) in [
        (RULES, "{\"status\":\"success\",\"data\":[]}", 400),
        (RULES, "{\"status\":\"success\",\"data\":{\"groups\":[{\"rules\":[1]}]}}", 400),
        (ALERTS, "{\"status\":\"success\",\"data\":{\"alerts\":[1]}}", 400),
        (ALERTS, "{\"status\":\"success\",", 502),
        (RULES, "none", 502),
    ] {
        let theirs = Side::Answers(theirs, json!(""));
        cases.push(named(Named::Unreadable, path, Answer::json(200, body), theirs, Side::Tells(200, UNREADABLE)));
    }
    cases
}

fn active() -> Vec<Case> {
    let of = |tenant, state| alert(Some(tenant), state);
    let both = [of("team-veggie", "firing"), of("team-fruit", "pending")];
    let shared = |alerts: &[Value], state: &str, error: Option<&str>| {
        let mut rule = alerting(json!({"severity": "page"}), alerts);
        rule["state"] = json!(state);
        if let Some(error) = error {
            rule["lastError"] = json!(error);
        }
        groups(&[rule])
    };
    let left = |error| shared(&[of("team-fruit", "pending")], "pending", error);
    let foreign = shared(&[of("team-veggie", "firing")], "firing", None);
    vec![
        case(RULES, None, &shared(&both, "firing", None), &left(None), &left(None)),
        case(RULES, None, &foreign, &groups(&[]), &groups(&[])),
        case(
            RULES,
            Some(Named::SharedRule),
            &shared(&both, "firing", Some("of team-veggie")),
            &left(Some("of team-veggie")),
            &left(Some(HIDDEN_LAST_ERROR)),
        ),
    ]
}

fn selector() -> Vec<Case> {
    let (own, foreign) = (json!({"tenant": "team-fruit"}), json!({"tenant": "team-veggie"}));
    let asked = Side::Asks("GET /api/v1/rules?match[]={tenant=\"team-fruit\"}".to_owned());
    let narrowed = |target: &str, sent: &str| {
        Case::same("rules", fruit(target), Side::Asks(format!("GET /api/v1/rules?match[]={sent}")))
    };
    let nothing = |case: Case| case.answered(Answer::json(200, groups(&[]).to_string()));
    vec![
        nothing(Case::same("rules", fruit(RULES), asked)),
        nothing(narrowed(
            "/api/v1/rules?match[]=%7Bseverity%3D%22page%22%7D",
            "{severity=\"page\",tenant=\"team-fruit\"}",
        )),
        case(
            RULES,
            Some(Named::RulesBySelector),
            &groups(&[recording(own.clone()), recording(foreign.clone())]),
            &groups(&[recording(own.clone()), recording(foreign)]),
            &groups(&[recording(own)]),
        ),
    ]
}

/// A Prometheus with rules of both tenants and of nobody, which fire.
fn ruling() -> Prometheus {
    let rule = |name: &str, more: Value| {
        let mut rule = json!({"alert": name, "expr": "group by (tenant) ({tenant=~\"team-(fruit|veggie)\"})"});
        rule.as_object_mut().expect("a rule").extend(more.as_object().expect("members").clone());
        rule
    };
    let of = |tenant: &str| {
        let selected = format!("group by (tenant) ({{tenant=\"{tenant}\"}})");
        let own = json!({"labels": {"tenant": tenant}, "expr": selected.clone()});
        json!({"name": tenant, "rules": [rule("Own", own), {"record": "own", "expr": selected, "labels": {"tenant": tenant}}]})
    };
    let shared = json!({"name": "shared", "rules": [rule("Shared", json!({}))]});
    let rules = vec![("rules.yml".to_owned(), json!([of("team-fruit"), of("team-veggie"), shared]))];
    let prometheus = Prometheus::with(&data::all(), &Duties { rules, ..Duties::default() }, &[]);
    eventually("rules to fire", || {
        let answer = send(prometheus.port, &get(ALERTS)).json();
        (answer["data"]["alerts"].as_array().map(Vec::len) == Some(4)).then_some(())
    });
    prometheus
}

/// What prom-label-proxy builds an answer from.
// prom-label-proxy: injectproxy/rules.go
const KNOWN: [&str; 25] = [
    "status",
    "data",
    "errorType",
    "error",
    "warnings",
    "groups",
    "name",
    "file",
    "rules",
    "interval",
    "state",
    "query",
    "duration",
    "keepFiringFor",
    "labels",
    "annotations",
    "alerts",
    "health",
    "lastError",
    "type",
    "activeAt",
    "keepFiringSince",
    "value",
    "evaluationTime",
    "lastEvaluation",
];

/// Compares the answers of a real Prometheus: prom-label-proxy's has less in it, unless it passes as it is.
fn compare_real(both: &Both, is_passed: bool) -> Verdict {
    let [theirs, ours] =
        [&both.theirs, &both.ours].map(|side| without(side.response.json(), &|name| !name.contains("valuation")));
    let is_telling = ours.to_string().contains("team-fruit") && !ours.to_string().contains("team-veggie");
    let known = without(ours.clone(), &|name| KNOWN.contains(&name));
    match (theirs == ours, theirs == known) {
        _ if !is_telling => different("an answer without what is the tenant's, or with more", both),
        (true, _) => Verdict::Same,
        (false, true) if !is_passed => Verdict::named(Named::Fields),
        (false, _) => different("the answers differ", both),
    }
}

/// An answer with those members only; labels and annotations are left as they are.
fn without(mut answer: Value, may_stay: &impl Fn(&str) -> bool) -> Value {
    match &mut answer {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| *item = without(item.take(), may_stay));
            // Alerts have no order.
            items.sort_by_cached_key(ToString::to_string);
        }
        Value::Object(members) => {
            members.retain(|name, _| may_stay(name));
            let inner = members.iter_mut().filter(|(name, _)| !["labels", "annotations"].contains(&name.as_str()));
            inner.for_each(|(_, value)| *value = without(value.take(), may_stay));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    answer
}
