//! The `.applet` file: a manifest and a component in one file, the same bytes for the same content.
//!
//! `APPLET1\n`, then the manifest's length and the component's length (each a `u64`, little-endian), then
//! the two. Nothing is compressed and nothing is unpacked to disk: there is no bomb and no path to climb.

use crate::output::CommandError;

const MAGIC: &[u8] = b"APPLET1\n";

/// What a package holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PackageFile {
    pub(crate) manifest: String,
    pub(crate) component: Vec<u8>,
}

impl PackageFile {
    /// The file's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 16 + self.manifest.len() + self.component.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(self.manifest.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.component.len() as u64).to_le_bytes());
        bytes.extend_from_slice(self.manifest.as_bytes());
        bytes.extend_from_slice(&self.component);
        bytes
    }

    /// Reads a file's bytes, of which there may be `most`.
    pub(crate) fn from_bytes(bytes: &[u8], most: usize) -> Result<Self, CommandError> {
        let damaged =
            || CommandError::usage("not an applet package, or a damaged one: make it with `applet package`");
        if bytes.len() > most {
            return Err(CommandError::usage(format!("a package may have at most {most} bytes")));
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (manifest_length, rest) = length(rest).ok_or_else(damaged)?;
        let (component_length, rest) = length(rest).ok_or_else(damaged)?;
        let (manifest, component) = rest.split_at_checked(manifest_length).ok_or_else(damaged)?;
        if component.len() != component_length {
            return Err(damaged());
        }
        let manifest = std::str::from_utf8(manifest).map_err(|_| damaged())?.to_owned();
        Ok(Self { manifest, component: component.to_vec() })
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    Some((usize::try_from(u64::from_le_bytes(*length)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_11_package_reads_back_and_is_the_same_bytes_again() {
        let package = PackageFile { manifest: "id: x".into(), component: vec![0, 1, 2] };
        let bytes = package.to_bytes();
        assert_eq!(PackageFile::from_bytes(&bytes, usize::MAX).unwrap(), package);
        assert_eq!(package.to_bytes(), bytes);
    }

    #[test]
    fn s4x_11_cut_and_lying_packages_are_refused() {
        let bytes = PackageFile { manifest: "id: x".into(), component: vec![7; 9] }.to_bytes();
        for end in 0..bytes.len() {
            assert!(PackageFile::from_bytes(&bytes[..end], usize::MAX).is_err());
        }
        let mut lying = bytes.clone();
        lying[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(PackageFile::from_bytes(&lying, usize::MAX).is_err());
        let mut longer = bytes;
        longer.push(0);
        assert!(PackageFile::from_bytes(&longer, usize::MAX).is_err());
    }
}
