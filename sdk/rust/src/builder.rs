//! The query builder: SQL text and parameters, from names that are checked and values that stay values.
//!
//! It is a convenience and no boundary: what it makes goes through the host's gate like any other statement.

use std::fmt;

use crate::context;
use crate::rows::{FromCell, FromRow, Rows};
use crate::sql::{Condition, Join, JoinKind, Parts, Statement};
use crate::{ColumnIndex, Error, Result, Value};

pub use crate::sql::Order;

/// What runs a finished statement: the database, or an open transaction.
pub(crate) trait Runner: fmt::Debug {
    /// Runs it.
    fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<Rows>;
}

/// A statement on a table, while it is being put together.
///
/// Rows that are soft deleted are hidden unless [`with_deleted`](Self::with_deleted) is called. A mistake (a
/// name that is none, an operator that does not exist) is reported when the statement is run.
///
/// ```no_run
/// use applet_sdk::{Order, Result, db, values};
///
/// fn example(chat: i64, client: i64, since: &str) -> Result<()> {
///     let clients = db::table("clients")
///         .select(["id", "first_name", "last_name", "phone"])
///         .where_("created_at", ">", since)
///         .order_by("created_at", Order::Descending)
///         .limit(100)
///         .get()?;
///     let messages = db::table("chat_messages")
///         .join("chats", "chat_messages.chat_id", "=", "chats.id")
///         .select(["chat_messages.*", "chats.client_id"])
///         .where_("chat_messages.created_at", ">", since)
///         .get()?;
///     let message = db::table("chat_messages")
///         .insert(values! { chat_id: chat, content: "Hello!", sender_type: "ai" })?;
///     let id: i64 = message.get("id")?;
///     db::table("clients").where_eq("id", client).update(values! { notes: "called" })?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct Query<'t> {
    parts: Parts,
    runner: &'t dyn Runner,
}

/// A stored row that a write gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Rows);

impl Record {
    /// A column, as this type.
    ///
    /// # Errors
    ///
    /// When there is no such column, or its cell does not fit.
    pub fn get<T: FromCell>(&self, column: impl ColumnIndex) -> Result<T> {
        match self.0.iter().next() {
            Some(row) => row?.get(column),
            None => Err(Error::decode("the write gave no row back")),
        }
    }

    /// The whole row, as this type.
    ///
    /// # Errors
    ///
    /// When a cell does not fit.
    pub fn decode<T: FromRow>(&self) -> Result<T> {
        self.0.first()?.ok_or_else(|| Error::decode("the write gave no row back"))
    }
}

impl<'t> Query<'t> {
    pub(crate) fn new(table: &str, runner: &'t dyn Runner) -> Self {
        Self { parts: Parts::new(table), runner }
    }

