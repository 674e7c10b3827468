//! Upgrades while hooks are called: the real program, real guests, another process that upgrades (SPEC F7,
//! limits G17, G18). Prints its seed; `APPLET_SEED` runs the same again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use applet_tests::host::{ALDER, BIRCH, Host, HostDirectory, Tenant, guest};
use applet_tests::{Database, connect};
use serde_json::{Value, json};
use sqlx::Row as _;

const UPGRADES: u32 = 20;
/// Every so many upgrades, one step back.
const BACK_AFTER: u32 = 4;
const CALLERS: u32 = 3;

/// The columns that version `n` declares besides those of every table.
fn declared(n: u32) -> Vec<(String, String)> {
    let column = |k: u32| {
        let kind =
            if k.is_multiple_of(2) { "text, nullable: true" } else { "integer, required: true, default: 7" };
        (format!("c{k}"), kind.to_owned())
    };
    // Each fifth column is dropped in the version after it.
    (1..=n).filter(|k| !k.is_multiple_of(5) || *k == n).map(column).collect()
}

fn manifest(n: u32, requests: &str) -> String {
    let columns: String = declared(n)
        .iter()
        .map(|(name, kind)| format!("      - {{ name: {name}, type: {kind} }}\n"))
        .collect();
    let indexes: String = (1..=n)
        .filter(|k| k.is_multiple_of(4) && !k.is_multiple_of(5))
        .map(|k| format!("      - {{ columns: [c{k}] }}\n"))
        .collect();
    let indexes = if indexes.is_empty() { String::new() } else { format!("    indexes:\n{indexes}") };
    format!(
        "manifestVersion: '1.0'\nid: versions\nversion: 1.{n}.0\nname: Versions\n\
         permissions: {{ database: {{ {requests}createTables: true }} }}\n\
         tables:\n  - name: notes\n    columns:\n\
         \x20     - {{ name: id, type: bigserial, primary: true }}\n\
         \x20     - {{ name: tenant_id, type: uuid, required: true }}\n\
         \x20     - {{ name: body, type: varchar({}), required: true }}\n{columns}{indexes}\
         hooks:\n  lifecycle: [on-upgrade]\n  named: [look, ask]\n",
        100 + n * 10
    )
}

fn expected(version: &str) -> BTreeSet<String> {
    let n: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    let always = ["id", "tenant_id", "body", "created_at", "updated_at"].map(str::to_owned);
    declared(n).into_iter().map(|(name, _)| name).chain(always).collect()
}

fn write(directory: &HostDirectory, n: u32, requests: &str) -> PathBuf {
    let path = directory.path().join(format!("v{n}.yaml"));
    std::fs::write(&path, manifest(n, requests)).unwrap();
    path
}

/// One call: it succeeds and sees the columns of the version that it says it is, before and after writing.
fn look(host: &Host<'_>, token: &str, tenant: &Tenant) -> String {
    let answer = host.hook_with(token, tenant, "versions", "look", "null");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen = answer.json();
    let version = seen["version"].as_str().unwrap().to_owned();
    for list in ["columns", "again"] {
        let columns = seen[list].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        assert_eq!(columns.collect::<BTreeSet<_>>(), expected(&version), "{version}");
    }
    version
}

/// Looks every 10 ms how long statements of applets have waited for a lock; gives the longest, in seconds.
fn sample(url: &str, over: &AtomicBool) -> f64 {
    let sql = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start))::float8, 0)
                 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename LIKE 'ah\\_%'";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut longest = 0_f64;
        let mut connection = connect(url).await;
        while !over.load(Ordering::Relaxed) {
            let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
            longest = longest.max(row.get(0));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        longest
    })
}

