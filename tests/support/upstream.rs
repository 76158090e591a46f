//! The recording upstream: what a next hop that trusts nobody sees, byte for byte, on HTTP/1.1 and HTTP/2.

use super::client::{LAB_ID, Request, chunk};
use super::{PATIENCE, RUNTIME, form};
use bytes::Bytes;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Header lines in the order in which they came.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// How a recorded request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not.
    Open,
    /// As HTTP wants it: the announced length, the last chunk, END_STREAM.
    Clean,
    /// The connection or the stream was cut.
    Cut,
}

/// One request as it reached the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) method: String,
    /// Path and query, raw.
    pub(crate) target: Vec<u8>,
    /// Names in lower case, values raw.
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Headers,
    pub(crate) end: End,
    /// Which connection of this upstream it came on.
    pub(crate) connection: usize,
    /// Its number on that connection, from 0.
    pub(crate) number: usize,
}

impl Recorded {
    pub(crate) fn path(&self) -> String {
        self.split().0
    }

    /// The raw query string; empty when there is none.
    pub(crate) fn raw_query(&self) -> String {
        self.split().1
    }

    fn split(&self) -> (String, String) {
        let target = String::from_utf8(self.target.clone()).expect("a target in ASCII");
        match target.split_once('?') {
            Some((path, query)) => (path.into(), query.into()),
            None => (target, String::new()),
        }
    }

    /// The parameters of the URL, decoded.
    pub(crate) fn url_parameters(&self) -> Vec<(String, String)> {
        form::decode(self.raw_query().as_bytes())
    }

    /// The parameters of the form, decoded.
    pub(crate) fn form_parameters(&self) -> Vec<(String, String)> {
        form::decode(&self.body)
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(each, _)| each == name)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(each, _)| each == name)
    }

    /// Everything that came, for a search for what must not have.
    pub(crate) fn everything(&self) -> String {
        let mut out = self.target.clone();
        for (name, value) in self.headers.iter().chain(&self.trailers) {
            out.extend_from_slice(b"\n");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"\n\n");
        out.extend_from_slice(&self.body);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// One step of an answer's body.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Vec<u8>),
    /// The same data so many times.
    Again(Vec<u8>, usize),
    /// Go on when the test says so.
    Wait(Arc<Notify>),
    /// End the connection here.
    Cut,
}

impl Step {
    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Again(data, times) => data.len() * times,
            Self::Wait(_) | Self::Cut => 0,
        }
    }
}

/// What the upstream answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    pub(crate) steps: Vec<Step>,
    pub(crate) trailers: Vec<(String, String)>,
    /// It goes out before the request's body is read (HTTP/1.1 only).
    pub(crate) early: bool,
}

/// How an HTTP/1.1 answer says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// A `content-length` that may be a lie.
    Claimed(usize),
    /// Not even an empty body.
    Nothing,
    /// The steps are all of it, head and everything (HTTP/1.1 only).
    Raw,
}

impl Answer {
    /// An answer that has no body by its status.
    pub(crate) fn nothing() -> Self {
        Self {
            status: 204,
            headers: Vec::new(),
            framing: Framing::Nothing,
            steps: Vec::new(),
            trailers: Vec::new(),
            early: false,
        }
    }

