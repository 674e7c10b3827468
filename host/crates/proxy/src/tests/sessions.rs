//! What a session does, and what it leaves behind.

use applet_gate::StatementKind::{Insert, Select, Update};
use applet_types::{AuditedOperation, Encoding, ErrorCode, ExecutionLimits, Operation, Value};

use super::{free, json, read, scoped, write};
use crate::errors::Context;
use crate::execute;
use crate::testing::{A, B, Cluster, invocation, login};
use crate::trail::Trail;
use crate::wire::{End, Exchange, Fetch, Session, Settings, Status, WireError};
use applet_catalog::Catalog;
use applet_types::{Grants, TenantId};

const COUNT: &str = "SELECT count(*)::int FROM public.clients c WHERE c.tenant_id = $1::pg_catalog.uuid";
const COUNT_BY_POLICY: &str = "SELECT count(*)::int, count(DISTINCT c.tenant_id)::int FROM public.clients c";
const NAME: &str =
    "SELECT c.name FROM public.clients c WHERE c.name = $1 AND c.tenant_id = $2::pg_catalog.uuid";
const INSERT: &str =
    "INSERT INTO public.clients (name, tenant_id) VALUES ($1, $2::pg_catalog.uuid) RETURNING name";

/// The tenant that the session is set to, as the server sees it.
async fn tenant_of(session: &mut Session) -> serde_json::Value {
    let statement = free("SELECT current_setting('applet.tenant', true)");
    let prepared = session.prepare(&[statement.text]).await.unwrap();
    let fetch = statement.fetch(Encoding::Json, &ExecutionLimits::default());
    let bound = statement.bind(&prepared[0], &[], A, fetch).unwrap();
    let exchange = Exchange { statements: &[bound], ..Exchange::default() };
    let fetched = session.exchange(&exchange).await.unwrap().pop().unwrap();
    json(&execute::outcome(fetched))[0][0].clone()
}

#[tokio::test]
async fn s4_51_reads_see_the_tenant_that_asks_by_predicate_and_by_policy() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    for tenant in [A, B, B, A] {
        let both = read(&mut session, scoped(COUNT, Select, 0), &[], tenant, Encoding::Json).await.unwrap();
        assert_eq!(json(&both), serde_json::json!([[50]]));
        let policy = read(&mut session, free(COUNT_BY_POLICY), &[], tenant, Encoding::Json).await.unwrap();
        assert_eq!(json(&policy), serde_json::json!([[50, 1]]), "row-level security alone");
        assert_eq!(tenant_of(&mut session).await, tenant.to_string());
        assert_eq!(session.status(), Status::Idle);
    }
}

#[tokio::test]
async fn s4_17_a_failed_statement_leaves_no_new_tenant_behind() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    read(&mut session, scoped(COUNT, Select, 0), &[], A, Encoding::Json).await.unwrap();
    let fails = free("SELECT 1 / (count(*) - count(*)) FROM public.clients c");
    let error = read(&mut session, fails, &[], B, Encoding::Json).await.unwrap_err();
    assert!(matches!(error, WireError::Server(error) if error.state == "22012"));
    assert_eq!(tenant_of(&mut session).await, A.to_string(), "the failed exchange undid its setting");
    let outcome = read(&mut session, free(COUNT_BY_POLICY), &[], B, Encoding::Json).await.unwrap();
    assert_eq!(json(&outcome), serde_json::json!([[50, 1]]));
    assert_eq!(tenant_of(&mut session).await, B.to_string());
}

#[tokio::test]
async fn s4_9_reads_are_read_only_without_being_told() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    let disguised =
        free("INSERT INTO public.clients (tenant_id, name) SELECT tenant_id, name FROM public.clients");
    let error = read(&mut session, disguised, &[], A, Encoding::Json).await.unwrap_err();
    assert!(matches!(error, WireError::Server(error) if error.state == "25006"));
    write(&mut session, scoped(INSERT, Insert, 1), &[Value::Text("x".into())], A).await.unwrap();
    execute::undo(&mut session).await;
    let error = read(&mut session, disguised, &[], A, Encoding::Json).await.unwrap_err();
    assert!(matches!(error, WireError::Server(error) if error.state == "25006"), "also after a write");
}

