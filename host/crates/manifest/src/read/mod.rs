//! The tree of nodes to a [`Manifest`]: which keys there are and what kind of value each takes.
//!
//! Reading goes on after a violation, so that all of them are found in one go.

mod fields;
mod tables;

use std::collections::BTreeMap;

use fields::{Fields, text, wrong_kind};

use crate::document::{
    Cache, DatabasePermissions, Hooks, Limits, Manifest, NamedHook, Permissions, TableRequest,
};
use crate::path::Path;
use crate::report::Report;
use crate::yaml::{Content, Node};

/// Reads a document.
pub(crate) fn manifest(root: &Node, report: &mut Report) -> Manifest {
    let Some(mut fields) = Fields::of(root, &Path::root(), report) else { return Manifest::default() };
    let manifest = Manifest {
        manifest_version: fields.required_text("manifestVersion"),
        id: fields.required_text("id"),
        version: fields.required_text("version"),
        name: fields.required_text("name"),
        description: fields.text("description"),
        host_api: fields.text("hostApi"),
        component: fields.text("component"),
        assets: fields.texts("assets").unwrap_or_default(),
        permissions: fields.mapping("permissions", permissions).unwrap_or_default(),
        tables: fields.list("tables", tables::table).unwrap_or_default(),
        hooks: fields.mapping("hooks", hooks).unwrap_or_default(),
        instances: fields.text("instances"),
        cache: fields.mapping("cache", cache),
        variables: fields.mapping("variables", variables).unwrap_or_default(),
        limits: fields.mapping("limits", limits).unwrap_or_default(),
    };
    fields.finish(&[]);
    manifest
}

/// Names that the author chooses, each with a text.
fn variables(node: &Node, path: &Path, report: &mut Report) -> BTreeMap<String, Option<String>> {
    let Content::Mapping(entries) = &node.content else {
        wrong_kind(node, "a mapping of names to texts", path, report);
        return BTreeMap::new();
    };
    entries.iter().map(|(name, _, node)| (name.clone(), text(node, &path.key(name), report))).collect()
}

fn permissions(node: &Node, path: &Path, report: &mut Report) -> Permissions {
    let Some(mut fields) = Fields::of(node, path, report) else { return Permissions::default() };
    let permissions = Permissions { database: fields.mapping("database", database).unwrap_or_default() };
    fields.finish(&[
        ("read", "tables to read are listed under `permissions.database.read`"),
        ("write", "tables to write are listed under `permissions.database.write`"),
    ]);
    permissions
}

fn database(node: &Node, path: &Path, report: &mut Report) -> DatabasePermissions {
    let Some(mut fields) = Fields::of(node, path, report) else { return DatabasePermissions::default() };
    let permissions = DatabasePermissions {
        read: fields
            .list("read", |node, path, report| request(node, path, report, false))
            .unwrap_or_default(),
        write: fields
            .list("write", |node, path, report| request(node, path, report, true))
            .unwrap_or_default(),
        delete: fields.texts("delete").unwrap_or_default(),
        create_tables: fields.boolean("createTables"),
    };
    fields.finish(&[]);
    permissions
}

/// `clients`, or `{ table: clients, operations: […], columns: […] }`.
fn request(node: &Node, path: &Path, report: &mut Report, writes: bool) -> TableRequest {
    if matches!(node.content, Content::Scalar(_)) {
        return TableRequest { table: text(node, path, report), ..TableRequest::default() };
    }
    if !matches!(node.content, Content::Mapping(_)) {
        wrong_kind(node, "a table's name, or a mapping with `table`", path, report);
        return TableRequest::default();
    }
    let Some(mut fields) = Fields::of(node, path, report) else { return TableRequest::default() };
    let request = TableRequest {
        table: fields.required_text("table"),
        operations: if writes { fields.texts("operations") } else { None },
        columns: fields.texts("columns"),
        optional: fields.boolean("optional"),
    };
    fields.finish(&[
        ("operations", "operations are named under `permissions.database.write`"),
        ("name", "the table's name is given as `table`"),
    ]);
    request
}

fn hooks(node: &Node, path: &Path, report: &mut Report) -> Hooks {
    let Some(mut fields) = Fields::of(node, path, report) else { return Hooks::default() };
    let hooks = Hooks {
        lifecycle: fields.texts("lifecycle").unwrap_or_default(),
        named: fields.list("named", named_hook).unwrap_or_default(),
    };
    let lifecycle = "lifecycle hooks are listed: `lifecycle: [on-install]`";
    fields.finish(&[("onInstall", lifecycle), ("on-install", lifecycle), ("on_install", lifecycle)]);
    hooks
}

fn named_hook(node: &Node, path: &Path, report: &mut Report) -> NamedHook {
    match &node.content {
        Content::Mapping(_) => {
            let Some(mut fields) = Fields::of(node, path, report) else { return NamedHook::default() };
            let hook =
                NamedHook { name: fields.required_text("name"), description: fields.text("description") };
            fields.finish(&[]);
            hook
        }
        Content::Scalar(_) | Content::Sequence(_) => {
            NamedHook { name: text(node, path, report), description: None }
        }
    }
}

fn cache(node: &Node, path: &Path, report: &mut Report) -> Cache {
    let Some(mut fields) = Fields::of(node, path, report) else { return Cache::default() };
    let cache = Cache { ttl: fields.number("ttl"), max_entries: fields.number("maxEntries") };
    fields.require("ttl");
    fields.finish(&[]);
    cache
}

fn limits(node: &Node, path: &Path, report: &mut Report) -> Limits {
    let Some(mut fields) = Fields::of(node, path, report) else { return Limits::default() };
    let limits = Limits {
        rows: fields.number("rows"),
        rows_changed: fields.number("rowsChanged"),
        joins: fields.number("joins"),
        subqueries: fields.number("subqueries"),
        statements: fields.number("statements"),
        statement_timeout_ms: fields.number("statementTimeoutMs"),
        wall_ms: fields.number("wallMs"),
        cpu_ms: fields.number("cpuMs"),
        memory_bytes: fields.number("memoryBytes"),
        database_ms: fields.number("databaseMs"),
        invocation_rows: fields.number("invocationRows"),
        invocations_per_second: fields.number("invocationsPerSecond"),
        queries_per_minute: fields.number("queriesPerMinute"),
        writes_per_second: fields.number("writesPerSecond"),
        rows_per_minute: fields.number("rowsPerMinute"),
    };
    fields.finish(&[]);
    limits
}