    /// The columns to read: `id`, `clients.id`, `clients.*` or `*`. All, if this is not called.
    pub fn select<C: AsRef<str>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.parts.columns.extend(columns.into_iter().map(|column| column.as_ref().to_owned()));
        self
    }

    /// Only rows whose column compares so: `=`, `!=`, `<`, `<=`, `>`, `>=`, `like`, `ilike`.
    pub fn where_(self, column: &str, operator: &str, value: impl Into<Value>) -> Self {
        self.condition(Condition::Compare(column.to_owned(), operator.to_owned(), value.into()))
    }

    /// Only rows whose column has this value. `None` means NULL.
    pub fn where_eq(self, column: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => self.where_null(column),
            value => self.where_(column, "=", value),
        }
    }

    /// Only rows whose column has one of these values; with no values, no rows.
    pub fn where_in<V: Into<Value>>(self, column: &str, values: impl IntoIterator<Item = V>) -> Self {
        self.condition(Condition::In(column.to_owned(), values.into_iter().map(Into::into).collect()))
    }

    /// Only rows whose column is NULL.
    pub fn where_null(self, column: &str) -> Self {
        self.condition(Condition::Null(column.to_owned()))
    }

    /// Only rows whose column is not NULL.
    pub fn where_not_null(self, column: &str) -> Self {
        self.condition(Condition::NotNull(column.to_owned()))
    }

    /// Only with rows of another table that match: `join("chats", "chat_messages.chat_id", "=", "chats.id")`.
    pub fn join(self, table: &str, left: &str, operator: &str, right: &str) -> Self {
        self.joined(JoinKind::Inner, table, left, operator, right)
    }

    /// With rows of another table that match, or with nulls.
    pub fn left_join(self, table: &str, left: &str, operator: &str, right: &str) -> Self {
        self.joined(JoinKind::Left, table, left, operator, right)
    }

    /// Sorted by this column, after the columns that were given before.
    pub fn order_by(mut self, column: &str, order: Order) -> Self {
        self.parts.order.push((column.to_owned(), order));
        self
    }

    /// At most so many rows. The host has a cap of its own.
    pub fn limit(mut self, rows: u32) -> Self {
        self.parts.limit = Some(rows);
        self
    }

    /// Without the first so many rows.
    pub fn offset(mut self, rows: u32) -> Self {
        self.parts.offset = Some(rows);
        self
    }

    /// Soft-deleted rows as well.
    pub fn with_deleted(mut self) -> Self {
        self.parts.with_deleted = true;
        self
    }

    /// Says that an update or delete without a condition is meant.
    pub fn every_row(mut self) -> Self {
        self.parts.every_row = true;
        self
    }

    /// Reads the rows.
    ///
    /// # Errors
    ///
    /// A mistake in the query, or what the host refused, and why.
    pub fn get(self) -> Result<Rows> {
        self.run(self.parts.select(&context::soft_deletable))
    }

    /// Reads the rows as this type.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); or a cell that does not fit.
    pub fn get_as<T: FromRow>(self) -> Result<Vec<T>> {
        self.get()?.decode()
    }

    /// Reads the first row as this type, or `None`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); or a cell that does not fit.
    pub fn first<T: FromRow>(self) -> Result<Option<T>> {
        self.limit(1).get()?.first()
    }

    /// Adds a row, and gives it back as it was stored: with its key and defaults, as far as the applet may
    /// read it.
    ///
    /// # Errors
    ///
    /// A mistake in the query, or what the host refused, and why.
    pub fn insert<C: AsRef<str>>(self, values: impl IntoIterator<Item = (C, Value)>) -> Result<Record> {
        self.run(self.parts.insert(owned(values))).map(Record)
    }

    /// Changes the rows that the conditions choose, and says how many. Without a condition, see
    /// [`every_row`](Self::every_row).
    ///
    /// # Errors
    ///
    /// A mistake in the query, or what the host refused, and why.
    pub fn update<C: AsRef<str>>(self, values: impl IntoIterator<Item = (C, Value)>) -> Result<u64> {
        self.run(self.parts.update(owned(values), &context::soft_deletable)).map(|rows| rows.affected())
    }

    /// Deletes the rows that the conditions choose, and says how many: softly where the table allows it.
    ///
    /// # Errors
    ///
    /// A mistake in the query, or what the host refused, and why.
    pub fn delete(self) -> Result<u64> {
        self.run(self.parts.delete(&context::soft_deletable)).map(|rows| rows.affected())
    }

    /// Removes the rows that the conditions choose for good, and says how many. Needs the hard-delete grant.
    ///
    /// # Errors
    ///
    /// A mistake in the query, or what the host refused, and why.
    pub fn force_delete(self) -> Result<u64> {
        self.run(self.parts.force_delete(&context::soft_deletable)).map(|rows| rows.affected())
    }

    fn condition(mut self, condition: Condition) -> Self {
        self.parts.conditions.push(condition);
        self
    }

    fn joined(mut self, kind: JoinKind, table: &str, left: &str, operator: &str, right: &str) -> Self {
        let [table, left, operator, right] = [table, left, operator, right].map(str::to_owned);
        self.parts.joins.push(Join { kind, table, left, operator, right });
        self
    }

    fn run(&self, statement: Result<Statement>) -> Result<Rows> {
        let statement = statement?;
        self.runner.run(&statement.sql, statement.parameters)
    }
}

fn owned<C: AsRef<str>>(values: impl IntoIterator<Item = (C, Value)>) -> Vec<(String, Value)> {
    values.into_iter().map(|(column, value)| (column.as_ref().to_owned(), value)).collect()
}
