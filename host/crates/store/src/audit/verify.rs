//! Walking a chain, and comparing it with heads that were signed before.

use std::collections::HashMap;
use std::fmt;

use applet_types::TenantId;
use serde::Serialize;
use uuid::Uuid;

use super::entry::{Row, columns};
use super::{ChainHash, ExportRecord, Head};
use crate::{Store, StoreError};

/// Records read at once.
const PAGE: i64 = 2_000;

/// What is wrong with a chain: the first thing that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum ChainFault {
    /// A record, its place or its hash is not what was sealed.
    Changed {
        /// Its number.
        seq: i64,
    },
    /// A record was deleted.
    Deleted {
        /// Its number.
        seq: i64,
    },
    /// A number of the chain is not there.
    Skipped {
        /// The number.
        seq: i64,
    },
    /// The chain is not the one whose head was signed.
    Replaced {
        /// The signed number.
        seq: i64,
    },
    /// The chain ends before a head that was signed.
    CutOff {
        /// The first number that is gone.
        seq: i64,
        /// The signed number.
        signed: i64,
    },
    /// Records from the time that is sealed are not in the chain: they were slipped in, or cut out of it.
    Outside {
        /// How many.
        records: i64,
    },
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "record {seq} is not what was sealed"),
            Self::Deleted { seq } => write!(f, "record {seq} was deleted"),
            Self::Skipped { seq } => write!(f, "number {seq} is missing from the chain"),
            Self::Replaced { seq } => write!(f, "record {seq} is not the one whose head was signed"),
            Self::CutOff { seq, signed } => {
                write!(f, "the chain is cut off: record {seq} is missing, and a head was signed at {signed}")
            }
            Self::Outside { records } => write!(
                f,
                "{records} records of the time that is sealed are not in the chain: slipped in, or cut out"
            ),
        }
    }
}

/// How far a walk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number it has come to.
    pub seq: i64,
    /// The last one.
    pub last: i64,
}

/// What walking a chain came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Records that are as they were sealed.
    pub records: i64,
    /// The head that was reached; none when nothing is sealed or something is wrong.
    pub head: Option<Head>,
    /// Records that wait to be sealed.
    pub unsealed: i64,
    /// What is wrong, if anything.
    pub fault: Option<ChainFault>,
}

impl Store {
    /// Walks a tenant's chain from its first record to its last, and compares it with heads that were
    /// signed before.
    ///
    /// # Errors
    ///
    /// When the database refuses. What is wrong with the chain is no error: see [`Verification::fault`].
    pub async fn verify_chain(
        &self,
        tenant: TenantId,
        signed: &[Head],
        progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Verification, StoreError> {
        if !self.has_audit().await? {
            return Ok(Verification { records: 0, head: None, unsealed: 0, fault: None });
        }
        let head = self.chain_head(tenant).await?;
        let last = head.map_or(0, |head| head.seq);
        let known: HashMap<i64, ChainHash> = signed.iter().map(|head| (head.seq, head.hash)).collect();
        let (mut seq, mut hash) = (0, ChainHash::START);
        let mut wrong = None;
        while seq < last && wrong.is_none() {
            match self.chain_page(tenant, (seq, hash), last).await? {
                Ok(page) => {
                    let replaced = page
                        .iter()
                        .zip(seq + 1..)
                        .find(|(record, seq)| known.get(seq).is_some_and(|signed| *signed != record.hash));
                    wrong = replaced.map(|(_, seq)| ChainFault::Replaced { seq });
                    hash = page.last().map_or(hash, |record| record.hash);
                    seq += page.len() as i64;
                    progress(Step { seq, last });
                }
                Err(fault) => wrong = Some(fault),
            }
        }
        let cut = signed.iter().map(|head| head.seq).max().filter(|signed| *signed > last);
        let cut = cut.map(|signed| ChainFault::CutOff { seq: last + 1, signed });
        let (outside, unsealed) = self.loose(tenant).await?;
        let outside = (outside > 0).then_some(ChainFault::Outside { records: outside });
        let fault = wrong.or(cut).or(outside);
        Ok(Verification { records: seq, head: head.filter(|_| fault.is_none()), unsealed, fault })
    }

    /// How far a tenant's chain goes.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn chain_head(&self, tenant: TenantId) -> Result<Option<Head>, StoreError> {
        let row: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT seq, hash FROM applet_host.audit_chain WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1",
        )
        .bind(tenant.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read the end of a chain"))?;
        row.map(|(seq, hash)| Ok(Head { tenant, seq, hash: read_hash(&hash)? })).transpose()
    }

