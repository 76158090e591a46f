//! A plugin's start: its configuration, and a stream for each request.

use super::calls::{self, Buffer};
use super::meters;
use super::stream::Stream;
use crate::config::{self, policy::Policy};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::rc::Rc;

/// One plugin in one VM. Several in a VM share nothing but memory.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// `None` until configured: Envoy makes no stream before, and one without a policy refuses everything.
    policy: Option<Rc<Policy>>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Takes the configuration, or says everything that is wrong with it; Envoy then does not start.
    fn on_configure(&mut self, size: usize) -> bool {
        if let Some(level) = calls::log_level() {
            proxy_wasm::set_log_level(level);
        }
        let bytes = match calls::buffer(Buffer::PluginConfiguration, size) {
            Ok(bytes) => bytes,
            Err(failed) => {
                log::error!("the configuration cannot be read: {}", failed.0);
                return false;
            }
        };
        match config::parse(&bytes) {
            Ok(policy) => {
                meters::define();
                self.policy = Some(Rc::new(policy));
                true
            }
            Err(error) => {
                log::error!("prom-label-filter {}: configuration refused:\n{error}", env!("CARGO_PKG_VERSION"));
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.policy.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
