//! The second wall on a real PostgreSQL: what it lets through, what it stops, and that building it twice
//! is the same as building it once.

use crate::common::{A, B, Database, applet, connect, name, run, set_tenant, texts, usual_grants};
use applet_datasource::Admin;
use applet_datasource::wall::{Preparation, Purpose};
use applet_types::{Columns, Grants, Login, PhysicalTable, Secret, TenantForm};
use sqlx::{Connection as _, PgConnection};

/// Everything that a preparation can change, as text.
async fn fingerprint(admin: &mut PgConnection) -> Vec<String> {
    let sql = "
        SELECT concat('class ', oid, relacl, relrowsecurity, relforcerowsecurity, xmin) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'S')
        UNION ALL SELECT 'column ' || attrelid || attname || attacl::text FROM pg_attribute WHERE attacl IS NOT NULL
        UNION ALL SELECT 'proc ' || oid || proacl::text || xmin FROM pg_proc WHERE proacl IS NOT NULL
        UNION ALL SELECT concat('schema ', nspname, nspacl, xmin) FROM pg_namespace
        UNION ALL SELECT concat('database ', datname, datacl, xmin) FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT 'policy ' || oid || xmin FROM pg_policy
        UNION ALL SELECT 'role ' || a.oid || a.xmin FROM pg_authid a JOIN applet_host.login l ON l.role = a.rolname
        UNION ALL SELECT 'setting ' || setrole || setconfig::text FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole JOIN applet_host.login l ON l.role = r.rolname
        UNION ALL SELECT 'member ' || m.roleid || m.member FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN applet_host.login l ON l.role = r.rolname";
    let mut lines = texts(admin, sql).await.unwrap();
    lines.sort();
    lines
}

#[tokio::test]
async fn d1_preparing_twice_changes_nothing() {
    for database in Database::of_each_form().await {
        let grants = usual_grants();
        let first = database.prepare(&grants).await.unwrap();
        let mut admin = database.admin().await;
        let before = fingerprint(&mut admin).await;
        let second = database.prepare(&grants).await.unwrap();
        let after = fingerprint(&mut admin).await;
        let changed: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(changed.is_empty(), "{changed:#?}");
        assert_eq!(before.len(), after.len());
        assert_eq!(first.login, second.login);
        assert!(before.len() > 50);
    }
}

#[tokio::test]
async fn s4_51_an_applet_sees_and_writes_its_tenants_rows_only() {
    for database in Database::of_each_form().await {
        let prepared = database.prepare(&usual_grants()).await.unwrap();
        let mut session = database.session(&prepared.login).await;
        let names = "SELECT first_name FROM public.clients ORDER BY 1";
        assert_eq!(texts(&mut session, names).await.unwrap(), Vec::<String>::new(), "no tenant, no rows");
        set_tenant(&mut session, &prepared, A).await;
        assert_eq!(texts(&mut session, names).await.unwrap(), ["Anna", "Boris"]);
        assert_eq!(texts(&mut session, "SELECT name FROM public.countries").await.unwrap().len(), 2);
        let insert = |tenant: &str| {
            format!(
                "INSERT INTO public.clients (tenant_id, first_name) VALUES ('{tenant}', 'New') RETURNING id"
            )
        };
        assert_eq!(run(&mut session, &insert(A)).await, Ok(1));
        assert_eq!(run(&mut session, &insert(B)).await, Err("42501".to_owned()));
        assert_eq!(run(&mut session, "UPDATE public.clients SET first_name = 'X' WHERE id = 3").await, Ok(0));
        run(&mut session, "SET applet.tenant = ''").await.unwrap();
        assert_eq!(texts(&mut session, names).await.unwrap(), Vec::<String>::new());
        run(&mut session, "SET applet.tenant = 'x'' OR true --'").await.unwrap();
        let refused = match prepared.keys.tenant_form() {
            TenantForm::Plain => "22P02",
            TenantForm::Signed => "AH005",
        };
        assert_eq!(texts(&mut session, names).await, Err(refused.to_owned()), "malformed fails closed");
    }
}

