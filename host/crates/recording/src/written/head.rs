//! The first line: what the invocation was given.

use applet_catalog::Catalog;
use applet_types::{
    AppletId, ComponentDigest, Granted, HookName, InstallationId, Limits, RequestId, TenantId, UserId,
    Variables, Version, WorkspaceId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::recording::{Head, Seed};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenHead {
    recording: u64,
    host: String,
    recorded_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    recorded_by: Option<UserId>,
    redacted: bool,
    applet: AppletId,
    version: Version,
    component: ComponentDigest,
    package: String,
    tenant: TenantId,
    workspace: WorkspaceId,
    installation: InstallationId,
    request: RequestId,
    user: Option<UserId>,
    locale: String,
    variables: Variables,
    hook: HookName,
    payload: String,
    seed: String,
    grants: Granted,
    limits: Limits,
    catalog: Catalog,
}

impl WrittenHead {
    pub(crate) fn of(head: &Head) -> Self {
        Self {
            recording: crate::FORMAT,
            host: head.host.clone(),
            recorded_at: head.recorded_at,
            expires_at: head.expires_at,
            recorded_by: head.recorded_by,
            redacted: head.redacted,
            applet: head.applet.clone(),
            version: head.version.clone(),
            component: head.component,
            package: head.package.clone(),
            tenant: head.tenant,
            workspace: head.workspace,
            installation: head.installation,
            request: head.request,
            user: head.user,
            locale: head.locale.clone(),
            variables: head.variables.clone(),
            hook: head.hook.clone(),
            payload: head.payload.clone(),
            seed: hex::encode(head.seed.0),
            grants: Granted::of(&head.grants),
            limits: head.limits.clone(),
            catalog: head.catalog.clone(),
        }
    }

    pub(crate) fn read(self) -> Result<Head, Fault> {
        let mut seed = [0; 32];
        hex::decode_to_slice(&self.seed, &mut seed)
            .map_err(|_| Fault::malformed(1, "the seed is not 64 hexadecimal digits"))?;
        let grants = self.grants.into_grants(&self.applet).map_err(|error| Fault::name(1, &error))?;
        Ok(Head {
            host: self.host,
            recorded_at: self.recorded_at,
            expires_at: self.expires_at,
            recorded_by: self.recorded_by,
            redacted: self.redacted,
            applet: self.applet,
            version: self.version,
            component: self.component,
            package: self.package,
            tenant: self.tenant,
            workspace: self.workspace,
            installation: self.installation,
            request: self.request,
            user: self.user,
            locale: self.locale,
            variables: self.variables,
            hook: self.hook,
            payload: self.payload,
            grants,
            // Whoever wrote the file may have written any number.
            limits: self.limits.lowered_to(&Limits::MAXIMUM),
            catalog: self.catalog,
            seed: Seed(seed),
        })
    }
}
