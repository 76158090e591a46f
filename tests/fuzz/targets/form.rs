//! A whole request without a host: the first byte chooses the endpoint (its lowest four bits and the highest) and the
//! policy, the second where a POST's parameters part into URL and form; the rest is the parameters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::admission::{Admission, Admitted, Answer, Finished};
use prom_label_filter::config;
use prom_label_filter::config::policy::{AtSource, CertificatePart, Policy};
use prom_label_filter::denial::Denial;
use prom_label_filter::form::FormWriter;
use prom_label_filter::identity::{Credentials, Place};
use prom_label_filter::observe::Record;
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::rewrite::OutboundBody;
use prom_label_filter::route::{Endpoint, Filters, Methods, ParameterKind, Payload, ROUTES, Route, WithoutSelector};
use prom_label_filter_fuzz::forms::{Pair, read, read_written};
use prom_label_filter_fuzz::promql::{
    Rewrite, Rewritten, any_selector, check_written, expression, selector, selects_by_nothing,
};
use prom_label_filter_fuzz::tenants::{self, Tenant};
use std::sync::LazyLock;

struct Nothing;

impl Credentials for Nothing {
    fn dynamic_metadata(&self) -> Option<Vec<u8>> {
        None
    }

    fn place_metadata(&self, _: Place) -> Option<Vec<u8>> {
        None
    }

    fn peer_certificate(&self, _: CertificatePart) -> Option<Vec<u8>> {
        None
    }
}

