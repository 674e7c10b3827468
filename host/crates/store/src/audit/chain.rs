//! The chain: what a record's hash is made of.

use std::fmt;
use std::str::FromStr;

use applet_types::TenantId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::AuditEntry;

/// Begins every record's bytes. A change of what follows is a new number.
const DOMAIN: &[u8] = b"applet-host audit record 1";

/// SHA-256 over a record and the hash before it; 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What the first record is linked to.
    pub const START: Self = Self([0; 32]);

    /// The hash of `entry` as number `seq` of its tenant's chain, after `self`. Every field is written with
    /// its length, so that no two records have the same bytes.
    #[must_use]
    pub fn link(self, seq: i64, entry: &AuditEntry) -> Self {
        let mut bytes = Fields(Sha256::new());
        bytes.put(DOMAIN);
        bytes.put(self.0);
        bytes.number(seq);
        bytes.put(entry.tenant.as_uuid());
        bytes.number(entry.at.timestamp_micros());
        bytes.put(entry.request.as_uuid());
        bytes.put(entry.workspace.as_uuid());
        bytes.put(&entry.applet);
        bytes.put(entry.installation.as_uuid());
        bytes.optional(entry.user.map(|user| user.as_uuid()));
        bytes.put(&entry.role);
        bytes.put(&entry.operation);
        bytes.length(entry.tables.len());
        for table in &entry.tables {
            bytes.put(table);
        }
        bytes.put(&entry.sql);
        bytes.number(entry.rows);
        bytes.number(entry.duration_us);
        bytes.optional(entry.error.as_ref());
        bytes.optional(entry.missing.map(|missing| missing.from.to_be_bytes()));
        bytes.optional(entry.missing.map(|missing| missing.to.to_be_bytes()));
        Self(bytes.0.finalize().into())
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

struct Fields(Sha256);

impl Fields {
    fn length(&mut self, length: usize) {
        self.0.update((length as u64).to_be_bytes());
    }

    fn put(&mut self, bytes: impl AsRef<[u8]>) {
        self.length(bytes.as_ref().len());
        self.0.update(bytes);
    }

    fn number(&mut self, number: i64) {
        self.put(number.to_be_bytes());
    }

    fn optional(&mut self, bytes: Option<impl AsRef<[u8]>>) {
        match bytes {
            Some(bytes) => {
                self.length(1);
                self.put(bytes);
            }
            None => self.length(0),
        }
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

impl FromStr for ChainHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = hex::decode(text).ok().and_then(|bytes| Self::read(&bytes));
        bytes.ok_or_else(|| format!("`{text}` is not a hash: 64 hexadecimal digits"))
    }
}

impl TryFrom<String> for ChainHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> Self {
        hash.to_string()
    }
}

/// How far a tenant's chain goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Whose.
    pub tenant: TenantId,
    /// The number of its last record.
    pub seq: i64,
    /// The hash of its last record.
    pub hash: ChainHash,
}

#[cfg(test)]
mod tests {
    use applet_types::{InstallationId, RequestId, UserId, WorkspaceId};
    use uuid::Uuid;

    use super::super::Missing;
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            seq: Some(7),
            at: chrono::DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            request: RequestId::new(Uuid::from_u128(1)),
            tenant: TenantId::new(Uuid::from_u128(2)),
            workspace: WorkspaceId::new(Uuid::from_u128(3)),
            applet: "ai-chat".to_owned(),
            installation: InstallationId::new(Uuid::from_u128(4)),
            user: None,
            role: "role".to_owned(),
            operation: "read".to_owned(),
            tables: vec!["clients".to_owned(), "chats".to_owned()],
            sql: "SELECT ?".to_owned(),
            rows: 1,
            duration_us: 2,
            success: true,
            error: None,
            missing: None,
        }
    }

    #[test]
    fn f14_every_field_its_place_and_what_came_before_are_in_the_hash() {
        type Change = fn(&mut AuditEntry);
        let changes: [Change; 17] = [
            |entry| entry.at += chrono::TimeDelta::microseconds(1),
            |entry| entry.request = RequestId::new(Uuid::from_u128(9)),
            |entry| entry.tenant = TenantId::new(Uuid::from_u128(9)),
            |entry| entry.workspace = WorkspaceId::new(Uuid::from_u128(9)),
            |entry| entry.applet.push('x'),
            |entry| entry.installation = InstallationId::new(Uuid::from_u128(9)),
            |entry| entry.user = Some(UserId::new(Uuid::nil())),
            |entry| entry.role.clear(),
            |entry| entry.operation.push('x'),
            |entry| entry.tables.reverse(),
            |entry| entry.tables = vec!["clientschats".to_owned()],
            |entry| entry.tables = vec!["clients".to_owned(), "chats".to_owned(), String::new()],
            |entry| entry.sql.push('x'),
            |entry| entry.rows += 1,
            |entry| entry.duration_us += 1,
            |entry| entry.error = Some(String::new()),
            |entry| entry.missing = Some(Missing { from: 1, to: 2 }),
        ];
        let original = ChainHash::START.link(7, &entry());
        let mut seen = vec![original, ChainHash::START.link(8, &entry()), original.link(7, &entry())];
        for change in changes {
            let mut changed = entry();
            change(&mut changed);
            seen.push(ChainHash::START.link(7, &changed));
        }
        for (index, hash) in seen.iter().enumerate() {
            assert!(!seen[..index].contains(hash), "change {index} does not show");
        }
    }

    #[test]
    fn f14_the_bytes_of_a_record_are_fixed() {
        let hash = ChainHash::START.link(7, &entry());
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string(), "12e4169661e1007d590d39e30e81a3f65ad3fea04f44d173933202c24c3bf418");
    }
}
