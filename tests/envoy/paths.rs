//! Ways to write a path and a method: one spelling is served, its encoded letters too, and everything else is not.

use super::matchers::{exactly, read};
use crate::support::bench::{ANY_TYPE, Bench, InUse, OURS, assert_refusal, by_header, only};
use crate::support::client::{Connection, Ending, Request, get, post, request, send, send_h2};
use crate::support::envoy::Listener;
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    Bench::start([Listener::new("plain", by_header()), Listener::new("websocket", by_header()).websocket()])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn tenant(request: Request) -> Request {
    request.header("x-tenant", "a")
}

#[test]
fn encoded_letters_are_the_letters_and_the_path_goes_on_as_it_came() {
    let bench = bench();
    for path in ["/api/v1/%71uery", "/%61pi/v1/query", "/api/v1/%71%75%65%72%79", "/api/v%31/query"] {
        let recorded = bench.forwarded("plain", &tenant(get(format!("{path}?query=up"))));
        assert_eq!(recorded.path(), path);
        assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
        let recorded = bench.forwarded("plain", &tenant(post(format!("{path}?limit=1"), "query=up")));
        assert_eq!((recorded.path(), recorded.raw_query()), (path.to_owned(), String::new()));
        assert_eq!(read(&only(&recorded.form_parameters(), "query")), [exactly("tenant", "a")]);
    }
    bench.refused("plain", &tenant(get("/api/v1/status/%63onfig")), 404, OURS);
    bench.refused("plain", &tenant(request("DELETE", "/api/v1/%71uery")), 405, OURS);
}

