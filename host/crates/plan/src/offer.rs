//! What a change of version leaves granted, and what it asks for anew (SPEC F7).
//!
//! *Invariant:* what an admin withheld from the version before stays withheld; nothing is carried over that
//! was not granted. Columns and tables of the applet's own follow from being allowed to have tables.

use std::collections::BTreeMap;

use applet_manifest::ValidatedManifest;
use applet_types::{Columns, Grants, Operation, SqlName, TableGrant};

use crate::Side;
use crate::delta::{GrantLine, PARTS};

/// What an admin is asked when an applet changes its version.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What was granted before and is still asked for. Needs no new decision.
    pub carried: Grants,
    /// That, and all that is asked for anew.
    pub whole: Grants,
    /// What is asked for anew and the applet cannot do without.
    pub growth: Vec<GrantLine>,
    /// What is asked for anew and is optional.
    pub optional: Vec<GrantLine>,
}

/// Compares what a new version asks for with what the old one asked for and got.
pub fn offer(old: Side<'_>, new: &ValidatedManifest) -> Offer {
    let (before, after) = (old.manifest.declared(), new.declared());
    let tables_granted = old.manifest.creates_tables()
        && (old.manifest.tables().is_empty() || old.grants.own_tables().next().is_some());
    let optional_parts: BTreeMap<_, _> = new.optional().collect();
    let (mut carried, mut whole) = (BTreeMap::new(), BTreeMap::new());
    let (mut growth, mut optional) = (Vec::new(), Vec::new());
    for (table, asked) in after.tables() {
        let own = after.is_own(table) && tables_granted;
        for operation in PARTS {
            let Some(wanted) = asked.part(operation) else { continue };
            let asked_before = before.table(table).and_then(|grant| grant.part(operation));
            let granted = old.grants.table(table).and_then(|grant| grant.part(operation));
            let (kept, grown) = if own && operation != Operation::HardDelete {
                (own_columns(&wanted, asked_before.as_ref(), granted.as_ref()), None)
            } else {
                let kept = granted.map(|granted| wanted.intersect(&granted)).filter(|kept| !is_none(kept));
                (kept, grown(&wanted, asked_before.as_ref()))
            };
            let all = match (&kept, &grown) {
                (Some(kept), Some(grown)) => Some(kept.union(grown)),
                (kept, grown) => kept.clone().or_else(|| grown.clone()),
            };
            part(&mut carried, table, operation, kept);
            part(&mut whole, table, operation, all);
            if let Some(grown) = grown {
                let may_lack = optional_parts.get(table).and_then(|grant| grant.part(operation));
                let list =
                    if may_lack.is_some_and(|may| may.covers(&grown)) { &mut optional } else { &mut growth };
                list.push(GrantLine::new(table, operation, &grown));
            }
        }
    }
    Offer { carried: new.seal_within(carried), whole: new.seal_within(whole), growth, optional }
}

/// Of an own table: the declared columns but those that an admin withheld before.
fn own_columns(wanted: &Columns, before: Option<&Columns>, granted: Option<&Columns>) -> Option<Columns> {
    match (before, granted, wanted) {
        // The table, or doing this with it, is new.
        (None, _, _) => Some(wanted.clone()),
        (Some(_), None, _) => None,
        (Some(Columns::Only(before)), Some(Columns::Only(granted)), Columns::Only(wanted)) => {
            let withheld = |name: &&SqlName| before.contains(*name) && !granted.contains(*name);
            Some(Columns::Only(wanted.iter().filter(|name| !withheld(name)).cloned().collect()))
        }
        (Some(_), Some(Columns::All), _) | (Some(Columns::All), Some(_), _) | (_, _, Columns::All) => {
            Some(wanted.clone())
        }
    }
}

/// What of the wanted columns was not asked for before.
fn grown(wanted: &Columns, before: Option<&Columns>) -> Option<Columns> {
    match (wanted, before) {
        (wanted, None) => Some(wanted.clone()),
        (wanted, Some(before)) if before.covers(wanted) => None,
        (Columns::Only(wanted), Some(Columns::Only(before))) => {
            Some(Columns::Only(wanted.difference(before).cloned().collect()))
        }
        (wanted, Some(_)) => Some(wanted.clone()),
    }
}

fn is_none(columns: &Columns) -> bool {
    matches!(columns, Columns::Only(names) if names.is_empty())
}

fn part(
    into: &mut BTreeMap<SqlName, TableGrant>,
    table: &SqlName,
    operation: Operation,
    columns: Option<Columns>,
) {
    if let Some(columns) = columns {
        into.entry(table.clone()).or_default().set_part(operation, Some(columns));
    }
}
