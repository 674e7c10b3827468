//! Which packages may come in (SPEC S4x.10, `host/docs/packages.md`).

use applet_package::{InstallPolicy, PolicyFault, PolicyTexts};
use serde::{Deserialize, Serialize};

use super::problem::{Problem, in_lines};
use crate::HostError;

/// Who must have signed, what is blocked, where packages may come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackagesConfig {
    /// Take packages that nobody has signed.
    pub allow_unsigned: bool,
    /// Keys that count: `ed25519:…` for every applet, `ai-chat=ed25519:…` for one.
    pub signers: Vec<String>,
    /// Ids of applets and digests of packages that are not installed, and do not run.
    pub blocked: Vec<String>,
    /// Where packages may come from: `ghcr.io`, `ghcr.io/acme`, `file`. From everywhere when empty.
    pub registries: Vec<String>,
}

impl Default for PackagesConfig {
    fn default() -> Self {
        Self { allow_unsigned: true, signers: Vec::new(), blocked: Vec::new(), registries: Vec::new() }
    }
}

impl PackagesConfig {
    /// The policy in force.
    pub fn policy(&self) -> Result<InstallPolicy, HostError> {
        // A configuration that was read has none of these.
        self.read().map_err(|faults| HostError::usage(in_lines(&problems(faults))))
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        self.read().err().map(problems).unwrap_or_default()
    }

    fn read(&self) -> Result<InstallPolicy, Vec<PolicyFault>> {
        let Self { allow_unsigned, signers, blocked, registries } = self;
        InstallPolicy::read(&PolicyTexts { allow_unsigned: *allow_unsigned, signers, blocked, registries })
    }
}

fn problems(faults: Vec<PolicyFault>) -> Vec<Problem> {
    faults.into_iter().map(|fault| Problem::new(fault.key, fault.message)).collect()
}
