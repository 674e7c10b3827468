//! The host as a library: a platform that has it in its own process, with nothing but the
//! public interface of `applet-host`, on a real PostgreSQL and with real guests.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use applet_host::{
    AppletHost, AppletId, Builder, Call, Caller, Compiler, Decision, Error, LifecycleError, LimitsConfig,
    Notice, PackagesConfig, RetireMode, State, TenantId, UserId, WorkspaceId,
};
use applet_tests::host::{ALDER, BIRCH, HostDirectory, Tenant, ai_chat, guest, repository};
use applet_tests::{Database, applet, connect};
use serde_json::{Value, json};

/// A person of a tenant.
const ANN: &str = "a0000000-0000-4000-8000-000000000001";

fn tenant(of: &Tenant) -> TenantId {
    of.id.parse().unwrap()
}

fn workspace(of: &Tenant) -> WorkspaceId {
    of.workspace.parse().unwrap()
}

fn admin(of: &Tenant) -> Caller {
    Caller::admin(tenant(of), ANN.parse().unwrap())
}

fn platform(of: &Tenant) -> Caller {
    Caller::platform(tenant(of))
}

/// Tests have a `main` that is none of ours, so `applet` compiles for them.
fn settings(directory: &HostDirectory) -> Builder {
    let file = |name: &str| std::fs::read_to_string(repository().join("host/demo").join(name)).unwrap();
    AppletHost::builder(Compiler::program(applet()))
        .data_directory(directory.path().join("host"))
        .tables("schema.sql", file("schema.sql"))
        .tables("data.sql", file("data.sql"))
        .allow_unpatched(true)
}

/// The tables of a database that is not the host's own are shown to applets by its operator.
fn adopt(directory: &HostDirectory) {
    let adopted = directory.command().args(["adopt", "--yes"]).output().unwrap();
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
}

/// A host on a database of the test's own, whose tables applets may see.
async fn start(directory: &HostDirectory, database: &Database) -> AppletHost {
    let host = settings(directory).database_url(database.url()).build().await.unwrap();
    adopt(directory);
    host.look_again().await.unwrap();
    for of in [&ALDER, &BIRCH] {
        host.ensure_workspace(tenant(of), workspace(of), "main").await.unwrap();
    }
    host
}

fn package(directory: &HostDirectory, manifest: &str, component: PathBuf) -> PathBuf {
    let file = directory.path().join("package.applet");
    let mut command = directory.command();
    command
        .arg("package")
        .arg("--manifest")
        .arg(repository().join(manifest))
        .arg("--component")
        .arg(component);
    let packed = command.arg("-o").arg(&file).output().unwrap();
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    file
}

fn sample(directory: &HostDirectory) -> PathBuf {
    package(directory, "sample-applets/ai-chat/manifest.yaml", ai_chat())
}

fn hostile(directory: &HostDirectory) -> PathBuf {
    package(directory, "tests/guests/hostile/manifest.yaml", guest("guest_hostile"))
}

async fn install(host: &AppletHost, of: &Tenant, applet: &AppletId) {
    let (admin, workspace) = (admin(of), workspace(of));
    let planned = host.plan(&admin, workspace, applet, None).await.unwrap();
    host.approve(&admin, workspace, applet, &Decision::everything(planned.record.id)).await.unwrap();
    // Carrying out what was decided does not take an admin.
    host.install(&platform(of), workspace, applet).await.unwrap();
}

fn call(of: &Tenant, applet: &AppletId, hook: &str) -> Call {
    Call::new(workspace(of), applet, hook.parse().unwrap())
}

