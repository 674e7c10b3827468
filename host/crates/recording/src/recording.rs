//! What is recorded of an invocation.

use std::fmt;

use applet_catalog::Catalog;
use applet_types::{
    AppletId, ComponentDigest, Encoding, Failure, Grants, HookError, HookName, InstallationId, Limits,
    Outcome, RequestId, Statement, TenantId, Usage, UserId, Variables, Version, WorkspaceId,
};
use chrono::{DateTime, Utc};

/// The format that is written and read.
pub const FORMAT: u64 = 1;

/// One invocation, from what it was given to what it answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What it was given.
    pub head: Head,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What its clocks showed.
    pub readings: Readings,
    /// How it ended.
    pub ending: Ending,
    /// What it used.
    pub usage: Usage,
}

/// Everything that an invocation is given before it asks for anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The version of the host that recorded it.
    pub host: String,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Until when it may be kept, if it holds somebody's data.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who had it recorded, if a user of the tenant.
    pub recorded_by: Option<UserId>,
    /// Whether values were replaced.
    pub redacted: bool,
    /// The applet.
    pub applet: AppletId,
    /// Its version.
    pub version: Version,
    /// The component that ran.
    pub component: ComponentDigest,
    /// The digest of the package that was approved: manifest, component and assets.
    pub package: String,
    /// Whose rows.
    pub tenant: TenantId,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Installed as.
    pub installation: InstallationId,
    /// The call, as logs and the audit trail have it.
    pub request: RequestId,
    /// On whose behalf, if a user's.
    pub user: Option<UserId>,
    /// The user's language.
    pub locale: String,
    /// What its manifest tells it as variables.
    pub variables: Variables,
    /// The hook.
    pub hook: HookName,
    /// Its argument, JSON text.
    pub payload: String,
    /// What was granted.
    pub grants: Grants,
    /// What it was held to.
    pub limits: Limits,
    /// Of the database's catalogue, the tables that were granted and those that their keys lead to.
    pub catalog: Catalog,
    /// Where its random numbers came from.
    pub seed: Seed,
}

/// What chance is made from. Whoever has it knows every random number of the invocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(***)")
    }
}

/// What came back, or why nothing did; `None` when the invocation was over before.
pub type Answer<T> = Option<Result<T, Failure>>;

/// Something that an invocation did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It sent a statement, or several at once.
    Asked(Asked),
    /// It opened a transaction.
    Begun(Begun),
    /// It ended one.
    Ended(Ended),
    /// It wrote a line to its log.
    Line(Line),
}

/// A statement or a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// In which transaction, by its number.
    pub transaction: Option<u32>,
    /// One, or those of a batch.
    pub statements: Vec<Statement>,
    /// Whether it was a batch, be it of one.
    pub batch: bool,
    /// How rows were asked for.
    pub encoding: Encoding,
    /// One outcome for each statement.
    pub answer: Answer<Vec<Outcome>>,
}

/// A transaction that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its number: they are counted from 1.
    pub transaction: u32,
    /// Whether it could be.
    pub answer: Answer<()>,
}

/// A transaction that was ended by the guest. One that is dropped is rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its number.
    pub transaction: u32,
    /// Whether to keep what it did.
    pub commit: bool,
    /// What came of it.
    pub answer: Answer<()>,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Details for the developer.
    Debug,
    /// What happens normally.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How important.
    pub level: Level,
    /// Its text, control characters escaped.
    pub text: String,
}

/// What clocks showed, reading by reading: a value, and how often it was read in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// The wall clock, milliseconds since 1970.
    pub wall: Vec<(u64, u32)>,
    /// The monotonic clock, nanoseconds.
    pub monotonic: Vec<(u64, u32)>,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, JSON text.
    Answer(String),
    /// With the applet's own error, or its crash.
    Refused {
        /// The applet's code, or `crashed`.
        code: String,
        /// The applet's words.
        message: String,
    },
    /// The component has no such hook.
    NoSuchHook,
    /// The host ended it.
    Host(Box<Failure>),
}

impl From<Result<String, HookError>> for Ending {
    fn from(outcome: Result<String, HookError>) -> Self {
        match outcome {
            Ok(answer) => Self::Answer(answer),
            Err(HookError::Applet { code, message }) => Self::Refused { code, message },
            Err(HookError::NoSuchHook(_)) => Self::NoSuchHook,
            Err(HookError::Host(failure)) => Self::Host(Box::new(failure)),
        }
    }
}

impl Head {
    /// Of a catalogue, what the gate needs for statements under these grants: the granted tables whole, and of
    /// those that their foreign keys lead to how their rows belong to tenants.
    pub fn needed(catalog: &Catalog, grants: &Grants) -> Catalog {
        let granted: Vec<_> = grants.tables().filter_map(|(name, _)| catalog.table(name)).cloned().collect();
        let targets = granted.iter().flat_map(|table| &table.foreign_keys).map(|key| &key.target);
        let mut bare: Vec<_> = targets
            .filter(|target| grants.table(target).is_none())
            .filter_map(|target| catalog.table(target))
            .cloned()
            .collect();
        for table in &mut bare {
            table.columns.clear();
            table.unique_keys.clear();
            table.foreign_keys.clear();
        }
        Catalog::new(bare.into_iter().chain(granted)).taking_tenant(catalog.tenant_form())
    }
}
