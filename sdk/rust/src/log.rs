//! Lines for the applet's log. At most 16 KiB per invocation are kept.

use crate::bindings::imports::applet::host::log::{Level, write};

/// Details for the developer.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// What happens normally.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Worth a look.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Something failed.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}
