//! A host on a database of a managed server: its administrator is no superuser, so tenants are signed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "answers that are not as expected fail the test"
)]

use std::path::Path;

use applet_tests::Database;
use applet_tests::host::{ALDER, BIRCH, Host, HostDirectory, Tenant, ai_chat, repository};
use serde_json::json;
use sqlx::AssertSqlSafe;

/// The sample applet's manifest, with its reads cached.
fn cached_manifest(directory: &HostDirectory) -> std::path::PathBuf {
    let sample = std::fs::read_to_string(repository().join("sample-applets/ai-chat/manifest.yaml")).unwrap();
    let path = directory.path().join("manifest.yaml");
    std::fs::write(&path, format!("{sample}cache: {{ ttl: 30, maxEntries: 100 }}\n")).unwrap();
    path
}

async fn text(database: &Database, sql: &str) -> String {
    let mut connection = applet_tests::connect(&database.url()).await;
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap()
}

/// Spec: S4.51, S4.55, S4.66, S4.67, F2
#[tokio::test(flavor = "multi_thread")]
async fn d1_the_main_job_runs_with_signed_tenants() {
    let (database, url) = Database::managed().await;
    let directory = HostDirectory::on(&url);
    let host = directory.serve();
    host.submit(&cached_manifest(&directory), &ai_chat());
    for tenant in [&ALDER, &BIRCH] {
        let report = host.install(tenant, "ai-chat");
        let twins = report["twin"]["tables"].as_array().unwrap();
        assert!(!twins.is_empty() && twins.iter().all(|table| table["verdict"] != "leaks"), "{twins:?}");
        assert!(twins.iter().any(|table| table["verdict"] == "holds"), "{twins:?}");
    }
    // Sessions are shared by the tenants, and answers are cached the second time.
    for _ in 0..3 {
        let alder = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
        let birch = host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null");
        assert_eq!((alder.status, birch.status), (200, 200), "{} {}", alder.body, birch.body);
        assert_eq!((&alder.json()["clients"], &birch.json()["clients"]), (&json!(3), &json!(2)));
        assert!(alder.body.contains("Anna") && !alder.body.contains("Boris"));
        assert!(birch.body.contains("Boris") && !birch.body.contains("Anna"));
    }
    let before = host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null").json()["messages"].clone();
    let reply = host.hook(&ALDER, &ALDER, "ai-chat", "reply", r#"{"chat_id":1,"question":"Nine?"}"#);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").json()["messages"], 3);
    assert_eq!(host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null").json()["messages"], before);

    let writes = "SELECT string_agg(DISTINCT tenant::text, ',') FROM applet_host.audit
                  WHERE operation = 'insert' AND error IS NULL AND 'chat_messages' = ANY (tables)";
    assert_eq!(text(&database, writes).await, ALDER.id);
    let signed = "SELECT count(*)::text || count(*) FILTER (WHERE pg_get_expr(polqual, polrelid) LIKE '%applet_host.tenant()%')::text
                  FROM pg_policy WHERE polname IN ('tenant_rows', 'tenant_wall')";
    let counts = text(&database, signed).await;
    let (all, of_them_signed) = counts.split_at(counts.len() / 2);
    assert!(all == of_them_signed && all != "0", "{counts}");
    leaves_and_comes_back(&host, &ALDER, &directory.path().join("rows"));
    host.stop();
    doctor_says_so(&directory);
}

/// Rows of own tables are kept, counted and given back by an owner that row security would bind.
fn leaves_and_comes_back(host: &Host<'_>, tenant: &Tenant, out: &Path) {
    let configured = host.hook(tenant, tenant, "ai-chat", "configure", r#"{"system_prompt":"Be kind."}"#);
    assert_eq!(configured.status, 200, "{}", configured.body);
    let uninstall = |more: &[&str]| {
        let here = ["uninstall", "ai-chat", "--workspace", tenant.workspace];
        host.admin(tenant, &here.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let planned = uninstall(&[]);
    assert_eq!(planned["estimate"]["tables"][0]["rows"], 1, "{planned}");
    host.admin(tenant, &["approve", "ai-chat", "--workspace", tenant.workspace]);
    uninstall(&[]);
    assert_eq!(host.hook(tenant, tenant, "ai-chat", "summary", "null").status, 404);
    assert_eq!(host.install(tenant, "ai-chat")["restored"], true);
    let out = out.to_str().unwrap();
    let exported = uninstall(&["--mode", "export", "--format", "csv", "--out", out, "--yes"]);
    assert_eq!(exported["export"]["tables"][0]["rows"], 1, "{exported}");
    assert_eq!(host.install(tenant, "ai-chat")["restored"], false);
    assert_eq!(host.hook(tenant, tenant, "ai-chat", "summary", "null").json()["clients"], 3);
}

fn doctor_says_so(directory: &HostDirectory) {
    let output = directory.command().args(["--json", "doctor"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["report"]["tenant_form"], "signed", "{report}");
    let staying = report["report"]["staying_rights"].to_string();
    assert!(staying.contains("set_config") && staying.contains("query_to_xml"), "{staying}");
    let text = directory.command().arg("doctor").output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("tenant setting: signed") && !text.contains("PUBLIC still holds"), "{text}");
}

/// `applet sql` prepares for anybody who names a URL, and asks for a superuser's.
#[tokio::test]
async fn issue_2_applet_sql_takes_a_superusers_url_only() {
    let (_database, url) = Database::managed().await;
    let directory = HostDirectory::new();
    let output = directory
        .command()
        .args(["sql", "--admin-database", &url, "--tenant", ALDER.id, "--manifest"])
        .arg(repository().join("sample-applets/ai-chat/manifest.yaml"))
        .arg("SELECT 1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("SUPERUSER"), "{told}");
}

#[tokio::test]
async fn d1_a_host_refuses_a_database_that_allows_neither_form() {
    let (database, url) = Database::managed().await;
    database.run("CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL)").await;
    let directory = HostDirectory::on(&url);
    let serve = ["--json", "serve", "--listen", "127.0.0.1:0"];
    let output = directory.command().args(serve).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("missing-right") && told.contains("ownership of table `public.tenants`"), "{told}");
    let changed = "SELECT count(*)::text FROM pg_namespace WHERE nspname = 'applet_host'";
    assert_eq!(text(&database, changed).await, "0", "nothing was changed");
}
