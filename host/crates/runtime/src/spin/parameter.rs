//! Parameters, as the way to data takes them: what PostgreSQL has a text for goes as that text.

use applet_types::Value;
use serde::de::IgnoredAny;

use super::calendar::{self, Date, DateTime, Time};

/// What the guest is told about a parameter that is none; never the value.
pub(super) type Bad = String;

/// The longest number that PostgreSQL could read.
const LONGEST_DECIMAL: usize = 150_000;

/// Their interval: microseconds, days, months.
pub(super) struct Interval {
    pub(super) micros: i64,
    pub(super) days: i32,
    pub(super) months: i32,
}

/// One end of a range: the bound, and whether it belongs to the range.
pub(super) type Bound<T> = Option<(T, bool)>;

pub(super) fn unsigned(value: u64) -> Value {
    i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer)
}

pub(super) fn date(date: Date) -> Result<Value, Bad> {
    calendar::date_text(date).map(Value::Text).ok_or_else(|| "there is no such day".to_owned())
}

pub(super) fn time(time: Time) -> Result<Value, Bad> {
    calendar::time_text(time).map(Value::Text).ok_or_else(|| "there is no such time of day".to_owned())
}

pub(super) fn date_time(moment: DateTime) -> Result<Value, Bad> {
    calendar::date_time_text(moment).map(Value::Text).ok_or_else(|| "there is no such day or time".to_owned())
}

/// Seconds since 1970.
pub(super) fn timestamp(seconds: i64) -> Result<Value, Bad> {
    let moment = seconds.checked_mul(1_000_000).and_then(calendar::date_time);
    moment.ok_or_else(|| "the time is too far away".to_owned()).and_then(date_time)
}

pub(super) fn uuid(text: &str) -> Result<Value, Bad> {
    let uuid = uuid::Uuid::parse_str(text).map_err(|_| "this is no UUID".to_owned())?;
    Ok(Value::Text(uuid.to_string()))
}

pub(super) fn json(bytes: Vec<u8>) -> Result<Value, Bad> {
    let no_json = || "this is not JSON".to_owned();
    serde_json::from_slice::<IgnoredAny>(&bytes).map_err(|_| no_json())?;
    String::from_utf8(bytes).map(Value::Json).map_err(|_| no_json())
}

pub(super) fn decimal(text: String) -> Result<Value, Bad> {
    if is_decimal(&text) { Ok(Value::Text(text)) } else { Err("this is no decimal number".to_owned()) }
}

/// A sign, digits, and a point: nothing that means something in the text of a range or array.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let some_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= LONGEST_DECIMAL && some_digits(whole) && some_digits(fraction)
}

/// A range of what is written without quotes.
pub(super) fn range<T: ToString>(lower: Bound<T>, upper: Bound<T>) -> Value {
    let (open, low) = match lower {
        Some((bound, inclusive)) => (if inclusive { '[' } else { '(' }, bound.to_string()),
        None => ('(', String::new()),
    };
    let (high, close) = match upper {
        Some((bound, inclusive)) => (bound.to_string(), if inclusive { ']' } else { ')' }),
        None => (String::new(), ')'),
    };
    Value::Text(format!("{open}{low},{high}{close}"))
}

pub(super) fn decimal_range(lower: Bound<String>, upper: Bound<String>) -> Result<Value, Bad> {
    let sound = |bound: &Bound<String>| bound.as_ref().is_none_or(|(text, _)| is_decimal(text));
    if sound(&lower) && sound(&upper) {
        Ok(range(lower, upper))
    } else {
        Err("a bound is no decimal number".to_owned())
    }
}

/// An array of what JSON can say.
pub(super) fn array<T: serde::Serialize>(elements: &[Option<T>]) -> Result<Value, Bad> {
    serde_json::to_string(elements).map(Value::Json).map_err(|_| "this is no array".to_owned())
}

pub(super) fn decimal_array(elements: &[Option<String>]) -> Result<Value, Bad> {
    if elements.iter().flatten().all(|text| is_decimal(text)) {
        array(elements)
    } else {
        Err("an element is no decimal number".to_owned())
    }
}

pub(super) fn interval(Interval { micros, days, months }: Interval) -> Value {
    Value::Text(format!("{months} mons {days} days {micros} microseconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F15
    #[test]
    fn f15_parameters_that_are_none_are_refused_and_never_reach_a_text() {
        for text in ["", "-", ".", "1.", ".5", "1e5", "NaN", "1,2", "1)", "0x1", "１", " 1", "1\0"] {
            assert!(decimal(text.to_owned()).is_err(), "{text:?}");
            assert!(decimal_range(Some((text.to_owned(), true)), None).is_err(), "{text:?}");
            assert!(decimal_array(&[Some(text.to_owned())]).is_err(), "{text:?}");
        }
        assert!(decimal("9".repeat(LONGEST_DECIMAL + 1)).is_err());
        assert!(uuid("x").is_err());
        assert!(json(b"{".to_vec()).is_err());
        assert!(json(vec![0xff]).is_err());
        assert!(timestamp(i64::MAX).is_err());
    }

    /// Spec: F15
    #[test]
    fn f15_ranges_are_written_with_their_kinds_of_bounds() {
        let text = |value| match value {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(range(Some((1, true)), Some((5, false)))), "[1,5)");
        assert_eq!(text(range(Some((i64::MIN, false)), Some((5, true)))), "(-9223372036854775808,5]");
        assert_eq!(text(range::<i32>(None, None)), "(,)");
        let decimals = decimal_range(Some(("-1.50".to_owned(), true)), None).unwrap();
        assert_eq!(text(decimals), "[-1.50,)");
        assert_eq!(text(timestamp(-1).unwrap()), "1969-12-31 23:59:59.000000+00");
    }
}
