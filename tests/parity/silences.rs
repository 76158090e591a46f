//! Alertmanager: alerts, groups and silences, before a real one; whose a silence is, before a scripted one.

use super::asker::Asker;
use super::expectation::{Case, Side, asks};
use super::judge::Judge;
use super::named::Named;
use super::pair::Pairs;
use super::tally::Tally;
use super::way::Way;
use crate::support::alertmanager::Alertmanager;
use crate::support::client::{Body, Request, request};
use crate::support::eventually;
use crate::support::form::encode;
use crate::support::prometheus::Prometheus;
use crate::support::upstream::{Answer, Upstream};
use serde_json::{Value, json};

const WAYS: [Way; 6] = [Way::Header, Way::Parameter, Way::Fixed, Way::Several, Way::List, Way::Pattern];

const ALERTS: &str = "/api/v2/alerts";
const GROUPS: &str = "/api/v2/alerts/groups";
const SILENCES: &str = "/api/v2/silences";

pub(super) fn compare(parser: &Prometheus) -> Tally {
    let wanted = WAYS.map(|way| (way.name(), way.flags()));
    let alertmanager = alertmanager();
    let real = Pairs::start(|| Upstream::in_front_of(alertmanager.port), &wanted);
    let scripted = Pairs::start(Upstream::start, &wanted);
    let mut tally = Tally::default();
    for way in WAYS {
        let mut asker = Asker::new(way, real.pair(way.name()), Judge::new(parser.port));
        reads(way).iter().chain(&writes(way)).for_each(|case| asker.expect(case));
        tally.merge(asker.tally);
    }
    let mut asker = Asker::new(Way::Header, scripted.pair(Way::Header.name()), Judge::new(parser.port));
    for (answer, cases) in owned() {
        asker.pair.upstream.answer_others(answer);
        cases.iter().for_each(|case| asker.expect(case));
    }
    tally.merge(asker.tally);
    assert_eq!(real.envoy.reloads() + scripted.envoy.reloads(), 0);
    tally
}

/// One with alerts and silences of several tenants, and of nobody.
fn alertmanager() -> Alertmanager {
    let alertmanager = Alertmanager::start(&[]);
    let tenants = ["team-fruit", "team-veggie", "b"];
    let of = |tenant: &&str| ["A", "B"].map(|name| json!({"alertname": name, "tenant": tenant, "job": "api"}));
    let alerts: Vec<Value> = tenants.iter().flat_map(of).chain([json!({"alertname": "A"})]).collect();
    alertmanager.fire(&alerts);
    for tenant in tenants {
        alertmanager.silenced(&silence(&[matcher("tenant", tenant), matcher("alertname", "none")]).to_string());
    }
    alertmanager.silenced(&silence(&[matcher("alertname", "none")]).to_string());
    eventually("alerts to be grouped", || {
        let groups = alertmanager.groups(&[]).json();
        (groups.as_array().map(Vec::len) == Some(tenants.len() + 1)).then_some(())
    });
    alertmanager
}

fn matcher(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value, "isRegex": false, "isEqual": true})
}

fn silence(matchers: &[Value]) -> Value {
    json!({"matchers": matchers, "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z", "createdBy": "me", "comment": "c"})
}

/// The request as the way's tenant.
fn tenants(way: Way, method: &str, target: &str) -> Request {
    let sign = if target.contains('?') { '&' } else { '?' };
    let target = if way == Way::Parameter { format!("{target}{sign}tenant=team-fruit") } else { target.to_owned() };
    way.header_lines().iter().fold(request(method, target), |request, line| request.header("x-tenant", line))
}

fn reads(way: Way) -> Vec<Case> {
    let (kind, value) = way.tenant().matcher();
    let bare = format!("tenant{kind}\"{value}\"");
    let mut all = Vec::new();
    for path in [ALERTS, GROUPS] {
        let endpoint = path.trim_start_matches('/');
        let target = |filters: &[&str]| {
            let filters: Vec<_> = filters.iter().map(|filter| format!("filter={}", encode(filter))).collect();
            format!("{path}?{}", filters.join("&"))
        };
        let sent = |filters: &[&str]| {
            let filters = filters.iter().map(|filter| format!("&filter={filter}")).collect::<String>();
            format!("GET {path}?filter={bare}{filters}")
        };
        for filters in [
            &[][..],
            &["alertname=\"A\""],
            &["alertname=~\"A|B\"", "job!=\"x\""],
            &["alertname=A", "job!~x"],
            &["job=\"a\\\\\\\"{}b\""],
        ] {
            all.push(Case::same(endpoint, tenants(way, "GET", &target(filters)), asks(&sent(filters))));
        }
        for own in ["tenant=\"team-veggie\"", "tenant!=\"team-fruit\"", "tenant=~\"team-.*\"", "tenant!~\"b\""] {
            let asked = tenants(way, "GET", &target(&["job=\"api\"", own]));
            let kept = asks(&sent(&["job=\"api\"", own]));
            // With one value prom-label-proxy leaves them out.
            all.push(match kind {
                "=" => Case::new(endpoint, Named::OwnMatcher, asked, asks(&sent(&["job=\"api\""])), kept),
                _ => Case::same(endpoint, asked, kept),
            });
        }
        let asked = tenants(way, "GET", &format!("{path}?active=true&silenced=false&inhibited=true&receiver=nobody"));
        all.push(Case::same(
            endpoint,
            asked,
            asks(&format!("{}&active=true&silenced=false&inhibited=true&receiver=nobody", sent(&[]))),
        ));
        let quoted = "\"a.b\"=\"c\"";
        let asked = tenants(way, "GET", &target(&[quoted]));
        all.push(Case::new(endpoint, Named::QuotedFilter, asked, Side::Status(400), asks(&sent(&[quoted]))));
        let asked = tenants(way, "GET", &format!("{path}?nothing=1"));
        all.push(Case::new(
            endpoint,
            Named::UnknownParameter,
            asked,
            asks(&format!("{}&nothing=1", sent(&[]))),
            asks(&sent(&[])),
        ));
        all.push(Case::same(endpoint, tenants(way, "GET", &format!("{path}?filter=%7B%7B")), Side::Tells(400, "{{")));
        all.push(Case::new(endpoint, Named::Method, tenants(way, "POST", path), Side::Status(404), Side::Status(405)));
    }
    let list = tenants(way, "GET", SILENCES);
    let all_silences = format!("GET {SILENCES}");
    all.push(match way {
        Way::Pattern | Way::StrictPattern => {
            Case::new("api/v2/silences", Named::SilencesOfPattern, list, Side::Status(501), Side::Asks(all_silences))
        }
        Way::Several | Way::FixedSeveral | Way::List | Way::StrictSeveral => {
            Case::new("api/v2/silences", Named::SilencesOfSeveral, list, Side::Status(422), Side::Asks(all_silences))
        }
        Way::Header | Way::Parameter | Way::Fixed | Way::Strict => {
            Case::same("api/v2/silences", list, Side::Asks(format!("{all_silences}?filter={bare}")))
        }
    });
    all
}

