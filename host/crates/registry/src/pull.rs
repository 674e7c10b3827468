//! Getting a package out of a registry.

use applet_package::{Reference, Sha256Digest};
use hyper::StatusCode;
use hyper::header::ACCEPT;

use crate::exchange::Ask;
use crate::manifest::{MANIFEST_BYTES, MANIFEST_TYPE, read};
use crate::session::Right;
use crate::{Registry, RegistryError};

/// What a registry says the digest of a manifest is.
const DIGEST_HEADER: &str = "docker-content-digest";

/// A package, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The bytes of the package file: those that the manifest names. Nothing is known of what is in them.
    pub bytes: Vec<u8>,
    /// The digest of the manifest: what a tag meant at this moment, to be pinned.
    pub digest: Sha256Digest,
}

impl Registry {
    /// Gets a package of at most `most` bytes. With a digest, exactly that one.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]; nothing of what came is kept then.
    pub async fn pull(&self, reference: &Reference, most: usize) -> Result<Pulled, RegistryError> {
        let (manifest, digest) = self.manifest(reference).await?;
        let other = |reason| RegistryError::OtherArtifact(reference.to_string(), reason);
        let layer = read(&manifest).map_err(other)?;
        let too_large =
            || RegistryError::TooLarge { host: self.origin.to_string(), what: "the package", most };
        let size = usize::try_from(layer.size).ok().filter(|size| *size <= most).ok_or_else(too_large)?;
        // A byte more than announced is a byte too many already.
        let bytes = self.blob(reference, layer.digest, size).await?;
        self.is_what_was_asked_for("a package", &bytes, layer.digest)?;
        Ok(Pulled { bytes, digest })
    }

    async fn manifest(&self, reference: &Reference) -> Result<(Vec<u8>, Sha256Digest), RegistryError> {
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_owned(),
            (None, None) => return Err(self.malformed("a reference that names nothing")),
        };
        let ask = Ask::get(self.url(&format!("manifests/{name}"))?, "a manifest", MANIFEST_BYTES);
        let answer = self.ask(ask.header(ACCEPT, MANIFEST_TYPE), Right::Pull).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(self.not_found(reference)),
            _ => return Err(self.refused(&answer)),
        }
        let digest = Sha256Digest::of(&answer.body);
        // A registry that contradicts itself is broken, or somebody is between us and it.
        let said = answer.header(DIGEST_HEADER).and_then(|text| text.parse().ok());
        for wanted in [reference.digest(), said].into_iter().flatten() {
            self.is_what_was_asked_for("a manifest", &answer.body, wanted)?;
        }
        Ok((answer.body, digest))
    }

    async fn blob(
        &self,
        reference: &Reference,
        digest: Sha256Digest,
        size: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let ask = Ask::get(self.url(&format!("blobs/{digest}"))?, "the package", size);
        let answer = self.ask(ask, Right::Pull).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::NOT_FOUND => Err(self.not_found(reference)),
            _ => Err(self.refused(&answer)),
        }
    }

    fn is_what_was_asked_for(
        &self,
        what: &'static str,
        bytes: &[u8],
        wanted: Sha256Digest,
    ) -> Result<(), RegistryError> {
        let found = Sha256Digest::of(bytes);
        if found == wanted {
            Ok(())
        } else {
            Err(RegistryError::Digest { host: self.origin.to_string(), what, wanted, found })
        }
    }

    fn not_found(&self, reference: &Reference) -> RegistryError {
        RegistryError::NotFound { host: self.origin.to_string(), what: reference.to_string() }
    }
}
