//! Limits: what the operator gives. Each may be raised up to a hard maximum that the program knows
//! (SPEC S4.60, `host/docs/limits.md`).

use applet_types::{
    BreakerLimits, CacheLimits, ComponentLimits, ExecutionLimits, HostLimits, Limits, ManifestLimits,
    RateLimits, StatementLimits, TenantLimits,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::as_json;
use super::problem::Problem;

/// Limits that may be nothing at all: of these, zero is a use that is switched off. A zero elsewhere would
/// switch the *limit* off (PostgreSQL reads a timeout of zero so), or the host.
const MAY_BE_ZERO: &[&str] =
    &["joins", "subqueries", "parameters", "statements", "open_transactions", "log_bytes", "queue_length"];

/// Every limit. `APPLET_LIMITS_` and the upper-case path override one: `APPLET_LIMITS_HOST_SESSIONS`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// One statement, before the database.
    pub statement: StatementLimits,
    /// One statement and one invocation, at run time.
    pub execution: ExecutionLimits,
    /// One installation, from invocation to invocation.
    pub rate: RateLimits,
    /// One tenant, all its applets together.
    pub tenant: TenantLimits,
    /// When an installation that keeps failing is left alone.
    pub breaker: BreakerLimits,
    /// The host as a whole.
    pub host: HostLimits,
    /// A component and its package.
    pub component: ComponentLimits,
    /// A manifest and what it declares.
    pub manifest: ManifestLimits,
}

impl LimitsConfig {
    /// What each may be raised to.
    pub(super) const MAXIMUM: Self = Self {
        statement: StatementLimits::MAXIMUM,
        execution: ExecutionLimits::MAXIMUM,
        rate: RateLimits::MAXIMUM,
        tenant: TenantLimits::MAXIMUM,
        breaker: BreakerLimits::MAXIMUM,
        host: HostLimits::MAXIMUM,
        component: ComponentLimits::MAXIMUM,
        manifest: ManifestLimits::MAXIMUM,
    };

    /// What installations are held to.
    pub fn of_invocations(&self) -> Limits {
        Limits {
            statement: self.statement.clone(),
            execution: self.execution.clone(),
            rate: self.rate.clone(),
            cache: Some(CacheLimits::MAXIMUM),
            reuse: true,
        }
    }

    /// Values, as they were read, that are beyond their maxima or nothing.
    pub(super) fn beyond(values: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        let maxima = as_json(&Self::MAXIMUM);
        for (section, name, value) in flat(values) {
            let path = format!("limits.{section}.{name}");
            // A limit without a maximum would be a hole: no maximum is zero.
            let most = maxima.get(section).and_then(|section| section.get(name)).and_then(Value::as_u64);
            let most = most.unwrap_or_default();
            if value > most {
                problems.push(Problem::new(path, format!("`{value}` is more than the maximum of {most}")));
            } else if value == 0 && !MAY_BE_ZERO.contains(&name) {
                problems.push(Problem::new(path, "`0` is no limit: the least is 1"));
            }
        }
        problems
    }

    /// A part that is larger than its whole: one of the two would not hold.
    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let (execution, host) = (&self.execution, &self.host);
        [
            ("host.sessions_per_applet", host.sessions_per_applet, "host.sessions", host.sessions),
            ("host.sessions_per_tenant", host.sessions_per_tenant, "host.sessions", host.sessions),
            ("host.instances_per_applet", host.instances_per_applet, "host.instances", host.instances),
            ("execution.row_bytes", execution.row_bytes, "execution.result_bytes", execution.result_bytes),
            (
                "execution.result_bytes",
                execution.result_bytes,
                "execution.invocation_result_bytes",
                execution.invocation_result_bytes,
            ),
        ]
        .into_iter()
        .filter(|(_, part, _, whole)| part > whole)
        .map(|(name, part, whole_name, whole)| {
            let message = format!("`{part}` is more than `limits.{whole_name}`, which is {whole}");
            Problem::new(format!("limits.{name}"), message)
        })
        .collect()
    }
}

/// Section, name and value of each limit.
pub(super) fn flat(values: &Value) -> impl Iterator<Item = (&str, &str, u64)> {
    values.as_object().into_iter().flatten().flat_map(|(section, limits)| {
        let limits = limits.as_object().into_iter().flatten();
        limits.filter_map(move |(name, value)| Some((section.as_str(), name.as_str(), value.as_u64()?)))
    })
}
