//! Who has signed a package, and where it was submitted from: what the operator's policy goes by.

use applet_package::{AppletDigest, Signature, Source};
use sqlx::PgConnection;

use crate::{Store, StoreError};

/// What is known of a submitted package besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Signatures that came with it, each time it was submitted. To be checked by whoever goes by them.
    pub signatures: Vec<Signature>,
    /// Where it was submitted from, the last time last.
    pub sources: Vec<Source>,
}

impl Store {
    /// What is known of a submitted package.
    ///
    /// # Errors
    ///
    /// When the database refuses, or holds what cannot be read.
    pub async fn provenance(&self, digest: AppletDigest) -> Result<Provenance, StoreError> {
        let doing = "read where a package came from";
        let signatures: Vec<(Vec<u8>,)> = sqlx::query_as(
            "SELECT signature FROM applet_host.applet_signatures WHERE applet_digest = $1 ORDER BY signature",
        )
        .bind(digest.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database(doing))?;
        let sources: Vec<(String,)> = sqlx::query_as(
            "SELECT source FROM applet_host.applet_sources WHERE applet_digest = $1 ORDER BY added_at, source",
        )
        .bind(digest.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database(doing))?;
        let signature = |(bytes,): (Vec<u8>,)| {
            let bytes = <[u8; 96]>::try_from(bytes);
            bytes.map(|bytes| Signature::from_bytes(&bytes)).map_err(|_| StoreError::damaged(doing, "length"))
        };
        let source =
            |(text,): (String,)| text.parse::<Source>().map_err(|error| StoreError::damaged(doing, error));
        let mut sources = sources.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
        if sources.is_empty() {
            sources.push(Source::File);
        }
        Ok(Provenance {
            signatures: signatures.into_iter().map(signature).collect::<Result<_, _>>()?,
            sources,
        })
    }
}

/// Adds what a submission says to what is known.
pub(crate) async fn keep(
    connection: &mut PgConnection,
    digest: AppletDigest,
    signatures: &[Signature],
    source: &Source,
) -> Result<(), StoreError> {
    let signatures: Vec<Vec<u8>> = signatures.iter().map(|signature| signature.to_bytes().to_vec()).collect();
    sqlx::query(
        "INSERT INTO applet_host.applet_signatures (applet_digest, signature)
         SELECT $1, unnest($2::bytea[]) ON CONFLICT DO NOTHING",
    )
    .bind(digest.to_string())
    .bind(signatures)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::database("keep signatures"))?;
    sqlx::query(
        "INSERT INTO applet_host.applet_sources (applet_digest, source) VALUES ($1, $2)
         ON CONFLICT (applet_digest, source) DO UPDATE SET added_at = now()",
    )
    .bind(digest.to_string())
    .bind(source.to_string())
    .execute(connection)
    .await
    .map(drop)
    .map_err(StoreError::database("keep where a package came from"))
}
