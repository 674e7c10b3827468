//! An applet's way from a package to answered hooks and on to its next version: submit, plan, approve,
//! install, upgrade, switch off and on.
//!
//! *Invariants:* this is the only crate that applies an [`applet_store::ApprovedPlan`]. Everything that takes several
//! steps is written down before it is done (intent), done so that doing it again changes nothing, and then
//! marked done; [`Lifecycle::resume`] finishes what a killed host has left. What is applied is what was
//! approved: package, plan and database are compared again just before.
//!
//! Start reading at [`Lifecycle`], then `install.rs`; [`transition`] is the state machine.

mod admission;
mod approve;
mod changes;
mod context;
mod departure;
mod error;
mod export;
mod faults;
mod hidden;
mod install;
mod planning;
mod progress;
mod purge;
mod report;
mod retire;
mod state;
mod steps;
mod submit;
mod switch;
mod uninstall;
mod upgrade;

use std::sync::Arc;
use std::time::Instant;

use applet_datasource::Admin;
use applet_datasource::catalog::{CatalogOptions, Reading};
use applet_store::Store;
use applet_types::{Applets, Limits, ManifestLimits, Secret};

pub use applet_datasource::twin::{TwinReport, TwinTable, TwinVerdict};
pub use applet_manifest::{GrantRef, Selection};
pub use applet_package::{AppletDigest, Asset, InstallPolicy, Package, Source};
pub use applet_plan::{Estimate, ExportFormat, Fate, GrantLine, GrantsDelta, RetireMode, UninstallPlan};
pub use approve::Decision;
pub use context::{OpContext, Standing};
pub use departure::{LeftTable, UninstallReport};
pub use error::LifecycleError;
pub use export::{ExportReport, ExportedTable};
pub use faults::{Fault, FaultPoint, Faults, InjectedFault, UnknownFault};
pub use planning::Planned;
pub use progress::{Progress, Silent};
pub use purge::{PurgeReport, PurgedRows, WaitingRows};
pub use report::{HookOutcome, InstallReport, SubmitReport, SwitchReport, TableOutcome};
pub use state::{Event, IllegalTransition, transition};
pub use uninstall::{Finished, PlannedUninstall};
pub use upgrade::{ConsentNeeded, UpgradeOptions, UpgradeReport};

/// What the lifecycle is put together from.
#[derive(Clone)]
pub struct Parts {
    /// The host's metadata.
    pub store: Store,
    /// The URL of an administrator of the shared database.
    pub admin_url: Secret,
    /// What is read of its catalogue.
    pub catalog: CatalogOptions,
    /// Runs components.
    pub applets: Arc<dyn Applets>,
    /// What every installation is held to unless its manifest or an admin lowers it.
    pub limits: Limits,
    /// How large a manifest that is submitted may be.
    pub manifests: ManifestLimits,
    /// What the operator lets onto the host.
    pub policy: InstallPolicy,
    /// The monotonic clock.
    pub now: fn() -> Instant,
    /// Faults to inject; none outside tests.
    pub faults: Faults,
}

/// Takes applets through their life.
#[derive(Clone)]
pub struct Lifecycle {
    parts: Parts,
}

impl Lifecycle {
    /// Puts it together. Nothing is touched.
    pub const fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The host's metadata.
    pub const fn store(&self) -> &Store {
        &self.parts.store
    }

    /// What every installation is held to, whatever was approved.
    pub const fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    async fn admin(&self) -> Result<Admin, LifecycleError> {
        Ok(Admin::connect(self.parts.admin_url.reveal()).await?)
    }

    /// The database as plans see it: tables that were put aside under the names that they get back.
    async fn read_catalog(&self, admin: &mut Admin) -> Result<Reading, LifecycleError> {
        let reading = applet_datasource::catalog::read(admin, &self.parts.catalog).await?;
        Ok(Reading { catalog: hidden::unhidden(&reading.catalog), ..reading })
    }

    fn pass(&self, point: FaultPoint) -> Result<(), LifecycleError> {
        Ok(self.parts.faults.pass(point)?)
    }
}
