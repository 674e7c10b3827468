//! A private PostgreSQL and a database of its own for each test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use applet_datasource::embedded::{Postgres, StartOptions};
use applet_store::Store;
use applet_types::{AppletId, TenantId, WorkspaceId};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

/// A server that lasts as long as a test uses it.
struct Server {
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

/// An empty database.
pub(crate) struct Database {
    pub(crate) url: String,
    _server: Arc<Server>,
}

impl Database {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("store_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let server = Server::shared().await;
        let url = server.postgres.ensure_database(&name).await.unwrap();
        Self { url, _server: server }
    }

    /// Runs statements from outside; whether they succeed.
    pub(crate) async fn run(&self, sql: &str) -> bool {
        let mut admin = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.is_ok()
    }

    /// A store with its schema in place.
    pub(crate) async fn store(&self) -> Store {
        let store = Store::connect(&self.url).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// A tenant's id, different for every number.
pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(0x7e_0000 + number))
}

/// A workspace's id.
pub(crate) fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(0x30_0000 + number))
}

/// An applet's id.
pub(crate) fn applet(text: &str) -> AppletId {
    text.parse().unwrap()
}
