//! An OCI image layout as a client reads it: nothing is believed that its digest does not vouch for.

use ring::digest::{SHA256, digest};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The digest of `bytes`, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) struct Layout {
    folder: PathBuf,
    pub(super) index: Value,
}

impl Layout {
    pub(super) fn open(folder: &Path) -> Self {
        let index = fs::read(folder.join("index.json")).expect("an index");
        Self { folder: folder.to_owned(), index: serde_json::from_slice(&index).expect("JSON") }
    }

    /// Where the blob of a descriptor is.
    pub(super) fn path(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().expect("a digest");
        self.folder.join("blobs").join(digest.replace(':', "/"))
    }

    /// The blob of a descriptor, which is what it says.
    pub(super) fn read(&self, descriptor: &Value) -> Vec<u8> {
        let bytes = fs::read(self.path(descriptor)).expect("a blob");
        assert_eq!(descriptor["size"], bytes.len(), "{descriptor}");
        assert_eq!(descriptor["digest"], format!("sha256:{}", sha256(&bytes)));
        bytes
    }

    pub(super) fn json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&self.read(descriptor)).expect("JSON")
    }

    /// The manifest of the image.
    pub(super) fn image(&self) -> Value {
        self.json(&self.index["manifests"][0])
    }
}
