//! Submitted packages: manifests and components, by digest.

use std::fmt;
use std::str::FromStr;

use applet_types::{AppletId, ComponentDigest, InvalidId, UserId, Version};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Store, StoreError};

/// What an approval is bound to: SHA-256 over the manifest's text and the component's digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppletDigest(ComponentDigest);

impl AppletDigest {
    /// The digest of a package. Length-prefixed, so that no byte can move from one part to the other.
    pub fn of(manifest: &str, component: ComponentDigest) -> Self {
        let mut package = Sha256::new();
        package.update(b"applet package 1\n");
        package.update((manifest.len() as u64).to_be_bytes());
        package.update(manifest.as_bytes());
        package.update(component.as_bytes());
        Self(ComponentDigest::from_bytes(package.finalize().into()))
    }
}

impl FromStr for AppletDigest {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for AppletDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for AppletDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppletDigest({self})")
    }
}

/// A package about to be kept. Whoever submits it has validated the manifest and inspected the component.
#[derive(Debug)]
pub struct NewApplet<'a> {
    /// From the manifest.
    pub id: &'a AppletId,
    /// From the manifest.
    pub version: &'a Version,
    /// The manifest's text as submitted.
    pub manifest: &'a str,
    /// The component's bytes.
    pub component: &'a [u8],
    /// Who submits it.
    pub submitted_by: Option<UserId>,
}

/// A submitted package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applet {
    /// From the manifest.
    pub id: AppletId,
    /// From the manifest.
    pub version: Version,
    /// Over manifest and component.
    pub digest: AppletDigest,
    /// Over the component alone.
    pub component: ComponentDigest,
    /// The manifest's text as submitted.
    pub manifest: String,
    /// Who submitted it.
    pub submitted_by: Option<UserId>,
    /// When.
    pub submitted_at: DateTime<Utc>,
}

type Row = (String, String, String, String, String, Option<Uuid>, DateTime<Utc>);

fn applet((digest, id, version, component, manifest, by, submitted_at): Row) -> Result<Applet, StoreError> {
    let applet = Applet {
        id: id.parse().map_err(|error| StoreError::damaged("read an applet's id", error))?,
        version: version.parse().map_err(|error| StoreError::damaged("read an applet's version", error))?,
        digest: digest.parse().map_err(|error| StoreError::damaged("read an applet's digest", error))?,
        component: component
            .parse()
            .map_err(|error| StoreError::damaged("read a component's digest", error))?,
        manifest,
        submitted_by: by.map(UserId::new),
        submitted_at,
    };
    // What was approved is what runs: a row changed by hand is not what anybody approved.
    if AppletDigest::of(&applet.manifest, applet.component) != applet.digest {
        return Err(StoreError::damaged("check an applet's digest", "the manifest does not match"));
    }
    Ok(applet)
}

impl Store {
    /// Keeps a package. The same bytes again are the same applet, and become the latest of their id.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn submit(&self, package: &NewApplet<'_>) -> Result<Applet, StoreError> {
        let component = ComponentDigest::of(package.component);
        let digest = AppletDigest::of(package.manifest, component);
        let mut transaction = self.pool.begin().await.map_err(StoreError::database("submit"))?;
        sqlx::query(
            "INSERT INTO applet_host.components (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(component.to_string())
        .bind(package.component)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("keep a component"))?;
        let row: Row = sqlx::query_as(
            "INSERT INTO applet_host.applets (digest, id, version, component_digest, manifest, submitted_by)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (digest) DO UPDATE SET sequence = DEFAULT
             RETURNING digest, id, version, component_digest, manifest, submitted_by, submitted_at",
        )
        .bind(digest.to_string())
        .bind(package.id.as_str())
        .bind(package.version.to_string())
        .bind(component.to_string())
        .bind(package.manifest)
        .bind(package.submitted_by.map(UserId::as_uuid))
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::database("keep an applet"))?;
        transaction.commit().await.map_err(StoreError::database("submit"))?;
        applet(row)
    }

    /// The applet submitted last under this id, in this version if one is named.
    ///
    /// # Errors
    ///
    /// When the database refuses, or what it holds does not match its digest.
    pub async fn latest_applet(
        &self,
        id: &AppletId,
        version: Option<&Version>,
    ) -> Result<Option<Applet>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT digest, id, version, component_digest, manifest, submitted_by, submitted_at
               FROM applet_host.applets
              WHERE id = $1 AND ($2::text IS NULL OR version = $2)
              ORDER BY sequence DESC LIMIT 1",
        )
        .bind(id.as_str())
        .bind(version.map(Version::to_string))
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an applet"))?;
        row.map(applet).transpose()
    }

    /// The applet with exactly this digest.
    ///
    /// # Errors
    ///
    /// When the database refuses, or what it holds does not match its digest.
    pub async fn applet(&self, digest: AppletDigest) -> Result<Option<Applet>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT digest, id, version, component_digest, manifest, submitted_by, submitted_at
               FROM applet_host.applets WHERE digest = $1",
        )
        .bind(digest.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an applet"))?;
        row.map(applet).transpose()
    }

    /// Every submitted applet, latest first.
    ///
    /// # Errors
    ///
    /// When the database refuses, or what it holds does not match its digest.
    pub async fn applets(&self) -> Result<Vec<Applet>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT digest, id, version, component_digest, manifest, submitted_by, submitted_at
               FROM applet_host.applets ORDER BY sequence DESC",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list applets"))?;
        rows.into_iter().map(applet).collect()
    }

    /// The bytes of a component, checked against their digest.
    ///
    /// # Errors
    ///
    /// When the database refuses, or the bytes are not those of the digest.
    pub async fn component(&self, digest: ComponentDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT bytes FROM applet_host.components WHERE digest = $1")
                .bind(digest.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(StoreError::database("read a component"))?;
        match row {
            Some((bytes,)) if ComponentDigest::of(&bytes) != digest => {
                Err(StoreError::damaged("check a component", "its bytes do not match its digest"))
            }
            Some((bytes,)) => Ok(Some(bytes)),
            None => Ok(None),
        }
    }
}
