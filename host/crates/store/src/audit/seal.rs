//! Sealing: linking records to their tenants' chains, afterwards.
//!
//! A record carries its transaction's number. PostgreSQL gives those out in order, and a snapshot tells the
//! lowest that is still under way: whatever is below it is committed or gone for good. So the sealer takes
//! what is below, in the order of (transaction, id), and nothing can ever commit into the part that is
//! sealed. A transaction that stays open holds back what came after it, never what it writes later.
//!
//! *Invariant:* one sealer at a time, by a lock that is tried and not awaited; place, hashes and mark change
//! in one transaction, so a sealer that dies has done nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::ChainHash;
use super::entry::{Row, columns};
use crate::{Store, StoreError, locks};

/// Records linked by one transaction.
const BATCH: i64 = 2_000;

/// After a restore, or over years of records at the first time, looking for the next ones takes longer than
/// a statement of the store usually may.
const PATIENCE: &str = "SET LOCAL statement_timeout = '10min'";

/// What a round of sealing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sealed {
    /// Records that were linked.
    pub records: u64,
    /// Whether more are waiting: time was up, or another host is at it.
    pub more: bool,
}

#[derive(sqlx::FromRow)]
struct Mark {
    xid: String,
    id: i64,
    /// The lowest transaction that is still under way.
    settled: String,
    restored: bool,
}

const MARK: &str = "
SELECT m.xid::text, m.id, pg_snapshot_xmin(s.now)::text AS settled,
       m.xid >= pg_snapshot_xmax(s.now) AS restored
FROM applet_host.audit_sealed m, (SELECT pg_current_snapshot() AS now) s";

impl Mark {
    /// Up to where everything is sealed once these rows are; `None` when nothing has changed.
    fn reached(&self, rows: &[Next]) -> Option<(String, i64)> {
        if rows.is_empty() && !self.restored {
            return None;
        }
        if (rows.len() as i64) < BATCH {
            return Some((self.settled.clone(), 0));
        }
        // Rows of a restored copy come last. Where the mark stays is safe: it only costs looking again.
        let ours = |next: &&Next| older(&next.transaction, &self.settled);
        let last = rows.iter().rfind(ours).map(|next| (next.transaction.clone(), next.row.id));
        Some(last.unwrap_or_else(|| (self.xid.clone(), self.id)))
    }
}

/// What can be seen and has a number that no transaction has got yet came with a restored copy. Asked of this
/// statement's own snapshot: by an earlier one, whatever has committed since would look restored.
const NEXT: &str = concat!(
    "SELECT a.xid::text AS transaction, ",
    columns!(),
    " FROM applet_host.audit a
 WHERE ((a.xid, a.id) > ($1::text::xid8, $2) AND a.xid < $3::text::xid8
        OR a.xid >= pg_snapshot_xmax(pg_current_snapshot()))
   AND NOT EXISTS (SELECT FROM applet_host.audit_chain c WHERE c.record = a.id)
 ORDER BY a.xid, a.id LIMIT $4"
);

#[derive(sqlx::FromRow)]
struct Next {
    transaction: String,
    #[sqlx(flatten)]
    row: Row,
}

const HEADS: &str = "
SELECT t.id, h.seq, h.hash FROM unnest($1::uuid[]) t(id)
CROSS JOIN LATERAL (SELECT c.seq, c.hash FROM applet_host.audit_chain c WHERE c.tenant_id = t.id
                    ORDER BY c.seq DESC LIMIT 1) h";

