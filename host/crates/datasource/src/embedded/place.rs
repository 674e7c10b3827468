//! The directory that a host keeps its private PostgreSQL in, and who may use it.
//!
//! `host.lock` is locked by the host that owns the server, for as long as it lives; `host.json` tells
//! everybody else how to connect. The directory itself stays the host's: when the server runs as another
//! account, that one owns `data` and `run` and can merely pass through the rest, so that it can neither
//! read the host's keys nor exchange its files. Behind the socket the server trusts whoever gets there.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::account::Account;
use super::{EmbeddedError, FORMAT};
use crate::Version;

/// The longest path of a Unix socket, without the final zero byte.
const SOCKET_PATH_LIMIT: usize = 107;

/// The socket's name: no TCP port is ever open, the number only names the file.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";

/// A log of more bytes is put aside at the next start.
const LOG_LIMIT: u64 = 16 << 20;

/// What `host.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Card {
    pub(super) format: u32,
    pub(super) host: u32,
    pub(super) server: i32,
    pub(super) socket: PathBuf,
    pub(super) version: Version,
}

/// The data directory of a host.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) root: PathBuf,
}

/// Held by the host that owns the server.
#[derive(Debug)]
pub(super) struct Held {
    _lock: File,
}

impl Place {
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    fn card_path(&self) -> PathBuf {
        self.root.join("host.json")
    }

    /// Makes the directory, for us alone, and lets the server's account pass through it.
    pub(super) fn ensure(&self, account: &Account) -> Result<(), EmbeddedError> {
        if !self.root.exists() {
            std::fs::create_dir_all(&self.root).map_err(EmbeddedError::io("make", &self.root))?;
            protect(&self.root, 0o700)?;
        }
        let data = self.data();
        if data.is_dir() && !data.join("PG_VERSION").exists() {
            return Err(EmbeddedError::NotOurs(data));
        }
        if !account.other || account.can_enter(&self.root) {
            return Ok(());
        }
        let meta = std::fs::metadata(&self.root).map_err(EmbeddedError::io("read", &self.root))?;
        if meta.uid() == rustix::process::geteuid().as_raw() {
            protect(&self.root, (meta.mode() & 0o777) | 0o011)?;
        }
        if account.can_enter(&self.root) {
            return Ok(());
        }
        Err(EmbeddedError::OutOfReach { directory: self.root.clone(), account: account.name.clone() })
    }

    /// An empty folder for a new cluster, beside its final place.
    pub(super) fn fresh_data(&self, account: &Account) -> Result<PathBuf, EmbeddedError> {
        let fresh = self.root.join("data.new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(EmbeddedError::io("remove", &fresh))?;
        }
        own_folder(&fresh, account)?;
        Ok(fresh)
    }

    /// Takes the lock if no other host has it.
    pub(super) fn try_hold(&self) -> Result<Option<Held>, EmbeddedError> {
        let path = self.root.join("host.lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow());
        let lock = options.open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => EmbeddedError::OtherUser(self.root.clone()),
            _ => EmbeddedError::io("open", &path)(error),
        })?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Held { _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(EmbeddedError::io("lock", &path)(error.into())),
        }
    }

    /// What the owner says, if it is ready.
    pub(super) fn card(&self) -> Result<Option<Card>, EmbeddedError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = self.card_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(EmbeddedError::OtherUser(self.root.clone()));
            }
            Err(error) => return Err(EmbeddedError::io("read", &path)(error)),
        };
        let wrong = |found| EmbeddedError::OtherFormat { directory: self.root.clone(), found, ours: FORMAT };
        let Format { format } = serde_json::from_str(&text).map_err(|_| wrong(0))?;
        if format != FORMAT {
            return Err(wrong(format));
        }
        serde_json::from_str(&text).map(Some).map_err(|_| wrong(format))
    }

    /// Tells others how to connect. Readers see the whole card or none.
    pub(super) fn show(&self, card: &Card) -> Result<(), EmbeddedError> {
        let fresh = self.root.join("host.json.new");
        remove(&fresh)?;
        let text = serde_json::to_string_pretty(card).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&fresh).map_err(EmbeddedError::io("write", &fresh))?;
        file.write_all(text.as_bytes()).map_err(EmbeddedError::io("write", &fresh))?;
        std::fs::rename(&fresh, self.card_path()).map_err(EmbeddedError::io("write", &self.card_path()))
    }

    pub(super) fn hide(&self) -> Result<(), EmbeddedError> {
        remove(&self.card_path())
    }

    /// The folder of the socket: inside the directory, or a private one in the temporary directory when
    /// that path is too long for a socket.
    pub(super) fn socket_folder(&self, account: &Account) -> Result<PathBuf, EmbeddedError> {
        let inside = self.root.join("run");
        let folder = if inside.join(SOCKET).as_os_str().len() <= SOCKET_PATH_LIMIT {
            inside
        } else {
            let name: String = hex::encode(Sha256::digest(self.root.as_os_str().as_encoded_bytes()))
                .chars()
                .take(16)
                .collect();
            let folder = std::env::temp_dir().join(format!("applet-host-{name}"));
            // Somebody may have made it before us to get between us and the server.
            match std::fs::symlink_metadata(&folder) {
                Ok(meta) if !meta.is_dir() || meta.uid() != account.uid => {
                    return Err(EmbeddedError::OtherUser(folder));
                }
                Ok(_) | Err(_) => folder,
            }
        };
        own_folder(&folder, account)?;
        Ok(folder)
    }

    /// The server's log, to append to. One that has grown is put aside, over the one before it.
    pub(super) fn open_log(&self) -> Result<File, EmbeddedError> {
        let path = self.log();
        if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
            std::fs::rename(&path, self.root.join("postgres.log.1"))
                .map_err(EmbeddedError::io("rename", &path))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(no_follow());
        options.open(&path).map_err(EmbeddedError::io("open", &path))
    }

    /// The last lines of the log.
    pub(super) fn log_tail(&self) -> String {
        const BYTES: u64 = 4096;
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }
}

/// Makes a folder that only the account can enter.
fn own_folder(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    if !folder.exists() {
        std::fs::create_dir(folder).map_err(EmbeddedError::io("make", folder))?;
    }
    let owner = std::fs::metadata(folder).map_err(EmbeddedError::io("read", folder))?.uid();
    if owner != account.uid {
        if !account.other {
            return Err(EmbeddedError::OtherUser(folder.to_owned()));
        }
        std::os::unix::fs::chown(folder, Some(account.uid), Some(account.gid))
            .map_err(EmbeddedError::io("give away", folder))?;
    }
    protect(folder, 0o700)
}

fn protect(folder: &Path, mode: u32) -> Result<(), EmbeddedError> {
    std::fs::set_permissions(folder, Permissions::from_mode(mode))
        .map_err(EmbeddedError::io("protect", folder))
}

fn remove(path: &Path) -> Result<(), EmbeddedError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EmbeddedError::io("remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A symbolic link that somebody put there must not lead us elsewhere.
fn no_follow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0)
}
