//! Bodies: lengths, chunks, HTTP/2 frames, trailers, and what is no form.

use super::matchers::{exactly, read};
use crate::support::bench::{ANY_TYPE, BAD_DATA, Bench, InUse, assert_refusal, by_header, only};
use crate::support::client::{Body, Connection, Ending, Request, get, post, request, send_h2};
use crate::support::envoy::Listener;
use crate::support::upstream::{End, Recorded};
use std::sync::LazyLock;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    Bench::start([
        Listener::new("plain", by_header()),
        Listener::new("trailers", by_header()).http1_trailers(),
        Listener::new("h2", by_header()).cluster("upstream-h2"),
        Listener::new("stopping", by_header()).stop_iteration(),
    ])
});

const FORM: &str = "application/x-www-form-urlencoded";

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn tenant(request: Request) -> Request {
    request.header("x-tenant", "a")
}

fn chunked(target: &str, chunks: &[&str], trailers: &[(&str, &str)]) -> Request {
    let chunks = chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect();
    let trailers = trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    tenant(request("POST", target)).header("content-type", FORM).body(Body::Chunked(chunks, trailers))
}

#[track_caller]
fn assert_rewritten(recorded: &Recorded) {
    assert_eq!(recorded.raw_query(), "", "{recorded:?}");
    assert_eq!(read(&only(&recorded.form_parameters(), "query")), [exactly("tenant", "a")]);
    assert!(recorded.trailers.is_empty(), "trailers went on: {recorded:?}");
    assert_eq!(recorded.all("content-type"), [FORM]);
}

#[track_caller]
fn over_h2(bench: &Bench, listener: &str, request: &Request, ending: Ending) {
    let response = send_h2(bench.port(listener), request, ending).expect("an answer");
    assert_eq!(response.status, 200, "{}", response.text());
}

#[test]
fn a_chunked_form_is_rewritten_however_it_is_cut() {
    let bench = bench();
    for listener in ["plain", "trailers", "h2", "stopping"] {
        for chunks in [["query=up", "", ""].as_slice(), &["q", "uery=u", "p"], &["query=", "up&li", "mit=1"]] {
            let chunks: Vec<&str> = chunks.iter().copied().filter(|chunk| !chunk.is_empty()).collect();
            assert_rewritten(&bench.forwarded(listener, &chunked("/api/v1/query", &chunks, &[])));
        }
    }
}

#[test]
fn http_1_trailers_do_not_carry_a_form_past_the_filter() {
    let bench = bench();
    for listener in ["plain", "trailers"] {
        let request = chunked("/api/v1/query?limit=1", &["query=", "up"], &[("x-trailer", "query=secret")]);
        assert_rewritten(&bench.forwarded(listener, &request));
    }
}

#[test]
fn an_http_2_form_with_trailers_is_rewritten_and_loses_the_trailers() {
    let bench = bench();
    for listener in ["plain", "trailers", "h2", "stopping"] {
        let request = chunked("/api/v1/query", &["query=", "up"], &[("x-trailer", "query=secret"), ("x-tenant", "b")]);
        over_h2(&bench, listener, &request, Ending::OnLast);
        assert_rewritten(&bench.arrived(&request));
        let bad = chunked("/api/v1/query", &["query=", "up{"], &[("x-trailer", "1")]);
        let response = send_h2(bench.port(listener), &bad, Ending::OnLast).expect("an answer");
        assert_refusal(&response, 400, BAD_DATA, "a bad form with trailers");
        bench.nothing_told(&bad);
    }
}

#[test]
fn an_http_2_post_with_trailers_and_no_data_never_passes_without_its_form() {
    let bench = bench();
    // Envoy has no body into which a form could be written then. Without one these would read every tenant's labels.
    for target in ["/api/v1/labels?limit=1", "/api/v1/labels", "/api/v1/query?query=up"] {
        let request = chunked(target, &[], &[("x-trailer", "1")]);
        let response = send_h2(bench.port("plain"), &request, Ending::OnLast).expect("an answer");
        assert_refusal(&response, 400, BAD_DATA, "trailers without a body");
        bench.nothing_told(&request);
    }
}

