//! PromQL: texts in which a selector is overlooked, or a matcher that is put in means something else.

use super::ask;
use super::attack::{Attack, attack, carry_out};
use super::field::FIELD;
use super::owner::Owner;
use crate::support::client::{Request, post};
use crate::support::data::END;
use crate::support::form::encode;

/// What each tries, and the expression.
const EXPRESSIONS: [(&str, &str); 104] = [
    ("a comment that closes the braces", "up{job=\"api\"#}\n}"),
    ("a comment over the next selector", "up # {tenant=\"eve\"}\n + up"),
    ("a comment that ends with a carriage return", "up#\r{tenant=~\"e.*\"}"),
    ("a comment at the end", "up#"),
    ("a comment in a range", "up[5m#]\n]"),
    ("a comment between a name and its braces", "up#x\n{}"),
    ("a string with braces", "up{word!=\"}\"} or up{word!=\"{\"}"),
    ("a string with a comment", "up{word!=\"#\"} or up"),
    ("a string in single quotes with the other", "up{word!='\"} or up{word!=\"'}"),
    ("a string in backticks with a backslash", "up{word!=`\\`} or up{word!=`\\\"`}"),
    ("a string with an escaped quote", "up{word!=\"\\\"} or up{\"}"),
    ("a string with escapes at its end", "up{word!=\"\\\\\"} or up"),
    ("a string without an end", "up{word=\"x} or up"),
    ("a selector in a string of a function", "label_replace(up, \"a\", \"up{}\", \"b\", \"(.*)\")"),
    ("the victim's own matcher", "up{tenant=\"victim\"}"),
    ("the victim's matcher twice", "up{tenant=\"victim\",tenant=\"victim\"}"),
    ("the victim's matcher behind the own", "up{tenant=~\"e.*\",tenant=\"victim\"}"),
    ("a negated matcher of the own", "up{tenant!=\"eve\"}"),
    ("a negated pattern of the own", "up{tenant!~\"eve\"}"),
    ("a pattern of everything", "up{tenant=~\".*\"}"),
    ("an empty tenant", "up{tenant=\"\"}"),
    ("a pattern that is empty or the victim", "up{tenant=~\"|victim\"}"),
    ("a pattern that ends its group", "up{tenant=~\"eve)|(victim\"}"),
    ("a tenant in single quotes", "up{'tenant'='victim'}"),
    ("a tenant's name in quotes", "{\"up\",\"tenant\"=\"victim\"}"),
    ("a tenant's name by escapes", "up{\"\\x74enant\"=\"victim\"}"),
    ("a metric called as the tenant", "{\"tenant\"}"),
    ("a metric's name in quotes", "{\"up\"}"),
    ("a metric's name by a matcher", "{__name__=\"up\"}"),
    ("two names of a metric", "up{__name__=\"http_requests_total\"}"),
    ("a pattern of metrics' names", "{__name__=~\".+\",__name__!=\"x\"}"),
    ("a name in quotes beside a matcher of it", "{\"up\",__name__=~\".+\"}"),
    ("no matcher", "{}"),
    ("matchers that match nothing", "{word=\"\",job=~\".*\"}"),
    ("an or in braces", "{job=\"api\" or job=\"web\"}"),
    ("an or of MetricsQL over tenants", "up{tenant=\"eve\" or tenant=\"victim\"}"),
    ("a template of MetricsQL", "WITH (x = up{tenant=\"victim\"}) x"),
    ("a range without its selector", "sum(rate[5m])"),
    ("a comma too many", "up{,}"),
    ("a comma behind the matchers", "up{job=\"api\",}"),
    ("braces twice", "up{}{tenant=\"eve\"}"),
    ("a name behind the braces", "{job=\"api\"}up"),
    ("a brace too many", "up}"),
    ("a brace too few", "up{job=\"api\""),
    ("a keyword for a metric", "sum + by + offset{} + on"),
    ("functions' names for metrics", "rate + sum{} + info + absent"),
    ("a keyword for a label", "up{or=\"\",and!=\"x\",by=~\".*\",tenant=\"victim\"}"),
    ("keywords in upper case", "SUM BY (tenant) (up) OR up UNLESS up"),
    ("numbers for metrics", "Inf + NaN + inf{} + nan"),
    ("a metric called e1", "e1 + e + x1{} + 0x1"),
    ("a colon in a name", ":up + a:b{} + ::"),
    ("an at of the start", "up @ start() + up @ end()"),
    ("an at behind an offset", "up offset 5m @ 1 + up @ 1 offset -5m"),
    ("an at with a selector in it", "up @ up"),
    ("an offset with a selector in it", "up offset (up)"),
    ("an offset behind braces", "up{job=\"api\"}[5m] offset 1m @ end()"),
    ("a range of durations' arithmetic", "rate(up[5m + step()] offset (1m * 2))"),
    ("a subquery of a subquery", "max_over_time(up[10m:1m])[20m:5m] @ end()"),
    ("a subquery without a step", "max_over_time((up or up{tenant=\"victim\"})[1h:])"),
    ("an aggregation's parameter", "topk(scalar(sum(up{tenant=\"victim\"})), up)"),
    ("an aggregation's parameter that is a selector", "quantile(scalar(up) / 1e9, up)"),
    ("a count of the victim's in a parameter", "limitk(scalar(count(up)), up)"),
    ("a share of the victim's", "limit_ratio(scalar(up) * 0 + 1, up)"),
    ("a sum over tenants", "sum by (tenant, word) ({__name__=~\".+\"})"),
    ("a sum without the tenant's label", "sum without (tenant) (up)"),
    ("a count of values", "count_values(\"tenant\", up)"),
    ("a count of values with the tenant's name by escapes", "count_values(\"\\x74enant\", up)"),
    ("the tenant's label replaced", "label_replace(up, \"tenant\", \"victim\", \"\", \"\")"),
    (
        "the tenant's label replaced, and joined over it",
        "label_replace(up, \"tenant\", \"victim\", \"\", \"\") * on (tenant) group_right up",
    ),
    ("the tenant's label joined", "label_join(up, \"tenant\", \"\", \"word\")"),
    ("a join over tenants", "up * on (job) group_left (word) up{tenant=\"victim\"}"),
    ("a join that ignores the tenant", "up + ignoring (tenant, word) group_right up{tenant!=\"eve\"}"),
    ("a join on nothing", "up * on () group_left up"),
    ("a join that brings the victim's label", "up * on (instance) group_left (tenant) target_info"),
    ("a set without the own", "up unless up{tenant=~\"e.*\"}"),
    ("a set with the victim's", "up and on () up{tenant=\"victim\"} or up{tenant=\"victim\"}"),
    ("a comparison with the victim's", "up > bool on () group_left sum(up{tenant=\"victim\"})"),
    ("what is absent", "absent(up{tenant=\"victim\",job=\"api\"})"),
    ("what is absent in parentheses", "absent(((up{tenant=~\"e.*\"})))"),
    ("what is absent over time", "absent_over_time(up{tenant=\"victim\"}[5m] offset 1m)"),
    ("what is absent in a subquery", "absent_over_time(up{tenant=\"victim\"}[5m:])"),
    ("an absent one that tells the victim's number", "absent(up{tenant=\"victim\"} > 1e200) or vector(0)"),
    ("information of everybody", "info(up)"),
    ("information without a matcher", "info(up, {})"),
    ("information of the victim", "info(up, {tenant=\"victim\"})"),
    ("information by a name alone", "info(up, {__name__=~\".+_info\"})"),
    ("a scalar of the victim's", "scalar(up{tenant=\"victim\"}) + time()"),
    ("a vector of a scalar of the victim's", "vector(scalar(sum(up{tenant=~\"vic.*\"})))"),
    ("a histogram's quantile of the victim's", "histogram_quantile(scalar(up), up)"),
    ("a chain of powers", "up ^ up ^ -up ^ up"),
    ("a sign in front of a selector", "-+-up + -{job=\"api\"}"),
    ("a unary operator behind a comparison", "up == -up"),
    ("operators of trimming", "up </ 1 >/ up"),
    ("what fills a join", "up + fill(0) up + fill_left(1) fill_right(2) up"),
    ("a range that is anchored", "rate(up[5m] anchored) + rate(up[5m] smoothed)"),
    ("a function of Thanos's", "xrate(up[5m]) + xincrease(up[5m])"),
    ("a function that nobody knows", "everything(up)"),
    ("a string alone", "\"up\""),
    ("a string of a selector", "'{tenant=\"victim\"}'"),
    ("a vertical tab between tokens", "up\u{b}or up"),
    ("a letter of another script in a name", "u\u{440}"),
    ("a name in UTF-8", "{\"\u{e9}\",\"\u{e9}\"!=\"x\"}"),
    ("a very long chain of brackets", "((((((((((((((((((((up))))))))))))))))))))"),
    ("a sort by the victim's label", "sort_by_label(up, \"tenant\", \"word\") or sort_desc(up)"),
];

