//! Signing keys and tokens, made when the tests run: no key is ever kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The issuer of every token of the lab.
pub(crate) const ISSUER: &str = "https://idp.example.com/";

/// Another issuer, whose key Envoy trusts only where it is told to.
pub(crate) const PARTNER: &str = "https://partner.example.com/";

static OURS: LazyLock<EcdsaKeyPair> = LazyLock::new(new_key);
static PARTNERS: LazyLock<EcdsaKeyPair> = LazyLock::new(new_key);
static STRANGER: LazyLock<EcdsaKeyPair> = LazyLock::new(new_key);

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("the key just made")
}

/// The key set that Envoy trusts.
pub(crate) fn key_set() -> String {
    key_set_of(&OURS)
}

/// The key set of [`PARTNER`].
pub(crate) fn partners_key_set() -> String {
    key_set_of(&PARTNERS)
}

fn key_set_of(key: &EcdsaKeyPair) -> String {
    let point = key.public_key().as_ref();
    let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": coordinate(1..33), "y": coordinate(33..65)}]})
        .to_string()
}

/// A token that Envoy accepts, with `claims` beside the usual ones.
pub(crate) fn token(claims: &Value) -> String {
    sign(&OURS, ISSUER, claims)
}

/// A token of [`PARTNER`].
pub(crate) fn partners_token(claims: &Value) -> String {
    sign(&PARTNERS, PARTNER, claims)
}

/// A token of the same content signed by a key that nobody trusts.
pub(crate) fn forged_token(claims: &Value) -> String {
    sign(&STRANGER, ISSUER, claims)
}

fn sign(key: &EcdsaKeyPair, issuer: &str, claims: &Value) -> String {
    let mut payload = json!({"iss": issuer, "sub": "somebody", "exp": 4_102_444_800_u64});
    for (name, value) in claims.as_object().expect("claims are an object") {
        payload[name] = value.clone();
    }
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
