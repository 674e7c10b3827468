//! What guests can call, one file per interface. *Invariant:* every function counts itself first, and none
//! logs a statement, a parameter or a row.

mod config;
mod context;
mod db;
mod log;

use applet_bindings::{hook_types, types};

use crate::guest::Guest;

pub(crate) use config::{CONFIG, LOGGING, add_to_linker as add_config_and_logging};

impl types::Host for Guest {}
impl hook_types::Host for Guest {}
