//! A catalogue as `datasource` reads it from a CRM's database, and golden files.

use std::path::PathBuf;

use applet_catalog::{Catalog, Column, ForeignKey, Generation, RowSecurity, Table, Tenancy, UniqueKey};
use applet_manifest::{OwnTable, Target, ValidatedManifest, load};
use applet_types::SqlName;

pub(crate) fn name(text: &str) -> SqlName {
    text.parse().unwrap()
}

/// A manifest of `manifests/`.
pub(crate) fn example(file: &str) -> ValidatedManifest {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../manifests/{}.yaml"), file);
    load(&std::fs::read(path).unwrap()).unwrap_or_else(|violations| panic!("{violations}"))
}

pub(crate) fn ai_chat() -> ValidatedManifest {
    example("ai-chat")
}

fn column(text: &str) -> Column {
    let (column, sql_type) = text.split_once(' ').unwrap();
    let (sql_type, nullable) =
        sql_type.strip_suffix('?').map_or((sql_type, false), |sql_type| (sql_type, true));
    let generated = sql_type == "bigint" && column == "id";
    Column {
        name: name(column),
        sql_type: sql_type.to_owned(),
        nullable,
        default: None,
        generation: if generated { Generation::Sequence } else { Generation::None },
    }
}

fn key(table: &str, columns: &[&str], primary: bool) -> UniqueKey {
    UniqueKey {
        name: format!("{table}_{}_key", columns.join("_")),
        columns: columns.iter().copied().map(name).collect(),
        primary,
        partial: false,
    }
}

fn table(text: &str, columns: &[&str], keys: &[&[&str]], tenancy: Tenancy) -> Table {
    Table {
        schema: name("public"),
        name: name(text),
        columns: columns.iter().copied().map(column).collect(),
        tenancy,
        unique_keys: keys.iter().enumerate().map(|(first, columns)| key(text, columns, first == 0)).collect(),
        foreign_keys: Vec::new(),
        row_security: RowSecurity::default(),
        owner: "postgres".to_owned(),
    }
}

/// Tenants, a global reference, and tables with a tenant; `users.email` is unique across tenants.
pub(crate) fn crm() -> Catalog {
    let tenant = |column: &str| Tenancy::Column(name(column));
    let id_and_tenant = ["id bigint", "tenant_id uuid"];
    let scoped = |text: &str, columns: &[&str], more: &[&[&str]]| {
        let columns: Vec<&str> = id_and_tenant.iter().chain(columns).copied().collect();
        let keys: Vec<&[&str]> = [["id"].as_slice()].into_iter().chain(more.iter().copied()).collect();
        table(text, &columns, &keys, tenant("tenant_id"))
    };
    let both: &[&str] = &["tenant_id", "id"];
    Catalog::new([
        table("tenants", &["id uuid", "name text"], &[&["id"]], tenant("id")),
        table("countries", &["code character(2)", "name text"], &[&["code"]], Tenancy::Global),
        scoped("users", &["email text", "deleted_at timestamp with time zone?"], &[both, &["email"]]),
        scoped(
            "clients",
            &["first_name text", "last_name text?", "email character varying(255)?", "phone text?"],
            &[both, &["tenant_id", "email"]],
        ),
        scoped(
            "chats",
            &[
                "client_id bigint",
                "status text",
                "closed_at timestamp with time zone?",
                "deleted_at timestamp with time zone?",
            ],
            &[both],
        ),
        scoped(
            "chat_messages",
            &[
                "chat_id bigint",
                "content text",
                "sender_type text",
                "read_at timestamp with time zone?",
                "deleted_at timestamp with time zone?",
            ],
            &[both],
        ),
        scoped("api_keys", &["name text", "key text"], &[]),
        scoped("applets_home", &["note text"], &[]),
    ])
}

/// The catalogue with one table changed.
pub(crate) fn with(catalog: Catalog, table: &str, change: impl FnOnce(&mut Table)) -> Catalog {
    let mut changed = catalog.table(&name(table)).unwrap().clone();
    change(&mut changed);
    Catalog::new(catalog.tables().cloned().chain([changed]))
}

/// The catalogue after the own tables of a manifest were made.
pub(crate) fn made(catalog: Catalog, manifest: &ValidatedManifest) -> Catalog {
    let own: Vec<Table> = manifest.tables().iter().map(own_table).collect();
    Catalog::new(catalog.tables().cloned().chain(own))
}

fn own_table(own: &OwnTable) -> Table {
    let physical = own.physical().name();
    let columns = own.columns().iter().map(|column| Column {
        name: column.name().clone(),
        sql_type: column.column_type().sql(),
        nullable: column.nullable(),
        default: column.default().map(|value| value.sql(column.column_type())),
        generation: if column.column_type().generated() { Generation::Sequence } else { Generation::None },
    });
    let tenant = || name("tenant_id");
    let keys = own.columns().iter().filter_map(|column| Some((column.name(), column.foreign_key()?)));
    let foreign_keys = keys.map(|(column, key)| match key.target() {
        Target::Tenants => (vec![tenant()], vec![name("id")], key),
        Target::Own(_) | Target::Shared(_) => {
            (vec![tenant(), column.clone()], vec![tenant(), key.column().clone()], key)
        }
    });
    let unique = own.indexes().iter().filter(|index| index.unique());
    let unique = unique.map(|index| UniqueKey {
        name: "unique".to_owned(),
        columns: index.columns().to_vec(),
        primary: false,
        partial: false,
    });
    let primary = key(physical.as_str(), &["tenant_id", own.primary().as_str()], true);
    Table {
        schema: name("public"),
        name: physical.clone(),
        columns: columns.collect(),
        tenancy: Tenancy::Column(tenant()),
        unique_keys: [primary].into_iter().chain(unique).collect(),
        foreign_keys: foreign_keys
            .map(|(columns, target_columns, key)| ForeignKey {
                name: "reference".to_owned(),
                columns,
                target: name(key.target().name()),
                target_columns,
            })
            .collect(),
        row_security: RowSecurity::default(),
        owner: "postgres".to_owned(),
    }
}

/// Compares a text with its golden file; `UPDATE_GOLDEN=1` writes it.
pub(crate) fn golden(file: &str, text: &str) {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(format!("{file}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{file}: run again with UPDATE_GOLDEN=1 if this is meant");
}
