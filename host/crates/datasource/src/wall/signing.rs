//! The signed form of the tenant setting (SPEC Decision 1): its key, its text, and how much of it stands in
//! the database. What verifies it is `applet_host.tenant()` in `applet_host.sql`.
//!
//! *Invariant:* the key is derived from the database's secret and from which database it is, and nothing else
//! is derived from it. It stands in a table that only the owner of schema `applet_host` reads, never in a
//! function's text: those anybody can read.

use applet_types::{TenantClaim, TenantForm, TenantSigner};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::Keys;
use crate::{Admin, Error};

/// The block size of SHA-256.
const BLOCK: usize = 64;

const DOING: &str = "cannot set up the signing of tenants";

impl Keys {
    /// The two blocks with which HMAC begins, so that the database needs no HMAC of its own.
    fn pads(&self) -> [Vec<u8>; 2] {
        let key = self.tenant_key();
        [0x36, 0x5C].map(|pad| {
            let padded = key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK);
            padded.map(|byte| byte ^ pad).collect()
        })
    }
}

impl TenantSigner for Keys {
    fn form(&self) -> TenantForm {
        self.tenant_form()
    }

    fn sign(&self, claim: &TenantClaim<'_>) -> String {
        // Fixed widths: the function takes the parts by their places.
        let text = format!("{}.{:010}.{:013}", claim.tenant, claim.process, claim.expires_ms);
        // HMAC takes keys of any length, so this cannot fail; an empty tag is never valid.
        let tag = Hmac::<Sha256>::new_from_slice(&self.tenant_key())
            .map(|mac| mac.chain_update(&text).chain_update(".").chain_update(claim.role))
            .map(|mac| hex::encode(mac.finalize().into_bytes()))
            .unwrap_or_default();
        format!("{text}.{tag}")
    }
}

/// Puts the key where the function finds it, or takes it away: without one no setting is valid.
pub(super) async fn ensure_key(admin: &mut Admin, keys: &Keys) -> Result<(), Error> {
    let query = match keys.tenant_form() {
        TenantForm::Plain => sqlx::query("DELETE FROM applet_host.tenant_key"),
        TenantForm::Signed => {
            let [inner, outer] = keys.pads();
            sqlx::query(
                "INSERT INTO applet_host.tenant_key AS k (inner_pad, outer_pad) VALUES ($1, $2)
                 ON CONFLICT (only_row) DO UPDATE SET inner_pad = $1, outer_pad = $2
                 WHERE (k.inner_pad, k.outer_pad) <> ($1, $2)",
            )
            .bind(inner)
            .bind(outer)
        }
    };
    query.execute(admin.session()).await.map(drop).map_err(Error::statement(DOING))
}

#[cfg(test)]
mod tests {
    use applet_types::TenantId;
    use sha2::Digest as _;
    use uuid::Uuid;

    use super::*;

    fn keys(identity: &str) -> Keys {
        Keys::new(identity.to_owned(), [7; 32], TenantForm::Signed)
    }

    fn claim() -> TenantClaim<'static> {
        let tenant = TenantId::new(Uuid::from_u128(1));
        TenantClaim { tenant, role: "ah_x", process: 77, expires_ms: 1_800_000_000_000 }
    }

    #[test]
    fn d1_the_two_blocks_give_the_tag_that_the_database_computes() {
        let signed = keys("0123abcd").sign(&claim());
        assert_eq!(signed.len(), 126);
        let (text, tag) = signed.split_at(61);
        assert_eq!(text, "00000000-0000-0000-0000-000000000001.0000000077.1800000000000");
        let [inner, outer] = keys("0123abcd").pads();
        let inside = Sha256::new().chain_update(inner).chain_update(text).chain_update(".ah_x").finalize();
        let whole = Sha256::new().chain_update(outer).chain_update(inside).finalize();
        assert_eq!(tag, format!(".{}", hex::encode(whole)));
    }

    #[test]
    fn d1_everything_that_a_setting_says_is_signed() {
        let signed = |keys: &Keys, claim: &TenantClaim<'_>| keys.sign(claim).split_off(61);
        let usual = signed(&keys("0123abcd"), &claim());
        let other = TenantId::new(Uuid::from_u128(2));
        for changed in [
            TenantClaim { tenant: other, ..claim() },
            TenantClaim { role: "ah_y", ..claim() },
            TenantClaim { process: 78, ..claim() },
            TenantClaim { expires_ms: 1_800_000_000_001, ..claim() },
        ] {
            assert_ne!(signed(&keys("0123abcd"), &changed), usual, "{changed:?}");
        }
        assert_ne!(signed(&keys("copy0000"), &claim()), usual, "a copy of the database has another key");
    }
}
