//! What a plan changes in what an applet may do.

use applet_types::{Columns, Grants, Operation, SqlName, TableGrant};
use serde::Serialize;

/// One thing that may be done with one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GrantLine {
    /// The table, by its physical name.
    pub table: SqlName,
    /// What may be done.
    pub operation: Operation,
    /// With which columns; `None` means every column, those added later included.
    pub columns: Option<Vec<SqlName>>,
}

/// Grants that come and go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GrantsDelta {
    /// New ones.
    pub added: Vec<GrantLine>,
    /// Gone ones.
    pub removed: Vec<GrantLine>,
}

impl GrantsDelta {
    /// The difference between two sets, the first of which may be nothing.
    pub(crate) fn between(old: Option<&Grants>, new: &Grants) -> Self {
        let before = old.map(lines).unwrap_or_default();
        let after = lines(new);
        Self {
            added: after.iter().filter(|line| !before.contains(line)).cloned().collect(),
            removed: before.into_iter().filter(|line| !after.contains(line)).collect(),
        }
    }
}

fn lines(grants: &Grants) -> Vec<GrantLine> {
    let parts = |grant: &TableGrant| {
        let all = Columns::All;
        let parts = [
            (Operation::Read, grant.read.clone()),
            (Operation::Insert, grant.insert.clone()),
            (Operation::Update, grant.update.clone()),
            (Operation::HardDelete, grant.delete.then_some(all)),
        ];
        parts.into_iter().filter_map(|(operation, columns)| Some((operation, columns?))).collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    for (table, grant) in grants.tables() {
        for (operation, columns) in parts(grant) {
            let columns = match columns {
                Columns::All => None,
                Columns::Only(names) => Some(names.into_iter().collect()),
            };
            lines.push(GrantLine { table: table.clone(), operation, columns });
        }
    }
    lines
}
