//! A private PostgreSQL, started from whatever PostgreSQL is installed (SPEC Decision 12).
//!
//! *Invariant:* never as root, never on a TCP port, never on files that another host serves. It ends with
//! the host, however the host ends, and recovers at the next start whatever happened.
//!
//! Start reading at [`Postgres::start`].

mod account;
mod binaries;
mod error;
mod keeper;
mod leftover;
mod place;

use std::fmt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

pub use error::EmbeddedError;

use crate::Version;
use account::Account;
use binaries::Binaries;
use keeper::Keeper;
use place::{Card, Held, Place, SOCKET};

/// The format of the data directory. A host of another format must not touch it.
const FORMAT: u32 = 1;

const READY_SECONDS: u64 = 60;
const STEP: Duration = Duration::from_millis(20);

/// Hears what is going on, for anything that takes longer than a moment.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// How to start.
#[derive(Clone, Default)]
pub struct StartOptions {
    /// Where the data is kept; none for the usual place of this user.
    pub directory: Option<PathBuf>,
    /// The folder of the binaries; none to look for them.
    pub binaries: Option<PathBuf>,
    /// Gives up surviving a power failure for speed; a kill of any process loses nothing all the same.
    /// For tests and demos only.
    pub fast: bool,
    /// Hears what is going on.
    pub progress: Option<Progress>,
}

impl fmt::Debug for StartOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartOptions")
            .field("directory", &self.directory)
            .field("binaries", &self.binaries)
            .field("fast", &self.fast)
            .finish_non_exhaustive()
    }
}

/// A running private PostgreSQL: our own, or another host's that we only use.
#[derive(Debug)]
pub struct Postgres {
    place: Place,
    socket: PathBuf,
    version: Version,
    pid: i32,
    owned: Option<Owned>,
}

#[derive(Debug)]
struct Owned {
    keeper: Keeper,
    _held: Held,
}

impl Postgres {
    /// Starts the server, or connects to it when another host serves this directory already.
    ///
    /// # Errors
    ///
    /// See [`EmbeddedError`]; each says what to do.
    pub async fn start(options: StartOptions) -> Result<Self, EmbeddedError> {
        let started = tokio::task::spawn_blocking(move || start(&options)).await;
        started.map_err(|_| EmbeddedError::Interrupted)?
    }

    /// Connects to the server of another host on this machine; starts nothing.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::NotRunning`] when no host serves the directory, or as [`Postgres::start`].
    pub fn attach(directory: Option<&Path>) -> Result<Self, EmbeddedError> {
        let place = Place { root: directory.map_or_else(usual_directory, Path::to_owned) };
        try_attach(&place)?.ok_or(EmbeddedError::NotRunning(place.root))
    }

    /// Whether the server ends with us.
    pub const fn is_owned(&self) -> bool {
        self.owned.is_some()
    }

    /// Whether the server is up.
    pub fn is_running(&self) -> bool {
        match &self.owned {
            Some(owned) => !owned.keeper.has_ended(),
            None => accepts(&self.socket),
        }
    }

    /// The server's version.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The server's process.
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Where its data is.
    pub fn directory(&self) -> &Path {
        &self.place.root
    }

    /// The folder of its socket.
    pub fn socket_directory(&self) -> &Path {
        &self.socket
    }

    /// The URL of the superuser in the maintenance database.
    pub fn admin_url(&self) -> String {
        self.url("postgres")
    }

    /// The URL of the superuser in a database.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost/{}?host={}",
            encode(database),
            encode(&self.socket.to_string_lossy())
        )
    }

    /// Makes a database unless it exists, and gives its superuser's URL.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn ensure_database(&self, name: &str) -> Result<String, crate::Error> {
        let mut admin = crate::Admin::connect(&self.admin_url()).await?;
        let made = admin
            .run(format!("CREATE DATABASE {}", crate::sql::ident(name)), "cannot make the database")
            .await;
        match made {
            // 42P04: it exists; 23505: somebody makes it right now.
            Err(crate::Error::Statement { answer, .. })
                if matches!(answer.code.as_deref(), Some("42P04" | "23505")) => {}
            other => other?,
        }
        admin.close().await?;
        Ok(self.url(name))
    }

    /// Stops the server, if it is ours: sessions are ended, nothing is lost. Not ours: nothing happens.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::NotStopped`] when it does not end even at once.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        let stopped = tokio::task::spawn_blocking(move || self.shut_down(Duration::from_secs(15))).await;
        stopped.map_err(|_| EmbeddedError::Interrupted)?
    }

    /// Fast shutdown, then immediate shutdown; never the smart one, which waits for clients.
    fn shut_down(&mut self, patience: Duration) -> Result<(), EmbeddedError> {
        let Some(owned) = self.owned.take() else { return Ok(()) };
        self.place.hide()?;
        owned.keeper.signal(Signal::INT);
        if !owned.keeper.wait(patience) {
            tracing::warn!("PostgreSQL does not shut down in time, ending it at once");
            owned.keeper.signal(Signal::QUIT);
            if !owned.keeper.wait(patience) {
                return Err(EmbeddedError::NotStopped(self.pid));
            }
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down(Duration::from_secs(5)) {
            tracing::warn!(%error, "PostgreSQL was not stopped cleanly");
        }
    }
}

/// Everything but letters, digits and `/._-` in percent signs.
fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The directory that is used when none is given: `$APPLET_DATA`, or where programs of this user keep
/// their state.
pub fn usual_directory() -> PathBuf {
    if let Some(given) = std::env::var_os("APPLET_DATA") {
        return PathBuf::from(given);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/applet-host");
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).unwrap_or_else(std::env::temp_dir).join("applet-host")
}

fn accepts(socket: &Path) -> bool {
    UnixStream::connect(socket.join(SOCKET)).is_ok()
}

