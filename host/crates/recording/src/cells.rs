//! Packed rows as JSON that people can read, and back, to the byte.
//!
//! Whole numbers of 64 bits and moments are decimal text, since many readers of JSON have doubles only; floats are
//! the shortest text that reads back to the same bits, or the bits.

use applet_types::{CellRef, Column, ColumnType, PackedWriter, RowSet, UnpackError};
use serde_json::Value;

/// Every column type.
pub(crate) const KINDS: [ColumnType; 17] = [
    ColumnType::Boolean,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Numeric,
    ColumnType::Text,
    ColumnType::Bytes,
    ColumnType::Uuid,
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Interval,
    ColumnType::Json,
    ColumnType::Array,
];

/// The rows, cell by cell.
pub(crate) fn read(rows: &RowSet) -> Result<Vec<Vec<Value>>, UnpackError> {
    let mut reader = rows.packed();
    let mut read = Vec::new();
    while let Some(row) = reader.next_row()? {
        let cells = row.iter().zip(rows.columns.iter());
        read.push(cells.map(|(cell, column)| json(cell, column.kind)).collect());
    }
    Ok(read)
}

fn json(cell: &CellRef<'_>, kind: ColumnType) -> Value {
    match cell {
        CellRef::Null => Value::Null,
        CellRef::Boolean(value) => (*value).into(),
        CellRef::Integer(value) if kind == ColumnType::Int64 => value.to_string().into(),
        CellRef::Integer(value) => (*value).into(),
        #[expect(clippy::cast_possible_truncation, reason = "the cell was an f32 before it was widened")]
        CellRef::Float(value) if kind == ColumnType::Float32 => float32(*value as f32).into(),
        CellRef::Float(value) => float64(*value).into(),
        CellRef::Numeric(text) | CellRef::Text(text) | CellRef::Json(text) | CellRef::Array(text) => {
            (*text).into()
        }
        CellRef::Bytes(bytes) => hex::encode(bytes).into(),
        CellRef::Uuid(bytes) => hex::encode(bytes).into(),
        CellRef::Date(days) => (*days).into(),
        CellRef::Time(micros) | CellRef::Timestamp(micros) | CellRef::TimestampTz(micros) => {
            micros.to_string().into()
        }
        CellRef::Interval(months, days, micros) => format!("{months} {days} {micros}").into(),
    }
}

/// Packs rows again. The error says which cell is none of its column.
pub(crate) fn pack(columns: &[Column], rows: &[Vec<Value>]) -> Result<Vec<u8>, String> {
    let mut writer = PackedWriter::default();
    for (number, row) in rows.iter().enumerate() {
        if row.len() != columns.len() {
            return Err(format!("row {} has {} cells for {} columns", number + 1, row.len(), columns.len()));
        }
        for (cell, column) in row.iter().zip(columns) {
            if cell.is_null() {
                writer.null();
                continue;
            }
            let bytes = bytes(cell, column.kind).ok_or_else(|| {
                format!("row {} has a cell that is no {}", number + 1, column.kind.as_str())
            })?;
            writer.cell(&bytes);
        }
    }
    Ok(writer.finish())
}

fn bytes(cell: &Value, kind: ColumnType) -> Option<Vec<u8>> {
    let long = || cell.as_str()?.parse::<i64>().ok().map(|value| value.to_le_bytes().to_vec());
    Some(match kind {
        ColumnType::Boolean => vec![u8::from(cell.as_bool()?)],
        ColumnType::Int16 => i16::try_from(cell.as_i64()?).ok()?.to_le_bytes().to_vec(),
        ColumnType::Int32 | ColumnType::Date => i32::try_from(cell.as_i64()?).ok()?.to_le_bytes().to_vec(),
        ColumnType::Int64 | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz => long()?,
        ColumnType::Float32 => read_float32(cell.as_str()?)?.to_le_bytes().to_vec(),
        ColumnType::Float64 => read_float64(cell.as_str()?)?.to_le_bytes().to_vec(),
        ColumnType::Numeric | ColumnType::Text | ColumnType::Json | ColumnType::Array => {
            cell.as_str()?.as_bytes().to_vec()
        }
        ColumnType::Bytes => hex::decode(cell.as_str()?).ok()?,
        ColumnType::Uuid => hex::decode(cell.as_str()?).ok().filter(|bytes| bytes.len() == 16)?,
        ColumnType::Interval => {
            let mut parts = cell.as_str()?.split(' ');
            let months: i32 = parts.next()?.parse().ok()?;
            let days: i32 = parts.next()?.parse().ok()?;
            let micros: i64 = parts.next()?.parse().ok()?;
            if parts.next().is_some() {
                return None;
            }
            [months.to_le_bytes().as_slice(), &days.to_le_bytes(), &micros.to_le_bytes()].concat()
        }
    })
}

/// The shortest text that reads back to the same bits, or `0x` and the bits.
pub(crate) fn float64(value: f64) -> String {
    let text = value.to_string();
    match text.parse::<f64>() {
        Ok(read) if read.to_bits() == value.to_bits() => text,
        Ok(_) | Err(_) => format!("0x{:016x}", value.to_bits()),
    }
}

pub(crate) fn read_float64(text: &str) -> Option<f64> {
    match text.strip_prefix("0x") {
        Some(bits) => u64::from_str_radix(bits, 16).ok().map(f64::from_bits),
        None => text.parse().ok(),
    }
}

fn float32(value: f32) -> String {
    let text = value.to_string();
    match text.parse::<f32>() {
        Ok(read) if read.to_bits() == value.to_bits() => text,
        Ok(_) | Err(_) => format!("0x{:08x}", value.to_bits()),
    }
}

fn read_float32(text: &str) -> Option<f32> {
    match text.strip_prefix("0x") {
        Some(bits) => u32::from_str_radix(bits, 16).ok().map(f32::from_bits),
        None => text.parse().ok(),
    }
}
