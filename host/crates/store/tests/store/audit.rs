//! The audit trail on a real PostgreSQL: reading, sealing, and what tampering comes to.

use std::time::Duration;

use crate::common::{Database, applet, tenant, workspace};
use applet_store::{
    AuditFilter, AuditKey, ChainFault, ExportFault, ExportHeader, ExportManifest, ExportTrailer, HOST_CHAIN,
    Head, Store, Verification, check_export,
};
use applet_types::TenantId;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

const LONG: Duration = Duration::from_secs(60);

/// A database with a trail.
async fn prepared() -> (Database, Store) {
    let database = Database::alone().await;
    let store = database.store().await;
    let mut session = applet_datasource::Admin::connect(&database.url).await.unwrap();
    applet_datasource::wall::prepare_database(&mut session, &Default::default()).await.unwrap();
    (database, store)
}

/// The statement that adds records of a tenant.
fn insert(owner: u128, records: u32, error: &str) -> String {
    format!(
        "INSERT INTO applet_host.audit (request, tenant, workspace, applet, installation, role, operation, tables, sql,
                                        rows, duration_us, error)
         SELECT gen_random_uuid(), '{}', '{}', 'ai-chat', gen_random_uuid(), 'r', 'read', '{{clients,chats}}', 'SELECT ?',
                n, 10, {error} FROM generate_series(1, {records}) n",
        tenant(owner),
        workspace(owner)
    )
}

async fn add(database: &Database, owner: u128, records: u32) {
    assert!(database.run(&insert(owner, records, "NULL")).await);
}

async fn session(database: &Database) -> PgConnection {
    PgConnection::connect(&database.url).await.unwrap()
}

async fn run(session: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(session).await.unwrap();
}

async fn number(database: &Database, sql: &str) -> i64 {
    let mut session = session(database).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut session).await.unwrap().get(0)
}

async fn seal(store: &Store) -> u64 {
    let sealed = store.seal(LONG).await.unwrap();
    assert!(!sealed.more);
    sealed.records
}

async fn verify(store: &Store, owner: TenantId, signed: &[Head]) -> Verification {
    store.verify_chain(owner, signed, &mut |_| {}).await.unwrap()
}

async fn fault(store: &Store, owner: u128, signed: &[Head]) -> Option<ChainFault> {
    verify(store, tenant(owner), signed).await.fault
}

#[tokio::test]
async fn s4_67_the_audit_trail_shows_a_tenant_its_own_entries_only() {
    let database = Database::alone().await;
    let store = database.store().await;
    assert!(
        store.audit(tenant(1), &AuditFilter::default()).await.unwrap().is_empty(),
        "nothing prepared yet"
    );
    let (database, store) = prepared().await;
    for (owner, error) in
        [(1, "NULL"), (1, "'table-not-allowed'"), (2, "NULL"), (1, "'statement-timeout'"), (1, "NULL")]
    {
        assert!(database.run(&insert(owner, 1, error)).await);
    }
    let store = &store;
    let all = |filter: AuditFilter| async move { store.audit(tenant(1), &filter).await.unwrap() };
    let unsealed = all(AuditFilter::default()).await;
    assert!(unsealed.iter().all(|entry| entry.tenant == tenant(1) && entry.seq.is_none()));
    assert_eq!(unsealed.len(), 4);
    assert_eq!(seal(store).await, 5);
    add(&database, 1, 1).await;
    let entries = all(AuditFilter::default()).await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, [None, Some(4), Some(3), Some(2), Some(1)]);

    let failed = all(AuditFilter { failures_only: true, ..AuditFilter::default() }).await;
    let denied = all(AuditFilter { denials_only: true, ..AuditFilter::default() }).await;
    assert_eq!((failed.len(), denied.len()), (2, 1));
    assert_eq!(denied[0].error.as_deref(), Some("table-not-allowed"));
    let other = AuditFilter { applet: Some(applet("other")), ..AuditFilter::default() };
    assert!(all(other).await.is_empty());
    assert!(
        all(AuditFilter { workspace: Some(workspace(2)), ..AuditFilter::default() }).await.is_empty(),
        "another tenant's workspace is empty"
    );

    let first = all(AuditFilter { limit: Some(3), ..AuditFilter::default() }).await;
    let rest = all(AuditFilter { before: first[2].seq, ..AuditFilter::default() }).await;
    assert_eq!([first, rest].concat(), entries, "pages neither repeat nor leave out");
}

