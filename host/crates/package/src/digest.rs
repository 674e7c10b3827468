//! Digests: of any bytes, and of a package.

use std::fmt;
use std::str::FromStr;

use applet_types::{AssetPath, ComponentDigest, InvalidId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How a digest is written where its algorithm has to be said.
const ALGORITHM: &str = "sha256:";

/// SHA-256 over some bytes, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Wraps a digest that was computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a digest: `sha256:` and 64 lower-case hexadecimal digits", .0.escape_debug())]
pub struct InvalidDigest(String);

impl FromStr for Sha256Digest {
    type Err = InvalidDigest;

    /// Takes the one spelling that [`fmt::Display`] writes: two texts never mean the same digest.
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(text.to_owned());
        let digits = text.strip_prefix(ALGORITHM).ok_or_else(invalid)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| invalid())?;
        let digest = Self(bytes);
        if digest.to_string() == text { Ok(digest) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

/// A file that a package carries, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetRecord {
    /// Where it is in the package.
    pub path: AssetPath,
    /// Over its bytes.
    pub digest: Sha256Digest,
}

/// The digest of a package: over its manifest, component and assets. What an approval is bound to, what
/// signatures sign, and what somebody pins. Signatures are not part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppletDigest(ComponentDigest);

impl AppletDigest {
    /// The digest of a package with these assets, in their order. Every part is of a fixed length or begins
    /// with its length, so that no byte can move from one part to another.
    pub fn of(manifest: &str, component: ComponentDigest, assets: &[AssetRecord]) -> Self {
        let mut package = Sha256::new();
        package.update(b"applet package 1\n");
        package.update((manifest.len() as u64).to_be_bytes());
        package.update(manifest.as_bytes());
        package.update(component.as_bytes());
        for AssetRecord { path, digest } in assets {
            package.update((path.as_str().len() as u64).to_be_bytes());
            package.update(path.as_str().as_bytes());
            package.update(digest.0);
        }
        Self(ComponentDigest::from_bytes(package.finalize().into()))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<Sha256Digest> for AppletDigest {
    fn from(digest: Sha256Digest) -> Self {
        Self(ComponentDigest::from_bytes(digest.0))
    }
}

impl FromStr for AppletDigest {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for AppletDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for AppletDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppletDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_a_digest_has_one_spelling() {
        let digest = Sha256Digest::of(b"x");
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        let odd = [
            text.to_uppercase(),
            text.replacen("sha256", "sha512", 1),
            text.replacen("sha256:", "", 1),
            format!("{text}0"),
            format!(" {text}"),
            text.get(..text.len() - 1).unwrap().to_owned(),
        ];
        for text in odd {
            assert!(text.parse::<Sha256Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn s4x_10_no_byte_of_one_part_can_be_taken_for_another_parts() {
        let component = ComponentDigest::of(b"code");
        let record = |path: &str, bytes: &[u8]| AssetRecord {
            path: path.parse().unwrap(),
            digest: Sha256Digest::of(bytes),
        };
        let digests = [
            AppletDigest::of("id: x", component, &[]),
            AppletDigest::of("id: x\n", component, &[]),
            AppletDigest::of("id: x", ComponentDigest::of(b"cod"), &[]),
            AppletDigest::of("id: x", component, &[record("a", b"1")]),
            AppletDigest::of("id: x", component, &[record("a", b"2")]),
            AppletDigest::of("id: x", component, &[record("b", b"1")]),
            AppletDigest::of("id: x", component, &[record("a", b"1"), record("b", b"1")]),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }
}
