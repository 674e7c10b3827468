//! What `bindgen!` makes of `wit`, and nothing else: the macro is dear to compile, so
//! nothing that changes often lives beside it.
//!
//! *Invariant:* no behaviour here. `applet-runtime` implements the `Host` traits and looks the exported
//! interfaces up one by one, because an applet exports only the hooks it has. `AppletPre` and friends, which
//! want all of them, are not for use.

/// What a guest's `transaction` handle stands for. Dropping it rolls the transaction back.
pub type OpenTransaction = Box<dyn applet_types::Transaction>;

#[expect(missing_docs, reason = "the documentation is in the WIT files")]
mod generated {
    wasmtime::component::bindgen!({
        world: "applet",
        path: "../../../wit/applet-host@0.1.0",
        imports: {
            "applet:host/db": async | trappable,
            "applet:host/context": trappable,
            "applet:host/log": trappable,
        },
        exports: { default: async },
        with: { "applet:host/db.transaction": crate::OpenTransaction },
        require_store_data_send: true,
    });
}

pub mod foreign;

pub use generated::applet::host::{context, db, hook_types, log, types};
pub use generated::exports::applet::host::{
    named_hooks, on_disable, on_enable, on_install, on_uninstall, on_upgrade,
};
