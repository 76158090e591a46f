//! The configuration: what the operator wrote, and what it means.

pub mod policy;
