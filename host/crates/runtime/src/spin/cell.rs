//! Rows, as version 4 has them; the older versions leave out what they do not know.

use applet_bindings::foreign::spin::spin::postgres4_1_0::postgres::{
    Column, DbDataType, DbValue, Interval, RangeBoundKind, RowSet,
};
use applet_types::{CellRef, ColumnType, Outcome};

use super::calendar;

/// Why a row set cannot be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsaid(String);

impl Unsaid {
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A bound of their ranges.
type Bound<T> = Option<(T, RangeBoundKind)>;

pub(super) fn row_set(outcome: &Outcome) -> Result<RowSet, Unsaid> {
    let columns = &outcome.rows.columns;
    let mut rows = Vec::new();
    let mut reader = outcome.rows.packed();
    while let Some(cells) = reader.next_row().map_err(|error| Unsaid(error.to_string()))? {
        let values = cells.into_iter().zip(columns.iter());
        let row = values.map(|(cell, column)| {
            value(cell, column)
                .ok_or_else(|| Unsaid(format!("column `{}` has {}", column.name, unsaid(cell, column))))
        });
        rows.push(row.collect::<Result<Vec<_>, _>>()?);
    }
    let columns = columns
        .iter()
        .map(|column| Column { name: column.name.clone(), data_type: data_type(column) })
        .collect();
    Ok(RowSet { columns, rows })
}

/// What a value is that theirs cannot say, without the value.
fn unsaid(cell: CellRef<'_>, column: &applet_types::Column) -> &'static str {
    match (cell, column.element) {
        (CellRef::Text(_), Some(_)) => {
            "an empty range, which this interface cannot say; read it as text: `column::text`"
        }
        (CellRef::Array(_), _) => {
            "an array that this interface cannot say (one dimension of integer, bigint, numeric or text); read it as text: `column::text`"
        }
        (CellRef::Time(_), _) => {
            "the time 24:00, which this interface cannot say; read it as text: `column::text`"
        }
        _ => "an infinite date or time, which this interface cannot say; read it as text: `column::text`",
    }
}

fn data_type(column: &applet_types::Column) -> DbDataType {
    match (column.kind, column.element) {
        (ColumnType::Boolean, _) => DbDataType::Boolean,
        (ColumnType::Int16, _) => DbDataType::Int16,
        (ColumnType::Int32, _) => DbDataType::Int32,
        (ColumnType::Int64, _) => DbDataType::Int64,
        (ColumnType::Float32, _) => DbDataType::Floating32,
        (ColumnType::Float64, _) => DbDataType::Floating64,
        (ColumnType::Numeric, _) => DbDataType::Decimal,
        (ColumnType::Text, Some(ColumnType::Int32)) => DbDataType::RangeInt32,
        (ColumnType::Text, Some(ColumnType::Int64)) => DbDataType::RangeInt64,
        (ColumnType::Text, Some(ColumnType::Numeric)) => DbDataType::RangeDecimal,
        (ColumnType::Text, _) => DbDataType::Str,
        (ColumnType::Bytes, _) => DbDataType::Binary,
        (ColumnType::Uuid, _) => DbDataType::Uuid,
        (ColumnType::Date, _) => DbDataType::Date,
        (ColumnType::Time, _) => DbDataType::Time,
        (ColumnType::Timestamp | ColumnType::TimestampTz, _) => DbDataType::Datetime,
        (ColumnType::Interval, _) => DbDataType::Interval,
        (ColumnType::Json, _) => DbDataType::Jsonb,
        (ColumnType::Array, Some(ColumnType::Int32)) => DbDataType::ArrayInt32,
        (ColumnType::Array, Some(ColumnType::Int64)) => DbDataType::ArrayInt64,
        (ColumnType::Array, Some(ColumnType::Numeric)) => DbDataType::ArrayDecimal,
        (ColumnType::Array, Some(ColumnType::Text)) => DbDataType::ArrayStr,
        (ColumnType::Array, element) => {
            DbDataType::Other(format!("{}[]", element.map_or("unknown", ColumnType::as_str)))
        }
    }
}

/// The value, if theirs can say it.
fn value(cell: CellRef<'_>, column: &applet_types::Column) -> Option<DbValue> {
    Some(match cell {
        CellRef::Null => DbValue::DbNull,
        CellRef::Boolean(value) => DbValue::Boolean(value),
        CellRef::Integer(value) => integer(value, column.kind)?,
        CellRef::Float(value) => float(value, column.kind),
        CellRef::Numeric(text) => DbValue::Decimal(text.to_owned()),
        CellRef::Text(text) => match column.element {
            Some(ColumnType::Int32) => DbValue::RangeInt32(range(text)?),
            Some(ColumnType::Int64) => DbValue::RangeInt64(range(text)?),
            Some(ColumnType::Numeric) => DbValue::RangeDecimal(range(text)?),
            _ => DbValue::Str(text.to_owned()),
        },
        CellRef::Bytes(bytes) => DbValue::Binary(bytes.to_vec()),
        CellRef::Uuid(bytes) => DbValue::Uuid(uuid::Uuid::from_bytes(bytes).to_string()),
        CellRef::Date(days) => DbValue::Date(calendar::date(days)?),
        CellRef::Time(micros) => DbValue::Time(calendar::time(micros)?),
        CellRef::Timestamp(micros) | CellRef::TimestampTz(micros) => {
            DbValue::Datetime(calendar::date_time(micros)?)
        }
        CellRef::Interval(months, days, micros) => DbValue::Interval(Interval { micros, days, months }),
        CellRef::Json(text) => DbValue::Jsonb(text.as_bytes().to_vec()),
        CellRef::Array(text) => match column.element {
            Some(ColumnType::Int32) => DbValue::ArrayInt32(integers(text)?),
            Some(ColumnType::Int64) => DbValue::ArrayInt64(integers(text)?),
            Some(ColumnType::Numeric) => DbValue::ArrayDecimal(serde_json::from_str(text).ok()?),
            Some(ColumnType::Text) => DbValue::ArrayStr(serde_json::from_str(text).ok()?),
            _ => return None,
        },
    })
}

fn integer(value: i64, kind: ColumnType) -> Option<DbValue> {
    Some(match kind {
        ColumnType::Int16 => DbValue::Int16(i16::try_from(value).ok()?),
        ColumnType::Int32 => DbValue::Int32(i32::try_from(value).ok()?),
        _ => DbValue::Int64(value),
    })
}

fn float(value: f64, kind: ColumnType) -> DbValue {
    if kind == ColumnType::Float32 {
        #[expect(clippy::cast_possible_truncation, reason = "it was a 32 bit number before")]
        let narrow = value as f32;
        DbValue::Floating32(narrow)
    } else {
        DbValue::Floating64(value)
    }
}

/// Integers beyond 2^53 are strings in our arrays.
fn integers<T: std::str::FromStr>(text: &str) -> Option<Vec<Option<T>>> {
    let elements: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let element = |element: serde_json::Value| match element {
        serde_json::Value::Null => Some(None),
        serde_json::Value::Number(number) => number.to_string().parse().ok().map(Some),
        serde_json::Value::String(digits) => digits.parse().ok().map(Some),
        _ => None,
    };
    elements.into_iter().map(element).collect()
}

/// A range of numbers as PostgreSQL writes it: `[1,10)`. `None` for `empty`, which would look like the range
/// without bounds.
fn range<T: std::str::FromStr>(text: &str) -> Option<(Bound<T>, Bound<T>)> {
    let (low, high) = text.get(1..text.len().checked_sub(1)?)?.split_once(',')?;
    let low_kind = match text.bytes().next()? {
        b'[' => RangeBoundKind::Inclusive,
        b'(' => RangeBoundKind::Exclusive,
        _ => return None,
    };
    let high_kind = match text.bytes().last()? {
        b']' => RangeBoundKind::Inclusive,
        b')' => RangeBoundKind::Exclusive,
        _ => return None,
    };
    Some((bound(low, low_kind)?, bound(high, high_kind)?))
}

fn bound<T: std::str::FromStr>(text: &str, kind: RangeBoundKind) -> Option<Bound<T>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(|value| Some((value, kind))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnType, element: Option<ColumnType>) -> applet_types::Column {
        applet_types::Column { name: "c".to_owned(), kind, element }
    }

    /// Spec: F15
    #[test]
    fn f15_what_their_types_cannot_say_is_no_value() {
        let cases = [
            (CellRef::Date(i32::MAX), column(ColumnType::Date, None)),
            (CellRef::Timestamp(i64::MIN), column(ColumnType::Timestamp, None)),
            (CellRef::Time(86_400_000_000), column(ColumnType::Time, None)),
            (CellRef::Text("empty"), column(ColumnType::Text, Some(ColumnType::Int32))),
            (CellRef::Array("[[1],[2]]"), column(ColumnType::Array, Some(ColumnType::Int32))),
            (CellRef::Array("[2147483648]"), column(ColumnType::Array, Some(ColumnType::Int32))),
            (CellRef::Array("[true]"), column(ColumnType::Array, Some(ColumnType::Boolean))),
        ];
        for (cell, column) in cases {
            assert!(value(cell, &column).is_none(), "{cell:?}");
        }
    }

    /// Spec: F15
    #[test]
    fn f15_ranges_and_arrays_are_read_at_their_edges() {
        assert_eq!(
            range::<i64>("[-9223372036854775808,9223372036854775807)"),
            Some((Some((i64::MIN, RangeBoundKind::Inclusive)), Some((i64::MAX, RangeBoundKind::Exclusive))))
        );
        assert_eq!(range::<i32>("(,)"), Some((None, None)));
        assert_eq!(
            range::<String>("(1.50,2]"),
            Some((
                Some(("1.50".to_owned(), RangeBoundKind::Exclusive)),
                Some(("2".to_owned(), RangeBoundKind::Inclusive))
            ))
        );
        for text in ["", "[", "é", "empty", "{1,2}", "[1;2]", "[a,2]"] {
            assert!(range::<i32>(text).is_none(), "{text}");
        }
        assert_eq!(
            integers::<i64>("[1,null,\"9223372036854775807\"]"),
            Some(vec![Some(1), None, Some(i64::MAX)])
        );
    }
}