#[test]
fn label_names_may_be_encoded() {
    let bench = bench();
    for name in ["job", "%6Aob", "caf%C3%A9", "a.b", "U__a_2e_b", "__name__", "tenant"] {
        let path = format!("/api/v1/label/{name}/values");
        let recorded = bench.forwarded("plain", &tenant(get(&path)));
        assert_eq!(recorded.path(), path);
        assert_eq!(only(&recorded.url_parameters(), "match[]"), r#"{tenant="a"}"#);
    }
    for name in ["", "a/b", "a%2Fb", "a%5Cb", "a%25b", "a%00b", "a%0Ab", "%ff", "a%C3", "..", ".", "%2e%2e"] {
        bench.refused("plain", &tenant(get(format!("/api/v1/label/{name}/values"))), 404, OURS);
    }
}

#[test]
fn paths_that_some_server_might_fold_into_an_endpoint_are_404() {
    let bench = bench();
    for path in [
        "//api/v1/query",
        "/api//v1/query",
        "/api/v1//query",
        "/api/v1/query/",
        "/api/v1/query//",
        "/./api/v1/query",
        "/api/./v1/query",
        "/api/v1/../v1/query",
        "/api/v1/labels/../query",
        "/api/v1/query/.",
        "/api/v1/query/..",
        "/api/v1/%2e/query",
        "/api/v1/%2e%2e/v1/query",
        "/api/v1%2Fquery",
        "/api%2fv1/query",
        "/api/v1/query%2F",
        "/api/v1\\query",
        "/api/v1%5Cquery",
        "/api/v1/%2571uery",
        "/api/v1/query%00",
        "/api/v1/query%0a",
        "/api/v1/query%20",
        "/api/v1/query%3Fquery=up",
        "/api/v1/query;x=1",
        "/api/v1/query%3Bx",
        "/api/v1/Query",
        "/API/V1/query",
        "/api/v1/QUERY",
        "/Federate",
        "/federate/",
        "/api/v1/query.json",
        "/api/v1/%zzquery",
        "/api/v1/query%",
        "/api/v1/query%C3%A9",
        "/api/v1/query%ff",
        "/api/v1/+query",
    ] {
        bench.refused("plain", &tenant(get(format!("{path}?query=up"))), 404, OURS);
        bench.refused("plain", &tenant(post(path, "query=up")), 404, OURS);
    }
}

#[test]
fn an_absolute_target_and_a_fragment_open_no_way() {
    let bench = bench();
    let absolute = tenant(get("http://lab/api/v1/query?query=up"));
    let recorded = bench.forwarded("plain", &absolute);
    assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
    for target in ["/api/v1/query?query=up#x", "/api/v1/query#?query=up", "*", "/api/v1/\u{e9}"] {
        let request = tenant(get(target));
        let response = bench.send("plain", &request);
        assert!((400..500).contains(&response.status), "{target}: {response:?}");
        bench.never_arrived(&request);
    }
}

#[test]
fn a_second_question_mark_belongs_to_the_query() {
    let recorded = bench().forwarded("plain", &tenant(get("/api/v1/query?query=up&limit=1?query=down")));
    assert_eq!(only(&recorded.url_parameters(), "query"), r#"up{tenant="a"}"#);
}

#[test]
fn other_methods_never_reach_the_upstream() {
    let bench = bench();
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        let over_http1 = tenant(request(method, "/api/v1/query?query=up"));
        let response = bench.send("plain", &over_http1);
        assert!([400, 405].contains(&response.status), "{method}: {response:?}");
        bench.never_arrived(&over_http1);
    }
    // Envoy's HTTP/1.1 reader refuses some words itself; over HTTP/2 every word comes to the filter.
    for method in ["get", "Get", "post", "PUT", "FOO", "GETX"] {
        let over_http1 = tenant(request(method, "/api/v1/query?query=up"));
        let response = bench.send("plain", &over_http1);
        assert!([400, 405].contains(&response.status), "{method}: {response:?}");
        bench.never_arrived(&over_http1);
        let over_http2 = tenant(request(method, "/api/v1/query?query=up"));
        let response = send_h2(bench.port("plain"), &over_http2, Ending::OnLast).expect("an answer");
        assert_refusal(&response, 405, OURS, method);
        bench.never_arrived(&over_http2);
    }
    let response = send_h2(bench.port("plain"), &tenant(request("HEAD", "/api/v1/query?query=up")), Ending::OnLast)
        .expect("an answer");
    assert_eq!((response.status, response.body.len()), (405, 0));
}

#[test]
fn an_upgrade_request_is_400_also_where_envoy_would_allow_it() {
    let bench = bench();
    let websocket =
        || tenant(get("/api/v1/query?query=up")).header("connection", "Upgrade").header("upgrade", "websocket");
    bench.refused("websocket", &websocket(), 400, ANY_TYPE);
    for upgrade in ["websocket", "h2c", "foo"] {
        let request = tenant(get("/api/v1/query?query=up"))
            .header("connection", "Upgrade, HTTP2-Settings")
            .header("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA")
            .header("upgrade", upgrade);
        let response = bench.send("plain", &request);
        // Envoy ignores the wish for h2c, as it may: then the request is served as any other.
        if response.status == 200 {
            assert_eq!(upgrade, "h2c");
            assert_eq!(read(&only(&bench.arrived(&request).url_parameters(), "query")), [exactly("tenant", "a")]);
        } else {
            assert!((400..500).contains(&response.status), "{response:?}");
            bench.never_arrived(&request);
        }
    }
    let connect = tenant(request("CONNECT", "lab:80"));
    let response = send(bench.port("websocket"), &connect);
    assert!((400..500).contains(&response.status), "{response:?}");
    bench.never_arrived(&connect);
}

#[test]
fn a_connection_that_is_kept_serves_requests_between_refusals() {
    let bench = bench();
    let requests = [
        tenant(get("/api/v1/query?query=first")),
        get("/api/v1/query?query=refused"),
        tenant(post("/api/v1/query", "query=second")),
        tenant(get("/api/v1/status/config")),
    ];
    let mut connection = Connection::open(bench.port("plain"));
    let statuses: Vec<u16> = requests.iter().map(|request| connection.send(request).status).collect();
    assert_eq!(statuses, [200, 401, 200, 404]);
    assert_eq!(only(&bench.arrived(&requests[0]).url_parameters(), "query"), r#"first{tenant="a"}"#);
    assert_eq!(only(&bench.arrived(&requests[2]).form_parameters(), "query"), r#"second{tenant="a"}"#);
}

#[test]
fn pipelined_requests_of_two_tenants_do_not_mix() {
    let bench = bench();
    let requests: Vec<Request> = ["a", "b", "a", "b"]
        .into_iter()
        .map(|tenant| post("/api/v1/query?limit=1", "query=up").header("x-tenant", tenant))
        .collect();
    let mut connection = Connection::open(bench.port("plain"));
    connection.write(&requests.iter().flat_map(Request::bytes).collect::<Vec<u8>>());
    for (request, tenant) in requests.iter().zip(["a", "b", "a", "b"]) {
        assert_eq!(connection.read("POST").status, 200);
        assert_eq!(read(&only(&bench.arrived(request).form_parameters(), "query")), [exactly("tenant", tenant)]);
    }
}
