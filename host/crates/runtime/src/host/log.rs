//! A guest's lines for its log.

use applet_bindings::log::{Host, Level};

use crate::guest::Guest;
use crate::log::GuestLogLevel;

impl Host for Guest {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.count_host_call()?;
        let level = match level {
            Level::Debug => GuestLogLevel::Debug,
            Level::Info => GuestLogLevel::Info,
            Level::Warn => GuestLogLevel::Warn,
            Level::Error => GuestLogLevel::Error,
        };
        self.log.line(level, &message);
        Ok(())
    }
}