/// Looks until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Spec: S4.17, S4x.7
#[tokio::test]
async fn s4_17_a_platform_takes_an_applet_through_its_life_for_two_tenants() {
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url());
    let host = start(&directory, &database).await;
    let applet = host.submit_file(&admin(&ALDER), sample(&directory)).await.unwrap().applet;
    for of in [&ALDER, &BIRCH] {
        install(&host, of, &applet).await;
    }

    // Each sees their own, and it was charged to somebody.
    for (of, clients, initial) in [(&ALDER, 3, "A"), (&BIRCH, 2, "B")] {
        let answer = host.call(&platform(of), call(of, &applet, "summary")).await.unwrap();
        let summary: Value = answer.parse().unwrap();
        assert_eq!(summary["clients"], clients);
        let newest = summary["newest_clients"].as_array().unwrap();
        assert!(newest.iter().all(|client| client["first_name"].as_str().unwrap().starts_with(initial)));
        assert!(answer.usage().statements >= 3, "{:?}", answer.usage());
    }

    // With an argument; what one tenant writes the other one does not see.
    let question = json!({ "chat_id": 1, "question": "Is nine o'clock free?" });
    host.call(&platform(&ALDER), call(&ALDER, &applet, "reply").payload(&question).locale("de-AT"))
        .await
        .unwrap();
    let count = async |of: &Tenant| -> Value {
        let summary: Value =
            host.call(&platform(of), call(of, &applet, "summary")).await.unwrap().parse().unwrap();
        summary["messages"].clone()
    };
    let (alder, birch) = (count(&ALDER).await, count(&BIRCH).await);
    host.call(&platform(&ALDER), call(&ALDER, &applet, "reply").payload(&question)).await.unwrap();
    assert_ne!(count(&ALDER).await, alder);
    assert_eq!(count(&BIRCH).await, birch);

    nothing_of_another_tenant(&host, &applet).await;
    away(&host, &applet).await;
    host.close().await.unwrap();
    no_sessions(&database).await;
}

/// Whoever acts for Birch gets nowhere in Alder's workspace, and is told no more than that there is nothing.
async fn nothing_of_another_tenant(host: &AppletHost, applet: &AppletId) {
    let (stranger, theirs) = (admin(&BIRCH), workspace(&ALDER));
    let failure = host.call(&stranger, call(&ALDER, applet, "summary")).await.unwrap_err();
    assert_eq!((failure.code(), failure.usage()), ("not-found", None));
    let plan = host.plan(&admin(&ALDER), theirs, applet, None).await.unwrap();
    let everything = Decision::everything(plan.record.id);
    let refused = [
        host.plan(&stranger, theirs, applet, None).await.map(drop),
        host.approve(&stranger, theirs, applet, &everything).await.map(drop),
        // The right workspace for them, the plan of somebody else.
        host.approve(&stranger, workspace(&BIRCH), applet, &everything).await.map(drop),
        host.reject(&stranger, theirs, applet).await,
        host.install(&stranger, theirs, applet).await.map(drop),
        host.disable_now(&stranger, theirs, applet).await.map(drop),
        host.plan_uninstall(&stranger, theirs, applet, RetireMode::Hard).await.map(drop),
        host.uninstall(&stranger, theirs, applet, None).await.map(drop),
        host.status(&stranger, theirs, applet).await.map(drop),
    ];
    for (index, refused) in refused.into_iter().enumerate() {
        let error = refused.unwrap_err();
        let code = error.code();
        assert!(
            code == "not-found" || (index == 2 && code == "illegal-transition"),
            "{index}: {code}: {error}"
        );
    }
    let taken = host.ensure_workspace(tenant(&BIRCH), theirs, "mine").await.unwrap_err();
    assert!(matches!(taken, Error::Workspace(_)) && taken.code() == "workspace-taken");
    // Alder's applet goes on as if nothing had been.
    host.call(&platform(&ALDER), call(&ALDER, applet, "summary")).await.unwrap();

    // Deciding is an admin's, and neither a member's nor the platform's.
    let member = Caller::member(tenant(&ALDER), ANN.parse().unwrap());
    for caller in [member, platform(&ALDER)] {
        let error = host.approve(&caller, theirs, applet, &everything).await.unwrap_err();
        assert!(matches!(error, Error::Refused(LifecycleError::NotAdmin)), "{error}");
    }
    host.call(&member, call(&ALDER, applet, "summary")).await.unwrap();
    host.reject(&admin(&ALDER), theirs, applet).await.unwrap();
}

