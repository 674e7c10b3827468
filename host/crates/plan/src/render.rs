//! A plan as people read it in a terminal.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::ddl::DdlStatement;
use crate::delta::GrantLine;
use crate::plan::{Plan, Step};

impl Plan {
    /// The whole plan as text: what the applet may do, every statement with its locks, what to know.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write_to(&mut text);
        text
    }

    fn write_to(&self, out: &mut String) -> std::fmt::Result {
        let (name, id, version) = (shown(self.name()), self.applet(), self.version());
        match self.from() {
            None => writeln!(out, "install {name} ({id} {version})")?,
            Some(from) => {
                let what = match from.cmp(version) {
                    Ordering::Less => "upgrade",
                    Ordering::Equal => "change",
                    Ordering::Greater => "roll back",
                };
                writeln!(out, "{what} {name} ({id}) from {from} to {version}")?;
            }
        }
        writeln!(out, "plan {}", self.digest())?;
        writeln!(out, "\npermissions")?;
        for line in &self.grants().added {
            let optional = if self.grants().optional.contains(line) { " (optional)" } else { "" };
            writeln!(out, "  + {}{optional}", permission(line))?;
        }
        for line in &self.grants().removed {
            writeln!(out, "  - {}", permission(line))?;
        }
        if self.grants().added.is_empty() && self.grants().removed.is_empty() {
            writeln!(out, "  as before")?;
        }
        writeln!(out, "\nsteps")?;
        for (position, step) in self.steps().iter().enumerate() {
            write_step(&format!("{}.", position + 1), step, out)?;
        }
        if !self.adjustments().is_empty() {
            writeln!(out, "\nfirst, because other tenants have used the tables in another version")?;
        }
        for step in self.adjustments() {
            write_step("-", step, out)?;
        }
        if !self.warnings().is_empty() {
            writeln!(out, "\nto know")?;
        }
        for warning in self.warnings() {
            writeln!(out, "  ! {warning}")?;
        }
        Ok(())
    }
}

fn permission(line: &GrantLine) -> String {
    let columns = match &line.columns {
        None if line.operation == applet_types::Operation::HardDelete => "rows, for good".to_owned(),
        None => "every column".to_owned(),
        Some(names) => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    };
    format!("{:<11} {}: {columns}", line.operation.as_str(), line.table)
}

fn write_step(mark: &str, step: &Step, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  {mark} {}", step.summary())?;
    if step.statements().is_empty() {
        return Ok(());
    }
    writeln!(out, "     {}", costs(step.statements()))?;
    for statement in step.statements() {
        for line in statement.sql().lines() {
            writeln!(out, "       {line}")?;
        }
    }
    Ok(())
}

/// The strongest lock on each table, and whether anything is rewritten or lost.
fn costs(statements: &[DdlStatement]) -> String {
    let mut strongest = std::collections::BTreeMap::new();
    for lock in statements.iter().flat_map(DdlStatement::locks) {
        let level = strongest.entry(&lock.table).or_insert(lock.level);
        *level = lock.level.max(*level);
    }
    let locks: Vec<_> =
        strongest.iter().map(|(table, level)| format!("`{table}` ({})", level.as_str())).collect();
    let rewrites = if statements.iter().any(DdlStatement::rewrites_table) {
        "rewrites a table"
    } else {
        "rewrites nothing"
    };
    let loses = if statements.iter().any(DdlStatement::loses_data) { "LOSES DATA" } else { "loses no data" };
    format!("locks {}; {rewrites}; {loses}", locks.join(", "))
}

/// An applet's own words, fit for a terminal: bounded, and whatever could move the cursor or turn the
/// direction of writing is escaped.
pub(crate) fn shown(text: &str) -> String {
    let escaped = |c: char| match c {
        '\'' | '"' | '\\' => vec![c],
        _ => c.escape_debug().collect(),
    };
    text.chars().take(120).flat_map(escaped).collect()
}
