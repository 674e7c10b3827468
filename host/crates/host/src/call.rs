//! A call of a hook, and what became of it.

use std::fmt;

use applet_types::{
    AppletId, CallError, ErrorCode, Failure, HookError, HookName, HookRequest, Reply, Usage, WorkspaceId,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// A hook that is to be called. Whose rows it sees is not said here: that is the [`Caller`](crate::Caller)'s
/// tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is called until it is handed to `AppletHost::call`"]
pub struct Call {
    request: HookRequest,
}

impl Call {
    /// This hook of the applet in this workspace, without an argument.
    pub fn new(workspace: WorkspaceId, applet: &AppletId, hook: HookName) -> Self {
        let (payload, locale) = ("null".to_owned(), HookRequest::DEFAULT_LOCALE.to_owned());
        Self { request: HookRequest { workspace, applet: applet.clone(), hook, payload, locale } }
    }

    /// With this argument.
    pub fn payload(self, payload: &Value) -> Self {
        self.payload_text(payload.to_string())
    }

    /// With an argument that is JSON text already: a body that the platform hands on. It is checked when the hook
    /// is called.
    pub fn payload_text(mut self, payload: impl Into<String>) -> Self {
        self.request.payload = payload.into();
        self
    }

    /// In the language of whoever calls, a tag as BCP 47 has it; English when nothing is said.
    pub fn locale(mut self, tag: impl Into<String>) -> Self {
        self.request.locale = tag.into();
        self
    }

    /// The request, held to what the door for HTTP holds requests to.
    pub(crate) fn checked(self) -> Result<HookRequest, CallFailure> {
        let HookRequest { payload, locale, .. } = &self.request;
        let refused = |why: String| Err(CallFailure::refused(Failure::new(ErrorCode::BadParameter, why)));
        if payload.len() > HookRequest::LARGEST_PAYLOAD {
            return refused(format!("the payload has more than {} bytes", HookRequest::LARGEST_PAYLOAD));
        }
        if let Err(error) = serde_json::from_str::<IgnoredAny>(payload) {
            let (line, column) = (error.line(), error.column());
            return refused(format!("the payload is not JSON: line {line}, column {column}"));
        }
        if !HookRequest::is_locale(locale) {
            return refused("the locale is not a language tag".to_owned());
        }
        Ok(self.request)
    }
}

/// What a hook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    json: String,
    usage: Usage,
}

impl Answer {
    /// JSON text.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The same, to be kept.
    pub fn into_json(self) -> String {
        self.json
    }

    /// The answer as a value.
    ///
    /// # Errors
    ///
    /// When the applet has answered something of another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.json)
    }

    /// What the invocation has used.
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }
}

/// Why a hook gave no answer. Its text is fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    error: CallError,
    usage: Option<Usage>,
}

impl CallFailure {
    pub(crate) fn refused(error: impl Into<CallError>) -> Self {
        Self { error: error.into(), usage: None }
    }

    /// The host is closed, or has closed while the hook ran.
    pub(crate) fn closed() -> Self {
        Self::refused(Failure::new(ErrorCode::AppletDisabled, "the host is closed"))
    }

    /// A bug; the log says which.
    pub(crate) fn internal() -> Self {
        Self::refused(Failure::new(ErrorCode::Internal, "the host has failed"))
    }

    /// The stable code, as the door for HTTP gives it.
    pub fn code(&self) -> &'static str {
        match &self.error {
            CallError::NotInstalled(_) => "not-found",
            CallError::Hook(HookError::NoSuchHook(_)) => "no-such-hook",
            CallError::Hook(HookError::Applet { .. }) => "applet-error",
            CallError::Hook(HookError::Host(failure)) => failure.code.as_str(),
        }
    }

    /// What exactly.
    pub const fn error(&self) -> &CallError {
        &self.error
    }

    /// What the invocation has used, if it came to one.
    pub const fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for CallFailure {}

/// What a call came to.
pub(crate) fn outcome(reply: Reply) -> Result<Answer, CallFailure> {
    let Reply { answer, usage } = reply;
    match answer {
        // There is no answer without an invocation, and none of those without its usage.
        Ok(json) => Ok(Answer { json, usage: usage.unwrap_or_default() }),
        Err(error) => Err(CallFailure { error, usage }),
    }
}
