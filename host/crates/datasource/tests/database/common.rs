//! A private PostgreSQL for the tests of one process, and a fresh database for each test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use applet_catalog::Catalog;
use applet_datasource::embedded::{Postgres, StartOptions};
use applet_datasource::wall::{Preparation, Prepared, Purpose};
use applet_datasource::{Admin, Error, catalog, wall};
use applet_types::{
    AppletId, Columns, Grants, Login, SqlName, TenantClaim, TenantForm, TenantId, TenantSigner as _,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub(crate) const A: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
pub(crate) const B: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

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
    /// Its administrator's.
    pub(crate) url: String,
    pub(crate) name: String,
    superuser: String,
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
        let database = Self::bare(server, admin_url, "postgres").await;
        run(&mut connect(&database.url).await, include_str!("fixture.sql")).await.unwrap();
        database
    }

    async fn bare(server: Option<Arc<Server>>, admin_url: &str, owner: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("crm_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = connect(admin_url).await;
        run(&mut admin, &format!("CREATE DATABASE {name}")).await.unwrap();
        let url = admin_url.replace("/postgres?", &format!("/{name}?"));
        let mut database = Self { superuser: url.clone(), url, name, server };
        if owner == MANAGER {
            let sql =
                format!("CREATE ROLE {} LOGIN CREATEROLE IN ROLE pg_signal_backend", database.manager());
            run(&mut admin, &sql).await.unwrap();
            let sql = format!("ALTER DATABASE {} OWNER TO {}", database.name, database.manager());
            run(&mut admin, &sql).await.unwrap();
            database.url = database.manager_url();
        }
        database
    }

    /// A database as a managed server gives it: its administrator makes roles and owns everything in it, and is
    /// no superuser.
    pub(crate) async fn managed() -> Self {
        let (server, url) = match std::env::var(SHARED_SERVER) {
            Ok(url) => (None, url),
            Err(_) => {
                let server = Server::shared().await;
                let url = server.postgres.admin_url();
                (Some(server), url)
            }
        };
        let database = Self::bare(server, &url, MANAGER).await;
        run(&mut connect(&database.url).await, include_str!("fixture.sql")).await.unwrap();
        database
    }

    /// One of each form: the second is managed.
    pub(crate) async fn of_each_form() -> [Self; 2] {
        [Self::new().await, Self::managed().await]
    }

    /// The name of its manager, if it has one.
    pub(crate) fn manager(&self) -> String {
        format!("{MANAGER}_{}", self.name)
    }

    /// The URL of its manager.
    pub(crate) fn manager_url(&self) -> String {
        self.superuser.replace("postgres@", &format!("{}@", self.manager()))
    }

    /// The URL of the server's superuser.
    pub(crate) fn superuser_url(&self) -> &str {
        &self.superuser
    }

    fn on_same_server(&self, database: &str) -> String {
        self.superuser.replace(&format!("/{}?", self.name), &format!("/{database}?"))
    }

    /// A copy of the whole database.
    pub(crate) async fn copy(&self) -> Self {
        let name = format!("{}_copy", self.name);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {}", self.name);
        run(&mut connect(&self.on_same_server("postgres")).await, &sql).await.unwrap();
        let url = self.on_same_server(&name);
        Self { superuser: url.clone(), url, name, server: self.server.clone() }
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

    /// A superuser's session.
    pub(crate) async fn admin(&self) -> PgConnection {
        connect(&self.superuser).await
    }

    /// A session of a role.
    pub(crate) async fn session(&self, login: &Login) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.username(&login.role).password(login.password.reveal());
        PgConnection::connect_with(&options).await.unwrap()
    }
}

/// How the names of administrators that are no superusers begin.
const MANAGER: &str = "manager";

/// What a host sets in this session of an applet's role for this tenant.
pub(crate) async fn setting(session: &mut PgConnection, prepared: &Prepared, tenant: &str) -> String {
    match prepared.keys.tenant_form() {
        TenantForm::Plain => tenant.to_owned(),
        TenantForm::Signed => signed_for(session, prepared, tenant, 60_000).await,
    }
}

/// The same, signed, and valid for so long.
pub(crate) async fn signed_for(
    session: &mut PgConnection,
    prepared: &Prepared,
    tenant: &str,
    milliseconds: i64,
) -> String {
    let sql = "SELECT process, clock_ms FROM applet_host.tenant_form()";
    let (process, clock_ms): (i32, i64) = sqlx::query_as(sql).fetch_one(session).await.unwrap();
    let tenant = TenantId::new(tenant.parse().unwrap());
    let expires_ms = clock_ms + milliseconds;
    prepared.keys.sign(&TenantClaim { tenant, role: &prepared.login.role, process, expires_ms })
}

/// Makes it this tenant's session.
pub(crate) async fn set_tenant(session: &mut PgConnection, prepared: &Prepared, tenant: &str) {
    let value = setting(session, prepared, tenant).await;
    run(session, &format!("SET applet.tenant = '{value}'")).await.unwrap();
}
