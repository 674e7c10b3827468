//! Manifests that must load: the one of the specification as written, and one that says everything.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use applet_manifest::{
    ColumnType, GrantRef, Instances, LifecycleHook, Selection, SelectionError, Target, ValidatedManifest,
    load,
};
use applet_types::{Columns, Grants, Limits, SqlName};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../manifests"))
}

fn example(name: &str) -> ValidatedManifest {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    load(&bytes).unwrap_or_else(|violations| panic!("{name}:\n{violations}"))
}

fn name(text: &str) -> SqlName {
    text.parse().unwrap()
}

fn only<const N: usize>(names: [&str; N]) -> Option<Columns> {
    Some(Columns::Only(names.into_iter().map(name).collect()))
}

fn no_columns(_: &SqlName) -> Option<BTreeSet<SqlName>> {
    None
}

fn refs<const N: usize>(texts: [&str; N]) -> Vec<GrantRef> {
    texts.into_iter().map(|text| text.parse().unwrap()).collect()
}

fn describe(grants: &Grants) -> String {
    format!("{:?}", grants.tables().collect::<Vec<_>>())
}

/// Spec: S4.18, S4.23-26
#[test]
fn s4_19_the_example_of_the_specification_loads_as_written() {
    let manifest = example("ai-chat.yaml");
    assert_eq!(manifest.id().as_str(), "ai-chat");
    assert_eq!(manifest.version().to_string(), "1.0.0");
    let [table] = manifest.tables() else { panic!("one table") };
    assert_eq!(table.physical().to_string(), "applet_ai_chat_ai_chat_configs");
    assert_eq!(table.primary().as_str(), "id");
    let columns: Vec<_> = table.columns().iter().map(|column| column.name().as_str()).collect();
    let expected =
        ["id", "tenant_id", "model_name", "system_prompt", "temperature", "created_at", "updated_at"];
    assert_eq!(columns, expected);
    assert_eq!(table.column(&name("temperature")).unwrap().column_type(), ColumnType::Decimal(3, 2));
}

#[test]
fn s4_26_index_true_and_a_unique_index_on_the_same_column_make_one_index() {
    let manifest = example("ai-chat.yaml");
    let [index] = manifest.tables()[0].indexes() else { panic!("one index") };
    assert_eq!(index.columns(), [name("tenant_id")]);
    assert!(index.unique());
}

#[test]
fn s4_21_tenant_id_is_required_and_goes_with_the_tenant_even_when_the_manifest_does_not_say_so() {
    let manifest = example("support-desk.yaml");
    for table in manifest.tables() {
        let column = table.column(&name("tenant_id")).unwrap();
        assert!(!column.nullable());
        let key = column.foreign_key().unwrap();
        assert_eq!((key.target(), key.on_delete().sql()), (&Target::Tenants, "CASCADE"));
    }
}

#[test]
fn s4_22_created_at_and_updated_at_are_always_there() {
    let manifest = example("support-desk.yaml");
    for table in manifest.tables() {
        for timestamp in ["created_at", "updated_at"] {
            let column = table.column(&name(timestamp)).unwrap();
            assert!(!column.nullable());
            assert_eq!(column.column_type(), ColumnType::TimestampTz);
        }
    }
}

#[test]
fn s4_26_every_index_starts_with_the_tenant() {
    let manifest = example("support-desk.yaml");
    let indexes = |table: usize| -> Vec<String> {
        let table = &manifest.tables()[table];
        table.indexes().iter().map(|index| format!("{:?} {}", index.columns(), index.unique())).collect()
    };
    assert_eq!(
        indexes(0),
        [
            "[SqlName(tenant_id), SqlName(client_id)] false",
            "[SqlName(tenant_id), SqlName(number)] true",
            "[SqlName(tenant_id), SqlName(urgent), SqlName(due_on)] false",
        ]
    );
    // `index: true` on tenant_id is what the primary key gives already.
    assert_eq!(indexes(1), ["[SqlName(tenant_id), SqlName(ticket_id), SqlName(tag)] true"]);
}

#[test]
fn s4_8_read_grants_are_lowered_to_columns() {
    let grants = example("support-desk.yaml").requested();
    assert_eq!(grants.table(&name("users")).unwrap().read, Some(Columns::All));
    let clients = grants.table(&name("clients")).unwrap();
    assert_eq!(clients.read, only(["id", "first_name", "last_name", "email"]));
    assert!(clients.insert.is_none() && clients.update.is_none() && !clients.delete);
}

