//! What changes from one version's tables to the next one's (SPEC S4.32-34): additive steps, or the reason
//! why it cannot be done and the way to do it.
//!
//! All versions of an applet share their tables, and an older one may go on running for other tenants, or
//! for this one after a rollback. So a change that an older version could notice is refused. Going back to
//! an older version asks nothing of the tables but what is there.

use applet_catalog::Catalog;
use applet_manifest::{OwnColumn, OwnIndex, OwnTable, ValidatedManifest};
use applet_types::SqlName;

use crate::changes;
use crate::ddl::{Home, ResolvedKey};
use crate::names::idents;
use crate::plan::Step;
use crate::widen;

/// Collects what changes.
pub(crate) struct Versions<'a> {
    catalog: &'a Catalog,
    home: &'a Home,
    keys: &'a [ResolvedKey],
    /// Going to a later version, or to the same one: then nothing may change that older ones rely on.
    forward: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) warnings: Vec<String>,
    /// Table and sentence.
    pub(crate) problems: Vec<(SqlName, String)>,
}

impl<'a> Versions<'a> {
    pub(crate) fn new(
        old: &ValidatedManifest,
        new: &ValidatedManifest,
        keys: &'a [ResolvedKey],
        catalog: &'a Catalog,
        home: &'a Home,
    ) -> Self {
        let forward = new.version() >= old.version();
        Self { catalog, home, keys, forward, steps: Vec::new(), warnings: Vec::new(), problems: Vec::new() }
    }

    /// From one version of a table to the next.
    pub(crate) fn table(&mut self, old: &OwnTable, new: &OwnTable) {
        let physical = new.physical().name();
        if self.forward && old.primary() != new.primary() {
            self.refuse(physical, format!(
                "the primary key cannot move from `{}` to `{}`; declare a new table and copy the rows in `on-upgrade`",
                old.primary(), new.primary()
            ));
        }
        for column in new.columns() {
            match old.column(column.name()) {
                None => self.added(new, column),
                Some(before) => self.kept(physical, before, column),
            }
        }
        for column in old.columns().iter().filter(|column| new.column(column.name()).is_none()) {
            let required = !column.nullable() && !column.column_type().generated();
            self.steps.push(changes::deprecate_column(physical, column.name(), required, self.home));
        }
        for key in self.keys.iter().filter(|key| key.table == *physical) {
            if old.column(&key.column).is_none() {
                self.steps.extend(changes::tie(key, self.home));
            }
        }
        self.indexes(old, new);
    }

    /// A table that the next version no longer declares.
    pub(crate) fn gone(&mut self, old: &OwnTable) {
        self.steps.push(changes::deprecate_table(old));
    }

    fn added(&mut self, table: &OwnTable, column: &OwnColumn) {
        let physical = table.physical().name();
        let there = self.catalog.table(physical).is_some_and(|table| table.column(column.name()).is_some());
        if let Some(reason) = changes::unaddable(column).filter(|_| !there) {
            self.refuse(physical, reason);
        }
        self.steps.push(changes::add_column(table, column, self.home));
    }

    fn kept(&mut self, physical: &SqlName, old: &OwnColumn, new: &OwnColumn) {
        let name = new.name();
        let (from, to) = (old.column_type(), new.column_type());
        match widen::step(&from.sql(), &to.sql()) {
            widen::Step::Widens => self.steps.push(changes::widen_column(physical, new, self.home)),
            widen::Step::Same if from.generated() == to.generated() => {}
            _ if !self.forward => {}
            widen::Step::Same => self.refuse(
                physical,
                format!("column `{name}` cannot change between {from} and {to}; add a new column"),
            ),
            widen::Step::Rewrites => self.refuse(physical, format!(
                "column `{name}` cannot go from {from} to {to}: PostgreSQL would write every row anew while everybody waits; add a new column of that type and fill it in `on-upgrade`"
            )),
            widen::Step::Narrows | widen::Step::Other => self.refuse(physical, format!(
                "column `{name}` cannot go from {from} to {to}: its values may not fit; add a new column of that type and fill it in `on-upgrade`"
            )),
        }
        match (old.nullable(), new.nullable()) {
            (false, true) => self.steps.push(changes::relax_column(physical, name, self.home)),
            (true, false) if self.forward => self.refuse(physical, format!(
                "column `{name}` cannot stop being nullable: rows and older versions may leave it empty; add a new column with a default, or check it in the applet"
            )),
            _ => {}
        }
        if self.forward && old.default() != new.default() {
            self.refuse(physical, format!(
                "the default of column `{name}` cannot change: older versions insert with it; write the value in the applet, or add a new column"
            ));
        }
        if self.forward && old.foreign_key() != new.foreign_key() {
            self.refuse(physical, format!(
                "where column `{name}` points cannot change: rows and older versions would break it; add a new nullable column that points there"
            ));
        }
    }

    fn indexes(&mut self, old: &OwnTable, new: &OwnTable) {
        let physical = new.physical().name();
        for index in new.indexes().iter().filter(|index| !old.indexes().contains(index)) {
            if index.unique() && self.forward && !on_new_ground(index, new, |name| old.column(name).is_none())
            {
                self.refuse(physical, format!(
                    "a unique index on ({}) would bind rows of older versions; put it on a new nullable column, or declare a new table",
                    idents(index.columns())
                ));
            }
            // Going back, it is there or it never was.
            if self.forward {
                self.steps.push(changes::add_index(physical, index, self.home));
            }
        }
        for index in old.indexes().iter().filter(|index| self.forward && !new.indexes().contains(index)) {
            let what = if index.unique() { "unique index" } else { "index" };
            let (columns, kept) = (idents(index.columns()), if index.unique() { " and binds" } else { "" });
            self.warnings.push(format!(
                "{what} ({columns}) of `{physical}` is no longer declared; it stays{kept}, for versions that have it"
            ));
        }
    }

    fn refuse(&mut self, table: &SqlName, reason: String) {
        self.problems.push((table.clone(), reason));
    }
}

/// Whether a unique index cannot be broken by versions that do not know of it: one of its columns is new
/// and empty unless somebody fills it, and empty values never collide.
pub(crate) fn on_new_ground(index: &OwnIndex, table: &OwnTable, is_new: impl Fn(&SqlName) -> bool) -> bool {
    index
        .columns()
        .iter()
        .filter_map(|name| table.column(name))
        .any(|column| column.nullable() && column.default().is_none() && is_new(column.name()))
}
