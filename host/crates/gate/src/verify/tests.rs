//! Texts that the printer could only give by mistake, and the ones it gives.

use applet_catalog::{Catalog, Column, Generation, RowSecurity, Table, Tenancy};
use applet_types::{Columns, Grants, SqlName, StatementLimits};

use super::{Checked, check};
use crate::accounting::{Accounting, PrintedRelation, Scoped};
use crate::{ScopeContext, StatementKind, Wall};

fn name(text: &str) -> SqlName {
    text.parse().unwrap()
}

fn table(table: &str, tenancy: Tenancy) -> Table {
    let column = |text: &&str| Column {
        name: name(text),
        sql_type: "text".to_owned(),
        nullable: true,
        default: None,
        generation: Generation::None,
    };
    Table {
        schema: name("public"),
        name: name(table),
        columns: ["id", "tenant_id", "status"].iter().map(column).collect(),
        tenancy,
        unique_keys: Vec::new(),
        foreign_keys: Vec::new(),
        row_security: RowSecurity::default(),
        owner: String::new(),
    }
}

/// An account of relations written `table alias`, with every operator, type and function of these tests.
fn account(kind: StatementKind, relations: &[&str], nested: usize) -> Accounting {
    let set = |words: &str| words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let relation = |text: &&str| {
        let (table, alias) = text.split_once(' ').unwrap();
        let global = table == "countries";
        PrintedRelation {
            schema: "public".to_owned(),
            relation: table.to_owned(),
            alias: alias.to_owned(),
            tenant_column: (!global).then(|| "tenant_id".to_owned()),
            scoped: if global { Scoped::Free } else { Scoped::Where },
        }
    };
    Accounting {
        kind,
        relations: relations.iter().map(relation).collect(),
        ctes: set(""),
        functions: set(""),
        operators: set("="),
        types: set("uuid"),
        nested_queries: nested,
        max_parameter: 1,
        tenant_parameter: Some(1),
    }
}

fn checked_by(printed: &str, accounting: &Accounting, wall: Wall) -> Checked {
    let catalog = Catalog::new([
        table("clients", Tenancy::Column(name("tenant_id"))),
        table("chats", Tenancy::Column(name("tenant_id"))),
        table("countries", Tenancy::Global),
        table("secrets", Tenancy::Column(name("tenant_id"))),
    ]);
    let mut grants = Grants::builder();
    for granted in ["clients", "chats", "countries"] {
        grants.table(name(granted)).read = Some(Columns::All);
    }
    let limits = StatementLimits::default();
    let grants = grants.build();
    let context =
        ScopeContext { grants: &grants, catalog: &catalog, limits: &limits, wall, allow_global_keys: false };
    check(printed, accounting, &context)
}

fn checked(printed: &str, accounting: &Accounting) -> Checked {
    checked_by(printed, accounting, Wall::Both)
}

const TENANT: &str = "$1::pg_catalog.uuid";

