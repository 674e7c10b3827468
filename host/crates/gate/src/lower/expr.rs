//! Expressions: the one match over every kind the parser knows.

use applet_types::ErrorCode;
use sqlparser::ast::{self, AccessExpr, CastKind, Ident, Spanned as _, Subscript, UnaryOperator};

use super::scope::Scope;
use super::{Lower, Place};
use crate::allow::{operators, types};
use crate::ir::{Expr, Literal, Quantified, Step, Test, TypeName};
use crate::reject::{Gate, reject, syntax, unsupported};

/// Largest literal exponent: `9.9 ^ 100000` is a number of a hundred thousand digits.
pub(super) const MAX_EXPONENT: f64 = 100.0;

impl Lower<'_> {
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        self.deeper(|| expr.span(), |this| this.expr_inside(expr, scope))
    }

    pub(super) fn boxed(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Gate<Box<Expr>> {
        self.expr(expr, scope).map(Box::new)
    }

    pub(super) fn exprs(&mut self, exprs: &[ast::Expr], scope: &Scope<'_>) -> Gate<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr, scope)).collect()
    }

    fn expr_inside(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        match expr {
            ast::Expr::Identifier(ident) => self.bare_column(ident, scope),
            ast::Expr::CompoundIdentifier(parts) => self.compound(parts, scope),
            ast::Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope),
            ast::Expr::Value(value) => self.value(value),
            ast::Expr::Nested(inner) => Ok(Expr::Parens(self.boxed(inner, scope)?)),
            ast::Expr::BinaryOp { .. } => self.chain(expr, scope),
            ast::Expr::UnaryOp { op, expr: operand } => self.prefix(*op, operand, scope),
            ast::Expr::IsNull(inner) => self.test(inner, Test::Null, scope),
            ast::Expr::IsNotNull(inner) => self.test(inner, Test::NotNull, scope),
            ast::Expr::IsTrue(inner) => self.test(inner, Test::True, scope),
            ast::Expr::IsNotTrue(inner) => self.test(inner, Test::NotTrue, scope),
            ast::Expr::IsFalse(inner) => self.test(inner, Test::False, scope),
            ast::Expr::IsNotFalse(inner) => self.test(inner, Test::NotFalse, scope),
            ast::Expr::IsUnknown(inner) => self.test(inner, Test::Unknown, scope),
            ast::Expr::IsNotUnknown(inner) => self.test(inner, Test::NotUnknown, scope),
            ast::Expr::IsDistinctFrom(left, right) => self.distinct_from(left, right, false, scope),
            ast::Expr::IsNotDistinctFrom(left, right) => self.distinct_from(left, right, true, scope),
            ast::Expr::InList { expr, list, negated } => Ok(Expr::InList {
                operand: self.boxed(expr, scope)?,
                list: self.exprs(list, scope)?,
                negated: *negated,
            }),
            ast::Expr::InSubquery { expr, subquery, negated } => Ok(Expr::InQuery {
                operand: self.boxed(expr, scope)?,
                query: self.nested(subquery, scope)?,
                negated: *negated,
            }),
            ast::Expr::Between { expr, negated, low, high } => Ok(Expr::Between {
                operand: self.boxed(expr, scope)?,
                low: self.boxed(low, scope)?,
                high: self.boxed(high, scope)?,
                negated: *negated,
            }),
            ast::Expr::AnyOp { left, compare_op, right, is_some: _ } => {
                self.quantified(left, compare_op, right, false, scope)
            }
            ast::Expr::AllOp { left, compare_op, right } => {
                self.quantified(left, compare_op, right, true, scope)
            }
            ast::Expr::Exists { subquery, negated } => {
                Ok(Expr::Exists { query: self.nested(subquery, scope)?, negated: *negated })
            }
            ast::Expr::Subquery(query) => Ok(Expr::Subquery(self.nested(query, scope)?)),
            ast::Expr::Cast { .. } => self.cast(expr, scope),
            ast::Expr::Function(function) => self.function(function, scope),
            ast::Expr::Tuple(items) if !items.is_empty() => {
                Ok(Expr::Row { items: self.exprs(items, scope)?, keyword: false })
            }
            ast::Expr::Array(array) => self.array(array, scope),
            ast::Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope)
            }
            other => self.form(other, scope),
        }
    }

    /// A query in an expression.
    pub(super) fn nested(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Gate<Box<crate::ir::Query>> {
        let (query, _) = self.subquery(query, Some(scope), Place::Expression)?;
        Ok(Box::new(query))
    }

    fn compound(&mut self, parts: &[Ident], scope: &Scope<'_>) -> Gate<Expr> {
        match parts {
            [qualifier, column] => self.qualified_column(qualifier, column, scope),
            [_schema, qualifier, column] => self.qualified_column(qualifier, column, scope),
            _ => {
                let span = self.parts_span(&parts.iter().collect::<Vec<_>>());
                Err(unsupported("database-name", span, "a name with a database"))
            }
        }
    }

    /// `tags[1]`, `c.tags[1:2]`. Dots are allowed before the first subscript only: later ones take fields
    /// out of composite values, which is also how functions are called by another name.
    fn access(&mut self, root: &ast::Expr, chain: &[AccessExpr], scope: &Scope<'_>) -> Gate<Expr> {
        let mut path: Vec<&Ident> = Vec::new();
        if let ast::Expr::Identifier(ident) = root {
            path.push(ident);
        }
        let mut rest = chain;
        while let [AccessExpr::Dot(ast::Expr::Identifier(ident)), tail @ ..] = rest
            && !path.is_empty()
        {
            path.push(ident);
            rest = tail;
        }
        let operand = match path.as_slice() {
            [] => self.expr(root, scope)?,
            [column] => self.bare_column(column, scope)?,
            [qualifier, column] | [_, qualifier, column] => {
                self.qualified_column(qualifier, column, scope)?
            }
            _ => return Err(unsupported("database-name", self.parts_span(&path), "a name with a database")),
        };
        let steps = rest.iter().map(|step| self.step(step, scope)).collect::<Gate<Vec<_>>>()?;
        if steps.is_empty() { Ok(operand) } else { Ok(Expr::Subscript { operand: Box::new(operand), steps }) }
    }

    fn step(&mut self, step: &AccessExpr, scope: &Scope<'_>) -> Gate<Step> {
        match step {
            AccessExpr::Dot(field) => {
                Err(unsupported("field-access", self.span_of(field), "a field of a composite value"))
            }
            AccessExpr::Subscript(Subscript::Index { index }) => Ok(Step::Index(self.expr(index, scope)?)),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                self.absent(stride.is_some(), "a stride in a slice")?;
                let lower = lower_bound.as_ref().map(|bound| self.expr(bound, scope)).transpose()?;
                let upper = upper_bound.as_ref().map(|bound| self.expr(bound, scope)).transpose()?;
                Ok(Step::Slice(lower, upper))
            }
        }
    }

    /// Operators in a row. The tree leans to the left as far as the chain is long, so that side is walked
    /// in a loop; the other side is only as deep as there are levels of precedence.
    fn chain(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        let mut links = Vec::new();
        let mut first = expr;
        while let ast::Expr::BinaryOp { left, op, right } = first {
            links.push((op, right.as_ref()));
            first = left;
        }
        let first = self.boxed(first, scope)?;
        let mut rest = Vec::with_capacity(links.len());
        for (op, right) in links.into_iter().rev() {
            let Some(operator) = operators::binary(op) else {
                let message = format!("operator `{op}` cannot be used");
                return Err(reject(ErrorCode::OperatorNotAllowed, "operator", self.span_of(right), message));
            };
            let operand = self.expr(right, scope)?;
            if operator == "^" && literal_number(&operand).is_some_and(|n| n.abs() > MAX_EXPONENT) {
                let message = "exponent of `^` is larger than 100";
                return Err(reject(ErrorCode::OperatorNotAllowed, "exponent", self.span_of(right), message));
            }
            rest.push((operator, operand));
        }
        Ok(Expr::Chain { first, rest })
    }

    fn prefix(&mut self, operator: UnaryOperator, operand: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        let Some(printed) = operators::unary(operator) else {
            let message = format!("operator `{operator}` cannot be used");
            return Err(reject(ErrorCode::OperatorNotAllowed, "operator", self.span_of(operand), message));
        };
        Ok(Expr::Prefix { operator: printed, operand: self.boxed(operand, scope)? })
    }

    fn test(&mut self, operand: &ast::Expr, test: Test, scope: &Scope<'_>) -> Gate<Expr> {
        Ok(Expr::Test { operand: self.boxed(operand, scope)?, test })
    }

    fn distinct_from(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        Ok(Expr::Distinct { left: self.boxed(left, scope)?, right: self.boxed(right, scope)?, negated })
    }

    fn quantified(
        &mut self,
        left: &ast::Expr,
        operator: &ast::BinaryOperator,
        right: &ast::Expr,
        all: bool,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let Some(printed) = operators::binary(operator).filter(|op| !matches!(*op, "AND" | "OR")) else {
            let message = format!("operator `{operator}` cannot be used");
            return Err(reject(ErrorCode::OperatorNotAllowed, "operator", self.span_of(right), message));
        };
        let left = self.boxed(left, scope)?;
        let right = match right {
            ast::Expr::Subquery(query) => Quantified::Query(self.nested(query, scope)?),
            other => Quantified::Array(self.boxed(other, scope)?),
        };
        Ok(Expr::Quantified { left, operator: printed, all, right })
    }

    fn cast(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        let mut types = Vec::new();
        let mut operand = expr;
        while let ast::Expr::Cast { kind: CastKind::DoubleColon, expr: inner, data_type, format: None } =
            operand
        {
            types.push(self.type_name(data_type, operand)?);
            operand = inner;
        }
        if !types.is_empty() {
            types.reverse();
            return Ok(Expr::Cast { operand: self.boxed(operand, scope)?, types });
        }
        match operand {
            ast::Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, format: None } => {
                let to = self.type_name(data_type, operand)?;
                Ok(Expr::CastCall { operand: self.boxed(inner, scope)?, to })
            }
            other => Err(unsupported("cast", self.span_of(other), "this form of a cast")),
        }
    }

    pub(super) fn type_name(&self, data_type: &ast::DataType, at: &ast::Expr) -> Gate<TypeName> {
        types::lookup(data_type).ok_or_else(|| {
            let message = format!("type `{data_type}` cannot be used");
            reject(ErrorCode::TypeNotAllowed, "type", self.span_of(at), message)
        })
    }

    fn array(&mut self, array: &ast::Array, scope: &Scope<'_>) -> Gate<Expr> {
        let ast::Array { elem, named } = array;
        if !named {
            return Err(syntax(None, "an array is written ARRAY[…]"));
        }
        Ok(Expr::Array { items: self.elements(elem, scope)?, keyword: true })
    }

    /// Inside of `ARRAY[…]` further brackets need no keyword.
    fn elements(&mut self, elements: &[ast::Expr], scope: &Scope<'_>) -> Gate<Vec<Expr>> {
        elements
            .iter()
            .map(|element| match element {
                ast::Expr::Array(ast::Array { elem, named: false }) => self.deeper(
                    || element.span(),
                    |this| Ok(Expr::Array { items: this.elements(elem, scope)?, keyword: false }),
                ),
                other => self.expr(other, scope),
            })
            .collect()
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let operand = operand.map(|operand| self.boxed(operand, scope)).transpose()?;
        let branches = conditions
            .iter()
            .map(|ast::CaseWhen { condition, result }| {
                Ok((self.expr(condition, scope)?, self.expr(result, scope)?))
            })
            .collect::<Gate<Vec<_>>>()?;
        let otherwise = otherwise.map(|result| self.boxed(result, scope)).transpose()?;
        Ok(Expr::Case { operand, branches, otherwise })
    }
}

/// The value of a number written out, sign, parentheses and casts included.
pub(super) fn literal_number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(Literal::Number(digits) | Literal::Text(digits)) => digits.trim().parse().ok(),
        Expr::Prefix { operator: "-", operand } => literal_number(operand).map(|n| -n),
        Expr::Prefix { operator: "+", operand } => literal_number(operand),
        Expr::Parens(inner) => literal_number(inner),
        Expr::Cast { operand, .. } | Expr::CastCall { operand, .. } => literal_number(operand),
        _ => None,
    }
}

/// The text of a string literal, looking through parentheses and casts.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(Literal::Text(text)) => Some(text),
        Expr::Parens(inner) => literal_text(inner),
        Expr::Cast { operand, .. } | Expr::CastCall { operand, .. } => literal_text(operand),
        _ => None,
    }
}
