//! Every limit of a request at its edge: set low, at its default, and as far up as it goes. What it allows passes, one
//! more is refused by name. `envoy::limits` asks the same of the module.

use crate::pipeline::Nothing;
use prom_label_filter::admission::Admission;
use prom_label_filter::config::{self, policy::Policy};
use prom_label_filter::denial::Denial;
use prom_label_filter::observe::Record;
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::response::{ResponseHead, ResponseHeaders};
use serde_json::{Value, json};

/// A POST to `/api/v1/query` for the tenants in a header, separated by commas.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) tenants: String,
    pub(crate) form: String,
}

/// One key of `limits`.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) key: &'static str,
    low: usize,
    default: usize,
    most: usize,
    /// The status of what is one beyond.
    pub(crate) status: u16,
    /// A request that has exactly so much of it.
    pub(crate) ask: fn(usize) -> Ask,
}

pub(crate) const LIMITS: [Limit; 7] = [
    Limit { key: "query_bytes", low: 10, default: 65_536, most: 1 << 20, status: 400, ask: query_bytes },
    Limit { key: "output_bytes", low: 5_000, default: 262_144, most: 8 << 20, status: 400, ask: output_bytes },
    Limit { key: "nesting", low: 2, default: 200, most: 1_000, status: 400, ask: nesting },
    Limit { key: "selectors", low: 2, default: 1_000, most: 100_000, status: 400, ask: selectors },
    Limit { key: "parameters", low: 3, default: 200, most: 9_992, status: 400, ask: parameters },
    Limit { key: "values", low: 2, default: 1_000, most: 10_000, status: 403, ask: values },
    Limit { key: "form_bytes", low: 20, default: 1 << 20, most: 10 << 20, status: 413, ask: form_bytes },
];

/// How far up the limits go that no request shows.
const RESPONSE_BYTES: Limit =
    Limit { key: "response_bytes", low: 100, default: 64 << 20, most: 128 << 20, status: 502, ask: query_bytes };

fn query(text: &str) -> Ask {
    Ask { tenants: "a".into(), form: format!("query={}", text.replace('+', "%2B").replace('#', "%23")) }
}

fn query_bytes(bytes: usize) -> Ask {
    query(&format!("up#{}", "x".repeat(bytes - 3)))
}

