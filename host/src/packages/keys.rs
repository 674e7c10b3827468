//! Signing keys in files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use applet_package::{PrivateKey, PublicKey};

use super::read_file;
use crate::output::CommandError;

/// Bytes of a key's file: far above what it takes.
const LARGEST: usize = 4 << 10;

/// Makes a key, its file for its owner alone, and one with the public half beside it. Overwrites nothing: a key
/// that is gone cannot be made again.
pub(crate) fn new_key(file: &Path, public: &Path) -> Result<PublicKey, CommandError> {
    let key = PrivateKey::from_seed(&rand::random());
    create(file, 0o600, &key.to_file())?;
    create(public, 0o644, &format!("{}\n", key.public()))?;
    Ok(key.public())
}

fn create(file: &Path, mode: u32, text: &str) -> Result<(), CommandError> {
    let name = file.display();
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    opened.and_then(|mut opened| opened.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CommandError::usage(format!("`{name}` is there already, and keys are not overwritten"))
        }
        _ => CommandError::usage(format!("cannot write `{name}`: {error}")),
    })
}

/// Reads a private key's file, which has to be its owner's alone.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKey, CommandError> {
    let name = file.display();
    let text = text(file)?;
    let open = fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
    if open {
        return Err(CommandError::usage(format!(
            "`{name}` is a private key and others can read it: chmod 600 {name}"
        )));
    }
    PrivateKey::from_file(&text).map_err(|error| CommandError::usage(format!("`{name}`: {error}")))
}

/// A public key as a person names it: itself, or a file that it is in.
pub(crate) fn named_key(named: &str) -> Result<PublicKey, CommandError> {
    if named.starts_with("ed25519:") {
        return named.parse().map_err(|error| CommandError::usage(format!("`{named}`: {error}")));
    }
    let text = text(Path::new(named))?;
    PublicKey::from_text_or_file(&text).map_err(|error| CommandError::usage(format!("`{named}`: {error}")))
}

fn text(file: &Path) -> Result<String, CommandError> {
    let bytes = read_file(file, LARGEST)?;
    String::from_utf8(bytes).map_err(|_| CommandError::usage(format!("`{}` is not text", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_a_private_key_is_its_owners_alone_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (file, public) = (folder.path().join("key"), folder.path().join("key.pub"));
        let made = new_key(&file, &public).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(private_key(&file).unwrap().public(), made);
        assert_eq!(named_key(public.to_str().unwrap()).unwrap(), made);
        assert_eq!(named_key(file.to_str().unwrap()).unwrap(), made);
        assert_eq!(named_key(&made.to_string()).unwrap(), made);
        assert!(new_key(&file, &public).is_err());
        assert_eq!(private_key(&file).unwrap().public(), made);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(private_key(&file).unwrap_err().to_string().contains("chmod 600"));
        assert!(private_key(&public).is_err());
        assert!(named_key("ed25519:00").unwrap_err().to_string().contains("has 2 hexadecimal digits"));
    }
}
