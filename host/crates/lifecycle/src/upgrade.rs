//! Going from one version to another while hooks go on being answered (SPEC S4.32-35, F7).
//!
//! The installation stays what it is until the last moment: tables get what the new version needs beside
//! the old one's traffic, the new version's database role is made and checked with a twin tenant, the new
//! code's `on-upgrade` runs, and then version, grants and limits switch in one transaction. Whatever fails
//! before that leaves the old version answering; what was added to tables stays, for the next try.
//!
//! *Invariant:* code changes without a person's decision, rights never grow without one.

use std::collections::{BTreeMap, BTreeSet};

use applet_manifest::{Selection, ValidatedManifest};
use applet_plan::{GrantLine, GrantsDelta, Side};
use applet_store::{
    Applet, InstallationStatus, MAX_APPROVAL_VALIDITY, NewApproval, PlanKind, PlanState, StateChange,
};
use applet_types::{
    AppletId, Columns, Grants, Limits, Operation, PlanId, SqlName, TableGrant, Version, WorkspaceId,
};
use serde::Serialize;

use crate::approve::lowered;
use crate::planning::Installed;
use crate::submit::load;
use crate::{
    Decision, Event, FaultPoint, InstallReport, Lifecycle, LifecycleError, OpContext, Planned, Progress,
    transition,
};

/// How to upgrade.
#[derive(Debug, Clone, Default)]
pub struct UpgradeOptions {
    /// To which version; the one submitted last when `None`.
    pub to: Option<Version>,
    /// The policy: whether a person has to agree to every version. Otherwise one that asks for nothing new
    /// passes, because tables are only ever added to.
    pub require_approval: bool,
    /// Runs the new code under what is granted now, whatever else it asks for: it is told `not-granted`.
    pub keep_grants: bool,
}

/// What an upgrade did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpgradeReport {
    /// The version that ran before.
    pub from: Version,
    /// The version that runs now.
    pub to: Version,
    /// Whether that was the version already, and nothing was done.
    pub already: bool,
    /// Whether it passed by policy, without a person's approval.
    pub by_policy: bool,
    /// What the new version asks for and was not granted.
    pub withheld: Vec<GrantLine>,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<InstallReport>,
}

/// What a person has to decide before an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsentNeeded {
    /// The plan that waits.
    pub plan: PlanId,
    /// What it asks for that was never asked for before; empty when the policy alone asks.
    pub growth: Vec<GrantLine>,
}

impl std::fmt::Display for ConsentNeeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.growth.is_empty() {
            return f.write_str("upgrades need an admin's approval here: `applet approve`");
        }
        f.write_str("this version asks for more than the one that runs (")?;
        for (position, line) in self.growth.iter().enumerate() {
            write!(f, "{}{} `{}`", if position > 0 { ", " } else { "" }, line.operation, line.table)?;
        }
        f.write_str("); an admin of the tenant decides with `applet approve`")
    }
}

