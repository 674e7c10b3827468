//! The `.applet` file. All numbers little-endian, nothing compressed:
//!
//! ```text
//! "APPLET2\n"
//! u16 number of parts, u16 number of signatures
//! for each part:      u16 length of its name, u64 length of its content, the name
//! the contents, in the same order
//! for each signature: 32 bytes of public key, 64 bytes of signature
//! ```
//!
//! Parts are `manifest.yaml`, `component.wasm`, then assets in the order of their paths' bytes; signatures are
//! in the order of their keys' bytes. *Invariant:* what [`Package::parse`] takes, [`Package::to_bytes`] gives
//! back byte for byte; and it allocates no more than a few words for each part, of which there are at most
//! [`MOST_PARTS`].

use applet_types::{AssetPath, ComponentDigest, ComponentLimits, ManifestLimits};

use crate::signing::{SIGNATURE_BYTES, Signature};
use crate::{AppletDigest, AssetRecord, PackageFault, PrivateKey, PublicKey, Sha256Digest};

const MAGIC: &[u8] = b"APPLET2\n";
const OLD_MAGIC: &[u8] = b"APPLET1\n";

const MANIFEST: &str = "manifest.yaml";
const COMPONENT: &str = "component.wasm";

/// Parts of a package: manifest, component and assets.
pub const MOST_PARTS: usize = AssetPath::MOST + 2;

/// Bytes of a name that is looked at, and repeated where it is refused: more than a path can have.
const LONGEST_NAME: usize = 255;

/// Signatures of a package.
pub const MOST_SIGNATURES: usize = 16;

/// How large a package may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageLimits {
    /// Bytes of the file.
    pub package_bytes: usize,
    /// Bytes of the manifest.
    pub manifest_bytes: usize,
    /// Bytes of the component.
    pub component_bytes: usize,
}

impl PackageLimits {
    /// What the operator's limits say about packages.
    pub const fn of(component: &ComponentLimits, manifest: &ManifestLimits) -> Self {
        Self {
            package_bytes: component.package_bytes,
            manifest_bytes: manifest.bytes,
            component_bytes: component.component_bytes,
        }
    }
}

/// A file in a package beside manifest and component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset<'a> {
    /// Where.
    pub path: AssetPath,
    /// What is in it.
    pub bytes: &'a [u8],
}

impl Asset<'_> {
    /// Its path and digest.
    pub fn record(&self) -> AssetRecord {
        AssetRecord { path: self.path.clone(), digest: Sha256Digest::of(self.bytes) }
    }
}

/// A package: manifest, component, assets, and signatures over them. Looks into bytes that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package<'a> {
    manifest: &'a str,
    component: &'a [u8],
    assets: Vec<Asset<'a>>,
    signatures: Vec<Signature>,
}

impl<'a> Package<'a> {
    /// A package without assets or signatures.
    pub const fn new(manifest: &'a str, component: &'a [u8]) -> Self {
        Self { manifest, component, assets: Vec::new(), signatures: Vec::new() }
    }

    /// A package with assets, in whatever order they come.
    ///
    /// # Errors
    ///
    /// [`PackageFault::Duplicate`], [`PackageFault::PartCount`].
    pub fn with_assets(
        manifest: &'a str,
        component: &'a [u8],
        mut assets: Vec<Asset<'a>>,
    ) -> Result<Self, PackageFault> {
        assets.sort_by(|one, other| one.path.cmp(&other.path));
        if assets.len() + 2 > MOST_PARTS {
            return Err(PackageFault::PartCount(assets.len() + 2));
        }
        no_clash(&assets)?;
        Ok(Self { manifest, component, assets, signatures: Vec::new() })
    }

