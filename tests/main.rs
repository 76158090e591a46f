//! The integration tests: one binary, a module for each concern.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test says plainly what it expects, and a failure is its way to say no"
)]

mod access_log;
mod alertmanager;
mod attacks;
mod browser;
mod clients;
mod companion;
mod config;
mod conflicts;
mod deployment;
mod docs;
mod endurance;
mod envoy;
mod equivalence;
mod examples;
mod golden;
mod identity;
mod image;
mod lab;
mod limits;
mod module;
mod operate;
mod parameter_identity;
mod parity;
mod patterns;
mod pipeline;
mod promql;
mod promql_corpus;
mod random_answers;
mod remote_read;
mod response;
mod routes;
mod support;
mod tenant_patterns;
mod thanos;
