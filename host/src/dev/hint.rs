//! Which line of the manifest would allow what was refused (F3).

use applet_manifest::{ValidatedManifest, did_you_mean};
use applet_types::{ErrorCode, Failure, Operation};
use serde::Serialize;

/// A line to change or to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ManifestLine {
    /// Its number, from 1.
    pub(crate) line: usize,
    /// Whether the line is there already and this is what it should be.
    pub(crate) replaces: bool,
    /// What should be there.
    pub(crate) text: String,
}

/// The line that would allow it, if the refusal is one that a manifest can change. Looked for in the text as
/// it is laid out, so that its author finds it.
pub(crate) fn manifest_line(manifest: &str, failure: &Failure) -> Option<ManifestLine> {
    if failure.code != ErrorCode::TableNotAllowed {
        return None;
    }
    let (table, key) = (failure.table.as_deref()?, key_of(failure.operation?));
    let lines: Vec<&str> = manifest.lines().collect();
    let database = lines.iter().position(|line| line.trim() == "database:")?;
    let depth = indent(lines.get(database)?);
    let mut inside = lines
        .iter()
        .enumerate()
        .skip(database + 1)
        .take_while(|(_, line)| line.trim().is_empty() || indent(line) > depth);
    let found = inside.find(|(_, line)| line.trim_start().starts_with(&format!("{key}:")));
    let Some((at, line)) = found else {
        let text = format!("{}{key}: [{table}]", " ".repeat(depth + 2));
        return Some(ManifestLine { line: database + 2, replaces: false, text });
    };
    let value = line.trim_start().strip_prefix(key)?.strip_prefix(':')?.trim();
    let depth = indent(line);
    match value.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
        Some(list) if list.trim().is_empty() => Some(ManifestLine {
            line: at + 1,
            replaces: true,
            text: format!("{}{key}: [{table}]", " ".repeat(depth)),
        }),
        Some(list) => {
            let text = format!("{}{key}: [{}, {table}]", " ".repeat(depth), list.trim());
            Some(ManifestLine { line: at + 1, replaces: true, text })
        }
        None if value.is_empty() => Some(ManifestLine {
            line: at + 2,
            replaces: false,
            text: format!("{}- {table}", " ".repeat(depth + 2)),
        }),
        None => None,
    }
}

/// Asks whether the statement meant a table of another name.
pub(crate) fn meant_table(manifest: &ValidatedManifest, failure: &Failure) -> Option<String> {
    if !matches!(failure.code, ErrorCode::TableNotAllowed | ErrorCode::UnknownTable) {
        return None;
    }
    let table = failure.table.as_deref()?;
    let requested = manifest.requested();
    let own = manifest.tables().iter().map(|own| own.name().as_str());
    let known: Vec<&str> = own.chain(requested.tables().map(|(name, _)| name.as_str())).collect();
    did_you_mean(table, known.into_iter().filter(|name| *name != table))
}

const fn key_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Insert | Operation::Update | Operation::SoftDelete => "write",
        Operation::HardDelete => "delete",
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(manifest: &str, operation: Operation) -> Option<(usize, bool, String)> {
        let failure = Failure::new(ErrorCode::TableNotAllowed, "no").on("invoices", operation);
        manifest_line(manifest, &failure).map(|line| (line.line, line.replaces, line.text))
    }

    #[test]
    fn f3_the_line_of_the_manifest_is_shown_as_it_should_be() {
        let manifest = "id: notes\npermissions:\n  database:\n    read: [clients]\n    createTables: true\n";
        assert_eq!(
            line(manifest, Operation::Read),
            Some((4, true, "    read: [clients, invoices]".to_owned()))
        );
        assert_eq!(line(manifest, Operation::Insert), Some((4, false, "    write: [invoices]".to_owned())));
        assert_eq!(
            line(manifest, Operation::HardDelete),
            Some((4, false, "    delete: [invoices]".to_owned()))
        );
    }

    #[test]
    fn f3_lists_in_blocks_and_empty_ones_are_added_to() {
        let manifest = "permissions:\n  database:\n    read: []\n    write:\n      - chats\ntables: []\n";
        assert_eq!(line(manifest, Operation::Read), Some((3, true, "    read: [invoices]".to_owned())));
        assert_eq!(line(manifest, Operation::Update), Some((5, false, "      - invoices".to_owned())));
    }

    #[test]
    fn f3_a_layout_that_nobody_knows_gets_no_line() {
        assert_eq!(line("{ permissions: { database: { read: [a] } } }", Operation::Read), None);
        let other = Failure::new(ErrorCode::Syntax, "no").on("invoices", Operation::Read);
        assert_eq!(manifest_line("permissions:\n  database:\n", &other), None);
    }
}