    /// The text of the manifest.
    pub const fn manifest(&self) -> &'a str {
        self.manifest
    }

    /// The bytes of the component.
    pub const fn component(&self) -> &'a [u8] {
        self.component
    }

    /// The assets, in the order of their paths.
    pub fn assets(&self) -> &[Asset<'a>] {
        &self.assets
    }

    /// The signatures, as they came: nobody has checked them yet.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// What approvals, signatures and pins are about.
    pub fn digest(&self) -> AppletDigest {
        let assets: Vec<AssetRecord> = self.assets.iter().map(Asset::record).collect();
        AppletDigest::of(self.manifest, ComponentDigest::of(self.component), &assets)
    }

    /// Who has signed this package. One signature that is wrong spoils all: somebody has tampered, or made a
    /// mistake, and nobody can tell which.
    ///
    /// # Errors
    ///
    /// [`PackageFault::Signature`].
    pub fn signers(&self) -> Result<Vec<PublicKey>, PackageFault> {
        signers(&self.signatures, self.digest())
    }

    /// Adds a signature; another one of the same key goes.
    ///
    /// # Errors
    ///
    /// [`PackageFault::SignatureCount`] when there are as many as there can be.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<(), PackageFault> {
        let signature = key.sign(self.digest());
        self.signatures.retain(|other| other.key_bytes() != signature.key_bytes());
        if self.signatures.len() == MOST_SIGNATURES {
            return Err(PackageFault::SignatureCount(MOST_SIGNATURES + 1));
        }
        self.signatures.push(signature);
        self.signatures.sort_by_key(|signature| *signature.key_bytes());
        Ok(())
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts: Vec<(&str, &[u8])> = [(MANIFEST, self.manifest.as_bytes()), (COMPONENT, self.component)]
            .into_iter()
            .chain(self.assets.iter().map(|asset| (asset.path.as_str(), asset.bytes)))
            .collect();
        let size: usize = parts.iter().map(|(name, content)| name.len() + content.len() + 10).sum();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + size + self.signatures.len() * SIGNATURE_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&short(parts.len()));
        bytes.extend_from_slice(&short(self.signatures.len()));
        for (name, content) in &parts {
            bytes.extend_from_slice(&short(name.len()));
            bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        parts.iter().for_each(|(_, content)| bytes.extend_from_slice(content));
        for signature in &self.signatures {
            bytes.extend_from_slice(&signature.to_bytes());
        }
        bytes
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    ///
    /// The first [`PackageFault`] that is met.
    pub fn parse(bytes: &'a [u8], limits: &PackageLimits) -> Result<Self, PackageFault> {
        at_most("the package", bytes.len(), limits.package_bytes, "component.package_bytes")?;
        if bytes.starts_with(OLD_MAGIC) {
            return Err(PackageFault::OldFormat);
        }
        let mut rest = Reader(bytes.strip_prefix(MAGIC).ok_or(PackageFault::NotAPackage)?);
        let (parts, signatures) = (rest.short()?, rest.short()?);
        if !(2..=MOST_PARTS).contains(&parts) {
            return Err(PackageFault::PartCount(parts));
        }
        if signatures > MOST_SIGNATURES {
            return Err(PackageFault::SignatureCount(signatures));
        }
        let heads = (0..parts).map(|_| rest.head()).collect::<Result<Vec<_>, _>>()?;
        let mut contents =
            heads.iter().map(|(_, length)| rest.take(*length)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let signatures = rest.signatures(signatures)?;
        if !rest.0.is_empty() {
            return Err(PackageFault::TrailingBytes(rest.0.len()));
        }
        let mut names = heads.iter().map(|(name, _)| *name);
        for expected in [MANIFEST, COMPONENT] {
            let name = names.next().unwrap_or_default();
            if name != expected.as_bytes() {
                return Err(PackageFault::Beginning(shown(name)));
            }
        }
        let (manifest, component) = contents.next().zip(contents.next()).ok_or(PackageFault::Truncated)?;
        at_most("the manifest", manifest.len(), limits.manifest_bytes, "manifest.bytes")?;
        at_most("the component", component.len(), limits.component_bytes, "component.component_bytes")?;
        let manifest = std::str::from_utf8(manifest).map_err(|_| PackageFault::ManifestText)?;
        let assets = assets(names.zip(contents))?;
        Ok(Self { manifest, component, assets, signatures })
    }
}

/// Who has signed, if every signature is one over this digest.
///
/// # Errors
///
/// [`PackageFault::Signature`].
pub fn signers(signatures: &[Signature], digest: AppletDigest) -> Result<Vec<PublicKey>, PackageFault> {
    signatures.iter().map(|signature| signature.signer_of(digest)).collect()
}

fn assets<'a>(parts: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Vec<Asset<'a>>, PackageFault> {
    let asset = |(name, bytes): (&[u8], &'a [u8])| {
        if name.len() > LONGEST_NAME {
            return Err(PackageFault::LongName(name.len()));
        }
        // What is not UTF-8 is no path either way; the lossy text is for the error only.
        let path = String::from_utf8_lossy(name).parse::<AssetPath>()?;
        Ok(Asset { path, bytes })
    };
    let assets = parts.map(asset).collect::<Result<Vec<_>, PackageFault>>()?;
    no_clash(&assets)?;
    if assets.is_sorted_by(|one, next| one.path < next.path) {
        Ok(assets)
    } else {
        Err(PackageFault::Order("files"))
    }
}

fn no_clash(assets: &[Asset<'_>]) -> Result<(), PackageFault> {
    let clash = AssetPath::first_clash(assets.iter().map(|asset| &asset.path));
    clash.map_or(Ok(()), |path| Err(PackageFault::Duplicate(path.to_string())))
}

fn at_most(what: &'static str, bytes: usize, most: usize, limit: &'static str) -> Result<(), PackageFault> {
    if bytes > most { Err(PackageFault::TooLarge { what, most, limit }) } else { Ok(()) }
}

/// Counts of parts and lengths of names: bounded far below by what makes them.
fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}

fn shown(name: &[u8]) -> String {
    name.get(..name.len().min(64)).unwrap_or_default().escape_ascii().to_string()
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], PackageFault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(PackageFault::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PackageFault> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(PackageFault::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn short(&mut self) -> Result<usize, PackageFault> {
        Ok(usize::from(u16::from_le_bytes(self.array()?)))
    }

    /// A part's name and the length of its content.
    fn head(&mut self) -> Result<(&'a [u8], usize), PackageFault> {
        let name = self.short()?;
        let length = u64::from_le_bytes(self.array()?);
        // A length beyond the address space is beyond the file.
        let length = usize::try_from(length).map_err(|_| PackageFault::Truncated)?;
        Ok((self.take(name)?, length))
    }

    fn signatures(&mut self, count: usize) -> Result<Vec<Signature>, PackageFault> {
        let signatures = (0..count)
            .map(|_| Ok(Signature::from_bytes(&self.array::<SIGNATURE_BYTES>()?)))
            .collect::<Result<Vec<_>, PackageFault>>()?;
        if signatures.is_sorted_by(|one, next| one.key_bytes() < next.key_bytes()) {
            Ok(signatures)
        } else {
            Err(PackageFault::Order("signatures"))
        }
    }
}

#[cfg(test)]
mod tests;
