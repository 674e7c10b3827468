//! Proof that hosts of this data directory live: each keeps a file locked that bears its name. The lock goes
//! with the process, however that ends, and stays with one that is only stopped. So a host that is started
//! again after a crash need not wait for the lease of the one before it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A host's own file, locked as long as this is there.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    _locked: File,
}

impl Presence {
    /// Says that this host lives.
    pub(super) fn announce(directory: &Path, host: Uuid) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(host.to_string());
        // Under its name only when it is locked: whoever finds it unlocked takes its host for dead.
        let nameless = directory.join(format!("{host}.new"));
        let file = File::create_new(&nameless)?;
        file.try_lock().map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        fs::rename(&nameless, &path)?;
        Ok(Self { path, _locked: file })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // What stays behind is found unlocked, which says the same.
        let _removed = fs::remove_file(&self.path);
    }
}

/// Hosts of this directory that have died without a word.
pub(super) fn dead(directory: &Path) -> Vec<Uuid> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let is_dead = |path: &Path| File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, path)| is_dead(path))
        .map(|(host, _): (Uuid, PathBuf)| host)
        .collect()
}

/// Forgets a host that was buried.
pub(super) fn forget(directory: &Path, host: Uuid) {
    // Another process may have done so already.
    let _removed = fs::remove_file(directory.join(host.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_18_who_lives_is_not_taken_for_dead_and_who_died_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hosts");
        assert!(dead(&path).is_empty());
        let (lives, died) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let presence = Presence::announce(&path, lives).unwrap();
        File::create(path.join(died.to_string())).unwrap();
        File::create(path.join("something else")).unwrap();
        assert_eq!(dead(&path), [died]);
        forget(&path, died);
        assert!(dead(&path).is_empty());
        drop(presence);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "who leaves leaves nothing behind");
    }
}
