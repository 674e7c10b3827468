//! The port `Database`: every statement of every applet goes through here.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use applet_catalog::Catalog;
use applet_gate::{ColumnUse, ScopedStatement, StatementKind, TableUse};
use applet_types::{
    AppletId, Database, Encoding, ErrorCode, Failure, Gauge, GrantsDigest, Invocation, Login, Operation,
    Outcome, RequestId, SqlName, Statement, Transaction, Value,
};
use async_trait::async_trait;

use crate::cache;
use crate::config::ProxyConfig;
use crate::errors::{self, Context};
use crate::execute::{self, Allowance, Executable, within};
use crate::memo::Judge;
use crate::pool::{Lease, NoLease, Pool, PoolStatus, Want};
use crate::trail::Trail;
use crate::transaction::{self, Open};
use crate::usage::{self, Held, Working};
use crate::wire::{End, SessionSettings, Tenants};

/// What a statement gave, and what ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Rows and counts.
    pub outcome: Outcome,
    /// The text that was sent to the database.
    pub rewritten: String,
    /// How long it took, waiting for a connection included.
    pub duration: Duration,
}

/// What the gate makes of a statement, without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The text that would be sent to the database.
    pub rewritten: String,
    /// Tables, by physical name, and what would be done to each.
    pub tables: Vec<(SqlName, Operation)>,
    /// Joins used, out of the limit.
    pub joins: usize,
    /// Subqueries used, out of the limit.
    pub subqueries: usize,
    /// Parameters that the guest has to supply.
    pub parameters: u16,
    /// Rows that may be handed out.
    pub row_cap: u32,
}

/// Serves one database. Cheap to clone.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) inner: Arc<Inner>,
}

/// The logins of applets whose grants are equal.
type LoginsOf = Vec<(AppletId, Arc<Login>)>;

pub(crate) struct Inner {
    pub(crate) config: ProxyConfig,
    pub(crate) pool: Pool,
    judge: RwLock<Arc<Judge>>,
    logins: RwLock<HashMap<GrantsDigest, LoginsOf>>,
    /// Open transactions by invocation.
    holders: Mutex<HashMap<RequestId, u32>>,
}

/// How many sessions in a row may hold a statement that no longer fits the schema: as many as an applet has
/// by default, and some.
const STALE_SESSIONS: u32 = 8;

