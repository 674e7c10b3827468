//! Bind parameters.

use crate::time::{Date, Interval, Time, Timestamp};
use crate::{Decimal, Uuid};

/// A bind parameter. PostgreSQL says which type each one has; the value has to fit it.
pub use crate::bindings::imports::applet::host::types::Value;

/// Parameters of a statement, `$1` first.
///
/// ```
/// use applet_sdk::{Value, params};
///
/// assert_eq!(params![7, "Ada", None::<i64>], [Value::Integer(7), Value::Text("Ada".into()), Value::Null]);
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { [$($crate::Value::from($value)),*] };
}

/// Columns and their values, for an insert or update.
///
/// ```
/// use applet_sdk::{Value, values};
///
/// assert_eq!(values! { name: "Ada", age: 36 }, [("name", Value::Text("Ada".into())), ("age", Value::Integer(36))]);
/// ```
#[macro_export]
macro_rules! values {
    ($($column:ident : $value:expr),* $(,)?) => { [$((stringify!($column), $crate::Value::from($value))),*] };
}

macro_rules! integer {
    ($($type:ty),*) => { $(
        impl From<$type> for Value {
            fn from(number: $type) -> Self {
                Self::Integer(number.into())
            }
        }
    )* };
}

integer!(i8, i16, i32, i64, u8, u16, u32);

macro_rules! as_text {
    ($($type:ty),*) => { $(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::Text(value.to_string())
            }
        }
    )* };
}

as_text!(&str, &String, Uuid, Decimal, Date, Time, Timestamp, Interval);

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Self::Float(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        Self::Json(json.to_string())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
