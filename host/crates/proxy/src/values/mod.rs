//! Values on their way to and from PostgreSQL.
//!
//! *Invariant:* no error from here repeats a value.
//!
//! [`fit`] makes a guest's value fit the type that the server says a parameter has; [`decode`] turns result
//! fields into packed cells or JSON text.

mod array;
mod calendar;
mod decode;
mod fit;
mod json;
mod numeric;
pub(crate) mod oid;

pub(crate) use decode::{Cursor, Damaged, Decoder, Unpacked};
pub(crate) use fit::{Fit, fit};
