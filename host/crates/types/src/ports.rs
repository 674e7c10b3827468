//! The few traits through which crates call each other without knowing each other.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    AuditRecord, ComponentDigest, Failure, GrantsDigest, HookName, Invocation, RateLimits, RowSet, SqlName,
    TenantId, Value, Version,
};

/// A guest's statement: text with `$1…$n`, and the parameters in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The SQL text, as the guest sent it.
    pub sql: String,
    /// The parameters, `$1` first.
    pub parameters: Vec<Value>,
}

/// How a guest wants its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The packed binary form of [`RowSet`]: fastest for compiled guests.
    Packed,
    /// JSON text, an array of rows, each an array of values: fastest for JavaScript and Python.
    Json,
}

/// What a statement of a batch gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Rows returned; empty without RETURNING.
    pub rows: RowSet,
    /// Rows changed by a write, rows returned by a read.
    pub affected: u64,
}

/// The only way to data. Implemented by the proxy: gate, permit, pool, execution and audit are behind it.
#[async_trait]
pub trait Database: Send + Sync {
    /// Runs one statement that may return rows.
    async fn query(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Outcome, Failure>;

    /// Runs several statements in one transaction; all or none take effect.
    async fn batch(
        &self,
        call: &Invocation,
        statements: &[Statement],
        encoding: Encoding,
    ) -> Result<Vec<Outcome>, Failure>;

    /// Opens a transaction. It holds one connection until it ends.
    async fn begin(&self, call: &Invocation) -> Result<Box<dyn Transaction>, Failure>;

    /// Whether rows of this table can be soft deleted. Query builders in guests hide such rows, so they
    /// are told with the permissions (SPEC Decision 3). A database that does not know says no.
    fn soft_deletable(&self, call: &Invocation, physical: &SqlName) -> bool {
        let _ = (call, physical);
        false
    }
}

/// An open transaction. Dropping it rolls it back.
#[async_trait]
pub trait Transaction: Send + Sync {
    /// Runs one statement inside. After an error every further statement is refused until rollback.
    async fn query(&mut self, statement: &Statement, encoding: Encoding) -> Result<Outcome, Failure>;

    /// Makes it all permanent.
    async fn commit(self: Box<Self>) -> Result<(), Failure>;

    /// Undoes it all.
    async fn rollback(self: Box<Self>) -> Result<(), Failure>;
}

/// A text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Only the code that hands it to a server may call this.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to log in as the role of one grant set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The database role.
    pub role: String,
    /// Its password.
    pub password: Secret,
}

/// Knows the login role of each applet and grant set.
#[async_trait]
pub trait Logins: Send + Sync {
    /// The login for these grants of this applet.
    ///
    /// # Errors
    ///
    /// When no role was made for them (they were never approved, or are gone).
    async fn login(&self, call: &Invocation, grants: GrantsDigest) -> Result<Login, Failure>;
}

/// How a session tells the database its tenant (SPEC Decision 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantForm {
    /// The tenant's id. The database takes a session's word, because nothing that an applet can run sets it.
    #[default]
    Plain,
    /// The tenant's id for one session and a short time, with a signature that the database verifies: it
    /// cannot keep applets from the functions that set it.
    Signed,
}

/// What a signed tenant setting says. Nothing else in it holds for any other session, or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantClaim<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// The role that logged in.
    pub role: &'a str,
    /// The server's process that serves the session.
    pub process: i32,
    /// Until when, in milliseconds of the server's clock since 1970.
    pub expires_ms: i64,
}

/// Signs tenant settings for one database.
pub trait TenantSigner: Send + Sync {
    /// How this database took the tenant when it was prepared. Another process may have changed it since.
    fn form(&self) -> TenantForm;