impl Proxy {
    /// Starts serving. Must be called inside a tokio runtime; sessions are opened when they are needed.
    pub fn new(config: ProxyConfig) -> Self {
        let settings =
            SessionSettings::for_applets(&config.session_limits, config.limits.prepared_statements);
        let tenants = config.tenants.clone().map(|signer| Arc::new(Tenants::new(signer)));
        let pool = Pool::new(
            Arc::new(config.target.clone()),
            settings,
            tenants,
            config.limits.clone(),
            config.keeper.clone(),
        );
        tokio::spawn(pool.reap());
        let judge = Judge::new(Arc::clone(&config.catalog), config.wall, config.allow_global_keys);
        let inner = Inner {
            config,
            pool,
            judge: RwLock::new(Arc::new(judge)),
            logins: RwLock::default(),
            holders: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Replaces the catalogue; everything judged with the old one is forgotten.
    pub fn set_catalog(&self, catalog: Arc<Catalog>) {
        // Digests are made over every table, and nobody waits for that: both are there before the lock.
        let digest = catalog.digest();
        self.inner.judge().catalog_digest();
        let mut judge = self.inner.judge.write().unwrap_or_else(PoisonError::into_inner);
        *judge = Arc::new(judge.after(catalog, digest));
    }

    /// The catalogue that statements are judged by at this moment.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(self.inner.judge().catalog())
    }

    /// Sessions and queues at this moment.
    pub fn status(&self) -> PoolStatus {
        self.inner.pool.status()
    }

    /// Closes all sessions, those in use when they come back, and waits until the server has let go of
    /// them; of one that stays in use, no longer than five seconds.
    pub async fn close(&self) {
        self.inner.pool.close().await;
        if let Some(cache) = &self.inner.config.cache {
            cache.close().await;
        }
    }

    /// What the gate makes of a statement.
    ///
    /// # Errors
    ///
    /// The gate's rejection.
    pub fn explain(&self, call: &Invocation, sql: &str) -> Result<Explanation, Failure> {
        let scoped = self.scoped(call, sql)?;
        Ok(Explanation {
            rewritten: scoped.text().to_owned(),
            tables: scoped.tables().iter().map(|used| (used.table.clone(), used.operation)).collect(),
            joins: scoped.joins(),
            subqueries: scoped.subqueries(),
            parameters: scoped.parameters(),
            row_cap: scoped.row_cap(),
        })
    }

    /// The statement as it would run, judged now or remembered from the last time.
    ///
    /// # Errors
    ///
    /// The gate's rejection.
    pub fn scoped(&self, call: &Invocation, sql: &str) -> Result<Arc<ScopedStatement>, Failure> {
        self.inner.judge().scope(call, sql)
    }

    /// The columns that a statement reads and writes: what it takes of what was granted.
    ///
    /// # Errors
    ///
    /// The gate's rejection.
    pub fn columns_used(&self, call: &Invocation, sql: &str) -> Result<BTreeSet<ColumnUse>, Failure> {
        self.inner.judge().columns(call, sql)
    }

    /// Runs one statement, as [`Database::query`] does, and tells what ran.
    ///
    /// # Errors
    ///
    /// The gate's rejection, or why it could not be executed.
    pub async fn run(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Report, Failure> {
        let started = Instant::now();
        let (outcome, scoped) = self.inner.query(call, statement, encoding).await?;
        Ok(Report { outcome, rewritten: scoped.text().to_owned(), duration: started.elapsed() })
    }
}

#[async_trait]
impl Database for Proxy {
    async fn query(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Outcome, Failure> {
        self.inner.query(call, statement, encoding).await.map(|(outcome, _)| outcome)
    }

    async fn batch(
        &self,
        call: &Invocation,
        statements: &[Statement],
        encoding: Encoding,
    ) -> Result<Vec<Outcome>, Failure> {
        transaction::batch(&self.inner, call, statements, encoding).await
    }

    async fn begin(&self, call: &Invocation) -> Result<Box<dyn Transaction>, Failure> {
        Ok(Box::new(Open::begin(&self.inner, call).await?))
    }

    fn soft_deletable(&self, _: &Invocation, physical: &SqlName) -> bool {
        self.inner.judge().catalog().table(physical).is_some_and(applet_catalog::Table::soft_deletable)
    }
}

impl Inner {
    pub(crate) fn judge(&self) -> Arc<Judge> {
        Arc::clone(&self.judge.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts the statement, lets the gate judge it, and checks its parameters.
    pub(crate) fn admit(
        &self,
        judge: &Judge,
        call: &Invocation,
        statement: &Statement,
        trail: &mut Trail,
    ) -> Result<Arc<ScopedStatement>, Failure> {
        let now = Instant::now();
        let judged = call
            .budget
            .statement(&call.limits, now)
            .and_then(|()| call.time_left(now))
            .and_then(|_| judge.scope(call, &statement.sql));
        let scoped = judged.inspect_err(|_| trail.refused(&statement.sql))?;
        trail.passed(&scoped);
        if scoped.kind() != StatementKind::Select {
            call.budget.write(&call.limits, now)?;
        }
        let limits = &call.limits.statement;
        if statement.parameters.len() != usize::from(scoped.parameters()) {
            return Err(execute::wrong_count(scoped.parameters().into(), statement.parameters.len()));
        }
        for (index, value) in statement.parameters.iter().enumerate() {
            if value.size() > limits.parameter_bytes {
                let message =
                    format!("parameter `${}` may have at most {} bytes", index + 1, limits.parameter_bytes);
                return Err(Failure::new(ErrorCode::BadParameter, message));
            }
        }
        Ok(scoped)
    }

    async fn query(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<(Outcome, Arc<ScopedStatement>), Failure> {
        let mut trail = Trail::start(self.config.audit.clone(), call);
        let judge = self.judge();
        let ran = match self.admit(&judge, call, statement, &mut trail) {
            Ok(scoped) => self
                .answer(call, &judge, &scoped, (statement, encoding), &mut trail)
                .await
                .map(|outcome| (outcome, scoped)),
            Err(failure) => Err(failure),
        };
        match ran {
            Ok((outcome, scoped)) => {
                // A write's record went with its transaction.
                trail.succeeded_reading(outcome.affected).await?;
                Ok((outcome, scoped))
            }
            Err(failure) => {
                trail.failed(&failure).await;
                Err(failure)
            }
        }
    }

    /// Executes what the gate let pass.
    pub(crate) async fn run(
        &self,
        call: &Invocation,
        judge: &Judge,
        executable: Executable<'_>,
        parameters: &[Value],
        encoding: Encoding,
        trail: &mut Trail,
    ) -> Result<Outcome, Failure> {
        // A schema change can make what a session has prepared unusable, and another way to tell the tenant
        // what it is set to: once more, on another session. Every idle one of the applet may be stale in the
        // same way; after them a new one is opened.
        let mut tries_left = STALE_SESSIONS;
        loop {
            let mut lease = self.lease(call).await?;
            let _working = Working::on_a_session(call);
            let limits = &call.limits.execution;
            let allowance = Allowance::of(call, Duration::MAX, &self.config.session_limits)?;
            let context = context(call, judge, executable.tables, allowance.deadline_near);
            let fetch = executable.fetch(encoding, limits);
            let settings = allowance.settings;
            let session = &mut *lease;
            let ran = if executable.is_read() {
                within(
                    &allowance,
                    execute::read(session, executable, parameters, call.tenant, fetch, settings),
                )
                .await
            } else {
                within(
                    &allowance,
                    execute::write(session, executable, parameters, call.tenant, fetch, settings),
                )
                .await
            };
            let ran = match ran {
                Err(error) if tries_left > 0 && errors::is_stale_session(&error) => {
                    tries_left -= 1;
                    execute::undo(&mut lease).await;
                    lease.retire();
                    continue;
                }
                ran => ran.map_err(|error| errors::failure(error, &context)),
            };
            let ended = match ran {
                Ok(outcome) => self.conclude(call, executable, outcome, &mut lease, trail, &context).await,
                Err(failure) => Err(failure),
            };
            if ended.is_err() {
                execute::undo(&mut lease).await;
            }
            return ended;
        }
    }

    /// Checks what a statement did against the caps, and commits it if it is a write.
    async fn conclude(
        &self,
        call: &Invocation,
        executable: Executable<'_>,
        outcome: Outcome,
        lease: &mut Lease,
        trail: &mut Trail,
        context: &Context<'_>,
    ) -> Result<Outcome, Failure> {
        let limits = &call.limits.execution;
        execute::check_changed(executable, outcome.affected, limits)?;
        usage::count(call, &outcome)?;
        if !executable.is_read() {
            let audits: Vec<_> = trail.succeeded(outcome.affected).into_iter().collect();
            let end = if self.config.rollback_each { End::Rollback } else { End::Commit };
            let uses = executable.tables.iter().filter(|_| outcome.affected > 0);
            let marked = self.mark(call, context.catalog, uses).await;
            let finished = execute::finish(lease, &audits, call.tenant, end, context).await;
            cache::settle(marked, &finished).await;
            if let Err(failure) = finished {
                trail.reopen(audits);
                return Err(failure);
            }
        }
        Ok(outcome)
    }

    /// A session for this invocation. One that holds a transaction gets it at once or not at all.
    pub(crate) async fn lease(&self, call: &Invocation) -> Result<Lease, Failure> {
        let login = self.login(call).await?;
        let want = Want {
            applet: call.applet.clone(),
            tenant: call.tenant,
            login,
            may_wait: !self.holds_transaction(call.request),
            deadline: call.deadline,
        };
        let waiting = Held::new(call, Gauge::SessionsWaiting);
        let leased = self.pool.lease(want).await;
        drop(waiting);
        match leased {
            Ok(mut lease) => {
                lease.keep_up(self.judge().era());
                Ok(lease)
            }
            Err(NoLease::Refused(failure)) => Err(failure),
            Err(NoLease::Connect(error)) => {
                // The role may have got a new password, or be gone.
                self.logins.write().unwrap_or_else(PoisonError::into_inner).remove(&call.grants.digest());
                Err(errors::connecting(error, call.request))
            }
        }
    }

    async fn login(&self, call: &Invocation) -> Result<Arc<Login>, Failure> {
        let digest = call.grants.digest();
        let known = {
            let logins = self.logins.read().unwrap_or_else(PoisonError::into_inner);
            let of_digest = logins.get(&digest);
            of_digest
                .and_then(|logins| logins.iter().find(|(applet, _)| *applet == call.applet))
                .map(|(_, login)| Arc::clone(login))
        };
        if let Some(login) = known {
            return Ok(login);
        }
        let login = Arc::new(self.config.logins.login(call, digest).await?);
        let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
        let of_digest = logins.entry(digest).or_default();
        of_digest.retain(|(applet, _)| *applet != call.applet);
        of_digest.push((call.applet.clone(), Arc::clone(&login)));
        Ok(login)
    }

    pub(crate) fn holds_transaction(&self, request: RequestId) -> bool {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&request)
    }

    /// Counts a transaction of this invocation.
    pub(crate) fn hold(self: &Arc<Self>, call: &Invocation) -> Result<Holding, Failure> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let count = holders.entry(call.request).or_default();
        let limit = call.limits.execution.open_transactions;
        if *count >= limit {
            if *count == 0 {
                holders.remove(&call.request);
            }
            let message = format!("an invocation may have {limit} transaction open at once");
            return Err(Failure::new(ErrorCode::ConnectionCap, message));
        }
        *count += 1;
        let session = Held::new(call, Gauge::SessionsInUse);
        Ok(Holding { inner: Arc::clone(self), request: call.request, _session: session })
    }
}

/// What the errors of these tables' statements are about.
pub(crate) fn context<'a>(
    call: &'a Invocation,
    judge: &'a Judge,
    tables: &'a [TableUse],
    deadline_near: bool,
) -> Context<'a> {
    Context { request: call.request, grants: &call.grants, catalog: judge.catalog(), tables, deadline_near }
}

/// Says that an invocation holds a transaction, until it is dropped.
pub(crate) struct Holding {
    inner: Arc<Inner>,
    request: RequestId,
    _session: Held,
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut holders = self.inner.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = holders.get_mut(&self.request) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                holders.remove(&self.request);
            }
        }
    }
}
