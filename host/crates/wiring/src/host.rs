//! A host, put together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_accounts::Accounts;
use applet_catalog::Catalog;
use applet_datasource::catalog::{CatalogOptions, Reach};
use applet_datasource::embedded::{self, Postgres, StartOptions};
use applet_datasource::{Admin, check, doctor, wall};
use applet_lifecycle::{Faults, Lifecycle, Parts};
use applet_proxy::{
    AuditQueue, AuditWriter, CacheConfig, InvalidRedisUrl, KeeperConfig, Proxy, ProxyConfig, QueryCache,
    RedisServers,
};
use applet_runtime::{GuestLog, Runtime, RuntimeConfig, RuntimeLimits};
use applet_store::Store;
use applet_types::{Database, Secret};

use crate::audit::{Sealing, audit_key, seal_at_the_end};
use crate::config::{Config, LimitsConfig, PlaceConfig};
use crate::endpoint::Endpoint;
use crate::error::told;
use crate::lifecycle_hooks::LifecycleHooks;
use crate::logs::Lines;
use crate::{Compiler, HostError, Teller, private_folder};

/// The database of the private PostgreSQL that everything is in.
const DATABASE: &str = "applets";

/// Applets' sessions that the private PostgreSQL has room for, beside the host's own.
const PRIVATE_SESSIONS: usize = 80;

/// How long the private PostgreSQL of a host that is just starting may take to appear.
const ATTACH_WITHIN: Duration = Duration::from_secs(10);

/// A host, put together. Any number of processes may be one on the same database at the same time.
pub struct Host {
    /// Takes applets through their life.
    pub lifecycle: Lifecycle,
    /// The way to data.
    pub proxy: Proxy,
    /// Answers that were read before.
    pub cache: QueryCache,
    /// Runs components.
    pub runtime: Arc<Runtime>,
    /// What installations and tenants use.
    pub accounts: Arc<Accounts>,
    /// The database's administrator; it may hold a password.
    pub admin_url: String,
    /// Which tables the host may touch.
    pub catalog: CatalogOptions,
    /// What applets have written to their logs lately.
    pub lines: Lines,
    audit: AuditWriter,
    sealing: Option<Sealing>,
    postgres: Option<Postgres>,
}

/// What a host is started for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Purpose {
    /// Gives up surviving a power failure for speed; for the demo.
    pub fast: bool,
    /// Serves others: a server with known holes is refused unless `allow_unpatched`, and so are roles that
    /// no wall binds.
    pub serves: bool,
    /// Serve on a server with known holes all the same.
    pub allow_unpatched: bool,
}

/// Statements of ours, or of whoever owns the database, that make tables before they are guarded. They are run
/// at every start.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it is called in an error.
    pub name: String,
    /// Its text.
    pub sql: String,
}

/// What a host is put together from.
pub struct Opening<'a> {
    /// Everything that its operator has set.
    pub config: &'a Config,
    /// What it is for.
    pub purpose: Purpose,
    /// Compiles components.
    pub compiler: &'a Compiler,
    /// Make tables of the platform.
    pub scripts: &'a [Script],
    /// What somebody who develops an applet brings along.
    pub bench: Option<Workbench>,
    /// Faults to inject; none outside tests.
    pub faults: Faults,
    /// Hears what there is to say.
    pub teller: &'a Teller,
}

/// What somebody who develops an applet brings along.
pub struct Workbench {
    /// Where lines of applets' logs are kept.
    pub lines: Lines,
    /// Puts somebody who watches beside the way to data.
    pub watch: Box<dyn FnOnce(Proxy) -> GuestsReach + Send>,
}

/// All that guests reach: the way to data, and a log.
pub type GuestsReach = (Arc<dyn Database>, Arc<dyn GuestLog>);

