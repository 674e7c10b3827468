//! The words of Applet Host: identifiers, names, grants, limits, values, errors and the port traits
//! through which the crates above talk to each other.
//!
//! *Invariant:* no I/O, no clock, no third-party type of a heavy dependency (no sqlx, wasmtime, axum or
//! sqlparser) is visible here. Everyone may depend on this crate; it depends on nobody of ours.
//!
//! Start reading at [`Invocation`], [`Grants`] and [`Failure`].

mod asset;
mod audit;
mod budget;
mod calls;
mod error;
mod fair;
mod granted;
mod grants;
mod ids;
mod invocation;
mod limits;
mod name;
mod place;
mod ports;
mod rows;
mod value;
mod variables;

pub use asset::{AssetPath, InvalidAssetPath};
pub use audit::{AuditRecord, AuditedOperation};
pub use budget::{Budget, Usage};
pub use calls::{CallError, Caller, HookRequest, Hooks, Reply, Role};
pub use error::{Blame, ErrorCode, ErrorGroup, Failure, Span};
pub use fair::{Mixture, Turns, leaves_room};
pub use granted::Granted;
pub use grants::{Columns, Grants, GrantsBuilder, GrantsDigest, Operation, TableGrant};
pub use ids::{
    AppletId, ApprovalId, ComponentDigest, HookName, InstallationId, InvalidId, OperationId, PlanId,
    RequestId, TenantId, UserId, Version, WorkspaceId,
};
pub use invocation::{Actor, Invocation};
pub use limits::{
    BreakerLimits, CacheLimits, ComponentLimits, ExecutionLimits, HostLimits, Limits, ManifestLimits,
    RateLimits, StatementLimits, TenantLimits,
};
pub use name::{InvalidName, MAX_IDENTIFIER_BYTES, PhysicalTable, SqlName};
pub use place::is_loopback;
pub use ports::{
    Account, Applets, AuditSink, ComponentReport, Database, Encoding, Gauge, HookCall, HookError, Login,
    Logins, Outcome, Resource, Secret, Statement, TenantClaim, TenantForm, TenantSigner, Transaction,
};
pub use rows::{CellRef, Column, ColumnType, PackedReader, PackedWriter, RowSet, UnpackError};
pub use value::Value;
pub use variables::{VariableError, Variables};
