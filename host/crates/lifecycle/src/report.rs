//! What operations report; all of it serialises to JSON.

use applet_datasource::twin::TwinReport;
use applet_package::{AppletDigest, PublicKey};
use applet_plan::GrantLine;
use applet_store::State;
use applet_types::{AppletId, ComponentDigest, InstallationId, OperationId, Version};
use serde::{Deserialize, Serialize};

/// What was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubmitReport {
    /// The applet.
    pub applet: AppletId,
    /// Its version.
    pub version: Version,
    /// What people call it.
    pub name: String,
    /// The digest that an approval is bound to.
    pub digest: AppletDigest,
    /// The component's digest.
    pub component: ComponentDigest,
    /// Interfaces that the component imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// Whose signatures it carries.
    pub signers: Vec<PublicKey>,
    /// Where it came from: `file`, or `oci://…`.
    pub source: String,
}

/// What an installation did (SPEC S4.31).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstallReport {
    /// The operation.
    pub operation: OperationId,
    /// The installation.
    pub installation: InstallationId,
    /// The applet.
    pub applet: AppletId,
    /// The version that ran before, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// Its version.
    pub version: Version,
    /// Whether this finished what another process had begun.
    pub resumed: bool,
    /// Whether rows came back that an earlier uninstall had left.
    pub restored: bool,
    /// Its own tables.
    pub tables: Vec<TableOutcome>,
    /// The database role that its statements run as.
    pub role: String,
    /// Granted tables that do not exist; nothing can be done with them.
    pub missing: Vec<String>,
    /// What it asks for and was not granted.
    pub withheld: Vec<GrantLine>,
    /// What the twin-tenant check found.
    pub twin: TwinReport,
    /// What the applet's own hook did.
    pub hook: HookOutcome,
}

/// What became of an own table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOutcome {
    /// Its physical name.
    pub table: String,
    /// Whether this installation created it; otherwise it was there, for other tenants.
    pub created: bool,
}

/// What became of the applet's own hook for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum HookOutcome {
    /// Its manifest lists none.
    None,
    /// It was called and succeeded.
    Called,
    /// It was called and failed, which changed nothing.
    Failed {
        /// The applet's or the host's words.
        reason: String,
    },
}

/// What switching an installation off or on did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwitchReport {
    /// Its state now.
    pub state: State,
    /// What the applet's own hook did.
    pub hook: HookOutcome,
}