    /// A JSON answer with its length.
    pub(crate) fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            framing: Framing::Length,
            steps: vec![Step::Data(body.as_ref().to_vec())],
            ..Self::nothing()
        }
    }

    pub(crate) fn chunked(mut self, steps: Vec<Step>) -> Self {
        self.framing = Framing::Chunked;
        self.steps = steps;
        self
    }

    /// These bytes, head and all (HTTP/1.1 only).
    pub(crate) fn raw(bytes: Vec<u8>) -> Self {
        Self { framing: Framing::Raw, steps: vec![Step::Data(bytes)], ..Self::nothing() }
    }

    pub(crate) fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(each, _)| each != name);
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A server that records everything and answers by script, or lets another server answer.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: Mutex<Vec<Recorded>>,
    changed: Condvar,
    answers: Mutex<HashMap<String, Answer>>,
    /// Bytes where a request should have begun: a request was cut wrongly, which is how smuggling shows.
    garbage: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// The port of the server that answers, when there is one: it gets every byte as it came.
    behind: Option<u16>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        Self::with(State::default())
    }

    /// One in front of the server at `port`, over HTTP/1.1.
    pub(crate) fn in_front_of(port: u16) -> Self {
        Self::with(State { behind: Some(port), ..State::default() })
    }

    fn with(state: State) -> Self {
        let state = Arc::new(state);
        let listener = RUNTIME.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port for the upstream");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::clone(&state);
        RUNTIME.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // An answer's head and body are written apart: the second would wait 40 ms for the first's receipt.
                stream.set_nodelay(true).expect("no delay");
                let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, number, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    /// Scripts the answer to `request`, before it is sent.
    pub(crate) fn answer(&self, request: &Request, answer: Answer) {
        self.state.answers.lock().expect("answers").insert(request.id.clone(), answer);
    }

    /// The answer to requests that no test has sent: those of the filter itself.
    pub(crate) fn answer_others(&self, answer: Answer) {
        self.state.answers.lock().expect("answers").insert(String::new(), answer);
    }

    /// What came of `request` so far: nothing, or one request; two are a failure.
    pub(crate) fn peek(&self, request: &Request) -> Option<Recorded> {
        let requests = self.state.requests.lock().expect("requests");
        let mut found = requests.iter().filter(|each| each.id == request.id);
        let first = found.next().cloned();
        assert!(found.next().is_none(), "{} came twice", request.id);
        first
    }

    /// `request` when its head has come, ended or not.
    pub(crate) fn begun(&self, request: &Request) -> Recorded {
        self.wait(request, |_| true)
    }

    /// `request` when it has ended, cleanly or not.
    pub(crate) fn ended(&self, request: &Request) -> Recorded {
        self.wait(request, |recorded| recorded.end != End::Open)
    }

    /// All that came under the id of `request`, when everything of it has ended.
    pub(crate) fn all_of(&self, request: &Request) -> Vec<Recorded> {
        let deadline = Instant::now() + PATIENCE;
        let mut requests = self.state.requests.lock().expect("requests");
        loop {
            let found: Vec<Recorded> = requests.iter().filter(|each| each.id == request.id).cloned().collect();
            if found.iter().all(|each| each.end != End::Open) {
                return found;
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            assert!(!rest.is_zero(), "{request:?} does not end");
            requests = self.state.changed.wait_timeout(requests, rest).expect("requests").0;
        }
    }

    fn wait(&self, request: &Request, enough: impl Fn(&Recorded) -> bool) -> Recorded {
        let deadline = Instant::now() + PATIENCE;
        let mut requests = self.state.requests.lock().expect("requests");
        loop {
            if let Some(found) = requests.iter().find(|each| each.id == request.id && enough(each)) {
                return found.clone();
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            assert!(!rest.is_zero(), "the upstream never saw {request:?} as expected");
            requests = self.state.changed.wait_timeout(requests, rest).expect("requests").0;
        }
    }

    /// Everything that came so far.
    pub(crate) fn all(&self) -> Vec<Recorded> {
        self.state.requests.lock().expect("requests").clone()
    }

    /// Bytes that were no request.
    pub(crate) fn garbage(&self) -> Vec<String> {
        self.state.garbage.lock().expect("garbage").clone()
    }
}

impl State {
    fn add(&self, recorded: Recorded) -> usize {
        let mut requests = self.requests.lock().expect("requests");
        requests.push(recorded);
        self.changed.notify_all();
        requests.len() - 1
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Recorded)) {
        change(&mut self.requests.lock().expect("requests")[index]);
        self.changed.notify_all();
    }

    fn answer_to(&self, id: &str) -> Answer {
        let scripted = self.answers.lock().expect("answers").get(id).cloned();
        scripted
            .unwrap_or_else(|| Answer::json(200, r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#))
    }
}

fn id_of(headers: &Headers) -> String {
    let found = headers.iter().find(|(name, _)| name == LAB_ID);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

async fn serve(stream: TcpStream, connection: usize, state: Arc<State>) {
    let mut start = [0; 3];
    loop {
        match stream.peek(&mut start).await {
            Ok(3) => break,
            Ok(0) | Err(_) => return,
            Ok(_) => tokio::task::yield_now().await,
        }
    }
    if start == *b"PRI" {
        serve_h2(stream, connection, state).await;
        return;
    }
    let (input, mut client) = stream.into_split();
    let output = match state.behind {
        None => Output::Script(client),
        Some(port) => {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            server.set_nodelay(true).expect("no delay");
            let (mut answers, server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut client).await });
            Output::Server(server)
        }
    };
    Http1 { input, output, pending: Vec::new(), state }.serve(connection).await;
}

struct Http1 {
    input: OwnedReadHalf,
    output: Output,
    pending: Vec<u8>,
    state: Arc<State>,
}

/// Where bytes go.
enum Output {
    /// Answers, by script, to the client.
    Script(OwnedWriteHalf),
    /// What the client sent, to the server that answers it.
    Server(OwnedWriteHalf),
}

impl Http1 {
    async fn serve(&mut self, connection: usize) {
        let mut number = 0;
        while let Some(mut recorded) = self.head().await {
            recorded.connection = connection;
            recorded.number = number;
            number += 1;
            let (id, head_only) = (recorded.id.clone(), recorded.method == "HEAD");
            let headers = recorded.headers.clone();
            let index = self.state.add(recorded);
            let answer = self.state.answer_to(&id);
            if answer.early && self.respond(answer.clone(), head_only).await.is_none() {
                return;
            }
            let clean = self.body(&headers, index).await.is_some();
            self.state.change(index, |recorded| recorded.end = if clean { End::Clean } else { End::Cut });
            if !clean || !answer.early && self.respond(answer, head_only).await.is_none() {
                return;
            }
        }
    }

    /// Answers, where no server does.
    async fn respond(&mut self, answer: Answer, head_only: bool) -> Option<()> {
        match &mut self.output {
            Output::Script(client) => respond(client, answer, head_only).await,
            Output::Server(_) => Some(()),
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = vec![0; 65536];
        let count = self.input.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        self.pending.extend_from_slice(&buffer[..count]);
        if let Output::Server(server) = &mut self.output {
            server.write_all(&buffer[..count]).await.ok()?;
        }
        Some(())
    }

    async fn head(&mut self) -> Option<Recorded> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 256];
            let mut head = httparse::Request::new(&mut headers);
            match head.parse(&self.pending) {
                Ok(httparse::Status::Complete(length)) => {
                    let headers: Headers = head
                        .headers
                        .iter()
                        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
                        .collect();
                    let recorded = Recorded {
                        id: id_of(&headers),
                        method: head.method?.into(),
                        target: head.path?.as_bytes().to_vec(),
                        headers,
                        body: Vec::new(),
                        trailers: Vec::new(),
                        end: End::Open,
                        connection: 0,
                        number: 0,
                    };
                    self.pending.drain(..length);
                    return Some(recorded);
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => {
                    let text = String::from_utf8_lossy(&self.pending).into_owned();
                    self.state.garbage.lock().expect("garbage").push(text);
                    return None;
                }
            }
            if self.more().await.is_none() {
                if !self.pending.is_empty() {
                    let text = String::from_utf8_lossy(&self.pending).into_owned();
                    self.state.garbage.lock().expect("garbage").push(text);
                }
                return None;
            }
        }
    }

    async fn body(&mut self, headers: &Headers, index: usize) -> Option<()> {
        if headers.iter().any(|(name, _)| name == "transfer-encoding") {
            return self.chunks(index).await;
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut rest: usize = length.map_or(0, |(_, value)| String::from_utf8_lossy(value).parse().expect("a length"));
        while rest > 0 {
            if self.pending.is_empty() {
                self.more().await?;
            }
            let part: Vec<u8> = self.pending.drain(..rest.min(self.pending.len())).collect();
            rest -= part.len();
            self.state.change(index, |recorded| recorded.body.extend_from_slice(&part));
        }
        Some(())
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                self.pending.drain(..end + 2);
                return Some(line);
            }
            self.more().await?;
        }
    }

    async fn chunks(&mut self, index: usize) -> Option<()> {
        loop {
            let size = usize::from_str_radix(self.line().await?.trim(), 16).ok()?;
            if size == 0 {
                break;
            }
            while self.pending.len() < size + 2 {
                self.more().await?;
            }
            let part: Vec<u8> = self.pending.drain(..size).collect();
            self.pending.drain(..2);
            self.state.change(index, |recorded| recorded.body.extend_from_slice(&part));
        }
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { return Some(()) };
            let trailer = (name.to_ascii_lowercase(), value.trim().as_bytes().to_vec());
            self.state.change(index, |recorded| recorded.trailers.push(trailer));
        }
    }
}