/// Off, on, away; for one tenant, while the other goes on.
async fn away(host: &AppletHost, applet: &AppletId) {
    let (admin, at) = (admin(&ALDER), workspace(&ALDER));
    host.disable(&admin, at, applet).await.unwrap();
    let off = host.call(&platform(&ALDER), call(&ALDER, applet, "summary")).await.unwrap_err();
    assert_eq!(off.code(), "not-found", "the very next call knows: {off}");
    assert_eq!(host.status(&admin, at, applet).await.unwrap().state, State::Disabled);
    host.enable(&admin, at, applet).await.unwrap();
    host.call(&platform(&ALDER), call(&ALDER, applet, "summary")).await.unwrap();

    let planned = host.plan_uninstall(&admin, at, applet, RetireMode::Hard).await.unwrap();
    let early = host.uninstall(&admin, at, applet, None).await.unwrap_err();
    assert_eq!(early.code(), "approval-missing", "{early}");
    host.approve(&admin, at, applet, &Decision::everything(planned.record.id)).await.unwrap();
    let report = host.uninstall(&admin, at, applet, None).await.unwrap();
    assert_eq!(report.applet, *applet);
    host.call(&platform(&ALDER), call(&ALDER, applet, "summary")).await.unwrap_err();
    host.call(&platform(&BIRCH), call(&BIRCH, applet, "summary")).await.unwrap();
}

/// Closed hosts have let go of their database; the server may take a moment to notice.
async fn no_sessions(database: &Database) {
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend'";
    until("no session is left", || async {
        let mut connection = connect(&database.url()).await;
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() == 0
    })
    .await;
}