impl Store {
    /// Links what is there to be linked, for as long as `within`; a batch that has begun is finished. Safe
    /// from several hosts at once.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn seal(&self, within: Duration) -> Result<Sealed, StoreError> {
        if !self.has_audit().await? {
            return Ok(Sealed::default());
        }
        let started = Instant::now();
        let mut sealed = Sealed::default();
        loop {
            let Some(records) = self.seal_batch().await? else {
                return Ok(Sealed { more: true, ..sealed });
            };
            sealed.records += records;
            sealed.more = records >= BATCH.unsigned_abs();
            if !sealed.more || started.elapsed() >= within {
                return Ok(sealed);
            }
        }
    }

    /// `None` when another sealer is at it.
    async fn seal_batch(&self) -> Result<Option<u64>, StoreError> {
        let failed = || StoreError::database("seal the audit trail");
        let Some(mut transaction) = self.alone("seal the audit trail").await? else { return Ok(None) };
        let mark: Mark = sqlx::query_as(MARK).fetch_one(&mut *transaction).await.map_err(failed())?;
        let rows = next(&mut transaction, &mark).await?;
        let records = rows.len() as u64;
        let reached = mark.reached(&rows);
        if records > 0 {
            link(&mut transaction, rows).await?;
        }
        if let Some((xid, id)) = reached {
            sqlx::query("UPDATE applet_host.audit_sealed SET xid = $1::text::xid8, id = $2")
                .bind(xid)
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            transaction.commit().await.map_err(failed())?;
        } else {
            // Dropped, it would keep the lock until somebody else wants its session.
            transaction.rollback().await.map_err(failed())?;
        }
        Ok(Some(records))
    }

    /// A transaction that nobody else seals or settles beside, with time for long looks. `None` when
    /// somebody does.
    pub(super) async fn alone(
        &self,
        what: &'static str,
    ) -> Result<Option<Transaction<'static, Postgres>>, StoreError> {
        let failed = || StoreError::database(what);
        let mut transaction = self.pool.begin().await.map_err(failed())?;
        let (free,): (bool,) = sqlx::query_as("SELECT pg_try_advisory_xact_lock($1, $2)")
            .bind(locks::SEAL_AUDIT.0)
            .bind(locks::SEAL_AUDIT.1)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        if !free {
            transaction.rollback().await.map_err(failed())?;
            return Ok(None);
        }
        sqlx::query(PATIENCE).execute(&mut *transaction).await.map_err(failed())?;
        Ok(Some(transaction))
    }

    pub(super) async fn has_audit(&self) -> Result<bool, StoreError> {
        let (exists,): (bool,) = sqlx::query_as("SELECT to_regclass('applet_host.audit') IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::database("look for the audit trail"))?;
        Ok(exists)
    }
}

async fn next(session: &mut PgConnection, mark: &Mark) -> Result<Vec<Next>, StoreError> {
    // Numbers of transactions begin anew on a restored copy: what is sealed is told record by record.
    let (xid, id) = if mark.restored { ("0", 0) } else { (mark.xid.as_str(), mark.id) };
    sqlx::query_as(NEXT)
        .bind(xid)
        .bind(id)
        .bind(&mark.settled)
        .bind(BATCH)
        .fetch_all(session)
        .await
        .map_err(StoreError::database("read what is to be sealed"))
}

async fn link(session: &mut PgConnection, rows: Vec<Next>) -> Result<(), StoreError> {
    let failed = || StoreError::database("seal the audit trail");
    let entries: Vec<_> = rows.into_iter().map(|next| (next.row.id, next.row.entry(None))).collect();
    let mut tenants: Vec<Uuid> = entries.iter().map(|(_, entry)| entry.tenant.as_uuid()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let heads: Vec<(Uuid, i64, Vec<u8>)> =
        sqlx::query_as(HEADS).bind(&tenants).fetch_all(&mut *session).await.map_err(failed())?;
    let mut chains = BTreeMap::new();
    for (tenant, seq, hash) in heads {
        let hash =
            ChainHash::read(&hash).ok_or_else(|| StoreError::damaged("seal the audit trail", "a hash"))?;
        chains.insert(tenant, (seq, hash));
    }
    let mut links: (Vec<Uuid>, Vec<i64>, Vec<i64>, Vec<Vec<u8>>) = Default::default();
    for (record, entry) in entries {
        let tenant = entry.tenant.as_uuid();
        let (seq, hash) = chains.entry(tenant).or_insert((0, ChainHash::START));
        *seq += 1;
        *hash = hash.link(*seq, &entry);
        links.0.push(tenant);
        links.1.push(*seq);
        links.2.push(record);
        links.3.push(hash.bytes().to_vec());
    }
    sqlx::query(
        "INSERT INTO applet_host.audit_chain (tenant_id, seq, record, hash)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[])",
    )
    .bind(links.0)
    .bind(links.1)
    .bind(links.2)
    .bind(links.3)
    .execute(session)
    .await
    .map(drop)
    .map_err(failed())
}

/// Transactions' numbers, as text: without leading zeros, so a shorter one is a smaller one.
fn older(one: &str, other: &str) -> bool {
    (one.len(), one) < (other.len(), other)
}