/// The server of another host, if one holds the directory and is ready.
fn try_attach(place: &Place) -> Result<Option<Postgres>, EmbeddedError> {
    let Some(card) = place.card()? else { return Ok(None) };
    if !accepts(&card.socket) {
        return Ok(None);
    }
    Ok(Some(Postgres {
        place: place.clone(),
        socket: card.socket,
        version: card.version,
        pid: card.server,
        owned: None,
    }))
}

fn start(options: &StartOptions) -> Result<Postgres, EmbeddedError> {
    let say = |text: &str| {
        if let Some(progress) = &options.progress {
            progress(text);
        }
    };
    let place = Place { root: options.directory.clone().unwrap_or_else(usual_directory) };
    let account = Account::choose(&place.data())?;
    place.ensure(&account)?;
    // Servers change their directory: every path has to be absolute.
    let place =
        Place { root: std::fs::canonicalize(&place.root).map_err(EmbeddedError::io("find", &place.root))? };
    let start = Instant::now();
    loop {
        if let Some(held) = place.try_hold()? {
            return start_owned(options, place, &account, held, &say);
        }
        if let Some(attached) = try_attach(&place)? {
            return Ok(attached);
        }
        if start.elapsed().as_secs() >= READY_SECONDS {
            return Err(EmbeddedError::NotReady { seconds: READY_SECONDS, log: place.log() });
        }
        std::thread::sleep(STEP);
    }
}

fn start_owned(
    options: &StartOptions,
    place: Place,
    account: &Account,
    held: Held,
    say: &dyn Fn(&str),
) -> Result<Postgres, EmbeddedError> {
    place.hide()?;
    let data = place.data();
    let wanted =
        std::fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    let binaries =
        binaries::find(options.binaries.as_deref(), wanted, &data)?.within_reach(account, &place.root)?;
    if wanted.is_none() {
        say("making a new PostgreSQL data directory (first time only)");
        initialise(&place, account, &binaries, options.fast)?;
    }
    leftover::clear(&data)?;
    let socket = place.socket_folder(account)?;
    say(&format!("starting PostgreSQL {}", binaries.version));
    let keeper = Keeper::start(server(&place, account, &binaries, &socket, options.fast)?)
        .map_err(EmbeddedError::io("start", &binaries.directory.join("postgres")))?;
    let card = Card {
        format: FORMAT,
        host: std::process::id(),
        server: keeper.pid(),
        socket: socket.clone(),
        version: binaries.version,
    };
    // From here on dropping it ends the server.
    let postgres = Postgres {
        pid: keeper.pid(),
        version: binaries.version,
        socket,
        place,
        owned: Some(Owned { keeper, _held: held }),
    };
    postgres.await_ready()?;
    postgres.place.show(&card)?;
    Ok(postgres)
}

/// Makes the cluster beside its final place: an interrupted run leaves nothing half-made behind. Trust is
/// safe behind a socket that only one account can reach.
fn initialise(
    place: &Place,
    account: &Account,
    binaries: &Binaries,
    fast: bool,
) -> Result<(), EmbeddedError> {
    let fresh = place.fresh_data(account)?;
    let locale = if cfg!(target_os = "linux") { "--locale=C.UTF-8" } else { "--locale=C" };
    let mut command = account.command(&binaries.directory.join("initdb"));
    command
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", locale, "--data-checksums", "-D"])
        .arg(&fresh);
    if fast {
        command.arg("--no-sync");
    }
    let output = command
        .current_dir(&place.root)
        .output()
        .map_err(EmbeddedError::io("run", &binaries.directory.join("initdb")))?;
    if !output.status.success() {
        return Err(EmbeddedError::Initialise(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    std::fs::rename(&fresh, place.data()).map_err(EmbeddedError::io("rename", &fresh))
}

/// The server itself, not `pg_ctl`: then its process is ours to watch. In a process group of its own, so
/// that Ctrl-C at a terminal reaches the host alone, which drains before it stops the server.
fn server(
    place: &Place,
    account: &Account,
    binaries: &Binaries,
    socket: &Path,
    fast: bool,
) -> Result<std::process::Command, EmbeddedError> {
    let log = place.open_log()?;
    let other = log.try_clone().map_err(EmbeddedError::io("open", &place.log()))?;
    let mut command = account.kept_command(&binaries.directory.join("postgres"));
    command.arg("-D").arg(place.data()).args(["-p", "5432", "-k"]).arg(socket).args([
        "-c",
        "listen_addresses=",
        "-c",
        "unix_socket_permissions=0700",
        "-c",
        "max_connections=100",
        "-c",
        "logging_collector=off",
        "-c",
        "log_destination=stderr",
        "-c",
        "log_line_prefix=%m [%p] ",
        "-c",
        "cluster_name=applet-host",
    ]);
    if fast {
        command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
    }
    command.current_dir(&place.root).stdout(Stdio::from(log)).stderr(Stdio::from(other)).process_group(0);
    Ok(command)
}

impl Postgres {
    fn await_ready(&self) -> Result<(), EmbeddedError> {
        let Some(owned) = &self.owned else { return Ok(()) };
        let start = Instant::now();
        let state = self.place.data().join("postmaster.pid");
        loop {
            if owned.keeper.has_ended() {
                return Err(EmbeddedError::Died { log: self.place.log(), tail: self.place.log_tail() });
            }
            let ready = std::fs::read_to_string(&state)
                .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"));
            if ready && accepts(&self.socket) {
                return Ok(());
            }
            if start.elapsed().as_secs() >= READY_SECONDS {
                return Err(EmbeddedError::NotReady { seconds: READY_SECONDS, log: self.place.log() });
            }
            std::thread::sleep(STEP);
        }
    }
}
