//! One statement that writes a batch, and with it how far the process has come.

use applet_types::Encoding;
use uuid::Uuid;

use super::columns::columns;
use super::queue::Entry;
use crate::values::Fit;
use crate::wire::{Bound, End, Exchange, Fetch, Session, Settings, WireError};

/// One array per column. A batch whose answer was lost is written again: what is there stays as it is. A
/// process that had been given up for silence is alive again.
const WRITE: &str = "\
WITH progress AS (
    INSERT INTO applet_host.audit_writers (writer, base, capacity, issued, refused, ended_at)
    VALUES ($15::uuid, $16::bigint, $17::bigint, $18::bigint, $19::bigint,
            CASE WHEN $20::boolean THEN clock_timestamp() END)
    ON CONFLICT (writer) DO UPDATE
        SET issued = excluded.issued, refused = excluded.refused, seen_at = clock_timestamp(),
            ended_at = excluded.ended_at, settled_at = NULL
)
INSERT INTO applet_host.audit (at, request, tenant, workspace, applet, installation, user_id, role, operation, \
tables, sql, rows, duration_us, error, writer, number) \
SELECT 'epoch'::timestamptz + r.at * interval '1 microsecond', r.request, r.tenant, r.workspace, r.applet, \
r.installation, r.user_id, session_user, r.operation, r.tables::text[], r.sql, r.rows, r.duration_us, r.error, \
$15::uuid, r.number \
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], \
$9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[]) \
AS r(at, request, tenant, workspace, applet, installation, user_id, operation, tables, sql, rows, duration_us, error, \
number) \
ON CONFLICT DO NOTHING";

/// How far a process has come with its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) writer: Uuid,
    /// The number before its first.
    pub(super) base: i64,
    pub(super) capacity: i64,
    /// The last one that was given out.
    pub(super) issued: i64,
    /// How many the database would not take.
    pub(super) refused: i64,
    /// It gives out no more, and none is on its way.
    pub(super) ended: bool,
}

/// Writes the records and the progress, both or neither.
pub(super) async fn write(
    session: &mut Session,
    progress: Progress,
    batch: &[Entry],
) -> Result<(), WireError> {
    let prepared = session.prepare(&[WRITE]).await?;
    let Some(prepared) = prepared.first() else { return Err(WireError::Protocol("nothing was prepared")) };
    let columns = columns(batch);
    let mut parameters: Vec<Fit<'_>> = columns.iter().map(|column| Fit::Bytes(column)).collect();
    parameters.extend([
        Fit::Uuid(progress.writer.into_bytes()),
        Fit::Int8(progress.base),
        Fit::Int8(progress.capacity),
        Fit::Int8(progress.issued),
        Fit::Int8(progress.refused),
        Fit::Boolean(progress.ended),
    ]);
    let fetch = Fetch { encoding: Encoding::Packed, rows: 0, truncate: false, row_bytes: 0, result_bytes: 0 };
    let exchange = Exchange {
        begin: true,
        settings: Settings::default(),
        statements: &[Bound { prepared, parameters, fetch }],
        end: Some(End::Commit),
        ..Exchange::default()
    };
    session.exchange(&exchange).await.map(|_| ())
}
