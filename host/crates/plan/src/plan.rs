//! The plan itself.

use std::collections::BTreeSet;

use applet_catalog::{Catalog, Column, ForeignKey};
use applet_manifest::OwnTable;
use applet_types::{AppletId, Grants, PhysicalTable, SqlName, Version};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::ddl::{self, DdlStatement, Home, ResolvedKey};
use crate::delta::GrantsDelta;
use crate::{Side, widen};

/// What would be done, step by step. Made by [`install`](crate::install) and [`diff`](crate::diff) only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    format: &'static str,
    applet: AppletId,
    name: String,
    from: Option<Version>,
    version: Version,
    steps: Vec<Step>,
    grants: GrantsDelta,
    grants_digest: String,
    relations: Vec<SqlName>,
    relations_digest: String,
    warnings: Vec<String>,
    /// Not part of what the digest covers: it follows from the version and from which other versions have
    /// used the tables, and is the same change whoever comes to make it (SPEC Decision 5).
    #[serde(skip)]
    adjustments: Vec<Step>,
    #[serde(skip)]
    indexes: Vec<Step>,
}

impl Plan {
    pub(crate) fn new(old: Option<Side<'_>>, new: Side<'_>, parts: Parts, catalog: &Catalog) -> Self {
        let Parts { steps, warnings, adjustments, indexes } = parts;
        let relations = relations(new.grants, &steps);
        Self {
            format: "applet-plan/1",
            applet: new.manifest.id().clone(),
            name: new.manifest.name().to_owned(),
            from: old.map(|side| side.manifest.version().clone()),
            version: new.manifest.version().clone(),
            steps,
            grants: GrantsDelta::between(old, new),
            grants_digest: new.grants.digest().to_string(),
            relations_digest: catalog.digest_of(relations.iter().cloned()),
            relations: relations.into_iter().collect(),
            warnings,
            adjustments,
            indexes,
        }
    }

    /// The applet.
    pub const fn applet(&self) -> &AppletId {
        &self.applet
    }

    /// What people call it, in its own words.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version before; `None` for an install.
    pub const fn from(&self) -> Option<&Version> {
        self.from.as_ref()
    }

    /// The version after.
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What changes in what the applet may do.
    pub const fn grants(&self) -> &GrantsDelta {
        &self.grants
    }

    /// What an admin should know before saying yes.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What own tables that stand lack of this version besides what the steps say: other tenants have used
    /// them in an older one. Done before the steps.
    pub fn adjustments(&self) -> &[Step] {
        &self.adjustments
    }

    /// The indexes that own tables which stand already are to have, each as a step that builds it beside
    /// reads and writes. Whether one is there and whole is for the database to say.
    pub fn indexes(&self) -> &[Step] {
        &self.indexes
    }

    /// Tables that the plan speaks of and does not make, by name. A change of one of them changes the
    /// digest; a change of any other table does not (SPEC Decision 5).
    pub fn relations(&self) -> &[SqlName] {
        &self.relations
    }

    /// SHA-256 over everything the plan says, in hexadecimal. The same whether own tables are made or
    /// joined.
    pub fn digest(&self) -> String {
        // Plain structs of strings, lists and booleans in fixed order: serialising cannot fail.
        hex::encode(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }

    /// The statements that are left to do in this database, to be run in one transaction. Tables that
    /// stand already have the shape that the plan gives them: planning refuses any other. So running
    /// this again after a crash does what is missing and nothing else.
    pub fn pending<'a>(&'a self, catalog: &Catalog) -> Vec<&'a DdlStatement> {
        self.steps.iter().filter(|step| !step.is_done(catalog)).flat_map(Step::statements).collect()
    }
}

/// Tables named by the plan that it does not make itself.
fn relations(grants: &Grants, steps: &[Step]) -> BTreeSet<SqlName> {
    let granted = grants.tables().map(|(name, _)| name);
    let targets = steps.iter().filter_map(|step| match &step.kind {
        StepKind::AddForeignKey { target, .. } => Some(target),
        _ => None,
    });
    granted.chain(targets).filter(|name| !grants.is_own(name)).cloned().collect()
}

