//! The port as guests see it: gate, session, audit and all.

use std::sync::Arc;
use std::time::Duration;

use applet_types::{
    AuditSink, Database, Encoding, ErrorCode, Failure, Invocation, Limits, Login, Outcome, Secret, Statement,
    Value,
};

use super::json;
use crate::testing::{
    A, B, Cluster, Database as TestDatabase, Recorder, TestLogins, catalog, grants, invocation,
};
use crate::{AuditQueue, Proxy, ProxyConfig};

pub(super) struct Bench {
    pub(super) database: TestDatabase,
    pub(super) proxy: Proxy,
    recorder: Arc<Recorder>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut ProxyConfig)) -> Self {
        let database = Cluster::shared().database();
        let recorder = Arc::new(Recorder::default());
        let catalog = Arc::new(catalog());
        let mut config = ProxyConfig::new(database.target(), catalog, Arc::new(TestLogins), recorder.clone());
        change(&mut config);
        let proxy = Proxy::new(config);
        Self { database, proxy, recorder }
    }

    async fn query(&self, call: &Invocation, sql: &str, parameters: &[Value]) -> Result<Outcome, Failure> {
        self.proxy.query(call, &statement(sql, parameters), Encoding::Json).await
    }

    /// The codes of what was refused or failed, in the order of the trail.
    fn recorded(&self) -> Vec<String> {
        let records = self.recorder.records.lock().unwrap();
        let describe = |record: &applet_types::AuditRecord| {
            let error = record.error.map_or("ok", ErrorCode::as_str);
            format!("{} {} {} {error}", record.operation.as_str(), record.tables.join(","), record.rows)
        };
        records.iter().map(describe).collect()
    }

    pub(super) fn count(&self, condition: &str) -> String {
        self.database.sql(&format!("SELECT count(*) FROM clients WHERE {condition}"))
    }
}

pub(super) fn statement(sql: &str, parameters: &[Value]) -> Statement {
    Statement { sql: sql.to_owned(), parameters: parameters.to_vec() }
}

pub(super) fn call(tenant: applet_types::TenantId) -> Invocation {
    invocation("applet-one", tenant, grants())
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[tokio::test]
async fn s4_4_a_read_gives_the_callers_rows_and_is_recorded() {
    let bench = Bench::new();
    for tenant in [A, B] {
        let outcome =
            bench.query(&call(tenant), "SELECT count(*), min(name) FROM clients", &[]).await.unwrap();
        assert_eq!(json(&outcome), serde_json::json!([[50, "client 1"]]));
    }
    assert_eq!(bench.recorded(), ["read clients 1 ok", "read clients 1 ok"]);
}

#[tokio::test]
async fn s4_68_denials_are_recorded_without_a_word_of_the_statement() {
    let bench = Bench::new();
    let refused = bench.query(&call(A), "SELECT 'canary' FROM hidden", &[]).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::TableNotAllowed);
    let refused = bench.query(&call(A), "SELECT 'canary", &[]).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Syntax);
    let records = bench.recorder.records.lock().unwrap();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.error.is_some()));
    assert_eq!(
        records.iter().map(|record| record.sql.as_str()).collect::<Vec<_>>(),
        ["SELECT ? FROM hidden", "SELECT ?"]
    );
}

#[tokio::test]
async fn s4_11_a_write_belongs_to_the_caller_and_carries_its_record() {
    let bench = Bench::new();
    let insert = "INSERT INTO clients (name, age) VALUES ($1, $2) RETURNING name, age";
    let outcome = bench.query(&call(B), insert, &[text("new"), Value::Integer(3)]).await.unwrap();
    assert_eq!((json(&outcome), outcome.affected), (serde_json::json!([["new", 3]]), 1));
    assert_eq!(bench.database.sql("SELECT tenant_id FROM clients WHERE name = 'new'"), B.to_string());
    let update = bench.query(&call(A), "UPDATE clients SET age = 9 WHERE name = 'new'", &[]).await.unwrap();
    assert_eq!((update.affected, update.rows.columns.len()), (0, 0));
    assert_eq!(bench.recorded(), Vec::<String>::new(), "writes are not recorded twice");
    let trail = "SELECT string_agg(operation || ' ' || tables[1] || ' ' || rows || ' ' || tenant, ', ' ORDER BY id) \
                 FROM applet_host.audit";
    assert_eq!(bench.database.sql(trail), format!("insert clients 1 {B}, update clients 0 {A}"));
    assert_eq!(bench.database.sql("SELECT count(*) FROM applet_host.audit WHERE sql LIKE '%new%'"), "0");
}

