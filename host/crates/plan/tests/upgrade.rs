//! Plans from one version to another (SPEC S4.32-34, F7): what each kind of change looks like, and what is
//! refused.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

#[expect(dead_code, reason = "shared with the other tests of plans")]
mod common;

use applet_catalog::{Catalog, Table};
use applet_manifest::{ValidatedManifest, load};
use applet_plan::{Plan, PlanRefusal, ProblemCode, Side, StepKind, diff, install, offer};
use common::{crm, golden, made, name, with};

/// A manifest of version `version` whose one table has these columns and indexes.
fn version(version: &str, columns: &[&str], indexes: &[&str]) -> ValidatedManifest {
    let columns: String = columns.iter().map(|column| format!("      - {{ {column} }}\n")).collect();
    let indexes: String = indexes.iter().map(|index| format!("      - {{ {index} }}\n")).collect();
    let indexes = if indexes.is_empty() { String::new() } else { format!("    indexes:\n{indexes}") };
    read(&format!(
        "manifestVersion: '1.0'\nid: notes\nversion: {version}\nname: Notes\n\
         permissions: {{ database: {{ createTables: true }} }}\n\
         tables:\n  - name: notes\n    columns:\n\
         \x20     - {{ name: id, type: bigserial, primary: true }}\n\
         \x20     - {{ name: tenant_id, type: uuid, required: true }}\n{columns}{indexes}"
    ))
}

fn read(text: &str) -> ValidatedManifest {
    load(text.as_bytes()).unwrap_or_else(|violations| panic!("{violations}\n{text}"))
}

fn try_upgrade(
    old: &ValidatedManifest,
    new: &ValidatedManifest,
    catalog: &Catalog,
) -> Result<Plan, PlanRefusal> {
    let (before, after) = (old.declared(), new.declared());
    let old = Side { manifest: old, grants: &before };
    diff(Some(old), Side { manifest: new, grants: &after }, catalog)
}

fn upgrade(old: &ValidatedManifest, new: &ValidatedManifest, catalog: &Catalog) -> Plan {
    try_upgrade(old, new, catalog).unwrap_or_else(|refusal| panic!("{refusal}"))
}

const BODY: &str = "name: body, type: varchar(100), required: true";

#[test]
fn s4_33_each_kind_of_change_prints_as_it_is_shown_to_an_admin() {
    let old = version(
        "1.0.0",
        &[
            BODY,
            "name: rating, type: 'decimal(3,2)', nullable: true",
            "name: mood, type: text, required: true",
            "name: colour, type: varchar(20), nullable: true",
        ],
        &["columns: [mood]"],
    );
    let new = version(
        "1.1.0",
        &[
            "name: body, type: varchar(200), required: true",
            "name: rating, type: 'decimal(8,2)', nullable: true",
            "name: colour, type: text, nullable: true",
            "name: stars, type: integer, default: 3, required: true",
            "name: token, type: uuid, nullable: true, default: gen_random_uuid()",
            "name: client_id, type: bigint, nullable: true, foreignKey: { table: clients, column: id }",
            "name: slug, type: text, nullable: true",
        ],
        &["columns: [stars]", "columns: [slug], unique: true"],
    );
    let catalog = made(crm(), &old);
    golden("upgrade", &upgrade(&old, &new, &catalog).render());
    // What the first version had is still there.
    let mood = catalog.table(&name("applet_notes_notes")).unwrap().column(&name("mood")).unwrap().clone();
    let there = relaxed(&changed(&made(crm(), &new), |table| table.columns.push(mood)), "mood");
    golden("rollback", &upgrade(&new, &old, &there).render());
}

#[test]
fn s4_34_a_removed_column_stays_and_asks_for_no_value() {
    let old = version("1.0.0", &[BODY], &[]);
    let new = version("1.1.0", &[], &[]);
    let catalog = made(crm(), &old);
    let plan = upgrade(&old, &new, &catalog);
    let sql: Vec<_> = plan.pending(&catalog).iter().map(|statement| statement.sql()).collect();
    assert_eq!(sql, ["ALTER TABLE public.applet_notes_notes ALTER COLUMN body DROP NOT NULL"]);
    assert!(
        !new.declared()
            .table(&name("applet_notes_notes"))
            .unwrap()
            .read
            .as_ref()
            .unwrap()
            .contains(&name("body"))
    );

    // The name can be declared again, with the same type: the values are still there.
    let relaxed = relaxed(&catalog, "body");
    let again = version("1.2.0", &["name: body, type: varchar(100), nullable: true"], &[]);
    assert!(upgrade(&new, &again, &relaxed).pending(&relaxed).is_empty());
    let other = version("1.2.0", &["name: body, type: jsonb, nullable: true"], &[]);
    let refusal = try_upgrade(&new, &other, &relaxed).unwrap_err();
    assert_eq!(
        refusal.problems()[0].message,
        "table `applet_notes_notes` exists with another shape: column `body` is of type character varying(100), not jsonb"
    );
}

