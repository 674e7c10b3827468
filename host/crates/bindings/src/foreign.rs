//! Interfaces of other hosts, from `wit/deps`.

/// `spin:postgres` 3.x and 4.x, and the `fermyon:spin/postgres` before them.
#[expect(missing_docs, reason = "the documentation is in the WIT files")]
pub mod spin {
    wasmtime::component::bindgen!({
        inline: "
            package applet:foreign-spin;
            world guest {
                import spin:postgres/postgres@4.1.0;
                import spin:postgres/postgres@3.0.0;
                import fermyon:spin/postgres@2.0.0;
            }
        ",
        path: [
            "../../../wit/deps/spin-postgres@3.0.0",
            "../../../wit/deps/spin-postgres@4.1.0",
            "../../../wit/deps/fermyon-spin@2.0.0",
        ],
        imports: { default: async | trappable },
        require_store_data_send: true,
    });
}

/// The incoming half of `wasi:http`.
#[expect(missing_docs, reason = "the documentation is in the WIT files")]
pub mod http {
    wasmtime::component::bindgen!({
        inline: "
            package applet:foreign-http;
            world guest {
                import wasi:http/types@0.2.6;
                export wasi:http/incoming-handler@0.2.6;
            }
        ",
        path: ["../../../wit/deps/wasi-io@0.2.6", "../../../wit/deps/wasi-http@0.2.6"],
        imports: { default: trappable },
        exports: { default: async },
        with: { "wasi:io": wasmtime_wasi::p2::bindings::io },
        require_store_data_send: true,
    });
}

/// Types of interfaces that are a function or two: `wasi:config`, `wasi:logging`, the variables of Spin.
pub mod small {
    use wasmtime::component::{ComponentType, Lift, Lower};

    /// `wasi:config/store.error`.
    #[derive(Debug, Clone, ComponentType, Lift, Lower)]
    #[component(variant)]
    pub enum ConfigError {
        /// What provides values does not answer.
        #[component(name = "upstream")]
        Upstream(String),
        /// It cannot be reached.
        #[component(name = "io")]
        Io(String),
    }

    /// `fermyon:spin/variables.error`.
    #[derive(Debug, Clone, ComponentType, Lift, Lower)]
    #[component(variant)]
    pub enum VariablesError {
        /// The name is none.
        #[component(name = "invalid-name")]
        InvalidName(String),
        /// There is no such variable.
        #[component(name = "undefined")]
        Undefined(String),
        /// What provides values fails.
        #[component(name = "provider")]
        Provider(String),
        /// Anything else.
        #[component(name = "other")]
        Other(String),
    }

    /// `wasi:logging/logging.level`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
    #[component(enum)]
    #[repr(u8)]
    pub enum LogLevel {
        /// Every step.
        #[component(name = "trace")]
        Trace,
        /// For the developer.
        #[component(name = "debug")]
        Debug,
        /// What happens normally.
        #[component(name = "info")]
        Info,
        /// Worth a look.
        #[component(name = "warn")]
        Warn,
        /// Something failed.
        #[component(name = "error")]
        Error,
        /// Nothing works.
        #[component(name = "critical")]
        Critical,
    }
}
