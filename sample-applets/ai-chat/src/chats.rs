//! Clients, chats and messages: tables of the platform, of which only the tenant's rows are seen.

use applet_sdk::{HookError, Order, Result, Timestamp, db, params, values};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::config;

const RECENT: u32 = 5;

/// What a tenant has.
#[derive(Debug, Serialize)]
pub struct Summary {
    clients: i64,
    open_chats: i64,
    messages: i64,
    newest_clients: Json,
    /// How many invoices; left out where the applet may not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    invoices: Option<i64>,
}

/// How many clients, chats and messages there are, and the newest clients.
pub fn summary((): ()) -> Result<Summary> {
    let newest = db::table("clients")
        .select(["id", "first_name", "last_name", "phone"])
        .order_by("created_at", Order::Descending)
        .order_by("id", Order::Descending)
        .limit(RECENT)
        .get()?;
    Ok(Summary {
        clients: db::query("SELECT count(*) FROM clients WHERE deleted_at IS NULL", [])?.scalar()?,
        open_chats: db::query("SELECT count(*) FROM chats WHERE status = $1", params!["open"])?.scalar()?,
        messages: db::query("SELECT count(*) FROM chat_messages", [])?.scalar()?,
        newest_clients: newest.to_json()?,
        invoices: invoices()?,
    })
}

/// Version 1.1.0 asks for invoices, 1.0.0 does not, and an admin may refuse them: the same code serves all
/// three.
fn invoices() -> Result<Option<i64>> {
    match db::query("SELECT count(id) FROM invoices", []) {
        Ok(rows) => rows.scalar().map(Some),
        Err(error) if matches!(error.code.as_str(), "not-granted" | "table-not-allowed") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which messages.
#[derive(Debug, Deserialize)]
pub struct Which {
    /// Only those written after this moment, RFC 3339.
    since: Option<String>,
}

/// The messages, newest first, each with the client it belongs to.
pub fn messages(which: Option<Which>) -> Result<Json> {
    let mut query = db::table("chat_messages")
        .join("chats", "chat_messages.chat_id", "=", "chats.id")
        .select(["chat_messages.id", "chat_messages.content", "chat_messages.sender_type", "chats.client_id"])
        .order_by("chat_messages.created_at", Order::Descending)
        .limit(100);
    if let Some(since) = which.and_then(|which| which.since) {
        query = query.where_("chat_messages.created_at", ">", since);
    }
    query.get()?.to_json()
}

/// Which chat to answer.
#[derive(Debug, Deserialize)]
pub struct Question {
    chat_id: i64,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Answer {
    message_id: i64,
    content: String,
}

/// Answers a chat: writes the message and notes that the client was contacted, both or neither.
pub fn reply(question: Question) -> Result<Answer, HookError> {
    let chat = question.chat_id;
    let client: Option<(i64, String)> = db::table("chats")
        .join("clients", "chats.client_id", "=", "clients.id")
        .select(["clients.id", "clients.first_name"])
        .where_eq("chats.id", chat)
        .first()?;
    let Some((client, name)) = client else {
        return Err(HookError::new("no-such-chat", format!("there is no chat {chat}")));
    };
    let model =
        config::current()?.and_then(|config| config.model_name).unwrap_or_else(|| "a model".to_owned());
    let greeting = config::greeting()?.unwrap_or_else(|| "Hello".to_owned());
    let content = format!("{greeting} {name}, {model} is looking into it.");
    let message_id = db::transaction(|transaction| -> Result<i64> {
        let message = transaction
            .table("chat_messages")
            .insert(values! { chat_id: chat, content: content.as_str(), sender_type: "ai" })?;
        transaction
            .table("clients")
            .where_eq("id", client)
            .update(values! { last_contacted_at: Timestamp::now() })?;
        message.get("id")
    })?;
    Ok(Answer { message_id, content })
}
