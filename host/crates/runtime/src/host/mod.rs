//! What guests can call, one file per interface. *Invariant:* every function counts itself first, and none
//! logs a statement, a parameter or a row.

mod context;
mod db;
mod log;

use applet_bindings::{hook_types, types};

use crate::guest::Guest;

impl types::Host for Guest {}
impl hook_types::Host for Guest {}
