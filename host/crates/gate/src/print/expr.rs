//! Expressions. Operators are printed in the order they were written, see [`crate::ir`].

use super::Printer;
use crate::ir::{Arg, Bound, Call, Expr, Form, Frame, Like, LikeKind, Literal, Over, Quantified, Step, Test};

impl Printer {
    pub(super) fn exprs(&mut self, exprs: &[Expr]) {
        self.separated(exprs, Self::expr);
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Column { relation, column } => {
                if let Some(relation) = relation {
                    self.name(relation);
                    self.raw(".");
                }
                self.name(column);
            }
            Expr::WholeRow { alias, star } => {
                self.name(alias);
                self.raw(if *star { ".*" } else { "" });
            }
            Expr::Literal(literal) => self.literal(literal),
            Expr::Parameter(number) => self.raw(&format!("${number}")),
            Expr::Tenant => self.tenant(),
            Expr::Default => self.raw("DEFAULT"),
            Expr::Chain { first, rest } => {
                self.expr(first);
                for (operator, operand) in rest {
                    self.operator(operator);
                    self.expr(operand);
                }
            }
            Expr::Prefix { operator, operand } => {
                self.raw(operator);
                self.raw(" ");
                if *operator != "NOT" && !is_negative_number(operator, operand) {
                    self.account(operator);
                }
                self.expr(operand);
            }
            Expr::Parens(inner) => self.in_parens(|this| this.expr(inner)),
            Expr::Test { operand, test } => {
                self.expr(operand);
                self.raw(test_words(*test));
            }
            Expr::Distinct { left, right, negated } => {
                self.expr(left);
                self.raw(if *negated { " IS NOT DISTINCT FROM " } else { " IS DISTINCT FROM " });
                self.account("=");
                self.expr(right);
            }
            Expr::InList { operand, list, negated } => {
                self.account(if *negated { "<>" } else { "=" });
                self.in_words(operand, *negated);
                self.in_parens(|this| this.exprs(list));
            }
            Expr::InQuery { operand, query, negated } => {
                self.in_words(operand, *negated);
                self.nested(query);
            }
            Expr::Between { operand, low, high, negated } => {
                self.expr(operand);
                self.raw(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.account(if *negated { "NOT BETWEEN" } else { "BETWEEN" });
                self.expr(low);
                self.raw(" AND ");
                self.expr(high);
            }
            Expr::Like(like) => self.like(like),
            Expr::Quantified { left, operator, all, right } => {
                self.expr(left);
                self.operator(operator);
                self.raw(if *all { "ALL " } else { "ANY " });
                match right {
                    Quantified::Query(query) => self.nested(query),
                    Quantified::Array(array) => self.in_parens(|this| this.expr(array)),
                }
            }
            other => self.form(other),
        }
    }

    fn form(&mut self, expr: &Expr) {
        match expr {
            Expr::Cast { operand, types } => {
                self.expr(operand);
                for to in types {
                    self.raw("::");
                    self.type_name(to);
                }
            }
            Expr::CastCall { operand, to } => {
                self.raw("CAST(");
                self.expr(operand);
                self.raw(" AS ");
                self.type_name(to);
                self.raw(")");
            }
            Expr::Interval { text, fields } => {
                self.raw("INTERVAL ");
                self.text(text);
                self.raw(" ");
                self.raw(fields);
                self.accounting.types.insert("interval".to_owned());
            }
            Expr::AtTimeZone { operand, zone } => {
                self.accounting.functions.insert("timezone".to_owned());
                self.expr(operand);
                self.raw(" AT TIME ZONE ");
                self.expr(zone);
            }
            Expr::Collate { operand, collation } => {
                self.expr(operand);
                self.raw(" COLLATE \"pg_catalog\".\"");
                self.raw(collation);
                self.raw("\"");
            }
            Expr::Extract { field, operand } => {
                self.accounting.functions.insert("extract".to_owned());
                self.raw("EXTRACT(");
                self.raw(field);
                self.raw(" FROM ");
                self.expr(operand);
                self.raw(")");
            }
            Expr::Position { needle, hay } => {
                self.accounting.functions.insert("position".to_owned());
                self.raw("POSITION(");
                self.in_parens(|this| this.expr(needle));
                self.raw(" IN ");
                self.in_parens(|this| this.expr(hay));
                self.raw(")");
            }
            Expr::SubstringFor { operand, length } => {
                self.accounting.functions.insert("substring".to_owned());
                // The grammar casts the length, so the type is in PostgreSQL's tree as well.
                self.accounting.types.insert("int4".to_owned());
                self.raw("SUBSTRING(");
                self.expr(operand);
                self.raw(" FOR ");
                self.expr(length);
                self.raw(")");
            }
            other => self.compound(other),
        }
    }

