//! What the tests of several crates share: a PostgreSQL, and databases in it. Nothing but tests uses this.

#![expect(clippy::unwrap_used, reason = "a broken test set-up should stop the test")]

mod server;

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

use server::Server;

/// An empty database of its own for a test; it goes away with the value.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: Arc<Server>,
}

impl Database {
    /// On the server of the test run, or, where there is none, on one of this process.
    pub async fn new() -> Self {
        Self::on(Server::of_this_run().await, "template0").await
    }

    /// On a server that no other test uses: for what all databases of a server share.
    pub async fn alone() -> Self {
        Self::on(Server::start().await, "template0").await
    }

    /// A copy of one on the server of the test run, while nobody is connected to that.
    pub async fn like(template: &str) -> Self {
        Self::on(Server::of_this_run().await, template).await
    }

    /// Another one on the same server.
    pub async fn beside(&self) -> Self {
        Self::on(Arc::clone(&self.server), "template0").await
    }

    /// A copy, while nobody is connected.
    pub async fn copy(&self) -> Self {
        Self::on(Arc::clone(&self.server), &self.name).await
    }

    async fn on(server: Arc<Server>, template: &str) -> Self {
        let name = format!("t_{}", Uuid::new_v4().simple());
        run(&server.url(), &format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        Self { name, server }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, a superuser's.
    pub fn url(&self) -> String {
        with_database(&self.server.url(), &self.name)
    }

    /// Makes somebody who is no superuser its owner, as managed servers have it: one who makes roles and may end
    /// sessions. Returns the owner's URL.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn give_to_manager(&self) -> String {
        let manager = self.manager();
        let sql = format!(
            "CREATE ROLE {manager} LOGIN CREATEROLE IN ROLE pg_signal_backend; ALTER DATABASE {} OWNER TO {manager}",
            self.name
        );
        run(&self.server.url(), &sql).await.unwrap();
        let url = self.url();
        let options: PgConnectOptions = url.parse().unwrap();
        url.replacen(&format!("{}@", options.get_username()), &format!("{manager}@"), 1)
    }

    /// The owner's name, if it is given to one.
    pub fn manager(&self) -> String {
        format!("manager_{}", self.name)
    }

    /// Runs statements of ours in it.
    ///
    /// # Errors
    ///
    /// When one of them fails.
    pub async fn run(&self, sql: &str) -> Result<(), sqlx::Error> {
        run(&self.url(), sql).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, sql) = (self.server.url(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A drop cannot wait on the runtime it may be running in.
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&url, &sql)).unwrap();
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

async fn run(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = connect(url).await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
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
