//! Bearer tokens: JSON Web Tokens signed with the host's own Ed25519 key.
//!
//! *Invariant:* one algorithm, one key, one issuer, one audience; expiry required. Whatever the header of
//! a token asks for (another algorithm, an embedded key) is not looked at.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

pub use applet_types::{Caller, Role};
use applet_types::{TenantId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ISSUER: &str = "applet-host";
const AUDIENCE: &str = "applet-host";

/// Seconds that clocks may differ (LIMITS-AND-FAULTS section 3).
const LEEWAY_S: u64 = 30;

/// Hours that a token may live at most (LIMITS-AND-FAULTS section 3).
pub const MAX_AGE_HOURS: i64 = 24;

/// Bytes that a token may have at most (LIMITS-AND-FAULTS section 3).
const MAX_BYTES: usize = 8 << 10;

/// Tokens remembered as verified at once, and the longest of them: at most 10 MiB together. Beyond it the
/// memory starts over, which costs a signature check each.
const REMEMBERED: usize = 10_000;
const REMEMBERED_BYTES: usize = 1 << 10;

/// Why a token is refused. Says no more than its holder knows anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Expired.
    #[error("the token has expired")]
    Expired,
    /// Anything else.
    #[error("the token is not valid here")]
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    tenant: TenantId,
    role: Role,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// The 32 secret bytes that tokens are signed with.
pub struct TokenKey(SigningKey);

impl TokenKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random::<[u8; 32]>()))
    }

    /// The key that [`TokenKey::to_hex`] wrote.
    ///
    /// # Errors
    ///
    /// When the text is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let number = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        if text.len() != 64 || !text.is_ascii() {
            return Err(TokenError::Invalid);
        }
        let bytes = (0..32).map(|index| number(index * 2)).collect::<Option<Vec<u8>>>();
        let bytes: [u8; 32] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(TokenError::Invalid)?;
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    /// The secret as text, for a file that only its owner can read.
    pub fn to_hex(&self) -> String {
        self.0.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Makes a token for `caller` that expires after `lifetime`, at most [`MAX_AGE_HOURS`].
    ///
    /// # Errors
    ///
    /// When the lifetime is not positive or too long, or signing fails.
    pub fn issue(
        &self,
        caller: &Caller,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Result<String, TokenError> {
        if lifetime <= TimeDelta::zero() || lifetime > TimeDelta::hours(MAX_AGE_HOURS) {
            return Err(TokenError::Invalid);
        }
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: caller.user,
            tenant: caller.tenant,
            role: caller.role,
            iat: now.timestamp(),
            exp: (now + lifetime).timestamp(),
            jti: Uuid::new_v4(),
        };
        let der = self.0.to_pkcs8_der().map_err(|_| TokenError::Invalid)?;
        let key = EncodingKey::from_ed_der(der.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).map_err(|_| TokenError::Invalid)
    }

    /// What checks tokens made with this key.
    pub fn verifier(&self) -> Verifier {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_S;
        let key = DecodingKey::from_ed_der(self.0.verifying_key().as_bytes());
        Verifier { key, validation, verified: Mutex::default() }
    }
}

/// Checks tokens. A signature is checked once per token, the expiry on every call: checking a signature
/// costs more than everything else that is done for a small hook.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    /// By the whole token: nothing shorter than the signed text itself may vouch for it.
    verified: Mutex<HashMap<Box<str>, Verified>>,
}

#[derive(Clone, Copy)]
struct Verified {
    caller: Caller,
    /// Seconds since the epoch.
    expires: i64,
}

impl Verified {
    fn now(self) -> Result<Caller, TokenError> {
        let reject_before = Utc::now().timestamp().saturating_sub_unsigned(LEEWAY_S);
        if self.expires < reject_before { Err(TokenError::Expired) } else { Ok(self.caller) }
    }
}

