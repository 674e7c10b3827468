//! Settings of a host.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use applet_lifecycle::Faults;
use applet_package::PackageLimits;
use applet_wiring::config::{Config, LimitsConfig, PackagesConfig, Problem};
use applet_wiring::endpoint::Endpoint;
use applet_wiring::{
    Compiler, Host, HostError, Notice, Opening, Purpose, Script, Serving, Teller, directory_of, redis,
};
use tokio_util::task::AbortOnDropHandle;

use crate::host::Inner;
use crate::running::{Running, Threads};
use crate::{AppletHost, Error};

/// How long calls that run may take to end when the host closes, unless something else is said.
const DRAIN: Duration = Duration::from_secs(10);

/// Settings of a host. Without any it has a private PostgreSQL in the usual data directory of this user, keeps
/// cached reads in memory, and holds applets to the default limits.
///
/// No variable of the environment is read but `PGSSLROOTCERT`, which PostgreSQL's own clients go by, and, when no
/// data directory is named, those that say where programs of this user keep their state.
#[must_use = "nothing is started until `build` is called"]
pub struct Builder {
    config: Config,
    compiler: Compiler,
    scripts: Vec<Script>,
    teller: Teller,
    workers: Option<usize>,
    drain: Duration,
}

impl Builder {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self {
            config: Config::default(),
            compiler,
            scripts: Vec::new(),
            teller: Teller::new(|notice| match notice {
                Notice::Progress(text) => tracing::info!("{text}"),
                Notice::Warning(text) => tracing::warn!("{text}"),
            }),
            workers: None,
            drain: DRAIN,
        }
    }

    /// The folder for keys, compiled components and the private PostgreSQL. It is this user's alone, stays from
    /// start to start, and may be shared by hosts on this machine.
    pub fn data_directory(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.place.data_dir = Some(folder.into());
        self
    }

    /// A PostgreSQL to use instead of a private one: the URL of a superuser, or of a role with CREATEROLE that
    /// owns the database (`host/docs/managed-postgresql.md`). Another machine has to prove its name by TLS
    /// (`host/docs/transport.md`). Its tables are seen by applets once `applet adopt` has guarded them.
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.config.place.database_url = Some(url.into());
        self
    }

    /// A Redis to share cached reads with other hosts: `rediss://host:port`, or nodes of a cluster with commas.
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.config.place.redis_url = Some(url.into());
        self
    }

    /// The certificate of the authority that a `rediss://` server proves itself by; this machine's authorities
    /// without.
    pub fn redis_root_certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.config.place.redis_root_cert = Some(file.into());
        self
    }

    /// What applets and the host itself are held to. Each limit has a hard maximum.
    pub fn limits(mut self, limits: LimitsConfig) -> Self {
        self.config.limits = limits;
        self
    }

    /// Which packages may come in: whose signatures are asked for, what is blocked.
    pub fn install_policy(mut self, policy: PackagesConfig) -> Self {
        self.config.packages = policy;
        self
    }

    /// Whether reads and refusals are answered only once they are recorded durably in the audit trail.
    pub const fn audit_strict(mut self, strict: bool) -> Self {
        self.config.audit.strict = strict;
        self
    }

    /// Whether to take a way to another machine that is not encrypted, or whose far end proves nothing, if a URL
    /// asks for one.
    pub const fn insecure_transport(mut self, allowed: bool) -> Self {
        self.config.security.insecure_transport = allowed;
        self
    }

    /// Whether to serve on a PostgreSQL with known security holes.
    pub const fn allow_unpatched(mut self, allowed: bool) -> Self {
        self.config.serve.allow_unpatched = allowed;
        self
    }

    /// Statements that make tables of the platform, run as the database's administrator at every start before
    /// tables are guarded; so they say `IF NOT EXISTS`. `name` is what an error calls them. For a private
    /// PostgreSQL: in a database of its own a platform has migrations of its own, and
    /// [`AppletHost::look_again`] afterwards.
    pub fn tables(mut self, name: impl Into<String>, sql: impl Into<String>) -> Self {
        self.scripts.push(Script { name: name.into(), sql: sql.into() });
        self
    }

    /// Hears what is going on while the host starts and changes applets, and what somebody should know. Called on
    /// the host's threads, which wait for it. Without one it goes to the log (`tracing`).
    pub fn on_notice(mut self, listener: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        self.teller = Teller::new(listener);
        self
    }

    /// Threads that applets and their statements run on; as many as the machine has cores without.
    pub const fn threads(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How long calls and operations that run may take to end when the host closes: ten seconds without.
    pub const fn drain(mut self, patience: Duration) -> Self {
        self.drain = patience;
        self
    }

    /// Starts the host: finds or starts the database, brings its schema up to date, guards its tables, finishes
    /// what an earlier host has left half-done, and goes on in the background with what a host does beside its
    /// calls: hearing of changes by other hosts, purging, sealing the audit trail. Needs no particular executor.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with everything that is wrong with the settings, before anything is opened;
    /// [`Error::Start`] when the compiler, the machine or the database is not as it has to be.
    pub async fn build(self) -> Result<AppletHost, Error> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(Error::Settings(problems));
        }
        let failed = |error: std::io::Error| Error::Start(HostError::usage(format!("no threads: {error}")));
        let threads = Threads::start(self.workers).map_err(failed)?;
        let handle = threads.handle().cloned().ok_or(Error::Internal)?;
        let (teller, drain) = (self.teller.clone(), self.drain);
        let limits = PackageLimits::of(&self.config.limits.component, &self.config.limits.manifest);
        let opened = AbortOnDropHandle::new(handle.spawn(self.open())).await;
        let serving = opened.map_err(|_| Error::Internal)?.map_err(Error::Start)?;
        let running = Running::new(threads, handle, serving, drain);
        Ok(AppletHost::new(Arc::new(Inner { running, limits, teller })))
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.config.problems();
        let insecure = self.config.security.insecure_transport;
        let url = self.config.place.database_url.as_deref().map(|url| Endpoint::parse(url, insecure));
        if let Some(Err(error)) = url {
            problems.push(Problem::new("place.database_url", error.to_string()));
        }
        if let Err(error) = redis(&self.config) {
            problems.push(Problem::new("place.redis_url", error.to_string()));
        }
        if self.workers == Some(0) {
            problems.push(Problem::new("threads", "`0` is no number of threads: the least is 1"));
        }
        problems
    }

    async fn open(self) -> Result<Serving, HostError> {
        let Self { config, compiler, scripts, teller, .. } = self;
        compiler.check().await?;
        let allow_unpatched = config.serve.allow_unpatched;
        let host = Host::open(Opening {
            config: &config,
            purpose: Purpose { fast: false, serves: true, allow_unpatched },
            compiler: &compiler,
            scripts: &scripts,
            bench: None,
            faults: Faults::default(),
            teller: &teller,
        })
        .await?;
        Serving::start(host, &directory_of(&config.place), &teller, &teller).await
    }
}

impl std::fmt::Debug for Builder {
    /// URLs may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}