/// A long tenant at so many selectors that they are nearly all, and a matcher for the rest.
fn output_bytes(bytes: usize) -> Ask {
    let tenant = "t".repeat(1_000);
    let selector = format!(r#"a{{tenant="{tenant}"}}"#).len();
    let (between, matcher) = (" + ".len(), r#"b="","#.len());
    let times = (bytes - matcher + between) / (selector + between);
    let rest = bytes + between - matcher - times * (selector + between);
    let text = format!(r#"{}a{{b="{}"}}"#, "a+".repeat(times - 1), "x".repeat(rest));
    Ask { tenants: tenant, ..query(&text) }
}

fn nesting(levels: usize) -> Ask {
    query(&format!("{}up{}", "(".repeat(levels), ")".repeat(levels)))
}

fn selectors(number: usize) -> Ask {
    query(&vec!["a"; number].join("+"))
}

fn parameters(number: usize) -> Ask {
    Ask { tenants: "a".into(), form: format!("query=1{}", "&x=1".repeat(number - 1)) }
}

fn values(number: usize) -> Ask {
    Ask { tenants: (0..number).map(|n| n.to_string()).collect::<Vec<_>>().join(","), form: "query=1".into() }
}

fn form_bytes(bytes: usize) -> Ask {
    const START: &str = "query=1&x=";
    Ask { tenants: "a".into(), form: format!("{START}{}", "y".repeat(bytes - START.len())) }
}

impl Limit {
    /// Each number to try, and the configuration for it: all other limits are as far up as they go.
    pub(crate) fn levels(&self) -> [(usize, Value); 3] {
        [self.low, self.default, self.most].map(|level| {
            let others = LIMITS.iter().filter(|other| other.key != self.key);
            let mut limits: Value = others.map(|other| (other.key.to_owned(), json!(other.most))).collect();
            if level != self.default {
                limits[self.key] = json!(level);
            }
            let rule = json!({"name": "tenant", "header": "x-tenant", "header_uses_list_syntax": true});
            (level, json!({"labels": [rule], "limits": limits}))
        })
    }
}

fn policy(configuration: &Value) -> Policy {
    config::parse(configuration.to_string().as_bytes()).expect("a good configuration")
}

fn outcome(policy: &Policy, ask: &Ask) -> Result<(), Denial> {
    let length = ask.form.len().to_string();
    let headers = [
        (":method", "POST"),
        (":path", "/api/v1/query"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", length.as_str()),
        ("x-tenant", ask.tenants.as_str()),
    ];
    let headers = Headers::new(headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect());
    let head = RequestHead::new(&headers, Body::Announced).expect("a head");
    match policy.admit(&head, &Nothing, &mut Record::default())? {
        Admission::AwaitBody(_, pending) => {
            pending.finish(policy, ask.form.as_bytes(), &mut Record::default()).map(drop)
        }
        other @ (Admission::Answer(_) | Admission::Forward(..) | Admission::Ask(_)) => {
            panic!("the form is not awaited: {other:?}")
        }
    }
}

#[test]
fn each_limit_holds_at_its_edge() {
    for limit in LIMITS {
        for (level, configuration) in limit.levels() {
            let policy = policy(&configuration);
            assert_eq!(outcome(&policy, &(limit.ask)(level)), Ok(()), "{} of {level}", limit.key);
            let denial = outcome(&policy, &(limit.ask)(level + 1)).expect_err(limit.key);
            assert_eq!(denial.status(), u32::from(limit.status), "{} of {level}: {denial}", limit.key);
            let named = denial.to_string().contains(&format!("limits.{}", limit.key));
            assert!(named && denial.to_string().contains(&level.to_string()), "{} of {level}: {denial}", limit.key);
        }
    }
}

#[test]
fn a_form_without_a_length_is_measured_when_it_is_there() {
    let limit = LIMITS.into_iter().find(|limit| limit.key == "form_bytes").expect("a limit");
    for (level, configuration) in limit.levels() {
        let policy = policy(&configuration);
        let headers = [
            (":method", "POST"),
            (":path", "/api/v1/query"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-tenant", "a"),
        ];
        let headers =
            Headers::new(headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect());
        let head = RequestHead::new(&headers, Body::Possible).expect("a head");
        for (bytes, passes) in [(level, true), (level + 1, false)] {
            let Ok(Admission::AwaitBody(_, pending)) = policy.admit(&head, &Nothing, &mut Record::default()) else {
                panic!("not awaited")
            };
            assert_eq!(pending.limit(&policy), level);
            assert_eq!(
                pending.finish(&policy, (limit.ask)(bytes).form.as_bytes(), &mut Record::default()).is_ok(),
                passes,
                "{bytes} of {level}"
            );
        }
    }
}

#[test]
fn the_length_of_an_answer_is_measured_by_its_header() {
    for (level, configuration) in RESPONSE_BYTES.levels() {
        let allowed = policy(&configuration).limits.response_bytes;
        assert_eq!(allowed, level);
        let answer = |length: usize| ResponseHeaders {
            status: 200,
            content_type: Some(b"application/json"),
            content_encoding: None,
            content_length: u64::try_from(length).ok(),
        };
        assert_eq!(answer(level).inspect(allowed), Ok(ResponseHead::Success));
        let denial = answer(level + 1).inspect(allowed).expect_err("it is too long");
        assert_eq!(denial.status(), u32::from(RESPONSE_BYTES.status));
        assert!(denial.to_string().contains(&format!("{level} bytes (`limits.response_bytes`)")), "{denial}");
    }
}

#[test]
fn no_limit_goes_further_than_it_says() {
    for limit in LIMITS.iter().chain([&RESPONSE_BYTES]) {
        let (_, mut configuration) = limit.levels().into_iter().next().expect("a level");
        configuration["limits"][limit.key] = json!(limit.most + 1);
        let error = config::parse(configuration.to_string().as_bytes()).expect_err(limit.key).to_string();
        assert!(
            error.contains(&format!("limits.{}: must be a whole number from 1 to {}", limit.key, limit.most)),
            "{error}"
        );
    }
}

/// Go reads none of more parameters, and Alertmanager none of its filters then.
// Go: net/url/url.go, parseQuery
#[test]
fn however_many_parameters_are_sent_the_upstream_reads_every_filter() {
    const MOST_READ: usize = 10_000;
    let most = LIMITS.iter().find(|limit| limit.key == "parameters").expect("a limit").most;
    let labels: Vec<_> = (0..8).map(|n| json!({"name": format!("label{n}"), "values": ["a"]})).collect();
    let configuration =
        json!({"labels": labels, "limits": {"parameters": most}, "alertmanager": {"enabled": true}}).to_string();
    let policy = config::parse(configuration.as_bytes()).expect("a good configuration");
    let target = format!("/api/v2/alerts?{}", vec!["filter"; most].join("&"));
    let pairs = [(":method", "GET"), (":path", target.as_str())];
    let headers = Headers::new(pairs.map(|(name, value)| (name.into(), value.into())).to_vec());
    let head = RequestHead::new(&headers, Body::None).expect("a head");
    let Ok(Admission::Forward(out, _)) = policy.admit(&head, &Nothing, &mut Record::default()) else {
        panic!("it does not go on")
    };
    let path = String::from_utf8(out.into_inner().path).expect("text");
    let written = path.split('&').count();
    assert!(path.contains("label7") && written <= MOST_READ, "{written} parameters");
}
