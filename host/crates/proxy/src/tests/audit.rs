//! The queue of the audit trail, on a database that refuses, goes away and comes back.

use std::time::{Duration, Instant};

use applet_types::{
    AuditRecord, AuditSink, AuditedOperation, Database as _, Encoding, ErrorCode, InstallationId, Login,
    RequestId, Secret, Statement, WorkspaceId,
};
use uuid::Uuid;

use crate::testing::{A, Cluster, Database, TestLogins, catalog, grants, invocation};
use crate::{AuditQueue, AuditWriter, Proxy, ProxyConfig};

/// A role with what the real one has.
const SCRIBE: &str = "
DO $$ BEGIN CREATE ROLE scribe LOGIN PASSWORD 'scribe'; EXCEPTION WHEN duplicate_object THEN END $$;
GRANT USAGE ON SCHEMA applet_host TO scribe;
GRANT INSERT ON applet_host.audit TO scribe;
GRANT SELECT, INSERT, UPDATE ON applet_host.audit_writers TO scribe;";

fn record(rows: u64) -> AuditRecord {
    AuditRecord {
        request: RequestId::new(Uuid::new_v4()),
        tenant: A,
        workspace: WorkspaceId::new(Uuid::nil()),
        applet: "applet-one".parse().unwrap(),
        installation: InstallationId::new(Uuid::nil()),
        user: None,
        operation: AuditedOperation::Rejected,
        tables: vec!["clients".to_owned()],
        sql: "SELECT ?".to_owned(),
        rows,
        duration: Duration::ZERO,
        error: Some(ErrorCode::TableNotAllowed),
    }
}

fn start(database: &Database, capacity: usize, strict: bool) -> (AuditQueue, AuditWriter) {
    database.sql(SCRIBE);
    let login = Login { role: "scribe".to_owned(), password: Secret::new("scribe") };
    AuditQueue::start(database.target(), login, capacity, strict)
}

fn count(database: &Database) -> String {
    database.sql("SELECT count(*), count(DISTINCT number), count(DISTINCT writer) FROM applet_host.audit")
}

#[tokio::test]
async fn d9_what_the_database_will_never_take_is_given_up_alone_and_counted() {
    let database = Cluster::shared().database();
    database.sql("ALTER TABLE applet_host.audit ADD CHECK (rows <> 13)");
    let (queue, writer) = start(&database, 100, false);
    for rows in 0..40 {
        queue.record(record(rows)).await.unwrap();
    }
    writer.finish().await;
    assert_eq!(count(&database), "39|39|1", "one record does not take others along");
    assert_eq!(queue.status().refused, 1);
    let told = "SELECT issued - base, refused, ended_at IS NOT NULL FROM applet_host.audit_writers";
    assert_eq!(database.sql(told), "40|1|t");
    queue.record(record(0)).await.unwrap();
    assert_eq!(queue.status().refused, 2, "what comes after the end is counted too");

    let (queue, writer) = start(&database, 100, true);
    queue.record(record(1)).await.unwrap();
    let failure = queue.record(record(13)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::AuditUnavailable);
    queue.record(record(2)).await.unwrap();
    writer.finish().await;
    assert_eq!(count(&database), "41|41|2");
}

#[tokio::test]
async fn d9_a_right_that_is_gone_fails_strict_operations_and_is_not_waited_for_for_ever() {
    let database = Cluster::shared().database();
    let (queue, writer) = start(&database, 100, true);
    queue.record(record(1)).await.unwrap();
    database.sql("REVOKE INSERT ON applet_host.audit FROM scribe");
    for _ in 0..2 {
        assert_eq!(queue.record(record(1)).await.unwrap_err().code, ErrorCode::AuditUnavailable);
    }
    database.sql(SCRIBE);
    queue.record(record(1)).await.unwrap();
    assert_eq!((count(&database), queue.status().refused), ("2|2|1".to_owned(), 2));

    let (loose, loose_writer) = start(&database, 100, false);
    database.sql("REVOKE INSERT ON applet_host.audit FROM scribe");
    loose.record(record(1)).await.unwrap();
    database.sql(SCRIBE);
    // Nobody knows this process yet, and the first record makes it known.
    loose.record(record(1)).await.unwrap();
    loose_writer.finish().await;
    writer.finish().await;
    let refused = loose.status().refused;
    let written: u64 = count(&database).split('|').next().unwrap().parse().unwrap();
    assert_eq!(written + refused, 4, "each of the two is written or counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d9_a_server_that_crashes_and_comes_back_gets_every_record_once() {
    let database = std::sync::Arc::new(Cluster::start()).database();
    database.sql("ALTER SYSTEM SET fsync = on");
    let (queue, writer) = start(&database, 64, false);
    let recording = {
        let queue = queue.clone();
        tokio::spawn(async move {
            for _ in 0..1_000 {
                queue.record(record(1)).await.unwrap();
            }
        })
    };
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        database.cluster.stop();
        database.cluster.boot();
    }
    recording.await.unwrap();
    writer.finish().await;
    assert_eq!((count(&database), queue.status().refused), ("1000|1000|1".to_owned(), 0));
}

#[tokio::test]
async fn d9_whoever_stops_waiting_leaves_the_record_to_the_queue() {
    let database = Cluster::shared().database();
    let (queue, writer) = start(&database, 4, false);
    for _ in 0..30 {
        // Too short for the queue to become free: the caller is gone while it waits.
        let _given_up = tokio::time::timeout(Duration::from_micros(1), queue.record(record(1))).await;
    }
    all_handed_over(&queue, 30).await;
    writer.finish().await;
    assert_eq!((count(&database), queue.status().refused), ("30|30|1".to_owned(), 0));
}

/// Records of those who gave up are handed over by tasks of their own.
async fn all_handed_over(queue: &AuditQueue, records: i64) {
    let patience = Instant::now() + Duration::from_secs(20);
    while queue.handed_over() < records {
        assert!(Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn s4_68_a_zero_byte_in_a_refused_statement_keeps_no_record_from_being_written() {
    let database = Cluster::shared().database();
    let (queue, writer) = start(&database, 100, true);
    let config = ProxyConfig::new(
        database.target(),
        std::sync::Arc::new(catalog()),
        std::sync::Arc::new(TestLogins),
        std::sync::Arc::new(queue.clone()),
    );
    let proxy = Proxy::new(config);
    for sql in ["SELECT \0 FROM \"a\0b\"", "SELECT 1 FROM \"hid\0den\"", "\0"] {
        let statement = Statement { sql: sql.to_owned(), parameters: Vec::new() };
        let call = invocation("applet-one", A, grants());
        assert!(proxy.query(&call, &statement, Encoding::Json).await.is_err());
    }
    drop(proxy);
    writer.finish().await;
    assert_eq!((count(&database), queue.status().refused), ("3|3|1".to_owned(), 0));
}

#[tokio::test]
async fn d9_numbers_begin_anywhere_and_an_unused_queue_leaves_no_trace() {
    let database = Cluster::shared().database();
    let (idle, writer) = start(&database, 100, false);
    writer.finish().await;
    assert_eq!(database.sql("SELECT count(*) FROM applet_host.audit_writers"), "0");
    let (other, writer) = start(&database, 100, false);
    assert_ne!(idle.writer(), other.writer());
    other.record(record(1)).await.unwrap();
    writer.finish().await;
    let told =
        "SELECT w.base = a.number - 1 AND w.issued = a.number AND w.capacity = 100 AND ended_at IS NOT NULL
                  FROM applet_host.audit_writers w JOIN applet_host.audit a USING (writer)";
    assert_eq!(database.sql(told), "t");
}
