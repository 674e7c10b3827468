//! `fermyon:spin/postgres` 2.0: fewer types still. What it has none for is its `unsupported`, as in Spin.

use applet_bindings::foreign::spin::fermyon::spin::postgres::{Connection, Host, HostConnection};
use applet_bindings::foreign::spin::fermyon::spin::rdbms_types::{
    self, Column, DbDataType, DbValue, Error, ParameterValue, RowSet,
};
use applet_bindings::foreign::spin::spin::postgres4_1_0::postgres as v4;
use applet_types::{Failure, Value};
use wasmtime::component::Resource;

use super::cell;
use super::error::{self, Case};
use super::parameter;
use crate::guest::Guest;

/// The outer error ends the guest, the inner one is its to handle.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Host for Guest {}
impl rdbms_types::Host for Guest {}

impl HostConnection for Guest {
    async fn open(&mut self, _address: String) -> Answer<Resource<Connection>> {
        self.count_host_call()?;
        Ok(self.connect().map_err(refusal))
    }

    async fn query(
        &mut self,
        this: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Answer<RowSet> {
        self.count_host_call()?;
        let parameters = parameters.into_iter().map(value).collect();
        let outcome = self.run(&this, statement, parameters).await?;
        Ok(outcome.map_err(refusal).and_then(|outcome| {
            let rows = cell::row_set(&outcome);
            rows.map(older).map_err(|unsaid| Error::ValueConversionFailed(unsaid.into_text()))
        }))
    }

    async fn execute(
        &mut self,
        this: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Answer<u64> {
        self.count_host_call()?;
        let parameters = parameters.into_iter().map(value).collect();
        let outcome = self.run(&this, statement, parameters).await?;
        Ok(outcome.map(|outcome| outcome.affected).map_err(refusal))
    }

    async fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.disconnect(&this)
    }
}

fn refusal(failure: Failure) -> Error {
    let text = error::text(&failure);
    match error::case(&failure) {
        Case::ConnectionFailed => Error::ConnectionFailed(text),
        Case::BadParameter => Error::BadParameter(text),
        Case::QueryFailed => Error::QueryFailed(text),
        Case::Other => Error::Other(text),
    }
}

fn value(parameter: ParameterValue) -> Value {
    match parameter {
        ParameterValue::DbNull => Value::Null,
        ParameterValue::Boolean(value) => Value::Boolean(value),
        ParameterValue::Int8(value) => Value::Integer(value.into()),
        ParameterValue::Int16(value) => Value::Integer(value.into()),
        ParameterValue::Int32(value) => Value::Integer(value.into()),
        ParameterValue::Int64(value) => Value::Integer(value),
        ParameterValue::Uint8(value) => Value::Integer(value.into()),
        ParameterValue::Uint16(value) => Value::Integer(value.into()),
        ParameterValue::Uint32(value) => Value::Integer(value.into()),
        ParameterValue::Uint64(value) => parameter::unsigned(value),
        ParameterValue::Floating32(value) => Value::Float(value.into()),
        ParameterValue::Floating64(value) => Value::Float(value),
        ParameterValue::Str(value) => Value::Text(value),
        ParameterValue::Binary(value) => Value::Bytes(value),
    }
}

fn older(rows: v4::RowSet) -> RowSet {
    let columns = rows.columns.into_iter();
    RowSet {
        columns: columns
            .map(|column| Column { name: column.name, data_type: older_type(&column.data_type) })
            .collect(),
        rows: rows.rows.into_iter().map(|row| row.into_iter().map(older_value).collect()).collect(),
    }
}

const fn older_type(data_type: &v4::DbDataType) -> DbDataType {
    match data_type {
        v4::DbDataType::Boolean => DbDataType::Boolean,
        v4::DbDataType::Int8 => DbDataType::Int8,
        v4::DbDataType::Int16 => DbDataType::Int16,
        v4::DbDataType::Int32 => DbDataType::Int32,
        v4::DbDataType::Int64 => DbDataType::Int64,
        v4::DbDataType::Floating32 => DbDataType::Floating32,
        v4::DbDataType::Floating64 => DbDataType::Floating64,
        v4::DbDataType::Str => DbDataType::Str,
        v4::DbDataType::Binary => DbDataType::Binary,
        v4::DbDataType::Date
        | v4::DbDataType::Time
        | v4::DbDataType::Datetime
        | v4::DbDataType::Timestamp
        | v4::DbDataType::Uuid
        | v4::DbDataType::Jsonb
        | v4::DbDataType::Decimal
        | v4::DbDataType::RangeInt32
        | v4::DbDataType::RangeInt64
        | v4::DbDataType::RangeDecimal
        | v4::DbDataType::ArrayInt32
        | v4::DbDataType::ArrayInt64
        | v4::DbDataType::ArrayDecimal
        | v4::DbDataType::ArrayStr
        | v4::DbDataType::Interval
        | v4::DbDataType::Other(_) => DbDataType::Other,
    }
}

fn older_value(value: v4::DbValue) -> DbValue {
    match value {
        v4::DbValue::DbNull => DbValue::DbNull,
        v4::DbValue::Boolean(value) => DbValue::Boolean(value),
        v4::DbValue::Int8(value) => DbValue::Int8(value),
        v4::DbValue::Int16(value) => DbValue::Int16(value),
        v4::DbValue::Int32(value) => DbValue::Int32(value),
        v4::DbValue::Int64(value) => DbValue::Int64(value),
        v4::DbValue::Floating32(value) => DbValue::Floating32(value),
        v4::DbValue::Floating64(value) => DbValue::Floating64(value),
        v4::DbValue::Str(value) => DbValue::Str(value),
        v4::DbValue::Binary(value) => DbValue::Binary(value),
        v4::DbValue::Date(_)
        | v4::DbValue::Time(_)
        | v4::DbValue::Datetime(_)
        | v4::DbValue::Timestamp(_)
        | v4::DbValue::Uuid(_)
        | v4::DbValue::Jsonb(_)
        | v4::DbValue::Decimal(_)
        | v4::DbValue::RangeInt32(_)
        | v4::DbValue::RangeInt64(_)
        | v4::DbValue::RangeDecimal(_)
        | v4::DbValue::ArrayInt32(_)
        | v4::DbValue::ArrayInt64(_)
        | v4::DbValue::ArrayDecimal(_)
        | v4::DbValue::ArrayStr(_)
        | v4::DbValue::Interval(_)
        | v4::DbValue::Unsupported(_) => DbValue::Unsupported,
    }
}
