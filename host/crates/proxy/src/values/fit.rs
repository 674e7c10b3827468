//! Makes a guest's value fit the type of its parameter.
//!
//! Binary where the value is exactly one of the type's; otherwise as text that PostgreSQL itself reads, so
//! that there is one set of input rules, its own. What cannot fit is a `bad-parameter` that names `$n`.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;

use applet_types::{ErrorCode, Failure, Value};

use super::{array, oid};

/// A value that fits its parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fit<'a> {
    Null,
    Boolean(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float4(f32),
    Float8(f64),
    Uuid([u8; 16]),
    Bytes(&'a [u8]),
    /// Read by the type's input rules.
    Text(Cow<'a, str>),
}

impl Fit<'_> {
    /// The wire's format code: 0 text, 1 binary.
    pub(crate) const fn format(&self) -> i16 {
        match self {
            Self::Null | Self::Text(_) => 0,
            Self::Boolean(_)
            | Self::Int2(_)
            | Self::Int4(_)
            | Self::Int8(_)
            | Self::Float4(_)
            | Self::Float8(_)
            | Self::Uuid(_)
            | Self::Bytes(_) => 1,
        }
    }

    /// Appends the value as the wire has it.
    pub(crate) fn write(&self, out: &mut BytesMut) -> IsNull {
        match self {
            Self::Null => return IsNull::Yes,
            Self::Boolean(value) => out.put_u8(u8::from(*value)),
            Self::Int2(value) => out.put_i16(*value),
            Self::Int4(value) => out.put_i32(*value),
            Self::Int8(value) => out.put_i64(*value),
            Self::Float4(value) => out.put_f32(*value),
            Self::Float8(value) => out.put_f64(*value),
            Self::Uuid(value) => out.put_slice(value),
            Self::Bytes(value) => out.put_slice(value),
            Self::Text(value) => out.put_slice(value.as_bytes()),
        }
        IsNull::No
    }
}

/// Fits `value` to the type `parameter` of `$number`.
pub(crate) fn fit(value: &Value, parameter: u32, number: usize) -> Result<Fit<'_>, Failure> {
    match value {
        Value::Null => Ok(Fit::Null),
        Value::Boolean(value) => boolean(*value, parameter, number),
        Value::Integer(value) => integer(*value, parameter, number),
        Value::Float(value) => float(*value, parameter, number),
        Value::Text(value) if value.contains('\0') => Err(bad(number, "text with a zero byte", parameter)),
        Value::Text(value) => Ok(Fit::Text(Cow::Borrowed(value))),
        Value::Bytes(value) if parameter == oid::BYTEA => Ok(Fit::Bytes(value)),
        Value::Bytes(_) => Err(bad(number, "bytes", parameter)),
        Value::Json(value) => json(value, parameter, number),
    }
}

fn boolean(value: bool, parameter: u32, number: usize) -> Result<Fit<'static>, Failure> {
    match parameter {
        oid::BOOL => Ok(Fit::Boolean(value)),
        oid::JSON | oid::JSONB => Ok(Fit::Text(Cow::Borrowed(if value { "true" } else { "false" }))),
        other if oid::is_text(other) || oid::is_user_defined(other) => {
            Ok(Fit::Text(Cow::Borrowed(if value { "true" } else { "false" })))
        }
        _ => Err(bad(number, "a boolean", parameter)),
    }
}

fn integer(value: i64, parameter: u32, number: usize) -> Result<Fit<'static>, Failure> {
    let out_of_range = |_| bad(number, "an integer out of its range", parameter);
    Ok(match parameter {
        oid::INT2 => Fit::Int2(i16::try_from(value).map_err(out_of_range)?),
        oid::INT4 => Fit::Int4(i32::try_from(value).map_err(out_of_range)?),
        oid::INT8 => Fit::Int8(value),
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC | oid::OID | oid::JSON | oid::JSONB => {
            Fit::Text(Cow::Owned(value.to_string()))
        }
        other if oid::is_text(other) || oid::is_user_defined(other) => {
            Fit::Text(Cow::Owned(value.to_string()))
        }
        _ => return Err(bad(number, "an integer", parameter)),
    })
}

fn float(value: f64, parameter: u32, number: usize) -> Result<Fit<'static>, Failure> {
    match parameter {
        oid::FLOAT8 => Ok(Fit::Float8(value)),
        oid::FLOAT4 => Ok(float4(value)),
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => match whole(value) {
            Some(value) => integer(value, parameter, number),
            None => Err(bad(number, "a number that is not whole", parameter)),
        },
        oid::JSON | oid::JSONB if !value.is_finite() => {
            Err(bad(number, "a number that is not finite", parameter))
        }
        oid::NUMERIC | oid::JSON | oid::JSONB => Ok(Fit::Text(Cow::Owned(float_text(value)))),
        other if oid::is_text(other) || oid::is_user_defined(other) => {
            Ok(Fit::Text(Cow::Owned(float_text(value))))
        }
        _ => Err(bad(number, "a number", parameter)),
    }
}

/// Binary when it is exactly a `real`; otherwise PostgreSQL rounds it, or says that it is out of range.
fn float4(value: f64) -> Fit<'static> {
    #[expect(clippy::cast_possible_truncation, reason = "kept only if nothing was lost")]
    let narrow = value as f32;
    if value.is_nan() || f64::from(narrow).to_bits() == value.to_bits() {
        Fit::Float4(narrow)
    } else {
        Fit::Text(Cow::Owned(float_text(value)))
    }
}

