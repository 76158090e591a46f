//! Texts that must have a certain form: label names and values, header and parameter names, functions, the path prefix.
//!
//! Each check takes one text and says what is wrong with it. Must not know where in the configuration it stands.

use super::error::quoted;
use super::policy::{NamedSegment, PathPrefix};
use crate::identity::capture::Capture;
use crate::route;
use crate::scope::{LabelName, LabelValue, Pattern};

pub(super) fn label_name(text: &str) -> Result<LabelName, String> {
    LabelName::new(text).map_err(|why| why.to_string())
}

pub(super) fn label_value(text: &str) -> Result<LabelValue, String> {
    LabelValue::new(text).map_err(|why| why.to_string())
}

/// A value that stands for a pattern.
pub(super) fn pattern(text: &str) -> Result<LabelValue, String> {
    let value = label_value(text)?;
    Pattern::new(value.clone()).map(|_| value).map_err(|why| format!("{} {why}", quoted(text)))
}

/// An identity as a token or a header would hold it: what no request can carry would never match.
pub(super) fn identity(text: &str) -> Result<String, String> {
    label_value(text).map(|_| text.to_owned())
}

pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Headers that a request cannot lose, or that Envoy or the filter write themselves.
const HEADERS_OF_HTTP: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Headers that hold a secret; an identity is written into queries and logs.
const HEADERS_OF_SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

// RFC 9110, 5.6.2: token
pub(super) fn header_name(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else if text.starts_with(':') {
        Err(format!("{} is a pseudo header, which cannot be removed; name a header of your own", quoted(text)))
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
        Err(format!("{} is no header name: letters, digits and `-` make one", quoted(text)))
    } else if HEADERS_OF_HTTP.contains(&name.as_str()) {
        Err(format!(
            "`{name}` belongs to HTTP itself, and the request breaks when it is removed; name a header of your own"
        ))
    } else if HEADERS_OF_SECRETS.contains(&name.as_str()) {
        Err(format!(
            "`{name}` holds a secret, which would be written into queries; verify it in front of the filter and use `jwt_claim`"
        ))
    } else {
        Ok(name)
    }
}

/// A prefix of which one segment may be named: `/tenants/{tenant}`.
pub(super) fn path_prefix(text: &str) -> Result<PathPrefix, String> {
    let Some((before, rest)) = text.split_once('{') else {
        return Ok(PathPrefix { before: plain_prefix(text)?, named: None });
    };
    let (name, after) = rest.split_once('}').unwrap_or((rest, "?"));
    let whole = before.ends_with('/') && (after.is_empty() || after.starts_with('/'));
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !whole || !is_word || after.contains(['{', '}']) {
        return Err(format!(
            "may name one whole segment, by letters, digits and `_`: `/tenants/{{tenant}}`, not {}",
            quoted(text)
        ));
    }
    let after = if after.is_empty() { "/" } else { after };
    let named = NamedSegment { name: name.to_owned(), after: plain_prefix(after)? };
    Ok(PathPrefix { before: plain_prefix(before)?, named: Some(named) })
}

/// A prefix without a slash at its end; `/` is none.
pub(super) fn plain_prefix(text: &str) -> Result<String, String> {
    plain_path(text)
}

/// A path as it is written in a request, without a slash at its end; `/` is empty.
fn plain_path(text: &str) -> Result<String, String> {
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    if !text.starts_with('/') {
        return Err(format!("must start with `/`, not {}", quoted(text)));
    }
    // RFC 3986, 3.3: pchar, less the percent sign: requests are compared after decoding.
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"/-._~!$&'()*+,;=:@".contains(*c)) {
        return Err(format!("must not hold {}: write the path plainly, without a query", quoted(&c.to_string())));
    }
    let mut segments = trimmed.split('/').skip(1);
    if segments.any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("must not hold `//`, `/./` or `/../`: no request that is served has them".to_owned());
    }
    Ok(trimmed.to_owned())
}

