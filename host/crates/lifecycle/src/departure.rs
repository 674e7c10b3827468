//! The steps of an uninstall. Each is announced, done so that doing it again changes nothing, and then
//! recorded; rows are kept or deleted, and tables renamed or dropped, in the transaction of their record.
//!
//! *Invariant:* exported rows are deleted only in a transaction that has found exactly the rows that were
//! read back from the files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use applet_datasource::locks::{self, Lock};
use applet_datasource::own_rows::{self, Change, Changed, Content, OwnRows};
use applet_datasource::{Admin, ddl};
use applet_plan::{Fate, Others, RetireMode, UninstallPlan, drop_statement, fate, hide_statement};
use applet_store::{Applet, ApprovalRefusal, ApprovedPlan, OperationLease, State};
use applet_types::{
    Actor, AppletId, Budget, HookCall, InstallationId, Invocation, OperationId, RequestId, SqlName, TenantId,
    Version,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::export::{Export, ExportReport};
use crate::submit::load;
use crate::uninstall::{Standing, read_plan};
use crate::{FaultPoint, HookOutcome, Lifecycle, LifecycleError, Progress};

/// How often an export is made anew when rows have changed meanwhile.
const EXPORT_TRIES: u32 = 3;

const HOOK: u32 = 0;
const EXPORT: u32 = 1;
const TABLES: u32 = 2;
const ROLES: u32 = 3;
const STEPS: u32 = 4;

/// What an uninstall did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UninstallReport {
    /// The operation.
    pub operation: OperationId,
    /// The installation that is gone.
    pub installation: InstallationId,
    /// The applet.
    pub applet: AppletId,
    /// Its version.
    pub version: Version,
    /// What was to become of the rows.
    #[serde(flatten)]
    pub mode: RetireMode,
    /// Whether this finished what another process had begun.
    pub resumed: bool,
    /// The tenant's rows, table by table.
    pub tables: Vec<LeftTable>,
    /// Whether the rows stay in use in another workspace of the tenant.
    pub shared: bool,
    /// Until when they can be restored; `None` when there is nothing to restore.
    pub kept_until: Option<DateTime<Utc>>,
    /// What the applet's own last hook did.
    pub hook: HookOutcome,
    /// What was exported.
    pub export: Option<ExportReport>,
    #[serde(skip)]
    pub(crate) keeps: bool,
}

/// What became of a tenant's rows in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftTable {
    /// The table's physical name.
    pub table: SqlName,
    /// How many rows were kept or deleted.
    pub rows: u64,
    /// What became of the table itself. For the operator: it depends on other tenants.
    #[serde(skip_serializing)]
    #[serde(default = "stays")]
    pub fate: Fate,
}

const fn stays() -> Fate {
    Fate::Stays
}

/// One uninstall being worked on.
pub(crate) struct Departure<'a> {
    lifecycle: &'a Lifecycle,
    approved: ApprovedPlan,
    plan: UninstallPlan,
    pub(crate) lease: OperationLease,
    out: Option<&'a Path>,
    progress: &'a dyn Progress,
    /// The step that is being done.
    pub(crate) step: u32,
}

impl<'a> Departure<'a> {
    pub(crate) fn new(
        lifecycle: &'a Lifecycle,
        approved: ApprovedPlan,
        lease: OperationLease,
        out: Option<&'a Path>,
        progress: &'a dyn Progress,
    ) -> Result<Self, LifecycleError> {
        let plan = read_plan(approved.content())?;
        Ok(Self { lifecycle, approved, plan, lease, out, progress, step: 0 })
    }

    fn exports(&self) -> bool {
        matches!(self.plan.mode(), RetireMode::Export { .. }) && !self.plan.shared()
    }

    /// Does everything but becoming retired. `None` when only whoever knows the folder can go on.
    pub(crate) async fn run(
        &mut self,
        request: RequestId,
    ) -> Result<Option<UninstallReport>, LifecycleError> {
        let left = self.recorded(TABLES).await?;
        if self.exports() && left.is_none() && self.out.is_none() {
            return Ok(None);
        }
        let package = self.lifecycle.parts.store.applet(self.approved.applet_digest()).await?;
        let package = package.ok_or(LifecycleError::NotFound("applet"))?;
        let hook = self.hook(&package, request).await?;
        let mut admin = self.lifecycle.admin().await?;
        ddl::apply(&mut admin, &[self.lease.step(TABLES).working_statement()]).await?;
        let (tables, export) = match left {
            Some(left) => (left, self.recorded_export().await?),
            None => self.give_up_rows(&mut admin).await?,
        };
        admin.close().await?;
        self.roles().await?;
        Ok(Some(UninstallReport {
            operation: self.approved.operation(),
            installation: self.approved.installation(),
            applet: self.plan.applet().clone(),
            version: self.plan.version().clone(),
            mode: self.plan.mode(),
            resumed: false,
            tables,
            shared: self.plan.shared(),
            kept_until: None,
            hook,
            export,
            keeps: self.keeps(),
        }))
    }

