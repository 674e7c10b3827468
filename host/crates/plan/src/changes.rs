//! Single changes of a table that stands, each a step: additive, and never longer in readers' way than it
//! takes to write the catalogue (SPEC S4.33, S4.34, Decision 5).

use applet_manifest::{DefaultValue, OwnColumn, OwnIndex, OwnTable};
use applet_types::SqlName;

use crate::ddl::{self, DdlStatement, Home, Lock, LockLevel, ResolvedKey};
use crate::names::{ident, idents};
use crate::plan::{Step, StepKind};

/// Why a column cannot be added to a table that other versions use, and what can be done; `None` if it can.
pub(crate) fn unaddable(column: &OwnColumn) -> Option<String> {
    let name = column.name();
    let random = matches!(column.default(), Some(DefaultValue::RandomUuid));
    if column.column_type().generated() {
        return Some(format!(
            "column `{name}` would number every row anew; add it as {} without counting, and number rows in the applet",
            if column.column_type().sql() == "integer" { "integer" } else { "bigint" }
        ));
    }
    if column.foreign_key().is_some() && (column.default().is_some() || !column.nullable()) {
        return Some(format!(
            "column `{name}` would point somewhere from every row that exists; make it nullable, without default"
        ));
    }
    match (column.nullable(), column.default()) {
        (false, None) => Some(format!(
            "column `{name}` must have a value and rows of other versions have none; give it a default, or make it nullable and fill it in `on-upgrade`"
        )),
        (false, Some(_)) if random => Some(format!(
            "column `{name}` would write every row anew for its `gen_random_uuid()`; make it nullable and fill it in `on-upgrade`"
        )),
        _ => None,
    }
}

fn exclusive(table: &SqlName) -> Vec<Lock> {
    vec![Lock { table: table.to_string(), level: LockLevel::AccessExclusive }]
}

/// Adds a column. A default that differs from row to row goes to new rows only.
pub(crate) fn add_column(table: &OwnTable, column: &OwnColumn, home: &Home) -> Step {
    let physical = table.physical().name();
    let (full, name, kind) = (home.own(physical), ident(column.name()), column.column_type());
    let statement = |sql| DdlStatement::additive(sql, exclusive(physical));
    let statements = if matches!(column.default(), Some(DefaultValue::RandomUuid)) {
        vec![
            statement(format!("ALTER TABLE {full} ADD COLUMN IF NOT EXISTS {name} {}", kind.sql())),
            statement(format!(
                "ALTER TABLE {full} ALTER COLUMN {name} SET DEFAULT {}",
                DefaultValue::RandomUuid.sql(kind)
            )),
        ]
    } else {
        vec![statement(format!("ALTER TABLE {full} ADD COLUMN IF NOT EXISTS {}", ddl::column(column)))]
    };
    let null = if column.nullable() { "may be null" } else { "never null" };
    let default =
        column.default().map_or_else(String::new, |value| format!(", {} by default", value.sql(kind)));
    let summary = format!("add column `{}` to `{physical}`: {kind}, {null}{default}", column.name());
    let kind = StepKind::AddColumn { table: physical.clone(), column: column.name().clone() };
    Step::new(kind, summary, statements)
}

/// Makes room in a column.
pub(crate) fn widen_column(table: &SqlName, column: &OwnColumn, home: &Home) -> Step {
    let to = column.column_type().sql();
    let sql = format!("ALTER TABLE {} ALTER COLUMN {} TYPE {to}", home.own(table), ident(column.name()));
    let summary = format!("widen column `{}` of `{table}` to {}", column.name(), column.column_type());
    let kind = StepKind::WidenColumn { table: table.clone(), column: column.name().clone(), to };
    Step::new(kind, summary, vec![DdlStatement::additive(sql, exclusive(table))])
}

fn drop_not_null(table: &SqlName, column: &SqlName, home: &Home) -> Vec<DdlStatement> {
    let sql = format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", home.own(table), ident(column));
    vec![DdlStatement::additive(sql, exclusive(table))]
}

/// Lets a column be null.
pub(crate) fn relax_column(table: &SqlName, column: &SqlName, home: &Home) -> Step {
    let summary = format!("let column `{column}` of `{table}` be null");
    let kind = StepKind::RelaxColumn { table: table.clone(), column: column.clone() };
    Step::new(kind, summary, drop_not_null(table, column, home))
}

/// Keeps a column that is no longer declared, and no longer asks for a value in it.
pub(crate) fn deprecate_column(table: &SqlName, column: &SqlName, required: bool, home: &Home) -> Step {
    let summary = format!(
        "mark column `{column}` of `{table}` deprecated: it and its values stay, hidden from this version{}",
        if required { ", and it may be null" } else { "" }
    );
    let kind = StepKind::DeprecateColumn { table: table.clone(), column: column.clone() };
    Step::new(kind, summary, if required { drop_not_null(table, column, home) } else { Vec::new() })
}

/// Keeps a table that is no longer declared.
pub(crate) fn deprecate_table(table: &OwnTable) -> Step {
    let physical = table.physical().name();
    let summary =
        format!("mark table `{physical}` deprecated: it and its rows stay, hidden from this version");
    Step::new(StepKind::DeprecateTable { table: physical.clone() }, summary, Vec::new())
}

/// Builds an index beside reads and writes.
pub(crate) fn add_index(physical: &SqlName, index: &OwnIndex, home: &Home) -> Step {
    let name = ddl::index_name(index, physical);
    let unique = if index.unique() { "UNIQUE " } else { "" };
    let full = home.own(physical);
    let columns = idents(index.columns());
    let sql = format!("CREATE {unique}INDEX CONCURRENTLY IF NOT EXISTS {name} ON {full} ({columns})");
    let lock = Lock { table: physical.to_string(), level: LockLevel::ShareUpdateExclusive };
    let kind = StepKind::AddIndex {
        schema: home.schema.clone(),
        table: physical.clone(),
        index: name,
        unique: index.unique(),
        columns: index.columns().to_vec(),
    };
    let what = if index.unique() { "unique index" } else { "index" };
    let summary = format!("build {what} ({columns}) of `{physical}` beside reads and writes");
    Step::new(kind, summary, vec![DdlStatement::beside(sql, vec![lock])])
}

/// Ties a new column to another table: first for new rows, then, beside reads and writes, for all.
pub(crate) fn tie(key: &ResolvedKey, home: &Home) -> [Step; 2] {
    let tied = Step::foreign_key(key, home);
    let locked = [&key.table, &key.target].map(SqlName::to_string);
    let locks = locked.map(|table| Lock { table, level: LockLevel::ShareRowExclusive });
    let sql = format!("{} NOT VALID", ddl::foreign_key_text(key, home));
    let tied = Step::new(
        tied.kind().clone(),
        tied.summary().to_owned(),
        vec![DdlStatement::additive(sql, locks.into())],
    );
    let sql = format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", home.own(&key.table), key.name());
    let lock = Lock { table: key.table.to_string(), level: LockLevel::ShareUpdateExclusive };
    let kind = StepKind::ValidateForeignKey { table: key.table.clone(), column: key.column.clone() };
    let summary = format!("check `{}.{}` against the rows that exist", key.table, key.column);
    [tied, Step::new(kind, summary, vec![DdlStatement::beside(sql, vec![lock])])]
}
