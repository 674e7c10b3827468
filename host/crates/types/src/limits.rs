//! Every limit: its default, and the hard maximum that the operator may raise it to, after section 3 of
//! LIMITS-AND-FAULTS.md. A manifest and an admin only lower what the operator gives.
//!
//! *Invariant:* a maximum that equals its default is one that cannot be raised: what bounds recursion or
//! memory before a check has run. `host/docs/limits.md` is made from this file.

use serde::{Deserialize, Serialize};

/// Limits with their meaning, default and maximum in one place each.
macro_rules! limits {
    (
        $(#[$about:meta])*
        $name:ident {
            $($(#[doc = $meaning:literal])+ $field:ident: $kind:ty = $default:expr, at most $most:expr;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $meaning])+ pub $field: $kind,)+
        }

        impl $name {
            /// What the operator may raise each limit to.
            pub const MAXIMUM: Self = Self { $($field: $most,)+ };

            /// What each limit bounds, in the order of the documentation.
            pub const MEANINGS: &[(&str, &str)] = &[$((stringify!($field), concat!($($meaning),+))),+];

            /// The lower of both, limit by limit.
            #[must_use]
            pub fn lowered_to(&self, other: &Self) -> Self {
                Self { $($field: self.$field.min(other.$field),)+ }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }
    };
}

limits! {
    /// What bounds one statement before the database sees it (the gate's).
    StatementLimits {
        /// Bytes of SQL text.
        sql_bytes: usize = 64 << 10, at most 64 << 10;
        /// Tokens; deep or long texts are refused before a parser recurses into them.
        tokens: usize = 8_000, at most 8_000;
        /// Binary operators or casts in one chain: flat chains make trees that overflow the stack when dropped.
        operator_chain: usize = 256, at most 256;
        /// Nesting of expressions and queries.
        depth: usize = 32, at most 32;
        /// Bind parameters.
        parameters: usize = 256, at most 1_000;
        /// Bytes of one parameter.
        parameter_bytes: usize = 1 << 20, at most 4 << 20;
        /// Joins in the whole statement; a comma in FROM is a join (S4.58).
        joins: usize = 3, at most 8;
        /// Subqueries, derived tables and CTEs in the whole statement (S4.59).
        subqueries: usize = 2, at most 8;
        /// Rows of a result (S4.56); the text asks the database for one more, to tell truncation.
        rows: u32 = 1_000, at most 10_000;
    }
}

limits! {
    /// What bounds the execution of statements and of one invocation as a whole.
    ExecutionLimits {
        /// Milliseconds a statement may run (S4.57).
        statement_timeout_ms: u64 = 5_000, at most 30_000;
        /// Milliseconds a statement may wait for a lock.
        lock_timeout_ms: u64 = 1_000, at most 10_000;
        /// Milliseconds a transaction may stay open in all; the host's own timer.
        transaction_ms: u64 = 15_000, at most 60_000;
        /// Milliseconds a transaction may sit idle between statements.
        idle_in_transaction_ms: u64 = 2_000, at most 10_000;
        /// Rows that one statement may change.
        rows_changed: u64 = 10_000, at most 100_000;
        /// Bytes of one result.
        result_bytes: usize = 4 << 20, at most 16 << 20;
        /// Bytes of all results of one invocation.
        invocation_result_bytes: usize = 32 << 20, at most 128 << 20;
        /// Bytes of one row.
        row_bytes: usize = 2 << 20, at most 8 << 20;
        /// Rows that all statements of one invocation may return or change together.
        invocation_rows: u64 = 50_000, at most 1_000_000;
        /// Statements of one invocation.
        statements: u32 = 100, at most 1_000;
        /// Milliseconds that the statements of one invocation may take together.
        database_ms: u64 = 8_000, at most 60_000;
        /// Transactions open at once in one invocation.
        open_transactions: u32 = 1, at most 1;
        /// Milliseconds of wall clock of one invocation.
        wall_ms: u64 = 10_000, at most 60_000;
        /// Milliseconds of guest CPU of one invocation (epoch ticks of 10 ms).
        cpu_ms: u64 = 200, at most 5_000;
        /// Bytes of linear memory of one instance.
        memory_bytes: usize = 64 << 20, at most 256 << 20;
        /// Elements of all tables of one instance.
        table_elements: usize = 10_000, at most 50_000;
        /// Calls from the guest into the host in one invocation.
        host_calls: u32 = 10_000, at most 100_000;
        /// Bytes the guest may hand to the host in one call.
        host_call_bytes: usize = 2 << 20, at most 16 << 20;
        /// Resource handles alive in one instance.
        handles: u32 = 1_000, at most 1_000;
        /// Bytes of guest log output kept per invocation.
        log_bytes: usize = 16 << 10, at most 256 << 10;
    }
}

limits! {
    /// How fast one installation may go on, over all its invocations on one host (S4x.5). What is allowed per
    /// second may be saved up for two seconds, what is allowed per minute for a minute.
    RateLimits {
        /// Invocations per second; twice as many at once after a pause.
        invocations_per_second: u64 = 50, at most 10_000;
        /// Statements per minute, refused ones included.
        queries_per_minute: u64 = 30_000, at most 6_000_000;
        /// Writing statements per second; twice as many at once after a pause.
        writes_per_second: u64 = 100, at most 10_000;
        /// Rows returned or changed per minute.
        rows_per_minute: u64 = 600_000, at most 600_000_000;
    }
}

limits! {
    /// What all applets of one tenant may use per minute together on one host (F4), so that no tenant has the
    /// machine to itself. What was not used is kept for a minute.
    TenantLimits {
        /// Milliseconds of guests' CPU per minute: 30,000 is half a core.
        cpu_ms_per_minute: u64 = 30_000, at most 3_840_000;
        /// Milliseconds that statements take per minute: 120,000 are two sessions that never rest.
        database_ms_per_minute: u64 = 120_000, at most 24_000_000;
        /// Rows returned or changed per minute.
        rows_per_minute: u64 = 3_000_000, at most 6_000_000_000;
        /// Bytes of results per minute.
        bytes_per_minute: u64 = 1 << 30, at most 1 << 40;
        /// Statements per minute.
        statements_per_minute: u64 = 120_000, at most 60_000_000;
        /// Calls from guests into the host per minute.
        host_calls_per_minute: u64 = 3_000_000, at most 600_000_000;
    }
}

limits! {
    /// When an installation that keeps failing is left alone for a while (S4x.6).
    BreakerLimits {
        /// Failed invocations within the window that open the circuit.
        failures: u64 = 20, at most 10_000;
        /// Of all invocations that ended within the window, the percentage that has to have failed.
        failed_percent: u64 = 50, at most 100;
        /// Seconds that a failure is held against an installation.
        window_s: u64 = 60, at most 3_600;
        /// Seconds before one invocation is let through to try.
        cool_down_s: u64 = 10, at most 3_600;
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
    /// The most that a manifest may ask for: an answer is never older than half a minute.
    pub const MAXIMUM: Self = Self { ttl_s: 30, entries: 10_000 };

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
    /// From invocation to invocation.
    pub rate: RateLimits,
    /// How far reads may be cached; not at all unless the manifest asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheLimits>,
    /// Whether an instance may serve further invocations of the same installation (SPEC Decision 14); not
    /// unless the manifest asks for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reuse: bool,
}

impl Limits {
    /// What the operator may raise each limit to.
    pub const MAXIMUM: Self = Self {
        statement: StatementLimits::MAXIMUM,
        execution: ExecutionLimits::MAXIMUM,
        rate: RateLimits::MAXIMUM,
        cache: Some(CacheLimits::MAXIMUM),
        reuse: true,
    };

    /// The lower of both, limit by limit: a manifest and an admin can only lower what the operator gives.
    #[must_use]
    pub fn lowered_to(&self, other: &Self) -> Self {
        Self {
            statement: self.statement.lowered_to(&other.statement),
            execution: self.execution.lowered_to(&other.execution),
            rate: self.rate.lowered_to(&other.rate),
            cache: self.cache.zip(other.cache).map(|(own, other)| own.lowered_to(other)),
            reuse: self.reuse && other.reuse,
        }
    }
}

limits! {
    /// What the host as a whole is held to; shared by all applets, so no manifest can name it.
    HostLimits {
        /// Sessions of one applet, over all its roles and all hosts (S4.61).
        sessions_per_applet: usize = 5, at most 40;
        /// Sessions in use for one tenant at once, over all hosts.
        sessions_per_tenant: usize = 10, at most 400;
        /// Sessions of the shared pool, the budget per database for all hosts (S4.7).
        sessions: usize = 40, at most 400;
        /// Milliseconds a statement may wait for a session.
        queue_wait_ms: u64 = 500, at most 10_000;
        /// Statements of one applet that may wait at once.
        queue_length: usize = 50, at most 10_000;
        /// Seconds a session may live.
        session_lifetime_s: u64 = 600, at most 3_600;
        /// Seconds a session may sit idle.
        session_idle_s: u64 = 120, at most 600;
        /// Statements kept prepared per session.
        prepared_statements: usize = 100, at most 1_000;
        /// Instances of one applet at once.
        instances_per_applet: usize = 8, at most 256;
        /// Instances of the host at once.
        instances: usize = 64, at most 1_000;
        /// Audit records of reads and denials that may wait to be written (SPEC Decision 9).
        audit_queue: usize = 10_000, at most 100_000;
        /// Bytes of cached answers that one tenant may have at once.
        cache_tenant_bytes: usize = 64 << 20, at most 1 << 30;
        /// Bytes of cached answers kept in this process, for all tenants together.
        cache_bytes: usize = 256 << 20, at most 4 << 30;
        /// Bytes of an answer that is worth caching.
        cache_value_bytes: usize = 256 << 10, at most 4 << 20;
    }
}

limits! {
    /// What a component is held to before it runs.
    ComponentLimits {
        /// Components kept ready in memory.
        components_in_memory: usize = 256, at most 1_024;
        /// Bytes of a component.
        component_bytes: usize = 32 << 20, at most 64 << 20;
        /// Functions of a component.
        functions: u32 = 100_000, at most 200_000;
        /// CPU seconds that compiling may take.
        compile_cpu_seconds: u64 = 60, at most 600;
        /// Bytes of memory that compiling may take.
        compile_memory_bytes: u64 = 1536 << 20, at most 4096 << 20;
        /// Bytes of a package: a manifest and a component, not compressed.
        package_bytes: usize = 40 << 20, at most 96 << 20;
    }
}

limits! {
    /// How large a manifest, and what it declares, may be.
    ManifestLimits {
        /// Bytes of the file.
        bytes: usize = 256 << 10, at most 256 << 10;
        /// Nesting of lists and mappings.
        depth: usize = 16, at most 16;
        /// Scalars, lists and mappings in all, keys included.
        nodes: usize = 20_000, at most 20_000;
        /// Own tables.
        tables: usize = 20, at most 200;
        /// Columns of an own table.
        columns: usize = 60, at most 100;
        /// Indexes of an own table, the primary key not counted.
        indexes: usize = 8, at most 16;
        /// Foreign keys of an own table, the one to `tenants` not counted.
        foreign_keys: usize = 4, at most 8;
        /// Entries of a permission list, and named hooks.
        entries: usize = 200, at most 1_000;
    }
}