/// Spec: S4.32, S4.33, S4.34, S4.35, F7, G17, G18
#[test]
fn f7_no_call_fails_during_twenty_upgrades_and_five_rollbacks_and_each_sees_one_version() {
    let seed = std::env::var("APPLET_SEED")
        .map_or_else(|_| u64::from(std::process::id()), |text| text.parse().unwrap());
    println!("seed {seed}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::empty());
    let directory = HostDirectory::on(&database.url()).under_load();
    let host = directory.serve();
    for n in (0..=UPGRADES).rev() {
        host.submit(&write(&directory, n, ""), &guest("guest_versions"));
    }
    for tenant in [&ALDER, &BIRCH] {
        host.install(tenant, "versions");
    }
    let (over, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let (versions, waited) = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                // The second tenant stays on the first version, on the same table, all the time.
                let tenant = if number == 0 { &BIRCH } else { &ALDER };
                let (host, over, calls) = (&host, &over, &calls);
                scope.spawn(move || {
                    let token = host.token(tenant, "platform");
                    let mut seen = BTreeMap::<String, u64>::new();
                    let mut random = seed.wrapping_add(u64::from(number)) | 1;
                    while !over.load(Ordering::Relaxed) {
                        let version = look(host, &token, tenant);
                        assert!(number != 0 || version == "1.0.0", "{version}");
                        *seen.entry(version).or_default() += 1;
                        calls.fetch_add(1, Ordering::Relaxed);
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        std::thread::sleep(Duration::from_millis(random % 20));
                    }
                    seen
                })
            })
            .collect();
        let url = database.url();
        let sampler = scope.spawn({
            let over = &over;
            move || sample(&url, over)
        });
        // Whatever fails, the others are told to stop.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| upgrade_all(&host)));
        over.store(true, Ordering::Relaxed);
        let versions: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (versions, sampler.join().unwrap())
    });
    let calls = calls.into_inner();
    println!("{calls} calls, longest wait of a statement for a lock {waited:.3} s, versions {versions:?}");
    assert!(versions.iter().flatten().map(|(version, _)| version).collect::<BTreeSet<_>>().len() > 5);
    // One try for a lock is over after half a second; the rest is how late a loaded machine wakes up.
    assert!(waited < 0.9, "a statement has waited {waited} s behind DDL");
    runtime.block_on(no_half_index(&database));
    host.stop();
}

fn upgrade_all(host: &Host<'_>) {
    let at = ["--workspace", ALDER.workspace];
    for n in 1..=UPGRADES {
        let to = format!("1.{n}.0");
        let report = host.admin(&ALDER, &["upgrade", "versions", at[0], at[1], "--to", &to]);
        assert_eq!((&report["to"], &report["by_policy"]), (&json!(to), &json!(true)), "{report}");
        if n.is_multiple_of(BACK_AFTER) {
            let report = host.admin(&ALDER, &["rollback", "versions", at[0], at[1]]);
            assert_eq!(report["from"], json!(to), "{report}");
        }
    }
}

async fn no_half_index(database: &Database) {
    let mut connection = connect(&database.url()).await;
    let halves: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(halves, 0);
}

/// Spec: F7, S4.18
#[test]
fn f7_new_code_is_told_not_granted_until_an_admin_agrees_to_the_difference() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&write(&directory, 0, ""), &guest("guest_versions"));
    host.install(&ALDER, "versions");
    let ask = || host.hook(&ALDER, &ALDER, "versions", "ask", "null").json();
    assert_eq!(ask(), json!("table-not-allowed"), "it was never asked for");

    host.submit(&write(&directory, 1, "read: [clients], "), &guest("guest_versions"));
    let workspace = ["--workspace", ALDER.workspace];
    let refused = host.try_admin(&ALDER, &["upgrade", "versions", workspace[0], workspace[1]]);
    let refusal: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(refusal["error"]["code"], "approval-missing", "{refusal}");
    let report = host.admin(&ALDER, &["upgrade", "versions", workspace[0], workspace[1], "--keep-grants"]);
    assert_eq!(report["withheld"][0]["table"], "clients", "{report}");
    let token = host.token(&ALDER, "platform");
    while look(&host, &token, &ALDER) != "1.1.0" {}
    assert_eq!(ask(), json!("not-granted"));

    host.submit(&write(&directory, 2, "read: [clients], "), &guest("guest_versions"));
    let plan = host.admin(&ALDER, &["plan", "versions", workspace[0], workspace[1]]);
    assert_eq!(
        plan["plan"]["grants"]["added"],
        json!([]),
        "what was withheld is not asked for again: {plan}"
    );
    let wider = ["approve", "versions", workspace[0], workspace[1], "--grant", "read:clients"];
    let approved = host.admin(&ALDER, &wider);
    assert_eq!(approved["added"][0]["table"], "clients", "{approved}");
    host.admin(&ALDER, &["upgrade", "versions", workspace[0], workspace[1]]);
    while look(&host, &token, &ALDER) != "1.2.0" {}
    assert_eq!(ask(), json!(3));
    host.stop();
}