fn changed(catalog: &Catalog, change: impl FnOnce(&mut Table)) -> Catalog {
    with(catalog.clone(), "applet_notes_notes", change)
}

fn relaxed(catalog: &Catalog, column: &str) -> Catalog {
    let relax = |table: &mut Table| {
        table
            .columns
            .iter_mut()
            .filter(|there| there.name.as_str() == column)
            .for_each(|there| there.nullable = true);
    };
    changed(catalog, relax)
}

/// Columns before and after, indexes after, and the words of the refusal.
type Refused = (&'static [&'static str], &'static [&'static str], &'static [&'static str], &'static str);

/// What is refused, and how the refusal says to do it instead.
const REFUSED: &[Refused] = &[
    (
        &["name: n, type: integer"],
        &["name: n, type: bigint"],
        &[],
        "write every row anew while everybody waits; add a new column",
    ),
    (&["name: n, type: integer"], &["name: n, type: text"], &[], "its values may not fit; add a new column"),
    (&["name: n, type: text"], &["name: n, type: varchar(10)"], &[], "its values may not fit"),
    (&["name: n, type: 'decimal(4,2)'"], &["name: n, type: 'decimal(6,4)'"], &[], "write every row anew"),
    (&["name: n, type: 'decimal(6,2)'"], &["name: n, type: 'decimal(4,2)'"], &[], "its values may not fit"),
    (
        &["name: n, type: integer"],
        &["name: n, type: serial"],
        &[],
        "cannot change between integer and serial",
    ),
    (
        &["name: n, type: text, nullable: true"],
        &["name: n, type: text, required: true"],
        &[],
        "cannot stop being nullable",
    ),
    (
        &["name: n, type: integer, default: 1"],
        &["name: n, type: integer, default: 2"],
        &[],
        "older versions insert with it",
    ),
    (
        &["name: n, type: integer"],
        &["name: n, type: integer, default: 2"],
        &[],
        "the default of column `n` cannot change",
    ),
    (
        &[],
        &["name: n, type: text, required: true"],
        &[],
        "give it a default, or make it nullable and fill it in `on-upgrade`",
    ),
    (&[], &["name: n, type: serial"], &[], "would number every row anew"),
    (
        &[],
        &["name: n, type: uuid, required: true, default: gen_random_uuid()"],
        &[],
        "make it nullable and fill it in `on-upgrade`",
    ),
    (
        &["name: n, type: bigint, nullable: true"],
        &["name: n, type: bigint, nullable: true, foreignKey: { table: clients, column: id }"],
        &[],
        "add a new nullable column that points there",
    ),
    (
        &["name: n, type: text, nullable: true"],
        &["name: n, type: text, nullable: true"],
        &["columns: [n], unique: true"],
        "a unique index on (tenant_id, n) would bind rows of older versions",
    ),
    (
        &[],
        &["name: n, type: text, default: x, nullable: true"],
        &["columns: [n], unique: true"],
        "put it on a new nullable column",
    ),
];

#[test]
fn s4_33_what_is_no_addition_is_refused_with_the_way_to_do_it() {
    for (before, after, indexes, reason) in REFUSED {
        let (old, new) = (version("1.0.0", before, &[]), version("1.1.0", after, indexes));
        let refusal = try_upgrade(&old, &new, &made(crm(), &old)).expect_err(reason);
        let told: Vec<_> =
            refusal.problems().iter().filter(|problem| problem.code == ProblemCode::NotAdditive).collect();
        assert!(told.iter().any(|problem| problem.message.contains(reason)), "{reason}: {refusal}");
    }
}

#[test]
fn f7_every_refused_change_can_still_be_gone_back_on() {
    // Going back asks for nothing but what is there, whatever the two versions say.
    let old = version("1.0.0", &["name: n, type: varchar(10), required: true"], &["columns: [n]"]);
    let new = version(
        "1.1.0",
        &["name: n, type: text, nullable: true", "name: m, type: text, nullable: true"],
        &[],
    );
    let there = made(crm(), &new);
    let plan = upgrade(&new, &old, &there);
    assert!(plan.pending(&there).is_empty(), "{}", plan.render());
    assert!(plan.render().starts_with("roll back Notes (notes) from 1.1.0 to 1.0.0"));
}

#[test]
fn s4_33_tables_that_a_newer_version_has_changed_are_joined_by_older_ones() {
    let old = version("1.0.0", &[BODY], &[]);
    let new = version("1.1.0", &["name: body, type: text, nullable: true", "name: n, type: integer"], &[]);
    let there = made(crm(), &new);
    let plan = install(&old, &old.declared(), &there).unwrap();
    assert!(plan.pending(&there).is_empty() && plan.adjustments().is_empty());
    assert_eq!(plan.digest(), install(&old, &old.declared(), &crm()).unwrap().digest());
}

