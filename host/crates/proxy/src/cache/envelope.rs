//! An answer as Redis keeps it: sealed, and bound to its key and to the state it was read in.
//!
//! *Invariant:* [`open`] gives back only what was sealed under the same key, epoch and stamps, and not
//! expired. Whoever can write to Redis can make an answer go away, and nothing else.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use applet_types::{Column, ColumnType, Outcome, RowSet};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use super::key::{Digest, Stamp};
use super::watch::Epoch;

/// The first byte; another layout gets another number.
const VERSION: u8 = 2;
const NONCE: usize = 24;
const EPOCH: usize = 24;
const STAMP: usize = 16;
/// How far ahead the clock of the host that stored an answer may be.
const SKEW: Duration = Duration::from_secs(30);

/// What an answer is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding<'a> {
    pub(super) digest: &'a Digest,
    pub(super) epoch: Epoch,
    /// Of the statement's tables, in their order.
    pub(super) stamps: &'a [Stamp],
}

/// Why an envelope is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It says itself that it was stored in another state: something was written since.
    Stale,
    /// Its time is over.
    Expired,
    /// It is not what it says, or not for this key.
    Forged,
}

/// Seals answers with one key.
pub(super) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// The envelope: version, nonce, epoch, number of stamps, stamps, sealed expiry and answer. `None` for an answer
    /// that has no place in it.
    pub(super) fn seal(
        &self,
        binding: &Binding<'_>,
        outcome: &Outcome,
        expires: SystemTime,
        nonce: [u8; NONCE],
    ) -> Option<Vec<u8>> {
        let plain = encode(outcome, milliseconds(expires))?;
        let count = u8::try_from(binding.stamps.len()).ok()?;
        let aad = bound_to(binding);
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad }).ok()?;
        let mut envelope =
            Vec::with_capacity(2 + NONCE + EPOCH + binding.stamps.len() * STAMP + sealed.len());
        envelope.push(VERSION);
        envelope.extend_from_slice(&nonce);
        envelope.extend_from_slice(&binding.epoch.to_bytes());
        envelope.push(count);
        for stamp in binding.stamps {
            envelope.extend_from_slice(stamp);
        }
        envelope.extend_from_slice(&sealed);
        Some(envelope)
    }

    /// The answer, and how long it may still be served.
    pub(super) fn open(
        &self,
        binding: &Binding<'_>,
        envelope: &[u8],
        now: SystemTime,
        longest: Duration,
    ) -> Result<(Outcome, Duration), Unusable> {
        let mut rest = Reader(envelope);
        if rest.take(1).ok_or(Unusable::Forged)? != [VERSION] {
            return Err(Unusable::Forged);
        }
        let nonce: [u8; NONCE] = rest.array().ok_or(Unusable::Forged)?;
        let epoch: [u8; EPOCH] = rest.array().ok_or(Unusable::Forged)?;
        let count = usize::from(rest.u8().ok_or(Unusable::Forged)?);
        let stamps = rest.take(count * STAMP).ok_or(Unusable::Forged)?;
        // The epoch moves on without the stamps, when somebody writes whom Redis does not hear.
        if epoch != binding.epoch.to_bytes() || stamps != binding.stamps.as_flattened() {
            return Err(Unusable::Stale);
        }
        let aad = bound_to(binding);
        let plain = self
            .0
            .decrypt(&XNonce::from(nonce), Payload { msg: rest.0, aad: &aad })
            .map_err(|_| Unusable::Forged)?;
        let (outcome, expires) = decode(&plain).ok_or(Unusable::Forged)?;
        let left = Duration::from_millis(expires.saturating_sub(milliseconds(now)));
        if left.is_zero() || left > longest + SKEW {
            return Err(Unusable::Expired);
        }
        Ok((outcome, left.min(longest)))
    }
}

