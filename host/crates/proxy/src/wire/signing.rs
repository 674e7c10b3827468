//! The tenant's setting where the database wants it signed (SPEC Decision 1): made for one session, and sent
//! again before it runs out.
//!
//! The form can change while a host runs, because somebody else prepares the database. A session that finds
//! out, by [`INVALID`], is closed, and the next one asks for the form first. So does every session of a pool
//! whose form is signed; where the form is plain, nothing is asked and nothing costs anything.
//!
//! *Invariant:* a setting is valid for one process of the server and [`LIFETIME`]. What a session was set to for
//! a tenant is reset before it works for another one: a setting that was put by must not outlive its tenant.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use applet_types::{CellRef, TenantClaim, TenantForm, TenantId, TenantSigner};

use super::error::WireError;
use super::session::Session;

/// With which the database says that a setting is not valid for this session now.
pub(crate) const INVALID: &str = "AH005";

/// How long a setting is valid. Whoever could read it in its own session can use it there for as long.
const LIFETIME: Duration = Duration::from_secs(60);

/// After this, it is sent anew with the next statement.
const RENEW_AFTER: Duration = Duration::from_secs(30);

const FORM: &str = "SELECT f.signed, f.process, f.clock_ms FROM applet_host.tenant_form() AS f";

/// How the sessions of a pool tell the tenant.
pub(crate) struct Tenants {
    signer: Arc<dyn TenantSigner>,
    /// Whether a new session asks for the form, because it was signed when last seen.
    asks: AtomicBool,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenants(asks: {:?})", self.asks)
    }
}

impl Tenants {
    pub(crate) fn new(signer: Arc<dyn TenantSigner>) -> Self {
        let asks = AtomicBool::new(signer.form() == TenantForm::Signed);
        Self { signer, asks }
    }

    /// The database did not take a setting: its form is another one, or its clock was set.
    pub(super) fn doubt(&self) {
        self.asks.store(true, Ordering::Relaxed);
    }
}

/// What a session signs with.
#[derive(Debug)]
pub(super) struct Signing {
    tenants: Arc<Tenants>,
    role: String,
    process: i32,
    /// The server's clock, and when it was read.
    clock_ms: i64,
    read: Instant,
    renew_at: Instant,
}

impl Signing {
    /// Whether what is set will not last much longer.
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.renew_at
    }

    /// The setting for this tenant, from now on.
    pub(super) fn sign(&mut self, tenant: TenantId) -> String {
        let now = Instant::now();
        self.renew_at = now + RENEW_AFTER;
        let later = (now.duration_since(self.read) + LIFETIME).as_millis();
        let expires_ms = self.clock_ms.saturating_add(i64::try_from(later).unwrap_or(0));
        let claim = TenantClaim { tenant, role: &self.role, process: self.process, expires_ms };
        self.tenants.signer.sign(&claim)
    }
}

impl Session {
    /// Finds out how this session has to tell its tenant.
    pub(crate) async fn agree(&mut self, tenants: &Arc<Tenants>, role: &str) -> Result<(), WireError> {
        self.tenants = Some(Arc::clone(tenants));
        if !tenants.asks.load(Ordering::Relaxed) {
            return Ok(());
        }
        let read = Instant::now();
        let (signed, process, clock_ms) = self.ask_form().await?;
        if !signed {
            tenants.asks.store(false, Ordering::Relaxed);
            return Ok(());
        }
        if process != i64::from(self.process()) {
            return Err(WireError::Protocol(
                "something between host and database pools sessions; signed tenants need a direct connection",
            ));
        }
        let tenants = Arc::clone(tenants);
        let role = role.to_owned();
        self.signing =
            Some(Signing { tenants, role, process: self.process(), clock_ms, read, renew_at: read });
        Ok(())
    }

    async fn ask_form(&mut self) -> Result<(bool, i64, i64), WireError> {
        let rows = self.ask(FORM, Vec::new(), 1 << 10).await?.rows;
        let row = rows.packed().next_row().ok().flatten();
        match row.as_deref() {
            Some([CellRef::Boolean(signed), CellRef::Integer(process), CellRef::Integer(clock_ms)]) => {
                Ok((*signed, *process, *clock_ms))
            }
            _ => Err(WireError::Protocol("the database does not say how it takes the tenant")),
        }
    }
}

#[cfg(test)]
impl Session {
    /// As if the setting had been sent so long ago.
    pub(crate) fn make_due(&mut self) {
        if let Some(signing) = &mut self.signing {
            signing.renew_at = Instant::now();
        }
    }
}
