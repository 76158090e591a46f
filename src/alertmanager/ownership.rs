//! What must not go on before Alertmanager has said whose a silence is.
//!
//! Alertmanager changes and ends silences by their ids, which narrow to nobody. So it is asked first; what waits can be
//! taken out by the answer alone. Must not know how the host asks.

use super::silence::{self, SilenceId};
use crate::config::policy::Alertmanager;
use crate::denial::Denial;
use crate::scope::TenantScope;
use std::time::Duration;

/// How long Alertmanager may take to say whose a silence is.
pub const LOOKUP_TIME: Duration = Duration::from_secs(10);

/// A question to Alertmanager: a GET of one silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Envoy's cluster.
    pub cluster: String,
    /// The path of the silence there.
    pub path: String,
}

impl Lookup {
    /// Asks for the silence `id`.
    #[must_use]
    pub fn new(served: &Alertmanager, id: &SilenceId) -> Self {
        let path = format!("{}/api/v2/silence/{}", served.cluster_path_prefix, id.as_str());
        Self { cluster: served.cluster.clone(), path }
    }
}

/// What Alertmanager said.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The status; 0 when there was no answer.
    pub status: u32,
    /// The body.
    pub body: &'a [u8],
}

/// A thing that may go on only if a silence is the tenant's.
#[must_use = "what waits must be decided, or the request hangs"]
#[derive(Debug)]
pub struct Unproven<T> {
    lookup: Lookup,
    scope: TenantScope,
    waiting: T,
}

impl<T> Unproven<T> {
    /// Keeps `waiting` until `lookup` is answered.
    pub fn new(lookup: Lookup, scope: TenantScope, waiting: T) -> Self {
        Self { lookup, scope, waiting }
    }

    /// What to ask.
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// What has waited, if the silence is the tenant's.
    ///
    /// # Errors
    /// It is not, or there is none, which a tenant cannot tell apart; or Alertmanager did not say.
    pub fn decide(self, said: Said<'_>) -> Result<T, Denial> {
        match said.status {
            200 => {
                let own = std::str::from_utf8(said.body).is_ok_and(|text| silence::is_own(text, &self.scope));
                if own { Ok(self.waiting) } else { Err(Denial::NoSuchSilence) }
            }
            404 => Err(Denial::NoSuchSilence),
            _ => Err(Denial::SilenceUnknown),
        }
    }
}
