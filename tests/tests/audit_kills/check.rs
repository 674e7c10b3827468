//! Journal, data and trail, compared.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use applet_store::{HOST_CHAIN, Store};
use applet_tests::connect;
use uuid::Uuid;

use super::{CAPACITY, TENANTS};

/// What one process meant to do, and what it knows of how it went.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    writer: Option<Uuid>,
    operations: HashMap<Uuid, Operation>,
}

#[derive(Debug, Clone)]
struct Operation {
    kind: String,
    tenant: String,
    /// None when the process was killed before it knew.
    outcome: Option<String>,
}

impl Journal {
    /// Reads one; a line that was cut off by the kill was never relied on.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut journal = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<&str> = line.split(' ').collect();
            let id: Uuid = words[1].parse().unwrap();
            match words[0] {
                "H" => journal.writer = Some(id),
                "I" => {
                    let (kind, tenant) = (words[2].to_owned(), words[3].to_owned());
                    journal.operations.insert(id, Operation { kind, tenant, outcome: None });
                }
                "O" => journal.operations.get_mut(&id).unwrap().outcome = Some(words[2].to_owned()),
                other => panic!("an unknown line: {other}"),
            }
        }
        journal
    }

    pub(crate) fn answered(&self) -> usize {
        self.operations.values().filter(|operation| operation.outcome.is_some()).count()
    }
}

/// What is not there.
#[derive(Debug)]
pub(crate) struct Found {
    /// Reads and denials that were answered and have no record.
    pub(crate) missing: usize,
}

/// Compares them; everything that must hold in both modes is asserted here.
pub(crate) async fn compare(url: &str, journals: &[Journal], strict: bool) -> Found {
    let mut admin = connect(url).await;
    // What the last killed processes had sent is still being done.
    loop {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        if sqlx::query_scalar::<_, i64>(others).fetch_one(&mut admin).await.unwrap() == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let records: Vec<(Uuid, String, String, Option<String>)> = sqlx::query_as(
        "SELECT request, tenant::text, operation, error FROM applet_host.audit WHERE missing_from IS NULL",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT first_name, tenant_id::text FROM clients")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    let rows: HashMap<Uuid, String> =
        rows.into_iter().map(|(name, tenant)| (name.parse().unwrap(), tenant)).collect();

    let operations: HashMap<Uuid, &Operation> = journals
        .iter()
        .flat_map(|journal| &journal.operations)
        .map(|(id, operation)| (*id, operation))
        .collect();
    let mut recorded = HashSet::new();
    for (request, tenant, kind, error) in &records {
        let operation = operations.get(request).expect("a record of nothing that was ever meant to be done");
        assert_eq!(*tenant, operation.tenant, "{request} is in another tenant's trail");
        assert!(recorded.insert(*request), "{request} is recorded twice");
        if kind == "insert" && error.is_none() {
            assert_eq!(rows.get(request), Some(tenant), "{request} is recorded and was not written");
        }
        if operation.kind == "denial" {
            assert!(error.is_some(), "{request} is a denial");
        }
    }
    // Writes are complete, whether or not the process lived to know that it had written.
    for request in rows.keys() {
        assert!(recorded.contains(request), "{request} is written and not recorded");
    }
    let gaps = gaps(url).await;
    let mut missing = 0;
    for journal in journals {
        let answered = journal.operations.iter().filter(|(_, operation)| operation.outcome.is_some());
        let mut lost = 0_i64;
        for (request, operation) in answered {
            let outcome = operation.outcome.as_deref().unwrap();
            let expected = if operation.kind == "denial" { outcome != "ok" } else { outcome == "ok" };
            assert!(expected, "a {} came to `{outcome}`", operation.kind);
            if operation.kind == "write" {
                assert!(rows.contains_key(request), "{request} was acknowledged and is gone");
            }
            lost += i64::from(!recorded.contains(request));
        }
        let numbers = journal.writer.and_then(|writer| gaps.get(&writer)).copied().unwrap_or_default();
        assert!(lost <= numbers, "{lost} records are lost and {numbers} numbers are in gaps");
        assert!(lost <= CAPACITY as i64, "a kill has lost {lost} records, and {CAPACITY} is the bound");
        missing += usize::try_from(lost).unwrap();
    }
    let known = operations.values().filter(|operation| operation.outcome.is_some()).count();
    println!("{} records, {} writes, {known} outcomes known, strict: {strict}", records.len(), rows.len());
    Found { missing }
}

/// Numbers in gaps by writer, after every process was given up; and the chains of everybody hold.
async fn gaps(url: &str) -> HashMap<Uuid, i64> {
    let store = Store::connect(url).await.unwrap();
    store.settle_writers(Duration::ZERO).await.unwrap();
    while store.seal(Duration::from_secs(60)).await.unwrap().more {}
    for tenant in TENANTS.map(|tenant| tenant.parse().unwrap()).into_iter().chain([HOST_CHAIN]) {
        let verified = store.verify_chain(tenant, &[], &mut |_| {}).await.unwrap();
        assert_eq!((verified.fault, verified.unsealed), (None, 0), "the chain of {tenant}");
        assert!(verified.records > 0, "the chain of {tenant} is empty");
    }
    let mut numbers = HashMap::new();
    for gap in store.audit_gaps(None).await.unwrap() {
        assert_eq!(gap.arrived, 0, "a number came after all");
        *numbers.entry(gap.writer).or_default() += gap.to - gap.from + 1;
    }
    store.close().await;
    numbers
}
