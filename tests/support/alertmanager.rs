//! A real Alertmanager, without a cluster and without anybody to notify.

use super::client::{Body, Response, get, request, send};
use super::process::{Process, directory};
use super::{form, parts};
use serde_json::{Value, json};
use std::fs;

/// A running Alertmanager; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    pub(crate) port: u16,
    process: Process,
}

impl Alertmanager {
    /// An empty one.
    pub(crate) fn start(more: &[&str]) -> Self {
        let home = directory("alertmanager");
        let (data, configuration) = (home.join("data"), home.join("alertmanager.yml"));
        fs::write(&configuration, "route: {receiver: nobody, group_by: [tenant]}\nreceivers: [{name: nobody}]\n")
            .expect("the configuration is written");
        let arguments = |port| {
            let mut arguments = vec![
                format!("--config.file={}", configuration.display()),
                format!("--storage.path={}", data.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--cluster.listen-address=".to_owned(),
            ];
            arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
            arguments
        };
        let log = home.join("alertmanager.log");
        let (port, process) = Process::serve(&parts::alertmanager(), arguments, &log, "/-/ready");
        Self { port, process }
    }

    /// One for each way of reading matchers that this version has.
    pub(crate) fn of_each_grammar() -> Vec<(Grammar, Self)> {
        let usual = Self::start(&[]);
        // Before 0.27 there is one way, and no flag.
        if usual.alerts(&[r#""a.b"="c""#.to_owned()]).status == 400 {
            return vec![(Grammar::Classic, usual)];
        }
        let with = |feature: &str| Self::start(&[&format!("--enable-feature={feature}")]);
        vec![
            (Grammar::Utf8, usual),
            (Grammar::Classic, with("classic-mode")),
            (Grammar::Utf8, with("utf8-strict-mode")),
        ]
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        send(self.port, &get(target))
    }

    pub(crate) fn delete(&self, target: &str) -> Response {
        send(self.port, &request("DELETE", target))
    }

    fn post(&self, target: &str, body: &str) -> Response {
        let body = Body::Length(body.as_bytes().to_vec());
        send(self.port, &request("POST", target).header("content-type", "application/json").body(body))
    }

    /// Fires one alert for each set of labels.
    pub(crate) fn fire(&self, alerts: &[Value]) {
        let alerts: Vec<_> = alerts.iter().map(|labels| json!({ "labels": labels })).collect();
        let answer = self.post("/api/v2/alerts", &json!(alerts).to_string());
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), self.process.log_tail());
    }

    /// The answer to a request for the alerts that each of these texts selects.
    pub(crate) fn alerts(&self, filters: &[String]) -> Response {
        self.get(&format!("/api/v2/alerts?{}", parameters(filters)))
    }

    /// The same by groups, of which there is one for each tenant. An alert comes to its group a moment after it has come.
    pub(crate) fn groups(&self, filters: &[String]) -> Response {
        self.get(&format!("/api/v2/alerts/groups?{}", parameters(filters)))
    }

    /// The answer to a silence.
    pub(crate) fn silence(&self, body: &str) -> Response {
        self.post("/api/v2/silences", body)
    }

    /// The id of a silence that it takes.
    pub(crate) fn silenced(&self, body: &str) -> String {
        let answer = self.silence(body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        answer.json()["silenceID"].as_str().expect("an id").to_owned()
    }
}

fn parameters(filters: &[String]) -> String {
    filters.iter().map(|filter| format!("filter={}", form::encode(filter))).collect::<Vec<_>>().join("&")
}

/// How an Alertmanager reads matchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// Names of labels are of the classic alphabet.
    Classic,
    /// Names may be any text, in quotes.
    Utf8,
}
