//! The steps of an installation. Each is announced, done so that doing it again changes nothing, and then
//! recorded; tables are recorded in the very transaction that makes them.
//!
//! After a crash every step is looked at again. Tables and the second wall are compared with the database
//! even when they are recorded; the twin-tenant check and the applet's hook are not repeated once they are
//! recorded. A hook that had answered when the host died before recording it is called again.

use std::sync::Arc;
use std::time::Duration;

use applet_catalog::Catalog;
use applet_datasource::locks::{self, Lock};
use applet_datasource::twin::{self, TwinReport};
use applet_datasource::wall::{self, Preparation, Purpose};
use applet_datasource::{Admin, ddl};
use applet_manifest::{LifecycleHook, ValidatedManifest};
use applet_plan::{Plan, StepKind};
use applet_store::{Applet, ApprovalRefusal, ApprovedPlan, OperationLease, StepToken};
use applet_types::{Actor, Budget, HookCall, Invocation, RequestId, SqlName, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admission::Asked;
use crate::planning::{compute, offered};
use crate::submit::load;
use crate::upgrade::withheld;
use crate::{FaultPoint, HookOutcome, InstallReport, Lifecycle, LifecycleError, Progress, TableOutcome};

const TWIN: &str = "check with a twin tenant that nothing of others can be seen";

/// One operation being worked on.
pub(crate) struct Work<'a> {
    pub(crate) lifecycle: &'a Lifecycle,
    pub(crate) plan: ApprovedPlan,
    pub(crate) lease: OperationLease,
    progress: &'a dyn Progress,
    /// The step that is being done.
    pub(crate) step: u32,
    /// How many the plan itself names; the twin-tenant check and the hook follow them.
    named: u32,
    /// How many there are in all.
    steps: u32,
}

/// What is being installed, as it is kept now.
struct Target {
    package: Applet,
    manifest: ValidatedManifest,
    /// The steps for what was granted; part of the steps that were approved.
    granted: Plan,
}

