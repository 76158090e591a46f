//! An Envoy whose one listener, or the filter in it, comes from a file, and is replaced while it serves.

use super::envoy::{Envoy, Listener, PLUGIN, WASM, bootstrap, cluster};
use super::eventually;
use super::process::directory;
use super::upstream::Upstream;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the listener.
pub(crate) const UPDATED: &str = "updated";

/// What comes from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// The listener (LDS).
    Listener,
    /// The module's filter (ECDS); the listener stands in the bootstrap.
    Filter,
}

impl Discovery {
    /// A bootstrap that reads `file`, with the upstream on this port.
    pub(crate) fn bootstrap(self, file: &Path, upstream: u16) -> Value {
        let source = json!({"resource_api_version": "V3", "path_config_source": {"path": file}});
        let clusters = vec![cluster("upstream", upstream, false)];
        let mut all = match self {
            Self::Listener => {
                let mut all = bootstrap(&[], clusters);
                all["dynamic_resources"] = json!({"lds_config": source});
                all
            }
            Self::Filter => {
                let filter =
                    json!({"name": PLUGIN, "config_discovery": {"config_source": source, "type_urls": [WASM]}});
                bootstrap(&[Listener::bare(UPDATED).behind(filter)], clusters)
            }
        };
        all["node"] = json!({"id": "lab", "cluster": "lab"});
        all
    }

    /// The text of the file that brings `listener`, or its filter.
    pub(crate) fn text(self, listener: &Listener) -> String {
        let (kind, mut resource) = match self {
            Self::Listener => ("envoy.config.listener.v3.Listener", listener.resource()),
            Self::Filter => ("envoy.config.core.v3.TypedExtensionConfig", listener.filter().expect("a filter")),
        };
        resource["@type"] = json!(format!("type.googleapis.com/{kind}"));
        json!({"resources": [resource]}).to_string()
    }
}

/// An Envoy whose one listener, or its filter, comes from a file.
#[derive(Debug)]
pub(crate) struct Updated {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    file: PathBuf,
    discovery: Discovery,
}

impl Updated {
    /// One whose listener comes from a file.
    pub(crate) fn start(listener: &Listener, further: &[&str]) -> Self {
        Self::by(Discovery::Listener, listener, further)
    }

    pub(crate) fn by(discovery: Discovery, listener: &Listener, further: &[&str]) -> Self {
        let upstream = Upstream::start();
        let home = directory("envoy-updated");
        let file = home.join("discovery").join("resources.json");
        fs::create_dir_all(file.parent().expect("a parent")).expect("a directory for the file");
        write(&file, &discovery.text(listener));
        let envoy = Envoy::start_in(&home, &discovery.bootstrap(&file, upstream.port), further);
        Self { envoy, upstream, file, discovery }
    }

    pub(crate) fn statistic(&self, name: &str) -> u64 {
        self.envoy.statistics().get(name).copied().unwrap_or_default()
    }

    /// Replaces the listener, or its filter, and waits for the statistic that tells of it.
    pub(crate) fn update(&mut self, listener: &Listener, statistic: &str) {
        self.update_text(&self.discovery.text(listener), statistic);
    }

    /// The same with any text in the file.
    pub(crate) fn update_text(&mut self, text: &str, statistic: &str) {
        let before = self.statistic(statistic);
        write(&self.file, text);
        eventually(statistic, || (self.statistic(statistic) > before).then_some(()));
        self.envoy.read_ports();
    }
}

/// As operators do it: a new file is moved over the old one.
pub(crate) fn write(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("the file is written");
    fs::rename(&new, file).expect("the file is moved");
}
