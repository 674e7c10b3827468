//! A private PostgreSQL for one test: its own directory, a Unix socket only, gone when the test ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use applet_store::Store;
use applet_types::{AppletId, Columns, Grants, TenantId, UserId, WorkspaceId};
use tempfile::TempDir;
use uuid::Uuid;

const BINARIES: &str = "/usr/lib/postgresql/15/bin";

/// A running server.
pub(crate) struct Cluster {
    directory: TempDir,
    server: Child,
}

impl Cluster {
    /// Makes and starts one.
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("applet-store-").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.path().join("data");
        let made = as_server_user(Path::new(BINARIES).join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=admin", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let server = as_server_user(Path::new(BINARIES).join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(directory.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self { directory, server };
        let started = Instant::now();
        while !cluster.psql("SELECT 1") {
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> String {
        let socket = self.directory.path().to_string_lossy().replace('/', "%2F");
        format!("postgres://admin@{socket}/postgres")
    }

    /// Runs statements from outside; whether they succeed.
    pub(crate) fn psql(&self, sql: &str) -> bool {
        Command::new(Path::new(BINARIES).join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "admin", "-d", "postgres", "-c", sql, "-h"])
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    /// A store with its schema in place.
    pub(crate) async fn store(&self) -> Store {
        let store = Store::connect(&self.url()).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT would be quicker still; SIGINT lets it remove its shared memory.
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

/// PostgreSQL refuses to run as root.
fn as_server_user(program: PathBuf) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig=INT", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
        .arg(program);
    command
}

/// A tenant's id, different for every number.
pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(0x7e_0000 + number))
}

/// A workspace's id.
pub(crate) fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(0x30_0000 + number))
}

/// An admin's id.
pub(crate) fn admin(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(0xad_0000 + number))
}

/// An applet's id.
pub(crate) fn applet(text: &str) -> AppletId {
    text.parse().unwrap()
}

/// Read access to one table.
pub(crate) fn read_grant(table: &str) -> Grants {
    let mut builder = Grants::builder();
    builder.table(table.parse().unwrap()).read = Some(Columns::All);
    builder.build()
}
