//! Column defaults: a closed list of literals and two functions (SPEC S4.25).
//!
//! *Invariant:* a default is a value of the column's type before it leaves here. What reaches DDL is printed
//! from the value by [`DefaultValue::sql`], never copied from the manifest.

use serde::Serialize;
use serde_json::Value;

use crate::column_type::ColumnType;
use crate::document::DefaultText;

/// The longest text that a default may be.
const LONGEST_TEXT: usize = 10_000;

/// A column's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultValue {
    /// `now()`.
    Now,
    /// `gen_random_uuid()`.
    RandomUuid,
    /// true or false.
    Boolean(bool),
    /// A number, in its shortest usual spelling: an optional minus, digits, at most one point.
    Number(String),
    /// Text of any kind, a date, a moment, a UUID, JSON or bytes: as PostgreSQL's input rules read it.
    Text(String),
}

impl DefaultValue {
    /// Reads a default for a column of this type; the error is a hint.
    pub(crate) fn parse(written: &DefaultText, kind: ColumnType) -> Result<Self, String> {
        let text = match written {
            DefaultText::Json(value) if kind == ColumnType::Jsonb => {
                return Ok(Self::Text(value.to_string()));
            }
            DefaultText::Json(_) => return Err(format!("a `{kind}` is not a list or a mapping")),
            DefaultText::Text(text) => text.as_str(),
        };
        match (text, kind) {
            ("now()", ColumnType::TimestampTz | ColumnType::Date) => return Ok(Self::Now),
            ("now()", _) => return Err("`now()` is for timestamptz and date".to_owned()),
            ("gen_random_uuid()", ColumnType::Uuid) => return Ok(Self::RandomUuid),
            ("gen_random_uuid()", _) => return Err("`gen_random_uuid()` is for uuid".to_owned()),
            _ => {}
        }
        literal(text, kind)
    }

    /// The expression as DDL writes it, with a type where a bare literal has none.
    pub fn sql(&self, kind: ColumnType) -> String {
        match self {
            Self::Now => "pg_catalog.now()".to_owned(),
            Self::RandomUuid => "pg_catalog.gen_random_uuid()".to_owned(),
            Self::Boolean(true) => "true".to_owned(),
            Self::Boolean(false) => "false".to_owned(),
            Self::Number(digits) => digits.clone(),
            Self::Text(text) => format!("{}::{}", quote_literal(text), kind.sql()),
        }
    }
}

/// A string literal that means the same whether `standard_conforming_strings` is on or off.
fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn literal(text: &str, kind: ColumnType) -> Result<DefaultValue, String> {
    let as_text = |valid: bool, expected: &str| {
        valid.then(|| DefaultValue::Text(text.to_owned())).ok_or_else(|| expected.to_owned())
    };
    if text.len() > LONGEST_TEXT || text.contains('\0') {
        return Err(format!("a default is at most {LONGEST_TEXT} bytes of text"));
    }
    match kind {
        ColumnType::BigSerial | ColumnType::Serial => {
            Err(format!("the database counts a `{kind}` up by itself: leave the default out"))
        }
        ColumnType::Integer => integer::<i32>(text),
        ColumnType::BigInt => integer::<i64>(text),
        ColumnType::Decimal(digits, scale) => decimal(text, digits, scale),
        ColumnType::Boolean => match text {
            "true" => Ok(DefaultValue::Boolean(true)),
            "false" => Ok(DefaultValue::Boolean(false)),
            _ => Err("write `true` or `false`".to_owned()),
        },
        ColumnType::Text => as_text(true, ""),
        ColumnType::Varchar(length) => {
            let fits = text.chars().count() <= usize::try_from(length).unwrap_or(usize::MAX);
            as_text(fits, &format!("at most {length} characters fit"))
        }
        ColumnType::Uuid => as_text(is_uuid(text), "write a UUID in lower case, or `gen_random_uuid()`"),
        ColumnType::Date => as_text(is_date(text), "write a day as `2026-01-31`, or `now()`"),
        ColumnType::TimestampTz => {
            as_text(is_moment(text), "write a moment as `2026-01-31T12:00:00Z`, or `now()`")
        }
        ColumnType::Jsonb => match serde_json::from_str::<Value>(text) {
            Ok(value) => Ok(DefaultValue::Text(value.to_string())),
            Err(_) => Err("write a list, a mapping, or JSON in quotes".to_owned()),
        },
        ColumnType::Bytea => {
            let hex = text.strip_prefix("\\x").is_some_and(|digits| hex::decode(digits).is_ok());
            as_text(hex, "write bytes in hexadecimal, as `\\x0aff`")
        }
    }
}

