//! `spin:postgres` 4.x.

use applet_bindings::foreign::spin::spin::postgres4_1_0::postgres::{
    Connection, ConnectionBuilder, DbError, Error, Host, HostConnection, HostConnectionBuilder,
    ParameterValue, QueryError, RangeBoundKind, RowSet,
};
use applet_types::{Failure, Value};
use wasmtime::component::Resource;

use super::cell;
use super::error::{self, Case};
use super::parameter::{self, Bad};
use crate::guest::Guest;

/// The outer error ends the guest, the inner one is its to handle.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Host for Guest {}

impl HostConnectionBuilder for Guest {
    async fn new(&mut self, _address: String) -> wasmtime::Result<Resource<ConnectionBuilder>> {
        self.count_host_call()?;
        // Their constructor cannot fail, so that this one ends the guest.
        self.connect().map_err(|failure| wasmtime::Error::msg(failure.message))
    }

    /// There is nobody to prove anything to.
    async fn set_ca_root(&mut self, _: Resource<ConnectionBuilder>, _certificate: String) -> Answer<()> {
        self.count_host_call()?;
        Ok(Ok(()))
    }

    async fn build(&mut self, _: Resource<ConnectionBuilder>) -> Answer<Resource<Connection>> {
        self.count_host_call()?;
        Ok(self.connect().map_err(refusal))
    }

    async fn drop(&mut self, this: Resource<ConnectionBuilder>) -> wasmtime::Result<()> {
        self.disconnect(&this)
    }
}

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
        let parameters = match values(parameters) {
            Ok(parameters) => parameters,
            Err(bad) => return Ok(Err(Error::BadParameter(bad))),
        };
        let outcome = self.run(&this, statement, parameters).await?;
        Ok(outcome.map_err(refusal).and_then(|outcome| {
            cell::row_set(&outcome).map_err(|unsaid| Error::ValueConversionFailed(unsaid.into_text()))
        }))
    }

    async fn execute(
        &mut self,
        this: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Answer<u64> {
        self.count_host_call()?;
        let parameters = match values(parameters) {
            Ok(parameters) => parameters,
            Err(bad) => return Ok(Err(Error::BadParameter(bad))),
        };
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
        Case::Other => Error::Other(text),
        Case::QueryFailed => Error::QueryFailed(QueryError::DbError(DbError {
            as_text: text,
            severity: "ERROR".to_owned(),
            code: error::sql_state(failure.code).to_owned(),
            extras: error::extras(&failure),
            message: failure.message,
            // Theirs may hold a row's values; ours has none.
            detail: None,
        })),
    }
}

fn values(parameters: Vec<ParameterValue>) -> Result<Vec<Value>, Bad> {
    let numbered = parameters.into_iter().zip(1_u32..);
    numbered.map(|(each, number)| value(each).map_err(|why| format!("${number}: {why}"))).collect()
}

/// A bound, and whether it belongs to the range.
fn bound<T>(bound: Option<(T, RangeBoundKind)>) -> parameter::Bound<T> {
    bound.map(|(value, kind)| (value, kind == RangeBoundKind::Inclusive))
}

fn value(parameter: ParameterValue) -> Result<Value, Bad> {
    Ok(match parameter {
        ParameterValue::DbNull => Value::Null,
        ParameterValue::Boolean(value) => Value::Boolean(value),
        ParameterValue::Int8(value) => Value::Integer(value.into()),
        ParameterValue::Int16(value) => Value::Integer(value.into()),
        ParameterValue::Int32(value) => Value::Integer(value.into()),
        ParameterValue::Int64(value) => Value::Integer(value),
        ParameterValue::Floating32(value) => Value::Float(value.into()),
        ParameterValue::Floating64(value) => Value::Float(value),
        ParameterValue::Str(value) => Value::Text(value),
        ParameterValue::Binary(value) => Value::Bytes(value),
        ParameterValue::Date(value) => parameter::date(value)?,
        ParameterValue::Time(value) => parameter::time(value)?,
        ParameterValue::Datetime(value) => parameter::date_time(value)?,
        ParameterValue::Timestamp(value) => parameter::timestamp(value)?,
        ParameterValue::Uuid(value) => parameter::uuid(&value)?,
        ParameterValue::Jsonb(value) => parameter::json(value)?,
        ParameterValue::Decimal(value) => parameter::decimal(value)?,
        ParameterValue::RangeInt32((low, high)) => parameter::range(bound(low), bound(high)),
        ParameterValue::RangeInt64((low, high)) => parameter::range(bound(low), bound(high)),
        ParameterValue::RangeDecimal((low, high)) => parameter::decimal_range(bound(low), bound(high))?,
        ParameterValue::ArrayInt32(value) => parameter::array(&value)?,
        ParameterValue::ArrayInt64(value) => parameter::array(&value)?,
        ParameterValue::ArrayDecimal(value) => parameter::decimal_array(&value)?,
        ParameterValue::ArrayStr(value) => parameter::array(&value)?,
        ParameterValue::Interval(value) => parameter::interval(parameter::Interval {
            micros: value.micros,
            days: value.days,
            months: value.months,
        }),
    })
}