async fn commit(session: &mut Session, tenant: TenantId, rows: u64) -> Result<(), applet_types::Failure> {
    let call = invocation("ai-chat", tenant, Grants::builder().build());
    let sink = std::sync::Arc::new(crate::testing::Recorder::default());
    let mut trail = Trail::start(Some(sink), &call);
    let audits: Vec<_> = trail.succeeded(rows).into_iter().collect();
    let catalog = Catalog::default();
    let context = Context {
        request: call.request,
        grants: &call.grants,
        catalog: &catalog,
        tables: &[],
        deadline_near: false,
    };
    execute::finish(session, &audits, tenant, End::Commit, &context).await
}

#[tokio::test]
async fn s4_67_a_write_commits_with_its_record_and_the_sessions_tenant() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    for round in 0..3 {
        let name = Value::Text(format!("new {round}"));
        let outcome = write(&mut session, scoped(INSERT, Insert, 1), &[name], B).await.unwrap();
        assert_eq!((outcome.affected, session.status()), (1, Status::InTransaction));
        commit(&mut session, B, 1).await.unwrap();
        assert_eq!(session.status(), Status::Idle);
    }
    let written = database.sql("SELECT count(*), min(tenant_id::text) FROM clients WHERE name LIKE 'new %'");
    assert_eq!(written, format!("3|{B}"));
    let records = database
        .sql("SELECT count(*), min(tenant::text), min(role), min(applet), sum(rows) FROM applet_host.audit");
    assert_eq!(records, format!("3|{B}|guest_one|ai-chat|3"));
    assert_eq!(AuditedOperation::Statement(Operation::Insert).as_str(), "insert");
}

#[tokio::test]
async fn s4_68_an_undone_write_leaves_neither_row_nor_record() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    write(&mut session, scoped(INSERT, Insert, 1), &[Value::Text("gone".into())], A).await.unwrap();
    execute::undo(&mut session).await;
    assert_eq!(session.status(), Status::Idle);
    assert_eq!(database.sql("SELECT count(*) FROM clients WHERE name = 'gone'"), "0");
    assert_eq!(database.sql("SELECT count(*) FROM applet_host.audit"), "0");
    assert!(session.is_reusable());
}

#[tokio::test]
async fn s4_16_a_write_may_not_return_more_rows_than_the_cap() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    let mut statement = scoped(
        "UPDATE public.clients AS c SET age = 1 WHERE c.tenant_id = $1::pg_catalog.uuid RETURNING c.id",
        Update,
        0,
    );
    statement.row_cap = 49;
    let error = write(&mut session, statement, &[], A).await.unwrap_err();
    assert!(matches!(error, WireError::Refused(failure) if failure.code == ErrorCode::TooManyRowsChanged));
    assert!(!session.is_reusable(), "it has to be closed");
    session.close().await;
    assert_eq!(
        database.sql("SELECT count(*) FROM clients WHERE age = 1 AND tenant_id::text LIKE 'aaaa%'"),
        "1"
    );
}

#[tokio::test]
async fn s4_5_a_read_is_cut_at_its_cap_and_says_so() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    let mut statement = scoped(
        "SELECT c.id FROM public.clients AS c WHERE c.tenant_id = $1::pg_catalog.uuid LIMIT 11",
        Select,
        0,
    );
    for (cap, count, truncated) in [(10, 10, true), (11, 11, false), (12, 11, false)] {
        statement.row_cap = cap;
        for encoding in [Encoding::Json, Encoding::Packed] {
            let outcome = read(&mut session, statement, &[], A, encoding).await.unwrap();
            assert_eq!((outcome.rows.count, outcome.rows.truncated), (count, truncated));
            assert_eq!(outcome.affected, u64::from(count));
        }
    }
}

