//! An upstream that can be made to misbehave, and that looks at all it is asked: whether it carries its tenant's matcher and nobody
//! else's.

use super::clients::{TEAMS, team};
use super::http::{Connection, Message};
use crate::support::PATIENCE;
use crate::support::form;
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// Answers come after 200 ms.
    Slow,
    /// Every third connection is cut: before an answer, in its head, or in its body.
    Cut,
    /// What is filtered is answered with something else.
    Garbage,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Nothing, Self::Slow, Self::Cut, Self::Garbage];
}

#[derive(Debug, Default)]
struct State {
    /// A place in [`Fault::ALL`].
    fault: AtomicUsize,
    asked: AtomicU64,
    leaks: Mutex<Vec<String>>,
}

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) port: u16,
    state: Arc<State>,
    /// Of the server that listens now.
    is_up: Arc<AtomicBool>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let state = Arc::default();
        let (port, is_up) = serve(0, &state);
        Self { port, state, is_up }
    }

    pub(crate) fn misbehave(&self, fault: Fault) {
        let place = Fault::ALL.iter().position(|each| *each == fault).expect("one of all");
        self.state.fault.store(place, Ordering::Relaxed);
    }

    /// Closes its port and all connections, and opens them again after `pause`.
    pub(crate) fn restart(&mut self, pause: Duration) {
        self.is_up.store(false, Ordering::Relaxed);
        // It sees that when somebody comes.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        thread::sleep(pause);
        (_, self.is_up) = serve(self.port, &self.state);
    }

    /// What came with less than its tenant's matchers, or more.
    pub(crate) fn leaks(&self) -> Vec<String> {
        self.state.leaks.lock().expect("leaks").clone()
    }
}

/// Listens until it is told not to; gives the port, and how to tell it.
fn serve(port: u16, state: &Arc<State>) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the upstream's port");
    let port = listener.local_addr().expect("an address").port();
    let (is_up, state) = (Arc::new(AtomicBool::new(true)), Arc::clone(state));
    let answer = Arc::clone(&is_up);
    thread::spawn(move || {
        for stream in listener.incoming() {
            if !is_up.load(Ordering::Relaxed) {
                return;
            }
            let (state, is_up) = (Arc::clone(&state), Arc::clone(&is_up));
            thread::spawn(move || {
                let mut connection = Connection::new(stream.expect("a connection"), PATIENCE).expect("options");
                // However it ends, Envoy opens another.
                while is_up.load(Ordering::Relaxed)
                    && let Ok(Some(request)) = connection.read()
                    && is_up.load(Ordering::Relaxed)
                {
                    let (bytes, end) = answer_to(&request, &state);
                    if connection.write(&bytes).is_err() || end == End::Closed {
                        return;
                    }
                }
            });
        }
    });
    (port, answer)
}

fn fault(state: &State) -> Fault {
    Fault::ALL[state.fault.load(Ordering::Relaxed)]
}

/// What becomes of the connection behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

/// The bytes of an answer, or of a part of one.
fn answer_to(request: &Message, state: &State) -> (Vec<u8>, End) {
    let (number, fault) = (state.asked.fetch_add(1, Ordering::Relaxed) + 1, fault(state));
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = if path == "/api/v1/rules" {
        rules()
    } else {
        let parameters = [form::decode(query.as_bytes()), form::decode(&request.body)].concat();
        match asker(&parameters) {
            Ok(team) => series(&team),
            Err(problem) => {
                state.leaks.lock().expect("leaks").push(format!("{path}: {problem}"));
                series("nobody")
            }
        }
    };
    let mut head = String::from("content-type: application/json\r\n");
    match fault {
        Fault::Garbage if path == "/api/v1/rules" => (head, body) = garbage(number),
        Fault::Slow => thread::sleep(Duration::from_millis(200)),
        Fault::Nothing | Fault::Cut | Fault::Garbage => {}
    }
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    if fault != Fault::Cut || !number.is_multiple_of(3) {
        return (bytes, End::Open);
    }
    match number % 9 / 3 {
        0 => bytes.clear(),
        1 => bytes.truncate(20),
        _ => bytes.truncate(bytes.len() - 20),
    }
    (bytes, End::Closed)
}

/// Whose request it is, as its client says in the text of each selector; an error where the filter says otherwise, or nothing.
fn asker(parameters: &[(String, String)]) -> Result<String, String> {
    let texts: Vec<&str> = parameters
        .iter()
        .filter(|(name, _)| ["query", "match[]"].contains(&name.as_str()))
        .map(|(_, value)| value.as_str())
        .collect();
    let [text] = texts.as_slice() else { return Err(format!("{} texts", texts.len())) };
    let values = |label: &str| -> Vec<&str> {
        text.match_indices(label).filter_map(|(at, _)| text[at + label.len()..].split('"').next()).collect()
    };
    let (says, enforced) = (values("client=\""), values("tenant=\""));
    if says.is_empty() || says != enforced {
        return Err(format!("{text} (client {says:?}, tenant {enforced:?})"));
    }
    Ok(says[0].to_owned())
}

/// A series of the tenant's.
fn series(team: &str) -> String {
    let series = json!({"metric": {"__name__": "up", "tenant": team}, "value": [1_700_000_000, "1"]});
    json!({"status": "success", "data": {"resultType": "vector", "result": [series]}}).to_string()
}

/// A rule of each tenant's.
fn rules() -> String {
    let rule = |number| json!({"name": "a", "type": "recording", "query": "up", "labels": {"tenant": team(number)}});
    let rules: Vec<_> = (0..TEAMS).map(rule).collect();
    json!({"status": "success", "data": {"groups": [{"name": "g", "file": "f", "rules": rules}]}}).to_string()
}

/// What is no list of rules.
fn garbage(number: u64) -> (String, String) {
    let json = "content-type: application/json\r\n";
    let (head, body) = match number % 7 {
        0 => (json, rules()[..200].to_owned()),
        1 => (json, rules().replacen("groups", "grouqs", 1)),
        2 => (json, format!("{}{}", "[".repeat(100_000), rules())),
        3 => ("content-type: text/html\r\n", format!("<html>{}</html>", rules())),
        4 => ("content-type: application/json\r\ncontent-encoding: gzip\r\n", rules()),
        5 => (json, String::new()),
        _ => (json, rules().replace("\"labels\":{\"tenant\"", "\"labels\":{\"tenant\":\"x\",\"tenant\"")),
    };
    (head.to_owned(), body)
}
