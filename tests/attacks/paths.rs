//! Methods and paths: what is not served, and what some hop takes for something that is.

use super::VICTIMS;
use super::attack::{Attack, attack, carry_out, raw};
use super::field::FIELD;
use crate::support::client::{Body, get, post, request};

const NONE: &[u16] = &[404];

/// Where something of everybody's is told or done, by any method.
const FORBIDDEN: [&str; 36] = [
    "/api/v1/status/config",
    "/api/v1/status/flags",
    "/api/v1/status/runtimeinfo",
    "/api/v1/status/tsdb",
    "/api/v1/status/tsdb?limit=100",
    "/api/v1/status/tsdb/blocks",
    "/api/v1/status/walreplay",
    "/api/v1/status/self_metrics",
    "/api/v1/alertmanagers",
    "/api/v1/scrape_pools",
    "/api/v1/scrape_pools/config?scrapePool=down",
    "/api/v1/targets/relabel_steps?scrapePool=down",
    "/api/v1/notifications",
    "/api/v1/notifications/live",
    "/api/v1/stores",
    "/api/v1/query_explain?query=up",
    "/api/v1/query_range_explain?query=up",
    "/api/v1/cardinality/label_values",
    "/api/v1/export?match[]=up",
    "/api/v1/blocks",
    "/api/v2/alerts",
    "/api/v2/silences",
    "/metrics",
    "/version",
    "/consoles/index.html.example",
    "/consoles/prometheus.html",
    "/user/x",
    "/classic/alerts",
    "/classic/rules",
    "/classic/targets",
    "/debug/pprof/",
    "/debug/pprof/cmdline",
    "/debug/fgprof",
    "/config",
    "/graph",
    "/select/0/prometheus/api/v1/query?query=up",
];

fn forbidden() -> Vec<Attack> {
    let told = FORBIDDEN.map(|target| attack(format!("reading {target}"), get(target)).refused(NONE));
    let posted = [
        ("POST", "/api/v1/admin/tsdb/delete_series?match[]=up"),
        ("PUT", "/api/v1/admin/tsdb/clean_tombstones"),
        ("POST", "/api/v1/admin/tsdb/snapshot"),
        ("POST", "/-/reload"),
        ("PUT", "/-/quit"),
        ("POST", "/api/v1/otlp/v1/metrics"),
        ("POST", "/api/v1/status/config"),
        ("POST", "/api/v1/receive"),
    ]
    .map(|(method, target)| attack(format!("{method} of {target}"), request(method, target)).refused(NONE));
    let body = snap::raw::Encoder::new().compress_vec(b"").expect("nothing");
    let write =
        request("POST", "/api/v1/write").header("content-type", "application/x-protobuf").body(Body::Length(body));
    let mut all = [told.to_vec(), posted.to_vec()].concat();
    all.push(attack("writing samples", write).refused(NONE));
    all.push(attack("reading targets that are not served", get("/api/v1/targets")).on("defaults").refused(NONE));
    all.push(attack("a remote read that is not served", request("POST", "/api/v1/read")).on("defaults").refused(NONE));
    all.push(attack("the metadata of everybody", get("/api/v1/metadata?metric=scraped_total")));
    all
}

/// The same path to somebody, and another to somebody else.
fn tricks() -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, path) in [
        ("two slashes in front", "//api/v1/labels"),
        ("two slashes inside", "/api//v1/labels"),
        ("a dot inside", "/api/v1/./labels"),
        ("dots to where it came from", "/api/v1/x/../labels"),
        ("dots beyond the root", "/../../api/v1/labels"),
        ("encoded dots", "/api/v1/x/%2e%2e/labels"),
        ("dots that are half encoded", "/api/v1/x/.%2E/labels"),
        ("dots that are encoded twice", "/api/v1/x/%252e%252e/labels"),
        ("a dot with a parameter", "/api/v1/x/..;/labels"),
        ("an encoded slash", "/api/v1%2Flabels"),
        ("a slash that is encoded twice", "/api/v1%252Flabels"),
        ("an overlong slash", "/api/v1%c0%aflabels"),
        ("a backslash", r"/api/v1\labels"),
        ("an encoded backslash", "/api/v1%5Clabels"),
        ("a slash at the end", "/api/v1/labels/"),
        ("an encoded slash at the end", "/api/v1/labels%2F"),
        ("upper case", "/API/V1/LABELS"),
        ("a parameter of the path", "/api/v1/labels;x=1"),
        ("an encoded question mark", "/api/v1/labels%3Fx=1"),
        ("an encoded fragment", "/api/v1/labels%23"),
        ("an encoded space at the end", "/api/v1/labels%20"),
        ("an encoded line end", "/api/v1/labels%0d%0ax-tenant:%20victim"),
        ("an encoded NUL", "/api/v1/labels%00"),
        ("an extension", "/api/v1/labels.json"),
        ("a prefix that is not there", "/prometheus/api/v1/labels"),
        ("an end that looks served", "/x/api/v1/query_range"),
        ("a path without a name for its label", "/api/v1/label//values"),
        ("a path without its end", "/api/v1/label/word"),
        ("a path in a label's name", "/api/v1/label/..%2f..%2fstatus%2fconfig/values"),
        ("dots for a label's name", "/api/v1/label/../values"),
        ("encoded dots for a label's name", "/api/v1/label/%2e%2e/values"),
        ("dots behind a label's name", "/api/v1/label/word/values/../../../status/config"),
        ("a slash in a label's name", "/api/v1/label/a/b/values"),
        ("a percent sign in a label's name", "/api/v1/label/a%25/values"),
        ("the root", "/"),
        ("the API without an endpoint", "/api/v1/"),
        ("a letter that is no ASCII", "/api/v1/%C5%BFeries"),
        ("a letter of full width", "/api/v1/%EF%BD%8Cabels"),
    ] {
        all.push(attack(format!("a path with {name}"), get(format!("{path}?match[]={VICTIMS}"))).refused(NONE));
    }
    for (name, path) in [
        ("a letter encoded", "/api/v1/l%61bels"),
        ("a label's name in UTF-8", "/api/v1/label/%C3%A9/values"),
        ("a label's name as Prometheus escapes it", "/api/v1/label/U__word/values"),
        ("a label's name with a question mark", "/api/v1/label/word%3Fx/values"),
        ("a label's name with a quote", "/api/v1/label/%22word%22/values"),
    ] {
        all.push(attack(format!("a path with {name}"), get(path)).narrowed());
    }
    all.push(attack("a path without its prefix", get("/api/v1/labels")).on("prefix").refused(NONE));
    all.push(attack("a path with its prefix twice", get("/prom/prom/api/v1/labels")).on("prefix").refused(NONE));
    all.push(attack("a path that leaves its prefix", get("/prom/../api/v1/labels")).on("prefix").refused(NONE));
    for (name, path) in [
        ("a page above the pages", "/static/../api/v1/status/config"),
        ("a page that is encoded above the pages", "/static/%2e%2e/api/v1/status/config"),
        ("a page with an encoded slash", "/static/js%2f..%2f..%2fconfig"),
        ("a page of the server's", "/consoles/index.html.example"),
        ("a page full of data", "/classic/rules"),
        ("a path beside one that is let through", "/-/healthy/../reload"),
        ("a path behind one that is let through", "/-/healthy/x"),
    ] {
        all.push(attack(name, get(path)).on("pages").refused(NONE));
    }
    for (name, path) in [
        ("what pages ask of everybody's stores", "/api/v1/stores"),
        ("what pages ask of flags", "/api/v1/status/flags"),
        ("what pages ask of the server", "/api/v1/status/runtimeinfo"),
        ("what pages ask of notifications", "/api/v1/notifications"),
        ("what pages ask of live notifications", "/api/v1/notifications/live"),
        ("a page", "/graph?g0.expr=up"),
        ("a path that is let through", "/-/healthy"),
        ("a path that is let through, with a query", "/-/healthy?match[]=up;x"),
    ] {
        all.push(attack(name, get(path)).on("pages"));
    }
    all
}

