//! The hooks of a component. Each is an interface of its own and optional, so they are looked up one by one.

use applet_bindings::hook_types::HookError as Refusal;
use applet_bindings::{named_hooks, on_disable, on_enable, on_install, on_uninstall, on_upgrade};
use applet_types::{HookCall, HookError};
use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::guest::Guest;

/// What an SDK answers for a named hook that it does not know; part of `hooks.wit`.
const NO_SUCH_HOOK: &str = "no-such-hook";

/// Characters kept of an applet's own error.
const CODE_LENGTH: usize = 100;
const MESSAGE_LENGTH: usize = 2_000;

pub(crate) struct Hooks {
    pre: InstancePre<Guest>,
    install: Option<on_install::GuestIndices>,
    upgrade: Option<on_upgrade::GuestIndices>,
    uninstall: Option<on_uninstall::GuestIndices>,
    enable: Option<on_enable::GuestIndices>,
    disable: Option<on_disable::GuestIndices>,
    named: Option<named_hooks::GuestIndices>,
}

/// What a hook gave, or why there is none.
pub(crate) type Answer = Result<String, HookError>;

/// The named hooks of an instance, ready to be called.
pub(crate) type NamedHooks = named_hooks::Guest;

/// Instantiates and calls one lifecycle hook. A macro, because each interface has types of its own.
macro_rules! lifecycle {
    ($hooks:ident, $store:ident, $field:ident, $name:literal, $function:ident $(, $argument:expr)?) => {{
        let Some(indices) = &$hooks.$field else { return Ok(Err(HookError::NoSuchHook($name.to_owned()))) };
        let instance = $hooks.pre.instantiate_async(&mut *$store).await?;
        let guest = indices.load(&mut *$store, &instance)?;
        Ok(guest.$function(&mut *$store $(, $argument)?).await?.map(|()| String::new()).map_err(refusal))
    }};
}

impl Hooks {
    /// Finds the hooks that a component exports.
    pub(crate) fn of(pre: InstancePre<Guest>) -> Self {
        Self {
            install: on_install::GuestIndices::new(&pre).ok(),
            upgrade: on_upgrade::GuestIndices::new(&pre).ok(),
            uninstall: on_uninstall::GuestIndices::new(&pre).ok(),
            enable: on_enable::GuestIndices::new(&pre).ok(),
            disable: on_disable::GuestIndices::new(&pre).ok(),
            named: named_hooks::GuestIndices::new(&pre).ok(),
            pre,
        }
    }

    /// Calls the hook, a named one in the instance that is `warm`, everything else in a new instance. What
    /// can be called again is left in `warm`. The outer error is what ended the guest.
    pub(crate) async fn call(
        &self,
        store: &mut Store<Guest>,
        warm: &mut Option<NamedHooks>,
        hook: &HookCall,
    ) -> wasmtime::Result<Answer> {
        match hook {
            HookCall::Install => lifecycle!(self, store, install, "on-install", call_run),
            HookCall::Upgrade { from } => {
                lifecycle!(self, store, upgrade, "on-upgrade", call_run, &from.to_string())
            }
            HookCall::Uninstall => lifecycle!(self, store, uninstall, "on-uninstall", call_run),
            HookCall::Enable => lifecycle!(self, store, enable, "on-enable", call_run),
            HookCall::Disable => lifecycle!(self, store, disable, "on-disable", call_run),
            HookCall::Named { name, payload } => {
                let missing = || HookError::NoSuchHook(name.to_string());
                let Some(indices) = &self.named else { return Ok(Err(missing())) };
                let guest = match warm.take() {
                    Some(guest) => guest,
                    None => {
                        let instance = self.pre.instantiate_async(&mut *store).await?;
                        indices.load(&mut *store, &instance)?
                    }
                };
                let answer = guest.call_call(&mut *store, name.as_str(), payload).await?;
                *warm = Some(guest);
                Ok(answer
                    .map_err(|error| if error.code == NO_SUCH_HOOK { missing() } else { refusal(error) }))
            }
        }
    }
}

fn refusal(error: Refusal) -> HookError {
    let cut = |text: String, most| text.chars().take(most).collect();
    HookError::Applet { code: cut(error.code, CODE_LENGTH), message: cut(error.message, MESSAGE_LENGTH) }
}
