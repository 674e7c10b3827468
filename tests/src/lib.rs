//! What integration tests share: the private PostgreSQL of the test run, databases in it, the program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken test set-up should stop the test"
)]

pub mod corpus;
pub mod host;
pub mod registry;
pub mod secured;
pub mod sqlgen;

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

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
    assert!(path.exists(), "{} is missing: run `cargo build -p applet-host`", path.display());
    path
}

/// A database of its own for a test; it goes away with the value.
#[derive(Debug)]
pub struct Database {
    name: String,
}

impl Database {
    /// An empty one.
    pub async fn empty() -> Self {
        Self::like("template0").await
    }

    /// An empty one as a managed server gives it, and the URL of its administrator, who makes roles, owns the
    /// database, and is no superuser.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn managed() -> (Self, String) {
        let database = Self::empty().await;
        let manager = format!("manager_{}", database.name);
        let mut admin = connect(&admin_url()).await;
        let sql = format!(
            "CREATE ROLE {manager} LOGIN CREATEROLE IN ROLE pg_signal_backend; ALTER DATABASE {} OWNER TO {manager}",
            database.name
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        let options: PgConnectOptions = database.url().parse().unwrap();
        let url = database.url().replacen(&format!("{}@", options.get_username()), &format!("{manager}@"), 1);
        (database, url)
    }

    /// A copy of another one, to which nobody may be connected meanwhile.
    pub async fn like(template: &str) -> Self {
        let name = format!("t_{}", Uuid::new_v4().simple());
        let mut admin = connect(&admin_url()).await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        Self { name }
    }

    /// Its name, for copies.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, a superuser's.
    pub fn url(&self) -> String {
        with_database(&admin_url(), &self.name)
    }

    /// Runs statements of ours in it.
    pub async fn run(&self, sql: &str) {
        let mut connection = connect(&self.url()).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A drop cannot wait on the runtime it may be running in.
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut admin = connect(&admin_url()).await;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
            });
        });
        let dropped = worker.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "the test's database could not be dropped");
    }
}

/// A plain connection.
///
/// # Panics
///
/// When there is none to be had.
pub async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let (server, _) = before.rsplit_once('/').unwrap();
    match query {
        Some(query) => format!("{server}/{name}?{query}"),
        None => format!("{server}/{name}"),
    }
}
