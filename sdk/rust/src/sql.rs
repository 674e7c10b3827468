//! Writes what the builder collected as SQL. Pure: names are checked here, values become parameters.

use crate::{Error, Result, Value};

/// Longer identifiers are cut by PostgreSQL, so they are refused.
const MAX_NAME: usize = 63;

/// What the host's comparison operators are called.
const OPERATORS: &[(&str, &str)] = &[
    ("=", "="),
    ("!=", "<>"),
    ("<>", "<>"),
    ("<", "<"),
    ("<=", "<="),
    (">", ">"),
    (">=", ">="),
    ("like", "LIKE"),
    ("ilike", "ILIKE"),
    ("not like", "NOT LIKE"),
    ("not ilike", "NOT ILIKE"),
];

/// In which direction rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

#[derive(Debug)]
pub(crate) enum Condition {
    Compare(String, String, Value),
    In(String, Vec<Value>),
    Null(String),
    NotNull(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
}

#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) table: String,
    pub(crate) left: String,
    pub(crate) operator: String,
    pub(crate) right: String,
}

/// Everything a query was told.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) joins: Vec<Join>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) order: Vec<(String, Order)>,
    pub(crate) limit: Option<u32>,
    pub(crate) offset: Option<u32>,
    pub(crate) with_deleted: bool,
    pub(crate) every_row: bool,
}

/// A finished statement.
#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Value>,
}

/// Whether rows of a table can be soft deleted.
pub(crate) type SoftDeletable<'a> = &'a dyn Fn(&str) -> bool;

impl Parts {
    pub(crate) fn new(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            columns: Vec::new(),
            joins: Vec::new(),
            conditions: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
            with_deleted: false,
            every_row: false,
        }
    }

    pub(crate) fn select(&self, soft: SoftDeletable<'_>) -> Result<Statement> {
        let mut writer = Writer::default();
        let columns = if self.columns.is_empty() { vec!["*".to_owned()] } else { self.columns.clone() };
        let columns = columns.iter().map(|column| check_selected(column)).collect::<Result<Vec<_>>>()?;
        writer.push(&format!("SELECT {} FROM {}", columns.join(", "), check_name(&self.table)?));
        for join in &self.joins {
            writer.push(&self.join(join, soft)?);
        }
        self.conditions(&mut writer, soft)?;
        if !self.order.is_empty() {
            let sorted = self.order.iter().map(|(column, order)| {
                let direction = match order {
                    Order::Ascending => "ASC",
                    Order::Descending => "DESC",
                };
                Ok(format!("{} {direction}", check_column(column)?))
            });
            writer.push(&format!(" ORDER BY {}", sorted.collect::<Result<Vec<_>>>()?.join(", ")));
        }
        if let Some(limit) = self.limit {
            writer.push(&format!(" LIMIT {limit}"));
        }
        if let Some(offset) = self.offset {
            writer.push(&format!(" OFFSET {offset}"));
        }
        Ok(writer.finish())
    }

    pub(crate) fn insert(&self, values: Vec<(String, Value)>) -> Result<Statement> {
        self.only("insert", self.conditions.is_empty() && self.is_plain())?;
        let mut writer = Writer::default();
        let table = check_name(&self.table)?;
        if values.is_empty() {
            writer.push(&format!("INSERT INTO {table} DEFAULT VALUES RETURNING *"));
            return Ok(writer.finish());
        }
        let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let columns = columns.iter().map(|column| check_name(column)).collect::<Result<Vec<_>>>()?;
        let places: Vec<_> = values.into_iter().map(|value| writer.bind(value)).collect();
        writer.push(&format!(
            "INSERT INTO {table} ({}) VALUES ({}) RETURNING *",
            columns.join(", "),
            places.join(", ")
        ));
        Ok(writer.finish())
    }

    pub(crate) fn update(&self, values: Vec<(String, Value)>, soft: SoftDeletable<'_>) -> Result<Statement> {
        self.check_change("update")?;
        if values.is_empty() {
            return Err(Error::builder("an update needs at least one column"));
        }
        let mut writer = Writer::default();
        let assignments = values
            .into_iter()
            .map(|(column, value)| Ok(format!("{} = {}", check_name(&column)?, writer.bind(value))))
            .collect::<Result<Vec<_>>>()?;
        writer.push(&format!("UPDATE {} SET {}", check_name(&self.table)?, assignments.join(", ")));
        self.conditions(&mut writer, soft)?;
        Ok(writer.finish())
    }

    pub(crate) fn delete(&self, soft: SoftDeletable<'_>) -> Result<Statement> {
        if !soft(&self.table) {
            return self.force_delete(soft);
        }
        self.check_change("delete")?;
        let mut writer = Writer::default();
        writer.push(&format!("UPDATE {} SET deleted_at = now()", check_name(&self.table)?));
        self.conditions(&mut writer, soft)?;
        Ok(writer.finish())
    }

    pub(crate) fn force_delete(&self, soft: SoftDeletable<'_>) -> Result<Statement> {
        self.check_change("delete")?;
        let mut writer = Writer::default();
        writer.push(&format!("DELETE FROM {}", check_name(&self.table)?));
        self.conditions(&mut writer, soft)?;
        Ok(writer.finish())
    }

    /// A left join keeps rows without a partner, so the partner's filter belongs into its ON.
    fn join(&self, join: &Join, soft: SoftDeletable<'_>) -> Result<String> {
        let table = check_name(&join.table)?;
        let on = format!(
            "{} {} {}",
            check_column(&join.left)?,
            check_operator(&join.operator)?,
            check_column(&join.right)?
        );
        Ok(match join.kind {
            JoinKind::Inner => format!(" JOIN {table} ON {on}"),
            JoinKind::Left if self.hides(table, soft) => {
                format!(" LEFT JOIN {table} ON {on} AND {table}.deleted_at IS NULL")
            }
            JoinKind::Left => format!(" LEFT JOIN {table} ON {on}"),
        })
    }

    fn conditions(&self, writer: &mut Writer, soft: SoftDeletable<'_>) -> Result<()> {
        let mut all = Vec::new();
        for condition in &self.conditions {
            all.push(condition.write(writer)?);
        }
        let inner = self.joins.iter().filter(|join| join.kind == JoinKind::Inner).map(|join| &join.table);
        for table in std::iter::once(&self.table).chain(inner) {
            if self.hides(table, soft) {
                all.push(format!("{}.deleted_at IS NULL", check_name(table)?));
            }
        }
        if !all.is_empty() {
            writer.push(&format!(" WHERE {}", all.join(" AND ")));
        }
        Ok(())
    }

    fn hides(&self, table: &str, soft: SoftDeletable<'_>) -> bool {
        !self.with_deleted && soft(table)
    }

    fn check_change(&self, what: &str) -> Result<()> {
        self.only(what, self.is_plain())?;
        if self.conditions.is_empty() && !self.every_row {
            return Err(Error::builder(format!(
                "{what} without a condition; say `every_row()` if that is meant"
            )));
        }
        Ok(())
    }

    fn is_plain(&self) -> bool {
        let read = self.columns.is_empty() && self.joins.is_empty() && self.order.is_empty();
        read && self.limit.is_none() && self.offset.is_none()
    }

    fn only(&self, what: &str, plain: bool) -> Result<()> {
        let reason =
            || Error::builder(format!("{what} cannot be combined with select, join, order_by or limit"));
        plain.then_some(()).ok_or_else(reason)
    }
}

