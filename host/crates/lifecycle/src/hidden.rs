//! Tables that were put aside when their last tenant left (SPEC S4.36): seen by plans under the names that
//! they get back, and taken back by whoever installs the applet again.

use applet_catalog::{Catalog, Table, Tenancy};
use applet_datasource::{Admin, ddl, own_rows};
use applet_plan::{Plan, StepKind, hidden_name, name_before, restore_statement};
use applet_types::{SqlName, Version};

use crate::LifecycleError;
use crate::steps::Work;

/// The catalogue as it will be when the tables that were put aside are back. A table that stands under its
/// own name wins.
pub(crate) fn unhidden(catalog: &Catalog) -> Catalog {
    let back = |name: &SqlName| name_before(name).filter(|before| catalog.table(before).is_none());
    let tables = catalog.tables().map(|table| {
        let mut table = table.clone();
        for key in &mut table.foreign_keys {
            if let Some(before) = back(&key.target) {
                key.target = before;
            }
        }
        match back(&table.name) {
            Some(before) => Table { tenancy: tenancy(&table), name: before, ..table },
            None => table,
        }
    });
    Catalog::new(tables).taking_tenant(catalog.tenant_form())
}

/// Whoever reads a catalogue keeps hidden tables from everybody; planning has to know whose rows they hold.
fn tenancy(table: &Table) -> Tenancy {
    let tenant = table.columns.iter().find(|column| column.name.as_str() == "tenant_id");
    match tenant.filter(|column| column.sql_type == "uuid") {
        Some(column) => Tenancy::Column(column.name.clone()),
        None => Tenancy::Invisible,
    }
}

impl Work<'_> {
    /// An installation comes back to its tables before anything is done to them: those that were put aside
    /// get their names back, and nothing of its tenant's is purged any more. Doing it again changes nothing.
    pub(crate) async fn come_back(&mut self, admin: &mut Admin, plan: &Plan) -> Result<(), LifecycleError> {
        if plan.from().is_some() {
            return Ok(());
        }
        let mut statements = vec![self.lease.step(0).fence_statement()];
        let mut tables = false;
        for step in plan.steps() {
            let StepKind::EnsureTable { table } = step.kind() else { continue };
            tables = true;
            let (name, schemas) = (table.name(), &self.lifecycle.parts.catalog.schemas);
            let found = own_rows::find(admin, schemas, name, &hidden_name(name)).await?;
            if let Some(found) = found.filter(|found| found.hidden) {
                statements.push(restore_statement(&found.rows.schema, name));
            }
        }
        if tables {
            statements.push(format!("SELECT applet_host.return_to_tables('{}')", self.plan.installation()));
            ddl::apply(admin, &statements).await?;
        }
        Ok(())
    }

    /// The version that has left the rows which this installation brought back; `None` when it brought none
    /// back, or they were left in another workspace of the tenant.
    pub(crate) async fn left_version(&self, plan: &Plan) -> Result<Option<Version>, LifecycleError> {
        let store = &self.lifecycle.parts.store;
        if plan.from().is_some() || !store.has_restored(self.plan.operation()).await? {
            return Ok(None);
        }
        let (tenant, workspace) = (self.plan.tenant(), self.plan.workspace());
        let status = store.installation(tenant, workspace, self.plan.applet()).await?;
        let Some(digest) = status.and_then(|status| status.digest) else { return Ok(None) };
        let package = store.applet(digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
        Ok(Some(package.version))
    }
}

#[cfg(test)]
mod tests {
    use applet_catalog::{Column, ForeignKey, Generation, RowSecurity};

    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    fn table(text: &str, target: &str) -> Table {
        let column = Column {
            name: name("tenant_id"),
            sql_type: "uuid".to_owned(),
            nullable: false,
            default: None,
            generation: Generation::None,
        };
        Table {
            schema: name("public"),
            name: name(text),
            columns: vec![column],
            tenancy: Tenancy::Invisible,
            unique_keys: Vec::new(),
            foreign_keys: vec![ForeignKey {
                name: "k".to_owned(),
                columns: Vec::new(),
                target: name(target),
                target_columns: Vec::new(),
            }],
            row_security: RowSecurity::default(),
            owner: String::new(),
        }
    }

    #[test]
    fn s4_36_plans_see_hidden_tables_as_they_come_back() {
        let seen = unhidden(&Catalog::new([
            table("_deleted_applet_a_t", "_deleted_applet_a_u"),
            table("_deleted_applet_a_u", "tenants"),
            table("_deleted_applet_a_v", "tenants"),
            table("applet_a_v", "applet_a_t"),
        ]));
        let back = seen.table(&name("applet_a_t")).unwrap();
        assert_eq!(back.tenancy, Tenancy::Column(name("tenant_id")));
        assert_eq!(back.foreign_keys[0].target, name("applet_a_u"));
        assert!(seen.table(&name("_deleted_applet_a_t")).is_none());
        // One that stands is not replaced by one that was put aside.
        let standing = seen.table(&name("applet_a_v")).unwrap();
        assert_eq!(standing.foreign_keys[0].target, name("applet_a_t"));
        assert!(seen.table(&name("_deleted_applet_a_v")).is_some());
    }
}
