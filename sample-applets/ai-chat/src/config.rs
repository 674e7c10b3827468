//! The settings: one row per tenant, in the applet's own table.

use applet_sdk::{Decimal, HookError, Result, Value, db, log, values};
use serde::{Deserialize, Serialize};

const TABLE: &str = "ai_chat_configs";

const DEFAULT_PROMPT: &str = "You are a friendly assistant. Answer briefly.";

applet_sdk::from_row! {
    /// The settings of a tenant.
    #[derive(Debug, Serialize)]
    pub struct Config {
        pub model_name: Option<String>,
        pub system_prompt: Option<String>,
        pub temperature: Option<Decimal>,
    }
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    model_name: Option<String>,
    system_prompt: Option<String>,
    temperature: Option<f64>,
}

/// After installing: writes the default settings, unless a restored table has some.
pub fn create() -> Result<()> {
    if current()?.is_none() {
        db::table(TABLE).insert(values! { system_prompt: DEFAULT_PROMPT })?;
        log::info("default settings written");
    }
    Ok(())
}

/// After an upgrade: the new column gets a value of its own.
pub fn upgrade(from: &str) -> Result<()> {
    db::table(TABLE).every_row().update(values! { greeting: "Good day" })?;
    log::info(&format!("upgraded from {from}"));
    Ok(())
}

/// How chats are greeted, in versions that have a column for it.
pub fn greeting() -> Result<Option<String>> {
    let rows = db::query("SELECT * FROM ai_chat_configs", [])?;
    if !rows.columns().iter().any(|column| column.name == "greeting") {
        return Ok(None);
    }
    rows.iter().next().map_or(Ok(None), |row| row?.get("greeting"))
}

/// The settings, if there are any.
pub fn current() -> Result<Option<Config>> {
    db::table(TABLE).select(["model_name", "system_prompt", "temperature"]).first()
}

/// Changes the settings and answers with all of them.
pub fn configure(changes: Changes) -> Result<Config, HookError> {
    let given = [
        ("model_name", changes.model_name.map(Value::from)),
        ("system_prompt", changes.system_prompt.map(Value::from)),
        ("temperature", changes.temperature.map(Value::from)),
    ];
    let given: Vec<_> = given.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
    if !given.is_empty() {
        db::table(TABLE).every_row().update(given)?;
    }
    current()?.ok_or_else(|| HookError::new("not-configured", "there are no settings to change"))
}
