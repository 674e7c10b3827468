//! The key that heads of chains and exports are signed with: `audit.key` in the data directory.

use std::fs;

use applet_store::{AuditKey, AuditPublicKey};

use crate::cli::Place;
use crate::output::CommandError;
use crate::wiring::{secret_file, told};

/// This host's key; made on first use.
pub(crate) fn audit_key(place: &Place) -> Result<AuditKey, CommandError> {
    let text = secret_file(&place.directory(), "audit.key", || AuditKey::generate().to_hex())?;
    AuditKey::from_hex(&text).map_err(|error| {
        CommandError::usage(format!("`{}` is {error}", place.directory().join("audit.key").display()))
    })
}

/// A public key as an operator names it: itself, or a file that it is in. This host's own when they name
/// none.
pub(crate) fn public_key(place: &Place, named: Option<&str>) -> Result<AuditPublicKey, CommandError> {
    let Some(named) = named else { return audit_key(place).map(|key| key.public()) };
    if let Ok(key) = AuditPublicKey::from_hex(named) {
        return Ok(key);
    }
    let text = fs::read_to_string(named)
        .map_err(|error| CommandError::usage(format!("`{named}` is no public key, and no file: {error}")))?;
    AuditPublicKey::from_hex(&text).map_err(told)
}
