//! One attack: what it tries, the bytes that are sent, and what is expected at least.
//!
//! Whatever is expected, two oracles look at every attack: what arrived behind the filter (`hop`), and all that came back
//! (`secrets`). Neither knows how the filter works.

use super::field::EVE;
use super::hop::objection;
use super::owner::Owner;
use super::secrets;
use crate::support::bench::Bench;
use crate::support::client::{Connection, Ending, LAB_ID, Request, Response, get, send_h2};
use crate::support::upstream::{Answer, End, Recorded, Upstream};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An attack, told and prepared.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) name: String,
    listener: &'static str,
    request: Request,
    way: Way,
    owner: Owner,
    expected: Expected,
    answer: Option<Answer>,
}

/// How the request goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// By HTTP/1.1, and by HTTP/2 where that can say the same.
    Both,
    Http1,
    Http2(Ending),
    /// These bytes, in which `{me}` stands for the headers that every request of the attacker's has. They may be more than one
    /// request, or less.
    Raw(Vec<u8>),
}

/// What must come of it at least.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// One of these statuses, and nothing is told to the upstream.
    Refused(&'static [u16]),
    /// It goes on, narrowed.
    Narrowed,
    /// It goes on, and this is in what comes back: something of the attacker's own is left.
    Shows(&'static str),
    /// Either.
    Harmless,
}

/// `request` by the attacker, who is known by a token. It may be refused, or go on and be narrowed.
pub(super) fn attack(name: impl Into<String>, request: Request) -> Attack {
    Attack {
        name: name.into(),
        listener: "jwt",
        request: request.bearer(&EVE),
        way: Way::Both,
        owner: Owner::eve(),
        expected: Expected::Harmless,
        answer: None,
    }
}

/// The same without any token.
pub(super) fn anonymous(name: impl Into<String>, request: Request) -> Attack {
    let mut attack = attack(name, request);
    attack.request.headers.retain(|(name, value)| name != "authorization" || !value.ends_with(EVE.as_bytes()));
    attack
}

/// Bytes on an HTTP/1.1 connection; see [`Way::Raw`].
pub(super) fn raw(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Attack {
    let mut attack = attack(name, get("/"));
    attack.way = Way::Raw(bytes.as_ref().to_vec());
    attack
}

impl Attack {
    pub(super) fn on(mut self, listener: &'static str) -> Self {
        self.listener = listener;
        self
    }

    /// On behalf of somebody else than the attacker alone.
    pub(super) fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    pub(super) fn refused(mut self, statuses: &'static [u16]) -> Self {
        self.expected = Expected::Refused(statuses);
        self
    }

    pub(super) fn narrowed(mut self) -> Self {
        self.expected = Expected::Narrowed;
        self
    }

    pub(super) fn shows(mut self, text: &'static str) -> Self {
        self.expected = Expected::Shows(text);
        self
    }

    pub(super) fn http1(mut self) -> Self {
        self.way = Way::Http1;
        self
    }

    pub(super) fn http2(mut self, ending: Ending) -> Self {
        self.way = Way::Http2(ending);
        self
    }

    /// What the upstream is made to answer.
    pub(super) fn answered(mut self, answer: Answer) -> Self {
        self.answer = Some(answer);
        self
    }

    pub(super) fn only_reads(&self) -> bool {
        self.request.method == "GET"
    }

    /// The same attack where no filter stands.
    fn unfiltered(mut self) -> Self {
        self.listener = "bare";
        self.expected = Expected::Harmless;
        self
    }

    /// Sends it by each way. What was sent is written to `sent`.
    fn carry_out(&self, ground: Ground<'_>, sent: &mut Vec<Sent>) -> Result<(), String> {
        let ways = match &self.way {
            Way::Both if fits_http2(&self.request) => vec![Way::Http1, Way::Http2(Ending::OnLast)],
            Way::Both => vec![Way::Http1],
            one @ (Way::Http1 | Way::Http2(_) | Way::Raw(_)) => vec![one.clone()],
        };
        for way in ways {
            // Each has an id of its own, by which the upstream knows it.
            let request = Request { id: get("/").id, ..self.request.clone() };
            if let Some(answer) = &self.answer {
                ground.hop.answer(&request, answer.clone());
            }
            let id = request.id.clone();
            sent.push(Sent { attack: self.clone(), request });
            let request = &sent.last().expect("just pushed").request;
            let port = ground.bench.port(self.listener);
            let (raw, answers) = match &way {
                Way::Both | Way::Http1 => over_http1(port, request, self.listener != "bare"),
                Way::Raw(bytes) => over_raw(port, bytes, &id),
                Way::Http2(ending) => (Vec::new(), send_h2(port, request, *ending).into_iter().collect()),
            };
            if let Some(found) = secrets::find_in(&raw, &answers) {
                return Err(format!("{way:?}: a secret came back: {found}"));
            }
            self.check(&raw, &answers).map_err(|problem| format!("{way:?}: {problem}"))?;
        }
        Ok(())
    }

    fn check(&self, raw: &[u8], answers: &[Response]) -> Result<(), String> {
        let told = || answers.iter().map(|answer| format!("{} {}", answer.status, answer.text())).collect::<String>();
        match self.expected {
            // A stream that is reset has no status.
            Expected::Refused(statuses) => {
                let refused = answers.iter().all(|answer| statuses.contains(&answer.status));
                refused.then_some(()).ok_or_else(|| format!("not refused by {statuses:?}: {}", told()))
            }
            Expected::Shows(text) => {
                let shown = told().contains(text) || String::from_utf8_lossy(raw).contains(text);
                shown.then_some(()).ok_or_else(|| format!("{text} is not shown: {}", told()))
            }
            Expected::Narrowed | Expected::Harmless => Ok(()),
        }
    }

    /// What is wrong with all that arrived.
    fn judge(&self, hop: &Upstream, request: &Request) -> Result<(), String> {
        let all = hop.all_of(request);
        for recorded in &all {
            if let Some(problem) = objection(recorded, &self.owner) {
                return Err(problem);
            }
        }
        let ended = all.iter().filter(|recorded| recorded.end == End::Clean).count();
        match self.expected {
            Expected::Refused(_) if ended > 0 => Err(format!("refused, and went on: {all:?}")),
            Expected::Narrowed | Expected::Shows(_) if ended == 0 => Err("it did not go on".into()),
            Expected::Refused(_) | Expected::Narrowed | Expected::Shows(_) | Expected::Harmless => Ok(()),
        }
    }
}

/// A request that went out.
struct Sent {
    attack: Attack,
    request: Request,
}

/// What HTTP/2 can say, too, by the client at hand.
fn fits_http2(request: &Request) -> bool {
    let of_connections =
        ["connection", "upgrade", "transfer-encoding", "keep-alive", "te", "host", "expect", "proxy-connection"];
    let target = String::from_utf8(request.target.clone()).unwrap_or_default();
    target.starts_with('/')
        && format!("http://lab{target}").parse::<http::Uri>().is_ok()
        && http::Method::from_bytes(request.method.as_bytes()).is_ok_and(|method| method != http::Method::CONNECT)
        && request.headers.iter().all(|(name, value)| {
            http::HeaderName::try_from(name.as_str()).is_ok_and(|name| !of_connections.contains(&name.as_str()))
                && http::HeaderValue::from_bytes(value).is_ok()
        })
}

/// Every byte that came back, and the answers in it. Where it is `checked`, a request behind shows that the attack has ended
/// where it should.
fn over_http1(port: u16, request: &Request, checked: bool) -> (Vec<u8>, Vec<Response>) {
    let mut connection = Connection::open(port);
    connection.write(&request.bytes());
    let answer = connection.read(&request.method);
    if checked && answer.complete && answer.header("connection") != Some("close") {
        connection.write(&nothing().bytes());
        let next = connection.read("GET");
        assert_eq!(next.status, 404, "the request behind was read differently: {}", next.text());
    }
    (connection.received().to_vec(), vec![answer])
}

/// The same for bytes as they are. The request behind ends the connection, wherever it was read.
fn over_raw(port: u16, bytes: &[u8], id: &str) -> (Vec<u8>, Vec<Response>) {
    let mine = format!("host: lab\r\n{LAB_ID}: {id}\r\nauthorization: Bearer {}\r\n", *EVE);
    let mut rest = bytes;
    let mut connection = Connection::open(port);
    while let Some(at) = rest.windows(4).position(|window| window == b"{me}") {
        connection.write(&rest[..at]);
        connection.write(mine.as_bytes());
        rest = &rest[at + 4..];
    }
    connection.write(rest);
    connection.write(&nothing().header("connection", "close").bytes());
    let mut answers = connection.read_all();
    if answers.last().is_some_and(|last| last.status == 404) {
        answers.pop();
    }
    (connection.received().to_vec(), answers)
}

/// A request that the filter refuses.
fn nothing() -> Request {
    get("/nowhere")
}

/// Where attacks are sent, and the hop behind the filter that writes down what arrives.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) bench: &'a Bench,
    pub(super) hop: &'a Upstream,
}

impl<'a> From<&'a Bench> for Ground<'a> {
    fn from(bench: &'a Bench) -> Self {
        Self { bench, hop: &bench.upstream }
    }
}

