//! Package files.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use applet_package::{AppletDigest, Sha256Digest};

use crate::output::CommandError;

/// Reads a package file of at most `most` bytes. What the name stands for may be a pipe or a device, so no more
/// than that is looked at.
pub(crate) fn read_file(file: &Path, most: usize) -> Result<Vec<u8>, CommandError> {
    let name = file.display();
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(most as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
    if bytes.len() > most {
        let reason = format!(
            "`{name}` has more than {most} bytes: `limits.component.package_bytes` in the host's configuration \
             bounds it"
        );
        return Err(CommandError::refused("package-too-large", reason));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all.
pub(crate) fn write_file(file: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed =
        |error: std::io::Error| CommandError::usage(format!("cannot write `{}`: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mode = fs::metadata(file).map_or_else(|_| Permissions::from_mode(0o666), |about| about.permissions());
    let mut written = tempfile::Builder::new()
        .prefix(".applet-")
        .permissions(mode)
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
        .map_err(failed)?;
    written.write_all(bytes).map_err(failed)?;
    written.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// The digest that a package has to have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pin(Option<Sha256Digest>);

impl Pin {
    /// What an option says, and what stands behind a file's name: `FILE@sha256:…`. Gives the name without it.
    pub(crate) fn of(named: &str, option: Option<Sha256Digest>) -> Result<(&str, Self), CommandError> {
        let Some((name, digest)) = named.split_once("@sha256:") else { return Ok((named, Self(option))) };
        let digest: Sha256Digest = format!("sha256:{digest}")
            .parse()
            .map_err(|error| CommandError::usage(format!("`{}`: {error}", named.escape_debug())))?;
        match option {
            Some(other) if other != digest => Err(CommandError::usage("two different digests are asked for")),
            Some(_) | None => Ok((name, Self(Some(digest)))),
        }
    }

    /// The option alone.
    pub(crate) const fn option(option: Option<Sha256Digest>) -> Self {
        Self(option)
    }

    /// Whether a package is the one that was asked for.
    pub(crate) fn check(self, digest: AppletDigest) -> Result<(), CommandError> {
        match self.0 {
            Some(wanted) if AppletDigest::from(wanted) != digest => {
                let reason = format!("the package has the digest sha256:{digest}, not {wanted}");
                Err(CommandError::refused("digest-mismatch", reason))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_a_digest_behind_a_files_name_is_a_pin_and_anything_like_it_is_not_passed_over() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let parsed: Sha256Digest = digest.parse().unwrap();
        let named = format!("a@b.applet@{digest}");
        let (name, pin) = Pin::of(&named, None).unwrap();
        assert_eq!((name, pin.0), ("a@b.applet", Some(parsed)));
        assert_eq!(Pin::of("a@b.applet", None).unwrap().0, "a@b.applet");
        assert!(Pin::of(&named, Some(Sha256Digest::of(b"x"))).is_err());
        assert!(Pin::of("a.applet@sha256:abc", None).is_err());
        assert!(Pin::of(&named.to_uppercase().replace("SHA256", "sha256"), None).is_err());
        assert!(pin.check(parsed.into()).is_ok());
        assert!(pin.check(Sha256Digest::of(b"x").into()).is_err());
    }

    #[test]
    fn s4x_10_a_file_is_written_whole_and_read_no_further_than_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.applet");
        write_file(&file, b"12345").unwrap();
        assert_eq!(read_file(&file, 5).unwrap(), b"12345");
        assert!(read_file(&file, 4).is_err());
        assert!(read_file(Path::new("/dev/zero"), 1 << 20).is_err(), "an endless one ends");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(write_file(&folder.path().join("no/x"), b"").is_err());
    }
}
