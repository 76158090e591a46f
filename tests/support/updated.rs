//! An Envoy whose one listener comes from a file, and is replaced while it serves.

use super::envoy::{Envoy, Listener, cluster};
use super::eventually;
use super::process::directory;
use super::upstream::Upstream;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the listener.
pub(crate) const UPDATED: &str = "updated";

/// An Envoy whose one listener comes from a file.
#[derive(Debug)]
pub(crate) struct Updated {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    file: PathBuf,
}

impl Updated {
    pub(crate) fn start(listener: &Listener, further: &[&str]) -> Self {
        let upstream = Upstream::start();
        let home = directory("envoy-lds");
        let file = home.join("lds").join("listeners.json");
        fs::create_dir_all(file.parent().expect("a parent")).expect("a directory for the listeners");
        write(&file, listener);
        let bootstrap = json!({
            "node": {"id": "lab", "cluster": "lab"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "dynamic_resources": {"lds_config": {"resource_api_version": "V3", "path_config_source": {
                "path": file,
                "watched_directory": {"path": file.parent()},
            }}},
            "static_resources": {"clusters": [cluster("upstream", upstream.port, false)]},
        });
        let envoy = Envoy::start_in(&home, &bootstrap, further);
        Self { envoy, upstream, file }
    }

    pub(crate) fn statistic(&self, name: &str) -> u64 {
        self.envoy.statistics().get(name).copied().unwrap_or_default()
    }

    /// Replaces the listener and waits for the statistic that tells of it.
    pub(crate) fn update(&mut self, listener: &Listener, statistic: &str) {
        let before = self.statistic(statistic);
        write(&self.file, listener);
        eventually(statistic, || (self.statistic(statistic) > before).then_some(()));
        self.envoy.read_ports();
    }
}

/// As operators do it: a new file is moved over the old one.
fn write(file: &Path, listener: &Listener) {
    let mut resource = listener.resource();
    resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let new = file.with_extension("new");
    fs::write(&new, json!({"resources": [resource]}).to_string()).expect("the listener is written");
    fs::rename(&new, file).expect("the file is moved");
}
