//! `applet token`: a bearer token, signed with this host's key.

use std::process::ExitCode;

use applet_api::token::{Caller, MAX_AGE_HOURS, Role};
use applet_types::{TenantId, UserId};
use chrono::{TimeDelta, Utc};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::Place;
use crate::output::{CommandError, Output};

/// Makes a bearer token of a tenant for this host.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet token --tenant 11111111-1111-4111-8111-111111111111 --role admin
  export APPLET_TOKEN=\"$(applet token --tenant … --role platform --hours 1)\"

Whoever can read the key in the data folder can make any token: keep the folder to the host's user.")]
pub(crate) struct Token {
    #[command(flatten)]
    place: Place,
    /// The tenant it acts in.
    #[arg(long, value_name = "UUID")]
    tenant: TenantId,
    /// admin, member or platform.
    #[arg(long)]
    role: Role,
    /// The user it speaks for; a new id when left out.
    #[arg(long, value_name = "UUID")]
    user: Option<UserId>,
    /// Hours until it expires, at most 24.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i64).range(1..=MAX_AGE_HOURS))]
    hours: i64,
}

impl Token {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let user = self.user.unwrap_or_else(|| UserId::new(Uuid::new_v4()));
        let caller = Caller { tenant: self.tenant, user, role: self.role };
        let token = self
            .place
            .token_key()?
            .issue(&caller, Utc::now(), TimeDelta::hours(self.hours))
            .map_err(crate::opening::told)?;
        output.result(&json!({ "token": token, "user": user }), &token);
        Ok(ExitCode::SUCCESS)
    }
}
