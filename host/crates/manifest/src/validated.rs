//! A manifest that can be worked with. Only [`load`](crate::load) makes one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use applet_types::{
    AppletId, AssetPath, CacheLimits, Columns, Grants, HookName, Limits, Operation, SqlName, TableGrant,
    Variables, Version,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::document::Manifest;
use crate::table::OwnTable;
use crate::validate::Requests;

/// The parts of a grant.
const PARTS: [Operation; 4] = [Operation::Read, Operation::Insert, Operation::Update, Operation::HardDelete];

/// A manifest without violations.
#[derive(Debug, Clone)]
pub struct ValidatedManifest {
    pub(crate) header: Header,
    pub(crate) create_tables: bool,
    pub(crate) tables: Vec<OwnTable>,
    pub(crate) requests: Requests,
    pub(crate) optional: Requests,
    pub(crate) hooks: Hooks,
    pub(crate) settings: Settings,
    pub(crate) canonical: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) id: AppletId,
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) host_api: semver::VersionReq,
    pub(crate) component: Option<String>,
    pub(crate) assets: BTreeSet<AssetPath>,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) instances: Instances,
    pub(crate) cache: Option<Cache>,
    pub(crate) variables: Variables,
    pub(crate) limits: Limits,
}

impl ValidatedManifest {
    /// The applet's id.
    pub const fn id(&self) -> &AppletId {
        &self.header.id
    }

    /// The applet's version.
    pub const fn version(&self) -> &Version {
        &self.header.version
    }

    /// What people call the applet.
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// What it does, in its own words.
    pub fn description(&self) -> Option<&str> {
        self.header.description.as_deref()
    }

    /// The component's path inside the package, if the manifest names one: relative, never climbing out.
    pub fn component(&self) -> Option<&str> {
        self.header.component.as_deref()
    }

    /// The files that its package carries beside manifest and component.
    pub const fn assets(&self) -> &BTreeSet<AssetPath> {
        &self.header.assets
    }

    /// Whether it runs on a host with this version of the API.
    pub fn runs_on(&self, host_api: &Version) -> bool {
        self.header.host_api.matches(host_api)
    }

    /// Its own tables, in the order of the manifest.
    pub fn tables(&self) -> &[OwnTable] {
        &self.tables
    }

    /// Whether it asks to create tables of its own.
    pub const fn creates_tables(&self) -> bool {
        self.create_tables
    }

    /// The hooks its component exports.
    pub const fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// How instances are used.
    pub const fn instances(&self) -> Instances {
        self.settings.instances
    }

    /// How reads may be cached, if at all.
    pub const fn cache(&self) -> Option<Cache> {
        self.settings.cache
    }

    /// What its component may look up.
    pub const fn variables(&self) -> &Variables {
        &self.settings.variables
    }

    /// `host` with every limit that the manifest lowers lowered, never above `host`; how far it asks for
    /// reads to be cached; and whether its instances are reused.
    #[must_use]
    pub fn limits(&self, host: &Limits) -> Limits {
        let mut limits = host.lowered_to(&self.settings.limits);
        limits.cache =
            self.cache().map(|cache| CacheLimits { ttl_s: cache.ttl_seconds, entries: cache.max_entries });
        limits.reuse = self.instances() == Instances::Reused;
        limits
    }

    /// Everything it asks for. Of its own tables every column, whether it is declared or not.
    pub fn requested(&self) -> Grants {
        self.sealed(self.requests.clone())
    }

    /// Everything it asks for; of its own tables the declared columns only. Another version of the applet
    /// may have put more columns into the same table: to this version they are not there (SPEC Decision 5).
    pub fn declared(&self) -> Grants {
        self.seal(self.requests.clone())
    }

    /// What it asks for and can do without, by physical table.
    pub fn optional(&self) -> impl Iterator<Item = (&SqlName, &TableGrant)> {
        self.optional.iter()
    }

    /// Seals grants that were picked elsewhere from what is requested. Whatever is not requested is left
    /// out: granted never exceeds requested.
    pub fn seal_within(&self, picked: BTreeMap<SqlName, TableGrant>) -> Grants {
        let mut within = Requests::new();
        for (name, grant) in picked {
            let Some(requested) = self.requests.get(&name) else { continue };
            let mut kept = TableGrant::default();
            for operation in PARTS {
                let both = |asked: Columns| Some(asked.intersect(&grant.part(operation)?));
                kept.set_part(operation, requested.part(operation).and_then(both));
            }
            within.insert(name, kept);
        }
        self.seal(within)
    }

