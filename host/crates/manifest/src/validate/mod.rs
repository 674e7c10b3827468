//! A manifest that was read to a [`ValidatedManifest`]: what its values mean, and whether they can stand
//! together. Goes on after a violation, so that all of them are found in one go.

mod columns;
mod header;
mod keys;
mod permissions;
mod tables;

pub use header::HOST_API;
pub(crate) use permissions::Requests;

use applet_types::{Limits, ManifestLimits, SqlName};

use crate::document::Manifest;
use crate::path::Path;
use crate::report::Report;
use crate::validated::ValidatedManifest;
use crate::violation::{Violation, ViolationCode, quoted};

/// Validates a manifest; `None` when there was a violation, now or while it was read.
pub(crate) fn manifest(
    manifest: &Manifest,
    limits: &ManifestLimits,
    host: &Limits,
    report: &mut Report,
) -> Option<ValidatedManifest> {
    let header = header::header(manifest, report);
    let applet = header.as_ref().map(|header| &header.id);
    let tables = tables::tables(&manifest.tables, applet, limits, report);
    let create_tables = manifest.permissions.database.create_tables.unwrap_or(false);
    if !manifest.tables.is_empty() && !create_tables {
        let message = "own tables are declared, but `permissions.database.createTables` is not `true`";
        report.add(ViolationCode::TablesNotRequested, &Path::root().key("tables"), message);
    }
    let permissions::Asked { requests, optional } =
        permissions::permissions(&manifest.permissions.database, applet, &tables, limits, report);
    let (hooks, settings) =
        (header::hooks(manifest, limits, report), header::settings(manifest, host, report));
    // A table is left out only with a violation. Should one ever be left out without, nothing is valid.
    if tables.len() != manifest.tables.len() {
        return None;
    }
    let canonical = ValidatedManifest::canonical_text(manifest);
    let header = header?;
    Some(ValidatedManifest { header, create_tables, tables, requests, optional, hooks, settings, canonical })
}

/// A usable name, or a violation.
fn name(text: Option<&String>, path: &Path, report: &mut Report) -> Option<SqlName> {
    let text = text?;
    match SqlName::exact(text) {
        Ok(name) => Some(name),
        Err(_) => {
            let violation = Violation::new(
                ViolationCode::InvalidName,
                path,
                format!("{} is not a usable name", quoted(text)),
            );
            report
                .push(violation.hint("lower-case letters, digits and `_`, at most 63 bytes, no digit first"));
            None
        }
    }
}

/// Reports more items than allowed.
fn at_most(count: usize, limit: usize, what: &str, path: &Path, report: &mut Report) {
    if count > limit {
        report.add(ViolationCode::TooMany, path, format!("{count} {what} are more than the {limit} allowed"));
    }
}
