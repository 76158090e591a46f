//! Soft tenancy before a real Thanos: a tenant's answers through the filter, from a Querier that all share, are those of a
//! Querier over that tenant's stores alone.
//!
//! Needs the peers (`make test-peers`).

mod duties;
mod exemplars;
mod frontend;
mod queries;
mod stopped;
mod world;