/// Every error a statement can raise, with the canary among the values that the server's text quotes.
#[tokio::test]
async fn s4_68_errors_have_fixed_texts_and_stable_codes() {
    let bench = Bench::new();
    let mut limits = Limits::default();
    limits.execution.rows_changed = 20;
    let mut caller = call(A);
    caller.limits = Arc::new(limits);
    let canary = "canary-8675309";
    bench.query(&caller, "INSERT INTO clients (name, email) VALUES ($1, $1)", &[text(canary)]).await.unwrap();
    let insert_email = "INSERT INTO clients (name, email) VALUES ('x', $1)";
    for (sql, parameters, code) in [
        (insert_email, vec![text(canary)], ErrorCode::Unique),
        ("INSERT INTO clients (name, age) VALUES ($1, -8675309)", vec![text(canary)], ErrorCode::Check),
        ("INSERT INTO clients (email) VALUES ($1)", vec![text("other-canary-8675309")], ErrorCode::NotNull),
        ("SELECT name::int FROM clients WHERE name = $1", vec![text(canary)], ErrorCode::InvalidValue),
        ("SELECT $1::date", vec![text(canary)], ErrorCode::InvalidValue),
        ("SELECT 8675309 / (count(*) - count(*)) FROM clients", vec![], ErrorCode::DivisionByZero),
        ("SELECT 2147483647 + age FROM clients WHERE age > 0", vec![], ErrorCode::OutOfRange),
        ("UPDATE clients SET age = 1", vec![], ErrorCode::TooManyRowsChanged),
        (
            "SELECT name FROM clients WHERE id = $1",
            vec![Value::Bytes(canary.into())],
            ErrorCode::BadParameter,
        ),
        ("SELECT name FROM clients WHERE id = $1", vec![], ErrorCode::BadParameter),
    ] {
        let failure = bench.query(&caller, sql, &parameters).await.unwrap_err();
        assert_eq!(failure.code, code, "{sql}: {failure}");
        let shown = serde_json::to_string(&failure).unwrap();
        assert!(!shown.contains("8675309") && !shown.contains("canary"), "{sql}: {shown}");
    }
    let failure = bench.query(&caller, insert_email, &[text(canary)]).await.unwrap_err();
    assert!(failure.message.contains("`email`"), "{failure}");
    let failure = bench.query(&caller, "INSERT INTO clients (email) VALUES ('z')", &[]).await.unwrap_err();
    assert_eq!(failure.column.as_deref(), Some("name"));
    assert_eq!(bench.count("age = 1 AND name <> 'client 1'"), "0", "nothing was changed");
    let status = bench.proxy.status();
    assert_eq!((status.open, status.in_use), (1, 0), "ordinary errors cost no session");
}

#[tokio::test]
async fn s4_60_statements_and_result_bytes_have_a_budget() {
    let bench = Bench::new();
    let mut limits = Limits::default();
    limits.execution.statements = 2;
    limits.execution.invocation_result_bytes = 1_000;
    let mut caller = call(A);
    caller.limits = Arc::new(limits);
    bench.query(&caller, "SELECT name FROM clients", &[]).await.unwrap();
    let failure = bench.query(&caller, "SELECT name FROM clients", &[]).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::BudgetSpent);
    let failure = bench.query(&caller, "SELECT name FROM clients", &[]).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TooManyStatements);
}

#[tokio::test]
async fn s4_57_the_deadline_bounds_a_statement_and_is_told_apart_from_its_own_limit() {
    let bench = Bench::new();
    let slow =
        "SELECT count(*) FROM clients a JOIN clients b ON true JOIN clients c ON true JOIN clients d ON true";
    let mut caller = call(A);
    caller.deadline = std::time::Instant::now() + Duration::from_millis(50);
    assert_eq!(bench.query(&caller, slow, &[]).await.unwrap_err().code, ErrorCode::Deadline);
    let mut limits = Limits::default();
    limits.execution.statement_timeout_ms = 20;
    let mut caller = call(A);
    caller.limits = Arc::new(limits);
    assert_eq!(bench.query(&caller, slow, &[]).await.unwrap_err().code, ErrorCode::StatementTimeout);
    caller.deadline = std::time::Instant::now();
    assert_eq!(bench.query(&caller, slow, &[]).await.unwrap_err().code, ErrorCode::Deadline);
}