    const fn keeps(&self) -> bool {
        !self.plan.mode().deletes() && !self.plan.shared()
    }

    /// What is recorded of leaving the tables, if that is done.
    async fn recorded(&self, step: u32) -> Result<Option<Vec<LeftTable>>, LifecycleError> {
        Ok(self.result_of(step).await?.and_then(|result| read_left(&result)))
    }

    async fn result_of(&self, step: u32) -> Result<Option<Value>, LifecycleError> {
        let store = &self.lifecycle.parts.store;
        let operation = store.latest_operation(self.approved.tenant(), self.approved.installation()).await?;
        let steps = operation.map(|operation| operation.steps).unwrap_or_default();
        let found = steps.into_iter().find(|known| known.ordinal == step && known.done_at.is_some());
        Ok(found.and_then(|known| known.result))
    }

    async fn recorded_export(&self) -> Result<Option<ExportReport>, LifecycleError> {
        Ok(self.result_of(EXPORT).await?.and_then(|result| serde_json::from_value(result).ok()))
    }

    async fn announce(&mut self, step: u32, what: &str) -> Result<Option<Value>, LifecycleError> {
        self.step = step;
        self.progress.step(step + 1, STEPS, what);
        Ok(self.lease.announce_as(step, what, State::Retiring).await?)
    }

    fn pass(&self, point: FaultPoint) -> Result<(), LifecycleError> {
        self.lifecycle.pass(point)
    }

    /// The applet's own last hook. Whatever comes of it is written down and changes nothing: an applet
    /// cannot keep itself installed.
    async fn hook(&mut self, package: &Applet, request: RequestId) -> Result<HookOutcome, LifecycleError> {
        if !self.plan.calls_hook() {
            return Ok(HookOutcome::None);
        }
        let before = self.announce(HOOK, "call the applet's own hook").await?;
        if let Some(outcome) = before.and_then(|result| serde_json::from_value(result).ok()) {
            return Ok(outcome);
        }
        self.pass(FaultPoint::UninstallHookAnnounced)?;
        let outcome = match self.invocation(package, request).await? {
            None => HookOutcome::None,
            Some(invocation) => {
                let called =
                    self.lifecycle.call_known(package.component, invocation, HookCall::Uninstall).await;
                match called {
                    Ok(()) => HookOutcome::Called,
                    Err(error) => HookOutcome::Failed { reason: error.to_string() },
                }
            }
        };
        self.pass(FaultPoint::UninstallHookAnswered)?;
        self.lease.finish_step(HOOK, &json!(outcome)).await?;
        self.pass(FaultPoint::UninstallHookRecorded)?;
        Ok(outcome)
    }

    async fn invocation(
        &self,
        package: &Applet,
        request: RequestId,
    ) -> Result<Option<Invocation>, LifecycleError> {
        let store = &self.lifecycle.parts.store;
        let (tenant, workspace, applet) =
            (self.approved.tenant(), self.approved.workspace(), self.approved.applet());
        let Some(status) = store.installation(tenant, workspace, applet).await? else { return Ok(None) };
        let Some((_, grants)) = store.installed(&status).await? else { return Ok(None) };
        // The operator wants none of its code to run; it goes without a word.
        if self.lifecycle.admit_running(applet, package.digest).is_err() {
            return Ok(None);
        }
        let manifest = load(&package.manifest)?;
        let limits = manifest.limits(&self.lifecycle.parts.limits);
        Ok(Some(Invocation {
            request,
            tenant,
            workspace,
            applet: applet.clone(),
            version: package.version.clone(),
            installation: self.approved.installation(),
            actor: Actor::Platform,
            locale: "en".to_owned(),
            grants: Arc::new(grants),
            deadline: (self.lifecycle.parts.now)() + Duration::from_millis(limits.execution.wall_ms),
            limits: Arc::new(limits),
            variables: Arc::new(manifest.variables().clone()),
            budget: Arc::new(Budget::default()),
        }))
    }