/// The same for selectors alone.
const SELECTORS: [(&str, &str); 34] = [
    ("the victim's", "{tenant=\"victim\"}"),
    ("the victim's beside the own", "{tenant=\"victim\",tenant=~\"e.*\"}"),
    ("everybody else's", "{tenant!=\"eve\"}"),
    ("everybody's by a pattern", "{tenant=~\".+\"}"),
    ("nobody's", "{tenant=\"\",__name__=~\".+\"}"),
    ("everything", "{__name__=~\".+\"}"),
    ("no matcher", "{}"),
    ("a matcher that matches nothing", "{word=\"\"}"),
    ("nothing at all", ""),
    ("a space", " "),
    ("a comment", "# {\n"),
    ("a comment in the braces", "{job=\"api\"#\n}"),
    ("an expression", "sum(up)"),
    ("a sum of two", "up + up"),
    ("two selectors", "up, up"),
    ("a selector behind a selector", "up{} up"),
    ("a selector in parentheses", "(up)"),
    ("a range", "up[5m]"),
    ("an offset", "up offset 5m"),
    ("an at", "up @ end()"),
    ("an or in braces", "{job=\"api\" or tenant=\"victim\"}"),
    ("an or of two", "up or up"),
    ("a name in quotes", "{\"up\"}"),
    ("a tenant's name in quotes", "{\"up\",\"tenant\"=~\"v.*\"}"),
    ("a string", "\"up\""),
    ("a number", "1"),
    ("a metric's name twice", "up{__name__=\"up\"}"),
    ("single quotes and a backtick", "{'word'!=`x`,tenant=~'.*'}"),
    ("a comma at the end", "{tenant=\"victim\",}"),
    ("a brace in a string", "{word!=\"}\",tenant=\"victim\"}"),
    ("a quote in a string", "{word!=\"\\\"\",tenant=\"victim\"}"),
    ("a name that a keyword is", "or{tenant=\"victim\"}"),
    ("a duplicated operator", "{tenant==\"victim\"}"),
    ("an operator of nobody's", "{tenant<\"victim\"}"),
];

