//! Teams that keep asking, and see whether they are answered, with their own and nothing else.

use super::http::{Connection, Message};
use crate::support::data::END;
use crate::support::form::encode;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many teams there are, each with a client that asks without end.
pub(crate) const TEAMS: usize = 8;

/// How long each waits between two requests: hundreds a second for all of them together.
const PAUSE: Duration = Duration::from_millis(15);

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn team(number: usize) -> String {
    format!("team-{number}")
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The same few queries again and again.
    Repeated,
    /// A query that was never asked before, in a form.
    Fresh,
    Series,
    /// The answer is filtered.
    Rules,
    /// Nothing is served there.
    NotServed,
    /// Nobody says whose it is.
    Nobody,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Repeated, Self::Fresh, Self::Series, Self::Rules, Self::NotServed, Self::Nobody];

    fn bytes(self, team: &str, number: u64) -> String {
        let mine = |text: &str| encode(&text.replace("{}", &format!("{{client=\"{team}\"}}")));
        let get = |target: String| format!("GET {target} HTTP/1.1\r\nhost: lab\r\nx-tenant: {team}\r\n\r\n");
        match self {
            Self::Repeated => {
                let again = number % 50;
                get(format!("/api/v1/query?query={}&time={}", mine(&format!("up{{}} + {again}")), *END))
            }
            Self::Fresh => {
                let query = mine(&format!("sum by (client) (rate(http_requests_total{{}}[5m])) / {number}"));
                let form = format!("query={query}&start={}&end={}&step=60", *END - 600, *END);
                format!(
                    "POST /api/v1/query_range HTTP/1.1\r\nhost: lab\r\nx-tenant: {team}\r\ncontent-length: {}\r\n\
                     content-type: application/x-www-form-urlencoded\r\n\r\n{form}",
                    form.len()
                )
            }
            Self::Series => get(format!("/api/v1/series?match[]={}", mine("up{}"))),
            Self::Rules => get("/api/v1/rules".to_owned()),
            Self::NotServed => get("/api/v1/status/config".to_owned()),
            Self::Nobody => "GET /api/v1/query?query=up HTTP/1.1\r\nhost: lab\r\n\r\n".to_owned(),
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::Repeated | Self::Fresh | Self::Series | Self::Rules => 200,
            Self::NotServed => 404,
            Self::Nobody => 401,
        }
    }
}

/// What has come of the requests of a while.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answered: u64,
    /// Asked once more, because Envoy had closed the connection meanwhile, as it may.
    pub(crate) repeated: u64,
    /// Not answered as it should be, with what came.
    pub(crate) failed: Vec<(Kind, String)>,
    /// Answers with somebody else's in them.
    pub(crate) leaks: Vec<String>,
    /// In microseconds.
    pub(crate) took: Vec<u32>,
}

/// Clients that ask until they are dropped.
#[derive(Debug)]
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// `port` may change.
    pub(crate) fn start(port: u16) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let threads = (0..TEAMS).map(|number| {
            let client = Client { team: team(number), port, connection: None };
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            thread::spawn(move || client.run(&stop, &seen))
        });
        Self { threads: threads.collect(), stop, seen }
    }

    /// What has come since the last time.
    pub(crate) fn seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until so many requests in a row have been answered.
    pub(crate) fn recover(&self) {
        let start = Instant::now();
        loop {
            self.seen();
            thread::sleep(Duration::from_millis(500));
            let seen = self.seen();
            if seen.failed.is_empty() && seen.answered >= 50 {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "it does not recover: {:?}", seen.failed.first());
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

struct Client {
    team: String,
    port: u16,
    connection: Option<Connection>,
}

impl Client {
    fn run(mut self, stop: &AtomicBool, seen: &Mutex<Seen>) {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let kind = Kind::ALL[usize::try_from(number % 6).expect("a small number")];
            let bytes = kind.bytes(&self.team, number);
            let start = Instant::now();
            let was_open = self.connection.is_some();
            let mut answer = self.ask(bytes.as_bytes());
            let repeats = was_open && matches!(answer, Ok(None));
            if repeats {
                answer = self.ask(bytes.as_bytes());
            }
            let took = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
            {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.repeated += u64::from(repeats);
                match answer {
                    Ok(Some(answer)) => self.judge(kind, &answer, took, &mut seen),
                    Ok(None) => seen.failed.push((kind, "the connection was closed".to_owned())),
                    Err(error) => seen.failed.push((kind, error.to_string())),
                }
            }
            thread::sleep(PAUSE);
        }
    }

    fn judge(&self, kind: Kind, answer: &Message, took: u32, seen: &mut Seen) {
        let text = String::from_utf8_lossy(&answer.body);
        let others = (0..TEAMS).map(team).filter(|team| *team != self.team);
        if others.into_iter().any(|other| text.contains(&other)) {
            seen.leaks.push(format!("{} got {text}", self.team));
        }
        let is_own = kind.status() != 200 || text.contains(&self.team);
        if answer.status() == kind.status() && is_own {
            seen.answered += 1;
            seen.took.push(took);
        } else {
            seen.failed.push((kind, format!("{} {text}", answer.line)));
        }
    }

    /// Sends a request and gives the answer; `None` where the connection was closed instead.
    fn ask(&mut self, bytes: &[u8]) -> std::io::Result<Option<Message>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::new(TcpStream::connect(("127.0.0.1", self.port))?, PATIENCE)?,
        };
        // Where it is closed, that shows when the answer is read.
        drop(connection.write(bytes));
        let answer = connection.read()?;
        if answer.as_ref().is_some_and(|answer| answer.header("connection") != Some("close")) {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}
