//! What the printer says it printed. `verify` reads the printed text with PostgreSQL's own parser and
//! holds it against this account, so that a disagreement between the two is a rejection and not a leak.
//!
//! *Invariant:* filled while printing, from the typed form only; never from the guest's text. Names are
//! written as PostgreSQL's raw parse tree has them, see the fields.

use std::collections::BTreeSet;

use crate::StatementKind;

/// How one printed relation is bound to the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scoped {
    /// `"alias"."column" = $n::uuid` stands in the WHERE clause of the query that names the relation.
    Where,
    /// The same predicate stands in the ON condition of the join whose nullable side the relation is.
    On,
    /// The relation is the only item of a derived table, and the predicate stands in that one's WHERE.
    Derived,
    /// The target of an INSERT: the column list ends with the tenant column and every row with `$n::uuid`.
    /// Where there is `ON CONFLICT DO UPDATE`, its WHERE holds the predicate as well.
    Inserted,
    /// A global reference table, or the tenant predicate is switched off: no predicate.
    Free,
}

/// One base relation, at the place where it is printed: `"schema"."relation" AS "alias"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PrintedRelation {
    /// Schema, always printed.
    pub(crate) schema: String,
    /// Physical name.
    pub(crate) relation: String,
    /// Alias, always printed.
    pub(crate) alias: String,
    /// The tenant column, where rows belong to tenants.
    pub(crate) tenant_column: Option<String>,
    /// How it is scoped.
    pub(crate) scoped: Scoped,
}

/// Everything that the printed text may contain, and nothing else may be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accounting {
    /// The statement's kind.
    pub(crate) kind: StatementKind,
    /// Every base relation in the order of the text, repetitions included.
    pub(crate) relations: Vec<PrintedRelation>,
    /// Names of common table expressions; a reference to one is printed `"name" AS "alias"`, without schema.
    pub(crate) ctes: BTreeSet<String>,
    /// Functions without their schema (printed `pg_catalog.name`), the ones the grammar makes from other
    /// syntax included: `extract`, `timezone` (AT TIME ZONE), `btrim`, `ltrim`, `rtrim`, `position`,
    /// `overlay`, `substring`, `like_escape`, `similar_to_escape`; and the forms with nodes of their own:
    /// `coalesce`, `greatest`, `least`, `nullif`, `current_date`, `current_timestamp`, `localtimestamp`,
    /// `current_time`, `localtime`, `grouping`.
    pub(crate) functions: BTreeSet<String>,
    /// Operators as the parse tree names them: `~~` for LIKE, `~~*` for ILIKE, `!~~`, `!~~*`, `~` and `!~`
    /// for SIMILAR TO, `=` and `<>` for IN, NULLIF and IS DISTINCT FROM, `BETWEEN`, `NOT BETWEEN`,
    /// `BETWEEN SYMMETRIC`, `NOT BETWEEN SYMMETRIC`. A minus right before a number is part of the number.
    pub(crate) operators: BTreeSet<String>,
    /// Types without their schema (always printed `pg_catalog.name`): `int4`, `bpchar`, `timestamptz`.
    pub(crate) types: BTreeSet<String>,
    /// Queries below the top one: subqueries, derived tables (ours included), common table expressions,
    /// the SELECT or VALUES of an INSERT not included.
    pub(crate) nested_queries: usize,
    /// Highest parameter number in the text, the tenant's included; 0 without any.
    pub(crate) max_parameter: u16,
    /// The tenant's parameter, printed `$n::pg_catalog.uuid` wherever it occurs, and never otherwise.
    pub(crate) tenant_parameter: Option<u16>,
}
