//! The second wall as somebody builds it who is no superuser: tenants are signed, and a guest for whom the
//! first wall has fallen can set what it likes.

use applet_datasource::catalog::CatalogOptions;
use applet_datasource::doctor::{self, Walls};
use applet_datasource::twin::{self, TwinVerdict};
use applet_datasource::wall::{self, Prepared, Purpose};
use applet_datasource::{Admin, Error, own_rows};
use applet_types::{Columns, Grants, PhysicalTable, TenantClaim, TenantForm, TenantId, TenantSigner as _};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::common::{
    A, B, Database, applet, connect, name, run, set_tenant, setting, signed_for, texts, usual_grants,
};

const NAMES: &str = "SELECT first_name FROM public.clients ORDER BY 1";

fn public() -> Vec<String> {
    vec!["public".to_owned()]
}

fn tenant(text: &str) -> TenantId {
    TenantId::new(text.parse().unwrap())
}

/// A managed database, prepared, and a session of the applet's role as tenant A's.
async fn guest() -> (Database, Prepared, PgConnection) {
    let database = Database::managed().await;
    let prepared = database.prepare(&usual_grants()).await.unwrap();
    let mut session = database.session(&prepared.login).await;
    set_tenant(&mut session, &prepared, A).await;
    (database, prepared, session)
}

/// What a guest does that has found a way to call it.
async fn set_config(session: &mut PgConnection, setting: &str, value: &str) -> Result<(), String> {
    let query = sqlx::query("SELECT set_config($1, $2, false)").bind(setting).bind(value);
    match query.execute(session).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.as_database_error().unwrap().code().unwrap().into_owned()),
    }
}

#[tokio::test]
async fn d1_a_manager_that_is_no_superuser_builds_the_signed_wall() {
    let database = Database::managed().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    assert_eq!(wall::tenant_form(&mut admin).await.unwrap(), None);
    let prepared = database.prepare(&usual_grants()).await.unwrap();
    assert_eq!(prepared.keys.tenant_form(), TenantForm::Signed);
    assert_eq!(wall::tenant_form(&mut admin).await.unwrap(), Some(TenantForm::Signed));

    let options = CatalogOptions { global_tables: [name("countries")].into(), ..CatalogOptions::default() };
    let report = doctor::examine(&mut admin, &options).await.unwrap();
    assert_eq!(report.tenant_form, Some(TenantForm::Signed));
    let clients = report.tables.iter().find(|row| row.table == "clients").unwrap();
    assert_eq!(clients.walls, Walls::Both);
    assert_eq!(report.missing_revokes, Vec::<String>::new());
    for stays in ["set_config", "query_to_xml", "pg_advisory_lock(", "lo_create", "pg_sleep", "plpgsql"] {
        assert!(report.staying_rights.iter().any(|line| line.contains(stays)), "{stays}");
    }
    assert!(!report.problems().iter().any(|line| line.contains("PUBLIC")), "{:?}", report.problems());

    // What the manager owns is taken from PUBLIC as ever.
    let mut session = database.session(&prepared.login).await;
    for denied in [
        "SELECT * FROM all_clients",
        "SELECT * FROM settings",
        "SELECT count_all_clients()",
        "CREATE TEMP TABLE a ()",
    ] {
        assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
    }
    run(&mut database.admin().await, "ALTER POLICY tenant_wall ON clients USING (true)").await.unwrap();
    let report = doctor::examine(&mut admin, &options).await.unwrap();
    let clients = report.tables.iter().find(|row| row.table == "clients").unwrap();
    assert_eq!(clients.walls, Walls::GateOnly);
}

