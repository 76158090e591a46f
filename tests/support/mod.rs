//! What the tests share.

pub mod verifier;
