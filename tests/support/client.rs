//! Clients: ordinary HTTP/1.1, raw bytes on a socket, and HTTP/2 frame by frame.

use super::{PATIENCE, RUNTIME};
use bytes::Bytes;
use serde_json::Value;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The header by which a test finds its own request at the upstream.
pub(crate) const LAB_ID: &str = "x-lab-id";

/// A request as the client sends it, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Body,
}

/// How the body goes out.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    /// With `content-length`.
    Length(Vec<u8>),
    /// `transfer-encoding: chunked`, or DATA frames one for each chunk, then the trailers.
    Chunked(Vec<Vec<u8>>, Vec<(String, String)>),
}

/// A GET of `target`.
pub(crate) fn get(target: impl AsRef<[u8]>) -> Request {
    request("GET", target)
}

/// A request without a body.
pub(crate) fn request(method: &str, target: impl AsRef<[u8]>) -> Request {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    Request {
        id: format!("lab-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        method: method.into(),
        target: target.as_ref().to_vec(),
        headers: Vec::new(),
        body: Body::None,
    }
}

/// A POST of a form, with its content type and length.
pub(crate) fn post(target: impl AsRef<[u8]>, form: impl AsRef<[u8]>) -> Request {
    request("POST", target)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::Length(form.as_ref().to_vec()))
}

impl Request {
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The head, with the blank line.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(format!(" HTTP/1.1\r\nhost: lab\r\n{LAB_ID}: {}\r\n", self.id).as_bytes());
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        match &self.body {
            Body::None => {}
            Body::Length(bytes) => out.extend_from_slice(format!("content-length: {}\r\n", bytes.len()).as_bytes()),
            Body::Chunked(..) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The whole request in HTTP/1.1.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.head_bytes();
        match &self.body {
            Body::None => {}
            Body::Length(bytes) => out.extend_from_slice(bytes),
            Body::Chunked(chunks, trailers) => {
                chunks.iter().for_each(|data| out.extend(chunk(data)));
                out.extend_from_slice(b"0\r\n");
                trailers
                    .iter()
                    .for_each(|(name, value)| out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes()));
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }
}

/// One chunk of a chunked body.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body ended as announced.
    pub(crate) complete: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// A client's HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct Connection {
    port: u16,
    stream: TcpStream,
    pending: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the listener accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { port, stream, pending: Vec::new(), received: Vec::new() }
    }

    /// Writes exactly these bytes. A peer that has closed already is not an error: what it answered can still be read.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// One request and its answer. Envoy ends the connection behind some refusals: the next request gets a new one.
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        self.write(&request.bytes());
        let response = self.read(&request.method);
        if response.header("connection") == Some("close") {
            *self = Self::open(self.port);
        }
        response
    }

    /// Takes more bytes in; false at the end of the connection.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                self.received.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            // A signal, such as that a child has ended, ends a read that has a timeout.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.more(),
            Err(error) => panic!("nothing came ({error}); so far: {}", String::from_utf8_lossy(&self.pending)),
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.pending)
    }

    /// The status of an interim answer (1xx), which stands alone on the wire until the body is sent.
    pub(crate) fn read_interim(&mut self) -> String {
        while !self.pending.ends_with(b"\r\n\r\n") {
            assert!(self.more(), "no interim answer: {}", String::from_utf8_lossy(&self.pending));
        }
        let text =
            self.pending.split(|byte| *byte == b'\r').next().map(|line| String::from_utf8_lossy(line).into_owned());
        self.pending.clear();
        text.unwrap_or_default()
    }

    /// The head of the next answer (not a 1xx); the body follows by [`Self::read_body`].
    pub(crate) fn read_head(&mut self) -> Response {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut head = httparse::Response::new(&mut headers);
            let status = head.parse(&self.pending);
            if let Ok(httparse::Status::Complete(length)) = status {
                let found = Response {
                    status: head.code.expect("a status"),
                    headers: head
                        .headers
                        .iter()
                        .map(|header| {
                            (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
                        })
                        .collect(),
                    body: Vec::new(),
                    trailers: Vec::new(),
                    complete: false,
                };
                self.pending.drain(..length);
                if found.status >= 200 {
                    return found;
                }
                continue;
            }
            assert!(status.is_ok(), "not HTTP: {}", String::from_utf8_lossy(&self.pending));
            assert!(self.more(), "the connection ended before an answer: {}", String::from_utf8_lossy(&self.pending));
        }
    }

    /// The body that belongs to `head`.
    pub(crate) fn read_body(&mut self, mut head: Response, method: &str) -> Response {
        if method == "HEAD" || head.status == 204 || head.status == 304 {
            head.complete = true;
        } else if head.header("transfer-encoding") == Some("chunked") {
            head.complete = self.read_chunks(&mut head.body) && self.read_trailers(&mut head.trailers);
        } else if let Some(length) = head.header("content-length") {
            let length: usize = length.parse().expect("a length");
            while self.pending.len() < length && self.more() {}
            head.complete = self.pending.len() >= length;
            head.body = self.pending.drain(..length.min(self.pending.len())).collect();
        } else {
            head.body = self.read_to_end();
            head.complete = true;
        }
        head
    }

    /// The next line, without its end; `None` when the connection ends before it does.
    fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                self.pending.drain(..end + 2);
                return Some(line);
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        while let Some(size) = self.read_line() {
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            if size == 0 {
                return true;
            }
            while self.pending.len() < size + 2 {
                if !self.more() {
                    return false;
                }
            }
            body.extend_from_slice(&self.pending[..size]);
            self.pending.drain(..size + 2);
        }
        false
    }

    fn read_trailers(&mut self, trailers: &mut Vec<(String, String)>) -> bool {
        while let Some(line) = self.read_line() {
            let Some((name, value)) = line.split_once(':') else { return line.is_empty() };
            trailers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        false
    }

    /// The next answer, whole.
    pub(crate) fn read(&mut self, method: &str) -> Response {
        let head = self.read_head();
        self.read_body(head, method)
    }

    /// The answers to requests other than HEAD until the connection ends, or one says that it will.
    pub(crate) fn read_all(&mut self) -> Vec<Response> {
        let mut all = Vec::new();
        while !self.pending.is_empty() || self.more() {
            let response = self.read("GET");
            let closes = response.header("connection") == Some("close");
            all.push(response);
            if closes {
                break;
            }
        }
        all
    }

    /// Every byte that came on this connection.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Reads to the end of the connection without keeping anything, and tells `each` how much has come.
    pub(crate) fn count_to_end(&mut self, mut each: impl FnMut(usize)) -> usize {
        let mut total = std::mem::take(&mut self.pending).len();
        let mut buffer = vec![0; 1 << 18];
        while let Ok(count @ 1..) = self.stream.read(&mut buffer) {
            total += count;
            each(total);
        }
        total
    }
}

