//! What Redis is asked and told.
//!
//! All keys of a tenant have the tenant as hash tag, so each call goes to one node of a cluster:
//!
//! | key | is |
//! |---|---|
//! | `{tenant}:applet:g:…` | the stamp of a table: random, replaced by every write |
//! | `{tenant}:applet:p:…` | writes of a table that are pending: a sorted set of writers by the end of their mark |
//! | `{tenant}:applet:a:…` | an answer, sealed |
//!
//! A mark takes the stamp away in the same transaction. So if the writer dies between its commit and the new
//! stamp, the mark keeps everybody from making one until the commit is decided, and no answer from before it
//! ever becomes valid again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use applet_types::{SqlName, TenantId};
use redis::Value;

use super::key::{Digest, Secrets, Stamp, answer_name};
use super::link::{Down, Link};

/// How long a mark holds: longer than any commit takes.
const MARK: Duration = Duration::from_secs(60);
/// How long a stamp is kept. A stamp that is gone is a miss.
const STAMP_FOR: Duration = Duration::from_secs(3_600);

/// How things stand with tables and an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A write of one of the tables is pending.
    Pending,
    /// These are the stamps, and this is the envelope, if there is one and it was asked for.
    Stamps(Vec<Stamp>, Option<Vec<u8>>),
    /// A table has no stamp yet.
    NoStamps,
}

/// Who asks, about which tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) tenant: TenantId,
    pub(super) names: &'a [SqlName],
}

/// The shared cache.
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) secrets: Secrets,
}

/// A mark on the tables of a write, by the number of its writer.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    writer: String,
}

impl Shared {
    fn stamps(&self, tables: Tables<'_>) -> Vec<String> {
        tables.names.iter().map(|table| self.secrets.name("g", tables.tenant, table)).collect()
    }

    fn marks(&self, tables: Tables<'_>) -> Vec<String> {
        tables.names.iter().map(|table| self.secrets.name("p", tables.tenant, table)).collect()
    }

    /// The state of the tables, and with `answer` the envelope kept under it, in one round trip.
    pub(super) async fn find(&self, tables: Tables<'_>, answer: Option<&Digest>) -> Result<Found, Down> {
        let (marks, mut keys) = (self.marks(tables), self.stamps(tables));
        keys.extend(answer.map(|digest| answer_name(tables.tenant, digest)));
        let now = milliseconds_now();
        let answers = self
            .link
            .call(|pipeline| {
                for mark in &marks {
                    pipeline.cmd("ZCOUNT").arg(mark).arg(now).arg("+inf");
                }
                pipeline.cmd("MGET").arg(&keys);
            })
            .await?;
        found(&answers, tables.names.len())
    }

    /// Gives tables a stamp that have none.
    pub(super) async fn make_stamps(&self, tables: Tables<'_>) -> Result<Found, Down> {
        let (marks, keys) = (self.marks(tables), self.stamps(tables));
        let now = milliseconds_now();
        let answers = self
            .link
            .call(|pipeline| {
                for key in &keys {
                    let stamp: Stamp = rand::random();
                    let set = pipeline.cmd("SET").arg(key).arg(&stamp[..]).arg("NX").arg("PX");
                    set.arg(milliseconds(STAMP_FOR)).ignore();
                }
                for mark in &marks {
                    pipeline.cmd("ZCOUNT").arg(mark).arg(now).arg("+inf");
                }
                pipeline.cmd("MGET").arg(&keys);
            })
            .await?;
        found(&answers, tables.names.len())
    }

    /// Keeps an envelope.
    pub(super) async fn store(
        &self,
        tenant: TenantId,
        digest: &Digest,
        envelope: &[u8],
        ttl: Duration,
    ) -> Result<(), Down> {
        let key = answer_name(tenant, digest);
        let stored = self.link.call(|pipeline| {
            pipeline.cmd("SET").arg(&key).arg(envelope).arg("PX").arg(milliseconds(ttl).max(1)).ignore();
        });
        stored.await.map(drop)
    }

    /// Takes an answer away that is not what it says.
    pub(super) async fn remove(&self, tenant: TenantId, digest: &Digest) {
        let key = answer_name(tenant, digest);
        // If it stays, it is found out again.
        let removed = self.link.call(|pipeline| {
            pipeline.cmd("DEL").arg(&key).ignore();
        });
        let _ = removed.await;
    }

