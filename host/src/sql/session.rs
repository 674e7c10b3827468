//! A database prepared for one manifest, and a proxy in front of it: what `applet sql` and
//! `applet explain` work on when no host is involved.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_catalog::Catalog;
use applet_datasource::catalog::CatalogOptions;
use applet_datasource::locks::{self, Lock};
use applet_datasource::wall::{self, Preparation, Purpose};
use applet_datasource::{Admin, ddl};
use applet_gate::Wall;
use applet_manifest::ValidatedManifest;
use applet_proxy::{AuditQueue, AuditWriter, KeeperConfig, Proxy, ProxyConfig};
use applet_types::{
    Actor, Budget, Grants, InstallationId, Invocation, RequestId, SqlName, TenantId, WorkspaceId,
};
use uuid::Uuid;

use crate::config::LimitsConfig;
use crate::endpoint::Endpoint;
use crate::output::CommandError;

/// What to open a session with.
pub(crate) struct Opening<'a> {
    pub(crate) admin_database: &'a str,
    pub(crate) manifest: &'a ValidatedManifest,
    pub(crate) tenant: TenantId,
    pub(crate) global_tables: BTreeSet<SqlName>,
    pub(crate) wall: Wall,
    /// Whether the role is one that row-level security does not bind.
    pub(crate) bypass: bool,
    pub(crate) rollback_each: bool,
    pub(crate) limits: &'a LimitsConfig,
    pub(crate) insecure_transport: bool,
}

/// A session as an applet in a tenant.
pub(crate) struct SqlSession {
    proxy: Proxy,
    audit: Option<AuditWriter>,
    /// Kept open: as long as it is, no other process retires the role.
    admin: Admin,
    invocation: Invocation,
}

impl SqlSession {
    /// Prepares the database and connects.
    pub(crate) async fn open(opening: &Opening<'_>) -> Result<Self, CommandError> {
        let endpoint = Endpoint::parse(opening.admin_database, opening.insecure_transport)?;
        endpoint.probe().await?;
        let target = endpoint.target().clone();
        let mut admin = Admin::connect(endpoint.url()).await.map_err(told)?;
        if let Some(right) = wall::missing_right(&mut admin).await.map_err(told)? {
            let role = admin.role().to_owned();
            return Err(CommandError::usage(format!("the role `{role}` lacks {right}")));
        }
        let grants = Arc::new(opening.manifest.requested());
        let options =
            CatalogOptions { global_tables: opening.global_tables.clone(), ..CatalogOptions::default() };
        // Two of these commands at once must not both find a table missing and create it.
        locks::acquire(&mut admin, Lock::ApplyPlan).await.map_err(told)?;
        let catalog = Self::catalog(&mut admin, &options, opening.manifest, &grants).await;
        locks::release(&mut admin, Lock::ApplyPlan).await.map_err(told)?;
        let catalog = catalog?;
        let preparation = Preparation {
            applet: opening.manifest.id(),
            grants: &grants,
            catalog: &catalog,
            options: &options,
            bypass: opening.bypass,
            purpose: Purpose::Command,
        };
        let prepared = wall::prepare(&mut admin, &preparation).await.map_err(told)?;
        // A login that pg_hba.conf refuses is told here, with the rule, rather than at the first statement.
        admin.connect_as(&prepared.login).await.map_err(told)?.close().await.map_err(told)?;

        let capacity = opening.limits.host.audit_queue;
        let (queue, writer) = AuditQueue::start(target.clone(), prepared.keys.audit_login(), capacity, false);
        let keeper = KeeperConfig { login: prepared.keys.pool_login(), directory: None };
        let keys = Arc::new(prepared.keys);
        let logins = Arc::clone(&keys);
        let mut config = ProxyConfig::new(target, Arc::new(catalog), logins, Arc::new(queue));
        config.tenants = Some(keys);
        config.limits = opening.limits.host.clone();
        config.keeper = Some(keeper);
        config.session_limits = opening.limits.execution.clone();
        config.allow_global_keys = true;
        config.wall = opening.wall;
        config.rollback_each = opening.rollback_each;
        Ok(Self {
            proxy: Proxy::new(config),
            audit: Some(writer),
            admin,
            invocation: invocation(opening, grants),
        })
    }

    /// The catalogue, after own tables that were missing have been created as an install would.
    async fn catalog(
        admin: &mut Admin,
        options: &CatalogOptions,
        manifest: &ValidatedManifest,
        grants: &Grants,
    ) -> Result<Catalog, CommandError> {
        let read = applet_datasource::catalog::read(admin, options).await.map_err(told)?.catalog;
        let missing = grants.own_tables().any(|(_, table)| read.table(table.name()).is_none());
        if !missing {
            return Ok(read);
        }
        let statements = applet_plan::own_table_ddl(manifest, &read)
            .map_err(|refusal| CommandError::usage(refusal.to_string()))?;
        ddl::apply(admin, &statements).await.map_err(told)?;
        Ok(applet_datasource::catalog::read(admin, options).await.map_err(told)?.catalog)
    }

    /// The next invocation: each statement is one of its own.
    pub(crate) fn next(&self) -> Invocation {
        let mut invocation = self.invocation.clone();
        invocation.request = RequestId::new(Uuid::now_v7());
        invocation.deadline = Instant::now() + Duration::from_millis(invocation.limits.execution.wall_ms);
        invocation.budget = Arc::new(Budget::default());
        invocation
    }

    pub(crate) const fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Writes what is left of the audit trail and leaves no connection behind.
    pub(crate) async fn close(mut self) -> Result<(), CommandError> {
        self.proxy.close().await;
        drop(self.proxy);
        if let Some(writer) = self.audit.take() {
            writer.finish().await;
        }
        self.admin.close().await.map_err(told)
    }
}

fn invocation(opening: &Opening<'_>, grants: Arc<Grants>) -> Invocation {
    Invocation {
        request: RequestId::new(Uuid::now_v7()),
        tenant: opening.tenant,
        workspace: WorkspaceId::new(Uuid::nil()),
        applet: opening.manifest.id().clone(),
        version: opening.manifest.version().clone(),
        installation: InstallationId::new(Uuid::nil()),
        actor: Actor::Platform,
        locale: "en".to_owned(),
        grants,
        limits: Arc::new(opening.manifest.limits(&opening.limits.of_invocations())),
        variables: Arc::default(),
        deadline: Instant::now(),
        budget: Arc::new(Budget::default()),
    }
}

/// What the database layer says is meant for the operator at the terminal.
fn told(error: applet_datasource::Error) -> CommandError {
    CommandError::usage(error.to_string())
}
