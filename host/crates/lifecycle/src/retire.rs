//! Dropping database roles that no installation uses any more (SPEC Decision 1).

use applet_datasource::locks::{self, Lock};
use applet_datasource::wall;
use applet_types::AppletId;

use crate::{Lifecycle, LifecycleError};

impl Lifecycle {
    /// Drops the roles of grant sets that were replaced or never became active. A role that is just being
    /// made stays: its operation is known before the role is, and none is made meanwhile. Answers with the
    /// names of the dropped ones. What a host does when it starts, and may do at any time.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn retire_unused_roles(&self) -> Result<Vec<String>, LifecycleError> {
        let mut admin = self.admin().await?;
        wall::prepare_database(&mut admin, &self.parts.catalog).await?;
        locks::acquire(&mut admin, Lock::Prepare).await?;
        let mut dropped = Vec::new();
        for made in wall::installation_roles(&mut admin).await? {
            // The role that writes the audit trail stands for no applet.
            let Ok(applet) = made.applet.parse::<AppletId>() else { continue };
            let used = self.parts.store.grants_in_use(&applet).await?;
            if used.iter().all(|grants| grants.digest().to_string() != made.grants) {
                wall::retire(&mut admin, &made.role).await?;
                dropped.push(made.role);
            }
        }
        locks::release(&mut admin, Lock::Prepare).await?;
        admin.close().await?;
        Ok(dropped)
    }
}
