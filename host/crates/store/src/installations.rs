//! Applets in workspaces: their state, and what runs once they are active.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_package::AppletDigest;
use applet_types::{
    Actor, AppletId, Budget, ComponentDigest, Grants, InstallationId, Invocation, Limits, RequestId,
    TenantId, Variables, Version, WorkspaceId,
};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::granted;
use crate::{State, Store, StoreError};

/// An active installation: everything that an invocation is made of. Can be cached; `generation` grows
/// whenever any of it changes.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Which.
    pub id: InstallationId,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub workspace: WorkspaceId,
    /// Which applet.
    pub applet: AppletId,
    /// In which version.
    pub version: Version,
    /// The package that was approved.
    pub digest: AppletDigest,
    /// The component that runs.
    pub component: ComponentDigest,
    /// What it may do.
    pub grants: Arc<Grants>,
    /// What it is held to.
    pub limits: Arc<Limits>,
    /// What its component may look up.
    pub variables: Arc<Variables>,
    /// Grows with every change.
    pub generation: i64,
}

impl Installation {
    /// A call of one of its hooks, starting at `now`.
    pub fn invocation(&self, request: RequestId, actor: Actor, locale: &str, now: Instant) -> Invocation {
        Invocation {
            request,
            tenant: self.tenant,
            workspace: self.workspace,
            applet: self.applet.clone(),
            version: self.version.clone(),
            installation: self.id,
            actor,
            locale: locale.to_owned(),
            grants: Arc::clone(&self.grants),
            limits: Arc::clone(&self.limits),
            variables: Arc::clone(&self.variables),
            deadline: now + Duration::from_millis(self.limits.execution.wall_ms),
            budget: Arc::new(Budget::default()),
        }
    }
}

/// Where an installation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationStatus {
    /// Which.
    pub id: InstallationId,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub workspace: WorkspaceId,
    /// Which applet.
    pub applet: AppletId,
    /// Its state.
    pub state: State,
    /// The package that runs, or ran last.
    pub digest: Option<AppletDigest>,
    /// Grows with every change of what runs.
    pub generation: i64,
    /// When the state changed last.
    pub updated_at: DateTime<Utc>,
}

/// A change of state: refused when the installation is not, or no longer, in the state it starts from.
#[derive(Debug, Clone, Copy)]
pub struct StateChange {
    /// The state it is in.
    pub from: State,
    /// The state it gets.
    pub to: State,
}

type StatusRow =
    (Uuid, Uuid, Uuid, String, sqlx::types::Json<serde_json::Value>, Option<String>, i64, DateTime<Utc>);

fn status(row: StatusRow) -> Result<InstallationStatus, StoreError> {
    let (id, tenant, workspace, applet, state, digest, generation, updated_at) = row;
    Ok(InstallationStatus {
        id: InstallationId::new(id),
        tenant: TenantId::new(tenant),
        workspace: WorkspaceId::new(workspace),
        applet: applet
            .parse()
            .map_err(|error| StoreError::damaged("read an installation's applet", error))?,
        state: serde_json::from_value(state.0)
            .map_err(|error| StoreError::damaged("read an installation's state", error))?,
        digest: digest
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| StoreError::damaged("read an installation's digest", error))?,
        generation,
        updated_at,
    })
}

/// Replaces the state inside a transaction of the caller.
///
/// # Errors
///
/// [`StoreError::Busy`] when it is not the expected one.
pub(crate) async fn change_state(
    connection: &mut PgConnection,
    installation: InstallationId,
    change: StateChange,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE applet_host.installations SET state = $3, updated_at = now() WHERE id = $1 AND state = $2",
    )
    .bind(installation.as_uuid())
    .bind(sqlx::types::Json(change.from))
    .bind(sqlx::types::Json(change.to))
    .execute(connection)
    .await
    .map_err(StoreError::database("change an installation's state"))?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Busy) }
}

impl Store {
    /// The applet in this workspace, created as [`State::Submitted`] when it is not there yet. `None`
    /// when the tenant has no such workspace.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn ensure_installation(
        &self,
        tenant: TenantId,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<Option<InstallationStatus>, StoreError> {
        sqlx::query(
            "INSERT INTO applet_host.installations (id, tenant_id, workspace_id, applet_id, state)
             SELECT $1, w.tenant_id, w.id, $4, $5 FROM applet_host.workspaces AS w
              WHERE w.tenant_id = $2 AND w.id = $3
             ON CONFLICT (workspace_id, applet_id) DO NOTHING",
        )
        .bind(Uuid::now_v7())
        .bind(tenant.as_uuid())
        .bind(workspace.as_uuid())
        .bind(applet.as_str())
        .bind(sqlx::types::Json(State::Submitted))
        .execute(&self.pool)
        .await
        .map_err(StoreError::database("create an installation"))?;
        self.installation(tenant, workspace, applet).await
    }

