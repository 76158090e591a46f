//! One page in the browser: what it asked for, what it shows, and what went wrong.

use crate::support::PATIENCE;
use crate::support::webdriver::Browser;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A page has settled when nothing has been under way for so long.
const QUIET: Duration = Duration::from_millis(700);

/// A request of the page.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    /// Path and query, and a form behind them.
    pub(super) target: String,
    /// None where no answer came.
    status: Option<u64>,
    pub(super) body: String,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    UnderWay,
    /// What comes does not end.
    Streams,
    /// The body can be asked for.
    Done,
    /// The page itself did not want it any more.
    GivenUp,
    Failed,
}

impl Exchange {
    fn path(&self) -> &str {
        self.target.split(['?', ' ']).next().unwrap_or_default()
    }

    /// What the browser would call an error.
    fn problem(&self) -> Option<String> {
        match (self.status, self.state) {
            (Some(status @ 400..), _) => Some(format!("{status} {}", self.path())),
            (_, State::Failed) => Some(format!("failed {}", self.path())),
            (_, State::UnderWay | State::Streams | State::Done | State::GivenUp) => None,
        }
    }
}

/// What a page showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    /// What one can read, line by line.
    pub(super) text: String,
    /// The whole document, with what cannot be seen.
    document: String,
    address: String,
    exchanges: Vec<Exchange>,
    /// A PNG.
    pub(super) screenshot: Vec<u8>,
    /// Requests that failed, messages of the console, messages on the page; without what differs from run to run.
    pub(super) problems: BTreeSet<String>,
}

impl Visit {
    /// Goes to `url`, does there what `acts` says, and looks when nothing moves any more. `messages` finds what the program
    /// tells its users (CSS).
    pub(super) fn make(browser: &mut Browser, url: &str, messages: &str, acts: impl Fn(&mut Browser)) -> Self {
        // What another page asked for has no body any more.
        browser.open("about:blank");
        drop((browser.log("browser"), browser.log("performance")));
        let mut requests = Requests::default();
        browser.open(url);
        requests.settle(browser);
        acts(browser);
        requests.settle(browser);
        let mut visit = Self {
            screenshot: browser.screenshot(),
            document: text(browser, "return document.documentElement.outerHTML"),
            address: text(browser, "return location.href"),
            text: text(browser, "return document.body.innerText"),
            ..Self::default()
        };
        visit.problems.extend(requests.all.values().filter_map(Exchange::problem));
        visit.problems.extend(browser.log("browser").iter().filter_map(console));
        let script = format!(
            "return [...document.querySelectorAll({})].filter(each => each.checkVisibility()).map(each => each.innerText || each.title)",
            json!(messages)
        );
        let shown = browser.script(&script);
        let shown = shown.as_array().into_iter().flatten().filter_map(Value::as_str);
        visit.problems.extend(shown.map(|message| format!("shown: {}", said(message))));
        visit.exchanges = requests.all.into_values().collect();
        visit
    }

    /// The answers, requests and parts of the page that hold one of `words`.
    pub(super) fn places_with(&self, words: &[&str]) -> Vec<String> {
        let exchanges = self.exchanges.iter().map(|each| (each.target.as_str(), &each.body));
        let whole = [("the page's text", &self.text), ("the document", &self.document), ("the address", &self.address)];
        let has = |text: &str| words.iter().any(|word| text.to_ascii_lowercase().contains(word));
        exchanges.chain(whole).filter(|(name, text)| has(name) || has(text)).map(|(name, _)| name.to_owned()).collect()
    }

    /// What one can read, without what differs from run to run.
    pub(super) fn lines(&self) -> Vec<String> {
        // Marks of axes and ages.
        let differs = |line: &str| line.chars().all(|each| !each.is_alphabetic()) || line.ends_with(" ago");
        self.text.lines().map(timeless).filter(|line| !differs(line)).collect()
    }
}

/// What the page has asked for since it was opened.
#[derive(Debug, Default)]
struct Requests {
    all: BTreeMap<String, Exchange>,
}