    fn compound(&mut self, expr: &Expr) {
        match expr {
            Expr::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            Expr::Exists { query, negated } => {
                self.raw(if *negated { "NOT EXISTS " } else { "EXISTS " });
                self.nested(query);
            }
            Expr::Subquery(query) => self.nested(query),
            Expr::ArrayQuery(query) => {
                self.raw("ARRAY");
                self.nested(query);
            }
            Expr::Array { items, keyword } => {
                self.raw(if *keyword { "ARRAY[" } else { "[" });
                self.exprs(items);
                self.raw("]");
            }
            Expr::Row { items, keyword } => {
                self.raw(if *keyword { "ROW" } else { "" });
                self.in_parens(|this| this.exprs(items));
            }
            Expr::Subscript { operand, steps } => {
                self.expr(operand);
                steps.iter().for_each(|step| self.step(step));
            }
            Expr::Call(call) => self.call(call),
            Expr::Column { .. }
            | Expr::WholeRow { .. }
            | Expr::Literal(_)
            | Expr::Parameter(_)
            | Expr::Tenant
            | Expr::Default
            | Expr::Chain { .. }
            | Expr::Prefix { .. }
            | Expr::Parens(_)
            | Expr::Test { .. }
            | Expr::Distinct { .. }
            | Expr::InList { .. }
            | Expr::InQuery { .. }
            | Expr::Between { .. }
            | Expr::Like(_)
            | Expr::Quantified { .. }
            | Expr::Cast { .. }
            | Expr::CastCall { .. }
            | Expr::Interval { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Collate { .. }
            | Expr::Extract { .. }
            | Expr::Position { .. }
            | Expr::SubstringFor { .. } => self.expr(expr),
        }
    }

    fn account(&mut self, operator: &str) {
        self.accounting.operators.insert(operator.to_owned());
    }

    fn operator(&mut self, operator: &str) {
        self.raw(" ");
        self.raw(operator);
        self.raw(" ");
        if !matches!(operator, "AND" | "OR") {
            self.account(operator);
        }
    }

    fn in_words(&mut self, operand: &Expr, negated: bool) {
        self.expr(operand);
        self.raw(if negated { " NOT IN " } else { " IN " });
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Text(text) => self.text(text),
            Literal::Number(_) if self.masked => self.raw("?"),
            Literal::Number(digits) => self.raw(digits),
            Literal::Boolean(_) if self.masked => self.raw("?"),
            Literal::Boolean(true) => self.raw("TRUE"),
            Literal::Boolean(false) => self.raw("FALSE"),
            Literal::Null => self.raw("NULL"),
        }
    }

    fn like(&mut self, like: &Like) {
        let Like { kind, negated, any, operand, pattern, escape } = like;
        self.expr(operand);
        self.raw(if *negated { " NOT" } else { "" });
        let (words, operator) = match (kind, negated) {
            (LikeKind::Like, false) => (" LIKE ", "~~"),
            (LikeKind::Like, true) => (" LIKE ", "!~~"),
            (LikeKind::ILike, false) => (" ILIKE ", "~~*"),
            (LikeKind::ILike, true) => (" ILIKE ", "!~~*"),
            (LikeKind::Similar, false) => (" SIMILAR TO ", "~"),
            (LikeKind::Similar, true) => (" SIMILAR TO ", "!~"),
        };
        self.raw(words);
        self.account(operator);
        if *kind == LikeKind::Similar {
            self.accounting.functions.insert("similar_to_escape".to_owned());
        }
        self.raw(if *any { "ANY " } else { "" });
        self.expr(pattern);
        if let Some(escape) = escape {
            if *kind != LikeKind::Similar {
                self.accounting.functions.insert("like_escape".to_owned());
            }
            self.raw(" ESCAPE ");
            self.text(escape);
        }
    }

