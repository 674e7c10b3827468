//! Function calls: the name from the list, the arguments bounded where a function's cost depends on them.

use applet_types::{ErrorCode, Span};
use sqlparser::ast::{
    DuplicateTreatment, Expr as AstExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, ObjectName, Spanned as _, WindowType,
};

use super::Lower;
use super::expr::{MAX_EXPONENT, literal_number, literal_text};
use super::scope::Scope;
use crate::allow::functions;
use crate::ir::{Arg, Call, Expr, Form, Order, Over};
use crate::reject::{Gate, reject, syntax, unsupported};

/// Longest literal format of `to_char`.
const MAX_FORMAT: usize = 100;
/// Longest literal JSON path.
const MAX_JSON_PATH: usize = 200;
/// Longest text that padding may make.
const MAX_PADDING: f64 = 1_000.0;
/// Most rows that a series of literal bounds may have.
const MAX_SERIES: f64 = 10_000.0;

/// What stands between the parentheses of a call.
#[derive(Default)]
struct Arguments {
    distinct: bool,
    star: bool,
    args: Vec<Arg>,
    order_by: Vec<Order>,
}

impl Lower<'_> {
    pub(super) fn function(&mut self, function: &Function, scope: &Scope<'_>) -> Gate<Expr> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        let span = self.span(name.span());
        self.absent(*uses_odbc_syntax, "a call in braces")?;
        self.absent(!matches!(parameters, FunctionArguments::None), "a call with parameters")?;
        self.absent(null_treatment.is_some(), "IGNORE NULLS or RESPECT NULLS")?;
        let folded = self.function_name(name)?;
        if let FunctionArguments::Subquery(query) = args {
            return if folded == "array" {
                Ok(Expr::ArrayQuery(self.nested(query, scope)?))
            } else {
                Err(syntax(span, "a subquery as an argument needs its own parentheses"))
            };
        }
        if folded == "row" {
            return self.row(function, scope, span);
        }
        let mut call = self.named_call(&folded, span)?;
        let bare = matches!(args, FunctionArguments::None);
        if bare != (call.form == Form::Bare) {
            return self.misplaced_parentheses(call.name, bare, args, span);
        }
        let Arguments { distinct, star, args, order_by } = self.arguments(args, scope, span)?;
        if star && call.name != "count" {
            return Err(syntax(span, format!("`*` is an argument of `count` only, not of `{}`", call.name)));
        }
        call = Call { distinct, star, args, order_by, ..call };
        self.bounded(&call, span)?;
        call.within_group = self.orders(within_group, scope, &[])?;
        call.filter = filter.as_ref().map(|filter| self.boxed(filter, scope)).transpose()?;
        call.over = over.as_ref().map(|over| self.over(over, scope)).transpose()?;
        Ok(Expr::Call(Box::new(call)))
    }

    /// A call without any of the clauses of aggregates.
    pub(super) fn plain_call(&mut self, name: &str, args: Vec<Arg>, span: Option<Span>) -> Gate<Call> {
        let call = Call { args, ..self.named_call(name, span)? };
        self.bounded(&call, span)?;
        Ok(call)
    }

    fn named_call(&mut self, name: &str, span: Option<Span>) -> Gate<Call> {
        let Some(function) = functions::lookup(name) else {
            let message = format!("function `{name}` cannot be used");
            return Err(reject(ErrorCode::FunctionNotAllowed, "function", span, message));
        };
        self.volatile |= function.volatile;
        Ok(Call {
            name: function.name,
            form: function.form,
            distinct: false,
            star: false,
            args: Vec::new(),
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        })
    }

    /// The folded name of a function; only unqualified names are looked up, so that no schema can be meant.
    pub(super) fn function_name(&self, object: &ObjectName) -> Gate<String> {
        let parts = self.parts(object)?;
        match parts.as_slice() {
            [ident] => Ok(self.label(ident)?.as_str().to_owned()),
            _ => {
                let message = format!("function `{object}` cannot be used with a schema");
                let span = self.parts_span(&parts);
                Err(reject(ErrorCode::FunctionNotAllowed, "function-schema", span, message))
            }
        }
    }

    fn misplaced_parentheses(
        &mut self,
        name: &'static str,
        bare: bool,
        args: &FunctionArguments,
        span: Option<Span>,
    ) -> Gate<Expr> {
        // `CURRENT_TIMESTAMP(3)` is the one form with parentheses, and rounds.
        let FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses }) = args
        else {
            return Err(syntax(span, format!("function `{name}` needs parentheses")));
        };
        match args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(AstExpr::Value(value)))]
                if !bare && clauses.is_empty() && name != "current_date" =>
            {
                let value = self.value(value)?;
                if !literal_number(&value).is_some_and(|n| (0.0..=6.0).contains(&n) && n.fract() == 0.0) {
                    return Err(syntax(span, "a precision is a number from 0 to 6"));
                }
                let call = self.named_call(name, span)?;
                Ok(Expr::Call(Box::new(Call { args: vec![Arg { name: None, value }], ..call })))
            }
            _ => Err(syntax(span, format!("`{name}` is written without parentheses"))),
        }
    }

    fn row(&mut self, function: &Function, scope: &Scope<'_>, span: Option<Span>) -> Gate<Expr> {
        let plain = function.within_group.is_empty() && function.filter.is_none() && function.over.is_none();
        let Arguments { distinct, star, args, order_by } = self.arguments(&function.args, scope, span)?;
        let named = args.iter().any(|arg| arg.name.is_some());
        if !plain || distinct || star || named || !order_by.is_empty() || args.is_empty() {
            return Err(syntax(span, "a row is written ROW(value, …)"));
        }
        Ok(Expr::Row { items: args.into_iter().map(|arg| arg.value).collect(), keyword: true })
    }

    fn arguments(
        &mut self,
        arguments: &FunctionArguments,
        scope: &Scope<'_>,
        span: Option<Span>,
    ) -> Gate<Arguments> {
        let FunctionArguments::List(list) = arguments else { return Ok(Arguments::default()) };
        let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        let mut result = Arguments {
            distinct: matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct)),
            ..Arguments::default()
        };
        if let [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] = args.as_slice() {
            result.star = true;
        } else {
            result.args = args.iter().map(|arg| self.argument(arg, scope, span)).collect::<Gate<_>>()?;
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(items) => result.order_by = self.orders(items, scope, &[])?,
                FunctionArgumentClause::IgnoreOrRespectNulls(_)
                | FunctionArgumentClause::Where(_)
                | FunctionArgumentClause::Limit(_)
                | FunctionArgumentClause::OnOverflow(_)
                | FunctionArgumentClause::Having(_)
                | FunctionArgumentClause::Separator(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::JsonReturningClause(_) => {
                    return Err(unsupported("function-clause", span, "this clause inside of a call"));
                }
            }
        }
        Ok(result)
    }

    fn argument(&mut self, arg: &FunctionArg, scope: &Scope<'_>, span: Option<Span>) -> Gate<Arg> {
        match arg {
            FunctionArg::Unnamed(arg) => {
                Ok(Arg { name: None, value: self.argument_value(arg, scope, span)? })
            }
            FunctionArg::Named {
                name,
                arg,
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            }
            | FunctionArg::ExprNamed {
                name: AstExpr::Identifier(name),
                arg,
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            } => Ok(Arg { name: Some(self.label(name)?), value: self.argument_value(arg, scope, span)? }),
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                Err(unsupported("function-arguments", span, "this form of a named argument"))
            }
        }
    }

    fn argument_value(&mut self, arg: &FunctionArgExpr, scope: &Scope<'_>, span: Option<Span>) -> Gate<Expr> {
        match arg {
            FunctionArgExpr::Expr(expr) => self.expr(expr, scope),
            FunctionArgExpr::QualifiedWildcard(object) => {
                let parts = self.parts(object)?;
                match parts.as_slice() {
                    [alias] => {
                        let span = self.ident_span(alias);
                        let alias = self.relation_name(alias)?;
                        self.whole_row(alias, true, scope, span)
                    }
                    _ => Err(unsupported("wildcard", span, "`*` with a schema")),
                }
            }
            FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
                Err(unsupported("wildcard", span, "`*` among other arguments"))
            }
        }
    }

    fn over(&mut self, over: &WindowType, scope: &Scope<'_>) -> Gate<Over> {
        match over {
            WindowType::NamedWindow(name) => Ok(Over::Named(self.column_name(name)?)),
            WindowType::WindowSpec(window) => Ok(Over::Window(self.window(window, scope)?)),
        }
    }

    /// Functions whose result grows with an argument take that argument as a literal below a bound.
    fn bounded(&self, call: &Call, span: Option<Span>) -> Gate<()> {
        let second = call.args.get(1).map(|arg| &arg.value);
        let complaint = match (call.name, second) {
            ("to_char", Some(format)) if literal_text(format).is_none_or(|f| f.len() > MAX_FORMAT) => {
                "takes a literal format of at most 100 characters"
            }
            ("lpad" | "rpad", Some(length)) if literal_number(length).is_none_or(|n| n > MAX_PADDING) => {
                "takes a literal length of at most 1000"
            }
            ("power" | "pow", Some(exponent))
                if literal_number(exponent).is_some_and(|n| n.abs() > MAX_EXPONENT) =>
            {
                "takes an exponent of at most 100"
            }
            ("jsonb_path_exists" | "jsonb_path_query_first", Some(path))
                if literal_text(path).is_none_or(|p| p.len() > MAX_JSON_PATH || p.contains("**")) =>
            {
                "takes a literal path of at most 200 characters without `**`"
            }
            ("generate_series", _) if !series_is_bounded(&call.args) => {
                "takes literals or parameters that make at most 10000 rows; a step of time is at least an hour"
            }
            _ => return Ok(()),
        };
        let message = format!("function `{}` {complaint}", call.name);
        Err(reject(ErrorCode::FunctionNotAllowed, "function-argument", span, message))
    }
}

