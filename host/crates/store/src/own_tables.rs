//! Which applet owns a physical table name (SPEC S4.20).
//!
//! Names are claimed by [`StepToken::claim_statement`](crate::StepToken::claim_statement), in the
//! transaction that makes the table.

use applet_types::{AppletId, PhysicalTable};

use crate::{Store, StoreError};

impl Store {
    /// The applet that has claimed a physical name, whichever tenant installed it first.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn table_owner(&self, table: &PhysicalTable) -> Result<Option<AppletId>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT applet_id FROM applet_host.own_tables WHERE physical_name = $1")
                .bind(table.name().as_str())
                .fetch_optional(&self.pool)
                .await
                .map_err(StoreError::database("read a table's owner"))?;
        row.map(|(id,)| id.parse().map_err(|error| StoreError::damaged("read a table's owner", error)))
            .transpose()
    }
}
