//! Looks its configuration up by both drafts of `wasi:config` that are in use, and logs by `wasi:logging`, beside
//! hooks of this host.

use applet_sdk::HookError;
use serde::Serialize;

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:wasi;
            world wasi {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:config/store@0.2.0-draft-2024-09-27;
                import wasi:logging/logging@0.1.0-draft;
            }
        ",
        path: ["wit/config-rc", "wit/config-draft", "wit/logging"],
        generate_all,
    });
}

use bindings::wasi::config0_2_0_draft_2024_09_27::store as draft;
use bindings::wasi::config0_2_0_rc_1::store as candidate;
use bindings::wasi::logging::logging::{Level, log};

#[derive(Serialize)]
struct Found {
    draft: Option<String>,
    candidate: Option<String>,
    all: Vec<(String, String)>,
}

fn look_up(key: String) -> Result<Found, HookError> {
    let failed = |why: String| HookError::new("config", why);
    Ok(Found {
        draft: draft::get(&key).map_err(|error| failed(format!("{error:?}")))?,
        candidate: candidate::get(&key).map_err(|error| failed(format!("{error:?}")))?,
        all: candidate::get_all().map_err(|error| failed(format!("{error:?}")))?,
    })
}

fn write(message: String) -> Result<(), HookError> {
    log(Level::Trace, "", &message);
    log(Level::Critical, "billing", &message);
    Ok(())
}

applet_sdk::export! { named: { "look-up" => look_up, "write" => write } }
