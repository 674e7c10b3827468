//! What `wit-bindgen` makes of `wit/applet-host@0.1.0`. One world for the imports, and one for each hook, so
//! that a component exports only the hooks that its applet has.

/// Everything the host offers.
pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit/applet-host@0.1.0",
        world: "imports",
        additional_derives: [PartialEq],
        generate_unused_types: true,
        generate_all,
    });
}

macro_rules! hook_world {
    ($module:ident, $world:literal, $interface:literal, $export:literal, $bindings:literal) => {
        /// Bindings of one exported interface.
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit/applet-host@0.1.0",
                inline: $interface,
                world: $world,
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $bindings,
                runtime_path: "::applet_sdk::rt",
                generate_all,
            });
        }
    };
}

hook_world!(
    on_install,
    "sdk-on-install",
    "package applet:sdk; world sdk-on-install { export applet:host/on-install@0.1.0; }",
    "export_on_install",
    "::applet_sdk::bindings::on_install"
);
hook_world!(
    on_upgrade,
    "sdk-on-upgrade",
    "package applet:sdk; world sdk-on-upgrade { export applet:host/on-upgrade@0.1.0; }",
    "export_on_upgrade",
    "::applet_sdk::bindings::on_upgrade"
);
hook_world!(
    on_uninstall,
    "sdk-on-uninstall",
    "package applet:sdk; world sdk-on-uninstall { export applet:host/on-uninstall@0.1.0; }",
    "export_on_uninstall",
    "::applet_sdk::bindings::on_uninstall"
);
hook_world!(
    on_enable,
    "sdk-on-enable",
    "package applet:sdk; world sdk-on-enable { export applet:host/on-enable@0.1.0; }",
    "export_on_enable",
    "::applet_sdk::bindings::on_enable"
);
hook_world!(
    on_disable,
    "sdk-on-disable",
    "package applet:sdk; world sdk-on-disable { export applet:host/on-disable@0.1.0; }",
    "export_on_disable",
    "::applet_sdk::bindings::on_disable"
);
hook_world!(
    named_hooks,
    "sdk-named-hooks",
    "package applet:sdk; world sdk-named-hooks { export applet:host/named-hooks@0.1.0; }",
    "export_named_hooks",
    "::applet_sdk::bindings::named_hooks"
);