async fn respond(client: &mut OwnedWriteHalf, answer: Answer, head_only: bool) -> Option<()> {
    let chunked = answer.framing == Framing::Chunked;
    let length: usize = answer.steps.iter().map(Step::len).sum();
    let mut out = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&match answer.framing {
        Framing::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
        Framing::Length => format!("content-length: {length}\r\n\r\n"),
        Framing::Claimed(claimed) => format!("content-length: {claimed}\r\n\r\n"),
        Framing::Nothing => "\r\n".to_owned(),
        Framing::Raw => String::new(),
    });
    if answer.framing != Framing::Raw {
        client.write_all(out.as_bytes()).await.ok()?;
    }
    if head_only {
        return Some(());
    }
    for step in answer.steps {
        match step {
            Step::Data(data) => client.write_all(&if chunked { chunk(&data) } else { data }).await.ok()?,
            Step::Again(data, times) => {
                let data = if chunked { chunk(&data) } else { data };
                for _ in 0..times {
                    client.write_all(&data).await.ok()?;
                }
            }
            Step::Wait(gate) => gate.notified().await,
            Step::Cut => return None,
        }
    }
    if chunked {
        let mut end = "0\r\n".to_owned();
        answer.trailers.iter().for_each(|(name, value)| end.push_str(&format!("{name}: {value}\r\n")));
        end.push_str("\r\n");
        client.write_all(end.as_bytes()).await.ok()?;
    }
    // A length that was a lie leaves the connection in no state to go on.
    if let Framing::Claimed(_) | Framing::Raw = answer.framing { None } else { Some(()) }
}

