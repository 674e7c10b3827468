//! What stands between the exported functions and the applet's own: JSON in, JSON out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::HookError;

/// The host knows this code: it means that the applet has no such hook.
const NO_SUCH_HOOK: &str = "no-such-hook";

/// Reads the payload, calls the hook and writes its answer. An empty payload is `null`.
#[doc(hidden)]
pub fn run<I, O, E>(hook: impl FnOnce(I) -> Result<O, E>, payload: &str) -> Result<String, HookError>
where
    I: DeserializeOwned,
    O: Serialize,
    E: Into<HookError>,
{
    let payload = if payload.trim().is_empty() { "null" } else { payload };
    let input = serde_json::from_str(payload)
        .map_err(|error| HookError::new("bad-payload", format!("the payload does not fit: {error}")))?;
    let answer = hook(input).map_err(Into::into)?;
    serde_json::to_string(&answer).map_err(|error| {
        HookError::new("bad-answer", format!("the answer cannot be written as JSON: {error}"))
    })
}

/// The answer for a name that is not in the list.
#[doc(hidden)]
pub fn unknown(name: &str) -> Result<String, HookError> {
    Err(HookError::new(NO_SUCH_HOOK, format!("there is no hook `{name}`")))
}

/// Exports an applet's hooks.
///
/// Named hooks take anything that `serde` can read and give anything that it can write; lifecycle hooks take
/// nothing, but for `on_upgrade`, which takes the version that was active before. What is not listed is not
/// exported, and the host checks at submit that the manifest's hooks are there.
///
/// ```
/// use applet_sdk::{HookError, Result};
///
/// fn setup() -> Result<()> { Ok(()) }
/// fn upgrade(from: &str) -> Result<(), HookError> { Ok(()) }
/// fn double(number: i64) -> Result<i64> { Ok(number * 2) }
///
/// applet_sdk::export! {
///     named: { "double" => double },
///     on_install: setup,
///     on_upgrade: upgrade,
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($($hooks:tt)*) => {
        #[doc(hidden)]
        struct __Applet;
        $crate::__export_hooks!($($hooks)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_hooks {
    () => {};
    (named: { $($name:literal => $hook:path),* $(,)? } $(, $($rest:tt)*)?) => {
        impl $crate::bindings::named_hooks::exports::applet::host::named_hooks::Guest for __Applet {
            fn call(
                name: String,
                payload: String,
            ) -> Result<String, $crate::bindings::named_hooks::exports::applet::host::named_hooks::HookError> {
                let answer = match name.as_str() {
                    $($name => $crate::hooks::run($hook, &payload),)*
                    _ => $crate::hooks::unknown(&name),
                };
                answer.map_err(|error| {
                    $crate::bindings::named_hooks::exports::applet::host::named_hooks::HookError {
                        code: error.code,
                        message: error.message,
                    }
                })
            }
        }
        $crate::bindings::named_hooks::export_named_hooks!(__Applet);
        $crate::__export_hooks!($($($rest)*)?);
    };
    (on_install: $hook:path $(, $($rest:tt)*)?) => {
        $crate::__export_lifecycle!(on_install, export_on_install, $hook);
        $crate::__export_hooks!($($($rest)*)?);
    };
    (on_upgrade: $hook:path $(, $($rest:tt)*)?) => {
        $crate::__export_lifecycle!(on_upgrade, export_on_upgrade, $hook, from_version);
        $crate::__export_hooks!($($($rest)*)?);
    };
    (on_uninstall: $hook:path $(, $($rest:tt)*)?) => {
        $crate::__export_lifecycle!(on_uninstall, export_on_uninstall, $hook);
        $crate::__export_hooks!($($($rest)*)?);
    };
    (on_enable: $hook:path $(, $($rest:tt)*)?) => {
        $crate::__export_lifecycle!(on_enable, export_on_enable, $hook);
        $crate::__export_hooks!($($($rest)*)?);
    };
    (on_disable: $hook:path $(, $($rest:tt)*)?) => {
        $crate::__export_lifecycle!(on_disable, export_on_disable, $hook);
        $crate::__export_hooks!($($($rest)*)?);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_lifecycle {
    ($module:ident, $export:ident, $hook:path $(, $argument:ident)?) => {
        impl $crate::bindings::$module::exports::applet::host::$module::Guest for __Applet {
            fn run(
                $($argument: String)?
            ) -> Result<(), $crate::bindings::$module::exports::applet::host::$module::HookError> {
                $hook($(&$argument)?).map_err(|error| {
                    let error: $crate::HookError = error.into();
                    $crate::bindings::$module::exports::applet::host::$module::HookError {
                        code: error.code,
                        message: error.message,
                    }
                })
            }
        }
        $crate::bindings::$module::$export!(__Applet);
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn double(number: i64) -> Result<i64, Error> {
        Ok(number * 2)
    }

    #[test]
    fn s4x_8_named_hooks_take_and_give_json() {
        assert_eq!(run(double, "21").unwrap(), "42");
        assert_eq!(run(double, "\"x\"").unwrap_err().code, "bad-payload");
        assert_eq!(run(|(): ()| Ok::<_, Error>("ok"), "").unwrap(), "\"ok\"");
        assert_eq!(unknown("x").unwrap_err().code, NO_SUCH_HOOK);
    }

    #[test]
    fn s4x_8_an_error_of_the_host_becomes_the_hooks_error_with_its_code() {
        let refused = |(): ()| Err::<(), _>(Error::decode("no"));
        assert_eq!(run(refused, "").unwrap_err().code, "decode");
    }
}
