//! The hooks of a component. Each is an interface of its own and optional, so they are looked up one by one.

use applet_bindings::foreign::http::exports::wasi::http::incoming_handler;
use applet_bindings::hook_types::HookError as Refusal;
use applet_bindings::{named_hooks, on_disable, on_enable, on_install, on_uninstall, on_upgrade};
use applet_types::{HookCall, HookError, HookName};
use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::guest::Guest;
use crate::http;

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
    http: Option<incoming_handler::GuestIndices>,
}

/// What a hook gave, or why there is none.
pub(crate) type Answer = Result<String, HookError>;

/// What an instance answers named hooks with, ready to be called.
pub(crate) enum NamedHooks {
    /// Our own interface.
    Ours(named_hooks::Guest),
    /// A handler of requests, which the hooks make.
    Http(incoming_handler::Guest),
}

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
            http: incoming_handler::GuestIndices::new(&pre).ok(),
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
            HookCall::Named { name, payload } => self.call_named(store, warm, name, payload).await,
        }
    }

    async fn call_named(
        &self,
        store: &mut Store<Guest>,
        warm: &mut Option<NamedHooks>,
        name: &HookName,
        payload: &str,
    ) -> wasmtime::Result<Answer> {
        let missing = || HookError::NoSuchHook(name.to_string());
        let hooks = match warm.take() {
            Some(hooks) => hooks,
            None => match self.named_hooks(store).await? {
                Some(hooks) => hooks,
                None => return Ok(Err(missing())),
            },
        };
        let answer = match &hooks {
            NamedHooks::Ours(guest) => {
                let answer = guest.call_call(&mut *store, name.as_str(), payload).await?;
                answer.map_err(|error| if error.code == NO_SUCH_HOOK { missing() } else { refusal(error) })
            }
            NamedHooks::Http(guest) => match http::request(name, payload) {
                Ok(request) => {
                    let (request, outparam) = store.data_mut().hand_request(request)?;
                    guest.call_handle(&mut *store, request, outparam).await?;
                    store.data_mut().take_answer()
                }
                Err(error) => Err(error),
            },
        };
        *warm = Some(hooks);
        Ok(answer)
    }

    /// Makes an instance for named hooks. Our own interface counts before the handler of requests.
    async fn named_hooks(&self, store: &mut Store<Guest>) -> wasmtime::Result<Option<NamedHooks>> {
        if self.named.is_none() && self.http.is_none() {
            return Ok(None);
        }
        let instance = self.pre.instantiate_async(&mut *store).await?;
        if let Some(indices) = &self.named {
            return Ok(Some(NamedHooks::Ours(indices.load(&mut *store, &instance)?)));
        }
        let Some(indices) = &self.http else { return Ok(None) };
        Ok(Some(NamedHooks::Http(indices.load(&mut *store, &instance)?)))
    }
}

fn refusal(error: Refusal) -> HookError {
    let cut = |text: String, most| text.chars().take(most).collect();
    HookError::Applet { code: cut(error.code, CODE_LENGTH), message: cut(error.message, MESSAGE_LENGTH) }
}
