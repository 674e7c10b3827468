//! Rows, and how cells become Rust values.
//!
//! The host hands a result over as one buffer (the format is in `wit/applet-host@0.1.0/types.wit`); it is
//! read where it lies. Nothing is converted silently: a number that does not fit is an error that names
//! the column.

use serde::de::DeserializeOwned;
use serde_json::{Map, Number};

use crate::bindings::imports::applet::host::types;
use crate::column::ColumnIndex;
use crate::time::{Date, Interval, Time, Timestamp};
use crate::{Decimal, Error, Json, Result, Uuid};

pub use crate::bindings::imports::applet::host::types::{Column, ColumnType};

const NULL: u32 = u32::MAX;

/// Room that is made for rows before the first is read: the host's cap.
const MOST_ROWS: usize = 1_000;

/// One cell, read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `smallint`, `integer`, `bigint`.
    Integer(i64),
    /// `real`, `double precision`.
    Float(f64),
    /// `numeric`, as text.
    Numeric(&'a str),
    /// Text of any kind.
    Text(&'a str),
    /// `bytea`.
    Bytes(&'a [u8]),
    /// `uuid`.
    Uuid(Uuid),
    /// `date`.
    Date(Date),
    /// `time`.
    Time(Time),
    /// `timestamp` or `timestamptz`.
    Timestamp(Timestamp),
    /// `interval`.
    Interval(Interval),
    /// JSON text, of `json`, `jsonb` or an array.
    Json(&'a str),
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    columns: Vec<Column>,
    data: Vec<u8>,
    count: usize,
    truncated: bool,
    affected: u64,
}

/// One row of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    columns: &'a [Column],
    cells: Vec<Cell<'a>>,
}

impl Rows {
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

    /// The rows, one after the other.
    pub fn iter(&self) -> Iter<'_> {
        Iter { columns: &self.columns, rest: &self.data, left: self.count }
    }

    /// All rows as this type.
    ///
    /// # Errors
    ///
    /// When a cell does not fit.
    pub fn decode<T: FromRow>(&self) -> Result<Vec<T>> {
        let mut rest = self.iter();
        // One row's worth of cells, filled again and again.
        let mut row = Row { columns: &self.columns, cells: Vec::with_capacity(self.columns.len()) };
        let mut decoded = Vec::with_capacity(self.count.min(MOST_ROWS));
        while rest.read(&mut row.cells)? {
            decoded.push(T::from_row(&row)?);
        }
        Ok(decoded)
    }

    /// The first row as this type, or `None`.
    ///
    /// # Errors
    ///
    /// When a cell does not fit.
    pub fn first<T: FromRow>(&self) -> Result<Option<T>> {
        self.iter().next().map(|row| T::from_row(&row?)).transpose()
    }

    /// The only value of the only row that is expected: the first cell of the first row.
    ///
    /// # Errors
    ///
    /// When there is no row, or the cell does not fit.
    pub fn scalar<T: FromCell>(&self) -> Result<T> {
        match self.iter().next() {
            Some(row) => row?.get(0),
            None => Err(Error::decode("a row was expected, there is none")),
        }
    }

    /// All rows as JSON objects.
    ///
    /// # Errors
    ///
    /// When a JSON cell holds no JSON.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        let rows = self.iter().map(|row| row?.to_json().map(serde_json::Value::Object));
        rows.collect::<Result<Vec<_>>>().map(serde_json::Value::Array)
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = Result<Row<'a>>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl From<types::Rows> for Rows {
    fn from(rows: types::Rows) -> Self {
        Self {
            columns: rows.columns,
            data: rows.data,
            count: rows.count as usize,
            truncated: rows.truncated,
            affected: rows.affected,
        }
    }
}

/// Walks the rows of a result.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    columns: &'a [Column],
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<Row<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut cells = Vec::with_capacity(self.columns.len());
        match self.read(&mut cells) {
            Ok(true) => Some(Ok(Row { columns: self.columns, cells })),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> Iter<'a> {
    /// The cells of the next row; `false` after the last.
    fn read(&mut self, cells: &mut Vec<Cell<'a>>) -> Result<bool> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
        self.left = left;
        cells.clear();
        let columns = self.columns;
        for column in columns {
            let Some(cell) = self.cell(column.kind) else {
                self.left = 0;
                return Err(Error::decode(format!("the cells of column `{}` are damaged", column.name)));
            };
            cells.push(cell);
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn cell(&mut self, kind: ColumnType) -> Option<Cell<'a>> {
        let length = u32::from_le_bytes(fixed(self.take(4)?)?);
        if length == NULL {
            return Some(Cell::Null);
        }
        let bytes = self.take(length as usize)?;
        Some(match kind {
            ColumnType::Boolean => Cell::Boolean(fixed::<1>(bytes)? != [0]),
            ColumnType::Int16 => Cell::Integer(i16::from_le_bytes(fixed(bytes)?).into()),
            ColumnType::Int32 => Cell::Integer(i32::from_le_bytes(fixed(bytes)?).into()),
            ColumnType::Int64 => Cell::Integer(i64::from_le_bytes(fixed(bytes)?)),
            ColumnType::Float32 => Cell::Float(f32::from_le_bytes(fixed(bytes)?).into()),
            ColumnType::Float64 => Cell::Float(f64::from_le_bytes(fixed(bytes)?)),
            ColumnType::Numeric => Cell::Numeric(text(bytes)?),
            ColumnType::Text => Cell::Text(text(bytes)?),
            ColumnType::Bytes => Cell::Bytes(bytes),
            ColumnType::Uuid => Cell::Uuid(Uuid(fixed(bytes)?)),
            ColumnType::Date => Cell::Date(Date(i32::from_le_bytes(fixed(bytes)?))),
            ColumnType::Time => Cell::Time(Time(i64::from_le_bytes(fixed(bytes)?))),
            ColumnType::Timestamp | ColumnType::Timestamptz => {
                Cell::Timestamp(Timestamp(i64::from_le_bytes(fixed(bytes)?)))
            }
            ColumnType::Interval => {
                let (months, rest) = bytes.split_at_checked(4)?;
                let (days, micros) = rest.split_at_checked(4)?;
                Cell::Interval(Interval {
                    months: i32::from_le_bytes(fixed(months)?),
                    days: i32::from_le_bytes(fixed(days)?),
                    micros: i64::from_le_bytes(fixed(micros)?),
                })
            }
            ColumnType::Json | ColumnType::Array => Cell::Json(text(bytes)?),
        })
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

impl<'a> Row<'a> {
    /// The cells, left to right.
    pub fn cells(&self) -> &[Cell<'a>] {
        &self.cells
    }

    /// The cell of a column, as this type: `row.get::<i64>("id")?`.
    ///
    /// # Errors
    ///
    /// When there is no such column, or its cell does not fit.
    pub fn get<T: FromCell>(&self, column: impl ColumnIndex) -> Result<T> {
        self.at(column.find(self.columns)?)
    }

    /// The cell of the column of this name, which is most likely in this place.
    #[doc(hidden)]
    pub fn field<T: FromCell>(&self, likely: usize, name: &str) -> Result<T> {
        match self.columns.get(likely) {
            Some(column) if column.name == name => self.at(likely),
            _ => self.get(name),
        }
    }

    fn at<T: FromCell>(&self, place: usize) -> Result<T> {
        let (Some(column), Some(&cell)) = (self.columns.get(place), self.cells.get(place)) else {
            return Err(Error::decode(format!("there is no column {place}")));
        };
        T::from_cell(cell).ok_or_else(|| {
            let what = if cell == Cell::Null { "is null" } else { "does not fit" };
            Error::decode(format!(
                "column `{}` {what}, {} was asked for",
                column.name,
                std::any::type_name::<T>()
            ))
        })
    }

    /// The row as another type.
    ///
    /// # Errors
    ///
    /// When a cell does not fit.
    pub fn decode<T: FromRow>(&self) -> Result<T> {
        T::from_row(self)
    }

    /// The row as a JSON object. Whole numbers beyond 2^53 and decimals become strings, so that no reader
    /// loses digits.
    ///
    /// # Errors
    ///
    /// When a JSON cell holds no JSON.
    pub fn to_json(&self) -> Result<Map<String, serde_json::Value>> {
        let cells = self.columns.iter().zip(&self.cells);
        cells.map(|(column, cell)| Ok((column.name.clone(), cell_to_json(*cell)?))).collect()
    }
}

fn cell_to_json(cell: Cell<'_>) -> Result<serde_json::Value> {
    const EXACT: u64 = 1 << 53;
    Ok(match cell {
        Cell::Null => serde_json::Value::Null,
        Cell::Boolean(boolean) => boolean.into(),
        Cell::Integer(number) if number.unsigned_abs() <= EXACT => number.into(),
        Cell::Integer(number) => number.to_string().into(),
        Cell::Float(number) => match Number::from_f64(number) {
            Some(number) => number.into(),
            None => number.to_string().into(),
        },
        Cell::Numeric(text) | Cell::Text(text) => text.into(),
        Cell::Bytes(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            format!("\\x{}", digits.collect::<String>()).into()
        }
        Cell::Uuid(uuid) => uuid.to_string().into(),
        Cell::Date(date) => date.to_string().into(),
        Cell::Time(time) => time.to_string().into(),
        Cell::Timestamp(timestamp) => timestamp.to_string().into(),
        Cell::Interval(interval) => interval.to_string().into(),
        Cell::Json(text) => serde_json::from_str(text)
            .map_err(|error| Error::decode(format!("a cell is not JSON: {error}")))?,
    })
}

/// A type that a cell can be read as. `None` when it does not fit.
pub trait FromCell: Sized {
    /// Reads the cell.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

/// A type that a row can be read as: tuples by place, and what [`from_row!`](crate::from_row) defines by name.
pub trait FromRow: Sized {
    /// Reads the row.
    ///
    /// # Errors
    ///
    /// When a cell does not fit.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

macro_rules! from_cell {
    ($($type:ty: $pattern:pat => $value:expr;)*) => { $(
        impl FromCell for $type {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    )* };
}

from_cell! {
    bool: Cell::Boolean(boolean) => Some(boolean);
    i16: Cell::Integer(number) => number.try_into().ok();
    i32: Cell::Integer(number) => number.try_into().ok();
    i64: Cell::Integer(number) => Some(number);
    u32: Cell::Integer(number) => number.try_into().ok();
    u64: Cell::Integer(number) => number.try_into().ok();
    f64: Cell::Float(number) => Some(number);
    Vec<u8>: Cell::Bytes(bytes) => Some(bytes.to_vec());
    Uuid: Cell::Uuid(uuid) => Some(uuid);
    Date: Cell::Date(date) => Some(date);
    Time: Cell::Time(time) => Some(time);
    Timestamp: Cell::Timestamp(timestamp) => Some(timestamp);
    Interval: Cell::Interval(interval) => Some(interval);
    Decimal: Cell::Numeric(text) => Some(Decimal(text.to_owned()));
}

impl FromCell for String {
    /// Text, and what is handed over as text: decimals and JSON.
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(text) | Cell::Numeric(text) | Cell::Json(text) => Some(text.to_owned()),
            Cell::Uuid(uuid) => Some(uuid.to_string()),
            _ => None,
        }
    }
}

impl FromCell for serde_json::Value {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        cell_to_json(cell).ok()
    }
}

impl<T: DeserializeOwned> FromCell for Json<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Json(text) => serde_json::from_str(text).ok().map(Json),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

macro_rules! from_row_tuple {
    ($($type:ident $place:tt),*) => {
        impl<$($type: FromCell),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.get::<$type>($place)?,)*))
            }
        }
    };
}

from_row_tuple!(A 0);
from_row_tuple!(A 0, B 1);
from_row_tuple!(A 0, B 1, C 2);
from_row_tuple!(A 0, B 1, C 2, D 3);
from_row_tuple!(A 0, B 1, C 2, D 3, E 4);
from_row_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
from_row_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
from_row_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// Defines a struct that rows can be read as; each field is read from the column of its name.
///
/// ```
/// applet_sdk::from_row! {
///     /// A client as the list shows it.
///     #[derive(Debug, serde::Serialize)]
///     pub struct Client {
///         pub id: i64,
///         pub first_name: String,
///         pub phone: Option<String>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! from_row {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$attribute])*
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $type,)*
        }

        impl $crate::FromRow for $name {
            fn from_row(row: &$crate::Row<'_>) -> $crate::Result<Self> {
                let mut places = 0..;
                Ok(Self { $($field: row.field(places.next().unwrap_or_default(), stringify!($field))?,)* })
            }
        }
    };
}

#[cfg(test)]
mod tests;
