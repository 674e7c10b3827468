//! The audit trail.

use serde::{Deserialize, Serialize};

/// Recording. `--audit-strict` and `APPLET_AUDIT_STRICT` override it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Answer reads and refusals only once they are recorded durably (SPEC Decision 9).
    pub strict: bool,
}
