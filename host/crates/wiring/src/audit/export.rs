//! Exports as files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use applet_store::{
    AuditKey, AuditPublicKey, ChainHash, ExportHeader, ExportManifest, ExportTrailer, Step, Store,
    check_export,
};
use applet_types::TenantId;
use chrono::Utc;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::HostError;
use crate::error::told;

/// Writes a tenant's sealed records after number `after` to a new file, with a signed manifest. The file
/// appears when it is whole; one that is there already is left alone.
pub async fn export(
    store: &Store,
    tenant: TenantId,
    after: i64,
    key: &AuditKey,
    out: &Path,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<ExportManifest, HostError> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: &dyn std::fmt::Display| {
        HostError::usage(format!("cannot write `{}`: {error}", out.display()))
    };
    if out.exists() {
        return Err(failed(&"it exists"));
    }
    let file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    let mut writer = BufWriter::new(file);
    let previous = store.chain_hash(tenant, after).await.map_err(told)?;
    let previous = previous
        .ok_or_else(|| HostError::usage(format!("there is no record {after} to begin the export after")))?;
    let head = store.chain_head(tenant).await.map_err(told)?;
    let (last, hash) = head.map_or((0, ChainHash::START), |head| (head.seq, head.hash));
    let header = ExportHeader::new(tenant, after, previous);
    line(&mut writer, &header).map_err(|error| failed(&error))?;
    let mut reached = (after, previous);
    while reached.0 < last {
        let page = store.chain_page(tenant, reached, last).await.map_err(told)?;
        let page = page.map_err(|fault| HostError::Refused {
            code: "audit-tampered",
            message: format!("{fault}; nothing is signed"),
        })?;
        for record in &page {
            line(&mut writer, record).map_err(|error| failed(&error))?;
            reached = (reached.0 + 1, record.hash);
        }
        progress(Step { seq: reached.0, last });
    }
    let manifest = ExportManifest {
        header,
        last,
        head: hash,
        records: last - after,
        gaps: store.audit_gaps(None).await.map_err(told)?,
        exported_at: Utc::now(),
        key: key.public().id(),
    };
    let text = serde_json::to_string(&manifest).map_err(told)?;
    let signature = key.sign_export(&text);
    let trailer = ExportTrailer { manifest: RawValue::from_string(text).map_err(told)?, signature };
    line(&mut writer, &trailer).map_err(|error| failed(&error))?;
    let file = writer.into_inner().map_err(|error| failed(&error.error()))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist_noclobber(out).map_err(|error| failed(&error.error))?;
    Ok(manifest)
}

fn line(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Checks an exported file against a public key.
pub fn check_file(
    file: &Path,
    key: &AuditPublicKey,
    progress: &mut dyn FnMut(i64),
) -> Result<ExportManifest, HostError> {
    let opened = File::open(file)
        .map_err(|error| HostError::usage(format!("cannot read `{}`: {error}", file.display())))?;
    check_export(BufReader::new(opened), key, progress)
        .map_err(|fault| HostError::Refused { code: "audit-tampered", message: fault.to_string() })
}
