//! How it all hangs together: a database, the store in it, a proxy in front of it, and a runtime whose
//! applets reach data through that proxy only.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_accounts::Accounts;
use applet_api::token::TokenKey;
use applet_catalog::Catalog;
use applet_datasource::catalog::{CatalogOptions, Reach};
use applet_datasource::embedded::{self, Postgres, StartOptions};
use applet_datasource::{Admin, check, doctor, wall};
use applet_lifecycle::{Faults, Lifecycle, Parts};
use applet_proxy::{
    AuditQueue, AuditWriter, CacheConfig, InvalidRedisUrl, KeeperConfig, Proxy, ProxyConfig, QueryCache,
    RedisServers,
};
use applet_runtime::{CompilerProgram, GuestLog, Runtime, RuntimeConfig, RuntimeLimits};
use applet_store::Store;
use applet_types::{Database, Secret};

use crate::audit::{Sealing, audit_key, seal_at_the_end};
use crate::cli::{COMPILE_COMMAND, Place};
use crate::config::{Config, LimitsConfig, PlaceConfig};
use crate::demo_data;
use crate::endpoint::Endpoint;
use crate::lifecycle_hooks::LifecycleHooks;
use crate::logs::Lines;
use crate::output::{CommandError, Output};
use crate::record::{Recorded, RecordedLog, Recorder};
use crate::seen::{Observed, Seen};

/// The database of the private PostgreSQL that everything is in.
const DATABASE: &str = "applets";

/// Applets' sessions that the private PostgreSQL has room for, beside the host's own.
const PRIVATE_SESSIONS: usize = 80;

/// How long the private PostgreSQL of a host that is just starting may take to appear.
const ATTACH_WITHIN: Duration = Duration::from_secs(10);

/// A host, put together. Any number of processes may be one on the same database at the same time.
pub(crate) struct Host {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) proxy: Proxy,
    pub(crate) cache: QueryCache,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) admin_url: String,
    pub(crate) catalog: CatalogOptions,
    /// What applets have written to their logs lately.
    pub(crate) lines: Lines,
    /// Records calls that somebody wants recorded.
    pub(crate) recorder: Recorder,
    audit: AuditWriter,
    sealing: Option<Sealing>,
    postgres: Option<Postgres>,
}

/// What a host is started for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Purpose {
    /// Gives up surviving a power failure for speed; for the demo.
    pub(crate) fast: bool,
    /// Serves others: a server with known holes is refused unless `allow_unpatched`, and so are roles that
    /// no wall binds.
    pub(crate) serves: bool,
    /// Serve on a server with known holes all the same.
    pub(crate) allow_unpatched: bool,
    /// Creates the demo's tables and tenants.
    pub(crate) demo_data: bool,
}

/// What somebody who develops an applet brings along.
pub(crate) struct Workbench {
    /// Sees what applets do.
    pub(crate) seen: Arc<Seen>,
    /// A script that makes tables of the platform, before they are guarded.
    pub(crate) seed: Option<String>,
}

impl Host {
    /// Puts a host together: starts or finds the database, brings the schema up to date, guards the
    /// tables, and finishes nothing yet.
    pub(crate) async fn open(place: &Place, purpose: Purpose, output: Output) -> Result<Self, CommandError> {
        Self::open_with(place, purpose, None, output).await
    }

