//! A database of its own for each test, and ids.

use applet_store::Store;
use applet_types::{AppletId, TenantId, WorkspaceId};
use uuid::Uuid;

/// An empty database.
pub(crate) struct Database {
    pub(crate) url: String,
    of_test: applet_testing::Database,
}

impl Database {
    pub(crate) async fn new() -> Self {
        Self::of(applet_testing::Database::new().await)
    }

    /// On a server of its own: a transaction that is open anywhere on a server holds sealing back.
    pub(crate) async fn alone() -> Self {
        Self::of(applet_testing::Database::alone().await)
    }

    fn of(of_test: applet_testing::Database) -> Self {
        Self { url: of_test.url(), of_test }
    }

    /// Runs statements from outside; whether they succeed.
    pub(crate) async fn run(&self, sql: &str) -> bool {
        self.of_test.run(sql).await.is_ok()
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
