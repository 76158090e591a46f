//! What is asked in every way: expressions, selectors, and the endpoints that take them.

use super::way::{LABEL, Tenant, Way};
use crate::support::client::{Request, get, post};
use crate::support::data::END;
use crate::support::form::encode;
use std::fmt;

/// An endpoint of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Query,
    QueryRange,
    QueryExemplars,
    Series,
    Labels,
    LabelValues,
    Federate,
    Rules,
    Alerts,
}

impl Endpoint {
    pub(super) const EXPRESSIONS: [Self; 3] = [Self::Query, Self::QueryRange, Self::QueryExemplars];
    pub(super) const SELECTORS: [Self; 4] = [Self::Series, Self::Labels, Self::LabelValues, Self::Federate];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Query => "/api/v1/query",
            Self::QueryRange => "/api/v1/query_range",
            Self::QueryExemplars => "/api/v1/query_exemplars",
            Self::Series => "/api/v1/series",
            Self::Labels => "/api/v1/labels",
            Self::LabelValues => "/api/v1/label/job/values",
            Self::Federate => "/federate",
            Self::Rules => "/api/v1/rules",
            Self::Alerts => "/api/v1/alerts",
        }
    }

    /// The heading of its row.
    pub(super) fn name(self) -> &'static str {
        self.path().trim_start_matches("/api/v1/").trim_start_matches('/')
    }

    pub(super) fn is_expression(self) -> bool {
        Self::EXPRESSIONS.contains(&self)
    }

    /// Whether what it reads is narrowed in the request.
    pub(super) fn is_narrowed(self) -> bool {
        self.is_expression() || Self::SELECTORS.contains(&self)
    }

    /// Whether its answer is filtered: what it tells is compared elsewhere.
    pub(super) fn is_filtered(self) -> bool {
        matches!(self, Self::Rules | Self::Alerts)
    }

    pub(super) fn text_parameter(self) -> &'static str {
        if self.is_expression() { "query" } else { "match[]" }
    }

    pub(super) fn takes_post(self) -> bool {
        self.is_expression() || matches!(self, Self::Series | Self::Labels)
    }

    /// What it wants beside its text, of the data's own time.
    fn times(self) -> Vec<(String, String)> {
        let end = *END;
        let times: &[(&str, u64)] = match self {
            Self::Query => &[("time", end - 600)],
            Self::QueryRange => &[("start", end - 1200), ("end", end - 600), ("step", 120)],
            Self::QueryExemplars | Self::Series | Self::Labels | Self::LabelValues => {
                &[("start", end - 1800), ("end", end)]
            }
            Self::Federate | Self::Rules | Self::Alerts => &[],
        };
        times.iter().map(|(name, time)| ((*name).to_owned(), time.to_string())).collect()
    }
}

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) endpoint: Endpoint,
    pub(super) method: &'static str,
    /// Expressions or selectors.
    pub(super) texts: Vec<String>,
    pub(super) others: Vec<(String, String)>,
}

impl Question {
    pub(super) fn new(endpoint: Endpoint, method: &'static str, texts: &[&str]) -> Self {
        Self { endpoint, method, texts: texts.iter().map(|&text| text.to_owned()).collect(), others: endpoint.times() }
    }

