//! What the next hop makes of what arrived: read as Go's server reads a request, as the handlers of Prometheus and Thanos read
//! its parameters, and as nothing else may be read. Says what is wrong with it.
//!
//! The oracle of what goes on: shares no line with the filter, and knows the matrix of endpoints by itself.
// Go: net/http/request.go, ParseForm · Prometheus: web/api/v1/api.go · Thanos: pkg/api/query/v1.go

use super::members::Members;
use super::owner::Owner;
use crate::support::form;
use crate::support::remote_read::ReadRequest;
use crate::support::upstream::{End, Recorded};

type Pairs = Vec<(String, String)>;

/// What a handler reads of its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Everything unless there is one expression, in `query`.
    Expression,
    /// Everything unless there is a selector, in `match[]`.
    Selectors,
    /// Only what selectors in `match[]` select.
    GivenSelectors,
    /// Rules, in any case of everybody: the answer is what is filtered.
    Rules,
    /// Targets, unless there is a selector of some in `match_target`.
    TargetSelector,
    /// Text, which it does not run.
    Text,
    /// Nothing that could be narrowed.
    Nothing,
    /// A `ReadRequest` in the body.
    RemoteRead,
    /// Alerts, unless a `filter` lets only some through.
    Alerts,
    /// Silences: the answer is what is filtered. By POST it reads one in the body.
    Silences,
}

