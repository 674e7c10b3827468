//! The hooks that are measured.

use applet_sdk::{HookError, Result, db, params};
use serde::{Deserialize, Serialize};

applet_sdk::from_row! {
    /// A client as a list shows it.
    #[derive(Debug, Serialize)]
    pub struct Client {
        id: i64,
        first_name: String,
        last_name: Option<String>,
        phone: Option<String>,
        status: String,
    }
}

#[derive(Debug, Deserialize)]
struct Which {
    id: i64,
}

fn hello((): ()) -> Result<&'static str> {
    Ok("hello")
}

fn client1(which: Which) -> Result<Client, HookError> {
    let rows = db::query(
        "SELECT id, first_name, last_name, phone, status FROM clients WHERE id = $1",
        params![which.id],
    )?;
    rows.first()?.ok_or_else(|| HookError::new("no-such-client", "there is no such client"))
}

fn clients100((): ()) -> Result<Vec<Client>> {
    db::query_as("SELECT id, first_name, last_name, phone, status FROM clients ORDER BY id LIMIT 100", [])
}

fn insert((): ()) -> Result<i64> {
    let rows = db::query(
        "INSERT INTO clients (first_name, last_name, phone) VALUES ($1, $2, $3) RETURNING id",
        params!["Ada", "Lovelace", "+44 20 7946 0000"],
    )?;
    rows.scalar()
}

applet_sdk::export! {
    named: {
        "hello" => hello,
        "client1" => client1,
        "clients100" => clients100,
        "insert" => insert,
    }
}
