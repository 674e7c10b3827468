//! Putting a package into a registry.

use applet_package::{Reference, Sha256Digest};
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::{Method, StatusCode};
use url::Url;

use crate::exchange::{Answer, Ask};
use crate::manifest::{EMPTY, MANIFEST_TYPE, Title, write};
use crate::origin::Origin;
use crate::session::{REMARK_BYTES, Right};
use crate::{Registry, RegistryError};

/// A package that is in a registry now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of its manifest: what pins it.
    pub digest: Sha256Digest,
    /// Whether its bytes were there already.
    pub known: bool,
}

impl Registry {
    /// Puts the bytes of a package file under a tag; `name` and `version` are for people who look around there.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]. The tag is set last: what fails before leaves it as it was.
    pub async fn push(
        &self,
        reference: &Reference,
        package: Bytes,
        name: &str,
        version: &str,
    ) -> Result<Pushed, RegistryError> {
        let tag = reference.tag().ok_or_else(|| RegistryError::NoTag(self.repository().to_string()))?;
        let manifest = write(&package, Title { name, version });
        let digest = Sha256Digest::of(&manifest);
        if let Some(wanted) = reference.digest().filter(|wanted| *wanted != digest) {
            return Err(RegistryError::Pinned { wanted, found: digest });
        }
        self.put_blob(Bytes::from_static(EMPTY)).await?;
        let known = self.put_blob(package).await?;
        let ask = Ask {
            method: Method::PUT,
            body: Bytes::from(manifest),
            ..Ask::get(self.url(&format!("manifests/{tag}"))?, "an answer", REMARK_BYTES)
        };
        let answer = self.ask(ask.header(CONTENT_TYPE, MANIFEST_TYPE), Right::Push).await?;
        self.expect(&answer, StatusCode::CREATED)?;
        Ok(Pushed { digest, known })
    }

    /// Whether it was there already.
    async fn put_blob(&self, bytes: Bytes) -> Result<bool, RegistryError> {
        let digest = Sha256Digest::of(&bytes);
        let ask = Ask {
            method: Method::HEAD,
            ..Ask::get(self.url(&format!("blobs/{digest}"))?, "an answer", REMARK_BYTES)
        };
        let answer = self.ask(ask, Right::Push).await?;
        match answer.status {
            StatusCode::OK => return Ok(true),
            StatusCode::NOT_FOUND => {}
            _ => return Err(self.refused(&answer)),
        }
        let ask =
            Ask { method: Method::POST, ..Ask::get(self.url("blobs/uploads/")?, "an answer", REMARK_BYTES) };
        let from = ask.url.clone();
        let answer = self.ask(ask, Right::Push).await?;
        self.expect(&answer, StatusCode::ACCEPTED)?;
        let mut url = self.upload(&from, &answer)?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let ask = Ask { method: Method::PUT, body: bytes, ..Ask::get(url, "an answer", REMARK_BYTES) };
        let answer = self.ask(ask.header(CONTENT_TYPE, "application/octet-stream"), Right::Push).await?;
        self.expect(&answer, StatusCode::CREATED)?;
        Ok(false)
    }

    /// Where the bytes go: to the registry itself, which is whom the package and our credentials are for.
    fn upload(&self, from: &Url, answer: &Answer) -> Result<Url, RegistryError> {
        let elsewhere = |reason| RegistryError::Redirect { host: self.origin.to_string(), reason };
        let location = answer.header(LOCATION).ok_or_else(|| elsewhere("it does not say where"))?;
        let url = from.join(location).map_err(|_| elsewhere("to no place"))?;
        if Origin::of(&url, self.access())? == self.origin {
            Ok(url)
        } else {
            Err(elsewhere("to another server with an upload"))
        }
    }

    fn expect(&self, answer: &Answer, status: StatusCode) -> Result<(), RegistryError> {
        if answer.status == status { Ok(()) } else { Err(self.refused(answer)) }
    }
}