    /// The same, with what a developer brings along.
    pub(crate) async fn open_with(
        place: &Place,
        purpose: Purpose,
        bench: Option<&Workbench>,
        output: Output,
    ) -> Result<Self, CommandError> {
        let config = place.configuration()?;
        let LimitsConfig { host: host_limits, component, manifest, tenant, breaker, .. } =
            config.limits.clone();
        let directory = directory_of(&config.place);
        let redis = redis(&config)?;
        let (postgres, endpoint) = database(&config, purpose, output).await?;
        let (target, admin_url) = (endpoint.target().clone(), endpoint.url().to_owned());
        let options = catalog_options(&config);
        let mut admin = Admin::connect(&admin_url).await.map_err(told)?;
        wall::check_rights(&mut admin, &options).await.map_err(unprepared)?;
        let store = Store::connect(&admin_url).await.map_err(told)?;
        store.migrate().await.map_err(told)?;

        if purpose.demo_data {
            demo_data::load_tables(&mut admin).await?;
            demo_data::load_workspaces(&store).await?;
        }
        if let Some(seed) = bench.and_then(|bench| bench.seed.clone()) {
            let failed = |error| CommandError::usage(format!("`tests/seed.sql`: {error}"));
            admin.run_own_script(seed).await.map_err(failed)?;
        }
        let keys = wall::prepare_database(&mut admin, &options).await.map_err(unprepared)?;
        let reading = applet_datasource::catalog::read(&mut admin, &options).await.map_err(told)?;
        if purpose.serves {
            tell_not_adopted(&reading.catalog, output);
        }
        check_version(&mut admin, purpose, output).await?;
        if purpose.serves {
            check::installed_roles(&mut admin).await.map_err(told)?;
        }
        admin.close().await.map_err(told)?;

        let limits = config.limits.of_invocations();
        let (queue, audit) = AuditQueue::start(
            target.clone(),
            keys.audit_login(),
            host_limits.audit_queue,
            config.audit.strict,
        );
        let cache = QueryCache::start(CacheConfig {
            target: target.clone(),
            login: keys.cache_login(),
            secret: keys.cache_key(),
            redis,
            limits: host_limits.clone(),
            writes: purpose.serves,
        });
        let keeper = KeeperConfig { login: keys.pool_login(), directory: Some(directory.join("hosts")) };
        let logins = Arc::new(keys);
        let tenants = Arc::clone(&logins);
        let runtime_limits = RuntimeLimits::new(&host_limits, &component);
        let mut serving = ProxyConfig::new(target, Arc::new(reading.catalog), logins, Arc::new(queue));
        serving.limits = host_limits;
        serving.keeper = Some(keeper);
        serving.session_limits = limits.execution.clone();
        serving.cache = Some(cache.clone());
        serving.tenants = Some(tenants);
        let proxy = Proxy::new(serving);
        let seen = bench.map(|bench| Arc::clone(&bench.seen));
        let lines = seen.as_ref().map_or_else(Lines::default, |seen| seen.lines.clone());
        let recorder = Recorder::default();
        let reach = recorded(guests_reach(&proxy, &lines, seen), &recorder);
        let runtime = runtime(&directory, reach, runtime_limits)?.under(Arc::new(recorder.clone()));
        let runtime = Arc::new(runtime);
        let sealing = match purpose.serves {
            true => Some(Sealing::start(store.clone(), directory, audit_key(place)?)),
            false => None,
        };
        let lifecycle = Lifecycle::new(Parts {
            store,
            admin_url: Secret::new(admin_url.clone()),
            catalog: options.clone(),
            applets: Arc::new(LifecycleHooks {
                runtime: Arc::clone(&runtime),
                proxy: proxy.clone(),
                admin_url: admin_url.clone(),
                catalog: options.clone(),
            }),
            limits,
            manifests: manifest,
            policy: config.packages.policy()?,
            now: Instant::now,
            faults: Faults::from_environment().map_err(told)?,
        });
        let accounts = Arc::new(Accounts::new(tenant, breaker, Instant::now()));
        Ok(Self {
            lifecycle,
            proxy,
            cache,
            runtime,
            accounts,
            admin_url,
            catalog: options,
            lines,
            recorder,
            audit,
            sealing,
            postgres,
        })
    }

    /// Reads the database's catalogue again, for the proxy to go by.
    pub(crate) async fn refresh_catalog(&self) -> Result<(), CommandError> {
        let catalog = read_catalog(&self.admin_url, &self.catalog).await?;
        self.proxy.set_catalog(Arc::new(catalog));
        Ok(())
    }

    /// Writes what is left of the audit trail, lets go of every connection, and stops the private
    /// PostgreSQL if it is ours.
    pub(crate) async fn close(self) -> Result<(), CommandError> {
        let Self { lifecycle, proxy, runtime, audit, sealing, postgres, .. } = self;
        proxy.close().await;
        drop((runtime, proxy));
        audit.finish().await;
        if let Some(sealing) = sealing {
            sealing.finish().await;
        }
        seal_at_the_end(lifecycle.store()).await;
        lifecycle.store().close().await;
        drop(lifecycle);
        match postgres {
            Some(postgres) if postgres.is_owned() => postgres.stop().await.map_err(told),
            Some(_) | None => Ok(()),
        }
    }
}

