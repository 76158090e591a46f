//! # prom-label-filter
//!
//! A WebAssembly filter that turns any Envoy into the tenant boundary of a shared Prometheus or Thanos Querier.

pub mod config;
pub mod promql;
pub mod scope;
