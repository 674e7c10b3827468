//! A workspace's database: connecting to it, reading what it looks like, building the second wall around
//! applets, and the private PostgreSQL that the host starts when it is given none.
//!
//! *Invariant:* existing columns, defaults and data are never touched; what we add of our own lives in
//! schema `applet_host`. No type of the driver is visible outside. An error's text is for operators only.
//!
//! Start reading at [`wall::prepare`] and [`catalog::read`]; the private server is [`embedded::Postgres`].

mod admin;
pub mod adopt;
pub mod catalog;
pub mod check;
pub mod ddl;
pub mod doctor;
pub mod embedded;
mod error;
mod hba;
pub mod indexes;
pub mod locks;
pub mod own_rows;
pub mod rewind;
mod sql;
pub mod twin;
mod version;
pub mod wall;

pub use admin::Admin;
pub use error::{Answer, Error};
pub use version::Version;
