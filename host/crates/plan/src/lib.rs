//! Plans: what an install or a change of version would do, as typed steps with their DDL, worked out before
//! anything is touched (SPEC S4.19-29, Decisions 5 and 7).
//!
//! *Invariant:* a plan is a pure function of manifest, grants and catalogue: same inputs, same bytes, same
//! digest. DDL is printed from checked names, types and values, never copied from a manifest, and every
//! statement is read again by `vet` before it leaves this crate. A plan only ever touches the applet's own
//! tables. Does no I/O and reads no clock.
//!
//! Start at [`install`]; [`Plan::pending`] says what is left to do in a database.

mod changes;
mod check;
mod ddl;
mod delta;
mod names;
mod offer;
mod plan;
mod refusal;
mod render;
mod shape;
mod uninstall;
mod versions;
mod vet;
mod widen;

pub use ddl::{DdlStatement, Lock, LockLevel};
pub use delta::{GrantLine, GrantsDelta};
pub use offer::{Offer, offer};
pub use plan::{Plan, Step, StepKind};
pub use refusal::{PlanRefusal, Problem, ProblemCode};
pub use uninstall::{
    Estimate, ExportFormat, Fate, KEEP_HOURS, Leaving, Others, RetireMode, Standing, TableEstimate,
    UninstallPlan, UninstallStep, drop_statement, fate, hidden_name, hide_statement, name_before,
    restore_statement, uninstall,
};

use applet_catalog::Catalog;
use applet_manifest::{OwnTable, ValidatedManifest};
use applet_types::Grants;

use check::Checker;
use ddl::{Home, ResolvedKey};
use plan::Parts;
use versions::Versions;

/// An applet in one version with what it is granted: one side of a change.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What it declares.
    pub manifest: &'a ValidatedManifest,
    /// What it may do, taken from what the manifest requests.
    pub grants: &'a Grants,
}

/// The plan to install an applet in this database. Own tables that other tenants use already are joined;
/// the plan and its digest are the same as when they are made.
///
/// # Errors
///
/// Every reason why it cannot be installed here.
pub fn install(
    manifest: &ValidatedManifest,
    grants: &Grants,
    catalog: &Catalog,
) -> Result<Plan, PlanRefusal> {
    diff(None, Side { manifest, grants }, catalog)
}

/// The plan to go from one version and grant set to another; from `None` it is an install. Steps only add
/// (SPEC S4.33, S4.34): tables that the old side has are changed, others are made or joined.
///
/// # Errors
///
/// Every reason why it cannot be done, with the way to do it.
pub fn diff(old: Option<Side<'_>>, new: Side<'_>, catalog: &Catalog) -> Result<Plan, PlanRefusal> {
    let mut checker = Checker::new(catalog);
    checker.requested_tables(new.grants);
    let tables: Vec<_> =
        new.manifest.tables().iter().filter(|table| new.grants.is_own(table.physical().name())).collect();
    let keys = checker.foreign_keys(&tables);
    let home = checker.home();
    let lacking = checker.own_tables(&tables, &keys, home.as_ref());
    let mut warnings = checker.warnings(new.grants, &keys);
    let Some(home) = home else { return Err(PlanRefusal::no_tenants()) };
    let before = |table: &OwnTable| {
        let old = old.filter(|old| old.grants.is_own(table.physical().name()))?;
        old.manifest.own_table(table.physical().name())
    };
    let fresh = || tables.iter().filter(|table| before(table).is_none());
    let mut steps: Vec<Step> = fresh().map(|table| Step::ensure_table(table, &home)).collect();
    let made = |key: &&ResolvedKey| fresh().any(|table| *table.physical().name() == key.table);
    steps.extend(keys.iter().filter(made).map(|key| Step::foreign_key(key, &home)));
    let mut covered = Vec::new();
    if let Some(old) = old {
        let mut versions = Versions::new(old.manifest, new.manifest, &keys, catalog, &home);
        for table in &tables {
            if let Some(before) = before(table) {
                checker.stands(before);
                versions.table(before, table);
            }
        }
        let own = |old: &Side<'_>, table: &OwnTable| old.grants.is_own(table.physical().name());
        let gone = old.manifest.tables().iter().filter(|table| own(&old, table));
        gone.filter(|table| !new.grants.is_own(table.physical().name()))
            .for_each(|table| versions.gone(table));
        checker.versions(versions.problems);
        covered = versions.steps.iter().map(|step| step.kind().clone()).collect();
        steps.extend(versions.steps);
        warnings.extend(versions.warnings);
    }
    checker.finish()?;
    // What the steps do anyway need not be done before them.
    let adjustments: Vec<Step> =
        lacking.into_iter().filter(|change| !covered.contains(change.kind())).collect();
    steps.push(Step::role(new.grants));
    let indexes = standing_indexes(&tables, catalog, &home);
    for list in [&steps, &adjustments, &indexes] {
        vet::steps(list, &tables, &keys, &home, catalog)?;
    }
    Ok(Plan::new(old, new, Parts { steps, warnings, adjustments, indexes }, catalog))
}

/// Every index of own tables that stand already.
fn standing_indexes(tables: &[&OwnTable], catalog: &Catalog, home: &Home) -> Vec<Step> {
    let standing = tables.iter().filter(|table| catalog.table(table.physical().name()).is_some());
    let steps = |table: &&&OwnTable| {
        let physical = table.physical().name();
        table.indexes().iter().map(|index| changes::add_index(physical, index, home)).collect::<Vec<_>>()
    };
    standing.flat_map(|table| steps(&table)).collect()
}

/// The statements that make the own tables of a manifest which do not exist yet, as an install would make
/// them. Tables that exist are left as they are, whatever their shape.
///
/// # Errors
///
/// Every reason why they cannot be made.
pub fn own_table_ddl(
    manifest: &ValidatedManifest,
    catalog: &Catalog,
) -> Result<Vec<DdlStatement>, PlanRefusal> {
    let missing: Vec<_> =
        manifest.tables().iter().filter(|table| catalog.table(table.physical().name()).is_none()).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let mut checker = Checker::new(catalog);
    let keys = checker.foreign_keys(&missing);
    let home = checker.home();
    let (problems, Some(home)) = (checker.finish(), home) else {
        return Err(PlanRefusal::no_tenants());
    };
    problems?;
    let mut steps: Vec<Step> = missing.iter().map(|table| Step::ensure_table(table, &home)).collect();
    steps.extend(keys.iter().map(|key| Step::foreign_key(key, &home)));
    vet::steps(&steps, &missing, &keys, &home, catalog)?;
    Ok(steps.into_iter().flat_map(Step::into_statements).collect())
}
