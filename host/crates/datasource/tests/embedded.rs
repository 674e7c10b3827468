//! The private PostgreSQL: it starts for root and for anybody else, survives kills of itself and of its
//! host, is shared by processes, and never touches what is not its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use applet_datasource::embedded::{EmbeddedError, Postgres, StartOptions};
use sqlx::{Connection as _, PgConnection};

/// Set for a process that plays a host: the directory that it has to serve.
const PLAY_HOST: &str = "APPLET_TEST_PLAY_HOST";

fn options(directory: &Path) -> StartOptions {
    StartOptions { directory: Some(directory.to_owned()), fast: true, ..StartOptions::default() }
}

async fn ask(postgres: &Postgres, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(&postgres.admin_url()).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

fn await_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is gone, or dead and not reaped by anybody.
fn is_dead(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}

fn kill(pid: i32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Another process that serves the directory until it is killed.
fn other_host(directory: &Path) -> Child {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "play_host", "--nocapture"]).env(PLAY_HOST, directory).stdout(Stdio::null());
    let host = host.spawn().unwrap();
    await_until("another host's server", || Postgres::attach(Some(directory)).is_ok());
    host
}

/// Not a test by itself: what [`other_host`] runs.
#[tokio::test]
async fn play_host() {
    let Some(directory) = std::env::var_os(PLAY_HOST).map(PathBuf::from) else { return };
    let postgres = Postgres::start(options(&directory)).await.unwrap();
    assert!(postgres.is_owned());
    await_until("being killed", || !postgres.is_running());
}

#[tokio::test]
async fn d12_starts_stops_and_starts_again_on_the_same_data() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(options(directory.path())).await.unwrap();
    assert!(postgres.is_owned() && postgres.is_running());
    assert_eq!(ask(&postgres, "SHOW listen_addresses").await, "");
    assert_eq!(ask(&postgres, "SHOW data_checksums").await, "on");
    assert_eq!(ask(&postgres, "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'postgres' AND pid = pg_backend_pid()").await, "1");
    postgres.ensure_database("crm").await.unwrap();
    let url = postgres.ensure_database("crm").await.unwrap();
    PgConnection::connect(&url).await.unwrap().close().await.unwrap();
    let pid = postgres.pid();
    postgres.stop().await.unwrap();
    assert!(is_dead(pid));
    let again = Postgres::start(options(directory.path())).await.unwrap();
    assert_eq!(ask(&again, "SELECT datname::text FROM pg_database WHERE datname = 'crm'").await, "crm");
}

#[tokio::test]
async fn d12_never_runs_as_root() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(options(directory.path())).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", postgres.pid())).unwrap();
    let line = |key: &str| status.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(!line("Uid:").split_whitespace().skip(1).any(|uid| uid == "0"), "{status}");
    if rustix::process::geteuid().is_root() {
        assert_eq!(line("Groups:").trim(), "Groups:", "no supplementary group of root's");
    }
}

/// Runs as root only: everybody else runs every other test of this file as an ordinary user already.
#[tokio::test]
async fn d12_an_ordinary_user_starts_it_as_well() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let parent = tempfile::tempdir_in("/tmp").unwrap();
    std::os::unix::fs::chown(parent.path(), Some(65534), Some(65534)).unwrap();
    let directory = parent.path().join("data");
    let program = parent.path().join("host");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut host = Command::new(program);
    host.args(["--exact", "play_host"])
        .env(PLAY_HOST, &directory)
        .env("TMPDIR", "/tmp")
        .uid(65534)
        .gid(65534)
        .stdout(Stdio::null());
    let mut host = host.spawn().unwrap();
    await_until("the server of an ordinary user", || Postgres::attach(Some(&directory)).is_ok());
    let pid = Postgres::attach(Some(&directory)).unwrap().pid();
    host.kill().unwrap();
    host.wait().unwrap();
    await_until("the end of the server", || is_dead(pid));
}

#[tokio::test]
async fn a6_recovers_after_a_kill_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(options(directory.path())).await.unwrap();
    let mut connection = PgConnection::connect(&postgres.admin_url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)")
        .execute(&mut connection)
        .await
        .unwrap();
    kill(postgres.pid());
    await_until("noticing the kill", || !postgres.is_running());
    drop(postgres);
    let again = Postgres::start(options(directory.path())).await.unwrap();
    assert_eq!(ask(&again, "SELECT a::text FROM kept").await, "7");
}

