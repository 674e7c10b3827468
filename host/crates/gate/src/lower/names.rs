//! Identifiers: folded like PostgreSQL folds them, and only those that both parsers read alike.

use applet_types::{ErrorCode, Span};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::Lower;
use crate::allow::keywords;
use crate::ir::Name;
use crate::reject::{Gate, reject, syntax, unsupported};

/// Columns that every table has and no applet sees: they tell about other transactions and other rows.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

impl Lower<'_> {
    /// An output name or anything else that may be a reserved word (`AS "Total Count"`, `AS end`).
    pub(super) fn label(&self, ident: &Ident) -> Gate<Name> {
        let span = self.ident_span(ident);
        let text = match ident.quote_style {
            // ASCII letters only: PostgreSQL leaves KELVIN SIGN alone, Unicode folding makes it a `k`.
            None => ident.value.to_ascii_lowercase(),
            Some('"') => ident.value.clone(),
            // `'a' 'b'` reads as an alias in single quotes.
            Some(_) => return Err(syntax(span, "identifiers are quoted with double quotes only")),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
        if ident.quote_style.is_none() && !(text.starts_with(starts) && text.chars().all(plain)) {
            return Err(syntax(span, format!("`{text}` is not an identifier")));
        }
        Name::checked(&text).ok_or_else(|| {
            reject(ErrorCode::Syntax, "identifier", span, format!("`{text}` is not a usable identifier"))
        })
    }

    /// The name of a column where a reserved word cannot stand unquoted.
    pub(super) fn column_name(&self, ident: &Ident) -> Gate<Name> {
        let name = self.label(ident)?;
        if ident.quote_style.is_none() && keywords::reserved(name.as_str()) {
            let message = format!("`{}` is a reserved word here", name.as_str());
            return Err(syntax(self.ident_span(ident), message));
        }
        self.not_a_system_column(&name, ident)?;
        Ok(name)
    }

    /// The name of a column after a dot, where any word can stand.
    pub(super) fn field_name(&self, ident: &Ident) -> Gate<Name> {
        let name = self.label(ident)?;
        self.not_a_system_column(&name, ident)?;
        Ok(name)
    }

    fn not_a_system_column(&self, name: &Name, ident: &Ident) -> Gate<()> {
        if !SYSTEM_COLUMNS.contains(&name.as_str()) {
            return Ok(());
        }
        let message = format!("system column `{}` cannot be used", name.as_str());
        Err(reject(ErrorCode::SystemCatalog, "system-column", self.ident_span(ident), message)
            .column(name.as_str()))
    }

    /// The name of a relation or of what stands for one in FROM.
    pub(super) fn relation_name(&self, ident: &Ident) -> Gate<Name> {
        let name = self.label(ident)?;
        if ident.quote_style.is_none() && keywords::reserved_for_relations(name.as_str()) {
            let message = format!("`{}` is a reserved word here", name.as_str());
            return Err(syntax(self.ident_span(ident), message));
        }
        Ok(name)
    }

    /// The identifiers of a dotted name.
    pub(super) fn parts<'n>(&self, name: &'n ObjectName) -> Gate<Vec<&'n Ident>> {
        name.0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => Ok(ident),
                ObjectNamePart::Function(_) => Err(unsupported("name", None, "a computed name")),
            })
            .collect()
    }

    pub(super) fn ident_span(&self, ident: &Ident) -> Option<Span> {
        self.span(ident.span)
    }

    /// The bytes from the first to the last part of a dotted name.
    pub(super) fn parts_span(&self, parts: &[&Ident]) -> Option<Span> {
        let first = self.ident_span(parts.first()?)?;
        let last = self.ident_span(parts.last()?)?;
        Some(Span { start: first.start, end: last.end })
    }
}