/// Every way to another tenant's rows that goes through the setting.
#[tokio::test]
async fn d1_a_setting_that_the_host_did_not_make_for_this_session_shows_no_row() {
    let (database, prepared, mut session) = guest().await;
    assert_eq!(texts(&mut session, NAMES).await.unwrap(), ["Anna", "Boris"]);
    let mut neighbour = database.session(&prepared.login).await;
    set_tenant(&mut neighbour, &prepared, B).await;
    assert_eq!(texts(&mut neighbour, NAMES).await.unwrap(), ["Berta"]);

    let mine = setting(&mut session, &prepared, A).await;
    let theirs = setting(&mut neighbour, &prepared, B).await;
    let expired = signed_for(&mut session, &prepared, B, -1).await;
    let facts = "SELECT process, clock_ms FROM applet_host.tenant_form()";
    let (process, clock_ms): (i32, i64) = sqlx::query_as(facts).fetch_one(&mut session).await.unwrap();
    let expires_ms = clock_ms + 60_000;
    let role = prepared.login.role.as_str();
    let other_role = TenantClaim { tenant: tenant(B), role: "postgres", process, expires_ms };
    let renamed = mine.replace(A, B);
    let ((claim, _), (_, their_tag)) = (renamed.split_at(62), theirs.split_at(62));
    let ((before_end, _), (_, after_end)) = (expired.split_at(48), expired.split_at(61));
    let mut attacks = vec![
        ("the tenant's id", B.to_owned()),
        ("another tenant with the same tag", renamed.clone()),
        ("another process", theirs.clone()),
        ("another session's tag", format!("{claim}{their_tag}")),
        ("a time that is over", expired.clone()),
        ("more time for the same tag", format!("{before_end}9999999999999{after_end}")),
        ("another role", prepared.keys.sign(&other_role)),
        ("a tag of zeros", format!("{claim}{}", "0".repeat(64))),
        ("a tag in capitals", mine.to_uppercase()),
        ("something behind", format!("{mine} ")),
        ("something before", format!(" {mine}")),
        ("a second claim", format!("{B}.{mine}")),
        ("no text at all", "\u{1}".to_owned()),
    ];
    attacks.extend((1..mine.len()).map(|length| ("a part", mine.chars().take(length).collect())));
    for (what, value) in attacks {
        set_config(&mut session, "applet.tenant", &value).await.unwrap();
        assert_eq!(texts(&mut session, NAMES).await, Err("AH005".to_owned()), "{what}: {value}");
        for write in [
            format!("INSERT INTO public.clients (tenant_id, first_name) VALUES ('{B}', 'x')"),
            "UPDATE public.clients SET first_name = 'x'".to_owned(),
        ] {
            assert_eq!(run(&mut session, &write).await, Err("AH005".to_owned()), "{what}: {write}");
        }
    }
    set_config(&mut session, "applet.tenant", "").await.unwrap();
    assert_eq!(texts(&mut session, NAMES).await.unwrap(), Vec::<String>::new());
    // The role is what is signed, and this one is right.
    let right = TenantClaim { tenant: tenant(A), role, process, expires_ms };
    set_config(&mut session, "applet.tenant", &prepared.keys.sign(&right)).await.unwrap();
    assert_eq!(texts(&mut session, NAMES).await.unwrap(), ["Anna", "Boris"]);
    assert_eq!(texts(&mut neighbour, NAMES).await.unwrap(), ["Berta"], "nothing was written");
}

#[tokio::test]
async fn d1_nothing_signs_for_a_guest() {
    let (database, prepared, mut session) = guest().await;
    let callable = "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'applet_host'::regnamespace
                    AND has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1";
    assert_eq!(texts(&mut session, callable).await.unwrap(), ["audit_write", "tenant", "tenant_form"]);
    let arguments = "SELECT pronargs FROM pg_proc WHERE pronamespace = 'applet_host'::regnamespace
                     AND proname IN ('tenant', 'tenant_form')";
    assert_eq!(texts(&mut session, arguments).await.unwrap(), ["0", "0"]);
    for denied in [
        "SELECT * FROM applet_host.tenant_key",
        "SELECT * FROM applet_host.secret",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
    }
    // What a guest can put in front of `pg_catalog` is not looked at.
    set_config(&mut session, "search_path", "pg_temp, public").await.unwrap();
    assert_eq!(texts(&mut session, NAMES).await.unwrap(), ["Anna", "Boris"]);
    // The key of the signing is not the one of the logins, and stands in no function.
    let mut admin = database.admin().await;
    let same = "SELECT count(*) FROM applet_host.secret, applet_host.tenant_key
                WHERE position(key IN inner_pad) > 0 OR position(key IN outer_pad) > 0";
    assert_eq!(texts(&mut admin, same).await.unwrap(), ["0"]);
    assert_eq!(prepared.keys.tenant_form(), TenantForm::Signed);
}

