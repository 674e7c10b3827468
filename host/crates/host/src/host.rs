//! The host, as a platform holds it.

use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use applet_lifecycle::{
    Decision, InstallReport, Lifecycle, OpContext, Planned, PlannedUninstall, SubmitReport, SwitchReport,
    UninstallReport, UpgradeOptions, UpgradeReport,
};
use applet_package::{Package, PackageLimits, Source};
use applet_plan::RetireMode;
use applet_store::{Approval, InstallationStatus, Workspace};
use applet_types::{AppletId, Caller, RequestId, TenantId, Version, WorkspaceId};
use applet_wiring::{Compiler, Teller};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::call::outcome;
use crate::running::{Entered, Running};
use crate::{Answer, Builder, Call, CallFailure, Error};

/// A host in the platform's own process. Cheap to clone: a clone is the same host.
///
/// Everything that is done for a tenant takes a [`Caller`]: whom the platform has let in, and for which tenant.
/// They reach what is their tenant's, and anything else does not exist for them. Deciding takes an admin; the
/// platform itself may carry out what was decided.
///
/// What changes an applet goes on to its end if its future is dropped: a request that is given up half-way does
/// not leave an install half-way. A call of a hook ends with its future, and its open transaction is rolled back.
///
/// [`close`](Self::close) it in the end. When the last clone is dropped instead, the host is closed there and then,
/// without time for what still runs, and whoever drops it waits: a moment, or some seconds when the database does
/// not answer.
#[derive(Clone)]
pub struct AppletHost {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) running: Running,
    pub(crate) limits: PackageLimits,
    pub(crate) teller: Teller,
}

impl AppletHost {
    /// Settings of a host to be started, whose components this program compiles.
    pub fn builder(compiler: Compiler) -> Builder {
        Builder::new(compiler)
    }

    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Makes sure that a tenant has this workspace. The tenant is one of the platform's `tenants` table.
    ///
    /// # Errors
    ///
    /// [`Error::Workspace`] when the id is another tenant's.
    pub async fn ensure_workspace(
        &self,
        tenant: TenantId,
        workspace: WorkspaceId,
        name: &str,
    ) -> Result<(), Error> {
        let wanted = Workspace { id: workspace, tenant, name: name.to_owned() };
        self.run(move |life| async move {
            let made = life.store().ensure_workspace(&wanted).await;
            let made = made.map_err(applet_lifecycle::LifecycleError::from)?;
            if made { Ok(()) } else { Err(Error::Workspace(workspace)) }
        })
        .await
    }

    /// Checks a package, compiles its component in a process of its own, and keeps it. No tenant has it yet.
    ///
    /// # Errors
    ///
    /// [`Error::Package`] for bytes that are no package, [`Error::Refused`] for one that cannot be used or that the
    /// install policy does not let in.
    pub async fn submit(&self, caller: &Caller, package: impl Into<Vec<u8>>) -> Result<SubmitReport, Error> {
        let (ctx, bytes, limits) = (context(caller), package.into(), self.inner.limits);
        self.run(move |life| async move {
            let package = Package::parse(&bytes, &limits)?;
            Ok(life.submit(&ctx, &package, &Source::File).await?)
        })
        .await
    }

    /// The same, with a package from a file.
    ///
    /// # Errors
    ///
    /// As [`AppletHost::submit`], and [`Error::File`].
    pub async fn submit_file(&self, caller: &Caller, file: impl AsRef<Path>) -> Result<SubmitReport, Error> {
        let (file, most) = (file.as_ref().to_owned(), self.inner.limits.package_bytes as u64);
        let read = self.inner.running.handle().spawn_blocking(move || {
            let mut bytes = Vec::new();
            // No more than shows that it is too large: the name may be that of a pipe or a device.
            let read = File::open(&file).and_then(|opened| opened.take(most + 1).read_to_end(&mut bytes));
            read.map(|_| bytes).map_err(|cause| Error::File { file, cause })
        });
        let bytes = read.await.map_err(|_| Error::Closed)??;
        self.submit(caller, bytes).await
    }

