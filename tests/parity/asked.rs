//! What an upstream is asked, to be compared: by meaning, wherever a parameter stands.

use super::judge::Judge;
use crate::support::upstream::Recorded;

/// What is asked of the upstream: method, path, and parameters with their meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    method: String,
    path: String,
    parameters: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn new(method: &str, path: &str, mut parameters: Vec<(String, String)>) -> Self {
        parameters.sort();
        // Selectors are a set: one that comes twice selects no more.
        parameters.dedup_by(|one, other| one == other && one.0 == "match[]");
        Self { method: method.to_owned(), path: path.to_owned(), parameters }
    }

    /// What was received, in the URL and in the form.
    pub(super) fn of(recorded: &Recorded, judge: &mut Judge) -> Self {
        let is_form =
            recorded.all("content-type").iter().any(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form = if is_form { recorded.form_parameters() } else { Vec::new() };
        let all = recorded.url_parameters().into_iter().chain(form).collect();
        Self::read(&recorded.method, &recorded.path(), all, judge)
    }

    /// What a test has written: `GET /path?a=b`, its parameters decoded.
    pub(super) fn written(text: &str, judge: &mut Judge) -> Self {
        let (method, target) = text.split_once(' ').expect("a method");
        let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
        let pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
        let all = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::read(method, path, all, judge)
    }

    fn read(method: &str, path: &str, mut parameters: Vec<(String, String)>, judge: &mut Judge) -> Self {
        for (name, value) in &mut parameters {
            *value = match name.as_str() {
                "query" | "match[]" => judge.meaning(value).to_string(),
                // Alertmanager's matchers are PromQL's. Some select everything, which PromQL refuses alone.
                "filter" => judge.meaning(&format!("filter{{{value}}}")).to_string(),
                _ => continue,
            };
        }
        Self::new(method, path, parameters)
    }
}
