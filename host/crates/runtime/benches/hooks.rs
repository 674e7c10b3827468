//! What a hook costs in process, each in a fresh instance: nothing, and rows that are at hand.
//!
//! The database answers at once, so this is the runtime's own share; the whole way is measured in `tests/`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_runtime::{CompilerProgram, Runtime, RuntimeConfig, RuntimeLimits, TracingLog};
use applet_types::{
    Actor, Applets, Column, ColumnType, ComponentDigest, Database, Encoding, Failure, Grants, HookCall,
    InstallationId, Invocation, Limits, Outcome, PackedWriter, RequestId, RowSet, Statement, TenantId,
    Transaction, Version, WorkspaceId,
};
use async_trait::async_trait;
use divan::Bencher;
use uuid::Uuid;

fn main() {
    divan::main();
}

/// Clients, as many as the statement asks for.
struct Clients;

fn clients(number: u32) -> Outcome {
    let names = ["id", "first_name", "last_name", "phone", "status"];
    let kind = |name| if name == "id" { ColumnType::Int64 } else { ColumnType::Text };
    let mut cells = PackedWriter::with_capacity(64 * number as usize);
    for id in 0..i64::from(number) {
        cells.cell(&id.to_le_bytes());
        for text in ["Ada", "Lovelace", "+44 20 7946 0000", "lead"] {
            cells.cell(text.as_bytes());
        }
    }
    let columns = names.map(|name| Column { name: name.to_owned(), kind: kind(name), element: None }).into();
    Outcome {
        rows: RowSet { columns, count: number, truncated: false, data: cells.finish() },
        affected: number.into(),
    }
}

#[async_trait]
impl Database for Clients {
    async fn query(&self, _: &Invocation, statement: &Statement, _: Encoding) -> Result<Outcome, Failure> {
        Ok(clients(if statement.parameters.is_empty() { 100 } else { 1 }))
    }

    async fn batch(&self, _: &Invocation, _: &[Statement], _: Encoding) -> Result<Vec<Outcome>, Failure> {
        Ok(Vec::new())
    }

    async fn begin(&self, _: &Invocation) -> Result<Box<dyn Transaction>, Failure> {
        Err(Failure::internal("not in this benchmark"))
    }
}

struct Bench {
    tokio: tokio::runtime::Runtime,
    runtime: Runtime,
    component: ComponentDigest,
}

impl Bench {
    fn new() -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runtime = Runtime::new(RuntimeConfig {
            cache_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("components"),
            compiler: CompilerProgram {
                program: env!("CARGO_BIN_EXE_compile-component").into(),
                arguments: Vec::new(),
            },
            database: Arc::new(Clients),
            log: Arc::new(TracingLog),
            limits: RuntimeLimits::default(),
        })
        .unwrap();
        let guest = "../../../tests/guests/target/wasm32-wasip2/release/guest_bench.wasm";
        let guest = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(guest)).unwrap();
        let component = tokio.block_on(runtime.inspect(&guest)).unwrap().digest;
        Self { tokio, runtime, component }
    }

    fn call(&self, hook: &str, payload: &str) -> String {
        let call = Invocation {
            request: RequestId::new(Uuid::nil()),
            tenant: TenantId::new(Uuid::nil()),
            workspace: WorkspaceId::new(Uuid::nil()),
            applet: "bench".parse().unwrap(),
            version: Version::new(1, 0, 0),
            installation: InstallationId::new(Uuid::nil()),
            actor: Actor::Platform,
            locale: "en".to_owned(),
            grants: Arc::new(Grants::builder().build()),
            limits: Arc::new(Limits::default()),
            variables: Arc::default(),
            deadline: Instant::now() + Duration::from_secs(10),
            budget: Arc::default(),
        };
        let hook = HookCall::Named { name: hook.parse().unwrap(), payload: payload.to_owned() };
        self.tokio.block_on(self.runtime.call(self.component, Arc::new(call), hook)).unwrap()
    }
}

#[divan::bench]
fn hello(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| bench.call("hello", "null"));
}

#[divan::bench]
fn client1(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| bench.call("client1", r#"{"id":7}"#));
}

#[divan::bench]
fn clients100(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| bench.call("clients100", "null"));
}
