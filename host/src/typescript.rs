//! Declarations for the TypeScript SDK: the tables that a manifest asks for, with what may be read from them,
//! inserted into them and changed in them (SPEC S4.70).
//!
//! Own tables are declared by the manifest, others by the database's catalogue. Without one, their columns
//! are `any`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use applet_catalog::{Catalog, Generation, Table};
use applet_manifest::{OwnTable, ValidatedManifest};
use applet_types::{Columns, SqlName, TableGrant};

/// The classes of the SDK that stand for values which JavaScript's own types cannot hold.
const CLASSES: [&str; 4] = ["CalendarDate", "Interval", "TimeOfDay", "Timestamp"];

/// The declarations, as the text of a module. `exact` is for SDKs that were made with `exact: true`.
pub(crate) fn declarations(manifest: &ValidatedManifest, catalog: Option<&Catalog>, exact: bool) -> String {
    let tables = tables(manifest, catalog);
    let body: String = tables.iter().map(|(name, table)| table.declare(name, exact)).collect();
    let classes: Vec<&str> = CLASSES.into_iter().filter(|class| body.contains(class)).collect();
    let mut text =
        "// Written by `applet types`; run it again when the manifest or the database changes.\n\n"
            .to_owned();
    if !classes.is_empty() {
        text.push_str(&format!("import type {{ {} }} from \"@applet-host/sdk\";\n\n", classes.join(", ")));
    }
    let id = manifest.id();
    text.push_str(&format!(
        "/** The tables that `{id}` asks for, and what it may do with their columns. */\nexport interface Database {{\n{body}}}\n"
    ));
    text
}

/// The tables by the names that the applet uses.
fn tables(manifest: &ValidatedManifest, catalog: Option<&Catalog>) -> BTreeMap<String, Declared> {
    let grants = manifest.declared();
    let declare = |(name, grant): (&SqlName, &TableGrant)| match manifest.own_table(name) {
        Some(own) => (own.name().as_str().to_owned(), Declared::own(own, grant)),
        None => {
            let table = catalog.and_then(|catalog| catalog.table(name));
            let declared = table.map_or_else(|| Declared::unknown(grant), |table| Declared::of(table, grant));
            (name.as_str().to_owned(), declared)
        }
    };
    grants.tables().filter(|(_, grant)| !grant.is_empty()).map(declare).collect()
}

/// A table as it will be declared.
struct Declared {
    description: Option<String>,
    select: Option<Shape>,
    insert: Option<Shape>,
    update: Option<Shape>,
}

/// The columns of one kind of access.
enum Shape {
    /// Nobody knows which.
    Any,
    Columns(Vec<Property>),
}

struct Property {
    name: String,
    kind: Kind,
    nullable: bool,
    optional: bool,
}

/// A column of which everything is known.
struct Known {
    name: SqlName,
    kind: Kind,
    nullable: bool,
    has_default: bool,
    insertable: bool,
    updatable: bool,
}

impl Declared {
    fn own(table: &OwnTable, grant: &TableGrant) -> Self {
        let columns = table.columns().iter().map(|column| {
            let name = column.name();
            let fixed = matches!(name.as_str(), "tenant_id" | "created_at");
            let is_key = name == table.primary();
            let generated = column.column_type().generated();
            Known {
                name: name.clone(),
                kind: Kind::of(&column.column_type().sql()),
                nullable: column.nullable(),
                has_default: column.default().is_some() || generated || name.as_str() == "updated_at",
                insertable: !fixed && !(generated && (is_key || name.as_str() == "id")),
                updatable: !fixed && name.as_str() != "id",
            }
        });
        let columns: Vec<_> = columns.collect();
        Self { description: table.description().map(str::to_owned), ..Self::known(&columns, grant) }
    }

