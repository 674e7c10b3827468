//! The store on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod audit;
mod common;
mod records;