/// Policies, and the tenants whose matchers they write.
static POLICIES: LazyLock<[(Policy, &Tenant); 4]> = LazyLock::new(|| {
    // Everything is switched on: what is not served has nothing to be fuzzed.
    let policy = |json: &str| {
        let open = json.strip_suffix('}').expect("an object");
        let all =
            format!(r#"{open},"targets":"filter","ui":"pass","explain":true,"alertmanager":{{"enabled":true}}}}"#);
        config::parse(all.as_bytes()).expect("a good configuration")
    };
    [
        (policy(r#"{"labels":[{"name":"tenant","values":["v"]}]}"#), tenants::chosen(2)),
        (
            policy(
                r#"{"labels":[
                    {"name":"a.b","header":"x-tenant"},
                    {"name":"lifted","values":["sre"],"danger_unrestricted":["sre"]},
                    {"name":"tenant","values":["x","y"]}],
                "extra_parameters":["foo","b&="],"metadata":"danger_pass","limits":{"parameters":5},
                "enable_label_matchers_for_rules_api":true,
                "promql":{"experimental_functions":true,"extended_range_selectors":true,"binop_fill_modifiers":true}}"#,
            ),
            tenants::chosen(5),
        ),
        (
            policy(r#"{"labels":[{"name":"tenant","values":["sre"],"danger_unrestricted":["sre"]}]}"#),
            tenants::unrestricted(),
        ),
        (policy(r#"{"labels":[{"name":"tenant","values":["\"} or up{tenant!=\""]}]}"#), tenants::chosen(7)),
    ]
});

fuzz_target!(|data: &[u8]| {
    let &[choice, parting, ref text @ ..] = data else { return };
    let route = &ROUTES[usize::from(choice & 15 | choice >> 7 << 4) % ROUTES.len()];
    let (policy, tenant) = &POLICIES[usize::from(choice >> 4 & 3)];
    // Whose a silence is must be asked first, and of what a form is not there are other targets.
    if route.endpoint == Endpoint::Silence || route.methods == Methods::Post {
        return;
    }
    let get = send(policy, route, "GET", text, None);
    if let Ok(written) = &get {
        check(policy, route, tenant, text, written);
    }
    if route.payload != Payload::Form {
        return;
    }
    if route.methods == Methods::Get {
        assert!(matches!(send(policy, route, "POST", b"", Some(text)), Err(Denial::Method { .. })));
        return;
    }
    assert_eq!(send(policy, route, "POST", b"", Some(text)), get, "a form is read as a URL is");
    assert_eq!(send(policy, route, "POST", text, Some(b"")), get, "a POST's URL is read as a GET's");
    assert_eq!(send(policy, route, "POST", text, None), get, "without a body a POST is a GET");
    // Parted at any `&`: only what may come once can come out differently, because it may come once in each.
    let ands: Vec<usize> = (0..text.len()).filter(|&i| text[i] == b'&').collect();
    if let Some(&at) = ands.get(usize::from(parting) % ands.len().max(1)) {
        let parted = send(policy, route, "POST", &text[..at], Some(&text[at + 1..]));
        match (&parted, &get) {
            (Ok(written), Err(Denial::Repeated { .. })) => {
                assert_eq!(read_written(written).len(), once(&read_written(written)), "sent on twice");
            }
            // Of several reasons, the other one may be met first.
            (Err(_), Err(_)) => {}
            _ => assert_eq!(parted, get),
        }
    }
});

/// How many pairs have a name of their own, those apart that may come often.
fn once(pairs: &[Pair]) -> usize {
    let often: [&[u8]; 6] = [b"match[]", b"search[]", b"filter", b"replicaLabels[]", b"foo", b"b&="];
    let first = |i: usize, pair: &Pair| often.contains(&&*pair.0) || pairs[..i].iter().all(|other| other.0 != pair.0);
    pairs.iter().enumerate().filter(|(i, pair)| first(*i, pair)).count()
}

/// The parameters that go upstream: in the URL without a body, in the form otherwise.
fn send(policy: &Policy, route: &Route, method: &str, query: &[u8], body: Option<&[u8]>) -> Result<String, Denial> {
    let path = route.path.replace("<name>", "job").into_bytes();
    let target = [&path, &b"?"[..], query].concat();
    let mut pairs = vec![
        (b":method".to_vec(), method.as_bytes().to_vec()),
        (b":path".to_vec(), target),
        (b"x-tenant".to_vec(), b"v".to_vec()),
    ];
    if body.is_some() {
        pairs.push((b"content-type".to_vec(), b"application/x-www-form-urlencoded".to_vec()));
    }
    let headers = Headers::new(pairs);
    let framing = if body.is_some() { Body::Possible } else { Body::None };
    let head = RequestHead::new(&headers, framing).expect("a head");
    let result = match policy.admit(&head, &Nothing, &mut Record::default()) {
        Err(denial) => Err(denial),
        Ok(Admission::Answer(Answer::Nothing(_))) => Ok(String::new()),
        Ok(Admission::Answer(Answer::Allowed(_))) => panic!("nobody asked for the methods"),
        // What would go upstream as the one parameter.
        Ok(Admission::Answer(Answer::Explained(explanation))) => {
            assert_eq!(route.endpoint, Endpoint::Explain);
            let mut parameter = FormWriter::default();
            parameter.push(b"query", explanation.text().as_bytes());
            Ok(parameter.into_string())
        }
        Ok(Admission::Forward(head, admitted)) => {
            let head = head.into_inner();
            explained(&admitted);
            assert!(body.is_none());

            assert_eq!(policy.rules.len() == 3, head.remove.iter().any(|name| name == "x-tenant"));
            let query = head.path.strip_prefix(&path[..]).expect("the path goes on as it came");
            let query = query.strip_prefix(b"?").unwrap_or(query);
            Ok(String::from_utf8(query.to_vec()).expect("ASCII"))
        }
        Ok(Admission::AwaitBody(head, pending)) => {
            assert_eq!(head.into_inner().path, path, "a head without its form has no parameters");
            pending.finish(policy, body.expect("a body is awaited"), &mut Record::default()).map(|finished| {
                match finished {
                    Finished::Forward(body, admitted) => {
                        explained(&admitted);
                        match body.into_inner() {
                            OutboundBody::Form(form) => form,
                            other @ (OutboundBody::RemoteRead(_) | OutboundBody::Silence(_) | OutboundBody::Empty) => {
                                panic!("a form has become {other:?}")
                            }
                        }
                    }
                    Finished::Ask(_) => panic!("nothing is to be asked about a form"),
                }
            })
        }
        Ok(Admission::Ask(_)) => panic!("nothing is to be asked about a form"),
    };
    if let Err(denial) = &result {
        let body = denial.body();
        assert!(body.len() < 4_000, "{body}");
        let error: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(error["status"], "error");
    }
    result
}

/// Asserts that what a client is told of its query can stand in a header.
fn explained(admitted: &Admitted) {
    let header = admitted.explanation.as_deref().unwrap_or_default();
    assert!(header.len() <= 4096 && header.bytes().all(|byte| byte.is_ascii_graphic()), "{header}");
}

/// Asserts that `written` is `text`, pair by pair: PromQL narrowed, what the endpoint does not read left out.
fn check(policy: &Policy, route: &Route, tenant: &Tenant, text: &[u8], written: &str) {
    let mut left = read_written(written).into_iter();
    if matches!(route.endpoint, Endpoint::Metadata | Endpoint::NothingForPages(_)) && written.is_empty() {
        return;
    }
    // Rules are narrowed where they are only if the policy says so; their selectors are read in any case.
    let as_asked = route.endpoint == Endpoint::Rules && policy.rules_api.at_source == AtSource::AsAsked;
    let tenant = if as_asked { tenants::unrestricted() } else { tenant };
    let mut selectors = 0;
    for (name, value) in read(text).expect("what is malformed is refused") {
        let kind = route.parameter(&name).map(|(_, kind)| kind);
        match kind {
            None if !policy.extra_parameters.iter().any(|extra| extra.as_bytes() == name) => continue,
            Some(ParameterKind::RemovedLabels)
                if policy.rules.iter().any(|rule| rule.name.as_str().as_bytes() == value) =>
            {
                continue;
            }
            Some(ParameterKind::AnySelector | ParameterKind::TargetSelector) if selects_by_nothing(&value) => continue,
            Some(ParameterKind::TargetSelector) if value.is_empty() => continue,
            _ => {}
        }
        let (name_after, value_after) = left.next().expect("a parameter is lost");
        assert_eq!(name, name_after);
        let rewrite: Option<Rewrite> = match kind {
            Some(ParameterKind::Expression) => Some(expression),
            Some(ParameterKind::Selector) => Some(selector),
            Some(ParameterKind::AnySelector | ParameterKind::TargetSelector) => Some(any_selector),
            _ => None,
        };
        if let Some(rewrite) = rewrite {
            selectors += usize::from(kind != Some(ParameterKind::Expression));
            let text = String::from_utf8(value_after).expect("UTF-8");
            let braces = count_selectors(&text, rewrite, policy);
            check_written(&value, &Rewritten { selectors: braces, text }, tenant);
        } else {
            assert_eq!(value, value_after, "what is no PromQL goes on as it came");
        }
    }
    if let (WithoutSelector::ReadsEverything(name), 0, false) =
        (route.without_selector, selectors, tenant.plain.is_empty())
    {
        let bare = left.next().expect("the tenant's matchers alone");
        assert_eq!(bare, (name.as_bytes().to_vec(), format!("{{{}}}", tenant.plain).into_bytes()));
    }
    // A silence has no matcher for several values.
    let added = tenant.each.iter().filter(|(_, _, _, several)| match route.filters {
        Filters::None => false,
        Filters::Silences => !several,
        Filters::Alerts => true,
    });
    for (label, value, pattern, several) in added {
        let (name, filter) = left.next().expect("a filter for each label");
        assert_eq!(name, b"filter");
        let (sign, value) = if *several { ("=~", pattern) } else { ("=", value) };
        let label = if label.contains('.') { format!("\"{label}\"") } else { (*label).to_owned() };
        let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
        assert_eq!(String::from_utf8(filter).expect("UTF-8"), format!("{label}{sign}\"{quoted}\""));
    }
    assert_eq!(left.next(), None, "a parameter came from nowhere");
}

/// How many selectors the core counts in what it wrote. The second readers count for themselves.
fn count_selectors(text: &str, rewrite: Rewrite, policy: &Policy) -> usize {
    let limits = prom_label_filter::promql::TextLimits { query_bytes: usize::MAX, ..policy.limits.text };
    let free = &tenants::unrestricted().matchers;
    rewrite(text.as_bytes(), free, policy.promql.dialect(), &limits).expect("what was written can be read").selectors
}
