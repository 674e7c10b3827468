//! Recordings as files: for their owner alone, and not for ever.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use applet_recording::Recording;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::opening::private_folder;
use crate::output::CommandError;

/// How names of recordings end.
const SUFFIX: &str = ".recording.jsonl";
/// Bytes of a first line that are looked at for when a file expires.
const LOOK: u64 = 1 << 20;

/// Writes a recording, whole or not at all, for the owner of the file alone.
pub(crate) fn write_recording(file: &Path, recording: &Recording) -> Result<(), CommandError> {
    let bytes =
        recording.to_bytes().map_err(|fault| CommandError::refused(fault.code(), fault.to_string()))?;
    let failed =
        |error: std::io::Error| CommandError::usage(format!("cannot write `{}`: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut written = tempfile::Builder::new()
        .prefix(".applet-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
        .map_err(failed)?;
    written.write_all(&bytes).map_err(failed)?;
    written.persist(file).map_err(|error| failed(error.error)).map(drop)
}

/// A folder of recordings.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

#[derive(Deserialize)]
struct Expiry {
    expires_at: Option<DateTime<Utc>>,
}

impl Folder {
    /// Opens it, makes it if need be, and removes what may be kept no longer.
    pub(crate) fn open(path: PathBuf) -> Result<Self, CommandError> {
        private_folder(&path)?;
        let folder = Self { path };
        folder.remove_expired(Utc::now());
        Ok(folder)
    }

    /// Writes a recording under a name of its own, and keeps no more than `most` in all.
    pub(crate) fn put(&self, recording: &Recording, most: usize) -> Result<PathBuf, CommandError> {
        let head = &recording.head;
        let at = head.recorded_at.format("%Y%m%dT%H%M%S");
        // The end of the id is its random part.
        let id = head.request.to_string();
        let id = id.rsplit('-').next().unwrap_or_default();
        let file = self.path.join(format!("{at}-{}-{}-{id}{SUFFIX}", head.applet, head.hook));
        write_recording(&file, recording)?;
        let files = self.files();
        for oldest in files.iter().take(files.len().saturating_sub(most)) {
            remove(oldest);
        }
        Ok(file)
    }

    /// Names begin with the time, so in their order the oldest is first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let is_ours =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX));
        let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_ours).collect();
        files.sort();
        files
    }

    /// Removes what may be kept no longer.
    pub(crate) fn remove_expired(&self, now: DateTime<Utc>) {
        for file in self.files() {
            if expiry(&file).is_some_and(|expires| expires <= now) {
                remove(&file);
            }
        }
    }
}

fn expiry(file: &Path) -> Option<DateTime<Utc>> {
    use std::io::{BufRead, BufReader, Read};

    let mut first = Vec::new();
    let opened = fs::File::open(file).ok()?;
    BufReader::new(opened.take(LOOK)).read_until(b'\n', &mut first).ok()?;
    serde_json::from_slice::<Expiry>(&first).ok()?.expires_at
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(%error, file = %file.display(), "a recording cannot be removed");
    }
}
