//! What the targets share: tenants, second readers, and what holds for everything that the core has written.
//!
//! Owns the properties. Must not know how the core works: a property that calls it compares two of its answers.

pub mod answers;
pub mod forms;
pub mod promql;
pub mod tenants;
pub mod time;

mod other_parser;

// The integration tests' own readers; each target uses a part of them.
#[path = "../../support/answers.rs"]
mod oracle;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../support/reading.rs"]
mod reading;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../support/tokenizer.rs"]
mod tokenizer;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../support/verifier.rs"]
mod verifier;
