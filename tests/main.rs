//! The integration tests: one binary, a module for each concern.

// Clippy takes helpers for test code, which may say plainly what it expects, only under `cfg(test)`.
#[cfg(test)]
mod config;