async fn serve_h2(stream: TcpStream, connection: usize, state: Arc<State>) {
    let Ok(mut server) = h2::server::handshake(stream).await else { return };
    let mut number = 0;
    while let Some(Ok((request, responder))) = server.accept().await {
        tokio::spawn(exchange_h2(request, responder, (connection, number), Arc::clone(&state)));
        number += 1;
    }
}

async fn exchange_h2(
    request: http::Request<h2::RecvStream>,
    responder: h2::server::SendResponse<Bytes>,
    (connection, number): (usize, usize),
    state: Arc<State>,
) {
    let (head, mut body) = request.into_parts();
    let headers: Headers =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let index = state.add(Recorded {
        id: id_of(&headers),
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(|target| target.as_str().as_bytes().to_vec()).unwrap_or_default(),
        headers: headers.clone(),
        body: Vec::new(),
        trailers: Vec::new(),
        end: End::Open,
        connection,
        number,
    });
    let mut end = End::Clean;
    while let Some(data) = body.data().await {
        let Ok(data) = data else {
            end = End::Cut;
            break;
        };
        drop(body.flow_control().release_capacity(data.len()));
        state.change(index, |recorded| recorded.body.extend_from_slice(&data));
    }
    match body.trailers().await {
        Ok(Some(map)) => {
            let found = map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            state.change(index, |recorded| recorded.trailers.extend(found));
        }
        Ok(None) => {}
        Err(_) => end = End::Cut,
    }
    state.change(index, |recorded| recorded.end = end);
    if end == End::Clean {
        // A client that has gone in between is no matter of the upstream.
        let _gone: Option<()> = respond_h2(state.answer_to(&id_of(&headers)), responder).await;
    }
}

async fn respond_h2(answer: Answer, mut responder: h2::server::SendResponse<Bytes>) -> Option<()> {
    let mut head = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        head = head.header(name, value);
    }
    let nothing = answer.framing == Framing::Nothing;
    let mut stream = responder.send_response(head.body(()).ok()?, nothing).ok()?;
    if nothing {
        return Some(());
    }
    for step in answer.steps {
        match step {
            Step::Data(data) => send_h2(&mut stream, Bytes::from(data)).await?,
            Step::Again(data, times) => {
                let data = Bytes::from(data);
                for _ in 0..times {
                    send_h2(&mut stream, data.clone()).await?;
                }
            }
            Step::Wait(gate) => gate.notified().await,
            Step::Cut => {
                stream.send_reset(h2::Reason::INTERNAL_ERROR);
                return None;
            }
        }
    }
    if answer.trailers.is_empty() {
        return stream.send_data(Bytes::new(), true).ok();
    }
    let mut map = http::HeaderMap::new();
    for (name, value) in answer.trailers {
        map.append(http::HeaderName::try_from(name).ok()?, value.parse().ok()?);
    }
    stream.send_trailers(map).ok()
}

async fn send_h2(stream: &mut h2::SendStream<Bytes>, mut rest: Bytes) -> Option<()> {
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let granted = poll_fn(|context| stream.poll_capacity(context)).await?.ok()?;
        stream.send_data(rest.split_to(granted.min(rest.len())), false).ok()?;
    }
    Some(())
}
