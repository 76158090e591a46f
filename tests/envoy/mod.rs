//! The built module in a real Envoy, before a recording upstream: each promise to tenants and operators, by what went on.

mod bodies;
mod configuration;
mod conflicts;
mod endpoints;
mod identity;
mod lifecycle;
mod limits;
pub(crate) mod matchers;
mod pages;
mod parade;
mod parameters;
mod paths;
mod patterns;
mod remote_read;
mod responses;
mod routes;
mod rules;
mod silences;
mod tenant_header;
mod warnings;
