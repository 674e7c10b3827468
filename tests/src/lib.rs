//! What integration tests share: the private PostgreSQL of the test run, databases in it, the program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken test set-up should stop the test"
)]

pub mod conformance;
pub mod corpus;
pub mod host;
pub mod registry;
pub mod secured;
pub mod sqlgen;

use std::path::PathBuf;

pub use applet_testing::connect;

/// The URL of the test run's PostgreSQL, a superuser's.
///
/// # Panics
///
/// When tests were not started through `make test` (or `host/with-postgres.sh`).
pub fn admin_url() -> String {
    std::env::var("APPLET_TEST_ADMIN_URL")
        .expect("no test database: run `make test`, or `host/with-postgres.sh cargo nextest run …`")
}

/// The program under test. `APPLET_BIN` names another build of it.
///
/// # Panics
///
/// When it was not built.
pub fn applet() -> PathBuf {
    if let Some(path) = std::env::var_os("APPLET_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("applet");
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins`", path.display());
    path
}

/// A database of its own for a test; it goes away with the value.
#[derive(Debug)]
pub struct Database(applet_testing::Database);

impl Database {
    /// An empty one.
    pub async fn empty() -> Self {
        Self(applet_testing::Database::new().await)
    }

    /// An empty one on a server that no other test uses: a transaction that is open anywhere on a server holds the
    /// sealing of audit records back.
    pub async fn alone() -> Self {
        Self(applet_testing::Database::alone().await)
    }

    /// An empty one as a managed server gives it, and the URL of its administrator, who makes roles, owns the
    /// database, and is no superuser.
    pub async fn managed() -> (Self, String) {
        let database = applet_testing::Database::new().await;
        let url = database.give_to_manager().await;
        (Self(database), url)
    }

    /// A copy of another one, to which nobody may be connected meanwhile.
    pub async fn like(template: &str) -> Self {
        Self(applet_testing::Database::like(template).await)
    }

    /// Its name, for copies.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Its URL, a superuser's.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Runs statements of ours in it.
    ///
    /// # Panics
    ///
    /// When one of them fails.
    pub async fn run(&self, sql: &str) {
        self.0.run(sql).await.unwrap();
    }
}