/// Carries all attacks out; the test fails with all that got through.
#[track_caller]
pub(super) fn carry_out<'a>(ground: impl Into<Ground<'a>>, attacks: &[Attack]) {
    let ground = ground.into();
    let in_use = ground.bench.in_use();
    let (sent, mut failures) = send_all(ground, attacks);
    // The next tenant is served as it should be, and the VM was never made again.
    drop(in_use);
    judge_all(ground.hop, &sent, &mut failures);
    let told: String = failures.iter().map(|(name, problem)| format!("\n- {name}: {problem}")).collect();
    assert!(failures.is_empty(), "{} of {} attacks:{told}", failures.len(), attacks.len());
    // The filter itself asks for silences.
    let asks = |recorded: &Recorded| recorded.method == "GET" && recorded.path().starts_with("/api/v2/silence/");
    let all = ground.hop.all();
    let strangers: Vec<_> = all.iter().filter(|recorded| recorded.id.is_empty() && !asks(recorded)).collect();
    assert!(strangers.is_empty(), "requests that nobody sent: {strangers:?}");
}

/// Sends the attacks where no filter stands, and gives the names of those that nobody would have noticed.
pub(super) fn unnoticed<'a>(ground: impl Into<Ground<'a>>, attacks: &[Attack]) -> Vec<String> {
    let ground = ground.into();
    let attacks: Vec<Attack> = attacks.iter().cloned().map(Attack::unfiltered).collect();
    let (sent, mut noticed) = send_all(ground, &attacks);
    judge_all(ground.hop, &sent, &mut noticed);
    attacks.into_iter().map(|attack| attack.name).filter(|name| !noticed.contains_key(name)).collect()
}

type Failures = BTreeMap<String, String>;

fn send_all(ground: Ground<'_>, attacks: &[Attack]) -> (Vec<Sent>, Failures) {
    let (mut sent, mut failures) = (Vec::new(), Failures::new());
    for attack in attacks {
        let problem = match catch_unwind(AssertUnwindSafe(|| attack.carry_out(ground, &mut sent))) {
            Ok(Ok(())) => continue,
            Ok(Err(problem)) => problem,
            Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a failed check".into()),
        };
        failures.insert(attack.name.clone(), problem);
    }
    (sent, failures)
}

/// What goes on is there before it is answered; of a refused request a head may come behind its refusal.
fn judge_all(hop: &Upstream, sent: &[Sent], failures: &mut Failures) {
    for Sent { attack, request } in sent {
        if let Err(problem) = attack.judge(hop, request) {
            failures.entry(attack.name.clone()).or_insert(problem);
        }
    }
}