#[tokio::test]
async fn d1_roles_and_other_settings_lead_nowhere() {
    let (database, _, mut session) = guest().await;
    let manager = database.manager();
    for (setting, value, refused) in [
        ("role", "postgres", true),
        ("role", manager.as_str(), true),
        ("session_authorization", manager.as_str(), true),
        ("session_authorization", "postgres", true),
        ("session_replication_role", "replica", true),
        ("role", "applet_guest", false),
        ("row_security", "off", false),
    ] {
        let done = set_config(&mut session, setting, value).await;
        assert_eq!(done.is_err(), refused, "{setting} = {value}: {done:?}");
        let rows = texts(&mut session, NAMES).await;
        match refused {
            true => assert_eq!(rows.unwrap(), ["Anna", "Boris"], "{setting} = {value}"),
            false => assert_eq!(rows, Err("42501".to_owned()), "{setting} = {value}"),
        }
        run(&mut session, "RESET ROLE; RESET row_security").await.unwrap();
    }
    for statement in [format!("SET ROLE {manager}"), format!("SET SESSION AUTHORIZATION {manager}")] {
        assert_eq!(run(&mut session, &statement).await, Err("42501".to_owned()), "{statement}");
    }
    for statement in ["ALTER TABLE clients DISABLE ROW LEVEL SECURITY", "DROP POLICY tenant_wall ON clients"]
    {
        assert_eq!(run(&mut session, statement).await, Err("42501".to_owned()), "{statement}");
    }
}

/// What only a superuser could take from PUBLIC runs as the guest, so row security binds it.
#[tokio::test]
async fn d1_what_stays_callable_reads_no_other_tenants_rows() {
    let (database, prepared, mut session) = guest().await;
    run(&mut database.admin().await, "ANALYZE clients").await.unwrap();
    let mut neighbour = database.session(&prepared.login).await;
    set_tenant(&mut neighbour, &prepared, B).await;
    assert_eq!(texts(&mut neighbour, NAMES).await.unwrap(), ["Berta"]);
    let through_plpgsql = "DO $$ BEGIN PERFORM set_config('a.b', (SELECT string_agg(first_name, ',') FROM public.clients), false); END $$";
    run(&mut session, through_plpgsql).await.unwrap();
    let mut seen = 0;
    for reading in [
        "SELECT current_setting('a.b')",
        "SELECT query_to_xml('SELECT first_name, email FROM public.clients', true, true, '')",
        "SELECT query_to_xml_and_xmlschema('SELECT first_name FROM public.clients', true, true, '')",
        "SELECT table_to_xml('public.clients', true, true, '')",
        "SELECT schema_to_xml('public', true, true, '')",
        "SELECT database_to_xml(true, true, '')",
        "SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', first_name) FROM public.clients')",
        "SELECT pg_sleep(0)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT lo_get(lo_from_bytea(0, 'x'))",
        "SELECT pg_relation_size('public.clients')",
        "SELECT to_json(a) FROM pg_stat_activity a",
        "SELECT to_json(s) FROM pg_stats s",
        "SELECT to_json(s) FROM pg_stat_user_tables s",
        "SELECT to_json(c) FROM pg_class c",
        "SELECT to_json(p) FROM pg_proc p WHERE pronamespace = 'applet_host'::regnamespace",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT * FROM pg_ls_waldir()",
        "SELECT lo_import('/etc/hostname')",
    ] {
        let Ok(rows) = texts(&mut session, reading).await else { continue };
        let all = rows.join("\n").to_lowercase();
        assert!(!all.contains("berta"), "{reading}: {all}");
        seen += usize::from(all.contains("anna"));
    }
    assert!(seen >= 5, "own rows come through, so these are ways to rows at all: {seen}");
}

