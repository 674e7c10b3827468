//! The only way to data: every call goes on to the port `Database`.

use applet_bindings::OpenTransaction;
use applet_bindings::db::{Host, HostTransaction, Statement};
use applet_bindings::types::{Encoding, Error, Rows, Value};
use applet_types::{Encoding as RowEncoding, ErrorCode, Failure};
use wasmtime::component::Resource;

use crate::convert::{encoding, rows, statement};
use crate::guest::Guest;

/// The outer error ends the guest, the inner one is its to handle.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Host for Guest {
    async fn query(&mut self, sql: String, parameters: Vec<Value>, form: Encoding) -> Answer<Rows> {
        self.count_host_call()?;
        match self.database.query(&self.call, &statement(sql, parameters), encoding(form)).await {
            Ok(outcome) => Ok(Ok(rows(outcome))),
            Err(failure) => self.refuse(failure),
        }
    }

    async fn execute(&mut self, sql: String, parameters: Vec<Value>) -> Answer<u64> {
        self.count_host_call()?;
        match self.database.query(&self.call, &statement(sql, parameters), RowEncoding::Packed).await {
            Ok(outcome) => Ok(Ok(outcome.affected)),
            Err(failure) => self.refuse(failure),
        }
    }

    async fn batch(&mut self, statements: Vec<Statement>, form: Encoding) -> Answer<Vec<Rows>> {
        self.count_host_call()?;
        let statements: Vec<_> =
            statements.into_iter().map(|each| statement(each.sql, each.parameters)).collect();
        match self.database.batch(&self.call, &statements, encoding(form)).await {
            Ok(outcomes) => Ok(Ok(outcomes.into_iter().map(rows).collect())),
            Err(failure) => self.refuse(failure),
        }
    }

    async fn begin(&mut self) -> Answer<Resource<OpenTransaction>> {
        self.count_host_call()?;
        let most = self.call.limits.execution.open_transactions;
        if self.transactions >= most {
            // Waiting would be for the guest itself (SPEC Decision 10).
            let reason = format!("{most} of {most} transactions are open; end one first");
            return self.refuse(Failure::new(ErrorCode::ConnectionCap, reason));
        }
        match self.database.begin(&self.call).await {
            Ok(transaction) => {
                let handle = self.table.push(transaction)?;
                self.transactions += 1;
                Ok(Ok(handle))
            }
            Err(failure) => self.refuse(failure),
        }
    }
}

impl HostTransaction for Guest {
    async fn query(
        &mut self,
        this: Resource<OpenTransaction>,
        sql: String,
        parameters: Vec<Value>,
        form: Encoding,
    ) -> Answer<Rows> {
        self.count_host_call()?;
        let statement = statement(sql, parameters);
        match self.table.get_mut(&this)?.query(&statement, encoding(form)).await {
            Ok(outcome) => Ok(Ok(rows(outcome))),
            Err(failure) => self.refuse(failure),
        }
    }

    async fn execute(
        &mut self,
        this: Resource<OpenTransaction>,
        sql: String,
        parameters: Vec<Value>,
    ) -> Answer<u64> {
        self.count_host_call()?;
        let statement = statement(sql, parameters);
        match self.table.get_mut(&this)?.query(&statement, RowEncoding::Packed).await {
            Ok(outcome) => Ok(Ok(outcome.affected)),
            Err(failure) => self.refuse(failure),
        }
    }

    async fn commit(&mut self, this: Resource<OpenTransaction>) -> Answer<()> {
        self.count_host_call()?;
        match self.take(this)?.commit().await {
            Ok(()) => Ok(Ok(())),
            Err(failure) => self.refuse(failure),
        }
    }

    async fn rollback(&mut self, this: Resource<OpenTransaction>) -> Answer<()> {
        self.count_host_call()?;
        match self.take(this)?.rollback().await {
            Ok(()) => Ok(Ok(())),
            Err(failure) => self.refuse(failure),
        }
    }

    /// Rolled back here and now, so that the guest can begin the next one at once.
    async fn drop(&mut self, this: Resource<OpenTransaction>) -> wasmtime::Result<()> {
        if let Err(failure) = self.take(this)?.rollback().await {
            tracing::warn!(target: "runtime.transaction", request = %self.call.request, code = %failure.code, "rollback of a dropped transaction failed");
        }
        Ok(())
    }
}

impl Guest {
    fn take(&mut self, this: Resource<OpenTransaction>) -> wasmtime::Result<OpenTransaction> {
        let transaction = self.table.delete(this)?;
        self.transactions = self.transactions.saturating_sub(1);
        Ok(transaction)
    }
}
