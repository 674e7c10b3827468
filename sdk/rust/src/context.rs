//! Who is calling, for whom, and what was granted.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use crate::bindings::imports::applet::host::context;

pub use crate::bindings::imports::applet::host::context::{Invocation, Permission};

/// The invocation that this instance serves.
pub fn current() -> Invocation {
    context::current()
}

/// Whether rows of this table can be soft deleted, as far as the host says. Asked once per instance.
pub(crate) fn soft_deletable(table: &str) -> bool {
    thread_local! {
        static KNOWN: OnceCell<BTreeMap<String, bool>> = const { OnceCell::new() };
    }
    KNOWN.with(|known| {
        let ask =
            || current().permissions.into_iter().map(|each| (each.table, each.soft_deletable)).collect();
        known.get_or_init(ask).get(table).copied().unwrap_or(false)
    })
}