impl Lifecycle {
    /// Brings an installation to another version of its applet, or finishes an upgrade that was interrupted.
    /// Hooks go on being answered by the version before until the new one takes over.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::ConsentNeeded`] when a person has to decide first; why it cannot be done here; what
    /// failed. The version before goes on in every case.
    pub async fn upgrade(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        options: &UpgradeOptions,
        progress: &dyn Progress,
    ) -> Result<UpgradeReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        let installed = self.installed(&status).await?.ok_or(LifecycleError::NotInstalled)?;
        if let Some(operation) = self.unfinished(&status).await? {
            let done = self.resume_install(operation, ctx.request, progress).await?;
            return Ok(finished(installed.manifest.version(), done));
        }
        let package = self.parts.store.latest_applet(applet, options.to.as_ref()).await?;
        let package = package.ok_or(LifecycleError::NotFound("applet"))?;
        let from = installed.manifest.version().clone();
        if package.digest == installed.digest {
            return Ok(UpgradeReport {
                to: from.clone(),
                from,
                already: true,
                by_policy: false,
                withheld: withheld(&installed.grants),
                done: None,
            });
        }
        if options.to.is_none() && package.version < from {
            return Err(LifecycleError::OlderSubmittedLast { installed: from, latest: package.version });
        }
        let mut planned = self.plan(ctx, workspace, applet, Some(&package.version)).await?;
        if options.keep_grants && planned.record.state == PlanState::Approved {
            // What was approved grants more than is wanted now.
            let change = StateChange { from: status.state, to: transition(status.state, Event::Plan)? };
            self.parts.store.void_plan(ctx.tenant, status.id, change).await?;
            planned = self.plan(ctx, workspace, applet, Some(&package.version)).await?;
        }
        // Submitted anew between the two looks.
        if planned.record.applet_digest != package.digest {
            return Err(LifecycleError::Held);
        }
        if planned.record.state == PlanState::Approved {
            let done = self.install_approved(ctx, &status, progress).await?;
            return Ok(finished(&from, done));
        }
        let done = self.by_policy(ctx, &status, &installed, &package, &planned, options, progress).await?;
        Ok(UpgradeReport { by_policy: true, ..finished(&from, done) })
    }

    /// Goes back to the version that ran before this one, or to the one named. What newer versions have
    /// added to tables stays, so it is always possible while the tables are there.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NoVersionBefore`]; as [`Lifecycle::upgrade`].
    pub async fn rollback(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        options: &UpgradeOptions,
        progress: &dyn Progress,
    ) -> Result<UpgradeReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        let installed = self.installed(&status).await?.ok_or(LifecycleError::NotInstalled)?;
        let to = match &options.to {
            Some(version) => version.clone(),
            None => self.version_before(&status, &installed).await?,
        };
        if to >= *installed.manifest.version() {
            return Err(LifecycleError::NoVersionBefore);
        }
        let options = UpgradeOptions { to: Some(to), ..options.clone() };
        self.upgrade(ctx, workspace, applet, &options, progress).await
    }

    async fn version_before(
        &self,
        status: &InstallationStatus,
        installed: &Installed,
    ) -> Result<Version, LifecycleError> {
        for digest in self.parts.store.packages_run(status.tenant, status.id).await? {
            let package = self.parts.store.applet(digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
            if package.version < *installed.manifest.version() {
                return Ok(package.version);
            }
        }
        Err(LifecycleError::NoVersionBefore)
    }

    #[expect(clippy::too_many_arguments, reason = "what the caller has looked up already")]
    async fn by_policy(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
        installed: &Installed,
        package: &Applet,
        planned: &Planned,
        options: &UpgradeOptions,
        progress: &dyn Progress,
    ) -> Result<InstallReport, LifecycleError> {
        let offer = installed.offer(package, &planned.manifest).ok_or(LifecycleError::Held)?;
        let growth = if options.keep_grants { Vec::new() } else { offer.growth };
        if options.require_approval || !growth.is_empty() {
            let needed = ConsentNeeded { plan: planned.record.id, growth };
            return Err(LifecycleError::ConsentNeeded(Box::new(needed)));
        }
        let limits = self.carried_limits(status, installed, &planned.manifest).await?;
        let change = StateChange { from: status.state, to: transition(status.state, Event::Start)? };
        self.pass(FaultPoint::UpgradeChecked)?;
        let new = NewApproval {
            tenant: ctx.tenant,
            installation: status.id,
            plan: planned.record.id,
            actor: ctx.user(),
            grants: &offer.carried,
            limits: &limits,
            valid_for: MAX_APPROVAL_VALIDITY,
        };
        let redeemed = self.parts.store.redeem_by_policy(&new, change).await?;
        let (plan, lease) = redeemed.ok_or(LifecycleError::Held)?;
        self.pass(FaultPoint::UpgradeRedeemed)?;
        self.apply(plan, lease, ctx.request, progress, false).await
    }

    /// The new version's limits; what an admin has lowered stays lowered.
    async fn carried_limits(
        &self,
        status: &InstallationStatus,
        installed: &Installed,
        manifest: &ValidatedManifest,
    ) -> Result<Limits, LifecycleError> {
        let wanted = manifest.limits(&self.parts.limits);
        let held_to = self.parts.store.installed_limits(status).await?;
        Ok(match held_to {
            Some(held_to) if held_to != installed.manifest.limits(&self.parts.limits) => {
                lowered(&wanted, Some(&held_to))
            }
            Some(_) | None => wanted,
        })
    }

    /// What approving a plan with this decision would change in what the applet may do.
    ///
    /// # Errors
    ///
    /// As [`Lifecycle::approve`]; nothing is kept.
    pub async fn consent(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        decision: &Decision,
    ) -> Result<GrantsDelta, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        let decided = self.decided(ctx, &status, decision).await?;
        let old = decided.installed.as_ref().map(Installed::side);
        Ok(GrantsDelta::between(old, Side { manifest: &decided.manifest, grants: &decided.grants }))
    }

    /// What a decision grants.
    pub(crate) async fn decided(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
        decision: &Decision,
    ) -> Result<Decided, LifecycleError> {
        let plan = self.parts.store.plan(ctx.tenant, decision.plan).await?;
        let plan = plan
            .filter(|plan| plan.installation == status.id)
            .ok_or(LifecycleError::NotFound("plan that waits for approval"))?;
        let package = self.parts.store.applet(plan.applet_digest).await?;
        let package = package.ok_or(LifecycleError::NotFound("applet"))?;
        let manifest = load(&package.manifest)?;
        let installed = self.installed(status).await?;
        let mut admin = self.admin().await?;
        let catalog = self.read_catalog(&mut admin).await?.catalog;
        admin.close().await?;
        let columns = |table: &SqlName| {
            let columns = &catalog.table(table)?.columns;
            Some(columns.iter().map(|column| column.name.clone()).collect::<BTreeSet<_>>())
        };
        if plan.kind == PlanKind::Uninstall {
            // Nothing is granted to what goes.
            return Ok(Decided { manifest, installed, grants: Grants::builder().build() });
        }
        let offer = installed.as_ref().and_then(|installed| installed.offer(&package, &manifest));
        let grants = match offer {
            None => manifest.select(&decision.selection, &columns)?,
            Some(offer) => {
                let only = |selection: Selection| manifest.select(&selection, &columns);
                let denied = only(Selection { grant: None, deny: decision.selection.deny.clone() })?;
                let base = match &decision.selection.grant {
                    None => offer.whole,
                    // What was granted before is not in question; of what is new, these.
                    Some(grants) => {
                        let picked = only(Selection { grant: Some(grants.clone()), deny: Vec::new() })?;
                        manifest.seal_within(combined(&offer.carried, &picked, union))
                    }
                };
                manifest.seal_within(combined(&base, &denied, both))
            }
        };
        Ok(Decided { manifest, installed, grants })
    }
}

