//! One component for every version of an applet: says which version it is called as and what it sees.

use applet_sdk::{HookError, Result, context, db, params};
use serde::Serialize;
use serde_json::Value;

/// What one call sees.
#[derive(Debug, Serialize)]
struct Seen {
    version: String,
    /// The columns of the applet's own table, asked for before and after writing to it.
    columns: Vec<String>,
    again: Vec<String>,
    /// Tables that something is granted on.
    granted: Vec<String>,
}

fn columns() -> Result<Vec<String>> {
    let rows = db::query("SELECT * FROM notes ORDER BY id DESC LIMIT 1", [])?;
    Ok(rows.columns().iter().map(|column| column.name.clone()).collect())
}

fn look((): ()) -> Result<Seen> {
    let before = columns()?;
    db::query("INSERT INTO notes (body) VALUES ($1) RETURNING *", params!["a note"])?;
    let now = context::current();
    Ok(Seen {
        version: now.applet_version,
        columns: before,
        again: columns()?,
        granted: now.permissions.into_iter().map(|permission| permission.table).collect(),
    })
}

/// Asks for what only a newer version asks for, and says how that went.
fn ask((): ()) -> Result<Value> {
    Ok(match db::query("SELECT count(*) FROM clients", []) {
        Ok(rows) => rows.scalar::<i64>()?.into(),
        Err(error) => error.code.into(),
    })
}

fn upgrade(from: &str) -> Result<(), HookError> {
    db::query("INSERT INTO notes (body) VALUES ($1)", params![format!("from {from}")])?;
    Ok(())
}

applet_sdk::export! {
    named: { "look" => look, "ask" => ask },
    on_upgrade: upgrade,
}
