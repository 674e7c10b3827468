//! Names of artifacts in registries: `registry.example/acme/ai-chat:1.0.0@sha256:…`.
//!
//! As the OCI distribution specification has them, but for one thing: the registry is always said. A name
//! without one means somebody's registry by default elsewhere, and nobody's here.

use std::fmt;
use std::str::FromStr;

use crate::Sha256Digest;

/// Bytes of a repository's name, registry included, and of a tag.
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// A text that names nothing in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the name of a package in a registry: {expected}", .text.escape_debug())]
pub struct InvalidReference {
    text: String,
    expected: &'static str,
}

impl InvalidReference {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    registry: String,
    name: String,
}

impl Repository {
    /// The registry: a host's name or address, with its port if one is said.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's name in the registry: `acme/ai-chat`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

/// One artifact of a repository: by tag, which may mean another one tomorrow, by digest, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Sha256Digest>,
}

impl Reference {
    /// Where it is.
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Its tag, if one is said.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of its manifest in the registry, if one is said.
    pub const fn digest(&self) -> Option<Sha256Digest> {
        self.digest
    }

    /// The same, in exactly this version.
    #[must_use]
    pub fn at(&self, digest: Sha256Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |expected| InvalidReference::new(text, expected);
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => {
                let digest =
                    digest.parse().map_err(|_| invalid("`@` is followed by `sha256:` and 64 digits"))?;
                (named, Some(digest))
            }
            None => (text, None),
        };
        let expected = "it begins with the registry: `registry.example/acme/ai-chat:1.0.0`";
        let (registry, path) = named.split_once('/').ok_or_else(|| invalid(expected))?;
        if !is_registry(registry) {
            return Err(invalid(expected));
        }
        let (name, tag) = match path.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (path, None),
        };
        if !is_repository(name) || registry.len() + 1 + name.len() > LONGEST_NAME {
            return Err(invalid(
                "a repository's name is lower-case letters and digits, with `/ . _ -` between",
            ));
        }
        if !tag.is_none_or(is_tag) {
            return Err(invalid("a tag is at most 128 letters, digits, `_`, `.` and `-`"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(invalid("a tag (`:1.0.0`) or a digest (`@sha256:…`) says which one"));
        }
        let repository = Repository { registry: registry.to_owned(), name: name.to_owned() };
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A host that can only be one: with a dot, a port, or `localhost`.
pub(crate) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            return address.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label)
        && (host.contains('.') || host == "localhost" || port.is_some())
        && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/…)*`, as the specification writes it.
pub(crate) fn is_repository(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separator = |run: &[u8]| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-');
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| plain(*first) && plain(*last));
        let mut runs = bytes.split(|byte| plain(*byte)).filter(|run| !run.is_empty());
        ends && runs.all(separator)
    };
    text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=LONGEST_TAG).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_references_read_back() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for text in [
            "registry.example/ai-chat:1.0.0",
            "localhost/ai-chat:1",
            "localhost:5000/acme/ai_chat:latest",
            "127.0.0.1:5000/a/b.c/d__e--f:V1",
            "[::1]:5000/a:b",
            "host:80/a:b",
            &format!("ghcr.io/acme/ai-chat@{digest}"),
            &format!("ghcr.io/acme/ai-chat:1.0.0@{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn s4x_10_anything_else_names_nothing() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let long = format!("localhost/{}:1", "a/".repeat(130) + "a");
        for text in [
            "",
            "ai-chat",
            "ai-chat:1",
            "acme/ai-chat:1",
            "library/ai-chat",
            "localhost/ai-chat",
            "localhost/:1",
            "localhost//a:1",
            "localhost/A:1",
            "localhost/a:",
            "localhost/a:-1",
            "localhost/a..b:1",
            "localhost/a___b:1",
            "localhost/-a:1",
            "localhost/a/../b:1",
            "localhost/a b:1",
            "user@localhost/a:1",
            "http://localhost/a:1",
            "localhost:0/a:1",
            "localhost:99999/a:1",
            "localhost:+80/a:1",
            "exa mple.com/a:1",
            "-x.example/a:1",
            "[::1/a:1",
            "[zz]/a:1",
            "localhost/a@sha256:00",
            "localhost/a:1?x=y",
            "localhost/a:1#x",
            "localhost/a%2f:1",
            &long,
            &format!("localhost/a@{}", digest.to_uppercase()),
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
