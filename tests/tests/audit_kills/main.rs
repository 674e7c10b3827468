//! The audit trail is complete under kills (LIMITS-AND-FAULTS G36, R11): host processes run reads, writes and
//! denials, write intent and outcome of each to a journal that is on disk before they go on, and are killed
//! at random moments. Then journal, data and trail are compared.
//!
//! `AUDIT_SEED` repeats a run; `AUDIT_OPERATIONS` sets how many operations each of the two modes runs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod check;
mod host;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use applet_store::Store;
use applet_tests::{Database, host::repository};

use self::check::Journal;

/// Records that one process may have on their way: far fewer than usual, so that the bound is reached.
pub(crate) const CAPACITY: usize = 64;

/// The tenants, as the database has them.
pub(crate) const TENANTS: [&str; 2] =
    ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];

/// Both modes together.
fn operations() -> usize {
    let usual = if std::env::var_os("APPLET_LONG").is_some() { 300_000 } else { 30_000 };
    std::env::var("AUDIT_OPERATIONS").map_or(usual, |text| text.parse().expect("a number"))
}

/// Good enough for choosing moments and operations; the same numbers for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % limit
    }
}

fn seed() -> u64 {
    std::env::var("AUDIT_SEED").map_or_else(
        |_| u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap(),
        |text| text.parse().expect("a number"),
    )
}

/// Spec: S4.67-68, D9, G36
#[tokio::test]
async fn g36_with_strict_every_operation_that_was_answered_is_recorded_once() {
    let run = Run::new(true).await;
    let found = run.play().await;
    assert_eq!(found.missing, 0, "a read or a denial was answered and is not in the trail");
}

/// Spec: S4.67-68, D9, G36
#[tokio::test]
async fn g36_without_strict_a_kill_loses_no_more_than_the_bound_and_the_gap_has_numbers() {
    let run = Run::new(false).await;
    let found = run.play().await;
    println!("{} records were lost, all of them in gaps", found.missing);
}

struct Run {
    database: Database,
    folder: tempfile::TempDir,
    strict: bool,
    seed: u64,
}

impl Run {
    async fn new(strict: bool) -> Self {
        let seed = seed();
        println!("AUDIT_SEED={seed}");
        let database = Database::alone().await;
        let schema = std::fs::read_to_string(repository().join("host/demo/schema.sql")).unwrap();
        database.run(&schema).await;
        for tenant in TENANTS {
            database.run(&format!("INSERT INTO tenants (id, name) VALUES ('{tenant}', 'Tenant')")).await;
        }
        let store = Store::connect(&database.url()).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        host::prepare(&database.url()).await;
        Self { database, folder: tempfile::tempdir().unwrap(), strict, seed }
    }

    async fn play(self) -> check::Found {
        let wanted = operations() / 2;
        let mut dice = Dice(self.seed);
        let mut kills = 0;
        let mut journals: Vec<PathBuf> = Vec::new();
        let started = Instant::now();
        while journals.iter().map(|file| Journal::read(file).answered()).sum::<usize>() < wanted {
            let files = [kills, kills + 1].map(|number| self.folder.path().join(format!("{number}.journal")));
            let mut hosts: Vec<_> = files.iter().map(|file| self.spawn(file, dice.below(u64::MAX))).collect();
            journals.extend(files);
            hosts.iter_mut().for_each(await_ready);
            for mut host in hosts {
                // Not awaiting a condition: the moment of the kill is what is varied.
                std::thread::sleep(Duration::from_millis(100 + dice.below(1_000)));
                host.kill().unwrap();
                host.wait().unwrap();
                kills += 1;
            }
        }
        let journals: Vec<_> = journals.iter().map(|file| Journal::read(file)).collect();
        let answered: usize = journals.iter().map(Journal::answered).sum();
        println!("{answered} operations, {kills} kills, {:.1} s", started.elapsed().as_secs_f32());
        assert!(kills >= 2 && answered >= wanted);
        check::compare(&self.database.url(), &journals, self.strict).await
    }

    /// A host in a process of its own: this program, told to be one.
    fn spawn(&self, journal: &Path, seed: u64) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "be_a_host", "--ignored", "--nocapture", "--test-threads=1"])
            .env("AUDIT_HOST_URL", self.database.url())
            .env("AUDIT_HOST_JOURNAL", journal)
            .env("AUDIT_HOST_STRICT", self.strict.to_string())
            .env("AUDIT_HOST_SEED", seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

fn await_ready(host: &mut Child) {
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("ready"));
    assert!(ready, "a host ended: {:?}", host.wait());
}

/// Not a test: what [`Run::spawn`] starts.
#[test]
#[ignore = "a process of the tests above"]
fn be_a_host() {
    if let Ok(url) = std::env::var("AUDIT_HOST_URL") {
        let journal = PathBuf::from(std::env::var_os("AUDIT_HOST_JOURNAL").unwrap());
        let strict = std::env::var("AUDIT_HOST_STRICT").unwrap() == "true";
        let seed = std::env::var("AUDIT_HOST_SEED").unwrap().parse().unwrap();
        host::serve(&url, &journal, strict, seed);
    }
}
