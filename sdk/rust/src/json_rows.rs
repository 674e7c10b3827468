//! Rows that are handed on as they are.

use crate::bindings::imports::applet::host::types;
use crate::{Column, Error, Result};

/// A result as JSON text.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonRows {
    columns: Vec<Column>,
    text: String,
    count: usize,
    truncated: bool,
    affected: u64,
}

impl JsonRows {
    /// The rows: a JSON array of arrays.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the host left rows out because there were more than its cap.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Rows changed by a write, rows returned by a read.
    pub fn affected(&self) -> u64 {
        self.affected
    }

    /// The columns, left to right.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

impl TryFrom<types::Rows> for JsonRows {
    type Error = Error;

    fn try_from(rows: types::Rows) -> Result<Self> {
        Ok(Self {
            columns: rows.columns,
            text: String::from_utf8(rows.data).map_err(|_| Error::decode("the rows are not text"))?,
            count: rows.count as usize,
            truncated: rows.truncated,
            affected: rows.affected,
        })
    }
}