/// Sessions that have a transaction open and wait for an applet.
async fn transactions(database: &Database) -> i64 {
    let mut connection = connect(&database.url()).await;
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND state = 'idle in transaction' AND usename LIKE 'ah\\_%'";
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

/// Spec: S4.60
#[tokio::test]
async fn s4_60_mistakes_in_settings_are_told_all_at_once_and_before_anything_is_opened() {
    let directory = HostDirectory::new();
    let mut limits = LimitsConfig::default();
    limits.host.sessions = usize::MAX;
    limits.execution.statement_timeout_ms = 0;
    let policy = PackagesConfig { allow_unsigned: false, ..PackagesConfig::default() };
    let wrong = settings(&directory)
        .limits(limits)
        .install_policy(policy)
        .database_url("postgres://ann:s3cret@db.example/crm?sslmode=disable")
        .redis_url("redis://cache.example")
        .threads(0);
    let error = wrong.build().await.unwrap_err();
    let Error::Settings(problems) = &error else { panic!("{error}") };
    let named: Vec<&str> = problems.iter().map(applet_host::Problem::setting).collect();
    let expected = [
        "limits.execution.statement_timeout_ms",
        "limits.host.sessions",
        "packages.allow_unsigned",
        "place.database_url",
        "place.redis_url",
        "threads",
    ];
    for setting in expected {
        assert!(named.contains(&setting), "{setting}: {named:?}");
    }
    assert_eq!(error.code(), "invalid-settings");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(!directory.path().join("host").exists(), "nothing was opened");
}

/// A program that does not know how to compile is found before the first package is.
#[tokio::test]
async fn s4x_8_a_compiler_that_is_none_keeps_the_host_from_starting() {
    let directory = HostDirectory::new();
    for program in ["/bin/echo", "/bin/false", "/nowhere/at-all"] {
        let host =
            AppletHost::builder(Compiler::program(program)).data_directory(directory.path().join("host"));
        let error = host.build().await.unwrap_err();
        assert_eq!(error.code(), "compiler", "{error}");
        assert!(error.to_string().contains("Compiler::this_program()"), "{error}");
    }
    let unreachable = settings(&directory).database_url("postgres://localhost:1/none?user=nobody");
    let error = unreachable.build().await.unwrap_err();
    assert!(matches!(error, Error::Start(_)) && !error.code().is_empty(), "{error}");
}

/// Spec: S4x.7
#[tokio::test]
async fn s4x_7_two_hosts_in_one_process_share_a_database() {
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url());
    let (one, notices) = (start(&directory, &database).await, Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&notices);
    let listen = move |notice: Notice<'_>| heard.lock().unwrap().push(format!("{notice:?}"));
    let other = settings(&directory).database_url(database.url()).on_notice(listen).build().await.unwrap();

    let applet = one.submit_file(&admin(&ALDER), hostile(&directory)).await.unwrap().applet;
    install(&other, &ALDER, &applet).await;
    assert!(notices.lock().unwrap().iter().any(|notice| notice.contains("[1/")), "{notices:?}");
    let hooks = || call(&ALDER, &applet, "hooks");
    one.call(&platform(&ALDER), hooks()).await.unwrap();
    other.call(&platform(&ALDER), hooks()).await.unwrap();

    // What runs on one is ended by a change on the other.
    let sleeping = {
        let (one, sleep) = (one.clone(), call(&ALDER, &applet, "sleep-in-transaction"));
        tokio::spawn(async move { one.call(&platform(&ALDER), sleep).await })
    };
    until("the hook sleeps", || async { transactions(&database).await > 0 }).await;
    other.disable_now(&admin(&ALDER), workspace(&ALDER), &applet).await.unwrap();
    let ended = sleeping.await.unwrap().unwrap_err();
    assert_eq!(ended.code(), "applet-disabled", "{ended}");
    other.enable(&admin(&ALDER), workspace(&ALDER), &applet).await.unwrap();

    // One goes, the other goes on; whoever still has the one is told.
    one.close().await.unwrap();
    one.close().await.unwrap();
    let closed = one.call(&platform(&ALDER), hooks()).await.unwrap_err();
    assert_eq!(closed.code(), "applet-disabled");
    assert!(matches!(one.ready().await, Err(Error::Closed)));
    other.ready().await.unwrap();
    other.call(&platform(&ALDER), hooks()).await.unwrap();
    other.close().await.unwrap();
    no_sessions(&database).await;
}

/// Spec: S4x.7
#[tokio::test]
async fn s4x_7_payloads_are_checked_and_closing_ends_what_does_not_end_by_itself() {
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url());
    let host = start(&directory, &database).await;
    let file = hostile(&directory);
    let applet = host.submit(&platform(&ALDER), std::fs::read(&file).unwrap()).await.unwrap().applet;
    install(&host, &ALDER, &applet).await;

    let junk = host.submit(&admin(&ALDER), "no package").await.unwrap_err();
    assert!(matches!(junk, Error::Package(_)), "{junk}");
    let nowhere = host.submit_file(&admin(&ALDER), directory.path().join("nowhere")).await.unwrap_err();
    assert_eq!(nowhere.code(), "unreadable-file");
    let member = Caller::member(tenant(&ALDER), ANN.parse::<UserId>().unwrap());
    let refused = host.submit_file(&member, &file).await.unwrap_err();
    assert_eq!(refused.code(), "not-admin");
    for wrong in [
        call(&ALDER, &applet, "hooks").payload_text("{"),
        call(&ALDER, &applet, "hooks").payload_text(format!("\"{}\"", "x".repeat(1 << 20))),
        call(&ALDER, &applet, "hooks").locale("en; DROP TABLE clients"),
    ] {
        assert_eq!(host.call(&platform(&ALDER), wrong).await.unwrap_err().code(), "bad-parameter");
    }
    let missing = host.call(&platform(&ALDER), call(&ALDER, &applet, "no-such-hook")).await.unwrap_err();
    assert_eq!(missing.code(), "no-such-hook");
    let failed = host.call(&platform(&ALDER), call(&ALDER, &applet, "panic")).await.unwrap_err();
    assert_eq!(failed.code(), "applet-error");
    assert!(failed.usage().is_some());

    // A call whose future is dropped ends, with its transaction.
    let given_up = {
        let (host, sleep) = (host.clone(), call(&ALDER, &applet, "sleep-in-transaction"));
        tokio::spawn(async move { host.call(&platform(&ALDER), sleep).await })
    };
    until("the transaction is open", || async { transactions(&database).await > 0 }).await;
    given_up.abort();
    until("the transaction is gone", || async { transactions(&database).await == 0 }).await;

    let sleeping = {
        let (host, sleep) = (host.clone(), call(&ALDER, &applet, "sleep-in-transaction"));
        tokio::spawn(async move { host.call(&platform(&ALDER), sleep).await })
    };
    until("the transaction is open", || async { transactions(&database).await > 0 }).await;
    host.close().await.unwrap();
    assert!(sleeping.await.unwrap().is_err());
    no_sessions(&database).await;
    let mut connection = connect(&database.url()).await;
    let gone: i64 = sqlx::query_scalar("SELECT count(*) FROM clients WHERE first_name = 'gone'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(gone, 0, "what was not committed is not there");
}

