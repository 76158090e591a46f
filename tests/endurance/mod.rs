//! What Envoy with the filter endures: faults of all around it under load (`make chaos`), and a long time (`make soak`).
//!
//! A table of what was done, what failed and what it cost. One leak, or a failure of what must not fail, and it ends with an error.
//! PLF_CHAOS_SECONDS (for each fault) and PLF_SOAK_MINUTES say how long.
#![expect(clippy::print_stderr, reason = "a table is what comes of it")]

mod chaos;
mod clients;
mod http;
mod soak;
mod table;
mod upstream;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

#[test]
#[ignore = "it takes minutes: make chaos"]
fn chaos() {
    chaos::run(number("PLF_CHAOS_SECONDS", 15));
}

#[test]
#[ignore = "it takes half an hour: make soak"]
fn soak() {
    soak::run(number("PLF_SOAK_MINUTES", 30));
}
