//! Where the parts of the lab are: the module, Envoy, Prometheus, Alertmanager. A part that is missing is a failure, never a skipped test.

use std::env;
use std::path::{Path, PathBuf};

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The module as `make build` leaves it.
pub(crate) fn module() -> PathBuf {
    file("PLF_MODULE", "target/prom-label-filter.wasm", "the module")
}

/// The test build of the module whose request-headers callback traps on `x-danger-test-trap: 1`.
pub(crate) fn trap_module() -> PathBuf {
    file("PLF_TRAP_MODULE", "target/prom-label-filter-trap.wasm", "the module's test build that traps")
}

/// The Envoy binary.
pub(crate) fn envoy() -> PathBuf {
    program("ENVOY", &["envoy"])
}

/// The Prometheus binary.
pub(crate) fn prometheus() -> PathBuf {
    program("PROMETHEUS", &["prometheus"])
}

/// Prometheus's tool, which writes the test data.
pub(crate) fn promtool() -> PathBuf {
    program("PROMTOOL", &["promtool"])
}

/// The Alertmanager binary, which has another name in Debian.
pub(crate) fn alertmanager() -> PathBuf {
    program("ALERTMANAGER", &["alertmanager", "prometheus-alertmanager"])
}

/// Alertmanager's tool.
pub(crate) fn amtool() -> PathBuf {
    program("AMTOOL", &["amtool"])
}

/// The browser.
pub(crate) fn chromium() -> PathBuf {
    program("CHROMIUM", &["chromium"])
}

/// What drives the browser.
pub(crate) fn chromedriver() -> PathBuf {
    program("CHROMEDRIVER", &["chromedriver"])
}

/// A peer's program, built from source: `thanos`, `prom-label-proxy`, or the current `prometheus`, `promtool`, `alertmanager`,
/// `amtool`. The tests that need one are ignored but for `make test-peers`.
pub(crate) fn peer(name: &str) -> PathBuf {
    let program = peers().join(name);
    assert!(program.is_file(), "{name} is missing (PLF_PEERS or .cache/peers/bin): run make test-peers");
    program
}

/// The folder in which the current Prometheus finds its own pages when it is started there.
pub(crate) fn pages() -> PathBuf {
    let folder = peers().with_file_name("prometheus");
    assert!(folder.join("web/ui/static").is_dir(), "Prometheus's pages are missing: run make browser");
    folder
}

fn peers() -> PathBuf {
    env::var_os("PLF_PEERS").map_or_else(|| checkout().join(".cache/peers/bin"), PathBuf::from)
}

fn file(variable: &str, usual: &str, what: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| checkout().join(usual), PathBuf::from);
    assert!(path.is_file(), "{what} is missing ({variable} or {usual}): run make test");
    path
}

/// What `variable` names, else what `make` has brought, else a program on PATH that has one of these names.
pub(crate) fn program(variable: &str, names: &[&str]) -> PathBuf {
    if let Some(given) = env::var_os(variable) {
        let given = PathBuf::from(given);
        assert!(given.is_file(), "{variable} names no file: run make test");
        return given;
    }
    let cached = checkout().join(".cache/bin");
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    std::iter::once(cached)
        .chain(on_path)
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{names:?} is missing ({variable}, .cache/bin or PATH): run make test"))
}
