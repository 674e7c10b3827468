//! Taking in a package.

use applet_manifest::{Hooks, LifecycleHook, ValidatedManifest};
use applet_store::NewApplet;
use applet_types::{ComponentDigest, ErrorCode, Failure, Limits, ManifestLimits};

use crate::{FaultPoint, Lifecycle, LifecycleError, OpContext, SubmitReport};

/// The package of our interfaces in WIT.
const INTERFACES: &str = "applet:host/";

/// The interface through which named hooks are called.
const NAMED_HOOKS: &str = "named-hooks";

/// A package: the manifest's text and one component.
#[derive(Debug, Clone, Copy)]
pub struct Package<'a> {
    /// The text of `manifest.yaml`.
    pub manifest: &'a str,
    /// The bytes of the component.
    pub component: &'a [u8],
}

impl Lifecycle {
    /// Checks a package and keeps it: the manifest, the component (compiled in a process of its own), and
    /// that every hook that the manifest lists is exported (SPEC S4x.8, S4x.11). Nothing runs, and no
    /// tenant has it yet. The same bytes again are the same applet.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Manifest`] with every violation, [`LifecycleError::Component`],
    /// [`LifecycleError::HooksMissing`].
    pub async fn submit(
        &self,
        ctx: &OpContext,
        package: Package<'_>,
    ) -> Result<SubmitReport, LifecycleError> {
        ctx.manage()?;
        let (size, host) = (&self.parts.manifests, &self.parts.limits);
        let manifest = applet_manifest::load_within(package.manifest.as_bytes(), size, host)
            .map_err(LifecycleError::Manifest)?;
        let component =
            self.parts.applets.inspect(package.component).await.map_err(LifecycleError::Component)?;
        if component.digest != ComponentDigest::of(package.component) {
            let reason = "it is a core module; `applet package` makes a component of it";
            return Err(LifecycleError::Component(Failure::new(ErrorCode::ManifestInvalid, reason)));
        }
        let missing = missing_hooks(manifest.hooks(), &component.exports);
        if !missing.is_empty() {
            return Err(LifecycleError::HooksMissing(missing));
        }
        self.pass(FaultPoint::SubmitChecked)?;
        let kept = self
            .parts
            .store
            .submit(&NewApplet {
                id: manifest.id(),
                version: manifest.version(),
                manifest: package.manifest,
                component: package.component,
                submitted_by: ctx.user(),
            })
            .await?;
        self.pass(FaultPoint::SubmitKept)?;
        Ok(SubmitReport {
            applet: kept.id,
            version: kept.version,
            name: manifest.name().to_owned(),
            digest: kept.digest,
            component: kept.component,
            imports: component.imports,
            exports: component.exports,
        })
    }
}

/// A manifest that was submitted before. What came in stays readable when the operator lowers a limit
/// later; what its applet may do is bounded anew whenever it is used.
pub(crate) fn load(manifest: &str) -> Result<ValidatedManifest, LifecycleError> {
    applet_manifest::load_within(manifest.as_bytes(), &ManifestLimits::MAXIMUM, &Limits::MAXIMUM)
        .map_err(LifecycleError::Manifest)
}

/// The hooks that the manifest lists and the component does not export.
fn missing_hooks(hooks: &Hooks, exports: &[String]) -> Vec<String> {
    let exported = |interface: &str| {
        exports.iter().any(|export| {
            let name = export.strip_prefix(INTERFACES).unwrap_or_default();
            name.split('@').next() == Some(interface)
        })
    };
    let lifecycle = hooks.lifecycle().map(LifecycleHook::as_str).filter(|hook| !exported(hook));
    let mut missing: Vec<String> = lifecycle.map(str::to_owned).collect();
    if !exported(NAMED_HOOKS) {
        missing.extend(hooks.named().map(|hook| hook.name().as_str().to_owned()));
    }
    missing
}
