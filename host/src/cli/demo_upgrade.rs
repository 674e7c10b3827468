//! The demo's upgrade: a version that asks for more, an admin's consent to the difference, the other tenant
//! on the version before, and the way back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use applet_lifecycle::{Decision, LifecycleError, Package, Source, UpgradeOptions};
use applet_types::Version;

use super::demo::{Stage, admin_of};
use super::grants;
use super::install::Steps;
use super::operator::{context, refused};
use super::upgrade::changed;
use crate::demo_data::{DemoTenant, TENANTS};
use crate::opening::told;
use crate::output::CommandError;

impl Stage {
    /// Waits until this host has noticed, which takes it a quarter of a second.
    async fn answered_by(&self, tenant: &DemoTenant, version: &Version) -> Result<(), CommandError> {
        while self.version(tenant).await? != version.to_string() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Plays it, on the first tenant.
    pub(crate) async fn upgrade(&self, manifest: &Path, component: &[u8]) -> Result<(), CommandError> {
        let [tenant, neighbour] = &TENANTS;
        let (lifecycle, output) = (&self.host.lifecycle, self.output);
        let admin = context(&admin_of(tenant));
        let text = fs::read_to_string(manifest).map_err(told)?;
        let package = Package::new(&text, component);
        let submitted = lifecycle.submit(&admin, &package, &Source::File).await.map_err(refused)?;
        output.progress(format_args!(
            "\n8. {}: version {} is submitted, and asks for more than was granted",
            tenant.name, submitted.version
        ));
        let (workspace, steps) = (tenant.workspace, Steps(output));
        let options = UpgradeOptions { to: Some(submitted.version), ..UpgradeOptions::default() };
        let first = lifecycle.upgrade(&admin, workspace, &self.applet, &options, &steps).await;
        let Err(LifecycleError::ConsentNeeded(needed)) = first else {
            return Err(first.map_or_else(refused, |_| CommandError::usage("this should have asked first")));
        };
        output.progress(format_args!("  {needed}"));
        let planned =
            lifecycle.plan(&admin, workspace, &self.applet, options.to.as_ref()).await.map_err(refused)?;
        output.progress(planned.plan.render());
        let decision = Decision::everything(needed.plan);
        let delta = lifecycle.consent(&admin, workspace, &self.applet, &decision).await.map_err(refused)?;
        lifecycle.approve(&admin, workspace, &self.applet, &decision).await.map_err(refused)?;
        output.progress(format_args!("  the tenant's admin agrees to\n{}", grants::difference(&delta)));
        let report =
            lifecycle.upgrade(&admin, workspace, &self.applet, &options, &steps).await.map_err(refused)?;
        output.progress(format_args!("  {}", changed(&report)));
        self.answered_by(tenant, &report.to).await?;
        for tenant in [tenant, neighbour] {
            let version = self.version(tenant).await?;
            let summary = self.call(tenant, "summary", "null").await?;
            output.progress(format_args!("  {:<13} {version} summary -> {summary}", tenant.name));
        }
        self.cached(tenant).await?;
        let back = UpgradeOptions::default();
        let report =
            lifecycle.rollback(&admin, workspace, &self.applet, &back, &steps).await.map_err(refused)?;
        self.answered_by(tenant, &report.to).await?;
        output.progress(format_args!(
            "  and back: {} runs {} again; the new column stays, hidden",
            tenant.name, report.to
        ));
        Ok(())
    }
}
