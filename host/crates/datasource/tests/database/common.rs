//! A private PostgreSQL for the tests of one process, and a fresh database for each test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use applet_catalog::Catalog;
use applet_datasource::embedded::{Postgres, StartOptions};
use applet_datasource::wall::{Preparation, Prepared, Purpose};
use applet_datasource::{Admin, Error, catalog, wall};
use applet_types::{AppletId, Columns, Grants, Login, SqlName};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub(crate) const A: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

/// A server that lasts as long as a test uses it.
pub(crate) struct Server {
    postgres: Postgres,
    _directory: tempfile::TempDir,
}

impl Server {
    /// The server of this process, shared by the tests that run at the same time.
    async fn shared() -> Arc<Self> {
        static SHARED: tokio::sync::Mutex<Weak<Server>> = tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let directory = tempfile::tempdir().unwrap();
        let options =
            StartOptions { directory: Some(directory.path().into()), fast: true, ..Default::default() };
        let postgres = Postgres::start(options).await.unwrap();
        let server = Arc::new(Self { postgres, _directory: directory });
        *shared = Arc::downgrade(&server);
        server
    }
}

/// A database of its own with the fixture in it.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) name: String,
    server: Arc<Server>,
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// Runs statements, or tells the SQLSTATE with which the first of them fails.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, String> {
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(error) => Err(error
            .as_database_error()
            .and_then(|e| Some(e.code()?.into_owned()))
            .unwrap_or(error.to_string())),
    }
}

/// The values of the first column, as text.
pub(crate) async fn texts(connection: &mut PgConnection, sql: &str) -> Result<Vec<String>, String> {
    let sql = format!("SELECT x::text FROM ({sql}) AS q (x)");
    match sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_all(connection).await {
        Ok(rows) => Ok(rows),
        Err(error) => Err(error
            .as_database_error()
            .and_then(|e| Some(e.code()?.into_owned()))
            .unwrap_or(error.to_string())),
    }
}

pub(crate) fn name(text: &str) -> SqlName {
    text.parse().unwrap()
}

pub(crate) fn applet() -> AppletId {
    "ai-chat".parse().unwrap()
}

/// Reads everything of clients, writes clients and chats.
pub(crate) fn usual_grants() -> Grants {
    let mut grants = Grants::builder();
    grants.table(name("clients")).read = Some(Columns::All);
    grants.table(name("clients")).insert = Some(Columns::All);
    grants.table(name("clients")).update = Some(Columns::All);
    grants.table(name("chats")).insert = Some(Columns::All);
    grants.table(name("countries")).read = Some(Columns::All);
    grants.build()
}

impl Database {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("crm_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let server = Server::shared().await;
        let url = server.postgres.ensure_database(&name).await.unwrap();
        run(&mut connect(&url).await, include_str!("fixture.sql")).await.unwrap();
        Self { url, name, server }
    }

    /// A copy of the whole database.
    pub(crate) async fn copy(&self) -> Self {
        let name = format!("{}_copy", self.name);
        let admin_url = self.url.replace(&format!("/{}?", self.name), "/postgres?");
        run(&mut connect(&admin_url).await, &format!("CREATE DATABASE {name} TEMPLATE {}", self.name))
            .await
            .unwrap();
        let url = self.url.replace(&format!("/{}?", self.name), &format!("/{name}?"));
        Self { url, name, server: Arc::clone(&self.server) }
    }

    pub(crate) async fn catalog(&self) -> Catalog {
        let options =
            catalog::CatalogOptions { global_tables: [name("countries")].into(), ..Default::default() };
        let mut admin = Admin::connect(&self.url).await.unwrap();
        catalog::read(&mut admin, &options).await.unwrap().catalog
    }

    pub(crate) async fn prepare(&self, grants: &Grants) -> Result<Prepared, Error> {
        self.prepare_for(grants, false, Purpose::Installation).await
    }

    pub(crate) async fn prepare_for(
        &self,
        grants: &Grants,
        bypass: bool,
        purpose: Purpose,
    ) -> Result<Prepared, Error> {
        let catalog = self.catalog().await;
        let mut admin = Admin::connect(&self.url).await?;
        let preparation = Preparation {
            applet: &applet(),
            grants,
            catalog: &catalog,
            schemas: &["public".to_owned()],
            bypass,
            purpose,
        };
        let prepared = wall::prepare(&mut admin, &preparation).await?;
        admin.close().await?;
        Ok(prepared)
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// A session of a role.
    pub(crate) async fn session(&self, login: &Login) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.username(&login.role).password(login.password.reveal());
        PgConnection::connect_with(&options).await.unwrap()
    }
}
