//! How it all hangs together: a database, the store in it, a proxy in front of it, and a runtime whose applets
//! reach data through that proxy only. Both who runs the host as a program (`applet`) and who has it in their
//! own process (`applet-host`) stand on this.
//!
//! *Invariants:* nothing is printed here, and no variable of the environment is read but by
//! [`config::Config::load`] and by what PostgreSQL's own clients go by; what there is to say goes to a
//! [`Teller`].
//!
//! Start reading at [`Host::open`], then [`Serving`] (what runs beside the calls) and [`service`] (a call).

pub mod audit;
mod compiler;
pub mod config;
pub mod endpoint;
mod error;
mod files;
mod host;
mod housekeeping;
mod lifecycle_hooks;
pub mod logs;
pub mod service;
mod serving;
pub mod socket;
mod tell;

pub use compiler::Compiler;
pub use error::HostError;
pub use files::{private_folder, secret_file};
pub use host::{
    GuestsReach, Host, Opening, Purpose, Script, Workbench, catalog_options, directory_of, read_catalog,
    redis,
};
pub use serving::Serving;
pub use tell::{Notice, Teller};