/// Path, methods, what is read, and the parameters beside it.
type Endpoint = (&'static str, &'static [&'static str], Reads, &'static [&'static str]);

const GET: &[&str] = &["GET"];
const BOTH: &[&str] = &["GET", "POST"];
const TIMES: &[&str] = &["start", "end"];
const SEARCH: &[&str] = &[
    "search[]",
    "label",
    "start",
    "end",
    "limit",
    "batch_size",
    "fuzz_alg",
    "fuzz_threshold",
    "case_sensitive",
    "include_score",
    "sort_by",
    "sort_dir",
];

const ENDPOINTS: [Endpoint; 25] = [
    ("/api/v1/query", BOTH, Reads::Expression, &["time"]),
    ("/api/v1/query_range", BOTH, Reads::Expression, TIMES),
    ("/api/v1/query_exemplars", BOTH, Reads::Expression, TIMES),
    ("/api/v1/series", BOTH, Reads::Selectors, TIMES),
    ("/api/v1/labels", BOTH, Reads::Selectors, TIMES),
    ("/api/v1/label/*/values", GET, Reads::Selectors, TIMES),
    ("/federate", GET, Reads::GivenSelectors, &[]),
    ("/api/v1/format_query", BOTH, Reads::Text, &[]),
    ("/api/v1/parse_query", BOTH, Reads::Text, &[]),
    ("/api/v1/status/buildinfo", GET, Reads::Nothing, &[]),
    ("/api/v1/features", GET, Reads::Nothing, &[]),
    ("/api/v1/openapi.yaml", GET, Reads::Nothing, &[]),
    ("/api/v1/rules", GET, Reads::Rules, &["type", "rule_name[]", "rule_group[]", "file[]", "exclude_alerts"]),
    ("/api/v1/alerts", GET, Reads::Nothing, &[]),
    ("/api/v1/targets", GET, Reads::Nothing, &["scrapePool", "state"]),
    ("/api/v1/targets/metadata", GET, Reads::TargetSelector, &["metric", "limit"]),
    ("/api/v1/search/metric_names", BOTH, Reads::Selectors, SEARCH),
    ("/api/v1/search/label_names", BOTH, Reads::Selectors, SEARCH),
    ("/api/v1/search/label_values", BOTH, Reads::Selectors, SEARCH),
    ("/api/v1/read", &["POST"], Reads::RemoteRead, &[]),
    ("/-/ready", &["GET", "HEAD"], Reads::Nothing, &[]),
    ("/api/v2/alerts", GET, Reads::Alerts, ALERTS),
    ("/api/v2/alerts/groups", GET, Reads::Alerts, ALERTS),
    ("/api/v2/silences", BOTH, Reads::Silences, &["active", "pending", "expired"]),
    ("/api/v2/silence/*", &["GET", "DELETE"], Reads::Nothing, &[]),
];

const ALERTS: &[&str] = &["receiver", "receiver_matchers", "active", "silenced", "inhibited", "muted", "unprocessed"];

/// Options that shape an answer and do not widen it.
const OPTIONS: [&str; 9] = [
    "limit",
    "timeout",
    "lookback_delta",
    "stats",
    "step",
    "dedup",
    "partial_response",
    "max_source_resolution",
    "engine",
];

/// Of these an upstream takes every one, of all others the first.
const MANY: [&str; 8] =
    ["match[]", "search[]", "rule_name[]", "rule_group[]", "file[]", "replicaLabels[]", "filter", "receiver_matchers"];

/// Headers by which upstreams, or hops before them, choose a tenant, a path or a method.
const CHOOSING: [&str; 9] = [
    "thanos-tenant",
    "x-scope-orgid",
    "x-prom-label-policy",
    "x-forwarded-prefix",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "upgrade",
    "expect",
];

/// What is wrong with what arrived for `owner`; nothing when all that it can read is the owner's.
pub(super) fn objection(recorded: &Recorded, owner: &Owner) -> Option<String> {
    judge(recorded, owner).err().map(|problem| {
        let shown: String = recorded.everything().escape_debug().take(600).collect();
        format!("{problem}: {} {shown}", recorded.method)
    })
}

fn judge(recorded: &Recorded, owner: &Owner) -> Result<(), String> {
    let target = String::from_utf8(recorded.target.clone()).map_err(|_| "a target that is not UTF-8")?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = plain_path(path)?;
    let methods = |(_, methods, ..): &&Endpoint| methods.contains(&recorded.method.as_str());
    let endpoint = ENDPOINTS.iter().filter(methods).find(|(pattern, ..)| is(pattern, &path));
    judge_head(recorded, owner)?;
    // What is refused for its body has gone on as a head: without a query, or as it may be asked.
    if recorded.end == End::Cut && recorded.body.is_empty() && (query.is_empty() || recorded.method == "POST") {
        return if query.is_empty() { Ok(()) } else { Err("a refused form told something".into()) };
    }
    if PAGES.contains(&path.as_str()) && ["GET", "HEAD"].contains(&recorded.method.as_str()) {
        return Ok(());
    }
    let (_, _, reads, names) = endpoint.ok_or_else(|| format!("nobody reads `{path}`"))?;
    let mut pairs = Pairs::new();
    // What stands in the body counts first.
    match (recorded.body.is_empty(), recorded.method.as_str(), reads) {
        (true, ..) => {}
        (false, "POST", Reads::RemoteRead) => return judge_remote_read(recorded, owner, query),
        (false, "POST", Reads::Silences) => return judge_silence(recorded, owner, query),
        (false, "POST", _) if recorded.all("content-type") == ["application/x-www-form-urlencoded"] => {
            pairs = form::read(&recorded.body)?;
        }
        _ => return Err("a body that may be read or not".into()),
    }
    pairs.extend(form::read(query.as_bytes())?);
    judge_parameters(&pairs, *reads, names, owner)
}

/// Pages that hold nothing of anybody's, and a path that a listener lets through.
const PAGES: [&str; 5] = ["/", "/graph", "/rules", "/static/js/main.js", "/-/healthy"];

/// The path, decoded, when everybody takes it for the same.
fn plain_path(path: &str) -> Result<String, String> {
    let odd = || format!("a path that is read in two ways: {path}");
    let mut pairs = form::read(path.replace('+', "%2B").as_bytes()).map_err(|_| odd())?;
    let (decoded, value) = pairs.pop().filter(|_| pairs.is_empty()).ok_or_else(odd)?;
    let segments = |text: &str| text.matches('/').count();
    let plain = value.is_empty()
        && decoded.starts_with('/')
        && segments(&decoded) == segments(path)
        && !decoded.contains(['%', '\\'])
        && !decoded.contains(char::is_control)
        && !decoded.split('/').skip(1).any(|segment| matches!(segment, "." | ".."))
        && !decoded.contains("//");
    plain.then_some(decoded).ok_or_else(odd)
}

fn is(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|name| !name.is_empty() && !name.contains('/')),
    }
}

fn judge_head(recorded: &Recorded, owner: &Owner) -> Result<(), String> {
    for name in CHOOSING.into_iter().chain(owner.hidden()) {
        let values = recorded.all(name);
        if !values.is_empty() && values != owner.announced(name) {
            return Err(format!("`{name}: {values:?}` went on"));
        }
    }
    for name in ["host", "content-type", "content-length", "transfer-encoding", "content-encoding"] {
        if recorded.all(name).len() > 1 {
            return Err(format!("`{name}` more than once"));
        }
    }
    if recorded.has("content-length") && recorded.has("transfer-encoding") {
        return Err("two lengths".into());
    }
    if recorded.method != "POST" && (recorded.has("content-type") || recorded.has("content-encoding")) {
        return Err("a type without a body".into());
    }
    if !recorded.trailers.is_empty() {
        return Err("trailers went on".into());
    }
    Ok(())
}

fn judge_parameters(pairs: &Pairs, reads: Reads, names: &[&str], owner: &Owner) -> Result<(), String> {
    let narrowing = match reads {
        Reads::Expression | Reads::Text => "query",
        Reads::Selectors | Reads::GivenSelectors | Reads::Rules => "match[]",
        Reads::TargetSelector => "match_target",
        Reads::Alerts | Reads::Silences => "filter",
        Reads::Nothing | Reads::RemoteRead => "",
    };
    let options = !matches!(reads, Reads::Text | Reads::GivenSelectors | Reads::Alerts | Reads::Silences);
    let read_as_promql =
        matches!(reads, Reads::Expression | Reads::Selectors | Reads::GivenSelectors | Reads::TargetSelector);
    for (place, (name, value)) in pairs.iter().enumerate() {
        let known = name == narrowing || names.contains(&name.as_str());
        let replicas = name == "replicaLabels[]";
        let option = options && OPTIONS.contains(&name.as_str());
        if !(known || replicas || option) {
            return Err(format!("the parameter `{name}` went on"));
        }
        if replicas && owner.has_label(value) {
            return Err("the owner's label is to be removed".into());
        }
        if !MANY.contains(&name.as_str()) && pairs[..place].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("`{name}` twice"));
        }
        if value.contains('\0') || name.contains('\0') {
            return Err("a NUL went on".into());
        }
        if name == narrowing && reads == Reads::Rules {
            owner.check_rules(value)?;
        } else if name == narrowing && read_as_promql {
            owner.check(value)?;
        }
    }
    // Alertmanager lets through what all filters let through.
    let given = pairs
        .iter()
        .filter(|(name, value)| name == narrowing && (reads != Reads::Alerts || owner.is_filter(value)))
        .count();
    let needed = matches!(reads, Reads::Expression | Reads::Selectors | Reads::TargetSelector | Reads::Alerts)
        || reads == Reads::Rules && owner.narrows_rules();
    if needed && given == 0 { Err(format!("without `{narrowing}` everything is read")) } else { Ok(()) }
}

