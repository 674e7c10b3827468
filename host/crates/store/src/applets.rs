//! Submitted packages: manifests, components and assets, by digest.

use applet_package::{AppletDigest, AssetRecord, Package, Source};
use applet_types::{AppletId, ComponentDigest, UserId, Variables, Version};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A package about to be kept. Whoever submits it has validated the manifest, inspected the component, checked
/// the signatures, and asked the operator's policy.
#[derive(Debug)]
pub struct NewApplet<'a> {
    /// From the manifest.
    pub id: &'a AppletId,
    /// From the manifest.
    pub version: &'a Version,
    /// From the manifest.
    pub variables: &'a Variables,
    /// What it consists of.
    pub package: &'a Package<'a>,
    /// Where it came from.
    pub source: &'a Source,
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
    /// Over manifest, component and assets.
    pub digest: AppletDigest,
    /// Over the component alone.
    pub component: ComponentDigest,
    /// The manifest's text as submitted.
    pub manifest: String,
    /// The files it carries.
    pub assets: Vec<AssetRecord>,
    /// Who submitted it.
    pub submitted_by: Option<UserId>,
    /// When.
    pub submitted_at: DateTime<Utc>,
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "digest, id, version, component_digest, manifest, assets, submitted_by, submitted_at"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    digest: String,
    id: String,
    version: String,
    component_digest: String,
    manifest: String,
    assets: Json<Vec<AssetRecord>>,
    submitted_by: Option<Uuid>,
    submitted_at: DateTime<Utc>,
}

fn applet(row: Row) -> Result<Applet, StoreError> {
    let applet = Applet {
        id: row.id.parse().map_err(|error| StoreError::damaged("read an applet's id", error))?,
        version: row
            .version
            .parse()
            .map_err(|error| StoreError::damaged("read an applet's version", error))?,
        digest: row.digest.parse().map_err(|error| StoreError::damaged("read an applet's digest", error))?,
        component: row
            .component_digest
            .parse()
            .map_err(|error| StoreError::damaged("read a component's digest", error))?,
        manifest: row.manifest,
        assets: row.assets.0,
        submitted_by: row.submitted_by.map(UserId::new),
        submitted_at: row.submitted_at,
    };
    // What was approved is what runs: a row changed by hand is not what anybody approved.
    if AppletDigest::of(&applet.manifest, applet.component, &applet.assets) != applet.digest {
        return Err(StoreError::damaged("check an applet's digest", "the manifest does not match"));
    }
    Ok(applet)
}

impl Store {
    /// Keeps a package. The same content again is the same applet, and becomes the latest of its id; its
    /// signatures and sources come to those that are known.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn submit(&self, new: &NewApplet<'_>) -> Result<Applet, StoreError> {
        let NewApplet { id, version, variables, package, source, submitted_by } = *new;
        let component = ComponentDigest::of(package.component());
        let assets: Vec<AssetRecord> = package.assets().iter().map(|asset| asset.record()).collect();
        let digest = AppletDigest::of(package.manifest(), component, &assets);
        let mut transaction = self.pool.begin().await.map_err(StoreError::database("submit"))?;
        sqlx::query(
            "INSERT INTO applet_host.components (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(component.to_string())
        .bind(package.component())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("keep a component"))?;
        for (record, asset) in assets.iter().zip(package.assets()) {
            keep_asset(&mut transaction, record, asset.bytes).await?;
        }
        let row: Row = sqlx::query_as(concat!(
            "INSERT INTO applet_host.applets (digest, id, version, component_digest, manifest, assets, submitted_by, variables)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (digest) DO UPDATE SET sequence = DEFAULT
             RETURNING ",
            columns!()
        ))
        .bind(digest.to_string())
        .bind(id.as_str())
        .bind(version.to_string())
        .bind(component.to_string())
        .bind(package.manifest())
        .bind(Json(assets))
        .bind(submitted_by.map(UserId::as_uuid))
        .bind(Json(variables))
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::database("keep an applet"))?;
        crate::provenance::keep(&mut transaction, digest, package.signatures(), source).await?;
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
        let row: Option<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            "  FROM applet_host.applets
              WHERE id = $1 AND ($2::text IS NULL OR version = $2)
              ORDER BY sequence DESC LIMIT 1"
        ))
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
        let row: Option<Row> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM applet_host.applets WHERE digest = $1"))
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
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM applet_host.applets ORDER BY sequence DESC"
        ))
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

async fn keep_asset(
    connection: &mut PgConnection,
    record: &AssetRecord,
    bytes: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO applet_host.assets (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
    )
    .bind(record.digest.to_string())
    .bind(bytes)
    .execute(connection)
    .await
    .map(drop)
    .map_err(StoreError::database("keep an asset"))
}