#[tokio::test]
async fn s4_29_a_batch_takes_effect_as_a_whole_or_not_at_all() {
    let bench = Bench::new();
    let insert =
        |name: &str| statement("INSERT INTO clients (name) VALUES ($1) RETURNING name", &[text(name)]);
    let count = statement("SELECT count(*) FROM clients WHERE name LIKE 'batch%'", &[]);
    let statements = [insert("batch 1"), count.clone(), insert("batch 2"), count.clone()];
    let outcomes = bench.proxy.batch(&call(A), &statements, Encoding::Json).await.unwrap();
    let data: Vec<_> = outcomes.iter().map(json).collect();
    assert_eq!(serde_json::json!(data), serde_json::json!([[["batch 1"]], [[1]], [["batch 2"]], [[2]]]));
    let records = "SELECT string_agg(operation, ',' ORDER BY id) FROM applet_host.audit";
    assert_eq!(
        bench.database.sql(records),
        "insert,read,insert,read",
        "a batch that writes takes its reads along"
    );
    let broken = [insert("batch 3"), statement("SELECT 1 / (count(*) - count(*)) FROM clients", &[])];
    let failure = bench.proxy.batch(&call(A), &broken, Encoding::Json).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DivisionByZero);
    let refused = [insert("batch 4"), statement("SELECT 1 FROM hidden", &[])];
    let failure = bench.proxy.batch(&call(A), &refused, Encoding::Json).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TableNotAllowed);
    assert_eq!(bench.count("name LIKE 'batch%'"), "2");
    assert_eq!(bench.database.sql(records), "insert,read,insert,read");
    let many: Vec<_> = (0..60).map(|_| insert("batch many")).collect();
    assert_eq!(bench.proxy.batch(&call(A), &many, Encoding::Packed).await.unwrap().len(), 60);
    let reads = bench.proxy.batch(&call(B), &[count.clone(), count], Encoding::Json).await.unwrap();
    assert_eq!(
        reads.iter().map(json).collect::<Vec<_>>(),
        [serde_json::json!([[0]]), serde_json::json!([[0]])]
    );
}

#[tokio::test]
async fn s4_11_a_transaction_commits_with_its_records_rolls_back_or_is_dropped() {
    let bench = Bench::new();
    let caller = call(A);
    let insert = statement("INSERT INTO clients (name) VALUES ('tx')", &[]);
    let count = statement("SELECT count(*) FROM clients WHERE name = 'tx'", &[]);
    let mut open = bench.proxy.begin(&caller).await.unwrap();
    for round in 1..=2 {
        assert_eq!(open.query(&insert, Encoding::Json).await.unwrap().affected, 1);
        assert_eq!(json(&open.query(&count, Encoding::Json).await.unwrap()), serde_json::json!([[round]]));
    }
    assert_eq!(bench.count("name = 'tx'"), "0", "not visible yet");
    open.commit().await.unwrap();
    assert_eq!(
        (bench.count("name = 'tx'"), bench.database.sql("SELECT count(*) FROM applet_host.audit")),
        ("2".into(), "2".into())
    );

    let mut open = bench.proxy.begin(&caller).await.unwrap();
    open.query(&insert, Encoding::Json).await.unwrap();
    open.rollback().await.unwrap();
    let mut open = bench.proxy.begin(&caller).await.unwrap();
    open.query(&insert, Encoding::Json).await.unwrap();
    drop(open);
    let mut open = bench.proxy.begin(&call(B)).await.unwrap();
    open.query(&insert, Encoding::Json).await.unwrap();
    let fails = statement("SELECT 1 / (count(*) - count(*)) FROM clients", &[]);
    assert_eq!(open.query(&fails, Encoding::Json).await.unwrap_err().code, ErrorCode::DivisionByZero);
    assert_eq!(open.query(&count, Encoding::Json).await.unwrap_err().code, ErrorCode::UnsupportedStatement);
    assert!(open.commit().await.is_err());
    for _ in 0..200 {
        if bench.proxy.status().in_use == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bench.proxy.status().in_use, 0, "every session is free again");
    assert_eq!(bench.count("name = 'tx'"), "2");
    let outcome = bench.query(&call(B), "SELECT count(*) FROM clients", &[]).await.unwrap();
    assert_eq!(json(&outcome), serde_json::json!([[50]]));
}

