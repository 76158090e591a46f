//! What is asked, beside the expressions of the corpus and the random ones.

use super::generator::Generator;
use crate::support::data::END;
use crate::support::form::encode;

/// A request to both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) path: &'static str,
    /// Percent-encoded.
    pub(crate) parameters: String,
    /// The PromQL in it, where there is just one text.
    pub(crate) query: String,
}

/// `query` as an instant query, twice, and as a range query, twice.
pub(crate) fn about(query: &str) -> [Question; 4] {
    let text = encode(query);
    let end = *END;
    let asked = |path, parameters| Question { path, parameters, query: query.to_owned() };
    [
        asked("/api/v1/query", format!("query={text}&time={end}")),
        asked("/api/v1/query_range", format!("query={text}&start={}&end={end}&step=240", end - 2400)),
        asked("/api/v1/query", format!("query={text}&time={}.5", end - 500)),
        asked("/api/v1/query_range", format!("query={text}&start={}&end={}&step=77", end - 1500, end - 700)),
    ]
}

/// Expressions that try to see more: what a slip would show first.
pub(crate) const PROBES: [&str; 36] = [
    "{__name__=~\".+\"}",
    "count by (tenant, __name__) ({__name__!=\"\"})",
    "up{tenant=\"team-veggie\"}",
    "up{tenant=~\"team-.*\"}",
    "up{tenant!=\"team-fruit\"}",
    "up{tenant!~\"a.*\"}",
    "up{tenant=\"\"}",
    "up{tenant=~\".*\"}",
    "up{tenant=~\"|team-fruit\"}",
    "{tenant=\"\"}",
    "{}",
    "{job=~\".*\"}",
    "{__name__=~\"secret_.*\"}",
    "group by (tenant) ({job=\"nobody\"})",
    "topk(scalar(sum(up{job=\"nobody\"}) or vector(1)), temperature)",
    "quantile(scalar(sum(nobody_total)) / 1e12, temperature)",
    "absent(nobody_total{job=\"x\",tenant=\"team-fruit\"})",
    "absent(nobody_total{job=\"x\",tenant=\"team-fruit\",tenant=\"b\"})",
    "absent(nobody_total{tenant=\"a|b\"})",
    "absent_over_time((nobody_total{job=~\"x\",a=\"b\",tenant='.*'}[5m] offset 1m))",
    "count(up) - count(up) * 2 + count({tenant!=\"\"})",
    "up * on (job, instance, tenant) group_left temperature",
    "up * on (job) up",
    "up + on (instance) group_left temperature",
    "label_replace(up, \"tenant\", \"x\", \"tenant\", \".*\")",
    "label_replace(up, \"other\", \"$1\", \"tenant\", \"(.*)\")",
    "label_replace(up{job=\"api\"}, \"job\", \"\", \"instance\", \".*\")",
    "label_join(up, \"all\", \"-\", \"tenant\", \"job\")",
    "info(up, {version=~\".+\"})",
    "info(up, {tenant=\"team-veggie\", __name__=~\".+_info\"})",
    "sort_desc(temperature)",
    "http_requests_total @ end() - http_requests_total @ start()",
    "up[5m",
    "nosuch(up)",
    "# only a comment",
    "up # and another {\n",
];

