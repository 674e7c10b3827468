//! Saying who we are: what a registry asks for in `WWW-Authenticate`, and the tokens that others give for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Credentials;

/// Bytes of an answer with a token.
pub(crate) const TOKEN_BYTES: usize = 64 << 10;

/// What a registry wants to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Name and password.
    Basic,
    /// A token from somewhere.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// Reads the value of one header. `None` when it wants what we do not have.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, parameters) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (key, value) in parameters_of(parameters)? {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                // What we may do is what we ask for, not what a registry would like us to ask for.
                _ => {}
            }
        }
        Some(Self::Bearer { realm: realm?, service })
    }
}

/// `key="value", key=value`; values in quotes may hold commas, and a backslash before any character.
fn parameters_of(text: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, after) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        parameters.push((key.trim().to_owned(), value));
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Some(parameters)
}

fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(place + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

/// Name and password as a header has them.
pub(crate) fn basic(credentials: &Credentials) -> String {
    let Credentials { username, password } = credentials;
    format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.reveal())))
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token in an answer.
pub(crate) fn token(body: &[u8]) -> Option<String> {
    let token: Token = serde_json::from_slice(body).ok()?;
    let token = token.token.or(token.access_token)?;
    // Only what a header can hold, and nothing that begins another.
    let plain = |byte: u8| byte.is_ascii_graphic();
    (!token.is_empty() && token.bytes().all(plain)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("basic"), Some(Challenge::Basic));
        let whole = "Bearer realm=\"https://a/token\",service=\"r,s\", scope=\"repository:x:pull,push\"";
        assert_eq!(Challenge::parse(whole), bearer("https://a/token", Some("r,s")));
        assert_eq!(Challenge::parse("Bearer realm=https://a/t"), bearer("https://a/t", None));
        assert_eq!(Challenge::parse("Bearer realm=\"a\\\"b\""), bearer("a\"b", None));
        for text in ["", "Digest realm=\"x\"", "Bearer", "Bearer realm", "Bearer realm=\"x", "Bearer x=1"] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }

    #[test]
    fn s4x_10_a_token_is_one_that_a_header_can_hold() {
        assert_eq!(token(br#"{"token":"abc"}"#).unwrap(), "abc");
        assert_eq!(token(br#"{"access_token":"abc","expires_in":3}"#).unwrap(), "abc");
        for body in
            [&b"{}"[..], b"[]", b"", br#"{"token":""}"#, br#"{"token":"a\r\nHost: x"}"#, br#"{"token":7}"#]
        {
            assert!(token(body).is_none());
        }
    }
}
