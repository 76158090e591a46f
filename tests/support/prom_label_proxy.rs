//! A real prom-label-proxy.
//!
//! Needs the peers (`make test-peers`).

use super::parts;
use super::process::{Process, directory};

/// Starts one with these flags, and finds it a port to listen on.
pub(crate) fn start(flags: &[String]) -> (u16, Process) {
    let arguments =
        |port| flags.iter().cloned().chain([format!("-insecure-listen-address=127.0.0.1:{port}")]).collect::<Vec<_>>();
    let log = directory("prom-label-proxy").join("prom-label-proxy.log");
    Process::serve(&parts::peer("prom-label-proxy"), arguments, &log, "/healthz")
}