/// The process of a private PostgreSQL.
fn server(directory: &HostDirectory) -> Option<String> {
    let card = std::fs::read_to_string(directory.path().join("host/host.json")).ok()?;
    let card: Value = serde_json::from_str(&card).unwrap();
    Some(card.get("server").unwrap().to_string())
}

fn lives(server: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{server}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Dropped without a word, on the only thread of the platform's executor, just after a call (SPEC Decision 12).
#[tokio::test]
async fn decision_12_a_host_that_is_dropped_leaves_no_database_behind() {
    let directory = HostDirectory::new();
    let host = settings(&directory).build().await.unwrap();
    host.ensure_workspace(tenant(&ALDER), workspace(&ALDER), "main").await.unwrap();
    let server = server(&directory).unwrap();
    assert!(lives(&server));
    let applet = host.submit_file(&admin(&ALDER), hostile(&directory)).await.unwrap().applet;
    install(&host, &ALDER, &applet).await;
    let caller = platform(&ALDER);
    let mut sleeping = Box::pin(host.call(&caller, call(&ALDER, &applet, "endless-sleep")));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut sleeping).await.is_err());
    drop(sleeping);
    drop(host);
    assert!(!lives(&server), "the private PostgreSQL is gone when the host is");

    // What it has left is found by the next one.
    let again = settings(&directory).build().await.unwrap();
    again.call(&platform(&ALDER), call(&ALDER, &applet, "hooks")).await.unwrap();
    again.close().await.unwrap();
}

/// The example of the crate's documentation, as a platform would run it.
#[test]
fn s4x_8_the_example_of_the_documentation_runs() {
    let directory = HostDirectory::new();
    let example = applet().parent().unwrap().join("examples/platform");
    assert!(example.exists(), "{} is missing: run `cargo build --workspace --examples`", example.display());
    let mut command = Command::new(example);
    let ran = command.arg(directory.path().join("host")).arg(sample(&directory)).output().unwrap();
    let (said, notices) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{notices}");
    assert!(said.contains(r#"{"clients":3,"open_chats":1,"messages":2,"#), "{said}");
    assert!(said.contains("+ read        clients: every column"), "{said}");
    assert!(notices.contains("Progress(\"starting PostgreSQL"), "{notices}");

    // Thirty lines, as was promised: of `platform`, without what is blank or a comment.
    let text = std::fs::read_to_string(repository().join("host/crates/host/examples/platform.rs")).unwrap();
    let main = text.split("#[tokio::main]").nth(1).unwrap();
    let lines = main.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(lines.count() <= 30);
}
