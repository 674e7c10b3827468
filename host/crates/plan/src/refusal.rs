//! Why an applet cannot be installed in a database.

use std::fmt;

use serde::Serialize;

/// The stable code of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// A requested table does not exist, or applets cannot see it.
    UnknownTable,
    /// A requested table exists, and the operator has not adopted it.
    NotAdopted,
    /// A requested column does not exist.
    UnknownColumn,
    /// A global reference table would be written.
    ReadOnlyTable,
    /// The name of an own table is that of another table.
    NameTaken,
    /// An own table exists with another shape.
    TableDiffers,
    /// A change of version is more than an addition: other versions use the same table.
    NotAdditive,
    /// A foreign key cannot be made.
    InvalidForeignKey,
    /// The database has no usable table `tenants`.
    NoTenants,
    /// A statement that the host made does not pass its own check: a fault of the host.
    UnvettedStatement,
}

impl ProblemCode {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTable => "unknown-table",
            Self::NotAdopted => "not-adopted",
            Self::UnknownColumn => "unknown-column",
            Self::ReadOnlyTable => "read-only-table",
            Self::NameTaken => "name-taken",
            Self::TableDiffers => "table-differs",
            Self::NotAdditive => "not-additive",
            Self::InvalidForeignKey => "invalid-foreign-key",
            Self::NoTenants => "no-tenants",
            Self::UnvettedStatement => "unvetted-statement",
        }
    }
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The stable code.
    pub code: ProblemCode,
    /// The table concerned, by its physical name; empty when it is no table's fault.
    pub table: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code.as_str())
    }
}

/// All reasons. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PlanRefusal(Vec<Problem>);

impl PlanRefusal {
    /// `Err` when there is a problem.
    pub(crate) fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    pub(crate) fn no_tenants() -> Self {
        Self(vec![Problem {
            code: ProblemCode::NoTenants,
            table: "tenants".to_owned(),
            message: "the database has no table `tenants` with a unique `id` of type uuid".to_owned(),
        }])
    }

    pub(crate) fn unvetted(step: &str, reason: &str) -> Self {
        let message = format!("a statement to {step} does not pass the host's own check: {reason}");
        Self(vec![Problem { code: ProblemCode::UnvettedStatement, table: String::new(), message }])
    }

    /// All reasons.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for PlanRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanRefusal {}