    /// Seals grants that were taken from what is requested, with the rest of it noted as withheld.
    pub(crate) fn seal(&self, requests: Requests) -> Grants {
        self.sealed(self.exactly(requests))
    }

    /// Every column of an own table becomes every declared column.
    fn exactly(&self, mut requests: Requests) -> Requests {
        for own in &self.tables {
            let Some(grant) = requests.get_mut(own.physical.name()) else { continue };
            let declared = || Columns::Only(own.columns.iter().map(|column| column.name.clone()).collect());
            for part in [&mut grant.read, &mut grant.insert, &mut grant.update] {
                if *part == Some(Columns::All) {
                    *part = Some(declared());
                }
            }
        }
        requests
    }

    fn sealed(&self, requests: Requests) -> Grants {
        let mut builder = Grants::builder();
        let asked = if requests == self.requests {
            self.requests.clone()
        } else {
            self.exactly(self.requests.clone())
        };
        for (name, grant) in asked {
            if requests.get(&name) == Some(&grant) {
                continue;
            }
            if let Some(own) = self.own_table(&name) {
                builder.withheld(own.name.clone(), grant.clone());
            }
            builder.withheld(name, grant);
        }
        for (name, grant) in requests {
            let own = self.tables.iter().find(|own| *own.physical.name() == name);
            match own {
                // An own table for which nothing is granted is no own table of this installation.
                Some(_) if grant.is_empty() => {}
                Some(own) => *builder.own_table(own.name.clone(), own.physical.clone()) = grant,
                None => *builder.table(name) = grant,
            }
        }
        builder.build()
    }

    /// The own table with this declared or physical name.
    pub fn own_table(&self, name: &SqlName) -> Option<&OwnTable> {
        self.tables.iter().find(|own| own.name == *name || own.physical.name() == name)
    }

    /// The manifest in one spelling: JSON in the manifest's own grammar, with fixed order of keys and
    /// without layout. Loading it gives an equal manifest.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// SHA-256 over the canonical text, in hexadecimal.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.canonical))
    }

    pub(crate) fn canonical_text(manifest: &Manifest) -> String {
        // Plain structs of strings and booleans: serialising cannot fail.
        serde_json::to_string(manifest).unwrap_or_default()
    }
}

/// What a component exports for the host to call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Hooks {
    pub(crate) lifecycle: BTreeSet<LifecycleHook>,
    pub(crate) named: BTreeMap<HookName, NamedHook>,
}

impl Hooks {
    /// Lifecycle hooks.
    pub fn lifecycle(&self) -> impl Iterator<Item = LifecycleHook> {
        self.lifecycle.iter().copied()
    }

    /// Whether this lifecycle hook is exported.
    pub fn has(&self, hook: LifecycleHook) -> bool {
        self.lifecycle.contains(&hook)
    }

    /// Named hooks, by name.
    pub fn named(&self) -> impl Iterator<Item = &NamedHook> {
        self.named.values()
    }

    /// The named hook of this name.
    pub fn get(&self, name: &HookName) -> Option<&NamedHook> {
        self.named.get(name)
    }
}

/// A named hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedHook {
    pub(crate) name: HookName,
    pub(crate) description: Option<String>,
}

impl NamedHook {
    /// Its name.
    pub const fn name(&self) -> &HookName {
        &self.name
    }

    /// What it does, in the applet's words.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// A hook that the host calls when an installation changes; an interface of the same name in WIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleHook {
    /// After its tables were made and before it becomes active.
    OnInstall,
    /// After an upgrade.
    OnUpgrade,
    /// Before it is taken away.
    OnUninstall,
    /// After it was enabled.
    OnEnable,
    /// Before it is disabled.
    OnDisable,
}

impl LifecycleHook {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::OnInstall, Self::OnUpgrade, Self::OnUninstall, Self::OnEnable, Self::OnDisable];

    /// The name of the WIT interface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnInstall => "on-install",
            Self::OnUpgrade => "on-upgrade",
            Self::OnUninstall => "on-uninstall",
            Self::OnEnable => "on-enable",
            Self::OnDisable => "on-disable",
        }
    }
}

impl fmt::Display for LifecycleHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How instances of the component are used (SPEC Decision 14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instances {
    /// A fresh one for each invocation.
    #[default]
    Fresh,
    /// A warm one may serve further invocations of the same installation.
    Reused,
}

/// How reads may be cached (SPEC Decision 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Seconds that an answer may be served.
    pub ttl_seconds: u64,
    /// Answers kept at most.
    pub max_entries: u64,
}
