//! The configuration, as any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::config;

/// An operator's; longer ones only take longer.
const LONGEST: usize = 4_096;
/// The longest message names every setting that is known in its place.
const LONGEST_MESSAGE: usize = 2_000;

fuzz_target!(|data: &[u8]| {
    if data.len() > LONGEST {
        return;
    }
    let parsed = config::parse(data);
    match &parsed {
        Ok(policy) => {
            assert!((1..=8).contains(&policy.rules.len()));
            for (place, rule) in policy.rules.iter().enumerate() {
                assert!(policy.rules[..place].iter().all(|other| other.name != rule.name));
            }
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                assert!(!problem.message().is_empty());
                let shown = problem.to_string();
                assert!(shown.len() <= LONGEST_MESSAGE, "{} bytes: {shown}", shown.len());
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
            }
            let lines = error.to_string().lines().count();
            assert_eq!(lines, error.problems().len());
        }
    }
    assert_eq!(format!("{parsed:?}"), format!("{:?}", config::parse(data)));
});
