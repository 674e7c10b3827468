//! The data plane: gate, permits, sessions, the tenant's context, execution, decoding, the read cache and
//! the audit trail.
//!
//! *Invariant:* only a [`ScopedStatement`](applet_gate::ScopedStatement) is executed; the tenant comes from
//! the [`Invocation`](applet_types::Invocation); no text of the database reaches a guest; a session whose
//! state is not known for certain is closed, never reused.
//!
//! Start reading at [`Proxy`], then `wire` (what a session is) and `pool` (who gets one).

mod audit;
mod cache;
mod config;
mod errors;
mod execute;
mod mask;
mod memo;
mod pool;
mod proxy;
mod tenure;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_redis;
#[cfg(test)]
mod testing_tls;
#[cfg(test)]
mod tests;
mod trail;
mod transaction;
mod usage;
mod values;
mod watchdog;
mod wire;

pub use audit::{AuditQueue, AuditStatus, AuditWriter};
pub use cache::{CacheConfig, CacheCounts, CacheStatus, InvalidRedisUrl, QueryCache, RedisServers};
pub use config::{KeeperConfig, ProxyConfig};
pub use mask::masked;
pub use pool::PoolStatus;
pub use proxy::{Explanation, Proxy, Report};
pub use transaction::gone;
pub use wire::{Proof, Target, Tls, Transport, TransportError};
