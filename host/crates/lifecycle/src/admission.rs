//! The operator's policy, asked when a package comes in, and again before anything of it is planned, installed,
//! resumed or switched on: keys, blocks and registries may have changed in between.
//!
//! *Invariant:* what the policy goes by is checked here, each time, from what was kept: every signature over
//! the package's own digest. What it refuses is in the audit trail of the tenant that asked.

use applet_package::{AppletDigest, Candidate, Package, PackageFault, PolicyRefusal, Source, signers};
use applet_store::{Applet, ApprovedPlan, InstallationStatus, Refusal};
use applet_types::{AppletId, InstallationId, RequestId, TenantId, UserId, Version, WorkspaceId};

use crate::{Lifecycle, LifecycleError, OpContext};

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    request: RequestId,
    tenant: TenantId,
    user: Option<UserId>,
    at: Option<(WorkspaceId, InstallationId)>,
    operation: &'static str,
}

impl Asked {
    pub(crate) const fn by(ctx: &OpContext, operation: &'static str) -> Self {
        Self { request: ctx.request, tenant: ctx.tenant, user: ctx.user(), at: None, operation }
    }

    pub(crate) const fn about(self, status: &InstallationStatus) -> Self {
        Self { at: Some((status.workspace, status.id)), ..self }
    }

    /// An approved plan is being carried out, perhaps by a host that has just started.
    pub(crate) const fn to_apply(plan: &ApprovedPlan, request: RequestId) -> Self {
        Self {
            request,
            tenant: plan.tenant(),
            user: None,
            at: Some((plan.workspace(), plan.installation())),
            operation: "apply",
        }
    }
}

impl Lifecycle {
    /// Whether a package may come in.
    pub(crate) async fn admit_package(
        &self,
        asked: Asked,
        (applet, version): (&AppletId, &Version),
        package: &Package<'_>,
        source: &Source,
    ) -> Result<(), LifecycleError> {
        let digest = package.digest();
        let sources = [source.clone()];
        let verdict = self.verdict((applet, digest), signers(package.signatures(), digest), &sources);
        self.told(asked, (applet, version, digest), verdict).await
    }

    /// Whether a package that came in may be planned, installed or switched on now.
    pub(crate) async fn admit(&self, asked: Asked, package: &Applet) -> Result<(), LifecycleError> {
        let known = self.parts.store.provenance(package.digest).await?;
        let signers = signers(&known.signatures, package.digest);
        let verdict = self.verdict((&package.id, package.digest), signers, &known.sources);
        self.told(asked, (&package.id, &package.version, package.digest), verdict).await
    }

    /// Whether a package that is installed may go on running.
    ///
    /// # Errors
    ///
    /// [`PolicyRefusal::Blocked`].
    pub fn admit_running(&self, applet: &AppletId, digest: AppletDigest) -> Result<(), PolicyRefusal> {
        self.parts.policy.admit_running(applet, digest)
    }

    /// Whether an installed package may be switched on again.
    pub(crate) async fn admit_again(&self, asked: Asked, package: &Applet) -> Result<(), LifecycleError> {
        let verdict = self.admit_running(&package.id, package.digest).map_err(LifecycleError::Policy);
        self.told(asked, (&package.id, &package.version, package.digest), verdict).await
    }

    fn verdict(
        &self,
        (applet, digest): (&AppletId, AppletDigest),
        signers: Result<Vec<applet_package::PublicKey>, PackageFault>,
        sources: &[Source],
    ) -> Result<(), LifecycleError> {
        let candidate = Candidate { applet, digest, signers: &signers?, sources };
        Ok(self.parts.policy.admit(&candidate)?)
    }

    async fn told(
        &self,
        asked: Asked,
        (applet, version, digest): (&AppletId, &Version, AppletDigest),
        verdict: Result<(), LifecycleError>,
    ) -> Result<(), LifecycleError> {
        let Err(error) = verdict else { return Ok(()) };
        let refusal = Refusal {
            request: asked.request,
            tenant: asked.tenant,
            workspace: asked.at.map(|(workspace, _)| workspace),
            installation: asked.at.map(|(_, installation)| installation),
            user: asked.user,
            applet,
            operation: asked.operation,
            about: format!("{} {applet} {version} sha256:{digest}", asked.operation),
            code: error.code(),
        };
        if let Err(unwritten) = self.parts.store.record_refusal(&refusal).await {
            tracing::error!(%unwritten, code = error.code(), "a refusal could not be recorded");
        }
        Err(error)
    }
}
