//! Who we are to a registry: what was said, or what a tool for containers has written down.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use applet_registry::Credentials;
use applet_types::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::read_file;
use crate::output::CommandError;

/// Bytes of a file with logins, and of a password.
const LARGEST_FILE: usize = 1 << 20;
const LARGEST_PASSWORD: u64 = 64 << 10;

#[derive(Deserialize)]
struct Logins {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
struct Login {
    auth: Option<String>,
}

/// A user's password, from standard input.
pub(super) fn from_input(username: &str) -> Result<Credentials, CommandError> {
    let mut password = String::new();
    std::io::stdin()
        .take(LARGEST_PASSWORD)
        .read_to_string(&mut password)
        .map_err(|error| CommandError::usage(format!("no password on standard input: {error}")))?;
    let password = Secret::new(password.trim_end_matches(['\r', '\n']));
    Ok(Credentials { username: username.to_owned(), password })
}

/// What `config.json` says of a registry; nothing when there is no such file. Programs that it names are not
/// run.
pub(super) fn written_down(registry: &str) -> Result<Option<Credentials>, CommandError> {
    let Some(file) = file(std::env::var_os("DOCKER_CONFIG"), std::env::var_os("HOME")) else {
        return Ok(None);
    };
    if !file.is_file() {
        return Ok(None);
    }
    let bytes = read_file(&file, LARGEST_FILE)?;
    parse(&bytes, registry).map_err(|why| CommandError::usage(format!("`{}`: {why}", file.display())))
}

fn file(folder: Option<std::ffi::OsString>, home: Option<std::ffi::OsString>) -> Option<PathBuf> {
    let folder = match folder.filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&home?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

fn parse(bytes: &[u8], registry: &str) -> Result<Option<Credentials>, &'static str> {
    let logins: Logins = serde_json::from_slice(bytes).map_err(|_| "not a file with logins to registries")?;
    // Some tools write the whole URL.
    let names = [registry.to_owned(), format!("https://{registry}"), format!("https://{registry}/")];
    let login = names.iter().find_map(|name| logins.auths.get(name)).and_then(|login| login.auth.as_deref());
    let Some(login) = login.filter(|login| !login.is_empty()) else { return Ok(None) };
    let unreadable = "a login in it is not the base64 of a name and a password";
    let login = STANDARD.decode(login).map_err(|_| unreadable)?;
    let login = String::from_utf8(login).map_err(|_| unreadable)?;
    let (username, password) = login.split_once(':').ok_or(unreadable)?;
    let password = Secret::new(password.trim_end_matches('\0'));
    Ok(Some(Credentials { username: username.to_owned(), password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_logins_are_those_of_this_registry_and_no_other() {
        let config = br#"{"auths": {"ghcr.io": {"auth": "YW5uOnMzOmNyZXQ="}, "https://x.example/": {"auth": "Ym9iOng="},
                         "empty.example": {}}, "credsStore": "desktop"}"#;
        let found = |registry: &str| parse(config, registry).unwrap();
        let ann = found("ghcr.io").unwrap();
        assert_eq!((ann.username.as_str(), ann.password.reveal()), ("ann", "s3:cret"));
        assert_eq!(found("x.example").unwrap().username, "bob");
        for other in ["ghcr.io:443", "evil-ghcr.io", "empty.example", "", "localhost:5000"] {
            assert!(found(other).is_none(), "{other}");
        }
        assert!(parse(b"7", "ghcr.io").is_err());
        assert!(parse(br#"{"auths": {"a.b": {"auth": "%%%"}}}"#, "a.b").is_err());
        assert!(parse(b"{}", "ghcr.io").unwrap().is_none());
    }

    #[test]
    fn s4x_10_the_file_of_logins_is_where_other_tools_have_it() {
        let path =
            |folder: Option<&str>, home: Option<&str>| file(folder.map(Into::into), home.map(Into::into));
        assert_eq!(path(Some("/etc/docker"), Some("/home/ann")), Some("/etc/docker/config.json".into()));
        assert_eq!(path(None, Some("/home/ann")), Some("/home/ann/.docker/config.json".into()));
        assert_eq!(path(Some(""), None), None);
    }
}