    /// Where the applet stands in this workspace.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn installation(
        &self,
        tenant: TenantId,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<Option<InstallationStatus>, StoreError> {
        let row: Option<StatusRow> = sqlx::query_as(
            "SELECT id, tenant_id, workspace_id, applet_id, state, applet_digest, generation, updated_at
               FROM applet_host.installations
              WHERE tenant_id = $1 AND workspace_id = $2 AND applet_id = $3",
        )
        .bind(tenant.as_uuid())
        .bind(workspace.as_uuid())
        .bind(applet.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an installation"))?;
        row.map(status).transpose()
    }

    /// The tenant's installations, by workspace and applet.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn installations(&self, tenant: TenantId) -> Result<Vec<InstallationStatus>, StoreError> {
        let rows: Vec<StatusRow> = sqlx::query_as(
            "SELECT id, tenant_id, workspace_id, applet_id, state, applet_digest, generation, updated_at
               FROM applet_host.installations WHERE tenant_id = $1 ORDER BY workspace_id, applet_id",
        )
        .bind(tenant.as_uuid())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list installations"))?;
        rows.into_iter().map(status).collect()
    }

    /// What runs when a hook of this applet is called. `None` unless it is active in this workspace of
    /// this tenant.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn active_installation(
        &self,
        tenant: TenantId,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<Option<Installation>, StoreError> {
        let row: Option<ActiveRow> = sqlx::query_as(
            "SELECT i.id, i.generation, i.grants, i.limits, a.digest, a.version, a.component_digest, a.variables
               FROM applet_host.installations AS i
               JOIN applet_host.applets AS a ON a.digest = i.applet_digest
              WHERE i.tenant_id = $1 AND i.workspace_id = $2 AND i.applet_id = $3
                AND i.state = '{\"state\": \"active\"}' AND i.grants IS NOT NULL",
        )
        .bind(tenant.as_uuid())
        .bind(workspace.as_uuid())
        .bind(applet.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an active installation"))?;
        row.map(|row| active(row, tenant, workspace, applet)).transpose()
    }

    /// A number that has grown whenever any installation of any tenant has changed. What was read after
    /// this number was, is true for as long as the number stays.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        let (revision,): (i64,) = sqlx::query_as("SELECT value FROM applet_host.revision")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::database("read the revision"))?;
        Ok(revision)
    }

