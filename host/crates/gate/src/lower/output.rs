//! What PostgreSQL calls a column of a result that has no alias.

use crate::ir::{Body, Expr, Item, Name, Query};

/// How sure a name is: the name of a type only stands in when nothing better is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Weak,
    Strong,
}

/// The name of an item in the result.
pub(super) fn output_name(item: &Item) -> Name {
    item.alias.clone().or_else(|| named(&item.expr).map(|(name, _)| name)).unwrap_or_else(Name::unnamed)
}

fn named(expr: &Expr) -> Option<(Name, Strength)> {
    match expr {
        Expr::Column { column, .. } => Some((column.clone(), Strength::Strong)),
        Expr::WholeRow { alias, star: false } => Some((alias.clone(), Strength::Strong)),
        Expr::Parens(inner)
        | Expr::Subscript { operand: inner, .. }
        | Expr::Collate { operand: inner, .. } => named(inner),
        Expr::Call(call) => fixed(call.name),
        Expr::Cast { operand, types } => cast(operand, types.last().map(|to| to.name)),
        Expr::CastCall { operand, to } => cast(operand, Some(to.name)),
        Expr::Interval { .. } => weak("interval"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Position { .. } => fixed("position"),
        Expr::SubstringFor { .. } => fixed("substring"),
        Expr::Case { otherwise, .. } => otherwise
            .as_deref()
            .and_then(named)
            .filter(|(_, strength)| *strength == Strength::Strong)
            .or_else(|| weak("case")),
        Expr::Exists { negated: false, .. } => fixed("exists"),
        Expr::ArrayQuery(_) | Expr::Array { .. } => fixed("array"),
        Expr::Row { .. } => fixed("row"),
        Expr::Subquery(query) => single_column(query),
        Expr::WholeRow { star: true, .. }
        | Expr::Literal(_)
        | Expr::Parameter(_)
        | Expr::Tenant
        | Expr::Default
        | Expr::Chain { .. }
        | Expr::Prefix { .. }
        | Expr::Test { .. }
        | Expr::Distinct { .. }
        | Expr::InList { .. }
        | Expr::InQuery { .. }
        | Expr::Between { .. }
        | Expr::Like(_)
        | Expr::Quantified { .. }
        | Expr::Exists { negated: true, .. } => None,
    }
}

fn fixed(name: &str) -> Option<(Name, Strength)> {
    Name::checked(name).map(|name| (name, Strength::Strong))
}

fn weak(name: &str) -> Option<(Name, Strength)> {
    Name::checked(name).map(|name| (name, Strength::Weak))
}

fn cast(operand: &Expr, to: Option<&str>) -> Option<(Name, Strength)> {
    named(operand).filter(|(_, strength)| *strength == Strength::Strong).or_else(|| to.and_then(weak))
}

/// A scalar subquery is called like its only column.
fn single_column(query: &Query) -> Option<(Name, Strength)> {
    match &query.body {
        Body::Select(select) => {
            let item = select.projection.first()?;
            match &item.alias {
                Some(alias) => Some((alias.clone(), Strength::Strong)),
                None => named(&item.expr),
            }
        }
        Body::Nested(inner) => single_column(inner),
        Body::Values(_) => fixed("column1"),
    }
}
