//! Rows as they cross from the host to a guest: columns, and one buffer.
//!
//! # The packed form, byte by byte
//!
//! Cells follow each other row by row, column by column, without padding. All numbers are little-endian.
//! A cell is a `u32` length and that many bytes; the length `0xFFFF_FFFF` is NULL and has no bytes.
//!
//! | column type | bytes |
//! |---|---|
//! | `boolean` | 1: 0 or 1 |
//! | `int16` `int32` `int64` | 2, 4, 8: two's complement |
//! | `float32` `float64` | 4, 8: IEEE 754 |
//! | `numeric` | decimal text, also `NaN`, `Infinity`, `-Infinity` |
//! | `text` | UTF-8 |
//! | `bytes` | as they are |
//! | `uuid` | 16, as written from left to right |
//! | `date` | 4: days since 1970-01-01; the smallest and largest `i32` are -infinity and infinity |
//! | `time` | 8: microseconds since midnight |
//! | `timestamp` `timestamptz` | 8: microseconds since 1970-01-01T00:00 (UTC for `timestamptz`); the smallest and largest `i64` are -infinity and infinity |
//! | `interval` | 16: `i32` months, `i32` days, `i64` microseconds |
//! | `json` | JSON text |
//! | `array` | JSON text of an array |
//!
//! The JSON form is the text of an array of rows, each an array of values, see `wit/applet-host@0.1.0/types.wit`.

use std::fmt;
use std::str;
use std::sync::Arc;

/// The length that means NULL.
const NULL: u32 = u32::MAX;

/// The type of a column, as far as a guest has to know it to read cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// true or false.
    Boolean,
    /// 16 bit integer.
    Int16,
    /// 32 bit integer.
    Int32,
    /// 64 bit integer.
    Int64,
    /// 32 bit floating point.
    Float32,
    /// 64 bit floating point.
    Float64,
    /// Exact decimal, as text.
    Numeric,
    /// Text of any kind.
    Text,
    /// Bytes.
    Bytes,
    /// UUID.
    Uuid,
    /// Calendar day.
    Date,
    /// Time of day.
    Time,
    /// Date and time without zone.
    Timestamp,
    /// A moment.
    TimestampTz,
    /// Months, days and microseconds.
    Interval,
    /// JSON text.
    Json,
    /// JSON text of an array.
    Array,
}

impl ColumnType {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Interval => "interval",
            Self::Json => "json",
            Self::Array => "array",
        }
    }
}

/// Name and type of a result column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    /// The name, as the statement gives it.
    pub name: String,
    /// How to read its cells.
    pub kind: ColumnType,
    /// For an array what its elements are, for a range of numbers, whose cells are text, what its bounds are.
    pub element: Option<ColumnType>,
}

/// A result: columns, and rows in one buffer (packed or JSON text, as the guest asked).
#[derive(Clone, PartialEq)]
pub struct RowSet {
    /// The columns, left to right. Shared between results of one prepared statement.
    pub columns: Arc<[Column]>,
    /// How many rows `data` holds.
    pub count: u32,
    /// Whether rows beyond the cap were left out.
    pub truncated: bool,
    /// The rows.
    pub data: Vec<u8>,
}

impl RowSet {
    /// No columns, no rows, packed.
    pub fn empty() -> Self {
        Self { columns: Arc::from([]), count: 0, truncated: false, data: Vec::new() }
    }

    /// Reads packed rows.
    pub fn packed(&self) -> PackedReader<'_> {
        PackedReader { columns: &self.columns, rest: &self.data, rows_left: self.count }
    }
}

impl fmt::Debug for RowSet {
    /// Values stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSet")
            .field("columns", &self.columns)
            .field("count", &self.count)
            .field("truncated", &self.truncated)
            .field("bytes", &self.data.len())
            .finish()
    }
}

/// Appends cells in the packed form.
#[derive(Debug, Default)]
pub struct PackedWriter {
    data: Vec<u8>,
}

impl PackedWriter {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { data: Vec::with_capacity(capacity) }
    }

    /// NULL.
    pub fn null(&mut self) {
        self.data.extend_from_slice(&NULL.to_le_bytes());
    }

    /// A cell of these bytes. They are cut never; more than `u32::MAX - 1` bytes cannot come, because a
    /// PostgreSQL field is at most 1 GiB.
    pub fn cell(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(NULL - 1);
        self.data.extend_from_slice(&length.to_le_bytes());
        self.data.extend_from_slice(bytes);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The buffer.
    pub fn finish(self) -> Vec<u8> {
        self.data
    }
}

/// Packed rows that do not hold what their columns promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("packed rows are damaged")]
pub struct UnpackError;

