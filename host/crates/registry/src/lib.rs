//! Packages in registries: a small client of the OCI distribution protocol 1.1, for one kind of artifact.
//!
//! *Invariants:* a registry is not trusted. What it sends is bounded before it is kept, and is believed for its
//! digest only; a manifest that was asked for by digest is the bytes of that digest, and a package is the bytes
//! that the manifest names. Nothing is sent in plain text to another machine unless the operator says so. A
//! redirect, or a place to get a token at, leads no deeper into a network than the registry itself is, and
//! never to addresses that only a machine itself should ask (`reach.rs`). Credentials go to the registry and to
//! the place for tokens that it names, and nowhere else.
//!
//! Start reading at [`Registry`], then `pull.rs`.

mod connect;
mod error;
mod exchange;
mod manifest;
mod origin;
mod pull;
mod push;
mod reach;
mod session;
mod token;

use std::path::PathBuf;

use applet_types::Secret;

pub use error::RegistryError;
pub use manifest::PACKAGE_TYPE;
pub use pull::Pulled;
pub use push::Pushed;
pub use session::Registry;

/// How to reach a registry.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whom to say that we are; nobody when `None`.
    pub credentials: Option<Credentials>,
    /// The certificates of the authorities that it proves itself by; those that this machine trusts when
    /// `None`. Saying so means TLS, also on this machine.
    pub root_certificates: Option<PathBuf>,
    /// Speak in plain text, wherever it is.
    pub insecure: bool,
}

/// A user of a registry.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or a token that takes its place.
    pub password: Secret,
}
