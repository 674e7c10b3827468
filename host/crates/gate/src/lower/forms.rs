//! Expressions with a syntax of their own: LIKE, EXTRACT, TRIM and the like; and the ones that are refused.

use applet_types::ErrorCode;
use sqlparser::ast::{self, CeilFloorKind, DateTimeField, ExtractSyntax, ObjectName, TrimWhereField};

use super::Lower;
use super::scope::Scope;
use crate::ir::{Arg, Expr, Like, LikeKind, Literal};
use crate::reject::{Gate, reject, syntax, unsupported};

/// What EXTRACT can take out of a date.
#[rustfmt::skip]
const FIELDS: [&str; 21] = [
    "century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear", "julian", "microseconds",
    "milliseconds", "millennium", "minute", "month", "quarter", "second", "timezone", "timezone_hour",
    "timezone_minute", "year",
];

/// Collations that may be named: PostgreSQL's own.
const COLLATIONS: [&str; 4] = ["C", "default", "und-x-icu", "ucs_basic"];

impl Lower<'_> {
    pub(super) fn form(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        match expr {
            ast::Expr::Like { negated, any, expr, pattern, escape_char } => {
                self.like(LikeKind::Like, *negated, *any, expr, pattern, escape_char.as_deref(), scope)
            }
            ast::Expr::ILike { negated, any, expr, pattern, escape_char } => {
                self.like(LikeKind::ILike, *negated, *any, expr, pattern, escape_char.as_deref(), scope)
            }
            ast::Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                self.like(LikeKind::Similar, *negated, false, expr, pattern, escape_char.as_deref(), scope)
            }
            ast::Expr::TypedString(typed) => self.typed_string(typed, expr),
            ast::Expr::Interval(interval) => self.interval(interval, expr),
            ast::Expr::Extract { field, syntax: ExtractSyntax::From, expr: operand } => {
                self.extract(field, operand, expr, scope)
            }
            ast::Expr::AtTimeZone { timestamp, time_zone } => Ok(Expr::AtTimeZone {
                operand: self.boxed(timestamp, scope)?,
                zone: self.boxed(time_zone, scope)?,
            }),
            ast::Expr::Ceil {
                expr: operand,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call_of("ceil", [Some(operand.as_ref())], expr, scope),
            ast::Expr::Floor {
                expr: operand,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call_of("floor", [Some(operand.as_ref())], expr, scope),
            ast::Expr::Position { expr: needle, r#in } => {
                Ok(Expr::Position { needle: self.boxed(needle, scope)?, hay: self.boxed(r#in, scope)? })
            }
            ast::Expr::Substring { expr: operand, substring_from, substring_for, special: _, shorthand } => {
                match (substring_from, substring_for) {
                    (None, Some(length)) => Ok(Expr::SubstringFor {
                        operand: self.boxed(operand, scope)?,
                        length: self.boxed(length, scope)?,
                    }),
                    (from, length) => {
                        let name = if *shorthand { "substr" } else { "substring" };
                        let args = [Some(operand.as_ref()), from.as_deref(), length.as_deref()];
                        self.call_of(name, args, expr, scope)
                    }
                }
            }
            ast::Expr::Trim { trim_where, trim_what, expr: operand, trim_characters } => {
                self.trim(*trim_where, trim_what.as_deref(), operand, trim_characters.as_deref(), expr, scope)
            }
            ast::Expr::Overlay { expr: operand, overlay_what, overlay_from, overlay_for } => {
                let args = [
                    Some(operand.as_ref()),
                    Some(overlay_what.as_ref()),
                    Some(overlay_from.as_ref()),
                    overlay_for.as_deref(),
                ];
                self.call_of("overlay", args, expr, scope)
            }
            ast::Expr::Collate { expr: operand, collation } => self.collate(operand, collation, expr, scope),
            other => self.refused(other),
        }
    }

    /// Every kind of expression that has no node in the typed form, by name.
    fn refused(&self, expr: &ast::Expr) -> Gate<Expr> {
        let what = match expr {
            ast::Expr::JsonAccess { .. } => "`:` as a path into JSON",
            ast::Expr::IsJson { .. } => "IS JSON",
            ast::Expr::IsNormalized { .. } => "IS NORMALIZED",
            ast::Expr::InUnnest { .. } => "IN UNNEST",
            ast::Expr::RLike { .. } | ast::Expr::MatchAgainst { .. } => "this kind of text search",
            ast::Expr::Convert { .. } => "CONVERT",
            ast::Expr::Ceil { .. } | ast::Expr::Floor { .. } => "CEIL or FLOOR with a second argument",
            ast::Expr::Extract { .. } => "EXTRACT with a comma",
            ast::Expr::Prefixed { .. } => "a literal with a prefix",
            ast::Expr::GroupingSets(_) | ast::Expr::Cube(_) | ast::Expr::Rollup(_) => {
                "a grouping set outside of GROUP BY"
            }
            ast::Expr::Tuple(_) => "an empty row",
            ast::Expr::Wildcard(_) | ast::Expr::QualifiedWildcard(..) => "`*` in an expression",
            ast::Expr::Struct { .. }
            | ast::Expr::Named { .. }
            | ast::Expr::Dictionary(_)
            | ast::Expr::Map(_)
            | ast::Expr::OuterJoin(_)
            | ast::Expr::Prior(_)
            | ast::Expr::Lambda(_)
            | ast::Expr::MemberOf(_) => "this kind of expression",
            ast::Expr::Identifier(_)
            | ast::Expr::CompoundIdentifier(_)
            | ast::Expr::CompoundFieldAccess { .. }
            | ast::Expr::IsFalse(_)
            | ast::Expr::IsNotFalse(_)
            | ast::Expr::IsTrue(_)
            | ast::Expr::IsNotTrue(_)
            | ast::Expr::IsNull(_)
            | ast::Expr::IsNotNull(_)
            | ast::Expr::IsUnknown(_)
            | ast::Expr::IsNotUnknown(_)
            | ast::Expr::IsDistinctFrom(..)
            | ast::Expr::IsNotDistinctFrom(..)
            | ast::Expr::InList { .. }
            | ast::Expr::InSubquery { .. }
            | ast::Expr::Between { .. }
            | ast::Expr::BinaryOp { .. }
            | ast::Expr::Like { .. }
            | ast::Expr::ILike { .. }
            | ast::Expr::SimilarTo { .. }
            | ast::Expr::AnyOp { .. }
            | ast::Expr::AllOp { .. }
            | ast::Expr::UnaryOp { .. }
            | ast::Expr::Cast { .. }
            | ast::Expr::AtTimeZone { .. }
            | ast::Expr::Position { .. }
            | ast::Expr::Substring { .. }
            | ast::Expr::Trim { .. }
            | ast::Expr::Overlay { .. }
            | ast::Expr::Collate { .. }
            | ast::Expr::Nested(_)
            | ast::Expr::Value(_)
            | ast::Expr::TypedString(_)
            | ast::Expr::Function(_)
            | ast::Expr::Case { .. }
            | ast::Expr::Exists { .. }
            | ast::Expr::Subquery(_)
            | ast::Expr::Array(_)
            | ast::Expr::Interval(_) => "this expression",
        };
        Err(unsupported("expression", self.span_of(expr), what))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one syntax node, taken apart once")]
    fn like(
        &mut self,
        kind: LikeKind,
        negated: bool,
        any: bool,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let escape = match escape {
            None => None,
            Some(ast::Expr::Value(value)) => match self.value(value)? {
                Expr::Literal(Literal::Text(text)) => Some(text),
                _ => return Err(syntax(self.span(value.span), "ESCAPE takes a string literal")),
            },
            Some(other) => return Err(syntax(self.span_of(other), "ESCAPE takes a string literal")),
        };
        if any && !matches!(pattern, ast::Expr::Nested(_)) {
            return Err(unsupported(
                "like-any",
                self.span_of(pattern),
                "LIKE ANY over anything but an array in parentheses",
            ));
        }
        let (operand, pattern) = (self.expr(operand, scope)?, self.expr(pattern, scope)?);
        Ok(Expr::Like(Box::new(Like { kind, negated, any, operand, pattern, escape })))
    }

    fn extract(
        &mut self,
        field: &DateTimeField,
        operand: &ast::Expr,
        at: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let written = field.to_string().to_ascii_lowercase();
        let written = written.trim_matches('\'');
        let field =
            if written == "week" { Some("week") } else { FIELDS.into_iter().find(|known| *known == written) };
        let Some(field) = field else {
            return Err(syntax(self.span_of(at), format!("`{written}` cannot be extracted from a date")));
        };
        Ok(Expr::Extract { field, operand: self.boxed(operand, scope)? })
    }

    fn trim(
        &mut self,
        side: Option<TrimWhereField>,
        what: Option<&ast::Expr>,
        operand: &ast::Expr,
        characters: Option<&[ast::Expr]>,
        at: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let name = match side {
            None | Some(TrimWhereField::Both) => "btrim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        };
        let second = match (what, characters) {
            (what, None) => what,
            (None, Some([one])) => Some(one),
            (_, Some(_)) => return Err(syntax(self.span_of(at), "TRIM takes one set of characters")),
        };
        self.call_of(name, [Some(operand), second], at, scope)
    }

    /// An ordinary call in place of a syntax of its own that means the same.
    fn call_of<const N: usize>(
        &mut self,
        name: &str,
        args: [Option<&ast::Expr>; N],
        at: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let args = args
            .into_iter()
            .flatten()
            .map(|arg| Ok(Arg { name: None, value: self.expr(arg, scope)? }))
            .collect::<Gate<Vec<_>>>()?;
        Ok(Expr::Call(Box::new(self.plain_call(name, args, self.span_of(at))?)))
    }

    fn collate(
        &mut self,
        operand: &ast::Expr,
        collation: &ObjectName,
        at: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let parts = self.parts(collation)?;
        let written = match parts.as_slice() {
            [ident] => self.label(ident)?,
            _ => return Err(unsupported("collation", self.span_of(at), "a collation with a schema")),
        };
        let known = COLLATIONS.into_iter().find(|known| *known == written.as_str());
        let Some(collation) = known else {
            let message = format!("collation `{}` cannot be used", written.as_str());
            return Err(reject(ErrorCode::TypeNotAllowed, "collation", self.span_of(at), message));
        };
        Ok(Expr::Collate { operand: self.boxed(operand, scope)?, collation })
    }
}
