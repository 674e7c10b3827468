//! Plans that take an applet away (SPEC S4.36-38, Decision 5).
//!
//! *Invariant:* says nothing of other tenants: whether a table goes, stays or is put aside depends on them,
//! so the plan names what is done to it "once nobody uses it", and its digest is the same in every case. How
//! many rows the tenant has and until when they would be kept is shown beside it ([`Estimate`]) and is not
//! part of the digest: an applet that goes on writing does not void the decision about it.

use std::fmt::Write as _;

use applet_manifest::{LifecycleHook, ValidatedManifest};
use applet_types::{AppletId, SqlName, Version};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::names::ident;

/// How long rows of a soft uninstall can be restored: 30 x 24 hours of the database's clock.
pub const KEEP_HOURS: u32 = 30 * 24;

/// What a soft-deleted table's name begins with.
const DELETED: &str = "_deleted_";

/// What becomes of the tenant's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum RetireMode {
    /// They are kept for 30 days, out of reach, and can be restored by installing the applet again.
    Soft,
    /// They are deleted at once.
    Hard,
    /// They are written to files, the files are read again and compared, and then the rows are deleted.
    Export {
        /// How.
        format: ExportFormat,
    },
}

impl RetireMode {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Export { .. } => "export",
        }
    }

    /// Whether rows are deleted by the uninstall itself.
    pub const fn deletes(self) -> bool {
        match self {
            Self::Soft => false,
            Self::Hard | Self::Export { .. } => true,
        }
    }
}

/// How exported rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values that no spreadsheet takes for formulas.
    Csv,
}

impl ExportFormat {
    /// The stable name, which files end in.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// What is known of an installation that is to go.
#[derive(Debug, Clone)]
pub struct Leaving<'a> {
    /// What it runs, or ran last.
    pub manifest: &'a ValidatedManifest,
    /// What becomes of the rows.
    pub mode: RetireMode,
    /// The schema of its tables.
    pub schema: &'a SqlName,
    /// The physical names of the tables that it leaves.
    pub tables: Vec<SqlName>,
    /// Whether the applet is installed in another workspace of the tenant, whose rows they are as well.
    pub shared: bool,
    /// Whether its hooks could be called until now. What an admin has switched off is not run once more.
    pub active: bool,
    /// Tables of others that its rows point at and thereby hold in place.
    pub pinned: Vec<SqlName>,
}

/// What an uninstall would do. Made by [`uninstall`] only, and read back as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UninstallPlan {
    format: String,
    applet: AppletId,
    name: String,
    version: Version,
    mode: RetireMode,
    tables: Vec<SqlName>,
    shared: bool,
    calls_hook: bool,
    keep_hours: u32,
    loses_data: bool,
    steps: Vec<UninstallStep>,
    warnings: Vec<String>,
}

/// A step of it, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UninstallStep {
    summary: String,
    statements: Vec<String>,
}

/// What it would mean if it were applied now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows of this tenant, table by table.
    pub tables: Vec<TableEstimate>,
    /// Until when they could be restored; `None` when they would be deleted at once.
    pub kept_until: Option<DateTime<Utc>>,
}

/// Rows of the tenant in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEstimate {
    /// Its physical name.
    pub table: SqlName,
    /// How many.
    pub rows: u64,
}

/// The plan to take an applet away.
pub fn uninstall(leaving: &Leaving<'_>) -> UninstallPlan {
    let manifest = leaving.manifest;
    let calls_hook = leaving.active && manifest.hooks().has(LifecycleHook::OnUninstall);
    UninstallPlan {
        format: "applet-uninstall/1".to_owned(),
        applet: manifest.id().clone(),
        name: manifest.name().to_owned(),
        version: manifest.version().clone(),
        mode: leaving.mode,
        tables: leaving.tables.clone(),
        shared: leaving.shared,
        calls_hook,
        keep_hours: if leaving.mode.deletes() { 0 } else { KEEP_HOURS },
        loses_data: leaving.mode.deletes() && !leaving.shared && !leaving.tables.is_empty(),
        steps: steps(leaving, calls_hook),
        warnings: warnings(leaving),
    }
}

fn steps(leaving: &Leaving<'_>, calls_hook: bool) -> Vec<UninstallStep> {
    let mut steps = vec![step("refuse new calls of the applet's hooks".to_owned(), Vec::new())];
    if calls_hook {
        steps.push(step(
            "call the applet's own hook; whatever comes of it changes nothing".to_owned(),
            Vec::new(),
        ));
    }
    if leaving.shared {
        steps.push(step(
            "leave your rows as they are: the applet is installed in another workspace of yours".to_owned(),
            Vec::new(),
        ));
    } else {
        if let RetireMode::Export { format } = leaving.mode {
            let files: Vec<_> =
                leaving.tables.iter().map(|table| format!("`{table}.{}`", format.as_str())).collect();
            let summary =
                format!("write your rows to {}, read the files again and compare", files.join(", "));
            steps.push(step(summary, Vec::new()));
        }
        steps.extend(leaving.tables.iter().map(|table| table_step(leaving, table)));
    }
    steps.push(step("drop the database role of its grants unless others use it".to_owned(), Vec::new()));
    steps
}

