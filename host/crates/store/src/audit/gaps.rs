//! Gaps: numbers that a process gave to reads and denials and whose records never came (SPEC Decision 9).
//!
//! A process that ends in order says so. One that was killed is told by its silence, and then what is missing
//! is known in two parts: holes below the last number it is known to have given out are lost for certain;
//! above it there may be as many more as it may have on their way, and nobody can tell whether they were.
//! Both become records of the host's own chain.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::HOST_CHAIN;
use crate::{Store, StoreError};

/// What a gap's record is called when its numbers are known to have been given out, and when not.
const CERTAIN: &str = "gap";
const POSSIBLE: &str = "possible-gap";

/// Gaps shown at most.
const MAX_GAPS: i64 = 1_000;

/// Records that are missing from the trail, or may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditGap {
    /// The process that gave out the numbers.
    pub writer: Uuid,
    /// The first number.
    pub from: i64,
    /// The last number.
    pub to: i64,
    /// Whether the numbers are known to have been given out; else they are the most that may have been.
    pub certain: bool,
    /// Records of it that have come after all: the process had only been silent.
    pub arrived: i64,
    /// When it was noticed.
    pub at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Writer {
    writer: Uuid,
    base: i64,
    capacity: i64,
    issued: i64,
    refused: i64,
    ended: bool,
}

const UNSETTLED: &str = "
SELECT writer, base, capacity, issued, refused, ended_at IS NOT NULL AS ended FROM applet_host.audit_writers
 WHERE settled_at IS NULL AND (ended_at IS NOT NULL OR seen_at <= clock_timestamp() - make_interval(secs => $1))
 ORDER BY seen_at LIMIT 100 FOR UPDATE SKIP LOCKED";

const HOLES: &str = "
SELECT n.number + 1, n.next - 1 FROM (
    SELECT number, lead(number) OVER (ORDER BY number) AS next FROM (
        SELECT number FROM applet_host.audit WHERE writer = $1
        UNION ALL SELECT $2 UNION ALL SELECT $3 + 1) known) n
 WHERE n.next > n.number + 1 ORDER BY 1";

const RECORD: &str = "
INSERT INTO applet_host.audit (request, tenant, workspace, applet, installation, role, operation, tables, sql, rows,
                               duration_us, missing_from, missing_to)
SELECT $1, $2, $2, 'host', $2, session_user, $3, '{}', $4, $6 - $5 + 1, 0, $5, $6
 WHERE NOT EXISTS (SELECT FROM applet_host.audit a WHERE a.tenant = $2 AND a.request = $1 AND a.operation = $3
                    AND a.missing_from = $5 AND a.missing_to = $6)";

impl Store {
    /// Records the gaps of processes that have ended, or that were silent for `lease`. Gives how many gaps
    /// there are. Safe from several hosts at once.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn settle_writers(&self, lease: Duration) -> Result<u64, StoreError> {
        if !self.has_audit().await? {
            return Ok(0);
        }
        let failed = || StoreError::database("settle the audit trail's writers");
        let Some(mut transaction) = self.alone("settle the audit trail's writers").await? else {
            return Ok(0);
        };
        let writers: Vec<Writer> = sqlx::query_as(UNSETTLED)
            .bind(lease.as_secs_f64())
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        if writers.is_empty() {
            // Dropped, it would keep the lock until somebody else wants its session.
            transaction.rollback().await.map_err(failed())?;
            return Ok(0);
        }
        let mut gaps = 0;
        for writer in &writers {
            gaps += settle(&mut transaction, writer).await?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(gaps)
    }

    /// Gaps that were noticed since `since`, latest first. They are the host's: they may concern any tenant.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn audit_gaps(&self, since: Option<DateTime<Utc>>) -> Result<Vec<AuditGap>, StoreError> {
        if !self.has_audit().await? {
            return Ok(Vec::new());
        }
        let rows: Vec<(Uuid, i64, i64, bool, i64, DateTime<Utc>)> = sqlx::query_as(
            "SELECT g.request, g.missing_from, g.missing_to, g.operation = $3,
                    (SELECT count(*) FROM applet_host.audit a
                      WHERE a.writer = g.request AND a.number BETWEEN g.missing_from AND g.missing_to), g.at
               FROM applet_host.audit g
              WHERE g.tenant = $1 AND ($2::timestamptz IS NULL OR g.at >= $2) AND g.missing_from IS NOT NULL
                AND g.missing_to IS NOT NULL
              ORDER BY g.at DESC, g.missing_from DESC LIMIT $4",
        )
        .bind(HOST_CHAIN.as_uuid())
        .bind(since)
        .bind(CERTAIN)
        .bind(MAX_GAPS)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("read the audit trail's gaps"))?;
        let gap =
            |(writer, from, to, certain, arrived, at)| AuditGap { writer, from, to, certain, arrived, at };
        Ok(rows.into_iter().map(gap).collect())
    }
}

async fn settle(session: &mut PgConnection, writer: &Writer) -> Result<u64, StoreError> {
    let failed = || StoreError::database("settle the audit trail's writers");
    let mut gaps = 0;
    // One that says at its end that everything was taken need not be looked through.
    if !writer.ended || writer.refused > 0 {
        let holes: Vec<(i64, i64)> = sqlx::query_as(HOLES)
            .bind(writer.writer)
            .bind(writer.base)
            .bind(writer.issued)
            .fetch_all(&mut *session)
            .await
            .map_err(failed())?;
        let missing: i64 = holes.iter().map(|(from, to)| to - from + 1).sum();
        for (from, to) in holes {
            record(session, writer, CERTAIN, from, to).await?;
            gaps += 1;
        }
        // What is on its way counts towards the capacity, so what is known to be missing leaves less room.
        let room = writer.capacity - (missing - writer.refused).max(0);
        if !writer.ended && room > 0 {
            record(session, writer, POSSIBLE, writer.issued + 1, writer.issued + room).await?;
            gaps += 1;
        }
    }
    sqlx::query("UPDATE applet_host.audit_writers SET settled_at = clock_timestamp() WHERE writer = $1")
        .bind(writer.writer)
        .execute(session)
        .await
        .map_err(failed())?;
    Ok(gaps)
}

async fn record(
    session: &mut PgConnection,
    writer: &Writer,
    kind: &str,
    from: i64,
    to: i64,
) -> Result<(), StoreError> {
    let at_most = if kind == POSSIBLE { " at most" } else { "" };
    let text = format!("audit gap: writer {}, numbers {from}..{to}{at_most}", writer.writer);
    tracing::error!(writer = %writer.writer, from, to, certain = kind == CERTAIN, "audit records are missing");
    sqlx::query(RECORD)
        .bind(writer.writer)
        .bind(HOST_CHAIN.as_uuid())
        .bind(kind)
        .bind(text)
        .bind(from)
        .bind(to)
        .execute(session)
        .await
        .map(drop)
        .map_err(StoreError::database("record a gap of the audit trail"))
}
