//! Taking in a package.

use std::collections::BTreeSet;

use applet_manifest::{Hooks, LifecycleHook, ValidatedManifest};
use applet_package::{Asset, Package, Source};
use applet_store::NewApplet;
use applet_types::{AssetPath, ComponentDigest, ErrorCode, Failure, Limits, ManifestLimits};

use crate::admission::Asked;
use crate::{FaultPoint, Lifecycle, LifecycleError, OpContext, SubmitReport};

/// The package of our interfaces in WIT.
const INTERFACES: &str = "applet:host/";

/// The interface through which named hooks are called.
const NAMED_HOOKS: &str = "named-hooks";

/// What answers named hooks as well: a handler of HTTP requests, in versions that fit.
const REQUEST_HANDLER: &str = "wasi:http/incoming-handler@0.2.";

impl Lifecycle {
    /// Checks a package and keeps it: the manifest, that it carries the files which the manifest lists, its
    /// signatures, the operator's policy, the component (compiled in a process of its own), and that every hook
    /// that the manifest lists is exported (SPEC S4x.8, S4x.10, S4x.11). Nothing runs, and no tenant has it
    /// yet. The same content again is the same applet.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Manifest`] with every violation, [`LifecycleError::Assets`],
    /// [`LifecycleError::Package`], [`LifecycleError::Policy`], [`LifecycleError::Component`],
    /// [`LifecycleError::HooksMissing`].
    pub async fn submit(
        &self,
        ctx: &OpContext,
        package: &Package<'_>,
        source: &Source,
    ) -> Result<SubmitReport, LifecycleError> {
        ctx.manage()?;
        let (size, host) = (&self.parts.manifests, &self.parts.limits);
        let manifest = applet_manifest::load_within(package.manifest().as_bytes(), size, host)
            .map_err(LifecycleError::Manifest)?;
        same_assets(&manifest, package.assets())?;
        let named = (manifest.id(), manifest.version());
        self.admit_package(Asked::by(ctx, "submit"), named, package, source).await?;
        let component =
            self.parts.applets.inspect(package.component()).await.map_err(LifecycleError::Component)?;
        if component.digest != ComponentDigest::of(package.component()) {
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
                variables: manifest.variables(),
                package,
                source,
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
            signers: package.signers()?,
            source: source.to_string(),
        })
    }
}

/// A manifest that was submitted before. What came in stays readable when the operator lowers a limit
/// later; what its applet may do is bounded anew whenever it is used.
pub(crate) fn load(manifest: &str) -> Result<ValidatedManifest, LifecycleError> {
    applet_manifest::load_within(manifest.as_bytes(), &ManifestLimits::MAXIMUM, &Limits::MAXIMUM)
        .map_err(LifecycleError::Manifest)
}

/// A file that the manifest does not name was reviewed by nobody; one that is named and is not there is
/// missed by whoever goes by the manifest.
fn same_assets(manifest: &ValidatedManifest, assets: &[Asset<'_>]) -> Result<(), LifecycleError> {
    let listed = manifest.assets();
    let carried: BTreeSet<&AssetPath> = assets.iter().map(|asset| &asset.path).collect();
    let missing: Vec<String> =
        listed.iter().filter(|path| !carried.contains(path)).map(AssetPath::to_string).collect();
    let unlisted: Vec<String> =
        carried.iter().filter(|path| !listed.contains(**path)).map(|path| path.to_string()).collect();
    if missing.is_empty() && unlisted.is_empty() {
        Ok(())
    } else {
        Err(LifecycleError::Assets { missing, unlisted })
    }
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
    let handles_requests = exports.iter().any(|export| export.starts_with(REQUEST_HANDLER));
    if !exported(NAMED_HOOKS) && !handles_requests {
        missing.extend(hooks.named().map(|hook| hook.name().as_str().to_owned()));
    }
    missing
}