fn table_step(leaving: &Leaving<'_>, table: &SqlName) -> UninstallStep {
    if leaving.mode.deletes() {
        step(
            format!("delete your rows of `{table}`, and the table itself once nobody uses it"),
            vec![delete_statement(leaving.schema, table), drop_statement(leaving.schema, [table])],
        )
    } else {
        step(
            format!(
                "keep your rows of `{table}` for {} days, where nothing reaches them; the table is renamed once nobody uses it",
                KEEP_HOURS / 24
            ),
            vec![hide_statement(leaving.schema, table)],
        )
    }
}

fn step(summary: String, statements: Vec<String>) -> UninstallStep {
    UninstallStep { summary, statements }
}

fn warnings(leaving: &Leaving<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if !leaving.mode.deletes() && !leaving.shared {
        warnings.extend(leaving.pinned.iter().map(|table| {
            format!(
                "until they are purged, the rows that are kept hold the rows of `{table}` that they point at"
            )
        }));
    }
    if !leaving.active {
        warnings.push("the applet is not active: its own hook is not called".to_owned());
    }
    warnings
}

/// The name under which a table without users stands.
pub fn hidden_name(table: &SqlName) -> String {
    format!("{DELETED}{table}")
}

/// The name that a table had before it was put aside; `None` for any other.
pub fn name_before(hidden: &SqlName) -> Option<SqlName> {
    SqlName::exact(hidden.as_str().strip_prefix(DELETED)?).ok()
}

/// Puts a table aside.
pub fn hide_statement(schema: &SqlName, table: &SqlName) -> String {
    format!("ALTER TABLE {}.{} RENAME TO {}", ident(schema), ident(table), hidden_name(table))
}

/// Takes it back.
pub fn restore_statement(schema: &SqlName, table: &SqlName) -> String {
    format!("ALTER TABLE {}.{} RENAME TO {}", ident(schema), hidden_name(table), ident(table))
}

/// Drops tables, under whichever name each stands; together, because they may point at each other.
pub fn drop_statement<'a>(schema: &SqlName, tables: impl IntoIterator<Item = &'a SqlName>) -> String {
    let schema = ident(schema);
    let both = |table: &SqlName| format!("{schema}.{}, {schema}.{}", ident(table), hidden_name(table));
    let names: Vec<_> = tables.into_iter().map(both).collect();
    format!("DROP TABLE IF EXISTS {}", names.join(", "))
}

fn delete_statement(schema: &SqlName, table: &SqlName) -> String {
    format!("DELETE FROM {}.{} WHERE tenant_id = $1", ident(schema), ident(table))
}

impl UninstallPlan {
    /// The applet.
    pub const fn applet(&self) -> &AppletId {
        &self.applet
    }

    /// The version that goes.
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// What becomes of the rows.
    pub const fn mode(&self) -> RetireMode {
        self.mode
    }

    /// The physical names of the tables that are left.
    pub fn tables(&self) -> &[SqlName] {
        &self.tables
    }

    /// Whether the tenant's rows stay in use in another workspace.
    pub const fn shared(&self) -> bool {
        self.shared
    }

    /// Whether the applet's own hook is called.
    pub const fn calls_hook(&self) -> bool {
        self.calls_hook
    }

    /// For how many hours rows are kept.
    pub const fn keep_hours(&self) -> u32 {
        self.keep_hours
    }

    /// Whether rows are gone afterwards, for good.
    pub const fn loses_data(&self) -> bool {
        self.loses_data
    }

    /// What an admin should know before saying yes.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// SHA-256 over everything the plan says, in hexadecimal.
    pub fn digest(&self) -> String {
        // Plain structs of strings, lists and booleans in fixed order: serialising cannot fail.
        hex::encode(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }

    /// The whole plan as text, with what it would mean now.
    pub fn render(&self, estimate: &Estimate) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write_to(estimate, &mut text);
        text
    }

