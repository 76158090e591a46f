//! Who asks, as the user says it, in the form in which Envoy would hold it.
//!
//! Owns the namespaces that the policy reads, and the payload of a token. Must not know what a rule makes of it.

use super::protobuf;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use prom_label_filter::config::Policy;
use prom_label_filter::config::policy::CertificatePart;
use prom_label_filter::identity::{Credentials, Place};
use prom_label_filter::value::Value;

/// What the user says of a request's identity, beyond its headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// The payload of a verified token.
    pub(crate) claims: Option<Value>,
    /// The metadata of the route, in the namespace that the policy reads.
    pub(crate) route: Option<Value>,
    /// The same of the virtual host.
    pub(crate) virtual_host: Option<Value>,
    /// The same of the listener.
    pub(crate) listener: Option<Value>,
    /// The certificate that the client has shown.
    pub(crate) certificate: Option<Certificate>,
}

/// A client's certificate, as Envoy shows it.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Certificate {
    /// The first URI among its alternative names.
    pub(crate) uri_san: String,
    /// The first DNS name among them.
    pub(crate) dns_san: String,
    /// Its subject as RFC 2253 writes one: `CN=web,OU=team-fruit`.
    pub(crate) subject: String,
}

/// What Envoy would answer the filter.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    said: &'a Said,
    policy: &'a Policy,
}

impl Said {
    /// The same where `policy` looks for it.
    pub(crate) fn under<'a>(&'a self, policy: &'a Policy) -> Held<'a> {
        Held { said: self, policy }
    }
}

impl Credentials for Held<'_> {
    // Envoy: jwt_authn puts the payload under `payload_in_metadata` in its own namespace.
    fn dynamic_metadata(&self) -> Option<Vec<u8>> {
        let claims = self.said.claims.clone()?;
        let jwt = &self.policy.jwt;
        let content = Value::Object(vec![(jwt.payload_key.clone(), claims)]);
        Some(protobuf::metadata(&[(&jwt.namespace, &content)]))
    }

    fn place_metadata(&self, place: Place) -> Option<Vec<u8>> {
        let content = match place {
            Place::Route => &self.said.route,
            Place::VirtualHost => &self.said.virtual_host,
            Place::Listener => &self.said.listener,
        };
        Some(protobuf::metadata(&[(&self.policy.route_metadata_namespace, content.as_ref()?)]))
    }

    fn peer_certificate(&self, part: CertificatePart) -> Option<Vec<u8>> {
        let Certificate { uri_san, dns_san, subject } = self.said.certificate.as_ref()?;
        let text = match part {
            CertificatePart::UriSan => uri_san,
            CertificatePart::DnsSan => dns_san,
            CertificatePart::SubjectCn | CertificatePart::SubjectOu | CertificatePart::SubjectO => subject,
        };
        Some(text.clone().into_bytes())
    }
}

/// The payload of a JSON Web Token, whose signature nobody has looked at; `None` when it is no such token.
// RFC 7519, 7515
pub(crate) fn unverified_payload(token: &str) -> Option<Value> {
    let token = token.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&base64::alphabet::URL_SAFE, padding).decode(payload).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|payload| matches!(payload, Value::Object(_)))
}
