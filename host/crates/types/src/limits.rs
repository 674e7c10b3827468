//! Limits with the defaults and hard maxima of LIMITS-AND-FAULTS.md section 3, copied into
//! `host/docs/limits.md`. The operator may raise a limit up to its maximum; manifest and admin only lower.

use serde::{Deserialize, Serialize};

/// What bounds one statement before the database sees it (the gate's).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatementLimits {
    /// Bytes of SQL text.
    pub sql_bytes: usize,
    /// Tokens; deep or long texts are refused before a parser recurses into them.
    pub tokens: usize,
    /// Binary operators or casts in one chain: flat chains make trees that overflow the stack when dropped.
    pub operator_chain: usize,
    /// Nesting of expressions and queries.
    pub depth: usize,
    /// Bind parameters.
    pub parameters: usize,
    /// Bytes of one parameter.
    pub parameter_bytes: usize,
    /// Joins in the whole statement; a comma in FROM is a join (S4.58).
    pub joins: usize,
    /// Subqueries, derived tables and CTEs in the whole statement (S4.59).
    pub subqueries: usize,
    /// Rows of a result (S4.56); the text asks the database for one more, to tell truncation.
    pub rows: u32,
}

impl Default for StatementLimits {
    fn default() -> Self {
        Self {
            sql_bytes: 64 << 10,
            tokens: 8_000,
            operator_chain: 256,
            depth: 32,
            parameters: 256,
            parameter_bytes: 1 << 20,
            joins: 3,
            subqueries: 2,
            rows: 1_000,
        }
    }
}

impl StatementLimits {
    /// The lower of both, limit by limit.
    #[must_use]
    pub fn lowered_to(&self, other: &Self) -> Self {
        Self {
            sql_bytes: self.sql_bytes.min(other.sql_bytes),
            tokens: self.tokens.min(other.tokens),
            operator_chain: self.operator_chain.min(other.operator_chain),
            depth: self.depth.min(other.depth),
            parameters: self.parameters.min(other.parameters),
            parameter_bytes: self.parameter_bytes.min(other.parameter_bytes),
            joins: self.joins.min(other.joins),
            subqueries: self.subqueries.min(other.subqueries),
            rows: self.rows.min(other.rows),
        }
    }
}

/// What bounds the execution of statements and of one invocation as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutionLimits {
    /// Milliseconds a statement may run (S4.57).
    pub statement_timeout_ms: u64,
    /// Milliseconds a statement may wait for a lock.
    pub lock_timeout_ms: u64,
    /// Milliseconds a transaction may stay open in all; the host's own timer.
    pub transaction_ms: u64,
    /// Milliseconds a transaction may sit idle between statements.
    pub idle_in_transaction_ms: u64,
    /// Rows that one statement may change.
    pub rows_changed: u64,
    /// Bytes of one result.
    pub result_bytes: usize,
    /// Bytes of all results of one invocation.
    pub invocation_result_bytes: usize,
    /// Bytes of one row.
    pub row_bytes: usize,
    /// Statements of one invocation.
    pub statements: u32,
    /// Transactions open at once in one invocation.
    pub open_transactions: u32,
    /// Milliseconds of wall clock of one invocation.
    pub wall_ms: u64,
    /// Milliseconds of guest CPU of one invocation (epoch ticks of 10 ms).
    pub cpu_ms: u64,
    /// Bytes of linear memory of one instance.
    pub memory_bytes: usize,
    /// Elements of all tables of one instance.
    pub table_elements: usize,
    /// Calls from the guest into the host in one invocation.
    pub host_calls: u32,
    /// Bytes the guest may hand to the host in one call.
    pub host_call_bytes: usize,
    /// Resource handles alive in one instance.
    pub handles: u32,
    /// Bytes of guest log output kept per invocation.
    pub log_bytes: usize,
}

impl Default for ExecutionLimits {
    fn default() -> Self {
        Self {
            statement_timeout_ms: 5_000,
            lock_timeout_ms: 1_000,
            transaction_ms: 15_000,
            idle_in_transaction_ms: 2_000,
            rows_changed: 10_000,
            result_bytes: 4 << 20,
            invocation_result_bytes: 32 << 20,
            row_bytes: 2 << 20,
            statements: 100,
            open_transactions: 1,
            wall_ms: 10_000,
            cpu_ms: 200,
            memory_bytes: 64 << 20,
            table_elements: 10_000,
            host_calls: 10_000,
            host_call_bytes: 2 << 20,
            handles: 1_000,
            log_bytes: 16 << 10,
        }
    }
}