#[tokio::test]
async fn s4_56_results_and_rows_beyond_their_bytes_are_refused_while_they_come_in() {
    let database = Cluster::shared().database();
    for (row_bytes, result_bytes) in [(1_000, 1 << 20), (1 << 20, 20_000)] {
        let mut session = database.session().await;
        let statement = free("SELECT repeat('x', 12000) FROM generate_series(1, 100)");
        let fetch =
            Fetch { encoding: Encoding::Packed, rows: 1_000, truncate: true, row_bytes, result_bytes };
        let read = execute::read(&mut session, statement, &[], A, fetch, Settings::default()).await;
        assert!(
            matches!(read.unwrap_err(), WireError::Refused(failure) if failure.code == ErrorCode::ResultTooLarge)
        );
        assert!(!session.is_reusable());
        session.close().await;
    }
}

#[tokio::test]
async fn s4_1_a_bad_parameter_is_refused_before_anything_is_sent() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    let statement = free("SELECT $1::int");
    let error = read(&mut session, statement, &[Value::Bytes(vec![1])], A, Encoding::Json).await.unwrap_err();
    assert!(matches!(error, WireError::Refused(failure) if failure.code == ErrorCode::BadParameter));
    assert!(session.is_reusable());
    let outcome = read(&mut session, statement, &[Value::Integer(7)], A, Encoding::Json).await.unwrap();
    assert_eq!(json(&outcome), serde_json::json!([[7]]));
}

#[tokio::test]
async fn s4_57_a_shorter_limit_goes_with_the_statement_and_does_not_stay() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    let slow = free("SELECT count(*) FROM generate_series(1, 100000000)");
    let settings =
        Settings { statement_timeout: Some(std::time::Duration::from_millis(50)), lock_timeout: None };
    let fetch = slow.fetch(Encoding::Json, &ExecutionLimits::default());
    let error = execute::read(&mut session, slow, &[], A, fetch, settings).await.unwrap_err();
    assert!(matches!(error, WireError::Server(error) if error.state == "57014"));
    let show = free("SELECT current_setting('statement_timeout')");
    let outcome = read(&mut session, show, &[], A, Encoding::Json).await.unwrap();
    assert_eq!(json(&outcome), serde_json::json!([["5s"]]));
    let fetch = show.fetch(Encoding::Json, &ExecutionLimits::default());
    let outcome = execute::read(&mut session, show, &[], A, fetch, settings).await.unwrap();
    assert_eq!(json(&outcome), serde_json::json!([["50ms"]]));
}

#[tokio::test]
async fn s4_7_statements_beyond_the_capacity_are_closed_and_prepared_again() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    for round in 0..2 {
        for number in 0..130 {
            let text = format!("SELECT {number}");
            let outcome = read(&mut session, free(&text), &[], A, Encoding::Json).await.unwrap();
            assert_eq!(json(&outcome), serde_json::json!([[number]]), "round {round}");
        }
    }
    let outcome =
        read(&mut session, free("SELECT count(*)::int FROM pg_prepared_statements"), &[], A, Encoding::Json)
            .await
            .unwrap();
    assert_eq!(json(&outcome), serde_json::json!([[100]]));
    let outcome =
        read(&mut session, scoped(NAME, Select, 1), &[Value::Text("client 7".into())], A, Encoding::Json)
            .await
            .unwrap();
    assert_eq!(json(&outcome), serde_json::json!([["client 7"]]));
}

#[tokio::test]
async fn s4_7_a_wrong_password_is_refused_and_a_right_one_proves_the_server() {
    let database = Cluster::shared().database();
    let mut wrong = login("one");
    wrong.password = applet_types::Secret::new("two");
    let target = std::sync::Arc::new(database.target());
    let error = Session::connect(target, &wrong, &crate::testing::settings()).await.unwrap_err();
    assert!(matches!(error, WireError::Server(error) if error.state == "28P01"));
    database.session().await.close().await;
}
