//! A headless Chromium, told what to do through ChromeDriver (the WebDriver protocol).
//!
//! Needs Debian's `chromium` and `chromium-driver` (`make browser`).

use super::client::Connection;
use super::process::{Process, directory};
use super::{eventually, parts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;

/// The key that an element's reference stands under.
// WebDriver: "web element identifier"
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Browser {
    // Each on its own, so that both end with the tests: a browser that ChromeDriver started would outlive it.
    _chromium: Process,
    _driver: Process,
    connection: Connection,
    session: String,
}

/// An element of the page.
struct Element(String);

impl Browser {
    pub(crate) fn start() -> Self {
        let home = directory("browser");
        let profile = home.join("profile");
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            // What a browser asks its maker for is not part of a page.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--no-first-run".to_owned(),
            "--window-size=1400,1000".to_owned(),
            "--remote-debugging-port=0".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            "about:blank".to_owned(),
        ];
        let mut chromium = Process::start(&parts::chromium(), &arguments, home.join("chromium.log"));
        let debugger: u16 = eventually("Chromium's port", || {
            assert!(chromium.ended().is_none(), "Chromium has ended: {}", chromium.log_tail());
            fs::read_to_string(profile.join("DevToolsActivePort")).ok()?.lines().next()?.parse().ok()
        });
        let mut driver = Process::start(&parts::chromedriver(), &["--port=0".into()], home.join("chromedriver.log"));
        let port: u16 = eventually("ChromeDriver's port", || {
            assert!(driver.ended().is_none(), "ChromeDriver has ended: {}", driver.log_tail());
            driver.log().split_once("successfully on port ")?.1.split_once('.')?.0.parse().ok()
        });
        let capabilities = json!({"alwaysMatch": {
            "goog:chromeOptions": {"debuggerAddress": format!("127.0.0.1:{debugger}")},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }});
        let connection = Connection::open(port);
        let mut browser = Self { _chromium: chromium, _driver: driver, connection, session: String::new() };
        let created = browser.command("POST", "", &json!({ "capabilities": capabilities }));
        browser.session = format!("/{}", created["sessionId"].as_str().expect("a session"));
        browser
    }

    /// Goes to `url` and waits until the page's own files are there.
    pub(crate) fn open(&mut self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// All elements that `selector` finds now: CSS, or XPath from `//` on.
    fn elements(&mut self, selector: &str) -> Vec<Element> {
        let using = if selector.starts_with("//") { "xpath" } else { "css selector" };
        let found = self.command("POST", "/elements", &json!({"using": using, "value": selector}));
        let found = found.as_array().expect("elements").iter();
        found.filter_map(|element| element[ELEMENT].as_str().map(|id| Element(id.to_owned()))).collect()
    }

    /// Waits until there is what `selector` finds.
    pub(crate) fn wait_for(&mut self, selector: &str) {
        eventually(selector, || (!self.elements(selector).is_empty()).then_some(()));
    }

    /// Presses the mouse on what `selector` finds.
    pub(crate) fn click(&mut self, selector: &str) {
        self.act(selector, "click", &json!({}));
    }

    /// Types `text` into what `selector` finds.
    pub(crate) fn type_into(&mut self, selector: &str, text: &str) {
        self.act(selector, "value", &json!({ "text": text }));
    }

    /// As soon as it can be done: what moves or is drawn again is out of reach for a moment.
    fn act(&mut self, selector: &str, command: &str, body: &Value) {
        eventually(&format!("{command} at {selector}"), || {
            let element = self.elements(selector).into_iter().next()?;
            self.ask("POST", &format!("/element/{}/{command}", element.0), body).ok()
        });
    }

    /// What a script answers, the body of a function.
    pub(crate) fn script(&mut self, body: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({"script": body, "args": []}))
    }

    /// The window as a PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let image = self.command("GET", "/screenshot", &Value::Null);
        STANDARD.decode(image.as_str().expect("an image")).expect("base64")
    }

    /// What `kind` of log (`browser` or `performance`) has gained since it was last asked for.
    pub(crate) fn log(&mut self, kind: &str) -> Vec<Value> {
        let entries = self.command("POST", "/se/log", &json!({ "type": kind }));
        entries.as_array().expect("a log").clone()
    }

    /// A command of Chromium's own protocol; an error is its text.
    pub(crate) fn devtools(&mut self, command: &str, parameters: &Value) -> Result<Value, String> {
        self.ask("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn command(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        answer.unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // ChromeDriver serves nobody who calls it by another name.
        let head = format!(
            "{method} /session{}{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            self.session,
            body.len()
        );
        self.connection.write(format!("{head}{body}").as_bytes());
        let answer = self.connection.read(method);
        let value = answer.json()["value"].take();
        if answer.status == 200 { Ok(value) } else { Err(value.to_string()) }
    }
}
