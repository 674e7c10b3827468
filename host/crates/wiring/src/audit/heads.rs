//! Signed heads, in `audit-heads/TENANT.jsonl` of the data directory: a line each, only ever appended.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use applet_store::{AuditKey, AuditPublicKey, Head, SignedHead, Store};
use applet_types::TenantId;
use chrono::Utc;

use crate::HostError;
use crate::error::told;

fn file_of(directory: &Path, tenant: TenantId) -> PathBuf {
    directory.join("audit-heads").join(format!("{tenant}.jsonl"))
}

/// What was signed of a tenant's chain on this machine.
#[derive(Debug, Default)]
pub struct SignedHeads {
    /// In the order in which they were signed.
    pub heads: Vec<Head>,
    /// The first line that this host's key has not signed: somebody has changed the file.
    pub forged: Option<usize>,
}

impl SignedHeads {
    /// Reads them.
    pub fn read(directory: &Path, tenant: TenantId, key: &AuditPublicKey) -> Result<Self, HostError> {
        let text = match fs::read_to_string(file_of(directory, tenant)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(told(error)),
        };
        let mut found = Self::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            match serde_json::from_str::<SignedHead>(line) {
                Ok(head) if head.tenant == tenant && key.has_signed(&head) => found.heads.push(head.head()),
                // A power failure can cut the last line off.
                Ok(_) | Err(_) if !line.ends_with('\n') => {}
                Ok(_) | Err(_) => {
                    found.forged.get_or_insert(index + 1);
                }
            }
        }
        Ok(found)
    }
}

/// Signs the head of every chain that has grown. Gives how many were signed.
///
/// A chain that no longer has the head that was signed last is not signed: it was changed, and `applet audit
/// verify` tells where.
pub async fn sign_heads(store: &Store, directory: &Path, key: &AuditKey) -> Result<usize, HostError> {
    let mut signed = 0;
    for head in store.chain_heads().await.map_err(told)? {
        let known = SignedHeads::read(directory, head.tenant, &key.public())?;
        if let Some(last) = known.heads.last() {
            if last.seq == head.seq && last.hash == head.hash {
                continue;
            }
            let now = store.chain_hash(head.tenant, last.seq).await.map_err(told)?;
            if now != Some(last.hash) {
                tracing::error!(tenant = %head.tenant, seq = last.seq, "the audit trail is not what was signed");
                continue;
            }
        }
        let line = serde_json::to_string(&key.sign_head(&head, Utc::now())).map_err(told)?;
        append(&file_of(directory, head.tenant), &line).map_err(told)?;
        signed += 1;
    }
    Ok(signed)
}

fn append(file: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    // One write, so that two hosts on one directory do not mix their lines.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}