fn body(request: Request, silence: &Value) -> Request {
    let body = Body::Length(silence.to_string().into_bytes());
    request.header("content-type", "application/json").body(body)
}

/// Silences that are created.
fn writes(way: Way) -> Vec<Case> {
    let endpoint = "api/v2/silences";
    let job = || matcher("job", "x");
    let asked = |matchers: &[Value]| body(tenants(way, "POST", SILENCES), &silence(matchers));
    let written = || Side::Writes(silence(&[matcher("tenant", "team-fruit"), job()]));
    match way {
        Way::Pattern | Way::StrictPattern => {
            let named = asked(&[matcher("tenant", "team-fruit"), job()]);
            vec![Case::new(endpoint, Named::SilencesOfPattern, named, Side::Status(501), written())]
        }
        Way::Several | Way::FixedSeveral | Way::List | Way::StrictSeveral => {
            let named = asked(&[matcher("tenant", "team-fruit"), job()]);
            vec![
                Case::new(endpoint, Named::SilencesOfSeveral, named, Side::Status(422), written()),
                Case::new(endpoint, Named::SilencesOfSeveral, asked(&[job()]), Side::Status(422), Side::Status(400)),
            ]
        }
        Way::Header | Way::Parameter | Way::Fixed | Way::Strict => {
            let mut more = silence(&[job()]);
            more["nothing"] = json!(1);
            vec![
                Case::same(endpoint, asked(&[job()]), written()),
                Case::same(endpoint, asked(&[job(), matcher("tenant", "team-fruit")]), written()),
                Case::same(endpoint, asked(&[matcher("tenant", "team-veggie"), job()]), written()),
                Case::same(endpoint, asked(&[]), Side::Status(400)),
                Case::same(endpoint, asked(&[matcher("tenant", "team-veggie")]), Side::Status(400)),
                Case::new(
                    endpoint,
                    Named::SilenceFields,
                    body(tenants(way, "POST", SILENCES), &more),
                    written(),
                    Side::Status(400),
                ),
            ]
        }
    }
}

/// What Alertmanager says of a silence, and what then becomes of a request to change or end it.
fn owned() -> Vec<(Answer, Vec<Case>)> {
    const ID: &str = "761cc032-7f67-4e36-bb92-0c1548d49b08";
    let path = format!("/api/v2/silence/{ID}");
    let held = |matchers: &[Value]| {
        let mut silence = silence(matchers);
        silence["id"] = json!(ID);
        silence["status"] = json!({"state": "active"});
        silence["updatedAt"] = json!("2020-01-01T00:00:00Z");
        Answer::json(200, silence.to_string())
    };
    let mut changed = silence(&[matcher("job", "x")]);
    changed["id"] = json!(ID);
    let mut sent = silence(&[matcher("tenant", "team-fruit"), matcher("job", "x")]);
    sent["id"] = json!(ID);
    let end = || tenants(Way::Header, "DELETE", &path);
    let change = || body(tenants(Way::Header, "POST", SILENCES), &changed);
    let refused = |status: u16| {
        [("api/v2/silence", end()), ("api/v2/silences", change())]
            .map(|(endpoint, asked)| {
                Case::new(endpoint, Named::ForeignSilence, asked, Side::Status(status), Side::Status(404))
            })
            .into()
    };
    let ended = || asks(&format!("DELETE {path}"));
    let mut unequal = matcher("tenant", "team-fruit");
    unequal["isEqual"] = json!(false);
    vec![
        (
            held(&[matcher("tenant", "team-fruit")]),
            vec![
                Case::same("api/v2/silence", end(), ended()),
                Case::same("api/v2/silences", change(), Side::Writes(sent)),
                Case::new(
                    "api/v2/silence",
                    Named::OneSilence,
                    tenants(Way::Header, "GET", &path),
                    Side::Status(404),
                    asks(&format!("GET {path}")),
                )
                .answered(held(&[matcher("tenant", "team-fruit")])),
            ],
        ),
        (held(&[matcher("tenant", "team-veggie")]), refused(403)),
        (held(&[matcher("job", "x")]), refused(403)),
        // Everybody's but the tenant's.
        (held(&[unequal]), vec![Case::new("api/v2/silence", Named::ForeignSilence, end(), ended(), Side::Status(404))]),
        (Answer::json(404, "{}"), refused(502)),
    ]
}
