//! The schema of `fixture.sql` and the grants of its manifests as the gate sees them, for tests that need
//! neither a database nor the manifest's loader.

use applet_catalog::{Catalog, Column, ForeignKey, Generation, RowSecurity, Table, Tenancy, UniqueKey};
use applet_types::{AppletId, Columns, Grants, PhysicalTable, SqlName};

use super::Manifest;

const USERS: &str = "id bigint serial, tenant_id uuid, email varchar, first_name varchar, last_name varchar, \
    role varchar default, is_active boolean default, created_at timestamptz default, \
    updated_at timestamptz default, deleted_at timestamptz null";
const CLIENTS: &str = "id bigint serial, tenant_id uuid, first_name varchar, last_name varchar null, \
    phone varchar null, status varchar default, created_at timestamptz default, updated_at timestamptz default, \
    deleted_at timestamptz null, last_contacted_at timestamptz null, email varchar null, \
    country_code char null, assigned_user_id bigint null, referred_by_client_id bigint null, \
    tags text[] default, metadata jsonb default, lifetime_value numeric default, birth_date date null";
const CHATS: &str = "id bigint serial, tenant_id uuid, client_id bigint, status varchar default, \
    created_at timestamptz default, updated_at timestamptz default, closed_at timestamptz null, \
    deleted_at timestamptz null, subject text null, channel varchar default, assigned_user_id bigint null, \
    external_ref varchar null";
const MESSAGES: &str = "id bigint serial, tenant_id uuid, chat_id bigint, content text, \
    sender_type varchar default, created_at timestamptz default, updated_at timestamptz default, \
    read_at timestamptz null, reply_to_id bigint null, tokens integer default, metadata jsonb default";
const CONFIGS: &str = "id bigint serial, tenant_id uuid, model_name varchar default null, \
    system_prompt text null, temperature numeric default null, created_at timestamptz default null, \
    updated_at timestamptz default null";
const API_KEYS: &str =
    "id bigint serial, tenant_id uuid, name varchar, key text, created_at timestamptz default";

/// The tables of the fixture; `countries` is listed as global.
pub fn catalog() -> Catalog {
    let tenant = || Tenancy::Column(name("tenant_id"));
    let mut countries =
        table("countries", "code char, name varchar, region varchar, dial_code varchar", Tenancy::Global);
    countries.unique_keys = vec![key("countries_pkey", &["code"], true)];
    let mut tenants = table(
        "tenants",
        "id uuid, name varchar, plan varchar default, created_at timestamptz default",
        Tenancy::Column(name("id")),
    );
    tenants.unique_keys = vec![key("tenants_pkey", &["id"], true)];
    let mut users = table("users", USERS, tenant());
    users.unique_keys.push(key("users_email_key", &["email"], false));
    let mut clients = table("clients", CLIENTS, tenant());
    clients.unique_keys.push(key("clients_tenant_id_email_key", &["tenant_id", "email"], false));
    clients.foreign_keys.push(reference(
        "clients_country_code_fkey",
        &["country_code"],
        "countries",
        &["code"],
    ));
    let mut chats = table("chats", CHATS, tenant());
    chats.unique_keys.push(key("chats_external_ref_key", &["external_ref"], false));
    chats.foreign_keys.push(reference(
        "chats_client_fkey",
        &["tenant_id", "client_id"],
        "clients",
        &["tenant_id", "id"],
    ));
    let mut messages = table("chat_messages", MESSAGES, tenant());
    messages.foreign_keys.push(reference(
        "messages_chat_fkey",
        &["tenant_id", "chat_id"],
        "chats",
        &["tenant_id", "id"],
    ));
    let mut configs = table("applet_ai_chat_ai_chat_configs", CONFIGS, tenant());
    configs.unique_keys.push(key("configs_tenant_id_idx", &["tenant_id"], false));
    let api_keys = table("api_keys", API_KEYS, tenant());
    Catalog::new([tenants, countries, users, clients, chats, messages, configs, api_keys])
}

/// What a manifest of the corpus requests, granted as it is.
pub fn grants(manifest: Manifest) -> Grants {
    let (read, write, delete): (&[&str], &[&str], &[&str]) = match manifest {
        Manifest::Default => (
            &["users", "clients", "chats", "chat_messages", "countries"],
            &["clients", "chats", "chat_messages"],
            &[],
        ),
        Manifest::WithDelete => (
            &["users", "clients", "chats", "chat_messages", "countries"],
            &["clients", "chats", "chat_messages"],
            &["chat_messages", "applet_ai_chat_ai_chat_configs"],
        ),
        Manifest::ReadOnly => (&["clients", "chats"], &[], &[]),
    };
    let mut builder = Grants::builder();
    if manifest != Manifest::ReadOnly {
        let applet: AppletId = "ai-chat".parse().expect("a valid id");
        let declared = name("ai_chat_configs");
        let physical = PhysicalTable::of(&applet, &declared).expect("a valid name");
        let grant = builder.own_table(declared, physical);
        grant.read = Some(Columns::All);
        grant.insert = Some(Columns::All);
        grant.update = Some(Columns::All);
    }
    for table in read {
        builder.table(name(table)).read = Some(Columns::All);
    }
    for table in write {
        let grant = builder.table(name(table));
        grant.insert = Some(Columns::All);
        grant.update = Some(Columns::All);
    }
    for table in delete {
        builder.table(name(table)).delete = true;
    }
    builder.build()
}

fn name(text: &str) -> SqlName {
    SqlName::exact(text).expect("a usable name")
}

/// A table from lines like `id bigint serial, note text null`.
fn table(table: &str, columns: &str, tenancy: Tenancy) -> Table {
    let columns: Vec<_> = columns.split(',').map(|line| column(line.trim())).collect();
    let mut unique_keys = vec![key(&format!("{table}_pkey"), &["id"], true)];
    if tenancy == Tenancy::Column(name("tenant_id")) {
        unique_keys.push(key(&format!("{table}_tenant_id_id_key"), &["tenant_id", "id"], false));
    }
    Table {
        schema: name("public"),
        name: name(table),
        columns,
        tenancy,
        unique_keys,
        foreign_keys: Vec::new(),
        row_security: RowSecurity::default(),
        owner: "postgres".to_owned(),
    }
}

fn column(line: &str) -> Column {
    let mut words = line.split(' ');
    let column = words.next().expect("a name");
    let sql_type = match words.next().expect("a type") {
        "varchar" => "character varying(255)",
        "char" => "character(2)",
        "timestamptz" => "timestamp with time zone",
        "numeric" => "numeric(12,2)",
        plain => plain,
    };
    let rest: Vec<_> = words.collect();
    let serial = rest.contains(&"serial");
    Column {
        name: name(column),
        sql_type: sql_type.to_owned(),
        nullable: rest.contains(&"null"),
        default: (serial || rest.contains(&"default")).then(|| "default".to_owned()),
        generation: if serial { Generation::Sequence } else { Generation::None },
    }
}

fn key(key: &str, columns: &[&str], primary: bool) -> UniqueKey {
    UniqueKey {
        name: key.to_owned(),
        columns: columns.iter().copied().map(name).collect(),
        primary,
        partial: false,
    }
}

fn reference(key: &str, columns: &[&str], target: &str, target_columns: &[&str]) -> ForeignKey {
    ForeignKey {
        name: key.to_owned(),
        columns: columns.iter().copied().map(name).collect(),
        target: name(target),
        target_columns: target_columns.iter().copied().map(name).collect(),
    }
}