#[tokio::test]
async fn s4_61_an_invocation_that_holds_the_last_permit_is_told_busy_at_once() {
    let bench = Bench::with(|config| {
        config.limits.sessions_per_applet = 1;
        config.limits.queue_wait_ms = 60_000;
    });
    let caller = call(A);
    let open = bench.proxy.begin(&caller).await.unwrap();
    let failure = bench.query(&caller, "SELECT name FROM clients", &[]).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ConnectionCap);
    assert!(bench.proxy.begin(&caller).await.is_err_and(|failure| failure.code == ErrorCode::ConnectionCap));
    open.rollback().await.unwrap();
    bench.query(&caller, "SELECT name FROM clients", &[]).await.unwrap();
}

#[tokio::test]
async fn s4_9_rollback_each_undoes_every_line() {
    let bench = Bench::with(|config| config.rollback_each = true);
    let insert = statement("INSERT INTO clients (name) VALUES ('line') RETURNING name", &[]);
    let report = bench.proxy.run(&call(A), &insert, Encoding::Json).await.unwrap();
    assert_eq!(json(&report.outcome), serde_json::json!([["line"]]));
    assert!(report.rewritten.contains("\"tenant_id\""), "{}", report.rewritten);
    bench.proxy.batch(&call(A), &[insert], Encoding::Json).await.unwrap();
    assert_eq!(bench.count("name = 'line'"), "0");
    let explained = bench.proxy.explain(&call(A), "SELECT name FROM clients WHERE id = $1").unwrap();
    assert_eq!((explained.parameters, explained.joins), (1, 0));
}

#[tokio::test]
async fn s4_67_the_queue_writes_what_it_was_given_in_batches_and_on_shutdown() {
    let database = Cluster::shared().database();
    let login = Login { role: "postgres".into(), password: Secret::new("") };
    let (queue, writer) = AuditQueue::start(database.target(), login.clone(), 8, false);
    let catalog = Arc::new(catalog());
    let sink: Arc<dyn AuditSink> = Arc::new(queue);
    let config = ProxyConfig::new(database.target(), catalog.clone(), Arc::new(TestLogins), sink);
    let proxy = Proxy::new(config);
    for number in 0..30 {
        let sql = if number % 3 == 0 {
            "SELECT 1 FROM hidden"
        } else {
            "SELECT name FROM clients WHERE name = 'a''b\\'"
        };
        let ran = proxy.query(&call(A), &statement(sql, &[]), Encoding::Json).await;
        assert_eq!(ran.is_err(), number % 3 == 0);
    }
    proxy.close().await;
    let left =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'guest%'";
    assert_eq!((proxy.status().open, database.sql(left)), (0, "0".to_owned()));
    writer.finish().await;
    let summary = "SELECT count(*), count(error), count(DISTINCT request), min(tables[1]), max(tenant::text), \
                   count(*) FILTER (WHERE at > now() - interval '1 minute') FROM applet_host.audit";
    assert_eq!(database.sql(summary), format!("30|10|30|clients|{A}|30"));

    let (queue, writer) = AuditQueue::start(database.target(), login, 8, true);
    let config = ProxyConfig::new(database.target(), catalog, Arc::new(TestLogins), Arc::new(queue));
    let proxy = Proxy::new(config);
    proxy.query(&call(B), &statement("SELECT name FROM clients", &[]), Encoding::Json).await.unwrap();
    assert_eq!(
        database.sql("SELECT count(*) FROM applet_host.audit"),
        "31",
        "strict: durable before the answer"
    );
    drop(proxy);
    writer.finish().await;
}

