//! SELECT: projection, FROM, conditions, grouping.

use sqlparser::ast::{
    self, GroupByExpr, NamedWindowDefinition, NamedWindowExpr, OrderBy, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, Spanned as _, WildcardAdditionalOptions,
};

use super::from::Star;
use super::output::output_name;
use super::scope::Scope;
use super::{Lower, Place};
use crate::ir::{Distinct, Expr, Group, Item, Name, Order, Select};
use crate::reject::{Gate, unsupported};

/// Grouping sets of one query: each is another pass over the rows.
const MAX_GROUPING_SETS: usize = 16;

impl Lower<'_> {
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        order_by: Option<&OrderBy>,
        outer: Option<&Scope<'_>>,
        place: Place,
    ) -> Gate<(Select, Vec<Name>, Vec<Order>)> {
        let ast::Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        self.absent(!optimizer_hints.is_empty(), "an optimizer hint")?;
        self.absent(into.is_some(), "SELECT INTO")?;
        self.absent(
            select_modifiers.is_some() || top.is_some() || exclude.is_some(),
            "a modifier after SELECT",
        )?;
        self.absent(!lateral_views.is_empty() || prewhere.is_some(), "LATERAL VIEW or PREWHERE")?;
        self.absent(!connect_by.is_empty(), "CONNECT BY")?;
        self.absent(
            !cluster_by.is_empty() || !distribute_by.is_empty() || !sort_by.is_empty(),
            "CLUSTER, DISTRIBUTE or SORT BY",
        )?;
        self.absent(qualify.is_some() || value_table_mode.is_some(), "QUALIFY or AS STRUCT")?;
        self.absent(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;

        let mut scope = Scope::inside(outer);
        let (from, stars) = self.sources(from, &mut scope)?;
        let selection = selection.as_ref().map(|condition| self.expr(condition, &scope)).transpose()?;
        let (projection, names) = self.projection(projection, &scope, &stars, place)?;
        let group_by = self.group_by(group_by, &scope, &names)?;
        let having = having.as_ref().map(|condition| self.expr(condition, &scope)).transpose()?;
        let windows = self.named_windows(named_window, &scope)?;
        let distinct = self.distinct(distinct.as_ref(), &scope, &names)?;
        let order_by = self.order_by(order_by, &scope, &names)?;
        let predicates = Vec::new();
        let select = Select { distinct, projection, from, selection, predicates, group_by, having, windows };
        Ok((select, names, order_by))
    }

    /// The columns of a SELECT or of RETURNING, with the names that PostgreSQL gives them.
    pub(super) fn projection(
        &mut self,
        items: &[SelectItem],
        scope: &Scope<'_>,
        stars: &[Star],
        place: Place,
    ) -> Gate<(Vec<Item>, Vec<Name>)> {
        let mut lowered = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    lowered.push(Item { expr: self.expr(expr, scope)?, alias: None });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let alias = Some(self.label(alias)?);
                    lowered.push(Item { expr: self.expr(expr, scope)?, alias });
                }
                SelectItem::ExprWithAliases { expr, aliases: _ } => {
                    return Err(unsupported(
                        "aliases",
                        self.span_of(expr),
                        "an expression with several aliases",
                    ));
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    self.plain_wildcard(options)?;
                    lowered.extend(self.qualified_star(kind, scope)?);
                }
                SelectItem::Wildcard(options) => {
                    self.plain_wildcard(options)?;
                    if stars.is_empty() {
                        let span = self.span(options.wildcard_token.0.span);
                        return Err(unsupported("wildcard", span, "`*` without FROM"));
                    }
                    lowered.extend(self.star(stars));
                }
            }
        }
        let names: Vec<_> = lowered.iter().map(output_name).collect();
        if place == Place::Named {
            // Whoever refers to these columns does it by the names that were resolved here.
            for (item, name) in lowered.iter_mut().zip(&names) {
                item.alias = Some(name.clone());
            }
        }
        Ok((lowered, names))
    }

    fn star(&mut self, stars: &[Star]) -> Vec<Item> {
        stars
            .iter()
            .filter(|star| star.shown)
            .map(|star| {
                if let Some(table) = &star.read_of {
                    self.uses(table, applet_types::Operation::Read);
                    self.uses_column(table, applet_types::Operation::Read, star.column.as_str());
                }
                Item {
                    expr: Expr::Column { relation: star.relation.clone(), column: star.column.clone() },
                    alias: None,
                }
            })
            .collect()
    }

    fn qualified_star(
        &mut self,
        kind: &SelectItemQualifiedWildcardKind,
        scope: &Scope<'_>,
    ) -> Gate<Vec<Item>> {
        let object = match kind {
            SelectItemQualifiedWildcardKind::ObjectName(object) => object,
            SelectItemQualifiedWildcardKind::Expr(expr) => {
                return Err(unsupported("composite-star", self.span_of(expr), "`.*` after an expression"));
            }
        };
        let parts = self.parts(object)?;
        let span = self.parts_span(&parts);
        let alias = match parts.as_slice() {
            [alias] | [_, alias] => self.relation_name(alias)?,
            _ => return Err(unsupported("database-name", span, "a name with a database")),
        };
        let columns = self.all_of(&alias, scope, span)?;
        let item =
            |column| Item { expr: Expr::Column { relation: Some(alias.clone()), column }, alias: None };
        Ok(columns.into_iter().map(item).collect())
    }

    fn plain_wildcard(&self, options: &WildcardAdditionalOptions) -> Gate<()> {
        let WildcardAdditionalOptions {
            wildcard_token,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        let any = opt_ilike.is_some()
            || opt_exclude.is_some()
            || opt_except.is_some()
            || opt_replace.is_some()
            || opt_rename.is_some()
            || opt_alias.is_some();
        if any {
            return Err(unsupported("wildcard", self.span(wildcard_token.0.span), "`*` with options"));
        }
        Ok(())
    }

    fn distinct(
        &mut self,
        distinct: Option<&ast::Distinct>,
        scope: &Scope<'_>,
        names: &[Name],
    ) -> Gate<Distinct> {
        match distinct {
            None | Some(ast::Distinct::All) => Ok(Distinct::All),
            Some(ast::Distinct::Distinct) => Ok(Distinct::Rows),
            Some(ast::Distinct::On(exprs)) => {
                let exprs = exprs.iter().map(|expr| self.output_or_expr(expr, scope, names));
                Ok(Distinct::On(exprs.collect::<Gate<_>>()?))
            }
        }
    }

    fn group_by(&mut self, group_by: &GroupByExpr, scope: &Scope<'_>, names: &[Name]) -> Gate<Vec<Group>> {
        let GroupByExpr::Expressions(exprs, modifiers) = group_by else {
            return Err(unsupported("clause", self.span(group_by.span()), "GROUP BY ALL"));
        };
        self.absent(!modifiers.is_empty(), "a modifier after GROUP BY")?;
        let mut sets = 1_usize;
        let groups =
            exprs.iter().map(|expr| self.group(expr, scope, names, &mut sets)).collect::<Gate<_>>()?;
        if sets > MAX_GROUPING_SETS {
            return Err(unsupported(
                "grouping-sets",
                self.span(group_by.span()),
                "more than 16 grouping sets",
            ));
        }
        Ok(groups)
    }

    fn group(
        &mut self,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        names: &[Name],
        sets: &mut usize,
    ) -> Gate<Group> {
        let count = |sets: &mut usize, by: usize| *sets = sets.saturating_mul(by.max(1));
        match expr {
            ast::Expr::Rollup(items) => {
                count(sets, items.len().saturating_add(1));
                Ok(Group::Rollup(self.sets(items, scope)?))
            }
            ast::Expr::Cube(items) => {
                count(
                    sets,
                    1_usize.checked_shl(u32::try_from(items.len()).unwrap_or(u32::MAX)).unwrap_or(usize::MAX),
                );
                Ok(Group::Cube(self.sets(items, scope)?))
            }
            ast::Expr::GroupingSets(items) => {
                count(sets, items.len());
                Ok(Group::Sets(self.sets(items, scope)?))
            }
            ast::Expr::Tuple(items) if items.is_empty() => Ok(Group::Empty),
            other => Ok(Group::Expr(self.input_or_output(other, scope, names)?)),
        }
    }

    /// In GROUP BY a bare name is an input column first and an output column second.
    fn input_or_output(&mut self, expr: &ast::Expr, scope: &Scope<'_>, names: &[Name]) -> Gate<Expr> {
        if let ast::Expr::Identifier(ident) = expr {
            let name = self.column_name(ident)?;
            if names.contains(&name) && !scope.has_input(&name) {
                return Ok(Expr::Column { relation: None, column: name });
            }
        }
        self.expr(expr, scope)
    }

    fn sets(&mut self, sets: &[Vec<ast::Expr>], scope: &Scope<'_>) -> Gate<Vec<Vec<Expr>>> {
        sets.iter().map(|set| set.iter().map(|expr| self.expr(expr, scope)).collect()).collect()
    }

    fn named_windows(
        &mut self,
        windows: &[NamedWindowDefinition],
        scope: &Scope<'_>,
    ) -> Gate<Vec<(Name, crate::ir::Window)>> {
        windows
            .iter()
            .map(|NamedWindowDefinition(name, definition)| {
                let name = self.column_name(name)?;
                match definition {
                    NamedWindowExpr::WindowSpec(window) => Ok((name, self.window(window, scope)?)),
                    NamedWindowExpr::NamedWindow(other) => {
                        Err(unsupported("window", self.ident_span(other), "a window that is only a name"))
                    }
                }
            })
            .collect()
    }
}
