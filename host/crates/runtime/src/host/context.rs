//! What a guest may know of its invocation.

use std::collections::BTreeMap;

use applet_bindings::context::{Host, Invocation, Permission};
use applet_types::{Columns, Operation, SqlName, TableGrant};

use crate::guest::Guest;

/// The column that marks a row as deleted.
const DELETED_AT: &str = "deleted_at";

impl Host for Guest {
    fn current(&mut self) -> wasmtime::Result<Invocation> {
        self.count_host_call()?;
        let call = &self.call;
        Ok(Invocation {
            request_id: call.request.to_string(),
            tenant_id: call.tenant.to_string(),
            workspace_id: call.workspace.to_string(),
            user_id: call.actor.user().map(|user| user.to_string()),
            locale: call.locale.clone(),
            applet_id: call.applet.to_string(),
            applet_version: call.version.to_string(),
            permissions: self.permissions(),
        })
    }
}

impl Guest {
    /// The applet's own tables are listed by the names that its manifest declares.
    fn permissions(&self) -> Vec<Permission> {
        let grants = &self.call.grants;
        let own: BTreeMap<_, _> =
            grants.own_tables().map(|(declared, physical)| (physical.name(), declared)).collect();
        grants
            .tables()
            .map(|(physical, grant)| {
                let soft_deletable = self.database.soft_deletable(&self.call, physical);
                let name: &SqlName = own.get(physical).copied().unwrap_or(physical);
                Permission {
                    table: name.to_string(),
                    operations: operations(grant, soft_deletable),
                    soft_deletable,
                }
            })
            .collect()
    }
}

fn operations(grant: &TableGrant, soft_deletable: bool) -> Vec<String> {
    let marks = grant.update.as_ref().is_some_and(|columns| covers(columns, DELETED_AT));
    [
        (grant.read.is_some(), Operation::Read),
        (grant.insert.is_some(), Operation::Insert),
        (grant.update.is_some(), Operation::Update),
        (soft_deletable && marks, Operation::SoftDelete),
        (grant.delete, Operation::HardDelete),
    ]
    .into_iter()
    .filter(|(granted, _)| *granted)
    .map(|(_, operation)| operation.as_str().to_owned())
    .collect()
}

fn covers(columns: &Columns, name: &str) -> bool {
    match columns {
        Columns::All => true,
        Columns::Only(names) => names.contains(name),
    }
}
