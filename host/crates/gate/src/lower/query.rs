//! Queries: WITH, the body, ORDER BY, LIMIT.

use applet_types::ErrorCode;
use sqlparser::ast::{
    self, CteAsMaterialized, Fetch, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions,
    OrderBySort, SetExpr, Spanned as _, TableAlias, TableAliasColumnDef,
};

use super::scope::Scope;
use super::{Lower, Place, VisibleCte};
use crate::ir::{Body, Cte, Expr, Limit, Literal, Name, Order, Query};
use crate::reject::{Gate, reject, syntax, unsupported};

/// A query and the names of its columns.
pub(super) type Named = (Query, Vec<Name>);

impl Lower<'_> {
    /// Lowers a query. `outer` holds the names that a correlated subquery may use.
    pub(super) fn query(
        &mut self,
        query: &ast::Query,
        outer: Option<&Scope<'_>>,
        place: Place,
    ) -> Gate<Named> {
        if let (Place::Top, Some(inner)) = (place, only_parentheses(query)) {
            return self.deeper(|| query.span(), |this| this.query(inner, outer, place));
        }
        self.deeper(|| query.span(), |this| this.query_inside(query, outer, place))
    }

    /// A query below another one, which counts as a subquery.
    pub(super) fn subquery(
        &mut self,
        query: &ast::Query,
        outer: Option<&Scope<'_>>,
        place: Place,
    ) -> Gate<Named> {
        self.count_subquery(self.span(query.span()))?;
        self.query(query, outer, place)
    }

    fn query_inside(&mut self, query: &ast::Query, outer: Option<&Scope<'_>>, place: Place) -> Gate<Named> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        self.absent(!locks.is_empty(), "a locking clause")?;
        self.absent(for_clause.is_some(), "FOR XML, FOR JSON or FOR BROWSE")?;
        self.absent(settings.is_some() || format_clause.is_some(), "SETTINGS or FORMAT")?;
        self.absent(!pipe_operators.is_empty(), "a pipe operator")?;
        let visible = self.ctes.len();
        let ctes = match with {
            Some(with) => self.with(with, outer)?,
            None => Vec::new(),
        };
        let (body, names, order_by) = match body.as_ref() {
            SetExpr::Select(select) => {
                let (select, names, order_by) = self.select(select, order_by.as_ref(), outer, place)?;
                (Body::Select(Box::new(select)), names, order_by)
            }
            other => {
                let (body, names) = self.other_body(other, outer, place)?;
                let order_by = self.order_of_rows(order_by.as_ref(), &names)?;
                (body, names, order_by)
            }
        };
        let (limit, offset) = self.limit(limit_clause.as_ref(), fetch.as_ref(), outer, place)?;
        self.ctes.truncate(visible);
        Ok((Query { ctes, body, order_by, limit, offset }, names))
    }

    fn other_body(
        &mut self,
        body: &SetExpr,
        outer: Option<&Scope<'_>>,
        place: Place,
    ) -> Gate<(Body, Vec<Name>)> {
        match body {
            SetExpr::Query(inner) => {
                let place = if place == Place::Top { Place::Expression } else { place };
                let (inner, names) = self.query(inner, outer, place)?;
                Ok((Body::Nested(Box::new(inner)), names))
            }
            SetExpr::Values(values) if matches!(place, Place::Named | Place::Source) => {
                self.values(values, outer, place)
            }
            SetExpr::Values(_) => {
                Err(unsupported("values", self.span(body.span()), "VALUES outside of FROM and INSERT"))
            }
            SetExpr::SetOperation { left: _, op, set_quantifier: _, right } => {
                let message = format!("{op} cannot be used");
                // The operator has no place of its own in the tree; its right side is the nearest.
                Err(reject(ErrorCode::UnionNotAllowed, "set-operation", self.span(right.span()), message)
                    .hint("send the queries one after the other"))
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(unsupported("data-modifying-query", self.span(body.span()), "a write inside a query"))
            }
            SetExpr::Table(_) => {
                // TABLE has no place for a condition, so nothing in it could be scoped.
                let message = "TABLE cannot be scoped to the tenant";
                let code = ErrorCode::SubqueryMustBeFiltered;
                Err(reject(code, "table-command", self.span(body.span()), message)
                    .hint("write SELECT … FROM"))
            }
            SetExpr::Select(_) => Err(unsupported("query", self.span(body.span()), "this query")),
        }
    }

    fn values(
        &mut self,
        values: &ast::Values,
        outer: Option<&Scope<'_>>,
        place: Place,
    ) -> Gate<(Body, Vec<Name>)> {
        let ast::Values { explicit_row, value_keyword, rows } = values;
        self.absent(*explicit_row || *value_keyword, "this form of VALUES")?;
        let scope = Scope::inside(outer);
        let lowered = rows
            .iter()
            .map(|row| {
                row.content
                    .iter()
                    .map(|value| match place {
                        Place::Source => self.assigned(value, &scope),
                        Place::Top | Place::Named | Place::Expression => self.expr(value, &scope),
                    })
                    .collect::<Gate<Vec<_>>>()
            })
            .collect::<Gate<Vec<_>>>()?;
        let width = lowered.first().map_or(0, Vec::len);
        if width == 0 || lowered.iter().any(|row| row.len() != width) {
            return Err(syntax(None, "all rows of VALUES need the same number of values"));
        }
        let names = (1..=width).filter_map(|n| Name::checked(&format!("column{n}"))).collect();
        Ok((Body::Values(lowered), names))
    }

    /// WITH: each expression sees the ones before it, never itself.
    pub(super) fn with(&mut self, with: &ast::With, outer: Option<&Scope<'_>>) -> Gate<Vec<Cte>> {
        let ast::With { with_token, recursive, cte_tables } = with;
        if *recursive {
            let span = self.span(with_token.0.span);
            return Err(reject(
                ErrorCode::RecursiveCte,
                "recursive-cte",
                span,
                "WITH RECURSIVE cannot be used",
            ));
        }
        let visible = self.ctes.len();
        cte_tables.iter().map(|cte| self.cte(cte, outer, visible)).collect()
    }

    fn cte(&mut self, cte: &ast::Cte, outer: Option<&Scope<'_>>, first: usize) -> Gate<Cte> {
        let ast::Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
        self.absent(from.is_some(), "FROM after a common table expression")?;
        let (name, columns) = self.alias(alias)?;
        let span = self.ident_span(&alias.name);
        if self.ctes.iter().skip(first).any(|known| known.name == name) {
            return Err(syntax(span, format!("`{}` is named twice in WITH", name.as_str())));
        }
        if self.names_a_table(&name) {
            let message = format!("common table expression `{}` is named like a table", name.as_str());
            return Err(reject(ErrorCode::UnsupportedStatement, "cte-name", span, message)
                .hint("give it another name"));
        }
        let (query, names) = self.subquery(query, outer, Place::Named)?;
        let names = renamed(names, &columns);
        self.ctes.push(VisibleCte { name: name.clone(), columns: names });
        let materialized = materialized.as_ref().map(|how| match how {
            CteAsMaterialized::Materialized => true,
            CteAsMaterialized::NotMaterialized => false,
        });
        Ok(Cte { name, columns, materialized, query })
    }

    /// Whether a name would be read as a table if it were not a common table expression.
    fn names_a_table(&self, name: &Name) -> bool {
        applet_types::SqlName::exact(name.as_str()).is_ok_and(|name| {
            let grants = self.context.grants;
            self.context.catalog.table(&name).is_some() || grants.resolve(&name) != &name
        })
    }

    /// An alias with or without new column names.
    pub(super) fn alias(&self, alias: &TableAlias) -> Gate<(Name, Vec<Name>)> {
        let TableAlias { explicit: _, name, columns, at } = alias;
        self.absent(at.is_some(), "AT after an alias")?;
        let columns = columns
            .iter()
            .map(|TableAliasColumnDef { name, data_type }| {
                if let Some(data_type) = data_type {
                    let what = format!("column definition `{data_type}`");
                    return Err(reject(
                        ErrorCode::TypeNotAllowed,
                        "column-definition",
                        self.ident_span(name),
                        format!("{what} cannot be used"),
                    ));
                }
                self.column_name(name)
            })
            .collect::<Gate<Vec<_>>>()?;
        Ok((self.relation_name(name)?, columns))
    }

    /// Everything but WITH and the body has to be absent around a write.
    pub(super) fn bare_clauses(&self, query: &ast::Query) -> Gate<()> {
        let ast::Query {
            with: _,
            body: _,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let any = order_by.is_some()
            || limit_clause.is_some()
            || fetch.is_some()
            || !locks.is_empty()
            || for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty();
        self.absent(any, "a clause after a write")
    }

    /// ORDER BY of a query that is no SELECT: output names and numbers only.
    fn order_of_rows(&mut self, order_by: Option<&OrderBy>, names: &[Name]) -> Gate<Vec<Order>> {
        let scope = Scope::default();
        self.order_by(order_by, &scope, names)
    }

    /// ORDER BY. A bare name means an output column first, an input column second.
    pub(super) fn order_by(
        &mut self,
        order_by: Option<&OrderBy>,
        scope: &Scope<'_>,
        outputs: &[Name],
    ) -> Gate<Vec<Order>> {
        let Some(OrderBy { kind, interpolate }) = order_by else { return Ok(Vec::new()) };
        self.absent(interpolate.is_some(), "INTERPOLATE")?;
        match kind {
            OrderByKind::Expressions(items) => self.orders(items, scope, outputs),
            OrderByKind::All(_) => Err(unsupported("clause", None, "ORDER BY ALL")),
        }
    }

    pub(super) fn orders(
        &mut self,
        items: &[OrderByExpr],
        scope: &Scope<'_>,
        outputs: &[Name],
    ) -> Gate<Vec<Order>> {
        items
            .iter()
            .map(|item| {
                let OrderByExpr { expr, options: OrderByOptions { sort, nulls_first }, with_fill } = item;
                self.absent(with_fill.is_some(), "WITH FILL")?;
                let descending = match sort {
                    None => None,
                    Some(OrderBySort::Asc) => Some(false),
                    Some(OrderBySort::Desc) => Some(true),
                    Some(OrderBySort::Using(_)) => {
                        let span = self.span_of(expr);
                        return Err(reject(
                            ErrorCode::OperatorNotAllowed,
                            "order-using",
                            span,
                            "ORDER BY USING cannot be used",
                        ));
                    }
                };
                let expr = self.output_or_expr(expr, scope, outputs)?;
                Ok(Order { expr, descending, nulls_first: *nulls_first })
            })
            .collect()
    }

    /// A bare name that is an output column, or else an expression over the input.
    pub(super) fn output_or_expr(
        &mut self,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        outputs: &[Name],
    ) -> Gate<Expr> {
        if let ast::Expr::Identifier(ident) = expr {
            let name = self.column_name(ident)?;
            if outputs.contains(&name) {
                return Ok(Expr::Column { relation: None, column: name });
            }
        }
        self.expr(expr, scope)
    }

    fn limit(
        &mut self,
        clause: Option<&LimitClause>,
        fetch: Option<&Fetch>,
        outer: Option<&Scope<'_>>,
        place: Place,
    ) -> Gate<(Limit, Option<Expr>)> {
        let scope = Scope::inside(outer);
        let (mut limit, mut offset) = (None, None);
        match clause {
            None => {}
            Some(LimitClause::LimitOffset { limit: l, offset: o, limit_by }) => {
                self.absent(!limit_by.is_empty(), "LIMIT BY")?;
                limit = l.as_ref().map(|l| self.expr(l, &scope)).transpose()?;
                offset = o.as_ref().map(|Offset { value, rows: _ }| self.expr(value, &scope)).transpose()?;
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => {
                return Err(unsupported("clause", None, "LIMIT with a comma").hint("write LIMIT … OFFSET …"));
            }
        }
        if let Some(Fetch { with_ties, percent, quantity }) = fetch {
            self.absent(*with_ties || *percent, "WITH TIES or PERCENT")?;
            self.absent(limit.is_some(), "LIMIT together with FETCH")?;
            limit = Some(match quantity {
                Some(quantity) => self.expr(quantity, &scope)?,
                None => Expr::Literal(Literal::Number("1".to_owned())),
            });
        }
        Ok((self.capped(limit, place), offset))
    }

    /// The row cap stands in the text, because the extended protocol has no other: one row more than is
    /// handed out, so that truncation can be told.
    fn capped(&self, limit: Option<Expr>, place: Place) -> Limit {
        let Place::Top = place else { return limit.map_or(Limit::None, Limit::Free) };
        let cap = u64::from(self.context.limits.rows) + 1;
        match limit {
            None => Limit::Rows(cap),
            Some(Expr::Literal(Literal::Number(digits))) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                // A number too long for u64 is larger than the cap.
                Limit::Rows(digits.parse().map_or(cap, |rows: u64| rows.min(cap)))
            }
            Some(expr) => Limit::Capped(expr, cap),
        }
    }
}

/// The names of a relation's columns after an alias has renamed the first of them.
pub(super) fn renamed(names: Vec<Name>, columns: &[Name]) -> Vec<Name> {
    let kept = names.into_iter().skip(columns.len());
    columns.iter().cloned().chain(kept).collect()
}

/// The query inside of parentheses that have nothing else around them. The row cap has to go inside: with
/// a LIMIT there already, PostgreSQL takes no second one outside.
fn only_parentheses(query: &ast::Query) -> Option<&ast::Query> {
    let ast::Query {
        with: None,
        body,
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks,
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators,
    } = query
    else {
        return None;
    };
    match body.as_ref() {
        SetExpr::Query(inner) if locks.is_empty() && pipe_operators.is_empty() => Some(inner),
        _ => None,
    }
}
