//! Whether a database has what a manifest relies on.

use std::collections::BTreeSet;

use applet_catalog::{Catalog, Table, Tenancy};
use applet_manifest::{OnDelete, OwnColumn, OwnForeignKey, OwnTable, Target};
use applet_types::{Columns, Grants, SqlName, TableGrant};

use crate::ddl::{Home, ResolvedKey, TENANT_ID, key_of};
use crate::plan::Step;
use crate::refusal::{PlanRefusal, Problem, ProblemCode};
use crate::shape;

/// Collects every problem.
pub(crate) struct Checker<'a> {
    catalog: &'a Catalog,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(crate) const fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, problems: Vec::new() }
    }

    pub(crate) fn finish(self) -> Result<(), PlanRefusal> {
        PlanRefusal::check(self.problems)
    }

    /// The schema of `tenants`, if that is a table that a tenant column can point at.
    pub(crate) fn home(&self) -> Option<Home> {
        let tenants = self.catalog.tables().find(|table| table.name.as_str() == "tenants")?;
        let id = tenants.columns.iter().find(|column| column.name.as_str() == "id")?;
        let unique = tenants.unique_keys.iter().any(|key| !key.partial && key.columns == [id.name.clone()]);
        (unique && id.sql_type == "uuid")
            .then(|| Home { schema: tenants.schema.clone(), tenant_form: self.catalog.tenant_form() })
    }

    /// Every granted table is there, visible, has the columns, and can be written if it is to be.
    pub(crate) fn requested_tables(&mut self, grants: &Grants) {
        for (name, grant) in grants.tables().filter(|(name, _)| !grants.is_own(name)) {
            match self.visible(name) {
                None => {
                    let message = format!("table `{name}` does not exist or applets cannot see it");
                    self.problem(ProblemCode::UnknownTable, name, message);
                }
                Some(table) => self.granted(table, grant),
            }
        }
    }

    fn granted(&mut self, table: &Table, grant: &TableGrant) {
        let name = &table.name;
        let writes = grant.insert.is_some() || grant.update.is_some() || grant.delete;
        if writes && table.tenancy == Tenancy::Global {
            let message = format!("table `{name}` is the same for all tenants and can only be read");
            self.problem(ProblemCode::ReadOnlyTable, name, message);
        }
        let named: BTreeSet<&SqlName> = [&grant.read, &grant.insert, &grant.update]
            .into_iter()
            .flatten()
            .flat_map(|columns| match columns {
                Columns::All => None,
                Columns::Only(names) => Some(names),
            })
            .flatten()
            .collect();
        for column in named.into_iter().filter(|column| table.column(column).is_none()) {
            let message = match column.as_str() {
                "deleted_at" => {
                    format!("table `{name}` has no `deleted_at`: its rows cannot be soft deleted")
                }
                _ => format!("table `{name}` has no column `{column}`"),
            };
            self.problem(ProblemCode::UnknownColumn, name, message);
        }
    }

    /// Own tables hide no other table, and stand with the planned shape if they stand already.
    /// What an older version did not make of them is in the answer.
    pub(crate) fn own_tables(
        &mut self,
        tables: &[&OwnTable],
        keys: &[ResolvedKey],
        home: Option<&Home>,
    ) -> Vec<Step> {
        let mut changes = Vec::new();
        for own in tables {
            // The declared name would win over the table of that name, silently.
            if self.catalog.table(own.name()).is_some() {
                let message =
                    format!("the database has a table `{}` already: own tables need other names", own.name());
                self.problem(ProblemCode::NameTaken, own.name(), message);
            }
            let physical = own.physical().name();
            let (Some(existing), Some(home)) = (self.catalog.table(physical), home) else { continue };
            let compared = shape::compare(own, keys, existing, home);
            for difference in compared.differences {
                let message = format!("table `{physical}` exists with another shape: {difference}");
                self.problem(ProblemCode::TableDiffers, physical, message);
            }
            changes.extend(compared.changes);
        }
        changes
    }

    /// What two versions differ in that is more than an addition; and tables of the old one that are gone.
    pub(crate) fn versions(&mut self, problems: Vec<(SqlName, String)>) {
        for (table, reason) in problems {
            self.problem(ProblemCode::NotAdditive, &table, format!("in table `{table}`, {reason}"));
        }
    }

    /// A table that the installed version uses has to be there.
    pub(crate) fn stands(&mut self, own: &OwnTable) {
        let physical = own.physical().name();
        if self.catalog.table(physical).is_none() {
            let message = format!("table `{physical}` of the installed version is gone from the database");
            self.problem(ProblemCode::UnknownTable, physical, message);
        }
    }

    /// Foreign keys of own tables to other tables than `tenants`, each with a target that has the key.
    pub(crate) fn foreign_keys(&mut self, tables: &[&OwnTable]) -> Vec<ResolvedKey> {
        let mut keys = Vec::new();
        for own in tables {
            for column in own.columns() {
                if let Some(key) = column.foreign_key()
                    && let Some(resolved) = self.foreign_key(own, column, key)
                {
                    keys.push(resolved);
                }
            }
        }
        keys
    }

    fn foreign_key(
        &mut self,
        own: &OwnTable,
        column: &OwnColumn,
        key: &OwnForeignKey,
    ) -> Option<ResolvedKey> {
        let (target_schema, target, target_tenant) = match key.target() {
            Target::Tenants => return None,
            Target::Own(physical) => {
                let tenant = SqlName::exact(TENANT_ID).ok()?;
                // One that is not there yet is made with the key; one that is there may be older than it.
                let existing = self.catalog.table(physical.name());
                if existing.is_some_and(|table| !key_of(table, &tenant, key.column())) {
                    let (name, to) = (own.physical().name(), key.column());
                    let message = format!(
                        "`{}.{}` cannot point at `{physical}.{to}`: `{physical}` has no unique key ({tenant}, {to})",
                        own.name(),
                        column.name()
                    );
                    self.problem(ProblemCode::InvalidForeignKey, name, message);
                    return None;
                }
                (self.home()?.schema, physical.name().clone(), tenant)
            }
            Target::Shared(name) => {
                let table = self.shared_target(own, column, key, name)?;
                (table.schema.clone(), name.clone(), table.tenant_column()?.clone())
            }
        };
        Some(ResolvedKey {
            table: own.physical().name().clone(),
            column: column.name().clone(),
            target_schema,
            target,
            target_tenant,
            target_column: key.column().clone(),
            on_delete: key.on_delete(),
        })
    }

    fn shared_target(
        &mut self,
        own: &OwnTable,
        column: &OwnColumn,
        key: &OwnForeignKey,
        name: &SqlName,
    ) -> Option<&'a Table> {
        let catalog = self.catalog;
        let at = format!("`{}.{}`", own.name(), column.name());
        let mut refuse = |reason: String| {
            self.problem(
                ProblemCode::InvalidForeignKey,
                own.physical().name(),
                format!("{at} cannot point at {reason}"),
            );
        };
        let Some(table) = catalog.table(name).filter(|table| table.tenancy != Tenancy::Invisible) else {
            refuse(format!("`{name}`: it does not exist or applets cannot see it"));
            return None;
        };
        let Some(tenant) = table.tenant_column() else {
            refuse(format!("`{name}`: it has no tenant column that the key could begin with"));
            return None;
        };
        let Some(target) = table.column(key.column()) else {
            refuse(format!("`{name}.{}`: there is no such column", key.column()));
            return None;
        };
        if !key_of(table, tenant, &target.name) {
            refuse(format!(
                "`{name}.{}`: `{name}` has no unique key ({tenant}, {})",
                target.name, target.name
            ));
            return None;
        }
        let wanted = column.column_type().sql();
        if base(&wanted) != base(&target.sql_type) {
            refuse(format!(
                "`{name}.{}`: that is of type {}, this of type {wanted}",
                target.name, target.sql_type
            ));
            return None;
        }
        Some(table)
    }

    /// Keys of other tables that span tenants, where the applet may write: whether a value exists in
    /// another tenant could show (SPEC Decision 7). And rows of others that the applet can pin.
    pub(crate) fn warnings(&self, grants: &Grants, keys: &[ResolvedKey]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, grant) in grants.tables().filter(|(name, _)| !grants.is_own(name)) {
            let Some(table) = self.catalog.table(name) else { continue };
            for key in self.catalog.global_keys(table).into_iter().filter(|key| writes_key(grant, table, key))
            {
                warnings.push(format!(
                    "key `{key}` of `{name}` spans tenants: its columns cannot be written unless the operator allows it"
                ));
            }
        }
        for key in keys.iter().filter(|key| !grants.is_own(&key.target)) {
            if matches!(key.on_delete, OnDelete::Restrict | OnDelete::NoAction) {
                warnings.push(format!(
                    "a row of `{}` cannot be deleted while a row of `{}` points at it",
                    key.target, key.table
                ));
            }
        }
        warnings
    }

    fn visible(&self, name: &SqlName) -> Option<&'a Table> {
        self.catalog.table(name).filter(|table| table.tenancy != Tenancy::Invisible)
    }

    fn problem(&mut self, code: ProblemCode, table: &SqlName, message: String) {
        self.problems.push(Problem { code, table: table.to_string(), message });
    }
}

/// Whether a grant covers writing a column of this key. A key whose columns are not all known counts.
fn writes_key(grant: &TableGrant, table: &Table, key: &str) -> bool {
    let unique = table.unique_keys.iter().map(|known| (&known.name, &known.columns, known.partial));
    let foreign = table.foreign_keys.iter().map(|known| (&known.name, &known.columns, false));
    let written = |column: &SqlName| {
        [&grant.insert, &grant.update].into_iter().flatten().any(|columns| columns.contains(column))
    };
    let writes = grant.insert.is_some() || grant.update.is_some();
    writes
        && unique
            .chain(foreign)
            .any(|(name, columns, partial)| name == key && (partial || columns.iter().any(written)))
}

/// A type without its length: `character varying(100)` and `character varying(255)` can be compared.
fn base(sql_type: &str) -> &str {
    sql_type.split_once('(').map_or(sql_type, |(name, _)| name)
}
