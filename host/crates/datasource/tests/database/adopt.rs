//! Adopting a database that is not the host's own, and leaving it as it was.

use applet_datasource::adopt::{self, Undone};
use applet_datasource::catalog::{CatalogOptions, Reach};
use applet_datasource::wall::{Preparation, Purpose};
use applet_datasource::{Admin, Error, catalog, doctor, wall};

use super::common::{Database, applet, name, run, texts, usual_grants};

fn options() -> CatalogOptions {
    CatalogOptions { reach: Reach::Adopted, global_tables: [name("countries")].into(), ..Default::default() }
}

/// Policies, row security and rights, as they are in force: a list of privileges that says what the default
/// is counts as that default. Applets' roles and the host's own schema left out.
const SNAPSHOT: &str = "
SELECT 'policy ' || p.polrelid::regclass || ' ' || p.polname || ' ' || p.polcmd::text || ' ' || p.polpermissive || ' '
       || array_to_string(ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) r ORDER BY 1), ',') || ' '
       || coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy p
UNION ALL SELECT 'security ' || c.oid::regclass || ' ' || c.relrowsecurity || ' ' || c.relforcerowsecurity
FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace IS DISTINCT FROM to_regnamespace('applet_host')
UNION ALL SELECT 'right ' || x.what || ' ' || a.grantee::regrole || ' ' || a.grantor::regrole || ' ' || a.privilege_type || ' ' || a.is_grantable
FROM (SELECT p.oid::regprocedure::text, p.pronamespace, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p
      UNION ALL SELECT c.oid::regclass::text, c.relnamespace, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, c.relowner))
                FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL SELECT t.attrelid::regclass || '.' || t.attname, 0, t.attacl FROM pg_attribute t WHERE t.attacl IS NOT NULL
      UNION ALL SELECT n.nspname, n.oid, coalesce(n.nspacl, acldefault('n', n.nspowner)) FROM pg_namespace n
      UNION ALL SELECT l.lanname, 0, coalesce(l.lanacl, acldefault('l', l.lanowner)) FROM pg_language l
      UNION ALL SELECT d.datname, 0, coalesce(d.datacl, acldefault('d', d.datdba)) FROM pg_database d WHERE d.datname = current_database()
     ) AS x (what, home, acl), aclexplode(x.acl) a
WHERE x.home IS DISTINCT FROM to_regnamespace('applet_host')::oid
  AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolname ~ '^(ah_[0-9a-f]{8}_|applet_guest$)')
ORDER BY 1";

async fn snapshot(database: &Database) -> Vec<String> {
    texts(&mut database.admin().await, SNAPSHOT).await.unwrap()
}

/// A role that works in the database, a table whose owner has row security on already, rights on columns.
async fn lived_in(database: &Database) -> String {
    let clerk = format!("clerk_{}", database.name);
    run(&mut database.admin().await, &format!(
        "CREATE ROLE {clerk} LOGIN; GRANT SELECT, INSERT ON clients TO {clerk}; GRANT SELECT (id) ON chats TO PUBLIC;
         GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO {clerk};
         ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
         GRANT SELECT ON api_keys TO {clerk};
         CREATE POLICY theirs ON api_keys TO {clerk} USING (key = 'sk-a')"
    )).await.unwrap();
    clerk
}

async fn count_as(database: &Database, role: &str, table: &str) -> Vec<String> {
    let mut admin = database.admin().await;
    run(&mut admin, &format!("SET ROLE {role}")).await.unwrap();
    texts(&mut admin, &format!("SELECT count(*) FROM {table}")).await.unwrap()
}

/// Spec: S4.51
#[tokio::test]
async fn d1_a_plan_changes_nothing_and_what_is_adopted_can_be_undone() {
    let database = Database::new().await;
    let clerk = lived_in(&database).await;
    let before = snapshot(&database).await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let plan = adopt::plan(&mut admin, &options()).await.unwrap();
    assert_eq!(snapshot(&database).await, before);
    let schemas = texts(&mut database.admin().await, "SELECT to_regnamespace('applet_host') IS NULL").await;
    assert_eq!(schemas.unwrap(), ["true"], "not even our own schema is there");
    let of = |table: &str| plan.tables.iter().find(|adopted| adopted.table == table).unwrap().clone();
    assert_eq!(of("public.clients").keep_all_rows, std::slice::from_ref(&clerk));
    assert_eq!(
        of("public.chats").keep_all_rows,
        std::slice::from_ref(&clerk),
        "it had rights as one of PUBLIC"
    );
    assert!(of("public.api_keys").had_row_security && of("public.api_keys").keep_all_rows.is_empty());
    assert!(plan.public_loses.iter().any(|right| right.contains("set_config")));
    assert!(
        plan.public_loses.contains(&"SELECT (id) on table public.chats".to_owned()),
        "{:?}",
        plan.public_loses
    );
    assert!(plan.given_by_name[&clerk].iter().any(|right| right.contains("set_config")));
    assert_eq!(adopt::plan(&mut admin, &options()).await.unwrap(), plan, "the same plan has the same digest");

    adopt::apply(&mut admin, &options(), Some(&plan.digest), "olga").await.unwrap();
    let after = snapshot(&database).await;
    assert_ne!(after, before);
    assert_eq!(count_as(&database, &clerk, "clients").await, ["3"], "who had rights keeps all rows");
    assert_eq!(count_as(&database, &clerk, "(SELECT id FROM chats) AS seen").await, ["2"]);
    assert_eq!(count_as(&database, &clerk, "api_keys").await, ["1"], "by the owner's own policy");
    wall::prepare_database(&mut admin, &options()).await.unwrap();
    assert_eq!(snapshot(&database).await, after, "what was adopted needs nothing more");
    assert!(adopt::plan(&mut admin, &options()).await.unwrap().is_empty());
    let who = "SELECT actor || ' ' || digest FROM applet_host.adoptions WHERE undone_at IS NULL";
    let who = texts(&mut database.admin().await, who).await.unwrap();
    assert_eq!(who, [format!("olga {}", plan.digest)]);

    let undone = adopt::undo(&mut admin, "olga").await.unwrap();
    assert_eq!(undone.tables.len(), plan.tables.len());
    assert_eq!(snapshot(&database).await, before);
    assert_eq!(adopt::undo(&mut admin, "olga").await.unwrap(), Undone::default(), "once is enough");
    wall::prepare_database(&mut admin, &options()).await.unwrap();
    assert_eq!(snapshot(&database).await, before, "and it stays so");
    let again = adopt::plan(&mut admin, &options()).await.unwrap();
    assert_eq!(again.tables.len(), plan.tables.len());
}