    fn write_to(&self, estimate: &Estimate, out: &mut String) -> std::fmt::Result {
        let name = crate::render::shown(&self.name);
        writeln!(out, "uninstall {name} ({} {}), {}", self.applet, self.version, self.mode.as_str())?;
        writeln!(out, "plan {}", self.digest())?;
        writeln!(out, "\nyour data")?;
        if estimate.tables.is_empty() {
            writeln!(out, "  no table of this applet has rows of yours")?;
        }
        for TableEstimate { table, rows } in &estimate.tables {
            writeln!(out, "  {table}: {rows} rows")?;
        }
        match (self.shared, estimate.kept_until) {
            (true, _) => writeln!(out, "  stay: another workspace of yours uses them")?,
            (false, Some(until)) => {
                writeln!(
                    out,
                    "  can be restored until {} if uninstalled now",
                    until.format("%Y-%m-%d %H:%M UTC")
                )?;
            }
            (false, None) if self.loses_data => writeln!(out, "  are DELETED, for good")?,
            (false, None) => {}
        }
        writeln!(out, "\nsteps")?;
        for (position, step) in self.steps.iter().enumerate() {
            writeln!(out, "  {}. {}", position + 1, step.summary)?;
            for statement in &step.statements {
                writeln!(out, "       {statement}")?;
            }
        }
        if !self.warnings.is_empty() {
            writeln!(out, "\nto know")?;
        }
        for warning in &self.warnings {
            writeln!(out, "  ! {warning}")?;
        }
        Ok(())
    }
}

/// How a table stands in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Under its own name.
    Live,
    /// Put aside.
    Hidden,
    /// Not at all.
    Absent,
}

/// What is known of the others who have to do with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Others {
    /// An installation works with it, or rows are in it that no uninstall accounts for.
    pub hold: bool,
    /// Rows are in it that somebody may still restore.
    pub retain: bool,
}

/// What becomes of a table that a tenant leaves, or that is looked at again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// It is put aside.
    Hidden,
    /// It is dropped.
    Dropped,
}

/// Decides it. `retained` says whether rows of the one who leaves are kept in it.
pub const fn fate(standing: Standing, others: Others, retained: bool) -> Fate {
    match (standing, others.hold, others.retain || retained) {
        (Standing::Absent, _, _) | (_, true, _) | (Standing::Hidden, false, true) => Fate::Stays,
        (Standing::Live, false, true) => Fate::Hidden,
        (Standing::Live | Standing::Hidden, false, false) => Fate::Dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    #[test]
    fn s4_36_a_table_goes_when_nobody_holds_it_and_nobody_can_restore_rows_in_it() {
        use Fate::{Dropped, Hidden, Stays};
        // standing, others hold, others retain, own rows retained, what becomes of it
        let table = [
            (Standing::Live, false, false, false, Dropped),
            (Standing::Live, false, false, true, Hidden),
            (Standing::Live, false, true, false, Hidden),
            (Standing::Live, false, true, true, Hidden),
            (Standing::Live, true, false, false, Stays),
            (Standing::Live, true, false, true, Stays),
            (Standing::Live, true, true, false, Stays),
            (Standing::Live, true, true, true, Stays),
            (Standing::Hidden, false, false, false, Dropped),
            (Standing::Hidden, false, false, true, Stays),
            (Standing::Hidden, false, true, false, Stays),
            (Standing::Hidden, false, true, true, Stays),
            (Standing::Hidden, true, false, false, Stays),
            (Standing::Hidden, true, false, true, Stays),
            (Standing::Hidden, true, true, false, Stays),
            (Standing::Hidden, true, true, true, Stays),
            (Standing::Absent, false, false, false, Stays),
        ];
        for (standing, hold, retain, own, expected) in table {
            let got = fate(standing, Others { hold, retain }, own);
            assert_eq!(got, expected, "{standing:?} hold {hold} retain {retain} own {own}");
        }
    }

    #[test]
    fn s4_36_hidden_names_lead_back() {
        let table = name("applet_ai_chat_x");
        assert_eq!(hidden_name(&table), "_deleted_applet_ai_chat_x");
        assert_eq!(name_before(&name("_deleted_applet_ai_chat_x")), Some(table));
        assert_eq!(name_before(&name("applet_ai_chat_x")), None);
    }

    #[test]
    fn s4_36_statements_name_only_the_table_and_quote_what_is_a_word() {
        let (schema, table) = (name("user"), name("applet_a_t"));
        assert_eq!(
            hide_statement(&schema, &table),
            "ALTER TABLE \"user\".applet_a_t RENAME TO _deleted_applet_a_t"
        );
        assert_eq!(
            restore_statement(&schema, &table),
            "ALTER TABLE \"user\"._deleted_applet_a_t RENAME TO applet_a_t"
        );
        assert_eq!(
            drop_statement(&schema, [&table]),
            "DROP TABLE IF EXISTS \"user\".applet_a_t, \"user\"._deleted_applet_a_t"
        );
    }
}
