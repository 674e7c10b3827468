//! Small interfaces of others: variables of the manifest (`wasi:config`, Spin's) and `wasi:logging`.
//!
//! They are a function or two each, so they are here by hand. A version of `wasi:config` that is a draft fits itself
//! only, which is why each draft is listed.

use applet_bindings::foreign::small::{ConfigError, LogLevel, VariablesError};
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::guest::Guest;
use crate::log::GuestLogLevel;

/// The drafts of `wasi:config/store`, which are alike.
pub(crate) const CONFIG: &[&str] = &[
    "wasi:config/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:config/store@0.2.0-rc.1",
];

/// `wasi:logging`, as it is in use.
pub(crate) const LOGGING: &[&str] = &["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

const SPIN_VARIABLES: &str = "fermyon:spin/variables@2.0.0";

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for name in CONFIG {
        let mut store = linker.instance(name)?;
        store.func_wrap("get", |guest: StoreContextMut<'_, Guest>, (key,): (String,)| {
            Ok((guest.data().config(&key)?,))
        })?;
        store.func_wrap("get-all", |guest: StoreContextMut<'_, Guest>, (): ()| {
            Ok((guest.data().all_config()?,))
        })?;
    }
    for name in LOGGING {
        linker.instance(name)?.func_wrap(
            "log",
            |guest: StoreContextMut<'_, Guest>, (level, context, message): (LogLevel, String, String)| {
                guest.data().write_log(level, &context, &message)
            },
        )?;
    }
    let mut variables = linker.instance(SPIN_VARIABLES)?;
    variables.func_wrap("get", |guest: StoreContextMut<'_, Guest>, (name,): (String,)| {
        Ok((guest.data().variable(&name)?,))
    })
}

impl Guest {
    fn config(&self, key: &str) -> wasmtime::Result<Result<Option<String>, ConfigError>> {
        self.count_host_call()?;
        Ok(Ok(self.call.variables.get(key).map(str::to_owned)))
    }

    fn all_config(&self) -> wasmtime::Result<Result<Vec<(String, String)>, ConfigError>> {
        self.count_host_call()?;
        let pairs = self.call.variables.iter();
        Ok(Ok(pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()))
    }

    fn variable(&self, name: &str) -> wasmtime::Result<Result<String, VariablesError>> {
        self.count_host_call()?;
        let text = self.call.variables.get(name).map(str::to_owned);
        Ok(text.ok_or_else(|| {
            VariablesError::Undefined("the manifest's `variables` does not have it".to_owned())
        }))
    }

    fn write_log(&self, level: LogLevel, context: &str, message: &str) -> wasmtime::Result<()> {
        self.count_host_call()?;
        let level = match level {
            LogLevel::Trace | LogLevel::Debug => GuestLogLevel::Debug,
            LogLevel::Info => GuestLogLevel::Info,
            LogLevel::Warn => GuestLogLevel::Warn,
            LogLevel::Error | LogLevel::Critical => GuestLogLevel::Error,
        };
        if context.is_empty() {
            self.log.line(level, message);
        } else {
            self.log.line(level, &format!("{context}: {message}"));
        }
        Ok(())
    }
}
