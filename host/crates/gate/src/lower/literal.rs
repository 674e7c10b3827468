//! Literals: decoded once, printed by our own rules.

use applet_types::{ErrorCode, Span};
use sqlparser::ast::{self, DateTimeField, DollarQuotedString, Interval, TypedString, Value, ValueWithSpan};

use super::Lower;
use crate::ir::{Expr, Literal, TypeName};
use crate::reject::{Gate, reject, syntax, unsupported};
use crate::tokens::is_number;

/// Words that a date or time reads as the present; a result with one must not be cached.
const PRESENT: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

impl Lower<'_> {
    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Gate<Expr> {
        let ValueWithSpan { value, span } = value;
        let span = self.span(*span);
        let literal = match value {
            Value::Number(digits, false) if is_number(digits) => Literal::Number(digits.clone()),
            Value::Number(digits, _) => {
                return Err(syntax(span, format!("`{digits}` is not a decimal number")));
            }
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::DollarQuotedString(DollarQuotedString { value: text, tag: _ }) => {
                Literal::Text(self.text_literal(text, span)?)
            }
            Value::Boolean(value) => Literal::Boolean(*value),
            Value::Null => Literal::Null,
            Value::Placeholder(text) => {
                let number = text.strip_prefix('$').and_then(|digits| digits.parse().ok());
                return number.map(Expr::Parameter).ok_or_else(|| {
                    let message = format!("`{text}` is not a parameter");
                    reject(ErrorCode::BadParameter, "parameter-form", span, message)
                });
            }
            Value::TripleSingleQuotedString(_)
            | Value::TripleDoubleQuotedString(_)
            | Value::SingleQuotedByteStringLiteral(_)
            | Value::DoubleQuotedByteStringLiteral(_)
            | Value::TripleSingleQuotedByteStringLiteral(_)
            | Value::TripleDoubleQuotedByteStringLiteral(_)
            | Value::SingleQuotedRawStringLiteral(_)
            | Value::DoubleQuotedRawStringLiteral(_)
            | Value::TripleSingleQuotedRawStringLiteral(_)
            | Value::TripleDoubleQuotedRawStringLiteral(_)
            | Value::NationalStringLiteral(_)
            | Value::QuoteDelimitedStringLiteral(_)
            | Value::NationalQuoteDelimitedStringLiteral(_)
            | Value::HexStringLiteral(_)
            | Value::DoubleQuotedString(_) => {
                return Err(unsupported("literal-kind", span, "this kind of literal"));
            }
        };
        Ok(Expr::Literal(literal))
    }

    fn text_literal(&mut self, text: &str, span: Option<Span>) -> Gate<String> {
        // An escape can make what the text check has kept out; NUL would end the statement for the server.
        if text.contains('\0') {
            return Err(syntax(span, "a literal holds the character NUL"));
        }
        let folded = text.to_ascii_lowercase();
        self.volatile |= folded.split(|c: char| !c.is_ascii_alphabetic()).any(|word| PRESENT.contains(&word));
        Ok(text.to_owned())
    }

    /// `DATE '2020-01-01'`: the same as a cast of the literal.
    pub(super) fn typed_string(&mut self, typed: &TypedString, at: &ast::Expr) -> Gate<Expr> {
        let TypedString { data_type, value, uses_odbc_syntax } = typed;
        self.absent(*uses_odbc_syntax, "a literal in braces")?;
        let to = self.type_name(data_type, at)?;
        match self.value(value)? {
            operand @ Expr::Literal(Literal::Text(_)) if !to.array => {
                Ok(Expr::Cast { operand: Box::new(operand), types: vec![to] })
            }
            _ => Err(syntax(self.span_of(at), "a typed literal takes a string")),
        }
    }

    pub(super) fn interval(&mut self, interval: &Interval, at: &ast::Expr) -> Gate<Expr> {
        let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } =
            interval;
        self.absent(
            leading_precision.is_some() || fractional_seconds_precision.is_some(),
            "an interval with a precision",
        )?;
        let literal = match value.as_ref() {
            ast::Expr::Value(value) => self.value(value)?,
            other => {
                return Err(syntax(
                    self.span_of(other),
                    "INTERVAL takes a string literal; multiply it for more",
                ));
            }
        };
        let Expr::Literal(Literal::Text(text)) = literal else {
            return Err(syntax(self.span_of(at), "INTERVAL takes a string literal"));
        };
        let Some(leading) = leading_field else {
            let to = TypeName { name: "interval", modifiers: Vec::new(), array: false };
            let operand = Box::new(Expr::Literal(Literal::Text(text)));
            return Ok(Expr::Cast { operand, types: vec![to] });
        };
        let Some(fields) = fields(leading, last_field.as_ref()) else {
            return Err(syntax(self.span_of(at), "these fields make no interval"));
        };
        Ok(Expr::Interval { text, fields })
    }
}

fn fields(leading: &DateTimeField, last: Option<&DateTimeField>) -> Option<&'static str> {
    use DateTimeField as F;
    Some(match (leading, last) {
        (F::Year, None) => "YEAR",
        (F::Month, None) => "MONTH",
        (F::Day, None) => "DAY",
        (F::Hour, None) => "HOUR",
        (F::Minute, None) => "MINUTE",
        (F::Second, None) => "SECOND",
        (F::Year, Some(F::Month)) => "YEAR TO MONTH",
        (F::Day, Some(F::Hour)) => "DAY TO HOUR",
        (F::Day, Some(F::Minute)) => "DAY TO MINUTE",
        (F::Day, Some(F::Second)) => "DAY TO SECOND",
        (F::Hour, Some(F::Minute)) => "HOUR TO MINUTE",
        (F::Hour, Some(F::Second)) => "HOUR TO SECOND",
        (F::Minute, Some(F::Second)) => "MINUTE TO SECOND",
        _ => return None,
    })
}
