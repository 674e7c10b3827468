//! Sockets in folders of the data directory that only the host's own user may enter: the way in for whoever
//! operates the host.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::HostError;
use crate::private_folder;

const SUFFIX: &str = "sock";

/// Opens a socket of this process in a folder, and removes what hosts have left in it that did not get to.
pub fn open(folder: &Path) -> Result<(PathBuf, UnixListener), HostError> {
    private_folder(folder)?;
    clean(folder);
    // A process id alone is not enough: two containers may share the directory.
    let path = folder.join(format!("{}-{:08x}.{SUFFIX}", std::process::id(), rand::random::<u32>()));
    let listener = UnixListener::bind(&path)
        .and_then(|listener| {
            // The folder keeps others out already; this says so where people look.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        })
        .map_err(|error| HostError::usage(format!("cannot open `{}`: {error}", path.display())))?;
    Ok((path, listener))
}

/// The sockets of a folder, in order.
pub fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sockets: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == SUFFIX))
        .collect();
    sockets.sort();
    sockets
}

fn clean(folder: &Path) {
    for socket in all(folder) {
        let gone = std::os::unix::net::UnixStream::connect(&socket)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if gone {
            // Another host may have been faster.
            let _gone = std::fs::remove_file(&socket);
        }
    }
}