#[tokio::test]
async fn s4_33_a_session_with_a_stale_plan_is_replaced_without_the_guest_noticing() {
    let bench = Bench::new();
    let read = "SELECT * FROM clients WHERE name = 'client 1'";
    bench.query(&call(A), read, &[]).await.unwrap();
    bench.database.sql("ALTER TABLE clients ALTER COLUMN age TYPE bigint");
    let outcome = bench.query(&call(A), read, &[]).await.unwrap();
    assert_eq!(outcome.rows.count, 1);
}

#[tokio::test]
async fn s4_33_a_schema_change_fails_no_transaction_that_begins_after_it() {
    let bench = Bench::new();
    let first = statement("SELECT * FROM clients WHERE name = 'client 1'", &[]);
    let second = statement("SELECT age FROM clients WHERE name = 'client 1'", &[]);
    let both = async || {
        let mut open = bench.proxy.begin(&call(A)).await?;
        open.query(&first, Encoding::Json).await?;
        open.query(&second, Encoding::Json).await?;
        open.commit().await
    };
    both().await.unwrap();
    bench.database.sql("ALTER TABLE clients ALTER COLUMN age TYPE bigint");
    both().await.unwrap();
    let batch = [first.clone(), second.clone()];
    bench.proxy.batch(&call(A), &batch, Encoding::Json).await.unwrap();
    bench.database.sql("ALTER TABLE clients ALTER COLUMN age TYPE numeric");
    bench.proxy.batch(&call(A), &batch, Encoding::Json).await.unwrap();

    // What is not the first of its transaction is given up as soon as the catalogue is read again.
    let only_second = async || {
        let mut open = bench.proxy.begin(&call(A)).await?;
        open.query(&statement("SELECT count(*) FROM clients", &[]), Encoding::Json).await?;
        open.query(&second, Encoding::Json).await?;
        open.commit().await
    };
    only_second().await.unwrap();
    bench.database.sql("ALTER TABLE clients ALTER COLUMN age TYPE bigint");
    let before = catalog();
    let tables = before.tables().cloned().map(|mut table| {
        for column in table.columns.iter_mut().filter(|column| column.name.as_str() == "age") {
            column.sql_type = "bigint".to_owned();
        }
        table
    });
    bench.proxy.set_catalog(Arc::new(applet_catalog::Catalog::new(tables.collect::<Vec<_>>())));
    only_second().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_conflicting_transactions_all_end_with_a_typed_and_retryable_error() {
    let bench = Arc::new(Bench::new());
    let mut limits = Limits::default();
    limits.execution.lock_timeout_ms = 100;
    let limits = Arc::new(limits);
    let update = |id: i64| {
        statement("UPDATE clients SET age = 5 WHERE email = $1", &[text(&format!("{id}@example.com"))])
    };
    let mut first = call(A);
    first.limits = Arc::clone(&limits);
    let mut holder = bench.proxy.begin(&first).await.unwrap();
    assert_eq!(holder.query(&update(1), Encoding::Json).await.unwrap().affected, 1);
    let mut second = call(A);
    second.limits = Arc::clone(&limits);
    let failure = bench.proxy.query(&second, &update(1), Encoding::Json).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::LockTimeout);
    assert!(failure.code.retryable());
    let mut patient = call(A);
    patient.limits = Arc::default();
    let mut other = bench.proxy.begin(&patient).await.unwrap();
    assert_eq!(other.query(&update(2), Encoding::Json).await.unwrap().affected, 1);
    let crossing = tokio::spawn(async move {
        let ran = other.query(&update(1), Encoding::Json).await;
        (ran, other.commit().await)
    });
    let ran = holder.query(&update(2), Encoding::Json).await;
    let code = ran.as_ref().err().map(|failure| failure.code);
    assert!(matches!(code, None | Some(ErrorCode::Deadlock | ErrorCode::LockTimeout)), "{ran:?}");
    drop(holder);
    let (crossed, _) = crossing.await.unwrap();
    let code = crossed.as_ref().err().map(|failure| failure.code);
    assert!(matches!(code, None | Some(ErrorCode::Deadlock | ErrorCode::LockTimeout)), "{crossed:?}");
    let outcome = bench.query(&call(A), "SELECT count(*) FROM clients", &[]).await.unwrap();
    assert_eq!(json(&outcome), serde_json::json!([[50]]));
}