/// Fixed lengths but for the stamps, which come last: no two bindings are the same bytes.
fn bound_to(binding: &Binding<'_>) -> Vec<u8> {
    let mut aad = Vec::with_capacity(128);
    aad.extend_from_slice(b"applet cache 2");
    aad.extend_from_slice(binding.digest);
    aad.extend_from_slice(&binding.epoch.to_bytes());
    aad.extend_from_slice(binding.stamps.as_flattened());
    aad
}

fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn encode(outcome: &Outcome, expires: u64) -> Option<Vec<u8>> {
    let rows = &outcome.rows;
    let mut out = Vec::with_capacity(rows.data.len() + 32 + rows.columns.len() * 24);
    out.extend_from_slice(&expires.to_le_bytes());
    out.extend_from_slice(&outcome.affected.to_le_bytes());
    out.extend_from_slice(&rows.count.to_le_bytes());
    out.push(rows.truncated.into());
    out.extend_from_slice(&u16::try_from(rows.columns.len()).ok()?.to_le_bytes());
    for column in rows.columns.iter() {
        out.extend_from_slice(&u16::try_from(column.name.len()).ok()?.to_le_bytes());
        out.extend_from_slice(column.name.as_bytes());
        out.push(kind_to_byte(column.kind));
        out.push(column.element.map_or(NO_ELEMENT, kind_to_byte));
    }
    out.extend_from_slice(&rows.data);
    Some(out)
}

fn decode(plain: &[u8]) -> Option<(Outcome, u64)> {
    let mut rest = Reader(plain);
    let expires = u64::from_le_bytes(rest.array()?);
    let affected = u64::from_le_bytes(rest.array()?);
    let count = u32::from_le_bytes(rest.array()?);
    let truncated = match rest.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let width = u16::from_le_bytes(rest.array()?);
    let mut columns = Vec::with_capacity(width.into());
    for _ in 0..width {
        let length = u16::from_le_bytes(rest.array()?);
        let name = String::from_utf8(rest.take(length.into())?.to_vec()).ok()?;
        let kind = kind_of_byte(rest.u8()?)?;
        let element = match rest.u8()? {
            NO_ELEMENT => None,
            byte => Some(kind_of_byte(byte)?),
        };
        columns.push(Column { name, kind, element });
    }
    let rows = RowSet { columns: Arc::from(columns), count, truncated, data: rest.0.to_vec() };
    Some((Outcome { rows, affected }, expires))
}

/// Reads from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
}

const KINDS: [ColumnType; 17] = [
    ColumnType::Boolean,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Numeric,
    ColumnType::Text,
    ColumnType::Bytes,
    ColumnType::Uuid,
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Interval,
    ColumnType::Json,
    ColumnType::Array,
];

/// Stands for a column that has no elements.
const NO_ELEMENT: u8 = u8::MAX;

const fn kind_to_byte(kind: ColumnType) -> u8 {
    match kind {
        ColumnType::Boolean => 0,
        ColumnType::Int16 => 1,
        ColumnType::Int32 => 2,
        ColumnType::Int64 => 3,
        ColumnType::Float32 => 4,
        ColumnType::Float64 => 5,
        ColumnType::Numeric => 6,
        ColumnType::Text => 7,
        ColumnType::Bytes => 8,
        ColumnType::Uuid => 9,
        ColumnType::Date => 10,
        ColumnType::Time => 11,
        ColumnType::Timestamp => 12,
        ColumnType::TimestampTz => 13,
        ColumnType::Interval => 14,
        ColumnType::Json => 15,
        ColumnType::Array => 16,
    }
}