    fn of(table: &Table, grant: &TableGrant) -> Self {
        let in_key = |name| table.primary_key().is_some_and(|key| key.columns.contains(name));
        let columns = table.columns.iter().map(|column| {
            let fixed = table.tenant_column() == Some(&column.name) || column.name.as_str() == "created_at";
            let is_id = column.name.as_str() == "id";
            let stored = column.generation == Generation::Stored;
            let generated = column.generation == Generation::Sequence;
            Known {
                name: column.name.clone(),
                kind: Kind::of(&column.sql_type),
                nullable: column.nullable,
                has_default: column.default.is_some() || generated,
                insertable: !fixed && !stored && !(generated && (is_id || in_key(&column.name))),
                updatable: !fixed && !stored && !is_id,
            }
        });
        Self::known(&columns.collect::<Vec<_>>(), grant)
    }

    fn known(columns: &[Known], grant: &TableGrant) -> Self {
        let shape = |granted: Option<&Columns>, declare: &dyn Fn(&Known) -> Option<Property>| {
            let granted = granted?;
            let allowed = columns.iter().filter(|column| granted.contains(&column.name));
            Some(Shape::Columns(allowed.filter_map(declare).collect()))
        };
        let property = |column: &Known, optional| Property {
            name: column.name.as_str().to_owned(),
            kind: column.kind,
            nullable: column.nullable,
            optional,
        };
        Self {
            description: None,
            select: shape(grant.read.as_ref(), &|column| Some(property(column, false))),
            insert: shape(grant.insert.as_ref(), &|column| {
                column.insertable.then(|| property(column, column.nullable || column.has_default))
            }),
            update: shape(grant.update.as_ref(), &|column| column.updatable.then(|| property(column, true))),
        }
    }

    /// A table of the platform's, without a catalogue to look it up in.
    fn unknown(grant: &TableGrant) -> Self {
        let shape = |granted: Option<&Columns>, optional| match granted? {
            Columns::All => Some(Shape::Any),
            Columns::Only(names) => Some(Shape::Columns(of_names(names, optional))),
        };
        Self {
            description: None,
            select: shape(grant.read.as_ref(), false),
            insert: shape(grant.insert.as_ref(), true),
            update: shape(grant.update.as_ref(), true),
        }
    }

    fn declare(&self, name: &str, exact: bool) -> String {
        let mut text = String::new();
        if let Some(description) = &self.description {
            // The applet's author wrote this; it must not end the comment.
            let line = description.split_whitespace().collect::<Vec<_>>().join(" ").replace("*/", "*\\/");
            text.push_str(&format!("  /** {line} */\n"));
        }
        text.push_str(&format!("  {}: {{\n", key(name)));
        for (access, shape) in [("select", &self.select), ("insert", &self.insert), ("update", &self.update)]
        {
            match shape {
                None => {}
                Some(Shape::Any) => text.push_str(&format!("    {access}: Record<string, any>;\n")),
                Some(Shape::Columns(columns)) => {
                    text.push_str(&format!("    {access}: {{\n"));
                    for column in columns {
                        column.declare(&mut text, access == "select", exact);
                    }
                    text.push_str("    };\n");
                }
            }
        }
        text.push_str("  };\n");
        text
    }
}

fn of_names(names: &BTreeSet<SqlName>, optional: bool) -> Vec<Property> {
    let property = |name: &SqlName| Property {
        name: name.as_str().to_owned(),
        kind: Kind::Any,
        nullable: false,
        optional,
    };
    names.iter().map(property).collect()
}

impl Property {
    fn declare(&self, text: &mut String, is_read: bool, exact: bool) {
        let kind = if is_read { self.kind.read(exact) } else { self.kind.written(exact) };
        let mark = if self.optional { "?" } else { "" };
        let null = if self.nullable { " | null" } else { "" };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "      {}{mark}: {kind}{null};", key(&self.name));
    }
}

/// A name as the key of a property; quoted unless it is a plain word.
fn key(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return name.to_owned();
    }
    serde_json::Value::from(name).to_string()
}

/// What the SDK makes of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Boolean,
    Integer,
    BigInteger,
    Decimal,
    Text,
    Moment,
    LocalMoment,
    Date,
    Time,
    Interval,
    Json,
    Bytes,
    Array,
}

