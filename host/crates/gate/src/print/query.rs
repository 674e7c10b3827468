//! Queries.

use super::Printer;
use crate::ir::{Body, Cte, Distinct, Expr, Group, Item, Limit, Order, Query, Select, Window};

impl Printer {
    pub(super) fn with(&mut self, ctes: &[Cte]) {
        if ctes.is_empty() {
            return;
        }
        self.raw("WITH ");
        self.separated(ctes, |this, Cte { name, columns, materialized, query }| {
            this.accounting.ctes.insert(name.as_str().to_owned());
            this.name(name);
            if !columns.is_empty() {
                this.in_parens(|this| this.names(columns));
            }
            this.raw(match materialized {
                None => " AS ",
                Some(true) => " AS MATERIALIZED ",
                Some(false) => " AS NOT MATERIALIZED ",
            });
            this.nested(query);
        });
        self.raw(" ");
    }

    /// A query below another one, in parentheses.
    pub(super) fn nested(&mut self, query: &Query) {
        self.accounting.nested_queries += 1;
        self.in_parens(|this| this.query(query));
    }

    pub(super) fn query(&mut self, query: &Query) {
        let Query { ctes, body, order_by, limit, offset } = query;
        self.with(ctes);
        match body {
            Body::Select(select) => self.select(select),
            Body::Values(rows) => {
                self.raw("VALUES ");
                self.separated(rows, |this, row| this.in_parens(|this| this.exprs(row)));
            }
            Body::Nested(inner) => self.in_parens(|this| this.query(inner)),
        }
        if !order_by.is_empty() {
            self.raw(" ORDER BY ");
            self.orders(order_by);
        }
        self.limit(limit);
        if let Some(offset) = offset {
            self.raw(" OFFSET ");
            self.in_parens(|this| this.expr(offset));
        }
    }

    fn limit(&mut self, limit: &Limit) {
        match limit {
            Limit::None => {}
            Limit::Rows(rows) => self.raw(&format!(" LIMIT {rows}")),
            Limit::Free(expr) => {
                self.raw(" LIMIT ");
                self.in_parens(|this| this.expr(expr));
            }
            Limit::Capped(expr, cap) => {
                self.raw(" LIMIT LEAST(");
                self.in_parens(|this| this.expr(expr));
                self.raw(&format!("::pg_catalog.int8, {cap})"));
                self.accounting.functions.insert("least".to_owned());
                self.accounting.types.insert("int8".to_owned());
            }
        }
    }

    fn select(&mut self, select: &Select) {
        let Select { distinct, projection, from, selection, predicates, group_by, having, windows } = select;
        self.raw("SELECT");
        match distinct {
            Distinct::All => {}
            Distinct::Rows => self.raw(" DISTINCT"),
            Distinct::On(exprs) => {
                self.raw(" DISTINCT ON ");
                self.in_parens(|this| this.exprs(exprs));
            }
        }
        if !projection.is_empty() {
            self.raw(" ");
            self.items(projection);
        }
        if !from.is_empty() {
            self.raw(" FROM ");
            self.sources(from);
        }
        self.conditions(" WHERE ", selection.as_ref(), predicates);
        if !group_by.is_empty() {
            self.raw(" GROUP BY ");
            self.separated(group_by, Self::group);
        }
        self.conditions(" HAVING ", having.as_ref(), &[]);
        if !windows.is_empty() {
            self.raw(" WINDOW ");
            self.separated(windows, |this, (name, window)| {
                this.name(name);
                this.raw(" AS ");
                this.window(window);
            });
        }
    }

    pub(super) fn items(&mut self, items: &[Item]) {
        self.separated(items, |this, Item { expr, alias }| {
            this.expr(expr);
            if let Some(alias) = alias {
                this.raw(" AS ");
                this.name(alias);
            }
        });
    }

    fn group(&mut self, group: &Group) {
        match group {
            Group::Expr(expr) => self.expr(expr),
            Group::Empty => self.raw("()"),
            Group::Rollup(sets) => self.sets("ROLLUP ", sets),
            Group::Cube(sets) => self.sets("CUBE ", sets),
            Group::Sets(sets) => self.sets("GROUPING SETS ", sets),
        }
    }

    fn sets(&mut self, keyword: &str, sets: &[Vec<Expr>]) {
        self.raw(keyword);
        self.in_parens(|this| this.separated(sets, |this, set| this.in_parens(|this| this.exprs(set))));
    }

    pub(super) fn orders(&mut self, orders: &[Order]) {
        self.separated(orders, |this, Order { expr, descending, nulls_first }| {
            this.expr(expr);
            this.raw(match descending {
                None => "",
                Some(false) => " ASC",
                Some(true) => " DESC",
            });
            this.raw(match nulls_first {
                None => "",
                Some(true) => " NULLS FIRST",
                Some(false) => " NULLS LAST",
            });
        });
    }

    pub(super) fn window(&mut self, window: &Window) {
        let Window { base, partition_by, order_by, frame } = window;
        self.raw("(");
        let mut blank = "";
        if let Some(base) = base {
            self.name(base);
            blank = " ";
        }
        if !partition_by.is_empty() {
            self.raw(blank);
            self.raw("PARTITION BY ");
            self.exprs(partition_by);
            blank = " ";
        }
        if !order_by.is_empty() {
            self.raw(blank);
            self.raw("ORDER BY ");
            self.orders(order_by);
            blank = " ";
        }
        if let Some(frame) = frame {
            self.raw(blank);
            self.frame(frame);
        }
        self.raw(")");
    }
}
