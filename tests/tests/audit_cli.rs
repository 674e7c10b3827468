//! `applet audit`, as an admin uses it, on a trail that `applet sql` has made.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::process::{Command, Output};

use applet_tests::host::{ALDER, BIRCH, Tenant, repository};
use applet_tests::{Database, applet};
use serde_json::Value;
use tempfile::TempDir;

/// A database with a trail of Alder's, and a data directory.
struct Bench {
    database: Database,
    folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let database = Database::alone().await;
        let schema = std::fs::read_to_string(repository().join("host/demo/schema.sql")).unwrap();
        database.run(&schema).await;
        for tenant in [ALDER, BIRCH] {
            database.run(&format!("INSERT INTO tenants (id, name) VALUES ('{}', 'T')", tenant.id)).await;
        }
        let bench = Self { database, folder: tempfile::tempdir().unwrap() };
        let write = "INSERT INTO clients (first_name, last_name) VALUES ('secret-name', 'x')";
        for (sql, ok) in [
            ("SELECT first_name FROM clients", true),
            (write, true),
            ("SELECT email FROM users", false),
            ("SELECT count(*) FROM clients", true),
        ] {
            assert_eq!(bench.sql(sql).status.success(), ok, "{sql}");
        }
        bench
    }

    fn sql(&self, sql: &str) -> Output {
        Command::new(applet())
            .args(["sql", "--admin-database", &self.database.url(), "--tenant", ALDER.id, "--manifest"])
            .arg(repository().join("tests/guests/bench/manifest.yaml"))
            .arg(sql)
            .output()
            .unwrap()
    }

    fn command(&self, data: &str) -> Command {
        let mut command = Command::new(applet());
        command
            .env("APPLET_DATA", self.folder.path().join(data))
            .env("DATABASE_URL", self.database.url())
            .env_remove("APPLET_TOKEN");
        command
    }

    fn token(&self, tenant: &Tenant, role: &str) -> String {
        let made =
            self.command("data").args(["token", "--tenant", tenant.id, "--role", role]).output().unwrap();
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    fn run(&self, token: &str, arguments: &[&str]) -> (i32, Value, String) {
        let output = self
            .command("data")
            .args(["--json", "audit"])
            .args(arguments)
            .env("APPLET_TOKEN", token)
            .output()
            .unwrap();
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), answer, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Spec: S4.67-69
#[tokio::test]
async fn f14_an_admin_lists_the_trail_of_their_tenant_and_nobody_elses() {
    let bench = Bench::new().await;
    let admin = bench.token(&ALDER, "admin");
    let (code, answer, _) = bench.run(&admin, &["list"]);
    let entries = answer["entries"].as_array().unwrap();
    assert_eq!((code, entries.len()), (0, 4));
    let numbers: Vec<_> = entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [4, 3, 2, 1], "what waits is sealed before it is shown");
    assert!(!answer.to_string().contains("secret-name"));
    let (_, denied, _) = bench.run(&admin, &["list", "--denied", "--since", "1h", "--applet", "bench"]);
    assert_eq!(denied["entries"][0]["error"], "table-not-allowed");
    assert_eq!(denied["entries"].as_array().unwrap().len(), 1);

    let (_, first, _) = bench.run(&admin, &["list", "--limit", "3"]);
    assert_eq!(first["next"], 2);
    let (_, rest, _) = bench.run(&admin, &["list", "--limit", "3", "--before", "2"]);
    assert_eq!((rest["entries"][0]["seq"].as_i64(), &rest["next"]), (Some(1), &Value::Null));

    let stranger = bench.token(&BIRCH, "admin");
    let (code, theirs, _) = bench.run(&stranger, &["list"]);
    assert_eq!((code, theirs["entries"].as_array().unwrap().len()), (0, 0));
    for role in ["member", "platform"] {
        let (code, _, error) = bench.run(&bench.token(&ALDER, role), &["list"]);
        assert_eq!(code, 1);
        assert!(error.contains("not-admin"), "{error}");
    }
    bench
        .command("data")
        .args(["workspace", "create", "--name", "W", "--tenant", ALDER.id, "--id", ALDER.workspace])
        .output()
        .unwrap();
    let (code, _, foreign) = bench.run(&stranger, &["list", "--workspace", ALDER.workspace]);
    let (_, _, unknown) = bench.run(&stranger, &["list", "--workspace", BIRCH.workspace]);
    assert_eq!((code, &foreign), (1, &unknown), "a foreign workspace looks like none");
    assert!(foreign.contains("not-found"), "{foreign}");
}

#[tokio::test]
async fn f14_verify_names_what_was_tampered_with_and_an_export_is_checked_elsewhere() {
    let bench = Bench::new().await;
    let admin = bench.token(&ALDER, "admin");
    let (code, answer, _) = bench.run(&admin, &["verify"]);
    assert_eq!((code, &answer["ok"], answer["tenant"]["records"].as_i64()), (0, &Value::Bool(true), Some(4)));
    let (code, sealed, _) = bench.run("", &["seal"]);
    assert_eq!((code, sealed["heads"].as_i64()), (0, Some(1)), "{sealed}");

    let out = bench.file("trail.jsonl");
    let (code, exported, error) = bench.run(&admin, &["export", "--out", &out]);
    assert_eq!((code, exported["manifest"]["records"].as_i64()), (0, Some(4)), "{error}");
    assert_eq!(bench.run(&admin, &["export", "--out", &out]).0, 2, "a file that exists is left alone");
    let key = exported["public_key"].as_str().unwrap();
    let check = |data: &str, file: &str, more: &[&str]| {
        let mut command = bench.command(data);
        command.env_remove("DATABASE_URL").args(["audit", "verify", "--file", file]).args(more);
        command.output().unwrap().status.code()
    };
    assert_eq!(check("data", &out, &[]), Some(0));
    assert_eq!(check("elsewhere", &out, &["--public-key", key]), Some(0));
    assert_eq!(check("elsewhere", &out, &[]), Some(1), "another host's key has not signed it");
    let changed = bench.file("changed.jsonl");
    std::fs::write(
        &changed,
        std::fs::read_to_string(&out).unwrap().replace("table-not-allowed", "not-granted"),
    )
    .unwrap();
    assert_eq!(check("data", &changed, &[]), Some(1));

    bench
        .database
        .run(
            "ALTER TABLE applet_host.audit DISABLE TRIGGER ALL; ALTER TABLE applet_host.audit_chain DISABLE TRIGGER ALL;
             DELETE FROM applet_host.audit WHERE id IN (SELECT record FROM applet_host.audit_chain WHERE seq = 4);
             DELETE FROM applet_host.audit_chain WHERE seq = 4",
        )
        .await;
    let (code, answer, _) = bench.run(&admin, &["verify"]);
    assert_eq!((code, &answer["ok"]), (1, &Value::Bool(false)));
    assert_eq!(answer["tenant"]["fault"]["fault"], "cut-off");
    assert_eq!(answer["tenant"]["fault"]["seq"], 4);
    bench.database.run("UPDATE applet_host.audit SET rows = 7 WHERE operation = 'insert'").await;
    let (_, answer, _) = bench.run(&admin, &["verify"]);
    assert_eq!(
        (&answer["tenant"]["fault"]["fault"], answer["tenant"]["fault"]["seq"].as_i64()),
        (&Value::from("changed"), Some(2))
    );
    let (code, _, error) = bench.run(&admin, &["export", "--out", &bench.file("more.jsonl")]);
    assert!(code == 1 && error.contains("nothing is signed"), "{error}");
    assert!(!std::path::Path::new(&bench.file("more.jsonl")).exists());
}