const WHAT_A_SUPERUSER_TAKES_AWAY: &[&str] = &[
    "SELECT pg_terminate_backend(1)",
    "SELECT set_config('applet.tenant', 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', true)",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT table_to_xml('public.clients', true, true, '')",
    "SELECT pg_sleep(0)",
    "SELECT pg_notify('a', 'b')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock(1)",
    "SELECT lo_create(0)",
    "SELECT * FROM ts_stat('SELECT ''a''::tsvector')",
    "SELECT pg_relation_size('public.clients')",
    "SELECT * FROM pg_stat_activity",
    "SELECT * FROM pg_stat_user_tables",
    "SELECT * FROM pg_settings",
    "DO 'BEGIN END'",
];

#[tokio::test]
async fn d1_an_applet_can_use_nothing_but_its_grants() {
    for database in Database::of_each_form().await {
        let prepared = database.prepare(&usual_grants()).await.unwrap();
        let mut session = database.session(&prepared.login).await;
        set_tenant(&mut session, &prepared, A).await;
        for denied in [
            "SELECT * FROM public.api_keys",
            "SELECT * FROM public.settings",
            "SELECT * FROM public.all_clients",
            "SELECT * FROM public.client_counts",
            "SELECT * FROM public.tenants",
            "SELECT \"Odd Name\" FROM public.clients",
            "SELECT client_id FROM public.chats",
            "SELECT * FROM backoffice.payroll",
            "SELECT * FROM applet_host.secret",
            "SELECT * FROM applet_host.audit",
            "SELECT * FROM applet_host.tenant_key",
            "INSERT INTO public.clients (id, tenant_id, first_name) VALUES (9, 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'x')",
            "UPDATE public.clients SET created_at = now()",
            "UPDATE public.clients SET tenant_id = tenant_id",
            "DELETE FROM public.clients",
            "INSERT INTO public.countries VALUES ('XX', 'x')",
            "SELECT public.count_all_clients()",
            "SELECT setval('public.clients_id_seq', 1)",
            "SELECT * FROM pg_authid",
            "CREATE TABLE public.mine (a int)",
            "CREATE TEMP TABLE mine (a int)",
            "CREATE SCHEMA mine",
            "SET ROLE postgres",
            "SET temp_file_limit = -1",
            "TRUNCATE public.clients",
        ] {
            assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
        }
        if prepared.keys.tenant_form() == TenantForm::Plain {
            for denied in WHAT_A_SUPERUSER_TAKES_AWAY {
                assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
            }
        }
    }
}