/// What a plan is made of besides its two sides.
pub(crate) struct Parts {
    pub(crate) steps: Vec<Step>,
    pub(crate) warnings: Vec<String>,
    pub(crate) adjustments: Vec<Step>,
    pub(crate) indexes: Vec<Step>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(flatten)]
    kind: StepKind,
    summary: String,
    statements: Vec<DdlStatement>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum StepKind {
    /// An own table stands, with its indexes, row security and policies: made, or joined.
    EnsureTable {
        /// Which.
        table: PhysicalTable,
    },
    /// A foreign key stands.
    AddForeignKey {
        /// The own table that points.
        table: SqlName,
        /// With which column; `tenant_id` goes with it.
        column: SqlName,
        /// The table pointed at.
        target: SqlName,
    },
    /// A column stands.
    AddColumn {
        /// Of which own table.
        table: SqlName,
        /// Which.
        column: SqlName,
    },
    /// A column takes more than it did.
    WidenColumn {
        /// Of which own table.
        table: SqlName,
        /// Which.
        column: SqlName,
        /// Its new type, as PostgreSQL prints it.
        to: String,
    },
    /// A column may be null.
    RelaxColumn {
        /// Of which own table.
        table: SqlName,
        /// Which.
        column: SqlName,
    },
    /// A column that is no longer declared stays, hidden, and may be null.
    DeprecateColumn {
        /// Of which own table.
        table: SqlName,
        /// Which.
        column: SqlName,
    },
    /// A table that is no longer declared stays, hidden.
    DeprecateTable {
        /// Which.
        table: SqlName,
    },
    /// An index stands and is whole.
    AddIndex {
        /// The schema of both.
        schema: SqlName,
        /// Of which own table.
        table: SqlName,
        /// Its name.
        index: String,
        /// Whether it is unique.
        unique: bool,
        /// Its columns.
        columns: Vec<SqlName>,
    },
    /// A foreign key holds for the rows that were there before it.
    ValidateForeignKey {
        /// The own table that points.
        table: SqlName,
        /// With which column.
        column: SqlName,
    },
    /// The database role of the grants stands, with exactly these rights. Raised by the second wall, not
    /// by statements of the plan.
    GrantRole {
        /// The digest of the grants, which the role's name carries.
        grants: String,
    },
}

impl Step {
    pub(crate) const fn new(kind: StepKind, summary: String, statements: Vec<DdlStatement>) -> Self {
        Self { kind, summary, statements }
    }

    pub(crate) fn ensure_table(table: &OwnTable, home: &Home) -> Self {
        Self {
            kind: StepKind::EnsureTable { table: table.physical().clone() },
            summary: format!(
                "ensure table `{}` (`{}` in the manifest): made if it is not there, joined if other tenants use it",
                table.physical(),
                table.name()
            ),
            statements: ddl::table(table, home),
        }
    }

    pub(crate) fn foreign_key(key: &ResolvedKey, home: &Home) -> Self {
        let kind = StepKind::AddForeignKey {
            table: key.table.clone(),
            column: key.column.clone(),
            target: key.target.clone(),
        };
        let summary = format!(
            "tie `{}.{}` to `{}.{}` of the same tenant, {} on delete",
            key.table,
            key.column,
            key.target,
            key.target_column,
            key.on_delete.sql().to_ascii_lowercase()
        );
        Self { kind, summary, statements: vec![ddl::foreign_key(key, home)] }
    }

    pub(crate) fn role(grants: &Grants) -> Self {
        Self {
            kind: StepKind::GrantRole { grants: grants.digest().to_string() },
            summary: format!(
                "ensure the database role of grant set {}, with these rights only",
                grants.digest().short()
            ),
            statements: Vec::new(),
        }
    }

    /// What it does.
    pub const fn kind(&self) -> &StepKind {
        &self.kind
    }

    /// The same in a sentence.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Its statements, in order.
    pub fn statements(&self) -> &[DdlStatement] {
        &self.statements
    }

    pub(crate) fn into_statements(self) -> Vec<DdlStatement> {
        self.statements
    }

    /// Whether the database shows that there is nothing left to do. The role is not in the catalogue; it
    /// has no statements here either.
    pub fn is_done(&self, catalog: &Catalog) -> bool {
        match &self.kind {
            StepKind::EnsureTable { table } => catalog.table(table.name()).is_some(),
            StepKind::AddForeignKey { table, column, target } => {
                let points = |key: &ForeignKey| key.columns.last() == Some(column) && key.target == *target;
                catalog.table(table).is_some_and(|table| table.foreign_keys.iter().any(points))
            }
            StepKind::AddColumn { table, column } => {
                catalog.table(table).is_some_and(|table| table.column(column).is_some())
            }
            StepKind::WidenColumn { table, column, to } => {
                let there = catalog.table(table).and_then(|table| table.column(column));
                let reach = |there: &Column| widen::step(&there.sql_type, to);
                there.is_some_and(|there| matches!(reach(there), widen::Step::Same | widen::Step::Narrows))
            }
            StepKind::RelaxColumn { table, column } | StepKind::DeprecateColumn { table, column } => {
                let there = catalog.table(table).and_then(|table| table.column(column));
                there.is_none_or(|there| there.nullable)
            }
            StepKind::DeprecateTable { .. } => true,
            // Whether an index is whole and a key was checked is not in the catalogue.
            StepKind::AddIndex { .. } | StepKind::ValidateForeignKey { .. } => false,
            StepKind::GrantRole { .. } => false,
        }
    }
}