impl Requests {
    /// Waits until nothing is under way, and keeps all bodies.
    fn settle(&mut self, browser: &mut Browser) {
        let deadline = Instant::now() + PATIENCE;
        let mut since = Instant::now();
        while since.elapsed() < QUIET {
            assert!(Instant::now() < deadline, "the page goes on and on: {:?}", self.under_way());
            std::thread::sleep(Duration::from_millis(50));
            if self.read(browser) || !self.under_way().is_empty() {
                since = Instant::now();
            }
        }
    }

    fn under_way(&self) -> Vec<&str> {
        let all = self.all.values().filter(|each| each.state == State::UnderWay);
        all.map(|each| each.target.as_str()).collect()
    }

    /// Takes in what has happened; whether anything has.
    fn read(&mut self, browser: &mut Browser) -> bool {
        let mut done = Vec::new();
        let mut has_changed = false;
        for entry in browser.log("performance") {
            let message: Value = serde_json::from_str(entry["message"].as_str().expect("a message")).expect("JSON");
            let (event, said) = (&message["message"]["method"], &message["message"]["params"]);
            let Some(id) = said["requestId"].as_str() else { continue };
            let Some(event) = event.as_str().and_then(|event| event.strip_prefix("Network.")) else { continue };
            if event == "requestWillBeSent" {
                let request = &said["request"];
                let url = request["url"].as_str().expect("a URL");
                // Images that stand in the page itself are not asked for.
                let Some((_, rest)) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
                    continue;
                };
                let form = request["postData"].as_str().map(|form| format!(" {form}")).unwrap_or_default();
                self.all.insert(id.to_owned(), Exchange { target: format!("/{rest}{form}"), ..Exchange::default() });
                has_changed = true;
            }
            let Some(exchange) = self.all.get_mut(id) else { continue };
            match event {
                "responseReceived" => {
                    exchange.status = said["response"]["status"].as_u64();
                    if said["response"]["mimeType"] == "text/event-stream" {
                        exchange.state = State::Streams;
                    }
                }
                "loadingFinished" => {
                    exchange.state = State::Done;
                    done.push(id.to_owned());
                }
                "loadingFailed" if said["canceled"] == true => exchange.state = State::GivenUp,
                "loadingFailed" => exchange.state = State::Failed,
                _ => continue,
            }
            has_changed = true;
        }
        for id in done {
            let body = browser.devtools("Network.getResponseBody", &json!({"requestId": id}));
            let exchange = self.all.get_mut(&id).expect("a request that is done");
            match body {
                Ok(body) => exchange.body = body["body"].as_str().unwrap_or_default().to_owned(),
                // What has no content has no body to be found.
                Err(error) => assert!(exchange.status == Some(204), "{}: {error}", exchange.target),
            }
        }
        has_changed
    }
}

fn text(browser: &mut Browser, script: &str) -> String {
    browser.script(script).as_str().expect("a text").to_owned()
}

/// What an entry of the console says is wrong.
fn console(entry: &Value) -> Option<String> {
    let message = entry["message"].as_str().expect("a message");
    if entry["level"] != "SEVERE" {
        return None;
    }
    // A request that failed: the same is known of it from its answer, but for the icon, which the browser asks for itself.
    if let Some((url, status)) =
        message.split_once(" - Failed to load resource: the server responded with a status of ")
    {
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        return Some(format!("{} /{}", &status[..3], path.split('?').next().unwrap_or_default()));
    }
    Some(format!("console: {}", said(message)))
}

/// A message, without what differs from run to run, and the filter's refusal in a word.
fn said(message: &str) -> String {
    if message.contains("nothing is served at this path for tenants") { "refused".into() } else { timeless(message) }
}

/// The same with `0` for each number, and one unit for short times: ports, times, ages and durations.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim().chars().peekable();
    while let Some(each) = rest.next() {
        match each {
            '0'..='9' if out.ends_with('0') => {}
            '.' if out.ends_with('0') && rest.peek().is_some_and(char::is_ascii_digit) => {}
            '0'..='9' => out.push('0'),
            '\n' => out.push(' '),
            _ => out.push(each),
        }
    }
    out.replace("0ms", "0s")
}