#[test]
fn http_2_requests_are_rewritten_whatever_frame_ends_them() {
    let bench = bench();
    for listener in ["plain", "h2", "stopping"] {
        for ending in [Ending::OnLast, Ending::EmptyData] {
            let with_length = tenant(post("/api/v1/query?limit=2", "query=up"));
            over_h2(&bench, listener, &with_length, ending);
            assert_rewritten(&bench.arrived(&with_length));
            let without = chunked("/api/v1/query", &["query=", "up"], &[]);
            over_h2(&bench, listener, &without, ending);
            assert_rewritten(&bench.arrived(&without));
            let get = tenant(get("/api/v1/query?query=up"));
            over_h2(&bench, listener, &get, ending);
            let recorded = bench.arrived(&get);
            assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
            assert!(recorded.body.is_empty() && !recorded.has("content-type"), "{recorded:?}");
        }
    }
}

#[test]
fn an_http_2_request_that_is_reset_passes_nothing() {
    let bench = bench();
    let request = chunked("/api/v1/query?limit=2", &["query=up"], &[]);
    drop(send_h2(bench.port("h2"), &request, Ending::Reset));
    if bench.upstream.peek(&request).is_some() {
        let recorded = bench.upstream.ended(&request);
        assert!(
            recorded.body.is_empty() && recorded.raw_query().is_empty() && recorded.end == End::Cut,
            "{recorded:?}"
        );
    }
}

