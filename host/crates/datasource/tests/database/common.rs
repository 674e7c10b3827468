//! A fresh database for each test, with a fixture in it, and what tests ask of it.

use applet_catalog::Catalog;
use applet_datasource::wall::{Preparation, Prepared, Purpose};
use applet_datasource::{Admin, Error, catalog, wall};
use applet_types::{
    AppletId, Columns, Grants, Login, SqlName, TenantClaim, TenantForm, TenantId, TenantSigner as _,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub(crate) const A: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
pub(crate) const B: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

/// A database of its own with the fixture in it.
pub(crate) struct Database {
    /// Its administrator's.
    pub(crate) url: String,
    pub(crate) name: String,
    of_test: applet_testing::Database,
}

pub(crate) use applet_testing::connect;

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
        Self::of(applet_testing::Database::new().await).await
    }

    /// On a server that no other test uses: for what changes roles that all databases share.
    pub(crate) async fn alone() -> Self {
        Self::of(applet_testing::Database::alone().await).await
    }

    /// Another database on the same server.
    pub(crate) async fn beside(&self) -> Self {
        Self::of(self.of_test.beside().await).await
    }

    /// A database as a managed server gives it: its administrator makes roles and owns everything in it, and is
    /// no superuser.
    pub(crate) async fn managed() -> Self {
        let of_test = applet_testing::Database::new().await;
        let url = of_test.give_to_manager().await;
        Self::filled(Self { url, ..Self::bare(of_test) }).await
    }

    /// One of each form: the second is managed.
    pub(crate) async fn of_each_form() -> [Self; 2] {
        [Self::new().await, Self::managed().await]
    }

    /// A copy of the whole database.
    pub(crate) async fn copy(&self) -> Self {
        Self::bare(self.of_test.copy().await)
    }

    async fn of(of_test: applet_testing::Database) -> Self {
        Self::filled(Self::bare(of_test)).await
    }

    fn bare(of_test: applet_testing::Database) -> Self {
        Self { url: of_test.url(), name: of_test.name().to_owned(), of_test }
    }

    async fn filled(self) -> Self {
        run(&mut connect(&self.url).await, include_str!("fixture.sql")).await.unwrap();
        self
    }

    /// The name of its manager, if it has one.
    pub(crate) fn manager(&self) -> String {
        self.of_test.manager()
    }

    /// The URL of the server's superuser.
    pub(crate) fn superuser_url(&self) -> String {
        self.of_test.url()
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

    /// A superuser's session.
    pub(crate) async fn admin(&self) -> PgConnection {
        connect(&self.superuser_url()).await
    }

    /// A session of a role.
    pub(crate) async fn session(&self, login: &Login) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.username(&login.role).password(login.password.reveal());
        PgConnection::connect_with(&options).await.unwrap()
    }
}

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