    /// What it would take to install an applet into a workspace, or to bring it to another version: permissions,
    /// tables, the exact DDL. Kept, and waiting for an admin. Of the version that was submitted last, if none is
    /// named.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it cannot be installed here.
    pub async fn plan(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
        version: Option<&Version>,
    ) -> Result<Planned, Error> {
        let (ctx, applet, version) = (context(caller), applet.clone(), version.cloned());
        self.run(move |life| async move { Ok(life.plan(&ctx, workspace, &applet, version.as_ref()).await?) })
            .await
    }

    /// An admin's word on a plan that they have seen. It is bound to the digests of package and plan: whatever
    /// changes afterwards makes it void.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: for anybody but an admin of the tenant, and for a plan that is not open.
    pub async fn approve(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
        decision: &Decision,
    ) -> Result<Approval, Error> {
        let (ctx, applet, decision) = (context(caller), applet.clone(), decision.clone());
        self.run(move |life| async move { Ok(life.approve(&ctx, workspace, &applet, &decision).await?) })
            .await
    }

    /// Refuses the open plan, and with it an approval that was not used yet.
    ///
    /// # Errors
    ///
    /// As [`AppletHost::approve`].
    pub async fn reject(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<(), Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.reject(&ctx, workspace, &applet).await?) }).await
    }

    /// Installs an applet as its plan was approved, or goes on with an install that failed half-way.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn install(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<InstallReport, Error> {
        let (ctx, applet, teller) = (context(caller), applet.clone(), self.inner.teller.clone());
        self.run(move |life| async move { Ok(life.install(&ctx, workspace, &applet, &teller).await?) }).await
    }

    /// Brings an applet to another version while its hooks go on being answered. What asks for no new permission
    /// needs no approval.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], with [`ConsentNeeded`](crate::ConsentNeeded) when an admin has to approve the difference
    /// first.
    pub async fn upgrade(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
        options: &UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        let (ctx, applet, options) = (context(caller), applet.clone(), options.clone());
        let teller = self.inner.teller.clone();
        self.run(
            move |life| async move { Ok(life.upgrade(&ctx, workspace, &applet, &options, &teller).await?) },
        )
        .await
    }

    /// Goes back to the version that ran before. What newer versions added to tables stays, hidden.
    ///
    /// # Errors
    ///
    /// As [`AppletHost::upgrade`].
    pub async fn rollback(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
        options: &UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        let (ctx, applet, options) = (context(caller), applet.clone(), options.clone());
        let teller = self.inner.teller.clone();
        self.run(
            move |life| async move { Ok(life.rollback(&ctx, workspace, &applet, &options, &teller).await?) },
        )
        .await
    }

    /// Switches an applet off: its `on-disable` hook is called, then new calls are refused and running ones are
    /// ended, on every host. Rows, tables and grants are kept.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn disable(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<SwitchReport, Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.disable(&ctx, workspace, &applet).await?) }).await
    }

    /// The same in an emergency: at once, without its `on-disable` hook.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn disable_now(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<SwitchReport, Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.disable_now(&ctx, workspace, &applet).await?) }).await
    }

    /// Switches an applet on again.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn enable(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<SwitchReport, Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.enable(&ctx, workspace, &applet).await?) }).await
    }

    /// What it would mean to uninstall an applet: which tables, how many rows of this tenant, until when they could
    /// be restored. Kept, and waiting for an admin's [`approve`](Self::approve).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn plan_uninstall(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
        mode: RetireMode,
    ) -> Result<PlannedUninstall, Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.plan_uninstall(&ctx, workspace, &applet, mode).await?) })
            .await
    }

    /// Uninstalls an applet as it was approved. `folder` is where an export is written to; other modes need none.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn uninstall(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
        folder: Option<PathBuf>,
    ) -> Result<UninstallReport, Error> {
        let (ctx, applet, teller) = (context(caller), applet.clone(), self.inner.teller.clone());
        self.run(move |life| async move {
            Ok(life.uninstall(&ctx, workspace, &applet, folder.as_deref(), &teller).await?)
        })
        .await
    }

    /// Gives up an install, upgrade or uninstall that failed half-way and could be resumed.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn give_up(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<(), Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.give_up(&ctx, workspace, &applet).await?) }).await
    }

    /// Where an applet stands in a workspace.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: it was never planned here, or the workspace is another tenant's.
    pub async fn status(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<InstallationStatus, Error> {
        let (ctx, applet) = (context(caller), applet.clone());
        self.run(move |life| async move { Ok(life.status(&ctx, workspace, &applet).await?) }).await
    }

    /// Calls a hook of an applet for the caller's tenant. Dropped, the call ends, and its open transaction is rolled
    /// back.
    ///
    /// # Errors
    ///
    /// [`CallFailure`]: the applet is not installed here, its hook failed, or a limit ended it.
    pub async fn call(&self, caller: &Caller, call: Call) -> Result<Answer, CallFailure> {
        let request = call.checked()?;
        let entered = self.inner.running.enter().ok_or_else(CallFailure::closed)?;
        let (caller, over) = (*caller, self.inner.running.over().clone());
        let task = self.inner.running.handle().spawn(async move {
            let called = entered.serving().service().invoke(&caller, request);
            over.run_until_cancelled(called).await.map(|(reply, _)| reply)
        });
        match AbortOnDropHandle::new(task).await {
            Ok(Some(reply)) => outcome(reply),
            Ok(None) => Err(CallFailure::closed()),
            Err(error) if error.is_cancelled() => Err(CallFailure::closed()),
            Err(_) => Err(CallFailure::internal()),
        }
    }

    /// Looks at the database again after the platform has changed its own tables: guards those that are new (in a
    /// private PostgreSQL all, elsewhere those that were adopted), and lets applets see what is there now.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the database refuses.
    pub async fn look_again(&self) -> Result<(), Error> {
        let over = self.inner.running.over().clone();
        let entered = self.inner.running.enter().ok_or(Error::Closed)?;
        let looked = self
            .inner
            .running
            .handle()
            .spawn(async move { over.run_until_cancelled(entered.serving().host().look_again()).await });
        match looked.await {
            Ok(Some(looked)) => looked.map_err(Error::Host),
            Ok(None) => Err(Error::Closed),
            Err(error) => Err(gone(&error)),
        }
    }

    /// Whether calls can be served right now, for the platform's own health check.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or the host is closed.
    pub async fn ready(&self) -> Result<(), Error> {
        self.run(|life| async move {
            let read = life.store().applets().await;
            Ok(read.map(drop).map_err(applet_lifecycle::LifecycleError::from)?)
        })
        .await
    }

    /// Lets nobody in any more, gives calls and operations that run their time to end
    /// ([`Builder::drain`](crate::Builder::drain)) and ends the rest, writes what is left of the audit trail, lets go
    /// of every connection, and stops the private PostgreSQL if it is this host's. For all clones; the second who
    /// closes waits for nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the private PostgreSQL does not stop.
    pub async fn close(&self) -> Result<(), Error> {
        self.inner.running.close().await.unwrap_or(Ok(())).map_err(Error::Host)
    }

    /// Does something on the host's threads, to its end, whatever becomes of the caller's future.
    async fn run<T, F>(&self, work: impl FnOnce(Lifecycle) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let entered = self.inner.running.enter().ok_or(Error::Closed)?;
        let work = work(entered.serving().host().lifecycle.clone());
        let over = self.inner.running.over().clone();
        let done = self.inner.running.handle().spawn(async move {
            let done = over.run_until_cancelled(work).await;
            look(&entered).await;
            done
        });
        match done.await {
            Ok(Some(done)) => done,
            Ok(None) => Err(Error::Closed),
            Err(error) => Err(gone(&error)),
        }
    }
}

impl std::fmt::Debug for AppletHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppletHost").finish_non_exhaustive()
    }
}

/// Has the next call know of what was just done.
async fn look(entered: &Entered) {
    entered.serving().service().look().await;
}

fn context(caller: &Caller) -> OpContext {
    OpContext::of(caller, RequestId::new(Uuid::now_v7()))
}

/// Work that the host's threads have not brought to its end.
fn gone(error: &tokio::task::JoinError) -> Error {
    if error.is_cancelled() {
        return Error::Closed;
    }
    tracing::error!(%error, "the host has failed");
    Error::Internal
}
