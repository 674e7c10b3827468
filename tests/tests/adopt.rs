//! `applet adopt`, as an operator of somebody else's database uses it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use applet_tests::host::{ALDER, HostDirectory, ai_chat, repository};
use applet_tests::{Database, connect};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::runtime::Runtime;

struct Bench {
    runtime: Runtime,
    database: Database,
    directory: HostDirectory,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let database = runtime.block_on(Database::empty());
        let directory = HostDirectory::on(&database.url());
        Self { runtime, database, directory }
    }

    fn adopt(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.directory.command();
        command.args(["--json", "adopt"]).args(arguments);
        command
    }

    fn adopted(&self, arguments: &[&str]) -> Value {
        let output = self.adopt(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> (String, String) {
        refusal(&self.adopt(arguments))
    }

    fn connection(&self) -> PgConnection {
        self.runtime.block_on(connect(&self.database.url()))
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = self.connection();
        let sql = format!("SELECT x::text FROM ({sql}) AS q (x)");
        self.runtime.block_on(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection)).unwrap()
    }

    /// Row security, policies and rights of tables and functions.
    fn snapshot(&self) -> Vec<String> {
        self.texts(
            "SELECT c.relname || ' ' || c.relrowsecurity || ' ' || c.relforcerowsecurity || ' '
                    || ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid ORDER BY 1)::text || ' '
                    || ARRAY(SELECT a::text FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a ORDER BY 1)::text
             FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
             UNION ALL
             SELECT p.oid::regprocedure || ' ' || ARRAY(SELECT a::text FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                        WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolname ~ '^(ah_|applet_guest)') ORDER BY 1)::text
             FROM pg_proc p WHERE p.pronamespace IS DISTINCT FROM to_regnamespace('applet_host')
             ORDER BY 1",
        )
    }

    /// Starts a command that cannot go on, because somebody reads a table all the time, and kills it there.
    fn killed_in_the_middle(&self, arguments: &[&str]) {
        let mut reader = self.connection();
        let read = "BEGIN; SELECT FROM clients";
        self.runtime.block_on(sqlx::raw_sql(read).execute(&mut reader)).unwrap();
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.until_it_waits(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        self.runtime.block_on(sqlx::raw_sql("ROLLBACK").execute(&mut reader)).unwrap();
    }

    fn until_it_waits(&self, child: &mut Child) {
        let patience = Instant::now() + Duration::from_secs(60);
        let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                     AND application_name = 'applet-host'";
        while self.texts(waits) != ["true"] {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            assert!(Instant::now() < patience, "it does not come that far");
        }
    }
}

fn refusal(output: &Output) -> (String, String) {
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    let error: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let get = |key: &str| error["error"][key].as_str().unwrap().to_owned();
    (get("code"), get("message"))
}

/// The whole way: a host tells what is missing, the consent does, the operator adopts, the applet works, undo
/// waits for it to go.
///
/// Spec: S4.51
#[test]
fn d1_an_operator_adopts_a_database_and_takes_it_back() {
    let bench = Bench::new();
    let host = bench.directory.serve_unadopted();
    let before = bench.snapshot();
    host.submit(&repository().join("sample-applets/ai-chat/manifest.yaml"), &ai_chat());
    let plan = host.try_admin(&ALDER, &["plan", "ai-chat", "--workspace", ALDER.workspace]);
    let text = String::from_utf8_lossy(&[plan.stdout, plan.stderr].concat()).into_owned();
    assert!(text.contains("not-adopted") && text.contains("applet adopt"), "{text}");
    let doctor = bench.directory.command().args(["--json", "doctor"]).output().unwrap();
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert!(doctor["problems"].to_string().contains("applet adopt"), "{doctor}");
    assert_eq!(bench.snapshot(), before, "the host has touched nothing");

    let shown = bench.adopted(&[]);
    assert_eq!(bench.snapshot(), before);
    let digest = shown["plan"]["digest"].as_str().unwrap();
    assert!(
        shown["plan"]["tables"].as_array().unwrap().iter().any(|table| table["table"] == "public.clients")
    );
    let (code, _) = bench.refused(&["--approve", "0000"]);
    assert_eq!(code, "plan-changed");
    assert_eq!(bench.adopted(&["--approve", digest, "--actor", "olga"])["actor"], "olga");

    host.install(&ALDER, "ai-chat");
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").status, 200);
    let (code, message) = bench.refused(&["--undo"]);
    assert_eq!(code, "in-use");
    assert!(message.contains("`ai-chat`") && message.contains(ALDER.workspace), "{message}");
    for arguments in [["uninstall", "ai-chat"], ["approve", "ai-chat"], ["uninstall", "ai-chat"]] {
        let arguments = [&arguments[..], &["--workspace", ALDER.workspace]].concat();
        let _step = host.try_admin(&ALDER, &arguments);
    }
    host.stop();
    let undone = bench.adopted(&["--undo"]);
    assert!(undone["tables"].as_array().unwrap().iter().any(|table| table == "public.clients"), "{undone}");
    let after: Vec<String> =
        bench.snapshot().into_iter().filter(|line| !line.contains("applet_ai_chat")).collect();
    assert_eq!(after, before);
    assert_eq!(bench.adopted(&["--undo"])["tables"].as_array().unwrap().len(), 0);
}

/// Spec: S4.51
#[test]
fn d1_a_kill_in_the_middle_leaves_all_or_nothing() {
    let bench = Bench::new();
    bench.directory.serve_unadopted().kill();
    let before = bench.snapshot();
    bench.killed_in_the_middle(&["--yes"]);
    assert_eq!(bench.snapshot(), before);
    bench.adopted(&["--yes"]);
    let after = bench.snapshot();
    assert_ne!(after, before);
    bench.killed_in_the_middle(&["--undo"]);
    assert_eq!(bench.snapshot(), after);
    bench.adopted(&["--undo"]);
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn d1_the_private_database_needs_no_adoption() {
    let directory = HostDirectory::new();
    let output = directory.command().args(["--json", "adopt"]).output().unwrap();
    let (code, message) = refusal(&output);
    assert_eq!(code, "usage");
    assert!(message.contains("the host's own"), "{message}");
}
