//! The host: the only code that talks to Envoy, and the only code that is not the same natively.
//!
//! Carries bytes between Envoy and the core and decides nothing: what goes upstream comes out of an
//! [`Enforced`](crate::rewrite::Enforced), what goes to the client out of a [`Denial`](crate::denial::Denial) or a
//! response filter.

mod calls;
mod held;
mod meters;
mod root;
mod stream;

/// What Envoy calls once a VM, before anything else.
mod start {
    use super::root::Root;
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        // Envoy allows no call but the log's here; the plugin's start asks for the level.
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| Box::new(Root::default()));
    }}
}