fn methods() -> Vec<Attack> {
    let mut all = Vec::new();
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "Post", "GETX", "M-SEARCH"] {
        all.push(
            attack(format!("{method} of a query"), request(method, "/api/v1/query?query=up")).refused(&[400, 405]),
        );
    }
    for (name, target) in [("a served path", "/api/v1/labels"), ("a path for everybody", "/api/v1/metadata")] {
        all.push(attack(format!("OPTIONS of {name}"), request("OPTIONS", target)).refused(&[204]));
    }
    all.push(attack("OPTIONS of what is not served", request("OPTIONS", "/api/v1/status/config")).refused(NONE));
    all.push(attack("a POST where only a GET is", post("/api/v1/targets", "state=any")).refused(&[405]));
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let sent = post("/api/v1/labels", "start=1").header(header, "GET");
        all.push(attack(format!("another method by {header}"), sent).narrowed());
    }
    let over = get("/api/v1/labels?_method=POST&method=POST").header("x-http-method-override", "POST");
    all.push(attack("another method by a parameter", over).narrowed());
    for (name, line) in [
        ("CONNECT to a host", "CONNECT 127.0.0.1:9090 HTTP/1.1"),
        ("CONNECT to a path", "CONNECT /api/v1/labels HTTP/1.1"),
        ("OPTIONS of the whole server", "OPTIONS * HTTP/1.1"),
        ("a star for a path", "GET * HTTP/1.1"),
        ("an empty target", "GET  HTTP/1.1"),
        ("a target without a slash", "GET api/v1/labels HTTP/1.1"),
        ("a target of another scheme", "GET ftp://lab/api/v1/labels HTTP/1.1"),
        ("the absolute form of what is not served", "GET http://lab/api/v1/status/config HTTP/1.1"),
        ("the absolute form of another host", "GET http://victim.example/api/v1/labels HTTP/1.1"),
        ("the absolute form without a path", "GET http://lab?match[]=up HTTP/1.1"),
        ("a method of control characters", "GE\x01T /api/v1/labels HTTP/1.1"),
        ("a method without an end", "GET/api/v1/labels HTTP/1.1"),
        ("two spaces in front of the target", "GET  /api/v1/labels HTTP/1.1"),
        ("a tab in front of the target", "GET\t/api/v1/labels HTTP/1.1"),
        ("a space behind the version", "GET /api/v1/labels HTTP/1.1 "),
        ("an empty line in front", "\r\nGET /api/v1/labels HTTP/1.1"),
    ] {
        all.push(raw(name, format!("{line}\r\n{{me}}\r\n")));
    }
    let upgrade = |protocol: &str| get("/api/v1/labels").header("connection", "Upgrade").header("upgrade", protocol);
    for protocol in ["websocket", "h2c", "TLS/1.0", "connect-udp"] {
        all.push(attack(format!("an upgrade to {protocol}"), upgrade(protocol)));
    }
    let socket = upgrade("websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13");
    all.push(attack("a websocket where a query is served", socket).refused(&[400, 403, 404]));
    all
}

pub(super) fn attacks() -> Vec<Attack> {
    [forbidden(), tricks(), methods()].concat()
}

#[test]
fn methods_and_paths() {
    carry_out(&FIELD.bench, &attacks());
}
