//! Notes of a tenant. Every statement sees the rows of the tenant that the hook is called for, and no others.

use applet_sdk::{HookError, Order, Result, db, values};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A note to keep.
#[derive(Debug, Deserialize)]
struct NewNote {
    body: String,
}

/// A note that was kept.
#[derive(Debug, Serialize)]
struct Note {
    id: i64,
    body: String,
}

/// Keeps a note.
fn add(note: NewNote) -> Result<Note, HookError> {
    if note.body.trim().is_empty() {
        return Err(HookError::new("empty-note", "a note needs a body"));
    }
    let kept = db::table("notes").insert(values! { body: note.body.as_str() })?;
    Ok(Note { id: kept.get("id")?, body: kept.get("body")? })
}

/// The newest notes.
fn list((): ()) -> Result<Value> {
    db::table("notes").select(["id", "body"]).order_by("id", Order::Descending).limit(100).get()?.to_json()
}

applet_sdk::export! { named: { "add" => add, "list" => list } }
