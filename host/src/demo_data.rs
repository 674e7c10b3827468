//! The demo's two tenants, for `applet demo` and `applet serve --demo-data`.

use applet_store::{Store, Workspace};
use applet_types::{TenantId, WorkspaceId};
use applet_wiring::Script;
use uuid::Uuid;

use crate::opening::told;
use crate::output::CommandError;

/// A tenant of the demo with its one workspace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoTenant {
    pub(crate) name: &'static str,
    /// As paths and tests of a project call it.
    pub(crate) short: &'static str,
    pub(crate) tenant: TenantId,
    pub(crate) workspace: WorkspaceId,
}

/// The two tenants of `host/demo/data.sql`.
pub(crate) const TENANTS: [DemoTenant; 2] = [
    demo(
        ("Alder Dental", "alder"),
        0x1111_1111_1111_4111_8111_1111_1111_1111,
        0x1111_1111_0000_4000_8000_0000_0000_0001,
    ),
    demo(
        ("Birch Realty", "birch"),
        0x2222_2222_2222_4222_8222_2222_2222_2222,
        0x2222_2222_0000_4000_8000_0000_0000_0001,
    ),
];

impl DemoTenant {
    /// The tenant that a path or a test calls so.
    pub(crate) fn called(short: &str) -> Option<&'static Self> {
        TENANTS.iter().find(|tenant| tenant.short == short)
    }

    /// The other one of the two.
    pub(crate) fn other(&self) -> &'static Self {
        TENANTS.iter().find(|tenant| tenant.short != self.short).unwrap_or(&TENANTS[0])
    }
}

const fn demo((name, short): (&'static str, &'static str), tenant: u128, workspace: u128) -> DemoTenant {
    DemoTenant {
        name,
        short,
        tenant: TenantId::new(Uuid::from_u128(tenant)),
        workspace: WorkspaceId::new(Uuid::from_u128(workspace)),
    }
}

/// Make the CRM tables and the two tenants' rows, where they are not there yet.
pub(crate) fn tables() -> Vec<Script> {
    let script = |name: &str, sql: &str| Script { name: name.to_owned(), sql: sql.to_owned() };
    vec![
        script("demo/schema.sql", include_str!("../demo/schema.sql")),
        script("demo/data.sql", include_str!("../demo/data.sql")),
    ]
}

/// Creates the two workspaces.
pub(crate) async fn load_workspaces(store: &Store) -> Result<(), CommandError> {
    for tenant in TENANTS {
        let workspace =
            Workspace { id: tenant.workspace, tenant: tenant.tenant, name: tenant.name.to_owned() };
        store.ensure_workspace(&workspace).await.map_err(told)?;
    }
    Ok(())
}
