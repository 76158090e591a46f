//! # prom-label-filter
//!
//! A WebAssembly filter that turns any Envoy into the tenant boundary of a shared Prometheus or Thanos Querier.
//!
//! The modules stand in the order in which a request passes them:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`config`] | what the operator wrote, and the [`Policy`](config::policy::Policy) that it means |
//! | [`request`] | a request's head, as received |
//! | [`route`] | which endpoint it is for: the table of everything that is served |
//! | [`identity`] | who it is for: token, header, parameter, path, certificate, route, or the configuration |
//! | [`scope`] | what that tenant may read |
//! | [`admission`] | the order of decisions |
//! | [`form`] | parameters of URL and form, read once and written once |
//! | [`promql`] | expressions and selectors, written again with the tenant's matchers |
//! | [`remote_read`] | remote reads, with the tenant's matchers in every query |
//! | [`alertmanager`] | Alertmanager's matchers and silences |
//! | [`rewrite`] | what goes upstream: the only maker of [`Enforced`](rewrite::Enforced) |
//! | [`response`] | answers that the upstream cannot narrow, filtered |
//! | [`denial`] | every refusal, its status and its words |
//! | [`observe`] | what an operator sees |
//!
//! All of them are pure: no clock, no host, no global state. Two read what others decode: [`value`] is a tree of JSON,
//! [`protobuf`] a wire format. `host`, the proxy-wasm code, exists for wasm32 only.
#![doc = include_str!("ARCHITECTURE.md")]

pub mod admission;
pub mod alertmanager;
pub mod config;
pub mod denial;
pub mod form;
#[cfg(target_arch = "wasm32")]
mod host;
pub mod identity;
pub mod observe;
pub mod promql;
pub mod protobuf;
pub mod remote_read;
pub mod request;
pub mod response;
pub mod rewrite;
pub mod route;
pub mod scope;
pub mod value;

// Unit tests, integration tests and the companion write protobuf with the same lines.
#[cfg(test)]
extern crate self as prom_label_filter;
#[cfg(test)]
#[path = "bin/prom-label-filter/protobuf.rs"]
mod protobuf_writer;