    /// Exports what is to be exported, and then leaves the tables. When rows have changed in between, the
    /// transaction that would delete them says so, and all is done again.
    async fn give_up_rows(
        &mut self,
        admin: &mut Admin,
    ) -> Result<(Vec<LeftTable>, Option<ExportReport>), LifecycleError> {
        for _ in 0..EXPORT_TRIES {
            let export = self.export(admin).await?;
            let before = self.announce(TABLES, "leave the applet's tables").await?;
            if let Some(left) = before.as_ref().and_then(read_left) {
                return Ok((left, export));
            }
            self.pass(FaultPoint::LeaveAnnounced)?;
            self.lifecycle.lock_tables(admin).await?;
            let left = self.leave_tables(admin, export.as_ref()).await;
            locks::release(admin, Lock::ApplyPlan).await?;
            if let Some(left) = left? {
                self.pass(FaultPoint::LeaveRecorded)?;
                return Ok((left, export));
            }
            if let Some(out) = self.out {
                Export::discard(out, self.approved.operation())?;
            }
        }
        Err(LifecycleError::ExportStale)
    }

    /// Writes the files, or looks again at those that are there.
    async fn export(&mut self, admin: &mut Admin) -> Result<Option<ExportReport>, LifecycleError> {
        let (RetireMode::Export { format }, Some(out), true) = (self.plan.mode(), self.out, self.exports())
        else {
            return Ok(None);
        };
        self.announce(EXPORT, "export the rows and read them again").await?;
        self.pass(FaultPoint::ExportAnnounced)?;
        let export = Export::open(
            out,
            self.approved.operation(),
            self.approved.tenant(),
            (self.plan.applet(), self.plan.version()),
            format,
        )?;
        let tables = self.standing(admin).await?;
        let report = export.write(self.lifecycle, admin, &tables, self.progress).await?;
        self.pass(FaultPoint::ExportVerified)?;
        self.lease.finish_step(EXPORT, &json!(report)).await?;
        self.pass(FaultPoint::ExportRecorded)?;
        Ok(Some(report))
    }

    /// The tables of the plan, as they stand.
    async fn standing(&self, admin: &mut Admin) -> Result<Vec<Standing>, LifecycleError> {
        let applet = self.approved.applet();
        let mut standing = self.lifecycle.standing(admin, applet, self.approved.tenant()).await?;
        standing.retain(|each| self.plan.tables().contains(&each.table));
        Ok(standing)
    }

    /// Keeps or deletes the rows, renames or drops the tables, and records it, in one transaction. `None`
    /// when the rows are not those that were exported; nothing was done then.
    async fn leave_tables(
        &self,
        admin: &mut Admin,
        export: Option<&ExportReport>,
    ) -> Result<Option<Vec<LeftTable>>, LifecycleError> {
        let tenant = self.approved.tenant();
        let (applet, installation) = (self.approved.applet(), self.approved.installation());
        let shared = self.lifecycle.used_elsewhere(applet, tenant, installation).await?;
        if shared != self.plan.shared() {
            return Err(ApprovalRefusal::Void.into());
        }
        let standing = self.standing(admin).await?;
        let fates = self.fates(admin, &standing).await?;
        let statements = self.statements(admin, &standing, &fates).await?;
        let deletes = self.plan.mode().deletes() && !shared;
        let rows: Vec<OwnRows> =
            if deletes { standing.iter().map(|each| each.found.rows.clone()).collect() } else { Vec::new() };
        let step = self.lease.step(TABLES);
        let left = |contents: &[Content]| -> Vec<LeftTable> {
            let counts = contents.iter().map(|content| content.rows);
            let counts: Vec<_> =
                if deletes { counts.collect() } else { standing.iter().map(|each| each.rows).collect() };
            let tables = standing.iter().zip(counts).zip(&fates);
            tables
                .map(|((each, rows), fate)| LeftTable { table: each.table.clone(), rows, fate: *fate })
                .collect()
        };
        let then = |contents: &[Content]| {
            if let Some(export) = export
                && !export.is_of(standing.iter().map(|each| &each.table), contents)
            {
                return None;
            }
            let mut all = statements.clone();
            all.push(step.finish_statement_with(&record(&left(contents))));
            Some(all)
        };
        let change = Change { claim: None, delete: &rows, tenant, fingerprints: export.is_some() };
        match own_rows::change(admin, &change, &then).await? {
            Changed::Done(contents) => Ok(Some(left(&contents))),
            Changed::Declined(_) | Changed::NotClaimed => Ok(None),
        }
    }

