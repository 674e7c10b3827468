//! Tables that were put aside when their last tenant left (SPEC S4.36): seen by plans under the names that
//! they get back, and taken back by whoever installs the applet again.

use applet_catalog::{Catalog, Table, Tenancy};
use applet_datasource::{Admin, own_rows};
use applet_plan::{Plan, StepKind, hidden_name, name_before, restore_statement};
use applet_types::{InstallationId, SqlName};

use crate::{Lifecycle, LifecycleError};

/// The catalogue as it will be when the tables that were put aside are back. A table that stands under its
/// own name wins.
pub(crate) fn unhidden(catalog: &Catalog) -> Catalog {
    let back = |name: &SqlName| name_before(name).filter(|before| catalog.table(before).is_none());
    Catalog::new(catalog.tables().map(|table| {
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
    }))
}

/// Whoever reads a catalogue keeps hidden tables from everybody; planning has to know whose rows they hold.
fn tenancy(table: &Table) -> Tenancy {
    let tenant = table.columns.iter().find(|column| column.name.as_str() == "tenant_id");
    match tenant.filter(|column| column.sql_type == "uuid") {
        Some(column) => Tenancy::Column(column.name.clone()),
        None => Tenancy::Invisible,
    }
}

impl Lifecycle {
    /// What an installation does to come back to its tables, in the transaction that makes those that are
    /// missing: tables that were put aside get their names back, and nothing of its tenant's is purged.
    pub(crate) async fn restore_statements(
        &self,
        admin: &mut Admin,
        plan: &Plan,
        installation: InstallationId,
    ) -> Result<Vec<String>, LifecycleError> {
        let mut statements = Vec::new();
        for step in plan.steps() {
            let StepKind::EnsureTable { table } = step.kind() else { continue };
            let name = table.name();
            let found = own_rows::find(admin, &self.parts.catalog.schemas, name, &hidden_name(name)).await?;
            if let Some(found) = found.filter(|found| found.hidden) {
                statements.push(restore_statement(&found.rows.schema, name));
            }
        }
        statements.push(format!("SELECT applet_host.return_to_tables('{installation}')"));
        Ok(statements)
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
