//! Identity from a claim of a token that jwt_authn has verified, read from the request's dynamic metadata.
//!
//! Dynamic metadata is the one place that a client cannot write to; and only its typed form tells a text from a list.

use super::{IdentityCause, struct_value, texts};
use crate::config::policy::JwtMetadata;

/// The values of the claim at `path`.
///
/// # Errors
/// No token, no such claim, or a claim that is neither a text nor a list of texts.
pub(super) fn read(metadata: &[u8], jwt: &JwtMetadata, path: &[String]) -> Result<Vec<String>, IdentityCause> {
    let find =
        |path: &[&str]| struct_value::find(metadata, &jwt.namespace, path).map_err(|_| IdentityCause::Undecodable);
    let mut segments = vec![jwt.payload_key.as_str()];
    segments.extend(path.iter().map(String::as_str));
    match find(&segments)? {
        Some(value) => texts(value),
        None if find(&[&jwt.payload_key])?.is_none() => Err(IdentityCause::NoToken),
        None => Err(IdentityCause::NoClaim { path: path.to_vec() }),
    }
}