/// Every way to ask for an expression.
fn expressions(text: &str) -> Vec<(&'static str, Request)> {
    let (start, end) = ((*END - 600).to_string(), END.to_string());
    let range = [("query", text), ("start", start.as_str()), ("end", end.as_str()), ("step", "120")];
    vec![
        ("query", ask("/api/v1/query", &range[..1])),
        ("query by a form", post("/api/v1/query", format!("query={}&time={end}", encode(text)))),
        ("query_range", ask("/api/v1/query_range", &range)),
        ("query_exemplars", ask("/api/v1/query_exemplars", &range[..3])),
        ("format_query", ask("/api/v1/format_query", &range[..1])),
    ]
}

/// Every way to ask for a selector.
fn selectors(text: &str) -> Vec<(&'static str, Request)> {
    let one = [("match[]", text)];
    vec![
        ("series", ask("/api/v1/series", &one)),
        ("labels", post("/api/v1/labels", format!("match[]=up&match[]={}", encode(text)))),
        ("values", ask("/api/v1/label/word/values", &one)),
        ("federate", ask("/federate", &one)),
        ("rules", ask("/api/v1/rules", &one)),
        ("targets", ask("/api/v1/targets/metadata", &[("match_target", text)])),
        ("search", ask("/api/v1/search/label_values", &[("match[]", text), ("label", "word")])),
    ]
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, text) in EXPRESSIONS {
        for (how, request) in expressions(text) {
            let attack = attack(format!("{name}, in {how}"), request);
            // Over HTTP/2 once in a URL and once in a form.
            all.push(if how.starts_with("query by") || how == "query" { attack } else { attack.http1() });
        }
    }
    for (name, text) in SELECTORS {
        for (how, request) in selectors(text) {
            all.push(attack(format!("a selector of {name}, in {how}"), request.clone()));
            if how == "rules" {
                let owner = Owner::eve().rules_at_source();
                let told = format!("a selector of {name}, in rules that are narrowed");
                all.push(attack(told, request).on("narrowed-rules").owner(owner));
            }
        }
    }
    all
}

#[test]
fn promql() {
    carry_out(&FIELD.bench, &attacks());
}
