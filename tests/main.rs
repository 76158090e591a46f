//! The integration tests: one binary, a module for each concern.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says plainly what it expects, and a failure is its way to say no"
)]
#![expect(unreachable_pub, reason = "nobody links a test")]

mod promql;
mod support;