/// Sends `request` on a connection of its own.
pub(crate) fn send(port: u16, request: &Request) -> Response {
    Connection::open(port).send(request)
}

/// The status of a GET of `path`, where the server may not be there yet or no more.
pub(crate) fn status_of(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

/// How an HTTP/2 request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// END_STREAM on the last frame with content, on the headers when there is none.
    OnLast,
    /// An empty DATA frame with END_STREAM after everything.
    EmptyData,
    /// RST_STREAM after the last frame.
    Reset,
}

/// Sends `request` over HTTP/2 with prior knowledge. `None`: the stream was reset before an answer.
pub(crate) fn send_h2(port: u16, request: &Request, ending: Ending) -> Option<Response> {
    RUNTIME.block_on(async {
        tokio::time::timeout(PATIENCE, exchange(port, request, ending)).await.expect("an answer over HTTP/2 in time")
    })
}

async fn exchange(port: u16, request: &Request, ending: Ending) -> Option<Response> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the listener accepts");
    // Frames are written apart: each would wait 40 ms for the receipt of the one before.
    stream.set_nodelay(true).expect("no delay");
    let (client, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 handshake");
    let driver = tokio::spawn(connection);
    let mut client = client.ready().await.expect("a ready connection");

    let target = format!("http://lab{}", String::from_utf8_lossy(&request.target));
    let mut head = http::Request::builder().method(request.method.as_str()).uri(target).header(LAB_ID, &request.id);
    for (name, value) in &request.headers {
        head = head.header(name.as_str(), value.as_slice());
    }
    let (frames, trailers) = match &request.body {
        Body::None => (Vec::new(), Vec::new()),
        Body::Length(bytes) => {
            head = head.header("content-length", bytes.len());
            (vec![bytes.clone()], Vec::new())
        }
        Body::Chunked(chunks, trailers) => (chunks.clone(), trailers.clone()),
    };
    let bare = frames.is_empty() && trailers.is_empty() && ending == Ending::OnLast;
    let (answer, mut body) =
        client.send_request(head.body(()).expect("a request"), bare).expect("the request goes out");
    let last = frames.len().saturating_sub(1);
    for (index, frame) in frames.into_iter().enumerate() {
        let end = index == last && trailers.is_empty() && ending == Ending::OnLast;
        // The peer may have refused already; its answer is what counts.
        if send_frame(&mut body, &frame, end).await.is_none() {
            break;
        }
    }
    if !trailers.is_empty() {
        let mut map = http::HeaderMap::new();
        for (name, value) in trailers {
            map.append(http::HeaderName::try_from(name).expect("a name"), value.parse().expect("a value"));
        }
        drop(body.send_trailers(map));
    } else if ending == Ending::EmptyData {
        drop(body.send_data(Bytes::new(), true));
    }
    if ending == Ending::Reset {
        body.send_reset(h2::Reason::CANCEL);
    }
    let found = match answer.await {
        Ok(answer) => Some(collect(answer).await),
        Err(_) => None,
    };
    drop((client, body));
    driver.abort();
    found
}

/// Sends within the window that the peer grants; `None` when the stream is over.
async fn send_frame(body: &mut h2::SendStream<Bytes>, frame: &[u8], end: bool) -> Option<()> {
    let mut rest = Bytes::copy_from_slice(frame);
    if rest.is_empty() {
        return body.send_data(rest, end).ok();
    }
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        let granted = poll_fn(|context| body.poll_capacity(context)).await?.ok()?;
        let part = rest.split_to(granted.min(rest.len()));
        body.send_data(part, end && rest.is_empty()).ok()?;
    }
    Some(())
}

async fn collect(answer: http::Response<h2::RecvStream>) -> Response {
    let (head, mut stream) = answer.into_parts();
    let mut found = Response {
        status: head.status.as_u16(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: Vec::new(),
        trailers: Vec::new(),
        complete: true,
    };
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                drop(stream.flow_control().release_capacity(data.len()));
                found.body.extend_from_slice(&data);
            }
            Err(_) => {
                found.complete = false;
                break;
            }
        }
    }
    if let Ok(Some(trailers)) = stream.trailers().await {
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        found.trailers = trailers.iter().map(text).collect();
    }
    found
}
