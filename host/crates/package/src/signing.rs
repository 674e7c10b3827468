//! Ed25519: keys as text, signatures over a package's digest.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{AppletDigest, PackageFault};

/// Begins the bytes that are signed, so that a signature stands for nothing else.
const DOMAIN: &[u8] = b"applet-host package signature 1\0";

/// How a public key is written.
const ALGORITHM: &str = "ed25519:";

/// How the lines of a private key's file begin.
const SECRET_LINE: &str = "secret ed25519:";
const PUBLIC_LINE: &str = "public ed25519:";

/// Bytes of a signature in a package: key and signature.
pub(crate) const SIGNATURE_BYTES: usize = 96;

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// Not written as keys are.
    #[error("a public key is written `ed25519:` and 64 hexadecimal digits")]
    Form,
    /// Another number of bytes.
    #[error("the key has {0} hexadecimal digits, an Ed25519 key has 64")]
    Length(usize),
    /// Bytes that are no point of the curve, or one that signs anything.
    #[error("the key is 32 bytes that are no Ed25519 public key")]
    NoKey,
    /// A file that `applet keygen` did not write, or that somebody has changed.
    #[error(
        "this is not a private key as `applet keygen` writes it: a line `secret ed25519:…` and a line `public ed25519:…`"
    )]
    File,
    /// The two lines of a private key's file belong to two keys.
    #[error("the secret and the public key in this file do not belong together")]
    Mixed,
}

/// The secret half: whoever has it signs in its owner's name. *Invariant:* not printed by accident.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key of these bytes, which have to be random.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a file that [`PrivateKey::to_file`] wrote.
    ///
    /// # Errors
    ///
    /// What is wrong with it; never what it says.
    pub fn from_file(text: &str) -> Result<Self, InvalidKey> {
        let line = |start| {
            let mut lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix(start));
            // A second key in the file would be passed over in silence.
            lines.next().filter(|_| lines.next().is_none()).ok_or(InvalidKey::File)
        };
        let key = Self::from_seed(&digits(line(SECRET_LINE)?)?);
        let public = digits(line(PUBLIC_LINE)?)?;
        if key.0.verifying_key().as_bytes() == &public { Ok(key) } else { Err(InvalidKey::Mixed) }
    }

    /// The text of a file for its owner alone.
    pub fn to_file(&self) -> String {
        let secret = hex::encode(self.0.to_bytes());
        let public = hex::encode(self.0.verifying_key().as_bytes());
        format!(
            "# Signs applet packages. Keep it secret: whoever has this file signs in your name.\n\
             {SECRET_LINE}{secret}\n{PUBLIC_LINE}{public}\n"
        )
    }

    /// What checks its signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a package.
    pub fn sign(&self, digest: AppletDigest) -> Signature {
        Signature {
            key: *self.0.verifying_key().as_bytes(),
            signature: self.0.sign(&signed_bytes(digest)).to_bytes(),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ***)", self.public())
    }
}

/// The public half, written `ed25519:` and 64 lower-case hexadecimal digits: who a signer is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidKey> {
        // A point of small order accepts one signature for many messages.
        let key = VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
        key.map(Self).ok_or(InvalidKey::NoKey)
    }

    /// Reads the key alone, or a file in which it stands in a line `public ed25519:…`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_text_or_file(text: &str) -> Result<Self, InvalidKey> {
        let mut lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix(PUBLIC_LINE));
        match (lines.next(), lines.next()) {
            (Some(line), None) => Self::from_bytes(&digits(line)?),
            (Some(_), Some(_)) => Err(InvalidKey::Form),
            (None, _) => text.trim().parse(),
        }
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::from_bytes(&digits(text.strip_prefix(ALGORITHM).ok_or(InvalidKey::Form)?)?)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A signature as it came with a package. Nothing about it is known before [`Signature::signer_of`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    key: [u8; 32],
    signature: [u8; 64],
}

