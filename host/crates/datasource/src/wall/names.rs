//! Names and passwords of login roles. Roles are shared by all databases of a server, so a name carries
//! the database; it carries the applet and the digest of the grants as well (SPEC Decision 1).

use std::fmt;

use applet_types::{AppletId, Failure, GrantsDigest, Invocation, Login, Logins, Secret, TenantForm};
use async_trait::async_trait;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Longest part of an applet's id in a role's name.
const APPLET_CHARACTERS: usize = 30;

/// Derives the login of every applet and grant set in one database. Passwords are
/// HMAC-SHA256(the database's secret, role name), so that processes agree without telling each other.
#[derive(Clone)]
pub struct Keys {
    identity: String,
    secret: [u8; 32],
    form: TenantForm,
    bypass: bool,
}

impl Keys {
    pub(super) const fn new(identity: String, secret: [u8; 32], form: TenantForm) -> Self {
        Self { identity, secret, form, bypass: false }
    }

    /// How the database takes the tenant.
    pub const fn tenant_form(&self) -> TenantForm {
        self.form
    }

    /// The key that tenants are signed with. A copy of the database has the same secret and another name, so
    /// nothing that was signed for one is valid in the other.
    pub(super) fn tenant_key(&self) -> [u8; 32] {
        self.derived(&format!("tenant setting of {}", self.identity))
    }

    /// How the names of all roles of this database begin.
    pub(super) fn prefix(&self) -> String {
        format!("ah_{}_", self.identity)
    }

    /// The same for the roles that row security does not bind.
    #[must_use]
    pub(super) fn bypassing(mut self) -> Self {
        self.bypass = true;
        self
    }

    /// The login of this applet with these grants. It works once the database was prepared for them.
    pub fn login_of(&self, applet: &AppletId, grants: GrantsDigest) -> Login {
        let applet: String = applet.as_str().replace('-', "_").chars().take(APPLET_CHARACTERS).collect();
        let suffix = if self.bypass { "_bp" } else { "" };
        let role = format!("{}{applet}_{}{suffix}", self.prefix(), grants.short());
        Login { password: self.password(&role), role }
    }

    /// The login of the host's own role that may add to the audit trail and nothing else.
    pub fn audit_login(&self) -> Login {
        let role = format!("{}audit_writer", self.prefix());
        Login { password: self.password(&role), role }
    }

    /// The login of the host's own role that watches over the read cache.
    pub fn cache_login(&self) -> Login {
        let role = format!("{}cache_watch", self.prefix());
        Login { password: self.password(&role), role }
    }

    /// The login of the host's own role that keeps its shares of the caps.
    pub fn pool_login(&self) -> Login {
        let role = format!("{}pool_keeper", self.prefix());
        Login { password: self.password(&role), role }
    }

    /// The key that everything cached is bound to, the same for every process on this database.
    pub fn cache_key(&self) -> [u8; 32] {
        self.derived("read cache")
    }

    fn derived(&self, what: &str) -> [u8; 32] {
        // HMAC takes keys of any length, so this cannot fail.
        Hmac::<Sha256>::new_from_slice(&self.secret)
            .map(|mac| mac.chain_update(what).finalize().into_bytes().into())
            .unwrap_or_default()
    }

    fn password(&self, role: &str) -> Secret {
        // HMAC takes keys of any length, so this cannot fail; an empty password could never log in.
        let password = Hmac::<Sha256>::new_from_slice(&self.secret)
            .map(|mac| hex::encode(mac.chain_update(role).finalize().into_bytes()))
            .unwrap_or_default();
        Secret::new(password)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, ***)", self.identity)
    }
}

#[async_trait]
impl Logins for Keys {
    async fn login(&self, call: &Invocation, grants: GrantsDigest) -> Result<Login, Failure> {
        Ok(self.login_of(&call.applet, grants))
    }
}

#[cfg(test)]
mod tests {
    use applet_types::Grants;

    use super::*;

    fn keys() -> Keys {
        Keys::new("0123abcd".to_owned(), [7; 32], TenantForm::Plain)
    }

    #[test]
    fn d1_role_names_fit_and_carry_database_applet_and_grants() {
        let digest = Grants::builder().build().digest();
        let login = keys().login_of(&"ai-chat".parse().unwrap(), digest);
        assert_eq!(login.role, format!("ah_0123abcd_ai_chat_{}", digest.short()));
        let long: AppletId = "a".repeat(50).parse().unwrap();
        assert!(keys().bypassing().login_of(&long, digest).role.len() <= 63);
    }

    #[test]
    fn d1_each_role_has_its_own_password_and_none_is_printed() {
        let digest = Grants::builder().build().digest();
        let one = keys().login_of(&"ai-chat".parse().unwrap(), digest);
        let other = keys().login_of(&"ai-chit".parse().unwrap(), digest);
        assert_eq!(one.password.reveal().len(), 64);
        assert_ne!(one.password, other.password);
        assert!(!format!("{:?} {one:?}", keys()).contains(one.password.reveal()));
    }
}
