//! Runs other people's applets next to your customers' data, in the process of your own platform.
//!
//! This is what the program `applet` does, as a library: applets are sandboxed WebAssembly components, an admin
//! of the tenant approves by digest what each may do, and every statement of an applet is rewritten for its
//! tenant and runs behind row-level security. Start reading at [`AppletHost`]; `host/docs/embedding.md` is the
//! guide for platforms: threads, shutdown, upgrades, what to put in front, and what is not covered.
//!
//! ```no_run
#![doc = include_str!("../examples/platform.rs")]
//! ```
//!
//! *Invariants:* the tenant of everything that is done is that of the [`Caller`] who is handed in, and nothing
//! that an applet, a manifest or a payload says can change it. Nothing is printed, no process is ended, and no
//! guest runs on a thread of the platform's.

mod builder;
mod call;
mod error;
mod host;
mod running;

pub use applet_lifecycle::{
    ConsentNeeded, Decision, GrantRef, HookOutcome, InstallReport, LifecycleError, Planned, PlannedUninstall,
    Selection, SubmitReport, SwitchReport, TableOutcome, UninstallReport, UpgradeOptions, UpgradeReport,
};
pub use applet_package::PackageFault;
pub use applet_plan::{ExportFormat, RetireMode};
pub use applet_store::{Approval, InstallationStatus, PlanState, State};
pub use applet_types::{
    AppletId, CallError, Caller, ErrorCode, Failure, HookError, HookName, PlanId, Role, TenantId, Usage,
    UserId, Version, WorkspaceId,
};
pub use applet_wiring::config::{LimitsConfig, PackagesConfig, Problem};
pub use applet_wiring::{Compiler, HostError, Notice};

pub use builder::Builder;
pub use call::{Answer, Call, CallFailure};
pub use error::Error;
pub use host::AppletHost;
