//! Write applets in Rust.
//!
//! An applet is a WebAssembly component (`cargo build --target wasm32-wasip2`) whose hooks the host calls. It
//! reaches nothing but the database, a log and a clock, and of the database only the rows of the tenant that
//! it is called for, in the tables that its manifest asks for and an admin granted.
//!
//! ```no_run
//! use applet_sdk::{Result, db, params};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Request { since: String }
//!
//! #[derive(Serialize)]
//! struct Answer { clients: i64 }
//!
//! fn count(request: Request) -> Result<Answer> {
//!     let rows = db::query("SELECT count(*) FROM clients WHERE created_at > $1", params![request.since])?;
//!     Ok(Answer { clients: rows.scalar()? })
//! }
//!
//! applet_sdk::export! { named: { "count" => count } }
//! # fn main() {}
//! ```
//!
//! Start at [`db`] for statements and transactions, [`db::table`] for the query builder, and [`export!`] for hooks.

extern crate self as applet_sdk;

#[doc(hidden)]
pub mod bindings;
mod builder;
mod column;
pub mod context;
pub mod db;
mod error;
#[doc(hidden)]
pub mod hooks;
mod json_rows;
pub mod log;
mod rows;
mod scalar;
mod sql;
mod time;
mod value;

#[doc(hidden)]
pub use wit_bindgen::rt;

pub use builder::{Order, Query, Record};
pub use column::ColumnIndex;
pub use error::{Error, ErrorKind, HookError, Result};
pub use json_rows::JsonRows;
pub use rows::{Cell, Column, ColumnType, FromCell, FromRow, Iter, Row, Rows};
pub use scalar::{Decimal, Json, Uuid};
pub use time::{Date, Interval, Time, Timestamp};
pub use value::Value;
