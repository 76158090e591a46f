//! The integration tests: one binary, a module for each concern.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may say plainly what they expect"
)]

mod config;
mod docs;
mod envoy;
mod equivalence;
mod identity;
mod lab;
mod module;
mod pipeline;
mod response;
mod support;
