//! What a proxy is made of.

use std::path::PathBuf;
use std::sync::Arc;

use applet_catalog::Catalog;
use applet_gate::Wall;
use applet_types::{AuditSink, ExecutionLimits, HostLimits, Login, Logins, TenantSigner};

use crate::cache::QueryCache;
use crate::wire::Target;

/// What a host needs to share its caps with others.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// A login that may call the functions `applet_host.pool_*`.
    pub login: Login,
    /// Where hosts of this machine tell each other that they live: so one that is started again after a crash
    /// gets the shares of the one before it at once. `None` waits for the lease.
    pub directory: Option<PathBuf>,
}

/// Everything a [`Proxy`](crate::Proxy) needs to serve one database.
#[derive(Clone)]
pub struct ProxyConfig {
    /// The database.
    pub target: Target,
    /// Caps of pool and queues.
    pub limits: HostLimits,
    /// How this host shares its caps with others on the database (SPEC Decision 18). `None` counts for this
    /// process alone, and so is for a database that no other host serves.
    pub keeper: Option<KeeperConfig>,
    /// What sessions are opened with; an invocation whose limits differ says so with its statements.
    pub session_limits: ExecutionLimits,
    /// Knows the login role of each applet and grant set.
    pub logins: Arc<dyn Logins>,
    /// Signs the tenant where the database wants it signed. `None` tells it in the plain form, always.
    pub tenants: Option<Arc<dyn TenantSigner>>,
    /// What the database looks like; replaced by [`Proxy::set_catalog`](crate::Proxy::set_catalog).
    pub catalog: Arc<Catalog>,
    /// Whether columns of keys that do not start with the tenant may be written (SPEC Decision 7).
    pub allow_global_keys: bool,
    /// Which walls stand. Anything but [`Wall::Both`] is for `applet sql` alone.
    pub wall: Wall,
    /// Where records of reads and denials go. `None` switches the trail off, that of writes included.
    pub audit: Option<Arc<dyn AuditSink>>,
    /// Answers of reads, for installations that ask for it. `None` keeps nothing, and tells nobody of writes:
    /// then nobody else may keep anything of this database either.
    pub cache: Option<QueryCache>,
    /// Undo every statement after it ran. For `applet sql` alone.
    pub rollback_each: bool,
}

impl ProxyConfig {
    /// The configuration that serves: both walls, everything audited, nothing undone.
    pub fn new(
        target: Target,
        catalog: Arc<Catalog>,
        logins: Arc<dyn Logins>,
        audit: Arc<dyn AuditSink>,
    ) -> Self {
        Self {
            target,
            limits: HostLimits::default(),
            keeper: None,
            session_limits: ExecutionLimits::default(),
            logins,
            tenants: None,
            catalog,
            allow_global_keys: false,
            wall: Wall::Both,
            audit: Some(audit),
            cache: None,
            rollback_each: false,
        }
    }
}
