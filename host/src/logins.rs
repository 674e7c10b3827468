//! The logins of applet roles: derived from the database's own secret, kept nowhere.

use applet_datasource::wall::Keys;
use applet_types::{Failure, GrantsDigest, Invocation, Login, Logins};
use async_trait::async_trait;

/// Derives logins from the secret of one database.
pub(crate) struct DerivedLogins {
    keys: Keys,
}

impl DerivedLogins {
    pub(crate) const fn new(keys: Keys) -> Self {
        Self { keys }
    }
}

#[async_trait]
impl Logins for DerivedLogins {
    async fn login(&self, call: &Invocation, grants: GrantsDigest) -> Result<Login, Failure> {
        Ok(self.keys.login_of(&call.applet, grants))
    }
}