    fn case(&mut self, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) {
        self.raw("CASE");
        if let Some(operand) = operand {
            self.raw(" ");
            self.expr(operand);
        }
        for (condition, result) in branches {
            self.raw(" WHEN ");
            self.expr(condition);
            self.raw(" THEN ");
            self.expr(result);
        }
        if let Some(otherwise) = otherwise {
            self.raw(" ELSE ");
            self.expr(otherwise);
        }
        self.raw(" END");
    }

    fn step(&mut self, step: &Step) {
        self.raw("[");
        match step {
            Step::Index(index) => self.expr(index),
            Step::Slice(lower, upper) => {
                if let Some(lower) = lower {
                    self.expr(lower);
                }
                self.raw(" : ");
                if let Some(upper) = upper {
                    self.expr(upper);
                }
            }
        }
        self.raw("]");
    }

    pub(super) fn call(&mut self, call: &Call) {
        let Call { name, form, distinct, star, args, order_by, within_group, filter, over } = call;
        self.accounting.functions.insert((*name).to_owned());
        if *name == "nullif" {
            self.account("=");
        }
        match form {
            Form::Plain => {
                self.raw("pg_catalog.\"");
                self.raw(name);
                self.raw("\"");
            }
            Form::Keyword | Form::Bare => self.raw(&name.to_ascii_uppercase()),
        }
        if *form != Form::Bare || !args.is_empty() {
            self.in_parens(|this| {
                this.raw(if *distinct { "DISTINCT " } else { "" });
                this.raw(if *star { "*" } else { "" });
                this.separated(args, Self::argument);
                if !order_by.is_empty() {
                    this.raw(" ORDER BY ");
                    this.orders(order_by);
                }
            });
        }
        if !within_group.is_empty() {
            self.raw(" WITHIN GROUP (ORDER BY ");
            self.orders(within_group);
            self.raw(")");
        }
        if let Some(filter) = filter {
            self.raw(" FILTER (WHERE ");
            self.expr(filter);
            self.raw(")");
        }
        match over {
            None => {}
            Some(Over::Named(name)) => {
                self.raw(" OVER ");
                self.name(name);
            }
            Some(Over::Window(window)) => {
                self.raw(" OVER ");
                self.window(window);
            }
        }
    }

    fn argument(&mut self, arg: &Arg) {
        let Arg { name, value } = arg;
        if let Some(name) = name {
            self.name(name);
            self.raw(" => ");
        }
        self.expr(value);
    }

    pub(super) fn frame(&mut self, frame: &Frame) {
        let Frame { units, start, end } = frame;
        self.raw(units);
        self.raw(if end.is_some() { " BETWEEN " } else { " " });
        self.bound(start);
        if let Some(end) = end {
            self.raw(" AND ");
            self.bound(end);
        }
    }

    fn bound(&mut self, bound: &Bound) {
        match bound {
            Bound::CurrentRow => self.raw("CURRENT ROW"),
            Bound::UnboundedPreceding => self.raw("UNBOUNDED PRECEDING"),
            Bound::UnboundedFollowing => self.raw("UNBOUNDED FOLLOWING"),
            Bound::Preceding(distance) => {
                self.expr(distance);
                self.raw(" PRECEDING");
            }
            Bound::Following(distance) => {
                self.expr(distance);
                self.raw(" FOLLOWING");
            }
        }
    }
}

/// Whether PostgreSQL's grammar reads a minus and what follows as one number: the sign binds closer than
/// anything but a cast or a subscript.
fn is_negative_number(operator: &str, operand: &Expr) -> bool {
    operator == "-"
        && match operand {
            Expr::Literal(Literal::Number(_)) => true,
            Expr::Chain { first, .. } => is_negative_number(operator, first),
            Expr::AtTimeZone { operand, .. } | Expr::Collate { operand, .. } => {
                is_negative_number(operator, operand)
            }
            Expr::Prefix { operator, operand } => is_negative_number(operator, operand),
            _ => false,
        }
}

const fn test_words(test: Test) -> &'static str {
    match test {
        Test::Null => " IS NULL",
        Test::NotNull => " IS NOT NULL",
        Test::True => " IS TRUE",
        Test::NotTrue => " IS NOT TRUE",
        Test::False => " IS FALSE",
        Test::NotFalse => " IS NOT FALSE",
        Test::Unknown => " IS UNKNOWN",
        Test::NotUnknown => " IS NOT UNKNOWN",
    }
}