/// A decision, worked out.
pub(crate) struct Decided {
    pub(crate) manifest: ValidatedManifest,
    installed: Option<Installed>,
    pub(crate) grants: Grants,
}

fn finished(from: &Version, done: InstallReport) -> UpgradeReport {
    UpgradeReport {
        from: from.clone(),
        to: done.version.clone(),
        already: false,
        by_policy: false,
        withheld: done.withheld.clone(),
        done: Some(done),
    }
}

const PARTS: [Operation; 4] = [Operation::Read, Operation::Insert, Operation::Update, Operation::HardDelete];

/// What is asked for and not granted, column by column where that can be told.
pub(crate) fn withheld(grants: &Grants) -> Vec<GrantLine> {
    let mut lines = Vec::new();
    // An own table is listed under the name that it is declared with as well.
    let declared: BTreeSet<_> = grants.own_tables().map(|(declared, _)| declared).collect();
    for (table, asked) in grants.withheld().filter(|(table, _)| !declared.contains(table)) {
        for operation in PARTS {
            let Some(wanted) = asked.part(operation) else { continue };
            let granted = grants.table(table).and_then(|grant| grant.part(operation));
            let columns = match (wanted, granted) {
                (wanted, Some(granted)) if granted.covers(&wanted) => continue,
                (Columns::Only(wanted), Some(Columns::Only(granted))) => {
                    Some(wanted.difference(&granted).cloned().collect())
                }
                (Columns::Only(wanted), _) => Some(wanted.into_iter().collect()),
                (Columns::All, _) => None,
            };
            lines.push(GrantLine { table: table.clone(), operation, columns });
        }
    }
    lines
}

type Merge = fn(Option<Columns>, Option<Columns>) -> Option<Columns>;

fn union(a: Option<Columns>, b: Option<Columns>) -> Option<Columns> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.union(&b)),
        (a, b) => a.or(b),
    }
}

fn both(a: Option<Columns>, b: Option<Columns>) -> Option<Columns> {
    Some(a?.intersect(&b?))
}

/// Two sets, operation by operation.
fn combined(a: &Grants, b: &Grants, merge: Merge) -> BTreeMap<SqlName, TableGrant> {
    let names: BTreeSet<_> = a.tables().chain(b.tables()).map(|(name, _)| name).collect();
    let mut merged = BTreeMap::new();
    for name in names {
        let part = |grants: &Grants, operation| grants.table(name).and_then(|grant| grant.part(operation));
        let mut grant = TableGrant::default();
        for operation in PARTS {
            grant.set_part(operation, merge(part(a, operation), part(b, operation)));
        }
        merged.insert(name.clone(), grant);
    }
    merged
}
