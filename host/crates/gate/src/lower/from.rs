//! FROM: base tables, common table expressions, derived tables, functions and joins.

use applet_types::{ErrorCode, Operation, SqlName};
use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, Spanned as _, TableAlias,
    TableFactor, TableFunctionArgs, TableWithJoins,
};

use super::query::renamed;
use super::scope::{Access, Entry, Scope, shown_by_star};
use super::{Lower, Place};
use crate::allow::functions::{self, TableColumns};
use crate::ir::{Arg, Call, Constraint, FromItem, Join, JoinKind, Name};
use crate::reject::{Gate, reject, syntax, unsupported};

/// One column that `*` stands for.
#[derive(Debug, Clone)]
pub(super) struct Star {
    /// `None` for a column that USING has merged.
    pub(super) relation: Option<Name>,
    pub(super) column: Name,
    /// Whether the grant shows it.
    pub(super) shown: bool,
    /// The base table it is read from.
    pub(super) read_of: Option<SqlName>,
}

impl Lower<'_> {
    /// Lowers a FROM list and adds its relations to the scope.
    pub(super) fn sources(
        &mut self,
        list: &[TableWithJoins],
        scope: &mut Scope<'_>,
    ) -> Gate<(Vec<FromItem>, Vec<Star>)> {
        let mut stars = Vec::new();
        let mut items = Vec::new();
        for (index, tree) in list.iter().enumerate() {
            if index > 0 {
                self.count_join(self.span(tree.span()))?;
            }
            let (item, columns) = self.joined(tree, scope)?;
            items.push(item);
            stars.extend(columns);
        }
        Ok((items, stars))
    }

    fn joined(&mut self, tree: &TableWithJoins, scope: &mut Scope<'_>) -> Gate<(FromItem, Vec<Star>)> {
        let TableWithJoins { relation, joins } = tree;
        let start = scope.len();
        let (mut left, mut stars) = self.factor(relation, scope)?;
        for join in joins {
            let ast::Join { relation, global, join_operator } = join;
            self.absent(*global, "GLOBAL JOIN")?;
            self.count_join(self.span(relation.span()))?;
            let (kind, constraint) = self.operator(join_operator, relation)?;
            let (right, right_stars) = self.factor(relation, scope)?;
            let (constraint, merged) =
                self.constraint(kind, constraint, scope, start, &stars, &right_stars)?;
            stars = merge(stars, right_stars, &merged);
            scope.merged.extend(merged);
            left = FromItem::Join(Box::new(Join { left, right, kind, constraint, predicates: Vec::new() }));
        }
        Ok((left, stars))
    }

    fn operator<'j>(
        &self,
        operator: &'j JoinOperator,
        at: &TableFactor,
    ) -> Gate<(JoinKind, &'j JoinConstraint)> {
        match operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                Ok((JoinKind::Inner, constraint))
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                Ok((JoinKind::Left, constraint))
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                Ok((JoinKind::Right, constraint))
            }
            JoinOperator::FullOuter(constraint) => Ok((JoinKind::Full, constraint)),
            JoinOperator::CrossJoin(constraint) => Ok((JoinKind::Cross, constraint)),
            JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::AsOf { .. }
            | JoinOperator::StraightJoin(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => {
                Err(unsupported("join", self.span(at.span()), "this kind of join"))
            }
        }
    }

    fn constraint(
        &mut self,
        kind: JoinKind,
        constraint: &JoinConstraint,
        scope: &mut Scope<'_>,
        start: usize,
        left: &[Star],
        right: &[Star],
    ) -> Gate<(Constraint, Vec<Name>)> {
        let wants = kind != JoinKind::Cross;
        match constraint {
            JoinConstraint::On(condition) if wants => {
                // ON sees the two sides of its join, nothing before them.
                let before = std::mem::replace(&mut scope.visible_from, start);
                let condition = self.expr(condition, scope);
                scope.visible_from = before;
                Ok((Constraint::On(condition?), Vec::new()))
            }
            JoinConstraint::Using(columns) if wants => {
                let names =
                    columns.iter().map(|column| self.using(column, left, right)).collect::<Gate<Vec<_>>>()?;
                Ok((Constraint::Using(names.clone()), names))
            }
            JoinConstraint::Natural if wants => {
                let common =
                    left.iter().filter(|l| l.shown && right.iter().any(|r| r.shown && r.column == l.column));
                let names = common.map(|star| star.column.clone()).collect();
                Ok((Constraint::Natural, names))
            }
            JoinConstraint::None if !wants => Ok((Constraint::None, Vec::new())),
            JoinConstraint::None => Err(syntax(None, "a join needs ON or USING")),
            JoinConstraint::On(_) | JoinConstraint::Using(_) | JoinConstraint::Natural => {
                Err(syntax(None, "CROSS JOIN takes no condition"))
            }
        }
    }

    fn using(&self, column: &ObjectName, left: &[Star], right: &[Star]) -> Gate<Name> {
        let parts = self.parts(column)?;
        let [ident] = parts.as_slice() else {
            return Err(syntax(self.parts_span(&parts), "USING takes plain column names"));
        };
        let name = self.column_name(ident)?;
        let known = |side: &[Star]| side.iter().any(|star| star.column == name && star.shown);
        if known(left) && known(right) {
            return Ok(name);
        }
        let message = format!("column `{}` is not on both sides of the join", name.as_str());
        let code = ErrorCode::UnknownColumn;
        Err(reject(code, "using-column", self.ident_span(ident), message).column(name.as_str()))
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Gate<(FromItem, Vec<Star>)> {
        self.deeper(|| factor.span(), |this| this.factor_inside(factor, scope))
    }

    fn factor_inside(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Gate<(FromItem, Vec<Star>)> {
        let span = self.span(factor.span());
        match factor {
            TableFactor::Table { .. } => self.table_factor(factor, scope),
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                self.absent(sample.is_some(), "TABLESAMPLE")?;
                let Some(alias) = alias else {
                    return Err(syntax(span, "a subquery in FROM needs an alias"));
                };
                let outer = if *lateral { Some(&*scope) } else { scope.outer() };
                let (query, names) = self.subquery(subquery, outer, Place::Named)?;
                let (alias_name, columns) = self.alias(alias)?;
                let entry = Entry::derived(alias_name.clone(), renamed(names, &columns));
                let stars = self.introduce(entry, scope, alias)?;
                Ok((
                    FromItem::Derived {
                        lateral: *lateral,
                        query: Box::new(query),
                        alias: alias_name,
                        columns,
                    },
                    stars,
                ))
            }
            TableFactor::Function { lateral, name, args, with_ordinality, alias } => {
                self.table_function(*lateral, name, args, *with_ordinality, alias.as_ref(), scope)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                self.absent(*with_offset || with_offset_alias.is_some(), "WITH OFFSET")?;
                let args = array_exprs
                    .iter()
                    .map(|expr| Ok(Arg { name: None, value: self.expr(expr, scope)? }))
                    .collect::<Gate<Vec<_>>>()?;
                let call = self.plain_call("unnest", args, span)?;
                self.function_item(false, call, *with_ordinality, alias.as_ref(), scope)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.nested_join(table_with_joins, alias.as_ref(), scope)
            }
            TableFactor::TableFunction { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                Err(unsupported("from-item", span, "this kind of item in FROM"))
            }
        }
    }

    fn table_factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Gate<(FromItem, Vec<Star>)> {
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = factor
        else {
            return Err(unsupported("from-item", self.span(factor.span()), "this kind of item in FROM"));
        };
        self.absent(!with_hints.is_empty() || !index_hints.is_empty(), "a table hint")?;
        self.absent(version.is_some() || !partitions.is_empty() || json_path.is_some(), "a table option")?;
        self.absent(sample.is_some(), "TABLESAMPLE")?;
        if let Some(TableFunctionArgs { args, settings }) = args {
            self.absent(settings.is_some(), "SETTINGS")?;
            return self.table_function(false, name, args, *with_ordinality, alias.as_ref(), scope);
        }
        self.absent(*with_ordinality, "WITH ORDINALITY after a table")?;
        if let Some(item) = self.cte_reference(name, alias.as_ref(), scope)? {
            return Ok(item);
        }
        let target = self.target(name, Operation::Read)?;
        self.uses(&target.table.name, Operation::Read);
        let (alias_name, columns) = match alias {
            Some(alias) => self.alias(alias)?,
            None => (target.name.clone(), Vec::new()),
        };
        let (mut relation, mut entry) = self.relation(&target, alias_name, false);
        if !columns.is_empty() {
            // New names go to the columns that can be seen, in order.
            if columns.len() > relation.readable.len() {
                return Err(syntax(target.span, "more column aliases than columns"));
            }
            entry.columns.retain(|column| column.access.is_readable());
            for (column, name) in entry.columns.iter_mut().zip(&columns) {
                column.name = name.clone();
            }
            relation.renamed = columns;
        }
        scope.push(entry.clone(), target.span)?;
        Ok((FromItem::Relation(relation), stars_of(&entry)))
    }

    /// A one-part name that is a common table expression in scope; qualified names never are.
    fn cte_reference(
        &mut self,
        object: &ObjectName,
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Gate<Option<(FromItem, Vec<Star>)>> {
        let parts = self.parts(object)?;
        let [ident] = parts.as_slice() else { return Ok(None) };
        let name = self.relation_name(ident)?;
        let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == name).cloned() else { return Ok(None) };
        let (alias, columns) = match alias {
            Some(alias) => self.alias(alias)?,
            None => (name.clone(), Vec::new()),
        };
        let entry = Entry::derived(alias.clone(), renamed(cte.columns, &columns));
        scope.push(entry.clone(), self.ident_span(ident))?;
        Ok(Some((FromItem::Cte { name, alias, columns }, stars_of(&entry))))
    }

    fn introduce(&self, entry: Entry, scope: &mut Scope<'_>, alias: &TableAlias) -> Gate<Vec<Star>> {
        let stars = stars_of(&entry);
        scope.push(entry, self.ident_span(&alias.name))?;
        Ok(stars)
    }

    fn nested_join(
        &mut self,
        tree: &TableWithJoins,
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Gate<(FromItem, Vec<Star>)> {
        let start = scope.len();
        let (inner, stars) = self.joined(tree, scope)?;
        let Some(alias) = alias else {
            return Ok((FromItem::Group { inner: Box::new(inner), alias: None }, stars));
        };
        let (name, columns) = self.alias(alias)?;
        scope.hide_from(start);
        // The members become derived tables that show what may be seen, so that is what the join shows.
        let names = stars.into_iter().filter(|star| star.shown).map(|star| star.column).collect();
        let entry = Entry::derived(name.clone(), renamed(names, &columns));
        let stars = self.introduce(entry, scope, alias)?;
        Ok((FromItem::Group { inner: Box::new(inner), alias: Some((name, columns)) }, stars))
    }

    fn table_function(
        &mut self,
        lateral: bool,
        object: &ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Gate<(FromItem, Vec<Star>)> {
        let parts = self.parts(object)?;
        let span = self.parts_span(&parts);
        let name = self.function_name(object)?;
        let args = args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    Ok(Arg { name: None, value: self.expr(expr, scope)? })
                }
                _ => Err(unsupported("function-arguments", span, "this form of arguments")),
            })
            .collect::<Gate<Vec<_>>>()?;
        let call = self.plain_call(&name, args, span)?;
        self.function_item(lateral, call, ordinality, alias, scope)
    }

    fn function_item(
        &mut self,
        lateral: bool,
        call: Call,
        ordinality: bool,
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Gate<(FromItem, Vec<Star>)> {
        let Some(kind) = functions::table_columns(call.name) else {
            let message = format!("function `{}` cannot stand in FROM", call.name);
            return Err(reject(ErrorCode::FunctionNotAllowed, "table-function", None, message));
        };
        let own = Name::checked(call.name).ok_or_else(|| syntax(None, "a function without a name"))?;
        let (name, columns) = match alias {
            Some(alias) => self.alias(alias)?,
            None => (own.clone(), Vec::new()),
        };
        let mut names: Vec<_> = match kind {
            TableColumns::Named(names) => names.iter().filter_map(|name| Name::checked(name)).collect(),
            TableColumns::Alias => vec![name.clone()],
            TableColumns::PerArgument if call.args.len() == 1 => vec![name.clone()],
            TableColumns::PerArgument => vec![own; call.args.len()],
        };
        if ordinality {
            names.extend(Name::checked("ordinality"));
        }
        let entry = Entry::derived(name.clone(), renamed(names, &columns));
        let stars = stars_of(&entry);
        scope.push(entry, alias.and_then(|alias| self.ident_span(&alias.name)))?;
        let calls = if kind == TableColumns::PerArgument { call.per_argument() } else { vec![call] };
        Ok((FromItem::Function { lateral, calls, ordinality, alias: name, columns }, stars))
    }
}

/// What `*` stands for over one relation.
pub(super) fn stars_of(entry: &Entry) -> Vec<Star> {
    let shown: Vec<_> = shown_by_star(entry).collect();
    entry
        .columns
        .iter()
        .map(|column| Star {
            relation: Some(entry.alias.clone()),
            column: column.name.clone(),
            shown: shown.contains(&&column.name),
            read_of: entry.table.clone().filter(|_| column.access == Access::Granted),
        })
        .collect()
}

/// `*` over a join: merged columns first, then the rest of the left side, then of the right side.
fn merge(left: Vec<Star>, right: Vec<Star>, merged: &[Name]) -> Vec<Star> {
    let rest = |stars: Vec<Star>| {
        stars.into_iter().filter(|star| !merged.contains(&star.column)).collect::<Vec<_>>()
    };
    let joined = merged.iter().map(|column| {
        let read_of = left.iter().find(|star| star.column == *column).and_then(|star| star.read_of.clone());
        Star { relation: None, column: column.clone(), shown: true, read_of }
    });
    let joined: Vec<_> = joined.collect();
    joined.into_iter().chain(rest(left)).chain(rest(right)).collect()
}
