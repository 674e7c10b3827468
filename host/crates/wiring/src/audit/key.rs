//! The key that heads of chains and exports are signed with: `audit.key` in the data directory.

use std::fs;
use std::path::Path;

use applet_store::{AuditKey, AuditPublicKey};

use crate::HostError;
use crate::error::told;
use crate::secret_file;

/// This host's key; made on first use.
pub fn audit_key(directory: &Path) -> Result<AuditKey, HostError> {
    let text = secret_file(directory, "audit.key", || AuditKey::generate().to_hex())?;
    AuditKey::from_hex(&text)
        .map_err(|error| HostError::usage(format!("`{}` is {error}", directory.join("audit.key").display())))
}

/// A public key as an operator names it: itself, or a file that it is in. This host's own when they name
/// none.
pub fn public_key(directory: &Path, named: Option<&str>) -> Result<AuditPublicKey, HostError> {
    let Some(named) = named else { return audit_key(directory).map(|key| key.public()) };
    if let Ok(key) = AuditPublicKey::from_hex(named) {
        return Ok(key);
    }
    let text = fs::read_to_string(named)
        .map_err(|error| HostError::usage(format!("`{named}` is no public key, and no file: {error}")))?;
    AuditPublicKey::from_hex(&text).map_err(told)
}
