//! What can go wrong on the way from a package to an active installation.

use applet_datasource::twin::TwinReport;
use applet_manifest::{SelectionError, Violations};
use applet_package::{PackageFault, PolicyRefusal};
use applet_plan::PlanRefusal;
use applet_store::{ApprovalRefusal, StoreError};
use applet_types::{ErrorCode, ErrorGroup, Failure, HookError, Version};
use chrono::{DateTime, Utc};

use crate::{ConsentNeeded, IllegalTransition, InjectedFault};

/// Why an operation was refused or failed. `Display` is fit for an admin of the tenant; what only the
/// operator may read is in [`LifecycleError::operator_detail`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// Does not exist, or belongs to another tenant.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Takes an admin of the tenant.
    #[error("only an admin of the tenant can do this")]
    NotAdmin,
    /// The manifest is invalid; all violations.
    #[error("the manifest is invalid:\n{0}")]
    Manifest(Violations),
    /// The package cannot be used as it is, or a signature is not one over it.
    #[error(transparent)]
    Package(#[from] PackageFault),
    /// The operator's policy does not let it in.
    #[error(transparent)]
    Policy(#[from] PolicyRefusal),
    /// The package carries other files than the manifest lists (SPEC S4x.11).
    #[error("{}", other_files(.missing, .unlisted))]
    Assets {
        /// Listed, and not there.
        missing: Vec<String>,
        /// There, and not listed.
        unlisted: Vec<String>,
    },
    /// The component cannot be used.
    #[error("the component cannot be used: {0}")]
    Component(Failure),
    /// The manifest lists hooks that the component does not export (SPEC S4x.8).
    #[error("the manifest lists hooks that the component does not export: {}", .0.join(", "))]
    HooksMissing(Vec<String>),
    /// The plan cannot be made.
    #[error("it cannot be installed here: {0}")]
    Refused(PlanRefusal),
    /// A plan that was made could not be written down.
    #[error("the plan cannot be kept: {0}")]
    Plan(String),
    /// The admin's selection does not match what is requested.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The approval cannot be used.
    #[error(transparent)]
    Approval(#[from] ApprovalRefusal),
    /// Makes no sense now.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// A version asks for more than was granted, or the policy wants a person's word.
    #[error("{0}")]
    ConsentNeeded(Box<ConsentNeeded>),
    /// There is nothing to upgrade.
    #[error("it is not installed here: `applet plan`, `applet approve` and `applet install` come first")]
    NotInstalled,
    /// Nothing to go back to.
    #[error("no earlier version has run here; name an earlier one that was submitted with `--to`")]
    NoVersionBefore,
    /// Going back by accident.
    #[error(
        "version {latest} was submitted last and is older than {installed}, which runs; say `--to {latest}` or `applet rollback`"
    )]
    OlderSubmittedLast {
        /// What runs.
        installed: Version,
        /// What was submitted last.
        latest: Version,
    },
    /// Another process works on this installation.
    #[error("another process is working on this installation")]
    Held,
    /// A physical table name belongs to another applet (SPEC S4.20).
    #[error("a table name of this applet belongs to another applet; rename the table")]
    NameTaken,
    /// The second wall is open somewhere.
    #[error("the twin-tenant check found a leak; nothing was activated")]
    Leak(TwinReport),
    /// The applet's own hook failed.
    #[error("the applet's own hook: {0}")]
    Hook(HookError),
    /// The shared database refused; the operator's log says why.
    #[error("{}", unprepared(.0))]
    Database(applet_datasource::Error),
    /// The host's metadata.
    #[error(transparent)]
    Store(StoreError),
    /// Nothing of the applet is here that could be taken away.
    #[error("nothing of this applet is left to uninstall here")]
    NothingToUninstall,
    /// Uninstalled already, its rows are kept.
    #[error(
        "it is uninstalled already, and its rows are kept until {}: `applet plan` and `applet install` bring them back, `applet uninstall --mode hard` deletes them now",
        .0.format("%Y-%m-%d %H:%M UTC")
    )]
    AlreadyRetired(DateTime<Utc>),
    /// The operation that was left unfinished is of another kind.
    #[error("an unfinished {0} has to be finished or given up first: `applet {0}` does that")]
    OtherOperation(&'static str),
    /// An export was approved and nobody said where to.
    #[error("an export needs a folder to write to: `--out DIR`")]
    ExportNeedsFolder,
    /// The folder cannot be used.
    #[error("the folder `{folder}` cannot be used: {reason}")]
    ExportFolder {
        /// Which.
        folder: String,
        /// Why.
        reason: String,
    },
    /// What is in the files is not what was written; nothing was deleted.
    #[error("an exported file is not what was written: {0}; nothing was deleted")]
    ExportDamaged(String),
    /// Rows changed each time they were exported; nothing was deleted.
    #[error("rows changed while they were exported; nothing was deleted; try again")]
    ExportStale,
    /// A test asked for it.
    #[error(transparent)]
    Fault(#[from] InjectedFault),
}

impl LifecycleError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not-found",
            Self::NotAdmin => "not-admin",
            Self::Manifest(_) => ErrorCode::ManifestInvalid.as_str(),
            Self::Package(fault) => fault.code(),
            Self::Policy(refusal) => refusal.code(),
            Self::Assets { .. } => "assets-differ",
            Self::Component(failure) => failure.code.as_str(),
            Self::HooksMissing(_) => "hook-not-exported",
            Self::Refused(_) | Self::Plan(_) => "plan-impossible",
            Self::Selection(_) => "not-requested",
            Self::Approval(refusal) => refusal.as_str(),
            Self::Illegal(_) => "illegal-transition",
            Self::ConsentNeeded(_) => "approval-missing",
            Self::NotInstalled => "not-installed",
            Self::NoVersionBefore | Self::OlderSubmittedLast { .. } => "version-order",
            Self::Held => "held",
            Self::NameTaken => "name-taken",
            Self::Leak(_) => "twin-check-failed",
            Self::Hook(HookError::Host(failure)) => failure.code.as_str(),
            Self::Hook(HookError::Applet { .. } | HookError::NoSuchHook(_)) => "hook-failed",
            Self::Database(_) => ErrorCode::DatabaseUnavailable.as_str(),
            Self::Store(error) => error.code().as_str(),
            Self::NothingToUninstall => "not-installed",
            Self::AlreadyRetired(_) => "already-retired",
            Self::OtherOperation(_) => "other-operation",
            Self::ExportNeedsFolder | Self::ExportFolder { .. } => "export-folder",
            Self::ExportDamaged(_) => "export-damaged",
            Self::ExportStale => "export-stale",
            Self::Fault(_) => ErrorCode::Internal.as_str(),
        }
    }

    /// The HTTP status it is reported with. Another tenant's resource is 404, never 403.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::NotFound(_) | Self::NothingToUninstall => 404,
            Self::NotAdmin | Self::Policy(_) => 403,
            Self::Manifest(_)
            | Self::Package(_)
            | Self::Assets { .. }
            | Self::HooksMissing(_)
            | Self::Refused(_)
            | Self::Plan(_)
            | Self::Selection(_)
            | Self::ExportNeedsFolder
            | Self::ExportFolder { .. } => 422,
            Self::Component(failure) | Self::Hook(HookError::Host(failure)) => failure.code.http_status(),
            Self::Hook(HookError::Applet { .. } | HookError::NoSuchHook(_)) => 422,
            Self::Approval(_)
            | Self::Illegal(_)
            | Self::Held
            | Self::NameTaken
            | Self::AlreadyRetired(_)
            | Self::OtherOperation(_)
            | Self::ExportStale
            | Self::ConsentNeeded(_)
            | Self::NotInstalled
            | Self::NoVersionBefore
            | Self::OlderSubmittedLast { .. } => 409,
            Self::Leak(_) | Self::Fault(_) | Self::ExportDamaged(_) => 500,
            Self::Database(_) => 503,
            Self::Store(error) => error.code().http_status(),
        }
    }

    /// What only the operator may read: it can carry the database's own words.
    pub fn operator_detail(&self) -> Option<String> {
        match self {
            Self::Database(error) => Some(error.to_string()),
            _ => None,
        }
    }

    /// Whether the same operation may succeed when it is resumed as it is. Anything else needs a change
    /// by somebody, and so a new plan or package.
    pub const fn resumable(&self) -> bool {
        match self {
            Self::Database(_)
            | Self::Fault(_)
            | Self::Held
            | Self::ExportNeedsFolder
            | Self::ExportFolder { .. }
            | Self::ExportDamaged(_)
            | Self::ExportStale => true,
            Self::Store(error) => error.code().retryable(),
            // A hook that took too long would take as long again, and hold up the whole workspace.
            Self::Hook(HookError::Host(failure)) => match failure.code.group() {
                ErrorGroup::Timeout => false,
                _ => failure.code.retryable(),
            },
            Self::NotFound(_)
            | Self::NotAdmin
            | Self::Manifest(_)
            | Self::Package(_)
            | Self::Policy(_)
            | Self::Assets { .. }
            | Self::Component(_)
            | Self::HooksMissing(_)
            | Self::Refused(_)
            | Self::Plan(_)
            | Self::Selection(_)
            | Self::Approval(_)
            | Self::Illegal(_)
            | Self::NameTaken
            | Self::NothingToUninstall
            | Self::AlreadyRetired(_)
            | Self::OtherOperation(_)
            | Self::ConsentNeeded(_)
            | Self::NotInstalled
            | Self::NoVersionBefore
            | Self::OlderSubmittedLast { .. }
            | Self::Leak(_)
            | Self::Hook(HookError::Applet { .. } | HookError::NoSuchHook(_)) => false,
        }
    }

    /// What is kept in the operation's record, for people.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Component(failure) | Self::Hook(HookError::Host(failure)) => failure.clone(),
            Self::Database(_) => Failure::new(ErrorCode::DatabaseUnavailable, self.to_string()),
            Self::Store(error) => Failure::new(error.code(), self.to_string()),
            Self::Manifest(_) | Self::HooksMissing(_) => {
                Failure::new(ErrorCode::ManifestInvalid, self.to_string())
            }
            Self::Policy(_) | Self::Package(_) => Failure::new(ErrorCode::NotGranted, self.to_string()),
            _ => Failure::new(ErrorCode::Internal, self.to_string()),
        }
    }
}