impl Host {
    /// Puts a host together: starts or finds the database, brings the schema up to date, guards the
    /// tables, and finishes nothing yet.
    ///
    /// # Errors
    ///
    /// When a setting, the machine or the database is not as it has to be.
    pub async fn open(opening: Opening<'_>) -> Result<Self, HostError> {
        let Opening { config, purpose, compiler, scripts, bench, faults, teller } = opening;
        let LimitsConfig { host: host_limits, component, manifest, tenant, breaker, .. } =
            config.limits.clone();
        let directory = directory_of(&config.place);
        let redis = redis(config)?;
        let (postgres, endpoint) = database(config, purpose, teller).await?;
        let (target, admin_url) = (endpoint.target().clone(), endpoint.url().to_owned());
        let options = catalog_options(config);
        let mut admin = Admin::connect(&admin_url).await.map_err(told)?;
        wall::check_rights(&mut admin, &options).await.map_err(unprepared)?;
        let store = Store::connect(&admin_url).await.map_err(told)?;
        store.migrate().await.map_err(told)?;

        for Script { name, sql } in scripts {
            let failed = |error| HostError::usage(format!("`{name}`: {error}"));
            admin.run_own_script(sql.clone()).await.map_err(failed)?;
        }
        let keys = wall::prepare_database(&mut admin, &options).await.map_err(unprepared)?;
        let reading = applet_datasource::catalog::read(&mut admin, &options).await.map_err(told)?;
        if purpose.serves {
            tell_not_adopted(&reading.catalog, teller);
        }
        check_version(&mut admin, purpose, !scripts.is_empty(), teller).await?;
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
        let lines = bench.as_ref().map_or_else(Lines::default, |bench| bench.lines.clone());
        let reach = guests_reach(&proxy, &lines, bench);
        let runtime = Arc::new(runtime(&directory, compiler, reach, runtime_limits)?);
        let sealing = match purpose.serves {
            true => {
                let key = audit_key(&directory)?;
                Some(Sealing::start(store.clone(), directory, key))
            }
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
            faults,
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
            audit,
            sealing,
            postgres,
        })
    }

    /// The private PostgreSQL, if there is one, which [`Host::close`] does then not stop.
    pub(crate) const fn detach_postgres(&mut self) -> Option<Postgres> {
        self.postgres.take()
    }

    /// Looks at the database again after somebody else has changed its tables: guards those that are new (in a
    /// private database all, elsewhere those that were adopted), and has the proxy go by what is there now.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn look_again(&self) -> Result<(), HostError> {
        let mut admin = Admin::connect(&self.admin_url).await.map_err(told)?;
        wall::prepare_database(&mut admin, &self.catalog).await.map_err(unprepared)?;
        admin.close().await.map_err(told)?;
        self.refresh_catalog().await
    }

    /// Reads the database's catalogue again, for the proxy to go by.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn refresh_catalog(&self) -> Result<(), HostError> {
        let catalog = read_catalog(&self.admin_url, &self.catalog).await?;
        self.proxy.set_catalog(Arc::new(catalog));
        Ok(())
    }

    /// Writes what is left of the audit trail, lets go of every connection, and stops the private
    /// PostgreSQL if it is ours.
    pub async fn close(self) -> Result<(), HostError> {
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
pub fn catalog_options(config: &Config) -> CatalogOptions {
    let reach = if config.place.database_url.is_some() { Reach::Adopted } else { Reach::Every };
    CatalogOptions { reach, ..CatalogOptions::default() }
}

fn tell_not_adopted(catalog: &Catalog, teller: &Teller) {
    let tables: Vec<String> = catalog.not_adopted().iter().map(|name| format!("`{name}`")).collect();
    if !tables.is_empty() {
        teller.warning(format_args!(
            "tables that are not adopted, so that applets cannot see them: {}; look at `applet adopt`",
            tables.join(", ")
        ));
    }
}

/// The catalogue as it is now.
pub async fn read_catalog(admin_url: &str, options: &CatalogOptions) -> Result<Catalog, HostError> {
    let mut admin = Admin::connect(admin_url).await.map_err(told)?;
    let reading = applet_datasource::catalog::read(&mut admin, options).await.map_err(told)?;
    admin.close().await.map_err(told)?;
    Ok(reading.catalog)
}

/// Where keys, compiled components and the private PostgreSQL are.
pub fn directory_of(place: &PlaceConfig) -> PathBuf {
    place.data_dir.clone().unwrap_or_else(embedded::usual_directory)
}

/// The database named by the operator, or the private PostgreSQL: ours, or that of a host which runs.
async fn database(
    config: &Config,
    purpose: Purpose,
    teller: &Teller,
) -> Result<(Option<Postgres>, Endpoint), HostError> {
    if let Some(url) = &config.place.database_url {
        let endpoint = Endpoint::parse(url, config.security.insecure_transport)?;
        // What is wrong with the way there is told by whoever knows about it, before anything else fails.
        if let Some(problem) = endpoint.probe().await?.problem() {
            teller.warning(problem);
        }
        return Ok((None, endpoint));
    }
    let sessions = config.limits.host.sessions;
    if sessions > PRIVATE_SESSIONS {
        return Err(HostError::usage(format!(
            "`limits.host.sessions` is {sessions}, and the private PostgreSQL takes {PRIVATE_SESSIONS}: \
             lower it, or name a database with --database-url"
        )));
    }
    let heard = teller.clone();
    let options = StartOptions {
        directory: config.place.data_dir.clone(),
        fast: purpose.fast,
        progress: Some(Arc::new(move |text| heard.progress(text))),
        ..StartOptions::default()
    };
    let started = tokio::time::timeout(ATTACH_WITHIN * 12, Postgres::start(options)).await;
    let postgres =
        started.map_err(|_| HostError::usage("the private PostgreSQL does not start"))?.map_err(told)?;
    let url = postgres.ensure_database(DATABASE).await.map_err(told)?;
    Ok((Some(postgres), Endpoint::parse(&url, false)?))
}

/// Where cached reads are shared, if they are.
pub fn redis(config: &Config) -> Result<Option<RedisServers>, HostError> {
    let place = &config.place;
    let insecure = config.security.insecure_transport;
    let Some(url) = &place.redis_url else { return Ok(None) };
    match RedisServers::parse(url, place.redis_root_cert.as_deref(), insecure) {
        Ok(servers) => Ok(Some(servers)),
        Err(error @ InvalidRedisUrl::Insecure(_)) => Err(HostError::refused(
            "insecure-transport",
            format!(
                "{error}: use `rediss://`, or, if nobody can come in between, allow it with \
                 `security.insecure_transport: true` in the configuration (--insecure-transport)"
            ),
        )),
        Err(error @ (InvalidRedisUrl::Unreadable(_) | InvalidRedisUrl::TrustsAnybody)) => Err(told(error)),
        Err(error @ InvalidRedisUrl::Authorities { .. }) => {
            Err(HostError::refused("tls-authorities", error.to_string()))
        }
    }
}

fn guests_reach(proxy: &Proxy, lines: &Lines, bench: Option<Workbench>) -> GuestsReach {
    match bench {
        Some(bench) => (bench.watch)(proxy.clone()),
        None => (Arc::new(proxy.clone()), Arc::new(lines.clone())),
    }
}

fn runtime(
    directory: &Path,
    compiler: &Compiler,
    (database, log): GuestsReach,
    limits: RuntimeLimits,
) -> Result<Runtime, HostError> {
    private_folder(directory)?;
    Runtime::new(RuntimeConfig {
        cache_dir: directory.join("components"),
        compiler: compiler.command()?,
        database,
        log,
        limits,
    })
    .map_err(told)
}

/// SPEC Decision 13: a server with known holes in what the second wall relies on is named; serving on one
/// takes the operator's word.
async fn check_version(
    admin: &mut Admin,
    purpose: Purpose,
    prepares: bool,
    teller: &Teller,
) -> Result<(), HostError> {
    let version = doctor::server_version(admin).await.map_err(told)?;
    if !version.is_supported() {
        return Err(HostError::usage(format!("PostgreSQL {version} is too old: 15 or later is needed")));
    }
    let Some(patched) = version.patched_by() else { return Ok(()) };
    let holes = format!(
        "PostgreSQL {version} has known holes in row-level security; {patched} or later has them mended"
    );
    if purpose.serves && !purpose.allow_unpatched {
        return Err(HostError::usage(format!(
            "{holes}: upgrade, or allow it with --allow-unpatched (`allow_unpatched`)"
        )));
    }
    if purpose.serves || prepares {
        teller.warning(holes);
    }
    Ok(())
}

/// Why a database could not be prepared; a program can tell a role that may not from anything else.
fn unprepared(error: applet_datasource::Error) -> HostError {
    match error {
        error @ applet_datasource::Error::MissingRight { .. } => {
            HostError::Refused { code: "missing-right", message: error.to_string() }
        }
        error => told(error),
    }
}
