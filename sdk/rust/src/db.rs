//! The database: statements, batches, transactions.

use crate::bindings::imports::applet::host::db;
use crate::builder::{Query, Runner};
use crate::json_rows::JsonRows;
use crate::rows::Rows;
use crate::{FromRow, Result, Value};

use crate::bindings::imports::applet::host::types::Encoding;

/// Runs one statement with its parameters and gives its rows.
///
/// ```no_run
/// use applet_sdk::{Result, db, params};
///
/// fn names(since: &str) -> Result<Vec<(i64, String)>> {
///     db::query("SELECT id, first_name FROM clients WHERE created_at > $1", params![since])?.decode()
/// }
/// ```
///
/// # Errors
///
/// What the host refused, and why.
pub fn query(sql: &str, parameters: impl Into<Vec<Value>>) -> Result<Rows> {
    Ok(db::query(sql, &parameters.into(), Encoding::Packed)?.into())
}

/// Runs one statement and gives its rows as JSON text, to be handed on as they are: an array of rows, each an
/// array of values. Whole numbers beyond 2^53, decimals, NaN and infinities are strings.
///
/// # Errors
///
/// What the host refused, and why.
pub fn query_json(sql: &str, parameters: impl Into<Vec<Value>>) -> Result<JsonRows> {
    db::query(sql, &parameters.into(), Encoding::Json)?.try_into()
}

/// Runs one statement and gives all its rows as this type.
///
/// # Errors
///
/// What the host refused, and why; or a cell that does not fit.
pub fn query_as<T: FromRow>(sql: &str, parameters: impl Into<Vec<Value>>) -> Result<Vec<T>> {
    query(sql, parameters)?.decode()
}

/// Runs one statement and gives the number of rows it changed.
///
/// # Errors
///
/// What the host refused, and why.
pub fn execute(sql: &str, parameters: impl Into<Vec<Value>>) -> Result<u64> {
    Ok(db::execute(sql, &parameters.into())?)
}

/// Runs several statements in one transaction: all take effect, or none.
///
/// # Errors
///
/// What the host refused, and why.
pub fn batch<'a>(statements: impl IntoIterator<Item = (&'a str, Vec<Value>)>) -> Result<Vec<Rows>> {
    let statements: Vec<_> = statements
        .into_iter()
        .map(|(sql, parameters)| db::Statement { sql: sql.to_owned(), parameters })
        .collect();
    Ok(db::batch(&statements, Encoding::Packed)?.into_iter().map(Rows::from).collect())
}

/// Starts a statement on a table; see [`Query`].
pub fn table(name: &str) -> Query<'static> {
    Query::new(name, &Directly)
}

/// Opens a transaction. It holds one connection until it ends; dropping it rolls it back.
///
/// # Errors
///
/// When none is free, or one is open already.
pub fn begin() -> Result<Transaction> {
    Ok(Transaction(db::begin()?))
}

/// Runs a function in a transaction, which is committed if it succeeds and rolled back if not.
///
/// ```no_run
/// use applet_sdk::{Result, db, values};
///
/// fn reply(chat: i64, text: &str) -> Result<()> {
///     db::transaction(|transaction| {
///         transaction.table("chat_messages").insert(values! { chat_id: chat, content: text })?;
///         transaction.table("chats").where_eq("id", chat).update(values! { status: "answered" })?;
///         Ok(())
///     })
/// }
/// ```
///
/// # Errors
///
/// The function's error, or that of the transaction.
pub fn transaction<T, E: From<crate::Error>>(
    work: impl FnOnce(&Transaction) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = begin()?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// An open transaction.
#[derive(Debug)]
pub struct Transaction(db::Transaction);

impl Transaction {
    /// Runs one statement inside.
    ///
    /// # Errors
    ///
    /// What the host refused, and why. Afterwards the transaction can only be rolled back.
    pub fn query(&self, sql: &str, parameters: impl Into<Vec<Value>>) -> Result<Rows> {
        Ok(self.0.query(sql, &parameters.into(), Encoding::Packed)?.into())
    }

    /// Runs one statement inside and gives the number of rows it changed.
    ///
    /// # Errors
    ///
    /// What the host refused, and why. Afterwards the transaction can only be rolled back.
    pub fn execute(&self, sql: &str, parameters: impl Into<Vec<Value>>) -> Result<u64> {
        Ok(self.0.execute(sql, &parameters.into())?)
    }

    /// Starts a statement on a table, inside.
    pub fn table(&self, name: &str) -> Query<'_> {
        Query::new(name, self)
    }

    /// Makes it all permanent.
    ///
    /// # Errors
    ///
    /// When the database could not, or may have but the answer was lost (`outcome-unknown`).
    pub fn commit(self) -> Result<()> {
        Ok(db::Transaction::commit(self.0)?)
    }

    /// Undoes it all.
    ///
    /// # Errors
    ///
    /// When the connection broke; then it is undone as well.
    pub fn rollback(self) -> Result<()> {
        Ok(db::Transaction::rollback(self.0)?)
    }
}

#[derive(Debug)]
struct Directly;

impl Runner for Directly {
    fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<Rows> {
        query(sql, parameters)
    }
}

impl Runner for Transaction {
    fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<Rows> {
        self.query(sql, parameters)
    }
}
