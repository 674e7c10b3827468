//! Who a command acts for: the bearer of a token, checked as HTTP checks it.

use applet_api::token::Caller;
use applet_lifecycle::{LifecycleError, OpContext};
use applet_types::{AppletId, RequestId, WorkspaceId};
use applet_wiring::HostError;
use clap::Args;
use uuid::Uuid;

use super::Place;
use crate::output::CommandError;

/// Where and for whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct Operator {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A token of the tenant; `applet token` makes one.
    #[arg(long, env = "APPLET_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: String,
}

impl Operator {
    /// Who the token speaks for.
    pub(crate) fn caller(&self) -> Result<Caller, CommandError> {
        self.place
            .token_key()?
            .verifier()
            .verify(&self.token)
            .map_err(|error| CommandError::usage(format!("{error}; `applet token` makes a new one")))
    }

    /// The caller as operations want to know them.
    pub(crate) fn context(&self) -> Result<OpContext, CommandError> {
        self.caller().map(|caller| context(&caller))
    }
}

/// An applet in a workspace.
#[derive(Debug, Clone, Args)]
pub(crate) struct Where {
    /// The applet's id.
    #[arg(value_name = "APPLET")]
    pub(crate) applet: AppletId,
    /// The workspace.
    #[arg(long, value_name = "UUID")]
    pub(crate) workspace: WorkspaceId,
}

/// What operations want to know of a caller.
pub(crate) fn context(caller: &Caller) -> OpContext {
    OpContext::of(caller, RequestId::new(Uuid::now_v7()))
}

/// An operation's refusal, for the terminal: whoever sits there runs the host, so the database's own words
/// are for them.
pub(crate) fn refused(error: LifecycleError) -> CommandError {
    HostError::from(error).into()
}