#[tokio::test]
async fn d1_rights_beyond_the_grants_are_taken_away() {
    let database = Database::alone().await;
    let grants = usual_grants();
    let prepared = database.prepare(&grants).await.unwrap();
    let role = prepared.login.role.clone();
    let mut admin = database.admin().await;
    let other = format!("other_{}", database.name);
    run(&mut admin, &format!(
        "CREATE ROLE {other}; GRANT {other} TO {role}; GRANT ALL ON api_keys TO {role}; GRANT SELECT (key) ON settings TO {role};
         GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO {role}; GRANT CREATE ON SCHEMA public TO {role};
         ALTER ROLE {role} CREATEDB BYPASSRLS CONNECTION LIMIT -1 VALID UNTIL '2030-01-01' PASSWORD 'x';
         ALTER ROLE {role} SET statement_timeout = 0;
         ALTER ROLE {role} IN DATABASE {} SET row_security = off;
         CREATE TABLE theirs (a int); ALTER TABLE theirs OWNER TO {role};
         CREATE POLICY wide ON clients TO {role} USING (true);
         DROP POLICY tenant_wall ON chats; ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY;
         GRANT SELECT ON api_keys TO applet_guest; GRANT {other} TO applet_guest", database.name
    )).await.unwrap();
    let before = database.prepare(&grants).await.unwrap();
    assert_eq!(before.login, prepared.login);
    let mut session = database.session(&prepared.login).await;
    set_tenant(&mut session, &prepared, A).await;
    for denied in [
        "SELECT * FROM api_keys",
        "SELECT key FROM settings",
        "SELECT set_config('a.b', 'c', false)",
        "CREATE TABLE public.mine (a int)",
        "SELECT * FROM theirs",
    ] {
        assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
    }
    let bad = format!("SELECT 1 FROM pg_roles WHERE rolname = '{role}' AND (rolbypassrls OR rolcreatedb OR rolconnlimit < 0)
        UNION ALL SELECT 2 FROM pg_auth_members m WHERE m.member = 'applet_guest'::regrole
        UNION ALL SELECT 3 FROM pg_auth_members m WHERE m.member = '{role}'::regrole AND m.roleid <> 'applet_guest'::regrole
        UNION ALL SELECT 4 FROM pg_class WHERE relname IN ('api_keys', 'chats') AND NOT relrowsecurity
        UNION ALL SELECT 5 FROM pg_policy WHERE polname = 'wide' AND '{role}'::regrole = ANY (polroles)
        UNION ALL SELECT 6 WHERE (SELECT count(*) FROM pg_policy WHERE polname = 'tenant_wall') <> (SELECT count(*) FROM pg_policy WHERE polname = 'tenant_rows')
        UNION ALL SELECT 7 FROM pg_db_role_setting WHERE setrole = '{role}'::regrole AND setdatabase <> 0");
    assert_eq!(texts(&mut admin, &bad).await.unwrap(), Vec::<String>::new());
    assert_eq!(texts(&mut session, "SELECT current_setting('statement_timeout')").await.unwrap(), ["5s"]);
}

#[tokio::test]
async fn d1_a_smaller_manifest_of_a_command_leaves_no_earlier_role_behind() {
    for database in Database::of_each_form().await {
        let first = database.prepare_for(&usual_grants(), false, Purpose::Command).await.unwrap();
        let mut smaller = Grants::builder();
        smaller.table(name("clients")).read = Some(Columns::Only([name("first_name")].into()));
        let second = database.prepare_for(&smaller.build(), false, Purpose::Command).await.unwrap();
        assert_ne!(first.login.role, second.login.role);
        let mut admin = database.admin().await;
        let left = format!("SELECT 1 FROM pg_roles WHERE rolname = '{}'", first.login.role);
        assert_eq!(texts(&mut admin, &left).await.unwrap(), Vec::<String>::new());
        let mut session = database.session(&second.login).await;
        set_tenant(&mut session, &second, A).await;
        assert_eq!(run(&mut session, "SELECT email FROM clients").await, Err("42501".to_owned()));
        assert_eq!(run(&mut session, "SELECT 1 FROM clients WHERE tenant_id IS NOT NULL").await, Ok(2));
    }
}

#[tokio::test]
async fn d1_a_role_stays_as_long_as_the_command_that_made_it_runs() {
    for database in Database::of_each_form().await {
        let catalog = database.catalog().await;
        let grants = usual_grants();
        let mut maker = Admin::connect(&database.url).await.unwrap();
        let preparation = Preparation {
            applet: &applet(),
            grants: &grants,
            catalog: &catalog,
            schemas: &["public".to_owned()],
            bypass: false,
            purpose: Purpose::Command,
        };
        let first = applet_datasource::wall::prepare(&mut maker, &preparation).await.unwrap();
        let mut smaller = Grants::builder();
        smaller.table(name("clients")).read = Some(Columns::All);
        let smaller = smaller.build();
        let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = '{}'", first.login.role);
        let mut admin = database.admin().await;
        database.prepare_for(&smaller, false, Purpose::Command).await.unwrap();
        assert_eq!(texts(&mut admin, &exists).await.unwrap().len(), 1);
        maker.close().await.unwrap();
        database.prepare_for(&smaller, false, Purpose::Command).await.unwrap();
        assert_eq!(texts(&mut admin, &exists).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn d1_a_role_of_an_installation_outlives_commands() {
    for database in Database::of_each_form().await {
        let role = database.prepare_for(&usual_grants(), false, Purpose::Command).await.unwrap().login.role;
        database.prepare(&usual_grants()).await.unwrap();
        database.prepare_for(&usual_grants(), false, Purpose::Command).await.unwrap();
        let mut smaller = Grants::builder();
        smaller.table(name("clients")).read = Some(Columns::All);
        database.prepare_for(&smaller.build(), false, Purpose::Command).await.unwrap();
        let mut admin = database.admin().await;
        let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(texts(&mut admin, &exists).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn d1_two_databases_of_a_server_are_prepared_at_the_same_time() {
    // New to a server: all of them find that `applet_guest` is missing.
    let one = Database::alone().await;
    let two = one.beside().await;
    let grants = usual_grants();
    for _ in 0..3 {
        let (first, again, second) =
            tokio::join!(one.prepare(&grants), one.prepare(&grants), two.prepare(&grants));
        let (first, again, second) = (first.unwrap(), again.unwrap(), second.unwrap());
        assert_eq!(first.login, again.login);
        assert_ne!(first.login.role, second.login.role);
        for prepared in [&first, &second] {
            assert!(prepared.login.role.len() <= 63);
        }
    }
}

#[tokio::test]
async fn s4_22_own_tables_are_forced_and_their_stamp_can_be_kept() {
    for database in Database::of_each_form().await {
        let mut admin = connect(&database.url).await;
        run(
        &mut admin,
        "CREATE TABLE applet_ai_chat_notes (tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY,
         body text, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), PRIMARY KEY (tenant_id, id))",
    )
    .await
    .unwrap();
        let mut grants = Grants::builder();
        let own = grants.own_table(name("notes"), PhysicalTable::of(&applet(), &name("notes")).unwrap());
        own.insert = Some(Columns::All);
        own.update = Some(Columns::Only([name("body")].into()));
        let prepared = database.prepare(&grants.build()).await.unwrap();
        let forced = "SELECT relname FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace";
        assert_eq!(texts(&mut admin, forced).await.unwrap(), ["applet_ai_chat_notes"]);
        let mut session = database.session(&prepared.login).await;
        set_tenant(&mut session, &prepared, A).await;
        let insert =
            format!("INSERT INTO applet_ai_chat_notes (tenant_id, body) VALUES ('{A}', 'x') RETURNING id");
        assert_eq!(run(&mut session, &insert).await, Ok(1));
        let update = "UPDATE applet_ai_chat_notes SET body = 'y', updated_at = now() WHERE id = 1";
        assert_eq!(run(&mut session, update).await, Ok(1));
        for denied in [
            "SELECT body FROM applet_ai_chat_notes",
            "DELETE FROM applet_ai_chat_notes",
            "ALTER TABLE applet_ai_chat_notes ADD a int",
        ] {
            assert_eq!(run(&mut session, denied).await, Err("42501".to_owned()), "{denied}");
        }
        let seen = texts(&mut admin, "SELECT body FROM applet_ai_chat_notes").await;
        assert_eq!(seen.unwrap(), ["y"], "the host counts and exports as the owner");
    }
}

#[tokio::test]
async fn d1_a_copy_of_a_prepared_database_lets_only_its_own_roles_in() {
    let original = Database::new().await;
    let prepared = original.prepare_for(&usual_grants(), false, Purpose::Command).await.unwrap();
    let copy = original.copy().await;
    let other = copy.prepare_for(&usual_grants(), false, Purpose::Command).await.unwrap();
    assert_ne!(prepared.login.role, other.login.role);
    for (database, login, allowed) in [
        (&original, &prepared.login, true),
        (&original, &other.login, false),
        (&copy, &other.login, true),
        (&copy, &prepared.login, false),
    ] {
        let mut session = database.session(login).await;
        set_tenant(&mut session, &prepared, A).await;
        let read = run(&mut session, "SELECT id FROM clients").await;
        assert_eq!(read, if allowed { Ok(2) } else { Err("42501".to_owned()) }, "{}", database.name);
    }
}

#[tokio::test]
async fn d1_owners_that_are_no_superusers_keep_their_tables() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    let owner = format!("owner_{}", database.name);
    run(&mut admin, &format!("CREATE ROLE {owner} LOGIN; ALTER TABLE clients OWNER TO {owner}"))
        .await
        .unwrap();
    let prepared = database.prepare(&usual_grants()).await.unwrap();
    let mut session = database.session(&Login { role: owner, password: Secret::new("") }).await;
    assert_eq!(run(&mut session, "SELECT id FROM clients").await, Ok(3));
    assert_eq!(
        run(&mut session, "INSERT INTO clients (tenant_id, first_name) SELECT id, 'New' FROM tenants").await,
        Err("42501".to_owned())
    );
    assert_eq!(run(&mut session, "UPDATE clients SET first_name = 'New'").await, Ok(3));
    let mut applet = database.session(&prepared.login).await;
    set_tenant(&mut applet, &prepared, A).await;
    assert_eq!(run(&mut applet, "SELECT id FROM clients").await, Ok(2));
}

#[tokio::test]
async fn d1_other_roles_keep_what_they_had() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    let clerk = format!("clerk_{}", database.name);
    run(&mut admin, &format!(
        "CREATE ROLE {clerk} LOGIN; GRANT SELECT, INSERT ON clients TO {clerk}; GRANT SELECT (id) ON chats TO {clerk};
         CREATE ROLE {clerk}_reader LOGIN IN ROLE pg_read_all_data"
    )).await.unwrap();
    let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let mut session = PgConnection::connect_with(&options.username(&clerk)).await.unwrap();
    let can = [
        "SELECT id FROM clients",
        "SELECT id FROM chats",
        "SELECT * FROM all_clients",
        "SELECT * FROM settings",
        "SELECT * FROM backoffice.payroll",
        "SELECT set_config('a.b', 'c', false)",
        "SELECT pg_notify('a', 'b')",
        "CREATE TEMP TABLE mine (a int)",
        "DO 'BEGIN END'",
        "SELECT count_all_clients()",
    ];
    for sql in can {
        run(&mut session, "DROP TABLE IF EXISTS mine").await.unwrap();
        run(&mut session, sql).await.unwrap_or_else(|code| panic!("before: {sql}: {code}"));
    }
    database.prepare(&usual_grants()).await.unwrap();
    for sql in can {
        run(&mut session, "DROP TABLE IF EXISTS mine").await.unwrap();
        run(&mut session, sql).await.unwrap_or_else(|code| panic!("after: {sql}: {code}"));
    }
    assert_eq!(
        texts(&mut session, "SELECT id FROM clients").await.unwrap().len(),
        3,
        "all tenants, as before"
    );
}

#[tokio::test]
async fn d1_policies_of_a_table_that_had_row_security_are_not_widened() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    let clerk = format!("clerk_{}", database.name);
    run(&mut admin, &format!(
        "CREATE ROLE {clerk} LOGIN; GRANT SELECT ON clients, api_keys TO {clerk};
         ALTER TABLE clients ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON clients TO {clerk} USING (id = 1);
         ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY; CREATE POLICY open ON clients TO PUBLIC USING (id < 3)"
    )).await.unwrap();
    for _ in 0..2 {
        let prepared = database.prepare(&usual_grants()).await.unwrap();
        let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
        let mut session = PgConnection::connect_with(&options.username(&clerk)).await.unwrap();
        assert_eq!(texts(&mut session, "SELECT id FROM clients").await.unwrap().len(), 2);
        assert_eq!(texts(&mut session, "SELECT id FROM api_keys").await.unwrap().len(), 0);
        let mut applet = database.session(&prepared.login).await;
        assert_eq!(
            texts(&mut applet, "SELECT id FROM public.clients").await.unwrap().len(),
            0,
            "a policy for PUBLIC widens nothing"
        );
    }
}

#[tokio::test]
async fn d9_audit_takes_tenant_and_role_from_the_session() {
    for database in Database::of_each_form().await {
        let prepared = database.prepare(&usual_grants()).await.unwrap();
        let mut session = database.session(&prepared.login).await;
        let write = format!(
            "SELECT applet_host.audit_write('{A}', '{A}', 'ai-chat', '{A}', NULL, 'insert', ARRAY['clients'], 'INSERT …', 1, 20, NULL)"
        );
        assert_eq!(
            run(&mut session, &write).await,
            Err("23502".to_owned()),
            "without a tenant there is no trail"
        );
        set_tenant(&mut session, &prepared, A).await;
        run(&mut session, &write).await.unwrap();
        let mut admin = database.admin().await;
        let row = texts(&mut admin, "SELECT tenant || ' ' || role FROM applet_host.audit").await.unwrap();
        assert_eq!(row, [format!("{A} {}", prepared.login.role)]);
    }
}

#[tokio::test]
async fn wall_gate_runs_as_a_role_of_its_own_that_policies_do_not_bind() {
    let database = Database::new().await;
    let prepared = database.prepare_for(&usual_grants(), true, Purpose::Command).await.unwrap();
    assert!(prepared.login.role.ends_with("_bp"));
    let mut session = database.session(&prepared.login).await;
    assert_eq!(texts(&mut session, "SELECT id FROM public.clients").await.unwrap().len(), 3);
    assert_eq!(run(&mut session, "SELECT * FROM public.api_keys").await, Err("42501".to_owned()));
    database.prepare_for(&usual_grants(), false, Purpose::Command).await.unwrap();
    let mut admin = database.admin().await;
    let left = "SELECT rolname FROM pg_roles JOIN applet_host.login ON role = rolname WHERE rolbypassrls";
    assert_eq!(texts(&mut admin, left).await.unwrap().len(), 1, "its session is open");
    drop(session);
}
