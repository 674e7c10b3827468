//! Files of compiled code, sealed: a file that this host did not write itself is never run.
//!
//! A sealed file is a MAC (HMAC-SHA256, 32 bytes) over all that follows and over what the file is for, the
//! length of a report (`u32`, little-endian), the report, and the code. The key lies beside the files, readable by the host's user only.
//! *Invariant:* [`Opened`] is made by [`Seal::open`] alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use applet_types::ComponentDigest;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const MAC_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// The key, and what the files are for.
pub(crate) struct Seal {
    key: [u8; 32],
    compatibility: u64,
}

/// A file whose seal was right.
pub(crate) struct Opened {
    bytes: Vec<u8>,
    report: (usize, usize),
}

impl Opened {
    /// What the compile child found out about the component, as it wrote it.
    pub(crate) fn report(&self) -> &[u8] {
        self.bytes.get(self.report.0..self.report.1).unwrap_or_default()
    }

    /// The machine code.
    pub(crate) fn code(&self) -> &[u8] {
        self.bytes.get(self.report.1..).unwrap_or_default()
    }
}

impl Seal {
    /// Reads the key of this directory, or makes one.
    pub(crate) fn of(directory: &Path, compatibility: u64) -> io::Result<Self> {
        let path = directory.join("key");
        match read_key(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => write_key(directory, &path)?,
            other => drop(other?),
        }
        Ok(Self { key: read_key(&path)?, compatibility })
    }

    /// The contents of a sealed file.
    pub(crate) fn close(&self, digest: ComponentDigest, report: &[u8], code: &[u8]) -> io::Result<Vec<u8>> {
        let length = u32::try_from(report.len()).map_err(io::Error::other)?.to_le_bytes();
        let mut mac = self.mac(digest)?;
        mac.update(&length);
        mac.update(report);
        mac.update(code);
        Ok([&mac.finalize().into_bytes(), length.as_slice(), report, code].concat())
    }

    /// Checks the seal; `None` when it is not ours, is damaged, or is for something else.
    pub(crate) fn open(&self, digest: ComponentDigest, bytes: Vec<u8>) -> Option<Opened> {
        let (tag, sealed) = bytes.split_first_chunk::<MAC_BYTES>()?;
        let mut mac = self.mac(digest).ok()?;
        mac.update(sealed);
        mac.verify_slice(tag).ok()?;
        let (length, rest) = sealed.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let start = MAC_BYTES + LENGTH_BYTES;
        let report = (start, start.checked_add(length)?);
        (length <= rest.len()).then_some(Opened { bytes, report })
    }

    fn mac(&self, digest: ComponentDigest) -> io::Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(io::Error::other)?;
        mac.update(b"applet-host compiled component 1");
        mac.update(&self.compatibility.to_le_bytes());
        mac.update(digest.as_bytes());
        Ok(mac)
    }
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        return Err(io::Error::other("the key of the compiled components is readable by other users"));
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(key)
}

/// Writes the key under another name first: a host that is killed leaves no half of one, and of two hosts
/// that start at once the first one's key stays.
fn write_key(directory: &Path, path: &Path) -> io::Result<()> {
    let unfinished = directory.join(format!("key.{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(&rand::random::<[u8; 32]>())?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(directory: &Path) -> Seal {
        Seal::of(directory, 7).unwrap()
    }

    #[test]
    fn s4_sealed_code_opens_again_and_gives_both_parts() {
        let directory = tempfile::tempdir().unwrap();
        let digest = ComponentDigest::of(b"component");
        let file = seal(directory.path()).close(digest, b"report", b"code").unwrap();
        let opened = seal(directory.path()).open(digest, file).unwrap();
        assert_eq!((opened.report(), opened.code()), (b"report".as_slice(), b"code".as_slice()));
    }

    #[test]
    fn s4_any_changed_byte_breaks_the_seal() {
        let directory = tempfile::tempdir().unwrap();
        let seal = seal(directory.path());
        let digest = ComponentDigest::of(b"component");
        let file = seal.close(digest, b"report", b"code").unwrap();
        for position in 0..file.len() {
            let mut changed = file.clone();
            changed[position] ^= 1;
            assert!(seal.open(digest, changed).is_none(), "byte {position}");
        }
        for length in 0..file.len() {
            assert!(seal.open(digest, file[..length].to_vec()).is_none(), "length {length}");
        }
    }

    #[test]
    fn s4_a_seal_of_another_host_engine_or_component_does_not_open() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let digest = ComponentDigest::of(b"component");
        let file = seal(ours.path()).close(digest, b"report", b"code").unwrap();
        assert!(seal(theirs.path()).open(digest, file.clone()).is_none());
        assert!(Seal::of(ours.path(), 8).unwrap().open(digest, file.clone()).is_none());
        assert!(seal(ours.path()).open(ComponentDigest::of(b"other"), file).is_none());
    }

    #[test]
    fn s4_a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let _ = seal(directory.path());
        fs::set_permissions(directory.path().join("key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Seal::of(directory.path(), 7).is_err());
    }
}