impl Condition {
    fn write(&self, writer: &mut Writer) -> Result<String> {
        Ok(match self {
            Self::Compare(column, operator, value) => {
                let (column, operator) = (check_column(column)?, check_operator(operator)?);
                if *value == Value::Null {
                    let reason =
                        format!("`{column}` is compared with null; use where_null or where_not_null");
                    return Err(Error::builder(reason));
                }
                format!("{column} {operator} {}", writer.bind(value.clone()))
            }
            Self::In(column, values) if values.is_empty() => format!("{} IN (NULL)", check_column(column)?),
            Self::In(column, values) => {
                let places: Vec<_> = values.iter().map(|value| writer.bind(value.clone())).collect();
                format!("{} IN ({})", check_column(column)?, places.join(", "))
            }
            Self::Null(column) => format!("{} IS NULL", check_column(column)?),
            Self::NotNull(column) => format!("{} IS NOT NULL", check_column(column)?),
        })
    }
}

#[derive(Debug, Default)]
struct Writer {
    sql: String,
    parameters: Vec<Value>,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    fn bind(&mut self, value: Value) -> String {
        self.parameters.push(value);
        format!("${}", self.parameters.len())
    }

    fn finish(self) -> Statement {
        Statement { sql: self.sql, parameters: self.parameters }
    }
}

fn check_name(name: &str) -> Result<&str> {
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts && plain && name.len() <= MAX_NAME {
        Ok(name)
    } else {
        Err(Error::builder(format!("`{name}` is not the name of a table or column")))
    }
}

/// `column` or `table.column`.
fn check_column(column: &str) -> Result<&str> {
    match column.split_once('.') {
        Some((table, name)) => check_name(table).and(check_name(name)).map(|_| column),
        None => check_name(column),
    }
}

/// A column, `*` or `table.*`.
fn check_selected(column: &str) -> Result<&str> {
    match column.strip_suffix('*') {
        Some("") => Ok(column),
        Some(table) if table.ends_with('.') => check_name(table.trim_end_matches('.')).map(|_| column),
        _ => check_column(column),
    }
}

fn check_operator(operator: &str) -> Result<&'static str> {
    let known = OPERATORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(operator));
    known.map(|(_, sql)| *sql).ok_or_else(|| Error::builder(format!("`{operator}` is not a comparison")))
}

#[cfg(test)]
mod tests;