#[test]
fn s4_10_write_grants_name_operations_and_columns_and_reading_does_not_follow() {
    let grants = example("support-desk.yaml").requested();
    let messages = grants.table(&name("chat_messages")).unwrap();
    assert_eq!(messages.read, None);
    assert_eq!(messages.insert, only(["chat_id", "content", "sender_type"]));
    assert_eq!(messages.update, only(["read_at"]));
    let chats = grants.table(&name("chats")).unwrap();
    assert_eq!(chats.update, only(["status", "closed_at", "deleted_at"]));
    let plain = example("ai-chat.yaml").requested();
    let clients = plain.table(&name("clients")).unwrap();
    assert_eq!((&clients.insert, &clients.update), (&Some(Columns::All), &Some(Columns::All)));
    assert!(!clients.delete);
}

#[test]
fn s4_14_hard_delete_needs_its_own_list_even_on_own_tables() {
    let grants = example("support-desk.yaml").requested();
    assert!(grants.table(&name("applet_support_desk_ticket_tags")).unwrap().delete);
    let tickets = grants.table(&name("applet_support_desk_tickets")).unwrap();
    assert!(!tickets.delete);
    assert_eq!(tickets.read, Some(Columns::All));
    assert_eq!(tickets.insert, Some(Columns::All));
    assert_eq!(tickets.update, Some(Columns::All));
}

#[test]
fn s4x_8_hooks_are_listed_in_the_manifest() {
    let manifest = example("support-desk.yaml");
    assert!(manifest.hooks().has(LifecycleHook::OnInstall));
    assert!(!manifest.hooks().has(LifecycleHook::OnDisable));
    let named: Vec<_> = manifest.hooks().named().map(|hook| hook.name().as_str()).collect();
    assert_eq!(named, ["close-old", "summary"]);
    assert_eq!(manifest.instances(), Instances::Reused);
}

#[test]
fn s4_60_a_manifest_lowers_limits_and_the_host_may_be_lower_still() {
    let manifest = example("support-desk.yaml");
    let limits = manifest.limits(&Limits::default());
    assert_eq!((limits.statement.rows, limits.execution.statements), (200, 20));
    assert_eq!(limits.statement.joins, Limits::default().statement.joins);
    let mut host = Limits::default();
    host.statement.rows = 50;
    assert_eq!(manifest.limits(&host).statement.rows, 50);
}

#[test]
fn s4_60_what_the_operator_raises_reaches_a_manifest_that_says_nothing_and_may_be_asked_for() {
    let text = std::fs::read_to_string(folder().join("support-desk.yaml")).unwrap();
    let mut host = Limits::default();
    (host.statement.rows, host.statement.joins) = (5_000, 6);
    let within = |text: &str| {
        applet_manifest::load_within(text.as_bytes(), &applet_types::ManifestLimits::default(), &host)
    };
    let silent = within(&text).unwrap().limits(&host);
    assert_eq!((silent.statement.rows, silent.statement.joins), (200, 6));
    let asking = text.replace("rows: 200", "rows: 4000");
    assert_ne!(asking, text);
    assert_eq!(within(&asking).unwrap().limits(&host).statement.rows, 4_000);
    let refused = applet_manifest::load(asking.as_bytes()).unwrap_err();
    assert_eq!(refused.iter().next().unwrap().code, applet_manifest::ViolationCode::LimitRaised);
    assert!(within(&text.replace("rows: 200", "rows: 5001")).is_err());
}

#[test]
fn s4x_1_what_is_denied_is_not_granted() {
    let manifest = example("support-desk.yaml");
    let columns = |table: &SqlName| (table.as_str() == "chats").then(|| ["id", "status"].map(name).into());
    let denied =
        refs(["read:clients.email", "read:chats.status", "write:chat_messages", "delete:ticket_tags"]);
    let granted = manifest.narrow(&denied, &columns).unwrap();
    assert_eq!(granted.table(&name("clients")).unwrap().read, only(["id", "first_name", "last_name"]));
    assert_eq!(granted.table(&name("chats")).unwrap().read, only(["id"]));
    assert!(granted.table(&name("chat_messages")).is_none());
    assert!(!granted.table(&name("applet_support_desk_ticket_tags")).unwrap().delete);
    let without_tables = manifest.narrow(&refs(["create-tables"]), &columns).unwrap();
    assert_eq!(without_tables.own_tables().count(), 0);
    assert!(without_tables.table(&name("applet_support_desk_tickets")).is_none());
}

#[test]
fn s4x_1_granting_a_subset_grants_nothing_else() {
    let manifest = example("support-desk.yaml");
    let select = |grant, deny| {
        manifest.select(&Selection { grant: Some(grant), deny }, &no_columns).map(|grants| describe(&grants))
    };
    assert_eq!(
        select(refs(["read:clients.id", "read:clients.email"]), refs(["read:clients.email"])).unwrap(),
        "[(SqlName(clients), TableGrant { read: Some(Only({SqlName(id)})), insert: None, update: None, delete: false })]"
    );
    let chats = select(refs(["update:chats"]), vec![]).unwrap();
    assert!(chats.contains("closed_at") && !chats.contains("read: Some"), "{chats}");
}

