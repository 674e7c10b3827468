//! Changing own tables that tenants are using at this moment (SPEC S4.33, S4.35, limits G17).
//!
//! *Invariant:* nobody's readers wait longer than one try for a lock. Each change is a transaction of its
//! own with its record, so that no lock is held while another one is waited for; what takes long runs beside
//! reads and writes. Doing any of it again changes nothing.

use std::time::Duration;

use applet_catalog::Catalog;
use applet_datasource::wall;
use applet_datasource::{Admin, ddl, indexes};
use applet_plan::{DdlStatement, Plan, Step, StepKind};
use applet_store::StepToken;
use serde_json::{Value, json};

use crate::steps::Work;
use crate::{FaultPoint, LifecycleError, TableOutcome};

/// How often the lease of an operation is renewed while a step takes long: a few times within its 60 s.
const HEARTBEAT: Duration = Duration::from_secs(15);

impl Work<'_> {
    /// Brings tables that other tenants have used in an older version up to this one. Answers whether there
    /// was anything to do.
    pub(crate) async fn adjust(
        &mut self,
        admin: &mut Admin,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<bool, LifecycleError> {
        let mut changed = false;
        for step in plan.adjustments().iter().filter(|step| !step.is_done(catalog)) {
            // Indexes come with all others of the table, when its columns stand.
            if matches!(step.kind(), StepKind::AddIndex { .. }) {
                continue;
            }
            self.do_step(admin, step, vec![self.lease.step(0).fence_statement()]).await?;
            changed = true;
        }
        Ok(changed)
    }

    /// The steps of a change of version, one after the other.
    pub(crate) async fn changes(
        &mut self,
        admin: &mut Admin,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<Vec<TableOutcome>, LifecycleError> {
        let mut outcomes = Vec::new();
        let makes =
            |step: &Step| matches!(step.kind(), StepKind::EnsureTable { .. }) && !step.is_done(catalog);
        if plan.steps().iter().any(makes) {
            // A table comes with its policies, which name a role.
            wall::prepare_database(admin, &self.lifecycle.parts.catalog).await?;
        }
        for (ordinal, step) in (0..).zip(plan.steps()) {
            if matches!(step.kind(), StepKind::GrantRole { .. }) {
                continue;
            }
            let before = self.announce(ordinal, step.summary()).await?;
            self.lifecycle.pass(FaultPoint::ChangeAnnounced)?;
            let done = step.is_done(catalog);
            let created =
                before.as_ref().map_or(!done, |result| result.get("created") == Some(&Value::Bool(true)));
            if let StepKind::EnsureTable { table } = step.kind() {
                outcomes.push(TableOutcome { table: table.to_string(), created });
            }
            if done && before.is_some() {
                continue;
            }
            self.change(admin, ordinal, step, done, created).await?;
        }
        Ok(outcomes)
    }

    async fn change(
        &mut self,
        admin: &mut Admin,
        ordinal: u32,
        step: &Step,
        done: bool,
        created: bool,
    ) -> Result<(), LifecycleError> {
        let token = self.lease.step(ordinal);
        if done || step.statements().is_empty() {
            self.lease.finish_step(ordinal, &json!({ "created": created })).await?;
        } else if step.statements().iter().any(DdlStatement::alone) {
            self.do_step(admin, step, Vec::new()).await?;
            self.lifecycle.pass(FaultPoint::ChangeMade)?;
            self.lease.finish_step(ordinal, &json!({ "created": created })).await?;
        } else {
            self.do_step(admin, step, vec![token.finish_statement(created)]).await?;
        }
        self.lifecycle.pass(FaultPoint::ChangeRecorded)
    }

    /// Every index of tables that stood before, whole.
    pub(crate) async fn indexes(
        &mut self,
        admin: &mut Admin,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<(), LifecycleError> {
        for step in plan.indexes() {
            let StepKind::AddIndex { table, .. } = step.kind() else { continue };
            if catalog.table(table).is_some() {
                self.do_step(admin, step, Vec::new()).await?;
            }
        }
        Ok(())
    }

    /// Does one step; `records` go with it into its transaction, if it has one.
    async fn do_step(
        &mut self,
        admin: &mut Admin,
        step: &Step,
        records: Vec<String>,
    ) -> Result<(), LifecycleError> {
        let claim = match step.kind() {
            StepKind::EnsureTable { table } => Some(StepToken::claim_statement(table, self.plan.applet())),
            _ => None,
        };
        let (beside, together): (Vec<_>, Vec<_>) =
            step.statements().iter().partition(|statement| statement.alone());
        if !together.is_empty() {
            let texts = together.into_iter().map(|statement| statement.sql().to_owned());
            let all: Vec<String> = claim.into_iter().chain(texts).chain(records).collect();
            ddl::apply(admin, &all).await?;
        }
        for statement in beside {
            self.beside(admin, step, statement.sql()).await?;
        }
        Ok(())
    }

    /// Does what takes long, and holds on to the operation meanwhile.
    async fn beside(&mut self, admin: &mut Admin, step: &Step, sql: &str) -> Result<(), LifecycleError> {
        let work = async {
            match step.kind() {
                StepKind::AddIndex { schema, table, index, .. } => {
                    indexes::ensure(admin, [schema.as_str(), table.as_str()], index, sql).await.map(drop)
                }
                _ => indexes::beside(admin, sql).await,
            }
        };
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done?),
                () = tokio::time::sleep(HEARTBEAT) => self.lease.renew().await?,
            }
        }
    }
}
