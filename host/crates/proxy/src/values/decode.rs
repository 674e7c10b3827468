//! Result fields as the wire has them, turned into packed cells.
//!
//! *Invariant:* whatever the server sends, this never panics: a field that is not what its type promises
//! is [`Damaged`], and the session that brought it is closed.

use applet_types::{ColumnType, PackedWriter};

use super::{calendar, json, numeric, oid};

/// A field that does not hold what its type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Why a field has no packed cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacked {
    /// It does not hold what its type promises.
    Damaged,
    /// A moment that the packed form cannot say.
    TooFar,
}

impl From<Damaged> for Unpacked {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged
    }
}

/// How to read the fields of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    Boolean,
    Int16,
    Int32,
    Int64,
    /// Unsigned 32 bit.
    Oid,
    Float32,
    Float64,
    Numeric,
    Text,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Json,
    Jsonb,
    Array,
    /// A type without a decoder: the server's own text of it.
    Other,
}

impl Decoder {
    /// The decoder for a type.
    pub(crate) const fn of(type_oid: u32) -> Self {
        match type_oid {
            oid::BOOL => Self::Boolean,
            oid::INT2 => Self::Int16,
            oid::INT4 => Self::Int32,
            oid::INT8 => Self::Int64,
            oid::OID => Self::Oid,
            oid::FLOAT4 => Self::Float32,
            oid::FLOAT8 => Self::Float64,
            oid::NUMERIC => Self::Numeric,
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME => Self::Text,
            oid::BYTEA => Self::Bytes,
            oid::UUID => Self::Uuid,
            oid::DATE => Self::Date,
            oid::TIME => Self::Time,
            oid::TIMESTAMP => Self::Timestamp,
            oid::TIMESTAMPTZ => Self::TimestampTz,
            oid::INTERVAL => Self::Interval,
            oid::JSON => Self::Json,
            oid::JSONB => Self::Jsonb,
            // Arrays of types whose binary form we do not read come as text.
            other => match oid::element(other) {
                Some(oid::CHAR | oid::TIMETZ) | None => Self::Other,
                Some(_) => Self::Array,
            },
        }
    }

    /// The wire's format code to ask for: 0 text, 1 binary.
    pub(crate) const fn format(self) -> i16 {
        match self {
            Self::Other => 0,
            Self::Boolean
            | Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::Oid
            | Self::Float32
            | Self::Float64
            | Self::Numeric
            | Self::Text
            | Self::Bytes
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Interval
            | Self::Json
            | Self::Jsonb
            | Self::Array => 1,
        }
    }

    /// What a guest is told about the column.
    pub(crate) const fn kind(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Int16 => ColumnType::Int16,
            Self::Int32 => ColumnType::Int32,
            Self::Int64 | Self::Oid => ColumnType::Int64,
            Self::Float32 => ColumnType::Float32,
            Self::Float64 => ColumnType::Float64,
            Self::Numeric => ColumnType::Numeric,
            Self::Text | Self::Other => ColumnType::Text,
            Self::Bytes => ColumnType::Bytes,
            Self::Uuid => ColumnType::Uuid,
            Self::Date => ColumnType::Date,
            Self::Time => ColumnType::Time,
            Self::Timestamp => ColumnType::Timestamp,
            Self::TimestampTz => ColumnType::TimestampTz,
            Self::Interval => ColumnType::Interval,
            Self::Json | Self::Jsonb => ColumnType::Json,
            Self::Array => ColumnType::Array,
        }
    }

    /// Appends a field that is not NULL as a packed cell.
    pub(crate) fn pack(self, bytes: &[u8], out: &mut PackedWriter) -> Result<(), Unpacked> {
        match self {
            Self::Boolean => out.cell(&[u8::from(fixed::<1>(bytes)? != [0])]),
            Self::Int16 => out.cell(&i16::from_be_bytes(fixed(bytes)?).to_le_bytes()),
            Self::Int32 => out.cell(&i32::from_be_bytes(fixed(bytes)?).to_le_bytes()),
            Self::Int64 => out.cell(&i64::from_be_bytes(fixed(bytes)?).to_le_bytes()),
            Self::Oid => out.cell(&i64::from(u32::from_be_bytes(fixed(bytes)?)).to_le_bytes()),
            Self::Float32 => out.cell(&f32::from_be_bytes(fixed(bytes)?).to_le_bytes()),
            Self::Float64 => out.cell(&f64::from_be_bytes(fixed(bytes)?).to_le_bytes()),
            Self::Numeric => {
                let mut text = String::with_capacity(24);
                numeric::write(bytes, &mut text)?;
                out.cell(text.as_bytes());
            }
            Self::Text | Self::Other | Self::Json => out.cell(text(bytes)?.as_bytes()),
            Self::Jsonb => out.cell(jsonb(bytes)?.as_bytes()),
            Self::Bytes => out.cell(bytes),
            Self::Uuid => out.cell(&fixed::<16>(bytes)?),
            Self::Date => out.cell(&calendar::unix_days(i32::from_be_bytes(fixed(bytes)?)).to_le_bytes()),
            Self::Time => out.cell(&i64::from_be_bytes(fixed(bytes)?).to_le_bytes()),
            Self::Timestamp | Self::TimestampTz => {
                let micros = calendar::unix_micros(i64::from_be_bytes(fixed(bytes)?));
                out.cell(&micros.ok_or(Unpacked::TooFar)?.to_le_bytes());
            }
            Self::Interval => {
                let (months, days, micros) = interval(bytes)?;
                let mut cell = [0; 16];
                let parts = months.to_le_bytes().into_iter().chain(days.to_le_bytes());
                for (slot, byte) in cell.iter_mut().zip(parts.chain(micros.to_le_bytes())) {
                    *slot = byte;
                }
                out.cell(&cell);
            }
            Self::Array => {
                let mut text = Vec::with_capacity(bytes.len());
                json::write_array(bytes, &mut text)?;
                out.cell(&text);
            }
        }
        Ok(())
    }

    /// Appends a field that is not NULL as JSON text.
    pub(crate) fn json(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
        json::write(self, bytes, out)
    }
}

/// The wire's interval: months, days, microseconds.
pub(super) fn interval(bytes: &[u8]) -> Result<(i32, i32, i64), Damaged> {
    let mut cursor = Cursor::new(bytes);
    let micros = cursor.i64()?;
    let days = cursor.i32()?;
    let months = cursor.i32()?;
    if cursor.rest().is_empty() { Ok((months, days, micros)) } else { Err(Damaged) }
}

/// The text of a `jsonb`, which has a version number in front.
pub(super) fn jsonb(bytes: &[u8]) -> Result<&str, Damaged> {
    match bytes.split_first() {
        Some((1, json)) => text(json),
        _ => Err(Damaged),
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Damaged> {
    std::str::from_utf8(bytes).map_err(|_| Damaged)
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Damaged> {
    bytes.try_into().map_err(|_| Damaged)
}

/// Reads big-endian numbers off the front of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Damaged> {
        Ok(i16::from_be_bytes(fixed(self.take(2)?)?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Damaged> {
        Ok(i32::from_be_bytes(fixed(self.take(4)?)?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Damaged> {
        Ok(i64::from_be_bytes(fixed(self.take(8)?)?))
    }

    /// A field with its length in front; a negative length is NULL.
    pub(crate) fn field(&mut self) -> Result<Option<&'a [u8]>, Damaged> {
        match usize::try_from(self.i32()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}
