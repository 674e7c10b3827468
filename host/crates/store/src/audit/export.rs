//! Taking a tenant's trail elsewhere: lines of JSON that can be checked without this host.
//!
//! The first line is an [`ExportHeader`], then an [`ExportRecord`] for each record, and last an
//! [`ExportTrailer`] with the signed manifest. A file that was cut off has no trailer.

use std::io::{self, BufRead};

use applet_types::TenantId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AuditEntry, AuditGap, AuditPublicKey, ChainFault, ChainHash};

/// What the files of this form call themselves.
const FORMAT: &str = "applet-host audit export 1";

/// How a trailer begins, and no other line.
const TRAILER: &str = "{\"manifest\":";

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// The form of the file.
    pub format: String,
    /// Whose trail.
    pub tenant: TenantId,
    /// The number of the record before the first one here; 0 when it begins at the beginning.
    pub after: i64,
    /// That record's hash.
    pub previous: ChainHash,
}

/// A record's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRecord {
    /// Its hash.
    pub hash: ChainHash,
    /// The record.
    pub entry: AuditEntry,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportManifest {
    /// The first line again.
    pub header: ExportHeader,
    /// The number of the last record.
    pub last: i64,
    /// Its hash.
    pub head: ChainHash,
    /// How many records.
    pub records: i64,
    /// Gaps of the host's that were known.
    pub gaps: Vec<AuditGap>,
    /// When it was made.
    pub exported_at: DateTime<Utc>,
    /// The key that signed it, as [`AuditPublicKey::id`] names it.
    pub key: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportTrailer {
    /// An [`ExportManifest`], byte by byte as it was signed.
    pub manifest: Box<RawValue>,
    /// The signature.
    pub signature: String,
}

/// Why an exported file does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFault {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A line is not what stands at that place.
    #[error("line {line} is not {expected}")]
    Line {
        /// Which, counted from 1.
        line: u64,
        /// What belongs there.
        expected: &'static str,
    },
    /// A record is not what was exported.
    #[error("{0}")]
    Chain(ChainFault),
    /// No trailer.
    #[error("the file is cut off after record {0}")]
    CutOff(i64),
    /// The manifest was signed by another key, or changed.
    #[error("the manifest is not signed by this key")]
    Signature,
    /// The records hold together but are not what the manifest tells of.
    #[error("the records are not those that the manifest tells of")]
    Manifest,
}

impl ExportHeader {
    /// The first line of an export of what comes after number `after`, whose hash is `previous`.
    pub fn new(tenant: TenantId, after: i64, previous: ChainHash) -> Self {
        Self { format: FORMAT.to_owned(), tenant, after, previous }
    }
}

/// Checks an exported file: every record against the one before it, and the manifest against `key`.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn check_export(
    mut file: impl BufRead,
    key: &AuditPublicKey,
    progress: &mut dyn FnMut(i64),
) -> Result<ExportManifest, ExportFault> {
    let mut text = String::new();
    file.read_line(&mut text)?;
    let header: ExportHeader = read(&text, 1, "the header of an export")?;
    if header.format != FORMAT {
        return Err(ExportFault::Line { line: 1, expected: "the header of an export of this version" });
    }
    let (mut seq, mut hash) = (header.after, header.previous);
    for line in 2_u64.. {
        text.clear();
        if file.read_line(&mut text)? == 0 {
            return Err(ExportFault::CutOff(seq));
        }
        if text.starts_with(TRAILER) {
            let trailer = read(&text, line, "the manifest of an export")?;
            text.clear();
            if file.read_line(&mut text)? > 0 {
                return Err(ExportFault::Line { line: line + 1, expected: "the end" });
            }
            return conclude(&trailer, key, line, &header, (seq, hash));
        }
        let record: ExportRecord = read(&text, line, "a record")?;
        seq += 1;
        hash = hash.link(seq, &record.entry);
        // What is not in the hash has to follow from what is.
        let consistent = record.entry.seq == Some(seq)
            && record.entry.tenant == header.tenant
            && record.entry.success == record.entry.error.is_none();
        if hash != record.hash || !consistent {
            return Err(ExportFault::Chain(ChainFault::Changed { seq }));
        }
        progress(seq);
    }
    Err(ExportFault::CutOff(seq))
}

fn conclude(
    trailer: &ExportTrailer,
    key: &AuditPublicKey,
    line: u64,
    header: &ExportHeader,
    reached: (i64, ChainHash),
) -> Result<ExportManifest, ExportFault> {
    let text = trailer.manifest.get();
    if !key.has_signed_export(text, &trailer.signature) {
        return Err(ExportFault::Signature);
    }
    let manifest: ExportManifest = read(text, line, "the manifest of an export")?;
    let told = (manifest.last, manifest.head) == reached
        && manifest.records == manifest.last - header.after
        && manifest.header == *header;
    if told { Ok(manifest) } else { Err(ExportFault::Manifest) }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str, line: u64, expected: &'static str) -> Result<T, ExportFault> {
    serde_json::from_str(text).map_err(|_| ExportFault::Line { line, expected })
}
