//! Takes from PUBLIC what applets must not have, database by database.

use crate::ddl::retrying;
use crate::{Admin, Error};

const HARDEN: &str = include_str!("harden.sql");

/// Runs `harden.sql`. It touches only what PUBLIC still has.
pub(super) async fn apply(admin: &mut Admin) -> Result<(), Error> {
    retrying(admin, "the rights of PUBLIC", async |admin: &mut Admin| {
        admin.transact(&[HARDEN.to_owned()], "cannot take rights from PUBLIC").await
    })
    .await
}
