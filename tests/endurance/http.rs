//! HTTP/1.1 as a client and a server need it that must outlive each other's faults: whatever ends early is an error, and no panic.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its first line.
    pub(crate) line: String,
    headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

/// Either end of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next message, whole; `None` where the other end has closed before its first byte.
    pub(crate) fn read(&mut self) -> io::Result<Option<Message>> {
        let line = match self.line() {
            Ok(line) if line.is_empty() => return Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            line => line?,
        };
        let mut headers = HashMap::new();
        loop {
            let header = self.line()?;
            if header.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = header.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            loop {
                let size = usize::from_str_radix(self.line()?.trim(), 16).map_err(|_| ErrorKind::UnexpectedEof)?;
                self.take(size, &mut body)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = headers.get("content-length").and_then(|length| length.parse().ok()) {
            self.take(length, &mut body)?;
        }
        Ok(Some(Message { line: line.trim_end().to_owned(), headers, body }))
    }

    /// A line with its end; empty at the end of the connection.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line)
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let had = body.len();
        body.resize(had + length, 0);
        self.stream.read_exact(&mut body[had..])
    }
}
