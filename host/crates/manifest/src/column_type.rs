//! The thirteen column types of a manifest, and what each is elsewhere (SPEC S4.70).
//!
//! *Invariant:* this is the only place that knows. Whoever needs a type's name in PostgreSQL, WIT, Rust or
//! TypeScript asks here.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::violation::closest;

/// How types are written, for editors; [`ColumnType::parse`] checks lengths and digits as well.
pub(crate) const PATTERN: &str = r"^(bigserial|serial|uuid|varchar\( *\d+ *\)|text|integer|bigint|decimal\( *\d+ *, *\d+ *\)|boolean|timestamptz|date|jsonb|bytea)$";

/// PostgreSQL's own bounds.
const LONGEST_VARCHAR: u32 = 10_485_760;
const MOST_DIGITS: u16 = 1_000;

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// A 64 bit integer that the database counts up.
    BigSerial,
    /// A 32 bit integer that the database counts up.
    Serial,
    /// UUID.
    Uuid,
    /// Text of at most so many characters.
    Varchar(u32),
    /// Text.
    Text,
    /// A 32 bit integer.
    Integer,
    /// A 64 bit integer.
    BigInt,
    /// An exact number of so many digits, so many of them after the point.
    Decimal(u16, u16),
    /// true or false.
    Boolean,
    /// A moment.
    TimestampTz,
    /// A calendar day.
    Date,
    /// JSON.
    Jsonb,
    /// Bytes.
    Bytea,
}

/// What a type is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// In DDL, without length or digits.
    pub postgres: &'static str,
    /// The cell type that crosses the WIT border.
    pub wit: applet_types::ColumnType,
    /// In the Rust SDK.
    pub rust: &'static str,
    /// In the TypeScript SDK.
    pub typescript: &'static str,
}

impl ColumnType {
    /// One of each, with lengths and digits chosen freely: for tables in documentation and for tests.
    pub const EXAMPLES: [Self; 13] = [
        Self::BigSerial,
        Self::Serial,
        Self::Uuid,
        Self::Varchar(100),
        Self::Text,
        Self::Integer,
        Self::BigInt,
        Self::Decimal(12, 2),
        Self::Boolean,
        Self::TimestampTz,
        Self::Date,
        Self::Jsonb,
        Self::Bytea,
    ];

    /// What this type is elsewhere. A bigint and a decimal are numbers in TypeScript as long as a number
    /// holds them exactly; otherwise the SDK gives an error, or exact text when it is asked to (Decision 6).
    pub const fn mapping(self) -> Mapping {
        use applet_types::ColumnType as Wit;
        let (postgres, wit, rust, typescript) = match self {
            Self::BigSerial => ("bigint", Wit::Int64, "i64", "number"),
            Self::Serial => ("integer", Wit::Int32, "i32", "number"),
            Self::Uuid => ("uuid", Wit::Uuid, "Uuid", "string"),
            Self::Varchar(_) => ("character varying", Wit::Text, "String", "string"),
            Self::Text => ("text", Wit::Text, "String", "string"),
            Self::Integer => ("integer", Wit::Int32, "i32", "number"),
            Self::BigInt => ("bigint", Wit::Int64, "i64", "number"),
            Self::Decimal(..) => ("numeric", Wit::Numeric, "Decimal", "number"),
            Self::Boolean => ("boolean", Wit::Boolean, "bool", "boolean"),
            Self::TimestampTz => ("timestamp with time zone", Wit::TimestampTz, "Timestamp", "Date"),
            Self::Date => ("date", Wit::Date, "Date", "string"),
            Self::Jsonb => ("jsonb", Wit::Json, "Json", "Record<string, unknown>"),
            Self::Bytea => ("bytea", Wit::Bytes, "Vec<u8>", "Uint8Array"),
        };
        Mapping { postgres, wit, rust, typescript }
    }

