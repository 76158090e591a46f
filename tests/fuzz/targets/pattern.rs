//! A tenant's pattern in the first line, and values for it in the others. What is taken is run, and what matches the empty
//! string must be what a user's pattern is found to match without running it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::promql::{Dialect, TextLimits, scope_selector};
use prom_label_filter::scope::pattern::InvalidPattern;
use prom_label_filter::scope::{LabelValue, Pattern};
use prom_label_filter_fuzz::tenants;
use std::time::{Duration, Instant};

/// The most that a pattern takes to compile and to run over the few values of an input; both are slow without optimisation.
const LONGEST: Duration = Duration::from_secs(2);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Ok(value) = LabelValue::new(lines.next().unwrap_or_default()) else { return };
    let start = Instant::now();
    let pattern = match Pattern::new(value.clone()) {
        Ok(pattern) => pattern,
        Err(InvalidPattern::MatchesEmpty) => {
            assert!(selects_everything(value.as_str()), "a user's may not be empty");
            return;
        }
        Err(InvalidPattern::TooLong | InvalidPattern::TooComplex | InvalidPattern::NotCommon { .. }) => return,
    };
    assert!(!pattern.matches(""));
    assert!(!selects_everything(value.as_str()), "a user's may be empty");
    if !value.as_str().contains(|c: char| c.is_ascii_punctuation()) {
        assert!(pattern.matches(value.as_str()), "it is itself");
    }
    let alternative = Pattern::new(LabelValue::new(format!("({})|{}", value.as_str(), "x")).expect("a value"));
    for line in lines.take(8) {
        let matches = pattern.matches(line);
        assert_eq!(pattern.matches(line), matches, "again");
        if let Ok(alternative) = &alternative {
            assert_eq!(alternative.matches(line), matches || line == "x", "in a group");
        }
    }
    assert!(start.elapsed() < LONGEST, "{:?}", start.elapsed());
});

/// Whether a selector with this pattern alone is refused for it.
fn selects_everything(pattern: &str) -> bool {
    let text = format!("{{x=~{}}}", serde_json::Value::from(pattern)).replace('\u{fffd}', r"\ufffd");
    let matchers = &tenants::unrestricted().matchers;
    match scope_selector(text.as_bytes(), matchers, &Dialect::default(), &TextLimits::default()) {
        Ok(_) => false,
        Err(error) => {
            assert!(error.to_string().contains("at least one non-empty matcher"), "{error}");
            true
        }
    }
}
