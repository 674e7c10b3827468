//! A PostgreSQL for tests. nextest runs each test in a process of its own, and initdb takes seconds: a test run
//! has one server, which `host/with-postgres.sh` starts and names in [`OF_THE_RUN`].

use std::env;
use std::sync::{Arc, Weak};

use applet_datasource::embedded::{Postgres, StartOptions};
use tokio::sync::Mutex;

/// The URL of the test run's server, a superuser's.
const OF_THE_RUN: &str = "APPLET_TEST_ADMIN_URL";

/// A server; one of our own lasts as long as somebody uses it.
#[derive(Debug)]
pub(crate) enum Server {
    OfTheRun(String),
    Own { postgres: Postgres, _directory: tempfile::TempDir },
}

impl Server {
    pub(crate) async fn of_this_run() -> Arc<Self> {
        static OF_THIS_PROCESS: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
        if let Ok(url) = env::var(OF_THE_RUN) {
            return Arc::new(Self::OfTheRun(url));
        }
        let mut shared = OF_THIS_PROCESS.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Self::start().await;
        *shared = Arc::downgrade(&server);
        server
    }

    pub(crate) async fn start() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options =
            StartOptions { directory: Some(directory.path().into()), fast: true, ..StartOptions::default() };
        let postgres = Postgres::start(options).await.unwrap();
        Arc::new(Self::Own { postgres, _directory: directory })
    }

    /// A superuser's, of the database `postgres`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::OfTheRun(url) => url.clone(),
            Self::Own { postgres, .. } => postgres.admin_url(),
        }
    }
}