/// The header that tells the upstream a tenant. What means something to Envoy would change where a request goes.
pub(super) fn tenant_header(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let name = header_name(text)?;
    if name.starts_with("x-envoy-") || name.starts_with("x-forwarded-") {
        return Err(format!("`{name}` means something to Envoy already; name a header of the upstream's"));
    }
    Ok(Some(name))
}

/// A path that passes unread.
// prom-label-proxy: injectproxy/routes.go, NewRoutes (passthroughPaths)
pub(super) fn passthrough_path(text: &str) -> Result<String, String> {
    let path = plain_path(text)?;
    if path.is_empty() {
        return Err("must not be `/`: name the paths one by one".to_owned());
    }
    if path.len() != text.len() {
        return Err(format!("must not end with a slash: write {}", quoted(&path)));
    }
    // Whatever stands in front of a path may be gone where it is read: behind a route that strips a prefix, or in Thanos's
    // Query Frontend, which looks at the end of a path alone.
    match route::enforced_end(&path) {
        Some(enforced) => {
            Err(format!("ends like `{enforced}`, which is served for tenants only; remove it from the list"))
        }
        None => Ok(path),
    }
}

/// The parameter that names a tenant: none that upstreams read, for it is removed.
pub(super) fn identity_parameter(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err("must not hold control characters".to_owned())
    } else if route::parameters().any(|known| known.eq_ignore_ascii_case(&lower)) {
        Err(format!("{} is a parameter of the API itself, which would lose it; name one of your own", quoted(text)))
    } else {
        Ok(text.to_owned())
    }
}

/// A pattern with one group.
pub(super) fn capture(text: &str) -> Result<Capture, String> {
    Capture::new(text).map_err(|why| format!("{} {why}", quoted(text)))
}

/// What the filter writes or answers for itself: lower case, without brackets at the end.
const PARAMETERS_OF_THE_FILTER: [&str; 6] = ["filter", "match", "match_target", "matchers", "query", "selector"];

/// What reaches past the tenant's matchers, or shows what others have.
const PARAMETERS_THAT_REACH_FURTHER: [&str; 13] = [
    "analyze",
    "extra_filters",
    "extra_label",
    "file",
    "group_limit",
    "group_next_token",
    "include_metadata",
    "replicalabels",
    "rule_group",
    "rule_name",
    "scrapepool",
    "shard_info",
    "storematch",
];

pub(super) fn parameter(text: &str) -> Result<String, String> {
    // Upstreams tell `match` and `match[]`, `Query` and `query` apart, but a later one need not.
    let lower = text.to_ascii_lowercase();
    let plain = lower.strip_suffix("[]").unwrap_or(&lower);
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err("must not hold control characters".to_owned())
    } else if PARAMETERS_OF_THE_FILTER.contains(&plain) {
        Err(format!("{} carries selectors, which the filter alone writes; remove it from the list", quoted(text)))
    } else if PARAMETERS_THAT_REACH_FURTHER.contains(&plain) {
        Err(format!("{} can reach or show what other tenants have; remove it from the list", quoted(text)))
    } else {
        Ok(text.to_owned())
    }
}

/// Words that PromQL has itself: as functions they would be read in two ways.
// Prometheus: promql/parser/lex.go (key, ItemType names)
const WORDS_OF_PROMQL: [&str; 38] = [
    "and",
    "anchored",
    "atan2",
    "avg",
    "bool",
    "bottomk",
    "by",
    "count",
    "count_values",
    "end",
    "fill",
    "fill_left",
    "fill_right",
    "group",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "info",
    "limit_ratio",
    "limitk",
    "max",
    "min",
    "nan",
    "offset",
    "on",
    "or",
    "quantile",
    "range",
    "smoothed",
    "start",
    "stddev",
    "stdvar",
    "step",
    "sum",
    "topk",
    "unless",
    "without",
];

pub(super) fn function(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let identifier = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !identifier {
        Err(format!("{} is no function name: letters, digits and `_` make one, without parentheses", quoted(text)))
    } else if WORDS_OF_PROMQL.contains(&text.to_ascii_lowercase().as_str()) {
        Err(format!("{} is a word of PromQL; list only functions that your upstream adds to it", quoted(text)))
    } else {
        Ok(text.to_owned())
    }
}