    fn and(mut self, others: &[(&str, &str)]) -> Self {
        self.others.extend(others.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// The request that asks it, all parameters in one place.
    pub(super) fn request(&self, way: Way) -> Request {
        let mut parameters = self.to_string();
        if way == Way::Parameter {
            parameters += &format!("&{LABEL}=team-fruit");
        }
        let path = self.endpoint.path();
        let request = match self.method {
            "POST" => post(path, parameters.trim_start_matches('&')),
            _ => get(format!("{path}?{parameters}")),
        };
        way.header_lines().iter().fold(request, |request, line| request.header("x-tenant", line))
    }
}

/// Its parameters.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.endpoint.text_parameter();
        let texts = self.texts.iter().map(|text| (name, text.as_str()));
        let all = texts.chain(self.others.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let pairs: Vec<_> = all.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        f.write_str(&pairs.join("&"))
    }
}

/// Expressions that are hard to narrow: each is asked in every way, at each endpoint, by each method.
const EXPRESSIONS: &[&str] = &[
    "up",
    "1 + 1",
    "\"a {up} string\"",
    "sum by (job) (up) / on (job) group_left (version) target_info",
    "up and temperature or http_requests_total unless latency_bucket",
    "{__name__=~\"up|temperature\", job!=\"db\"}",
    "{\"up\", job=\"api\"}",
    "label_replace(up, \"a\", \"{$1} up\", \"job\", \"(.*)\")",
    "# up\nup # temperature\n",
    "max_over_time(rate(http_requests_total[5m])[20m:1m])",
    "up offset 5m + up @ end() + up[5m:1m] offset -1m @ start() == 1",
    "-up ^ 2 == bool 0",
    "topk(2, up)",
    "quantile(0.5, temperature)",
    "count_values(\"up\", up)",
    "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))",
    "absent(nobody_total)",
    "absent(((nobody_total{job=\"x\"})))",
    "absent_over_time(nobody_total{job=\"api\"}[5m])",
    "sum(absent(up))",
    "vector(1) + scalar(sum(up))",
    // The user's own matcher, in each form.
    "up{tenant=\"team-fruit\"}",
    "up{tenant=\"team-veggie\"}",
    "up{tenant=\"nobody\"}",
    "up{tenant=\"\"}",
    "up{tenant!=\"team-fruit\"}",
    "up{tenant!=\"team-veggie\"}",
    "up{tenant!=\"\"}",
    "up{tenant=~\"team-.*\"}",
    "up{tenant=~\"team-veggie|b\"}",
    "up{tenant=~\"team-fruit|team-veggie\"}",
    "up{tenant=~\"team-(fruit|veg.*)\"}",
    "up{tenant!~\"team-.*\"}",
    "up{tenant!~\"team-veggie|b\"}",
    "up{tenant!~\"\"}",
    "up{tenant=\"team-fruit\", tenant=\"team-veggie\"}",
    "up{tenant!=\"team-fruit\", tenant!=\"team-veggie\"}",
    "up{tenant=~\".+\", tenant!=\"team-fruit2\"}",
    "up{tenant=\"team-veggie\"} or up{job=\"api\"}",
    "absent(up{tenant=\"team-veggie\"})",
    // What looks like it, and is not.
    "up{tenants=\"team-veggie\", Tenant=\"team-veggie\"}",
    "up{job=\"tenant=\\\"team-veggie\\\"\"}",
    "up{job=\"a\\\\b\", instance='it\"s', version=`\\d`}",
    "up{job=\"é{}\\u00e9\", instance!~\"a{1,2}|[}]\"}",
    "{\"up\", \"a.b\"=\"c\"} or {\"é.total\"}",
    // In the parameter of an aggregation.
    "topk(scalar(sum(up)), up)",
    "quantile(scalar(min(temperature{tenant=\"team-veggie\"})), up)",
    "limitk(2, up)",
    // What is not everywhere.
    "info(up)",
    "info(up, {version=~\".+\"})",
    "holt_winters(up[5m], 0.5, 0.5)",
    "double_exponential_smoothing(temperature[5m], 0.5, 0.5)",
    "rate(http_requests_total[2m + 3m])",
    "up[step() * 5]",
    "increase(http_requests_total[5m] anchored)",
    "up + on (job, instance) fill(0) temperature",
    // What nobody takes.
    "",
    "up{",
    "{}",
    "{tenant=~\".*\"}",
    "up{tenant=~\"(\"}",
    "nothing(up)",
    "up[5m",
    "sum(up) by",
];

/// Lists of selectors, asked as the expressions are.
const SELECTORS: &[&[&str]] = &[
    &[],
    &["up"],
    &["up", "temperature"],
    &["up", "up"],
    &["{job=\"api\"}"],
    &["{__name__=~\"up|temp.*\", job!=\"db\"}"],
    &["up{tenant=\"team-veggie\"}"],
    &["up{tenant=\"team-fruit\"}", "temperature{tenant!=\"team-fruit\"}"],
    &["{tenant=~\"team-.*\"}"],
    &["{tenant!~\"team-fruit|b\", job=\"api\"}"],
    &["{tenant=\"\", job=\"nobody\"}"],
    &["up{job=\"a\\\\b\", instance='it\"s', version=`\\d`}"],
    &["{\"up\", \"a.b\"=\"c\"}"],
    &["up{job=\"tenant=\\\"team-veggie\\\"}\"}"],
    // What nobody takes.
    &["sum(up)"],
    &["up[5m]"],
    &["up", "up{"],
    &[""],
    &["up{tenant=~\"(\"}"],
];

/// The questions that are asked in every way.
pub(super) fn in_every_way() -> Vec<Question> {
    let mut all = Vec::new();
    let mut both = |endpoint: Endpoint, texts: &[&str], others: &[(&str, &str)]| {
        for method in ["GET", "POST"] {
            if method == "GET" || endpoint.takes_post() {
                all.push(Question::new(endpoint, method, texts).and(others));
            }
        }
    };
    for endpoint in Endpoint::EXPRESSIONS {
        for text in EXPRESSIONS.iter().filter(|text| !text.is_empty()) {
            both(endpoint, &[text], &[]);
        }
        both(endpoint, &["up"], &[("nothing", "1"), ("storeMatch[]", "{a=\"b\"}")]);
        both(endpoint, &["up"], &[("timeout", "5s"), ("limit", "2")]);
    }
    both(Endpoint::Query, &["up"], &[("stats", "all"), ("lookback_delta", "7m")]);
    for endpoint in Endpoint::SELECTORS {
        SELECTORS.iter().for_each(|texts| both(endpoint, texts, &[]));
        both(endpoint, &["up"], &[("nothing", "1")]);
        if endpoint != Endpoint::Federate {
            both(endpoint, &["up"], &[("limit", "2")]);
        }
    }
    both(Endpoint::Rules, &[], &[]);
    both(Endpoint::Rules, &[], &[("type", "alert"), ("rule_name[]", "a"), ("rule_name[]", "b"), ("file[]", "f")]);
    both(Endpoint::Rules, &[], &[("group_limit", "1"), ("group_next_token", "x")]);
    both(Endpoint::Alerts, &[], &[]);
    both(Endpoint::Alerts, &[], &[("nothing", "1")]);
    all
}

/// The expressions of the corpus.
pub(super) fn corpus() -> Vec<Question> {
    let rows = include_str!("../corpus/promql.tsv").lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let texts = rows.filter_map(|line| line.split('\t').next());
    texts.enumerate().map(|(index, text)| Question::new(Endpoint::Query, ["GET", "POST"][index % 2], &[text])).collect()
}

/// Whether prom-label-proxy's parser, which is that of Prometheus 3.13, does not know what stands in a text.
pub(super) fn is_newer(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["max_of", "min_of", "offset -("].iter().any(|new| text.contains(new))
}

/// Texts that prom-label-proxy's printer changes, what it sends instead, and what the filter sends. `%` stands for the matcher.
const PRINTED_AGAIN: &[(&str, &str, &str)] = &[
    // Two durations become one and a product.
    ("up offset (5m) * 2", "up{%} offset 5m * 2", "up{%} offset (5m) * 2"),
    ("up offset -+5m * 2", "up{%} offset -5m * 2", "up{%} offset -+5m * 2"),
    ("up offset (5m) + 1m * 2", "up{%} offset 5m + 1m * 2", "up{%} offset (5m) + 1m * 2"),
    (
        "absent(nobody_total offset (5m) * 2)",
        "absent(nobody_total{%} offset 5m * 2)",
        "absent(nobody_total{&} offset (5m) * 2)",
    ),
    // Prometheus refuses modifiers in front of a range.
    ("up @ start()[5m]", "up{%}[5m] @ start()", "up{%} @ start()[5m]"),
    ("up @ end()[5m] offset 5m", "up{%}[5m] @ end() offset 5m", "up{%} @ end()[5m] offset 5m"),
    ("up offset step()[5m]", "up{%}[5m] offset step()", "up{%} offset step()[5m]"),
    ("up offset (1m + 1m) @ end()[5m]", "up{%}[5m] @ end() offset (1m + 1m)", "up{%} offset (1m + 1m) @ end()[5m]"),
    (
        "rate(http_requests_total @ end()[5m])",
        "rate(http_requests_total{%}[5m] @ end())",
        "rate(http_requests_total{%} @ end()[5m])",
    ),
    (
        "absent_over_time(nobody_total @ start()[5m])",
        "absent_over_time(nobody_total{%}[5m] @ start())",
        "absent_over_time(nobody_total{&} @ start()[5m])",
    ),
    // A replacement character that is written out is none to Prometheus.
    (r#"up{a="\ufffd"}"#, "up{a=\"\u{fffd}\",%}", r#"up{a="\ufffd",%}"#),
    (r#""\ufffd\xef\xbf\xbd""#, "\"\u{fffd}\u{fffd}\"", r#""\ufffd\ufffd""#),
    (r#"{"up", "\ufffd\xff"="x"}"#, "{\"\u{fffd}\\xff\"=\"x\",__name__=\"up\",%}", r#"{"up","\ufffd\xff"="x",%}"#),
];

/// What prom-label-proxy and the filter send for a text that the first changes.
pub(super) fn printed_again(text: &str, tenant: Tenant) -> Option<(String, String)> {
    let (_, theirs, ours) = PRINTED_AGAIN.iter().find(|(changed, ..)| *changed == text)?;
    let (kind, value) = tenant.matcher();
    let fill = |text: &str| {
        let matcher = |kind| format!("{LABEL}{kind}\"{value}\"");
        text.replace('%', &matcher(kind)).replace('&', &matcher("=~"))
    };
    Some((fill(theirs), fill(ours)))
}