    /// Which of these installations are active.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn active_among(
        &self,
        keys: &[(TenantId, WorkspaceId, AppletId)],
    ) -> Result<HashSet<(TenantId, WorkspaceId, AppletId)>, StoreError> {
        let doing = "look for active installations";
        let tenants: Vec<_> = keys.iter().map(|(tenant, _, _)| tenant.as_uuid()).collect();
        let workspaces: Vec<_> = keys.iter().map(|(_, workspace, _)| workspace.as_uuid()).collect();
        let applets: Vec<_> = keys.iter().map(|(_, _, applet)| applet.as_str()).collect();
        let rows: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
            "SELECT i.tenant_id, i.workspace_id, i.applet_id
               FROM applet_host.installations AS i
               JOIN unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (tenant_id, workspace_id, applet_id)
                    USING (tenant_id, workspace_id, applet_id)
              WHERE i.state = '{\"state\": \"active\"}' AND i.grants IS NOT NULL",
        )
        .bind(tenants)
        .bind(workspaces)
        .bind(applets)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database(doing))?;
        rows.into_iter()
            .map(|(tenant, workspace, applet)| {
                let applet = applet.parse().map_err(|error| StoreError::damaged(doing, error))?;
                Ok((TenantId::new(tenant), WorkspaceId::new(workspace), applet))
            })
            .collect()
    }

    /// The package and the grants that an installation runs, or ran last, whatever its state. `None` before
    /// its first activation.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn installed(
        &self,
        status: &InstallationStatus,
    ) -> Result<Option<(AppletDigest, Grants)>, StoreError> {
        let Some(digest) = status.digest else { return Ok(None) };
        let row: Option<(serde_json::Value,)> = sqlx::query_as(
            "SELECT grants FROM applet_host.installations WHERE tenant_id = $1 AND id = $2 AND grants IS NOT NULL",
        )
        .bind(status.tenant.as_uuid())
        .bind(status.id.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an installation's grants"))?;
        row.map(|(grants,)| Ok((digest, granted::read(grants, &status.applet)?))).transpose()
    }

    /// The limits that an installation is held to, or was last. `None` before its first activation.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn installed_limits(&self, status: &InstallationStatus) -> Result<Option<Limits>, StoreError> {
        let row: Option<(sqlx::types::Json<Limits>,)> = sqlx::query_as(
            "SELECT limits FROM applet_host.installations WHERE tenant_id = $1 AND id = $2 AND grants IS NOT NULL",
        )
        .bind(status.tenant.as_uuid())
        .bind(status.id.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an installation's limits"))?;
        Ok(row.map(|(limits,)| limits.0))
    }

    /// The grants that anybody's installation of an applet has, or is about to get. Database roles of any
    /// other grants are not used.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn grants_in_use(&self, applet: &AppletId) -> Result<Vec<Grants>, StoreError> {
        let rows: Vec<(serde_json::Value,)> = sqlx::query_as(
            "SELECT grants FROM applet_host.installations
              WHERE applet_id = $1 AND grants IS NOT NULL AND left_at IS NULL
              UNION
             SELECT a.granted
               FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
               JOIN applet_host.installations AS i ON i.id = o.installation_id
              WHERE i.applet_id = $1 AND o.state = 'running'",
        )
        .bind(applet.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list grants in use"))?;
        rows.into_iter().map(|(grants,)| granted::read(grants, applet)).collect()
    }

    /// Who works with the shared database, or is about to: applets and their workspaces, of all tenants. For
    /// whoever operates the host.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn in_use(&self) -> Result<Vec<(AppletId, WorkspaceId)>, StoreError> {
        let doing = "list what is installed";
        let rows: Vec<(String, Uuid)> = sqlx::query_as(
            "SELECT i.applet_id, i.workspace_id
               FROM applet_host.installations AS i
              WHERE (i.grants IS NOT NULL AND i.left_at IS NULL)
                 OR EXISTS (SELECT FROM applet_host.operations AS o
                             WHERE o.installation_id = i.id AND o.state = 'running')
              ORDER BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database(doing))?;
        let read = |(applet, workspace): (String, Uuid)| {
            let applet = applet.parse().map_err(|error| StoreError::damaged(doing, error))?;
            Ok((applet, WorkspaceId::new(workspace)))
        };
        rows.into_iter().map(read).collect()
    }

    /// Replaces an installation's state, unless somebody else did so first, and lets caches know.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the state is not the expected one.
    pub async fn change_state(
        &self,
        tenant: TenantId,
        installation: InstallationId,
        change: StateChange,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE applet_host.installations
                SET state = $4, generation = generation + 1, updated_at = now()
              WHERE tenant_id = $1 AND id = $2 AND state = $3",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .bind(sqlx::types::Json(change.from))
        .bind(sqlx::types::Json(change.to))
        .execute(&self.pool)
        .await
        .map_err(StoreError::database("change an installation's state"))?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Busy) }
    }
}

type ActiveRow = (
    Uuid,
    i64,
    sqlx::types::Json<serde_json::Value>,
    sqlx::types::Json<serde_json::Value>,
    String,
    String,
    String,
    sqlx::types::Json<Variables>,
);

fn active(
    row: ActiveRow,
    tenant: TenantId,
    workspace: WorkspaceId,
    applet: &AppletId,
) -> Result<Installation, StoreError> {
    let (id, generation, grants, limits, digest, version, component, variables) = row;
    Ok(Installation {
        id: InstallationId::new(id),
        tenant,
        workspace,
        applet: applet.clone(),
        version: version.parse().map_err(|error| StoreError::damaged("read an applet's version", error))?,
        digest: digest.parse().map_err(|error| StoreError::damaged("read an applet's digest", error))?,
        component: component
            .parse()
            .map_err(|error| StoreError::damaged("read a component's digest", error))?,
        grants: Arc::new(granted::read(grants.0, applet)?),
        limits: Arc::new(
            serde_json::from_value(limits.0).map_err(|error| StoreError::damaged("read limits", error))?,
        ),
        variables: Arc::new(variables.0),
        generation,
    })
}
