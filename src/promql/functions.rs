//! The functions that may be called: an allow-list.
//!
//! Owns which names are functions and which of them need care. A function that reads series without a selector in its
//! arguments would be a hole, so a name that is not here is refused until somebody has looked at it.
//! Must not know how a call is read.
// Prometheus 3.14: promql/parser/functions.go; Thanos: pkg/extpromql

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

/// The functions of Prometheus 3.14, and of Thanos (`xrate`, `xincrease`, `xdelta`), by name.
const FUNCTIONS: &[(&str, Function)] = &[
    ("abs", Function::Plain),
    ("absent", Function::Absent),
    ("absent_over_time", Function::Absent),
    ("acos", Function::Plain),
    ("acosh", Function::Plain),
    ("asin", Function::Plain),
    ("asinh", Function::Plain),
    ("atan", Function::Plain),
    ("atanh", Function::Plain),
    ("avg_over_time", Function::Plain),
    ("ceil", Function::Plain),
    ("changes", Function::Plain),
    ("clamp", Function::Plain),
    ("clamp_max", Function::Plain),
    ("clamp_min", Function::Plain),
    ("cos", Function::Plain),
    ("cosh", Function::Plain),
    ("count_over_time", Function::Plain),
    ("day_of_month", Function::Plain),
    ("day_of_week", Function::Plain),
    ("day_of_year", Function::Plain),
    ("days_in_month", Function::Plain),
    ("deg", Function::Plain),
    ("delta", Function::Plain),
    ("deriv", Function::Plain),
    ("double_exponential_smoothing", Function::Experimental),
    ("end", Function::Experimental),
    ("exp", Function::Plain),
    ("first_over_time", Function::Plain),
    ("floor", Function::Plain),
    ("histogram_avg", Function::Plain),
    ("histogram_count", Function::Plain),
    ("histogram_fraction", Function::Plain),
    ("histogram_quantile", Function::Plain),
    ("histogram_quantiles", Function::Experimental),
    ("histogram_stddev", Function::Plain),
    ("histogram_stdvar", Function::Plain),
    ("histogram_sum", Function::Plain),
    ("hour", Function::Plain),
    ("idelta", Function::Plain),
    ("increase", Function::Plain),
    ("info", Function::Info),
    ("irate", Function::Plain),
    ("label_join", Function::Plain),
    ("label_replace", Function::Plain),
    ("last_over_time", Function::Plain),
    ("ln", Function::Plain),
    ("log10", Function::Plain),
    ("log2", Function::Plain),
    ("mad_over_time", Function::Experimental),
    ("max_of", Function::Experimental),
    ("max_over_time", Function::Plain),
    ("min_of", Function::Experimental),
    ("min_over_time", Function::Plain),
    ("minute", Function::Plain),
    ("month", Function::Plain),
    ("pi", Function::Plain),
    ("predict_linear", Function::Plain),
    ("present_over_time", Function::Plain),
    ("quantile_over_time", Function::Plain),
    ("rad", Function::Plain),
    ("range", Function::Experimental),
    ("rate", Function::Plain),
    ("resets", Function::Plain),
    ("round", Function::Plain),
    ("scalar", Function::Plain),
    ("sgn", Function::Plain),
    ("sin", Function::Plain),
    ("sinh", Function::Plain),
    ("sort", Function::Plain),
    ("sort_by_label", Function::Experimental),
    ("sort_by_label_desc", Function::Experimental),
    ("sort_desc", Function::Plain),
    ("sqrt", Function::Plain),
    ("start", Function::Experimental),
    ("start_timestamp", Function::Experimental),
    ("stddev_over_time", Function::Plain),
    ("stdvar_over_time", Function::Plain),
    ("step", Function::Experimental),
    ("sum_over_time", Function::Plain),
    ("tan", Function::Plain),
    ("tanh", Function::Plain),
    ("time", Function::Plain),
    ("timestamp", Function::Plain),
    ("ts_of_first_over_time", Function::Experimental),
    ("ts_of_last_over_time", Function::Experimental),
    ("ts_of_max_over_time", Function::Experimental),
    ("ts_of_min_over_time", Function::Experimental),
    ("vector", Function::Plain),
    ("xdelta", Function::Plain),
    ("xincrease", Function::Plain),
    ("xrate", Function::Plain),
    ("year", Function::Plain),
];

/// What is known about the function of this name; `None` when it is unknown.
pub(super) fn function(name: &[u8]) -> Option<Function> {
    let place = FUNCTIONS.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    FUNCTIONS.get(place).map(|(_, function)| *function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(FUNCTIONS.iter().all(|(name, known)| function(name.as_bytes()) == Some(*known)));
    }

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
