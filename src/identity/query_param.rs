//! Identity from a parameter of the URL or the form, which the proxy in front sets and this filter removes.

use super::IdentityCause;
use crate::form::Parameter;

/// The values of the parameter `name`; none when it is in neither place.
///
/// A proxy that sets the URL's parameter leaves the form to the client. So where both have it, the form can only repeat
/// what the URL says.
///
/// # Errors
/// The places differ, or a value is not UTF-8.
pub(super) fn read<'a>(
    url: &'a [Parameter<'_>],
    form: &'a [Parameter<'_>],
    name: &str,
) -> Result<Vec<&'a str>, IdentityCause> {
    let (in_url, in_form) = (values(url, name)?, values(form, name)?);
    if in_url.is_empty() {
        return Ok(in_form);
    }
    if in_form.iter().any(|value| !in_url.contains(value)) {
        return Err(IdentityCause::ParameterInTwoPlaces { name: name.to_owned() });
    }
    Ok(in_url)
}

fn values<'a>(parameters: &'a [Parameter<'_>], name: &str) -> Result<Vec<&'a str>, IdentityCause> {
    let sent = parameters.iter().filter(|parameter| *parameter.name == *name.as_bytes());
    sent.map(|parameter| std::str::from_utf8(&parameter.value).map_err(|_| IdentityCause::NotText)).collect()
}
