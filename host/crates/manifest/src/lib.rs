//! Manifests: YAML text to a [`ValidatedManifest`], or every violation with its code, path and line.
//!
//! *Invariant:* a manifest is hostile input. Its text is bounded before it is parsed, aliases and duplicate
//! keys are refused, and nothing leaves this crate that was not checked: names are usable names, types known
//! types, defaults values. Does no I/O and reads no clock.
//!
//! Four stages, each one way: `yaml` (text to nodes with lines) → `read` (nodes to a document, the keys
//! and the kinds of their values) → `validate` (what it means) → [`ValidatedManifest`]. Start at [`load`].

mod column_type;
mod default_value;
mod document;
mod names;
mod path;
mod read;
mod report;
mod schema;
mod selection;
mod table;
mod validate;
mod validated;
mod violation;
mod yaml;

pub use column_type::{ColumnType, Mapping};
pub use default_value::DefaultValue;
pub use names::is_sql_word;
pub use schema::json_schema;
pub use selection::{Access, ColumnsOf, GrantRef, Selection, SelectionError};
pub use table::{OnDelete, OwnColumn, OwnForeignKey, OwnIndex, OwnTable, Target};
pub use validate::HOST_API;
pub use validated::{Cache, Hooks, Instances, LifecycleHook, NamedHook, ValidatedManifest};
pub use violation::{Violation, ViolationCode, Violations, did_you_mean};

use applet_types::{Limits, ManifestLimits};
use report::Report;

/// Loads a manifest.
///
/// # Errors
///
/// Every violation, in the order of the file. When the text cannot be read at all, just the reason.
pub fn load(bytes: &[u8]) -> Result<ValidatedManifest, Violations> {
    load_within(bytes, &ManifestLimits::default(), &Limits::default())
}

/// Loads a manifest within limits that the operator has set: how large it may be, and what the host gives
/// to an applet that lowers nothing.
///
/// # Errors
///
/// As [`load`].
pub fn load_within(
    bytes: &[u8],
    limits: &ManifestLimits,
    host: &Limits,
) -> Result<ValidatedManifest, Violations> {
    let (root, duplicates) = yaml::parse(bytes, limits)?;
    let mut report = Report::on(&root);
    for violation in duplicates {
        report.push(violation);
    }
    let manifest = read::manifest(&root, &mut report);
    let validated = validate::manifest(&manifest, limits, host, &mut report);
    match (report.finish(), validated) {
        (None, Some(validated)) => Ok(validated),
        (Some(violations), _) => Err(violations),
        // Nothing valid without a reason: a gap in validation, told rather than let through.
        (None, None) => {
            let violation = Violation::new(ViolationCode::InvalidValue, "", "the manifest cannot be used");
            Err(Violations::one(violation))
        }
    }
}