fn kind_of_byte(byte: u8) -> Option<ColumnType> {
    KINDS.get(usize::from(byte)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const TTL: Duration = Duration::from_secs(30);

    fn now() -> SystemTime {
        UNIX_EPOCH + NOW
    }

    fn outcome(data: &[u8]) -> Outcome {
        let columns: Arc<[Column]> = KINDS
            .iter()
            .map(|kind| Column {
                name: format!("naïve {}", kind.as_str()),
                kind: *kind,
                element: (*kind != ColumnType::Json).then_some(*kind),
            })
            .collect();
        Outcome {
            rows: RowSet { columns, count: 3, truncated: true, data: data.to_vec() },
            affected: u64::MAX - 7,
        }
    }

    fn epoch(number: i64) -> Epoch {
        Epoch { number, ..Epoch::default() }
    }

    #[test]
    fn s4_63_an_answer_comes_back_as_it_was_until_its_time_is_over() {
        let sealer = Sealer::new(&[1; 32]);
        let stamps = [[1; 16], [2; 16]];
        let binding = Binding { digest: &[9; 32], epoch: epoch(1), stamps: &stamps };
        for data in [&b""[..], b"rows", &[0xff; 100_000]] {
            let envelope = sealer.seal(&binding, &outcome(data), now() + TTL, [5; 24]).unwrap();
            let (opened, left) = sealer.open(&binding, &envelope, now(), TTL).unwrap();
            assert_eq!((opened, left), (outcome(data), TTL));
            assert_eq!(sealer.open(&binding, &envelope, now() + TTL, TTL), Err(Unusable::Expired));
            let far = sealer.seal(&binding, &outcome(data), now() + TTL * 10, [5; 24]).unwrap();
            assert_eq!(sealer.open(&binding, &far, now(), TTL), Err(Unusable::Expired), "too far ahead");
        }
        let envelope = sealer.seal(&binding, &outcome(b"canary"), now() + TTL, [5; 24]).unwrap();
        assert!(!envelope.windows(6).any(|window| window == b"canary"), "nothing can be read in Redis");
    }

    #[test]
    fn g25_a_value_for_another_key_state_or_epoch_is_never_opened() {
        let sealer = Sealer::new(&[1; 32]);
        let (old, new) = ([[1; 16], [2; 16]], [[1; 16], [3; 16]]);
        let binding = Binding { digest: &[9; 32], epoch: epoch(1), stamps: &old };
        let envelope = sealer.seal(&binding, &outcome(b"rows"), now() + TTL, [5; 24]).unwrap();
        let open = |binding: &Binding<'_>, envelope: &[u8]| sealer.open(binding, envelope, now(), TTL);
        let other_key = Binding { digest: &[8; 32], ..binding };
        assert_eq!(open(&other_key, &envelope), Err(Unusable::Forged));
        let other_epoch = Binding { epoch: epoch(2), ..binding };
        assert_eq!(open(&other_epoch, &envelope), Err(Unusable::Stale), "an honest old one is no alarm");
        let mut moved = envelope.clone();
        moved[1 + 24..1 + 24 + 24].copy_from_slice(&epoch(2).to_bytes());
        assert_eq!(open(&other_epoch, &moved), Err(Unusable::Forged), "old value under a newer epoch");
        let newer = Binding { stamps: &new, ..binding };
        assert_eq!(open(&newer, &envelope), Err(Unusable::Stale), "it says itself that it is old");
        let mut relabelled = envelope.clone();
        relabelled[2 + 48 + 16..2 + 48 + 32].copy_from_slice(&new[1]);
        assert_eq!(open(&newer, &relabelled), Err(Unusable::Forged), "old value under a newer generation");
        assert_eq!(Sealer::new(&[2; 32]).open(&binding, &envelope, now(), TTL), Err(Unusable::Forged));
    }

    #[test]
    fn g46_no_damage_to_an_envelope_goes_unnoticed() {
        let sealer = Sealer::new(&[1; 32]);
        let binding = Binding { digest: &[9; 32], epoch: epoch(1), stamps: &[[1; 16]] };
        let envelope = sealer.seal(&binding, &outcome(b"rows"), now() + TTL, [5; 24]).unwrap();
        for position in 0..envelope.len() {
            let mut damaged = envelope.clone();
            damaged[position] ^= 0x40;
            assert!(sealer.open(&binding, &damaged, now(), TTL).is_err(), "byte {position}");
            assert!(sealer.open(&binding, &envelope[..position], now(), TTL).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn every_kind_of_column_has_a_byte_of_its_own() {
        for (index, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(usize::from(kind_to_byte(kind)), index);
        }
    }
}
