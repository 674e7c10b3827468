//! Packages on the operator's machine and in registries: files, keys, logins.

mod credentials;
mod file;
mod keys;
mod pack;
mod registry;

pub(crate) use file::{Pin, read_file, write_file};
pub(crate) use keys::{named_key, new_key, private_key};
pub(crate) use pack::{Packed, pack};
pub(crate) use registry::{Insecure, RegistryArgs};

use applet_package::{PackageFault, PackageLimits};
use applet_registry::RegistryError;

use crate::config::LimitsConfig;
use crate::output::CommandError;

/// How large packages may be on this host.
pub(crate) const fn limits(limits: &LimitsConfig) -> PackageLimits {
    PackageLimits::of(&limits.component, &limits.manifest)
}

/// What is wrong with a package, for the terminal.
pub(crate) fn faulty(name: impl std::fmt::Display, fault: &PackageFault) -> CommandError {
    CommandError::refused(fault.code(), format!("`{name}`: {fault}"))
}

/// What went wrong with a registry, for the terminal.
pub(crate) fn refused(error: &RegistryError) -> CommandError {
    CommandError::refused(error.code(), error.to_string())
}