/// Endpoints that look names, series and exemplars up. Names in braces are times of the data.
const LOOKUPS: [(&str, &str); 71] = [
    ("/api/v1/labels", ""),
    ("/api/v1/labels", "match[]=up"),
    ("/api/v1/labels", "match[]=up&match[]=secret_2_total"),
    ("/api/v1/labels", "match[]=%7Btenant%3D%22team-veggie%22%7D"),
    ("/api/v1/labels", "match[]=nobody_total"),
    ("/api/v1/labels", "start={start}&end={end}"),
    ("/api/v1/labels", "limit=3"),
    ("/api/v1/labels", "match[]=up&limit=2&start={start}"),
    ("/api/v1/labels", "start=1&end=2"),
    ("/api/v1/labels", "start=2&end=1"),
    ("/api/v1/labels", "start=soon"),
    ("/api/v1/label/tenant/values", ""),
    ("/api/v1/label/tenant/values", "match[]=nobody_total"),
    ("/api/v1/label/__name__/values", ""),
    ("/api/v1/label/__name__/values", "start={start}&end={end}"),
    ("/api/v1/label/__name__/values", "limit=2"),
    ("/api/v1/label/__name__/values", "match[]=%7Bjob%3D%22db%22%7D&limit=4"),
    ("/api/v1/label/job/values", ""),
    ("/api/v1/label/job/values", "match[]=up&match[]=temperature%7Bjob%3D%22db%22%7D"),
    ("/api/v1/label/instance/values", "match[]=%7Btenant%3D~%22.%2B%22%7D"),
    ("/api/v1/label/version/values", "match[]=target_info&start={start}"),
    ("/api/v1/label/team/values", ""),
    ("/api/v1/label/only_3/values", ""),
    ("/api/v1/label/nothing/values", ""),
    ("/api/v1/series", "match[]=up"),
    ("/api/v1/series", "match[]=up&start={start}&end={end}"),
    ("/api/v1/series", "match[]=up&limit=2"),
    ("/api/v1/series", "match[]=up&start=1&end=2"),
    ("/api/v1/series", "match[]=%7B__name__%3D~%22.%2B%22%7D"),
    ("/api/v1/series", "match[]=up%7Btenant%3D%22team-veggie%22%7D&match[]=temperature"),
    ("/api/v1/series", "match[]=%7B%7D"),
    ("/api/v1/series", "match[]=up%7B"),
    ("/api/v1/series", "match[]=up&match[]=up%7B%7D&match[]=sum(up)"),
    ("/api/v1/query_exemplars", "query=http_requests_total&start={start}&end={end}"),
    ("/api/v1/query_exemplars", "query=rate(http_requests_total%7Bjob%3D%22api%22%7D[5m])&start={start}&end={end}"),
    ("/api/v1/query_exemplars", "query=up%2Bhttp_requests_total&start={start}&end={end}"),
    ("/api/v1/query_exemplars", "query=nobody_total&start={start}&end={end}"),
    ("/api/v1/query_exemplars", "query=%7B__name__%3D~%22.%2B%22%7D&start={start}&end={end}"),
    ("/api/v1/query_exemplars", "query=http_requests_total&start=1&end=2"),
    ("/api/v1/query_exemplars", "query=1&start={start}&end={end}"),
    // Of Prometheus 3.13 and later; others answer that there is no such path.
    ("/api/v1/search/metric_names", ""),
    ("/api/v1/search/metric_names", "search[]=temp&sort_by=score&include_score=true"),
    ("/api/v1/search/metric_names", "match[]=%7Bjob%3D%22db%22%7D&sort_by=alpha&sort_dir=dsc&limit=3"),
    ("/api/v1/search/label_names", "sort_by=alpha"),
    ("/api/v1/search/label_names", "match[]=up&search[]=in&start={start}&end={end}"),
    ("/api/v1/search/label_values", "label=tenant&sort_by=alpha"),
    ("/api/v1/search/label_values", "label=version&sort_by=alpha&batch_size=1&match[]=target_info"),
    ("/api/v1/search/label_values", "sort_by=wrong&label=job"),
    // Before or after what some tenants have.
    ("/api/v1/labels", "start={late}"),
    ("/api/v1/labels", "match[]=up&end={early}"),
    ("/api/v1/label/job/values", "start={late}&end={end}"),
    ("/api/v1/label/__name__/values", "match[]=up&start={late}"),
    ("/api/v1/series", "match[]=up&start={late}"),
    ("/api/v1/series", "match[]=up&end={early}"),
    ("/api/v1/series", ""),
    ("/federate", ""),
    ("/federate", "match[]=up"),
    ("/federate", "match[]=%7B__name__%3D~%22.%2B%22%7D"),
    ("/federate", "match[]=temperature&match[]=up%7Btenant%3D%22a%22%7D"),
    ("/federate", "match[]=up%7B"),
    ("/federate", "match[]=%7B%7D"),
    ("/api/v1/query", "query=up&time={end}&limit=2"),
    ("/api/v1/query", "query=up&time=soon"),
    ("/api/v1/query", "query=up&time={end}&timeout=never"),
    ("/api/v1/query_range", "query=up&start={start}&end={end}&step=60&limit=3"),
    ("/api/v1/query_range", "query=up&start={end}&end={start}&step=60"),
    ("/api/v1/query_range", "query=up&start={start}&end={end}&step=0"),
    ("/api/v1/query_range", "query=up&start=1&end=100000&step=1"),
    ("/api/v1/query_range", "query=up&start={start}"),
    // The numbers of samples tell about data as the samples do.
    ("/api/v1/query", "query=sum(up)&time={end}&stats=all"),
    ("/api/v1/query_range", "query=count(%7Bjob%3D~%22.%2B%22%7D)&start={start}&end={end}&step=60&stats=all"),
];

/// The look-ups, and some with random selectors.
pub(crate) fn lookups(generator: &mut Generator, random: usize) -> Vec<Question> {
    let time = |text: &str| {
        [("{start}", 1300), ("{end}", 0), ("{late}", 240), ("{early}", 2100)]
            .iter()
            .fold(text.to_owned(), |text, (name, before)| text.replace(name, &(*END - before).to_string()))
    };
    let mut all: Vec<Question> = LOOKUPS
        .iter()
        .map(|(path, parameters)| Question { path, parameters: time(parameters), query: String::new() })
        .collect();
    let paths = [
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/label/__name__/values",
        "/api/v1/label/tenant/values",
        "/federate",
    ];
    for path in paths.into_iter().cycle().take(random) {
        let selectors: Vec<String> = (0..2).map(|_| format!("match[]={}", encode(&generator.selector()))).collect();
        let times = if path == "/federate" { "" } else { "&start={start}&end={end}" };
        all.push(Question { path, parameters: time(&(selectors.join("&") + times)), query: String::new() });
    }
    all
}
