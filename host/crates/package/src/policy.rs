//! What an operator lets onto a host: who must have signed, what is blocked, where packages may come from.
//!
//! *Invariant:* what cannot be told is refused. The policy is asked when a package is submitted, and again
//! before anything of it is installed, from what was kept of its signatures and sources: it may have changed
//! in between.

use applet_types::AppletId;

use crate::reference::{is_registry, is_repository};
use crate::{AppletDigest, PublicKey, Sha256Digest, Source};

/// The policy as an operator writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyTexts<'a> {
    /// Whether a package that nobody has signed may come in.
    pub allow_unsigned: bool,
    /// Keys, each for every applet (`ed25519:…`) or for one (`ai-chat=ed25519:…`).
    pub signers: &'a [String],
    /// Ids of applets and digests of packages.
    pub blocked: &'a [String],
    /// Registries (`ghcr.io`), repositories or what they begin with (`ghcr.io/acme`), and `file`.
    pub registries: &'a [String],
}

/// An entry that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// Under which key.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// What an operator lets onto a host. The default lets everything in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallPolicy {
    allow_unsigned: bool,
    signers: Vec<Signer>,
    blocked: Vec<Blocked>,
    registries: Vec<Origin>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signer {
    /// Of every applet that has no signers of its own when `None`.
    applet: Option<AppletId>,
    key: PublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Blocked {
    Applet(AppletId),
    Package(AppletDigest),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File,
    Registry { registry: String, within: Option<String> },
}

/// What is known of a package that is to be let in.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// From its manifest.
    pub applet: &'a AppletId,
    /// Of the package.
    pub digest: AppletDigest,
    /// Whose signatures it carries; each was checked.
    pub signers: &'a [PublicKey],
    /// Where it was submitted from, each time.
    pub sources: &'a [Source],
}

/// Why the policy does not let a package in. Each has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// Nobody has signed it.
    #[error(
        "`{0}` is not signed, and this host takes signed packages only: `applet sign` signs one; whoever runs \
         the host names the keys in `packages.signers` of its configuration"
    )]
    Unsigned(AppletId),
    /// Somebody else has signed it.
    #[error(
        "nobody whom this host trusts has signed `{0}`: whoever runs the host names the keys in \
         `packages.signers` of its configuration"
    )]
    UnknownSigner(AppletId),
    /// The operator does not want it.
    #[error(
        "`{0}` is blocked on this host: whoever runs the host decides, by `packages.blocked` of its \
         configuration"
    )]
    Blocked(String),
    /// It came from somewhere else.
    #[error(
        "this host takes no packages from {0}: whoever runs the host names what it takes from in \
         `packages.registries` of its configuration"
    )]
    Source(String),
}

impl PolicyRefusal {
    /// Every code.
    pub const CODES: [&'static str; 4] =
        ["package-unsigned", "signer-not-trusted", "applet-blocked", "source-not-allowed"];

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned(_) => "package-unsigned",
            Self::UnknownSigner(_) => "signer-not-trusted",
            Self::Blocked(_) => "applet-blocked",
            Self::Source(_) => "source-not-allowed",
        }
    }
}

impl Default for InstallPolicy {
    fn default() -> Self {
        Self { allow_unsigned: true, signers: Vec::new(), blocked: Vec::new(), registries: Vec::new() }
    }
}

