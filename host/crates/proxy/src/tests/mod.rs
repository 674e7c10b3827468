//! Tests on a real PostgreSQL. Statements are written by hand here: what the gate makes is its own affair.

mod audit;
mod cache;
mod faults;
mod hosts;
mod proxied;
mod sessions;
mod signed;
mod usage;
mod values;
mod watchdog;

use applet_gate::StatementKind;
use applet_types::{Encoding, ExecutionLimits, Outcome, TenantId, Value};

use crate::execute::{self, Executable};
use crate::wire::{Session, Settings, WireError};

/// A statement whose last parameter is the tenant.
pub(crate) fn scoped(text: &str, kind: StatementKind, parameters: u16) -> Executable<'_> {
    Executable { text, kind, tenant_parameter: Some(parameters + 1), row_cap: 1_000, tables: &[] }
}

/// A statement that touches nothing of any tenant.
pub(crate) fn free(text: &str) -> Executable<'_> {
    Executable { text, kind: StatementKind::Select, tenant_parameter: None, row_cap: 1_000, tables: &[] }
}

pub(crate) async fn read(
    session: &mut Session,
    statement: Executable<'_>,
    parameters: &[Value],
    tenant: TenantId,
    encoding: Encoding,
) -> Result<Outcome, WireError> {
    let fetch = statement.fetch(encoding, &ExecutionLimits::default());
    execute::read(session, statement, parameters, tenant, fetch, Settings::default()).await
}

pub(crate) async fn write(
    session: &mut Session,
    statement: Executable<'_>,
    parameters: &[Value],
    tenant: TenantId,
) -> Result<Outcome, WireError> {
    let fetch = statement.fetch(Encoding::Json, &ExecutionLimits::default());
    execute::write(session, statement, parameters, tenant, fetch, Settings::default()).await
}

pub(crate) fn json(outcome: &Outcome) -> serde_json::Value {
    serde_json::from_slice(&outcome.rows.data).unwrap()
}