    /// The type as PostgreSQL prints it (`format_type`) and as DDL writes it: `character varying(100)`.
    pub fn sql(self) -> String {
        let name = self.mapping().postgres;
        match self {
            Self::Varchar(length) => format!("{name}({length})"),
            Self::Decimal(digits, scale) => format!("{name}({digits},{scale})"),
            _ => name.to_owned(),
        }
    }

    /// Whether the database counts it up: an identity column.
    pub const fn generated(self) -> bool {
        matches!(self, Self::BigSerial | Self::Serial)
    }

    /// Whether it can be a primary key or a foreign key.
    pub const fn can_be_key(self) -> bool {
        match self {
            Self::BigSerial
            | Self::Serial
            | Self::Uuid
            | Self::Varchar(_)
            | Self::Text
            | Self::Integer
            | Self::BigInt => true,
            Self::Decimal(..)
            | Self::Boolean
            | Self::TimestampTz
            | Self::Date
            | Self::Jsonb
            | Self::Bytea => false,
        }
    }

    /// Whether a btree can hold it.
    pub const fn can_be_indexed(self) -> bool {
        !matches!(self, Self::Jsonb | Self::Bytea)
    }

    /// Reads a type as a manifest writes it; the error is a hint.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, arguments) = split(text).ok_or_else(|| KNOWN.to_owned())?;
        let plain = |kind| match arguments {
            None => Ok(kind),
            Some(_) => Err(format!("`{name}` takes no length")),
        };
        match name {
            "bigserial" => plain(Self::BigSerial),
            "serial" => plain(Self::Serial),
            "uuid" => plain(Self::Uuid),
            "text" => plain(Self::Text),
            "integer" => plain(Self::Integer),
            "bigint" => plain(Self::BigInt),
            "boolean" => plain(Self::Boolean),
            "timestamptz" => plain(Self::TimestampTz),
            "date" => plain(Self::Date),
            "jsonb" => plain(Self::Jsonb),
            "bytea" => plain(Self::Bytea),
            "varchar" => varchar(arguments),
            "decimal" => decimal(arguments),
            other => Err(suggestion(other)),
        }
    }
}

const NAMES: [&str; 13] = [
    "bigserial",
    "serial",
    "uuid",
    "varchar",
    "text",
    "integer",
    "bigint",
    "decimal",
    "boolean",
    "timestamptz",
    "date",
    "jsonb",
    "bytea",
];

const KNOWN: &str = "the types are bigserial, serial, uuid, varchar(n), text, integer, bigint, decimal(p,s), \
                     boolean, timestamptz, date, jsonb and bytea";

/// `name(arguments)` into its parts.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let text = text.trim();
    match text.split_once('(') {
        None => Some((text, None)),
        Some((name, rest)) => Some((name.trim_end(), Some(rest.strip_suffix(')')?))),
    }
}

fn varchar(arguments: Option<&str>) -> Result<ColumnType, String> {
    let length = arguments.and_then(number::<u32>).filter(|length| (1..=LONGEST_VARCHAR).contains(length));
    length.map(ColumnType::Varchar).ok_or_else(|| {
        format!("write `varchar(n)` with n from 1 to {LONGEST_VARCHAR}, or `text` for any length")
    })
}

fn decimal(arguments: Option<&str>) -> Result<ColumnType, String> {
    let parts = arguments.and_then(|arguments| arguments.split_once(','));
    let parts = parts.and_then(|(digits, scale)| Some((number::<u16>(digits)?, number::<u16>(scale)?)));
    match parts {
        Some((digits, scale)) if (1..=MOST_DIGITS).contains(&digits) && scale <= digits => {
            Ok(ColumnType::Decimal(digits, scale))
        }
        _ => Err("write `decimal(p,s)`: p digits in all, s of them after the point".to_owned()),
    }
}