#[tokio::test]
async fn d1_who_can_build_neither_wall_is_told_what_is_missing() {
    let database = Database::managed().await;
    let manager = database.manager();
    let mut superuser = database.admin().await;
    let mut refusal = async |change: &str, back: &str| {
        run(&mut superuser, change).await.unwrap();
        let mut admin = Admin::connect(&database.url).await.unwrap();
        let refused = wall::prepare_database(&mut admin, &Default::default()).await.unwrap_err();
        assert!(matches!(refused, Error::MissingRight { .. }), "{refused}");
        run(&mut superuser, back).await.unwrap();
        let text = refused.to_string();
        assert!(
            text.contains(&manager) && text.contains("SUPERUSER, or else") || text.contains("PUBLIC"),
            "{text}"
        );
        text
    };
    let attribute =
        (format!("ALTER ROLE {manager} NOCREATEROLE"), format!("ALTER ROLE {manager} CREATEROLE"));
    assert!(refusal(&attribute.0, &attribute.1).await.contains("CREATEROLE"));
    let table = ("ALTER TABLE chats OWNER TO postgres", format!("ALTER TABLE chats OWNER TO {manager}"));
    assert!(refusal(table.0, &table.1).await.contains("ownership of table `public.chats`"));
    let name = &database.name;
    let whole = (
        format!("ALTER DATABASE {name} OWNER TO postgres"),
        format!("ALTER DATABASE {name} OWNER TO {manager}"),
    );
    let refused = refusal(&whole.0, &whole.1).await;
    assert!(refused.contains(&format!("ownership of database `{name}`")), "{refused}");
    let definer = (
        "CREATE FUNCTION public.leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
        "DROP FUNCTION public.leak()",
    );
    assert!(refusal(definer.0, definer.1).await.contains("`leak()`"));
    let view = ("CREATE VIEW peek AS TABLE clients; GRANT SELECT ON peek TO PUBLIC", "DROP VIEW peek");
    assert!(refusal(view.0, view.1).await.contains("peek"));
    let home =
        ("DROP SCHEMA IF EXISTS applet_host CASCADE; CREATE SCHEMA applet_host", "DROP SCHEMA applet_host");
    assert!(refusal(home.0, home.1).await.contains("ownership of schema `applet_host`"));
    database.prepare(&usual_grants()).await.unwrap();
    let refused = database.prepare_for(&usual_grants(), true, Purpose::Command).await.unwrap_err();
    assert!(refused.to_string().contains("SUPERUSER"), "row security can be left out by a superuser only");
    let mut admin = Admin::connect(&database.superuser_url()).await.unwrap();
    let refused = wall::prepare_database(&mut admin, &Default::default()).await.unwrap_err().to_string();
    assert!(
        refused.contains(&format!("belongs to `{manager}`")),
        "a superuser runs nobody's triggers: {refused}"
    );
}

/// Hands everything of the database over, the database itself included.
async fn hand_over(database: &Database, to: &str) {
    let sql = format!(
        "DO $$ DECLARE o record; BEGIN
           EXECUTE format('ALTER DATABASE %I OWNER TO {to}', current_database());
           FOR o IN SELECT n.nspname FROM pg_namespace n WHERE n.nspname IN ('applet_host', 'backoffice') LOOP
             EXECUTE format('ALTER SCHEMA %I OWNER TO {to}', o.nspname); END LOOP;
           FOR o IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname IN ('applet_host', 'backoffice', 'public') AND c.relkind IN ('r', 'p', 'v', 'm') LOOP
             EXECUTE format('ALTER TABLE %s OWNER TO {to}', o.name); END LOOP;
           FOR o IN SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                    WHERE n.nspname IN ('applet_host', 'public') LOOP
             EXECUTE format('ALTER FUNCTION %s OWNER TO {to}', o.name); END LOOP;
         END $$"
    );
    run(&mut database.admin().await, &sql).await.unwrap();
}

#[tokio::test]
async fn d1_the_form_changes_both_ways_and_no_session_sees_more() {
    let (mut database, signed, mut session) = guest().await;
    let managed = database.url.clone();
    // In the signed form a guest may set what it likes; it must not be believed later.
    set_config(&mut session, "applet.tenant", B).await.unwrap();

    hand_over(&database, "postgres").await;
    database.url = database.superuser_url();
    let plain = database.prepare(&usual_grants()).await.unwrap();
    assert_eq!((plain.keys.tenant_form(), &plain.login), (TenantForm::Plain, &signed.login));
    assert!(texts(&mut session, NAMES).await.is_err(), "sessions from before have ended");
    let mut session = database.session(&plain.login).await;
    set_tenant(&mut session, &plain, A).await;
    assert_eq!(texts(&mut session, NAMES).await.unwrap(), ["Anna", "Boris"]);
    assert_eq!(set_config(&mut session, "applet.tenant", B).await, Err("42501".to_owned()));
    audited(&database, &mut session).await;
    let keys = "SELECT count(*) FROM applet_host.tenant_key";
    assert_eq!(texts(&mut database.admin().await, keys).await.unwrap(), ["0"]);

    // On another server nothing is revoked any more.
    hand_over(&database, &database.manager()).await;
    let open = "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog TO PUBLIC; GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC";
    run(&mut database.admin().await, open).await.unwrap();
    database.url = managed;
    let signed = database.prepare(&usual_grants()).await.unwrap();
    assert_eq!(signed.keys.tenant_form(), TenantForm::Signed);
    assert_eq!(
        texts(&mut session, NAMES).await,
        Err("AH005".to_owned()),
        "the plain setting is not believed"
    );
    set_tenant(&mut session, &signed, A).await;
    assert_eq!(texts(&mut session, NAMES).await.unwrap(), ["Anna", "Boris"]);
    audited(&database, &mut session).await;
}

