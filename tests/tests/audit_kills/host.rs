//! A host that runs operations until it is killed, and keeps a journal of them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use applet_catalog::Catalog;
use applet_datasource::Admin;
use applet_datasource::catalog::{self, CatalogOptions};
use applet_datasource::wall::{self, Preparation, Prepared, Purpose};
use applet_manifest::ValidatedManifest;
use applet_proxy::{AuditQueue, Proxy, ProxyConfig, Target};
use applet_store::Store;
use applet_tests::host::repository;
use applet_types::{
    Actor, Budget, Database as _, Encoding, Grants, InstallationId, Invocation, Limits, RequestId, Statement,
    TenantId, Value, WorkspaceId,
};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{CAPACITY, Dice, TENANTS};

/// Operations at once.
const WORKERS: u64 = 4;

fn manifest() -> ValidatedManifest {
    let file = repository().join("tests/guests/bench/manifest.yaml");
    applet_manifest::load(&std::fs::read(file).unwrap()).unwrap()
}

/// Guards the tables and makes the applet's role.
pub(crate) async fn prepare(url: &str) -> (Catalog, Prepared) {
    let manifest = manifest();
    let mut admin = Admin::connect(url).await.unwrap();
    let options = CatalogOptions::default();
    let read = catalog::read(&mut admin, &options).await.unwrap().catalog;
    let preparation = Preparation {
        applet: manifest.id(),
        grants: &manifest.requested(),
        catalog: &read,
        options: &options,
        bypass: false,
        purpose: Purpose::Installation,
    };
    let prepared = wall::prepare(&mut admin, &preparation).await.unwrap();
    admin.close().await.unwrap();
    (read, prepared)
}

/// Runs operations for ever.
pub(crate) fn serve(url: &str, journal: &Path, strict: bool, seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (catalog, prepared) = prepare(url).await;
        let options: PgConnectOptions = url.parse().unwrap();
        let target =
            Target::unix(options.get_socket().unwrap(), options.get_port(), options.get_database().unwrap());
        let login = prepared.keys.audit_login();
        let (queue, _writer) = AuditQueue::start(target.clone(), login, CAPACITY, strict);
        let lines = write_journal(journal);
        lines.line(format!("H {}", queue.writer())).await;
        let config = ProxyConfig::new(target, Arc::new(catalog), Arc::new(prepared.keys), Arc::new(queue));
        let proxy = Proxy::new(config);
        let store = Store::connect(url).await.unwrap();
        let manifest = Arc::new(manifest());
        let grants = Arc::new(manifest.requested());
        println!("\nready");
        let workers = (0..WORKERS).map(|number| {
            let worker = Worker {
                proxy: proxy.clone(),
                lines: lines.clone(),
                manifest: Arc::clone(&manifest),
                grants: Arc::clone(&grants),
                dice: Dice(seed.wrapping_add(number)),
            };
            tokio::spawn(worker.work())
        });
        let workers: Vec<_> = workers.collect();
        // Kills hit the sealer too.
        loop {
            store.seal(Duration::from_secs(1)).await.unwrap();
            assert!(!workers.iter().any(tokio::task::JoinHandle::is_finished), "a worker has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

struct Worker {
    proxy: Proxy,
    lines: Lines,
    manifest: Arc<ValidatedManifest>,
    grants: Arc<Grants>,
    dice: Dice,
}

impl Worker {
    async fn work(mut self) {
        loop {
            let request = Uuid::new_v4();
            let tenant = TENANTS[usize::from(self.dice.below(2) == 1)];
            let (kind, sql, parameters) = match self.dice.below(10) {
                0..4 => ("read", "SELECT first_name FROM clients ORDER BY id LIMIT 3", Vec::new()),
                4..8 => (
                    "write",
                    "INSERT INTO clients (first_name, last_name) VALUES ($1, 'x')",
                    vec![Value::Text(request.to_string())],
                ),
                8 => ("denial", "SELECT email FROM users", Vec::new()),
                _ => ("denial", "UPDATE clients SET tenant_id = NULL", Vec::new()),
            };
            self.lines.line(format!("I {request} {kind} {tenant}")).await;
            let statement = Statement { sql: sql.to_owned(), parameters };
            let outcome = self.proxy.query(&self.call(request, tenant), &statement, Encoding::Json).await;
            let outcome = outcome.map_or_else(|failure| failure.code.as_str(), |_| "ok");
            self.lines.line(format!("O {request} {outcome}")).await;
        }
    }

    fn call(&self, request: Uuid, tenant: &str) -> Invocation {
        Invocation {
            request: RequestId::new(request),
            tenant: tenant.parse::<TenantId>().unwrap(),
            workspace: WorkspaceId::new(Uuid::nil()),
            applet: self.manifest.id().clone(),
            version: self.manifest.version().clone(),
            installation: InstallationId::new(Uuid::nil()),
            actor: Actor::Platform,
            locale: "en".to_owned(),
            grants: Arc::clone(&self.grants),
            limits: Arc::new(Limits::default()),
            variables: Arc::default(),
            deadline: Instant::now() + Duration::from_secs(20),
            budget: Arc::new(Budget::default()),
        }
    }
}

/// The journal: a line is on disk before whoever wrote it goes on.
#[derive(Clone)]
struct Lines(Sender<(String, oneshot::Sender<()>)>);

impl Lines {
    async fn line(&self, text: String) {
        let (done, on_disk) = oneshot::channel();
        self.0.send((text, done)).unwrap();
        on_disk.await.unwrap();
    }
}

fn write_journal(file: &Path) -> Lines {
    let mut file = OpenOptions::new().append(true).create_new(true).open(file).unwrap();
    let (sender, receiver): (_, Receiver<(String, oneshot::Sender<()>)>) = channel();
    std::thread::spawn(move || {
        while let Ok(first) = receiver.recv() {
            let lines: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
            file.write_all(text.as_bytes()).unwrap();
            file.sync_data().unwrap();
            for (_, done) in lines {
                done.send(()).unwrap();
            }
        }
    });
    Lines(sender)
}
