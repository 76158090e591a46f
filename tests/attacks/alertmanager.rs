//! Alertmanager: alerts and silences of others, read or ended, and silences that reach further than they should.

use super::attack::{Attack, anonymous, attack, carry_out};
use super::field::FIELD;
use super::owner::Owner;
use crate::support::client::{Body, Request, get, post, request};
use crate::support::eventually;
use crate::support::form::encode;
use crate::support::tokens::token;
use serde_json::{Value, json};
use std::sync::LazyLock;

const BAD: &[u16] = &[400];
const NONE: &[u16] = &[404];

const SECRET: &str = "xhushqzx_silence";

/// What Alertmanager holds before anybody attacks: ids of silences.
struct Held {
    victims: String,
    eves: String,
}

static HELD: LazyLock<Held> = LazyLock::new(|| {
    let alertmanager = &FIELD.alertmanager;
    let alert = |name: &str, tenant: &str| json!({"alertname": name, "tenant": tenant, "job": "api"});
    alertmanager.fire(&[
        alert("Down", "eve"),
        alert("Down", "victim"),
        alert("xhushqzx_fired", "victim"),
        alert("xhushqzx_fired", "evee"),
        json!({"alertname": "xhushqzx_of_nobody"}),
    ]);
    let silenced = |tenant: &str, word: &str| {
        let matchers = json!([own(tenant), {"name": "job", "value": word, "isRegex": false}]);
        alertmanager.silenced(&silence(&matchers.to_string(), &format!(r#","createdBy":"{word}","comment":"{word}""#)))
    };
    let held = Held { victims: silenced("victim", SECRET), eves: silenced("eve", "eves") };
    silenced("evee", SECRET);
    alertmanager.delete(&format!("/api/v2/silence/{}", silenced("victim", SECRET)));
    // Groups come a moment after their alerts.
    eventually("alerts to be grouped", || {
        let groups = alertmanager.groups(&[]).json();
        (groups.as_array().map(Vec::len) == Some(4)).then_some(())
    });
    held
});

fn own(tenant: &str) -> Value {
    json!({"name": "tenant", "value": tenant, "isRegex": false, "isEqual": true})
}

/// A silence of these matchers; without members of its own it has an author and a comment.
fn silence(matchers: &str, more: &str) -> String {
    let more = if more.is_empty() { r#","createdBy":"eve","comment":"an attack""# } else { more };
    format!(r#"{{"matchers":{matchers},"startsAt":"2020-01-01T00:00:00Z","endsAt":"2100-01-01T00:00:00Z"{more}}}"#)
}

fn write(body: impl AsRef<[u8]>) -> Request {
    let written = request("POST", "/api/v2/silences").header("content-type", "application/json");
    written.body(Body::Length(body.as_ref().to_vec()))
}

fn reads() -> Vec<Attack> {
    let Held { victims, eves } = &*HELD;
    let victim = encode(r#"tenant="victim""#);
    let mut all = Vec::new();
    for path in ["/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences"] {
        for (name, query) in [
            ("plainly", String::new()),
            ("of the victim", format!("filter={victim}")),
            ("of everybody else", format!("filter={}", encode(r#"tenant!="eve""#))),
            ("of everybody by a pattern", format!("filter={}", encode(r#"tenant=~".*""#))),
            ("of nobody", format!("filter={}", encode(r#"tenant="""#))),
            ("by two filters", format!("filter={victim}&filter={}", encode(r#"tenant="eve""#))),
            ("by an empty filter", "filter=&filter".into()),
            ("by a filter in braces", format!("filter={}", encode(r#"{tenant="victim"}"#))),
            ("by two matchers in one filter", format!("filter={}", encode(r#"tenant="eve",tenant="victim""#))),
            ("by a quoted name", format!("filter={}", encode(r#""tenant"="victim""#))),
            ("by a filter that ends its quotes", format!("filter={}", encode(r#"a="" or tenant="victim"#))),
            ("by a filter under other names", format!("Filter={victim}&filter[]={victim}&filters={victim}")),
            ("behind a semicolon", format!("active=true;filter={victim}")),
            (
                "with every state",
                "active=true&silenced=true&inhibited=true&unprocessed=true&expired=true&muted=true".into(),
            ),
            ("of any receiver", "receiver=.*".into()),
            ("with a state twice", "active=true&active=false".into()),
            ("with an id", format!("id={victims}&silence={victims}")),
        ] {
            for listener in ["alerts", "alerts-held"] {
                let told = format!("{path} {name}, on {listener}");
                all.push(attack(told, get(format!("{path}?{query}"))).on(listener));
            }
        }
        let many = token(&json!({"tenants": ["eve", "zoe"]}));
        let told = format!("{path} for two tenants");
        all.push(anonymous(told, get(path).bearer(&many)).on("alerts").owner(Owner::of(&["eve", "zoe"])));
    }
    all.push(attack("own alerts", get("/api/v2/alerts")).on("alerts").shows("Down"));
    all.push(attack("own silences", get("/api/v2/silences")).on("alerts").shows("eves"));
    all.push(attack("an own silence", get(format!("/api/v2/silence/{eves}"))).on("alerts").shows("eves"));
    let stranger = "11111111-2222-3333-4444-555555555555";
    for (name, id) in [
        ("the victim's silence", victims.clone()),
        ("the victim's silence with a query", format!("{victims}?filter={victim}")),
        ("a silence that nobody has", stranger.into()),
    ] {
        for listener in ["alerts", "alerts-held"] {
            let told = format!("reading {name}, on {listener}");
            all.push(attack(told, get(format!("/api/v2/silence/{id}"))).on(listener).refused(NONE));
        }
    }
    for (name, path) in [
        ("in upper case", format!("/api/v2/silence/{}", victims.to_uppercase())),
        ("in braces", format!("/api/v2/silence/%7B{victims}%7D")),
        ("without hyphens", format!("/api/v2/silence/{}", victims.replace('-', ""))),
        ("as a name", format!("/api/v2/silence/urn:uuid:{victims}")),
        ("with a space", format!("/api/v2/silence/{victims}%20")),
        ("with a slash", format!("/api/v2/silence/{victims}/")),
        ("with an encoded slash", format!("/api/v2/silence/{victims}%2f")),
        ("behind an own one", format!("/api/v2/silence/{eves}/../{victims}")),
        ("behind an own one, encoded", format!("/api/v2/silence/{eves}%2f..%2f{victims}")),
        ("with a letter encoded", format!("/api/v2/silence/%{:02x}{}", victims.as_bytes()[0], &victims[1..])),
        ("with dots to the list", format!("/api/v2/silence/{victims}/../../silences")),
        ("of dots", "/api/v2/silence/..".into()),
        ("that is empty", "/api/v2/silence/".into()),
        ("that is a number", "/api/v2/silence/1".into()),
        ("with a line end", format!("/api/v2/silence/{eves}%0a{victims}")),
        ("with a NUL", format!("/api/v2/silence/{eves}%00{victims}")),
    ] {
        for method in ["GET", "DELETE"] {
            all.push(attack(format!("{method} of an id {name}"), request(method, &path)).on("alerts"));
        }
    }
    for target in [
        "/api/v2/status",
        "/api/v2/receivers",
        "/api/v2/alerts/",
        "/api/v2/silences/",
        "//api/v2/silences",
        "/api/v2/../v2/silences",
        "/api/v2/silenceſ",
        "/api/v1/silences",
        "/api/v1/status",
        "/metrics",
        "/debug/pprof/",
        "/script.js",
        "/-/ready",
    ] {
        let told = format!("{target} of Alertmanager");
        all.push(attack(told, get(target)).on("alerts").refused(&[400, 404]).http1());
    }
    for (name, sent) in [
        ("an alert of the victim's", request("POST", "/api/v2/alerts")),
        ("an end of alerts", request("DELETE", "/api/v2/alerts")),
        ("a silence by PUT", request("PUT", "/api/v2/silences")),
        ("a silence written by its id", request("POST", &*format!("/api/v2/silence/{victims}"))),
        ("a silence looked at", request("HEAD", &*format!("/api/v2/silence/{victims}"))),
    ] {
        all.push(attack(name, sent).on("alerts").refused(&[405]));
    }
    all
}

fn writes() -> Vec<Attack> {
    let Held { victims, eves } = &*HELD;
    let job = r#"{"name":"job","value":"x","isRegex":false}"#;
    let eve = own("eve").to_string();
    let tenant = |value: &str| eve.replace("\"eve\"", value);
    let of = |matchers: &str| silence(&format!("[{matchers}]"), "");
    let with = |more: &str| silence(&format!("[{job},{eve}]"), &format!(r#","createdBy":"e","comment":"c",{more}"#));
    let mut all = Vec::new();
    for (name, body) in [
        ("of an own job", of(job)),
        ("of the victim's job", of(&format!("{job},{}", tenant("\"victim\"")))),
        ("of the victim's, the victim first", of(&format!("{},{eve},{job}", tenant("\"victim\"")))),
        ("of every tenant by a pattern", of(&format!("{job},{}", tenant("\".*\"").replace("false", "true")))),
        ("of two tenants at once", of(&format!("{job},{eve},{}", tenant("\"victim\"")))),
        (
            "of a tenant by escapes",
            of(&format!("{job},{}", tenant("\"vict\\u0069m\"").replace("tenant", "ten\\u0061nt"))),
        ),
        ("of a label in another case", of(&format!("{job},{}", tenant("\"victim\"").replace("tenant", "Tenant")))),
        ("with annotations", with(r#""annotations":{"a":"b"}"#)),
        ("with an empty id", with(r#""id":"""#)),
        ("in the place of an own one", with(&format!(r#""id":"{eves}""#))),
    ] {
        all.push(attack(format!("a silence {name}"), write(body)).on("alerts").narrowed());
    }
    let negated = eve.replace("\"isEqual\":true", "\"isEqual\":false");
    for (name, body) in [
        ("of everybody else", of(&format!("{job},{negated}"))),
        ("of everything", of(&eve)),
        ("of everything that has no job", of(&format!(r#"{eve},{{"name":"job","value":"","isRegex":false}}"#))),
        ("of everything by a pattern", of(&format!(r#"{eve},{{"name":"job","value":".*","isRegex":true}}"#))),
        ("of no matchers", silence("[]", "")),
        ("of matchers that are null", silence("null", "")),
        ("of matchers in an object", silence(&format!(r#"{{"0":{job}}}"#), "")),
        ("of matchers in a list in a list", silence(&format!("[[{job}]]"), "")),
        ("of matchers that are none", of(&format!("{job},null"))),
        ("with matchers twice", with(&format!(r#""matchers":[{job}]"#))),
        ("with matchers in another case", with(&format!(r#""Matchers":[{job}]"#))),
        ("with matchers by escapes", with(&format!(r#""m\u0061tchers":[{job}]"#))),
        ("with matchers of other letters", with(&format!("\"matcher\u{17f}\":[{job}]"))),
        ("with a name twice", of(&format!("{job},{}", eve.replacen('{', r#"{"name":"x","#, 1)))),
        ("with a name in another case", of(&format!("{job},{}", eve.replacen('{', r#"{"NAME":"x","#, 1)))),
        ("with a value in another case", of(&format!("{job},{}", eve.replacen('{', r#"{"Value":"victim","#, 1)))),
        ("with a bit in another case", of(&format!("{job},{}", eve.replacen('{', r#"{"ISEQUAL":false,"#, 1)))),
        ("with a bit of other letters", of(&format!("{job},{}", eve.replacen('{', "{\"i\u{17f}Equal\":false,", 1)))),
        ("with a bit as a text", of(&format!("{job},{}", eve.replace("false", "\"false\"")))),
        ("with a member that nobody knows", with(r#""status":{"state":"expired"}"#)),
        ("with a matcher's member that nobody knows", of(&format!("{job},{}", eve.replacen('{', r#"{"type":2,"#, 1)))),
        ("with an id in another case", with(&format!(r#""id":"","ID":"{victims}""#))),
        ("with an id that is a number", with(r#""id":7"#)),
        ("with an id that is a list", with(&format!(r#""id":["{victims}"]"#))),
        ("with another behind it", format!("{}{}", of(job), of(job))),
        ("in a list", format!("[{}]", of(job))),
        ("with a comment", of(job).replacen('{', "{/**/", 1)),
        ("with a byte order mark", format!("\u{feff}{}", of(job))),
        ("without its end", of(job).trim_end_matches('}').into()),
        ("that is null", "null".into()),
        ("that is a text", format!("{:?}", of(job))),
        ("that is empty", "{}".into()),
        ("of objects in objects", with(&format!(r#""annotations":{}"#, r#"{"a":"#.repeat(20_000)))),
    ] {
        all.push(attack(format!("a silence {name}"), write(body)).on("alerts").refused(BAD));
    }
    for (name, id) in [
        ("the victim's", victims.clone()),
        ("the victim's, in upper case", victims.to_uppercase()),
        ("the victim's, with a space", format!("{victims} ")),
        ("one that nobody has", "11111111-2222-3333-4444-555555555555".into()),
        ("one above", format!("../silence/{victims}")),
    ] {
        let body = with(&format!(r#""id":"{id}""#));
        all.push(attack(format!("a silence in the place of {name}"), write(body)).on("alerts").refused(&[400, 404]));
    }
    all
}

fn forms() -> Vec<Attack> {
    let Held { victims, eves } = &*HELD;
    let body = silence(r#"[{"name":"job","value":"x","isRegex":false}]"#, "");
    let typed = |content_type: &str| {
        let sent = request("POST", "/api/v2/silences").header("content-type", content_type);
        sent.body(Body::Length(body.clone().into()))
    };
    let delete = |id: &str| request("DELETE", format!("/api/v2/silence/{id}"));
    let many = token(&json!({"tenants": ["eve", "zoe"]}));
    let mut all = Vec::new();
    for content_type in [
        "text/plain",
        "application/jsonp",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        all.push(attack(format!("a silence as `{content_type}`"), typed(content_type)).on("alerts").refused(&[415]));
    }
    let twice = typed("application/json").header("content-type", "text/plain");
    let packed = write(b"\x1f\x8b").header("content-encoding", "gzip");
    let wide = write(body.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let chunks = body.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    let chunked = Request { body: Body::Chunked(chunks, vec![("x-word".into(), "y".into())]), ..write("") };
    let asked = Request { target: b"/api/v2/silences?id=x&filter=y".to_vec(), ..write(&body) };
    let overridden = write(&body).header("x-http-method-override", "DELETE");
    all.push(attack("a silence of two types", twice).on("alerts").refused(&[415]));
    all.push(attack("a packed silence", packed).on("alerts").refused(&[415]));
    all.push(attack("a silence in wide letters", wide).on("alerts").refused(BAD));
    all.push(attack("a silence in chunks, with trailers", chunked).on("alerts").narrowed());
    all.push(attack("a silence with parameters", asked).on("alerts").narrowed());
    all.push(attack("a silence by another method", overridden).on("alerts").narrowed());
    all.push(attack("a silence that is very long", write(vec![b' '; 2 << 20])).on("alerts").refused(&[413]));
    all.push(attack("a silence without a body", request("POST", "/api/v2/silences")).on("alerts").refused(&[400, 415]));
    all.push(attack("a silence where none is written", write(&body)).on("alerts-read").refused(&[405]));
    all.push(attack("the end of a silence where none is written", delete(eves)).on("alerts-read").refused(&[405]));
    let two = anonymous("a silence for two tenants, of neither", write(&body).bearer(&many));
    all.push(two.on("alerts").owner(Owner::of(&["eve", "zoe"])).refused(BAD));
    all.push(attack("the end of the victim's silence", delete(victims)).on("alerts").refused(NONE));
    all.push(attack("the end of the victim's silence, held", delete(victims)).on("alerts-held").refused(NONE));
    let body = delete(victims).body(Body::Length(b"{}".to_vec()));
    all.push(attack("the end of the victim's silence, with a body", body).on("alerts").refused(BAD));
    for header in ["x-http-method-override", "x-method-override"] {
        let sent = get(format!("/api/v2/silence/{victims}?_method=DELETE")).header(header, "DELETE");
        all.push(attack(format!("the end of the victim's silence by {header}"), sent).on("alerts").refused(NONE));
    }
    let posted = post(format!("/api/v2/silence/{victims}"), "_method=DELETE");
    all.push(attack("the end of the victim's silence by a form", posted).on("alerts").refused(&[405]));
    let foreign =
        anonymous("the end of an own silence by another", delete(eves).bearer(&token(&json!({"tenants": "evee"}))));
    all.push(foreign.on("alerts").owner(Owner::of(&["evee"])).refused(NONE));
    all
}

pub(super) fn attacks() -> Vec<Attack> {
    [reads(), writes(), forms()].concat()
}

#[test]
fn alertmanager() {
    let Held { victims, .. } = &*HELD;
    let silence = || FIELD.alertmanager.get(&format!("/api/v2/silence/{victims}")).text();
    let before = silence();
    carry_out(FIELD.alerts(), &attacks());
    assert_eq!(silence(), before, "somebody has touched the victim's silence");
    let fired = FIELD.alertmanager.alerts(&[r#"tenant!="eve""#.to_owned()]).json();
    for alert in fired.as_array().expect("alerts") {
        assert_eq!(alert["status"]["silencedBy"], json!([]), "somebody has silenced {alert}");
    }
    let recorded = FIELD.hop.all();
    let ended = recorded.iter().find(|each| each.method == "DELETE" && each.path().contains(victims.as_str()));
    assert!(ended.is_none(), "{ended:?}");
}
