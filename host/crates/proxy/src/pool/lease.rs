//! What a caller holds: a permit (counted per applet and tenant) and a session in a slot (counted per
//! applet and in the database's budget). Each gives itself back when it is dropped.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use applet_types::{AppletId, Login, TenantId};

use super::Shared;
use crate::wire::Session;

/// The right to use one session now.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<Shared>,
    applet: AppletId,
    tenant: TenantId,
    returned: bool,
}

impl Permit {
    /// Only the ledger makes permits, having counted them.
    pub(super) const fn new(shared: Arc<Shared>, applet: AppletId, tenant: TenantId) -> Self {
        Self { shared, applet, tenant, returned: false }
    }

    /// Gives the session back together with the permit: one entry in the books instead of two. A session for
    /// which there is no place any more is closed.
    fn return_with(mut self, idle: Idle) {
        self.returned = true;
        let surplus = self.shared.update(|ledger| {
            let surplus = ledger.session_returned(idle);
            ledger.permit_returned(&self.applet, self.tenant);
            surplus
        });
        if let Some(surplus) = surplus {
            surplus.close_aside();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.returned {
            self.shared.update(|ledger| ledger.permit_returned(&self.applet, self.tenant));
        }
    }
}

/// A place in the database's budget.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    pub(super) applet: AppletId,
    /// Under which tenure the session was, or is being, opened.
    pub(super) term: u64,
}

impl Slot {
    /// Only the ledger makes slots, having counted them.
    pub(super) const fn new(shared: Arc<Shared>, applet: AppletId, term: u64) -> Self {
        Self { shared, applet, term }
    }

    /// A place in this one's stead for another applet. The session that has this one still counts for its
    /// own applet until it is gone.
    pub(super) fn pass_to(&mut self, applet: AppletId, term: u64) -> Leaving {
        let before = std::mem::replace(&mut self.applet, applet);
        self.term = term;
        Leaving { shared: Arc::clone(&self.shared), applet: before }
    }
}

/// A session that is being closed to make room: until it is gone, it counts for its applet.
#[derive(Debug)]
pub(super) struct Leaving {
    shared: Arc<Shared>,
    applet: AppletId,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.update(|ledger| ledger.session_left(&self.applet));
    }
}

/// A session that has to be closed before its place is used.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) session: Box<Session>,
    pub(super) leaving: Leaving,
}

impl Replaced {
    /// Closes it; it counts until the server has let go.
    pub(super) async fn close(self) {
        self.session.close().await;
        drop(self.leaving);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.update(|ledger| ledger.slot_returned(&self.applet));
    }
}

/// A session that waits for work.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) session: Box<Session>,
    pub(super) slot: Slot,
    pub(super) login: Arc<Login>,
    pub(super) since: Instant,
}

impl Idle {
    /// Closes the session; its slot is free when the server has let go.
    pub(super) async fn close(self) {
        self.session.close().await;
        drop(self.slot);
    }

    /// The same in the background. Without a runtime the socket is closed here, and the server ends the
    /// session when it notices.
    pub(super) fn close_aside(self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.close());
        }
    }
}

/// What the ledger hands out. Dropped without being used, it goes back as it came.
#[derive(Debug)]
pub(super) struct Grant {
    granted: Option<(Permit, Granted)>,
    login: Arc<Login>,
}

#[derive(Debug)]
pub(super) enum Granted {
    /// An idle session of the role.
    Session(Idle),
    /// A free slot.
    Open(Slot),
    /// The slot of a session that has to be closed first.
    Replace(Replaced, Slot),
}

/// A slot in which a session has still to be opened.
#[derive(Debug)]
pub(super) struct Provision {
    permit: Permit,
    pub(super) slot: Slot,
    pub(super) replaced: Option<Replaced>,
}

impl Grant {
    pub(super) fn new(permit: Permit, place: Granted, login: &Arc<Login>) -> Self {
        Self { granted: Some((permit, place)), login: Arc::clone(login) }
    }

    /// The lease, if there is a session already; else the place to open one in.
    pub(super) fn redeem(mut self) -> Option<Result<Lease, Provision>> {
        let (permit, place) = self.granted.take()?;
        Some(match place {
            Granted::Session(idle) => Ok(Lease::new(permit, idle.session, idle.slot, &self.login)),
            Granted::Open(slot) => Err(Provision { permit, slot, replaced: None }),
            Granted::Replace(replaced, slot) => Err(Provision { permit, slot, replaced: Some(replaced) }),
        })
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let Some((permit, place)) = self.granted.take() else { return };
        match place {
            Granted::Session(Idle { session, slot, .. }) => {
                drop(Lease::new(permit, session, slot, &self.login));
            }
            // The session is of another role, or dead: it never goes back under this login.
            Granted::Replace(replaced, slot) => {
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        replaced.close().await;
                        drop((slot, permit));
                    });
                }
            }
            Granted::Open(slot) => drop((slot, permit)),
        }
    }
}

impl Provision {
    pub(super) fn into_lease(self, session: Session, login: &Arc<Login>) -> Lease {
        Lease::new(self.permit, Box::new(session), self.slot, login)
    }
}

#[derive(Debug)]
struct Held {
    session: Box<Session>,
    slot: Slot,
    login: Arc<Login>,
}

/// A session for one caller. Dropped while the session is idle, the session goes back to the pool; dropped
/// in any other state, it is cancelled and closed.
#[derive(Debug)]
pub(crate) struct Lease {
    permit: Option<Permit>,
    held: Option<Held>,
    retired: bool,
}

impl Lease {
    fn new(permit: Permit, session: Box<Session>, slot: Slot, login: &Arc<Login>) -> Self {
        let held = Held { session, slot, login: Arc::clone(login) };
        Self { permit: Some(permit), held: Some(held), retired: false }
    }

    /// Has the session closed instead of given back.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
    }
}

/// A lease whose session is gone. Cannot be seen from outside: the session is taken only by `drop`.
const TAKEN: &str = "the session of a lease is taken only when the lease is dropped";

impl Deref for Lease {
    type Target = Session;

    #[expect(clippy::expect_used, reason = "`held` is taken by `drop` alone")]
    fn deref(&self) -> &Session {
        &self.held.as_ref().expect(TAKEN).session
    }
}

impl DerefMut for Lease {
    #[expect(clippy::expect_used, reason = "`held` is taken by `drop` alone")]
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.held.as_mut().expect(TAKEN).session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(Held { session, slot, login }) = self.held.take() else { return };
        let Some(permit) = self.permit.take() else { return };
        let now = Instant::now();
        let lifetime = std::time::Duration::from_secs(slot.shared.limits.session_lifetime_s);
        // Whether the server has hung up meanwhile is asked when somebody wants the session.
        if !self.retired && session.is_settled() && now.duration_since(session.born()) < lifetime {
            permit.return_with(Idle { session, slot, login, since: now });
        } else {
            Idle { session, slot, login, since: now }.close_aside();
        }
    }
}