/// Spec: S4.51
#[tokio::test]
async fn d1_nothing_of_a_database_is_seen_before_it_is_adopted() {
    let database = Database::new().await;
    let before = snapshot(&database).await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    wall::prepare_database(&mut admin, &options()).await.unwrap();
    assert_eq!(snapshot(&database).await, before, "a host that serves takes nothing on itself");
    let reading = catalog::read(&mut admin, &options()).await.unwrap();
    assert!(reading.catalog.not_adopted().contains(&name("clients")));
    assert!(reading.catalog.tables().all(|table| table.tenant_column().is_none()));
    let (applet, grants) = (applet(), usual_grants());
    let preparation = Preparation {
        applet: &applet,
        grants: &grants,
        catalog: &reading.catalog,
        options: &options(),
        bypass: false,
        purpose: Purpose::Installation,
    };
    assert!(matches!(wall::prepare(&mut admin, &preparation).await, Err(Error::NotAdopted)));
    let report = doctor::examine(&mut admin, &options()).await.unwrap();
    let problems = report.problems().join("\n");
    assert!(problems.contains("`clients`") && problems.contains("applet adopt"), "{problems}");

    adopt::apply(&mut admin, &options(), None, "olga").await.unwrap();
    let reading = catalog::read(&mut admin, &options()).await.unwrap();
    assert!(reading.catalog.not_adopted().is_empty());
    let prepared = wall::prepare(&mut admin, &Preparation { catalog: &reading.catalog, ..preparation }).await;
    assert_eq!(prepared.unwrap().missing, []);
}

/// Spec: S4.51
#[tokio::test]
async fn d1_a_table_that_comes_later_is_told_and_left_alone() {
    let database = Database::new().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let old = adopt::plan(&mut admin, &options()).await.unwrap();
    let later = "CREATE TABLE invoices (id int, tenant_id uuid)";
    run(&mut database.admin().await, later).await.unwrap();
    let before = snapshot(&database).await;
    let refused = adopt::apply(&mut admin, &options(), Some(&old.digest), "olga").await.unwrap_err();
    let Error::PlanChanged(now) = refused else { panic!("{refused}") };
    assert_eq!(snapshot(&database).await, before, "nothing of it was done");
    adopt::apply(&mut admin, &options(), Some(&now), "olga").await.unwrap();

    let later = "CREATE TABLE receipts (id int, tenant_id uuid); GRANT SELECT ON receipts TO PUBLIC";
    run(&mut database.admin().await, later).await.unwrap();
    wall::prepare_database(&mut admin, &options()).await.unwrap();
    let reading = catalog::read(&mut admin, &options()).await.unwrap();
    assert_eq!(reading.catalog.not_adopted().iter().collect::<Vec<_>>(), [&name("receipts")]);
    let secured = "SELECT relname FROM pg_class WHERE relname IN ('invoices', 'receipts') AND relrowsecurity";
    assert_eq!(texts(&mut database.admin().await, secured).await.unwrap(), ["invoices"]);
    let plan = adopt::plan(&mut admin, &options()).await.unwrap();
    assert_eq!(plan.tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["public.receipts"]);
}

/// Spec: S4.51
#[tokio::test]
async fn d1_what_others_have_built_stays_theirs() {
    let database = Database::new().await;
    let mut admin = Admin::connect(&database.url).await.unwrap();
    let mut sql = database.admin().await;
    run(&mut sql, "CREATE POLICY tenant_rows ON clients USING (true)").await.unwrap();
    let before = snapshot(&database).await;
    let refused = adopt::apply(&mut admin, &options(), None, "olga").await.unwrap_err().to_string();
    assert!(refused.contains("`clients`") && refused.contains("`tenant_rows`"), "{refused}");
    assert_eq!(snapshot(&database).await, before);
    run(&mut sql, "DROP POLICY tenant_rows ON clients; CREATE POLICY dormant ON chats USING (false)")
        .await
        .unwrap();
    let before = snapshot(&database).await;
    adopt::apply(&mut admin, &options(), None, "olga").await.unwrap();
    run(&mut sql, "CREATE POLICY since ON clients USING (id > 0)").await.unwrap();
    let refused = adopt::undo(&mut admin, "olga").await.unwrap_err().to_string();
    assert!(refused.contains("`clients`") && refused.contains("`since`"), "{refused}");
    run(&mut sql, "DROP POLICY since ON clients; DROP TABLE \"Mixed\"").await.unwrap();
    adopt::undo(&mut admin, "olga").await.unwrap();
    let left: Vec<String> = before.into_iter().filter(|line| !line.contains("Mixed")).collect();
    assert_eq!(snapshot(&database).await, left);
}
