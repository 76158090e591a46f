//! Queries as people write them.

/// A panel of a dashboard.
pub(crate) const GRAFANA: &str = r#"sum by (job, instance) (rate(http_requests_total{job="api", code=~"5.."}[5m])) / sum by (job, instance) (rate(http_requests_total{job="api"}[5m]))"#;

/// A multi-window burn-rate alert, about 1 KB.
pub(crate) fn burn_rate() -> String {
    let ratio = |window: &str| {
        format!(
            r#"sum by (service) (rate(http_requests_total{{job="api",code=~"5..",route!=""}}[{window}])) / sum by (service) (rate(http_requests_total{{job="api",route!=""}}[{window}]))"#
        )
    };
    let pair = |long: &str, short: &str, factor: &str| {
        format!("({} > {factor} * 0.001 and {} > {factor} * 0.001)", ratio(long), ratio(short))
    };
    [pair("1h", "5m", "14.4"), pair("6h", "30m", "6"), pair("1d", "2h", "3")].join(" or ")
}
