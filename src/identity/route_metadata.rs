//! Identity from the metadata that the operator wrote on the route, the virtual host or the listener.

use super::{Credentials, IdentityCause, Place, struct_value, texts};

/// The values under `path` at the first place that has it. A bad value there is not passed over: the next place would
/// be somebody else's tenant.
///
/// # Errors
/// No place has the key, or the value is neither a text nor a list of texts.
pub(super) fn read(
    credentials: &impl Credentials,
    namespace: &str,
    path: &[String],
) -> Result<Vec<String>, IdentityCause> {
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    for place in Place::IN_ORDER {
        let Some(metadata) = credentials.place_metadata(place) else { continue };
        let find =
            |path: &[&str]| struct_value::find(&metadata, namespace, path).map_err(|_| IdentityCause::Undecodable);
        if let Some(value) = find(&segments)? {
            return texts(value);
        }
        // The key is there and leads nowhere: a mistake of this place, not a reason to ask the next.
        if let [first, _, ..] = segments.as_slice()
            && find(&[first])?.is_some()
        {
            break;
        }
    }
    Err(IdentityCause::NoRouteMetadata { path: path.to_vec() })
}