/// The integer that this float is exactly.
pub(super) fn whole(value: f64) -> Option<i64> {
    // -2^63 is a float, 2^63 - 1 is none.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() == 0.0 && (-BOUND..BOUND).contains(&value) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Some(value as i64);
    }
    None
}

/// The shortest digits that mean this float, as PostgreSQL reads them.
fn float_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        value.to_string()
    }
}

fn json(value: &str, parameter: u32, number: usize) -> Result<Fit<'_>, Failure> {
    if matches!(parameter, oid::JSON | oid::JSONB) {
        if value.contains('\0') {
            return Err(bad(number, "json with a zero byte", parameter));
        }
        return Ok(Fit::Text(Cow::Borrowed(value)));
    }
    // An array of a type that users made has no number we know; only json itself takes other json.
    let element = match oid::element(parameter) {
        Some(element) => element,
        None if oid::is_user_defined(parameter) => parameter,
        None => return Err(bad(number, "json", parameter)),
    };
    let literal =
        array::literal(value, element).map_err(|problem| bad(number, problem.describe(), parameter))?;
    Ok(Fit::Text(Cow::Owned(literal)))
}

fn bad(number: usize, what: &str, parameter: u32) -> Failure {
    let expected = type_name(parameter);
    Failure::new(
        ErrorCode::BadParameter,
        format!("parameter `${number}` is {what}, which does not fit {expected}"),
    )
}

fn type_name(parameter: u32) -> &'static str {
    if oid::element(parameter).is_some() {
        return "an array";
    }
    match parameter {
        oid::BOOL => "boolean",
        oid::BYTEA => "bytea",
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        oid::INT8 => "bigint",
        oid::FLOAT4 => "real",
        oid::FLOAT8 => "double precision",
        oid::NUMERIC => "numeric",
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR => "text",
        oid::DATE => "date",
        oid::TIME | oid::TIMETZ => "time",
        oid::TIMESTAMP => "timestamp",
        oid::TIMESTAMPTZ => "timestamptz",
        oid::INTERVAL => "interval",
        oid::UUID => "uuid",
        oid::JSON => "json",
        oid::JSONB => "jsonb",
        _ => "its type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Fit<'static> {
        Fit::Text(Cow::Owned(text.to_owned()))
    }

    #[test]
    fn s4_1_integers_fit_every_number_type_and_text() {
        assert_eq!(fit(&Value::Integer(7), oid::INT2, 1), Ok(Fit::Int2(7)));
        assert_eq!(fit(&Value::Integer(7), oid::INT4, 1), Ok(Fit::Int4(7)));
        assert_eq!(fit(&Value::Integer(7), oid::INT8, 1), Ok(Fit::Int8(7)));
        assert_eq!(fit(&Value::Integer(7), oid::NUMERIC, 1), Ok(text("7")));
        assert_eq!(fit(&Value::Integer(-7), oid::TEXT, 1), Ok(text("-7")));
        assert_eq!(fit(&Value::Integer(i64::MAX), oid::FLOAT8, 1), Ok(text("9223372036854775807")));
    }

    #[test]
    fn s4_1_what_cannot_fit_names_the_parameter_and_never_the_value() {
        let canary = 8_675_309;
        for (value, parameter) in [
            (Value::Integer(canary), oid::INT2),
            (Value::Integer(canary), oid::BOOL),
            (Value::Integer(canary), oid::DATE),
            (Value::Float(0.867_530_9), oid::INT4),
            (Value::Float(f64::NAN), oid::JSONB),
            (Value::Bytes(b"8675309".to_vec()), oid::TEXT),
            (Value::Text("8675309\0".to_owned()), oid::TEXT),
            (Value::Json("8675309".to_owned()), 1007),
            (Value::Json("[8675309.5]".to_owned()), 1007),
            (Value::Json("{\"a\":8675309}".to_owned()), oid::TEXT),
            (Value::Boolean(true), oid::INT4),
        ] {
            let failure = fit(&value, parameter, 3).unwrap_err();
            assert_eq!(failure.code, ErrorCode::BadParameter);
            assert!(failure.message.contains("`$3`"), "{failure}");
            assert!(!failure.message.contains("867"), "{failure}");
        }
    }

    #[test]
    fn s4_1_only_whole_floats_fit_integers() {
        assert_eq!(fit(&Value::Float(3.0), oid::INT4, 1), Ok(Fit::Int4(3)));
        assert_eq!(fit(&Value::Float(-0.0), oid::INT8, 1), Ok(Fit::Int8(0)));
        assert!(fit(&Value::Float(3.5), oid::INT4, 1).is_err());
        assert!(fit(&Value::Float(f64::INFINITY), oid::INT8, 1).is_err());
        assert!(fit(&Value::Float(9_223_372_036_854_775_808.0), oid::INT8, 1).is_err());
    }

    #[test]
    fn s4_1_floats_are_binary_only_when_nothing_is_lost() {
        assert_eq!(fit(&Value::Float(0.5), oid::FLOAT4, 1), Ok(Fit::Float4(0.5)));
        assert_eq!(fit(&Value::Float(0.1), oid::FLOAT4, 1), Ok(text("0.1")));
        assert_eq!(fit(&Value::Float(0.1), oid::NUMERIC, 1), Ok(text("0.1")));
        assert_eq!(fit(&Value::Float(f64::NEG_INFINITY), oid::NUMERIC, 1), Ok(text("-Infinity")));
    }
}
