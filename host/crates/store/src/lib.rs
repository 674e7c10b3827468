//! The host's own metadata, in schema `applet_host` of the shared database: applets, plans, approvals,
//! installations, the log of operations, and reading the audit trail.
//!
//! *Invariants:* only this crate mints an [`ApprovedPlan`], and only from an approval that it spends in the
//! same transaction. Another tenant's resource is not found. No sqlx type leaves this crate, and no error
//! of the database does. "Not found" is `Ok(None)`.
//!
//! Start reading at [`Store`], then `approvals.rs`, `operations.rs` and `lease.rs`.

mod applets;
mod approvals;
mod approved;
mod audit;
mod error;
mod granted;
mod installations;
mod lease;
mod locks;
mod migrations;
mod operations;
mod own_tables;
mod plans;
mod provenance;
mod retentions;
mod state;
mod workspaces;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Executor};

pub use applets::{Applet, NewApplet};
pub use approvals::{Approval, ApprovalRefusal, MAX_APPROVAL_VALIDITY, NewApproval};
pub use approved::ApprovedPlan;
pub use audit::{
    AuditEntry, AuditFilter, AuditGap, AuditKey, AuditPublicKey, ChainFault, ChainHash, ExportFault,
    ExportHeader, ExportManifest, ExportRecord, ExportTrailer, HOST_CHAIN, Head, InvalidKey, Missing,
    RecordedCall, Refusal, Sealed, SignedHead, Step, Verification, check_export,
};
pub use error::StoreError;
pub use installations::{Installation, InstallationStatus, StateChange};
pub use lease::{OperationLease, StepToken};
pub use operations::{OperationState, OperationStatus, StepStatus, Takeover};
pub use plans::{NewPlan, PlanKind, PlanRecord, PlanState};
pub use provenance::Provenance;
pub use retentions::{Holding, Retention};
pub use state::State;
pub use workspaces::Workspace;

/// Sessions that the store may hold besides those of running operations.
const SESSIONS: u32 = 4;

/// How long a call may wait for one of them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The host's metadata. Cheap to clone; every clone shares the same few sessions.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects to the shared database. The schema is not touched before [`Store::migrate`].
    ///
    /// # Errors
    ///
    /// When the URL is not one of PostgreSQL's, or nobody answers there.
    pub async fn connect(database_url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions =
            database_url.parse().map_err(StoreError::database("read the database URL"))?;
        let options = protected(options)
            .application_name("applet-store")
            .options([
                ("search_path", "pg_catalog, pg_temp"),
                ("statement_timeout", "15s"),
                ("lock_timeout", "5s"),
                ("idle_in_transaction_session_timeout", "15s"),
                // A ROLLBACK without a transaction warns, and every release does one.
                ("client_min_messages", "error"),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(SESSIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A transaction whose future is dropped half-way would otherwise stay open in the next
            // borrower's hands, whose writes would then be lost (sqlx issue 4393).
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.execute("ROLLBACK").await?;
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(StoreError::database("connect"))?;
        Ok(Self { pool })
    }

    /// Closes every session and waits until they are gone.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Modes that fall back to plain text without a word are taken for none: a server elsewhere then has to
/// prove its name.
fn protected(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host();
    let is_local = options.get_socket().is_some() || host.starts_with('/') || applet_types::is_loopback(host);
    match options.get_ssl_mode() {
        PgSslMode::Prefer | PgSslMode::Allow if is_local => options.ssl_mode(PgSslMode::Disable),
        PgSslMode::Prefer | PgSslMode::Allow => options.ssl_mode(PgSslMode::VerifyFull),
        PgSslMode::Disable | PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => options,
    }
}
