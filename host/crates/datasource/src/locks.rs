//! Every advisory lock of Applet Host, and the only way to take one.
//!
//! *Invariant:* a lock is tried in a loop, outside any transaction, and never awaited: a session that
//! waits inside the server for an advisory lock blocks `CREATE INDEX CONCURRENTLY` and can deadlock with it.

use std::time::Duration;

use rand::RngExt as _;
use sqlx::{Executor as _, Row as _};

use crate::{Admin, Error};

/// First half of the number of every lock: "AH".
const FAMILY: i32 = 0x4148;

/// What is locked. Advisory locks are per database, so that two databases of a server never wait for
/// each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[non_exhaustive]
pub enum Lock {
    /// Preparing the second wall.
    Prepare = 1,
    /// Migrating the host's own tables.
    Migrate = 2,
    /// Changing applets' tables: one DDL run at a time.
    ApplyPlan = 3,
    /// Sealing the audit trail. The store takes it, for a transaction, if it is free.
    SealAudit = 20,
}

/// First half of the numbers of locks that say "a process uses this login role"; the second half is the
/// role's object id. `0x414A` and `0x414B` are the store's: "a process works on this operation", and "this
/// session changes tables for it".
pub(crate) const ROLE_IN_USE: i32 = 0x4149;

impl Lock {
    const fn words(self) -> &'static str {
        match self {
            Self::Prepare => "the preparation of this database",
            Self::Migrate => "the migration of the host's tables",
            Self::ApplyPlan => "the change of applets' tables",
            Self::SealAudit => "the sealing of the audit trail",
        }
    }
}

const TRIES: u32 = 600;

/// Takes the lock for this session, trying for about a minute. It ends with [`release`] or the session.
///
/// # Errors
///
/// [`Error::Contended`] when it was never free.
pub async fn acquire(admin: &mut Admin, lock: Lock) -> Result<(), Error> {
    for _ in 0..TRIES {
        if admin.flag("SELECT pg_catalog.pg_try_advisory_lock($1, $2)", FAMILY, lock as i32).await? {
            return Ok(());
        }
        pause(50..150).await;
    }
    Err(Error::Contended { what: lock.words(), tries: TRIES })
}

/// Gives the lock back.
///
/// # Errors
///
/// When the session is broken, in which case the server has released the lock.
pub async fn release(admin: &mut Admin, lock: Lock) -> Result<(), Error> {
    admin.flag("SELECT pg_catalog.pg_advisory_unlock($1, $2)", FAMILY, lock as i32).await.map(drop)
}

/// Waits for a random time in milliseconds, so that two who collided do not collide again.
pub(crate) async fn pause(milliseconds: std::ops::Range<u64>) {
    let wait = rand::rng().random_range(milliseconds);
    tokio::time::sleep(Duration::from_millis(wait)).await;
}

impl Admin {
    pub(crate) async fn flag(&mut self, sql: &'static str, first: i32, second: i32) -> Result<bool, Error> {
        let query = sqlx::query(sql).bind(first).bind(second);
        let row = self.session().fetch_one(query).await.map_err(Error::statement("cannot take a lock"))?;
        row.try_get(0).map_err(Error::statement("cannot take a lock"))
    }
}