/// A write is recorded as the session's tenant's.
async fn audited(database: &Database, session: &mut PgConnection) {
    let write = format!(
        "SELECT applet_host.audit_write('{A}', '{A}', 'ai-chat', '{A}', NULL, 'insert', ARRAY['clients'], 'INSERT …', 1, 20, NULL)"
    );
    run(session, &write).await.unwrap();
    let trail = "SELECT DISTINCT tenant FROM applet_host.audit";
    assert_eq!(texts(&mut database.admin().await, trail).await.unwrap(), [A]);
}

#[tokio::test]
async fn f2_the_twin_check_finds_a_leak_without_a_superusers_rights() {
    let database = Database::managed().await;
    let prepared = database.prepare(&usual_grants()).await.unwrap();
    let catalog = database.catalog().await;
    let grants = usual_grants();
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let role = prepared.login.role.as_str();
    let check = async |admin: &mut Admin| {
        let report = twin::check(admin, role, tenant(A), &catalog, &grants).await.unwrap();
        report.tables.into_iter().map(|table| (table.table, table.verdict)).collect::<Vec<_>>()
    };
    let held = check(&mut admin).await;
    assert!(held.contains(&("clients".to_owned(), TwinVerdict::Holds { rows: 2 })), "{held:?}");
    assert!(held.iter().all(|(_, verdict)| matches!(verdict, TwinVerdict::Holds { .. })), "{held:?}");
    let mut manager = connect(&database.url).await;
    let member = format!(
        "SELECT roleid::regrole FROM pg_auth_members WHERE member = '{}'::regrole",
        database.manager()
    );
    assert_eq!(
        texts(&mut manager, &member).await.unwrap(),
        ["pg_signal_backend"],
        "it plays the role for the check only"
    );

    // Without a neighbour a stranger comes, and goes again.
    run(
        &mut manager,
        &format!("DELETE FROM chats WHERE tenant_id = '{B}'; DELETE FROM clients WHERE tenant_id = '{B}'"),
    )
    .await
    .unwrap();
    let held = check(&mut admin).await;
    assert!(held.contains(&("clients".to_owned(), TwinVerdict::Holds { rows: 2 })), "{held:?}");
    assert_eq!(texts(&mut manager, "SELECT id FROM tenants").await.unwrap().len(), 2);

    let open =
        "ALTER POLICY tenant_rows ON clients USING (true); ALTER POLICY tenant_wall ON clients USING (true)";
    run(&mut manager, open).await.unwrap();
    let leaking = check(&mut admin).await;
    let clients = leaking.iter().find(|(table, _)| table == "clients").unwrap();
    assert!(matches!(clients.1, TwinVerdict::Leaks { .. }), "{leaking:?}");
}

#[tokio::test]
async fn s4_36_the_host_reaches_all_rows_of_own_tables_that_it_forces() {
    let database = Database::managed().await;
    let mut manager = connect(&database.url).await;
    run(
        &mut manager,
        "CREATE TABLE applet_ai_chat_notes (tenant_id uuid NOT NULL, id bigint, PRIMARY KEY (tenant_id, id))",
    )
    .await
    .unwrap();
    let mut grants = Grants::builder();
    let physical = PhysicalTable::of(&applet(), &name("notes")).unwrap();
    grants.own_table(name("notes"), physical.clone()).read = Some(Columns::All);
    database.prepare(&grants.build()).await.unwrap();
    let insert = format!("INSERT INTO applet_ai_chat_notes VALUES ('{A}', 1), ('{A}', 2), ('{B}', 3)");
    assert_eq!(run(&mut manager, &insert).await, Ok(3));
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let found = own_rows::find(&mut admin, &public(), physical.name(), "_deleted_x").await.unwrap().unwrap();
    assert_eq!(own_rows::count(&mut admin, &found.rows, tenant(A)).await.unwrap(), 2);
    assert!(own_rows::has_rows_of_others(&mut admin, &found.rows, &[tenant(A)]).await.unwrap());
    assert!(!own_rows::has_rows_of_others(&mut admin, &found.rows, &[tenant(A), tenant(B)]).await.unwrap());
    let forced: bool = sqlx::query_scalar(AssertSqlSafe(
        "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'applet_ai_chat_notes'".to_owned(),
    ))
    .fetch_one(&mut manager)
    .await
    .unwrap();
    assert!(forced);
}
