//! Identity from a trusted request header, which the proxy in front sets and this filter removes.

use super::IdentityCause;
use crate::config::policy::HeaderSyntax;
use crate::request::Headers;

/// The values under `name`: each line is one, or a list of them.
///
/// # Errors
/// The header is missing, or a value is not UTF-8.
pub(super) fn read<'a>(headers: &'a Headers, name: &str, syntax: HeaderSyntax) -> Result<Vec<&'a str>, IdentityCause> {
    if !headers.contains(name) {
        return Err(IdentityCause::NoHeader { name: name.to_owned() });
    }
    let mut values = Vec::new();
    for line in headers.values(name) {
        let line = std::str::from_utf8(line).map_err(|_| IdentityCause::NotText)?;
        match syntax {
            HeaderSyntax::ValuePerLine => values.push(line),
            HeaderSyntax::CommaList => values.extend(line.split(',').map(|item| item.trim_matches([' ', '\t']))),
        }
    }
    Ok(values)
}