impl InstallPolicy {
    /// Reads what an operator wrote.
    ///
    /// # Errors
    ///
    /// Every entry that means nothing, and what would not hold what it seems to promise.
    pub fn read(texts: &PolicyTexts<'_>) -> Result<Self, Vec<PolicyFault>> {
        let mut faults = Vec::new();
        let policy = Self {
            allow_unsigned: texts.allow_unsigned,
            signers: entries("packages.signers", texts.signers, signer, &mut faults),
            blocked: entries("packages.blocked", texts.blocked, blocked, &mut faults),
            registries: entries("packages.registries", texts.registries, origin, &mut faults),
        };
        let for_all = policy.signers.iter().any(|signer| signer.applet.is_none());
        let promise = match policy.allow_unsigned {
            true if for_all => Some(
                "keys are trusted for every applet (`packages.signers`), and unsigned packages come in all the \
                 same: say `false`, or bind each key to an applet (`ai-chat=ed25519:…`)",
            ),
            false if policy.signers.is_empty() && faults.is_empty() => Some(
                "nobody's signature is trusted, so nothing could be installed: name keys in `packages.signers`",
            ),
            true | false => None,
        };
        faults.extend(
            promise
                .map(|message| PolicyFault { key: "packages.allow_unsigned", message: message.to_owned() }),
        );
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }

    /// Whether a package may come in, or be installed.
    ///
    /// # Errors
    ///
    /// The first [`PolicyRefusal`].
    pub fn admit(&self, candidate: &Candidate<'_>) -> Result<(), PolicyRefusal> {
        self.admit_running(candidate.applet, candidate.digest)?;
        self.admit_signers(candidate)?;
        let allowed = |source: &Source| self.registries.iter().any(|origin| origin.covers(source));
        if self.registries.is_empty() || candidate.sources.iter().any(allowed) {
            return Ok(());
        }
        let source = candidate.sources.last().map_or_else(
            || "nowhere".to_owned(),
            |source| match source {
                Source::File => "files (`file`)".to_owned(),
                Source::Registry(_) => format!("`{source}`"),
            },
        );
        Err(PolicyRefusal::Source(source))
    }

    /// Whether an installed package may go on: only what is blocked by name may not. Keys and registries are
    /// for coming in, so that a key can be changed without stopping what it has let in.
    ///
    /// # Errors
    ///
    /// [`PolicyRefusal::Blocked`].
    pub fn admit_running(&self, applet: &AppletId, digest: AppletDigest) -> Result<(), PolicyRefusal> {
        let found = self.blocked.iter().find_map(|blocked| match blocked {
            Blocked::Applet(id) => (id == applet).then(|| id.to_string()),
            Blocked::Package(package) => (*package == digest).then(|| format!("sha256:{package}")),
        });
        found.map_or(Ok(()), |what| Err(PolicyRefusal::Blocked(what)))
    }

    fn admit_signers(&self, candidate: &Candidate<'_>) -> Result<(), PolicyRefusal> {
        let own = |signer: &&Signer| signer.applet.as_ref() == Some(candidate.applet);
        let bound = self.signers.iter().any(|signer| own(&signer));
        if !bound && self.allow_unsigned {
            return Ok(());
        }
        if candidate.signers.is_empty() {
            return Err(PolicyRefusal::Unsigned(candidate.applet.clone()));
        }
        // An applet that has signers of its own is not everybody's whose key is good for the others.
        let counts = |signer: &&Signer| if bound { own(signer) } else { signer.applet.is_none() };
        let trusted =
            self.signers.iter().filter(counts).any(|signer| candidate.signers.contains(&signer.key));
        if trusted { Ok(()) } else { Err(PolicyRefusal::UnknownSigner(candidate.applet.clone())) }
    }
}