    /// What becomes of each table. Worked out under the lock: whoever comes to a table takes it as well.
    async fn fates(&self, admin: &mut Admin, standing: &[Standing]) -> Result<Vec<Fate>, LifecycleError> {
        let me = (self.approved.tenant(), self.approved.installation());
        let mut fates = Vec::new();
        for each in standing {
            let others = self.lifecycle.others(admin, self.approved.applet(), each, Some(me)).await?;
            let standing =
                if each.found.hidden { applet_plan::Standing::Hidden } else { applet_plan::Standing::Live };
            let others = Others { hold: others.hold || self.plan.shared(), ..others };
            fates.push(fate(standing, others, self.keeps()));
        }
        Ok(fates)
    }

    async fn statements(
        &self,
        admin: &mut Admin,
        standing: &[Standing],
        fates: &[Fate],
    ) -> Result<Vec<String>, LifecycleError> {
        let mut statements = Vec::new();
        let (mut dropped, mut kept) = (Vec::new(), Vec::new());
        for (each, fate) in standing.iter().zip(fates) {
            match fate {
                Fate::Stays => kept.push(&each.table),
                Fate::Hidden => {
                    statements.extend(own_rows::revoke_statement(admin, &each.found.rows).await?);
                    statements.push(hide_statement(&each.found.rows.schema, &each.table));
                    kept.push(&each.table);
                }
                Fate::Dropped => dropped.push(each),
            }
        }
        statements.extend(drop_statements(&dropped));
        if self.plan.shared() {
            kept.clear();
        }
        let kept: Vec<_> = kept.into_iter().map(|table| format!("'{table}'")).collect();
        statements.push(format!(
            "SELECT applet_host.leave_tables('{}', ARRAY[{}]::text[], {})",
            self.approved.installation(),
            kept.join(", "),
            self.plan.keep_hours(),
        ));
        Ok(statements)
    }

    async fn roles(&mut self) -> Result<(), LifecycleError> {
        let done = self.announce(ROLES, "drop the database roles that nobody uses any more").await?;
        self.pass(FaultPoint::RolesAnnounced)?;
        if done.is_none() {
            let dropped = self.lifecycle.retire_unused_roles().await?;
            self.pass(FaultPoint::RolesDropped)?;
            self.lease.finish_step(ROLES, &json!({ "dropped": dropped })).await?;
        }
        self.pass(FaultPoint::RolesRecorded)
    }
}

/// Drops tables and gives their names back.
pub(crate) fn drop_statements(dropped: &[&Standing]) -> Vec<String> {
    let Some(first) = dropped.first() else { return Vec::new() };
    let names: Vec<_> = dropped.iter().map(|each| format!("'{}'", each.table)).collect();
    vec![
        drop_statement(&first.found.rows.schema, dropped.iter().map(|each| &each.table)),
        format!("DELETE FROM applet_host.own_tables WHERE physical_name IN ({})", names.join(", ")),
    ]
}

impl Lifecycle {
    /// Who else has to do with a table: everybody but one tenant's installation, if it is about one.
    pub(crate) async fn others(
        &self,
        admin: &mut Admin,
        applet: &AppletId,
        of: &Standing,
        but: Option<(TenantId, InstallationId)>,
    ) -> Result<Others, LifecycleError> {
        let store = &self.parts.store;
        let holdings = store.holdings(applet).await?;
        let mine = |installation| but.is_some_and(|(_, known)| known == installation);
        let held = holdings.iter().any(|each| !mine(each.installation) && each.tables.contains(&of.table));
        let retentions = store.retentions(None, Some(applet)).await?;
        let another = |tenant| but.is_none_or(|(known, _)| known != tenant);
        let retain = retentions
            .iter()
            .any(|each| another(each.tenant) && each.kept && each.tables.contains(&of.table));
        // Rows that no uninstall accounts for are somebody's, whatever our own records say.
        let accounted: Vec<TenantId> = but
            .map(|(tenant, _)| tenant)
            .into_iter()
            .chain(retentions.iter().map(|each| each.tenant))
            .collect();
        let hold = held || own_rows::has_rows_of_others(admin, &of.found.rows, &accounted).await?;
        Ok(Others { hold, retain })
    }
}

fn record(left: &[LeftTable]) -> Value {
    let tables = left.iter().map(|each| json!({ "table": each.table, "rows": each.rows, "fate": each.fate }));
    json!({ "tables": tables.collect::<Vec<_>>() })
}

fn read_left(result: &Value) -> Option<Vec<LeftTable>> {
    serde_json::from_value(result.get("tables")?.clone()).ok()
}
