//! The audit trail: how a record is written, and the queue for reads and denials (SPEC Decision 9).
//!
//! A write's record goes through `applet_host.audit_write` inside the write's own transaction. Reads and
//! denials go through [`AuditQueue`]: bounded, numbered, written in batches, flushed on shutdown. Who hands
//! over a record while the queue is full waits; with `strict`, until the record is durable.
//!
//! *Invariant:* what was answered has a number, and a number whose record never becomes durable leaves a
//! gap that the store can tell. At most the queue's capacity is on its way at any time.
//!
//! Start reading at `queue.rs`, then `writer.rs`.

mod batch;
mod columns;
mod queue;
mod writer;

use std::borrow::Cow;
use std::time::Duration;

use applet_types::AuditRecord;

use crate::values::Fit;

pub use queue::{AuditQueue, AuditStatus};
pub use writer::AuditWriter;

/// Bytes of a statement that are kept.
const MAX_SQL_BYTES: usize = 2 << 10;

/// The parameters of `applet_host.audit_write`.
pub(crate) fn parameters(record: &AuditRecord) -> Vec<Fit<'_>> {
    vec![
        Fit::Uuid(record.request.as_uuid().into_bytes()),
        Fit::Uuid(record.workspace.as_uuid().into_bytes()),
        Fit::Text(Cow::Borrowed(record.applet.as_str())),
        Fit::Uuid(record.installation.as_uuid().into_bytes()),
        record.user.map_or(Fit::Null, |user| Fit::Uuid(user.as_uuid().into_bytes())),
        Fit::Text(Cow::Borrowed(record.operation.as_str())),
        Fit::Text(Cow::Owned(array(record.tables.iter().map(String::as_str)))),
        Fit::Text(Cow::Borrowed(kept_sql(&record.sql))),
        Fit::Int8(integer(record.rows)),
        Fit::Int8(micros(record.duration)),
        record.error.map_or(Fit::Null, |code| Fit::Text(Cow::Borrowed(code.as_str()))),
    ]
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn kept_sql(sql: &str) -> &str {
    sql.get(..sql.floor_char_boundary(MAX_SQL_BYTES)).unwrap_or_default()
}

/// An array literal of PostgreSQL.
fn array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("{");
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push('"');
        for letter in item.chars() {
            match letter {
                // No text in PostgreSQL has one.
                '\0' => {}
                '"' | '\\' => out.extend(['\\', letter]),
                letter => out.push(letter),
            }
        }
        out.push('"');
    }
    out.push('}');
    out
}
