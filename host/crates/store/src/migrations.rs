//! Brings schema `applet_host` up to date.
//!
//! Migrations are additive files, `migrations/YYYYMMDDHHMMSS_verb_noun.sql`, one change each, never edited
//! once released: their checksums are compared at every start. *Invariant:* the lock is polled and never
//! waited for inside the database, where a waiting session holds a snapshot that blocks others' index
//! builds; sqlx's own (blocking) lock is off.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use crate::{Store, StoreError, locks};

const SCHEMA: &str = "applet_host";
const LOG: &str = "applet_host.migrations";

/// How often and how long the lock is tried: long enough for another host to finish.
const LOCK_TRIES: u32 = 300;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.set_locking(false);
    migrator.dangerous_set_table_name(LOG);
    migrator.create_schema(SCHEMA);
    migrator
}

impl Store {
    /// Applies the migrations that are missing. Safe to call from several hosts at once, and again.
    ///
    /// # Errors
    ///
    /// When the lock is not free within half a minute, a checksum differs, or the schema is newer than
    /// this host.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // A session of its own: the lock goes away with it, whatever happens in between.
        let options = self.pool.connect_options();
        let mut connection =
            PgConnection::connect_with(&options).await.map_err(StoreError::database("connect"))?;
        lock(&mut connection).await?;
        let done = migrator().run_direct(None, &mut connection, false).await.map_err(refused);
        connection.close().await.map_err(StoreError::database("close"))?;
        done
    }
}

async fn lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    for _ in 0..LOCK_TRIES {
        let (free,): (bool,) = sqlx::query_as("SELECT pg_try_advisory_lock($1, $2)")
            .bind(locks::MIGRATE.0)
            .bind(locks::MIGRATE.1)
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::database("try the migration lock"))?;
        if free {
            return Ok(());
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(StoreError::Busy)
}

fn refused(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => StoreError::database("migrate")(error),
        MigrateError::ExecuteMigration(error, _) => StoreError::database("migrate")(error),
        MigrateError::VersionMismatch(version) => {
            StoreError::Schema(format!("migration {version} was changed after it was applied"))
        }
        MigrateError::VersionMissing(version) => {
            StoreError::Schema(format!("migration {version} is not known here; a newer host made it"))
        }
        MigrateError::Dirty(version) => {
            StoreError::Schema(format!("migration {version} was applied in part"))
        }
        other => StoreError::damaged("migrate", other),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn s3_6_every_migration_file_is_compiled_in_and_timestamped() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let files = std::fs::read_dir(directory).unwrap().count();
        let migrator = migrator();
        let versions: BTreeSet<_> = migrator.iter().map(|migration| migration.version).collect();
        assert_eq!(versions.len(), files);
        assert!(versions.iter().all(|version| version.to_string().len() == 14), "{versions:?}");
    }

    #[test]
    fn s3_6_migrations_only_add() {
        for migration in migrator().iter() {
            let sql = migration.sql.as_str().to_uppercase();
            // A trigger may forbid it.
            let sql = sql.replace("BEFORE UPDATE OR DELETE OR TRUNCATE ON", "");
            // A check that is put back in the same statement and lets more through takes nothing away.
            let sql = sql.replace("DROP CONSTRAINT IF EXISTS OPERATIONS_KIND_CHECK,\n    ADD CONSTRAINT", "");
            for word in ["DROP ", "RENAME ", "TRUNCATE", "DELETE FROM"] {
                assert!(!sql.contains(word), "{} contains {word}", migration.description);
            }
        }
    }
}
