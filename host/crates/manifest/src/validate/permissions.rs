//! What a manifest asks for in the database, lowered to grants table by table (SPEC S4.8, S4.10, S4.14).

use std::collections::{BTreeMap, BTreeSet};

use applet_types::{AppletId, Columns, ManifestLimits, Operation, SqlName, TableGrant};

use super::{at_most, name};
use crate::document::{DatabasePermissions, TableRequest};
use crate::names;
use crate::path::Path;
use crate::report::Report;
use crate::table::{OwnTable, TENANTS};
use crate::violation::{Violation, ViolationCode, did_you_mean, quoted};

/// What soft delete writes.
const DELETED_AT: &str = "deleted_at";

/// Columns that only the host writes.
const HOST_WRITES: [&str; 2] = ["tenant_id", "created_at"];

/// Requested grants by physical table.
pub(crate) type Requests = BTreeMap<SqlName, TableGrant>;

/// What a manifest asks for, and the part of it that it can do without.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) requests: Requests,
    pub(crate) optional: Requests,
}

/// Validates the permission lists. Own tables imply read, insert and update of all their columns.
pub(super) fn permissions(
    asked: &DatabasePermissions,
    applet: Option<&AppletId>,
    own: &[OwnTable],
    limits: &ManifestLimits,
    report: &mut Report,
) -> Asked {
    let path = Path::root().key("permissions").key("database");
    let mut lowering = Lowering { own, applet, requests: Requests::new(), optional: Requests::new(), report };
    lowering.read(&asked.read, &path.key("read"), limits);
    lowering.write(&asked.write, &path.key("write"), limits);
    lowering.delete(&asked.delete, &path.key("delete"), limits);
    for table in own {
        let grant = lowering.requests.entry(table.physical.name().clone()).or_default();
        grant.read = Some(Columns::All);
        grant.insert = Some(Columns::All);
        grant.update = Some(Columns::All);
    }
    Asked { requests: lowering.requests, optional: lowering.optional }
}

struct Lowering<'a> {
    own: &'a [OwnTable],
    applet: Option<&'a AppletId>,
    requests: Requests,
    optional: Requests,
    report: &'a mut Report,
}

