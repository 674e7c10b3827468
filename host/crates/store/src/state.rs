//! Where an installation stands.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The state of an applet in a workspace. Which state may follow which is the state machine's in
/// `applet-lifecycle`; the store only keeps it and compares it before it is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Known to the host, nothing asked of this workspace yet.
    Submitted,
    /// A plan was made.
    Planned,
    /// The plan was put before the tenant's admins.
    AwaitingApproval,
    /// An admin approved it.
    Approved,
    /// Its steps are being done.
    Applying {
        /// The step that is next.
        step: u32,
    },
    /// Its hooks can be called.
    Active,
    /// An admin switched it off; everything else is kept.
    Disabled,
    /// A step failed.
    Failed {
        /// Which.
        step: u32,
        /// Whether resuming makes sense.
        resumable: bool,
    },
    /// An admin refused it.
    Rejected,
    /// It is being taken away.
    Retiring,
    /// It is gone; its data are kept until then.
    Retired {
        /// When they are purged.
        until: DateTime<Utc>,
    },
}

impl State {
    /// The stable name, without details.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Planned => "planned",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Approved => "approved",
            Self::Applying { .. } => "applying",
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Failed { .. } => "failed",
            Self::Rejected => "rejected",
            Self::Retiring => "retiring",
            Self::Retired { .. } => "retired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
