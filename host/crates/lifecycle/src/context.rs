//! Who asks for an operation.

use applet_types::{Actor, Caller, RequestId, Role, TenantId, UserId};

use crate::LifecycleError;

/// What somebody is to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Decides about applets.
    Admin,
    /// Uses applets.
    Member,
    /// The host platform itself.
    Platform,
}

/// The first argument of every operation. *Invariant:* tenant and standing come from a token (or from the
/// operator's own command line), never from a request's body.
#[derive(Debug, Clone, Copy)]
pub struct OpContext {
    /// Follows the operation through logs and audit.
    pub request: RequestId,
    /// Whose resources it may touch.
    pub tenant: TenantId,
    /// Who asks.
    pub actor: Actor,
    /// What they are to the tenant.
    pub standing: Standing,
}

impl OpContext {
    /// What operations want to know of a caller.
    pub const fn of(caller: &Caller, request: RequestId) -> Self {
        let standing = match caller.role {
            Role::Admin => Standing::Admin,
            Role::Member => Standing::Member,
            Role::Platform => Standing::Platform,
        };
        Self { request, tenant: caller.tenant, actor: caller.actor(), standing }
    }

    /// The user who asks, if it is one.
    pub const fn user(&self) -> Option<UserId> {
        self.actor.user()
    }

    /// Passes for admins only: approving takes a person who answers for the tenant (SPEC Decision 20), and so
    /// does reading its audit trail.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NotAdmin`].
    pub fn decide(&self) -> Result<(), LifecycleError> {
        match self.standing {
            Standing::Admin => Ok(()),
            Standing::Member | Standing::Platform => Err(LifecycleError::NotAdmin),
        }
    }

    /// Passes for admins and the platform: applying what was decided.
    pub(crate) fn manage(&self) -> Result<(), LifecycleError> {
        match self.standing {
            Standing::Admin | Standing::Platform => Ok(()),
            Standing::Member => Err(LifecycleError::NotAdmin),
        }
    }
}
