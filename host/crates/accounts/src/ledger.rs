//! All accounts, found by installation.
//!
//! Looking one up shares its lock with every other reader; only a first invocation, and forgetting, have it
//! alone.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use applet_types::{BreakerLimits, Failure, InstallationId, Invocation, TenantId, TenantLimits};

use crate::bucket::Moment;
use crate::installation::{Admitted, InstallationAccount};
use crate::reading::{Reading, TenantReading, Whose};
use crate::tenant::TenantAccount;

/// Accounts that are kept before those at rest are looked for.
const ROOM: usize = 1_024;

/// What all accounts go by.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) tenant: TenantLimits,
    pub(crate) breaker: BreakerLimits,
    opened: Instant,
}

impl Rules {
    pub(crate) fn moment(&self, now: Instant) -> Moment {
        u64::try_from(now.saturating_duration_since(self.opened).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The accounts of one host.
#[derive(Debug)]
pub struct Accounts {
    rules: Arc<Rules>,
    books: RwLock<Books>,
}

#[derive(Debug)]
struct Books {
    installations: HashMap<InstallationId, Arc<InstallationAccount>>,
    tenants: HashMap<TenantId, Arc<TenantAccount>>,
    /// So many accounts make it worth looking for some to forget.
    room: usize,
}

impl Accounts {
    /// No accounts yet.
    pub fn new(tenant: TenantLimits, breaker: BreakerLimits, now: Instant) -> Self {
        let books = Books { installations: HashMap::new(), tenants: HashMap::new(), room: ROOM };
        Self { rules: Arc::new(Rules { tenant, breaker, opened: now }), books: RwLock::new(books) }
    }

    /// Lets an invocation in.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::RateLimited`](applet_types::ErrorCode::RateLimited),
    /// [`ErrorCode::BudgetSpent`](applet_types::ErrorCode::BudgetSpent) of the tenant, or
    /// [`ErrorCode::CircuitOpen`](applet_types::ErrorCode::CircuitOpen); each with the time after which to
    /// try again.
    pub fn admit(&self, call: &Invocation, now: Instant) -> Result<Admitted, Failure> {
        let now = self.rules.moment(now);
        let known = self.read().installations.get(&call.installation).map(Arc::clone);
        known.unwrap_or_else(|| self.open(call, now)).admit(call, now)
    }

    fn open(&self, call: &Invocation, now: Moment) -> Arc<InstallationAccount> {
        let mut books = self.write();
        if books.installations.len() >= books.room {
            books.forget(now);
            books.room = (books.installations.len() * 2).max(ROOM);
        }
        let Books { installations, tenants, .. } = &mut *books;
        let account = installations.entry(call.installation).or_insert_with(|| {
            let tenant = Arc::clone(tenants.entry(call.tenant).or_default());
            let whose = Whose {
                tenant: call.tenant,
                workspace: call.workspace,
                applet: call.applet.clone(),
                installation: call.installation,
            };
            Arc::new(InstallationAccount::new(whose, Arc::clone(&self.rules), tenant))
        });
        Arc::clone(account)
    }

    /// All numbers. Accounts at rest are forgotten by the way.
    pub fn reading(&self, now: Instant) -> Reading {
        let now = self.rules.moment(now);
        self.write().forget(now);
        let books = self.read();
        let mut installations: Vec<_> =
            books.installations.values().map(|account| account.reading(now)).collect();
        let mut tenants: Vec<_> = books
            .tenants
            .iter()
            .map(|(tenant, account)| TenantReading {
                tenant: *tenant,
                budgets: account.reading(&self.rules.tenant, now),
            })
            .collect();
        drop(books);
        installations.sort_by(|one, other| one.whose.cmp(&other.whose));
        tenants.sort_by_key(|reading| reading.tenant);
        Reading { at_ms: now / 1_000_000, installations, tenants }
    }

    fn read(&self) -> RwLockReadGuard<'_, Books> {
        self.books.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Books> {
        self.books.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Forgets accounts that nobody holds and that a new one would be the same as. Whoever has one got it
    /// under this lock, so none that is needed is missed.
    fn forget(&mut self, now: Moment) {
        self.installations.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_at_rest(now));
        self.tenants.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_at_rest(now));
    }
}

#[cfg(test)]
mod tests;
