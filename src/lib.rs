//! # prom-label-filter
//!
//! A WebAssembly filter that turns any Envoy into the tenant boundary of a shared Prometheus or Thanos Querier.

pub mod config;
pub mod identity;
pub mod promql;
pub mod scope;
pub mod value;

// Unit tests and integration tests write protobuf with the same lines.
#[cfg(test)]
extern crate self as prom_label_filter;
#[cfg(test)]
#[path = "../tests/support/protobuf.rs"]
mod protobuf;
