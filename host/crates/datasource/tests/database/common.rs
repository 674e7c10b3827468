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

/// The server of the whole test run, when there is one.
const SHARED_SERVER: &str = "APPLET_TEST_ADMIN_URL";

/// A server of this process. It lasts as long as a test uses it.
pub(crate) struct Server {
    postgres: Postgres,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn start() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options =
            StartOptions { directory: Some(directory.path().into()), fast: true, ..Default::default() };
        let postgres = Postgres::start(options).await.unwrap();
        Arc::new(Self { postgres, _directory: directory })
    }

    /// Shared by the tests of this process that run at the same time.
    async fn shared() -> Arc<Self> {
        static SHARED: tokio::sync::Mutex<Weak<Server>> = tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Self::start().await;
        *shared = Arc::downgrade(&server);
        server
    }
}

/// A database of its own with the fixture in it.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) name: String,
    server: Option<Arc<Server>>,
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
        match std::env::var(SHARED_SERVER) {
            Ok(url) => Self::on(None, &url).await,
            Err(_) => Self::on_server(Server::shared().await).await,
        }
    }

    /// On a server that no other test uses: for what changes roles that all databases share.
    pub(crate) async fn alone() -> Self {
        Self::on_server(Server::start().await).await
    }

    /// Another database on the same server.
    pub(crate) async fn beside(&self) -> Self {
        Self::on(self.server.clone(), &self.on_same_server("postgres")).await
    }

    async fn on_server(server: Arc<Server>) -> Self {
        let url = server.postgres.admin_url();
        Self::on(Some(server), &url).await
    }

    async fn on(server: Option<Arc<Server>>, admin_url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("crm_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&mut connect(admin_url).await, &format!("CREATE DATABASE {name}")).await.unwrap();
        let url = admin_url.replace("/postgres?", &format!("/{name}?"));
        run(&mut connect(&url).await, include_str!("fixture.sql")).await.unwrap();
        Self { url, name, server }
    }

    fn on_same_server(&self, database: &str) -> String {
        self.url.replace(&format!("/{}?", self.name), &format!("/{database}?"))
    }

    /// A copy of the whole database.
    pub(crate) async fn copy(&self) -> Self {
        let name = format!("{}_copy", self.name);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {}", self.name);
        run(&mut connect(&self.on_same_server("postgres")).await, &sql).await.unwrap();
        Self { url: self.on_same_server(&name), name, server: self.server.clone() }
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
            options: &catalog::CatalogOptions::default(),
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
