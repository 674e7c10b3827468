//! Workspaces: which tenant each belongs to.

use applet_types::{TenantId, WorkspaceId};
use uuid::Uuid;

use crate::{Store, StoreError};

/// A tenant's place for data. Its placement is `shared`: the platform's database, `tenant_id` on every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Which.
    pub id: WorkspaceId,
    /// Whose.
    pub tenant: TenantId,
    /// For people.
    pub name: String,
}

type Row = (Uuid, Uuid, String);

fn workspace((id, tenant, name): Row) -> Workspace {
    Workspace { id: WorkspaceId::new(id), tenant: TenantId::new(tenant), name }
}

impl Store {
    /// Makes sure that the workspace exists. `false` when the id belongs to another tenant already.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn ensure_workspace(&self, wanted: &Workspace) -> Result<bool, StoreError> {
        sqlx::query(
            "INSERT INTO applet_host.workspaces (id, tenant_id, name) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        )
        .bind(wanted.id.as_uuid())
        .bind(wanted.tenant.as_uuid())
        .bind(&wanted.name)
        .execute(&self.pool)
        .await
        .map_err(StoreError::database("create a workspace"))?;
        Ok(self.workspace(wanted.tenant, wanted.id).await?.is_some())
    }

    /// A workspace of this tenant.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn workspace(
        &self,
        tenant: TenantId,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>, StoreError> {
        sqlx::query_as(
            "SELECT id, tenant_id, name FROM applet_host.workspaces WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map(|row| row.map(workspace))
        .map_err(StoreError::database("read a workspace"))
    }

    /// The tenant's workspaces, oldest first.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn workspaces(&self, tenant: TenantId) -> Result<Vec<Workspace>, StoreError> {
        sqlx::query_as(
            "SELECT id, tenant_id, name FROM applet_host.workspaces WHERE tenant_id = $1 ORDER BY created_at, id",
        )
        .bind(tenant.as_uuid())
        .fetch_all(&self.pool)
        .await
        .map(|rows| rows.into_iter().map(workspace).collect())
        .map_err(StoreError::database("list workspaces"))
    }
}