#[tokio::test]
async fn f14_records_are_sealed_in_an_order_that_nothing_can_commit_into() {
    let (database, store) = prepared().await;
    let mut slow = session(&database).await;
    run(&mut slow, &format!("BEGIN; {}", insert(1, 1, "'deadline'"))).await;
    add(&database, 1, 3).await;
    // The slow transaction has the lowest number and may still commit: nothing after it is sealed.
    assert_eq!(seal(&store).await, 0);
    assert_eq!(verify(&store, tenant(1), &[]).await.unsealed, 3);
    run(&mut slow, "COMMIT").await;
    assert_eq!(seal(&store).await, 4);
    let entries = store.audit(tenant(1), &AuditFilter::default()).await.unwrap();
    let last = entries.last().unwrap();
    assert_eq!((last.seq, last.error.as_deref()), (Some(1), Some("deadline")));

    run(&mut slow, &format!("BEGIN; {}; ROLLBACK", insert(1, 1, "NULL"))).await;
    add(&database, 1, 1).await;
    assert_eq!(seal(&store).await, 1, "a transaction that came to nothing leaves no gap");
    let verified = verify(&store, tenant(1), &[]).await;
    assert_eq!((verified.records, verified.unsealed, verified.fault), (5, 0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_sealers_and_writers_at_once_make_one_chain_without_gaps() {
    let (database, store) = prepared().await;
    let writers = (0..4).map(|_| {
        let url = database.url.clone();
        tokio::spawn(async move {
            let mut session = PgConnection::connect(&url).await.unwrap();
            for round in 0..60 {
                let sql = format!("BEGIN; {}; COMMIT", insert(1 + round % 2, 5, "NULL"));
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let sealers = (0..2).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut sealed = 0;
            for _ in 0..50 {
                sealed += store.seal(Duration::ZERO).await.unwrap().records;
                tokio::task::yield_now().await;
            }
            sealed
        })
    });
    let sealers: Vec<_> = sealers.collect();
    let mut sealed = 0;
    for sealer in sealers {
        sealed += sealer.await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    sealed += seal(&store).await;
    assert_eq!(sealed, 1_200);
    for owner in [1, 2] {
        let verified = verify(&store, tenant(owner), &[]).await;
        assert_eq!((verified.records, verified.unsealed, verified.fault), (600, 0, None));
    }
}

/// Everything that somebody who owns the server can do to a trail, short of making it anew.
#[tokio::test]
async fn f14_each_way_of_tampering_is_found_and_named() {
    let (database, store) = prepared().await;
    add(&database, 1, 20).await;
    add(&database, 2, 5).await;
    seal(&store).await;
    let key = AuditKey::from_bytes(&[1; 32]);
    let head = store.chain_head(tenant(1)).await.unwrap().unwrap();
    let signed = key.sign_head(&head, chrono::Utc::now());
    assert!(key.public().has_signed(&signed));
    let anchor = [signed.head()];
    assert_eq!(fault(&store, 1, &anchor).await, None);

    let id = |seq: u32| {
        format!(
            "(SELECT record FROM applet_host.audit_chain WHERE seq = {seq} AND tenant_id = '{}')",
            tenant(1)
        )
    };
    let record = |seq: u32| format!("id = {}", id(seq));
    let link = |seq: u32| format!("seq = {seq} AND tenant_id = '{}'", tenant(1));
    let audit = "UPDATE applet_host.audit SET";
    let ids = (1..=20).map(id).collect::<Vec<_>>();
    let swap = format!(
        "UPDATE applet_host.audit a SET rows = b.rows, request = b.request, installation = b.installation, at = b.at
           FROM applet_host.audit b WHERE a.id IN ({0}, {1}) AND b.id IN ({0}, {1}) AND a.id <> b.id",
        ids[3], ids[8]
    );
    let cut = |from: u32| {
        format!(
            "DELETE FROM applet_host.audit WHERE id IN (SELECT record FROM applet_host.audit_chain
               WHERE tenant_id = '{0}' AND seq >= {from});
             DELETE FROM applet_host.audit_chain WHERE tenant_id = '{0}' AND seq >= {from}",
            tenant(1)
        )
    };
    let cases = [
        (format!("{audit} rows = rows + 1 WHERE {}", record(7)), ChainFault::Changed { seq: 7 }),
        (format!("{audit} sql = 'SELECT 2' WHERE {}", record(1)), ChainFault::Changed { seq: 1 }),
        (format!("{audit} at = at + interval '1 microsecond' WHERE {}", record(20)), ChainFault::Changed { seq: 20 }),
        (format!("{audit} tenant = '{}' WHERE {}", tenant(2), record(6)), ChainFault::Changed { seq: 6 }),
        (format!("DELETE FROM applet_host.audit WHERE {}", record(5)), ChainFault::Deleted { seq: 5 }),
        (swap, ChainFault::Changed { seq: 4 }),
        (
            format!(
                "UPDATE applet_host.audit_chain c SET record = -c.record WHERE c.record IN ({0}, {1});
                 UPDATE applet_host.audit_chain c SET record = CASE c.seq WHEN 4 THEN {1} ELSE {0} END
                  WHERE c.record < 0",
                number(&database, &format!("SELECT {}", ids[3])).await,
                number(&database, &format!("SELECT {}", ids[8])).await
            ),
            ChainFault::Changed { seq: 4 },
        ),
        (format!("DELETE FROM applet_host.audit_chain WHERE {}", link(9)), ChainFault::Skipped { seq: 9 }),
        (
            format!(
                "DELETE FROM applet_host.audit WHERE {}; DELETE FROM applet_host.audit_chain WHERE {}",
                record(9),
                link(9)
            ),
            ChainFault::Skipped { seq: 9 },
        ),
        (cut(16), ChainFault::CutOff { seq: 16, signed: 20 }),
        (cut(1), ChainFault::CutOff { seq: 1, signed: 20 }),
        (
            format!("INSERT INTO applet_host.audit (xid, request, tenant, workspace, applet, installation, role, operation,
                       tables, sql, rows, duration_us) SELECT '3', request, tenant, workspace, applet, installation, role,
                       operation, tables, sql, rows, duration_us FROM applet_host.audit WHERE {}", record(3)),
            ChainFault::Outside { records: 1 },
        ),
    ];
    for (tampering, expected) in cases {
        let mut session = session(&database).await;
        run(&mut session, &on_a_copy(&tampering)).await;
        assert_eq!(fault(&store, 1, &anchor).await, Some(expected), "{tampering}");
        if !tampering.contains(&tenant(2).to_string()) {
            assert_eq!(fault(&store, 2, &[]).await, None, "the other tenant's chain is as it was");
        }
        run(&mut session, RESTORE).await;
        assert_eq!(fault(&store, 1, &anchor).await, None);
    }

    // Without the signed head, a tail that was cut off cleanly leaves nothing to see: it is what the head is for.
    let mut session = session(&database).await;
    run(&mut session, &on_a_copy(&cut(16))).await;
    assert_eq!(fault(&store, 1, &[]).await, None);
    // Nor does a chain that was made anew, by somebody who can run the sealer.
    run(&mut session, RESTORE).await;
    let anew = format!(
        "{audit} rows = 99 WHERE {}; DELETE FROM applet_host.audit_chain WHERE tenant_id = '{}';
         UPDATE applet_host.audit_sealed SET xid = '0', id = 0",
        record(7),
        tenant(1)
    );
    run(&mut session, &on_a_copy(&anew)).await;
    assert_eq!(seal(&store).await, 20);
    assert_eq!(fault(&store, 1, &[]).await, None);
    assert_eq!(fault(&store, 1, &anchor).await, Some(ChainFault::Replaced { seq: 20 }));
}

/// Tampering as a superuser who takes the triggers away, with the originals put aside.
fn on_a_copy(tampering: &str) -> String {
    format!(
        "CREATE TABLE public.kept_audit AS TABLE applet_host.audit;
         CREATE TABLE public.kept_chain AS TABLE applet_host.audit_chain;
         ALTER TABLE applet_host.audit DISABLE TRIGGER ALL; ALTER TABLE applet_host.audit_chain DISABLE TRIGGER ALL;
         {tampering}"
    )
}

const RESTORE: &str = "
TRUNCATE applet_host.audit, applet_host.audit_chain;
INSERT INTO applet_host.audit OVERRIDING SYSTEM VALUE SELECT * FROM public.kept_audit;
INSERT INTO applet_host.audit_chain SELECT * FROM public.kept_chain;
DROP TABLE public.kept_audit, public.kept_chain;";

#[tokio::test]
async fn f14_nobody_changes_the_trail_in_passing_not_even_the_owner() {
    let (database, store) = prepared().await;
    add(&database, 1, 2).await;
    seal(&store).await;
    for table in ["audit", "audit_chain"] {
        for refused in [
            format!("DELETE FROM applet_host.{table}"),
            format!("TRUNCATE applet_host.{table}"),
            format!("SET session_replication_role = replica; DELETE FROM applet_host.{table}"),
        ] {
            assert!(!database.run(&refused).await, "{refused}");
        }
    }
    assert!(!database.run("UPDATE applet_host.audit SET rows = 0").await);
    assert!(!database.run("UPDATE applet_host.audit_chain SET seq = seq + 1").await);
    assert_eq!(fault(&store, 1, &[]).await, None);
}

#[tokio::test]
async fn f14_a_restored_copy_is_sealed_on_whatever_its_transactions_were_called() {
    let (database, store) = prepared().await;
    add(&database, 1, 3).await;
    seal(&store).await;
    let mut session = session(&database).await;
    // The server that it was dumped on had come further, with some records still unsealed.
    run(
        &mut session,
        "ALTER TABLE applet_host.audit DISABLE TRIGGER ALL;
         UPDATE applet_host.audit SET xid = '900000000000';
         UPDATE applet_host.audit_sealed SET xid = '900000000000', id = (SELECT max(id) FROM applet_host.audit);
         ALTER TABLE applet_host.audit ENABLE ALWAYS TRIGGER audit_only_grows",
    )
    .await;
    add(&database, 1, 2).await;
    run(
        &mut session,
        "INSERT INTO applet_host.audit (xid, request, tenant, workspace, applet, installation, role, operation, tables,
           sql, rows, duration_us) SELECT '900000000001', request, tenant, workspace, applet, installation, role,
           operation, tables, sql, rows, duration_us FROM applet_host.audit LIMIT 1",
    )
    .await;
    assert_eq!(seal(&store).await, 3);
    add(&database, 1, 1).await;
    assert_eq!(seal(&store).await, 1);
    assert_eq!(seal(&store).await, 0);
    let verified = verify(&store, tenant(1), &[]).await;
    assert_eq!((verified.records, verified.unsealed, verified.fault), (7, 0, None));
}

/// An export as the program writes it, signed.
async fn export(store: &Store, key: &AuditKey, after: i64) -> String {
    let previous = store.chain_hash(tenant(1), after).await.unwrap().unwrap();
    let head = store.chain_head(tenant(1)).await.unwrap().unwrap();
    let header = ExportHeader::new(tenant(1), after, previous);
    let page = store.chain_page(tenant(1), (after, previous), head.seq).await.unwrap().unwrap();
    let manifest = ExportManifest {
        header: header.clone(),
        last: head.seq,
        head: head.hash,
        records: head.seq - after,
        gaps: Vec::new(),
        exported_at: chrono::Utc::now(),
        key: key.public().id(),
    };
    let manifest = serde_json::to_string(&manifest).unwrap();
    let signature = key.sign_export(&manifest);
    let trailer = ExportTrailer { manifest: RawValue::from_string(manifest).unwrap(), signature };
    let lines = page.iter().map(|record| serde_json::to_string(record).unwrap());
    let header = serde_json::to_string(&header).unwrap();
    let lines: Vec<_> = std::iter::once(header).chain(lines).collect();
    format!("{}\n{}\n", lines.join("\n"), serde_json::to_string(&trailer).unwrap())
}

#[tokio::test]
async fn f14_an_export_is_checked_without_the_database() {
    let (database, store) = prepared().await;
    assert!(database.run(&insert(1, 4, "'table-not-allowed'")).await);
    add(&database, 1, 6).await;
    seal(&store).await;
    let key = AuditKey::from_bytes(&[1; 32]);
    let check = |text: &str| check_export(text.as_bytes(), &key.public(), &mut |_| {});
    let whole = export(&store, &key, 0).await;
    assert_eq!(check(&whole).unwrap().records, 10);
    let part = export(&store, &key, 6).await;
    assert_eq!(check(&part).unwrap().records, 4);

    let lines: Vec<&str> = whole.lines().collect();
    let without = |index: usize| [&lines[..index], &lines[index + 1..]].concat().join("\n") + "\n";
    assert!(matches!(check(&without(5)), Err(ExportFault::Chain(ChainFault::Changed { seq: 5 }))));
    assert!(matches!(check(&without(11)), Err(ExportFault::CutOff(10))));
    assert!(matches!(check(&without(10)), Err(ExportFault::Manifest)));
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert!(matches!(check(&swapped.join("\n")), Err(ExportFault::Chain(ChainFault::Changed { seq: 3 }))));
    for (from, to, seq) in [
        ("\"rows\":3", "\"rows\":4", 3),
        ("\"success\":true", "\"success\":false", 5),
        ("\"seq\":2,", "\"seq\":3,", 2),
        ("clients", "other", 1),
    ] {
        let fault = check(&whole.replacen(from, to, 1)).unwrap_err();
        assert!(
            matches!(fault, ExportFault::Chain(ChainFault::Changed { seq: at }) if at == seq),
            "{from}: {fault}"
        );
    }
    let added = whole.replacen("\"role\"", "\"extra\":1,\"role\"", 1);
    assert!(matches!(check(&added), Err(ExportFault::Line { line: 2, .. })));
    assert!(matches!(check(&whole.replace("\"records\":10", "\"records\":11")), Err(ExportFault::Signature)));
    assert!(matches!(check(&format!("{whole}{}\n", lines[1])), Err(ExportFault::Line { line: 13, .. })));
    let stranger = AuditKey::from_bytes(&[2; 32]).public();
    assert!(matches!(check_export(whole.as_bytes(), &stranger, &mut |_| {}), Err(ExportFault::Signature)));
    // The head of one export does not vouch for the records of another.
    let mixed = [&part.lines().collect::<Vec<_>>()[..5], &lines[11..]].concat().join("\n");
    assert!(matches!(check(&mixed), Err(ExportFault::Manifest)));
    assert!(check("").is_err());
}

#[tokio::test]
async fn d9_numbers_that_never_came_become_gaps_in_the_hosts_chain() {
    let (database, store) = prepared().await;
    let writer = |state: &str| {
        format!(
            "INSERT INTO applet_host.audit_writers (writer, base, capacity, issued, refused, ended_at) VALUES ({state})"
        )
    };
    let numbered = |writer: u32, from: u32, to: u32| {
        insert(1, to - from + 1, "NULL").replace("error)", "error, writer, number)").replace(
            "NULL FROM",
            &format!("NULL, '00000000-0000-4000-8000-00000000000{writer}', n + {from} - 1 FROM"),
        )
    };
    // One that ended in order, one that says what was refused, and one that was killed with at most 20 on
    // their way: its records 101..=110 and 113..=115 came, and 118 was given out.
    for sql in [
        writer("'00000000-0000-4000-8000-000000000001', 0, 20, 50, 0, now()"),
        writer("'00000000-0000-4000-8000-000000000002', 0, 20, 5, 2, now()"),
        numbered(2, 1, 3),
        writer("'00000000-0000-4000-8000-000000000003', 100, 20, 118, 0, NULL"),
        numbered(3, 101, 110),
        numbered(3, 113, 115),
    ] {
        assert!(database.run(&sql).await, "{sql}");
    }
    assert_eq!(store.settle_writers(LONG).await.unwrap(), 1, "who was seen lately is not given up");
    assert_eq!(store.settle_writers(Duration::ZERO).await.unwrap(), 3);
    assert_eq!(store.settle_writers(Duration::ZERO).await.unwrap(), 0, "each is recorded once");
    let gaps = store.audit_gaps(None).await.unwrap();
    let mut gaps: Vec<_> = gaps.iter().map(|gap| (gap.from, gap.to, gap.certain, gap.arrived)).collect();
    gaps.sort_unstable();
    assert_eq!(gaps, [(4, 5, true, 0), (111, 112, true, 0), (116, 118, true, 0), (119, 133, false, 0)]);
    seal(&store).await;
    let host = store.audit(HOST_CHAIN, &AuditFilter::default()).await.unwrap();
    assert_eq!(host.len(), 4);
    assert!(host.iter().any(|entry| {
        entry.sql == "audit gap: writer 00000000-0000-4000-8000-000000000003, numbers 111..112"
    }));
    assert_eq!(verify(&store, HOST_CHAIN, &[]).await.fault, None);

    // It had only been silent.
    assert!(database.run(&numbered(3, 116, 118)).await);
    let gaps = store.audit_gaps(None).await.unwrap();
    assert!(gaps.iter().any(|gap| (gap.from, gap.arrived) == (116, 3)));
    assert!(!database.run(&numbered(3, 118, 118)).await, "a number is taken once");
}