fn other_files(missing: &[String], unlisted: &[String]) -> String {
    let named =
        |files: &[String]| files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!(
            "`assets` of the manifest lists {}, which the package does not carry",
            named(missing)
        ));
    }
    if !unlisted.is_empty() {
        said.push(format!("the package carries {}, which the manifest does not list", named(unlisted)));
    }
    said.join("; ")
}

/// What an admin is told: only what somebody can do about it.
fn unprepared(error: &applet_datasource::Error) -> String {
    match error {
        applet_datasource::Error::NotAdopted => error.to_string(),
        _ => "the database refused to be prepared".to_owned(),
    }
}

impl From<applet_datasource::Error> for LifecycleError {
    fn from(error: applet_datasource::Error) -> Self {
        // Raised by the functions of schema `applet_host` inside a transaction of the tables' own.
        if let applet_datasource::Error::Statement { answer, .. } = &error {
            match answer.code.as_deref() {
                Some("AH001") => return Self::Store(StoreError::Fenced),
                Some("AH002") => return Self::NameTaken,
                Some(_) | None => {}
            }
        }
        tracing::error!(%error, "the shared database refused");
        Self::Database(error)
    }
}

impl From<StoreError> for LifecycleError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NameTaken => Self::NameTaken,
            other => Self::Store(other),
        }
    }
}
