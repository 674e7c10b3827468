//! Signatures over heads of chains. A chain shows that a part of it was changed; whoever can write the
//! database can make all of it anew. Against a head that was signed and kept elsewhere, that shows too.

use std::fmt;

use applet_types::TenantId;
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ChainHash, Head};

/// Begins the bytes of a signed head, so that its signature stands for nothing else.
const HEAD_DOMAIN: &[u8] = b"applet-host audit head 1\0";
/// Begins the bytes of a signed export.
const EXPORT_DOMAIN: &[u8] = b"applet-host audit export 1\0";

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key: 64 hexadecimal digits")]
pub struct InvalidKey;

/// The 32 secret bytes that heads and exports are signed with. *Invariant:* not printed by accident.
pub struct AuditKey(SigningKey);

impl AuditKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Self {
        Self::from_bytes(&rand::random())
    }

    /// The key of these bytes, which have to be random.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// The key that [`AuditKey::to_hex`] wrote.
    ///
    /// # Errors
    ///
    /// When the text is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        decode(text).map(|bytes| Self::from_bytes(&bytes))
    }

    /// The secret as text, for a file that only its owner can read.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.to_bytes())
    }

    /// What checks its signatures.
    pub fn public(&self) -> AuditPublicKey {
        AuditPublicKey(self.0.verifying_key())
    }

    /// Signs a head.
    pub fn sign_head(&self, head: &Head, at: DateTime<Utc>) -> SignedHead {
        let Head { tenant, seq, hash } = *head;
        let mut signed =
            SignedHead { tenant, seq, hash, at, key: self.public().id(), signature: String::new() };
        signed.signature = self.sign(&signed.bytes());
        signed
    }

    /// Signs the text of an export's manifest.
    pub fn sign_export(&self, manifest: &str) -> String {
        self.sign(&[EXPORT_DOMAIN, manifest.as_bytes()].concat())
    }

    fn sign(&self, bytes: &[u8]) -> String {
        hex::encode(self.0.sign(bytes).to_bytes())
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({}, ***)", self.public().id())
    }
}

/// The public half; what somebody elsewhere needs to check an export.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditPublicKey(VerifyingKey);

impl AuditPublicKey {
    /// The key that [`AuditPublicKey::to_hex`] wrote.
    ///
    /// # Errors
    ///
    /// When the text is not 64 hexadecimal digits that are a key.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        VerifyingKey::from_bytes(&decode(text)?).map(Self).map_err(|_| InvalidKey)
    }

    /// The key as text.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.as_bytes())
    }

    /// A short name: the beginning of its SHA-256.
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes())).chars().take(16).collect()
    }

    /// Whether this key has signed the head.
    pub fn has_signed(&self, head: &SignedHead) -> bool {
        self.checks(&head.bytes(), &head.signature)
    }

    /// Whether this key has signed the text of an export's manifest.
    pub fn has_signed_export(&self, manifest: &str, signature: &str) -> bool {
        self.checks(&[EXPORT_DOMAIN, manifest.as_bytes()].concat(), signature)
    }

    fn checks(&self, bytes: &[u8], signature: &str) -> bool {
        let signature = hex::decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        signature.is_some_and(|signature| self.0.verify_strict(bytes, &signature).is_ok())
    }
}

impl fmt::Debug for AuditPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditPublicKey({})", self.to_hex())
    }
}

fn decode(text: &str) -> Result<[u8; 32], InvalidKey> {
    hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidKey)
}

/// A head that somebody signed: what the chain was at that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// Whose chain.
    pub tenant: TenantId,
    /// The number of the last record.
    pub seq: i64,
    /// Its hash.
    pub hash: ChainHash,
    /// When it was signed.
    pub at: DateTime<Utc>,
    /// By which key, as [`AuditPublicKey::id`] names it.
    pub key: String,
    /// The signature.
    pub signature: String,
}

impl SignedHead {
    /// The head by itself.
    pub const fn head(&self) -> Head {
        Head { tenant: self.tenant, seq: self.seq, hash: self.hash }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = HEAD_DOMAIN.to_vec();
        bytes.extend(self.tenant.as_uuid().as_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.hash.bytes());
        bytes.extend(self.at.timestamp_micros().to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn f14_a_signature_stands_for_one_head_and_one_key() {
        let key = AuditKey::from_bytes(&[7; 32]);
        let head = Head { tenant: TenantId::new(Uuid::from_u128(1)), seq: 5, hash: ChainHash::START };
        let at = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        let signed = key.sign_head(&head, at);
        assert!(key.public().has_signed(&signed));
        assert_eq!(AuditPublicKey::from_hex(&key.public().to_hex()), Ok(key.public()));
        assert!(!AuditKey::from_bytes(&[8; 32]).public().has_signed(&signed));
        let changes = [
            SignedHead { seq: 6, ..signed.clone() },
            SignedHead { tenant: TenantId::new(Uuid::from_u128(2)), ..signed.clone() },
            SignedHead { hash: "ab".repeat(32).parse().unwrap(), ..signed.clone() },
            SignedHead { at: at + chrono::TimeDelta::microseconds(1), ..signed.clone() },
            SignedHead { signature: String::new(), ..signed },
        ];
        assert!(!changes.iter().any(|changed| key.public().has_signed(changed)));
        assert!(!format!("{key:?}").contains(&key.to_hex()));
    }
}
