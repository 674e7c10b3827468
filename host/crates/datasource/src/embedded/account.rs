//! As whom PostgreSQL runs: it refuses root, so a host that is root gives it another account.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EmbeddedError;

/// An account for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    /// Whether it is another one than ours.
    pub(super) other: bool,
}

impl Account {
    /// Ourselves, unless we are root: then the owner of existing data, the user who called sudo, `postgres`,
    /// or `nobody`. It must have an entry in the user database, `initdb` looks it up.
    pub(super) fn choose(data: &Path) -> Result<Self, EmbeddedError> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            let gid = rustix::process::getegid().as_raw();
            return Ok(Self { uid, gid, name: format!("uid {uid}"), other: false });
        }
        let users = std::fs::read_to_string("/etc/passwd")
            .map_err(EmbeddedError::io("read", Path::new("/etc/passwd")))?;
        let owner = std::fs::metadata(data).ok().map(|meta| meta.uid());
        let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
        let by_uid = |wanted: Option<u32>| wanted.and_then(|wanted| find(&users, |user| user.uid == wanted));
        by_uid(owner)
            .or_else(|| by_uid(caller))
            .or_else(|| find(&users, |user| user.name == "postgres"))
            .or_else(|| find(&users, |user| user.name == "nobody"))
            .ok_or(EmbeddedError::NoAccount)
    }

    /// A command that runs as this account and inherits nothing of our environment.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        if self.other {
            // Setting the user clears supplementary groups as well.
            command.gid(self.gid).uid(self.uid);
        }
        command
    }

    /// A command that ends with a fast shutdown when the thread that starts it ends, however it ends.
    /// The signal has to be asked for after the change of user, which would clear it: `setpriv` does
    /// both in this order. Where there is none (macOS), the next start deals with what was left behind.
    pub(super) fn kept_command(&self, program: &Path) -> Command {
        let Some(setpriv) = setpriv() else { return self.command(program) };
        let mut command = Command::new(setpriv);
        command.env_clear().stdin(Stdio::null());
        if self.other {
            command
                .arg(format!("--reuid={}", self.uid))
                .arg(format!("--regid={}", self.gid))
                .arg("--clear-groups");
        }
        command.args(["--pdeathsig", "INT", "--"]).arg(program);
        command
    }

    /// Whether the account can pass through a folder, the way there included.
    pub(super) fn can_enter(&self, directory: &Path) -> bool {
        let mut command = self.command(Path::new("/usr/bin/test"));
        command.arg("-x").arg(directory).current_dir("/");
        command.status().is_ok_and(|status| status.success())
    }
}

/// A usable account of the user database: never root.
fn find(users: &str, wanted: impl Fn(&Account) -> bool) -> Option<Account> {
    users.lines().filter_map(read_line).find(|user| user.uid != 0 && wanted(user))
}

fn read_line(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let _password = fields.next()?;
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { uid, gid, name, other: true })
}

/// The `setpriv` of util-linux; the one of BusyBox knows no parent-death signal.
fn setpriv() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin"), PathBuf::from("/bin")])
        .map(|directory| directory.join("setpriv"))
        .find(|program| program.is_file())?;
    let output = Command::new(&program).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).contains("util-linux").then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\npostgres:x:101:104::/var/lib/postgresql:/bin/sh\n";

    #[test]
    fn d12_root_is_never_chosen() {
        assert_eq!(find(USERS, |user| user.name == "root"), None);
        let postgres = find(USERS, |user| user.name == "postgres").unwrap();
        assert_eq!((postgres.uid, postgres.gid, postgres.other), (101, 104, true));
    }
}