#[test]
fn s4x_1_a_permission_that_is_not_requested_is_an_error_and_never_granted() {
    let manifest = example("support-desk.yaml");
    for text in ["read:api_keys", "insert:clients", "delete:chats", "write:users", "insert:chats"] {
        let reference: GrantRef = text.parse().unwrap();
        let expected = Err(SelectionError::NotRequested { reference: reference.clone() });
        assert_eq!(manifest.narrow(std::slice::from_ref(&reference), &no_columns), expected, "deny {text}");
        let selection = Selection { grant: Some(vec![reference]), deny: vec![] };
        assert_eq!(manifest.select(&selection, &no_columns), expected, "grant {text}");
    }
    let selection = Selection { grant: Some(refs(["read:clients.phone"])), deny: vec![] };
    assert!(manifest.select(&selection, &no_columns).is_err());
    let unknown = manifest.narrow(&refs(["read:users.email"]), &no_columns);
    assert!(matches!(unknown, Err(SelectionError::UnknownColumns { .. })));
    for text in ["clients", "read:", "read:a.b.c", "drop:clients", "delete:chats.id", "read:Clients"] {
        assert!(text.parse::<GrantRef>().is_err(), "{text}");
    }
}

#[test]
fn s4x_11_every_example_survives_its_canonical_spelling() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let manifest = example(path.file_name().unwrap().to_str().unwrap());
            let again =
                load(manifest.canonical().as_bytes()).unwrap_or_else(|violations| panic!("{violations}"));
            assert_eq!(again.canonical(), manifest.canonical());
            assert_eq!(again.digest(), manifest.digest());
            assert_eq!(again.tables(), manifest.tables());
            assert_eq!(again.requested(), manifest.requested());
        }
    }
}

#[test]
fn s4x_11_the_schema_is_the_one_generated() {
    let path = folder().join("schema/applet.v1.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, applet_manifest::json_schema()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, applet_manifest::json_schema(), "run again with UPDATE_GOLDEN=1");
}

/// The keys that a mapping knows, from what is said about one that it does not know.
fn known_keys(yaml: &str) -> BTreeSet<String> {
    let violations = load(yaml.as_bytes()).unwrap_err();
    let mut hints = violations.iter().filter(|violation| violation.path.ends_with("zzzzzzzzzz"));
    let hint = hints.next().unwrap().hint.clone().unwrap();
    hint.strip_prefix("known here: ").unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn s4x_11_the_schema_knows_the_keys_that_are_read() {
    let schema: serde_json::Value = serde_json::from_str(&applet_manifest::json_schema()).unwrap();
    for (definition, yaml) in [
        ("", "zzzzzzzzzz: 1"),
        ("Permissions", "permissions: { zzzzzzzzzz: 1 }"),
        ("DatabasePermissions", "permissions: { database: { zzzzzzzzzz: 1 } }"),
        ("ReadRequest", "permissions: { database: { read: [{ zzzzzzzzzz: 1 }] } }"),
        ("WriteRequest", "permissions: { database: { write: [{ zzzzzzzzzz: 1 }] } }"),
        ("Table", "tables: [{ zzzzzzzzzz: 1 }]"),
        ("Column", "tables: [{ columns: [{ zzzzzzzzzz: 1 }] }]"),
        ("ForeignKey", "tables: [{ columns: [{ foreignKey: { zzzzzzzzzz: 1 } }] }]"),
        ("Index", "tables: [{ indexes: [{ zzzzzzzzzz: 1 }] }]"),
        ("Hooks", "hooks: { zzzzzzzzzz: 1 }"),
        ("NamedHook", "hooks: { named: [{ zzzzzzzzzz: 1 }] }"),
        ("Cache", "cache: { zzzzzzzzzz: 1 }"),
        ("Limits", "limits: { zzzzzzzzzz: 1 }"),
    ] {
        let object = if definition.is_empty() { &schema } else { &schema["$defs"][definition] };
        let properties: BTreeSet<String> =
            object["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(known_keys(yaml), properties, "{definition}");
    }
}

#[test]
fn s4_70_the_documentation_has_the_table_of_types() {
    let rows = ColumnType::EXAMPLES.map(|kind| {
        let is = kind.mapping();
        format!("| `{kind}` | {} | {} | `{}` | `{}` |\n", kind.sql(), is.wit.as_str(), is.rust, is.typescript)
    });
    let table = format!(
        "<!-- types -->\n| in a manifest | PostgreSQL | WIT | Rust | TypeScript |\n|---|---|---|---|---|\n{}",
        rows.concat()
    );
    let path = folder().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- types -->").unwrap();
    let (_, after) = rest.split_once("<!-- /types -->").unwrap();
    let expected = format!("{before}{table}<!-- /types -->{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected, "run again with UPDATE_GOLDEN=1");
}