/// What is recorded of the second wall.
#[derive(Debug, Serialize, Deserialize)]
struct WallRecord {
    role: String,
    missing: Vec<SqlName>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        lifecycle: &'a Lifecycle,
        plan: ApprovedPlan,
        lease: OperationLease,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { lifecycle, plan, lease, progress, step: 0, named: 0, steps: 0 }
    }

    /// Does everything but becoming active.
    pub(crate) async fn run(&mut self, request: RequestId) -> Result<InstallReport, LifecycleError> {
        let mut admin = self.lifecycle.admin().await?;
        ddl::apply(&mut admin, &[self.lease.step(0).working_statement()]).await?;
        // One change of applets' tables at a time, so that what is read stays true until it is changed.
        locks::acquire(&mut admin, Lock::ApplyPlan).await?;
        let mut catalog = self.lifecycle.read_catalog(&mut admin).await?.catalog;
        let target = self.target(&catalog, request).await?;
        self.come_back(&mut admin, &target.granted).await?;
        if self.adjust(&mut admin, &target.granted, &catalog).await? {
            catalog = self.lifecycle.read_catalog(&mut admin).await?.catalog;
        }
        let tables = if target.granted.from().is_some() {
            self.changes(&mut admin, &target.granted, &catalog).await?
        } else {
            self.tables(&mut admin, &target.granted, &catalog).await?
        };
        self.indexes(&mut admin, &target.granted, &catalog).await?;
        locks::release(&mut admin, Lock::ApplyPlan).await?;
        let catalog = self.lifecycle.read_catalog(&mut admin).await?.catalog;
        let wall = self.wall(&mut admin, &catalog).await?;
        let twin = self.twin(&mut admin, &catalog, &wall.role).await?;
        admin.close().await?;
        let hook = self.hook(&target, request).await?;
        Ok(InstallReport {
            operation: self.plan.operation(),
            installation: self.plan.installation(),
            applet: self.plan.applet().clone(),
            from: target.granted.from().cloned(),
            version: target.package.version,
            resumed: false,
            restored: self.lifecycle.parts.store.has_restored(self.plan.operation()).await?,
            tables,
            role: wall.role,
            missing: wall.missing.iter().map(SqlName::to_string).collect(),
            withheld: withheld(self.plan.grants()),
            twin,
            hook,
        })
    }

    /// What was approved, compared with what is there now: the package by its digest and the operator's policy,
    /// the database by the plan that it leads to.
    async fn target(&mut self, catalog: &Catalog, request: RequestId) -> Result<Target, LifecycleError> {
        let store = &self.lifecycle.parts.store;
        let package = store.applet(self.plan.applet_digest()).await?;
        let package = package.ok_or(LifecycleError::NotFound("applet"))?;
        self.lifecycle.admit(Asked::to_apply(&self.plan, request), &package).await?;
        let manifest = load(&package.manifest)?;
        let status =
            store.installation(self.plan.tenant(), self.plan.workspace(), self.plan.applet()).await?;
        let status = status.ok_or(LifecycleError::NotFound("installation"))?;
        let installed = self.lifecycle.installed(&status).await?;
        let offered = offered(installed.as_ref(), &package, &manifest);
        let approved = compute(installed.as_ref(), &manifest, &offered, catalog)?;
        if approved.digest() != self.plan.plan_digest() {
            return Err(ApprovalRefusal::Void.into());
        }
        let granted = compute(installed.as_ref(), &manifest, self.plan.grants(), catalog)?;
        self.named = u32::try_from(granted.steps().len()).unwrap_or(u32::MAX);
        self.steps = self.named + 1 + u32::from(hook_call(&granted, &manifest).is_some());
        Ok(Target { package, manifest, granted })
    }

    /// The applet's own tables and their foreign keys, in one transaction with their records (S4.29, S4.30).
    async fn tables(
        &mut self,
        admin: &mut Admin,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<Vec<TableOutcome>, LifecycleError> {
        let (mut claims, mut records, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        let mut recorded = true;
        for (step, what) in (0..).zip(plan.steps()) {
            if matches!(what.kind(), StepKind::GrantRole { .. }) {
                continue;
            }
            let before = self.announce(step, what.summary()).await?;
            recorded &= before.is_some();
            let created = before
                .map_or(!what.is_done(catalog), |result| result.get("created") == Some(&Value::Bool(true)));
            if let StepKind::EnsureTable { table } = what.kind() {
                claims.push(StepToken::claim_statement(table, self.plan.applet()));
                outcomes.push(TableOutcome { table: table.to_string(), created });
            }
            records.push(self.lease.step(step).finish_statement(created));
        }
        self.lifecycle.pass(FaultPoint::TablesAnnounced)?;
        let pending = plan.pending(catalog);
        if !pending.is_empty() {
            // The tables come with their policies, which name a role that a new database does not have yet.
            wall::prepare_database(admin, &self.lifecycle.parts.catalog).await?;
        }
        if !(recorded && pending.is_empty()) {
            let changes = pending.iter().map(|statement| statement.sql().to_owned());
            let all: Vec<String> = claims.into_iter().chain(changes).chain(records).collect();
            ddl::apply(admin, &all).await?;
        }
        self.lifecycle.pass(FaultPoint::TablesRecorded)?;
        Ok(outcomes)
    }

    /// The role of exactly what was granted, and row security on every tenant's table.
    async fn wall(&mut self, admin: &mut Admin, catalog: &Catalog) -> Result<WallRecord, LifecycleError> {
        let step = self.named.saturating_sub(1);
        self.announce(step, "raise the second wall: the database role with exactly these rights").await?;
        self.lifecycle.pass(FaultPoint::WallAnnounced)?;
        let preparation = Preparation {
            applet: self.plan.applet(),
            grants: self.plan.grants(),
            catalog,
            options: &self.lifecycle.parts.catalog,
            bypass: false,
            purpose: Purpose::Installation,
        };
        let prepared = wall::prepare(admin, &preparation).await?;
        self.lifecycle.pass(FaultPoint::WallRaised)?;
        let record = WallRecord { role: prepared.login.role, missing: prepared.missing };
        self.lease.finish_step(step, &json(&record)).await?;
        self.lifecycle.pass(FaultPoint::WallRecorded)?;
        Ok(record)
    }

    /// The twin-tenant check (F2). A leak ends the installation.
    async fn twin(
        &mut self,
        admin: &mut Admin,
        catalog: &Catalog,
        role: &str,
    ) -> Result<TwinReport, LifecycleError> {
        let step = self.named;
        let before = self.announce(step, TWIN).await?;
        if let Some(report) = before.and_then(|result| serde_json::from_value(result).ok()) {
            return Ok(report);
        }
        self.lifecycle.pass(FaultPoint::TwinAnnounced)?;
        let report = twin::check(admin, role, self.plan.tenant(), catalog, self.plan.grants()).await?;
        if !report.holds() {
            return Err(LifecycleError::Leak(report));
        }
        self.lifecycle.pass(FaultPoint::TwinChecked)?;
        self.lease.finish_step(step, &json(&report)).await?;
        self.lifecycle.pass(FaultPoint::TwinRecorded)?;
        Ok(report)
    }

    /// The applet's own hook, if it has one for this.
    async fn hook(&mut self, target: &Target, request: RequestId) -> Result<HookOutcome, LifecycleError> {
        let call = match self.left_version(&target.granted).await? {
            Some(left) => restored_call(&left, &target.manifest),
            None => hook_call(&target.granted, &target.manifest),
        };
        let Some(call) = call else { return Ok(HookOutcome::None) };
        let step = self.named + 1;
        if self.announce(step, "call the applet's own hook").await?.is_some() {
            return Ok(HookOutcome::Called);
        }
        self.lifecycle.pass(FaultPoint::HookAnnounced)?;
        let invocation = self.invocation(target, request);
        self.lifecycle.call_known(target.package.component, invocation, call).await?;
        self.lifecycle.pass(FaultPoint::HookAnswered)?;
        self.lease.finish_step(step, &Value::Null).await?;
        self.lifecycle.pass(FaultPoint::HookRecorded)?;
        Ok(HookOutcome::Called)
    }

    fn invocation(&self, target: &Target, request: RequestId) -> Invocation {
        // What was approved, and no more than the operator gives now (SPEC S4.60).
        let limits = self.plan.limits().lowered_to(&self.lifecycle.parts.limits);
        Invocation {
            request,
            tenant: self.plan.tenant(),
            workspace: self.plan.workspace(),
            applet: self.plan.applet().clone(),
            version: target.package.version.clone(),
            installation: self.plan.installation(),
            actor: Actor::Platform,
            locale: "en".to_owned(),
            grants: Arc::clone(self.plan.grants()),
            deadline: (self.lifecycle.parts.now)() + Duration::from_millis(limits.execution.wall_ms),
            limits: Arc::new(limits),
            variables: Arc::new(target.manifest.variables().clone()),
            budget: Arc::new(Budget::default()),
        }
    }

    pub(crate) async fn announce(&mut self, step: u32, what: &str) -> Result<Option<Value>, LifecycleError> {
        self.step = step;
        self.progress.step(step + 1, self.steps, what);
        Ok(self.lease.announce(step, what).await?)
    }
}

/// The hook that goes with a plan: of an install, or of a change of version.
fn hook_call(plan: &Plan, manifest: &ValidatedManifest) -> Option<HookCall> {
    match plan.from() {
        None => manifest.hooks().has(LifecycleHook::OnInstall).then_some(HookCall::Install),
        // A version knows nothing of later ones.
        Some(from) if from >= plan.version() => None,
        Some(from) => {
            let listed = manifest.hooks().has(LifecycleHook::OnUpgrade);
            listed.then(|| HookCall::Upgrade { from: from.clone() })
        }
    }
}

/// The hook of an installation that found its rows as another version, or this one, had left them: it is not
/// installed once more.
fn restored_call(left: &Version, manifest: &ValidatedManifest) -> Option<HookCall> {
    let upgrades = left < manifest.version() && manifest.hooks().has(LifecycleHook::OnUpgrade);
    upgrades.then(|| HookCall::Upgrade { from: left.clone() })
}

/// Plain structs of strings and numbers: serialising cannot fail.
fn json(record: &impl Serialize) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}
