//! Own tables: columns, indexes, defaults, foreign keys.

use serde_json::Value;

use super::fields::{Fields, text, unquoted, wrong_kind};
use crate::document::{Column, DefaultText, ForeignKey, Index, Table};
use crate::path::Path;
use crate::report::Report;
use crate::violation::ViolationCode;
use crate::yaml::{Content, Node, Scalar};

pub(super) fn table(node: &Node, path: &Path, report: &mut Report) -> Table {
    let Some(mut fields) = Fields::of(node, path, report) else { return Table::default() };
    let table = Table {
        name: fields.required_text("name"),
        description: fields.text("description"),
        columns: fields.list("columns", column).unwrap_or_default(),
        indexes: fields.list("indexes", index).unwrap_or_default(),
    };
    fields.require("columns");
    fields.finish(&[("primaryKey", "the primary key is a column with `primary: true`")]);
    table
}

fn column(node: &Node, path: &Path, report: &mut Report) -> Column {
    let Some(mut fields) = Fields::of(node, path, report) else { return Column::default() };
    let column = Column {
        name: fields.required_text("name"),
        column_type: fields.required_text("type"),
        primary: fields.boolean("primary"),
        required: fields.boolean("required"),
        nullable: fields.boolean("nullable"),
        index: fields.boolean("index"),
        default: fields.mapping("default", default),
        foreign_key: fields.mapping("foreignKey", foreign_key),
    };
    fields.finish(&[
        ("unique", "a unique column is declared under `indexes`: `{ columns: [name], unique: true }`"),
        ("primaryKey", "the primary key is declared with `primary: true`"),
        ("references", "a reference is declared with `foreignKey: { table: …, column: … }`"),
    ]);
    column
}

fn index(node: &Node, path: &Path, report: &mut Report) -> Index {
    let Some(mut fields) = Fields::of(node, path, report) else { return Index::default() };
    let index =
        Index { columns: fields.list("columns", text).unwrap_or_default(), unique: fields.boolean("unique") };
    fields.finish(&[("name", "indexes are named by the host")]);
    index
}

fn foreign_key(node: &Node, path: &Path, report: &mut Report) -> ForeignKey {
    let Some(mut fields) = Fields::of(node, path, report) else { return ForeignKey::default() };
    let key = ForeignKey {
        table: fields.required_text("table"),
        column: fields.text("column"),
        on_delete: fields.text("onDelete"),
    };
    fields.finish(&[]);
    key
}

/// A default keeps the text it was written with: a number that went through a float would lose digits.
fn default(node: &Node, path: &Path, report: &mut Report) -> DefaultText {
    match &node.content {
        Content::Scalar(scalar) if scalar.is_null() => wrong_kind(node, "a value", path, report),
        Content::Scalar(scalar) if scalar.reads_differently() => {
            report.add(ViolationCode::WrongKind, path, unquoted(&scalar.text));
        }
        _ => {}
    }
    match &node.content {
        Content::Scalar(scalar) => DefaultText::Text(scalar.text.clone()),
        Content::Sequence(_) | Content::Mapping(_) => DefaultText::Json(json(node)),
    }
}

fn json(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(scalar) => json_scalar(scalar),
        Content::Sequence(items) => Value::Array(items.iter().map(json).collect()),
        Content::Mapping(entries) => {
            Value::Object(entries.iter().map(|(key, _, value)| (key.clone(), json(value))).collect())
        }
    }
}

fn json_scalar(scalar: &Scalar) -> Value {
    if scalar.is_null() {
        return Value::Null;
    }
    match scalar.boolean() {
        Some(value) => Value::Bool(value),
        None if scalar.plain => {
            scalar.text.parse().map_or_else(|_| Value::String(scalar.text.clone()), Value::Number)
        }
        None => Value::String(scalar.text.clone()),
    }
}