#[test]
fn a_form_refused_after_its_head_went_on_shows_the_upstream_no_query_and_no_body() {
    let bench = bench();
    for listener in ["plain", "h2"] {
        for bad in ["query=up%7B&secret=1", "query=up&query=down", "query=up;secret"] {
            let request = tenant(post("/api/v1/query?limit=2&secret=1", bad));
            let mut connection = Connection::open(bench.port(listener));
            connection.write(&request.head_bytes());
            let begun = bench.upstream.begun(&request);
            assert_eq!((begun.path(), begun.raw_query()), ("/api/v1/query".into(), String::new()));
            connection.write(bad.as_bytes());
            assert_refusal(&connection.read("POST"), 400, BAD_DATA, bad);
            bench.nothing_told(&request);
            assert!(!bench.upstream.ended(&request).everything().contains("secret"));
        }
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_form_passes_nothing() {
    let bench = bench();
    let request = tenant(post("/api/v1/query?limit=2", "query=up&time=1"));
    let bytes = request.bytes();
    let mut connection = Connection::open(bench.port("plain"));
    connection.write(&bytes[..bytes.len() - 3]);
    // The next request on another connection is a sign that Envoy has read this one.
    drop(bench.forwarded("plain", &tenant(get("/api/v1/query?query=up"))));
    drop(connection);
    if bench.upstream.peek(&request).is_some() {
        let recorded = bench.upstream.ended(&request);
        assert!(
            recorded.body.is_empty() && recorded.raw_query().is_empty() && recorded.end == End::Cut,
            "{recorded:?}"
        );
    }
}

#[test]
fn a_post_that_ends_with_its_headers_is_rewritten_in_its_url() {
    let bench = bench();
    let bare = tenant(request("POST", "/api/v1/query?query=up&limit=1"));
    let with_zero = tenant(request("POST", "/api/v1/query?query=up&limit=1")).header("content-length", "0");
    let with_type = tenant(request("POST", "/api/v1/query?query=up&limit=1")).header("content-type", FORM);
    for request in [bare.clone(), with_zero, with_type] {
        let recorded = bench.forwarded("plain", &request);
        assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
        assert_eq!(only(&recorded.url_parameters(), "limit"), "1");
        assert!(recorded.body.is_empty(), "{recorded:?}");
    }
    let request = tenant(request("POST", "/api/v1/query?query=up&limit=1"));
    over_h2(&bench, "h2", &request, Ending::OnLast);
    assert_eq!(read(&only(&bench.arrived(&request).url_parameters(), "query")), [exactly("tenant", "a")]);
}

#[test]
fn an_empty_chunked_body_counts_as_a_form() {
    let bench = bench();
    let request = chunked("/api/v1/query?query=up", &[], &[]);
    assert_rewritten(&bench.forwarded("plain", &request));
    let request = chunked("/api/v1/query?query=up", &[], &[]);
    over_h2(&bench, "plain", &request, Ending::EmptyData);
    assert_rewritten(&bench.arrived(&request));
}

#[test]
fn expect_100_continue_is_answered_and_the_form_rewritten() {
    let bench = bench();
    let request = tenant(post("/api/v1/query", "query=up")).header("expect", "100-continue");
    let mut connection = Connection::open(bench.port("plain"));
    connection.write(&request.head_bytes());
    assert!(connection.read_interim().starts_with("HTTP/1.1 100"));
    connection.write(b"query=up");
    assert_eq!(connection.read("POST").status, 200);
    assert_rewritten(&bench.arrived(&request));
}

#[test]
fn a_content_type_that_is_no_form_is_415() {
    let bench = bench();
    for content_type in [
        "multipart/form-data; boundary=x",
        "application/json",
        "text/plain",
        "application/x-protobuf",
        "",
        "application/x-www-form-urlencoded, multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
    ] {
        let body =
            Body::Length(b"--x\r\ncontent-disposition: form-data; name=\"query\"\r\n\r\nup\r\n--x--\r\n".to_vec());
        let request = tenant(request("POST", "/api/v1/query?query=up")).header("content-type", content_type).body(body);
        bench.refused("plain", &request, 415, ANY_TYPE);
    }
    let without = tenant(request("POST", "/api/v1/query?query=up")).body(Body::Length(b"query=up".to_vec()));
    bench.refused("plain", &without, 415, ANY_TYPE);
    let twice = tenant(post("/api/v1/query", "query=up")).header("content-type", "multipart/form-data; boundary=x");
    bench.refused("plain", &twice, 415, ANY_TYPE);
}

#[test]
fn a_form_content_type_may_have_parameters_and_any_case_and_goes_on_plain() {
    let bench = bench();
    for content_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded;charset=utf-8",
    ] {
        let request = tenant(request("POST", "/api/v1/query"))
            .header("content-type", content_type)
            .body(Body::Length(b"query=up".to_vec()));
        assert_rewritten(&bench.forwarded("plain", &request));
    }
}

#[test]
fn an_encoded_body_is_415() {
    let bench = bench();
    for encoding in ["gzip", "deflate", "br", "snappy", "identity, gzip", "x"] {
        let request = tenant(post("/api/v1/query", b"\x1f\x8b\x08\0")).header("content-encoding", encoding);
        bench.refused("plain", &request, 415, ANY_TYPE);
    }
    let request = tenant(post("/api/v1/query", "query=up")).header("content-encoding", "identity");
    assert_rewritten(&bench.forwarded("plain", &request));
}

#[test]
fn a_body_on_get_is_400() {
    let bench = bench();
    for body in [
        Body::Length(b"query=down".to_vec()),
        Body::Chunked(vec![b"query=down".to_vec()], vec![]),
        Body::Chunked(vec![], vec![]),
    ] {
        for content_type in [FORM, "multipart/form-data; boundary=x"] {
            let request = tenant(get("/api/v1/query?query=up")).header("content-type", content_type).body(body.clone());
            bench.refused("plain", &request, 400, ANY_TYPE);
        }
    }
}

#[test]
fn a_body_on_an_http_2_get_with_a_length_is_400_before_its_head_goes_on() {
    let bench = bench();
    let request = tenant(get("/api/v1/labels")).body(Body::Length(b"match[]=x".to_vec()));
    for listener in ["plain", "h2"] {
        let response = send_h2(bench.port(listener), &request, Ending::OnLast).expect("an answer");
        assert_refusal(&response, 400, ANY_TYPE, "a body on GET over HTTP/2");
        assert!(bench.upstream.peek(&request).is_none());
    }
}

#[test]
fn a_body_on_an_http_2_get_without_a_length_is_400() {
    let bench = bench();
    for listener in ["plain", "h2"] {
        for ending in [Ending::OnLast, Ending::EmptyData] {
            let request = tenant(get("/api/v1/labels")).body(Body::Chunked(vec![b"match[]=x".to_vec()], vec![]));
            let response = send_h2(bench.port(listener), &request, ending).expect("an answer");
            assert_refusal(&response, 400, ANY_TYPE, "a body on GET over HTTP/2");
            if bench.upstream.peek(&request).is_some() {
                let recorded = bench.upstream.ended(&request);
                assert!(recorded.body.is_empty() && recorded.end == End::Cut, "{recorded:?}");
            }
        }
    }
}

#[test]
fn content_type_and_encoding_without_a_body_are_removed_from_get() {
    let request = tenant(get("/api/v1/query?query=up"))
        .header("content-type", "multipart/form-data; boundary=x")
        .header("content-encoding", "gzip");
    let recorded = bench().forwarded("plain", &request);
    assert!(!recorded.has("content-type") && !recorded.has("content-encoding"), "{recorded:?}");
}

#[test]
fn a_content_length_of_zero_on_get_is_no_body() {
    let recorded = bench().forwarded("plain", &tenant(get("/api/v1/query?query=up")).header("content-length", "0"));
    assert_eq!(read(&only(&recorded.url_parameters(), "query")), [exactly("tenant", "a")]);
}

#[test]
fn requests_after_a_longer_or_shorter_form_on_the_same_upstream_connection_are_intact() {
    let bench = bench();
    let longer = format!("query={}", "up%2B".repeat(200) + "up");
    let shorter = format!("query=up%23{}&unknown={}", "x".repeat(3000), "y".repeat(3000));
    for listener in ["plain", "h2"] {
        for form in [&longer, &shorter] {
            // Other tests use the pool as well: until a pair has met on one connection.
            let met = (0..50).any(|_| {
                let mut connection = Connection::open(bench.port(listener));
                let first = tenant(post("/api/v1/query", form));
                let second = tenant(post("/api/v1/query?time=7", "query=next"));
                for request in [&first, &second] {
                    assert_eq!(connection.send(request).status, 200);
                }
                let (first, second) = (bench.arrived(&first), bench.arrived(&second));
                assert_eq!(read(&only(&second.form_parameters(), "query")), [exactly("tenant", "a")]);
                assert_eq!(second.form_parameters().len(), 2, "{second:?}");
                assert!(first.form_parameters().len() == 1, "{first:?}");
                first.connection == second.connection && first.number < second.number
            });
            assert!(met, "no two requests met on one connection");
        }
    }
}

#[test]
fn two_lengths_or_a_length_and_chunks_never_reach_the_upstream() {
    let bench = bench();
    for extra in [
        "content-length: 3\r\ncontent-length: 8\r\n",
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked, identity\r\n",
    ] {
        let request = tenant(request("POST", "/api/v1/query?query=up")).header("content-type", FORM);
        let mut bytes = request.head_bytes();
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(extra.as_bytes());
        bytes.extend_from_slice(b"\r\n0\r\n\r\nGET /api/v1/query?query=smuggled HTTP/1.1\r\nhost: lab\r\n\r\n");
        let mut connection = Connection::open(bench.port("plain"));
        connection.write(&bytes);
        let head = connection.read_head();
        assert!(head.status >= 400, "{head:?}");
        bench.never_arrived(&request);
    }
}
