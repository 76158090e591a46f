//! The attacks: what a tenant with a good token may send to see more than its own, or to hurt others.
//!
//! A group a file, a table of attacks each. Behind the filter stands a hop that writes down what arrives, and behind that a
//! Prometheus in which each thing of the victim's holds a word that must not come back. Both oracles look at every
//! attack, whatever it expects; where no filter stands, they object.

mod alertmanager;
mod answers;
mod attack;
mod bodies;
mod control;
mod encodings;
mod field;
mod hop;
mod lifecycle;
mod members;
mod owner;
mod paths;
mod pollution;
mod promql;
mod remote_read;
mod secrets;
mod spoofing;
mod targets;
mod tenants;

use crate::support::client::{Request, get};
use crate::support::form::encode;
use attack::Attack;

/// A table of attacks and its name.
type Group = (&'static str, fn() -> Vec<Attack>);

/// The tables of attacks. What needs more than a request is in `lifecycle`.
const GROUPS: [Group; 11] = [
    ("pollution", pollution::attacks),
    ("encodings", encodings::attacks),
    ("bodies", bodies::attacks),
    ("paths", paths::attacks),
    ("promql", promql::attacks),
    ("tenants", tenants::attacks),
    ("spoofing", spoofing::attacks),
    ("targets", targets::attacks),
    ("remote_read", remote_read::attacks),
    ("answers", answers::attacks),
    ("alertmanager", alertmanager::attacks),
];

/// Everything there is.
const ALL: &str = r#"{__name__=~".+"}"#;

/// The victim's, percent-encoded.
const VICTIMS: &str = "%7Btenant%3D%22victim%22%7D";

/// A GET with these parameters, percent-encoded.
fn ask(path: &str, parameters: &[(&str, &str)]) -> Request {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    get(format!("{path}?{}", pairs.join("&")))
}
