//! Why a file is no recording that can be played.

use applet_types::InvalidName;

/// What is wrong with a file. Its words quote nothing of the file but names of fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is something else.
    #[error("this is not a recording: {0}")]
    NotARecording(String),
    /// Another host's format.
    #[error("this recording has format {0}, and this program reads format {expected}: use the program that made it", expected = crate::FORMAT)]
    Version(u64),
    /// It ends too early.
    #[error("the recording is cut off: its last line is missing")]
    Truncated,
    /// It is not what was written.
    #[error("the recording was changed or damaged: its checksum does not fit")]
    Damaged,
    /// More than anybody records.
    #[error("the recording is too large: {0}")]
    TooLarge(String),
    /// A line that says what cannot be.
    #[error("line {line} of the recording cannot be read: {reason}")]
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Fault {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotARecording(_) => "not-a-recording",
            Self::Version(_) => "recording-version",
            Self::Truncated => "recording-truncated",
            Self::Damaged => "recording-damaged",
            Self::TooLarge(_) => "recording-too-large",
            Self::Malformed { .. } => "recording-malformed",
        }
    }

    pub(crate) fn malformed(line: usize, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { line, reason: reason.to_string() }
    }

    pub(crate) fn name(line: usize, error: &InvalidName) -> Self {
        Self::malformed(line, error)
    }
}
