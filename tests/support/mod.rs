//! The lab: a real Envoy, a real Prometheus, a real Alertmanager, a recording upstream, and clients that may misbehave.
//!
//! Owns processes, ports and bytes. Must not know what the filter ought to do: expectations stand in the tests, and
//! nothing here calls the crate under test, so that a bug cannot agree with itself.

pub(crate) mod alertmanager;
#[expect(unreachable_pub, reason = "the fuzz targets share it, from a crate of their own")]
pub(crate) mod answers;
pub(crate) mod bench;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod data;
pub(crate) mod envoy;
pub(crate) mod form;
pub(crate) mod parts;
pub(crate) mod process;
pub(crate) mod prom_label_proxy;
pub(crate) mod prometheus;
#[path = "../../src/bin/prom-label-filter/protobuf.rs"]
pub(crate) mod protobuf;
pub(crate) mod reading;
pub(crate) mod remote_read;
pub(crate) mod remote_write;
pub(crate) mod thanos;
pub(crate) mod tokenizer;
pub(crate) mod tokens;
pub(crate) mod updated;
pub(crate) mod upstream;
pub(crate) mod verifier;
pub(crate) mod webdriver;

use std::sync::LazyLock;
use std::time::Duration;

/// Longer than anything takes on a loaded machine; only a failure waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One runtime for every server and HTTP/2 client of the lab; the tests themselves are ordinary blocking code.
pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime for the lab")
});

/// Asks `probe` until it answers, for events that no file descriptor announces.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