/// Which tables the host may touch: all of its own private database; of another one, those that applets make
/// and those that its operator has adopted.
pub(crate) fn catalog_options(config: &Config) -> CatalogOptions {
    let reach = if config.place.database_url.is_some() { Reach::Adopted } else { Reach::Every };
    CatalogOptions { reach, ..CatalogOptions::default() }
}

fn tell_not_adopted(catalog: &Catalog, output: Output) {
    let tables: Vec<String> = catalog.not_adopted().iter().map(|name| format!("`{name}`")).collect();
    if !tables.is_empty() {
        output.warning(format_args!(
            "tables that are not adopted, so that applets cannot see them: {}; look at `applet adopt`",
            tables.join(", ")
        ));
    }
}

/// The catalogue as it is now.
pub(crate) async fn read_catalog(admin_url: &str, options: &CatalogOptions) -> Result<Catalog, CommandError> {
    let mut admin = Admin::connect(admin_url).await.map_err(told)?;
    let reading = applet_datasource::catalog::read(&mut admin, options).await.map_err(told)?;
    admin.close().await.map_err(told)?;
    Ok(reading.catalog)
}

impl Place {
    /// Where keys, compiled components and the private PostgreSQL are.
    pub(crate) fn directory(&self) -> Result<PathBuf, CommandError> {
        Ok(directory_of(&self.configuration()?.place))
    }

    /// The key that tokens are signed with; made on first use.
    pub(crate) fn token_key(&self) -> Result<TokenKey, CommandError> {
        let directory = self.directory()?;
        let text = secret_file(&directory, "token.key", || TokenKey::generate().to_hex())?;
        TokenKey::from_hex(&text).map_err(|_| {
            CommandError::usage(format!("`{}` is not a token key", directory.join("token.key").display()))
        })
    }
}

/// What a secret's file in the data directory says; `make` makes it on first use.
pub(crate) fn secret_file(
    directory: &Path,
    name: &str,
    make: impl FnOnce() -> String,
) -> Result<String, CommandError> {
    let file = directory.join(name);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => new_secret(directory, &file, make()),
        Err(error) => Err(CommandError::usage(format!("cannot read `{}`: {error}", file.display()))),
    }
}

fn directory_of(place: &PlaceConfig) -> PathBuf {
    place.data_dir.clone().unwrap_or_else(embedded::usual_directory)
}

fn new_secret(directory: &Path, file: &Path, secret: String) -> Result<String, CommandError> {
    let failed = |error| CommandError::usage(format!("cannot write `{}`: {error}", file.display()));
    private_folder(directory)?;
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let mut written = match opened {
        Ok(written) => written,
        // Another process was faster; its secret is the secret.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return fs::read_to_string(file).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    };
    std::io::Write::write_all(&mut written, secret.as_bytes()).map_err(failed)?;
    Ok(secret)
}

pub(crate) fn private_folder(directory: &Path) -> Result<(), CommandError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)
        .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o700)))
        .map_err(|error| CommandError::usage(format!("cannot make `{}`: {error}", directory.display())))
}

/// The database named by the operator, or the private PostgreSQL: ours, or that of a host which runs.
async fn database(
    config: &Config,
    purpose: Purpose,
    output: Output,
) -> Result<(Option<Postgres>, Endpoint), CommandError> {
    if let Some(url) = &config.place.database_url {
        let endpoint = Endpoint::parse(url, config.security.insecure_transport)?;
        // What is wrong with the way there is told by whoever knows about it, before anything else fails.
        if let Some(problem) = endpoint.probe().await?.problem() {
            output.warning(problem);
        }
        return Ok((None, endpoint));
    }
    let sessions = config.limits.host.sessions;
    if sessions > PRIVATE_SESSIONS {
        return Err(CommandError::usage(format!(
            "`limits.host.sessions` is {sessions}, and the private PostgreSQL takes {PRIVATE_SESSIONS}: \
             lower it, or name a database with --database-url"
        )));
    }
    let options = StartOptions {
        directory: config.place.data_dir.clone(),
        fast: purpose.fast,
        progress: Some(Arc::new(move |text| output.progress(format_args!("  {text}")))),
        ..StartOptions::default()
    };
    let started = tokio::time::timeout(ATTACH_WITHIN * 12, Postgres::start(options)).await;
    let postgres =
        started.map_err(|_| CommandError::usage("the private PostgreSQL does not start"))?.map_err(told)?;
    let url = postgres.ensure_database(DATABASE).await.map_err(told)?;
    Ok((Some(postgres), Endpoint::parse(&url, false)?))
}

