//! Two readings of a host, and what happened per second in between.

use std::cmp::Reverse;
use std::fmt;

use applet_accounts::{
    BudgetReading, CircuitReading, CircuitState, Counts, InstallationReading, Tokens, Whose,
};
use applet_types::{AppletId, Resource, TenantId};
use serde::Serialize;

use super::{HostReading, Sessions};
use crate::output::Table;

/// Whom to show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) applet: Option<AppletId>,
}

impl Filter {
    fn shows(&self, whose: &Whose) -> bool {
        self.tenant.is_none_or(|tenant| tenant == whose.tenant)
            && self.applet.as_ref().is_none_or(|applet| *applet == whose.applet)
    }
}

/// What a host did between two readings.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct View {
    process: u32,
    listening: std::net::SocketAddr,
    /// Between the readings.
    seconds: f64,
    sessions: Sessions,
    /// The busiest first.
    installations: Vec<Installation>,
    tenants: Vec<Tenant>,
}

#[derive(Debug, Clone, Serialize)]
struct Installation {
    #[serde(flatten)]
    whose: Whose,
    per_second: PerSecond,
    in_flight: u64,
    sessions_in_use: u64,
    sessions_waiting: u64,
    circuit: CircuitReading,
    tokens: Tokens,
}

#[derive(Debug, Clone, Serialize)]
struct Tenant {
    tenant: TenantId,
    per_second: PerSecond,
    budgets: Vec<BudgetReading>,
}

/// [`Counts`], per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct PerSecond {
    invocations: f64,
    refused: f64,
    failed: f64,
    statements: f64,
    refused_statements: f64,
    rows: f64,
    bytes: f64,
    host_calls: f64,
    cpu_ms: f64,
    database_ms: f64,
}

impl PerSecond {
    fn of(counts: &Counts, seconds: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate for people, of what was counted within seconds"
        )]
        let rate = |count: u64| ((count as f64 / seconds) * 10.0).round() / 10.0;
        Self {
            invocations: rate(counts.invocations),
            refused: rate(counts.refused),
            failed: rate(counts.failed),
            statements: rate(counts.statements),
            refused_statements: rate(counts.refused_statements),
            rows: rate(counts.rows),
            bytes: rate(counts.bytes),
            host_calls: rate(counts.host_calls),
            cpu_ms: rate(counts.cpu_us / 1_000),
            database_ms: rate(counts.database_us / 1_000),
        }
    }
}

impl View {
    /// What happened between two readings of the same host. With less than a moment in between, nothing is
    /// known yet.
    pub(crate) fn between(earlier: &HostReading, later: &HostReading, filter: &Filter) -> Option<Self> {
        let passed = later.accounts.at_ms.checked_sub(earlier.accounts.at_ms).filter(|passed| *passed > 0)?;
        let seconds = std::time::Duration::from_millis(passed).as_secs_f64();
        let shown: Vec<_> = later
            .accounts
            .installations
            .iter()
            .filter(|reading| filter.shows(&reading.whose))
            .map(|reading| (reading, since(reading, earlier)))
            .collect();
        let tenants = later.accounts.tenants.iter().filter_map(|reading| {
            let own = shown.iter().filter(|(of, _)| of.whose.tenant == reading.tenant);
            let counts = own.map(|(_, counts)| *counts).reduce(|one, other| one.and(&other));
            let alone = filter.tenant == Some(reading.tenant) && filter.applet.is_none();
            let counts = counts.or_else(|| (alone || filter.shows_all()).then(Counts::default))?;
            let per_second = PerSecond::of(&counts, seconds);
            Some(Tenant { tenant: reading.tenant, per_second, budgets: reading.budgets.clone() })
        });
        let tenants = tenants.collect();
        let mut installations = shown;
        installations.sort_by_key(|(_, counts)| {
            Reverse((counts.cpu_us + counts.database_us, counts.invocations + counts.refused))
        });
        let installations = installations.into_iter().map(|(reading, counts)| Installation {
            whose: reading.whose.clone(),
            per_second: PerSecond::of(&counts, seconds),
            in_flight: reading.in_flight,
            sessions_in_use: reading.sessions_in_use,
            sessions_waiting: reading.sessions_waiting,
            circuit: reading.circuit,
            tokens: reading.tokens,
        });
        Some(Self {
            process: later.process,
            listening: later.listening,
            seconds,
            sessions: later.sessions,
            installations: installations.collect(),
            tenants,
        })
    }

