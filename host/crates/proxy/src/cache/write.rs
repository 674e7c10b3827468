//! The writer's side: what happens around a commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use applet_types::{SqlName, TenantId};
use tokio::time::sleep;

use super::counters::Counters;
use super::shared::{self, Tables};
use super::watch::Silent;
use super::{Inner, QueryCache};

/// How often a host that writes in silence looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often it is tried, a [`LOOK_AGAIN`] apart, to take a mark away that may stand there.
const RETRIES: usize = 300;

/// The tables of a write, marked. Dropped before it is settled (its future was cancelled while the commit was
/// on its way), it counts as undecided.
pub(crate) struct Marked {
    inner: Arc<Inner>,
    tenant: TenantId,
    tables: Vec<SqlName>,
    how: Option<How>,
}

enum How {
    /// In Redis.
    Shared(shared::Mark),
    /// Nobody serves anything cached that was read before, as long as this is held.
    Silent {
        _announced: Option<Silent>,
        /// A mark that may stand in Redis all the same.
        stray: Option<shared::Mark>,
    },
}

impl QueryCache {
    /// Before a commit that changes these tables. Afterwards comes [`Marked::settle`].
    pub(crate) async fn mark(&self, tenant: TenantId, tables: Vec<SqlName>) -> Marked {
        let inner = Arc::clone(&self.inner);
        let how = match &inner.shared {
            Some(shared) => match shared.mark(Tables { tenant, names: &tables }).await {
                Ok(mark) => How::Shared(mark),
                Err(stray) => How::Silent { _announced: Inner::go_silent(&inner).await, stray },
            },
            None => How::Silent { _announced: Inner::go_silent(&inner).await, stray: None },
        };
        Marked { inner, tenant, tables, how: Some(how) }
    }
}

impl Marked {
    /// After the commit. `decided`: it is certain that it has happened, or that it has not and will not.
    pub(crate) async fn settle(mut self, decided: bool) {
        self.inner.stamps.changed(self.tenant, &self.tables);
        match self.how.take() {
            Some(How::Shared(mark)) => {
                if let Err(unsettled) = self.unsettled(mark, decided).settle().await {
                    // The mark may be gone as well, so everything is left behind before the write returns.
                    drop(Inner::go_silent(&unsettled.inner).await);
                    tokio::spawn(unsettled.settle_later());
                }
            }
            Some(How::Silent { stray: Some(mark), .. }) => {
                tokio::spawn(self.unsettled(mark, decided).settle_later());
            }
            Some(How::Silent { stray: None, .. }) | None => {}
        }
    }

    fn unsettled(&mut self, mark: shared::Mark, decided: bool) -> Unsettled {
        let tables = std::mem::take(&mut self.tables);
        Unsettled { inner: Arc::clone(&self.inner), tenant: self.tenant, tables, mark, decided }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let Some(how) = self.how.take() else { return };
        self.inner.stamps.changed(self.tenant, &self.tables);
        if let (How::Shared(mark), Ok(runtime)) = (how, tokio::runtime::Handle::try_current()) {
            let unsettled = self.unsettled(mark, false);
            runtime.spawn(async move {
                if let Err(unsettled) = unsettled.settle().await {
                    unsettled.settle_later().await;
                }
            });
        }
    }
}

/// A mark in Redis that has to be replaced by a new stamp.
struct Unsettled {
    inner: Arc<Inner>,
    tenant: TenantId,
    tables: Vec<SqlName>,
    mark: shared::Mark,
    decided: bool,
}

impl Unsettled {
    async fn settle(self) -> Result<(), Self> {
        let Some(shared) = &self.inner.shared else { return Ok(()) };
        let tables = Tables { tenant: self.tenant, names: &self.tables };
        let done = shared.unmark(tables, &self.mark, self.decided).await;
        done.map_err(|_| self)
    }

    /// Nobody waits for this: the mark costs speed until it is gone.
    async fn settle_later(self) {
        let mut unsettled = self;
        for _ in 0..RETRIES {
            sleep(LOOK_AGAIN).await;
            if !unsettled.inner.shared.as_ref().is_some_and(|shared| shared.link.is_up()) {
                continue;
            }
            match unsettled.settle().await {
                Ok(()) => return,
                Err(still) => unsettled = still,
            }
        }
    }
}

impl Inner {
    /// Announces that this host writes without telling, until Redis answers again.
    async fn go_silent(inner: &Arc<Self>) -> Option<Silent> {
        let silent = inner.watch.announce().await;
        if silent.is_none() {
            tracing::error!("a write could not be announced: cached answers may be stale up to their ttl");
            Counters::add(&inner.counters.unannounced);
        }
        if inner.shared.is_some() {
            Counters::add(&inner.counters.silent_writes);
            if !inner.returning.swap(true, Ordering::Relaxed) {
                tokio::spawn(Self::come_back(Arc::downgrade(inner)));
            }
        }
        silent
    }

    async fn come_back(host: std::sync::Weak<Self>) {
        loop {
            sleep(LOOK_AGAIN).await;
            let Some(inner) = host.upgrade() else { return };
            let up = inner.shared.as_ref().is_none_or(|shared| shared.link.is_up());
            if (up && inner.watch.leave().await) || !inner.watch.is_announced() {
                inner.returning.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}
