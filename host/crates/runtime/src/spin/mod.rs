//! The PostgreSQL interfaces of Spin, on our own way to data.
//!
//! A guest opens connections by an address. Whatever it says, and it may hold a password, it is dropped unread: the
//! connection is a name for the invocation's own way to data, and each statement goes through the same port as those
//! of `applet:host/db`, one statement at a time. There are no transactions here, as the gate refuses `BEGIN`.
//!
//! *Invariant:* what a type of theirs cannot say is an error of theirs, never another value; errors carry our own codes
//! and texts, and nothing of the database's.

mod calendar;
mod cell;
mod error;
mod parameter;
mod v2;
mod v3;
mod v4;

use std::sync::atomic::{AtomicBool, Ordering};

use applet_types::{Encoding, ErrorCode, Failure, Outcome, Statement, Value};
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::guest::Guest;
use crate::log::GuestLogLevel;

/// Whether the developer was told what becomes of addresses; once while a component is in memory.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicBool);

/// Connections that an instance may have open, and what builds them. They cost nothing, but a guest that leaks them
/// is told while it has handles left to answer with.
const MOST_CONNECTIONS: u32 = 100;

/// What a connection, or what builds one, stands for. All of them are the same.
struct Connection;

/// Gives the handle of one type the type of another: in the generated bindings handles have no content.
fn retype<From: 'static, To: 'static>(handle: &Resource<From>) -> Resource<To> {
    Resource::new_own(handle.rep())
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    use applet_bindings::foreign::spin::fermyon::spin::{postgres as postgres2, rdbms_types};
    use applet_bindings::foreign::spin::spin::{postgres3_0_0, postgres4_1_0};

    postgres4_1_0::postgres::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    postgres3_0_0::postgres::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    rdbms_types::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    postgres2::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

impl Guest {
    /// A connection, wherever the guest believes it leads.
    fn connect<T: 'static>(&mut self) -> Result<Resource<T>, Failure> {
        if !self.told.0.swap(true, Ordering::Relaxed) {
            let line = "the address of a database connection is ignored: statements go to the tenant's own \
                        database, under what was granted";
            self.log.line(GuestLogLevel::Info, line);
        }
        let free = self.connections < MOST_CONNECTIONS;
        let handle = if free { self.table.push(Connection).ok() } else { None };
        let Some(handle) = handle else {
            let reason = format!("{} connections are open; close one first", self.connections);
            let failure = Failure::new(ErrorCode::ConnectionCap, reason);
            self.call.budget.told(&failure);
            return Err(failure);
        };
        self.connections += 1;
        Ok(retype(&handle))
    }

    fn disconnect<T: 'static>(&mut self, handle: &Resource<T>) -> wasmtime::Result<()> {
        self.table.delete::<Connection>(retype(handle))?;
        self.connections = self.connections.saturating_sub(1);
        Ok(())
    }

    /// Runs a statement. The outer error ends the guest.
    async fn run<T: 'static>(
        &mut self,
        connection: &Resource<T>,
        sql: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Outcome, Failure>> {
        self.table.get::<Connection>(&retype(connection))?;
        let answer = self.database.query(&self.call, &Statement { sql, parameters }, Encoding::Packed).await;
        let answer = answer.and_then(whole);
        if let Err(failure) = &answer {
            self.call.budget.told(failure);
        }
        Ok(answer)
    }
}

/// The most values of a result. Here each is a value of its own in the host's memory, of a hundred bytes or so.
const MOST_VALUES: usize = 200_000;

/// Their results cannot say that rows were left out, so those are not handed over.
fn whole(outcome: Outcome) -> Result<Outcome, Failure> {
    let rows = usize::try_from(outcome.rows.count).unwrap_or(usize::MAX);
    if rows.saturating_mul(outcome.rows.columns.len()) > MOST_VALUES {
        let reason = format!("the result has more than {MOST_VALUES} values");
        return Err(Failure::new(ErrorCode::ResultTooLarge, reason).hint("select fewer columns or rows"));
    }
    if !outcome.rows.truncated {
        return Ok(outcome);
    }
    let reason = format!("the result has more than the {} rows allowed", outcome.rows.count);
    Err(Failure::new(ErrorCode::ResultTooLarge, reason)
        .hint("ask for fewer with LIMIT, or fetch them in pages"))
}
