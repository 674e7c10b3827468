//! What installations and tenants have used of late on this host, and whether they may have more: rates and
//! the circuit breaker of an installation (S4x.5, S4x.6), the budget of a tenant (F4), and the numbers of
//! `applet top`.
//!
//! *Invariants:* no I/O, and no clock: times are parameters, always monotonic ones. Invocations of
//! different installations share no lock but for looking their account up, once each, which they do side by
//! side. What is at rest is forgotten, so memory follows what is used and not what is installed.
//!
//! Accounts are a host's own: they protect its CPU and its connections. With several hosts each one allows
//! what is said here (`host/DECISIONS.md` 62).
//!
//! Start reading at [`Accounts::admit`]; then `installation.rs`, `tenant.rs`, and the parts: `bucket.rs`,
//! `breaker.rs`.

mod breaker;
mod bucket;
mod ending;
mod installation;
mod ledger;
mod reading;
mod tenant;

pub use breaker::Change;
pub use ending::Ending;
pub use installation::Admitted;
pub use ledger::Accounts;
pub use reading::{
    BudgetReading, CircuitReading, CircuitState, Counts, InstallationReading, Reading, TenantReading, Tokens,
    Whose,
};