/// Whether a series is short as far as that can be told without its parameters.
fn series_is_bounded(args: &[Arg]) -> bool {
    let values: Vec<_> = args.iter().map(|arg| &arg.value).collect();
    let (start, stop, step) = match values.as_slice() {
        [start, stop] => (*start, *stop, None),
        [start, stop, step] => (*start, *stop, Some(*step)),
        _ => return false,
    };
    let numbers = (literal_number(start), literal_number(stop), step.map_or(Some(1.0), literal_number));
    if let (Some(start), Some(stop), Some(step)) = numbers {
        return step != 0.0 && ((stop - start) / step).abs() < MAX_SERIES;
    }
    let coarse = |text: &str| ["hour", "day", "week", "mon", "year"].iter().any(|unit| text.contains(unit));
    let step_fits = step.is_none_or(|step| literal_text(step).is_none_or(coarse));
    step_fits && values.iter().all(|value| is_constant(value))
}

/// Whether an expression has no column and no query in it, so that a row cannot choose its value.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Parameter(_) | Expr::Interval { .. } => true,
        Expr::Parens(inner)
        | Expr::Prefix { operand: inner, .. }
        | Expr::Cast { operand: inner, .. }
        | Expr::CastCall { operand: inner, .. }
        | Expr::AtTimeZone { operand: inner, .. } => is_constant(inner),
        Expr::Chain { first, rest } => {
            is_constant(first) && rest.iter().all(|(_, operand)| is_constant(operand))
        }
        Expr::Call(call) => call.args.iter().all(|arg| is_constant(&arg.value)),
        _ => false,
    }
}
