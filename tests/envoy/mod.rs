//! The built module in a real Envoy, before a recording upstream: each promise to tenants and operators, by what went on.

mod bodies;
mod certificates;
mod configuration;
mod conflicts;
mod endpoints;
mod explain;
mod identity;
mod lifecycle;
mod limits;
mod live;
pub(crate) mod matchers;
mod named_in_request;
mod pages;
mod parade;
mod parameters;
mod paths;
mod patterns;
mod plugins;
mod remote_read;
mod responses;
pub(crate) mod routes;
mod rules;
mod silences;
mod tenant_header;
mod token_providers;
mod warnings;