impl Origin {
    fn covers(&self, source: &Source) -> bool {
        match (self, source) {
            (Self::File, Source::File) => true,
            (Self::Registry { registry, within }, Source::Registry(reference)) => {
                let (from, name) = (reference.repository().registry(), reference.repository().name());
                // Whole parts of the name: `ghcr.io/acme` does not stand for `ghcr.io/acme-evil`.
                let inside = |within: &String| {
                    name.strip_prefix(within.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                registry == from && within.as_ref().is_none_or(inside)
            }
            (Self::File, Source::Registry(_)) | (Self::Registry { .. }, Source::File) => false,
        }
    }
}

fn entries<T>(
    key: &'static str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, String>,
    faults: &mut Vec<PolicyFault>,
) -> Vec<T> {
    let mut taken = Vec::new();
    for text in texts {
        match read(text) {
            Ok(entry) => taken.push(entry),
            Err(why) => {
                let message = format!("`{}`: {why}", text.escape_debug());
                faults.push(PolicyFault { key, message });
            }
        }
    }
    taken
}

fn signer(text: &str) -> Result<Signer, String> {
    let (applet, key) = match text.split_once('=') {
        Some((applet, key)) => {
            (Some(applet.trim().parse::<AppletId>().map_err(|error| error.to_string())?), key)
        }
        None => (None, text),
    };
    let key = key.trim().parse().map_err(|error: crate::InvalidKey| error.to_string())?;
    Ok(Signer { applet, key })
}

fn blocked(text: &str) -> Result<Blocked, String> {
    if let Ok(digest) = text.parse::<Sha256Digest>() {
        return Ok(Blocked::Package(digest.into()));
    }
    let expected = "neither an applet's id nor the digest of a package (`sha256:…`)";
    text.parse().map(Blocked::Applet).map_err(|_| expected.to_owned())
}

fn origin(text: &str) -> Result<Origin, String> {
    if text == "file" {
        return Ok(Origin::File);
    }
    let (registry, within) = match text.split_once('/') {
        Some((registry, within)) => (registry, Some(within.to_owned())),
        None => (text, None),
    };
    if is_registry(registry) && within.as_deref().is_none_or(is_repository) {
        Ok(Origin::Registry { registry: registry.to_owned(), within })
    } else {
        Err("neither a registry (`ghcr.io`, `ghcr.io/acme`) nor `file`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use applet_types::ComponentDigest;

    use super::*;
    use crate::PrivateKey;

    fn key(seed: u8) -> PublicKey {
        PrivateKey::from_seed(&[seed; 32]).public()
    }

    fn policy(allow_unsigned: bool, lists: [&[String]; 3]) -> Result<InstallPolicy, Vec<PolicyFault>> {
        let [signers, blocked, registries] = lists;
        InstallPolicy::read(&PolicyTexts { allow_unsigned, signers, blocked, registries })
    }

    fn digest(manifest: &str) -> AppletDigest {
        AppletDigest::of(manifest, ComponentDigest::of(b""), &[])
    }

    fn asked(policy: &InstallPolicy, applet: &str, signers: &[PublicKey], source: &str) -> &'static str {
        let candidate = Candidate {
            applet: &applet.parse().unwrap(),
            digest: digest(applet),
            signers,
            sources: &[source.parse().unwrap()],
        };
        policy.admit(&candidate).map_or_else(|refusal| refusal.code(), |()| "in")
    }

    #[test]
    fn s4x_10_without_a_policy_everything_comes_in() {
        assert_eq!(asked(&InstallPolicy::default(), "ai-chat", &[], "file"), "in");
        assert_eq!(policy(true, [&[], &[], &[]]).unwrap(), InstallPolicy::default());
    }

    #[test]
    fn s4x_10_a_signature_of_a_trusted_key_is_needed_where_it_is_asked_for() {
        let signers = [key(1).to_string(), format!("ai-chat={}", key(2))];
        let strict = policy(false, [&signers, &[], &[]]).unwrap();
        assert_eq!(asked(&strict, "notes", &[], "file"), "package-unsigned");
        assert_eq!(asked(&strict, "notes", &[key(9)], "file"), "signer-not-trusted");
        assert_eq!(asked(&strict, "notes", &[key(9), key(1)], "file"), "in");
        assert_eq!(
            asked(&strict, "notes", &[key(2)], "file"),
            "signer-not-trusted",
            "a key of another applet"
        );
        assert_eq!(asked(&strict, "ai-chat", &[key(1)], "file"), "signer-not-trusted", "it has its own");
        assert_eq!(asked(&strict, "ai-chat", &[key(2)], "file"), "in");
        // A key bound to an applet binds the applet, also where others come in unsigned.
        let bound = policy(true, [&signers[1..], &[], &[]]).unwrap();
        assert_eq!(asked(&bound, "notes", &[], "file"), "in");
        assert_eq!(asked(&bound, "ai-chat", &[], "file"), "package-unsigned");
    }

    #[test]
    fn s4x_10_what_is_blocked_stays_out_whoever_signed_it() {
        let blocked = ["ai-chat".to_owned(), format!("sha256:{}", digest("notes"))];
        let signers = [key(1).to_string()];
        let policy = policy(false, [&signers, &blocked, &[]]).unwrap();
        assert_eq!(asked(&policy, "ai-chat", &[key(1)], "file"), "applet-blocked");
        assert_eq!(asked(&policy, "notes", &[key(1)], "file"), "applet-blocked");
        assert_eq!(asked(&policy, "notes-2", &[key(1)], "file"), "in");
        let notes = "notes".parse().unwrap();
        assert!(policy.admit_running(&notes, digest("notes")).is_err());
        assert!(policy.admit_running(&notes, digest("another version")).is_ok());
    }

    #[test]
    fn s4x_10_packages_come_from_the_registries_that_are_named() {
        let registries = ["ghcr.io/acme".to_owned(), "localhost:5000".to_owned()];
        let some = policy(true, [&[], &[], &registries]).unwrap();
        for (source, outcome) in [
            ("oci://ghcr.io/acme:1", "in"),
            ("oci://ghcr.io/acme/ai-chat:1", "in"),
            ("oci://ghcr.io/acme-evil/ai-chat:1", "source-not-allowed"),
            ("oci://ghcr.io/other/acme:1", "source-not-allowed"),
            ("oci://ghcr.io:444/acme/ai-chat:1", "source-not-allowed"),
            ("oci://evil-ghcr.io/acme/ai-chat:1", "source-not-allowed"),
            ("oci://localhost:5000/any/thing:1", "in"),
            ("oci://localhost:5001/any/thing:1", "source-not-allowed"),
            ("file", "source-not-allowed"),
        ] {
            assert_eq!(asked(&some, "ai-chat", &[], source), outcome, "{source}");
        }
        let files = policy(true, [&[], &[], &["file".to_owned()]]).unwrap();
        assert_eq!(asked(&files, "ai-chat", &[], "file"), "in");
        assert_eq!(asked(&files, "ai-chat", &[], "oci://ghcr.io/acme:1"), "source-not-allowed");
        // Nothing is known of where it came from.
        let candidate = Candidate {
            applet: &"ai-chat".parse().unwrap(),
            digest: digest("x"),
            signers: &[],
            sources: &[],
        };
        assert!(files.admit(&candidate).is_err());
    }

    #[test]
    fn s4x_10_a_policy_that_would_not_hold_is_not_taken() {
        let faults = |allow, lists| {
            let faults = policy(allow, lists).unwrap_err();
            faults.into_iter().map(|fault| fault.key).collect::<Vec<_>>()
        };
        let (good, bad) = ([key(1).to_string()], ["x".to_owned()]);
        assert_eq!(faults(true, [&good, &[], &[]]), ["packages.allow_unsigned"]);
        assert_eq!(faults(false, [&[], &[], &[]]), ["packages.allow_unsigned"]);
        assert_eq!(faults(false, [&bad, &[], &[]]), ["packages.signers"]);
        assert_eq!(faults(true, [&[], &bad, &bad]), ["packages.blocked", "packages.registries"]);
        let shout = ["AI-CHAT".to_owned(), format!("SHA256:{}", "ab".repeat(32))];
        assert_eq!(faults(true, [&[], &shout, &[]]), ["packages.blocked"; 2]);
        let odd = ["https://ghcr.io".to_owned(), "ghcr".to_owned(), "ghcr.io/".to_owned(), "*".to_owned()];
        assert_eq!(faults(true, [&[], &[], &odd]), ["packages.registries"; 4]);
    }
}