impl Kind {
    /// The kind of a type as PostgreSQL prints it. What the host knows no better is text.
    fn of(sql_type: &str) -> Self {
        let (name, after) = sql_type.split_once('(').unwrap_or((sql_type, ""));
        let zone = after.split_once(')').map_or("", |(_, zone)| zone);
        if sql_type.ends_with("[]") {
            return Self::Array;
        }
        match name.trim_end() {
            "boolean" => Self::Boolean,
            "smallint" | "integer" | "oid" | "real" | "double precision" => Self::Integer,
            "bigint" => Self::BigInteger,
            "numeric" => Self::Decimal,
            "timestamp with time zone" => Self::Moment,
            "timestamp" if zone == " with time zone" => Self::Moment,
            "timestamp" | "timestamp without time zone" => Self::LocalMoment,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "interval" => Self::Interval,
            "json" | "jsonb" => Self::Json,
            "bytea" => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// As it is read.
    const fn read(self, exact: bool) -> &'static str {
        match (self, exact) {
            (Self::Any, _) => "any",
            (Self::Boolean, _) => "boolean",
            (Self::Integer, _) | (Self::BigInteger | Self::Decimal, false) => "number",
            (Self::BigInteger, true) => "bigint",
            (Self::Decimal | Self::Json | Self::Array, true) | (Self::Text, _) => "string",
            (Self::LocalMoment | Self::Date | Self::Time | Self::Interval, false) => "string",
            (Self::Moment, false) => "Date",
            (Self::Moment | Self::LocalMoment, true) => "Timestamp",
            (Self::Date, true) => "CalendarDate",
            (Self::Time, true) => "TimeOfDay",
            (Self::Interval, true) => "Interval",
            (Self::Json, false) => "Record<string, unknown>",
            (Self::Array, false) => "unknown[]",
            (Self::Bytes, _) => "Uint8Array",
        }
    }

    /// As it may be written: also in the forms that keep every digit, and as it is read.
    const fn written(self, exact: bool) -> &'static str {
        match (self, exact) {
            (Self::Any, _) => "any",
            (Self::Boolean, _) => "boolean",
            (Self::Integer, _) => "number",
            (Self::BigInteger, _) => "number | bigint",
            (Self::Decimal, _) => "number | string",
            (Self::Moment, false) => "Date | string",
            (Self::Moment, true) => "Date | Timestamp | string",
            (Self::LocalMoment, true) => "Timestamp | string",
            (Self::Date, true) => "CalendarDate | string",
            (Self::Time, true) => "TimeOfDay | string",
            (Self::Interval, true) => "Interval | string",
            (Self::Text, _) | (Self::LocalMoment | Self::Date | Self::Time | Self::Interval, false) => {
                "string"
            }
            (Self::Json | Self::Array, false) => "object",
            (Self::Json | Self::Array, true) => "object | string",
            (Self::Bytes, _) => "Uint8Array",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use applet_manifest::ColumnType;

    #[test]
    fn s4_70_declarations_have_the_types_of_the_table_of_types() {
        for kind in ColumnType::EXAMPLES {
            assert_eq!(Kind::of(&kind.sql()).read(false), kind.mapping().typescript, "{kind}");
        }
    }

    #[test]
    fn s4_70_types_of_other_tables_are_known_by_their_printed_names() {
        for (printed, kind) in [
            ("timestamp(3) with time zone", Kind::Moment),
            ("timestamp(3) without time zone", Kind::LocalMoment),
            ("character(4)", Kind::Text),
            ("numeric(12,2)", Kind::Decimal),
            ("bigint[]", Kind::Array),
            ("inet", Kind::Text),
            ("time(3) without time zone", Kind::Time),
        ] {
            assert_eq!(Kind::of(printed), kind, "{printed}");
        }
    }

    #[test]
    fn f3_names_and_descriptions_stay_what_they_are() {
        assert_eq!(key("first_name"), "first_name");
        assert_eq!(key("first name\"; x"), r#""first name\"; x""#);
        let table = Declared {
            description: Some("a */ b\n c".to_owned()),
            ..Declared::unknown(&TableGrant::default())
        };
        assert!(table.declare("t", false).starts_with("  /** a *\\/ b c */\n  t: {\n"));
    }
}
