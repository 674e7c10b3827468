//! Folders and secrets in the data directory: their owner's alone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::HostError;

/// What a secret's file in the data directory says; `make` makes it on first use.
///
/// # Errors
///
/// When it cannot be read or written.
pub fn secret_file(directory: &Path, name: &str, make: impl FnOnce() -> String) -> Result<String, HostError> {
    let file = directory.join(name);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => new_secret(directory, &file, make()),
        Err(error) => Err(HostError::usage(format!("cannot read `{}`: {error}", file.display()))),
    }
}

fn new_secret(directory: &Path, file: &Path, secret: String) -> Result<String, HostError> {
    let failed = |error| HostError::usage(format!("cannot write `{}`: {error}", file.display()));
    private_folder(directory)?;
    // Whole or not at all, and for its owner alone: another host may look for it just now.
    let mut written = tempfile::Builder::new().prefix(".secret-").tempfile_in(directory).map_err(failed)?;
    written.write_all(secret.as_bytes()).map_err(failed)?;
    match written.persist_noclobber(file) {
        Ok(_) => Ok(secret),
        // Another host was faster; its secret is the secret.
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            fs::read_to_string(file).map_err(failed)
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// Makes a folder that only this user may enter, unless it is there.
///
/// # Errors
///
/// When it cannot be made.
pub fn private_folder(directory: &Path) -> Result<(), HostError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)
        .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o700)))
        .map_err(|error| HostError::usage(format!("cannot make `{}`: {error}", directory.display())))
}
