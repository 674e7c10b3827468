//! A runtime on a scripted database: it answers what a test wants and writes down what it was asked. Good
//! enough for what concerns the runtime itself; guests on a real PostgreSQL are in `tests/`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use applet_runtime::{CompilerProgram, GuestLog, GuestLogLevel, Runtime, RuntimeConfig, RuntimeLimits};
use applet_types::{
    Actor, Applets, Column, ColumnType, Columns, ComponentDigest, Database, Encoding, ErrorCode, Failure,
    Grants, HookCall, HookError, InstallationId, Invocation, Limits, Operation, Outcome, PackedWriter,
    PhysicalTable, RequestId, RowSet, Span, SqlName, Statement, TenantId, Transaction, Version, WorkspaceId,
};
use async_trait::async_trait;
use uuid::Uuid;

/// What the database and the log saw, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, event: &str) -> usize {
        self.all().iter().filter(|seen| *seen == event).count()
    }
}

/// Statements that start so wait as many milliseconds, as a slow database would.
const WAIT: &str = "WAIT ";

struct Script {
    seen: Seen,
}

fn one_row() -> Outcome {
    let mut cells = PackedWriter::default();
    cells.cell(&1_i32.to_le_bytes());
    let columns = Arc::from([Column { name: "number".to_owned(), kind: ColumnType::Int32, element: None }]);
    Outcome { rows: RowSet { columns, count: 1, truncated: false, data: cells.finish() }, affected: 1 }
}

/// One row with a cell of each type.
fn every_type() -> Outcome {
    let interval = [1_i32.to_le_bytes().as_slice(), &2_i32.to_le_bytes(), &3_i64.to_le_bytes()].concat();
    let cells: [(ColumnType, &[u8]); 17] = [
        (ColumnType::Boolean, &[1]),
        (ColumnType::Int16, &7_i16.to_le_bytes()),
        (ColumnType::Int32, &(-7_i32).to_le_bytes()),
        (ColumnType::Int64, &i64::MAX.to_le_bytes()),
        (ColumnType::Float32, &1.5_f32.to_le_bytes()),
        (ColumnType::Float64, &0.25_f64.to_le_bytes()),
        (ColumnType::Numeric, b"12345678901234567890.10"),
        (ColumnType::Text, "naïve".as_bytes()),
        (ColumnType::Bytes, &[0, 255]),
        (ColumnType::Uuid, &[17; 16]),
        (ColumnType::Date, &19_783_i32.to_le_bytes()),
        (ColumnType::Time, &1_000_000_i64.to_le_bytes()),
        (ColumnType::Timestamp, &0_i64.to_le_bytes()),
        (ColumnType::TimestampTz, &i64::MAX.to_le_bytes()),
        (ColumnType::Interval, &interval),
        (ColumnType::Json, br#"{"a":[1,null]}"#),
        (ColumnType::Array, b"[1,2]"),
    ];
    let columns = cells
        .iter()
        .map(|(kind, _)| Column { name: kind.as_str().to_owned(), kind: *kind, element: None })
        .collect();
    let mut writer = PackedWriter::default();
    for (_, bytes) in cells {
        writer.cell(bytes);
    }
    Outcome { rows: RowSet { columns, count: 1, truncated: true, data: writer.finish() }, affected: 1 }
}

fn refusal() -> Failure {
    Failure::new(ErrorCode::TableNotAllowed, "`secrets` is not granted")
        .at(Span { start: 14, end: 21 })
        .on("secrets", Operation::Read)
        .column("key")
        .hint("permissions.database.read: [secrets]")
        .retry_after_ms(7)
}

impl Script {
    async fn answer(&self, place: &str, statement: &Statement) -> Result<Outcome, Failure> {
        self.seen.note(format!("{place}{} {:?}", statement.sql, statement.parameters));
        if let Some(milliseconds) = statement.sql.strip_prefix(WAIT) {
            tokio::time::sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
        }
        match statement.sql.as_str() {
            "EVERY TYPE" => Ok(every_type()),
            "SELECT * FROM secrets" => Err(refusal()),
            "PANIC" => panic!("the database port panicked"),
            sql if sql.contains("FROM ai_chat_configs") => Ok(Outcome { rows: RowSet::empty(), affected: 0 }),
            _ => Ok(one_row()),
        }
    }
}

#[async_trait]
impl Database for Script {
    async fn query(&self, call: &Invocation, statement: &Statement, _: Encoding) -> Result<Outcome, Failure> {
        call.budget.statement(&call.limits, Instant::now())?;
        self.answer("", statement).await
    }

    async fn batch(
        &self,
        _: &Invocation,
        statements: &[Statement],
        _: Encoding,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::new();
        for statement in statements {
            outcomes.push(self.answer("batch: ", statement).await?);
        }
        Ok(outcomes)
    }

    async fn begin(&self, _: &Invocation) -> Result<Box<dyn Transaction>, Failure> {
        self.seen.note("begin");
        Ok(Box::new(Open { script: Self { seen: self.seen.clone() }, ended: false }))
    }

    fn soft_deletable(&self, _: &Invocation, physical: &SqlName) -> bool {
        physical.as_str() == "clients"
    }
}

/// Stands for a connection: it is free again when this is dropped.
struct Open {
    script: Script,
    ended: bool,
}

#[async_trait]
impl Transaction for Open {
    async fn query(&mut self, statement: &Statement, _: Encoding) -> Result<Outcome, Failure> {
        self.script.answer("transaction: ", statement).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        self.ended = true;
        self.script.seen.note("commit");
        Ok(())
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), Failure> {
        self.ended = true;
        self.script.seen.note("rollback");
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.script.seen.note("dropped");
        }
    }
}