/// Every query of a remote read must have the matchers.
fn judge_remote_read(recorded: &Recorded, owner: &Owner, query: &str) -> Result<(), String> {
    if !query.is_empty() {
        return Err("a remote read with parameters".into());
    }
    let message = snap::raw::Decoder::new().decompress_vec(&recorded.body).map_err(|_| "no snappy block")?;
    // Prometheus refuses what it cannot read.
    let Some(request) = ReadRequest::read(&message) else { return Ok(()) };
    for query in &request.queries {
        owner.check_read(&query.matchers)?;
    }
    Ok(())
}

/// A silence as Alertmanager reads it: names in any case, and of repeats the last.
// Alertmanager: api/v2/openapi.yaml, postableSilence · Go: encoding/json
fn judge_silence(recorded: &Recorded, owner: &Owner, query: &str) -> Result<(), String> {
    if !query.is_empty() || recorded.all("content-type") != ["application/json"] {
        return Err("a silence with parameters, or of another type".into());
    }
    let silence: Members = serde_json::from_slice(&recorded.body).map_err(|_| "no silence")?;
    let matchers: Vec<Members> = serde_json::from_str(silence.sole("matchers")?).map_err(|_| "no matchers")?;
    let mut narrowed = false;
    for matcher in &matchers {
        let text =
            |name| serde_json::from_str::<String>(matcher.sole(name)?).map_err(|_| format!("`{name}` is no text"));
        let equal = matcher.sole("isRegex")? == "false" && matcher.sole("isEqual").unwrap_or("true") == "true";
        narrowed |= equal && owner.narrows_silence(&text("name")?, &text("value")?);
    }
    narrowed.then_some(()).ok_or_else(|| "a silence of others".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(head: &str, body: &str) -> Recorded {
        let mut lines = head.lines();
        let first = lines.next().expect("a first line");
        let (method, target) = first.split_once(' ').expect("a method and a target");
        Recorded {
            id: String::new(),
            method: method.into(),
            target: target.into(),
            headers: lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.into(), v.into())).collect(),
            body: body.into(),
            trailers: Vec::new(),
            end: End::Clean,
            connection: 0,
            number: 0,
        }
    }

    const FORM: &str = "content-type: application/x-www-form-urlencoded";
    const EVE: &str = "%7Btenant%3D%22eve%22%7D";
    const VICTIM: &str = "%7Btenant%3D%22victim%22%7D";

    #[test]
    fn what_is_the_owners_alone_is_no_objection() {
        let eve = Owner::eve();
        for (head, body) in [
            (format!("GET /api/v1/query?query=up{EVE}&time=1"), ""),
            (format!("GET /api/v1/label/a%2Bb/values?match%5B%5D={EVE}&match[]={EVE}"), ""),
            ("GET /federate".into(), ""),
            ("GET /api/v1/rules?match%5B%5D=up&type=alert".into(), ""),
            (format!("POST /api/v1/labels\n{FORM}"), "match%5B%5D=%7Btenant%3D%22eve%22%7D"),
            ("GET /api/v1/format_query?query=up".into(), ""),
        ] {
            assert_eq!(objection(&recorded(&head, body), &eve), None);
        }
    }

    #[test]
    fn whatever_reads_more_than_the_owners_is_objected_to() {
        let eve = Owner::eve();
        for (head, body) in [
            ("GET /api/v1/query?query=up".into(), ""),
            ("GET /api/v1/query".into(), ""),
            (format!("GET /api/v1/query?query=up{VICTIM}"), ""),
            (format!("GET /api/v1/query?query=up{EVE}%2Bup"), ""),
            (format!("GET /api/v1/query?query=up{EVE}&query=up{EVE}"), ""),
            (format!("GET /api/v1/query?query=up{EVE};x=1"), ""),
            (format!("GET /api/v1/query?query=up{EVE}&x=1"), ""),
            (format!("GET /api/v1/query?query=up{EVE}&replicaLabels[]=tenant"), ""),
            (format!("GET /api/v1/query?query=up{EVE}&time=%00"), ""),
            (format!("GET /api/v1/query?query=up{EVE}\nx-scope-orgid: eve"), ""),
            (format!("GET /api/v1/query?query=up{EVE}\ncontent-type: multipart/form-data"), ""),
            (format!("GET /api/v1/query?query=up{EVE}\n{FORM}"), "query=up"),
            (format!("GET /api/v1//query?query=up{EVE}"), ""),
            (format!("GET /api/v1/x/../query?query=up{EVE}"), ""),
            (format!("GET /api/v1/label%2Fx/values?match[]={EVE}"), ""),
            (format!("GET /api/v1/quer%2579?query=up{EVE}"), ""),
            ("GET /api/v1/series".into(), ""),
            ("GET /api/v1/status/config".into(), ""),
            ("GET /api/v1/targets/metadata".into(), ""),
            (format!("PUT /api/v1/query?query=up{EVE}"), ""),
            ("GET /federate?match[]=up".into(), ""),
            (format!("POST /api/v1/labels\n{FORM}"), "start=1"),
            (format!("POST /api/v1/labels?match[]={EVE}\ncontent-type: multipart/form-data; boundary=x"), "x"),
            (format!("POST /api/v1/labels\n{FORM}\n{FORM}"), "match[]=%7Btenant%3D%22eve%22%7D"),
        ] {
            assert!(objection(&recorded(&head, body), &eve).is_some(), "{head} {body}");
        }
        for head in ["POST /api/v1/query?limit=1", "GET /api/v1/labels?match[]=up", "GET /api/v1/labels?limit=1"] {
            let mut cut = recorded(head, "");
            cut.end = End::Cut;
            assert!(objection(&cut, &eve).is_some(), "{head}");
        }
        let mut trailing = recorded(&format!("GET /api/v1/query?query=up{EVE}"), "");
        trailing.trailers = vec![("x".into(), b"1".to_vec())];
        assert!(objection(&trailing, &eve).is_some());
        let mut read = recorded("POST /api/v1/read", "");
        let bytes = ReadRequest { queries: vec![Default::default()], ..ReadRequest::default() }.bytes();
        read.body = snap::raw::Encoder::new().compress_vec(&bytes).expect("a short block");
        assert!(objection(&read, &eve).is_some());
    }
}
