//! A manifest as it is written: the right keys with values of the right kind, and nothing checked beyond
//! that. The JSON schema is made from these types; what a value means is decided in `validate`.
//!
//! A field is `None` when it is absent, or when it was unreadable and has been reported.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::column_type::PATTERN;
use crate::validated::LifecycleHook;

/// An applet's `manifest.yaml`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Applet manifest")]
pub(crate) struct Manifest {
    /// The version of this format: "1.0".
    #[schemars(with = "String", extend("const" = "1.0"))]
    pub(crate) manifest_version: Option<String>,
    /// The applet's id: kebab-case, 3 to 50 characters.
    #[schemars(with = "String", regex(pattern = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"), length(min = 3, max = 50))]
    pub(crate) id: Option<String>,
    /// The applet's version, by semantic versioning.
    #[schemars(with = "String")]
    pub(crate) version: Option<String>,
    /// What people call the applet.
    #[schemars(with = "String", length(min = 1, max = 100))]
    pub(crate) name: Option<String>,
    /// What the applet does, for the admin who approves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub(crate) description: Option<String>,
    /// The versions of the host API that the applet runs on, for example `^0.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host_api: Option<String>,
    /// The component's path inside the package or the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<String>,
    /// Files that the package carries beside manifest and component, by their paths from the manifest's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub(crate) assets: Vec<Option<String>>,
    /// What the applet asks for.
    #[serde(default)]
    pub(crate) permissions: Permissions,
    /// The applet's own tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
    /// What the component exports for the host to call.
    #[serde(default)]
    pub(crate) hooks: Hooks,
    /// Whether each invocation gets a fresh instance, or a warm one may be used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["fresh", "reused"]))]
    pub(crate) instances: Option<String>,
    /// How reads may be cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<Cache>,
    /// Texts that the component may look up: by `wasi:config`, as variables of Spin, or in its environment. The
    /// same for every tenant, and no place for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(crate) variables: BTreeMap<String, Option<String>>,
    /// Limits lower than the host's.
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// What the applet asks for.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Permissions {
    /// What it asks for in the database.
    #[serde(default)]
    pub(crate) database: DatabasePermissions,
}

/// What the applet asks for in the database.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DatabasePermissions {
    /// Tables that it reads.
    #[serde(default)]
    #[schemars(with = "Vec<NameOr<ReadRequest>>")]
    pub(crate) read: Vec<TableRequest>,
    /// Tables that it writes. Reading them does not follow from it.
    #[serde(default)]
    #[schemars(with = "Vec<NameOr<WriteRequest>>")]
    pub(crate) write: Vec<TableRequest>,
    /// Tables whose rows it removes for good.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) delete: Vec<Option<String>>,
    /// Whether it creates tables of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) create_tables: Option<bool>,
}

/// An entry of a permission list, whichever way it was written.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct TableRequest {
    pub(crate) table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operations: Option<Vec<Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<Vec<Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) optional: Option<bool>,
}

/// Either just a name, or a mapping that says more.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "NameOr{T}")]
#[expect(dead_code, reason = "describes the schema only")]
enum NameOr<T> {
    Name(String),
    Detailed(T),
}

/// A table to read.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the schema only")]
struct ReadRequest {
    /// The table.
    table: String,
    /// The columns; all of them when not given.
    columns: Option<Vec<String>>,
    /// Whether the applet works without it.
    optional: Option<bool>,
}

/// A table to write.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the schema only")]
struct WriteRequest {
    /// The table.
    table: String,
    /// What is done; insert, update and soft-delete when not given.
    operations: Option<Vec<WriteOperation>>,
    /// The columns that are written; all of them when not given.
    columns: Option<Vec<String>>,
    /// Whether the applet works without it.
    optional: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes the schema only")]
enum WriteOperation {
    Insert,
    Update,
    SoftDelete,
}

/// An own table.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Table {
    /// The name that the applet uses.
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// What it holds, for the admin who approves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Its columns. `id` and `tenant_id` are declared, `created_at` and `updated_at` are always there.
    #[schemars(length(min = 1))]
    pub(crate) columns: Vec<Column>,
    /// Indexes over several columns, and unique ones. `tenant_id` always comes first in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) indexes: Vec<Index>,
}

/// A column.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Column {
    /// Its name.
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// Its type: bigserial, serial, uuid, varchar(n), text, integer, bigint, decimal(p,s), boolean,
    /// timestamptz, date, jsonb or bytea.
    #[serde(rename = "type")]
    #[schemars(with = "String", regex(pattern = PATTERN))]
    pub(crate) column_type: Option<String>,
    /// Whether it is the primary key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) primary: Option<bool>,
    /// Whether it must have a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) required: Option<bool>,
    /// The opposite of `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nullable: Option<bool>,
    /// Whether it has an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<bool>,
    /// A literal of its type, `now()` or `gen_random_uuid()`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) default: Option<DefaultText>,
    /// The column that its values have to exist in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) foreign_key: Option<ForeignKey>,
}

/// A default as written.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum DefaultText {
    /// A scalar, quoted or not.
    Text(String),
    /// A list or a mapping.
    Json(serde_json::Value),
}

/// A foreign key.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ForeignKey {
    /// The table that is pointed at.
    #[schemars(with = "String")]
    pub(crate) table: Option<String>,
    /// The column that is pointed at; `id` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<String>,
    /// What happens to a row when the one it points at is deleted: `NO ACTION` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"]))]
    pub(crate) on_delete: Option<String>,
}

/// An index.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Index {
    /// Its columns, in order.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub(crate) columns: Vec<Option<String>>,
    /// Whether no two rows of a tenant may have the same values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unique: Option<bool>,
}

/// What the component exports for the host to call.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Hooks {
    /// Lifecycle hooks that the component exports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>", extend("items" = { "enum": LifecycleHook::ALL.map(LifecycleHook::as_str) }))]
    pub(crate) lifecycle: Vec<Option<String>>,
    /// Named hooks: JSON in, JSON out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<NameOr<NamedHook>>")]
    pub(crate) named: Vec<NamedHook>,
}

/// A named hook.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NamedHook {
    /// Its name: kebab-case.
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

/// How reads may be cached.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Cache {
    /// Seconds that a cached answer may be served.
    #[schemars(with = "u64")]
    pub(crate) ttl: Option<u64>,
    /// Answers kept at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_entries: Option<u64>,
}

/// Limits that an applet sets itself, each at most what the host gives anyway.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Limits {
    /// Rows of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
    /// Rows that one statement changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows_changed: Option<u64>,
    /// Joins of a statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) joins: Option<u64>,
    /// Subqueries of a statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subqueries: Option<u64>,
    /// Statements of an invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statements: Option<u64>,
    /// Milliseconds of a statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statement_timeout_ms: Option<u64>,
    /// Milliseconds of an invocation, by the clock on the wall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wall_ms: Option<u64>,
    /// Milliseconds of computing in an invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ms: Option<u64>,
    /// Bytes of linear memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes: Option<u64>,
    /// Milliseconds that the statements of an invocation take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_ms: Option<u64>,
    /// Rows that the statements of an invocation return or change together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invocation_rows: Option<u64>,
    /// Invocations per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invocations_per_second: Option<u64>,
    /// Statements per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queries_per_minute: Option<u64>,
    /// Writing statements per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) writes_per_second: Option<u64>,
    /// Rows returned or changed per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows_per_minute: Option<u64>,
}
