//! Reading catalogues, examining databases, checking roles and running DDL on a real PostgreSQL.

use crate::common::{A, Database, connect, name, run, texts, usual_grants};
use applet_catalog::{Generation, Tenancy};
use applet_datasource::catalog::CatalogOptions;
use applet_datasource::doctor::Walls;
use applet_datasource::embedded::{Postgres, StartOptions};
use applet_datasource::{Admin, Error, catalog, check, ddl, doctor, wall};
use applet_types::{Login, Secret};

#[tokio::test]
async fn d2_the_catalogue_says_what_each_table_is() {
    let database = Database::new().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let options = CatalogOptions {
        global_tables: ["countries", "all_clients", "ghosts"].map(name).into(),
        ..CatalogOptions::default()
    };
    let reading = catalog::read(&mut admin, &options).await.unwrap();
    let tenancy = |table: &str| reading.catalog.table(&name(table)).map(|table| table.tenancy.clone());
    let scoped = |column: &str| Some(Tenancy::Column(name(column)));
    assert_eq!(tenancy("clients"), scoped("tenant_id"));
    assert_eq!(tenancy("events"), scoped("tenant_id"));
    assert_eq!(tenancy("tenants"), scoped("id"));
    assert_eq!(tenancy("countries"), Some(Tenancy::Global));
    for hidden in ["settings", "notes", "all_clients", "client_counts", "events_2026"] {
        assert_eq!(tenancy(hidden), Some(Tenancy::Invisible), "{hidden}");
    }
    assert_eq!(tenancy("payroll"), None, "another schema");
    assert_eq!(reading.remarks.len(), 6, "{:#?}", reading.remarks);
}

#[tokio::test]
async fn d2_columns_and_keys_are_read_as_they_are() {
    let database = Database::new().await;
    let catalog = database.catalog().await;
    let clients = catalog.table(&name("clients")).unwrap();
    let generation = |table: &str, column: &str| {
        catalog.table(&name(table)).unwrap().column(&name(column)).unwrap().generation
    };
    assert_eq!(generation("clients", "id"), Generation::Sequence);
    assert_eq!(generation("chats", "id"), Generation::Sequence);
    assert_eq!(generation("clients", "shout"), Generation::Stored);
    assert_eq!(generation("clients", "email"), Generation::None);
    assert_eq!(clients.columns.len(), 7, "the column with a blank in its name is left out");
    assert!(clients.soft_deletable());
    assert_eq!(clients.primary_key().unwrap().columns, [name("id")]);
    assert_eq!(catalog.global_keys(clients), ["clients_email_key"]);
    let chats = catalog.table(&name("chats")).unwrap();
    let reference = chats.foreign_keys.iter().find(|key| key.target == name("clients")).unwrap();
    assert_eq!(reference.columns, [name("tenant_id"), name("client_id")]);
    assert_eq!(reference.target_columns, [name("tenant_id"), name("id")]);
}

#[tokio::test]
async fn d2_preparing_does_not_change_what_a_plan_covers() {
    let database = Database::new().await;
    let before = database.catalog().await;
    database.prepare(&usual_grants()).await.unwrap();
    assert_eq!(before.digest(), database.catalog().await.digest());
}

#[tokio::test]
async fn f2_the_doctor_names_every_table_with_one_wall() {
    let database = Database::new().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let options = CatalogOptions { global_tables: [name("countries")].into(), ..CatalogOptions::default() };
    let sick = doctor::examine(&mut admin, &options).await.unwrap();
    let walls = |report: &doctor::Report, table: &str| {
        report.tables.iter().find(|row| row.table == table).unwrap().walls
    };
    assert_eq!(walls(&sick, "clients"), Walls::GateOnly);
    assert_eq!(walls(&sick, "countries"), Walls::Global);
    assert_eq!(walls(&sick, "settings"), Walls::Unreachable);
    let problems = sick.problems().join("\n");
    assert!(
        problems.contains("`api_keys` has one wall only") && problems.contains("clients_email_key"),
        "{problems}"
    );
    assert!(sick.missing_revokes.iter().any(|line| line.contains("set_config")));
    assert!(sick.missing_revokes.iter().any(|line| line.contains("count_all_clients")));
    wall::prepare_database(&mut admin, &options.schemas).await.unwrap();
    let well = doctor::examine(&mut admin, &options).await.unwrap();
    assert_eq!(walls(&well, "clients"), Walls::Both);
    assert_eq!(well.missing_revokes, Vec::<String>::new());
    run(&mut database.admin().await, "ALTER POLICY tenant_wall ON clients USING (true)").await.unwrap();
    let weakened = doctor::examine(&mut admin, &options).await.unwrap();
    assert_eq!(walls(&weakened, "clients"), Walls::GateOnly);
}