/// `C` and `H` stand for the tables with their aliases, `PC` and `PH` for their predicates.
fn select(text: &str) -> String {
    text.replace("PC", &format!(r#""c"."tenant_id" = {TENANT}"#))
        .replace("PH", &format!(r#""h"."tenant_id" = {TENANT}"#))
        .replace("CLIENTS", r#""public"."clients" AS "c""#)
        .replace("CHATS", r#""public"."chats" AS "h""#)
}

#[test]
fn s4_4_a_relation_is_scoped_where_its_predicate_drops_rows() {
    let both = account(StatementKind::Select, &["clients c", "chats h"], 0);
    for text in [
        "SELECT 1 FROM CLIENTS, CHATS WHERE PC AND PH LIMIT 9",
        r#"SELECT 1 FROM CLIENTS, CHATS WHERE ("c"."id" = 1 OR "c"."id" = 2) AND (PC AND PH) LIMIT 9"#,
        "SELECT 1 FROM CLIENTS JOIN CHATS ON PC AND PH LIMIT 9",
        "SELECT 1 FROM CLIENTS LEFT JOIN CHATS ON PH WHERE PC LIMIT 9",
        "SELECT 1 FROM CLIENTS RIGHT JOIN CHATS ON PC WHERE PH LIMIT 9",
        "SELECT 1 FROM CLIENTS FULL JOIN CHATS ON true WHERE PH AND PC LIMIT 9",
    ] {
        assert_eq!(checked(&select(text), &both), Ok(()), "{text}");
    }
    let wrapped = account(StatementKind::Select, &["clients c", "chats h"], 2);
    let text = "SELECT 1 FROM (SELECT * FROM CLIENTS WHERE PC) AS \"c\" FULL JOIN \
                (SELECT * FROM CHATS WHERE PH) AS \"h\" ON true LIMIT 9";
    assert_eq!(checked(&select(text), &wrapped), Ok(()));
}

#[test]
fn s4_49_a_relation_without_an_effective_predicate_is_seen() {
    let both = account(StatementKind::Select, &["clients c", "chats h"], 0);
    for text in [
        "SELECT 1 FROM CLIENTS, CHATS WHERE PC LIMIT 9",
        "SELECT 1 FROM CLIENTS, CHATS WHERE PC OR PH LIMIT 9",
        "SELECT 1 FROM CLIENTS, CHATS WHERE PC AND NOT (PH) LIMIT 9",
        "SELECT 1 FROM CLIENTS, CHATS WHERE PC AND (PH OR true) LIMIT 9",
        r#"SELECT 1 FROM CLIENTS, CHATS WHERE PC AND "tenant_id" = $1::pg_catalog.uuid LIMIT 9"#,
        r#"SELECT 1 FROM CLIENTS, CHATS WHERE PC AND "h"."id" = $1::pg_catalog.uuid LIMIT 9"#,
        r#"SELECT 1 FROM CLIENTS, CHATS WHERE PC AND "h"."tenant_id" <> $1::pg_catalog.uuid LIMIT 9"#,
        r#"SELECT 1 FROM CLIENTS, CHATS WHERE PC AND "h"."tenant_id" = "h"."tenant_id" LIMIT 9"#,
        "SELECT 1 FROM CLIENTS LEFT JOIN CHATS ON PC AND PH LIMIT 9",
        "SELECT 1 FROM CLIENTS RIGHT JOIN CHATS ON PC AND PH LIMIT 9",
        "SELECT 1 FROM CLIENTS FULL JOIN CHATS ON PC AND PH LIMIT 9",
        r#"SELECT 1 FROM (CLIENTS JOIN CHATS ON PH) AS "j" WHERE PC LIMIT 9"#,
        "SELECT 1 FROM CLIENTS, CHATS HAVING PC AND PH LIMIT 9",
        "SELECT PC AND PH FROM CLIENTS, CHATS LIMIT 9",
    ] {
        assert!(checked(&select(text), &both).is_err(), "{text}");
    }
    let one = account(StatementKind::Select, &["clients c"], 0);
    let renamed = r#"SELECT 1 FROM "public"."clients" AS "c"("a", "tenant_id") WHERE PC LIMIT 9"#;
    assert!(checked(&select(renamed), &one).is_err());
    let nested = account(StatementKind::Select, &["clients c", "chats h"], 1);
    let outside = r#"SELECT 1 FROM CLIENTS, (SELECT * FROM CHATS) AS "x" WHERE PC AND "x"."tenant_id" = $1::pg_catalog.uuid LIMIT 9"#;
    assert!(checked(&select(outside), &nested).is_err());
    let captured = "SELECT 1 FROM CLIENTS WHERE PC AND EXISTS (SELECT 1 FROM CHATS WHERE PC) LIMIT 9";
    assert!(checked(&select(captured), &nested).is_err());
}

#[test]
fn s4_9_what_the_printer_did_not_account_for_is_seen() {
    let one = account(StatementKind::Select, &["clients c"], 0);
    assert_eq!(checked(&select("SELECT 1 FROM CLIENTS WHERE PC LIMIT 9"), &one), Ok(()));
    for text in [
        "SELECT 1 FROM CLIENTS WHERE PC",
        "SELECT 1 FROM CLIENTS WHERE PC LIMIT 9; SELECT 2",
        "SELECT 1 FROM CLIENTS WHERE PC LIMIT 9 FOR UPDATE",
        "SELECT 1 INTO t FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT 1 FROM CLIENTS WHERE PC UNION SELECT 2 LIMIT 9",
        "SELECT 1 FROM CLIENTS, CHATS WHERE PC AND PH LIMIT 9",
        r#"SELECT 1 FROM "public"."clients" AS "d" WHERE "d"."tenant_id" = $1::pg_catalog.uuid LIMIT 9"#,
        r#"SELECT 1 FROM "other"."clients" AS "c" WHERE PC LIMIT 9"#,
        r#"SELECT 1 FROM "clients" AS "c" WHERE PC LIMIT 9"#,
        r#"SELECT 1 FROM ONLY "public"."clients" AS "c" WHERE PC LIMIT 9"#,
        "SELECT pg_sleep(1) FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT pg_catalog.lower('A') FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT current_user FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT 1 + 1 FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT 'x'::pg_catalog.regclass FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT 'x'::uuid FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT X'1F' FROM CLIENTS WHERE PC LIMIT 9",
        r#"SELECT "c"."ctid" FROM CLIENTS WHERE PC LIMIT 9"#,
        r#"SELECT "c"."pg_sleep" FROM CLIENTS WHERE PC LIMIT 9"#,
        "SELECT $1::pg_catalog.uuid FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT $2 FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT 1 FROM CLIENTS WHERE PC AND EXISTS (SELECT 1) LIMIT 9",
        "WITH RECURSIVE r AS (SELECT 1) SELECT 1 FROM CLIENTS WHERE PC LIMIT 9",
        "WITH r AS (SELECT 1) SELECT 1 FROM CLIENTS WHERE PC LIMIT 9",
        "SELECT 1 FROM CLIENTS TABLESAMPLE SYSTEM (10) WHERE PC LIMIT 9",
        "SELECT 1 FROM CLIENTS WHERE PC FETCH FIRST 9 ROWS WITH TIES",
        "SELECT 1 FROM CLIENTS WHERE PC ORDER BY 1 USING < LIMIT 9",
        "SELECT XMLPARSE(DOCUMENT '<a/>') FROM CLIENTS WHERE PC LIMIT 9",
        "TABLE CLIENTS",
        "DELETE FROM CLIENTS WHERE PC",
        "",
        "SELECT 1 FROM CLIENTS WHERE PC LIMIT 9 '",
    ] {
        assert!(checked(&select(text), &one).is_err(), "{text}");
    }
}

#[test]
fn s4_8_a_relation_that_is_not_granted_is_seen() {
    let account = account(StatementKind::Select, &["secrets c"], 0);
    let text = select(r#"SELECT 1 FROM "public"."secrets" AS "c" WHERE PC LIMIT 9"#);
    assert!(checked(&text, &account).is_err());
}

#[test]
fn s4_9_what_was_lost_on_the_way_is_seen() {
    let mut one = account(StatementKind::Select, &["clients c"], 0);
    one.functions.insert("lower".to_owned());
    assert!(checked(&select("SELECT 1 FROM CLIENTS WHERE PC LIMIT 9"), &one).is_err());
    let text = select("SELECT pg_catalog.lower('A') FROM CLIENTS WHERE PC LIMIT 9");
    assert_eq!(checked(&text, &one), Ok(()));
}

#[test]
fn s4_11_new_rows_have_the_tenant() {
    let insert = account(StatementKind::Insert, &["clients c"], 0);
    let fine = [
        r#"INSERT INTO CLIENTS ("status", "tenant_id") VALUES ('a', $1::pg_catalog.uuid), ('b', $1::pg_catalog.uuid)"#,
        r#"INSERT INTO CLIENTS ("status", "tenant_id") SELECT 'a', $1::pg_catalog.uuid"#,
        r#"INSERT INTO CLIENTS ("tenant_id") VALUES ($1::pg_catalog.uuid) ON CONFLICT DO NOTHING"#,
        r#"INSERT INTO CLIENTS ("tenant_id") VALUES ($1::pg_catalog.uuid) ON CONFLICT ("tenant_id") DO UPDATE SET "status" = 'x' WHERE PC"#,
    ];
    for text in fine {
        assert_eq!(checked(&select(text), &insert), Ok(()), "{text}");
        let text = select(&text.replace(" WHERE PC", ""));
        assert_eq!(checked_by(&text, &insert, Wall::DatabaseOnly), Ok(()), "{text}");
    }
    for text in [
        r#"INSERT INTO CLIENTS ("status") VALUES ('a')"#,
        r#"INSERT INTO CLIENTS ("status", "tenant_id") VALUES ('a', $1::pg_catalog.uuid), ('b', 'other')"#,
        r#"INSERT INTO CLIENTS ("status", "tenant_id") VALUES ('a', DEFAULT)"#,
        r#"INSERT INTO CLIENTS ("status", "tenant_id") SELECT $1::pg_catalog.uuid, 'a'"#,
        r#"INSERT INTO CLIENTS ("id", "tenant_id") SELECT *, $1::pg_catalog.uuid"#,
        r#"INSERT INTO CLIENTS DEFAULT VALUES"#,
        r#"INSERT INTO CLIENTS ("tenant_id") OVERRIDING SYSTEM VALUE VALUES ($1::pg_catalog.uuid)"#,
        r#"INSERT INTO CLIENTS ("tenant_id") VALUES ($1::pg_catalog.uuid) ON CONFLICT ("id") DO UPDATE SET "status" = 'x'"#,
        r#"INSERT INTO CLIENTS ("tenant_id") VALUES ($1::pg_catalog.uuid) ON CONFLICT ("id") DO UPDATE SET "tenant_id" = NULL WHERE PC"#,
        r#"INSERT INTO CLIENTS ("tenant_id") VALUES ($1::pg_catalog.uuid) ON CONFLICT ON CONSTRAINT k DO NOTHING"#,
    ] {
        assert!(checked(&select(text), &insert).is_err(), "{text}");
    }
}

#[test]
fn s4_12_rows_are_changed_only_behind_the_predicate() {
    let update = account(StatementKind::Update, &["clients c"], 0);
    assert_eq!(checked(&select(r#"UPDATE CLIENTS SET "status" = 'x' WHERE PC"#), &update), Ok(()));
    for text in [
        r#"UPDATE CLIENTS SET "status" = 'x'"#,
        r#"UPDATE CLIENTS SET "status" = 'x' WHERE PC OR true"#,
        r#"UPDATE CLIENTS SET "tenant_id" = NULL WHERE PC"#,
        r#"UPDATE CLIENTS SET "id" = '1' WHERE PC"#,
        r#"UPDATE CLIENTS SET ("status", "tenant_id") = ('x', NULL) WHERE PC"#,
        r#"UPDATE CLIENTS SET "status"[1] = 'x' WHERE PC"#,
        r#"UPDATE CLIENTS SET "status" = 'x' WHERE CURRENT OF k"#,
    ] {
        assert!(checked(&select(text), &update).is_err(), "{text}");
    }
    let joined = account(StatementKind::Delete, &["clients c", "chats h"], 0);
    assert_eq!(checked(&select("DELETE FROM CLIENTS USING CHATS WHERE PC AND PH"), &joined), Ok(()));
    assert!(checked(&select("DELETE FROM CLIENTS USING CHATS WHERE PC"), &joined).is_err());
    assert!(checked(&select("DELETE FROM CLIENTS USING CHATS WHERE PH"), &joined).is_err());
}

#[test]
fn s4_51_behind_the_database_alone_the_predicate_is_not_asked_for() {
    let mut one = account(StatementKind::Select, &["clients c"], 0);
    (one.tenant_parameter, one.max_parameter) = (None, 0);
    let text = select("SELECT 1 FROM CLIENTS LIMIT 9");
    assert_eq!(checked_by(&text, &one, Wall::DatabaseOnly), Ok(()));
    assert!(checked(&text, &one).is_err());
}

#[test]
fn s4_9_a_name_without_schema_is_a_visible_common_table_expression_or_nothing() {
    let mut with = account(StatementKind::Select, &["clients c"], 1);
    with.ctes.insert("r".to_owned());
    let fine = r#"WITH "r" AS (SELECT 1 FROM CLIENTS WHERE PC) SELECT 1 FROM "r" AS "r" LIMIT 9"#;
    assert_eq!(checked(&select(fine), &with), Ok(()));
    let own = r#"WITH "r" AS (SELECT 1 FROM CLIENTS, "r" AS "x" WHERE PC) SELECT 1 LIMIT 9"#;
    assert!(checked(&select(own), &with).is_err());
    with.nested_queries = 2;
    let left = r#"SELECT 1 FROM (WITH "r" AS (SELECT 1 FROM CLIENTS WHERE PC) SELECT 1 FROM "r" AS "r") AS "y", "r" AS "z" LIMIT 9"#;
    assert!(checked(&select(left), &with).is_err());
}