    /// Before a commit: from now on nobody is served what was read before, until [`Shared::unmark`].
    /// `Err` with a mark: it may stand there, or come to stand there, all the same.
    pub(super) async fn mark(&self, tables: Tables<'_>) -> Result<Mark, Option<Mark>> {
        let writer = rand::random::<u128>().to_string();
        let (marks, keys) = (self.marks(tables), self.stamps(tables));
        let now = milliseconds_now();
        let marked = self.link.call(|pipeline| {
            pipeline.cmd("DEL").arg(&keys).ignore();
            for mark in &marks {
                pipeline.cmd("ZREMRANGEBYSCORE").arg(mark).arg("-inf").arg(now).ignore();
                pipeline.cmd("ZADD").arg(mark).arg(now + milliseconds(MARK)).arg(&writer).ignore();
                pipeline.cmd("PEXPIRE").arg(mark).arg(milliseconds(MARK)).ignore();
            }
        });
        match marked.await {
            Ok(_) => Ok(Mark { writer }),
            Err(Down::Unsent) => Err(None),
            Err(Down::Unanswered) => Err(Some(Mark { writer })),
        }
    }

    /// After a commit, or after it is certain that there is none. If the outcome is unknown, the mark is left
    /// to run out.
    pub(super) async fn unmark(&self, tables: Tables<'_>, mark: &Mark, decided: bool) -> Result<(), Down> {
        let (marks, keys) = (self.marks(tables), self.stamps(tables));
        let done = self.link.call(|pipeline| {
            for key in &keys {
                let stamp: Stamp = rand::random();
                let set = pipeline.cmd("SET").arg(key).arg(&stamp[..]).arg("PX");
                set.arg(milliseconds(STAMP_FOR)).ignore();
            }
            for key in marks.iter().filter(|_| decided) {
                pipeline.cmd("ZREM").arg(key).arg(&mark.writer).ignore();
            }
        });
        done.await.map(drop)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn milliseconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds)
}

/// Reads the counts of pending writes and the values behind them.
fn found(answers: &[Value], tables: usize) -> Result<Found, Down> {
    let Some((Value::Array(values), counts)) = answers.split_last() else { return Err(Down::Unanswered) };
    if counts.len() != tables {
        return Err(Down::Unanswered);
    }
    if counts.iter().any(|count| *count != Value::Int(0)) {
        return Ok(Found::Pending);
    }
    let (stamps, envelope) = values.split_at_checked(tables).ok_or(Down::Unanswered)?;
    let stamps: Option<Vec<Stamp>> = stamps
        .iter()
        .map(|stamp| match stamp {
            Value::BulkString(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        })
        .collect();
    let Some(stamps) = stamps else { return Ok(Found::NoStamps) };
    let envelope = match envelope.first() {
        Some(Value::BulkString(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    Ok(Found::Stamps(stamps, envelope))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    #[test]
    fn d8_anything_unexpected_is_a_miss() {
        let (one, two) = (bulk(&[1; 16]), bulk(&[2; 16]));
        let values = |values: &[Value]| Value::Array(values.to_vec());
        let of = |answers: &[Value]| found(answers, 2);
        let (none, some) = (Value::Int(0), Value::Int(1));
        let stamps = vec![[1; 16], [2; 16]];
        let both = values(&[one.clone(), two.clone()]);
        assert_eq!(of(&[none.clone(), none.clone(), both.clone()]), Ok(Found::Stamps(stamps.clone(), None)));
        let answered = values(&[one.clone(), two, bulk(b"x")]);
        let expected = Ok(Found::Stamps(stamps, Some(b"x".to_vec())));
        assert_eq!(of(&[none.clone(), none.clone(), answered]), expected);
        assert_eq!(of(&[none.clone(), some, both.clone()]), Ok(Found::Pending));
        assert_eq!(of(&[none.clone(), Value::Nil, both.clone()]), Ok(Found::Pending));
        let missing = values(&[one.clone(), Value::Nil]);
        assert_eq!(of(&[none.clone(), none.clone(), missing]), Ok(Found::NoStamps));
        let short = values(&[one.clone(), bulk(&[2; 15])]);
        assert_eq!(of(&[none.clone(), none.clone(), short]), Ok(Found::NoStamps));
        assert_eq!(of(&[none.clone(), none.clone(), values(&[one])]), Err(Down::Unanswered));
        assert_eq!(of(&[none, both]), Err(Down::Unanswered));
        assert_eq!(of(&[]), Err(Down::Unanswered));
    }
}