#[tokio::test]
async fn f2_a_role_that_no_wall_binds_is_refused() {
    let database = Database::new().await;
    let prepared = database.prepare(&usual_grants()).await.unwrap();
    let mut admin = Admin::connect(&database.url).await.unwrap();
    check::login(&mut admin, &prepared.login).await.unwrap();
    assert!(matches!(check::runtime_role(&mut admin).await, Err(Error::UnsafeRole { .. })), "a superuser");
    let mut sql = connect(&database.url).await;
    let role = |kind: &str| format!("{kind}_{}", database.name);
    run(&mut sql, &format!(
        "CREATE ROLE {} LOGIN BYPASSRLS; CREATE ROLE {} LOGIN; CREATE TABLE theirs (a int); ALTER TABLE theirs OWNER TO {};
         CREATE ROLE {} LOGIN IN ROLE pg_read_all_data; CREATE ROLE {} LOGIN CREATEROLE",
        role("bypass"), role("owner"), role("owner"), role("member"), role("maker")
    )).await.unwrap();
    for (kind, reason) in [
        ("bypass", "BYPASSRLS"),
        ("owner", "owns table theirs"),
        ("member", "pg_read_all_data"),
        ("maker", "CREATEROLE"),
    ] {
        let login = Login { role: role(kind), password: Secret::new("") };
        let refused = check::login(&mut admin, &login).await.unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[tokio::test]
async fn a_refused_login_names_the_rule_that_decides() {
    let directory = tempfile::tempdir().unwrap();
    let options = StartOptions { directory: Some(directory.path().into()), fast: true, ..Default::default() };
    let postgres = Postgres::start(options).await.unwrap();
    let mut admin = Admin::connect(&postgres.admin_url()).await.unwrap();
    let keys = wall::prepare_database(&mut admin, &["public".to_owned()]).await.unwrap();
    let mut sql = connect(&postgres.admin_url()).await;
    let mut rules = async |text: &str| {
        std::fs::write(directory.path().join("data/pg_hba.conf"), text).unwrap();
        run(&mut sql, "SELECT pg_reload_conf()").await.unwrap();
        // A new session is born with the new rules once the old ones are gone.
        let lines = text.lines().count();
        loop {
            let line = "SELECT max(line_number) FROM pg_hba_file_rules";
            if texts(&mut sql, line).await.unwrap() == [lines.to_string()] {
                break;
            }
        }
    };
    rules("local all postgres trust\nlocal all all scram-sha-256\n").await;
    let login = keys.audit_login();
    await_login(&mut admin, &Login { password: Secret::new("wrong"), ..login.clone() }, "takes passwords")
        .await;
    check::login(&mut admin, &login).await.unwrap();
    rules("local all postgres trust\n\nlocal all all reject\n").await;
    await_login(&mut admin, &login, "line 3 of pg_hba.conf (`local all all reject`)").await;
}

/// Waits until the server, which reloads its rules when it gets round to it, refuses with these words.
async fn await_login(admin: &mut Admin, login: &Login, words: &str) {
    let start = std::time::Instant::now();
    loop {
        match check::login(admin, login).await {
            Err(refused) if refused.to_string().contains(words) => return,
            other => assert!(start.elapsed().as_secs() < 30, "{other:?}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s4_29_ddl_takes_effect_as_a_whole_or_not_at_all() {
    let database = Database::new().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let refused = ddl::apply(&mut admin, &["CREATE TABLE one (a int)", "CREATE TABLE clients (a int)"]).await;
    assert!(matches!(refused, Err(Error::Statement { .. })), "{refused:?}");
    ddl::apply(&mut admin, &["CREATE TABLE two (a int)", "ALTER TABLE two ADD b int"]).await.unwrap();
    let made = "SELECT relname FROM pg_class WHERE relname IN ('one', 'two')";
    assert_eq!(texts(&mut database.admin().await, made).await.unwrap(), ["two"]);
}

#[tokio::test]
async fn ddl_gives_way_to_readers_and_tries_again() {
    let database = Database::new().await;
    let mut reader = database.admin().await;
    run(&mut reader, "BEGIN; SELECT * FROM clients").await.unwrap();
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let change =
        tokio::spawn(async move { ddl::apply(&mut admin, &["ALTER TABLE clients ADD extra int"]).await });
    let mut watcher = database.admin().await;
    let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'clients'::regclass";
    while texts(&mut watcher, waiting).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    // It gives up by itself, so that others are not stuck behind it.
    while !texts(&mut watcher, waiting).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    run(&mut reader, "COMMIT").await.unwrap();
    change.await.unwrap().unwrap();
    assert_eq!(texts(&mut watcher, "SELECT count(extra) FROM clients").await.unwrap(), ["0"]);
}

#[tokio::test]
async fn d9_the_audit_writer_can_only_add() {
    let database = Database::new().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let keys = wall::prepare_database(&mut admin, &["public".to_owned()]).await.unwrap();
    let login = keys.audit_login();
    check::login(&mut admin, &login).await.unwrap();
    let mut session = database.session(&login).await;
    let insert = format!(
        "INSERT INTO applet_host.audit (request, tenant, workspace, applet, installation, role, operation, tables, sql, rows, duration_us)
         VALUES ('{A}', '{A}', '{A}', 'ai-chat', '{A}', session_user, 'read', '{{}}', 'SELECT', 0, 1)"
    );
    assert_eq!(run(&mut session, &insert).await, Ok(1));
    for denied in [
        "SELECT * FROM applet_host.audit",
        "DELETE FROM applet_host.audit",
        "SELECT * FROM applet_host.secret",
        "SELECT * FROM public.clients",
    ] {
        assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
    }
}