struct Lines(Seen);

impl GuestLog for Lines {
    fn line(&self, _: &Invocation, level: GuestLogLevel, text: &str) {
        self.0.note(format!("{level:?}: {text}"));
    }
}

/// A runtime with its scripted database.
pub(crate) struct Host {
    pub(crate) runtime: Runtime,
    pub(crate) database: Seen,
    pub(crate) log: Seen,
    pub(crate) limits: Limits,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(RuntimeLimits { instances: 8, instances_per_applet: 4, ..RuntimeLimits::default() })
    }

    /// All tests share a directory, so that each guest is compiled once.
    pub(crate) fn with(limits: RuntimeLimits) -> Self {
        Self::at(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("components"), limits)
    }

    pub(crate) fn at(directory: &Path, limits: RuntimeLimits) -> Self {
        let (database, log) = (Seen::default(), Seen::default());
        let runtime = Runtime::new(RuntimeConfig {
            cache_dir: directory.to_owned(),
            compiler: CompilerProgram {
                program: env!("CARGO_BIN_EXE_compile-component").into(),
                arguments: Vec::new(),
            },
            database: Arc::new(Script { seen: database.clone() }),
            log: Arc::new(Lines(log.clone())),
            limits,
        })
        .unwrap();
        Self { runtime, database, log, limits: Limits::default() }
    }

    pub(crate) async fn load(&self, component: &[u8]) -> ComponentDigest {
        static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
        self.runtime.inspect(component).await.unwrap().digest
    }

    pub(crate) fn invocation(&self) -> Invocation {
        let mut grants = Grants::builder();
        let clients = grants.table("clients".parse().unwrap());
        clients.read = Some(Columns::All);
        clients.update = Some(Columns::All);
        let applet = "conformance".parse().unwrap();
        let declared: SqlName = "settings".parse().unwrap();
        let physical = PhysicalTable::of(&applet, &declared).unwrap();
        grants.own_table(declared, physical).insert = Some(Columns::All);
        Invocation {
            request: RequestId::new(Uuid::from_u128(1)),
            tenant: TenantId::new(Uuid::from_u128(2)),
            workspace: WorkspaceId::new(Uuid::from_u128(3)),
            applet,
            version: Version::new(1, 2, 3),
            installation: InstallationId::new(Uuid::from_u128(4)),
            actor: Actor::Platform,
            locale: "de-AT".to_owned(),
            grants: Arc::new(grants.build()),
            limits: Arc::new(self.limits.clone()),
            variables: Arc::default(),
            deadline: Instant::now() + Duration::from_secs(60),
            budget: Arc::default(),
        }
    }

    pub(crate) async fn call(&self, component: ComponentDigest, hook: HookCall) -> Result<String, HookError> {
        self.runtime.call(component, Arc::new(self.invocation()), hook).await
    }

    pub(crate) async fn named(
        &self,
        component: ComponentDigest,
        name: &str,
        payload: &str,
    ) -> Result<String, HookError> {
        let hook = HookCall::Named { name: name.parse().unwrap(), payload: payload.to_owned() };
        self.call(component, hook).await
    }
}

/// Where the repository is.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// A built guest of `tests/guests`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    built(&format!("tests/guests/target/wasm32-wasip2/release/guest_{name}.wasm"))
}

/// A built component, by its path in the repository.
pub(crate) fn built(path: &str) -> Vec<u8> {
    let path = repository().join(path);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run tests/guests/build.sh first", path.display()))
}

/// A component around a core module that is written by hand, with `on-enable` as its only hook: the module
/// exports `memory` and `run: func() -> i32`, which gives the address of a zero byte when it succeeds.
pub(crate) fn by_hand(module: &str) -> Vec<u8> {
    wat::parse_str(include_str!("by_hand.wat").replace("(core module $guest)", module)).unwrap()
}

/// The code of a host failure.
pub(crate) fn host_code(outcome: Result<String, HookError>) -> ErrorCode {
    match outcome {
        Err(HookError::Host(failure)) => failure.code,
        other => panic!("expected a failure of the host, got {other:?}"),
    }
}

/// The applet's own code.
pub(crate) fn applet_code(outcome: Result<String, HookError>) -> String {
    match outcome {
        Err(HookError::Applet { code, .. }) => code,
        other => panic!("expected an error of the applet, got {other:?}"),
    }
}
