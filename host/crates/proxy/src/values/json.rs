//! Result fields as JSON text, by the rules beside `encoding.json` in the WIT: numbers that JavaScript
//! would round are strings, moments are RFC 3339, bytes are `\x…`, arrays are arrays.

use std::fmt::Write as _;
use std::io::Write;

use super::decode::{Cursor, Damaged, Decoder, fixed, interval, jsonb, text};
use super::{calendar, numeric};
use calendar::Zone;

/// The largest integer that a JavaScript number holds together with all smaller ones.
const SAFE_INTEGER: u64 = 1 << 53;
const MAX_DIMENSIONS: usize = 6;

/// Appends a field that is not NULL.
pub(super) fn write(decoder: Decoder, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    match decoder {
        Decoder::Boolean => raw(if fixed::<1>(bytes)? == [0] { "false" } else { "true" }, out),
        Decoder::Int16 => integer(i16::from_be_bytes(fixed(bytes)?).into(), out),
        Decoder::Int32 => integer(i32::from_be_bytes(fixed(bytes)?).into(), out),
        Decoder::Int64 => integer(i64::from_be_bytes(fixed(bytes)?), out),
        Decoder::Oid => integer(u32::from_be_bytes(fixed(bytes)?).into(), out),
        Decoder::Float32 => float32(f32::from_be_bytes(fixed(bytes)?), out),
        Decoder::Float64 => float64(f64::from_be_bytes(fixed(bytes)?), out),
        Decoder::Numeric => {
            let mut digits = String::with_capacity(24);
            numeric::write(bytes, &mut digits)?;
            quoted(&digits, out)
        }
        Decoder::Text | Decoder::Other => string(text(bytes)?, out),
        Decoder::Json => raw(text(bytes)?, out),
        Decoder::Jsonb => raw(jsonb(bytes)?, out),
        Decoder::Bytes => hex(bytes, out),
        Decoder::Uuid => quoted(&uuid::Uuid::from_bytes(fixed(bytes)?).to_string(), out),
        Decoder::Date => quoted(&calendar::date(i32::from_be_bytes(fixed(bytes)?)), out),
        Decoder::Time => quoted(&calendar::time(i64::from_be_bytes(fixed(bytes)?)), out),
        Decoder::Timestamp => {
            quoted(&calendar::timestamp(i64::from_be_bytes(fixed(bytes)?), Zone::None), out)
        }
        Decoder::TimestampTz => {
            quoted(&calendar::timestamp(i64::from_be_bytes(fixed(bytes)?), Zone::Utc), out)
        }
        Decoder::Interval => {
            let (months, days, micros) = interval(bytes)?;
            quoted(&calendar::interval(months, days, micros), out)
        }
        Decoder::Array => write_array(bytes, out),
    }
}

/// Appends an array: the wire has the number of dimensions, their sizes, and the elements in row order.
pub(super) fn write_array(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let mut cursor = Cursor::new(bytes);
    let dimensions = usize::try_from(cursor.i32()?).map_err(|_| Damaged)?;
    let _has_nulls = cursor.i32()?;
    let decoder = Decoder::of(cursor.i32()?.cast_unsigned());
    if dimensions > MAX_DIMENSIONS || decoder.format() == 0 || decoder == Decoder::Array {
        return Err(Damaged);
    }
    let mut sizes = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        sizes.push(usize::try_from(cursor.i32()?).map_err(|_| Damaged)?);
        let _lower_bound = cursor.i32()?;
    }
    if sizes.is_empty() {
        return raw("[]", out);
    }
    write_dimension(&sizes, decoder, &mut cursor, out)?;
    if cursor.rest().is_empty() { Ok(()) } else { Err(Damaged) }
}

fn write_dimension(
    sizes: &[usize],
    decoder: Decoder,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Damaged> {
    let Some((size, inner)) = sizes.split_first() else {
        return match cursor.field()? {
            Some(bytes) => write(decoder, bytes, out),
            None => raw("null", out),
        };
    };
    out.push(b'[');
    for index in 0..*size {
        if index > 0 {
            out.push(b',');
        }
        // Sizes that promise more than the field holds end here, at its first missing element.
        write_dimension(inner, decoder, cursor, out)?;
    }
    out.push(b']');
    Ok(())
}

fn raw(text: &str, out: &mut Vec<u8>) -> Result<(), Damaged> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Text of ours that needs no escapes.
fn quoted(text: &str, out: &mut Vec<u8>) -> Result<(), Damaged> {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn string(text: &str, out: &mut Vec<u8>) -> Result<(), Damaged> {
    serde_json::to_writer(out, text).map_err(|_| Damaged)
}

fn integer(value: i64, out: &mut Vec<u8>) -> Result<(), Damaged> {
    let written = if value.unsigned_abs() <= SAFE_INTEGER {
        write!(out, "{value}")
    } else {
        write!(out, "\"{value}\"")
    };
    written.map_err(|_| Damaged)
}

fn float64(value: f64, out: &mut Vec<u8>) -> Result<(), Damaged> {
    match special(value.is_nan(), value.is_infinite(), value.is_sign_negative()) {
        Some(word) => quoted(word, out),
        None => serde_json::to_writer(out, &value).map_err(|_| Damaged),
    }
}

fn float32(value: f32, out: &mut Vec<u8>) -> Result<(), Damaged> {
    match special(value.is_nan(), value.is_infinite(), value.is_sign_negative()) {
        Some(word) => quoted(word, out),
        None => serde_json::to_writer(out, &value).map_err(|_| Damaged),
    }
}

const fn special(nan: bool, infinite: bool, negative: bool) -> Option<&'static str> {
    match (nan, infinite, negative) {
        (true, _, _) => Some("NaN"),
        (false, true, false) => Some("Infinity"),
        (false, true, true) => Some("-Infinity"),
        (false, false, _) => None,
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    // A backslash has to be escaped in JSON.
    text.push_str("\\\\x");
    for byte in bytes {
        write!(text, "{byte:02x}").map_err(|_| Damaged)?;
    }
    quoted(&text, out)
}
