//! How a column is named.

use crate::{Column, Error, Result};

/// Names a column: by its name or by its place from 0.
pub trait ColumnIndex {
    /// The place of the column.
    fn find(&self, columns: &[Column]) -> Result<usize>;
}

impl ColumnIndex for usize {
    fn find(&self, columns: &[Column]) -> Result<usize> {
        if *self < columns.len() {
            Ok(*self)
        } else {
            Err(Error::decode(format!("there is no column {self}")))
        }
    }
}

impl ColumnIndex for &str {
    fn find(&self, columns: &[Column]) -> Result<usize> {
        let found = columns.iter().position(|column| column.name == *self);
        found.ok_or_else(|| Error::decode(format!("there is no column `{self}`")))
    }
}