impl ExecutionLimits {
    /// The lower of both, limit by limit.
    #[must_use]
    pub fn lowered_to(&self, other: &Self) -> Self {
        Self {
            statement_timeout_ms: self.statement_timeout_ms.min(other.statement_timeout_ms),
            lock_timeout_ms: self.lock_timeout_ms.min(other.lock_timeout_ms),
            transaction_ms: self.transaction_ms.min(other.transaction_ms),
            idle_in_transaction_ms: self.idle_in_transaction_ms.min(other.idle_in_transaction_ms),
            rows_changed: self.rows_changed.min(other.rows_changed),
            result_bytes: self.result_bytes.min(other.result_bytes),
            invocation_result_bytes: self.invocation_result_bytes.min(other.invocation_result_bytes),
            row_bytes: self.row_bytes.min(other.row_bytes),
            statements: self.statements.min(other.statements),
            open_transactions: self.open_transactions.min(other.open_transactions),
            wall_ms: self.wall_ms.min(other.wall_ms),
            cpu_ms: self.cpu_ms.min(other.cpu_ms),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
            table_elements: self.table_elements.min(other.table_elements),
            host_calls: self.host_calls.min(other.host_calls),
            host_call_bytes: self.host_call_bytes.min(other.host_call_bytes),
            handles: self.handles.min(other.handles),
            log_bytes: self.log_bytes.min(other.log_bytes),
        }
    }
}

/// How far reads of an installation may be answered from the cache (SPEC Decision 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheLimits {
    /// Seconds that an answer may be served.
    pub ttl_s: u64,
    /// Answers kept at most.
    pub entries: u64,
}

impl CacheLimits {
    /// The lower of both, limit by limit.
    #[must_use]
    pub fn lowered_to(self, other: Self) -> Self {
        Self { ttl_s: self.ttl_s.min(other.ttl_s), entries: self.entries.min(other.entries) }
    }
}

/// What an installation's invocations are held to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Before the database.
    pub statement: StatementLimits,
    /// At run time.
    pub execution: ExecutionLimits,
    /// How far reads may be cached; not at all unless the manifest asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheLimits>,
}

impl Limits {
    /// The lower of both, limit by limit: a manifest and an admin can only lower what the operator gives.
    #[must_use]
    pub fn lowered_to(&self, other: &Self) -> Self {
        Self {
            statement: self.statement.lowered_to(&other.statement),
            execution: self.execution.lowered_to(&other.execution),
            cache: self.cache.zip(other.cache).map(|(own, other)| own.lowered_to(other)),
        }
    }
}

/// What the host as a whole is held to; shared by all applets, so no manifest can name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostLimits {
    /// Sessions of one applet, over all its roles (S4.61).
    pub sessions_per_applet: usize,
    /// Sessions in use for one tenant at once.
    pub sessions_per_tenant: usize,
    /// Sessions of the shared pool, the budget per database (S4.7).
    pub sessions: usize,
    /// Milliseconds a statement may wait for a session.
    pub queue_wait_ms: u64,
    /// Statements of one applet that may wait at once.
    pub queue_length: usize,
    /// Seconds a session may live.
    pub session_lifetime_s: u64,
    /// Seconds a session may sit idle.
    pub session_idle_s: u64,
    /// Statements kept prepared per session.
    pub prepared_statements: usize,
    /// Instances of one applet at once.
    pub instances_per_applet: usize,
    /// Instances of the host at once.
    pub instances: usize,
    /// Audit records of reads and denials that may wait to be written (SPEC Decision 9).
    pub audit_queue: usize,
    /// Bytes of cached answers that one tenant may have at once.
    pub cache_tenant_bytes: usize,
    /// Bytes of cached answers kept in this process, for all tenants together.
    pub cache_bytes: usize,
    /// Bytes of an answer that is worth caching.
    pub cache_value_bytes: usize,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            sessions_per_applet: 5,
            sessions_per_tenant: 10,
            sessions: 40,
            queue_wait_ms: 500,
            queue_length: 50,
            session_lifetime_s: 600,
            session_idle_s: 120,
            prepared_statements: 100,
            instances_per_applet: 8,
            instances: 64,
            audit_queue: 10_000,
            cache_tenant_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            cache_value_bytes: 256 << 10,
        }
    }
}
