//! Certificates, made by openssl when the tests run: no key is ever kept. And a client that shows them, which is curl.

use super::client::{LAB_ID, Request};
use super::process::directory;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// Who signs certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    home: PathBuf,
}

/// The one that Envoy trusts, which has also signed Envoy's own certificate.
pub(crate) static TRUSTED: LazyLock<Authority> = LazyLock::new(|| Authority::new("trusted"));
/// One that nobody trusts.
pub(crate) static STRANGER: LazyLock<Authority> = LazyLock::new(|| Authority::new("stranger"));

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is there");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Authority {
    fn new(name: &str) -> Self {
        let authority = Self { home: directory(&format!("authority-{name}")) };
        let (key, certificate) = (authority.file("ca.key"), authority.file("ca.pem"));
        let subject = format!("/CN=The {name} authority");
        openssl(
            &[&["req", "-x509", "-subj", &subject, "-days", "2", "-keyout", &key, "-out", &certificate][..], &NEW_KEY]
                .concat(),
        );
        authority
    }

    fn file(&self, name: &str) -> String {
        self.home.join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// A certificate with this subject, as openssl's `-subj` writes it, and these alternative names.
    pub(crate) fn issue(&self, name: &str, subject: &str, alternative_names: &str) -> Certificate {
        let part = |end: &str| self.file(&format!("{name}.{end}"));
        let (key, request, certificate) = (part("key"), part("csr"), part("pem"));
        let asked = ["req", "-new", "-utf8", "-multivalue-rdn", "-subj", subject, "-keyout", &key, "-out", &request];
        openssl(&[&asked[..], &NEW_KEY].concat());
        let (ca, ca_key, extensions) = (self.file("ca.pem"), self.file("ca.key"), part("ext"));
        let names =
            if alternative_names.is_empty() { String::new() } else { format!("subjectAltName={alternative_names}\n") };
        std::fs::write(&extensions, format!("basicConstraints=CA:FALSE\n{names}")).expect("a file");
        let arguments =
            ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "2"];
        openssl(&[&arguments[..], &["-extfile", &extensions, "-out", &certificate]].concat());
        Certificate { certificate: certificate.into(), key: key.into() }
    }

    /// What Envoy's `validation_context` needs to trust it.
    pub(crate) fn trusted_ca(&self) -> Value {
        json!({"trusted_ca": {"filename": self.file("ca.pem")}})
    }
}

/// A listener's transport socket, with Envoy's own certificate and what it asks of clients.
pub(crate) fn transport_socket(require: bool, validation: Value) -> Value {
    static OWN: LazyLock<Certificate> = LazyLock::new(|| TRUSTED.issue("envoy", "/CN=localhost", "DNS:localhost"));
    let mut common = json!({"tls_certificates": [{
        "certificate_chain": {"filename": OWN.certificate},
        "private_key": {"filename": OWN.key},
    }]});
    if !validation.is_null() {
        common["validation_context"] = validation;
    }
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": require,
            "common_tls_context": common,
        },
    })
}

/// Sends a GET with `certificate`: the status and the body; `None` when there was no connection.
pub(crate) fn send(port: u16, request: &Request, certificate: Option<&Certificate>) -> Option<(u16, String)> {
    let target = String::from_utf8(request.target.clone()).expect("text");
    let mut curl = Command::new("curl");
    curl.args(["-s", "-g", "-k", "--max-time", "10", "-w", "\n%{http_code}"]);
    curl.args(["-H", &format!("{LAB_ID}: {}", request.id)]);
    for (name, value) in &request.headers {
        curl.args(["-H", &format!("{name}: {}", String::from_utf8_lossy(value))]);
    }
    if let Some(Certificate { certificate, key }) = certificate {
        curl.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    let output = curl.arg(format!("https://127.0.0.1:{port}{target}")).output().expect("curl is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("curl writes the status");
    let status: u16 = status.parse().expect("a status");
    (status > 0).then(|| (status, body.to_owned()))
}
