//! Grants as they are kept in the store.

use applet_types::{AppletId, Granted, Grants};

use crate::StoreError;

/// Reads what [`Granted::of`] kept.
pub(crate) fn read(stored: serde_json::Value, applet: &AppletId) -> Result<Grants, StoreError> {
    let granted: Granted =
        serde_json::from_value(stored).map_err(|error| StoreError::damaged("read grants", error))?;
    granted.into_grants(applet).map_err(|error| StoreError::damaged("read grants", error))
}
