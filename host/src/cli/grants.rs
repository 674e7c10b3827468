//! Permissions, as people read them in a terminal.

use applet_lifecycle::{GrantLine, GrantsDelta};

/// One permission to a line, each behind a mark.
pub(crate) fn lines(mark: &str, lines: &[GrantLine]) -> String {
    let shown = lines.iter().map(|line| {
        let columns = match &line.columns {
            None => "every column".to_owned(),
            Some(names) => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
        };
        format!("  {mark} {:<11} {}: {columns}", line.operation.as_str(), line.table)
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// What comes and goes.
pub(crate) fn difference(delta: &GrantsDelta) -> String {
    let parts = [lines("+", &delta.added), lines("-", &delta.removed)];
    let shown: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if shown.is_empty() { "  as before".to_owned() } else { shown.join("\n") }
}
