//! The VM traps, or the listener is updated, while requests are under way: nothing passes that was not rewritten.

use super::matchers::{Matcher, exactly, read};
use crate::support::bench::{BAD_DATA, Bench, by_header, only};
use crate::support::client::{Connection, Request, Response, chunk, get, request, send, status_of};
use crate::support::envoy::{Envoy, Listener, bootstrap, cluster};
use crate::support::eventually;
use crate::support::updated::{UPDATED, Updated};
use crate::support::upstream::{Answer, End, Step, Upstream};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

/// A POST of which half the form has been sent, and a filtered answer of which half has come.
struct UnderWay {
    form: Request,
    posting: Connection,
    asking: Connection,
    gate: Arc<Notify>,
    answer: Option<Response>,
}

impl UnderWay {
    /// Starts both on `port`; `held`: the head of the answer does not come before its body.
    fn start(upstream: &Upstream, port: u16, held: bool, envoy: &Envoy, listener: &str) -> Self {
        let form = request("POST", "/api/v1/query?limit=1")
            .header("x-tenant", "a")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("transfer-encoding", "chunked");
        let mut posting = Connection::open(port);
        let mut start = form.head_bytes();
        start.extend(chunk(b"query=unrewr"));
        posting.write(&start);

        let exemplars = get("/api/v1/query_exemplars?query=up").header("x-tenant", "a");
        let gate = Arc::new(Notify::new());
        let entry = |tenant: &str| format!(r#"{{"seriesLabels":{{"tenant":"{tenant}"}},"exemplars":[]}}"#);
        let steps = vec![
            Step::Data(format!(r#"{{"status":"success","data":[{},{},"#, entry("foreign"), entry("a")).into_bytes()),
            Step::Wait(Arc::clone(&gate)),
            Step::Data(format!("{}]}}", entry("foreign")).into_bytes()),
        ];
        upstream.answer(&exemplars, Answer::json(200, "").chunked(steps));
        let mut asking = Connection::open(port);
        asking.write(&exemplars.bytes());
        let head = if held {
            upstream.ended(&exemplars);
            None
        } else {
            Some(asking.read_head())
        };
        eventually("both to be under way", || {
            (envoy.statistics().get(&format!("http.{listener}.downstream_rq_active")) == Some(&2)).then_some(())
        });
        Self { form, posting, asking, gate, answer: head }
    }

    /// Sends and answers the rest of both. Gives what came of the POST: the query that the upstream saw, if any.
    fn finish(mut self, upstream: &Upstream) -> Option<String> {
        self.posting.write(&chunk(b"itten"));
        self.posting.write(b"0\r\n\r\n");
        self.gate.notify_one();
        let answered = match self.answer {
            Some(head) => String::from_utf8_lossy(&self.asking.read_body(head, "GET").body).into_owned(),
            None => String::new(),
        };
        self.asking.write(b"GET /end HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n");
        let answered = format!("{answered}{}", String::from_utf8_lossy(&self.asking.read_to_end()));
        assert!(!answered.contains("foreign"), "an answer passed unfiltered: {answered}");
        self.posting.write(b"GET /end HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n");
        self.posting.read_to_end();
        upstream.peek(&self.form)?;
        let recorded = upstream.ended(&self.form);
        assert_eq!(recorded.raw_query(), "", "{recorded:?}");
        if recorded.end == End::Cut {
            assert!(recorded.body.is_empty(), "{recorded:?}");
            return None;
        }
        Some(only(&recorded.form_parameters(), "query"))
    }
}

#[test]
fn a_trap_passes_nothing_that_was_under_way_and_the_next_request_is_served() {
    let mut holding = by_header();
    holding["hold_response_headers"] = json!(true);
    let upstream = Upstream::start();
    let listeners =
        [Listener::new("plain", by_header()).trapping(), Listener::new("hold", holding).stop_iteration().trapping()];
    let clusters = vec![cluster("upstream", upstream.port, false)];
    let envoy = Envoy::start(&bootstrap(&listeners, clusters));
    for (listener, held) in [("plain", false), ("hold", true)] {
        let reloads = envoy.reloads();
        let under_way = UnderWay::start(&upstream, envoy.port(listener), held, &envoy, listener);
        let trap = get("/api/v1/query?query=up").header("x-tenant", "a").header("x-danger-test-trap", "1");
        let response = send(envoy.port(listener), &trap);
        assert!(response.status >= 500, "{response:?}");
        assert!(upstream.peek(&trap).is_none(), "the request that trapped went on");
        if let Some(query) = under_way.finish(&upstream) {
            panic!("a form went on after its VM had ended: {query}");
        }
        // A fresh VM may wait for its backoff; until then requests are refused, never passed.
        eventually("the next request to be served", || {
            let next = get("/api/v1/query?query=up").header("x-tenant", "a");
            let response = send(envoy.port(listener), &next);
            if response.status != 200 {
                assert!(response.status >= 500 && upstream.peek(&next).is_none(), "{response:?}");
                return None;
            }
            let query = only(&upstream.ended(&next).url_parameters(), "query");
            assert_eq!(read(&query), [exactly("tenant", "a")]);
            Some(())
        });
        assert!(envoy.reloads() > reloads, "the trap did not end the VM, so this test shows nothing");
    }
}

/// What the listener enforces now.
fn tenant_of_a_new_request(lab: &Updated) -> Vec<Matcher> {
    let next = get("/api/v1/query?query=up");
    assert_eq!(send(lab.envoy.port(UPDATED), &next).status, 200);
    read(&only(&lab.upstream.ended(&next).url_parameters(), "query"))
}

fn of(tenant: &str) -> Value {
    json!({"labels": [{"name": "tenant", "values": [tenant]}]})
}

#[test]
fn an_updated_listener_serves_new_requests_by_the_new_configuration_and_old_ones_by_the_old() {
    let mut lab = Updated::start(&Listener::new(UPDATED, of("a")), &[]);
    let under_way = UnderWay::start(&lab.upstream, lab.envoy.port(UPDATED), false, &lab.envoy, UPDATED);
    lab.update(&Listener::new(UPDATED, of("b")), "listener_manager.lds.update_success");
    eventually("the new configuration", || (tenant_of_a_new_request(&lab) == [exactly("tenant", "b")]).then_some(()));
    if let Some(query) = under_way.finish(&lab.upstream) {
        assert_eq!(read(&query), [exactly("tenant", "a")]);
    }
    assert_eq!(tenant_of_a_new_request(&lab), [exactly("tenant", "b")]);
    assert_eq!(lab.envoy.reloads(), 0);
}

#[test]
fn requests_that_outlive_the_drain_of_their_listener_pass_nothing_unrewritten() {
    let mut lab =
        Updated::start(&Listener::new(UPDATED, of("a")), &["--drain-time-s", "1", "--drain-strategy", "immediate"]);
    let under_way = UnderWay::start(&lab.upstream, lab.envoy.port(UPDATED), false, &lab.envoy, UPDATED);
    lab.update(&Listener::new(UPDATED, of("b")), "listener_manager.lds.update_success");
    let draining = ["listener_manager.total_filter_chains_draining", "listener_manager.total_listeners_draining"];
    eventually("the old configuration to be gone", || {
        (tenant_of_a_new_request(&lab) == [exactly("tenant", "b")]
            && draining.iter().all(|name| lab.statistic(name) == 0))
        .then_some(())
    });
    if let Some(query) = under_way.finish(&lab.upstream) {
        assert_eq!(read(&query), [exactly("tenant", "a")]);
    }
    assert_eq!(tenant_of_a_new_request(&lab), [exactly("tenant", "b")]);
    assert_eq!(lab.envoy.reloads(), 0);
}

#[test]
fn a_bad_update_is_rejected_and_the_old_configuration_goes_on() {
    let mut lab = Updated::start(&Listener::new(UPDATED, of("a")), &[]);
    let mut bad = of("b");
    bad["labels"][0]["no_such_setting"] = json!(true);
    lab.update(&Listener::new(UPDATED, bad), "listener_manager.lds.update_rejected");
    assert_eq!(tenant_of_a_new_request(&lab), [exactly("tenant", "a")]);
    lab.update(&Listener::new(UPDATED, of("c")), "listener_manager.lds.update_success");
    eventually("the good configuration", || (tenant_of_a_new_request(&lab) == [exactly("tenant", "c")]).then_some(()));
}

#[test]
fn nothing_listens_while_the_only_file_was_refused_or_holds_no_listener() {
    let mut lab = Updated::start(&Listener::text(UPDATED, "{"), &[]);
    assert!(!lab.envoy.admin("/listeners").contains(UPDATED), "a listener without a policy");
    lab.update(&Listener::new(UPDATED, of("a")), "listener_manager.lds.update_success");
    assert_eq!(tenant_of_a_new_request(&lab), [exactly("tenant", "a")]);
    lab.update_text(r#"{"resources": []}"#, "listener_manager.listener_removed");
    assert!(!lab.envoy.admin("/listeners").contains(UPDATED), "a listener that no file holds");
    let port = lab.envoy.port(UPDATED);
    eventually("the port to close", || status_of(port, "/api/v1/query?query=up").is_none().then_some(()));
}

#[test]
fn many_streams_that_end_in_every_way_leave_the_vm_well() {
    let bench = Bench::start([Listener::new("plain", by_header())]);
    let bench = bench.in_use();
    for number in 0..200 {
        let request = match number % 4 {
            0 => get("/api/v1/query?query=up").header("x-tenant", "a"),
            1 => get("/api/v1/query?query=up"),
            2 => get("/api/v1/query?query=up%7B").header("x-tenant", "a"),
            _ => get("/api/v1/query_exemplars?query=up").header("x-tenant", "a"),
        };
        if number % 4 == 2 {
            bench.refused("plain", &request, 400, BAD_DATA);
        } else {
            let mut connection = Connection::open(bench.port("plain"));
            connection.write(&request.bytes());
            if number % 3 == 0 {
                drop(connection);
            } else {
                connection.read_head();
            }
        }
    }
    eventually("every stream to end", || {
        (bench.envoy.statistics().get("http.plain.downstream_rq_active") == Some(&0)).then_some(())
    });
}