    /// Leaves out what does not fit on a screen.
    pub(crate) fn cut(&mut self, most: usize) {
        self.installations.truncate(most);
        self.tenants.truncate(most);
    }
}

impl Filter {
    const fn shows_all(&self) -> bool {
        self.tenant.is_none() && self.applet.is_none()
    }
}

fn since(reading: &InstallationReading, earlier: &HostReading) -> Counts {
    let before = earlier
        .accounts
        .installations
        .binary_search_by(|before| before.whose.cmp(&reading.whose))
        .ok()
        .and_then(|at| earlier.accounts.installations.get(at));
    before.map_or(reading.counts, |before| reading.counts.since(&before.counts))
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sessions { open, in_use, waiting } = self.sessions;
        writeln!(
            f,
            "host {} on {}: {in_use} of {open} sessions in use, {waiting} statements waiting",
            self.process, self.listening
        )?;
        let mut table = Table::new([
            "applet",
            "tenant",
            "workspace",
            "inv/s",
            "refused/s",
            "failed/s",
            "running",
            "CPU ms/s",
            "db ms/s",
            "stmt/s",
            "rows/s",
            "KiB/s",
            "sessions",
            "circuit",
            "left: inv, stmt, writes",
        ]);
        for one in &self.installations {
            let rates = &one.per_second;
            table.row([
                one.whose.applet.to_string(),
                short(one.whose.tenant.as_uuid()),
                short(one.whose.workspace.as_uuid()),
                rates.invocations.to_string(),
                format!("{}+{}", rates.refused, rates.refused_statements),
                rates.failed.to_string(),
                one.in_flight.to_string(),
                rates.cpu_ms.to_string(),
                rates.database_ms.to_string(),
                rates.statements.to_string(),
                rates.rows.to_string(),
                format!("{:.1}", rates.bytes / 1_024.0),
                format!("{}+{}", one.sessions_in_use, one.sessions_waiting),
                circuit(one.circuit),
                format!("{}, {}, {}", one.tokens.invocations, one.tokens.queries, one.tokens.writes),
            ]);
        }
        writeln!(f, "{table}\n")?;
        let mut table = Table::new([
            "tenant",
            "inv/s",
            "CPU ms/s",
            "db ms/s",
            "left: CPU",
            "database",
            "rows",
            "bytes",
            "statements",
            "host calls",
        ]);
        for one in &self.tenants {
            let rates = &one.per_second;
            let mut cells = vec![
                short(one.tenant.as_uuid()),
                rates.invocations.to_string(),
                rates.cpu_ms.to_string(),
                rates.database_ms.to_string(),
            ];
            let order = [
                Resource::Cpu,
                Resource::Database,
                Resource::Rows,
                Resource::Bytes,
                Resource::Statements,
                Resource::HostCalls,
            ];
            cells.extend(order.iter().map(|resource| left(&one.budgets, *resource)));
            table.row(cells);
        }
        write!(f, "{table}")
    }
}

/// The first part of an id: enough to tell a screenful apart; `--json` has all of it.
fn short(id: impl fmt::Display) -> String {
    id.to_string().chars().take(8).collect()
}

fn circuit(reading: CircuitReading) -> String {
    match (reading.state, reading.retry_after_ms) {
        (CircuitState::Closed, _) if reading.failures > 0 => format!("closed, {} failed", reading.failures),
        (CircuitState::Open, Some(wait)) => format!("OPEN for {} s", wait.div_ceil(1_000)),
        (state, _) => state.as_str().to_owned(),
    }
}

fn left(budgets: &[BudgetReading], resource: Resource) -> String {
    let budget = budgets.iter().find(|budget| budget.resource == resource);
    let percent = budget.and_then(|budget| {
        u128::from(budget.left).saturating_mul(100).checked_div(u128::from(budget.per_minute))
    });
    percent.map_or_else(String::new, |percent| format!("{percent} %"))
}