#[tokio::test]
async fn a6_the_server_ends_with_a_killed_host_and_the_next_one_takes_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut host = other_host(directory.path());
    let guest = Postgres::attach(Some(directory.path())).unwrap();
    let pid = guest.pid();
    host.kill().unwrap();
    host.wait().unwrap();
    let next = Postgres::start(options(directory.path())).await.unwrap();
    assert!(next.is_owned());
    assert!(is_dead(pid));
    assert_eq!(ask(&next, "SELECT 'up'").await, "up");
}

#[tokio::test]
async fn a6_a_zombie_or_stale_lock_file_does_not_keep_the_server_out() {
    let directory = tempfile::tempdir().unwrap();
    Postgres::start(options(directory.path())).await.unwrap().stop().await.unwrap();
    // A dead child that nobody reaps, under the number that the lock file names.
    let mut zombie = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(zombie.id()).unwrap();
    await_until("the zombie", || is_dead(pid));
    let data = std::fs::canonicalize(directory.path()).unwrap().join("data");
    std::fs::write(
        data.join("postmaster.pid"),
        format!("{pid}\n{}\n1\n5432\n\n\n0 0\nready\n", data.display()),
    )
    .unwrap();
    let postgres = Postgres::start(options(directory.path())).await.unwrap();
    assert_eq!(ask(&postgres, "SELECT 'up'").await, "up");
    zombie.wait().unwrap();
}

#[tokio::test]
async fn a6_a_second_process_uses_the_running_server_and_does_not_stop_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut host = other_host(directory.path());
    let guest = Postgres::start(options(directory.path())).await.unwrap();
    assert!(!guest.is_owned());
    assert_eq!(ask(&guest, "SELECT 'shared'").await, "shared");
    let pid = guest.pid();
    guest.stop().await.unwrap();
    assert!(!is_dead(pid));
    host.kill().unwrap();
    host.wait().unwrap();
    await_until("the end of the server", || is_dead(pid));
}

#[tokio::test]
async fn e4_an_interrupted_initdb_leaves_nothing_half_made() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data.new")).unwrap();
    std::fs::write(directory.path().join("data.new/PG_VERSION"), "15").unwrap();
    let postgres = Postgres::start(options(directory.path())).await.unwrap();
    assert_eq!(ask(&postgres, "SELECT 'up'").await, "up");
    assert!(!directory.path().join("data.new").exists());
}

#[tokio::test]
async fn a6_the_servers_account_reaches_its_own_files_only() {
    use std::os::unix::fs::MetadataExt as _;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("host");
    let _postgres = Postgres::start(options(&directory)).await.unwrap();
    let meta = |name: &str| std::fs::metadata(directory.join(name)).unwrap();
    let me = rustix::process::geteuid().as_raw();
    for ours in [".", "host.lock", "host.json", "postgres.log"] {
        assert_eq!((meta(ours).uid(), meta(ours).mode() & 0o066), (me, 0), "{ours}");
    }
    for theirs in ["data", "run"] {
        assert_eq!(meta(theirs).mode() & 0o777, 0o700, "{theirs}");
    }
}

#[tokio::test]
async fn a6_what_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/thesis.txt"), "years of work").unwrap();
    let refused = Postgres::start(options(folder.path())).await;
    assert!(matches!(refused, Err(EmbeddedError::NotOurs(_))), "{refused:?}");
    let empty = tempfile::tempdir().unwrap();
    let refused = Postgres::attach(Some(empty.path()));
    assert!(matches!(refused, Err(EmbeddedError::NotRunning(_))), "{refused:?}");
}

#[tokio::test]
async fn a6_a_server_of_another_format_is_named_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("host.json"), r#"{"format": 2}"#).unwrap();
    let refused = Postgres::attach(Some(directory.path()));
    assert!(matches!(refused, Err(EmbeddedError::OtherFormat { found: 2, ours: 1, .. })), "{refused:?}");
}

#[tokio::test]
async fn a6_long_paths_get_a_socket_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(100));
    let postgres = Postgres::start(options(&deep)).await.unwrap();
    assert!(!postgres.socket_directory().starts_with(&deep));
    assert_eq!(ask(&postgres, "SELECT 'up'").await, "up");
    let socket = postgres.socket_directory().to_owned();
    postgres.stop().await.unwrap();
    std::fs::remove_dir_all(socket).unwrap();
}

#[tokio::test]
async fn d12_without_binaries_the_error_says_what_to_install() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let options = StartOptions { binaries: Some(nowhere.path().into()), ..options(directory.path()) };
    let refused = Postgres::start(options).await.unwrap_err();
    assert!(refused.to_string().contains("apt-get install"), "{refused}");
}
