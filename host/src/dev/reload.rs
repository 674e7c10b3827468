//! From saved sources to a running applet.
//!
//! New code of the version that runs takes its place at once, under the same grants: nothing is planned anew
//! and no hook of the lifecycle is called. A changed manifest goes the way that every upgrade goes. Whatever
//! fails leaves what ran before.

use std::time::{Duration, Instant};

use applet_types::{AppletId, ComponentDigest, HookName, Version};

use super::Stage;
use crate::config::LimitsConfig;
use crate::demo_data::TENANTS;
use crate::output::{CommandError, Output};
use crate::project::compile::compile;
use crate::project::{Manifest, Project};
use crate::seen::Sight;

/// Turns sources into a running applet, again and again.
pub(crate) struct Reloader {
    project: Project,
    limits: LimitsConfig,
    running: Option<Running>,
}

/// What runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) manifest: Manifest,
    component: ComponentDigest,
}

/// What a reload did.
pub(crate) struct Reloaded {
    pub(crate) applet: AppletId,
    pub(crate) version: Version,
    /// How long the project's own tools took.
    pub(crate) built: Duration,
    /// How long it took from the component to hooks that can be called.
    pub(crate) installed: Duration,
    /// Whether the manifest changed, so that it was planned, approved and installed.
    pub(crate) planned: bool,
    /// What the tools had to say.
    pub(crate) remarks: String,
    /// What its lifecycle hooks did, by tenant.
    pub(crate) sights: Vec<(&'static str, Vec<Sight>)>,
}

impl Running {
    /// The hooks that can be called.
    pub(crate) fn hooks(&self) -> Vec<HookName> {
        self.manifest.valid.hooks().named().map(|hook| hook.name().clone()).collect()
    }
}

impl Reloader {
    pub(crate) const fn new(project: Project, limits: LimitsConfig) -> Self {
        Self { project, limits, running: None }
    }

    /// What runs, after the first reload that went well.
    pub(crate) const fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// Builds, submits, and lets it run for both tenants. `None` when nothing has changed.
    pub(crate) async fn reload(
        &mut self,
        stage: &Stage,
        output: Output,
    ) -> Result<Option<Reloaded>, CommandError> {
        let manifest = self.project.manifest(&self.limits)?;
        let compiled = compile(&self.project, &manifest.valid, output).await?;
        let component = ComponentDigest::of(&compiled.component);
        let same =
            |running: &Running| running.component == component && running.manifest.text == manifest.text;
        if self.running.as_ref().is_some_and(same) {
            return Ok(None);
        }
        let began = Instant::now();
        let (applet, version) = (manifest.valid.id().clone(), manifest.valid.version().clone());
        let packed = self.project.pack(&manifest, &compiled.component, &self.limits)?;
        stage.submit(&packed.bytes).await?;
        let mut sights = Vec::new();
        let mut planned = false;
        for tenant in &TENANTS {
            if stage.running(tenant, &applet).await?.is_some_and(|running| running == manifest.text) {
                continue;
            }
            let installed = stage.install(tenant, &applet, &version).await.map_err(incompatible)?;
            sights.push((tenant.short, installed.sights));
            planned = true;
        }
        stage.service.let_stand_in(applet.clone(), component);
        self.running = Some(Running { manifest, component });
        Ok(Some(Reloaded {
            applet,
            version,
            built: compiled.took,
            installed: began.elapsed(),
            planned,
            remarks: compiled.remarks,
            sights,
        }))
    }
}

/// Tables that cannot be changed as the manifest wants them can be made anew, here.
fn incompatible(error: CommandError) -> CommandError {
    match error {
        CommandError::Refused { code: code @ "plan-impossible", message } => CommandError::Refused {
            code,
            message: format!(
                "{message}\n  help: tables with rows in them are only added to; `applet dev --reset` starts with new ones"
            ),
        },
        error => error,
    }
}
