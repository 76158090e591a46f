//! The functions that may be called: an allow-list.
//!
//! Owns which names are functions and which of them need care. A function that reads series without a selector in its
//! arguments would be a hole, so a name that is not here is refused until somebody has looked at it.
//! Must not know how a call is read.
// Prometheus 3.16: promql/parser/functions.go; Thanos: pkg/extpromql

/// What is known about a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Reads what its arguments select.
    Plain,
    /// The same, behind `promql-experimental-functions`.
    Experimental,
    /// Echoes the equality matchers of its argument.
    Absent,
    /// Reads info series that no selector names. Experimental.
    Info,
}

/// What is known about the function of this name; `None` when it is unknown.
pub(super) fn function(name: &[u8]) -> Option<Function> {
    Some(match name {
        b"abs"
        | b"acos"
        | b"acosh"
        | b"asin"
        | b"asinh"
        | b"atan"
        | b"atanh"
        | b"avg_over_time"
        | b"ceil"
        | b"changes"
        | b"clamp"
        | b"clamp_max"
        | b"clamp_min"
        | b"cos"
        | b"cosh"
        | b"count_over_time"
        | b"day_of_month"
        | b"day_of_week"
        | b"day_of_year"
        | b"days_in_month"
        | b"deg"
        | b"delta"
        | b"deriv"
        | b"exp"
        | b"first_over_time"
        | b"floor"
        | b"histogram_avg"
        | b"histogram_count"
        | b"histogram_fraction"
        | b"histogram_quantile"
        | b"histogram_stddev"
        | b"histogram_stdvar"
        | b"histogram_sum"
        // `double_exponential_smoothing` in Prometheus 2.
        | b"holt_winters"
        | b"hour"
        | b"idelta"
        | b"increase"
        | b"irate"
        | b"label_join"
        | b"label_replace"
        | b"last_over_time"
        | b"ln"
        | b"log10"
        | b"log2"
        | b"max_over_time"
        | b"min_over_time"
        | b"minute"
        | b"month"
        | b"pi"
        | b"predict_linear"
        | b"present_over_time"
        | b"quantile_over_time"
        | b"rad"
        | b"rate"
        | b"resets"
        | b"round"
        | b"scalar"
        | b"sgn"
        | b"sin"
        | b"sinh"
        | b"sort"
        | b"sort_desc"
        | b"sqrt"
        | b"stddev_over_time"
        | b"stdvar_over_time"
        | b"sum_over_time"
        | b"tan"
        | b"tanh"
        | b"time"
        | b"timestamp"
        | b"vector"
        | b"year" => Function::Plain,
        // Thanos has these beside them.
        b"xdelta" | b"xincrease" | b"xrate" => Function::Plain,
        b"absent" | b"absent_over_time" => Function::Absent,
        b"double_exponential_smoothing"
        | b"end"
        | b"histogram_quantiles"
        | b"integral"
        | b"mad_over_time"
        | b"max_of"
        | b"min_of"
        | b"range"
        | b"sort_by_label"
        | b"sort_by_label_desc"
        | b"start"
        | b"start_timestamp"
        | b"step"
        | b"ts_of_first_over_time"
        | b"ts_of_last_over_time"
        | b"ts_of_max_over_time"
        | b"ts_of_min_over_time" => Function::Experimental,
        b"info" => Function::Info,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_case() {
        assert_eq!(function(b"rate"), Some(Function::Plain));
        assert_eq!(function(b"Rate"), None);
        assert_eq!(function(b""), None);
        assert_eq!(function(b"info"), Some(Function::Info));
        assert_eq!(function(b"absent_over_time"), Some(Function::Absent));
        assert_eq!(function(b"mad_over_time"), Some(Function::Experimental));
    }
}
