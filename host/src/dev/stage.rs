//! A host on a private database with the demo's two tenants.

use std::path::PathBuf;
use std::sync::Arc;

use applet_lifecycle::{Decision, LifecycleError, Silent};
use applet_package::{Package, PackageLimits, Source};
use applet_store::{PlanState, State};
use applet_types::{AppletId, Version};

use crate::cli::{Place, admin_of, context, refused};
use crate::demo_data::{DemoTenant, TENANTS};
use crate::opening::{Host, Purpose};
use crate::output::{CommandError, Output};
use crate::packages;
use crate::seen::{Seen, Sight};
use crate::service::Service;

/// The host, and what is seen of its applets.
pub(crate) struct Stage {
    pub(crate) host: Arc<Host>,
    pub(crate) service: Arc<Service>,
    pub(crate) seen: Arc<Seen>,
    limits: PackageLimits,
}

/// What a version's own hooks did when it was installed.
pub(crate) struct Installed {
    pub(crate) sights: Vec<Sight>,
}

impl Stage {
    /// Starts the host in this directory; `seed` makes tables of the platform.
    pub(crate) async fn open(
        directory: PathBuf,
        seed: Option<String>,
        output: Output,
    ) -> Result<Self, CommandError> {
        let place = Place { data_dir: Some(directory), ..Place::default() };
        let limits = packages::limits(&place.configuration()?.limits);
        let purpose = Purpose { fast: true, serves: true, allow_unpatched: true, demo_data: true };
        let seen = Arc::new(Seen::default());
        let bench = Seen::bench(&seen);
        let host = Arc::new(place.open_with(purpose, Some(bench), seed, output).await?);
        let service = Arc::new(Service::new(Arc::clone(&host)));
        Ok(Self { host, service, seen, limits })
    }

    /// Submits a package.
    pub(crate) async fn submit(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let package =
            Package::parse(bytes, &self.limits).map_err(|fault| packages::faulty("the package", &fault))?;
        let admin = context(&admin_of(&TENANTS[0]));
        self.host.lifecycle.submit(&admin, &package, &Source::File).await.map_err(refused)?;
        Ok(())
    }

    /// The text of the manifest that runs for a tenant, if any does.
    pub(crate) async fn running(
        &self,
        tenant: &DemoTenant,
        applet: &AppletId,
    ) -> Result<Option<String>, CommandError> {
        let (lifecycle, admin) = (&self.host.lifecycle, context(&admin_of(tenant)));
        let status = match lifecycle.status(&admin, tenant.workspace, applet).await {
            Ok(status) => status,
            Err(LifecycleError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        let (State::Active, Some(digest)) = (status.state, status.digest) else { return Ok(None) };
        let package = lifecycle.store().applet(digest).await.map_err(crate::opening::told)?;
        Ok(package.map(|package| package.manifest))
    }

    /// Plans, approves everything as the tenant's admin, and installs: the version that was submitted last.
    pub(crate) async fn install(
        &self,
        tenant: &DemoTenant,
        applet: &AppletId,
        version: &Version,
    ) -> Result<Installed, CommandError> {
        let (lifecycle, admin) = (&self.host.lifecycle, context(&admin_of(tenant)));
        let workspace = tenant.workspace;
        let plan = || lifecycle.plan(&admin, workspace, applet, Some(version));
        let planned = match plan().await {
            // An earlier try failed half-way; what it has made is joined by this one.
            Err(LifecycleError::Held | LifecycleError::Illegal(_)) => {
                lifecycle.give_up(&admin, workspace, applet).await.map_err(refused)?;
                plan().await
            }
            planned => planned,
        };
        let planned = planned.map_err(refused)?;
        if planned.record.state != PlanState::Approved {
            let decision = Decision::everything(planned.record.id);
            lifecycle.approve(&admin, workspace, applet, &decision).await.map_err(refused)?;
        }
        let installed = lifecycle.install(&admin, workspace, applet, &Silent).await;
        let sights = self.seen.take(admin.request);
        installed.map_err(refused)?;
        Ok(Installed { sights })
    }

    /// Ends everything, and waits for the database to stop.
    pub(crate) async fn close(self) -> Result<(), CommandError> {
        let Self { host, service, .. } = self;
        drop(service);
        let mut host = host;
        loop {
            match Arc::try_unwrap(host) {
                Ok(host) => return Ok(host.close().await?),
                // The service's own task holds it for the moment of a look.
                Err(shared) => host = shared,
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}