impl Signature {
    /// Wraps what came with a package, or was kept.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_BYTES]) -> Self {
        let mut signature = Self { key: [0; 32], signature: [0; 64] };
        let (key, rest) = bytes.split_at(32);
        signature.key.copy_from_slice(key);
        signature.signature.copy_from_slice(rest);
        signature
    }

    /// Key and signature, to be kept.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        let (key, rest) = bytes.split_at_mut(32);
        key.copy_from_slice(&self.key);
        rest.copy_from_slice(&self.signature);
        bytes
    }

    /// The bytes of the key that it names.
    pub const fn key_bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Who has signed this digest with it.
    ///
    /// # Errors
    ///
    /// [`PackageFault::SignatureKey`], or [`PackageFault::Signature`] when it is over something else.
    pub fn signer_of(&self, digest: AppletDigest) -> Result<PublicKey, PackageFault> {
        let key = PublicKey::from_bytes(&self.key).map_err(|_| PackageFault::SignatureKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
        // Strict: of one message and key there are no two signatures.
        match key.0.verify_strict(&signed_bytes(digest), &signature) {
            Ok(()) => Ok(key),
            Err(_) => Err(PackageFault::Signature(key)),
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({ALGORITHM}{})", hex::encode(self.key))
    }
}

fn signed_bytes(digest: AppletDigest) -> Vec<u8> {
    [DOMAIN, digest.as_bytes()].concat()
}

fn digits(text: &str) -> Result<[u8; 32], InvalidKey> {
    let bytes = hex::decode(text).map_err(|_| InvalidKey::Form)?;
    <[u8; 32]>::try_from(bytes).map_err(|_| InvalidKey::Length(text.len()))
}

#[cfg(test)]
mod tests {
    use applet_types::ComponentDigest;

    use super::*;

    fn digest(manifest: &str) -> AppletDigest {
        AppletDigest::of(manifest, ComponentDigest::of(b""), &[])
    }

    #[test]
    fn s4x_10_a_signature_stands_for_one_package_and_one_key() {
        let (ann, bob) = (PrivateKey::from_seed(&[7; 32]), PrivateKey::from_seed(&[8; 32]));
        let (one, other) = (digest("one"), digest("other"));
        let signature = ann.sign(one);
        assert_eq!(signature.signer_of(one), Ok(ann.public()));
        assert_eq!(signature.signer_of(other), Err(PackageFault::Signature(ann.public())));
        // Ann's signature under Bob's name, and one with a bit changed.
        let swapped = Signature { key: *bob.sign(one).key_bytes(), ..signature };
        assert_eq!(swapped.signer_of(one), Err(PackageFault::Signature(bob.public())));
        for position in 0..SIGNATURE_BYTES {
            let mut bytes = signature.to_bytes();
            bytes[position] ^= 1;
            assert!(Signature::from_bytes(&bytes).signer_of(one).is_err(), "byte {position}");
        }
    }

    #[test]
    fn s4x_10_the_bytes_that_are_signed_are_not_those_of_a_digest_alone() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let one = digest("one");
        let bare = key.0.sign(one.as_bytes()).to_bytes();
        let signature = Signature { key: *key.sign(one).key_bytes(), signature: bare };
        assert!(signature.signer_of(one).is_err());
    }

    #[test]
    fn s4x_10_keys_read_back_and_everything_else_is_refused() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let file = key.to_file();
        assert_eq!(PrivateKey::from_file(&file).unwrap().public(), key.public());
        assert_eq!(PublicKey::from_text_or_file(&file), Ok(key.public()));
        assert_eq!(PublicKey::from_text_or_file(&format!("{}\n", key.public())), Ok(key.public()));
        assert!(!format!("{key:?}").contains(&hex::encode(key.0.to_bytes())));

        let short = format!("ed25519:{}", "ab".repeat(31));
        assert_eq!(short.parse::<PublicKey>(), Err(InvalidKey::Length(62)));
        let long = format!("ed25519:{}", "ab".repeat(33));
        assert_eq!(long.parse::<PublicKey>(), Err(InvalidKey::Length(66)));
        for text in ["", "ed25519:", "ed25519:xyz", "rsa:00", &"ab".repeat(32)] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
        // The neutral element: whoever names it needs no secret at all.
        let neutral = format!("ed25519:01{}", "00".repeat(31));
        assert_eq!(neutral.parse::<PublicKey>(), Err(InvalidKey::NoKey));

        let other = PrivateKey::from_seed(&[8; 32]).to_file();
        let mixed = format!("{}\n{}", file.lines().nth(1).unwrap(), other.lines().nth(2).unwrap());
        assert_eq!(PrivateKey::from_file(&mixed).err(), Some(InvalidKey::Mixed));
        assert_eq!(PrivateKey::from_file(&format!("{file}{other}")).err(), Some(InvalidKey::File));
        assert_eq!(PrivateKey::from_file("").err(), Some(InvalidKey::File));
        let cut = file.replacen("secret ed25519:07", "secret ed25519:", 1);
        assert_eq!(PrivateKey::from_file(&cut).err(), Some(InvalidKey::Length(62)));
    }
}
