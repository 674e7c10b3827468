//! Numbers as they are read: what `applet top` is made of.

use std::sync::atomic::{AtomicU64, Ordering};

use applet_types::{AppletId, InstallationId, Resource, TenantId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// Which installation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Whose {
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub workspace: WorkspaceId,
    /// Which applet.
    pub applet: AppletId,
    /// Installed as.
    pub installation: InstallationId,
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident;)*) => {
        /// Counts since the account was opened.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// What was counted since the account was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Counts {
            /// What was counted since `earlier`. An account that was forgotten in between began anew.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.checked_sub(earlier.$name).unwrap_or(self.$name),)* }
            }

            /// Both together.
            #[must_use]
            pub fn and(&self, other: &Self) -> Self {
                Self { $($name: self.$name.saturating_add(other.$name),)* }
            }
        }
    };
}

counters! {
    /// Invocations that were let in.
    invocations;
    /// Invocations that were refused: too many, the tenant's budget, the circuit, no instance free.
    refused;
    /// Invocations in which the applet has failed.
    failed;
    /// Statements that were judged.
    statements;
    /// Statements that were refused for a rate or a budget.
    refused_statements;
    /// Rows returned or changed.
    rows;
    /// Bytes of results.
    bytes;
    /// Calls from guests into the host.
    host_calls;
    /// Microseconds of guests' CPU.
    cpu_us;
    /// Microseconds that statements took.
    database_us;
}

impl Counters {
    pub(crate) const fn of(&self, resource: Resource) -> &AtomicU64 {
        match resource {
            Resource::Cpu => &self.cpu_us,
            Resource::Database => &self.database_us,
            Resource::Rows => &self.rows,
            Resource::Bytes => &self.bytes,
            Resource::Statements => &self.statements,
            Resource::HostCalls => &self.host_calls,
        }
    }
}

/// Where a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CircuitState {
    /// Invocations pass.
    Closed,
    /// One may try, or tries.
    HalfOpen,
    /// Invocations are refused.
    Open,
}

impl CircuitState {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// A circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitReading {
    /// Where it stands.
    pub state: CircuitState,
    /// Failures within the window.
    pub failures: u64,
    /// Milliseconds until one may try.
    pub retry_after_ms: Option<u64>,
}

/// What the rates have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Invocations.
    pub invocations: u64,
    /// Statements.
    pub queries: u64,
    /// Writing statements.
    pub writes: u64,
    /// Rows.
    pub rows: u64,
}

/// One installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationReading {
    /// Which.
    #[serde(flatten)]
    pub whose: Whose,
    /// Since the account was opened.
    pub counts: Counts,
    /// Invocations that run.
    pub in_flight: u64,
    /// Sessions of the database that work for it.
    pub sessions_in_use: u64,
    /// Its statements that wait for one.
    pub sessions_waiting: u64,
    /// Its circuit.
    pub circuit: CircuitReading,
    /// What its rates have left.
    pub tokens: Tokens,
}

/// One budget of a tenant, in the unit that is charged: CPU and database time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReading {
    /// For what.
    pub resource: Resource,
    /// What comes back per minute.
    pub per_minute: u64,
    /// What is left.
    pub left: u64,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantReading {
    /// Which.
    pub tenant: TenantId,
    /// Its budgets.
    pub budgets: Vec<BudgetReading>,
}

/// All accounts at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Milliseconds since the accounts were opened.
    pub at_ms: u64,
    /// In order.
    pub installations: Vec<InstallationReading>,
    /// In order.
    pub tenants: Vec<TenantReading>,
}