/// Digits only: `parse` alone would take `+5`.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What people write who know another database or language, and what they mean here.
const ALIASES: &[(&str, &str)] = &[
    ("int", "integer"),
    ("int4", "integer"),
    ("i32", "integer"),
    ("smallint", "integer"),
    ("int8", "bigint"),
    ("i64", "bigint"),
    ("long", "bigint"),
    ("string", "text"),
    ("char", "text"),
    ("clob", "text"),
    ("character varying", "varchar(n)"),
    ("bool", "boolean"),
    ("timestamp", "timestamptz"),
    ("datetime", "timestamptz"),
    ("time", "timestamptz"),
    ("json", "jsonb"),
    ("object", "jsonb"),
    ("map", "jsonb"),
    ("numeric", "decimal(p,s)"),
    ("float", "decimal(p,s)"),
    ("double", "decimal(p,s)"),
    ("double precision", "decimal(p,s)"),
    ("real", "decimal(p,s)"),
    ("money", "decimal(p,s)"),
    ("number", "decimal(p,s)"),
    ("blob", "bytea"),
    ("binary", "bytea"),
    ("bytes", "bytea"),
    ("guid", "uuid"),
];

fn suggestion(name: &str) -> String {
    let alias = |name: &str| ALIASES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let known = NAMES.into_iter().chain(ALIASES.iter().map(|(known, _)| *known));
    let meant = alias(name).map(|(_, meant)| *meant).or_else(|| {
        let name = closest(name, known)?;
        Some(alias(name).map_or(name, |(_, meant)| *meant))
    });
    meant.map_or_else(|| KNOWN.to_owned(), |meant| format!("did you mean `{meant}`?"))
}

impl fmt::Display for ColumnType {
    /// The type as a manifest writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BigSerial => f.write_str("bigserial"),
            Self::Serial => f.write_str("serial"),
            Self::Uuid => f.write_str("uuid"),
            Self::Varchar(length) => write!(f, "varchar({length})"),
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::BigInt => f.write_str("bigint"),
            Self::Decimal(digits, scale) => write!(f, "decimal({digits},{scale})"),
            Self::Boolean => f.write_str("boolean"),
            Self::TimestampTz => f.write_str("timestamptz"),
            Self::Date => f.write_str("date"),
            Self::Jsonb => f.write_str("jsonb"),
            Self::Bytea => f.write_str("bytea"),
        }
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_70_each_type_has_the_typescript_type_of_the_specification() {
        let expected = [
            "number",
            "number",
            "string",
            "string",
            "string",
            "number",
            "number",
            "number",
            "boolean",
            "Date",
            "string",
            "Record<string, unknown>",
            "Uint8Array",
        ];
        assert_eq!(ColumnType::EXAMPLES.map(|kind| kind.mapping().typescript), expected);
    }

    #[test]
    fn s4_70_types_are_read_as_they_are_written() {
        for kind in ColumnType::EXAMPLES {
            assert_eq!(ColumnType::parse(&kind.to_string()), Ok(kind));
        }
        for name in NAMES {
            assert!(PATTERN.contains(name), "{name}");
        }
        assert_eq!(ColumnType::parse("decimal(3, 2)"), Ok(ColumnType::Decimal(3, 2)));
        assert_eq!(ColumnType::Varchar(5).sql(), "character varying(5)");
        assert_eq!(ColumnType::Decimal(3, 2).sql(), "numeric(3,2)");
    }

    #[test]
    fn s4_71_unknown_types_are_refused_with_what_was_probably_meant() {
        for (text, hint) in [
            ("int", "did you mean `integer`?"),
            ("bigserail", "did you mean `bigserial`?"),
            ("numeric(3,2)", "did you mean `decimal(p,s)`?"),
            ("text[]", "did you mean `text`?"),
            ("uuid(3)", "`uuid` takes no length"),
        ] {
            assert_eq!(ColumnType::parse(text), Err(hint.to_owned()), "{text}");
        }
        for text in [
            "varchar",
            "varchar()",
            "varchar(0)",
            "varchar(+5)",
            "varchar(10485761)",
            "varchar(5",
            "decimal",
            "decimal(2,3)",
            "decimal(0,0)",
            "decimal(1001,0)",
            "decimal(3)",
            "uuid); drop table clients; --",
            "",
        ] {
            assert!(ColumnType::parse(text).is_err(), "{text}");
        }
    }
}
