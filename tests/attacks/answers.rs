//! The response side: answers that are not what their head says, that two readers read differently, or that are no answers.
//!
//! Whoever writes the upstream's answer is no enemy, but a store, a cache or a proxy may be odd, and labels are written by
//! tenants.

use super::attack::{Attack, attack, carry_out};
use super::field::SCRIPTED;
use crate::support::client::get;
use crate::support::upstream::{Answer, Framing, Step};

const SECRET: &str = "xhushqzx_answer";

/// An answer that is filtered: what asks for it, what is around its entries, and one of them. `T` stands for a tenant, `S` for
/// a word.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    target: &'static str,
    around: (&'static str, &'static str),
    entry: &'static str,
    labels: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "exemplars",
        target: "/api/v1/query_exemplars?query=up",
        around: (r#"{"status":"success","data":["#, "]}"),
        entry: r#"{"seriesLabels":{"word":"S","tenant":"T"},"exemplars":[{"labels":{"trace_id":"S"},"value":"1","timestamp":1.5}]}"#,
        labels: "seriesLabels",
    },
    Kind {
        name: "rules",
        target: "/api/v1/rules",
        around: (r#"{"status":"success","data":{"groups":[{"name":"g","file":"f","rules":["#, r#"],"interval":1}]}}"#),
        entry: r#"{"state":"firing","name":"S","query":"S","labels":{"tenant":"T","word":"S"},"alerts":[{"labels":{"tenant":"T","word":"S"},"annotations":{"a":"S"},"state":"firing"}],"type":"alerting"}"#,
        labels: "labels",
    },
    Kind {
        name: "alerts",
        target: "/api/v1/alerts",
        around: (r#"{"status":"success","data":{"alerts":["#, "]}}"),
        entry: r#"{"labels":{"alertname":"S","tenant":"T"},"annotations":{"a":"S"},"state":"firing","value":"1e+00"}"#,
        labels: "labels",
    },
    Kind {
        name: "targets",
        target: "/api/v1/targets",
        around: (
            r#"{"status":"success","data":{"activeTargets":["#,
            r#"],"droppedTargets":[{"discoveredLabels":{"a":"xhushqzx"}}],"droppedTargetCounts":{"xhushqzx":1}}}"#,
        ),
        entry: r#"{"discoveredLabels":{"tenant":"eve","word":"S"},"labels":{"tenant":"T"},"scrapePool":"S","lastError":"S","health":"up"}"#,
        labels: "labels",
    },
    Kind {
        name: "silences",
        target: "/api/v2/silences",
        around: ("[", "]\n"),
        entry: r#"{"id":"S","matchers":[{"isEqual":true,"isRegex":false,"name":"tenant","value":"T"},{"isEqual":true,"isRegex":false,"name":"a","value":"S"}],"comment":"S","createdBy":"S","status":{"state":"active"}}"#,
        labels: "matchers",
    },
];

impl Kind {
    fn entry(self, tenant: &str, word: &str) -> String {
        self.entry.replace('T', "\u{0}").replace('S', word).replace('\u{0}', tenant)
    }

    fn own(self) -> String {
        self.entry("eve", "eves-own")
    }

    fn victims(self) -> String {
        self.entry("victim", SECRET)
    }

    fn around(self, entries: &str) -> String {
        format!("{}{entries}{}", self.around.0, self.around.1)
    }

    /// Own entries around one of the victim's.
    fn honest(self) -> String {
        self.around(&format!("{},{},{}", self.own(), self.victims(), self.own()))
    }

    fn attack(self, how: &str, listener: &'static str, answer: Answer) -> Attack {
        let name = format!("{} {how}, on {listener}", self.name);
        let attack = attack(name, get(self.target)).on(listener).answered(answer);
        // How the client speaks does not depend on the kind.
        if self.name == "exemplars" { attack } else { attack.http1() }
    }
}

/// Texts that some reader reads differently.
fn texts(kind: Kind) -> Vec<(&'static str, Vec<u8>)> {
    let (own, victims, honest) = (kind.own(), kind.victims(), kind.honest());
    // One of the victim's that tries to be of the attacker's.
    let posing = |old: &str, new: &str| kind.around(&format!("{own},{}", victims.replace(old, new))).into_bytes();
    let tenant = if kind.name == "silences" { r#""value":"victim""# } else { r#""tenant":"victim""# };
    let named = |value: &str| tenant.replace(r#""victim""#, value);
    let labels = format!(r#""{}":"#, kind.labels);
    let before = |member: &str, value: &str| format!(r#""{member}":{value},{labels}"#);
    let good = if kind.name == "silences" {
        r#"[{"isEqual":true,"isRegex":false,"name":"tenant","value":"eve"}]"#
    } else {
        r#"{"tenant":"eve"}"#
    };
    let with = |text: &str| text.as_bytes().to_vec();
    let deep = |open: &str, close: &str| [open.repeat(50_000), close.repeat(50_000)].concat();
    vec![
        ("with a label twice, the own first", posing(tenant, &format!("{},{tenant}", named(r#""eve""#)))),
        ("with a label twice, the own last", posing(tenant, &format!("{tenant},{}", named(r#""eve""#)))),
        ("with a label in another case", posing(tenant, &format!("{},{tenant}", named(r#""eve""#).to_uppercase()))),
        ("with a label by escapes", posing(tenant, &tenant.replacen('n', "\\u006e", 1).replacen("va", "v\\u0061", 1))),
        ("with a tenant by escapes", posing(tenant, &named(r#""vict\u0069m""#))),
        ("with a tenant and a NUL", posing(tenant, &named(r#""eve\u0000""#))),
        ("with a tenant and a space", posing(tenant, &named(r#""eve ""#))),
        ("with a tenant in another case", posing(tenant, &named(r#""EVE""#))),
        ("with a tenant in a list", posing(tenant, &named(r#"["eve"]"#))),
        ("with a tenant in an object", posing(tenant, &named(r#"{"eve":"eve"}"#))),
        ("with null for a tenant", posing(tenant, &named("null"))),
        ("with no tenant", posing(tenant, r#""x":"y""#)),
        ("with half a surrogate for a tenant", posing(tenant, &named(r#""\ud800""#))),
        ("with labels twice, the own first", posing(&labels, &before(kind.labels, good))),
        ("with labels in another case", posing(&labels, &before(&kind.labels.to_uppercase(), good))),
        ("with labels by escapes", posing(&labels, &before(&kind.labels.replace('e', "\\u0065"), good))),
        ("with labels of other letters", posing(&labels, &before(&kind.labels.replace('s', "\u{17f}"), good))),
        ("with labels that are null", posing(&labels, &before(kind.labels, "null"))),
        ("with an own entry around the victim's", posing("{", &format!(r#"{{"x":{own},"#))),
        ("with the victim's in a list in the list", kind.around(&format!("{own},[{victims}]")).into()),
        (
            "with the victim's as a text",
            kind.around(&format!("{own},{}", serde_json::Value::from(victims.clone()))).into(),
        ),
        ("with the victim's behind null", kind.around(&format!("null,{victims}")).into()),
        (
            "with members of other names",
            with(
                &honest
                    .replace("\"data\"", "\"Data\"")
                    .replace("groups", "GROUPS")
                    .replace("alerts\"", "ALERTS\"")
                    .replace("active", "ACTIVE"),
            ),
        ),
        (
            "with members by escapes",
            with(
                &honest
                    .replace("\"data\"", "\"d\\u0061ta\"")
                    .replace("\"groups", "\"\\u0067roups")
                    .replace("\"alerts", "\"\\u0061lerts"),
            ),
        ),
        ("twice behind each other", with(&format!("{honest}{honest}"))),
        ("line by line", with(&format!("{}\n{honest}\n", kind.around(&own)))),
        ("with more behind it", with(&format!("{} {victims}", kind.around(&own)))),
        ("with a byte order mark", with(&format!("\u{feff}{honest}"))),
        ("behind a NUL", with(&format!("\0{honest}"))),
        ("behind what keeps scripts from reading it", with(&format!(")]}}',\n{honest}"))),
        ("in a call of a script", with(&format!("callback({honest})"))),
        ("with a comment", with(&honest.replace(",{", ",/**/{"))),
        ("with a comma at its end", kind.around(&format!("{own},{victims},")).into()),
        ("without its end", honest.as_bytes()[..honest.len() - 3].to_vec()),
        ("that ends in a text", honest.split_at(honest.find(SECRET).unwrap_or_default() + 9).0.into()),
        ("in single quotes", with(&honest.replace('"', "'"))),
        ("that is no UTF-8", [honest.as_bytes(), b"\xff"].concat()),
        (
            "with bytes that are no UTF-8 in a text",
            with(&honest).into_iter().map(|b| if b == b'-' { 0xff } else { b }).collect(),
        ),
        ("in wide letters", honest.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("with a raw line end in a text", with(&honest.replace(SECRET, &format!("{SECRET}\n")))),
        ("with an escape that is none", with(&honest.replace(SECRET, &format!("{SECRET}\\x")))),
        ("with numbers beyond all numbers", posing("{", &format!(r#"{{"x":1{},"#, "0".repeat(50_000)))),
        ("with lists in lists", posing("{", &format!(r#"{{"x":{},"#, deep("[", "]")))),
        (
            "with objects in objects",
            posing("{", &format!(r#"{{"x":{}0{},"#, r#"{"a":"#.repeat(50_000), "}".repeat(50_000))),
        ),
        ("of nothing but brackets", with(&deep("[", ""))),
        ("with a name that is very long", posing("{", &format!(r#"{{"{}":1,"#, "x".repeat(100_000)))),
        ("that is empty", Vec::new()),
        ("that is a text", with(&format!("\"{SECRET}\""))),
        ("that is an object of something else", with(&format!(r#"{{"{SECRET}":"{SECRET}"}}"#))),
        ("in HTML", with(&format!("<html>{SECRET}</html>"))),
    ]
}

/// The same text, with heads and framings that lie about it.
fn heads(kind: Kind) -> Vec<(String, Answer)> {
    let honest = kind.honest();
    let good = || Answer::json(200, &honest);
    let mut all: Vec<(String, Answer)> = Vec::new();
    for content_type in [
        "text/html",
        "text/plain; charset=utf-8",
        "application/x-ndjson",
        "application/json-seq",
        "application/problem+json",
        "application/jsonp",
        "application/json, text/html",
        "application/x-protobuf",
        "",
        "application/json; charset=utf-16",
        "APPLICATION/JSON",
    ] {
        all.push((format!("of type `{content_type}`"), good().header("content-type", content_type)));
    }
    let mut typeless = good();
    typeless.headers.clear();
    all.push(("of no type".into(), typeless.clone()));
    typeless.headers = ["application/json", "text/html"].map(|value| ("content-type".into(), value.into())).into();
    all.push(("of two types".into(), typeless));
    for encoding in ["gzip", "br", "deflate", "x-gzip", "identity, gzip", "identity", ""] {
        all.push((format!("in the encoding `{encoding}`"), good().header("content-encoding", encoding)));
    }
    let error = format!(
        r#"{{"status":"error","errorType":"execution","error":"{SECRET}","data":"{SECRET}","warnings":["{SECRET}"]}}"#
    );
    for status in [400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503, 504, 599] {
        all.push((format!("that failed with {status}"), Answer::json(status, &error)));
        let page = Answer::json(status, format!("<html>{SECRET}</html>")).header("content-type", "text/html");
        all.push((format!("that failed with {status} and a page"), page));
        all.push((format!("that failed with {status} and data"), Answer { status, ..good() }));
    }
    for status in [201, 202, 203, 206, 226, 299, 300, 301, 302, 304, 307] {
        all.push((format!("that was answered by {status}"), Answer { status, ..good() }));
    }
    all.push(("in part".into(), Answer { status: 206, ..good() }.header("content-range", "bytes 0-9/10")));
    let warned = honest.replacen(
        '{',
        &format!(r#"{{"warnings":["{SECRET}"],"WARNINGS":["{SECRET}"],"info\u0073":["{SECRET}"],"error":"{SECRET}","#),
        1,
    );
    if kind.name != "silences" {
        all.push(("with warnings".into(), Answer::json(200, warned)));
    }
    all
}

fn framings(kind: Kind) -> Vec<(&'static str, Answer)> {
    let honest = kind.honest().replace("eves", "\u{e9}ves");
    let bytes = honest.as_bytes();
    let steps = |size: usize| bytes.chunks(size).map(|chunk| Step::Data(chunk.to_vec())).collect::<Vec<_>>();
    let chunked = |steps| Answer::json(200, "").chunked(steps);
    let raw = |head: &str, body: &[u8]| Answer::raw([head.as_bytes(), body].concat());
    let json = "content-type: application/json\r\n";
    let length = bytes.len();
    let mut trailing = chunked(steps(50));
    trailing.trailers = vec![("x-word".into(), SECRET.into()), ("content-type".into(), "text/html".into())];
    let early = format!(
        "HTTP/1.1 103 Early\r\nlink: <{SECRET}>\r\n\r\nHTTP/1.1 200 OK\r\n{json}content-length: {length}\r\n\r\n"
    );
    vec![
        ("byte by byte", chunked(steps(1))),
        ("in chunks of three", chunked(steps(3))),
        ("that is cut in the middle", chunked([steps(40), vec![Step::Cut]].concat())),
        ("that is longer than it says", Answer::json(200, &honest).framing(Framing::Claimed(length / 2))),
        (
            "that is as long as its own part",
            Answer::json(200, &honest).framing(Framing::Claimed(kind.around("").len())),
        ),
        ("that is shorter than it says", Answer::json(200, &honest).framing(Framing::Claimed(length + 1))),
        ("of no length", Answer::json(200, &honest).framing(Framing::Claimed(0))),
        ("with trailers", trailing),
        ("that ends with its connection", raw(&format!("HTTP/1.1 200 OK\r\n{json}\r\n"), bytes)),
        ("of HTTP/1.0", raw(&format!("HTTP/1.0 200 OK\r\n{json}\r\n"), bytes)),
        ("behind an early one", raw(&early, bytes)),
        (
            "behind one to go on",
            raw(
                &format!(
                    "HTTP/1.1 100 Go\r\nx: {SECRET}\r\n\r\nHTTP/1.1 200 OK\r\n{json}content-length: {length}\r\n\r\n"
                ),
                bytes,
            ),
        ),
        (
            "that changes the protocol",
            raw(&format!("HTTP/1.1 101 Switch\r\nconnection: upgrade\r\nupgrade: websocket\r\n{json}\r\n"), bytes),
        ),
        (
            "with two lengths",
            raw(&format!("HTTP/1.1 200 OK\r\n{json}content-length: 2\r\ncontent-length: {length}\r\n\r\n"), bytes),
        ),
        (
            "with a length and chunks",
            raw(
                &format!("HTTP/1.1 200 OK\r\n{json}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n"),
                bytes,
            ),
        ),
        (
            "with chunks that are none",
            raw(&format!("HTTP/1.1 200 OK\r\n{json}transfer-encoding: chunked\r\n\r\n"), bytes),
        ),
        ("with line feeds alone", raw("HTTP/1.1 200 OK\ncontent-type: application/json\n\n", bytes)),
        ("with a status that is none", raw(&format!("HTTP/1.1 999 OK\r\n{json}\r\n"), bytes)),
        ("that is no HTTP", raw("", bytes)),
        (
            "twice on one connection",
            raw(
                &format!(
                    "HTTP/1.1 200 OK\r\n{json}content-length: 2\r\n\r\n[]HTTP/1.1 200 OK\r\n{json}content-length: {length}\r\n\r\n"
                ),
                bytes,
            ),
        ),
    ]
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    for kind in KINDS {
        for listener in ["jwt", "hold", "h2"] {
            all.push(kind.attack("of both", listener, Answer::json(200, kind.honest())).shows("eves-own"));
        }
        // How it is held does not depend on the kind, but for the errors of Alertmanager.
        let listeners =
            if matches!(kind.name, "exemplars" | "silences") { &["jwt", "hold", "h2"][..] } else { &["jwt"] };
        for (how, text) in texts(kind) {
            for listener in listeners.iter().filter(|listener| **listener != "h2") {
                all.push(kind.attack(how, listener, Answer::json(200, &text)));
            }
        }
        let framings = framings(kind).into_iter().map(|(how, answer)| (how.to_owned(), answer));
        for (how, answer) in heads(kind).into_iter().chain(framings) {
            for listener in listeners.iter().filter(|listener| **listener != "h2" || answer.framing != Framing::Raw) {
                all.push(kind.attack(&how, listener, answer.clone()));
            }
        }
        let long = kind.around(&vec![kind.victims(); 100].join(","));
        for listener in ["small", "small-hold"] {
            all.push(kind.attack("over the limit", listener, Answer::json(200, &long)));
            let step = Step::Data(long.clone().into_bytes());
            all.push(kind.attack("that grows over the limit", listener, Answer::json(200, "").chunked(vec![step; 3])));
        }
    }
    let rules = KINDS[1];
    for (how, text) in texts(rules) {
        all.push(rules.attack(how, "shared-rules", Answer::json(200, &text)));
    }
    all
}

#[test]
fn response_side() {
    carry_out(&*SCRIPTED, &attacks());
}