fn integer<T: std::str::FromStr + ToString>(text: &str) -> Result<DefaultValue, String> {
    let number = text.parse::<T>().map_err(|_| "write a whole number that fits the type".to_owned())?;
    Ok(DefaultValue::Number(number.to_string()))
}

fn decimal(text: &str, digits: u16, scale: u16) -> Result<DefaultValue, String> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let whole_digits = whole.trim_start_matches('0').len();
    let fraction_digits = fraction.trim_end_matches('0').len();
    let fits = whole_digits <= usize::from(digits - scale) && fraction_digits <= usize::from(scale);
    if all_digits(whole) && all_digits(fraction) && fits {
        Ok(DefaultValue::Number(text.to_owned()))
    } else {
        Err(format!("write a number of at most {digits} digits, {scale} of them after the point"))
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && groups.iter().all(|group| group.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_date(text: &str) -> bool {
    let Some([year, month, day]) = numbers(text, '-', [4, 2, 2]) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    year > 0 && (1..=12).contains(&month) && (1..=days).contains(&day)
}

/// RFC 3339 without fractions of a second: nobody needs them in a default.
fn is_moment(text: &str) -> bool {
    let Some((date, rest)) = text.split_once('T') else { return false };
    let Some((time, offset)) = rest.split_at_checked(8) else { return false };
    let time = numbers(time, ':', [2, 2, 2]).is_some_and(|[h, m, s]| h < 24 && m < 60 && s < 60);
    let offset = offset == "Z"
        || offset
            .strip_prefix(['+', '-'])
            .and_then(|offset| numbers(offset, ':', [2, 2]))
            .is_some_and(|[h, m]| h < 15 && m < 60);
    is_date(date) && time && offset
}

/// Groups of exactly so many digits.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[u32; N]> {
    let groups: Vec<&str> = text.split(separator).collect();
    let groups: [&str; N] = groups.try_into().ok()?;
    let fits = groups
        .iter()
        .zip(lengths)
        .all(|(group, length)| group.len() == length && group.bytes().all(|b| b.is_ascii_digit()));
    fits.then(|| groups.map(|group| group.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, kind: ColumnType) -> Result<DefaultValue, String> {
        DefaultValue::parse(&DefaultText::Text(text.to_owned()), kind)
    }

    #[test]
    fn s4_25_defaults_are_values_of_the_column_or_one_of_two_functions() {
        for (text, kind) in [
            ("now()", ColumnType::TimestampTz),
            ("gen_random_uuid()", ColumnType::Uuid),
            ("0.7", ColumnType::Decimal(3, 2)),
            ("-9.99", ColumnType::Decimal(3, 2)),
            ("-2147483648", ColumnType::Integer),
            ("gpt-4", ColumnType::Varchar(5)),
            ("2024-02-29", ColumnType::Date),
            ("2024-02-29T23:59:59+05:30", ColumnType::TimestampTz),
            ("[]", ColumnType::Jsonb),
            ("\\x00ff", ColumnType::Bytea),
        ] {
            assert!(parse(text, kind).is_ok(), "{text} {kind}");
        }
        for (text, kind) in [
            ("now()", ColumnType::Text),
            ("gen_random_uuid()", ColumnType::Text),
            ("1", ColumnType::BigSerial),
            ("10.00", ColumnType::Decimal(3, 2)),
            ("0.777", ColumnType::Decimal(3, 2)),
            ("1e5", ColumnType::Decimal(9, 2)),
            ("NaN", ColumnType::Decimal(9, 2)),
            ("", ColumnType::Decimal(9, 2)),
            ("2147483648", ColumnType::Integer),
            ("1; drop table clients", ColumnType::Integer),
            ("abcdef", ColumnType::Varchar(5)),
            ("2023-02-29", ColumnType::Date),
            ("now", ColumnType::Date),
            ("infinity", ColumnType::TimestampTz),
            ("{", ColumnType::Jsonb),
            ("\\xf", ColumnType::Bytea),
            ("yes", ColumnType::Boolean),
        ] {
            assert!(parse(text, kind).is_err(), "{text} {kind}");
        }
    }

    #[test]
    fn s4_28_a_default_cannot_end_its_literal() {
        let value = parse("'; DROP TABLE clients; --\\", ColumnType::Text).unwrap();
        assert_eq!(value.sql(ColumnType::Text), "E'''; DROP TABLE clients; --\\\\'::text");
        assert_eq!(
            parse("it's", ColumnType::Varchar(9)).unwrap().sql(ColumnType::Varchar(9)),
            "'it''s'::character varying(9)"
        );
    }
}
