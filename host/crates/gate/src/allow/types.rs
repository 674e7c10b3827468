//! The types that may be named: PostgreSQL's plain data types and one-dimensional arrays of them. Never a
//! `reg*` type (they look names up in the catalogue), a row type or a type of a user.

use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectNamePart, TimezoneInfo,
};

use crate::ir::TypeName;

/// The allowed type that the guest's spelling means.
pub(crate) fn lookup(data_type: &DataType) -> Option<TypeName> {
    match data_type {
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, None) | ArrayElemTypeDef::Qualified(element, None),
        ) => match element.as_ref() {
            DataType::Array(_) => None,
            element => scalar(element).map(|element| TypeName { array: true, ..element }),
        },
        other => scalar(other),
    }
}

fn plain(name: &'static str) -> TypeName {
    TypeName { name, modifiers: Vec::new(), array: false }
}

fn with(name: &'static str, modifier: Option<u64>) -> Option<TypeName> {
    let modifiers = match modifier {
        Some(value) => vec![i64::try_from(value).ok()?],
        None => Vec::new(),
    };
    Some(TypeName { name, modifiers, array: false })
}

fn scalar(data_type: &DataType) -> Option<TypeName> {
    match data_type {
        DataType::SmallInt(None) | DataType::Int2(None) => Some(plain("int2")),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => Some(plain("int4")),
        DataType::BigInt(None) | DataType::Int8(None) => Some(plain("int8")),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info),
        DataType::Real | DataType::Float4 => Some(plain("float4")),
        DataType::Float(info) | DataType::Double(info) => float(info),
        DataType::DoublePrecision | DataType::Float8 => Some(plain("float8")),
        DataType::Text => Some(plain("text")),
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            characters("varchar", length.as_ref(), None)
        }
        // Without a length, CHAR is CHAR(1).
        DataType::Char(length) | DataType::Character(length) => {
            characters("bpchar", length.as_ref(), Some(1))
        }
        DataType::Bool | DataType::Boolean => Some(plain("bool")),
        DataType::Date => Some(plain("date")),
        DataType::Time(precision, zone) => with(zoned(*zone, "time", "timetz"), *precision),
        DataType::Timestamp(precision, zone) => with(zoned(*zone, "timestamp", "timestamptz"), *precision),
        DataType::Interval { fields: None, precision: None } => Some(plain("interval")),
        DataType::Uuid => Some(plain("uuid")),
        DataType::JSON => Some(plain("json")),
        DataType::JSONB => Some(plain("jsonb")),
        DataType::Bytea => Some(plain("bytea")),
        DataType::Custom(name, modifiers) => custom(&name.0, modifiers),
        // Everything else: other databases' types, reg* and row types, geometric and search types.
        _ => None,
    }
}

/// Spellings that the parser has no variant for.
fn custom(name: &[ObjectNamePart], modifiers: &[String]) -> Option<TypeName> {
    let [ObjectNamePart::Identifier(ident)] = name else { return None };
    if ident.quote_style.is_some() || !modifiers.is_empty() {
        return None;
    }
    match ident.value.to_ascii_lowercase().as_str() {
        "bpchar" => Some(plain("bpchar")),
        "jsonb" => Some(plain("jsonb")),
        "timetz" => Some(plain("timetz")),
        "timestamptz" => Some(plain("timestamptz")),
        _ => None,
    }
}

const fn zoned(zone: TimezoneInfo, without: &'static str, with: &'static str) -> &'static str {
    match zone {
        TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => without,
        TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => with,
    }
}

fn numeric(info: &ExactNumberInfo) -> Option<TypeName> {
    let modifiers = match *info {
        ExactNumberInfo::None => Vec::new(),
        ExactNumberInfo::Precision(precision) => vec![i64::try_from(precision).ok()?],
        ExactNumberInfo::PrecisionAndScale(precision, scale) => vec![i64::try_from(precision).ok()?, scale],
    };
    Some(TypeName { name: "numeric", modifiers, array: false })
}

fn float(info: &ExactNumberInfo) -> Option<TypeName> {
    match *info {
        ExactNumberInfo::None => Some(plain("float8")),
        ExactNumberInfo::Precision(1..=24) => Some(plain("float4")),
        ExactNumberInfo::Precision(25..=53) => Some(plain("float8")),
        ExactNumberInfo::Precision(_) | ExactNumberInfo::PrecisionAndScale(..) => None,
    }
}

fn characters(
    name: &'static str,
    length: Option<&CharacterLength>,
    default: Option<u64>,
) -> Option<TypeName> {
    match length {
        None => with(name, default),
        Some(CharacterLength::IntegerLength { length, unit: None }) => with(name, Some(*length)),
        Some(CharacterLength::IntegerLength { unit: Some(_), .. } | CharacterLength::Max) => None,
    }
}