    /// How far each chain goes.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn chain_heads(&self) -> Result<Vec<Head>, StoreError> {
        // From tenant to tenant through the index: chains are long, and tenants few.
        let rows: Vec<(Uuid, i64, Vec<u8>)> = sqlx::query_as(
            "WITH RECURSIVE tenants (id) AS (
                 (SELECT tenant_id FROM applet_host.audit_chain ORDER BY tenant_id LIMIT 1)
                 UNION ALL
                 SELECT (SELECT c.tenant_id FROM applet_host.audit_chain c WHERE c.tenant_id > t.id
                         ORDER BY c.tenant_id LIMIT 1)
                   FROM tenants t WHERE t.id IS NOT NULL)
             SELECT t.id, h.seq, h.hash FROM tenants t
              CROSS JOIN LATERAL (SELECT c.seq, c.hash FROM applet_host.audit_chain c WHERE c.tenant_id = t.id
                                  ORDER BY c.seq DESC LIMIT 1) h",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("read the ends of the chains"))?;
        let head = |(tenant, seq, hash): (Uuid, i64, Vec<u8>)| {
            Ok(Head { tenant: TenantId::new(tenant), seq, hash: read_hash(&hash)? })
        };
        rows.into_iter().map(head).collect()
    }

    /// The hash at a number of a tenant's chain; that of the start at 0.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn chain_hash(&self, tenant: TenantId, seq: i64) -> Result<Option<ChainHash>, StoreError> {
        if seq == 0 {
            return Ok(Some(ChainHash::START));
        }
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT hash FROM applet_host.audit_chain WHERE tenant_id = $1 AND seq = $2")
                .bind(tenant.as_uuid())
                .bind(seq)
                .fetch_optional(&self.pool)
                .await
                .map_err(StoreError::database("read a link of a chain"))?;
        row.map(|(hash,)| read_hash(&hash)).transpose()
    }

    /// The records after a number whose hash is known, up to `last` or as many as are read at once, each
    /// checked. The inner error tells the first that is wrong.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn chain_page(
        &self,
        tenant: TenantId,
        after: (i64, ChainHash),
        last: i64,
    ) -> Result<Result<Vec<ExportRecord>, ChainFault>, StoreError> {
        let (mut seq, mut hash) = after;
        let links: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT seq, record, hash FROM applet_host.audit_chain
              WHERE tenant_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
        )
        .bind(tenant.as_uuid())
        .bind(seq)
        .bind(last)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("read a chain"))?;
        if links.is_empty() && seq < last {
            return Ok(Err(ChainFault::Skipped { seq: seq + 1 }));
        }
        let mut records = self.records(links.iter().map(|(_, record, _)| *record).collect()).await?;
        let mut page = Vec::with_capacity(links.len());
        for (found, record, stored) in links {
            seq += 1;
            if found != seq {
                return Ok(Err(ChainFault::Skipped { seq }));
            }
            let Some(row) = records.remove(&record) else {
                return Ok(Err(ChainFault::Deleted { seq }));
            };
            let entry = row.entry(Some(seq));
            hash = hash.link(seq, &entry);
            // The tenant is in the hash, but a record of another tenant must not be shown even so.
            if entry.tenant != tenant || hash.bytes().as_slice() != stored.as_slice() {
                return Ok(Err(ChainFault::Changed { seq }));
            }
            page.push(ExportRecord { hash, entry });
        }
        Ok(Ok(page))
    }

    async fn records(&self, ids: Vec<i64>) -> Result<HashMap<i64, Row>, StoreError> {
        let rows: Vec<Row> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM applet_host.audit a WHERE a.id = ANY($1)"))
                .bind(ids)
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::database("read sealed records"))?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    /// Records that are not in the chain: those of the time that is sealed, and those that wait.
    async fn loose(&self, tenant: TenantId) -> Result<(i64, i64), StoreError> {
        let failed = || StoreError::database("look for records outside the chain");
        let mut transaction = self.pool.begin().await.map_err(failed())?;
        sqlx::query("SET LOCAL statement_timeout = '10min'")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        sqlx::query_as(
            "SELECT count(*) FILTER (WHERE (a.xid, a.id) <= (m.xid, m.id)),
                    count(*) FILTER (WHERE (a.xid, a.id) > (m.xid, m.id))
               FROM applet_host.audit a, applet_host.audit_sealed m
              WHERE a.tenant = $1 AND NOT EXISTS (SELECT FROM applet_host.audit_chain c WHERE c.record = a.id)",
        )
        .bind(tenant.as_uuid())
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed())
    }
}

fn read_hash(bytes: &[u8]) -> Result<ChainHash, StoreError> {
    ChainHash::read(bytes).ok_or_else(|| StoreError::damaged("read a chain", "a hash has a wrong length"))
}