/// One cell, read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellRef<'a> {
    /// NULL.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `int16`, `int32`, `int64`.
    Integer(i64),
    /// `float32`, `float64`.
    Float(f64),
    /// `numeric` as text.
    Numeric(&'a str),
    /// `text`.
    Text(&'a str),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// `uuid`.
    Uuid([u8; 16]),
    /// `date`: days since 1970-01-01.
    Date(i32),
    /// `time`: microseconds since midnight.
    Time(i64),
    /// `timestamp`: microseconds since 1970-01-01T00:00.
    Timestamp(i64),
    /// `timestamptz`: microseconds since 1970-01-01T00:00Z.
    TimestampTz(i64),
    /// `interval`: months, days, microseconds.
    Interval(i32, i32, i64),
    /// `json`.
    Json(&'a str),
    /// `array`, JSON text.
    Array(&'a str),
}

/// Walks packed rows, cell by cell.
#[derive(Debug)]
pub struct PackedReader<'a> {
    columns: &'a [Column],
    rest: &'a [u8],
    rows_left: u32,
}

impl<'a> PackedReader<'a> {
    /// The next row, or `None` after the last.
    ///
    /// # Errors
    ///
    /// [`UnpackError`] when the buffer does not hold what the columns promise.
    pub fn next_row(&mut self) -> Result<Option<Vec<CellRef<'a>>>, UnpackError> {
        if self.rows_left == 0 {
            return if self.rest.is_empty() { Ok(None) } else { Err(UnpackError) };
        }
        self.rows_left -= 1;
        let columns = self.columns;
        columns.iter().map(|column| self.cell(column.kind)).collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], UnpackError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(UnpackError)?;
        self.rest = rest;
        Ok(taken)
    }

    fn cell(&mut self, kind: ColumnType) -> Result<CellRef<'a>, UnpackError> {
        let length = u32::from_le_bytes(fixed(self.take(4)?)?);
        if length == NULL {
            return Ok(CellRef::Null);
        }
        let bytes = self.take(usize::try_from(length).map_err(|_| UnpackError)?)?;
        Ok(match kind {
            ColumnType::Boolean => CellRef::Boolean(fixed::<1>(bytes)? != [0]),
            ColumnType::Int16 => CellRef::Integer(i16::from_le_bytes(fixed(bytes)?).into()),
            ColumnType::Int32 => CellRef::Integer(i32::from_le_bytes(fixed(bytes)?).into()),
            ColumnType::Int64 => CellRef::Integer(i64::from_le_bytes(fixed(bytes)?)),
            ColumnType::Float32 => CellRef::Float(f32::from_le_bytes(fixed(bytes)?).into()),
            ColumnType::Float64 => CellRef::Float(f64::from_le_bytes(fixed(bytes)?)),
            ColumnType::Numeric => CellRef::Numeric(text(bytes)?),
            ColumnType::Text => CellRef::Text(text(bytes)?),
            ColumnType::Bytes => CellRef::Bytes(bytes),
            ColumnType::Uuid => CellRef::Uuid(fixed(bytes)?),
            ColumnType::Date => CellRef::Date(i32::from_le_bytes(fixed(bytes)?)),
            ColumnType::Time => CellRef::Time(i64::from_le_bytes(fixed(bytes)?)),
            ColumnType::Timestamp => CellRef::Timestamp(i64::from_le_bytes(fixed(bytes)?)),
            ColumnType::TimestampTz => CellRef::TimestampTz(i64::from_le_bytes(fixed(bytes)?)),
            ColumnType::Interval => interval(bytes)?,
            ColumnType::Json => CellRef::Json(text(bytes)?),
            ColumnType::Array => CellRef::Array(text(bytes)?),
        })
    }
}

fn interval(bytes: &[u8]) -> Result<CellRef<'_>, UnpackError> {
    let (months, rest) = bytes.split_at_checked(4).ok_or(UnpackError)?;
    let (days, micros) = rest.split_at_checked(4).ok_or(UnpackError)?;
    Ok(CellRef::Interval(
        i32::from_le_bytes(fixed(months)?),
        i32::from_le_bytes(fixed(days)?),
        i64::from_le_bytes(fixed(micros)?),
    ))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], UnpackError> {
    bytes.try_into().map_err(|_| UnpackError)
}

fn text(bytes: &[u8]) -> Result<&str, UnpackError> {
    str::from_utf8(bytes).map_err(|_| UnpackError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(kinds: &[ColumnType]) -> Arc<[Column]> {
        kinds.iter().map(|&kind| Column { name: kind.as_str().to_owned(), kind, element: None }).collect()
    }

    #[test]
    fn s4_70_packed_cells_read_back_as_written() {
        let mut writer = PackedWriter::default();
        writer.cell(&7_i32.to_le_bytes());
        writer.null();
        writer.cell("naïve".as_bytes());
        let rows = RowSet {
            columns: columns(&[ColumnType::Int32, ColumnType::Boolean, ColumnType::Text]),
            count: 1,
            truncated: false,
            data: writer.finish(),
        };
        let mut reader = rows.packed();
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!(row, [CellRef::Integer(7), CellRef::Null, CellRef::Text("naïve")]);
        assert_eq!(reader.next_row(), Ok(None));
    }

    #[test]
    fn s4_70_damaged_rows_are_an_error_not_a_panic() {
        for data in [vec![], vec![9, 0, 0, 0, 1], vec![1, 0, 0, 0, 1]] {
            let rows = RowSet { columns: columns(&[ColumnType::Int64]), count: 1, truncated: false, data };
            assert_eq!(rows.packed().next_row(), Err(UnpackError));
        }
    }
}
