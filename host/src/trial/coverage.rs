//! Which of the granted permissions tests have used: what no test needs, the applet may not need either, and
//! an admin is asked for less.

use std::collections::BTreeSet;

use applet_gate::ColumnUse;
use applet_types::{Columns, Grants, Operation, SqlName};
use serde::Serialize;

use crate::seen::SeenStatement;

/// What is granted, and what of it was used.
pub(crate) struct Coverage {
    granted: Grants,
    tables: BTreeSet<(SqlName, Operation)>,
    columns: BTreeSet<ColumnUse>,
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// As a manifest and an admin name it.
    pub(crate) operation: &'static str,
    pub(crate) table: String,
    /// Whether any test used it.
    pub(crate) used: bool,
    /// Of columns that are granted by name, those that no test used.
    pub(crate) unused_columns: Vec<String>,
}

/// Columns that every table has, and that nobody asks for by themselves.
const USUAL: [&str; 4] = ["id", "tenant_id", "created_at", "updated_at"];

impl Coverage {
    pub(crate) const fn of(granted: Grants) -> Self {
        Self { granted, tables: BTreeSet::new(), columns: BTreeSet::new() }
    }

    /// Notes what statements used. One that was refused has used nothing.
    pub(super) fn note(&mut self, statements: &[SeenStatement]) {
        for statement in statements {
            self.tables.extend(statement.tables.iter().cloned());
            self.columns.extend(statement.columns.iter().cloned());
        }
    }

    /// Every permission, by table.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (table, grant) in self.granted.tables() {
            for operation in [Operation::Read, Operation::Insert, Operation::Update, Operation::HardDelete] {
                if let Some(columns) = grant.part(operation) {
                    lines.push(self.line(table, operation, &columns));
                }
            }
        }
        lines
    }

    fn line(&self, table: &SqlName, operation: Operation, columns: &Columns) -> Line {
        let used = self.tables.contains(&(table.clone(), operation))
            || (operation == Operation::Update
                && self.tables.contains(&(table.clone(), Operation::SoftDelete)));
        let unused = match columns {
            // Of its own tables every declared column is granted, whatever the applet needs.
            Columns::Only(names) if used && !self.granted.is_own(table) => names
                .iter()
                .filter(|name| !self.uses(table, operation, name))
                .map(SqlName::to_string)
                .collect(),
            Columns::Only(_) | Columns::All => Vec::new(),
        };
        let operation = match operation {
            Operation::HardDelete => "delete",
            other => other.as_str(),
        };
        Line { operation, table: self.shown(table), used, unused_columns: unused }
    }

    fn uses(&self, table: &SqlName, operation: Operation, column: &SqlName) -> bool {
        let used = |operation| ColumnUse { table: table.clone(), operation, column: column.clone() };
        let soft = operation == Operation::Update && self.columns.contains(&used(Operation::SoftDelete));
        USUAL.contains(&column.as_str()) || soft || self.columns.contains(&used(operation))
    }

    /// The name by which the manifest declares an own table.
    fn shown(&self, table: &SqlName) -> String {
        let own = self.granted.own_tables().find(|(_, physical)| physical.name() == table);
        own.map_or(table, |(declared, _)| declared).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    #[test]
    fn f13_permissions_that_no_test_used_are_named_down_to_columns() {
        let mut grants = Grants::builder();
        let clients = grants.table(name("clients"));
        clients.read = Some(Columns::Only([name("id"), name("phone"), name("email")].into()));
        clients.update = Some(Columns::All);
        let mut coverage = Coverage::of(grants.build());
        coverage.tables.insert((name("clients"), Operation::Read));
        let phone = ColumnUse { table: name("clients"), operation: Operation::Read, column: name("phone") };
        coverage.columns.insert(phone);

        let line = |operation, used, unused: &[&str]| Line {
            operation,
            table: "clients".to_owned(),
            used,
            unused_columns: unused.iter().map(|&column| column.to_owned()).collect(),
        };
        assert_eq!(coverage.lines(), [line("read", true, &["email"]), line("update", false, &[])]);
    }
}