impl Verifier {
    /// Who the token speaks for.
    ///
    /// # Errors
    ///
    /// [`TokenError`], with nothing in it that would help to forge one.
    pub fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::Invalid);
        }
        if let Some(verified) = self.recall(token) {
            return verified.now();
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        if claims.exp.saturating_sub(claims.iat) > MAX_AGE_HOURS * 3_600 {
            return Err(TokenError::Invalid);
        }
        let caller = Caller { tenant: claims.tenant, user: claims.sub, role: claims.role };
        self.remember(token, Verified { caller, expires: claims.exp });
        Ok(caller)
    }

    fn recall(&self, token: &str) -> Option<Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(token).copied()
    }

    fn remember(&self, token: &str, verified: Verified) {
        if token.len() > REMEMBERED_BYTES {
            return;
        }
        let mut known = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(token.into(), verified);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller { tenant: TenantId::new(Uuid::new_v4()), user: UserId::new(Uuid::new_v4()), role: Role::Admin }
    }

    #[test]
    fn s4x_8_token_says_tenant_user_and_role() {
        let key = TokenKey::generate();
        let caller = caller();
        let token = key.issue(&caller, Utc::now(), TimeDelta::hours(1)).unwrap();
        assert_eq!(key.verifier().verify(&token), Ok(caller));
        let again = TokenKey::from_hex(&key.to_hex()).unwrap();
        assert_eq!(again.verifier().verify(&token), Ok(caller));
    }

    #[test]
    fn s4x_8_expired_foreign_and_altered_tokens_are_refused() {
        let key = TokenKey::generate();
        let then = Utc::now() - TimeDelta::hours(2);
        let expired = key.issue(&caller(), then, TimeDelta::hours(1)).unwrap();
        assert_eq!(key.verifier().verify(&expired), Err(TokenError::Expired));

        let foreign = TokenKey::generate().issue(&caller(), Utc::now(), TimeDelta::hours(1)).unwrap();
        assert_eq!(key.verifier().verify(&foreign), Err(TokenError::Invalid));

        let good = key.issue(&caller(), Utc::now(), TimeDelta::hours(1)).unwrap();
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        assert_eq!(key.verifier().verify(&unsigned), Err(TokenError::Invalid));
        assert!(key.issue(&caller(), Utc::now(), TimeDelta::hours(25)).is_err());
    }

    #[test]
    fn s4x_8_a_remembered_token_still_expires() {
        let key = TokenKey::generate();
        let verifier = key.verifier();
        let token = key.issue(&caller(), Utc::now(), TimeDelta::hours(1)).unwrap();
        verifier.verify(&token).unwrap();
        verifier.verified.lock().unwrap().get_mut(&*token).unwrap().expires -= 2 * 3_600;
        assert_eq!(verifier.verify(&token), Err(TokenError::Expired));
        let altered = token.replace('.', "..");
        assert_eq!(verifier.verify(&altered), Err(TokenError::Invalid));
    }

    #[test]
    fn s4x_8_refused_tokens_are_not_remembered() {
        let verifier = TokenKey::generate().verifier();
        let foreign = TokenKey::generate().issue(&caller(), Utc::now(), TimeDelta::hours(1)).unwrap();
        for _ in 0..2 {
            assert_eq!(verifier.verify(&foreign), Err(TokenError::Invalid));
        }
        assert!(verifier.verified.lock().unwrap().is_empty());
    }

    #[test]
    fn s4x_8_symmetric_algorithm_with_the_public_key_is_refused() {
        let key = TokenKey::generate();
        let public = key.0.verifying_key();
        let claims = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": Uuid::new_v4(), "tenant": Uuid::new_v4(), "role": "admin",
            "iat": Utc::now().timestamp(), "exp": Utc::now().timestamp() + 60, "jti": Uuid::new_v4(),
        });
        let confused = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &EncodingKey::from_secret(public.as_bytes()),
        )
        .unwrap();
        assert_eq!(key.verifier().verify(&confused), Err(TokenError::Invalid));
    }
}
