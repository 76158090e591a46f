//! What is too large, too deep or too many is refused by name, and costs nobody else anything.

use super::matchers::{exactly, read};
use crate::limits::LIMITS;
use crate::support::bench::{BAD_DATA, Bench, InUse, OURS, by_header, only};
use crate::support::client::{Body, Ending, Request, get, post, request, send_h2};
use crate::support::envoy::Listener;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let limited = |limits: Value| {
        let mut configuration = by_header();
        configuration["limits"] = limits;
        configuration
    };
    Bench::start([
        Listener::new("plain", by_header()),
        Listener::new(
            "small",
            limited(json!({"form_bytes": 2000, "query_bytes": 100, "parameters": 5, "values": 3, "output_bytes": 200})),
        ),
        Listener::new("wide", limited(json!({"selectors": 10000, "output_bytes": 1_000_000}))),
        Listener::new("envoy-limit", by_header()).buffer_limit(4096),
    ])
});

fn bench() -> InUse<'static> {
    BENCH.in_use()
}

fn tenant(request: Request) -> Request {
    request.header("x-tenant", "a")
}

fn chunked(form: &str) -> Request {
    let chunks = form.as_bytes().chunks(1000).map(<[u8]>::to_vec).collect();
    tenant(request("POST", "/api/v1/query?limit=1"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::Chunked(chunks, Vec::new()))
}

/// A listener for each limit set low, at its default and as far up as it goes.
static EDGES: LazyLock<Bench> = LazyLock::new(|| {
    let levels = LIMITS.iter().flat_map(|limit| limit.levels().map(|level| (limit.key, level)));
    Bench::start(levels.map(|(key, (level, configuration))| {
        Listener::new(&format!("{key} {level}"), configuration).buffer_limit(32 << 20)
    }))
});

#[test]
fn each_limit_holds_at_its_edge() {
    let bench = EDGES.in_use();
    for limit in LIMITS {
        for (level, _) in limit.levels() {
            let listener = format!("{} {level}", limit.key);
            let ask = |number| {
                let ask = (limit.ask)(number);
                post("/api/v1/query", ask.form).header("x-tenant", ask.tenants)
            };
            bench.forwarded(&listener, &ask(level));
            let response = bench.refused_in_body(&listener, &ask(level + 1), limit.status, OURS);
            assert!(response.text().contains(&format!("limits.{}", limit.key)), "{listener}: {}", response.text());
        }
    }
}

#[test]
fn nothing_that_nests_a_thousand_levels_exhausts_the_stack() {
    let bench = EDGES.in_use();
    let ask = |text: &str| tenant(post("/api/v1/query", format!("query={}", crate::support::form::encode(text))));
    for (open, inner, close) in [
        ("(", "up", ")"),
        ("abs(", "up", ")"),
        ("sum by (a) (", "up", ")"),
        ("topk(1, ", "up", ")"),
        ("topk(scalar(", "up", "), up)"),
        ("-", "up", ""),
        ("", "up", "[5m:1m]"),
        ("(-", "up", ")[5m:] offset 1m"),
        ("absent(", "up", ")"),
        ("((((", "up[5m]", "))))"),
    ] {
        // Some of them open more than one level at a time.
        let text = |times: usize| format!("{}{inner}{}", open.repeat(times), close.repeat(times));
        for times in [200, 249, 250, 333, 499, 500, 999, 1_000] {
            let status = bench.send("nesting 1000", &ask(&text(times))).status;
            assert!([200, 400].contains(&status), "{open} {times}: {status}");
        }
        bench.refused_in_body("nesting 1000", &ask(&text(1_001)), 400, OURS);
    }
    for (open, close) in [("(", ")"), ("-", ""), ("max_of(1, ", ")")] {
        let text = |times: usize| format!("up[{}1{}]", open.repeat(times), close.repeat(times));
        let status = bench.send("nesting 1000", &ask(&text(1_000))).status;
        assert!([200, 400].contains(&status), "{open}: {status}");
        bench.refused_in_body("nesting 1000", &ask(&text(1_001)), 400, OURS);
    }
}

#[test]
fn hostile_requests_leave_memory_as_it_was() {
    // Its own Envoy: others would be measured with it.
    let own = Bench::start([Listener::new("plain", by_header())]);
    let bench = own.in_use();
    let shapes = [
        ["a"; 32_768].join("%2B"),
        ["up"; 900].join("%2B"),
        format!("{}up{}", "(".repeat(200), ")".repeat(200)),
        format!("%7B{}b=%22x%22%7D", r#"a=~"(a?|b?)c?c?","#.repeat(3_000)),
        format!("%22{}%22", "\\u00e9".repeat(9_000)),
        format!("up%23{}", "x".repeat(65_000)),
    ];
    let round = || {
        for shape in &shapes {
            let request = tenant(post("/api/v1/query", format!("query={shape}")));
            assert!([200, 400].contains(&bench.send("plain", &request).status));
        }
    };
    round();
    let before = bench.envoy.resident();
    for _ in 0..20 {
        round();
    }
    let more = bench.envoy.resident().saturating_sub(before);
    assert!(more < 64 << 20, "{more} bytes more than after the first round");
}

#[test]
fn a_form_over_the_limit_is_413_by_its_length_or_when_it_grows() {
    let bench = bench();
    let large = format!("query=up&x={}", "y".repeat(2000));
    bench.refused("small", &tenant(post("/api/v1/query", &large)), 413, OURS);
    bench.refused_in_body("small", &chunked(&large), 413, OURS);
    let over_http2 = chunked(&large);
    assert_eq!(send_h2(bench.port("small"), &over_http2, Ending::EmptyData).expect("an answer").status, 413);
    bench.nothing_told(&over_http2);
    let fits = format!("query=up&x={}", "y".repeat(1900));
    bench.forwarded("small", &tenant(post("/api/v1/query", &fits)));
}

#[test]
fn a_form_over_the_default_limit_is_413() {
    let bench = bench();
    let large = format!("query=up&x={}", "y".repeat(1_048_577));
    bench.refused("plain", &tenant(post("/api/v1/query", &large)), 413, OURS);
    // Without a length Envoy's own limit may be the first; the text is its own then.
    let request = chunked(&large);
    assert_eq!(bench.send("plain", &request).status, 413);
    bench.nothing_told(&request);
}

#[test]
fn a_form_over_envoys_own_limit_is_413_and_passes_nothing() {
    let bench = bench();
    let large = format!("query=up&x={}", "y".repeat(60_000));
    for request in [tenant(post("/api/v1/query", &large)), chunked(&large)] {
        assert_eq!(bench.send("envoy-limit", &request).status, 413);
        bench.nothing_told(&request);
    }
    // A form that fits and does not fit any more once it is rewritten.
    let grows = format!("query={}", "a%2B".repeat(900) + "a");
    let request = tenant(post("/api/v1/query", &grows));
    let response = bench.send("envoy-limit", &request);
    if response.status == 200 {
        bench.arrived(&request);
    } else {
        assert_eq!(response.status, 413, "{response:?}");
        bench.nothing_told(&request);
    }
}

#[test]
fn a_text_over_the_limit_is_400_by_name() {
    let bench = bench();
    let long = format!("up%2B{}", "1".repeat(100));
    let response = bench.refused("small", &tenant(get(format!("/api/v1/query?query={long}"))), 400, OURS);
    assert!(
        response.text().contains("limits.query_bytes") || response.text().contains("query_bytes"),
        "{}",
        response.text()
    );
    bench.refused_in_body("small", &tenant(post("/api/v1/query", format!("query={long}"))), 400, OURS);
    let grows = ["a"; 20].join("%2B");
    bench.refused("small", &tenant(get(format!("/api/v1/query?query={grows}"))), 400, OURS);
}

#[test]
fn too_many_parameters_or_values_are_refused() {
    let bench = bench();
    bench.refused("small", &tenant(get("/api/v1/query?query=up&a=1&b=1&c=1&d=1&e=1")), 400, OURS);
    bench.refused_in_body("small", &tenant(post("/api/v1/query?a=1&b=1&c=1", "query=up&d=1&e=1")), 400, OURS);
    let mut many = get("/api/v1/query?query=up");
    for value in ["a", "b", "c", "d"] {
        many = many.header("x-tenant", value);
    }
    bench.refused("small", &many, 403, OURS);
}

#[test]
fn four_thousand_nested_parentheses_are_refused_at_once() {
    let bench = bench();
    let started = Instant::now();
    for (open, close) in
        [("(", ")"), ("sum(", ")"), ("-(", ")"), ("max_over_time(", "[5m:1m])"), ("topk(scalar(", "),up)")]
    {
        let text = format!("{}up{}", open.repeat(4000), close.repeat(4000));
        let text = crate::support::form::encode(&text);
        bench.refused_in_body("plain", &tenant(post("/api/v1/query", format!("query={text}"))), 400, OURS);
    }
    // Without an end as well: nesting is what is noticed first, or the missing end.
    let open = "(".repeat(4000);
    let request = tenant(get(format!("/api/v1/query?query={open}")));
    assert_eq!(bench.send("plain", &request).status, 400);
    bench.never_arrived(&request);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn nesting_within_the_limit_is_served() {
    let text = format!("{}up{}", "(".repeat(150), ")".repeat(150));
    let recorded = bench().forwarded("plain", &tenant(get(format!("/api/v1/query?query={text}"))));
    assert_eq!(only(&recorded.url_parameters(), "query").matches(r#"up{tenant="a"}"#).count(), 1);
}

#[test]
fn a_flat_chain_of_ten_thousand_terms_takes_no_stack() {
    let bench = bench();
    let started = Instant::now();
    let numbers = ["1"; 10_000].join("%2B");
    let recorded = bench.forwarded("plain", &tenant(post("/api/v1/query", format!("query={numbers}"))));
    assert_eq!(only(&recorded.form_parameters(), "query").matches('1').count(), 10_000);
    let selectors = ["a"; 10_000].join("%2B");
    bench.refused_in_body("plain", &tenant(post("/api/v1/query", format!("query={selectors}"))), 400, OURS);
    let recorded = bench.forwarded("wide", &tenant(post("/api/v1/query", format!("query={selectors}"))));
    assert_eq!(only(&recorded.form_parameters(), "query").matches(r#"a{tenant="a"}"#).count(), 10_000);
    for operator in ["%5E", "%20or%20", "%20unless%20", "%3D%3Dbool%20", "*-"] {
        let chain = ["1"; 10_000].join(operator);
        let request = tenant(post("/api/v1/query", format!("query={chain}")));
        assert!([200, 400].contains(&bench.send("plain", &request).status), "{operator}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_range_beyond_all_time_is_bad_data() {
    let bench = bench();
    for range in ["1e30", "1e309", "99999999999y", "NaN", "0", "-1"] {
        bench.refused("plain", &tenant(get(format!("/api/v1/query?query=up%5B{range}%5D"))), 400, BAD_DATA);
    }
}

#[test]
fn a_pattern_that_is_costly_to_compile_costs_little() {
    let bench = bench();
    let started = Instant::now();
    let matcher = crate::support::form::encode(r#"x=~"(\\w{200}){20}","#);
    let text = format!("up%7B{}%7D", matcher.repeat(40));
    let request = tenant(post("/api/v1/query", format!("query={text}")));
    assert!([200, 400].contains(&bench.send("plain", &request).status));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn many_selectors_stay_within_the_limits() {
    let query: String = (0..100).map(|number| format!("match[]=m{number}&")).collect();
    let recorded = bench().forwarded("plain", &tenant(get(format!("/api/v1/series?{query}"))));
    let parameters = recorded.url_parameters();
    assert_eq!(parameters.len(), 100);
    assert!(parameters.iter().all(|(_, selector)| read(selector) == [exactly("tenant", "a")]));
}