impl Lowering<'_> {
    fn read(&mut self, list: &[TableRequest], path: &Path, limits: &ManifestLimits) {
        at_most(list.len(), limits.entries, "entries", path, self.report);
        for (position, request) in list.iter().enumerate() {
            let path = path.index(position);
            let columns = self.columns(request, &path);
            let Some(table) = self.table(request.table.as_ref(), &path) else { continue };
            if request.optional == Some(true) {
                self.optional.entry(table.clone()).or_default().read = Some(columns.clone());
            }
            if self.requests.entry(table).or_default().read.replace(columns).is_some() {
                self.repeated(request, Operation::Read, &path);
            }
        }
    }

    fn write(&mut self, list: &[TableRequest], path: &Path, limits: &ManifestLimits) {
        at_most(list.len(), limits.entries, "entries", path, self.report);
        // Soft delete is lowered to an update, so what was listed is kept beside it to find repetitions.
        let mut listed = BTreeSet::new();
        for (position, request) in list.iter().enumerate() {
            let path = path.index(position);
            let columns = self.columns(request, &path);
            self.check_written(request, &path);
            let operations = self.operations(request, &path);
            let Some(table) = self.table(request.table.as_ref(), &path) else { continue };
            if table.as_str() == TENANTS {
                let message = "`tenants` can be read, but not written";
                self.report.add(ViolationCode::ReservedName, &path, message);
            }
            for operation in operations {
                if !listed.insert((table.clone(), operation)) {
                    self.repeated(request, operation, &path);
                }
                lower(self.requests.entry(table.clone()).or_default(), operation, &columns);
                if request.optional == Some(true) {
                    lower(self.optional.entry(table.clone()).or_default(), operation, &columns);
                }
            }
        }
    }

    fn delete(&mut self, list: &[Option<String>], path: &Path, limits: &ManifestLimits) {
        at_most(list.len(), limits.entries, "entries", path, self.report);
        for (position, text) in list.iter().enumerate() {
            let path = path.index(position);
            let Some(table) = self.table(text.as_ref(), &path) else { continue };
            if table.as_str() == TENANTS {
                self.report.add(
                    ViolationCode::ReservedName,
                    &path,
                    "`tenants` can be read, but not deleted from",
                );
            }
            let grant = self.requests.entry(table.clone()).or_default();
            if std::mem::replace(&mut grant.delete, true) {
                self.report.add(ViolationCode::DuplicateName, &path, format!("`{table}` is listed already"));
            }
        }
    }

    /// The physical table meant: an own one by the name it declares or its physical one, or any other.
    fn table(&mut self, text: Option<&String>, path: &Path) -> Option<SqlName> {
        let name = name(text, path, self.report)?;
        let own = self.own.iter().find(|own| own.name == name || *own.physical.name() == name);
        if let Some(own) = own {
            return Some(own.physical.name().clone());
        }
        if let Some(reason) = names::reserved_request(&name) {
            // With an invalid id own tables have no physical name yet; only those of others are refused.
            if self.applet.is_some() {
                let violation = Violation::new(ViolationCode::ReservedName, path, reason);
                self.report.push(if name.as_str().starts_with("applet_") {
                    violation.hint("own tables are listed by the name they are declared with")
                } else {
                    violation
                });
            }
            return None;
        }
        Some(name)
    }

    fn columns(&mut self, request: &TableRequest, path: &Path) -> Columns {
        let Some(texts) = &request.columns else { return Columns::All };
        let path = path.key("columns");
        if texts.is_empty() {
            let message = "no column at all: leave `columns` out to ask for every column";
            self.report.add(ViolationCode::InvalidValue, &path, message);
        }
        let mut columns = BTreeSet::new();
        for (position, text) in texts.iter().enumerate() {
            let path = path.index(position);
            let Some(column) = name(text.as_ref(), &path, self.report) else { continue };
            if columns.contains(&column) {
                self.report.add(ViolationCode::DuplicateName, &path, format!("`{column}` is listed already"));
            }
            columns.insert(column);
        }
        Columns::Only(columns)
    }

    fn check_written(&mut self, request: &TableRequest, path: &Path) {
        let listed = request.columns.iter().flatten().enumerate();
        for (position, column) in listed.filter_map(|(position, column)| Some((position, column.as_ref()?))) {
            if HOST_WRITES.contains(&column.as_str()) {
                let path = path.key("columns").index(position);
                self.report.add(
                    ViolationCode::ReservedName,
                    &path,
                    format!("`{column}` is written by the host only"),
                );
            }
        }
    }

    /// The operations listed. Without a list: insert and update, and soft delete unless columns are named,
    /// because then an admin would read that nothing else is written.
    fn operations(&mut self, request: &TableRequest, path: &Path) -> Vec<Operation> {
        let Some(texts) = &request.operations else {
            return vec![Operation::Insert, Operation::Update];
        };
        let path = path.key("operations");
        if texts.is_empty() {
            self.report.add(ViolationCode::InvalidValue, &path, "no operation at all");
        }
        let mut operations = Vec::new();
        for (position, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            operations.extend(self.operation(text, &path.index(position)));
        }
        if operations == [Operation::SoftDelete] && request.columns.is_some() {
            let message = "soft delete writes `deleted_at` and nothing else";
            self.report.add(ViolationCode::Contradiction, &path, message);
        }
        operations
    }

    fn operation(&mut self, text: &str, path: &Path) -> Option<Operation> {
        const WRITES: [Operation; 3] = [Operation::Insert, Operation::Update, Operation::SoftDelete];
        let operation = WRITES.into_iter().find(|operation| operation.as_str() == text);
        if operation.is_none() {
            let message = format!("{} is not a way to write", quoted(text));
            let hint = match text {
                "delete" | "hard-delete" => "list the table under `permissions.database.delete`".to_owned(),
                "read" | "select" => "list the table under `permissions.database.read`".to_owned(),
                _ => did_you_mean(text, WRITES.map(Operation::as_str))
                    .unwrap_or_else(|| "write `insert`, `update` or `soft-delete`".to_owned()),
            };
            self.report.push(Violation::new(ViolationCode::InvalidValue, path, message).hint(hint));
        }
        operation
    }

    fn repeated(&mut self, request: &TableRequest, operation: Operation, path: &Path) {
        let table = quoted(request.table.as_deref().unwrap_or_default());
        self.report.add(
            ViolationCode::DuplicateName,
            path,
            format!("{operation} of {table} is listed already"),
        );
    }
}

/// Adds an operation to a grant. A soft delete is an update of `deleted_at`.
fn lower(grant: &mut TableGrant, operation: Operation, columns: &Columns) {
    match operation {
        Operation::Read => grant.read = Some(columns.clone()),
        Operation::Insert => grant.insert = Some(columns.clone()),
        Operation::Update => grant.update = Some(union(grant.update.take(), columns.clone())),
        Operation::SoftDelete => {
            let marker = SqlName::exact(DELETED_AT).into_iter().collect();
            grant.update = Some(union(grant.update.take(), Columns::Only(marker)));
        }
        Operation::HardDelete => grant.delete = true,
    }
}

fn union(before: Option<Columns>, more: Columns) -> Columns {
    match (before, more) {
        (None, columns) => columns,
        (Some(Columns::All), _) | (_, Columns::All) => Columns::All,
        (Some(Columns::Only(mut names)), Columns::Only(more)) => {
            names.extend(more);
            Columns::Only(names)
        }
    }
}
