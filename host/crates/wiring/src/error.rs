//! Why a host could not be put together, or do one of the things beside its applets.

use std::fmt;

use applet_lifecycle::LifecycleError;

/// What went wrong, for whoever operates the host: it may hold the database's own words, so no tenant is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostError {
    /// Refused or failed, with its stable code.
    Refused {
        /// The code.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// Something about a setting, the machine or a file, and what to do.
    Usage(String),
}

impl HostError {
    /// Something to be set otherwise first.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// A refusal with a stable code.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Usage(_) => "usage",
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { message, .. } | Self::Usage(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for HostError {}

impl From<LifecycleError> for HostError {
    fn from(error: LifecycleError) -> Self {
        let message = match error.operator_detail() {
            Some(detail) => format!("{error}: {detail}"),
            None => error.to_string(),
        };
        Self::Refused { code: error.code(), message }
    }
}

/// Errors of set-up are for the operator.
pub(crate) fn told(error: impl fmt::Display) -> HostError {
    HostError::usage(error.to_string())
}