/// Where cached reads are shared, if they are.
pub(crate) fn redis(config: &Config) -> Result<Option<RedisServers>, CommandError> {
    let place = &config.place;
    let insecure = config.security.insecure_transport;
    let Some(url) = &place.redis_url else { return Ok(None) };
    match RedisServers::parse(url, place.redis_root_cert.as_deref(), insecure) {
        Ok(servers) => Ok(Some(servers)),
        Err(error @ InvalidRedisUrl::Insecure(_)) => Err(CommandError::refused(
            "insecure-transport",
            format!(
                "{error}: use `rediss://`, or, if nobody can come in between, allow it with \
                 `security.insecure_transport: true` in the configuration (--insecure-transport)"
            ),
        )),
        Err(error @ (InvalidRedisUrl::Unreadable(_) | InvalidRedisUrl::TrustsAnybody)) => Err(told(error)),
        Err(error @ InvalidRedisUrl::Authorities { .. }) => {
            Err(CommandError::refused("tls-authorities", error.to_string()))
        }
    }
}

/// All that guests reach: the way to data, and a log.
pub(crate) type GuestsReach = (Arc<dyn Database>, Arc<dyn GuestLog>);

fn guests_reach(proxy: &Proxy, lines: &Lines, seen: Option<Arc<Seen>>) -> GuestsReach {
    match seen {
        Some(seen) => (Arc::new(Observed::new(proxy.clone(), Arc::clone(&seen))), seen),
        None => (Arc::new(proxy.clone()), Arc::new(lines.clone())),
    }
}

fn recorded((database, log): GuestsReach, recorder: &Recorder) -> GuestsReach {
    let database = Recorded { database, recorder: recorder.clone() };
    (Arc::new(database), Arc::new(RecordedLog { log, recorder: recorder.clone() }))
}

pub(crate) fn runtime(
    directory: &Path,
    (database, log): GuestsReach,
    limits: RuntimeLimits,
) -> Result<Runtime, CommandError> {
    private_folder(directory)?;
    let program = std::env::current_exe().map_err(told)?;
    Runtime::new(RuntimeConfig {
        cache_dir: directory.join("components"),
        compiler: CompilerProgram { program, arguments: vec![COMPILE_COMMAND.into()] },
        database,
        log,
        limits,
    })
    .map_err(told)
}

/// SPEC Decision 13: a server with known holes in what the second wall relies on is named; serving on one
/// takes the operator's word.
async fn check_version(admin: &mut Admin, purpose: Purpose, output: Output) -> Result<(), CommandError> {
    let version = doctor::server_version(admin).await.map_err(told)?;
    if !version.is_supported() {
        return Err(CommandError::usage(format!("PostgreSQL {version} is too old: 15 or later is needed")));
    }
    let Some(patched) = version.patched_by() else { return Ok(()) };
    let holes = format!(
        "PostgreSQL {version} has known holes in row-level security; {patched} or later has them mended"
    );
    if purpose.serves && !purpose.allow_unpatched {
        return Err(CommandError::usage(format!("{holes}: upgrade, or allow it with --allow-unpatched")));
    }
    if purpose.serves || purpose.demo_data {
        output.warning(holes);
    }
    Ok(())
}

/// Why a database could not be prepared; a program can tell a role that may not from anything else.
fn unprepared(error: applet_datasource::Error) -> CommandError {
    match error {
        error @ applet_datasource::Error::MissingRight { .. } => {
            CommandError::Refused { code: "missing-right", message: error.to_string() }
        }
        error => told(error),
    }
}

/// Errors of set-up are for the operator, who sits at this terminal.
pub(crate) fn told(error: impl std::fmt::Display) -> CommandError {
    CommandError::usage(error.to_string())
}