#[test]
fn s4_33_tables_of_an_older_version_are_brought_up_to_date_under_the_same_digest() {
    let old = version("1.0.0", &[BODY, "name: gone, type: text, required: true"], &[]);
    let new =
        version("1.1.0", &["name: body, type: varchar(200), required: true", "name: n, type: integer"], &[]);
    let there = made(crm(), &old);
    let plan = install(&new, &new.declared(), &there).unwrap();
    assert_eq!(plan.digest(), install(&new, &new.declared(), &crm()).unwrap().digest());
    let kinds: Vec<_> = plan.adjustments().iter().map(|step| step.summary()).collect();
    assert_eq!(
        kinds,
        [
            "widen column `body` of `applet_notes_notes` to varchar(200)",
            "add column `n` to `applet_notes_notes`: integer, may be null",
            "mark column `gone` of `applet_notes_notes` deprecated: it and its values stay, hidden from this version, and it may be null",
        ]
    );
    assert!(plan.render().contains("because other tenants have used the tables in another version"));
}

#[test]
fn s4_32_a_plan_does_not_depend_on_how_far_it_has_come() {
    let old = version("1.0.0", &[BODY], &[]);
    let new = version("1.1.0", &[BODY, "name: n, type: integer"], &["columns: [n]"]);
    let before = made(crm(), &old);
    let plan = upgrade(&old, &new, &before);
    let half = made(crm(), &new);
    let again = upgrade(&old, &new, &half);
    assert_eq!(plan.digest(), again.digest());
    // Whether an index is whole is for the database to say, so it is always looked at again.
    let left: Vec<_> = again.pending(&half).iter().map(|statement| statement.alone()).collect();
    assert_eq!(left, [true]);
}

#[test]
fn s4_33_only_an_index_and_a_check_run_beside_a_transaction() {
    let old = version("1.0.0", &[], &[]);
    let new = version(
        "1.1.0",
        &["name: c, type: bigint, nullable: true, foreignKey: { table: clients, column: id }"],
        &["columns: [c]"],
    );
    let plan = upgrade(&old, &new, &made(crm(), &old));
    for step in plan.steps() {
        let beside = matches!(step.kind(), StepKind::AddIndex { .. } | StepKind::ValidateForeignKey { .. });
        assert!(step.statements().iter().all(|statement| statement.alone() == beside), "{}", step.summary());
        assert!(
            step.statements().iter().all(|statement| !statement.rewrites_table() && !statement.loses_data())
        );
    }
}

/// A manifest without tables that asks for this.
fn asking(version: &str, database: &str) -> ValidatedManifest {
    read(&format!(
        "manifestVersion: '1.0'\nid: notes\nversion: {version}\nname: Notes\npermissions: {{ database: {{ {database} }} }}"
    ))
}

#[test]
fn f7_what_was_granted_is_carried_over_and_only_what_is_new_is_asked_for() {
    let old = asking("1.0.0", "read: [clients, chats, { table: users, columns: [id] }]");
    let new = asking(
        "1.1.0",
        "read: [clients, chats, { table: users, columns: [id, email] }], write: [{ table: chats, operations: [insert], optional: true }]",
    );
    let granted = old.narrow(&["read:chats".parse().unwrap()], &|_| None).unwrap();
    let offer = offer(Side { manifest: &old, grants: &granted }, &new);
    let told = |lines: &[applet_plan::GrantLine]| -> Vec<String> {
        let columns = |line: &applet_plan::GrantLine| format!("{:?}", line.columns.as_ref().map(Vec::len));
        lines.iter().map(|line| format!("{} {} {}", line.operation, line.table, columns(line))).collect()
    };
    assert_eq!(told(&offer.growth), ["read users Some(1)"]);
    assert_eq!(told(&offer.optional), ["insert chats None"]);
    let reads = |grants: &applet_types::Grants, table: &str| {
        grants.table(&name(table)).map(|grant| grant.read.clone())
    };
    // What an admin has denied stays denied.
    assert_eq!(reads(&offer.carried, "chats"), None);
    assert!(reads(&offer.carried, "clients").is_some());
    assert!(offer.carried.is_withheld(&name("chats"), applet_types::Operation::Read, None));
    assert!(offer.whole.table(&name("chats")).unwrap().read.is_none());
    assert!(offer.whole.table(&name("chats")).unwrap().insert.is_some());
}

#[test]
fn f7_columns_of_own_tables_are_no_new_permission_but_denied_ones_stay_denied() {
    let old = version("1.0.0", &[BODY], &[]);
    let new = version("1.1.0", &[BODY, "name: n, type: integer"], &[]);
    let granted = old.narrow(&["update:notes.body".parse().unwrap()], &|_| None).unwrap();
    let offer = offer(Side { manifest: &old, grants: &granted }, &new);
    assert!(offer.growth.is_empty() && offer.optional.is_empty());
    let update = offer.carried.table(&name("applet_notes_notes")).unwrap().update.clone().unwrap();
    assert!(update.contains(&name("n")) && !update.contains(&name("body")));
    // Tables of its own, asked for the first time, are a new permission.
    let without = asking("0.9.0", "read: [clients]");
    let granted = without.declared();
    let offer = applet_plan::offer(Side { manifest: &without, grants: &granted }, &new);
    assert!(!offer.growth.is_empty());
    assert_eq!(offer.carried.own_tables().count(), 0);
}