    /// The text of the setting.
    fn sign(&self, claim: &TenantClaim<'_>) -> String;
}

/// Takes audit records of reads and denials. Writes are recorded inside their own transaction instead.
#[async_trait]
pub trait AuditSink: Send + Sync {
    /// Hands a record over; waits while the bounded queue is full, and where `audit.strict` is set until the
    /// record is durable (SPEC Decision 9). Whoever stops waiting leaves the record to the queue.
    ///
    /// # Errors
    ///
    /// With `audit.strict`, when the record is not known to be durable: then the operation has failed.
    async fn record(&self, record: AuditRecord) -> Result<(), Failure>;
}

/// What an account is charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Microseconds of a guest's CPU.
    Cpu,
    /// Microseconds that statements take.
    Database,
    /// Rows returned or changed.
    Rows,
    /// Bytes of results.
    Bytes,
    /// Statements.
    Statements,
    /// Calls from a guest into the host.
    HostCalls,
}

/// What somebody has at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gauge {
    /// Sessions of the database.
    SessionsInUse,
    /// Statements that wait for a session.
    SessionsWaiting,
}

/// What an installation, and its tenant, have used of late. Asked before a statement, told afterwards what
/// it cost. An invocation without an account is held to its own limits only.
pub trait Account: fmt::Debug + Send + Sync {
    /// One more statement.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::RateLimited`](crate::ErrorCode::RateLimited) or
    /// [`ErrorCode::BudgetSpent`](crate::ErrorCode::BudgetSpent), with the time after which to try again.
    fn statement(&self, rate: &RateLimits, now: Instant) -> Result<(), Failure>;

    /// The statement writes, and nothing else is against it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::RateLimited`](crate::ErrorCode::RateLimited).
    fn write(&self, rate: &RateLimits, now: Instant) -> Result<(), Failure>;

    /// Something was used. What is beyond a rate or budget is owed: it is paid off before the next statement.
    fn charge(&self, resource: Resource, amount: u64, rate: &RateLimits, now: Instant);

    /// One more, or one less, of what somebody has at this moment.
    fn gauge(&self, gauge: Gauge, more: bool);
}

/// A hook to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookCall {
    /// `on-install`.
    Install,
    /// `on-upgrade`, with the version it comes from.
    Upgrade {
        /// The version that was active before.
        from: Version,
    },
    /// `on-uninstall`.
    Uninstall,
    /// `on-enable`.
    Enable,
    /// `on-disable`.
    Disable,
    /// A named hook with a JSON text.
    Named {
        /// The hook.
        name: HookName,
        /// Its argument, JSON text.
        payload: String,
    },
}

/// What went wrong with a hook, seen from the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The hook itself answered with an error, or crashed (code `crashed`).
    #[error("the hook failed: {message}")]
    Applet {
        /// The applet's own code.
        code: String,
        /// The applet's own words.
        message: String,
    },
    /// The component does not export this hook.
    #[error("the applet has no hook `{0}`")]
    NoSuchHook(String),
    /// The host ended it (a limit, a deadline) or could not run it.
    #[error(transparent)]
    Host(#[from] Failure),
}

impl HookError {
    /// The code of a hook that ended otherwise than by returning.
    pub const CRASHED: &'static str = "crashed";
}

/// What a component turned out to be when it was inspected at submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentReport {
    /// Digest of the component that was inspected (after wrapping, if it was a module).
    pub digest: ComponentDigest,
    /// Interfaces it imports, `package:name/interface@version`, in order.
    pub imports: Vec<String>,
    /// Interfaces it exports.
    pub exports: Vec<String>,
}

/// Runs components. Implemented by the runtime.
#[async_trait]
pub trait Applets: Send + Sync {
    /// Compiles a component in a killable child process, checks what it imports and exports, and keeps
    /// the compiled code by digest.
    async fn inspect(&self, component: &[u8]) -> Result<ComponentReport, Failure>;

    /// Calls a hook in a fresh instance. Lifecycle hooks answer with an empty text.
    async fn call(
        &self,
        component: ComponentDigest,
        call: Arc<Invocation>,
        hook: HookCall,
    ) -> Result<String, HookError>;
}
